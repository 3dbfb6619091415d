"""The base classes of mixtures: EM for a finite mixture whose components' densities a subclass adds."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.models.base import MIN_EFFECTIVE_ROWS, Degenerate, Model, first_pair
from emcli.models.complete_data import CompleteData, CompleteDataModel
from emcli.models.nesting import contains
from emcli.models.posterior import logarithms, normalise, tilted
from emcli.models.seeding import centres, squared_distances
from emcli.models.statistics import Stats
from emcli.types import JSON, Array

IDENTICAL_WITHIN = 1e-9  # relative difference up to which parameters are equal
MIXTURE_OPTIONS: dict[str, JSON] = {"mixing": "free", "init": "auto", "bootstrap": None, "solver": None}


@dataclass(frozen=True)
class Sums(Stats):
    """Responsibility-weighted sums of sufficient statistics."""

    sizes: Array  # (k,) effective rows
    sums: Array  # (k, m)


@dataclass(frozen=True, eq=False)
class Mixture(Model[Sums]):
    """A finite mixture; a subclass adds its components' parameters, each (k, ...), as fields, and three methods."""

    options: ClassVar = MIXTURE_OPTIONS

    weights: Array  # (k,) mixing weights
    free: bool  # are the mixing weights estimated?

    @abstractmethod
    def log_densities(self, x: Array) -> Array:
        """ln f_j(x_i) of rows (d, n), (k, n)."""

    @classmethod
    @abstractmethod
    def maximum_likelihood(cls, sizes: Array, sums: Array) -> dict[str, Array]:
        """The components' parameters from sizes (k,) and sums (k, m) of the statistics. Raises Degenerate."""

    @staticmethod
    def statistics(x: Array) -> Array:
        """Sufficient statistics (m, n) of rows (d, n)."""
        return x

    def posterior(self, x: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities (n,)."""
        log_joint = self.log_densities(x)
        log_joint += logarithms(self.weights)[:, None]
        log_density = normalise(log_joint)
        return log_joint, log_density

    def e_step(self, x: Array, weights: Array | None) -> Sums:
        """Sums of the statistics over rows, and the log-likelihood."""
        r, log_density = self.posterior(x)
        counts = np.ones(x.shape[1]) if weights is None else weights
        r *= counts
        return Sums(float(counts.sum()), float(counts @ log_density), 0.0, r.sum(axis=1), r @ self.statistics(x).T)

    def m_step(self, stats: Sums) -> Self:
        """The maximum likelihood model of the completed rows. Raises Degenerate."""
        kept = stats.sizes > MIN_EFFECTIVE_ROWS
        if not kept.all():
            raise Degenerate(f"component {int(np.argmin(kept)) + 1} lost all its rows")
        weights = stats.sizes / stats.weight if self.free else self.weights
        return replace(self, weights=weights, **self.maximum_likelihood(stats.sizes, stats.sums))  # type: ignore[arg-type]

    @classmethod
    def initialize(cls, rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator) -> Self:
        """Clusters around rows drawn far apart (k-means++), or around any rows (uniform)."""
        x, k = rows.values, settings.k
        if kind == "uniform":
            drawn = x[:, rng.choice(x.shape[1], k, p=None if rows.weights is None else rows.weights / rows.total)].T
        else:
            drawn = centres(x, rows, k, rng)
        members = np.full((k, x.shape[1]), 1 / x.shape[1])  # one row of all in each cluster, so that none is empty
        members[squared_distances(x, drawn).argmin(axis=0), range(x.shape[1])] += 1.0
        return cls.from_members(rows, members, free=settings.mixing != "equal")

    @classmethod
    def from_members(cls, rows: Rows, members: Array, free: bool) -> Self:
        """The maximum likelihood model in working coordinates, from known memberships (k, n)."""
        weighted = members if rows.weights is None else members * rows.weights
        sizes, k = weighted.sum(axis=1), len(members)
        weights = sizes / sizes.sum() if free else np.full(k, 1.0 / k)
        sums = weighted @ cls.statistics(rows.values).T
        return cls(weights=weights, free=free, **cls.maximum_likelihood(sizes, sums))

    @classmethod
    def estimate(cls, rows: Rows, members: Array) -> dict[str, JSON]:
        """Parameters in the user's units from known memberships (k, n)."""
        return cls.from_members(rows, members, free=True).to_original(rows.scaling).to_parameters()

    @classmethod
    def contains(cls, small: ModelSettings, large: ModelSettings) -> bool:
        """Is every mixture with the small settings also one with the large ones?"""
        return contains(small, large)

    def identical_components(self) -> tuple[int, int] | None:
        """Two components with equal parameters, up to IDENTICAL_WITHIN."""
        parts = [part.reshape(len(self.weights), -1) for part in self.components()]
        return first_pair(
            lambda i, j: all(np.allclose(p[i], p[j], IDENTICAL_WITHIN, 0.0) for p in parts), len(self.weights)
        )


class NaturalParameters(Mixture, CompleteDataModel[Sums]):
    """A mixture of an exponential family with m natural parameters a component, for Newton's method."""

    @abstractmethod
    def scores(self, x: Array) -> tuple[Array, Array]:
        """Scores t(x) - E t of rows (d, n), (k, m, n), and the covariance matrices of t in one row, (k, m, m)."""

    @abstractmethod
    def stepped(self, step: Array) -> dict[str, Array]:
        """The components' parameters after a step (k, m) of the natural ones. Raises Degenerate."""

    def complete(self, x: Array, weights: Array | None) -> CompleteData:
        """Complete-data scores and information in the natural parameters."""
        r, _ = self.posterior(x)
        scores, variance = self.scores(x)
        sizes = r.sum(axis=1) if weights is None else r @ weights
        places = np.arange(scores.shape[0] * scores.shape[1]).reshape(scores.shape[:2])
        return CompleteData(r, scores, sizes[:, None, None] * variance, places, self.weights if self.free else None)

    def moved(self, step: Array) -> Self:
        """The mixture after a step (p,) in the parameters of `complete`. Raises Degenerate for an impossible one."""
        k = len(self.weights)
        own = len(step) - (k - 1 if self.free else 0)
        weights = tilted(self.weights, step[own:]) if self.free else self.weights
        return replace(self, weights=weights, **self.stepped(step[:own].reshape(k, -1)))  # type: ignore[arg-type]
