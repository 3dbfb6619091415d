"""Mixtures of Gaussians, whose covariances have one of several shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self, cast

import numpy as np

from emcli.config.checks import one_of
from emcli.config.covariances import has_correlations, is_within, keeps_under_scaling
from emcli.config.settings import PRIORS, ModelSettings, Narrowed
from emcli.data.points import POINTS, covariance
from emcli.data.rows import DataFault, Requirements, Rows
from emcli.data.scaling import ScalingRule, mean_of
from emcli.models import noisy_class
from emcli.models.base import MIN_EFFECTIVE_ROWS, Degenerate
from emcli.models.complete_data import CompleteData
from emcli.models.gmm import initialization, spurious
from emcli.models.gmm.checks import refuse_flat, refuse_singular, too_large
from emcli.models.gmm.collapse import cause_of_collapse, shrinks_in_few_values
from emcli.models.gmm.e_step import moments
from emcli.models.gmm.fixed import HELD
from emcli.models.gmm.prior import GaussianPrior
from emcli.models.gmm.values import Gaussians, GaussianStats, shape_of
from emcli.models.measures import Artefact
from emcli.models.nesting import Parts, contains, grafted_weights
from emcli.models.posterior import normalise, tilted, weight_slopes
from emcli.types import Array, IndexArray, Mapper

NOISE_OF_A_STEP = 0.1  # share of the rows that noise begins with, of a step of one sd


@dataclass(frozen=True, eq=False)
class GaussianMixture(Gaussians):
    """A mixture of k Gaussians in d dimensions; rows are (d, n)."""

    name = "gmm"
    observations = POINTS
    options: ClassVar[Mapping[str, object]] = {
        "missing": "error",
        "covariance": "full",
        "mixing": "free",
        "noise": None,
        "prior": Narrowed(one_of(PRIORS)),
        "init": "auto",
        "fix": HELD,
        "bootstrap": None,
        "solver": None,
    }
    grows = True
    stacks = True

    def e_step(self, rows: Array, weights: Array | None) -> GaussianStats:
        """Moments around the current means, and the log-likelihood."""
        score, *sums = moments(self.covariances, self.means, self._log_scale, rows, weights)
        return GaussianStats(*self._totals(score, rows, weights), *sums)

    def _totals(self, score: Array, rows: Array, weights: Array | None) -> tuple[float, float, float]:
        """Weight, score and squares of `Stats`; of several mixtures at once the last are (t,). Raises Degenerate."""
        one = self.weights.ndim == 1
        if one and not np.isfinite(score):
            raise Degenerate("a row is so far from every component that it has no density")
        total = float(rows.shape[1]) if weights is None else float(weights.sum())
        # In each row d squares cancel with the constants of d columns; the rounding of slopes is common to all rows.
        cancelled = self.covariances.cancelled(rows, weights) + total * (2.0 * len(rows)) ** 2
        return total, float(score) if one else score, cancelled  # type: ignore[return-value]

    def m_step(self, stats: GaussianStats) -> Self:
        """The maximum likelihood model of the completed rows. Raises Degenerate where a component has collapsed."""
        if not stats.rows.min() > MIN_EFFECTIVE_ROWS:
            raise Degenerate(f"component {int(np.argmin(stats.rows > MIN_EFFECTIVE_ROWS)) + 1} lost all its rows")
        rows, shift, second = stats.rows, stats.first / stats.rows[..., None], stats.second
        if self.prior is not None:
            rows, shift, second = self.prior.completed(stats, self.means, self.covariances)
        if self.fixed is not None:
            spare = 0.0 if self.prior is None else self.prior.rows - self.prior.shrinkage
            shift, second = self.fixed.completed(rows, shift, second, self.covariances, spare)
        found = replace(
            self,
            weights=stats.rows / stats.weight if self.free else self.weights,
            means=self.means + self.covariances.unwhiten(shift),
            covariances=self.covariances.updated(rows, shift, second),
        )
        return found if self.fixed is None else found.held()

    def penalised(self, stats: GaussianStats) -> GaussianStats:
        """The statistics with the log posterior as score, where there is a prior."""
        if self.prior is None:
            return stats
        known = self.prior.log_density(self.means, self.covariances)
        squares = stats.squares + self.prior.cancelling(self.means, self.covariances)
        more = known if known.ndim else float(known)
        return replace(stats, score=stats.score + more, squares=squares)  # type: ignore[arg-type]  # (t,)

    def log_prior(self) -> float:
        return 0.0 if self.prior is None else float(self.prior.log_density(self.means, self.covariances))

    def prior_information(self) -> tuple[Array, Array] | None:
        if self.prior is None:
            return None
        k, d = self.means.shape
        first, second = self.prior.moments(self.means, self.covariances)
        pseudo = np.full(k, self.prior.rows)
        slopes, unknown = self.covariances.gradient(pseudo, second), np.zeros(k - 1 if self.free else 0)
        informed = self.prior.rows * self.covariances.scores(np.zeros((k, d, 1)))[1]
        informed = k * informed if self.covariances.shared else np.tile(informed, k)
        known = np.concatenate([np.full(k * d, self.prior.shrinkage), informed, unknown])
        return np.concatenate([first.ravel(), slopes.ravel(), unknown]), known

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities (n,)."""
        return self._posterior(self.covariances.whiten(rows, self.means))

    def _posterior(self, y: Array) -> tuple[Array, Array]:
        log_joint = (y * y).sum(axis=1)
        log_joint *= -0.5
        log_joint += self._log_scale
        log_density = normalise(log_joint)
        return log_joint, log_density

    def complete(self, rows: Array, weights: Array | None) -> CompleteData:
        """Complete-data scores in the natural parameters of each component, in its own whitened coordinates."""
        y = self.covariances.whiten(rows, self.means)
        r, _ = self._posterior(y)
        return self._complete_data(y, r, weights)

    def _complete_data(self, y: Array, r: Array, weights: Array | None) -> CompleteData:
        """The same from whitened rows (k, d, n) and responsibilities (k, n)."""
        k, d = self.means.shape
        scores, informed = self.covariances.scores(y)
        m = scores.shape[1]
        places = np.arange(k * d).reshape(k, d)
        more = k * d + np.arange(m if self.covariances.shared else k * m)
        places = np.concatenate([places, np.broadcast_to(more.reshape(-1, m), (k, m))], axis=1)
        sizes, mixing = r.sum(axis=1) if weights is None else r @ weights, self.weights if self.free else None
        information = sizes[:, None, None] * np.diag(np.concatenate([np.ones(d), informed]))
        scores = np.concatenate([y, scores], axis=1)
        return CompleteData(r, scores, information, places, mixing, chart=self.chart())

    def gradient(self, stats: GaussianStats) -> Array:
        second = self.covariances.gradient(stats.rows, stats.second)
        mixing = weight_slopes(self.weights, stats.rows) if self.free else ()
        return self.of_free(np.concatenate([stats.first.ravel(), second.ravel(), mixing]))

    def moved(self, step: Array) -> Self:
        """The mixture after a step (p,) in the free parameters of `complete`. Raises Degenerate if it is impossible."""
        (k, d), chart = self.means.shape, self.chart()
        own = step[: len(step) - (k - 1 if self.free else 0)] if chart is None else chart.step(step)
        first, rest = own[: k * d].reshape(k, d), own[k * d :]
        second = np.broadcast_to(rest, (k, len(rest))) if self.covariances.shared else rest.reshape(k, -1)
        shift, covariances = self.covariances.moved(first, second)
        weights = tilted(self.weights, step[len(own) :]) if self.free and chart is None else self.weights
        if chart is not None:
            weights = chart.tilted(step, weights)
        found = replace(self, weights=weights, means=self.means + shift, covariances=covariances)
        return found if chart is None else found.held()

    def sample(self, labels: IndexArray, rng: np.random.Generator, trials: IndexArray | None = None) -> Array:
        """Rows (n, d) for n component labels; plain sums and products, so that the bits do not depend on a BLAS."""
        noise = rng.standard_normal((len(labels), self.means.shape[1]))
        roots = self.covariances.roots()
        out: Array = self.means[labels]
        for column in range(out.shape[1]):
            for j in range(column + 1):
                if np.any(roots[:, column, j]):
                    out[:, column] += roots[labels, column, j] * noise[:, j]
        return out

    @classmethod
    def requirements(cls, settings: ModelSettings) -> Requirements:
        """Rows with their covariance, in which no column is constant or a linear function of the others."""
        shape = settings.covariance
        rule = ScalingRule.of(common=not keeps_under_scaling(shape), robust=bool(settings.noise))

        def check(rows: Rows) -> Rows:
            few = settings.prior is not None and has_correlations(shape) and rows.sample_size <= len(rows.names)
            refuse_flat(rows, "diag" if few else shape)
            if what := too_large(settings.k, len(rows.names)):
                raise DataFault(what, "use fewer --columns, or a smaller -k")
            if rows.observed is not None and not rows.count:
                return rows  # elsewhere, and not placed there yet: one Gaussian takes the rows themselves
            seen = cls.for_rows(rows, settings).with_covariance(rows, settings)
            if few:  # the prior is one of variances alone, and so are starts
                assert seen.covariance is not None
                seen = replace(seen, covariance=np.diag(np.diag(seen.covariance)))
            refuse_singular(seen, shape)
            if settings.prior is not None and seen.mean is None:
                seen = replace(seen, mean=mean_of(seen.values, seen.weights))
            return seen

        def placed(rows: Rows) -> Rows:
            return rows if rows.observed is None else check(rows)

        return Requirements(POINTS, settings.k, rule, has_correlations(shape), check, placed, writes_matrices=True)

    @classmethod
    def with_covariance(cls, rows: Rows, settings: ModelSettings) -> Rows:
        """The rows with their covariance. Raises DataFault."""
        return rows if rows.covariance is not None else replace(rows, covariance=covariance(rows))

    @classmethod
    def start_kinds(cls, settings: ModelSettings) -> tuple[str, ...]:
        """As in `initialization`."""
        return initialization.start_kinds(settings)

    @classmethod
    def initialize(cls, rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator) -> Self:
        """Start values as in `initialization`."""
        held = cls.fixed_in(settings, len(rows.names))
        fixed = None if held is None else held.to_scaled(rows.scaling)
        start = initialization.draw_start(rows, settings, kind, rng, None if fixed is None else fixed.values)
        covariances, prior = shape_of(settings).of(start.matrices, rows.covariance), GaussianPrior.of(rows, settings)
        return cls(start.weights, start.means, covariances, settings.mixing == "free", prior).holding(fixed)

    def adapted(self, rows: Rows, settings: ModelSettings) -> Self:
        """With the prior that these rows give."""
        return replace(self, prior=GaussianPrior.of(rows, settings))

    @classmethod
    def contains(cls, small: ModelSettings, large: ModelSettings) -> bool:
        """Is every mixture with the small settings also one with the large ones?"""
        if small.prior is not None or large.prior is not None:  # of which that of k components is not a part
            return False
        if small.noise and not large.noise:
            return False
        return contains(small, large) and is_within(small.covariance, large.covariance, small.k)

    def split(
        self, parts: Parts, step: float, rows: Rows, settings: ModelSettings, rng: np.random.Generator | None = None
    ) -> Self:
        """Components split by `step` sds either way along their longest axes, or along a random one."""
        matrices = self.covariances.parts()
        axes = initialization.split_axes(matrices, rows, rng)[parts.parents]
        means = self.means[parts.parents] + step * parts.offsets[:, None] * axes
        covariances = shape_of(settings).of(matrices[parts.parents], rows.covariance)
        free, prior = settings.mixing == "free", GaussianPrior.of(rows, settings)
        return replace(self, weights=parts.weights, means=means, covariances=covariances, free=free, prior=prior)

    def grown(self, settings: ModelSettings, rows: Rows, step: float) -> Iterator[Self]:
        """As of any mixture; noise that this one does not have begins with the fewer rows the smaller the step."""
        grown = super().grown(settings, rows, step)
        return (each.with_noise(rows, NOISE_OF_A_STEP * step) for each in grown) if settings.noise else grown

    def with_noise(self, rows: Rows, share: float) -> Self:
        """With noise of this share of the rows, where there is none yet."""
        return cast(Self, noisy_class(self.name).beside(self, rows, share))  # type: ignore[attr-defined]

    def grafted(self, i: int, other: Self, j: int, share: float) -> Self:
        """The mixture with one component replaced by one of another's; a shared covariance stays."""
        weights, means = grafted_weights(self.weights, i, self.free, share), self.means.copy()
        means[i] = other.means[j]
        covariances = self.covariances.grafted(i, other.covariances, j)  # type: ignore[arg-type]  # of the same shape
        return replace(self, weights=weights, means=means, covariances=covariances)

    @classmethod
    def stacked(cls, models: Sequence[Self]) -> Self:
        """Several mixtures along a new first axis of all their arrays."""
        weights, means = np.stack([each.weights for each in models]), np.stack([each.means for each in models])
        covariances = type(models[0].covariances).stacked([each.covariances for each in models])  # type: ignore[misc]
        return replace(models[0], weights=weights, means=means, covariances=covariances)

    def member(self, i: int) -> Self:
        """One of several mixtures that are stacked."""
        return replace(self, weights=self.weights[i], means=self.means[i], covariances=self.covariances.member(i))

    def artefact(self, rows: Rows, mapper: Mapper) -> Artefact | None:
        """A component of a likelihood without bound that chance explains, or that rests on too few rows.

        None with a prior, under which the posterior has a bound.
        """
        if self.prior is not None:
            return None
        if not self.covariances.shared:
            return spurious.artefact(self, rows, mapper)
        if rows.known is not None:  # it cannot shrink where known rows of one component differ
            return None
        if self.fixed is not None and self.fixed.whole().all():
            return None
        round_in_several = self.covariances.spheres and len(rows.names) > 1
        what = None if round_in_several else shrinks_in_few_values(rows, len(self.means), shared=True)
        return None if what is None else Artefact(True, what)

    @classmethod
    def cause_of_collapse(cls, rows: Rows, settings: ModelSettings, ends: Sequence[Self]) -> tuple[str, str] | None:
        """A far row, a column of few values, or where a component became narrow."""
        found = cause_of_collapse(rows, settings.k, settings.covariance or "full", ends)
        if settings.noise and (found or ends):  # beside which a component of any shape may shrink
            what = found[0] if found else "beside noise the likelihood has no bound"
            return what, "use --prior default, or leave --noise out"
        return found

    def identical_components(self) -> tuple[int, int] | None:
        """Two components with nearly equal means and covariances, if there are any."""
        return spurious.identical(self.means, self.covariances)
