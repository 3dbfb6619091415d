"""What the observed cells of rows say of all their columns, given the component that a row came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi
from typing import NamedTuple

import numpy as np

from emcli.models.base import Degenerate
from emcli.models.gmm.covariance import Covariances
from emcli.models.gmm.full import Full
from emcli.types import Array, BoolArray, IndexArray

MAX_NUMBERS = 1 << 20  # of the matrices that are made at a time


class Pattern(NamedTuple):
    """Rows in which the same cells are observed."""

    columns: IndexArray  # (o,) that are observed
    rows: slice | IndexArray


def patterns(missing: BoolArray) -> list[Pattern]:
    """The rows (n) of a table of missing cells (d, n) by pattern; a slice of them where equal ones lie together."""
    ends = np.flatnonzero((missing[:, 1:] != missing[:, :-1]).any(axis=0)) + 1
    starts = np.concatenate([np.zeros(1, dtype=np.intp), ends])
    runs: dict[bytes, list[tuple[int, int]]] = {}
    first: dict[bytes, int] = {}
    for key, start, end in zip(
        np.packbits(missing[:, starts], axis=0).T, starts, [*ends, missing.shape[1]], strict=True
    ):
        name = key.tobytes()
        runs.setdefault(name, []).append((int(start), int(end)))
        first.setdefault(name, int(start))
    found = []
    for name, several in runs.items():
        rows = slice(*several[0]) if len(several) == 1 else np.concatenate([np.arange(*run) for run in several])
        found.append(Pattern(np.flatnonzero(~missing[:, first[name]]), rows))
    return found


class Conditional(NamedTuple):
    """The distribution of one pattern's rows in the whitened coordinates y of each component, given what is observed.

    With Σ = L Lᵀ and L_O the rows of L of the observed columns O, and L_Oᵀ = P R by a QR decomposition: y has mean
    P R⁻ᵀ (x_O - μ_O) and covariance Q = I - P Pᵀ, and the determinant of Σ_OO is that of R, squared.
    """

    pattern: Pattern
    spread: Array  # (..., k, d, d) Q


@dataclass(frozen=True, eq=False)
class ConditionalRows:
    """Rows with missing cells, conditional on what is observed and on each component."""

    y: Array  # (..., k, d, n) expected whitened coordinates
    log_density: Array  # (..., k, n) of the observed cells

    def second(self, r: Array) -> Array:
        """Σ r E[y yᵀ] (..., k, d, d), or its diagonals (..., k, d), by responsibilities r (..., k, n)."""
        raise NotImplementedError

    def scores(self, scores: Array) -> None:
        """Add to scores (k, m, n) of the expected coordinates what makes them the expected scores."""
        raise NotImplementedError

    def hidden(self, r: Array, m: int) -> Array:
        """Σ r Cov(s) of the complete-data scores in means and covariances (k, d + m, d + m)."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class _Correlated(ConditionalRows):
    """Of components with correlations: conditional covariances differ from pattern to pattern."""

    parts: Sequence[Conditional]

    def second(self, r: Array) -> Array:
        found: Array = np.matmul(self.y * r[..., None, :], self.y.swapaxes(-2, -1))
        for (_, rows), spread in self.parts:
            found += r[..., rows].sum(axis=-1)[..., None, None] * spread
        return found

    def scores(self, scores: Array) -> None:
        i, j = np.triu_indices(self.y.shape[-2])
        for (_, rows), spread in self.parts:
            scores[..., rows] += spread[:, i, j][..., None]

    def hidden(self, r: Array, m: int) -> Array:
        k, d, _ = self.y.shape
        a, b = np.triu_indices(d)
        found = np.zeros((k, d + m, d + m))
        for (_, rows), spread in self.parts:
            y, own = self.y[..., rows], r[:, rows]
            size, first = own.sum(axis=1), np.matmul(y, own[:, :, None])[:, :, 0]
            both = np.matmul(y * own[:, None], y.swapaxes(1, 2)) + 0.5 * size[:, None, None] * spread
            found[:, :d, :d] += size[:, None, None] * spread
            found[:, :d, d:] += first[:, None, a] * spread[:, :, b] + first[:, None, b] * spread[:, :, a]
            # Isserlis (1918): third and fourth moments of Gaussians
            for (one, other), (c, e) in (((a, b), (a, b)), ((a, b), (b, a)), ((b, a), (a, b)), ((b, a), (b, a))):
                found[:, d:, d:] += both[:, one[:, None], c] * spread[:, other[:, None], e]
        found[:, d:, :d] = found[:, :d, d:].swapaxes(1, 2)
        return found


@dataclass(frozen=True, eq=False)
class _Uncorrelated(ConditionalRows):
    """Of components without correlations: a missing cell stays as wide as its component."""

    missing: Array  # (d, n) 1 where a cell is missing, else 0

    def second(self, r: Array) -> Array:
        found: Array = np.matmul(self.y * self.y, r[..., None])[..., 0]
        found += np.matmul(r, self.missing.T)
        return found

    def scores(self, scores: Array) -> None:
        scores += self.missing if scores.shape[1] == len(self.missing) else self.missing.sum(axis=0)

    def hidden(self, r: Array, m: int) -> Array:
        variances = np.matmul(r, self.missing.T)  # (k, d) of y, and half those of its squares
        squares = 2.0 * (variances if m == variances.shape[1] else variances.sum(axis=1, keepdims=True))
        every = np.concatenate([variances, squares], axis=1)
        return np.asarray(every[:, :, None] * np.eye(every.shape[1]))


def conditional(covariances: Covariances, means: Array, rows: Array) -> ConditionalRows:
    """Rows (d, n) with missing cells, NaN, given each component; of several mixtures at once, given those of each.

    Raises Degenerate where a covariance of observed columns is singular.
    """
    missing = np.isnan(rows)
    made = _correlated if isinstance(covariances, Full) else _uncorrelated
    return made(covariances, means, rows, missing)  # type: ignore[arg-type]


def _uncorrelated(covariances: Covariances, means: Array, rows: Array, missing: BoolArray) -> ConditionalRows:
    scale = np.sqrt(covariances.variances)  # type: ignore[union-attr]
    y = rows - means[..., None]
    y /= scale[..., None]
    np.copyto(y, 0.0, where=missing)
    log_density = np.square(y).sum(axis=-2)
    log_density *= -0.5
    log_density -= np.matmul(np.log(scale) + 0.5 * log(2 * pi), (~missing).astype(np.float64))
    return _Uncorrelated(y, log_density, missing.astype(np.float64))


def _correlated(covariances: Full, means: Array, rows: Array, missing: BoolArray) -> ConditionalRows:
    y = np.zeros((*means.shape, rows.shape[1]))
    log_density = np.empty((*means.shape[:-1], rows.shape[1]))
    parts: list[Conditional] = []
    for some in _of_one_size(patterns(missing), means.size):
        o = len(some[0].columns)
        to_y, log_det, spreads = _inverses(covariances.root, np.array([each.columns for each in some]))
        for place, pattern in enumerate(some):
            columns, own = pattern
            seen = rows[:, own] if o == len(rows) else rows[:, own][columns]
            y[..., own] = np.matmul(to_y[..., place, :, :], seen - means[..., columns][..., None])
            log_density[..., own] = -log_det[..., place, None] - 0.5 * o * log(2 * pi)
            if o < len(rows):
                parts.append(Conditional(pattern, spreads[..., place, :, :]))
    log_density -= 0.5 * np.square(y).sum(axis=-2)
    return _Correlated(y, log_density, parts)


def _of_one_size(found: Sequence[Pattern], numbers: int) -> list[list[Pattern]]:
    """Patterns in groups with as many observed columns each; `numbers` are those of the means of all components."""
    groups: dict[int, list[Pattern]] = {}
    for each in found:
        groups.setdefault(len(each.columns), []).append(each)
    cut = []
    for o, group in groups.items():
        size = max(1, MAX_NUMBERS // max(1, o * numbers))
        cut += [group[start : start + size] for start in range(0, len(group), size)]
    return cut


def _inverses(root: Array, columns: IndexArray) -> tuple[Array, Array, Array]:
    """P R⁻ᵀ (..., k, g, d, o), ln |R| (..., k, g) and Q (..., k, g, d, d) of g patterns of observed columns (g, o)."""
    d, o = root.shape[-1], columns.shape[1]
    if not o:
        shape = (*root.shape[:-2], len(columns))
        return np.zeros((*shape, d, 0)), np.zeros(shape), np.broadcast_to(np.eye(d), (*shape, d, d))
    p, r = np.linalg.qr(root[..., columns, :].swapaxes(-2, -1))
    log_det = np.log(np.abs(np.diagonal(r, axis1=-2, axis2=-1))).sum(axis=-1)
    try:
        to_y = np.matmul(p, np.linalg.inv(r).swapaxes(-2, -1))
    except np.linalg.LinAlgError:
        raise Degenerate("a component became flat: in it one column follows from the others") from None
    return to_y, log_det, np.eye(d) - np.matmul(p, p.swapaxes(-2, -1))
