"""Logarithms in two parts, beside 60-digit arithmetic: densities of millions of tosses are sums of exact products."""

from __future__ import annotations

from math import comb

import mpmath as mp
import numpy as np
import pytest

from emcli.data.binomial import excess, log_greatest
from emcli.data.split_logs import MAX_TOSSES, split_coefficients, split_log_factorials, split_logs
from emcli.data.trials import MAX_PLAIN_LOG, with_densities
from emcli.models.coins.mixture import BinomialMixture

MOST = int(MAX_TOSSES)
SMALL = [10.0**-i for i in range(1, 15)]
PROBABILITIES = [0.5, 0.3, 2 / 3, 1e-300, 5e-324, 1 - 2.0**-53, *SMALL, *(1 - p for p in SMALL)]


def test_both_parts_of_a_logarithm_are_right_to_the_last_digit() -> None:
    first, second = split_logs(np.array(PROBABILITIES))
    assert np.array_equal(first, np.round(first * 2.0**24) / 2.0**24) and np.abs(first).max() <= 32
    with mp.workdps(60):
        for p, firsts, seconds in zip(PROBABILITIES, first.tolist(), second.tolist(), strict=True):
            for right, one, two in zip((mp.log(p), mp.log1p(-mp.mpf(p))), firsts, seconds, strict=True):
                size = abs(right - one) if one > -32 else abs(right)
                assert abs(right - one - two) <= 2.3e-16 * size, p


def test_the_logarithms_of_nothing_and_certainty() -> None:
    first, second = split_logs(np.array([0.0, 1.0]))
    assert first.tolist() == [[0.0, 0.0], [0.0, 0.0]] and second.tolist() == [[-np.inf, 0.0], [0.0, -np.inf]]


@pytest.mark.parametrize(
    ("heads", "tosses"), [(1, 400), (350, 1_000), (999_999, 1_000_000), (9, MOST), (MOST // 2, MOST)]
)
def test_a_coefficient_is_right_to_1e14_nats(heads: int, tosses: int) -> None:
    h, t = np.array([float(heads)]), np.array([float(tosses - heads)])
    first, second = split_coefficients(h, t, log_greatest(h, t))
    with mp.workdps(60):
        right = mp.log(comb(tosses, heads)) if tosses < 10**5 else _log_comb(heads, tosses)
        assert abs(right - mp.mpf(first[0]) - mp.mpf(second[0])) < 1e-14
    assert first[0] == round(first[0] * 2.0**24) / 2.0**24


def _log_comb(heads: int, tosses: int) -> mp.mpf:
    return mp.loggamma(tosses + 1) - mp.loggamma(heads + 1) - mp.loggamma(tosses - heads + 1)


def test_both_parts_of_log_factorials_are_right_to_1e16_nats() -> None:
    first, second = split_log_factorials(20_000)
    assert np.array_equal(first, np.round(first * 2.0**24) / 2.0**24) and first[:2].tolist() == [0.0, 0.0]
    with mp.workdps(60):
        for n in [1, 2, 3, 255, 256, 257, 511, 1025, *range(19_000, 20_001, 97), 20_000]:
            assert abs(mp.loggamma(n + 1) - mp.mpf(first[n]) - mp.mpf(second[n])) < 1e-16, n


def test_coefficients_of_many_rows_are_those_of_few() -> None:
    """As sums of log-factorials where there are as many rows as tosses, else each for itself."""
    rng = np.random.default_rng(4)
    heads = rng.integers(0, 1500, 4000).astype(float)
    pairs = np.stack([heads, rng.integers(0, 1500, 4000)])
    many, few = with_densities(pairs), np.hstack([with_densities(pairs[:, i : i + 40]) for i in range(0, 4000, 40)])
    assert np.array_equal(many[:2], pairs) and not many[4].any() and few[4].any()
    large = many[2] > MAX_PLAIN_LOG
    assert large.any() and not large.all() and np.array_equal(large, few[2] > MAX_PLAIN_LOG)
    assert np.allclose(many[2, ~large], few[2, ~large], 1e-14, 1e-13)
    apart = (many[2] - few[2]) + (many[3] - few[3])
    assert np.abs(apart[large]).max() < 2e-14


def test_log_densities_near_the_rate_of_a_row_are_right_to_1e14_nats() -> None:
    """Plain sums of a million tosses are 1e-10 off, of which all rows have the same share."""
    rng = np.random.default_rng(3)
    worst = 0.0
    for tosses in (1_000, 23_456, 10**6, MOST):
        for rate in (0.5, 0.3, 0.98, 1e-3):
            heads = rng.binomial(tosses, rate, 3)
            p = np.clip(heads / tosses + rng.normal(size=3) * (rate * (1 - rate) / tosses) ** 0.5, 1e-6, 1.0)
            rows = with_densities(np.stack([heads, tosses - heads]).astype(float))
            assert tosses == 1_000 or rate == 1e-3 or rows[2].min() > MAX_PLAIN_LOG
            found = BinomialMixture(np.full(3, 1 / 3), p).log_densities(rows)
            with mp.workdps(60):
                for i, h in enumerate(heads.tolist()):
                    coefficient = _log_comb(h, tosses)
                    for j, q in enumerate(p.tolist()):
                        right = coefficient + h * mp.log(q) + (tosses - h) * mp.log1p(-mp.mpf(q))
                        size = max(10.0, abs(right)) if rows[2, i] > MAX_PLAIN_LOG else 500.0
                        worst = max(worst, float(abs(found[j, i] - right)) / size)
    assert worst < 1e-15


def test_scores_are_heads_less_expected_heads_to_the_last_digit() -> None:
    heads, tosses = np.array([1.0, 4e5, MOST // 3]), np.array([5e3, 1e6, MOST])
    rows = with_densities(np.stack([heads, tosses - heads]))
    model = BinomialMixture(np.full(3, 1 / 3), np.array([1e-9, 0.4, 1 / 3]))
    found = model.complete(rows, None).scores[:, 0]
    assert found == pytest.approx(excess(heads, tosses, model.heads[:, None]), rel=3e-16, abs=0)
