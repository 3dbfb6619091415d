"""A saved fit is checked whole before it is used: whatever is changed in it, a command ends in 0 or 3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import READERS, SAVED_COINS, SAVED_GMM
from rules import POINTS, TOSSES, hold, in_process

ODD = (None, "x", [], {}, True, -1, 0, 1e308, 10**400, [[1]], {"a": None}, "\x1b[2J")


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document but the document itself."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*path, key))


STARTED = "fit {model} rows.csv -k 2 --restarts 1 --max-iter 2 --start f.json"


@pytest.mark.parametrize(
    "fit", [pytest.param(SAVED_GMM, id="gmm", marks=pytest.mark.slow), pytest.param(SAVED_COINS, id="coins")]
)
def test_any_field_of_a_saved_fit_may_be_anything(fit: dict[str, Any], tmp_path: Path) -> None:
    readers = (*READERS, STARTED.format(model=fit["model"]))
    (tmp_path / "rows.csv").write_text(TOSSES if fit is SAVED_COINS else POINTS)
    (tmp_path / "x.csv").write_text("x,y,heads,tosses\n1,2,3,4\n2,3,4,5\n3,1,1,9\n")
    used = 0
    for at, (*parents, key) in enumerate(paths(fit)):
        if fit is SAVED_COINS and parents and fit[parents[0]] == SAVED_GMM.get(parents[0]):
            continue  # what it has in common with the other is changed there
        for turn in range(3):
            mutant = deepcopy(fit)
            holder: Any = mutant
            for parent in parents:
                holder = holder[parent]
            if turn:
                holder[key] = ODD[(2 * at + turn) % len(ODD)]
            else:
                del holder[key]
            (tmp_path / "f.json").write_text(json.dumps(mutant))
            done = in_process([*readers[(at + turn) % len(readers)].split(), "-o", "out"], tmp_path)
            assert done.code in (0, 3), (parents, key, turn, done)
            hold(done, done.code)
            used += done.code == 0
    assert used > 10  # what nothing reads may be anything


@pytest.mark.parametrize(
    "truth",
    [
        {"means": [[1, 2]]},
        {"weights": [0.5, 0.5], "means": [[1, 2], [3]], "covariances": [[[1, 0], [0, 1]]] * 2},
        {"weights": [0.5], "means": [[1, 2], [3, 4]], "covariances": [[[1, 0], [0, 1]]] * 2},
        {"weights": [0.5, 0.5], "means": [[1, 2], [3, 4]], "covariances": [[[1, 0], [0, -1]]] * 2},
        {"weights": 1, "means": 2, "covariances": 3},
        {"weights": [0.5, 0.5], "means": [{"a": 1}, [3, 4]], "covariances": [[[1, 0], [0, 1]]] * 2},
    ],
)
def test_a_truth_that_the_model_cannot_show_is_refused(truth: dict[str, Any], tmp_path: Path) -> None:
    for name, parameters in (("good", SAVED_GMM["parameters"]), ("f", truth)):
        fit = {**SAVED_GMM, "truth": {"parameters": parameters, "adjusted_rand_index": None}}
        (tmp_path / f"{name}.json").write_text(json.dumps(fit))
    hold(in_process(["compare", "good.json", "good.json"], tmp_path), 0)
    hold(in_process(["compare", "good.json", "f.json"], tmp_path), 3, "f.json: truth.parameters: ")
