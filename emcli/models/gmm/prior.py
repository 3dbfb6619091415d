"""The conjugate prior of Gaussian components: a normal and inverse Wishart (or gamma) from the moments of all rows."""

from __future__ import annotations

from dataclasses import replace
from math import lgamma, log, pi
from typing import TYPE_CHECKING, Self

import numpy as np

from emcli.config.covariances import has_correlations, letters
from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.data.scaling import Scaling, mean_of
from emcli.frozen import frozen
from emcli.models.gmm.covariance import Covariances
from emcli.types import Array

if TYPE_CHECKING:
    from emcli.models.gmm.values import GaussianStats

MAX_TERM = 1e150  # of those that cancel, whose square is a double
OF_VOLUMES = ("VEI", "EVI", "EEV", "VEV")
SHRINKAGE = 0.01  # κ: rows that the prior of a mean counts as


@frozen
class GaussianPrior:
    """The prior of Fraley & Raftery (2007) for k means and covariances, as mclust's `defaultPrior` sets it.

    Given its covariance Σ a mean is normal around m with covariance Σ/κ. A full or tied Σ is inverse Wishart with ν
    degrees of freedom and scale Λ; a variance σ² of diag or spherical is inverse gamma, of shape ν/2 and scale λ/2,
    as are the one of EII and those of EEI, once for all components. For VEI, EVI, EEV, VEV see `_of_volumes`.
    In an M-step it is like pseudo rows: κ of them for a mean, and `rows` with the scatter `scatter` for a covariance.
    """

    centre: Array  # (d,) m is the sum of this and the next: in two parts, so that no offset of the data costs a digit
    offset: Array  # (d,)
    scatter: Array  # (d, d) of the pseudo rows of one component, or its diagonal (d,)
    rows: float  # pseudo rows of one component's covariance
    constant: float  # ln of the normalising constant of all components
    power: float  # what is added to it for each e-fold of all units' product
    shrinkage: float = SHRINKAGE  # κ

    @classmethod
    def of(cls, rows: Rows, settings: ModelSettings) -> Self | None:
        """In working coordinates, where the settings ask for one; the same from a sample as from all rows."""
        if settings.prior is None:
            return None
        assert rows.covariance is not None
        k, d, n = settings.k, len(rows.covariance), rows.size_of_all
        dof, share = d + 2.0, k ** (-2.0 / d)
        unbiased = rows.covariance * (n / (n - 1.0)) if n > 1 else rows.covariance
        normal = 0.5 * d * k * log(SHRINKAGE / (2 * pi))
        shape = letters(settings.covariance)
        # In the user's units the scale is the same in all columns, whatever those of the working coordinates.
        lift = rows.scaling.exponent - rows.scaling.exponent.max(initial=0)
        common = share * float(np.ldexp(np.diag(unbiased), 2 * lift).mean())
        columns = np.ldexp(common, -2 * lift)
        if shape in OF_VOLUMES:
            scatter = share * unbiased if has_correlations(shape) else columns
            pseudo, constant, power = _of_volumes(shape, scatter, dof, k)
            constant += normal
        elif has_correlations(shape):
            scale, times = share * unbiased, k if shape == "VVV" else 1
            wishart = 0.5 * dof * (float(np.linalg.slogdet(scale)[1]) - d * log(2)) - _log_gamma(0.5 * dof, d)
            scatter = scale * (times / k)
            pseudo = dof + d + 2 if times == k else 1 + (dof + d + 1) / k
            constant, power = normal + times * wishart, times * dof
        else:
            own, times = (1 if shape[1] == "I" else d), (k if shape[0] == "V" else 1)
            logs = float(np.log(columns).sum()) if own == d else log(common)
            gamma = 0.5 * dof * (logs - own * log(2)) - own * lgamma(0.5 * dof)
            shared_by = d * k / (own * times)  # that many of the k d variances of all components are one
            scatter, pseudo = columns / shared_by, 1 + (dof + 2) / shared_by
            constant, power = normal + times * gamma, times * dof * (own / d)
        mean = mean_of(rows.values, rows.weights) if rows.mean is None else rows.mean
        return cls(np.zeros(d), mean, scatter, pseudo, constant, power)

    def moments(self, means: Array, covariances: Covariances) -> tuple[Array, Array]:
        """What the pseudo rows add to the first and second moments of an E-step, in whitened coordinates."""
        return covariances.pseudo_moments((self.centre - means) + self.offset, self.scatter, self.shrinkage)

    def log_density(self, means: Array, covariances: Covariances) -> Array:
        """ln of the density of k means and covariances; of several mixtures at once (t,)."""
        log_det, squares = self._terms(means, covariances)
        return np.asarray(self.constant - 0.5 * (self.rows * log_det + squares))

    def cancelling(self, means: Array, covariances: Covariances) -> float:
        """Sum of the squares of the terms that cancel in `log_density`."""
        log_det, squares = self._terms(means, covariances)
        terms = (self.constant, 0.5 * self.rows * float(np.abs(log_det).max()), 0.5 * float(squares.max()))
        return sum(min(abs(term), MAX_TERM) ** 2 for term in terms)

    def _terms(self, means: Array, covariances: Covariances) -> tuple[Array, Array]:
        _, second = self.moments(means, covariances)
        squares = second if second.ndim == means.ndim else np.diagonal(second, axis1=-2, axis2=-1)
        return covariances.log_det().sum(axis=-1), squares.sum(axis=(-2, -1))

    def completed(self, stats: GaussianStats, means: Array, covariances: Covariances) -> tuple[Array, Array, Array]:
        """Rows (k,), shifts of the means (k, d) and second moments of the M-step, with the pseudo rows.

        The moments are such that an M-step of covariances from these rows has the posterior mode: the scatter around
        the new means is that of n + κ rows, over n + `rows`.
        """
        first, second = self.moments(means, covariances)
        shift = (stats.first + first) / (stats.rows + self.shrinkage)[..., None]
        outer = shift * shift if second.ndim == shift.ndim else shift[..., :, None] * shift[..., None, :]
        return stats.rows + self.rows, shift, stats.second + second + (self.rows - self.shrinkage) * outer

    def to_original(self, scaling: Scaling) -> Self:
        """The same prior in the user's units, from working coordinates."""
        return self._stretched(scaling, 1)

    def to_scaled(self, scaling: Scaling) -> Self:
        """The same prior in working coordinates, from the user's units."""
        return self._stretched(scaling, -1)

    def _stretched(self, scaling: Scaling, way: int) -> Self:
        exponent = way * scaling.exponent
        both = exponent + exponent[:, None] if self.scatter.ndim == 2 else 2 * exponent
        return replace(
            self,
            centre=scaling.to_original(self.centre) if way > 0 else scaling.to_scaled(self.centre),
            offset=np.ldexp(self.offset, exponent),
            scatter=np.ldexp(self.scatter, both),
            constant=self.constant + self.power * float(exponent.sum()) * log(2),
        )


def _of_volumes(shape: str, scale: Array, dof: float, k: int) -> tuple[float, float, float]:
    """Pseudo rows, ln of a constant and its power, of covariances whose shape or volume alone is equal.

    The density is a constant times exp(-½ Σ tr(Λ inverse of Σ_j)) and the volumes to the power of -d (ν + 2)/2 where
    they are one (EVI, EEV), or each to the power of -(ν + 3 - d)/2 (VEI, VEV): so that the M-steps of EVI and VEI are
    mclust's. Their normalising constant has no closed form; here the density is that relative to Λ, free of units.
    """
    d = len(scale)
    each = (dof + 2) / k if shape[0] == "E" else (dof + 3 - d) / d
    log_det = float(np.log(scale).sum() if scale.ndim == 1 else np.linalg.slogdet(scale)[1])
    return 1 + each, 0.5 * k * each * log_det, k * each


def _log_gamma(shape: float, d: int) -> float:
    """ln of the multivariate gamma function."""
    return 0.25 * d * (d - 1) * log(pi) + sum(lgamma(shape - 0.5 * j) for j in range(d))
