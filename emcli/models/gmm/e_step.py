"""The E-step of a Gaussian mixture, in pieces of rows that stay in a core's own cache from density to moments."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emcli.models.gmm.covariance import Covariances
from emcli.models.posterior import normalise
from emcli.types import Array

PIECE = 262_144  # numbers in one buffer that a core keeps close by
WIDE = 5_000  # rows: NumPy broadcasts rows of fewer than 4,100 twice as slowly
LARGEST = 1_048_576  # numbers in one buffer beyond which it must be less wide
FAINT = 1e-150  # density relative to the highest peak below which a row's terms are taken relative to its largest one

_kept = threading.local()  # each thread writes into the same buffers again: fresh pages cost as much as the arithmetic


@dataclass(frozen=True, eq=False)
class Room:
    """Where one piece is worked on."""

    y: Array  # (k, d, n)
    squares: Array  # (k, d, n)
    r: Array  # (k, n)
    total: Array  # (n,)
    inverse: Array  # (n,)


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
    for piece, room in _pieces(rows, *means.shape):
        counts = None if weights is None else weights[piece]
        covariances.project(rows[:, piece], means, room.y, room.squares)
        _exponents(slopes, room)
        np.exp(room.r, out=room.r)
        np.matmul(scale, room.r, out=room.total)
        if room.total.min() > FAINT:
            np.divide(1.0 if counts is None else counts, room.total, out=room.inverse)
            np.multiply(room.r, room.inverse, out=room.r)
            log_density, shift, factor = np.log(room.total, out=room.total), top, scale
        else:
            _exponents(slopes, room)
            np.add(room.r, log_scale, out=room.r)
            log_density, shift, factor = normalise(room.r), 0.0, np.ones_like(scale)
            if counts is not None:
                np.multiply(room.r, counts, out=room.r)
        if counts is None:
            score += float(log_density.sum()) + shift * len(log_density)
        else:
            score += float(counts @ log_density) + shift * float(counts.sum())
        first, second = covariances.moments(room.y, room.squares, room.r)
        found = (factor * room.r.sum(axis=1), (factor * first.T).T, (factor * second.T).T)
        sums = found if sums is None else tuple(a + b for a, b in zip(sums, found, strict=True))
    assert sums is not None
    return score, *sums


def _exponents(slopes: Array, room: Room) -> None:
    """Write -½ |y|² into r."""
    if slopes.shape[1] == 1:  # three times faster than the product of matrices
        np.multiply(room.squares[:, 0], slopes, out=room.r)
    else:
        np.matmul(slopes[:, None, :], room.squares, out=room.r[:, None, :])


def _pieces(rows: Array, k: int, d: int) -> Iterator[tuple[slice, Room]]:
    """Slices of the rows, each with room for it."""
    n = rows.shape[1]
    pieces = n * k * d // PIECE
    if k * d * WIDE < LARGEST:
        pieces = min(pieces, n // WIDE)
    size = -(-n // max(1, pieces))
    cells = k * d * size
    numbers = getattr(_kept, "numbers", None)
    needed = 2 * cells + (k + 2) * size
    if numbers is None or len(numbers) < needed:
        numbers = _kept.numbers = np.empty(needed)
    for start in range(0, n, size):
        m = min(size, n - start)
        y, squares = (numbers[i * cells : i * cells + k * d * m].reshape(k, d, m) for i in (0, 1))
        rest = numbers[2 * cells : 2 * cells + (k + 2) * m].reshape(k + 2, m)
        yield slice(start, start + m), Room(y, squares, rest[:k], rest[k], rest[k + 1])
