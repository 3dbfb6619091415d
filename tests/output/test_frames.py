"""Films of fits: each frame shows its own iteration, and all have the same axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES
from inprocess import loaded

from emcli.config.iterations import moments, reached
from emcli.config.resolve import resolve
from emcli.inference.fit import fit as start_all
from emcli.inference.fit import observe
from emcli.inference.fit_result import FitResult
from emcli.inference.result import read_start
from emcli.models import model_class
from emcli.output.plots.frames import Film, film
from emcli.output.plots.history import History

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "kmeans-1": ("kmeans", "galaxies.csv", {"k": 3}),
    "kmeans-2": ("kmeans", "blobs.csv", {"k": 3, "init": "random"}),
    "coins": ("coins", "two_coins.csv", {}),
    "gmm-1": ("gmm", "mixture_1d.csv", {"k": 3, "init": "random"}),
    "gmm-2": ("gmm", "faithful.csv", {"k": 2}),
    "gmm-4": ("gmm", "iris.csv", {"k": 3}),
}


def filmed(case: str, wanted: str | None = None) -> tuple[FitResult, Film]:
    """A fit and its film."""
    model, data, flags = CASES[case]
    kind = model_class(model)
    settings = resolve(kind.name, kind.options, {"restarts": 2, **flags}, None, read_start=read_start)
    dataset = loaded(kind, Path(SAMPLES / data), settings)
    listed = None if wanted is None else moments(wanted)
    history = History(wanted=[each for each in listed or () if isinstance(each, int)])
    result = observe(start_all(kind, dataset, settings), history)
    return result, film(result, history, listed)


@pytest.mark.parametrize("case", CASES)
def test_frames_have_the_same_axes_and_hold_every_row(case: str) -> None:
    result, made = filmed(case, "data,0,1,last,999999999")
    last = result.best.iterations
    assert [frame.iteration for frame in made.frames] == [None, *sorted({0, *([1] if last else []), last})]
    first = made.frames[0].panel
    rows = result.data.rows.total
    for frame in made.frames:
        panel = frame.panel
        assert (panel.x_label, panel.y_label) == (first.x_label, first.y_label)
        assert (panel.x_range, panel.y_range) == (first.x_range, first.y_range)
        crowd = [one.y.sum() if one.kind == "bars" else len(one.x) for one in panel.series if one.kind == "bars"]
        if not crowd:
            crowd = [len(one.x) for one in panel.series if one.kind == "points" and one.stroke == "normal"]
        assert sum(crowd) == rows
    climb = made.climb.series[0]
    assert climb.y.tolist() == [step.objective for step in result.measures(result.best)[: last + 1]]
    assert climb.x.tolist() == list(range(last + 1))


def test_each_frame_assigns_the_rows_by_its_own_centroids() -> None:
    result, made = filmed("kmeans-2")
    last = result.best.iterations
    assert [frame.iteration for frame in made.frames] == [None, *range(last + 1)]
    counts = []
    for frame in made.frames[1:]:
        clusters = [one for one in frame.panel.series if one.kind == "points" and one.stroke == "normal"]
        centroids = next(one for one in frame.panel.series if one.label == "centroid")
        places = np.column_stack([centroids.x, centroids.y])
        for j, one in enumerate(clusters):
            apart = np.linalg.norm(np.column_stack([one.x, one.y])[:, None] - places, axis=2)
            assert (apart.argmin(axis=1) == j).all() and one.colour == j
        counts.append([len(one.x) for one in clusters])
    assert counts[-1] == result.parameters["sizes"] and counts[0] != counts[-1]


def test_wanted_iterations_are_kept_however_many_there_are() -> None:
    class Small:
        parameters_count = 3

    history = History(wanted=(777, 99_999))
    from emcli.output.plots.history import KeptModels

    kept = KeptModels(1, wanted=history.wanted)
    for i in range(100_000):
        kept.add(i, Small(), float(i))  # type: ignore[arg-type]
    assert {777, 99_999} <= set(kept.models) and len(kept.models) <= 260
    kept.shorten()
    assert list(kept.models) == [0, 1, 2, 3, 4, 5, 777, 99_999]


def test_moments_are_listed_in_words_numbers_and_ranges() -> None:
    assert moments("data,0,2-4,last") == ("data", 0, 2, 3, 4, "last")
    assert reached(moments("last,7,5,data,3,40"), 5) == ["data", 3, 5]
    assert reached(moments("0-5"), 2) == [0, 1, 2]
    for wrong in ("", "x", "-1", "3-1", "1,,2", "1.5", "data last", "0-999", "²"):
        with pytest.raises(ValueError, match="must"):
            moments(wrong)
    with pytest.raises(ValueError, match="must"):
        moments("data,1", data=False)
