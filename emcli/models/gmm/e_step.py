"""The E-step of a Gaussian mixture, in chunks of rows whose temporaries fit in a core's cache."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from math import prod

import numpy as np

from emcli.frozen import frozen
from emcli.models.gmm.covariance import Covariances
from emcli.models.posterior import normalise
from emcli.types import Array

CHUNK_NUMBERS = 196_608  # numbers in one buffer that stay in a cache, and on which a call takes longer than to begin it
MIN_CHUNK_ROWS = 5_000  # NumPy broadcasts over fewer than 4,100 rows twice as slowly
MAX_CHUNK_NUMBERS = 1_048_576  # numbers in one buffer of MIN_CHUNK_ROWS; with more, chunks have fewer rows
MIN_RELATIVE_ROWS = 4096  # from which it pays to make densities relative to one component's, and to multiply them
MAX_RELATIVE_EXPONENT = 64.0  # of that component: MIN_RELATIVE_ROWS ** 0.5, so that the score's tolerance covers it
LOG_GROUP = 15  # densities between 1e-19 and 1e19 in a product, at most 16 of them, within a double's range
MIN_DENSITY = 1e-150  # of a row, relative to the highest peak; below it the log-sum-exp of `normalise` is used

_buffers = threading.local()  # each thread reuses its buffers: fresh pages cost as much as the arithmetic


@frozen
class Workspace:
    """The temporaries of one chunk."""

    y: Array  # (k, d, n) coordinates, as `project` writes them
    squares: Array  # (k, d, n)
    r: Array  # (k, n) exponents, densities, then responsibilities
    total: Array  # (n,) density, then its logarithm
    inverse: Array  # (n,) weight over density


def moments(
    covariances: Covariances, means: Array, log_scale: Array, rows: Array, weights: Array | None
) -> tuple[Array, Array, Array, Array]:
    """Log-likelihood, Σ r (k,), Σ r y (k, d) and Σ r y yᵀ of rows (d, n), y their whitened coordinates (k, d, n).

    `log_scale` (k, 1) is ln of mixing weight and normalising constant. The score is not finite where a row has no
    density in double precision. Of several mixtures at once all arrays but the rows have a first axis more.
    """
    top = log_scale.max(axis=-2)
    scale = np.exp(log_scale[..., 0] - top)  # (k,)
    slopes = covariances.slopes
    score, sums = np.zeros(()), None
    for chunk, work in _chunks(rows, means.shape):
        counts = None if weights is None else weights[chunk]
        covariances.project(rows[:, chunk], means, work.y, work.squares)
        _exponents(slopes, work)
        offset = _exponentiate(work.r, counts)
        np.matmul(scale[..., None, :], work.r, out=work.total[..., None, :])
        least = work.total.min()
        if least > MIN_DENSITY:
            np.divide(1.0 if counts is None else counts, work.total, out=work.inverse)
            np.multiply(work.r, work.inverse[..., None, :], out=work.r)
            logs, shift, factor = _sum_of_logs(work.total, least, counts) + offset, top[..., 0], scale
        else:
            _exponents(slopes, work)
            np.add(work.r, log_scale, out=work.r)
            logs, shift, factor = _weighted_sum(normalise(work.r), counts), 0.0, np.ones_like(scale)
            if counts is not None:
                np.multiply(work.r, counts, out=work.r)
        score = score + (logs + shift * (work.r.shape[-1] if counts is None else float(counts.sum())))
        first, second = covariances.moments(work.y, work.squares, work.r)
        found = (factor * work.r.sum(axis=-1), (factor.T * first.T).T, (factor.T * second.T).T)
        sums = found if sums is None else tuple(a + b for a, b in zip(sums, found, strict=True))
    assert sums is not None
    return score, *sums


def _exponents(slopes: Array, work: Workspace) -> None:
    """Write -½ |y|² into r."""
    if slopes.shape[-1] == 1:  # three times faster than the product of matrices
        np.multiply(work.squares[..., 0, :], slopes, out=work.r)
    else:
        np.matmul(slopes[..., None, :], work.squares, out=work.r[..., None, :])


def _exponentiate(r: Array, counts: Array | None) -> float:
    """Turn exponents (..., k, n) into densities, in place; return what is to be added to the sum of their logarithms.

    Of many rows they become relative to one component's, which takes an exponential less, where none can be large.
    """
    if r.ndim == 2 and r.shape[1] >= MIN_RELATIVE_ROWS:
        lowest = r.min(axis=1)
        one = int(lowest.argmax())
        if lowest[one] > -MAX_RELATIVE_EXPONENT:
            offset = float(_weighted_sum(r[one], counts))
            for others in (r[:one], r[one + 1 :]):
                np.exp(np.subtract(others, r[one], out=others), out=others)
            r[one] = 1.0
            return offset
    np.exp(r, out=r)
    return 0.0


def _sum_of_logs(total: Array, least: float, counts: Array | None) -> Array:
    """Weighted sums of the logarithms of densities (..., n); overwrites these."""
    n = total.shape[-1] // LOG_GROUP
    if counts is None and total.ndim == 1 and total.size >= MIN_RELATIVE_ROWS and least > 1e-19 and total.max() < 1e19:
        products = np.multiply.reduce(total[: n * LOG_GROUP].reshape(LOG_GROUP, n), axis=0)
        products[: total.size - n * LOG_GROUP] *= total[n * LOG_GROUP :]
        total = products
    return _weighted_sum(np.log(total, out=total), counts)


def _weighted_sum(values: Array, counts: Array | None) -> Array:
    """Sums over rows of values (..., n)."""
    return values.sum(axis=-1) if counts is None else np.vecdot(values, counts)  # type: ignore[no-any-return]


def _chunks(rows: Array, shape: tuple[int, ...]) -> Iterator[tuple[slice, Workspace]]:
    """Slices of the rows, each with its temporaries; `shape` is that of the means, (..., k, d)."""
    n, wide = rows.shape[1], prod(shape)
    count = n * wide // CHUNK_NUMBERS
    if wide * MIN_CHUNK_ROWS < MAX_CHUNK_NUMBERS:
        count = min(count, n // MIN_CHUNK_ROWS)
    size = -(-n // max(1, count))
    known: tuple[tuple[int, ...], Workspace] | None = getattr(_buffers, "whole", None)
    if known is not None and known[0] == (n, *shape) and size == n:  # of a small table, step after step
        yield slice(0, n), known[1]
        return
    shapes = shape, shape, shape[:-1], shape[:-2], shape[:-2]
    numbers = getattr(_buffers, "numbers", None)
    needed = size * sum(map(prod, shapes))
    if numbers is None or len(numbers) < needed:
        numbers = _buffers.numbers = np.empty(needed)
    for start in range(0, n, size):
        m, taken, parts = min(size, n - start), 0, []
        for each in shapes:
            end = taken + m * prod(each)
            parts.append(numbers[taken:end].reshape(*each, m))
            taken = end
        work = Workspace(*parts)
        _buffers.whole = (m, *shape), work
        yield slice(start, start + m), work
