"""Many starts on many rows: screened on a sample, and the ledger says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import fit, run
from inprocess import dataset, result_of

from emcli.inference.fit import fit as fit_of
from emcli.inference.fit import observe
from emcli.inference.search.screening import surely_lower

ROWS = 22_000  # enough to be screened
SCREENED = {"gmm": ["-k", 4, "--restarts", 6], "kmeans": ["-k", 7, "--restarts", 6, "--init", "random"]}


class Fitted(NamedTuple):
    """What one command wrote."""

    document: dict[str, Any]
    table: str
    trace: list[dict[str, Any]]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clusters in the plane, two of which overlap."""
    rng = np.random.default_rng(11)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    values = centres[rng.integers(4, size=ROWS)] + rng.normal(size=(ROWS, 2))
    path = tmp_path_factory.mktemp("large") / "large.csv"
    np.savetxt(path, values, delimiter=",", header="x,y", comments="", fmt="%.9g")
    return path


@pytest.fixture(scope="module")
def screened(large: Path) -> dict[str, Fitted]:
    """A fit of each model that begins six times, and for K-means ends in as many optima."""
    found = {}
    for model, words in SCREENED.items():
        saved, log = (large.with_name(f"{model}.{ending}") for ending in ("json", "jsonl"))
        done = run("fit", model, large, *words, "-o", saved, "--trace", log, process=False)
        trace = [json.loads(line) for line in log.read_text().splitlines()]
        found[model] = Fitted(json.loads(saved.read_text()), done.stdout, trace)
    return found


@pytest.mark.parametrize("model", [pytest.param("gmm", marks=pytest.mark.slow), "kmeans"])
def test_the_ledger_says_which_starts_were_screened(model: str, screened: dict[str, Fitted]) -> None:
    ledger: list[dict[str, Any]] = screened[model].document["restarts"]
    assert [line["start"] for line in ledger] == [1, 2, 3, 4, 5, 6]
    assert all(line["sample"]["rows"] == 8192 for line in ledger)
    finished = [line for line in ledger if line["status"] == "converged"]
    assert 1 <= len(finished) <= 3
    assert all(
        line["status"] in ("screened", "behind") and line["log_likelihood"] is None
        for line in ledger
        if line not in finished
    )
    best = max(ledger, key=lambda line: line["sample"]["log_likelihood"])
    assert best["sample"]["log_likelihood"] <= max(line["sample"]["log_likelihood"] for line in finished) + 1e-4
    assert "tried on a sample of 8192 rows" in screened[model].table


@pytest.mark.parametrize(("more", "status"), [(-5.0, "converged"), (40.0, "screened")])
def test_a_fit_that_cannot_reach_what_is_needed_ends_as_it_is_then(more: float, status: str) -> None:
    """Two components are true; four are some ten nats higher, and not more."""
    rng = np.random.default_rng(3)
    far = rng.random(20_000) < 0.5
    values = np.where(far, rng.normal(3, 1.5, 20_000), rng.normal(0, 1, 20_000))[:, None]
    two = result_of(values, {"model": "gmm", "k": 2, "restarts": 4})
    fitted = dataset(values, {"model": "gmm", "k": 4, "restarts": 4})
    assert two.log_likelihood is not None
    four = observe(fit_of(*fitted, needed=two.log_likelihood + more))
    assert four.best.status == status and four.log_likelihood is not None
    assert two.log_likelihood < four.log_likelihood < two.log_likelihood + 20
    if status == "screened":
        assert {run.status for run in four.ledger} == {"screened", "behind"}


@pytest.mark.parametrize("model", ["gmm", "kmeans"])
def test_traces_go_on_all_rows_only(model: str, screened: dict[str, Fitted]) -> None:
    document, _, lines = screened[model]
    ends = [line for line in lines if line["type"] == "end"]
    ends.sort(key=lambda line: line["start"])
    assert [line["status"] for line in ends] == [line["status"] for line in document["restarts"]]
    going = {line["start"] for line in lines if line["type"] == "iteration"}
    assert going == {line["start"] for line in document["restarts"] if line["status"] != "screened"}


def test_it_ends_no_lower_than_starts_that_all_see_every_row(large: Path, screened: dict[str, Fitted]) -> None:
    """Few starts are not screened: the three here run on all rows."""
    document = fit("gmm", large, "-k", 4, "--restarts", 3, "--seed", 1)
    assert all("sample" not in line for line in document["restarts"])
    assert screened["gmm"].document["log_likelihood"] >= document["log_likelihood"] - 1e-5


@pytest.mark.parametrize("model", ["gmm", "kmeans"])
def test_few_rows_are_not_screened(model: str, large: Path) -> None:
    few = "\n".join(large.read_text().splitlines()[:20_000]) + "\n"  # the header and one row less than are screened
    document = fit(model, "-", "-k", 4, "--restarts", 5, "--max-iter", 3, stdin=few)
    assert all("sample" not in line for line in document["restarts"])


def test_the_best_of_many_optima_go_on(screened: dict[str, Fitted]) -> None:
    scores = {line["sample"]["log_likelihood"]: line["status"] for line in screened["kmeans"].document["restarts"]}
    assert len(scores) == 6
    assert [scores[score] for score in sorted(scores)] == ["screened"] * 3 + ["converged"] * 3


def test_jobs_change_no_byte(large: Path, screened: dict[str, Fitted]) -> None:
    command = ["fit", "kmeans", large, *SCREENED["kmeans"], "--json"]
    one, four = (run(*command, "--jobs", jobs, process=False).stdout for jobs in (1, 4))
    assert one == four
    assert json.loads(one) == screened["kmeans"].document


def test_a_given_start_sees_all_rows(large: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.yaml"
    start.write_text("means: [[0, 0], [3, 0], [0, 9], [9, 9]]")
    document = fit("gmm", large, "-k", 4, "--start", start, "--restarts", 5)
    assert "sample" not in document["restarts"][0] and document["restarts"][0]["status"] == "converged"
    assert all("sample" in line for line in document["restarts"][1:])


@pytest.mark.parametrize(
    ("model", "one", "other"),
    [
        ("gmm", {"means": [[0.0]], "covariances": [[[1.0]]]}, {"means": [[0.3]], "covariances": [[[1.0]]]}),
        ("kmeans", {"centroids": [[0.0]]}, {"centroids": [[0.3]]}),
        ("coins", {"heads": [0.5]}, {"heads": [0.55]}),
    ],
)
def test_an_optimum_is_surely_lower_by_many_rows_that_say_it_each_a_little(
    model: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Some three standard errors of 400 rows are not enough; the same rows a hundred times have ten times as many."""
    rng = np.random.default_rng(8)
    values = rng.normal(size=(400, 1)) if model != "coins" else np.column_stack([rng.binomial(9, 0.5, 400), [9] * 400])
    values = values - (0.0 if model == "coins" else values.mean())
    for times, sure in ((1, False), (100, True)):
        kind, data, settings = dataset(np.tile(values, (times, 1)), {"model": model, "k": 1})
        rows = data.rows
        if rows.weights is not None:  # equal rows were merged
            rows = replace(rows.at(np.repeat(np.arange(rows.values.shape[1]), rows.weights.astype(int))), weights=None)
        near, far = (
            kind.from_parameters({"weights": [1.0], **each}, settings.model, rows).to_scaled(rows.scaling)
            for each in (one, other)
        )
        assert surely_lower(far, near, rows) == sure
        assert not surely_lower(near, far, rows) and not surely_lower(near, near, rows)
