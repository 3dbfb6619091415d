"""Binomial densities of counts up to 2⁵³ without cancellation (Loader 2000, "Fast and accurate computation")."""

from __future__ import annotations

import numpy as np

from emcli.types import Array

# ln n! less Stirling's (n + ½) ln n - n + ½ ln 2π, for n from 0 (where it is not needed) to 15
STIRLING_ERRORS = np.array(
    [
        0.0,
        0.08106146679532726,
        0.0413406959554093,
        0.02767792568499834,
        0.020790672103765093,
        0.016644691189821193,
        0.013876128823070748,
        0.01189670994589177,
        0.010411265261972096,
        0.009255462182712733,
        0.00833056343336287,
        0.007573675487951841,
        0.00694284010720953,
        0.006408994188004207,
        0.0059513701127588475,
        0.005554733551962801,
    ]
)
STIRLING_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)  # in 1/n, 1/n³, ...
DIVIDE_AT = 2.0**27 + 1.0  # halves the 53 digits of a double (Dekker 1971)
MAX_RATIO = 0.1  # of (x - m) / (x + m) for counts x and their expectations m, below which the series is used
SERIES = tuple(1 / (2 * term + 1) for term in range(8, 0, -1))  # in the squared ratio; suffices there


def log_greatest(heads: Array, tails: Array) -> Array:
    """ln of the binomial density of heads (n,) at the row's own rate of heads, by Stirling's formula."""
    tosses = heads + tails
    inner = (heads > 0) & (tails > 0)
    found = np.zeros(len(heads))
    h, t, n = heads[inner], tails[inner], tosses[inner]
    found[inner] = _stirling_error(n) - _stirling_error(h) - _stirling_error(t) + 0.5 * np.log(n / h / t / (2 * np.pi))
    return found


def log_coefficients(heads: Array, tails: Array, greatest: Array) -> Array:
    """ln of the binomial coefficients (n,), from the densities at each row's own rate."""
    return greatest - _log_power(heads, tails) - _log_power(tails, heads)


def _log_power(counts: Array, others: Array) -> Array:
    """c ln (c/n) of counts c (n,) of n = c + others."""
    with np.errstate(divide="ignore", invalid="ignore"):
        tosses = counts + others
        logs = np.where(counts < others, np.log(counts / tosses), np.log1p(-others / tosses))
        return np.where(counts > 0, counts * logs, 0.0)


def excess(heads: Array, tosses: Array, p: Array) -> Array:
    """heads - tosses p, (k, n), of counts (n,) and probabilities (k, 1), each to its last digit."""
    product = tosses * p
    (high, low), (p_high, p_low) = _halves(tosses), _halves(p)
    error = ((high * p_high - product) + high * p_low + low * p_high) + low * p_low
    return np.asarray((heads - product) - error)


def log_densities(heads: Array, tails: Array, greatest: Array, p: Array) -> Array:
    """ln of the binomial densities (k, n) of counts (n,), none 0, for probabilities p (k, 1); -inf where they are 0.

    The greatest density less two deviances that are not negative, so that nothing cancels.
    """
    tosses = heads + tails
    away = excess(heads, tosses, p)
    return np.asarray(greatest - _deviance(heads, tosses * p, away) - _deviance(tails, tosses * (1.0 - p), -away))


def _deviance(x: Array, expected: Array, away: Array) -> Array:
    """x ln(x/m) + m - x for counts x (n,), their expectations m (k, n) and x - m (k, n)."""
    ratio = away / (x + expected)
    square = ratio * ratio
    series = np.full(ratio.shape, SERIES[0])
    for coefficient in SERIES[1:]:
        series *= square
        series += coefficient
    series *= square
    series *= 2 * x
    series += away
    series *= ratio
    with np.errstate(divide="ignore"):
        return np.where(np.abs(ratio) < MAX_RATIO, series, x * np.log(x / expected) - away)


def _halves(values: Array) -> tuple[Array, Array]:
    """Two doubles of 26 digits whose sum is each value, so that their products are exact."""
    large = DIVIDE_AT * values
    high = large - (large - values)
    return high, values - high


def _stirling_error(counts: Array) -> Array:
    """By how much Stirling's formula falls short of ln n! for whole numbers n >= 1."""
    n = np.maximum(counts, len(STIRLING_ERRORS))
    found, square = np.zeros(len(n)), 1.0 / (n * n)
    for coefficient in reversed(STIRLING_SERIES):
        found *= square
        found += coefficient
    small = np.minimum(counts, len(STIRLING_ERRORS) - 1).astype(np.intp)
    return np.where(counts < len(STIRLING_ERRORS), STIRLING_ERRORS[small], found / n)
