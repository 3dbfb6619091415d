"""Lloyd's iteration in one dimension, by buckets of values: an iteration reads only those where clusters meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.data.rows import Rows
from emcli.models.em import Step, pooled_e_step
from emcli.types import Array, IndexArray, Mapper

if TYPE_CHECKING:
    from emcli.models.kmeans.model import KMeans

BUCKET_COUNT = 1 << 14  # few enough for uint16, which NumPy sorts in linear time, and for tables that stay in the cache
CHUNK_ROWS = 1 << 16  # values that are read, and put into their buckets, at a time
MIDPOINT_ROUNDING = 2.0**-45  # rounding error of a midpoint, relative to the larger of the two points
MIN_WEIGHT_SHARE = 1e-12  # of all weight, below which a cluster's weight may be rounding error
MIN_INERTIA_SHARE = 1e-6  # of the sum of squares, below which a difference of sums has too few digits for the inertia


def steps_1d(model: KMeans, rows: Rows, mapper: Mapper) -> Iterator[Step]:
    """The steps of em() from a model of rows (1, n), up to rounding."""
    buckets = SortedBuckets(rows.values[0], rows.weights)
    while True:
        points, labels = np.unique(model.centroids[:, 0], return_index=True)  # equal centroids: the lowest label
        boundaries, upto = buckets.boundaries(points, labels)
        mass, first, second = np.diff(upto, axis=1).astype(np.float64)
        inertia = float((second - 2 * points * first + points**2 * mass).sum())
        if inertia <= MIN_INERTIA_SHARE * float(second.sum()):
            inertia = buckets.inertia_about(points, boundaries)[0]
        score, centroids = -0.5 * inertia, model.centroids.copy()
        if len(points) == len(centroids) and mass.min() > MIN_WEIGHT_SHARE * rows.total:
            centroids[labels, 0] = first / mass
            improved = replace(model, centroids=centroids)
        else:
            stats = pooled_e_step(model, rows.batches(), mapper)
            score, improved = stats.score, model.m_step(stats)
        if np.array_equal(model.centroids, improved.centroids):
            inertia, shifts = buckets.inertia_about(points, boundaries)
            centroids = model.centroids.copy()
            centroids[labels, 0] += shifts / np.where(mass > 0, mass, 1.0)
            yield Step(replace(model, centroids=centroids), -0.5 * inertia, rows.total)
            return
        yield Step(model, score, rows.total)
        model = improved


def _chunks(start: int, stop: int) -> Iterator[slice]:
    return (slice(at, min(at + CHUNK_ROWS, stop)) for at in range(start, stop, CHUNK_ROWS))


class Boundaries(NamedTuple):
    """Where clusters meet, for each two neighbouring centroids, (m,) each: places in `SortedBuckets.values`."""

    first: IndexArray  # the values of the bucket or buckets where they meet begin here
    last: IndexArray  # and end before this place
    ends: IndexArray  # where the lower cluster would end if the values were sorted


class SortedBuckets:
    """Values grouped by bucket in ascending order, with cumulative sums up to each bucket."""

    def __init__(self, values: Array, weights: Array | None) -> None:
        self.low, high = float(values.min()), float(values.max())
        scale = (BUCKET_COUNT - 1) / (high - self.low) if high > self.low else 0.0
        self.scale = scale if np.isfinite(scale) else 0.0
        counts, terms = np.zeros(BUCKET_COUNT, dtype=np.intp), np.zeros((3, BUCKET_COUNT))
        for some in _chunks(0, len(values)):
            x, w = values[some], None if weights is None else weights[some]
            bucket = self._numbers(x)
            own = np.bincount(bucket, minlength=BUCKET_COUNT)
            weighted = x if w is None else x * w
            counts += own
            terms[0] += own if w is None else np.bincount(bucket, w, BUCKET_COUNT)
            terms[1] += np.bincount(bucket, weighted, BUCKET_COUNT)
            terms[2] += np.bincount(bucket, weighted * x, BUCKET_COUNT)
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.before = np.zeros((3, BUCKET_COUNT + 1), dtype=np.longdouble)  # of w, w x and w x² below each bucket
        np.cumsum(terms, axis=1, dtype=np.longdouble, out=self.before[:, 1:])
        self.values = arrays.empty(values.shape)
        self.weights = None if weights is None else arrays.empty(values.shape)
        self._distribute(values, weights)

    def _distribute(self, values: Array, weights: Array | None) -> None:
        """Put the values into their buckets; within a bucket they keep their order."""
        filled = self.starts[:-1].copy()
        for some in _chunks(0, len(values)):
            bucket = self._numbers(values[some])
            order = np.argsort(bucket, kind="stable")
            own = np.bincount(bucket, minlength=BUCKET_COUNT)
            place = np.repeat(filled - np.cumsum(own) + own, own)
            place += np.arange(len(order))
            self.values[place] = values[some][order]
            if weights is not None and self.weights is not None:
                self.weights[place] = weights[some][order]
            arrays.release()
            filled += own

    def _numbers(self, values: Array) -> npt.NDArray[np.uint16]:
        return ((values - self.low) * self.scale).astype(np.uint16)

    def bucket(self, points: Array) -> IndexArray:
        """The bucket that each point is in or nearest to; monotone in the points."""
        return np.clip((points - self.low) * self.scale, 0, BUCKET_COUNT - 1).astype(np.intp)

    def boundaries(self, points: Array, labels: IndexArray) -> tuple[Boundaries, npt.NDArray[np.longdouble]]:
        """Where the clusters of ascending centroids (m,) meet, and cumulative sums (3, m + 1) up to there.

        Values near a midpoint are assigned as in the E-step: by their squared distances, ties to the lower label.
        """
        low, high = points[:-1], points[1:]
        middle, near = low + 0.5 * (high - low), MIDPOINT_ROUNDING * np.maximum(np.abs(low), np.abs(high))
        buckets = self.bucket(middle - near)
        first, last = self.starts[buckets], self.starts[self.bucket(middle + near) + 1]
        which = np.repeat(np.arange(len(first)), last - first)
        x = self._gathered(self.values, first, last)
        closer = (x - high[which]) ** 2 - (x - low[which]) ** 2
        before = (closer > 0) | ((closer == 0) & (labels[:-1] < labels[1:])[which])
        which, x = which[before], x[before]
        counts = np.bincount(which, minlength=len(first))
        upto = np.zeros((3, len(points) + 1), dtype=np.longdouble)
        upto[:, 1:-1], upto[:, -1] = self.before[:, buckets], self.before[:, -1]
        if self.weights is None:
            upto[0, 1:-1] += counts
            weighted = x
        else:
            w = self._gathered(self.weights, first, last)[before]
            upto[0, 1:-1] += np.bincount(which, w, len(first))
            weighted = w * x
        upto[1, 1:-1] += np.bincount(which, weighted, len(first))
        upto[2, 1:-1] += np.bincount(which, weighted * x, len(first))
        return Boundaries(first, last, first + counts), upto

    def _gathered(self, values: Array, first: IndexArray, last: IndexArray) -> Array:
        found = [values[i:j] for i, j in zip(first.tolist(), last.tolist(), strict=True)]
        return np.concatenate(found) if found else np.empty(0)

    def inertia_about(self, points: Array, boundaries: Boundaries) -> tuple[float, Array]:
        """Inertia about the centroids (m,), and the sum of weighted differences from each (m,)."""
        for first, last in zip(boundaries.first.tolist(), boundaries.last.tolist(), strict=True):
            self._sort(slice(first, last))
        inertia, shifts = 0.0, np.zeros(len(points))
        ends = [0, *boundaries.ends.tolist(), len(self.values)]
        for i, point in enumerate(points):
            for cut in _chunks(ends[i], ends[i + 1]):
                away = self.values[cut] - point
                weighted = away if self.weights is None else away * self.weights[cut]
                inertia += float(weighted @ away)
                shifts[i] += weighted.sum()
        return inertia, shifts

    def _sort(self, cut: slice) -> None:
        order = np.argsort(self.values[cut], kind="stable")
        self.values[cut] = self.values[cut][order]
        if self.weights is not None:
            self.weights[cut] = self.weights[cut][order]
