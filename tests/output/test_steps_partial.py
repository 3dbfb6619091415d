"""`steps` with known labels, priors and held parameters, against independent computations and its own numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, run
from scipy.stats import binom, multivariate_normal
from test_steps_tables import follows, numbers, tables

Write = Callable[[str, str], Path]
LINES = (SAMPLES / "faithful.csv").read_text().splitlines()
X = np.loadtxt(LINES[1:61], delimiter=",")
NAMED = {0: "long", 1: "short", 2: "long", 5: "short", 17: "long"}
LABELS = [NAMED.get(i, "") for i in range(len(X))]
SOME = "\n".join([f"{LINES[0]},g", *(f"{line},{label}" for line, label in zip(LINES[1:61], LABELS, strict=True))])
GMM = ["gmm", "-", "-k", 2, "--restarts", 1, "--exclude", "g", "--iterations", "0,1", "--rows", "1-60"]
KNOWN = ["--known", "g"]
COINS = "heads,tosses,g\n5,10,\n9,10,lucky\n8,10,\n4,10,\n7,10,\n0,10,\n"


def steps(*arguments: Any, stdin: str = SOME) -> dict[str, Any]:
    done = run("steps", *arguments, "--json", stdin=stdin)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@cache
def printed(*arguments: Any, stdin: str = SOME) -> str:
    done = run("steps", *arguments, "--format", "markdown", stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def densities(parameters: dict[str, Any]) -> np.ndarray:
    components = zip(parameters["means"], parameters["covariances"], strict=True)
    return np.array([multivariate_normal(mean, matrix).pdf(X) for mean, matrix in components]).T


def responsibilities(parameters: dict[str, Any]) -> np.ndarray:
    r = densities(parameters) * parameters["weights"]
    return np.asarray(r / r.sum(axis=1)[:, None])


def scatter(r: np.ndarray, means: np.ndarray) -> np.ndarray:
    away = X[:, None] - means
    return np.einsum("nk,nki,nkj->kij", r, away, away)


@pytest.mark.parametrize("shape", ["full", "diag"])
def test_rows_of_a_known_component_are_its_own(shape: str) -> None:
    document = steps(*GMM, *KNOWN, "--covariance", shape)
    assert document["components"] == ["long", "short"]
    first, second = document["iterations"]
    here = first["parameters"]
    joint, r = densities(here) * here["weights"], responsibilities(here)
    logs = np.log(joint.sum(axis=1))
    for row, name in NAMED.items():
        j = document["components"].index(name)
        r[row], logs[row] = np.eye(2)[j], np.log(joint[row, j])
    assert [row.get("known", "") for row in first["rows"]] == LABELS
    assert np.allclose([row["responsibility"] for row in first["rows"]], r, rtol=1e-9)
    assert first["log_likelihood"] == pytest.approx(logs.sum())
    means = r.T @ X / r.sum(axis=0)[:, None]
    products = scatter(r, means) * (np.eye(2) if shape == "diag" else 1)
    assert np.allclose(second["parameters"]["means"], means) and np.allclose(first["next_parameters"]["means"], means)
    assert np.allclose(first["sums"]["products_of_deviations"], products)
    assert np.allclose(second["parameters"]["covariances"], products / r.sum(axis=0)[:, None, None])


def test_tables_name_known_components_and_say_which_rows_are_theirs() -> None:
    text = printed(*GMM, *KNOWN, "--columns", "waiting")
    assert "Row 1: waiting = 79, known to be of long\n" in text and "Row 4: waiting = 62\n" in text
    assert "of a row whose component is known: 1 of that component, 0 of the others" in text
    for before, table in tables(text):
        assert table["component"][:2] == ["long", "short"]
        if "responsibility" in table:
            joint, shares = table["× weight"], table["responsibility"]
            for i in range(2):
                assert follows(shares[i], float(joint[i] or 0) / float(joint[2]))
            assert ("" in joint) == ("known to be" in before)


def prior(shape: str) -> tuple[np.ndarray, np.ndarray, float]:
    """m, Λ and ν + d + 2 of Fraley & Raftery (2007), for all the components of k=2 in two columns."""
    matrix = np.cov(X.T) / 2
    return X.mean(axis=0), matrix if shape in ("full", "tied") else np.eye(2) * np.diag(matrix).mean(), 4.0


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
def test_the_pseudo_rows_of_a_prior_enter_the_m_step(shape: str) -> None:
    first, second = steps(*GMM, "--prior", "default", "--covariance", shape)["iterations"]
    r = responsibilities(first["parameters"])
    sizes = r.sum(axis=0)[:, None, None]
    m, wide, dof = prior(shape)
    means = (r.T @ X + 0.01 * m) / (sizes[:, 0] + 0.01)
    from_prior = 0.01 * (means - m)[:, :, None] * (means - m)[:, None, :]
    around = scatter(r, means) + from_prior
    expected = {
        "full": (around + wide) / (sizes + dof + 2 + 2),
        "tied": np.broadcast_to((around.sum(axis=0) + wide) / (60 + dof + 2 + 1 + 2), around.shape),
        "diag": (around * np.eye(2) + wide) / (sizes + dof + 3),
        "spherical": np.eye(2)
        * (np.trace(around, axis1=1, axis2=2)[:, None, None] + wide[0, 0])
        / (2 * sizes + 2 + dof + 2),
    }[shape]
    assert np.allclose(second["parameters"]["means"], means, rtol=1e-9)
    assert np.allclose(second["parameters"]["covariances"], expected, rtol=1e-9)
    kept = scatter(r, means) * (1 if shape in ("full", "tied") else np.eye(2))
    assert np.allclose(first["sums"]["products_of_deviations"], kept, rtol=1e-7)
    assert second["gain"] == pytest.approx(second["log_posterior"] - first["log_posterior"]) and second["gain"] > 0


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
def test_new_parameters_follow_from_printed_sums_and_the_prior_beside_them(shape: str) -> None:
    text = printed(*GMM[:8], "--columns", "waiting", "--iterations", 0, "--prior", "default", "--covariance", shape)
    assert "column" not in text.partition("M-step")[2]
    (m_step,) = [table for _, table in tables(text) if "Σ r·waiting" in table]
    for i in range(2):
        top = float(m_step["Σ r·waiting"][i]) + float(m_step["0.01·m"][i])
        assert follows(m_step["new mean"][i], top / (float(m_step["Σ r"][i]) + 0.01))
    (spread,) = [table for _, table in tables(text) if "Σ r·dev²" in table]
    place = {"tied": 2}.get(shape, 0)
    top = float(spread["Σ r·dev²"][place]) + float(spread["prior"][place])
    # ν = d + 2 = 3, so that full, diag and spherical all divide by Σ r + ν + 3 in one column
    below = 60 + 3 + 1 + 1 + 2 if shape == "tied" else float(spread["Σ r"][0]) + 6
    assert follows(spread["new variance"][place], top / below)
    assert "the prior counts as 0.01 rows at the mean m of all rows" in text


def held(write: Write, fix: dict[str, Any], k: int = 2, **more: Any) -> tuple[Path, list[dict[str, Any]]]:
    """An experiment that holds something, and its first two iterations."""
    settings = {"k": k, "restarts": 1, "exclude": "g", "fix": fix, **more}
    path = write("steps.yaml", json.dumps({"model": "gmm", "fit": settings}))
    return path, steps(path, "-", "--iterations", "0,1", "--rows", "1-60")["iterations"]


@pytest.mark.parametrize("more", [{}, {"prior": "default"}], ids=["likelihood", "posterior"])
def test_one_coordinate_of_a_mean_that_is_held_moves_the_other_along_its_regression(
    write: Write, more: dict[str, str]
) -> None:
    path, (first, second) = held(write, {"means": [[2.0, None], None]}, **more)
    r = responsibilities(first["parameters"])
    n = r[:, 0].sum()
    pseudo, m, wide, dof = (0.01, X.mean(axis=0), np.cov(X.T) / 2, 8.0) if more else (0.0, np.zeros(2), 0.0, 0.0)
    mean = (r[:, 0] @ X + pseudo * m) / (n + pseudo)
    products = scatter(r[:, :1], mean[None])[0] + pseudo * np.outer(m - mean, m - mean) + wide
    moved = np.array([2.0, mean[1] + products[1, 0] / products[0, 0] * (2.0 - mean[0])])
    assert np.allclose(second["parameters"]["means"][0], moved, rtol=1e-9)
    around = scatter(r[:, :1], moved[None])[0]
    assert np.allclose(first["sums"]["products_of_deviations"][0], around, rtol=1e-7)
    around = around + pseudo * np.outer(m - moved, m - moved) + wide
    assert np.allclose(second["parameters"]["covariances"][0], around / (n + dof), rtol=1e-7)
    (table,) = [each for _, each in tables(printed(path, "-", "--iterations", 0)) if "slope" in "".join(each)]
    assert follows(table["slope of waiting on eruptions"][0], products[1, 0] / products[0, 0])


def test_weights_and_sds_that_are_held_are_said_to_be(write: Write) -> None:
    fix = {"weights": [0.2, None, None], "sds": [None, [0.3, None], None]}
    path, (first, second) = held(write, fix, k=3, covariance="diag")
    r = responsibilities(first["parameters"])
    sizes = r.sum(axis=0)
    weights = np.array([0.2, *(0.8 * sizes[1:] / sizes[1:].sum())])
    assert np.allclose(second["parameters"]["weights"], weights, rtol=1e-9)
    variances = np.diagonal(scatter(r, r.T @ X / sizes[:, None]), axis1=1, axis2=2) / sizes[:, None]
    variances = np.where([[False, False], [True, False], [False, False]], 0.09, variances)
    assert np.allclose(np.diagonal(second["parameters"]["covariances"], axis1=1, axis2=2), variances, rtol=1e-7)
    found = list(tables(printed(path, "-", "--iterations", 0)))
    (shares,) = [table for _, table in found if "new weight" in table]
    free = numbers(shares["Σ r"])[1:3]
    assert shares["was"][0] == "held" and all(
        follows(shares["new weight"][i + 1], 0.8 * free[i] / sum(free)) for i in (0, 1)
    )
    spreads = [table for _, table in found if "new variance" in table]
    assert [[cell == "held" for cell in table["was"]][:3] for table in spreads[:1]] == [[False, True, False]]
    assert sum("held" in table.get("was", []) for table in spreads) == 1


@pytest.mark.parametrize(("shape", "matrix"), [("tied", [[0.5, 1.0], [1.0, 40.0]]), ("full", None)])
def test_a_covariance_that_is_held_stays(write: Write, shape: str, matrix: Any) -> None:
    matrices = [matrix, matrix] if matrix else [[[0.1, 0.2], [0.2, 30.0]], None]
    path, (first, second) = held(write, {"covariances": matrices, "means": [None, [None, 80.0]]}, covariance=shape)
    assert np.allclose(second["parameters"]["covariances"][0], matrices[0])
    assert second["parameters"]["means"][1][1] == first["parameters"]["means"][1][1] == 80
    (spread,) = [table for _, table in tables(printed(path, "-", "--iterations", 0)) if "new covariance" in table]
    assert spread["was"] == (["", "", "held"] if shape == "tied" else ["held", spread["was"][1]])


def test_coins_have_pseudo_tosses_and_held_heads(write: Write) -> None:
    experiment = {"model": "coins", "fit": {"mixing": "free", "prior": 3, "known": "g", "restarts": 1}}
    experiment["fit"]["fix"] = {"heads": [None, 0.3]}  # type: ignore[index]
    path = write("coins.yaml", json.dumps(experiment))
    document = steps(path, "-", "--rows", "1-6", "--iterations", "0,1", stdin=COINS)
    first, second = document["iterations"]
    heads, tosses = np.array([5, 9, 8, 4, 7, 0]), 10
    r = binom.pmf(heads[:, None], tosses, first["parameters"]["heads"]) * first["parameters"]["weights"]
    r /= r.sum(axis=1)[:, None]
    r[1] = [1, 0]
    assert np.allclose([row["responsibility"] for row in first["rows"]], r) and first["rows"][1]["known"] == "lucky"
    assert second["parameters"]["heads"] == pytest.approx([(r[:, 0] @ heads + 2) / (r[:, 0].sum() * tosses + 4), 0.3])
    text = printed(path, "-", "--iterations", 0, stdin=COINS)
    (table,) = [each for _, each in tables(text) if "new P(heads)" in each]
    assert follows(
        table["new P(heads)"][0], (float(table["expected heads"][0]) + 2) / (float(table["heads + tails"][0]) + 4)
    )
    assert (
        table["was"][1] == "held"
        and "new P(heads) = (expected heads + 2) / (expected heads + expected tails + 4)" in text
    )


def test_clusters_keep_their_known_rows_and_held_coordinates(write: Write) -> None:
    experiment = {"model": "kmeans", "fit": {"k": 2, "known": "g", "restarts": 1}}
    experiment["fit"]["fix"] = {"centroids": [[None, 78], None]}  # type: ignore[index]
    path = write("kmeans.yaml", json.dumps(experiment))
    first, second = steps(path, "-", "--rows", "1-60", "--iterations", "0,1")["iterations"]
    squares = ((X[:, None] - np.array(first["parameters"]["centroids"])) ** 2).sum(axis=2)
    own = squares.argmin(axis=1)
    for row, name in NAMED.items():
        own[row] = ["long", "short"].index(name)
    assert [row["nearest"].index(1) for row in first["rows"]] == own.tolist()
    assert first["inertia"] == pytest.approx(squares[np.arange(60), own].sum())
    expected = np.array([X[own == j].mean(axis=0) for j in range(2)])
    expected[0, 1] = 78
    assert np.allclose(second["parameters"]["centroids"], expected)
    text = printed(path, "-", "--iterations", 0, "--rows", "1,4")
    marks = [table[""] for _, table in tables(text) if "" in table]
    assert marks[0] == ["known", ""] and "nearest" in marks[1]
    (table,) = [each for _, each in tables(text) if "sum of waiting" in each]
    assert table["was'"][0] == "held" and "held" not in table["was"]
