"""K-means: hard EM, each row with its nearest centroid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from math import ldexp, log, pi, sqrt
from operator import add
from typing import ClassVar, Self

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.points import POINTS, lopsided, rounded, uniform
from emcli.data.rows import Requirements, Rows, batch_chunks
from emcli.data.scaling import Scaling, ScalingRule, weighed
from emcli.errors import FitWarning, counted
from emcli.models.base import Measures, Model, first_pair
from emcli.models.em import Step, pooled_e_step
from emcli.models.kmeans.assignment import KMeansStats, cluster_sums, memberships, nearest
from emcli.models.nesting import Parts
from emcli.models.parameters import ParameterFault, ParameterReader, refuse_other_columns
from emcli.models.plain_values import Parameters, Share, Titled
from emcli.models.seeding import kmeans_plusplus
from emcli.types import JSON, Array, IndexArray, Mapper

PARAMETER_KEYS = ("centroids", "sizes", "sd", "scales", "weights")
MIN_SOLVER_ROWS = 4096  # up to which no solver is faster than plain EM
MAX_DISTINCT_FOR_OPTIMUM = 100_000  # distinct values of one column up to which the global optimum is computed


@dataclass(frozen=True, eq=False)
class KMeans(Model[KMeansStats]):
    """K-means with k centroids; rows are (d, n). `sizes`, `sd` and `scales` are for drawing rows and for new rows."""

    name = "kmeans"
    observations = POINTS
    options: ClassVar[Mapping[str, JSON]] = {"init": "auto", "standardize": False}
    hard = True
    grows = True
    measure = "distance"

    centroids: Array  # (k, d)
    refilled: int = 0  # how often an emptied cluster took the farthest row
    sizes: Array | None = None  # (k,) weight of the rows of each cluster
    sd: float | None = None  # of rows around their centroid, in units of `scales`
    scales: Array | None = None  # (d,) by which the columns were divided; None: by nothing
    weights: Array = field(init=False, repr=False)  # (k,) all 1: K-means has no mixing weights

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", np.ones(len(self.centroids)))

    @property
    def parameters_count(self) -> int:
        return self.centroids.size + 1

    def components(self) -> tuple[Array, ...]:
        return (self.centroids,)

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
        if not empty.any() or stats.farthest_distance == 0:
            return replace(self, centroids=centroids)
        centroids[int(np.argmax(empty))] = stats.farthest
        return replace(self, centroids=centroids, refilled=self.refilled + 1)

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Memberships (k, n), one 1 in each column, and squared distances to the nearest centroid (n,)."""
        return memberships(rows, self.centroids)

    def labels(self, rows: Array) -> IndexArray:
        """The nearest centroid of each row (n,)."""
        return nearest(rows, self.centroids)[0]

    def steps(self, rows: Rows, mapper: Mapper) -> Iterator[Step] | None:
        """Lloyd's iteration by the fastest solver for rows of this shape; None: plain EM is as fast."""
        d, n = rows.values.shape
        if n <= MIN_SOLVER_ROWS:
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
        cells = rows.total * len(rows.values)
        return Measures(-rows.total * log(k) - 0.5 * cells * (1 + log(2 * pi) + log(inertia / cells)), inertia)

    @classmethod
    def requirements(cls, settings: ModelSettings) -> Requirements:
        """Columns on one scale, with a warning where one column dominates; or all columns standardized."""
        if settings.standardize:
            return Requirements(POINTS, settings.k, ScalingRule.STANDARDIZED)
        return Requirements(POINTS, settings.k, ScalingRule.ALL_COLUMNS, check=_with_lopsided)

    @classmethod
    def initialize(cls, rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator) -> Self:
        """Rows far apart (k-means++), or points anywhere in the range of each column (uniform)."""
        if kind == "uniform":
            return cls(uniform(rows, settings.k, rng))
        chosen = kmeans_plusplus(rows.values, rows.weights, settings.k, rng)
        return cls(rows.values[:, chosen].T.copy())

    @property
    def shares(self) -> Array:
        """(k,) share of the rows in each cluster; equal shares where the sizes are not known."""
        sizes = self.weights if self.sizes is None else self.sizes
        shares: Array = sizes / sizes.sum()
        return shares

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

    def to_parameters(self) -> dict[str, JSON]:
        """The centroids."""
        return {"centroids": self.centroids.tolist()}

    def described(self, stats: KMeansStats, rows: Rows) -> dict[str, JSON]:
        """Centroids, sizes, the sd of rows around their centroid, and the scales of standardized columns."""
        inertia = self.measures(stats.score, rows, len(self.centroids)).inertia or 0.0
        found = self.to_parameters()
        found["sizes"] = [int(size) if size == int(size) else size for size in stats.sizes.tolist()]
        found["sd"] = sqrt(inertia / (stats.weight * self.centroids.shape[1]))
        if rows.scaling.unit is not None:
            found["scales"] = np.ldexp(rows.scaling.unit, rows.scaling.exponent).tolist()
        return found

    @classmethod
    def from_parameters(
        cls, parameters: Parameters, settings: ModelSettings | None = None, rows: Rows | None = None
    ) -> Self:
        """The model of given centroids, with sizes or weights, sd and scales if given. Raises ParameterFault."""
        given = ParameterReader(parameters, PARAMETER_KEYS)
        centroids = given.matrix("centroids", settings.k if settings else None, len(rows.names) if rows else None)
        k, d = centroids.shape
        sizes = given.array("sizes", (k,)) if "sizes" in given else None
        if sizes is None and "weights" in given:
            sizes = given.weights(k)
        if sizes is not None and ((sizes < 0).any() or not sizes.any()):
            raise ParameterFault(("sizes",), "must not be negative, nor all 0")
        sd = float(given.array("sd", ())) if "sd" in given else None
        scales = given.positive_array("scales", (d,)) if "scales" in given else None
        return cls(centroids, sizes=sizes, sd=sd, scales=scales)

    @classmethod
    def estimate(cls, rows: Rows, members: Array) -> dict[str, JSON]:
        """Centroids in the user's units and sizes, from known memberships (k, n)."""
        weighted = weighed(members, rows.weights)
        centroids = rows.scaling.to_original(weighted @ rows.values.T / weighted.sum(axis=1)[:, None])
        return {"centroids": centroids.tolist(), "sizes": weighted.sum(axis=1).tolist()}

    def ordered(self, order: IndexArray) -> Self:
        sizes = None if self.sizes is None else self.sizes[order]
        return replace(self, centroids=self.centroids[order], sizes=sizes)

    def canonical_order(self) -> IndexArray:
        """By the first coordinate, then the next."""
        return np.lexsort(self.centroids.T[::-1])

    @classmethod
    def distances(cls, one: Parameters, other: Parameters) -> Array:
        """Euclidean, in units of each column's range."""
        centroids, others = (np.asarray(each["centroids"], dtype=np.float64) for each in (one, other))
        unit = np.maximum(np.ptp(np.concatenate([centroids, others]), axis=0), 1e-300)
        return np.asarray(np.sqrt((((centroids[:, None] - others) / unit) ** 2).sum(axis=2)))

    @classmethod
    def table(cls, parameters: Parameters, names: Sequence[str], total: float) -> list[Titled]:
        """Sizes and shares, where they are known, and centroids."""
        columns: list[Titled] = []
        if parameters.get("sizes"):
            sizes: list[float] = np.asarray(parameters["sizes"]).tolist()
            columns = [("rows", sizes), ("share", [Share(size / sum(sizes)) for size in sizes])]
        centroids = np.asarray(parameters["centroids"])
        return columns + [(name, centroids[:, j].tolist()) for j, name in enumerate(names)]

    def to_scaled(self, scaling: Scaling, covariance: Array | None = None) -> Self:
        return replace(self, centroids=scaling.to_scaled(self.centroids))

    def to_original(self, scaling: Scaling) -> Self:
        return replace(self, centroids=scaling.to_original(self.centroids))

    def scaling(self, settings: ModelSettings, names: Sequence[str]) -> Scaling:
        """Coordinates around the first centroid, in the scales that the columns were divided by."""
        refuse_other_columns(self.centroids, names)
        if self.scales is not None:
            exponent = np.frexp(self.scales)[1].astype(np.int64)
            return Scaling(self.centroids[0].copy(), exponent, np.ldexp(self.scales, -exponent))
        return Scaling.around(self.centroids, np.ptp(self.centroids, axis=0, keepdims=True), common=True)

    def measured(self, found: Array, scaling: Scaling) -> Array:
        """Distances (n,) to the nearest centroid, in the user's units, or in standardized ones."""
        return np.ldexp(np.sqrt(found), 0 if scaling.unit is not None else scaling.exponent[0])

    @classmethod
    def contains(cls, small: ModelSettings, large: ModelSettings) -> bool:
        """Is k smaller? More clusters never have a higher inertia."""
        return small.k < large.k

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
        for place in np.flatnonzero(parts.offsets < 0):
            centroids[place] = self.centroids[parts.parents[place]]
        return type(self)(centroids)

    def grafted(self, i: int, other: Self, j: int, share: float) -> Self:
        """The centroids with one replaced by one of another model's."""
        centroids = self.centroids.copy()
        centroids[i] = other.centroids[j]
        return type(self)(centroids)

    def without(self, i: int) -> Self:
        """The centroids without one."""
        return type(self)(np.delete(self.centroids, i, axis=0))

    def exchanged(self, rows: Rows) -> Self | None:
        """The centroids after single rows have changed their cluster (Hartigan & Wong 1979); None where none should."""
        from emcli.models.kmeans.exchange import exchanged

        found = exchanged(self.centroids, rows) if rows.is_local else None
        return None if found is None else type(self)(found)

    def identical_components(self) -> tuple[int, int] | None:
        """Two equal centroids, if there are any."""
        return first_pair(lambda i, j: np.array_equal(self.centroids[i], self.centroids[j]), len(self.centroids))

    @classmethod
    def global_optimum(cls, rows: Rows, settings: ModelSettings) -> Self | None:
        """The global optimum, in one dimension and for up to MAX_DISTINCT_FOR_OPTIMUM distinct values.

        None where the values were rounded when they were read: it would be that of other values.
        """
        if len(rows.values) > 1 or rows.has_more_distinct_than(MAX_DISTINCT_FOR_OPTIMUM):
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
