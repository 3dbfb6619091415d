"""Fits against arithmetic that is not the program's: NIST, fifty digits, scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from conftest import REFERENCE, reference, table
from inprocess import (
    COINS,
    GMM,
    SHAPES,
    TABLES,
    case,
    clusters,
    every_case,
    fitted,
    gap,
    half,
    measure,
    spreads,
    start_of,
    tosses,
)

from emcli.errors import EmcliError, Exit

NIST = {key: value for key, value in reference("nist").items() if key != "source"}


def digits(found: float, certified: float) -> float:
    """Correct digits: the log relative error, 16 where there is none."""
    return 16.0 if found == certified else float(-np.log10(abs(found - certified) / abs(certified)))


def nist(name: str) -> np.ndarray:
    """The rows of a data set, (n, 1)."""
    stored = NIST[name]
    if "data" in stored:
        return table(REFERENCE / "data" / stored["data"])
    return np.array([stored["first"], *stored["pair"] * stored["pairs"]], dtype=float)[:, None]


@half(shape=SHAPES, name=NIST)
def test_one_component_reaches_the_certified_mean_and_sd_of_nist(name: str, shape: str) -> None:
    values = nist(name)
    found = fitted(values, {"model": "gmm", "covariance": shape, "k": 1})
    n = len(values)
    assert digits(found["parameters"]["means"][0][0], NIST[name]["mean"]) >= 14
    sd = float(np.sqrt(found["parameters"]["covariances"][0][0][0] * (n / (n - 1))))
    assert digits(sd, NIST[name]["sd"]) >= 8


@pytest.mark.parametrize("name", ["lew", "michelso"])
def test_the_stored_rows_have_the_certified_values(name: str) -> None:
    mp.mp.dps = 50
    rows = [mp.mpf(line) for line in (REFERENCE / "data" / NIST[name]["data"]).read_text().split()[1:]]
    mean = mp.fsum(rows) / len(rows)
    square = mp.fsum((x - mean) ** 2 for x in rows)
    follow = mp.fsum((x - mean) * (y - mean) for x, y in pairwise(rows)) / square
    assert mean == mp.mpf(str(NIST[name]["mean"]))
    assert abs(mp.sqrt(square / (len(rows) - 1)) / NIST[name]["sd"] - 1) < 2e-15
    assert abs(follow / NIST[name]["lag_1_autocorrelation"] - 1) < 2e-15


@half(shape=SHAPES, name=TABLES)
def test_one_component_is_the_closed_form(name: str, shape: str) -> None:
    values = TABLES[name]()
    found = fitted(values, {"model": "gmm", "covariance": shape, "k": 1})
    mp.mp.dps = 50
    exact = [[mp.mpf(x) for x in row] for row in values.tolist()]
    n, d = values.shape
    mean = [mp.fsum(row[j] for row in exact) / n for j in range(d)]
    square = [
        [mp.fsum((row[i] - mean[i]) * (row[j] - mean[j]) for row in exact) / n for j in range(d)] for i in range(d)
    ]
    if shape in ("diag", "spherical"):
        square = [[square[i][j] if i == j else mp.mpf(0) for j in range(d)] for i in range(d)]
    if shape == "spherical":
        common = mp.fsum(square[i][i] for i in range(d)) / d
        square = [[common if i == j else mp.mpf(0) for j in range(d)] for i in range(d)]
    parameters = {"weights": [1.0], "means": [np.array(mean, float)], "covariances": [np.array(square, float)]}
    held = 2.0**-52 * float((np.abs(values).max(axis=0) / spreads(values)).max())
    assert gap(found["parameters"], parameters, values, {"model": "gmm", "covariance": shape}) <= 1e-14 + held
    assert found["iterations"] <= 2


def log_likelihood(values: np.ndarray, parameters: dict[str, Any]) -> Any:
    """Of a mixture, with fifty digits."""
    mp.mp.dps = 50
    weights = [mp.mpf(w) for w in parameters["weights"]]
    if "heads" in parameters:
        return mp.fsum(mp.log(mass) for mass in _binomial(values, weights, parameters["heads"]))
    d = values.shape[1]
    total = mp.mpf(0)
    parts = []
    for w, mean, matrix in zip(weights, parameters["means"], parameters["covariances"], strict=True):
        sds = [mp.sqrt(matrix[j][j]) for j in range(d)]
        sigma = mp.matrix([[mp.mpf(matrix[i][j]) / (sds[i] * sds[j]) for j in range(d)] for i in range(d)])
        scale = w / mp.sqrt((2 * mp.pi) ** d * mp.det(sigma)) / mp.fprod(sds)
        parts.append((scale, sds, [mp.mpf(x) for x in mean], sigma**-1))
    for row in values.tolist():
        density = mp.mpf(0)
        for scale, sds, mean, inverse in parts:
            away = mp.matrix([(mp.mpf(x) - m) / sd for x, m, sd in zip(row, mean, sds, strict=True)])
            density += scale * mp.exp(-(away.T * inverse * away)[0] / 2)
        total += mp.log(density)
    return total


def _binomial(values: np.ndarray, weights: list[Any], heads: list[float]) -> list[Any]:
    coins = [(w, mp.mpf(p)) for w, p in zip(weights, heads, strict=True)]
    return [
        mp.binomial(int(n), int(h)) * mp.fsum(w * p ** int(h) * (1 - p) ** int(n - h) for w, p in coins)
        for h, n in values.tolist()
    ]


@every_case
def test_the_log_likelihood_has_the_value_of_fifty_digits(name: str, table: str) -> None:
    if name == "kmeans":
        pytest.skip("its inertia is held in test_invariants.py")
    options, values = case(name, table, max_iter=20)
    values = values[:: max(1, len(values) // 45)][:50]
    found = fitted(values, {**options, "restarts": 6})  # one alone may collapse
    exact = log_likelihood(values, found["parameters"])
    # terms that are larger cancel there
    tolerance = {"nearly collinear": 1e-12, "tosses": 1e-13}.get(table, 1e-15)
    assert abs(found["log_likelihood"] - exact) <= tolerance * abs(exact)


@half(shape=SHAPES, table=["plain", "ties", "outliers", "repeated rows", "heavy tails", "line"])
def test_five_iterations_are_those_of_scikit_learn(shape: str, table: str) -> None:
    from sklearn.mixture import GaussianMixture

    options, values = case(f"gmm {shape} free", table, max_iter=5, tol=1e-300)
    start = start_of(values, options)
    found = fitted(values, {**options, "start": start})
    matrices = np.array(start["covariances"])
    precisions = np.linalg.inv(matrices)
    theirs = GaussianMixture(
        2,
        covariance_type=shape,
        reg_covar=0,
        tol=0,
        max_iter=5,
        weights_init=start["weights"],
        means_init=start["means"],
        precisions_init={
            "full": precisions,
            "tied": precisions[0],
            "diag": np.diagonal(precisions, axis1=1, axis2=2),
            "spherical": precisions[:, 0, 0],
        }[shape],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(values)
    d = values.shape[1]
    full: Callable[[Any], Any] = {
        "full": np.array,
        "tied": lambda c: np.stack([c] * 2),
        "diag": lambda c: np.stack([np.diag(v) for v in c]),
        "spherical": lambda c: np.stack([v * np.eye(d) for v in c]),
    }[shape]
    order = np.lexsort(theirs.means_.T[::-1])
    other = {
        "weights": theirs.weights_[order],
        "means": theirs.means_[order],
        "covariances": full(theirs.covariances_)[order],
    }
    assert found["iterations"] == 5 or found["stop"] == "rounding"  # ended early: an iteration changed nothing
    assert gap(found["parameters"], other, values, options) <= 1e-8


def free_parameters(parameters: dict[str, Any], options: dict[str, Any]) -> tuple[np.ndarray, Callable[[Any], Any]]:
    """The free parameters in one vector, and the way back."""
    weights = np.array(parameters["weights"])
    k, free = len(weights), options["mixing"] == "free"
    d = len(parameters["means"][0]) if "means" in parameters else 0
    lower = np.tril_indices(d)
    shape = options.get("covariance")

    def spread_out() -> np.ndarray:
        parts = [weights[:-1]] if free else []
        if not d:
            return np.concatenate([*parts, parameters["heads"]])
        matrices = np.array(parameters["covariances"])
        packed = {
            "full": lambda: [m[lower] for m in matrices],
            "tied": lambda: [matrices[0][lower]],
            "diag": lambda: [np.diag(m) for m in matrices],
            "spherical": lambda: [m[:1, 0] for m in matrices],
        }[shape]()  # type: ignore[index]
        return np.concatenate([*parts, np.ravel(parameters["means"]), *packed])

    def taken_in(vector: np.ndarray) -> dict[str, Any]:
        mixing = np.append(vector[: k - 1], 1 - vector[: k - 1].sum()) if free else weights
        rest = vector[k - 1 if free else 0 :]
        if not d:
            return {"weights": mixing, "heads": rest}
        means, packed = rest[: k * d].reshape(k, d), rest[k * d :]
        each = packed.reshape(1 if shape == "tied" else k, -1)
        matrices = np.zeros((len(each), d, d))
        for matrix, entries in zip(matrices, each, strict=True):
            if shape in ("full", "tied"):
                matrix[lower] = entries
                matrix.T[lower] = entries
            else:
                np.fill_diagonal(matrix, entries)
        return {"weights": mixing, "means": means, "covariances": np.broadcast_to(matrices, (k, d, d))}

    return spread_out(), taken_in


def log_densities(values: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
    """Of every row, without a line of the program."""
    from scipy.special import logsumexp
    from scipy.stats import binom, multivariate_normal

    if "heads" in parameters:
        each = [binom.logpmf(values[:, 0], values[:, 1], p) for p in parameters["heads"]]
    else:
        pairs = zip(parameters["means"], parameters["covariances"], strict=True)
        each = [np.atleast_1d(multivariate_normal.logpdf(values, m, c)) for m, c in pairs]
    return np.asarray(logsumexp(each, axis=0, b=np.array(parameters["weights"])[:, None]))


@pytest.mark.parametrize("name", [*GMM, *COINS])
def test_what_is_left_to_gain_at_the_end_is_below_tol(name: str) -> None:
    """½ sᵀ J⁻¹ s from differences of the log-likelihood: s its slopes, J minus its second derivatives."""
    options, values = case(name, "tosses" if name in COINS else "line", tol=1e-6)
    values = tosses(300) if name in COINS else clusters(300)
    found = fitted(values, options)
    assert found["stop"] == "projected"
    theta, back = free_parameters(found["parameters"], options)

    def slopes(at: np.ndarray, share: float) -> np.ndarray:
        steps = np.diag(share * np.maximum(np.abs(theta), 1e-2))
        ends = [[log_densities(values, back(at + sign * step)).sum() for sign in (1, -1)] for step in steps]
        return np.array([(up - down) / (2 * step.sum()) for (up, down), step in zip(ends, steps, strict=True)])

    steps = np.diag(1e-4 * np.maximum(np.abs(theta), 1e-2))
    bent = [(slopes(theta + step, 1e-4) - slopes(theta - step, 1e-4)) / (2 * step.sum()) for step in steps]
    decrement = 0.5 * slopes(theta, 1e-5) @ np.linalg.solve(-np.array(bent), slopes(theta, 1e-5))
    assert decrement <= 1e-5
    assert found["decrement"] == pytest.approx(decrement, rel=0.05, abs=1e-9)


@pytest.mark.parametrize(("mixing", "table"), [*(("free", name) for name in TABLES), ("equal", "plain")])
def test_a_wider_family_started_at_a_narrower_one_never_ends_lower(mixing: str, table: str) -> None:
    for chain in (("spherical", "diag", "full"), ("tied", "full")):
        options, values = case(f"gmm {chain[0]} {mixing}", table)
        narrow = fitted(values, options)
        for shape in chain[1:]:
            options, _ = case(f"gmm {shape} {mixing}", table)
            try:
                wide = fitted(values, {**options, "start": narrow["parameters"]})
            except EmcliError as error:  # so much higher that it has no end
                assert error.exit_code is Exit.NO_FIT
                break
            assert wide["log_likelihood"] >= narrow["log_likelihood"] - 1e-12 * abs(narrow["log_likelihood"])
            narrow = wide


@pytest.mark.parametrize("name", ["coins", *(f"gmm {shape}" for shape in SHAPES)])
def test_free_mixing_started_at_equal_mixing_never_ends_lower(name: str) -> None:
    equal, values = case(f"{name} equal", "tosses" if name == "coins" else "plain")
    free, _ = case(f"{name} free", "tosses" if name == "coins" else "plain")
    narrow = fitted(values, equal)
    wide = fitted(values, {**free, "start": narrow["parameters"]})
    assert wide["log_likelihood"] >= narrow["log_likelihood"] - 1e-9


def test_the_best_inertia_on_a_line_never_rises_with_more_clusters() -> None:
    values = clusters(d=1)
    found = [measure(fitted(values, {"model": "kmeans", "k": k, "restarts": 1})) for k in range(1, 9)]
    assert found == sorted(found)
