"""The E-step of a mixture of coins, in chunks of rows whose temporaries fit in a core's cache."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np

from emcli.models.base import UNIT_ROUNDOFF
from emcli.models.posterior import exp, normalise
from emcli.types import Array

CHUNK_NUMBERS = 65_536  # numbers in one buffer that fit in the cache of a core
MIN_CHUNK_ROWS = 2_048
MIN_ROUNDED_TOSSES = 2.0**40  # tosses of a coin from which the rounding error of its P(heads) shows in the score
MIN_LOG_DENSITY = -300.0  # of the likeliest coin for a row, below which the log-sum-exp of `normalise` is used …
MIN_WEIGHT = 1e-20  # … as it is where a coin has a smaller mixing weight

_buffers = threading.local()  # each thread reuses its buffers: fresh pages cost as much as the arithmetic


def expected_counts(
    log_odds: tuple[Array, ...], weights: Array, log_weights: Array, rows: Array, often: Array | None
) -> tuple[float, Array]:
    """Log-likelihood, and expected rows, heads and tails (3, k), of rows (4, n): heads, tails, ln of the coefficient.

    `log_odds` are ln p, ln (1 - p) and 1 (k, 3), and perhaps their second parts (k, 4): see `emcli.data.split_logs`;
    `log_weights` (k, 1) the logarithms of the mixing weights, `often` (n,) the weights of the rows.
    """
    score, sums = 0.0, np.zeros((3, len(weights)))
    for chunk, r, total, counts, spare in _chunks(rows.shape[1], len(weights), len(log_odds) > 1):
        x, times = rows[:, chunk], None if often is None else often[chunk]
        _log_densities(log_odds, x, r, spare)
        factor: Array | float = weights
        if weights.min() > MIN_WEIGHT and np.max(r, axis=0, out=total).min() > MIN_LOG_DENSITY:
            exp(r)
            np.matmul(weights, r, out=total)
            np.divide(1.0 if times is None else times, total, out=counts[0])
            log_density = np.log(total, out=total)
        else:
            np.add(r, log_weights, out=r)
            log_density, factor = normalise(r), 1.0
            counts[0] = 1.0 if times is None else times
        score += float(log_density.sum() if times is None else log_density @ times)
        np.multiply(x[:2], counts[0], out=counts[1:])
        sums += factor * (counts @ r.T)
    return score, sums


def _log_densities(log_odds: tuple[Array, ...], x: Array, r: Array, spare: Array) -> None:
    """ln of the density of each coin into r (k, m)."""
    np.matmul(log_odds[0], x[:3], out=r)
    for second in log_odds[1:]:
        np.add(r, np.matmul(second, x, out=spare), out=r)


def _chunks(n: int, k: int, split: bool) -> Iterator[tuple[slice, Array, Array, Array, Array]]:
    """Slices of n rows, each with temporaries (k, m), (m,), (3, m) and, if `split`, one more (k, m) for its m rows."""
    size = min(n, max(MIN_CHUNK_ROWS, CHUNK_NUMBERS // k))
    needed = ((2 * k if split else k) + 4) * size
    numbers = getattr(_buffers, "numbers", None)
    if numbers is None or len(numbers) < needed:
        numbers = _buffers.numbers = np.empty(needed)
    for start in range(0, n, size):
        m = min(size, n - start)
        ends = np.cumsum([k * m, m, 3 * m, k * m if split else 0])
        r, total, counts, spare = np.split(numbers[: ends[-1]], ends[:-1])
        yield slice(start, start + m), r.reshape(k, m), total, counts.reshape(3, m), spare.reshape(-1, m)


def rounding_squares(tosses: Array, p: Array) -> float:
    """Share of `Stats.squares` for the rounding of P(heads) (k,) near 1.

    The loss is half the Fisher information times u², in nats; this makes `rounding_error` four times as large.
    """
    if tosses.max() < MIN_ROUNDED_TOSSES:
        return 0.0
    inner = p < 1.0
    return float(np.square(UNIT_ROUNDOFF / 4 * tosses[inner] / (1 - p[inner])).sum())
