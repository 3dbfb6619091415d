"""K-means on a line: values lie in narrow buckets, so that an iteration looks only into those where clusters meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from emcli import spill
from emcli.em import Array, Map, Step, pooled, same
from emcli.models.family import Rows
from emcli.models.kmeans import Assignment, KMeans

BUCKETS = 65_536  # as many as uint16 can number, by which numpy sorts in linear time
MANY, DEALT = 1 << 20, 1 << 18  # values that are looked at, and that are dealt out to their buckets, at a time
NEAR = 2.0**-45  # rounding of a midpoint, as a part of the largest number involved
LOST = 1e-6  # inertia, as a part of the sum of squares, below which differences of sums have too few digits

Index = npt.NDArray[np.intp]


def on_a_line(model: KMeans, rows: Rows, spread: Map) -> Iterator[Step]:
    """What em() yields from a model of rows (1, n), up to rounding."""
    line = Line(rows.values[0], rows.weights)
    k = len(model.centroids)
    while True:
        points, labels = np.unique(model.centroids[:, 0], return_index=True)  # of equal centroids the lowest label
        ends, upto = line.divided(points, labels)
        mass, first, second = np.diff(upto, axis=1).astype(np.float64)
        inertia = float((second - 2 * points * first + points**2 * mass).sum())
        if inertia <= LOST * float(second.sum()):
            inertia = line.about(points, ends)[0]
        sizes, sums = np.zeros((2, k))
        sizes[labels], sums[labels] = mass, first
        if sizes.all():
            nowhere = np.full(1, np.nan)
            stats = Assignment(rows.total, -0.5 * inertia, 0.0, sizes, sums[:, None], nowhere, 0.0)
        else:
            stats = pooled(model, rows.batches(), spread)
        improved = model.m_step(stats)
        if same(model, improved):
            inertia, shifts = line.about(points, ends)
            centroids = model.centroids.copy()
            centroids[labels, 0] += shifts / np.where(mass > 0, mass, 1.0)
            yield Step(replace(model, centroids=centroids), -0.5 * inertia, rows.total)
            return
        yield Step(model, stats.score, rows.total)
        model = improved


def _slices(start: int, stop: int) -> Iterator[slice]:
    return (slice(at, min(at + MANY, stop)) for at in range(start, stop, MANY))


class Line:
    """Values grouped by bucket, each bucket sorted when it is first looked into."""

    def __init__(self, values: Array, weights: Array | None) -> None:
        self.low, high = float(values.min()), float(values.max())
        self.scale = (BUCKETS - 1) / (high - self.low) if high > self.low else 0.0
        counts, terms = np.zeros(BUCKETS, dtype=np.intp), np.zeros((3, BUCKETS))
        for some in _slices(0, len(values)):
            x, w = values[some], None if weights is None else weights[some]
            bucket = self.bucket(x).astype(np.uint16)
            own = np.bincount(bucket, minlength=BUCKETS)
            weighted = x if w is None else x * w
            counts += own
            terms[0] += own if w is None else np.bincount(bucket, w, BUCKETS)
            terms[1] += np.bincount(bucket, weighted, BUCKETS)
            terms[2] += np.bincount(bucket, weighted * x, BUCKETS)
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.before = np.zeros((3, BUCKETS + 1), dtype=np.longdouble)  # of w, w x and w x² below each bucket
        np.cumsum(terms, axis=1, dtype=np.longdouble, out=self.before[:, 1:])
        self.values = spill.empty(values.shape)
        self.weights = None if weights is None else spill.empty(values.shape)
        self._distribute(values, weights)
        self.ordered: set[int] = set()

    def _distribute(self, values: Array, weights: Array | None) -> None:
        """Put the values into their buckets, those of one in the order in which they come."""
        filled = self.starts[:-1].copy()
        for some in _slices(0, len(values)):
            bucket = self.bucket(values[some]).astype(np.uint16)
            order = np.argsort(bucket, kind="stable")
            own = np.bincount(bucket, minlength=BUCKETS)
            bucket = bucket[order]
            place = (filled - np.cumsum(own) + own)[bucket] + np.arange(len(order))
            for part in (order[i : i + DEALT] for i in range(0, len(order), DEALT)):
                to, place = place[: len(part)], place[len(part) :]
                self.values[to] = values[some][part]
                if weights is not None and self.weights is not None:
                    self.weights[to] = weights[some][part]
                spill.release()
            filled += own

    def bucket(self, values: Array) -> Array:
        """Which bucket values are in, as whole numbers; never falling as they rise."""
        return np.clip((values - self.low) * self.scale, 0, BUCKETS - 1)

    def divided(self, points: Array, labels: Index) -> tuple[Index, npt.NDArray[np.longdouble]]:
        """Where values pass from each of the ascending points (m,) to the next (m + 1,), and sums up to there.

        The values near are decided as in the E-step: by their squared distances, ties to the lower label.
        """
        low, high = points[:-1], points[1:]
        middle, near = low + 0.5 * (high - low), NEAR * np.maximum(np.abs(low), np.abs(high))
        lows, highs = self.bucket(middle - near).astype(np.intp), self.bucket(middle + near).astype(np.intp)
        ends = np.zeros(len(points) + 1, dtype=np.intp)
        upto = np.zeros((3, len(ends)), dtype=np.longdouble)
        ends[-1], upto[:, -1] = len(self.values), self.before[:, -1]
        for i, (first, last) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
            for bucket in range(first, last + 1):
                self._sort(bucket)
            x = self.values[self.starts[first] : self.starts[last + 1]]
            left, right = (x - low[i]) ** 2, (x - high[i]) ** 2
            count = np.count_nonzero(left <= right if labels[i] < labels[i + 1] else left < right)
            ends[i + 1] = self.starts[first] + count
            upto[:, i + 1] = self.before[:, first] + self._terms(slice(self.starts[first], ends[i + 1]))
        return ends, upto

    def about(self, points: Array, ends: Index) -> tuple[float, Array]:
        """Inertia about the points (m,), and the weighted differences from each added up (m,), by differences."""
        inertia, shifts = 0.0, np.empty(len(points))
        for i, point in enumerate(points):
            shifts[i] = 0.0
            for cut in _slices(ends[i], ends[i + 1]):
                away = self.values[cut] - point
                weighted = away if self.weights is None else away * self.weights[cut]
                inertia += float(weighted @ away)
                shifts[i] += weighted.sum()
        return inertia, shifts

    def _sort(self, bucket: int) -> None:
        if bucket not in self.ordered:
            self.ordered.add(bucket)
            cut = slice(self.starts[bucket], self.starts[bucket + 1])
            order = np.argsort(self.values[cut], kind="stable")
            self.values[cut] = self.values[cut][order]
            if self.weights is not None:
                self.weights[cut] = self.weights[cut][order]

    def _terms(self, cut: slice) -> Array:
        x = self.values[cut]
        if self.weights is None:
            return np.array([len(x), x.sum(), x @ x])
        w = self.weights[cut]
        return np.array([w.sum(), w @ x, w @ (x * x)])
