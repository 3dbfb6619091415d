"""The E-step of a Gaussian mixture, in chunks of rows whose temporaries fit in a core's cache."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

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
        np.exp(work.r, out=work.r)
        np.matmul(scale[..., None, :], work.r, out=work.total[..., None, :])
        if work.total.min() > MIN_DENSITY:
            np.divide(1.0 if counts is None else counts, work.total, out=work.inverse)
            np.multiply(work.r, work.inverse[..., None, :], out=work.r)
            log_density, shift, factor = np.log(work.total, out=work.total), top[..., 0], scale
        else:
            _exponents(slopes, work)
            np.add(work.r, log_scale, out=work.r)
            log_density, shift, factor = normalise(work.r), 0.0, np.ones_like(scale)
            if counts is not None:
                np.multiply(work.r, counts, out=work.r)
        if counts is None:
            score = score + (log_density.sum(axis=-1) + shift * log_density.shape[-1])
        else:
            score = score + (np.vecdot(log_density, counts) + shift * float(counts.sum()))
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


def _chunks(rows: Array, shape: tuple[int, ...]) -> Iterator[tuple[slice, Workspace]]:
    """Slices of the rows, each with its temporaries; `shape` is that of the means, (..., k, d)."""
    n, wide = rows.shape[1], prod(shape)
    count = n * wide // CHUNK_NUMBERS
    if wide * MIN_CHUNK_ROWS < MAX_CHUNK_NUMBERS:
        count = min(count, n // MIN_CHUNK_ROWS)
    size = -(-n // max(1, count))
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
        yield slice(start, start + m), Workspace(*parts)
