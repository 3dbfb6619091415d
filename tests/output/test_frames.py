"""Films of fits: each frame shows its own iteration, and all have the same axes."""

from __future__ import annotations

import html
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, run
from inprocess import loaded
from rules import Done, hold

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
    assert reached(moments("data"), 5) == ["data"]
    assert reached(moments("0-5"), 2) == [0, 1, 2]
    for wrong in ("", "x", "-1", "3-1", "1,,2", "1.5", "data last", "0-999", "²"):
        with pytest.raises(ValueError, match="must"):
            moments(wrong)
    with pytest.raises(ValueError, match="must"):
        moments("data,1", data=False)


def described_in(svg: Path) -> Any:
    found = re.search(r"<dc:description>(.*?)</dc:description>", svg.read_text(), re.S)
    assert found is not None
    return json.loads(html.unescape(found.group(1)))


def test_iterations_stand_side_by_side_with_the_inertia_beside(tmp_path: Path) -> None:
    path = tmp_path / "p.svg"
    words = ("fit", "kmeans", SAMPLES / "blobs.csv", "-k", 3, "--init", "random", "--seed", 4, "--restarts", 1)
    words = (*words, "--plot", path)
    document = fit(*words[1:], "--iterations", "data,0-2,last", "-q")
    last = document["iterations"]
    *frames, climb = described_in(path)["panels"]
    titles = ["The data", "Start", "After 1 iteration", "After 2 iterations", f"End, after {last} iterations"]
    assert [panel["title"] for panel in frames] == titles
    dots = climb["series"][-1]
    assert dots["count"] == 4 and dots["x"] == [0, last, last]
    inertias = [document["trace"][i]["inertia"] for i in (0, last)]
    assert dots["y"] == pytest.approx([inertias[1], inertias[0], inertias[1]], rel=1e-5)
    done = run(*words, "--iterations", "data,1,2,500")
    assert done.returncode == 0 and f"the fit ended after {last} iterations" in done.stderr
    titles = [panel["title"] for panel in described_in(path)["panels"]]
    assert titles == ["The data", "After 1 iteration", "After 2 iterations", f"End, after {last} iterations", "Inertia"]
    assert run(*words, "--iterations", "data", "-q").returncode == 0
    [alone] = described_in(path)["panels"]
    assert alone["title"] == "The data" and [one["count"] for one in alone["series"]] == [600]


def test_frames_stand_below_each_other_in_the_terminal() -> None:
    words = ("fit", "kmeans", SAMPLES / "galaxies.csv", "-k", 2, "--init", "random", "--restarts", 1, "-q")
    said = run(*words, "--plot", "-", "--iterations", "data,0,last").stdout
    places = [said.index(title) for title in ("The data", "Start\n", "End, after", "Inertia\n")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--iterations", "1"), "'--iterations' needs --plot FILE"),
        (("--size", "9x6"), "'--size' needs --plot FILE"),
        (("--dpi", "90"), "'--dpi' needs --plot FILE"),
        (("--plot", "p.svg", "--iterations", "1,x"), "'--iterations' must list iterations such as 0,1,5-8"),
        (("--plot", "p.svg", "--iterations", "0-100000"), "at most 100 iterations"),
        (("--plot", "p.svg", "--size", "9"), "'--size' must be WIDTHxHEIGHT in inches"),
        (("--plot", "p.svg", "--size", "0.1x9"), "'--size' must be from 1.5 to 60 inches"),
        (("--plot", "p.svg", "--size", "60x60", "--dpi", "1200"), "at most 50 million pixels, got 5184"),
        (("--plot", "p.svg", "--dpi", "1"), "'--dpi' must be an integer from 20 to 1200, got '1'"),
        (("--plot", "-", "--size", "9x6"), "'--size' is of a picture in a file"),
    ],
)
def test_a_picture_that_cannot_be_as_asked_is_refused_before_the_fit(more: tuple[str, ...], what: str) -> None:
    done = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 9, "--restarts", 100000, *more)
    hold(Done(done.returncode, done.stdout, done.stderr), 2, what)


def test_a_picture_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    for more, size in (
        (("--size", "800x500px"), (800, 500)),
        (("--size", "4x3", "--dpi", "50"), (200, 150)),
        (("--size", "400x300px", "--dpi", "200"), (400, 300)),
    ):
        words = ("fit", "coins", SAMPLES / "do_batzoglou.csv", "--restarts", 1, "-q", *more)
        assert run(*words, "--plot", tmp_path / "p.png").returncode == 0
        header = (tmp_path / "p.png").read_bytes()[16:24]
        assert struct.unpack(">II", header) == size
