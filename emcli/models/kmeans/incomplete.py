"""K-means of rows with missing cells: the inertia of the observed ones (k-POD; Chi, Chi & Baraniuk 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Self

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.incomplete import column_means, mean_filled, without_missing
from emcli.data.rows import Rows, batch_chunks
from emcli.data.scaling import weighed
from emcli.errors import quoted, with_others
from emcli.models.em import Step
from emcli.models.kmeans.assignment import KMeansStats
from emcli.models.kmeans.model import KMeans
from emcli.models.nesting import Parts
from emcli.models.plain_values import whole
from emcli.types import JSON, Array, IndexArray, Mapper


@dataclass(frozen=True, eq=False)
class IncompleteStats(KMeansStats):
    """Sums over the observed cells of the rows of each cluster."""

    counts: Array  # (k, d) weight of the cluster's rows that observe a column


@dataclass(frozen=True, eq=False)
class IncompleteKMeans(KMeans):
    """K-means of rows (d, n) with NaN in missing cells, which add nothing to a distance or to a mean.

    The sum of squares over observed cells is not scaled up to all columns. A coordinate of a centroid is the mean of
    the observed cells of its rows, and stays as it is where there is none.
    """

    def _distances(self, rows: Array) -> Array:
        """Squared distances (k, n) over the columns that each row observes, by differences, which keep ties exact."""
        known, seen = without_missing(rows), (~np.isnan(rows)).astype(np.float64)
        found, away = np.empty((len(self.centroids), rows.shape[1])), np.empty(rows.shape)
        for centroid, line in zip(self.centroids[:, :, None], found, strict=True):
            np.multiply(seen, centroid, out=away)
            np.subtract(known, away, out=away)
            np.einsum("dn,dn->n", away, away, out=line)
        return found

    def e_step(self, rows: Array, weights: Array | None) -> IncompleteStats:
        """Assign each row to the centroid nearest in its observed columns, ties to the lowest; score -inertia / 2."""
        return reduce(add, (self._assignment(*piece) for piece in batch_chunks(rows, weights)))

    def _assignment(self, rows: Array, weights: Array | None) -> IncompleteStats:
        members, squares = self.posterior(rows)
        members = members if weights is None else members * weights
        sums, counts = members @ without_missing(rows).T, members @ (~np.isnan(rows)).T
        plain = KMeansStats.of(rows, weights, members.sum(axis=1), sums, squares)
        far = int(np.argmax(squares))
        farthest = self._filled(rows[:, far : far + 1], np.array([members[:, far].argmax()]))[:, 0]
        return IncompleteStats(**{**vars(plain), "farthest": farthest}, counts=counts)

    def m_step(self, stats: KMeansStats) -> Self:
        """Centroids are the means of observed cells; an emptied cluster takes the row farthest from its centroid."""
        assert isinstance(stats, IncompleteStats)
        seen = stats.counts > 0
        centroids = np.where(seen, stats.sums / np.where(seen, stats.counts, 1.0), self.centroids)
        return self._with_centroids(centroids, stats)

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Memberships (k, n), one 1 in each column, and squared distances over observed columns (n,)."""
        distances = self._distances(rows)
        labels, members = distances.argmin(axis=0), np.zeros(distances.shape)
        members[labels, np.arange(rows.shape[1])] = 1.0
        return members, distances.min(axis=0)

    def labels(self, rows: Array) -> IndexArray:
        """The centroid nearest in its observed columns, of each row (n,)."""
        return np.concatenate([self._distances(some).argmin(axis=0) for some, _ in batch_chunks(rows, None)])

    def expected(self, x: Array) -> Array:
        """Rows (d, n) with the coordinates of their nearest centroid in place of missing cells."""
        return self._filled(x, self.labels(x))

    def _filled(self, rows: Array, labels: IndexArray) -> Array:
        return np.where(np.isnan(rows), self.centroids[labels].T, rows)

    def described(self, stats: KMeansStats, rows: Rows) -> dict[str, JSON]:
        """Centroids, sizes and sd, and of how many observed cells each coordinate is the mean."""
        assert isinstance(stats, IncompleteStats)
        counts: list[JSON] = [[whole(count) for count in row] for row in stats.counts.tolist()]
        return super().described(stats, rows) | {"observed": counts}

    def steps(self, rows: Rows, mapper: Mapper) -> Iterator[Step] | None:
        """None: plain EM; the solvers' bounds are on distances over all columns."""
        return None

    @classmethod
    def initialize(cls, rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator) -> Self:
        """Rows far apart with missing cells at their column's mean (k-means++), or points in the columns' ranges.

        As k-POD starts. Distances over the observed columns, scaled up, would pick rows with few cells, whose distances
        vary most.
        """
        filled = replace(rows, values=mean_filled(rows.values, rows.weights))
        return super().initialize(filled, settings, kind, rng)

    @classmethod
    def estimate(cls, rows: Rows, members: Array) -> dict[str, JSON]:
        """Centroids in the user's units and sizes, from known memberships; the column's mean where none observes it."""
        weighted, seen = weighed(members, rows.weights), ~np.isnan(rows.values)
        counts, sums = weighted @ seen.T, weighted @ without_missing(rows.values).T
        centroids = np.where(
            counts > 0, sums / np.where(counts > 0, counts, 1.0), column_means(rows.values, rows.weights)
        )
        sizes: list[JSON] = weighted.sum(axis=1).tolist()
        return {"centroids": rows.scaling.to_original(centroids).tolist(), "sizes": sizes}

    def split(
        self, parts: Parts, step: float, rows: Rows, settings: ModelSettings, rng: np.random.Generator | None = None
    ) -> Self:
        """A second centroid at a random row of each cluster that is split, in the columns which that observes."""
        centroids = super().split(parts, step, rows, settings, rng).centroids
        return type(self)(np.where(np.isnan(centroids), self.centroids[parts.parents], centroids))

    def exchanged(self, rows: Rows) -> Self | None:
        """The centroids after single rows have changed their cluster; None where none should."""
        from emcli.models.kmeans.exchange import exchanged_incomplete

        if not rows.is_local or self.fixed is not None:
            return None
        found = exchanged_incomplete(self.centroids, self.labels(rows.values), rows)
        return None if found is None else type(self)(found)

    def unobserved(self, stats: KMeansStats, rows: Rows) -> str | None:
        """Which coordinates no row of their cluster observes, and are not held."""
        assert isinstance(stats, IncompleteStats)
        free = True if self.fixed is None else np.isnan(self.fixed.values)
        places = np.argwhere((stats.counts == 0) & (stats.sizes[:, None] > 0) & free).tolist()
        if not places:
            return None
        listed = [f"{quoted(rows.names[column])} of component {j + 1}" for j, column in places]
        what = (
            "no row of its cluster has a value of " if len(places) == 1 else "no rows of their clusters have values of "
        )
        return f"{what}{with_others(listed)}: the coordinate is that of its start; use a smaller -k"
