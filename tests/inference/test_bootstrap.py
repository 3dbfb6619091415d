"""The parametric bootstrap: standard errors against their formulas, and where there can be none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, run, table

from emcli.inference.bootstrap import Bootstrap

Write = Callable[[str, str], Path]


def form(value: Any) -> Any:
    """A nested list without its numbers."""
    if isinstance(value, dict):
        return {key: form(inner) for key, inner in value.items()}
    return [form(inner) for inner in value] if isinstance(value, list) else None


def test_errors_of_one_gaussian_are_those_of_the_formulas() -> None:
    document = fit("gmm", SAMPLES / "faithful.csv", "-k", 1, "--bootstrap", 1000)
    errors, n = document["bootstrap"]["standard_errors"], 272
    covariance = np.array(document["parameters"]["covariances"][0])
    np.testing.assert_allclose(errors["means"][0], np.sqrt(np.diag(covariance) / n), rtol=0.05)
    variances = np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2
    np.testing.assert_allclose(errors["covariances"][0], np.sqrt(variances / n), rtol=0.06)
    assert errors["weights"] == [0.0]


def test_errors_of_one_coin_count_every_toss(write: Write) -> None:
    data = write("c.csv", "heads,tosses,w\n7,10,30\n12,20,20\n1,1,50\n")
    document = fit("coins", data, "-k", 1, "--row-weights", "w", "--bootstrap", 1000)
    (p,), tosses = document["parameters"]["heads"], 30 * 10 + 20 * 20 + 50
    assert document["bootstrap"]["standard_errors"]["heads"][0] == pytest.approx(
        np.sqrt(p * (1 - p) / tosses), rel=0.05
    )
    low, high = (document["bootstrap"][end]["heads"][0] for end in ("low", "high"))
    assert low == pytest.approx(p - 1.96 * np.sqrt(p * (1 - p) / tosses), abs=2e-3)
    assert high == pytest.approx(p + 1.96 * np.sqrt(p * (1 - p) / tosses), abs=2e-3)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_everything_has_the_form_of_the_parameters_and_the_bytes_of_any_number_of_threads(covariance: str) -> None:
    command = ["fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--covariance", covariance, "--bootstrap", 20, "--json"]
    one, four = (run(*command, "--restarts", 2, "--jobs", jobs, process=False).stdout for jobs in (1, 4))
    assert one == four
    document = json.loads(one)
    made = document["bootstrap"]
    assert made["replicates"] == 20 and made["failed"] == 0 and made["reordered"] == 0
    assert all(form(made[key]) == form(document["parameters"]) for key in ("standard_errors", "low", "high"))
    assert all(low <= high for low, high in zip(made["low"]["weights"], made["high"]["weights"], strict=True))


@pytest.mark.slow
def test_intervals_cover_what_they_should() -> None:
    """Of 60 samples of known parameters, about 95 % have the true P(heads) in their interval."""
    inside = 0
    for seed in range(60):
        rows = run("generate", "configs/two_coins.yaml", "-n", 150, "--seed", 1000 + seed, process=False).stdout
        made = fit("coins", "-", "--restarts", 1, "--bootstrap", 100, stdin=rows)["bootstrap"]
        inside += sum(
            low <= p <= high
            for p, low, high in zip((0.2, 0.6), made["low"]["heads"], made["high"]["heads"], strict=True)
        )
    assert 103 <= inside <= 120


def test_there_are_no_errors_where_too_many_replicates_have_no_fit_or_another_order() -> None:
    done = run("fit", "gmm", SAMPLES / "galaxies.csv", "-k", 4, "--bootstrap", 40, "--json", process=False)
    made = json.loads(done.stdout)["bootstrap"]
    assert made["failed"] > 2 and "have no fit" in made["refused"] and "standard_errors" not in made
    assert "[bootstrap-refused]" in done.stderr
    several = [{"heads": [0.1, 0.2]}] * 40
    assert Bootstrap(40, 0, 2, several).refused is None
    assert "3 of 40 replicates match the components in another order" in str(Bootstrap(40, 0, 3, several).refused)


def test_it_is_refused_where_nothing_can_be_drawn(write: Write) -> None:
    done = run("fit", "kmeans", SAMPLES / "faithful.csv", "-k", 2, "--bootstrap", 20, process=False)
    assert done.returncode == 2 and "hard assignments" in done.stderr
    data = write("w.csv", "x,w\n1,0.5\n2,1.5\n3,1\n4,2\n5,1\n")
    done = run("fit", "gmm", data, "-k", 1, "--row-weights", "w", "--bootstrap", 20, process=False)
    assert (done.returncode, done.stdout) == (3, "") and "whole numbers" in done.stderr


def test_the_table_shows_errors_below_each_component() -> None:
    shown = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--bootstrap", 50, process=False).stdout
    assert shown.count("std. error ") == 2 and shown.count("97.5 %") == 2
    assert "from 50 refits of data drawn from this fit" in shown


def test_the_rows_drawn_are_as_many_as_the_weights_sum_to() -> None:
    numbers = table(SAMPLES / "faithful.csv")[:40]
    doubled = "x\n" + "".join(f"{x}\n{x}\n" for x in numbers[:, 0])
    weighted = "x,w\n" + "".join(f"{x},2\n" for x in numbers[:, 0])
    one = fit("gmm", "-", "-k", 1, "--bootstrap", 100, stdin=doubled)["bootstrap"]
    two = fit("gmm", "-", "-k", 1, "--bootstrap", 100, "--row-weights", "w", stdin=weighted)["bootstrap"]
    np.testing.assert_allclose(one["standard_errors"]["means"], two["standard_errors"]["means"], rtol=1e-9)
