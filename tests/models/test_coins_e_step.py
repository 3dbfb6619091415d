"""The E-step of coins in chunks: the sums of exact binomial densities, whichever way each chunk goes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import fit

from emcli.data import trials
from emcli.data.binomial import log_densities, log_greatest
from emcli.data.trials import with_densities
from emcli.models.coins.mixture import BinomialMixture

Write = Callable[[str, str], Path]
ROWS = 20_000  # several chunks
COINS = {
    "together": [0.47, 0.48, 0.5],
    "apart": [0.02, 0.5, 0.97],  # most coins are impossible for a row in double precision
    "far": [0.1, 0.11, 0.12],  # so are all of them: none explains the rows
    "impossible": [0.0, 0.5, 1.0],
}


def drawn(tosses: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    thrown = rng.integers(1, tosses, ROWS)
    heads = rng.binomial(thrown, rng.choice([0.47, 0.5, 0.6], ROWS))
    return with_densities(np.stack([heads, thrown - heads]).astype(float))


@pytest.mark.parametrize("tosses", [12, 500, 50_000])
@pytest.mark.parametrize("coins", COINS)
@pytest.mark.parametrize("weights", [[0.2, 0.5, 0.3], [0.0, 0.4, 0.6]])
def test_counts_are_those_of_exact_densities(coins: str, tosses: int, weights: list[float]) -> None:
    rows, often = drawn(tosses), np.random.default_rng(2).integers(1, 4, ROWS).astype(float)
    assert (rows[2].max() < trials.MAX_PLAIN_LOG) == (tosses <= 500)
    model = BinomialMixture(np.array(weights), np.array(COINS[coins]), free=True)
    p, (heads, tails, coefficient, rest, _) = model.heads[:, None], rows
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.where(heads > 0, heads * np.log(p), 0.0) + np.where(tails > 0, tails * np.log1p(-p), 0.0)
        inner = (heads > 0) & (tails > 0) & (p > 0) & (p < 1)
        joint = np.where(inner, log_densities(heads, tails, log_greatest(heads, tails), p), ends + coefficient + rest)
        joint += np.log(model.weights)[:, None]
    top = joint.max(axis=0)
    shares = np.exp(joint - top)
    total = shares.sum(axis=0)
    shares *= often / total
    found = model.e_step(rows, often)
    assert found.score == pytest.approx(float(often @ (top + np.log(total))), rel=1e-12)
    assert found.rows == pytest.approx(shares.sum(axis=1), rel=1e-9, abs=1e-9)
    assert found.heads == pytest.approx(shares @ rows[0], rel=1e-9, abs=1e-9)
    assert found.tails == pytest.approx(shares @ rows[1], rel=1e-9, abs=1e-9)
    once, ones = model.e_step(rows, None), model.e_step(rows, np.ones(ROWS))
    assert once.heads == pytest.approx(ones.heads, rel=1e-12)
    assert once.score == pytest.approx(ones.score, rel=1e-14)


def test_what_is_impossible_for_a_coin_counts_nothing_for_it() -> None:
    model = BinomialMixture(np.array([0.5, 0.5]), np.array([0.0, 0.5]))
    stats = model.e_step(drawn(4000), None)
    assert stats.heads[0] == 0.0


@pytest.mark.parametrize("tosses", [23_000])
@pytest.mark.parametrize("mixing", ["free"])
def test_rounding_is_not_taken_for_a_fall_of_the_log_likelihood(tosses: int, mixing: str, write: Write) -> None:
    rng = np.random.default_rng([1500, 23_000, 0])
    thrown = rng.integers(tosses, tosses + 500, 1500)
    p = np.sort(rng.uniform(0.44, 0.56, 5))
    heads = rng.binomial(thrown, p[rng.integers(0, 5, 1500)])
    text = "heads,tosses\n" + "".join(f"{h},{n}\n" for h, n in zip(heads, thrown, strict=True))
    assert fit("coins", write("c.csv", text), "-k", 5, "--mixing", mixing)["status"] == "converged"


@pytest.mark.parametrize(
    ("n", "least", "most"), [(1_500, 200, 24_000), (8_192, 1_000_000, 16_000_000), (500, 10**8, 10**9)]
)
def test_em_never_lowers_the_log_likelihood_of_many_tosses(n: int, least: int, most: int) -> None:
    rng = np.random.default_rng([n, least])
    thrown = rng.integers(least, most, n)
    heads = rng.binomial(thrown, rng.choice([0.44, 0.4401, 0.5, 0.56], n))
    rows = with_densities(np.stack([heads, thrown - heads]).astype(float))
    model = BinomialMixture(np.full(4, 0.25), np.array([0.43, 0.441, 0.5, 0.57]), free=True)
    scores = []
    for _ in range(60):
        stats = model.e_step(rows, None)
        scores.append(stats.score)
        model = model.m_step(stats)
    assert np.diff(scores).min() >= -1e-14 * abs(scores[-1])
