"""The E-step of K-means with Hamerly's bounds: rows with labels, and bounds on how long each label holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from emcli.compute import arrays
from emcli.models.kmeans.assignment import (
    CHUNK_ROWS,
    Float32Array,
    KMeansStats,
    ScreenedDistances,
    chunk_rows,
    nearest_exact,
    own_squared_distances,
    to_float32,
)
from emcli.models.kmeans.centroid_drift import BoundSample, CentroidDrift, Labels
from emcli.types import Array, IndexArray

MAX_NOTED_SHARE = 1 / 16  # share of rows due below which the rows due in the next steps are noted at the next
NOTED_STEPS = 8  # steps for which they are noted, each as long as the last
MIN_DUE_SHARE = 0.7  # share of rows due from which all rows are assigned anew
MIN_COPY_DIMENSIONS = 8  # dimensions from which a float32 copy of the rows is kept
MAX_ROWS_AT_ONCE = 1000  # rows up to which all their columns are summed in one call
SAMPLE_STRIDE = 16  # every 16th row is in the sample that decides whether some centroids are called fast
BELOW_ONE = np.float32(1 - 2.0**-22)  # by which a float32 sum of terms from 0 on is at most the exact one
FLOAT32_SUM_ERROR = np.float32(2.0**-21)  # relative rounding error of a few float32 sums


class NotedRows(NamedTuple):
    """The rows due in the next steps, side by side: all others need not be looked at."""

    places: IndexArray  # (m,) where they are
    labels: IndexArray  # (m,)
    valid_until: Float32Array  # (m,) the bounds
    until: Float32Array  # (k,) the shrinkage beyond which others may be due


@dataclass
class BoundedRows:
    """A slice of the rows, with their labels and bounds.

    A bound of a row is the shrinkage (`CentroidDrift.shrunk` of its cluster) at which its label may change: its gap
    when it was last assigned, plus the shrinkage until then.
    """

    rows: Array  # (d, n)
    weights: Array | None
    labels: Labels  # (n,) k for a row not assigned yet
    valid_until: Float32Array  # (n,) the bounds
    distances: Float32Array | None = None  # (n,) bound on that to the nearest centroid, less its path until then
    float32_copy: Float32Array | None = None  # (n, d + 2) as `to_float32` gives it, where that is worth its memory
    noted: NotedRows | None = None
    few_due: bool = False  # were few rows due in the last step?

    def float32(self, where: slice | IndexArray) -> Float32Array:
        """The rows (m, d + 2) at some places in single precision, followed by 1 and their squared norms."""
        if self.float32_copy is not None:
            return self.float32_copy[where] if isinstance(where, slice) else arrays.take_rows(self.float32_copy, where)
        return self._to_float32(where)

    def _to_float32(self, where: slice | IndexArray) -> Float32Array:
        d = len(self.rows)
        x = np.empty((d + 2, len(self.labels[where])), dtype=np.float32)
        for row, out in zip(self.rows, x, strict=False):
            out[:] = row[where] if isinstance(where, slice) else arrays.take_rows(row, where)
        return to_float32(x)

    def cut_out(self, cut: slice) -> BoundedRows:
        """A slice of these rows, in the same memory."""
        return BoundedRows(
            self.rows[:, cut],
            None if self.weights is None else self.weights[cut],
            self.labels[cut],
            self.valid_until[cut],
            None if self.distances is None else self.distances[cut],
            None if self.float32_copy is None else self.float32_copy[cut],
        )

    def write_copy(self) -> None:
        """Fill the float32 copy, if there is one."""
        if self.float32_copy is not None:
            for i in range(0, len(self.labels), CHUNK_ROWS):
                cut = slice(i, i + CHUNK_ROWS)
                self.float32_copy[cut] = self._to_float32(cut)

    def due(self, drift: CentroidDrift) -> tuple[IndexArray, IndexArray | None]:
        """Places of the rows whose labels may have changed, and their places among the noted ones, if there are any."""
        shrunk = drift.shrunk.astype(np.float32)
        np.nextafter(shrunk, np.float32(np.inf), out=shrunk)
        if self.noted is not None and not (shrunk <= self.noted.until).all():
            self.noted = None
        if self.noted is None and self.few_due:
            until = shrunk + np.float32(NOTED_STEPS) * drift.shrunk_last.astype(np.float32)
            soon = np.flatnonzero(self.valid_until <= np.take(until, self.labels))
            self.noted = NotedRows(soon, self.labels[soon].astype(np.intp), self.valid_until[soon], until)
        if self.noted is None:
            at, due = None, np.flatnonzero(self.valid_until <= np.take(shrunk, self.labels, mode="clip"))
        else:
            at = np.flatnonzero(self.noted.valid_until <= np.take(shrunk, self.noted.labels))
            due = np.take(self.noted.places, at)
        self.few_due = len(due) < MAX_NOTED_SHARE * len(self.labels)
        return due, at

    def note_again(self, due: IndexArray, at: IndexArray | None) -> None:
        """Bring the noted rows that were due, and assigned anew, up to date."""
        if self.noted is not None and at is not None:
            self.noted.labels[at], self.noted.valid_until[at] = self.labels[due], self.valid_until[due]

    def sums_by_label(self, at: IndexArray | slice, labels: IndexArray, k: int, old: IndexArray | None = None) -> Array:
        """Sums (d + 2, k) by label over the rows at some places: of w x, of w, and of the rows with w > 0.

        With `old` labels, the change of these sums from the old labels to the new ones.
        """

        def by_label(x: Array | None) -> Array:
            found = np.bincount(labels, x, k).astype(np.float64, copy=False)
            return found if old is None else found - np.bincount(old, x, k + 1)[:k]

        w = None if self.weights is None else self.weights[at]
        sums = np.empty((len(self.rows) + 2, k))
        if not isinstance(at, slice) and len(at) <= MAX_ROWS_AT_ONCE and len(self.rows) >= MIN_COPY_DIMENSIONS:
            x = arrays.take_columns(self.rows, at)
            x = x if w is None else x * w
            sums[:-2] = _summed(x, labels, k) if old is None else _summed(x, labels, k) - _summed(x, old, k + 1)[:, :k]
        else:
            for row, out in zip(self.rows, sums, strict=False):
                x = row[at] if isinstance(at, slice) else arrays.take_rows(row, at)
                out[:] = by_label(x if w is None else x * w)
        sums[-1] = by_label(None if w is None else (w > 0).astype(np.float64))
        sums[-2] = sums[-1] if w is None else by_label(w)
        return sums

    def total_sums(self, k: int) -> Array:
        """Sums (d + 2, k) of all rows by their present labels, as in `sums_by_label`."""
        return self.sums_by_label(slice(None), self.labels.astype(np.intp), k)

    def bound_sample(self) -> BoundSample | None:
        """Bounds and labels of every SAMPLE_STRIDE-th row; None where no centroid is ever called fast."""
        return None if self.distances is None else (self.valid_until[::SAMPLE_STRIDE], self.labels[::SAMPLE_STRIDE])


class LabelUpdate(NamedTuple):
    """The outcome of an E-step on a slice of the rows."""

    change: Array | float  # of the sums (d + 2, k) by label; 0.0 where no label changed
    changed: int  # rows with weight whose label changed
    sample: BoundSample | None


def update_labels(part: BoundedRows, screen: ScreenedDistances, drift: CentroidDrift) -> LabelUpdate:
    """Assign the rows that are due to their nearest centroids."""
    if len(drift.fast):
        compare_fast(part, screen, drift)
    due, at = part.due(drift)
    change, changed = assign_due(part, screen, drift, due) if len(due) else (0.0, 0)
    part.note_again(due, at)
    return LabelUpdate(change, changed, part.bound_sample())


def compare_fast(part: BoundedRows, screen: ScreenedDistances, drift: CentroidDrift) -> None:
    """Compare all rows with the fast centroids, and lower the bounds accordingly.

    A row that belongs to a fast centroid becomes due: it finds that centroid nearer than its bound says.
    """
    assert part.distances is not None
    moved, shrunk = drift.moved.astype(np.float32), drift.shrunk.astype(np.float32)
    slack = FLOAT32_SUM_ERROR * np.float32(drift.moved.max() + drift.shrunk.max())
    for i in range(0, len(part.labels), CHUNK_ROWS):
        cut = slice(i, i + CHUNK_ROWS)
        labels = part.labels[cut]
        to_fast, to_own = (
            screen.min_distance(part.float32(cut), drift.fast),
            part.distances[cut] + np.take(moved, labels),
        )
        bounds = to_fast - to_own
        to_own += to_fast
        to_own *= FLOAT32_SUM_ERROR
        bounds -= to_own
        bounds += np.take(shrunk, labels)
        bounds -= slack
        np.minimum(part.valid_until[cut], bounds, out=part.valid_until[cut])
    part.noted = None


def assign_due(
    part: BoundedRows, screen: ScreenedDistances, drift: CentroidDrift, due: IndexArray
) -> tuple[Array | float, int]:
    """Assign the rows due: the change of the sums by label, and how many rows with weight changed their label."""
    n, size = len(part.labels), chunk_rows(len(screen.centroids))
    everything = len(due) > MIN_DUE_SHARE * n
    if everything:
        part.noted = None
    change: Array | float = 0.0
    changed = 0
    for i in range(0, n if everything else len(due), size):
        some = slice(i, min(i + size, n)) if everything else due[i : i + size]
        more, count = _assign(part, screen, drift, some)
        change, changed = change + more, changed + count
    return change, changed


def _assign(
    part: BoundedRows, screen: ScreenedDistances, drift: CentroidDrift, some: slice | IndexArray
) -> tuple[Array | float, int]:
    """`assign_due` for rows at some places, so few that their temporaries fit in a core's cache."""
    new, gaps, distances = screen(part.float32(some))
    close = np.flatnonzero(gaps <= 0)
    if len(close):
        at = close + some.start if isinstance(some, slice) else some[close]
        new[close], gaps[close], distances[close] = nearest_exact(arrays.take_columns(part.rows, at), screen.centroids)
    gaps += np.take(np.nextafter(drift.shrunk.astype(np.float32), np.float32(-np.inf)), new)
    gaps *= BELOW_ONE
    part.valid_until[some] = gaps
    if part.distances is not None:
        distances -= np.take(drift.moved.astype(np.float32), new)
        part.distances[some] = distances
    old, k = part.labels[some].astype(np.intp), len(screen.centroids)
    changed = np.flatnonzero(new != old)
    if not len(changed):
        return 0.0, 0
    if len(changed) < len(new):
        some = changed + some.start if isinstance(some, slice) else some[changed]
        new, old = new[changed], old[changed]
    part.labels[some] = new
    count = len(new) if part.weights is None else int(np.count_nonzero(part.weights[some]))
    return part.sums_by_label(some, new, k, None if old.min() == k else old), count


def _summed(x: Array, labels: IndexArray, k: int) -> Array:
    """Sums (d, k) of the columns of x (d, m) by labels (m,), in one call."""
    d = len(x)
    places = np.arange(0, d * k, k)[:, None] + labels
    return np.bincount(places.ravel(), x.ravel(), d * k).astype(np.float64, copy=False).reshape(d, k)


def sum_of_squares(part: BoundedRows) -> float:
    """The weighted sum of the squared norms of some rows."""
    squares = np.einsum("dn,dn->n", part.rows, part.rows)
    return float(squares.sum() if part.weights is None else squares @ part.weights)


def statistics(part: BoundedRows, centroids: Array) -> KMeansStats:
    """The E-step's statistics of rows whose labels are up to date."""
    labels = part.labels.astype(np.intp)
    squares = own_squared_distances(part.rows, centroids, labels)
    *sums, sizes, _ = part.sums_by_label(slice(None), labels, len(centroids))
    return KMeansStats.of(part.rows, part.weights, sizes, np.array(sums).T, squares)


def residuals(part: BoundedRows, centroids: Array) -> tuple[float, Array]:
    """Inertia of some rows, and the sums (d, k) by label of their weighted differences from their centroids."""
    k, d = centroids.shape
    labels = part.labels.astype(np.intp)
    inertia, shifts = 0.0, np.empty((d, k))
    for j in range(d):
        away = part.rows[j] - centroids[:, j][labels]
        weighted = away if part.weights is None else away * part.weights
        inertia += float(weighted @ away)
        shifts[j] = np.bincount(labels, weighted, k)
    return inertia, shifts
