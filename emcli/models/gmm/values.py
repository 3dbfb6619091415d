"""The plain values of Gaussian mixtures: weights, means and covariances read, written, ordered and tabulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log, nan, pi
from typing import Self, cast

import numpy as np

from emcli.config.covariances import keeps_under_scaling
from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.data.scaling import Scaling, weighed
from emcli.models import noisy_class
from emcli.models.complete_data import Chart, CompleteDataModel
from emcli.models.gmm import initialization
from emcli.models.gmm.checks import given_matrices
from emcli.models.gmm.covariance import Covariances, covariances_of
from emcli.models.gmm.fixed import FixedGaussians
from emcli.models.gmm.prior import GaussianPrior
from emcli.models.parameters import ParameterFault, ParameterReader, refuse_other_columns
from emcli.models.plain_values import Count, Parameters, Share, Titled
from emcli.models.posterior import logarithms
from emcli.models.statistics import Stats
from emcli.types import JSON, Array, IndexArray


@dataclass(frozen=True, eq=False)
class GaussianStats(Stats):
    """Responsibility-weighted sums over rows, in each component's whitened coordinates y."""

    rows: Array  # (k,) effective rows
    first: Array  # (k, d) Σ r y
    second: Array  # (k, d, d) Σ r y yᵀ, or its diagonals (k, d)


@dataclass(frozen=True, eq=False)
class Gaussians(CompleteDataModel[GaussianStats]):
    """k Gaussians in d dimensions with mixing weights, as plain values."""

    weights: Array  # (k,) mixing weights
    means: Array  # (k, d)
    covariances: Covariances
    free: bool = True  # are the mixing weights estimated?
    prior: GaussianPrior | None = None
    fixed: FixedGaussians | None = None  # what is held
    _log_scale: Array = field(init=False, repr=False)  # (k, 1) ln of weight and normalising constant

    def __post_init__(self) -> None:
        d = self.means.shape[-1]
        log_weights = logarithms(self.weights)  # a component with weight 0 has density 0
        log_scale = log_weights - 0.5 * (d * log(2 * pi) + self.covariances.log_det())
        object.__setattr__(self, "_log_scale", log_scale[..., None])

    @property
    def parameters_count(self) -> int:
        k, d = self.means.shape
        held = 0 if self.fixed is None else self.fixed.count_of(self.free)
        return (k - 1 if self.free else 0) + int(k * d) + self.covariances.parameters_count(k, d) - held

    def components(self) -> tuple[Array, ...]:
        return self.means, self.covariances.parts()

    def ordered(self, order: IndexArray) -> Self:
        """The components in another order."""
        fixed = self.fixed and self.fixed.ordered(order)
        covariances = self.covariances.ordered(order)
        return replace(self, weights=self.weights[order], means=self.means[order], covariances=covariances, fixed=fixed)

    def canonical_order(self) -> IndexArray:
        """By the first mean, then the next, then variances and weights."""
        return np.lexsort(np.column_stack([self.means, self.covariances.diagonals(), self.weights]).T[::-1])

    @classmethod
    def fixed_in(cls, settings: ModelSettings, columns: int) -> FixedGaussians | None:
        """Weights, means and covariances that are held. Raises FixedFault."""
        return FixedGaussians.of(settings, columns)

    def held(self) -> Self:
        """The mixture with what is held at its values again."""
        if self.fixed is None:
            return self
        weights, means = self.fixed.shares(self.weights), self.fixed.put(self.means)
        return replace(self, weights=weights, means=means, covariances=self.fixed.put_covariances(self.covariances))

    def chart(self) -> Chart | None:
        """The free ones among the natural parameters and the mixing weights."""
        return None if self.fixed is None else self.fixed.chart_of(self.weights, self.free, self.covariances)

    @property
    def has_information(self) -> bool:
        return self.covariances.has_scores

    @property
    def has_slopes(self) -> bool:
        return not self.covariances.has_scores and self.prior is None and self.fixed is None

    def slopes(self, stats: GaussianStats) -> tuple[Array, Array]:
        from emcli.models.gmm.decomposed.slopes import slopes

        return slopes(self, stats)

    def statistics_of(self, stats: GaussianStats, step: Array) -> GaussianStats:
        from emcli.models.gmm.decomposed.slopes import statistics_of

        return statistics_of(self, stats, step)

    def spreads(self, sizes: Array, rows: Rows) -> tuple[Array, Array]:
        """Covariances within components, matrices (k, d, d) or variances (k, d), and shares (k,), from sizes (k,)."""
        return self.covariances.parts(), sizes / sizes.sum()

    def to_parameters(self) -> dict[str, JSON]:
        """Mixing weights, means and full covariance matrices."""
        matrices: list[JSON] = self.covariances.full().tolist()
        return {"weights": self.weights.tolist(), "means": self.means.tolist(), "covariances": matrices}

    @classmethod
    def from_parameters(
        cls, parameters: Parameters, settings: ModelSettings | None = None, rows: Rows | None = None
    ) -> Self:
        """The model of given parameters; with noise where there is some, or the settings ask for it.

        Raises ParameterFault.
        """
        if "noise" not in parameters and not (settings and settings.noise):
            return cls.of_gaussians(parameters, settings, rows)
        return cast(Self, noisy_class(cls.name).from_parameters(parameters, settings, rows))

    @classmethod
    def of_gaussians(cls, parameters: Parameters, settings: ModelSettings | None, rows: Rows | None) -> Self:
        """The model of given means and covariances or sds; by default all have the covariance of the rows.

        Raises ParameterFault.
        """
        given = ParameterReader(parameters, ("weights", "means", "covariances", "sds"))
        means = given.matrix("means", settings.k if settings else None, len(rows.names) if rows else None)
        free = settings is None or settings.mixing != "equal"
        weights = given.weights(len(means), equal=not free and rows is not None)
        matrices = given_matrices(given, means, rows)
        covariances = shape_of(settings).of(matrices, None)
        sds = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
        apart = np.abs(covariances.full() - matrices) > covariances.rounding() * sds[:, :, None] * sds[:, None, :]
        if ("covariances" in given or "sds" in given) and apart.any():
            name = settings.covariance if settings else None
            raise ParameterFault(("covariances" if "covariances" in given else "sds",), f"are not {name or 'full'}")
        found = cls(weights, means, covariances, free)
        if rows is not None and settings is not None:
            found = found.holding(cls.fixed_in(settings, len(rows.names)))
        if rows is None or settings is None or (prior := GaussianPrior.of(rows, settings)) is None:
            return found
        return replace(found, prior=prior.to_original(rows.scaling))

    @classmethod
    def estimate(cls, rows: Rows, members: Array) -> dict[str, JSON]:
        """Weights, means and covariances in the user's units from known memberships (k, n)."""
        sizes, means, scatter = initialization.cluster_moments(rows.values, weighed(members, rows.weights))
        matrices = np.ldexp(scatter / sizes[:, None, None], rows.scaling.exponent[:, None] + rows.scaling.exponent)
        original = rows.scaling.to_original(means)
        return {"weights": (sizes / sizes.sum()).tolist(), "means": original.tolist(), "covariances": matrices.tolist()}

    def to_scaled(self, scaling: Scaling, covariance: Array | None = None) -> Self:
        covariances = self.covariances.rescaled(-scaling.exponent, covariance)
        prior, fixed = self.prior and self.prior.to_scaled(scaling), self.fixed and self.fixed.to_scaled(scaling)
        with np.errstate(divide="ignore"):  # a variance of a saved fit may be less than any number there
            return replace(self, means=scaling.to_scaled(self.means), covariances=covariances, prior=prior, fixed=fixed)

    def to_original(self, scaling: Scaling) -> Self:
        covariances = self.covariances.rescaled(scaling.exponent, None)
        prior, fixed = self.prior and self.prior.to_original(scaling), self.fixed and self.fixed.to_original(scaling)
        return replace(self, means=scaling.to_original(self.means), covariances=covariances, prior=prior, fixed=fixed)

    def scaling(self, settings: ModelSettings, names: Sequence[str]) -> Scaling:
        """Coordinates around the first mean, in powers of two near the largest sds."""
        refuse_other_columns(self.means, names)
        sds = np.sqrt(self.covariances.diagonals())
        return Scaling.around(self.means, sds, not keeps_under_scaling(settings.covariance))

    @classmethod
    def distances(cls, one: Parameters, other: Parameters) -> Array:
        """Wasserstein distances of the columns' marginals (Givens & Shortt 1984), in units of the mean variance."""
        means, others = (np.asarray(each["means"], dtype=np.float64) for each in (one, other))
        matrices = (np.asarray(each["covariances"], dtype=np.float64) for each in (one, other))
        sds, other_sds = (np.sqrt(np.diagonal(each, axis1=1, axis2=2)) for each in matrices)
        unit = np.concatenate([sds, other_sds]) ** 2
        away = (means[:, None] - others) ** 2 + (sds[:, None] - other_sds) ** 2
        return np.asarray(np.sqrt((away / unit.mean(axis=0)).sum(axis=2)))

    @classmethod
    def table(cls, parameters: Parameters, names: Sequence[str], total: float) -> list[Titled]:
        """Rows and mixing weight of each component, means and sds; in one dimension the variance too.

        Noise comes last, and has no more than rows, a weight and, which no other has, a volume.
        """
        if isinstance(noise := parameters.get("noise"), Mapping):
            gaussians = {key: value for key, value in parameters.items() if key != "noise"}
            weight, volume = float(noise["weight"]), float(noise.get("volume", nan))  # type: ignore[arg-type]
            last = {"rows": Count(total * weight), "weight": Share(weight)}
            found = [(title, [*cells, last.get(title, nan)]) for title, cells in cls.table(gaussians, names, total)]
            return [*found, ("volume", [*[nan] * (len(found[0][1]) - 1), volume])]
        weights, means, matrices = (
            np.asarray(parameters[key], dtype=np.float64) for key in ("weights", "means", "covariances")
        )
        columns: list[Titled] = [("rows", [Count(total * w) for w in weights]), ("weight", [Share(w) for w in weights])]
        sds = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
        if len(names) == 1:
            columns += [(f"mean {names[0]}", means[:, 0].tolist()), ("sd", sds[:, 0].tolist())]
            return [*columns, ("variance", matrices[:, 0, 0].tolist())]
        columns += [(f"mean {name}", means[:, j].tolist()) for j, name in enumerate(names)]
        return columns + [(f"sd {name}", sds[:, j].tolist()) for j, name in enumerate(names)]


def shape_of(settings: ModelSettings | None) -> type[Covariances]:
    """The class of the covariances of these settings; full where they say nothing."""
    return covariances_of((settings and settings.covariance) or "full")
