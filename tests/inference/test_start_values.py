"""--max-iter 0: the start values themselves as a result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SAMPLES, fit, run, table

Write = Callable[[str, str], Path]
MODELS: dict[str, list[Any]] = {
    "kmeans": ["kmeans", SAMPLES / "iris.csv", "-k", 3],
    "kmeans in one dimension": ["kmeans", SAMPLES / "galaxies.csv", "-k", 3],
    "coins": ["coins", SAMPLES / "thumbtacks.csv", "--tosses", "n", "--mixing", "free"],
    "gmm": ["gmm", SAMPLES / "faithful.csv", "-k", 3],
    "gmm tied": ["gmm", SAMPLES / "iris.csv", "-k", 3, "--covariance", "tied", "--mixing", "equal"],
}


def begun(path: Path) -> dict[int, Any]:
    """The line of iteration 0 of each start in a trace."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["start"]: line for line in lines if line["type"] == "iteration" and line["iteration"] == 0}


@pytest.mark.parametrize("arguments", MODELS.values(), ids=MODELS)
def test_starts_are_those_that_a_longer_fit_begins_with_and_the_best_of_them_is_the_result(
    arguments: list[Any], tmp_path: Path
) -> None:
    words = [*arguments, "--restarts", 6]
    start = fit(*words, "--max-iter", 0, "--trace", tmp_path / "0.jsonl")
    fit(*words, "--max-iter", 10_000, "--trace", tmp_path / "all.jsonl")
    alone, longer = begun(tmp_path / "0.jsonl"), begun(tmp_path / "all.jsonl")
    assert alone == {number: longer[number] for number in range(1, 7)}
    best = max(alone.values(), key=lambda line: line["log_likelihood"])
    assert start["best_start"] == best["start"] and start["log_likelihood"] == pytest.approx(best["log_likelihood"])
    assert (start["status"], start["stop"], start["iterations"]) == ("max_iter", "max_iter", 0)
    assert len(start["trace"]) == 1 and start["decrement"] is None and start["moves"] == 0
    assert start["warnings"] == []


@pytest.mark.parametrize("arguments", MODELS.values(), ids=MODELS)
def test_a_start_is_saved_predicted_from_and_not_called_converged(arguments: list[Any], tmp_path: Path) -> None:
    saved = tmp_path / "start.json"
    done = run("fit", *arguments, "--max-iter", 0, "--require-convergence", "-o", saved)
    assert done.returncode == 1 and done.stderr == ""
    assert "The start values themselves: no iteration was made (--max-iter 0)." in done.stdout
    assert "reached" not in done.stdout and "Not converged" not in done.stdout
    predicted = run("predict", saved, arguments[1])
    assert predicted.returncode == 0 and len(predicted.stdout.splitlines()) == 1 + len(table(arguments[1]))
    # the best start is the start of a fit as well as any other
    again = fit(*arguments, "--start", saved, "--max-iter", 0)
    assert again["log_likelihood"] == pytest.approx(json.loads(saved.read_text())["log_likelihood"], rel=1e-14)


@pytest.mark.slow
def test_a_start_is_drawn(tmp_path: Path) -> None:
    done = run("fit", *MODELS["coins"], "--max-iter", 0, "--plot", tmp_path / "start.svg")
    assert done.returncode == 0 and (tmp_path / "start.svg").read_text().count("<svg") == 1


def test_given_start_values_come_back_as_they_are_and_the_next_iteration_is_em() -> None:
    start = fit(ROOT / "configs" / "two_coins.yaml", "--max-iter", 0)
    assert start["parameters"] == {"weights": [0.5, 0.5], "heads": [0.7, 0.8]}
    assert start["settings"]["max_iter"] == 0
    longer = fit(ROOT / "configs" / "two_coins.yaml", "--max-iter", 1)
    assert start["log_likelihood"] == longer["trace"][0]["log_likelihood"] < longer["log_likelihood"]


def test_an_experiment_may_ask_for_its_start_alone(write: Write) -> None:
    path = write("e.yaml", f"model: kmeans\ndata: {SAMPLES}/iris.csv\nfit: {{k: 2, max_iter: 0}}\n")
    assert fit(path)["iterations"] == 0


def test_where_the_global_optimum_is_known_it_is_told_and_not_taken_for_the_start() -> None:
    done = run("fit", "kmeans", SAMPLES / "galaxies.csv", "-k", 3, "--max-iter", 0)
    assert "Not the best: the smallest inertia of this many clusters is 335.754" in done.stdout
    document = fit("kmeans", SAMPLES / "galaxies.csv", "-k", 3, "--max-iter", 0)
    assert {run["kind"] for run in document["restarts"]} == {"k-means++", "uniform"}
    assert document["certificate"]["reached"] is False
    assert document["inertia"] > document["certificate"]["optimum"] == pytest.approx(335.754, abs=1e-3)


def test_starts_are_compared_without_being_climbed_or_judged() -> None:
    done = run("compare", "gmm", SAMPLES / "faithful.csv", "-k", "1-4", "--max-iter", 0, "--json")
    document = json.loads(done.stdout)
    rows = document["groups"][0]["candidates"]
    assert done.stderr == "" and document["warnings"] == []
    assert {(row["status"], row["iterations"], row["starts"]) for row in rows} == {("max_iter", 0, 10)}
    assert all(row["warnings"] == [] for row in rows)


def test_no_bootstrap_is_drawn_from_a_start() -> None:
    done = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--max-iter", 0, "--bootstrap", 20)
    assert done.returncode == 2
    assert done.stderr == "emcli: error: '--bootstrap' draws from a fit, and --max-iter 0 makes none\n"


def test_many_rows_have_the_starts_of_all_of_them() -> None:
    rows = "x,y\n" + "".join(f"{i % 97},{i % 89}\n" for i in range(20_500))
    document = fit("kmeans", "-", "-k", 3, "--max-iter", 0, stdin=rows)
    assert {(run["status"], run["iterations"]) for run in document["restarts"]} == {("max_iter", 0)}
