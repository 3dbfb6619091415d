"""The E-step of a Gaussian mixture, in chunks of rows whose temporaries fit in a core's cache."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emcli.models.gmm.covariance import Covariances
from emcli.models.posterior import normalise
from emcli.types import Array

CHUNK_NUMBERS = 262_144  # numbers in one buffer that fit in the cache of a core
MIN_CHUNK_ROWS = 5_000  # NumPy broadcasts over fewer than 4,100 rows twice as slowly
MAX_CHUNK_NUMBERS = 1_048_576  # numbers in one buffer of MIN_CHUNK_ROWS; with more, chunks have fewer rows
MIN_DENSITY = 1e-150  # of a row, relative to the highest peak; below it the log-sum-exp of `normalise` is used

_buffers = threading.local()  # each thread reuses its buffers: fresh pages cost as much as the arithmetic


@dataclass(frozen=True, eq=False)
class Workspace:
    """The temporaries of one chunk."""

    y: Array  # (k, d, n) coordinates, as `project` writes them
    squares: Array  # (k, d, n)
    r: Array  # (k, n) exponents, densities, then responsibilities
    total: Array  # (n,) density, then its logarithm
    inverse: Array  # (n,) weight over density


def moments(
    covariances: Covariances, means: Array, log_scale: Array, rows: Array, weights: Array | None
) -> tuple[float, Array, Array, Array]:
    """Log-likelihood, Σ r (k,), Σ r y (k, d) and Σ r y yᵀ of rows (d, n), y their whitened coordinates (k, d, n).

    `log_scale` (k, 1) is ln of mixing weight and normalising constant. The score is not finite where a row has no
    density in double precision.
    """
    top = float(log_scale.max())
    scale = np.exp(log_scale - top)[:, 0]  # (k,)
    slopes = covariances.slopes
    score, sums = 0.0, None
    for chunk, work in _chunks(rows, *means.shape):
        counts = None if weights is None else weights[chunk]
        covariances.project(rows[:, chunk], means, work.y, work.squares)
        _exponents(slopes, work)
        np.exp(work.r, out=work.r)
        np.matmul(scale, work.r, out=work.total)
        if work.total.min() > MIN_DENSITY:
            np.divide(1.0 if counts is None else counts, work.total, out=work.inverse)
            np.multiply(work.r, work.inverse, out=work.r)
            log_density, shift, factor = np.log(work.total, out=work.total), top, scale
        else:
            _exponents(slopes, work)
            np.add(work.r, log_scale, out=work.r)
            log_density, shift, factor = normalise(work.r), 0.0, np.ones_like(scale)
            if counts is not None:
                np.multiply(work.r, counts, out=work.r)
        if counts is None:
            score += float(log_density.sum()) + shift * len(log_density)
        else:
            score += float(counts @ log_density) + shift * float(counts.sum())
        first, second = covariances.moments(work.y, work.squares, work.r)
        found = (factor * work.r.sum(axis=1), (factor * first.T).T, (factor * second.T).T)
        sums = found if sums is None else tuple(a + b for a, b in zip(sums, found, strict=True))
    assert sums is not None
    return score, *sums


def _exponents(slopes: Array, work: Workspace) -> None:
    """Write -½ |y|² into r."""
    if slopes.shape[1] == 1:  # three times faster than the product of matrices
        np.multiply(work.squares[:, 0], slopes, out=work.r)
    else:
        np.matmul(slopes[:, None, :], work.squares, out=work.r[:, None, :])


def _chunks(rows: Array, k: int, d: int) -> Iterator[tuple[slice, Workspace]]:
    """Slices of the rows, each with its temporaries."""
    n = rows.shape[1]
    count = n * k * d // CHUNK_NUMBERS
    if k * d * MIN_CHUNK_ROWS < MAX_CHUNK_NUMBERS:
        count = min(count, n // MIN_CHUNK_ROWS)
    size = -(-n // max(1, count))
    cells = k * d * size
    numbers = getattr(_buffers, "numbers", None)
    needed = 2 * cells + (k + 2) * size
    if numbers is None or len(numbers) < needed:
        numbers = _buffers.numbers = np.empty(needed)
    for start in range(0, n, size):
        m = min(size, n - start)
        y, squares = (numbers[i * cells : i * cells + k * d * m].reshape(k, d, m) for i in (0, 1))
        rest = numbers[2 * cells : 2 * cells + (k + 2) * m].reshape(k + 2, m)
        yield slice(start, start + m), Workspace(y, squares, rest[:k], rest[k], rest[k + 1])
