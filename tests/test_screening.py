"""Many starts on many rows: screened on a sample, and the ledger says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fit, run

ROWS = 120_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clusters in the plane, two of which overlap."""
    rng = np.random.default_rng(11)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    values = centres[rng.integers(4, size=ROWS)] + rng.normal(size=(ROWS, 2))
    path = tmp_path_factory.mktemp("large") / "large.csv"
    np.savetxt(path, values, delimiter=",", header="x,y", comments="", fmt="%.9g")
    return path


@pytest.mark.parametrize("model", ["gmm", "kmeans"])
def test_the_ledger_says_which_starts_were_screened(model: str, large: Path) -> None:
    document = fit(model, large, "-k", 4, "--restarts", 6)
    ledger: list[dict[str, Any]] = document["restarts"]
    assert [line["start"] for line in ledger] == [1, 2, 3, 4, 5, 6]
    assert all(line["sample"]["rows"] == 20_000 for line in ledger)
    finished = [line for line in ledger if line["status"] == "converged"]
    assert 1 <= len(finished) <= 3
    assert all(
        line["status"] == "screened" and line["log_likelihood"] is None for line in ledger if line not in finished
    )
    best = max(ledger, key=lambda line: line["sample"]["log_likelihood"])
    assert best["sample"]["log_likelihood"] <= max(line["sample"]["log_likelihood"] for line in finished) + 1e-4
    assert "tried on a sample of 20000 rows" in run("fit", model, large, "-k", 4, "--restarts", 6).stdout


def test_it_ends_no_lower_than_starts_that_all_see_every_row(large: Path) -> None:
    screened = fit("gmm", large, "-k", 4, "--restarts", 6)
    one_by_one = [fit("gmm", large, "-k", 4, "--restarts", 1, "--seed", seed) for seed in range(3)]
    assert screened["log_likelihood"] >= max(each["log_likelihood"] for each in one_by_one) - 1e-5


def test_threads_change_no_byte_and_traces_go_on_all_rows_only(large: Path, tmp_path: Path) -> None:
    command = ["fit", "kmeans", large, "-k", 4, "--json"]
    assert len({run(*command, "--jobs", jobs).stdout for jobs in (1, 2, 4)}) == 1
    log = tmp_path / "trace.jsonl"
    document = fit("gmm", large, "-k", 4, "--restarts", 5, "--trace", log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    ends = [line for line in lines if line["type"] == "end"]
    assert [line["status"] for line in ends] == [line["status"] for line in document["restarts"]]
    going = {line["start"] for line in lines if line["type"] == "iteration"}
    assert going == {line["start"] for line in document["restarts"] if line["status"] != "screened"}


def test_a_given_start_sees_all_rows(large: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.yaml"
    start.write_text("means: [[0, 0], [3, 0], [0, 9], [9, 9]]")
    document = fit("gmm", large, "-k", 4, "--start", start, "--restarts", 5)
    assert "sample" not in document["restarts"][0] and document["restarts"][0]["status"] == "converged"


def test_few_rows_or_few_starts_are_not_screened(large: Path) -> None:
    document = fit("gmm", large, "-k", 4, "--restarts", 3)
    assert all("sample" not in line for line in document["restarts"])
