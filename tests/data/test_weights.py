"""Row weights as frequencies, and as shares of a whole."""

from __future__ import annotations

import json
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, fit, run, table

from emcli.data.weights import WeightSums

SHARES = REFERENCE / "data" / "normalised_weights.csv"  # 100 rows of one Gaussian, weights that sum to 1


def slugs(document: dict[str, Any]) -> list[str]:
    return [warning["slug"] for warning in document["warnings"]]


def written(path: Path, header: str, rows: Any) -> Path:
    np.savetxt(path, rows, delimiter=",", header=header, comments="", fmt="%.17g")
    return path


def test_one_gaussian_with_weights_that_are_shares_is_one_component() -> None:
    done = run("compare", "gmm", SHARES, "-k", "1-5", "--row-weights", "w", "--restarts", 3, "--json", process=False)
    candidates = json.loads(done.stdout)["groups"][0]["candidates"]
    assert candidates[0]["k"] == 1
    assert all("weights-are-shares" in row["warnings"] for row in candidates)


def test_of_shares_the_criteria_count_the_rows_and_the_warning_tells_the_factor() -> None:
    document = fit("gmm", SHARES, "-k", 1, "--row-weights", "w")
    w = table(SHARES)[:, 1]
    ll = document["log_likelihood"]
    assert document["bic"] == pytest.approx(-2 * ll + 2 * log(100), rel=1e-12)
    assert document["icl"] == pytest.approx(document["bic"], rel=1e-12)
    (said,) = [each["message"] for each in document["warnings"] if each["slug"] == "weights-are-shares"]
    effective = w.sum() ** 2 / (w**2).sum()  # Kish 1965
    assert f"multiplied by {effective / w.sum():.6g}" in said and f"sum to {effective:.6g}" in said
    assert "BIC and ICL is 100" in said and "fractional-weights" not in slugs(document)


def test_weights_scaled_by_the_factor_are_no_shares(tmp_path: Path) -> None:
    rows = table(SHARES)
    rows[:, 1] *= 100 / rows[:, 1].sum()
    document = fit("gmm", written(tmp_path / "scaled.csv", "x,w", rows), "-k", 1, "--row-weights", "w")
    assert "fractional-weights" in slugs(document) and "weights-are-shares" not in slugs(document)
    x, w = rows.T
    variance = np.average((x - np.average(x, weights=w)) ** 2, weights=w)
    assert document["bic"] == pytest.approx(100 * (1 + log(2 * np.pi * variance)) + 2 * log(100), rel=1e-12)  # 292.99


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ([1, 1, 1], False),
        ([3, 1, 2], False),
        ([0.5, 1.5, 1], False),
        ([0.333, 1.333, 1.333], False),  # rounded, of sum 2.999
        ([0.9, 0.9, 0.9], True),
        ([0.2, 0.3, 0.5], True),
    ],
)
def test_weights_are_shares_where_they_sum_to_less_than_the_rows(weights: list[float], shares: bool) -> None:
    assert WeightSums.of(np.array(weights)).are_shares is shares


def test_rows_of_weight_0_and_without_tosses_are_none_of_the_rows(tmp_path: Path) -> None:
    rows = [[3, 10, 0.25], [7, 10, 0.25], [0, 0, 0.25], [9, 10, 0], [2, 10, 0.25]]
    path = written(tmp_path / "tosses.csv", "heads,tosses,w", rows)
    document = fit("coins", path, "-k", 1, "--row-weights", "w")
    assert "weights-are-shares" in slugs(document)
    assert document["bic"] == pytest.approx(-2 * document["log_likelihood"] + log(3), rel=1e-12)


def test_weights_are_the_same_shares_in_parts(tmp_path: Path) -> None:
    w = table(SHARES)[:, 1]
    parts = WeightSums.of(w[:30]) + WeightSums.of(w[30:])
    whole = WeightSums.of(w)
    assert (parts.count, parts.are_shares) == (whole.count, True)
    assert (parts.weight, parts.squares) == pytest.approx((whole.weight, whole.squares), rel=1e-14)


def test_a_bootstrap_of_shares_is_refused() -> None:
    done = run("fit", "gmm", SHARES, "-k", 1, "--row-weights", "w", "--bootstrap", 20, process=False)
    assert done.returncode == 3 and "they are not whole numbers" in done.stderr
