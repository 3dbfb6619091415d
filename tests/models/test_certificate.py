"""No mixture of coins is better than the certificate says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, reference, table
from scipy.special import gammaln, logsumexp, xlog1py, xlogy

from emcli.models.coins.npmle import NPMLE, npmle

PATHS = {"thumbtacks": SAMPLES / "thumbtacks.csv", "saxony8": REFERENCE / "data" / "coins_saxony8.csv"}
CASES = ["thumbtacks", "saxony8", "mixed"]


def log_comb(heads: np.ndarray, tosses: np.ndarray) -> np.ndarray:
    return gammaln(tosses + 1) - gammaln(heads + 1) - gammaln(tosses - heads + 1)


def certified(heads: np.ndarray, tosses: np.ndarray, weights: np.ndarray) -> NPMLE:
    return npmle(heads, tosses - heads, weights)


def read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    heads, tosses, weights = table(path).T
    return heads[weights > 0], tosses[weights > 0], weights[weights > 0]


def case(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if name in PATHS:
        return read(PATHS[name])
    rng = np.random.default_rng(3)
    tosses = rng.integers(1, 30, 500)
    heads = rng.binomial(tosses, rng.choice([0.1, 0.4, 0.9], 500))
    rows, weights = np.unique(np.stack([heads, tosses]), axis=1, return_counts=True)
    return rows[0].astype(float), rows[1].astype(float), weights * 0.75


def log_likelihood(p: np.ndarray, masses: np.ndarray, *rows: np.ndarray) -> float:
    """Of a mixture, without a line of the program."""
    heads, tosses = (values[:, None] for values in rows[:2])
    logs = log_comb(heads, tosses) + xlogy(heads, p) + xlog1py(tosses - heads, -p)
    return float(rows[2] @ logsumexp(logs, axis=1, b=masses))


def bound(found: NPMLE, total: float) -> float:
    return found.log_likelihood + total * float(np.log1p(found.D / total))


@pytest.mark.parametrize(("name", "key"), [("thumbtacks", "k3_free"), ("saxony8", "k4_free")])
def test_the_stored_best_mixtures(name: str, key: str) -> None:
    stored = reference("binomial")[name]["fits"][key]
    found = certified(*case(name))
    assert found.D < 1e-7
    assert found.log_likelihood == pytest.approx(stored["loglik"], abs=1e-7)
    assert bound(found, case(name)[2].sum()) >= stored["loglik"] - 1e-9
    np.testing.assert_allclose(found.heads, stored["theta"], atol=1e-4)
    np.testing.assert_allclose(found.weights, stored["pi"], atol=1e-3)


def test_do_and_batzoglou() -> None:
    found = certified(np.array([5.0, 9, 8, 4, 7]), np.full(5, 10.0), np.ones(5))
    stored = reference("binomial")["do_batzoglou"]["fits"]["k2_free"]
    assert found.D < 1e-7 and found.log_likelihood == pytest.approx(stored["loglik"], abs=1e-7)


def test_three_thumbtack_coins_are_certified_and_two_are_not() -> None:
    fits = reference("binomial")["thumbtacks"]["fits"]
    best = bound(certified(*case("thumbtacks")), 320)
    assert 0.2 < best - fits["k2_free"]["loglik"] < 0.21
    assert -1e-9 < best - fits["k3_free"]["loglik"] < 1e-4


@pytest.mark.parametrize("name", CASES)
def test_the_mixture_returned_is_what_it_says(name: str) -> None:
    rows = case(name)
    found = certified(*rows)
    assert found.D < 1e-7 and found.weights.sum() == pytest.approx(1) and found.weights.min() > 0
    assert np.all(np.diff(found.heads) > 0)
    assert log_likelihood(found.heads, found.weights, *rows) == pytest.approx(found.log_likelihood, rel=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_no_random_mixture_is_better(name: str) -> None:
    rows = case(name)
    found = certified(*rows)
    best, rng = bound(found, rows[2].sum()), np.random.default_rng(5)
    for k in (1, 2, 4, 9):
        for _ in range(50):
            assert log_likelihood(rng.random(k), rng.dirichlet(np.ones(k)), *rows) <= best
            near = np.clip(rng.choice(found.heads, k) + 1e-3 * rng.standard_normal(k), 0, 1)
            assert log_likelihood(near, rng.dirichlet(np.ones(k)), *rows) <= best


def test_d_is_the_greatest_gradient() -> None:
    heads, tosses, weights = case("mixed")
    found = certified(heads, tosses, weights)
    p = np.linspace(0, 1, 20001)
    logs = xlogy(heads[:, None], np.stack([found.heads] * len(heads)))
    logs += xlog1py((tosses - heads)[:, None], -found.heads)
    density = np.exp(logs) @ found.weights
    each = np.exp(xlogy(heads[:, None], p) + xlog1py((tosses - heads)[:, None], -p))
    assert (weights / density @ each).max() - weights.sum() <= found.D + 1e-9


@pytest.mark.parametrize("name", ["thumbtacks", "mixed"])
def test_weights_are_duplicates_and_heads_are_tails(name: str) -> None:
    heads, tosses, weights = case(name)
    found = certified(heads, tosses, weights)
    halves = certified(np.repeat(heads, 2), np.repeat(tosses, 2), np.repeat(weights / 2, 2))
    mirrored = certified(tosses - heads, tosses, weights)
    for other in (halves, mirrored):
        assert other.log_likelihood == pytest.approx(found.log_likelihood, abs=1e-7)
    np.testing.assert_allclose(1 - mirrored.heads[::-1], found.heads, atol=1e-3)
    tripled = certified(heads, tosses, 3 * weights)
    assert tripled.log_likelihood == pytest.approx(3 * found.log_likelihood, abs=1e-6)


@pytest.mark.parametrize(
    ("heads", "tosses", "support"),
    [
        ([0], [5], [0]),
        ([0, 0, 0], [1, 5, 1e6], [0]),
        ([1, 5, 1e6], [1, 5, 1e6], [1]),
        ([3], [10], [0.3]),
        ([0, 1], [1, 1], None),
        ([0, 1e6], [1e6, 1e6], [0, 1]),
        ([0, 1, 5e5, 1e6], [1e6, 3, 1e6, 1e6], [0, 0.5, 1]),
        ([2, 0], [10, 0], [0.2]),
        ([0, 3, 1e9], [1e9, 1e9, 1e9], [0, 3e-9, 1]),
    ],
)
def test_edges(heads: list[float], tosses: list[float], support: list[float] | None) -> None:
    found = certified(np.array(heads, dtype=float), np.array(tosses, dtype=float), np.full(len(heads), 1.5))
    assert 0 <= found.D < 1e-7 and np.isfinite(found.log_likelihood)
    if support is not None:
        np.testing.assert_allclose(found.heads, support, rtol=1e-6, atol=1e-9)


def test_a_million_tosses() -> None:
    rng = np.random.default_rng(11)
    heads = np.unique(rng.binomial(10**6, rng.choice([0.2, 0.7], 200))).astype(float)
    found = certified(heads, np.full(len(heads), 1e6), np.ones(len(heads)))
    assert found.D < 1e-6 and np.isfinite(found.log_likelihood)


def test_nothing_tossed() -> None:
    with pytest.raises(ValueError, match="needs a row"):
        npmle(np.zeros(2), np.zeros(2), np.ones(2))
