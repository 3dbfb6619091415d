"""Covariance matrices of Gaussian components, each its own or one for all: they whiten rows, and learn from moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from emcli.frozen import frozen
from emcli.models.base import Degenerate
from emcli.types import Array, IndexArray

Exponents = npt.NDArray[np.int64]

MIN_VARIANCE = 1e-12  # share of the data's variance below which a component has collapsed
MAX_DOTTED_COLUMNS, MIN_DOTTED_ROWS = 3, 4096  # a product of matrices so long and low takes two or three times as long
SPIKE_REASON = "shrank to a spike: its variance fell below 1e-12 of the data's"
GIVEN_WITHIN_SDS = 1e-9  # how near given covariances must be to their shape
FLAT_REASON = "became flat: in it one column follows from the others"


class Shape:
    """What all shapes of covariances have in common: arrays that begin with an axis of components.

    Of several mixtures at once they have one axis more, which comes first.
    """

    shared: ClassVar[bool] = False  # do all components have the same parameters?
    spheres: ClassVar[bool] = False  # is a component as wide in all directions?
    has_scores: ClassVar[bool] = True  # are there `scores`, of free natural parameters?
    arrays: ClassVar[tuple[str, ...]]  # the names of the fields that are such arrays

    def _each(self, change: Callable[..., Array], *others: Self) -> Self:
        """The same with a change of each array, which takes it and that of others."""
        parts = {name: change(*(getattr(one, name) for one in (self, *others))) for name in self.arrays}
        return replace(self, **parts)  # type: ignore[type-var]

    def ordered(self, order: IndexArray) -> Self:
        """The components in another order."""
        return self._each(lambda part: part[order])

    @classmethod
    def stacked(cls, several: Sequence[Self]) -> Self:
        """Those of several mixtures along a new first axis."""
        return several[0]._each(lambda *parts: np.stack(parts), *several[1:])

    def member(self, i: int) -> Self:
        """Those of one of several mixtures that are stacked."""
        return self._each(lambda part: part[i])

    def grafted(self, i: int, other: Self, j: int) -> Self:
        """Covariances of which one is replaced by one of others; one that is shared stays."""
        if self.shared:
            return self
        return self._each(lambda own, its: np.concatenate([own[:i], its[j : j + 1], own[i + 1 :]]), other)


@frozen
class Full(Shape):
    """Each component has its own covariance matrix, stored as a Cholesky factor: small variances keep all digits."""

    arrays: ClassVar[tuple[str, ...]] = ("root",)
    fewest_rows: ClassVar[int | None] = None  # different ones that a component needs; None: columns + 2

    root: Array  # (k, d, d) L of Σ = L Lᵀ: lower Cholesky factors, but of shapes with axes of their own
    total: Array | None  # (d, d) covariance of all rows, for the least variance allowed; None: no check
    _whitener: Array = field(init=False, repr=False)  # (k, d, d) L⁻¹

    def __post_init__(self) -> None:
        try:
            whitener = np.linalg.inv(self.root)
        except np.linalg.LinAlgError:
            raise Degenerate(f"a component {SPIKE_REASON}") from None
        self._keep(whitener)

    def _keep(self, whitener: npt.NDArray[np.floating]) -> None:
        """Keep L⁻¹ (k, d, d) where no component has collapsed. Raises Degenerate."""
        if not self._is_clearly_wide(whitener):
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # an overflow here is found as too narrow
                    self._refuse_narrow(whitener)
            except np.linalg.LinAlgError:
                raise Degenerate(f"a component {SPIKE_REASON}") from None
        object.__setattr__(self, "_whitener", whitener)

    def _is_clearly_wide(self, whitener: npt.NDArray[np.floating]) -> bool:
        """Do sums over all components, which bound each of its own below, show that none is narrow or flat?"""
        size, inverse = float(np.vdot(self.root, self.root)), float(np.vdot(whitener, whitener))
        spread = 0.0 if self.total is None else float(np.vdot(self.total, self.total)) ** 0.5
        return bool(inverse * max(size, self.root.shape[-1] * spread) * MIN_VARIANCE < 1.0)

    def _refuse_narrow(self, whitener: npt.NDArray[np.floating]) -> None:
        # 1 / ‖L⁻¹ R‖² with R Rᵀ the total: d times the largest squared row norm is a cheap bound of ‖·‖²
        total = self.total
        if total is not None and not len(total) * np.vecdot(whitener @ total, whitener).max() * MIN_VARIANCE < 1.0:
            norms = np.linalg.norm(whitener @ np.linalg.cholesky(total), 2, axis=(-2, -1))
            sunk = ~(norms**2 * MIN_VARIANCE < 1.0)
            if sunk.any():
                raise Degenerate(f"component {int(np.argmax(sunk)) + 1} {SPIKE_REASON}")
        inflated = self._inflation(whitener)
        if not inflated.max() * MIN_VARIANCE < 1.0:
            flat = ~(inflated * MIN_VARIANCE < 1.0).all(axis=-1)
            raise Degenerate(f"component {int(np.argmax(flat)) + 1} {FLAT_REASON}")

    def _inflation(self, whitener: npt.NDArray[np.floating]) -> Array:
        """Each column's variance over the part that the others do not explain, (k, d), which must exceed rounding."""
        columns = whitener.swapaxes(-2, -1)
        return np.asarray(np.vecdot(self.root, self.root) * np.vecdot(columns, columns))

    @classmethod
    def of(cls, matrices: Array, total: Array | None) -> Self:
        """From (k, d, d) matrices; `total` (d, d) is the covariance of all rows."""
        return cls(_factor(matrices), total)

    @staticmethod
    def parameters_count(k: int, d: int) -> int:
        return k * d * (d + 1) // 2

    def full(self) -> Array:
        """Covariance matrices (k, d, d)."""
        return _symmetric(self.root @ self.root.transpose(0, 2, 1))

    def parts(self) -> Array:
        """What tells covariances apart, (k, d, d)."""
        return self.full()

    def diagonals(self) -> Array:
        """Variances in each column, (k, d)."""
        return np.diagonal(self.full(), axis1=1, axis2=2)

    def rounding(self) -> float:
        """How far, in sds of the columns, given covariances may be from these, which are the nearest of their shape."""
        return GIVEN_WITHIN_SDS

    def roots(self) -> Array:
        """Lower triangular L with L Lᵀ = Σ, (k, d, d)."""
        return self.root

    def cancelled(self, rows: Array, weights: Array | None) -> float:
        """Bound on `Stats.squares` for rows (d, n): terms of the whitened rows cancel where columns are correlated."""
        if len(rows) == 1:
            return 0.0
        weighted = rows if weights is None else rows * weights
        squares = np.vecdot(weighted, rows)
        return len(squares) * np.square(self._whitener).max(axis=(-3, -2)) @ squares  # type: ignore[no-any-return]

    def log_det(self) -> Array:
        """ln |Σ|, (k,)."""
        return 2.0 * np.log(self.root.diagonal(0, -2, -1)).sum(axis=-1)  # type: ignore[no-any-return]

    def whiten(self, rows: Array, means: Array) -> Array:
        """L⁻¹ (x - mean) of rows (d, n) for each component: (k, d, n)."""
        return np.matmul(self._whitener, rows - means[:, :, None])  # type: ignore[no-any-return]

    @property
    def slopes(self) -> Array:
        """Coefficients (k, d) of the squares from `project` in the log-density."""
        return _halves(self.root.shape[:-1])

    def project(self, rows: Array, means: Array, y: Array, squares: Array) -> None:
        """Write coordinates y (k, d, n) of rows (d, n) for `moments`, and their squares."""
        np.subtract(rows, means[..., None], out=squares)  # before whitening: L⁻¹ x - L⁻¹ mean would lose digits
        if len(rows) == 1:
            np.multiply(self._whitener, squares, out=y)
        else:
            np.matmul(self._whitener, squares, out=y)
        np.square(y, out=squares)

    def moments(self, y: Array, squares: Array, r: Array) -> tuple[Array, Array]:
        """Σ r y (k, d) and Σ r y yᵀ (k, d, d) of whitened rows, from the arrays of `project`; overwrites `squares`."""
        if y.shape[-2] == 1:
            return np.matmul(y, r[..., None])[..., 0], np.matmul(squares, r[..., None])
        np.multiply(y, r[..., None, :], out=squares)
        if y.shape[-2] <= MAX_DOTTED_COLUMNS and y.shape[-1] >= MIN_DOTTED_ROWS:
            return np.vecdot(y, r[..., None, :]), _products(squares, y)
        return np.matmul(y, r[..., None])[..., 0], np.matmul(squares, y.swapaxes(-2, -1))

    def pseudo_moments(self, away: Array, scatter: Array, count: float) -> tuple[Array, Array]:
        """First and second whitened moments of pseudo rows: so many at `away` (k, d) from the means, and a scatter."""
        y = np.matmul(self._whitener, away[..., None])[..., 0]
        second = self._whitener @ scatter @ self._whitener.swapaxes(-2, -1)
        return count * y, np.asarray(second + count * y[..., :, None] * y[..., None, :])

    def unwhiten(self, shift: Array) -> Array:
        """L y of one whitened vector per component, (k, d)."""
        return np.matmul(self.root, shift[..., None])[..., 0]  # type: ignore[no-any-return]

    def updated(self, rows: Array, shift: Array, second: Array) -> Self:
        """The M-step: from effective rows (k,), whitened mean shifts (k, d) and second moments around the old means."""
        inner = second / rows[..., None, None] - shift[..., None] * shift[..., None, :]
        return type(self)(self.root @ _factor(inner), self.total)

    def scatter(self, rows: Array, shift: Array, second: Array) -> Array:
        """Weighted sums of products of deviations from the new means (k, d, d), from the same."""
        inner = second - rows[:, None, None] * (shift[:, :, None] * shift[:, None, :])
        return _symmetric(self.root @ inner @ self.root.transpose(0, 2, 1))

    def scores(self, y: Array) -> tuple[Array, Array]:
        """Scores (k, m, n) of whitened rows in the m natural parameters of a covariance, and their variances (m,)."""
        i, j = _triangle(y.shape[1])
        found = np.empty((len(y), len(i), y.shape[2]))
        for place, (one, other) in enumerate(zip(i, j, strict=True)):
            np.multiply(y[:, one], y[:, other], out=found[:, place])
        found[:, i == j] -= 1.0
        return found, 1.0 + (i == j)

    def gradient(self, rows: Array, second: Array) -> Array:
        """Sums of `scores` over rows, from effective rows (k,) and second moments around the means: (k, m)."""
        i, j = _triangle(second.shape[1])
        return second[:, i, j] - np.where(i == j, rows[:, None], 0.0)

    def moved(self, first: Array, second: Array) -> tuple[Array, Self]:
        """Shifts of the means (k, d) and covariances after a step in the natural parameters (k, d) and (k, m).

        Raises Degenerate where a precision would not be positive definite.
        """
        k, d = first.shape
        i, j = _triangle(d)
        precision = np.zeros((k, d, d))
        precision[:, i, j] = -second
        precision += precision.transpose(0, 2, 1) + np.eye(d)
        if not np.linalg.eigvalsh(precision)[:, 0].min() > 0:
            raise Degenerate("a step beyond the positive definite matrices")
        inner = np.asarray(np.linalg.inv(precision), dtype=np.float64)
        covariances = type(self)(self.root @ _factor(inner), self.total)
        return self.unwhiten(np.matmul(inner, first[:, :, None])[:, :, 0]), covariances

    def rescaled(self, exponent: Exponents, total: Array | None) -> Self:
        """Covariances in coordinates multiplied by 2^exponent, column by column; `total` is that of all rows there."""
        return type(self)(np.ldexp(self.root, exponent[:, None]), total)


class Tied(Full):
    """All components share one covariance matrix."""

    shared = True

    @classmethod
    def of(cls, matrices: Array, total: Array | None) -> Self:
        return cls(np.broadcast_to(_factor(matrices.mean(axis=0)), matrices.shape).copy(), total)

    @staticmethod
    def parameters_count(k: int, d: int) -> int:
        return d * (d + 1) // 2

    def gradient(self, rows: Array, second: Array) -> Array:
        return super().gradient(rows, second).sum(axis=0)  # type: ignore[no-any-return]

    def updated(self, rows: Array, shift: Array, second: Array) -> Self:
        pooled = second.sum(axis=-3) - (rows[..., None] * shift).swapaxes(-2, -1) @ shift
        pooled /= rows.sum(axis=-1)[..., None, None]
        return type(self)(self.root @ _factor(_symmetric(pooled))[..., None, :, :], self.total)


def _products(weighted: Array, y: Array) -> Array:
    """Sums over rows of r y yᵀ, (..., d, d), from r y and y (..., d, n), by products of two columns each."""
    d = y.shape[-2]
    found = np.empty((*y.shape[:-1], d))
    for i in range(d):
        for j in range(i + 1):
            found[..., i, j] = found[..., j, i] = np.vecdot(weighted[..., i, :], y[..., j, :])
    return found


@lru_cache(maxsize=16)
def _halves(shape: tuple[int, ...]) -> Array:
    """-½ in an array of this shape, for every E-step the same."""
    halves = np.full(shape, -0.5)
    halves.flags.writeable = False
    return halves


@lru_cache(maxsize=16)
def _triangle(d: int) -> tuple[IndexArray, IndexArray]:
    """The rows and columns of the upper triangle of a matrix (d, d), which every step takes."""
    i, j = np.triu_indices(d)
    i.flags.writeable = j.flags.writeable = False
    return i, j


def _factor(matrices: Array) -> Array:
    """Lower Cholesky factors of (…, d, d). Raises Degenerate."""
    try:
        return np.linalg.cholesky(matrices)  # type: ignore[return-value]
    except np.linalg.LinAlgError:
        raise Degenerate(f"a component {SPIKE_REASON}") from None


def _symmetric(matrices: Array) -> Array:
    return 0.5 * (matrices + np.swapaxes(matrices, -1, -2))
