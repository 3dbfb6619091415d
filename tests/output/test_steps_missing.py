"""`steps` of rows with missing cells: what is expected in them, and the sums that this enters, computed by NumPy."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, run
from scipy.stats import multivariate_normal
from test_steps_tables import follows, numbers, tables

LINES = (SAMPLES / "iris.csv").read_text().splitlines()
X = np.array([line.split(",")[:3] for line in LINES[1:121:2]], dtype=float)
GONE = np.random.default_rng(3).random(X.shape) < 0.2
GONE[0], GONE[1], GONE[2] = [False, False, False], [True, False, False], [False, True, True]
GONE[GONE.all(axis=1)] = False
X[GONE] = np.nan
CELLS = [",".join("" if np.isnan(x) else str(x) for x in row) for row in X]
SOME = "\n".join(["a,b,c,g", *(f"{cells},{'first' if i in (1, 3) else ''}" for i, cells in enumerate(CELLS))])
WORDS = ["-", "-k", 2, "--restarts", 1, "--exclude", "g", "--missing", "use", "--iterations", "0,1", "--rows", "1-60"]


@cache
def shown(*arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    done = run("steps", *arguments, "--json", stdin=SOME)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["iterations"]
    return first, second


def given(x: np.ndarray, mean: np.ndarray, matrix: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The density of the observed cells of a row; its values with expected ones, and the covariance left."""
    o, m = ~np.isnan(x), np.isnan(x)
    slopes = matrix[np.ix_(m, o)] @ np.linalg.inv(matrix[np.ix_(o, o)])
    values, left = x.copy(), np.zeros(matrix.shape)
    values[m] = mean[m] + slopes @ (x[o] - mean[o])
    left[np.ix_(m, m)] = matrix[np.ix_(m, m)] - slopes @ matrix[np.ix_(o, m)]
    return multivariate_normal(mean[o], matrix[np.ix_(o, o)]).pdf(x[o]), values, left


@pytest.mark.parametrize(
    ("shape", "known"), [("full", False), ("full", True), ("tied", False), ("diag", False), ("VEV", False)]
)
def test_missing_cells_enter_the_sums_with_what_is_expected_of_them(shape: str, known: bool) -> None:
    first, second = shown("gmm", *WORDS, "--covariance", shape, *(["--known", "g"] if known else []))
    here = {key: np.array(values) for key, values in first["parameters"].items()}
    found = [
        [given(x, mean, matrix) for x in X] for mean, matrix in zip(here["means"], here["covariances"], strict=True)
    ]
    density, values, left = (np.array([[each[i] for each in row] for row in found]) for i in range(3))
    r = density.T * here["weights"]
    logs = np.log(r.sum(axis=1))
    if known:
        logs[[1, 3]] = np.log(r[[1, 3], 0])
    r /= r.sum(axis=1)[:, None]
    if known:
        r[[1, 3]] = [1, 0]
    rows = first["rows"]
    assert np.allclose([row["density"] for row in rows], density.T, rtol=1e-8)
    assert np.allclose([row["responsibility"] for row in rows], r, rtol=1e-8)
    assert first["log_likelihood"] == pytest.approx(logs.sum())
    assert np.allclose([row["expected_values"] for row in rows], r[:, :, None] * values.swapaxes(0, 1), rtol=1e-8)
    assert rows[1]["values"]["a"] is None and rows[1]["z"][0][0] is None
    assert rows[2]["conditional_means"][0] == [None, *(pytest.approx(each) for each in values[0, 2, 1:])]
    assert rows[2]["conditional_variances"][1] == [None, *(pytest.approx(each) for each in np.diag(left[1, 2])[1:])]
    sizes = r.sum(axis=0)
    means = np.einsum("nk,knd->kd", r, values) / sizes[:, None]
    away = values - means[:, None]
    products = np.einsum("nk,knd,kne->kde", r, away, away) + np.einsum("nk,knde->kde", r, left)
    products = products * np.eye(3) if shape == "diag" else products
    assert np.allclose(second["parameters"]["means"], means, rtol=1e-8)
    assert np.allclose(first["sums"]["products_of_deviations"], products, rtol=1e-7, atol=1e-9)
    if shape == "VEV":
        return
    expected = products.sum(axis=0) / 60 if shape == "tied" else products / sizes[:, None, None]
    assert np.allclose(second["parameters"]["covariances"], expected, rtol=1e-7, atol=1e-12)


def test_expected_values_can_be_computed_again_from_the_tables() -> None:
    words = ["steps", "gmm", *WORDS, "--columns", "a,b", "--format", "markdown"]
    text = run(*words, "--iterations", 0, stdin=SOME).stdout
    known: dict[str, list[str]] = {}
    seen = 0
    for before, table in tables(text):
        known = table if "weight" in table else known
        z = next((name for name in table if name.startswith("z ")), None)
        if z is None or "responsibility" not in table:
            continue
        other = "b" if z == "z a" else "a"
        assert f"{other} = ?" in before
        for i in range(2):
            value = float(before.split(f"{z[2]} = ")[1].split(",")[0])
            c, sd = float(known["correlation"][i]), float(known[f"sd {other}"][i])
            assert follows(table[z][i], (value - float(known[f"mean {z[2]}"][i])) / float(known[f"sd {z[2]}"][i]))
            expected = float(known[f"mean {other}"][i]) + c * sd * float(table[z][i])
            assert float(table[f"expected {other}"][i]) == pytest.approx(expected, rel=1e-4)
            assert float(table["variance left"][i]) == pytest.approx(sd**2 * (1 - c * c), rel=1e-4)
            assert follows(
                table["× that value"][i], float(table["responsibility"][i]) * float(table[f"expected {other}"][i])
            )
        assert float(table["× that value"][2]) == pytest.approx(sum(numbers(table["× that value"])[:2]), abs=2e-3)
        seen += 1
    assert seen > 10 and "of a row with a missing cell, from z of the other column:" in text


def test_a_centroid_is_the_mean_of_the_observed_cells() -> None:
    first, second = shown("kmeans", *WORDS)
    centroids = np.array(first["parameters"]["centroids"])
    squares = np.nansum((X[:, None] - centroids) ** 2, axis=2)
    own = squares.argmin(axis=1)
    assert np.allclose([row["squared_distance"] for row in first["rows"]], squares)
    assert [row["nearest"].index(1) for row in first["rows"]] == own.tolist()
    assert first["inertia"] == pytest.approx(squares.min(axis=1).sum())
    assert np.allclose(second["parameters"]["centroids"], [np.nanmean(X[own == j], axis=0) for j in range(2)])
    assert first["sums"]["observed"] == [(~np.isnan(X[own == j])).sum(axis=0).tolist() for j in range(2)]
    assert np.allclose(first["sums"]["values"], [np.nansum(X[own == j], axis=0) for j in range(2)])
    (table,) = [
        table
        for _, table in tables(
            run("steps", "kmeans", *WORDS, "--iterations", 0, "--format", "markdown", stdin=SOME).stdout
        )
        if "rows with b" in table
    ]
    assert follows(table["new"][0], float(table["sum of a"][0]) / float(table["rows with a"][0]))


def test_a_cluster_without_a_value_in_a_column_stays_there(tmp_path: Any) -> None:
    data, start = tmp_path / "gaps.csv", tmp_path / "start.yaml"
    data.write_text("x,y\n0,1\n1,\n2,3\n9,\n10,\n11,\n")
    start.write_text("centroids: [[0, 2], [10, 7]]\n")
    done = run("steps", "kmeans", data, "-k", 2, "--missing", "use", "--start", start, "--rows", 4, "--iterations", 0)
    assert "Cluster 2 has no row with a value of y, and stays where it is in that column." in done.stdout
    assert "Row 4: x = 9, y = ?" in done.stdout
