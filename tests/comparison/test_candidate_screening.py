"""Screening of candidates: a short search for each, and a full one for those that may be the best."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, fit, reference, run

from emcli.comparison.screening import within

GRID = ("gmm", SAMPLES / "faithful.csv", "-k", "1-3", "--covariance", "full,tied,diag,spherical")
FULL = json.loads((REFERENCE / "full_searches.json").read_text())
FAMILIES = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}


def compared(*words: Any) -> list[dict[str, Any]]:
    done = run("compare", *words, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["groups"][0]["candidates"]
    return found


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("fits")
    return folder, compared(*GRID, "--save-fits", folder, "--jobs", 1)


def test_those_within_20_of_the_best_are_searched_as_by_fit_and_the_others_are_not(saved: Any) -> None:
    folder, found = saved
    best = found[0]["bic"]
    whole = [row["bic"] < best + 20 or row["k"] == 1 for row in found]  # one component takes no search
    assert [row["status"] for row in found] == ["converged" if each else "screened" for each in whole]
    assert {row["status"] for row in found} == {"converged", "screened"}
    assert all(("reached" in row) == (row["status"] == "converged") for row in found)
    of_fit = fit("gmm", SAMPLES / "faithful.csv", "-k", 3)
    assert json.loads((folder / "gmm-k3-full-free.json").read_text()) == of_fit


def test_a_screened_log_likelihood_is_less_than_a_tenth_below_the_best_known(saved: Any) -> None:
    stored = reference("gmm")["faithful"]
    for row in saved[1]:
        assert row["log_likelihood"] > stored[f"{FAMILIES[row['covariance']]},{row['k']}"]["loglik"] - 0.1


def test_a_screened_fit_keeps_its_whole_climb_from_its_start(saved: Any) -> None:
    folder, found = saved
    names = [row["name"] for row in found if row["status"] == "screened"]
    screened = [json.loads((folder / f"{name}.json").read_text()) for name in names]
    assert screened
    for document in screened:
        values = [step["log_likelihood"] for step in document["trace"]]
        assert [step["iteration"] for step in document["trace"]] == list(range(len(values)))
        assert document["iterations"] >= 5 and len(values) > document["iterations"]  # five steps are made of each start
        assert all(after > before - 1e-9 for before, after in pairwise(values))
        assert values[0] < values[-1] - 1 and values[-1] == pytest.approx(document["log_likelihood"], rel=1e-12)


def test_it_is_the_same_for_any_number_of_processes(saved: Any) -> None:
    assert compared(*GRID, "--jobs", 2) == saved[1]


def test_the_table_says_what_screened_means_and_how_to_have_all_searched(saved: Any) -> None:
    folder, found = saved
    files = sorted(folder.glob("*.json"))
    done = run("compare", *files)
    assert done.stdout.count("screened") == 1 + sum(row["status"] == "screened" for row in found)
    assert "screened: a short search left it more than 20 above the best BIC" in done.stdout
    assert "--restarts auto" in " ".join(done.stdout.split())
    assert run("predict", files[0], SAMPLES / "faithful.csv").returncode == 0


def test_what_is_asked_for_is_done_for_all(write: Any) -> None:
    coins = (
        SAMPLES / "thumbtacks.csv",
        "--tosses",
        "n",
        "--row-weights",
        "freq",
        "-k",
        "1-6",
        "--mixing",
        "free,equal",
    )
    assert {row["status"] for row in compared("coins", *coins)} == {"converged", "screened"}
    assert {row["status"] for row in compared("coins", *coins, "--restarts", 1)} == {"converged"}
    assert {row["status"] for row in compared("kmeans", SAMPLES / "galaxies.csv", "-k", "1-12")} == {"converged"}


def test_what_is_near_the_best_grows_with_the_rows_of_which_a_sample_is_searched() -> None:
    assert [within(rows) for rows in (2, 19_999, 20_000, 200_000)] == [20, 20, 1000, 10_000]


def test_a_candidate_without_a_fit_ends_no_comparison_of_a_large_table(write: Any) -> None:
    x = np.random.default_rng(5).normal(np.repeat([0.0, 6.0], 10_000))
    file = write("twice.csv", "x,y\n" + "".join(f"{value:.4f},{value:.4f}\n" for value in x))
    grid = ("gmm", file, "-k", "1-3", "--covariance", "full,tied,diag,spherical")
    found = compared(*grid, "--jobs", 2)
    assert found == compared(*grid, "--jobs", 1)
    for row in found:
        assert (row["status"] == "failed") == (row["covariance"] in ("full", "tied"))


@pytest.mark.slow
def test_of_a_large_table_a_search_that_cannot_come_near_the_best_ends(write: Any) -> None:
    rng = np.random.default_rng(3)
    far = rng.random(20_000) < 0.5
    values = np.where(far, rng.normal(3, 1.5, 20_000), rng.normal(0, 1, 20_000))
    file = write("large.csv", "x\n" + "".join(f"{value:.6f}\n" for value in values))
    grid = ("gmm", file, "-k", "1-6", "--covariance", "full,tied")
    found, whole = compared(*grid), {row["name"]: row for row in compared(*grid, "--restarts", "auto")}
    assert compared(*grid, "--jobs", 1) == compared(*grid, "--jobs", 12) == found
    assert found[0]["k"] == 2 and found[0]["covariance"] == "full"
    near = [row for row in found if row["delta_bic"] < 20]
    assert len(near) > 1 and all(row["status"] == "converged" for row in near)
    for row in near:
        assert row["log_likelihood"] == pytest.approx(whole[row["name"]]["log_likelihood"], abs=1e-6)
    screened = [row for row in found if row["status"] == "screened"]
    assert len(screened) > 5
    assert all(whole[row["name"]].get("delta_bic", np.inf) > 20 for row in screened)
    for shape in ("full", "tied"):
        rise = [row["log_likelihood"] for row in sorted(found, key=lambda row: row["k"]) if row["covariance"] == shape]
        assert rise == sorted(rise)


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL["grids"])
def test_the_best_are_those_of_full_searches_of_all(name: str) -> None:
    grid = FULL["grids"][name]
    found = {row["name"]: row for row in compared("gmm", SAMPLES / f"{grid['data']}.csv", *grid["options"])}
    assert next(iter(found)) == grid["close"][0]["name"]
    for each in grid["close"]:
        assert found[each["name"]]["log_likelihood"] > each["log_likelihood"] - 1e-4
        assert found[each["name"]]["status"] == "converged"
