"""What the observed cells of rows say of all their columns, given the component that a row came from."""

from __future__ import annotations

from functools import cache
from math import log, pi
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.frozen import frozen
from emcli.models.base import Degenerate
from emcli.models.gmm.covariance import Covariances
from emcli.models.gmm.full import FLAT_REASON, Full
from emcli.types import Array, BoolArray, IndexArray

CHUNK_NUMBERS = 98_304  # coordinates in all components that fit in the cache of a core
MAX_NUMBERED = 52  # columns, whose pattern is a number that a double holds
MATRIX_NUMBERS = 1 << 20  # numbers in the matrices of as many patterns as rows


def chunk_rows(means: Array) -> int:
    """How many rows to work on at a time, with components of these means (..., k, d)."""
    size, d = int(means.size), int(means.shape[-1])
    return max(1, min(CHUNK_NUMBERS // size, MATRIX_NUMBERS // (size * d)))


class Patterns(NamedTuple):
    """The patterns of missing cells of some rows, which lie together by pattern in `order`."""

    missing: BoolArray  # (g, d)
    starts: IndexArray  # (g,) the first row of each
    order: IndexArray | None  # (n,) of the rows; None: as they are

    def summed(self, values: Array) -> Array:
        """Sums (..., g) over the rows of each pattern of values (..., n)."""
        ordered = values if self.order is None else values[..., self.order]
        return np.add.reduceat(ordered, self.starts, axis=-1)


def patterns(missing: BoolArray) -> Patterns:
    """The patterns of a table of missing cells (d, n)."""
    d = len(missing)
    keys = _powers(d) @ missing.astype(np.float64) if d <= MAX_NUMBERED else np.packbits(missing, axis=0)
    order = None
    starts = _starts(keys)
    if len({key.tobytes() for key in keys[:, starts].T}) < len(starts):
        order = np.lexsort(keys[::-1])
        keys, missing = keys[:, order], missing[:, order]
        starts = _starts(keys)
    return Patterns(missing[:, starts].T, starts, order)


@cache
def _powers(d: int) -> Array:
    """Powers of two (1, d), with which a pattern is a number: that is made in a tenth of the time of its bits."""
    return np.asarray(2.0 ** np.arange(d))[None]


def _starts(keys: Array | npt.NDArray[np.uint8]) -> IndexArray:
    """The first row of each run of equal keys (m, n)."""
    changes = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    return np.concatenate([np.zeros(1, dtype=np.intp), np.flatnonzero(changes) + 1])


@frozen
class Correlated:
    """Rows with missing cells, conditional on what is observed and on each component, whose columns correlate.

    Conditional covariances differ from pattern to pattern.
    """

    y: Array  # (..., k, d, n) expected whitened coordinates
    log_density: Array  # (..., k, n) of the observed cells
    patterns: Patterns
    spreads: Array  # (..., k, g, d, d) conditional covariances of y

    def second(self, r: Array) -> Array:
        """Σ r E[y yᵀ] (..., k, d, d), or its diagonals (..., k, d), by responsibilities r (..., k, n)."""
        found: Array = np.matmul(self.y * r[..., None, :], self.y.swapaxes(-2, -1))
        flat = self.spreads.reshape(*self.spreads.shape[:-2], -1)
        found += np.matmul(self.patterns.summed(r)[..., None, :], flat).reshape(found.shape)
        return found

    def complete_scores(self, scores: Array) -> None:
        """Make scores (k, m, n) of the expected coordinates the expected scores of a covariance, in place."""
        i, j = np.triu_indices(self.y.shape[-2])
        counts = np.diff(self.patterns.starts, append=scores.shape[2])
        own = np.repeat(self.spreads[:, :, i, j], counts, axis=1).swapaxes(1, 2)
        if self.patterns.order is None:
            scores += own
        else:
            scores[..., self.patterns.order] += own

    def hidden(self, r: Array, m: int) -> Array:
        """Σ r Cov(s) of the scores s in the d means and the m parameters of a covariance, (k, d + m, d + m)."""
        k, d, n = self.y.shape
        a, b = np.triu_indices(d)
        y, spreads = self.y * r[:, None], self.spreads.reshape(k, -1, d * d)
        size, first = self.patterns.summed(r), self.patterns.summed(y)  # (k, g), (k, d, g)
        both = self.patterns.summed((y[:, :, None] * self.y[:, None]).reshape(k, d * d, n))
        both = both + 0.5 * (size[:, :, None] * spreads).swapaxes(1, 2)  # (k, d d, g)
        found = np.empty((k, d + m, d + m))
        found[:, :d, :d] = np.matmul(size[:, None], spreads).reshape(k, d, d)
        third = np.matmul(first, spreads).reshape(k, d, d, d)  # Σ r y_a Q_bc
        found[:, :d, d:] = (third[:, a, :, b] + third[:, b, :, a]).transpose(1, 2, 0)
        found[:, d:, :d] = found[:, :d, d:].swapaxes(1, 2)
        fourth = np.matmul(both, spreads).reshape(k, d, d, d, d)
        # Isserlis (1918): the covariance of y_a y_b and y_c y_e is a sum over their pairs.
        one, other = a[:, None], b[:, None]
        found[:, d:, d:] = fourth[:, one, a, other, b] + fourth[:, one, b, other, a]
        found[:, d:, d:] += fourth[:, other, a, one, b] + fourth[:, other, b, one, a]
        return found


@frozen
class Uncorrelated:
    """The same of components without correlations: a missing cell stays as wide as its component."""

    y: Array
    log_density: Array
    missing: Array  # (d, n) 1 where a cell is missing, else 0

    def second(self, r: Array) -> Array:
        found: Array = np.matmul(self.y * self.y, r[..., None])[..., 0]
        found += np.matmul(r, self.missing.T)
        return found

    def complete_scores(self, scores: Array) -> None:
        scores += self.missing if scores.shape[1] == len(self.missing) else self.missing.sum(axis=0)

    def hidden(self, r: Array, m: int) -> Array:
        variances = np.matmul(r, self.missing.T)  # (k, d) of y, and half those of its squares
        squares = 2.0 * (variances if m == variances.shape[1] else variances.sum(axis=1, keepdims=True))
        every = np.concatenate([variances, squares], axis=1)
        return np.asarray(every[:, :, None] * np.eye(every.shape[1]))


ConditionalRows = Correlated | Uncorrelated


def conditional(covariances: Covariances, means: Array, rows: Array) -> ConditionalRows:
    """Rows (d, n) with missing cells, NaN, given each component; of several mixtures at once, given those of each.

    Raises Degenerate where a covariance of observed columns is singular.
    """
    missing = np.isnan(rows)
    away = rows - means[..., None]
    np.copyto(away, 0.0, where=missing)
    if not isinstance(covariances, Full):
        scale = np.sqrt(covariances.variances)
        away /= scale[..., None]
        log_density = -0.5 * np.square(away).sum(axis=-2)
        log_density -= np.matmul(np.log(scale) + 0.5 * log(2 * pi), (~missing).astype(np.float64))
        return Uncorrelated(away, log_density, missing.astype(np.float64))
    found = patterns(missing)
    to_y, log_det, spreads = _given(covariances.root, found.missing)
    y, n = np.empty(away.shape), rows.shape[1]
    ends = np.append(found.starts[1:], n)
    if found.order is not None:
        away = away[..., found.order]
    for place, (start, end) in enumerate(zip(found.starts.tolist(), ends.tolist(), strict=True)):
        np.matmul(to_y[..., place, :, :], away[..., start:end], out=y[..., start:end])
    constants = log_det + 0.5 * log(2 * pi) * (~found.missing).sum(axis=1)
    log_density = np.repeat(-constants, ends - found.starts, axis=-1)
    log_density -= 0.5 * np.einsum("...dn,...dn->...n", y, y)
    if found.order is not None:
        back = np.argsort(found.order)
        y, log_density = y[..., back], log_density[..., back]
    return Correlated(y, log_density, found, spreads)


def _given(root: Array, missing: BoolArray) -> tuple[Array, Array, Array]:
    """The distribution of whitened coordinates y given the observed columns of each of g patterns (g, d).

    With Σ = L Lᵀ, L_O the rows of L of the observed columns O, and L_Oᵀ = P R by a QR decomposition: y has mean
    P R⁻ᵀ (x_O - μ_O) and covariance Q = I - P Pᵀ, and Σ_OO has the determinant of R, squared. Returned are P R⁻ᵀ, with
    zeros for missing columns, ln |R|, and Q: (..., k, g, d, d), (..., k, g), (..., k, g, d, d).
    """
    # Of all of Lᵀ, the missing columns last, the first columns of P and the leading block of R are those of L_O.
    order = np.argsort(missing, axis=1, kind="stable")
    known = np.arange(missing.shape[1]) < (~missing).sum(axis=1, keepdims=True)
    p, r = np.linalg.qr(root[..., order, :].swapaxes(-2, -1))
    p *= known[:, None, :]
    try:
        permuted = np.matmul(p, np.linalg.inv(r).swapaxes(-2, -1))
    except np.linalg.LinAlgError:
        raise Degenerate(f"a component {FLAT_REASON}") from None
    to_y: Array = np.take_along_axis(permuted, np.broadcast_to(np.argsort(order)[:, None], permuted.shape), axis=-1)
    log_det: Array = np.log(np.where(known, np.abs(np.diagonal(r, axis1=-2, axis2=-1)), 1.0)).sum(axis=-1)
    spreads: Array = np.eye(missing.shape[1]) - np.matmul(p, p.swapaxes(-2, -1))
    spreads *= (known.sum(axis=1) < missing.shape[1])[:, None, None]
    return to_y, log_det, spreads
