"""Fits against values that no code of this project produced (tests/reference)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, ROOT, SAMPLES, fit, reference, table
from inprocess import result_of
from scipy.stats import multivariate_normal

NEVER = ["--tol", "1e-300"]  # stops only where floating point gains no more
WAITING = REFERENCE / "data" / "faithful_waiting.csv"
SAXONY = REFERENCE / "data" / "coins_saxony8.csv"
SHAPES = {"V": "full", "E": "tied", "VVV": "full", "EEE": "tied", "VVI": "diag"}
GMM = [
    *(("faithful", SAMPLES / "faithful.csv", family, k) for family in ("VVV", "EEE", "VVI") for k in (1, 2, 3)),
    *(("iris", SAMPLES / "iris.csv", family, k) for family in ("VVV", "EEE") for k in (1, 2, 3)),
    *(("faithful_waiting", WAITING, family, k) for family in ("V", "E") for k in (1, 2, 3)),
    *(("galaxies", SAMPLES / "galaxies.csv", "V", k) for k in (1, 2, 3)),
    *(("galaxies", SAMPLES / "galaxies.csv", "E", k) for k in (1, 2, 3, 4)),
]
DEAR = [("faithful_waiting", "V", 3), ("faithful_waiting", "E", 3), ("galaxies", "E", 2), ("galaxies", "E", 4)]
DEAR += [("faithful", "VVV", 3), ("faithful", "VVI", 3), ("galaxies", "V", 3), ("iris", "EEE", 3), ("iris", "VVV", 2)]
KMEANS = (
    [("iris", k) for k in (2, 3, 4)] + [("faithful", k) for k in (2, 3, 4)] + [("galaxies", k) for k in range(1, 7)]
)


@pytest.mark.parametrize(("mixing", "key"), [("equal", "do_batzoglou_fixed_half"), ("free", "do_batzoglou_free_pi")])
def test_every_iteration_of_do_and_batzoglou_is_the_published_one(mixing: str, key: str) -> None:
    stored = reference("two_coins")[key]
    found = fit(ROOT / "configs" / "do_batzoglou.yaml", "--mixing", mixing, *NEVER)
    assert len(found["trace"]) >= len(stored["trace"]) == 13
    for ours, theirs in zip(found["trace"], stored["trace"], strict=False):
        assert ours["iteration"] == theirs["iter"]
        assert abs(ours["log_likelihood"] - theirs["loglik_binomial"]) < 1e-9
    assert found["stop"] == "rounding"
    np.testing.assert_allclose(sorted(found["parameters"]["heads"]), sorted(stored["converged"]["theta"]), atol=1e-6)


def test_the_parameters_of_do_and_batzoglou_are_traced_as_published(tmp_path: Path) -> None:
    log = tmp_path / "trace.jsonl"
    fit(ROOT / "configs" / "do_batzoglou.yaml", "--trace", log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line, theirs in zip(lines, reference("two_coins")["do_batzoglou_fixed_half"]["trace"], strict=False):
        if line["type"] == "iteration":
            np.testing.assert_allclose(line["parameters"]["heads"], theirs["theta"], atol=1e-9)


def test_every_plain_iteration_on_old_faithful_agrees_with_r_and_scikit_learn(tmp_path: Path) -> None:
    stored = reference("gmm_trace")["trace"]
    start = tmp_path / "start.yaml"
    start.write_text("{weights: [0.5, 0.5], means: [[50], [80]], sds: [[5], [5]]}")
    found = fit("gmm", WAITING, "-k", 2, "--start", start, "--solver", "em", *NEVER)
    assert len(found["trace"]) > 25
    for ours, theirs in zip(found["trace"], stored, strict=False):
        assert abs(ours["log_likelihood"] - theirs["loglik"]) < 1e-8


@pytest.mark.parametrize(
    ("name", "path", "family", "k"),
    [
        pytest.param(name, path, family, k, marks=[pytest.mark.slow] * ((name, family, k) in DEAR))
        for name, path, family, k in GMM
    ],
    ids=lambda value: getattr(value, "stem", value),
)
def test_default_settings_find_a_gaussian_optimum_no_lower_than_the_best_known(
    name: str, path: Path, family: str, k: int
) -> None:
    best = reference("gmm")[name][f"{family},{k}"]["loglik"]
    found = fit("gmm", path, "-k", k, "--covariance", SHAPES[family])
    assert found["log_likelihood"] >= best - 1e-6 * abs(best)
    assert found["status"] == "converged"


@pytest.mark.parametrize(("name", "k"), KMEANS)
def test_default_settings_find_the_best_known_inertia(name: str, k: int) -> None:
    stored = reference("kmeans")[name][f"k{k}"]
    found = fit("kmeans", SAMPLES / f"{name}.csv", "-k", k)
    assert found["inertia"] <= stored.get("sse", stored.get("sse_best")) * (1 + 1e-9)


@pytest.mark.parametrize(("name", "k"), [("iris", k) for k in (2, 3, 4)] + [("faithful", k) for k in (2, 3)])
def test_lloyd_from_the_first_distinct_rows_goes_through_the_stored_inertias(name: str, k: int, tmp_path: Path) -> None:
    rows = table(SAMPLES / f"{name}.csv")
    first = np.array(list(dict.fromkeys(map(tuple, rows.tolist())))[:k])
    start = tmp_path / "start.yaml"
    start.write_text(json.dumps({"centroids": first.tolist()}))
    found = fit("kmeans", SAMPLES / f"{name}.csv", "-k", k, "--start", start)
    stored = reference("kmeans")[name][f"k{k}"]["trace_first_k"]
    np.testing.assert_allclose([row["inertia"] for row in found["trace"]], stored, rtol=1e-12)


def coins(path: Path, *more: Any) -> dict[str, Any]:
    return fit("coins", path, "--tosses", "n", "--row-weights", "freq", "--tol", "1e-9", "--max-iter", 100000, *more)


@pytest.mark.parametrize(
    ("k", "mixing"),
    [(1, "free"), (2, "free"), (2, "equal"), (3, "equal"), pytest.param(3, "free", marks=pytest.mark.slow)],
)
def test_thumbtacks_reach_the_certified_optimum(k: int, mixing: str) -> None:
    key = f"k{k}_{'free' if mixing == 'free' else 'fixed_equal'}"
    stored = reference("binomial")["thumbtacks"]["fits"][key]
    found = coins(SAMPLES / "thumbtacks.csv", "-k", k, "--mixing", mixing)
    assert abs(found["log_likelihood"] - stored["loglik"]) < 1e-9 * abs(stored["loglik"])
    assert abs(found["bic"] - stored["bic"]) < 1e-6


def test_one_start_on_saxony_goes_on_through_tiny_gains_to_the_optimum() -> None:
    stored = reference("binomial")["saxony8"]["fits"]["k2_free"]["loglik"]
    found = coins(SAXONY, "-k", 2, "--mixing", "free", "--restarts", 1)
    assert abs(found["log_likelihood"] - stored) < 1e-9 * abs(stored)
    assert found["decrement"] < 1e-5


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("name", ["faithful", "iris", "galaxies"])
def test_shifting_and_scaling_every_column_changes_no_assignment(name: str, shape: str) -> None:
    """Iterations are not compared: where drawn starts tie, the last digit of the data chooses between them."""
    rows = table(SAMPLES / f"{name}.csv")
    options = {"model": "gmm", "k": 3, "covariance": shape, "restarts": 2}
    plain, moved = result_of(rows, options), result_of((rows + 1e6) * 1000, options)
    assert [start.status for start in plain.ledger] == [start.status for start in moved.ledger]
    assert plain.log_likelihood is not None and moved.log_likelihood is not None
    shifted = plain.log_likelihood - rows.size * np.log(1000)
    assert moved.log_likelihood == pytest.approx(shifted, rel=1e-9)
    assert np.array_equal(plain.assignments(), moved.assignments())
    back = np.array(moved.parameters["means"]) / 1000 - 1e6
    np.testing.assert_allclose(back, plain.parameters["means"], atol=1e-4)


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
def test_parameters_after_25_iterations_equal_those_of_scikit_learn(shape: str, tmp_path: Path) -> None:
    from sklearn.mixture import GaussianMixture

    rows = table(SAMPLES / "iris.csv")
    means = rows[[10, 60, 120]]
    start = tmp_path / "start.yaml"
    spread = {"tied": np.cov(rows.T, bias=True), "full": np.cov(rows.T, bias=True)}.get(shape, np.eye(4))
    start.write_text(json.dumps({"means": means.tolist(), "covariances": [spread.tolist()] * 3}))
    found = fit(
        "gmm",
        SAMPLES / "iris.csv",
        "-k",
        3,
        "--covariance",
        shape,
        "--start",
        start,
        "--max-iter",
        25,
        "--solver",
        "em",
        "--tol",
        "1e-300",
    )
    precision = np.linalg.inv(spread)
    theirs = GaussianMixture(
        3,
        covariance_type=shape,
        reg_covar=0,
        tol=0,
        max_iter=25,
        weights_init=np.full(3, 1 / 3),
        means_init=means,
        precisions_init={
            "full": np.stack([precision] * 3),
            "tied": precision,
            "diag": np.ones((3, 4)),
            "spherical": np.ones(3),
        }[shape],
    )
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(rows)
    order = np.lexsort(theirs.means_.T[::-1])
    np.testing.assert_allclose(found["parameters"]["weights"], theirs.weights_[order], atol=1e-8)
    np.testing.assert_allclose(found["parameters"]["means"], theirs.means_[order], atol=1e-8)
    covariances = {
        "full": lambda c: c[order],
        "tied": lambda c: np.stack([c] * 3),
        "diag": lambda c: np.stack(list(map(np.diag, c[order]))),
        "spherical": lambda c: np.stack([v * np.eye(4) for v in c[order]]),
    }[shape](theirs.covariances_)
    np.testing.assert_allclose(found["parameters"]["covariances"], covariances, atol=1e-8)


COUNTS = [  # free parameters of k components in d columns, counted by hand
    ("gmm", ["--covariance", "full"], 3, 4, 2 + 12 + 30),
    ("gmm", ["--covariance", "tied"], 3, 4, 2 + 12 + 10),
    ("gmm", ["--covariance", "diag"], 3, 4, 2 + 12 + 12),
    ("gmm", ["--covariance", "spherical"], 3, 4, 2 + 12 + 3),
    ("gmm", ["--mixing", "equal"], 3, 4, 12 + 30),
    ("kmeans", [], 3, 4, 12 + 1),
]


@pytest.mark.parametrize(("model", "more", "k", "d", "count"), COUNTS)
def test_the_criteria_are_those_of_their_formulas(model: str, more: list[Any], k: int, d: int, count: int) -> None:
    rows = table(SAMPLES / "iris.csv")
    found = fit(model, SAMPLES / "iris.csv", "-k", k, "--restarts", 2, *more)
    n, ll, parameters = len(rows), found["log_likelihood"], found["parameters"]
    assert found["parameters_count"] == count
    assert found["aic"] == pytest.approx(-2 * ll + 2 * count, rel=1e-14)
    assert found["bic"] == pytest.approx(-2 * ll + count * np.log(n), rel=1e-14)
    if model == "kmeans":
        inertia = ((rows[:, None] - parameters["centroids"]) ** 2).sum(axis=2).min(axis=1).sum()
        variance = inertia / (n * d)
        assert ll == pytest.approx(-n * np.log(k) - n * d / 2 * (np.log(2 * np.pi * variance) + 1), rel=1e-12)
        assert found["icl"] == found["bic"]
    else:
        pairs = zip(parameters["weights"], parameters["means"], parameters["covariances"], strict=True)
        joint = np.array([weight * multivariate_normal.pdf(rows, mean, square) for weight, mean, square in pairs])
        assert ll == pytest.approx(np.log(joint.sum(axis=0)).sum(), rel=1e-12)
        unsure = -np.log((joint / joint.sum(axis=0)).max(axis=0)).sum()
        assert found["icl"] - found["bic"] == pytest.approx(2 * unsure, rel=1e-6)
        assert unsure > 0.1


@pytest.mark.parametrize(("mixing", "count"), [("free", 3), ("equal", 2)])
def test_the_parameters_of_two_coins_are_counted(mixing: str, count: int) -> None:
    found = fit("coins", SAMPLES / "two_coins.csv", "-k", 2, "--mixing", mixing, "--restarts", 1)
    assert found["parameters_count"] == count
    assert found["bic"] == pytest.approx(-2 * found["log_likelihood"] + count * np.log(500), rel=1e-14)
