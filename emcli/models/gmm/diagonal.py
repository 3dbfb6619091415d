"""Covariances of Gaussian components without correlations: a variance in each column, or one for all columns."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, Self

import numpy as np

from emcli.frozen import frozen
from emcli.models.base import Degenerate
from emcli.models.gmm.full import GIVEN_WITHIN_SDS, MIN_VARIANCE, SPIKE_REASON, Exponents, Shape
from emcli.types import Array


@frozen
class Diagonal(Shape):
    """Each component has its own variance in each column, and no correlation."""

    arrays = ("variances",)
    fewest_rows: ClassVar[int] = 3
    variances: Array  # (k, d)
    total: Array | None  # (d,) variances of all rows, for the least variance allowed; None: no check
    _scale: Array = field(init=False, repr=False)  # (k, d) standard deviations

    def __post_init__(self) -> None:
        sunk = ~(self.variances >= MIN_VARIANCE * (0.0 if self.total is None else self.total)).all(axis=-1)
        if sunk.any():
            raise Degenerate(f"component {int(np.argmax(sunk)) + 1} {SPIKE_REASON}")
        object.__setattr__(self, "_scale", np.sqrt(self.variances))

    @classmethod
    def of(cls, matrices: Array, total: Array | None) -> Self:
        """From (k, d, d) matrices or (k, d) variances; `total` (d, d) is the covariance of all rows."""
        variances = matrices if matrices.ndim == 2 else np.diagonal(matrices, axis1=1, axis2=2)
        return cls(variances.copy(), None if total is None else np.diagonal(total).copy())

    @staticmethod
    def parameters_count(k: int, d: int) -> int:
        return k * d

    def full(self) -> Array:
        k, d = self.variances.shape
        matrices = np.zeros((k, d, d))
        matrices[:, range(d), range(d)] = self.variances
        return matrices

    def parts(self) -> Array:
        return self.variances

    def diagonals(self) -> Array:
        return self.variances

    def rounding(self) -> float:
        return GIVEN_WITHIN_SDS

    def roots(self) -> Array:
        return np.sqrt(self.full())

    def cancelled(self, rows: Array, weights: Array | None) -> float:
        return 0.0

    def log_det(self) -> Array:
        return 2.0 * np.log(self._scale).sum(axis=-1)  # type: ignore[no-any-return]

    def whiten(self, rows: Array, means: Array) -> Array:
        y = rows - means[:, :, None]
        y /= self._scale[:, :, None]
        return y

    @property
    def slopes(self) -> Array:
        return -0.5 / self.variances

    def project(self, rows: Array, means: Array, y: Array, squares: Array) -> None:
        """Write differences from the means, not divided by the sds yet: `moments` divides its sums instead."""
        np.subtract(rows, means[..., None], out=y)
        np.square(y, out=squares)

    def moments(self, y: Array, squares: Array, r: Array) -> tuple[Array, Array]:
        first, second = np.matmul(y, r[..., None]), np.matmul(squares, r[..., None])
        return first[..., 0] / self._scale, second[..., 0] / self.variances

    def pseudo_moments(self, away: Array, scatter: Array, count: float) -> tuple[Array, Array]:
        y = away / self._scale
        return count * y, scatter / self.variances + count * y * y

    def unwhiten(self, shift: Array) -> Array:
        return shift * self._scale

    def updated(self, rows: Array, shift: Array, second: Array) -> Self:
        return type(self)(self.variances * (second / rows[..., None] - shift * shift), self.total)

    def scatter(self, rows: Array, shift: Array, second: Array) -> Array:
        matrices = np.zeros((*shift.shape, shift.shape[1]))
        d = range(shift.shape[1])
        matrices[:, d, d] = self.variances * (second - rows[:, None] * shift * shift)
        return matrices

    def scores(self, y: Array) -> tuple[Array, Array]:
        return y * y - 1.0, np.full(y.shape[1], 2.0)

    def gradient(self, rows: Array, second: Array) -> Array:
        return second - rows[:, None]

    def moved(self, first: Array, second: Array) -> tuple[Array, Self]:
        precision = 1.0 - 2.0 * second
        if not precision.min() > 0:
            raise Degenerate("a step beyond the positive variances")
        return self.unwhiten(first / precision), type(self)(self.variances / precision, self.total)

    def rescaled(self, exponent: Exponents, total: Array | None) -> Self:
        return type(self).of(np.ldexp(self.variances, 2 * exponent), total)


class Spherical(Diagonal):
    """Each component has one variance, the same in every column."""

    spheres = True
    fewest_rows = 2

    @classmethod
    def of(cls, matrices: Array, total: Array | None) -> Self:
        variances = matrices if matrices.ndim == 2 else np.diagonal(matrices, axis1=1, axis2=2)
        mean = None if total is None else np.full(len(total), np.trace(total) / len(total))
        return cls(np.broadcast_to(variances.mean(axis=1, keepdims=True), variances.shape).copy(), mean)

    @staticmethod
    def parameters_count(k: int, d: int) -> int:
        return k

    def updated(self, rows: Array, shift: Array, second: Array) -> Self:
        factor = (second / rows[..., None] - shift * shift).mean(axis=-1, keepdims=True)
        return type(self)(self.variances * factor, self.total)

    def scores(self, y: Array) -> tuple[Array, Array]:
        return (y * y).sum(axis=1, keepdims=True) - y.shape[1], np.array([2.0 * y.shape[1]])

    def gradient(self, rows: Array, second: Array) -> Array:
        return super().gradient(rows, second).sum(axis=1, keepdims=True)  # type: ignore[no-any-return]
