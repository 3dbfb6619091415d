"""Covariances λ_j D_j A_j D_jᵀ of which volume λ, shape A or orientation D is equal (Celeux & Govaert 1995)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Self

import numpy as np

from emcli.frozen import frozen
from emcli.models.base import UNIT_ROUNDOFF, Degenerate
from emcli.models.gmm.decomposed.m_step import (
    axes_of_one_shape,
    common_axes,
    geometric_mean,
    own_axes,
    pooled_axes,
    variances_along,
)
from emcli.models.gmm.diagonal import Diagonal
from emcli.models.gmm.full import GIVEN_WITHIN_SDS, SPIKE_REASON, Exponents, Full
from emcli.types import Array, IndexArray

ROUNDS = 1  # of an M-step without a closed form: EM goes on from there
NEAR_ROUNDS = 25  # to covariances of a shape next to others …
NEAR_VOLUMES = 500  # … and to volumes and one shape on axes that are known
MOST_WITHIN_SDS = 1e-3  # how near given covariances must be to their shape, where rounding hides it


def _count(letters: str, k: int, d: int) -> int:
    """Parameters of k covariances: of the volume 1, of the shape d - 1, of the orientation d (d - 1) / 2."""
    own = (1, 0 if letters[1] == "I" else d - 1, 0 if letters[2] == "I" else d * (d - 1) // 2)
    return sum(count * (k if letter == "V" else 1) for count, letter in zip(own, letters, strict=True))


class AlongColumns(Diagonal):
    """Covariances without correlations of which the volume or the shape is equal."""

    letters: ClassVar[str]
    has_scores = False

    @classmethod
    def of(cls, matrices: Array, total: Array | None) -> Self:
        """The covariances of this shape next to (k, d, d) matrices or (k, d) variances."""
        given = Diagonal.of(matrices, total)
        floor = given.total
        if floor is not None and cls.letters[1] == "I":
            floor = np.full(len(floor), floor.mean())
        rows = np.ones(given.variances.shape[:-1])
        found = variances_along(cls.letters, given.variances, rows, geometric_mean(given.variances), NEAR_VOLUMES)
        return cls(found, floor)

    @classmethod
    def parameters_count(cls, k: int, d: int) -> int:
        return _count(cls.letters, k, d)

    def updated(self, rows: Array, shift: Array, second: Array) -> Self:
        with np.errstate(all="ignore"):  # what is no number has collapsed
            spectra = self.variances * (second - rows[..., None] * shift * shift)
            found = variances_along(self.letters, spectra, rows, geometric_mean(self.variances), ROUNDS)
        return type(self)(found, self.total)

    def grafted(self, i: int, other: Self, j: int) -> Self:
        if self.shared:
            return self
        kept = self.variances[:i], other.variances[j : j + 1], self.variances[i + 1 :]
        joined = np.concatenate(kept)
        rows = np.ones(len(joined))
        return type(self)(variances_along(self.letters, joined, rows, geometric_mean(joined), NEAR_VOLUMES), self.total)


@frozen
class AlongAxes(Full):
    """Covariances with correlations, each with its own axes, of which the volume or the shape is equal.

    Their root is D (λ A)^½, which is not triangular, so that whitened coordinates are those along the axes.
    """

    letters: ClassVar[str]
    has_scores = False
    arrays = ("root", "axes", "variances")

    axes: Array  # (k, d, d) D, an axis in each column; (d, d) where all components have the same
    variances: Array  # (k, d) λ A along them

    def __post_init__(self) -> None:
        axes = self.axes if self.axes.ndim > self.variances.ndim else self.axes[..., None, :, :]
        self._keep(axes.swapaxes(-2, -1) / np.sqrt(self.variances)[..., :, None])

    @classmethod
    def made(cls, axes: Array, variances: Array, total: Array | None) -> Self:
        """Those of axes D (k, d, d), or (d, d) for all, and variances along them (k, d)."""
        own = axes if axes.ndim > variances.ndim else axes[..., None, :, :]
        return cls(own * np.sqrt(variances)[..., None, :], total, axes, variances)

    @classmethod
    def of(cls, matrices: Array, total: Array | None) -> Self:
        """The covariances of this shape next to (k, d, d) matrices."""
        return cls._next_to(Full.of(matrices, None).root, total)

    @classmethod
    def _next_to(cls, roots: Array, total: Array | None) -> Self:
        axes, variances = own_axes(cls.letters, roots, np.ones(roots.shape[:-2]), _volumes(roots), NEAR_VOLUMES)
        return cls.made(axes, variances, total)

    @classmethod
    def parameters_count(cls, k: int, d: int) -> int:
        return _count(cls.letters, k, d)

    def log_det(self) -> Array:
        return np.asarray(np.log(self.variances).sum(axis=-1))

    def rounding(self) -> float:
        """More where columns nearly follow from others: the digits of the smallest variances are lost first."""
        condition = self.root.shape[-1] * float(self._inflation(self._whitener).sum(axis=-1).max())  # or less
        return float(min(max(GIVEN_WITHIN_SDS, UNIT_ROUNDOFF * condition), MOST_WITHIN_SDS))

    def roots(self) -> Array:
        lower = np.asarray(np.linalg.qr(self.root.swapaxes(-2, -1), "r")).swapaxes(-2, -1)
        signs = np.where(np.diagonal(lower, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
        return np.asarray(lower * signs[..., None, :])

    def updated(self, rows: Array, shift: Array, second: Array) -> Self:
        with _degenerate():
            halves = self._halves(rows, shift, second)
            return self.made(*own_axes(self.letters, halves, rows, geometric_mean(self.variances), ROUNDS), self.total)

    def _halves(self, rows: Array, shift: Array, second: Array) -> Array:
        """H (…, k, d, d) of the scatters H Hᵀ within components; of few rows they may be singular."""
        inner = second - rows[..., None, None] * shift[..., :, None] * shift[..., None, :]
        try:
            half = np.linalg.cholesky(inner)
        except np.linalg.LinAlgError:
            squares, axes = np.linalg.eigh(0.5 * (inner + inner.swapaxes(-2, -1)))
            half = axes * np.sqrt(np.maximum(squares, 0.0))[..., None, :]
        return np.asarray(self.root @ half)

    def rescaled(self, exponent: Exponents, total: Array | None) -> Self:
        if np.ptp(exponent):
            return self._next_to(np.ldexp(self.root, exponent[:, None]), total)
        return self.made(self.axes, np.ldexp(self.variances, 2 * exponent), total)

    def ordered(self, order: IndexArray) -> Self:
        axes = self.axes if self.axes.ndim == 2 else self.axes[order]
        return type(self)(self.root[order], self.total, axes, self.variances[order])

    def grafted(self, i: int, other: Self, j: int) -> Self:
        return self._next_to(np.concatenate([self.root[:i], other.root[j : j + 1], self.root[i + 1 :]]), self.total)


class AlongCommonAxes(AlongAxes):
    """Covariances with the same axes."""

    @classmethod
    def _next_to(cls, roots: Array, total: Array | None) -> Self:
        axes = pooled_axes(roots, _volumes(roots))
        along = np.square(axes.swapaxes(-2, -1)[..., None, :, :] @ roots).sum(axis=-1)
        return cls._iterated(roots, np.ones(roots.shape[:-2]), axes, along, total, NEAR_ROUNDS)

    @classmethod
    def _iterated(
        cls, halves: Array, rows: Array, axes: Array, variances: Array, total: Array | None, rounds: int
    ) -> Self:
        if cls.letters[1] == "E":
            return cls.made(*axes_of_one_shape(halves, rows, geometric_mean(variances), rounds), total)
        return cls.made(*common_axes(cls.letters, halves, rows, (axes, variances), rounds), total)

    def updated(self, rows: Array, shift: Array, second: Array) -> Self:
        with _degenerate():
            halves = self._halves(rows, shift, second)
            return self._iterated(halves, rows, self.axes, self.variances, self.total, ROUNDS)


@contextmanager
def _degenerate() -> Iterator[None]:
    """What is no number has collapsed."""
    try:
        with np.errstate(all="ignore"):
            yield
    except np.linalg.LinAlgError:
        raise Degenerate(f"a component {SPIKE_REASON}") from None


def _volumes(roots: Array) -> Array:
    """λ (…, k) of factors (…, k, d, d) of covariances."""
    return np.asarray(np.exp(np.linalg.slogdet(roots)[1] * (2.0 / roots.shape[-1])))


class EII(AlongColumns):
    """λ I: spheres of one size."""

    letters, shared, spheres, fewest_rows = "EII", True, True, 2


class EEI(AlongColumns):
    """λ A: the same variances in all components."""

    letters, shared, fewest_rows = "EEI", True, 2


class VEI(AlongColumns):
    """λ_j A: variances in the same proportions."""

    letters, fewest_rows = "VEI", 2


class EVI(AlongColumns):
    """λ A_j: variances whose product is the same."""

    letters = "EVI"


class VEE(AlongCommonAxes):
    """λ_j D A Dᵀ: the same covariance but for its size."""

    letters, fewest_rows = "VEE", 2


class EVE(AlongCommonAxes):
    """λ D A_j Dᵀ: common axes, and variances along them whose product is the same."""

    letters, fewest_rows = "EVE", 3


class VVE(AlongCommonAxes):
    """λ_j D A_j Dᵀ: common axes (Flury 1984)."""

    letters, fewest_rows = "VVE", 3


class EEV(AlongAxes):
    """λ D_j A D_jᵀ: one ellipsoid, which each component turns its own way."""

    letters = "EEV"


class VEV(AlongAxes):
    """λ_j D_j A D_jᵀ: ellipsoids of the same proportions."""

    letters = "VEV"


class EVV(AlongAxes):
    """λ D_j A_j D_jᵀ: ellipsoids of one volume."""

    letters = "EVV"


SHAPES: dict[str, type[Full] | type[Diagonal]] = {
    each.letters: each for each in (EII, EEI, VEI, EVI, VEE, EVE, VVE, EEV, VEV, EVV)
}
