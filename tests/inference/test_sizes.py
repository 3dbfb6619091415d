"""What a fit says of the assignments of rows: rows of each component and ICL, beside sums of responsibilities."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, fit, run, table
from scipy.stats import binom, multivariate_normal

BINS = REFERENCE / "data" / "bins_of_two_normals.csv"  # a histogram: 62 bins and the rows in each, 2006 in all
Write = Callable[[str, str], Path]


def responsibilities(densities: np.ndarray, weights: Any) -> np.ndarray:
    """Of components (k, n) in rows, from their densities and mixing weights."""
    joint = np.array(weights)[:, None] * densities
    return np.asarray(joint / joint.sum(axis=0))


def rows_shown(*arguments: object) -> list[float]:
    """The column `rows` of the table of a fit."""
    shown = run("fit", *arguments, process=False).stdout
    found = re.findall(r"^ *\d+ +([\d.]+) +[\d.]+ %", shown, re.M)
    assert found, shown
    return [float(value) for value in found]


@pytest.mark.parametrize("mixing", ["equal", "free"])
def test_the_rows_of_a_coin_are_its_responsibilities(mixing: str, write: Write) -> None:
    data = write("c.csv", "heads,tosses\n" + "2,10\n1,9\n3,10\n" * 4 + "8,10\n7,10\n")
    found = fit("coins", data, "--mixing", mixing)["parameters"]
    heads, tosses = table(data).T
    r = responsibilities(binom.pmf(heads, tosses, np.array(found["heads"])[:, None]), found["weights"])
    assert rows_shown("coins", data, "--mixing", mixing) == pytest.approx(r.sum(axis=1).tolist(), abs=0.051)
    if mixing == "equal":
        assert abs(r[0].sum() - 7) > 3  # it has more than half the rows


@pytest.mark.parametrize("mixing", ["equal", "free"])
def test_the_rows_of_a_gaussian_are_its_responsibilities_with_their_weights(mixing: str) -> None:
    arguments = ["gmm", BINS, "-k", 2, "--row-weights", "count", "--mixing", mixing, "--restarts", 2]
    found = fit(*arguments)["parameters"]
    x, often = table(BINS).T
    pairs = zip(found["means"], found["covariances"], strict=True)
    r = responsibilities(np.array([multivariate_normal.pdf(x, *pair) for pair in pairs]), found["weights"])
    assert rows_shown(*arguments) == pytest.approx((r @ often).tolist(), abs=0.051)


def test_icl_is_that_of_its_formula_and_the_same_for_weights_and_for_repeated_rows(write: Write) -> None:
    x, often = table(BINS).T
    repeated = "bin\n" + "".join(f"{value}\n" * int(count) for value, count in zip(x, often, strict=True))
    one = fit("gmm", BINS, "-k", 2, "--row-weights", "count")
    two = fit("gmm", write("rows.csv", repeated), "-k", 2)
    assert one["icl"] == pytest.approx(two["icl"], abs=1e-8)
    found = one["parameters"]
    pairs = zip(found["means"], found["covariances"], strict=True)
    r = responsibilities(np.array([multivariate_normal.pdf(x, *pair) for pair in pairs]), found["weights"])
    assert one["icl"] == pytest.approx(one["bic"] - 2 * often @ np.log(r.max(axis=0)), abs=1e-8)
