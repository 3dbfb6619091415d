"""K-means on a line: values lie in narrow buckets, so that an iteration looks only into those where clusters meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.data.rows import Rows
from emcli.models.em import Step, pooled_e_step
from emcli.models.kmeans.model import KMeans
from emcli.types import Array, IndexArray, Mapper

BUCKETS = 16_384  # few enough for uint16, by which numpy sorts in linear time, and for tables that stay in the cache
MANY = 1 << 16  # values that are looked at, and dealt out to their buckets, at a time
NEAR = 2.0**-45  # rounding of a midpoint, as a part of the largest number involved
EMPTY = 1e-12  # of all weight, below which rounding may be all that a cluster has
LOST = 1e-6  # inertia, as a part of the sum of squares, below which differences of sums have too few digits


def on_a_line(model: KMeans, rows: Rows, spread: Mapper) -> Iterator[Step]:
    """What em() yields from a model of rows (1, n), up to rounding."""
    line = SortedBuckets(rows.values[0], rows.weights)
    while True:
        points, labels = np.unique(model.centroids[:, 0], return_index=True)  # of equal centroids the lowest label
        cuts, upto = line.divided(points, labels)
        mass, first, second = np.diff(upto, axis=1).astype(np.float64)
        inertia = float((second - 2 * points * first + points**2 * mass).sum())
        if inertia <= LOST * float(second.sum()):
            inertia = line.about(points, cuts)[0]
        score, centroids = -0.5 * inertia, model.centroids.copy()
        if len(points) == len(centroids) and mass.min() > EMPTY * rows.total:
            centroids[labels, 0] = first / mass
            improved = replace(model, centroids=centroids)
        else:
            stats = pooled_e_step(model, rows.batches(), spread)
            score, improved = stats.score, model.m_step(stats)
        if np.array_equal(model.centroids, improved.centroids):
            inertia, shifts = line.about(points, cuts)
            centroids = model.centroids.copy()
            centroids[labels, 0] += shifts / np.where(mass > 0, mass, 1.0)
            yield Step(replace(model, centroids=centroids), -0.5 * inertia, rows.total)
            return
        yield Step(model, score, rows.total)
        model = improved


def _slices(start: int, stop: int) -> Iterator[slice]:
    return (slice(at, min(at + MANY, stop)) for at in range(start, stop, MANY))


class Cuts(NamedTuple):
    """Where values pass from one centroid to the next, (m,) each."""

    first: IndexArray  # places from which
    last: IndexArray  # and before which the values need looking at
    ends: IndexArray  # where the values would pass, were they in order


class SortedBuckets:
    """Values grouped by bucket."""

    def __init__(self, values: Array, weights: Array | None) -> None:
        self.low, high = float(values.min()), float(values.max())
        scale = (BUCKETS - 1) / (high - self.low) if high > self.low else 0.0
        self.scale = scale if np.isfinite(scale) else 0.0
        counts, terms = np.zeros(BUCKETS, dtype=np.intp), np.zeros((3, BUCKETS))
        for some in _slices(0, len(values)):
            x, w = values[some], None if weights is None else weights[some]
            bucket = self._numbers(x)
            own = np.bincount(bucket, minlength=BUCKETS)
            weighted = x if w is None else x * w
            counts += own
            terms[0] += own if w is None else np.bincount(bucket, w, BUCKETS)
            terms[1] += np.bincount(bucket, weighted, BUCKETS)
            terms[2] += np.bincount(bucket, weighted * x, BUCKETS)
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.before = np.zeros((3, BUCKETS + 1), dtype=np.longdouble)  # of w, w x and w x² below each bucket
        np.cumsum(terms, axis=1, dtype=np.longdouble, out=self.before[:, 1:])
        self.values = arrays.empty(values.shape)
        self.weights = None if weights is None else arrays.empty(values.shape)
        self._distribute(values, weights)

    def _distribute(self, values: Array, weights: Array | None) -> None:
        """Put the values into their buckets, those of one in the order in which they come."""
        filled = self.starts[:-1].copy()
        for some in _slices(0, len(values)):
            bucket = self._numbers(values[some])
            order = np.argsort(bucket, kind="stable")
            own = np.bincount(bucket, minlength=BUCKETS)
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
        """Which bucket some points are in, or nearest to; never falling as they rise."""
        return np.clip((points - self.low) * self.scale, 0, BUCKETS - 1).astype(np.intp)

    def divided(self, points: Array, labels: IndexArray) -> tuple[Cuts, npt.NDArray[np.longdouble]]:
        """Where values pass from each of the ascending points (m,) to the next, and sums up to there (3, m + 1).

        The values near are decided as in the E-step: by their squared distances, ties to the lower label.
        """
        low, high = points[:-1], points[1:]
        middle, near = low + 0.5 * (high - low), NEAR * np.maximum(np.abs(low), np.abs(high))
        buckets = self.bucket(middle - near)
        first, last = self.starts[buckets], self.starts[self.bucket(middle + near) + 1]
        which = np.repeat(np.arange(len(first)), last - first)
        x = self._together(self.values, first, last)
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
            w = self._together(self.weights, first, last)[before]
            upto[0, 1:-1] += np.bincount(which, w, len(first))
            weighted = w * x
        upto[1, 1:-1] += np.bincount(which, weighted, len(first))
        upto[2, 1:-1] += np.bincount(which, weighted * x, len(first))
        return Cuts(first, last, first + counts), upto

    def _together(self, values: Array, first: IndexArray, last: IndexArray) -> Array:
        found = [values[i:j] for i, j in zip(first.tolist(), last.tolist(), strict=True)]
        return np.concatenate(found) if found else np.empty(0)

    def about(self, points: Array, cuts: Cuts) -> tuple[float, Array]:
        """Inertia about the points (m,), and the weighted differences from each added up (m,), by differences."""
        for first, last in zip(cuts.first.tolist(), cuts.last.tolist(), strict=True):
            self._sort(slice(first, last))
        inertia, shifts = 0.0, np.zeros(len(points))
        ends = [0, *cuts.ends.tolist(), len(self.values)]
        for i, point in enumerate(points):
            for cut in _slices(ends[i], ends[i + 1]):
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
