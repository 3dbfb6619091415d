"""K-means: hard EM, each row with its nearest centroid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import ldexp, log, pi
from operator import add
from typing import ClassVar, Self

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.points import POINTS, lopsided, rounded, uniform
from emcli.data.rows import Requirements, Rows, batch_chunks
from emcli.data.scaling import ScalingRule
from emcli.errors import FitWarning, counted
from emcli.models.em import Step, pooled_e_step
from emcli.models.kmeans.assignment import KMeansStats, cluster_sums, memberships, nearest
from emcli.models.kmeans.centroids import HELD, Centroids
from emcli.models.measures import Measures
from emcli.models.nesting import Parts
from emcli.models.parameters import ParameterFault, equal_components
from emcli.models.seeding import centres
from emcli.types import Array, IndexArray, Mapper

MIN_SOLVER_ROWS = 4096  # up to which no solver is faster than plain EM
MAX_DISTINCT_FOR_OPTIMUM = 100_000  # distinct values of one column up to which the global optimum is computed


@dataclass(frozen=True, eq=False)
class KMeans(Centroids):
    """K-means with k centroids; rows are (d, n)."""

    name = "kmeans"
    observations = POINTS
    options: ClassVar[Mapping[str, object]] = {
        "init": "auto",
        "standardize": False,
        "missing": "error",
        "fix": HELD,
    }
    hard = True
    grows = True
    measure = "distance"

    def e_step(self, rows: Array, weights: Array | None) -> KMeansStats:
        """Assign each row to its nearest centroid, ties to the lowest index; the score is -inertia / 2."""
        return reduce(add, (self._assignment(*piece) for piece in batch_chunks(rows, weights)))

    def _assignment(self, rows: Array, weights: Array | None) -> KMeansStats:
        sizes, sums, squares = cluster_sums(rows, weights, self.centroids)
        return KMeansStats.of(rows, weights, sizes, sums, squares)

    def m_step(self, stats: KMeansStats) -> Self:
        """Centroids are the means of their rows; an emptied cluster takes the row farthest from its centroid."""
        empty = stats.sizes == 0
        centroids = np.where(empty[:, None], self.centroids, stats.sums / np.where(empty, 1.0, stats.sizes)[:, None])
        return self._with_centroids(centroids, stats)

    def _with_centroids(self, centroids: Array, stats: KMeansStats) -> Self:
        """The model of new centroids, but for those held; an emptied cluster takes the row that lies farthest."""
        empty = stats.sizes == 0
        if self.fixed is not None:
            empty &= np.isnan(self.fixed.values).any(axis=1)
        if not empty.any() or stats.farthest_distance == 0:
            return replace(self, centroids=centroids).held()
        centroids[int(np.argmax(empty))] = stats.farthest
        return replace(self, centroids=centroids, refilled=self.refilled + 1).held()

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Memberships (k, n), one 1 in each column, and squared distances to the nearest centroid (n,)."""
        return memberships(rows, self.centroids)

    def labels(self, rows: Array) -> IndexArray:
        """The nearest centroid of each row (n,)."""
        return nearest(rows, self.centroids)[0]

    def steps(self, rows: Rows, mapper: Mapper) -> Iterator[Step] | None:
        """Lloyd's iteration by the fastest solver for rows of this shape; None: plain EM is as fast."""
        d, n = rows.values.shape
        if n <= MIN_SOLVER_ROWS or rows.known is not None or self.fixed is not None:
            return None
        if d == 1:
            from emcli.models.kmeans.lloyd_1d import steps_1d

            return steps_1d(self, rows, mapper)
        from emcli.models.kmeans.lloyd_bounds import steps_with_bounds

        return steps_with_bounds(self, rows, mapper)

    @classmethod
    def measures(cls, score: float, rows: Rows, k: int) -> Measures:
        """Classification log-likelihood -N ln k - (N d / 2)(1 + ln(2π inertia / (N d))), None at inertia 0; inertia."""
        inertia = ldexp(-2.0 * score, 0 if rows.scaling.unit is not None else 2 * int(rows.scaling.exponent[0]))
        if not inertia > 0:
            return Measures(None, 0.0)
        cells = rows.cells
        return Measures(-rows.total * log(k) - 0.5 * cells * (1 + log(2 * pi) + log(inertia / cells)), inertia)

    @classmethod
    def requirements(cls, settings: ModelSettings) -> Requirements:
        """Columns on one scale, with a warning where one column dominates; or all columns standardized."""
        if settings.standardize:
            return Requirements(POINTS, settings.k, ScalingRule.STANDARDIZED)
        return Requirements(POINTS, settings.k, ScalingRule.ALL_COLUMNS, check=_with_lopsided)

    @classmethod
    def initialize(cls, rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator) -> Self:
        """Rows far apart (k-means++), also from centroids that are held, or points anywhere in the columns' ranges."""
        held = cls.fixed_in(settings, len(rows.names))
        fixed = None if held is None else held.to_scaled(rows.scaling)
        if kind == "uniform":
            centroids = uniform(rows, settings.k, rng)
        else:
            centroids = centres(rows.values, rows, settings.k, rng, None if fixed is None else fixed.values)
        return cls(centroids).holding(fixed)

    def sample(self, labels: IndexArray, rng: np.random.Generator, trials: IndexArray | None = None) -> Array:
        """Rows (n, d) of round clusters. Raises ParameterFault where no sd above 0 is known."""
        if self.sd is None:
            raise ParameterFault((), "missing 'sd'")
        if not self.sd > 0:
            raise ParameterFault(("sd",), f"must be above 0, got {self.sd:g}")
        d = self.centroids.shape[1]
        sds = self.sd * (np.ones(d) if self.scales is None else self.scales)
        drawn: Array = self.centroids[labels] + sds * rng.standard_normal((len(labels), d))
        return drawn

    @classmethod
    def contains(cls, small: ModelSettings, large: ModelSettings) -> bool:
        """Is k smaller? More clusters never have a higher inertia; nor has one that holds nothing."""
        if large.fix is not None:
            return small.k == large.k and small.fix == large.fix
        return small.k < large.k or (small.k == large.k and small.fix is not None)

    def grown(self, settings: ModelSettings, rows: Rows, step: float) -> Iterator[Self]:
        """The model with the row farthest from its centroid as a new centroid, again and again until there are k."""
        grown = replace(self, sizes=None)
        while len(grown.centroids) < settings.k:
            stats = pooled_e_step(grown, rows.batches(), rows.mapping(map))
            grown = replace(grown, centroids=np.concatenate([grown.centroids, stats.farthest[None, :]]))
        yield grown

    def split(
        self, parts: Parts, step: float, rows: Rows, settings: ModelSettings, rng: np.random.Generator | None = None
    ) -> Self:
        """A second centroid at a random row of each cluster that is split."""
        rng = rng or np.random.default_rng(0)
        labels, centroids = self.labels(rows.values), self.centroids[parts.parents]
        for place in np.flatnonzero(parts.offsets > 0):
            own = np.flatnonzero(labels == parts.parents[place])
            if own.size:
                centroids[place] = rows.values[:, int(rng.choice(own))]
        return type(self)(centroids)

    def grafted(self, i: int, other: Self, j: int, share: float) -> Self:
        """The centroids with one replaced by one of another model's."""
        centroids = self.centroids.copy()
        centroids[i] = other.centroids[j]
        return type(self)(centroids, fixed=self.fixed)

    def without(self, i: int) -> Self:
        """The centroids without one."""
        return type(self)(np.delete(self.centroids, i, axis=0))

    def exchanged(self, rows: Rows) -> Self | None:
        """The centroids after single rows have changed their cluster (Hartigan & Wong 1979); None where none should."""
        from emcli.models.kmeans.exchange import exchanged

        found = exchanged(self.centroids, rows) if rows.is_local and self.fixed is None else None
        return None if found is None else type(self)(found)

    def identical_components(self) -> tuple[int, int] | None:
        """Two equal centroids, if there are any."""
        return min(equal_components(self), default=None)

    @classmethod
    def global_optimum(cls, rows: Rows, settings: ModelSettings) -> Self | None:
        """The global optimum, in one dimension and for up to MAX_DISTINCT_FOR_OPTIMUM distinct values.

        None where the values were rounded when they were read: it would be that of other values; or where some rows
        are known to belong to a cluster, or centroids are held.
        """
        if settings.fix is not None:
            return None
        if len(rows.values) > 1 or rows.known is not None or rows.has_more_distinct_than(MAX_DISTINCT_FOR_OPTIMUM):
            return None
        from emcli.models.kmeans.exact_1d import optimal_clusters

        seen = rows.brought_here()
        if seen is None or rounded(*seen.scaling.to_original(np.stack([seen.values.min(1), seen.values.max(1)]))).any():
            return None
        return cls(optimal_clusters(seen.values[0], seen.weights, settings.k)[0][:, None])

    def warnings(self, stats: KMeansStats) -> Sequence[FitWarning]:
        """Warnings of refilled clusters and of an inertia of 0."""
        found = []
        if self.refilled:
            what = f"a cluster lost all its rows {counted(self.refilled, 'time')} on the way, and "
            what += "took the row farthest from its centroid each time"
            found.append(FitWarning("empty-cluster", what))
        if stats.score == 0:
            what = "every row lies exactly on its centroid: at least as many clusters as different "
            what += "rows, so there is nothing left to explain; use a smaller k"
            found.append(FitWarning("zero-inertia", what))
        return found


def _with_lopsided(rows: Rows) -> Rows:
    return replace(rows, warnings=(*rows.warnings, *lopsided(rows)))
