"""Mixtures of Gaussians and noise: a uniform component that takes the outliers (Banfield & Raftery 1993)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self, cast

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.extent import Box
from emcli.data.rows import Rows
from emcli.data.scaling import Scaling
from emcli.errors import FitWarning
from emcli.models.fixed import FixedFault
from emcli.models.gmm import spurious
from emcli.models.gmm.fixed import FixedGaussians
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.gmm.noise.e_step import moments
from emcli.models.gmm.noise.rows import farthest, with_box
from emcli.models.gmm.noise.uniform import Uniform
from emcli.models.gmm.values import GaussianStats
from emcli.models.measures import Artefact
from emcli.models.parameters import ParameterFault
from emcli.models.plain_values import Parameters
from emcli.models.posterior import normalise
from emcli.types import JSON, Array, IndexArray, Mapper

SHARES = (0.02, 0.05, 0.1, 0.2)  # of the rows, the farthest ones, that a start takes for noise
FEW_ROWS = 0.5  # of the noise, below which it is said to be empty
NOTHING = Uniform(0.0, Box(np.zeros(0), np.zeros(0)))


@dataclass(frozen=True, eq=False)
class NoisyStats(GaussianStats):
    """The sums over rows of the Gaussians, and of the noise."""

    noise: float  # its effective rows; of several mixtures at once (t,)


@dataclass(frozen=True, eq=False)
class NoisyGaussianMixture(GaussianMixture):
    """A mixture of k Gaussians and noise, uniform over the box of all rows; rows are (d, n).

    `weights` are the shares of the Gaussians in what the noise leaves, and sum to 1. The noise comes after them.
    """

    unique_alone = False
    others: ClassVar[tuple[str, ...]] = ("noise",)

    noise: Uniform = NOTHING

    def e_step(self, rows: Array, weights: Array | None) -> GaussianStats:
        """Moments around the current means, the rows of the noise, and the log-likelihood."""
        own = self._log_scale + self.noise.log_rest()[..., None, None]
        with np.errstate(over="ignore"):  # of a row that is beyond all Gaussians
            score, *sums = moments(self.covariances, self.means, own, self.noise.log_joint(), rows, weights)
        return NoisyStats(*self._totals(score, rows, weights), *sums)  # type: ignore[arg-type]  # a number of each (t,)

    def m_step(self, stats: GaussianStats) -> Self:
        """The Gaussians of the completed rows, and the share of the noise. Raises Degenerate."""
        assert isinstance(stats, NoisyStats)
        gaussian = stats.rows.sum(axis=-1, keepdims=True)
        found = super().m_step(replace(stats, weight=gaussian))
        return replace(found, noise=self.noise.at(stats.noise / (stats.noise + gaussian[..., 0])))

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Responsibilities (k + 1, n), the last those of the noise, and log-densities (n,)."""
        y = self.covariances.whiten(rows, self.means)
        joint = np.empty((len(self.means) + 1, rows.shape[1]))
        joint[:-1] = -0.5 * (y * y).sum(axis=1) + self._log_scale + self.noise.log_rest()
        joint[-1] = self.noise.log_joint()
        log_density = normalise(joint)
        return joint, log_density

    @property
    def shares(self) -> Array:
        """(k + 1,) shares of the rows, the last that of the noise."""
        return np.append(self.weights * (1 - self.noise.weight), self.noise.weight)

    @property
    def parameters_count(self) -> int:
        """Those of the Gaussians, and weight and volume of the noise."""
        return super().parameters_count + 2

    @property
    def is_explicit(self) -> bool:
        """Never: of one Gaussian too it is unknown which rows are its."""
        return False

    @property
    def has_information(self) -> bool:
        return False

    @property
    def has_slopes(self) -> bool:
        return False

    # plain values

    def to_parameters(self) -> dict[str, JSON]:
        """Mixing weights, which with that of the noise sum to 1, means, covariances, and the noise."""
        found = super().to_parameters()
        return {**found, "weights": self.shares[:-1].tolist(), "noise": self.noise.to_parameters()}

    @classmethod
    def from_parameters(
        cls, parameters: Parameters, settings: ModelSettings | None = None, rows: Rows | None = None
    ) -> Self:
        """The mixture of given parameters; a fit's noise is uniform over the box of its rows. Raises ParameterFault."""
        if settings is not None and not settings.noise:
            raise ParameterFault(("noise",), "is for fits with noise")
        if settings is None and "noise" not in parameters:
            return cast(Self, GaussianMixture.from_parameters(parameters, None, rows))
        rest = {key: value for key, value in parameters.items() if key != "noise"}
        box = None if rows is None or rows.box is None else rows.scaling.box_to_original(rows.box)
        d = np.shape(rest.get("means", ()))  # type: ignore[arg-type]
        noise = Uniform.of_parameters(parameters.get("noise"), d[1] if len(d) == 2 else 1, box)
        if isinstance(weights := rest.get("weights"), list):
            rest["weights"] = _of_the_rest(weights, float(noise.weight))
        return replace(cls.of_gaussians(rest, settings, rows), noise=noise)

    @classmethod
    def fixed_in(cls, settings: ModelSettings, columns: int) -> FixedGaussians | None:
        """Means and covariances that are held. Raises FixedFault for weights: that of the noise changes them all."""
        weights = (settings.fix or {}).get("weights")
        if isinstance(weights, list) and any(each is not None for each in weights):
            raise FixedFault(("weights",), "cannot be held beside noise, whose weight is estimated")
        return super().fixed_in(settings, columns)

    def ordered(self, order: IndexArray) -> Self:
        """The Gaussians in another order; of several mixtures at once, some of these."""
        found = super().ordered(order)
        weight = self.noise.weight
        return found if np.ndim(weight) == 0 else replace(found, noise=self.noise.at(np.asarray(weight)[order]))

    def to_scaled(self, scaling: Scaling, covariance: Array | None = None) -> Self:
        return replace(super().to_scaled(scaling, covariance), noise=self.noise.to_scaled(scaling))

    def to_original(self, scaling: Scaling) -> Self:
        return replace(super().to_original(scaling), noise=self.noise.to_original(scaling))

    # start values, moves and simulation

    @classmethod
    def with_covariance(cls, rows: Rows, settings: ModelSettings) -> Rows:
        """The rows with their box, and with a covariance that no outlier moves. Raises DataFault."""
        return with_box(rows)

    @classmethod
    def initialize(cls, rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator) -> Self:
        """Start values where the rows farthest from their neighbours are noise, and the others as without it."""
        far = farthest(rows, SHARES[int(rng.integers(len(SHARES)))])
        if (~far).sum() <= max(settings.k, len(rows.values)):
            far[:] = False
        weights = None if rows.weights is None else rows.weights[~far]
        total = float((~far).sum()) if weights is None else float(weights.sum())
        values = np.ascontiguousarray(rows.values[:, ~far])
        kept = replace(rows, values=values, weights=weights, total=total, whole=rows.size_of_all)  # as of a sample
        assert rows.box is not None
        share = max(1 - total / rows.total, 1 / (2 * rows.total))
        return replace(super().initialize(kept, settings, kind, rng), noise=Uniform(share, rows.box))

    def adapted(self, rows: Rows, settings: ModelSettings) -> Self:
        """With the prior, and the box of the noise, that these rows give."""
        assert rows.box is not None
        return replace(super().adapted(rows, settings), noise=Uniform(self.noise.weight, rows.box))

    def with_noise(self, rows: Rows, share: float) -> Self:
        """Itself, which has noise."""
        return self

    @classmethod
    def beside(cls, mixture: GaussianMixture, rows: Rows, share: float) -> Self:
        """A mixture without noise, and noise of this share of the rows beside it."""
        assert rows.box is not None
        parts = (mixture.weights, mixture.means, mixture.covariances, mixture.free, mixture.prior, mixture.fixed)
        return cls(*parts, Uniform(share, rows.box))

    def alone(self, i: int) -> Self:
        """One Gaussian, or the noise, from which all rows come."""
        if i == len(self.weights):
            return replace(self, noise=self.noise.at(1.0))
        return replace(super().alone(i), noise=self.noise.at(0.0))

    def with_shares(self, shares: Array) -> Self:
        """The same components with other shares (k + 1,) of the rows."""
        rest = float(shares[:-1].sum())
        weights = shares[:-1] / rest if rest > 0 else self.weights
        return replace(self, weights=weights, noise=self.noise.at(float(shares[-1])))

    def without(self, i: int) -> Self:
        """The mixture without one Gaussian; of the last one the noise alone is left."""
        if len(self.weights) > 1:
            return super().without(i)
        return replace(self.ordered(np.zeros(0, dtype=np.intp)), noise=self.noise.at(1.0))

    @classmethod
    def stacked(cls, models: Sequence[Self]) -> Self:
        weights = np.array([each.noise.weight for each in models])
        return replace(super().stacked(models), noise=models[0].noise.at(weights))

    def member(self, i: int) -> Self:
        return replace(super().member(i), noise=self.noise.at(float(np.asarray(self.noise.weight)[i])))

    def sample(self, labels: IndexArray, rng: np.random.Generator, trials: IndexArray | None = None) -> Array:
        """Rows (n, d) for n labels, k that of the noise, which is drawn uniformly over its box."""
        k = len(self.weights)
        found = super().sample(np.minimum(labels, k - 1), rng)
        far = labels == k
        found[far] = self.noise.sample(int(far.sum()), rng)
        return found

    # diagnostics

    def spreads(self, sizes: Array, rows: Rows) -> tuple[Array, Array]:
        """And last of the noise, which spreads as all rows do but for outliers: it hides no spike beside it."""
        assert rows.covariance is not None
        own = self.covariances.parts()
        whole = rows.covariance if own.ndim == 3 else np.diag(rows.covariance)
        shares = np.append(sizes, max(0.0, rows.total - sizes.sum()))
        return np.concatenate([own, whole[None]]), shares / shares.sum()

    def artefact(self, rows: Rows, mapper: Mapper) -> Artefact | None:
        """As where each Gaussian has a covariance of its own: with noise for the others any shape can shrink."""
        return None if self.prior is not None else spurious.artefact(self, rows, mapper)

    def warnings(self, stats: GaussianStats) -> Sequence[FitWarning]:
        """One where no row is left to the noise."""
        assert isinstance(stats, NoisyStats)
        if stats.noise >= FEW_ROWS:
            return super().warnings(stats)
        what = "no row is far from all Gaussians, and the noise has none: fit without --noise"
        return (*super().warnings(stats), FitWarning("empty-noise", what))


def _of_the_rest(weights: list[JSON], noise: float) -> JSON:
    """The weights relative to what the noise leaves; those that are no numbers as they are. Raises ParameterFault."""
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in weights):
        return weights
    total = float(np.sum(np.asarray(weights, dtype=np.float64)))
    if abs(total + noise - 1) > 1e-6:
        raise ParameterFault(("weights",), f"must sum to 1 with that of the noise, got {total + noise:.10g}")
    return [float(each) / (1 - noise) for each in weights]  # type: ignore[arg-type]
