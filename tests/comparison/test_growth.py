"""`-k auto`: one component more at a time, until two in a row bring no better criterion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, run

from emcli.comparison.candidate import Candidate, Score
from emcli.comparison.growth import grown, ks_of


def compared(*words: Any) -> dict[str, Any]:
    done = run("compare", *words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def tried(document: dict[str, Any]) -> list[int]:
    return sorted(row["k"] for group in document["groups"] for row in group["candidates"])


def candidate(k: int, value: float | None, artefact: bool = False) -> Candidate:
    said = [{"slug": "few-rows", "message": ""}] if artefact else []
    document: Any = {"bic": value, "aic": value, "icl": value, "warnings": said}
    kind: Any = {"model": "gmm", "k": k, "covariance": "full", "mixing": "free"}
    return Candidate(f"k{k}", kind, document, score=None if value is None else Score("silhouette", value))


@pytest.mark.parametrize(
    ("criterion", "values", "stop"),
    [
        ("bic", [9, 5, 6, 7, 1], 4),
        ("bic", [9, 5, 6, 4, 8, 8], 6),
        ("bic", [9, 8, 7, 6, 5, 4], 6),
        ("bic", [5, 5, 5, 1], 3),
        ("icl", [None, None, None, 1], 3),
        ("silhouette", [0.1, 0.5, 0.4, 0.3, 0.9], 4),
    ],
)
def test_it_stops_after_two_in_a_row_without_a_better_one(criterion: str, values: list[Any], stop: int) -> None:
    found: list[Candidate] = []

    def more(k: int) -> list[Candidate]:
        found.append(candidate(k, values[k - 1]))
        return found

    growth = grown(range(1, len(values) + 1), criterion, 100.0, more, lambda: found)
    assert len(growth.candidates) == stop
    assert f"stopped at k={stop}" in growth.stopped


def test_an_artefact_is_no_better_one_and_a_full_search_may_move_the_end() -> None:
    short, full = {1: 9.0, 2: 5.0, 3: 6.0, 4: 6.0, 5: 6.0, 6: 6.0}, {3: 4.0}
    found: dict[int, float] = {}

    def candidates() -> list[Candidate]:
        return [candidate(k, value) for k, value in found.items()]

    def more(k: int) -> list[Candidate]:
        found[k] = short[k]
        return candidates()

    def finish() -> list[Candidate]:
        found.update({k: value for k, value in full.items() if k in found})
        return candidates()

    assert "at k=5: 4 and 5 brought no better BIC than k=3" in grown(range(1, 7), "bic", 100.0, more, finish).stopped
    spurious = [candidate(1, 9.0), candidate(2, 5.0), candidate(3, 1.0, artefact=True), candidate(4, 6.0)]
    assert "at k=4" in grown(range(1, 5), "bic", 100.0, lambda k: spurious[:k], lambda: spurious).stopped


def test_at_most_20_and_no_more_than_the_root_of_the_rows() -> None:
    assert [ks_of(rows, "bic") for rows in (1, 80, 1e6)] == [range(1, 2), range(1, 9), range(1, 21)]
    assert ks_of(80, "silhouette") == range(2, 9)
    assert ks_of(80, "gap") == range(1, 9)


def test_a_mixture_from_an_experiment_and_fit_takes_no_auto(tmp_path: Path) -> None:
    said = f"fit: {{k: auto, tosses: n, row_weights: freq}}\ndata: {SAMPLES / 'thumbtacks.csv'}\n"
    (tmp_path / "tacks.yaml").write_text(f"model: coins\n{said}")
    found = compared(tmp_path / "tacks.yaml")
    assert (found["best"], tried(found)) == ("tacks:coins-k2-equal", [1, 2, 3, 4])
    assert found["stopped"] == ["tacks: -k auto stopped at k=4: 3 and 4 brought no better BIC than k=2."]
    refused = run("fit", tmp_path / "tacks.yaml")
    assert (refused.returncode, "takes one value of k" in refused.stderr) == (2, True)


@pytest.mark.parametrize(("criterion", "ks"), [("silhouette", "2-4"), ("gap", "1-3")])
def test_k_means_is_tried_as_in_the_grid_where_it_stops(criterion: str, ks: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    centres = np.repeat([[0.0, 0.0], [9.0, 0.0]], 40, axis=0)
    np.savetxt(tmp_path / "two.csv", rng.normal(centres), delimiter=",", header="a,b", comments="")
    found = compared("kmeans", tmp_path / "two.csv", "-k", "auto", "--criterion", criterion)
    (stopped,) = found.pop("stopped")
    assert stopped.startswith(f"-k auto stopped at k={ks[-1]}: ")
    asked = compared("kmeans", tmp_path / "two.csv", "-k", ks, "--criterion", criterion)
    assert found == asked


def test_where_the_rows_bear_no_more_the_edge_is_told(tmp_path: Path) -> None:
    centres = [0, 100, 200]
    np.savetxt(tmp_path / "few.csv", np.ravel([[c, c + 1.0, c + 3.0] for c in centres]), header="a", comments="")
    done = run("compare", "kmeans", tmp_path / "few.csv", "-k", "auto", "--criterion", "ch")
    assert "-k auto stopped at k=3, the most that it tries for 9 rows." in done.stdout
    assert "the largest that -k auto tries" in " ".join(done.stderr.split())


def test_auto_stands_alone() -> None:
    done = run("compare", "gmm", SAMPLES / "faithful.csv", "-k", "2,auto")
    assert (done.returncode, done.stderr) == (2, "emcli: error: '-k' is either auto or a list, not both\n")
    assert "got 'auto'" in run("fit", "gmm", SAMPLES / "faithful.csv", "-k", "auto").stderr
