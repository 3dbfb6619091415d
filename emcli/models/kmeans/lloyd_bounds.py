"""K-means with bounds: a row is looked at again only when the centroids have moved as far as it was from a tie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.compute.processes import sticky_workers
from emcli.data.rows import Rows
from emcli.models.em import Step, em, same_parameters
from emcli.models.kmeans.assignment import (
    CHUNK,
    Float32Array,
    KMeansStats,
    ScreenedDistances,
    chunk,
    exactly,
    in_single,
    screenable,
    squares_to,
)
from emcli.models.kmeans.centroid_drift import CentroidDrift, Some
from emcli.models.kmeans.model import KMeans
from emcli.types import Array, IndexArray, Mapper

PARTS, PART = 8, 1 << 19  # at least so many parts, of at most so many rows
LEAST = 1 << 23  # products of a part, below which its calls are too short for two threads
FEW, AHEAD = 1 / 16, 8  # of the rows due, from which on those are noted that will be in so many steps like the last
MANY = 0.7  # of the rows of a part due, from which all are looked at
WIDE = 8  # dimensions from which a copy in single precision is kept
TOGETHER = 1000  # rows up to which all their columns are added up in one call
DEAR = 1500  # coordinates of all centroids from which it may repay to look at the fast ones alone
LOST = 1e-6  # inertia, as a part of the sum of squares, below which differences of sums have too few digits
SAMPLE = 16  # of so many rows one tells whether it repays to call centroids fast
ROUNDING = np.float32(2.0**-21)  # of a few sums in single precision, as a part of what is summed
WORN = 1e-3  # of its largest weight, below which a cluster's sums are taken anew


@dataclass
class Part:
    """Some rows, with what is known of them."""

    rows: Array  # (d, n)
    weights: Array | None
    labels: npt.NDArray[Any]  # (n,)
    until: Float32Array  # (n,) what joint travel of its cluster may be reached before the label can change
    begun: Float32Array | None = None  # (n,) distance to the nearest centroid, less what that one had travelled then
    copy: Float32Array | None = None  # (n, d + 2) the rows as `singles` gives them, where that is worth its memory
    soon: IndexArray | None = None  # places of the rows that a joint travel of `horizon` (k,) makes due, if few
    horizon: Any = None

    def singles(self, where: slice | IndexArray) -> Float32Array:
        """Some of the rows (m, d + 2) in single precision, with 1 and their squares behind."""
        if self.copy is not None:
            return self.copy[where] if isinstance(where, slice) else arrays.take_rows(self.copy, where)
        return self._singles(where)

    def _singles(self, where: slice | IndexArray) -> Float32Array:
        d = len(self.rows)
        x = np.empty((d + 2, len(self.labels[where])), dtype=np.float32)
        for row, out in zip(self.rows, x, strict=False):
            out[:] = row[where] if isinstance(where, slice) else arrays.take_rows(row, where)
        return in_single(x)

    def part(self, cut: slice) -> Part:
        """Some of the rows, in the same places."""
        rest = (None if x is None else x[cut] for x in (self.weights, self.labels, self.until, self.begun, self.copy))
        return Part(self.rows[:, cut], *rest)  # type: ignore[arg-type]

    def keep(self) -> None:
        """Write the copy, if there is a place for one."""
        if self.copy is not None:
            for i in range(0, len(self.labels), CHUNK):
                self.copy[i : i + CHUNK] = self._singles(slice(i, i + CHUNK))

    def due(self, travel: CentroidDrift) -> IndexArray:
        """Places of the rows whose labels may have changed."""
        joint = travel.joint.astype(np.float32)
        np.nextafter(joint, np.float32(np.inf), out=joint)
        if self.soon is not None and (joint <= self.horizon).all():
            until, labels = np.take(self.until, self.soon), np.take(self.labels, self.soon)
            return self.soon[until <= np.take(joint, labels)]
        due = np.flatnonzero(self.until <= np.take(joint, self.labels, mode="clip"))
        self.soon = None
        if len(due) < FEW * len(self.labels):
            self.horizon = joint + np.float32(AHEAD) * travel.stride.astype(np.float32)
            self.soon = np.flatnonzero(self.until <= np.take(self.horizon, self.labels))
        return due

    def counted(self, at: IndexArray | slice, labels: IndexArray, k: int, old: IndexArray | None = None) -> Array:
        """Sums (d + 2, k) over the rows at some places, by labels: of w x, of w, and of rows with any weight.

        Less those by their `old` labels, if these are given.
        """

        def by_label(x: Array | None) -> Array:
            found = np.bincount(labels, x, k).astype(np.float64, copy=False)
            return found if old is None else found - np.bincount(old, x, k + 1)[:k]

        w = None if self.weights is None else self.weights[at]
        sums = np.empty((len(self.rows) + 2, k))
        if not isinstance(at, slice) and len(at) <= TOGETHER and len(self.rows) >= WIDE:
            x = arrays.take_columns(self.rows, at)
            x = x if w is None else x * w
            sums[:-2] = tallied(x, labels, k) if old is None else tallied(x, labels, k) - tallied(x, old, k + 1)[:, :k]
        else:
            for row, out in zip(self.rows, sums, strict=False):
                x = row[at] if isinstance(at, slice) else arrays.take_rows(row, at)
                out[:] = by_label(x if w is None else x * w)
        sums[-1] = by_label(None if w is None else (w > 0).astype(np.float64))
        sums[-2] = sums[-1] if w is None else by_label(w)
        return sums

    def some(self) -> Some | None:
        """Of every SAMPLE-th row what travel its label holds, and that; None where nobody asks."""
        return None if self.begun is None else (self.until[::SAMPLE], self.labels[::SAMPLE])

    def recounted(self, k: int) -> Array:
        """The same over all rows, by the labels they have."""
        return self.counted(slice(None), self.labels.astype(np.intp), k)


def bounded(model: KMeans, rows: Rows, spread: Mapper) -> Iterator[Step]:
    """What em() yields, up to rounding (Hamerly 2010; the bounds are those of float32 distances)."""
    d, n = rows.values.shape
    k = len(model.centroids)
    if not screenable(rows.values, model.centroids):
        yield from em(model, rows.batches(), spread)
        return
    labels = arrays.empty((n,), np.uint8 if k < 256 else np.uint16)
    until = arrays.empty((n,), np.float32)
    labels[:], until[:] = k, -np.inf
    begun = arrays.empty((n,), np.float32) if k * d >= DEAR else None
    copies = arrays.empty((n, d + 2), np.float32) if d >= WIDE else None
    size = min(PART, max(-(-n // PARTS), LEAST // model.centroids.size))
    whole = Part(rows.values, rows.weights, labels, until, begun, copies)
    with sticky_workers(spread, [whole.part(slice(i, i + size)) for i in range(0, n, size)]) as each:
        yield from _lloyd(model, rows, spread, each)


def _lloyd(model: KMeans, rows: Rows, spread: Mapper, each: Callable[..., list[Any]]) -> Iterator[Step]:
    """The steps, with `each` the map over the parts of the rows."""
    k, d = model.centroids.shape
    squares = float(sum(each(squares_of)))
    each(Part.keep)
    travel = CentroidDrift(np.zeros(k), np.zeros(k), np.zeros(k), np.empty(0, np.intp))
    sums = np.zeros((d + 2, k))  # of w x, of w, and rows of any weight
    most = np.zeros(k)  # weight each cluster has had since the sums were taken of all rows
    while True:
        found = each(partial(assigned, screen=ScreenedDistances(model.centroids), travel=travel))
        sums += reduce(np.add, (part.change for part in found))
        if (sums[d] < WORN * most).any():  # what is left of them are rounding errors of what was
            sums, most = reduce(np.add, each(partial(Part.recounted, k=k))), np.zeros(k)
        most = np.maximum(most, sums[d])
        inertia = squares + float(
            (sums[d] * (model.centroids**2).sum(axis=1)).sum() - 2 * (model.centroids.T * sums[:d]).sum()
        )
        if inertia <= LOST * squares:
            yield from em(model, rows.batches(), spread)
            return
        if (sums[d + 1] == 0).any():
            stats = reduce(add, each(partial(accounted, centroids=model.centroids)))
            improved = model.m_step(stats)
            yield Step(model, stats.score, rows.total)
            if same_parameters(model, improved):
                return
        elif not any(part.changed for part in found):
            yield polished(model, sums[d], rows.total, each)
            return
        else:
            improved = replace(model, centroids=(sums[:d] / sums[d]).T)
            yield Step(model, -0.5 * inertia, rows.total)
        drift = np.sqrt(((improved.centroids - model.centroids) ** 2).sum(axis=1)) * (1 + 1e-12)
        travel = travel.on(drift, [part.some for part in found])
        model = improved


def compared(part: Part, screen: ScreenedDistances, travel: CentroidDrift) -> None:
    """Compare all rows with the fast centroids, and see that their labels hold no longer than these allow.

    Rows that belong to a fast one are nearer to it than they were known to be, and so become due.
    """
    assert part.begun is not None
    walked, joint = travel.own.astype(np.float32), travel.joint.astype(np.float32)
    slack = ROUNDING * np.float32(travel.own.max() + travel.joint.max())
    for i in range(0, len(part.labels), CHUNK):
        cut = slice(i, i + CHUNK)
        labels = part.labels[cut]
        away, own = screen.beyond(part.singles(cut), travel.fast), part.begun[cut] + np.take(walked, labels)
        until = away - own
        own += away
        own *= ROUNDING
        until -= own
        until += np.take(joint, labels)
        until -= slack
        np.minimum(part.until[cut], until, out=part.until[cut])
    part.soon = None


class LabelUpdate(NamedTuple):
    """What bringing the labels of a part up to date has shown."""

    change: Any  # of the sums (d + 2, k); 0 where there is none
    changed: int  # rows with weight that did
    some: Some | None  # of a few rows, what joint travel they hold and their labels


def assigned(part: Part, screen: ScreenedDistances, travel: CentroidDrift) -> LabelUpdate:
    """Bring the labels up to date."""
    if len(travel.fast):
        compared(part, screen, travel)
    due = part.due(travel)
    change, changed = relabelled(part, screen, travel, due) if len(due) else (0.0, 0)
    return LabelUpdate(change, changed, part.some())


def relabelled(part: Part, screen: ScreenedDistances, travel: CentroidDrift, due: IndexArray) -> tuple[Any, int]:
    """Look at the rows due: the change of the sums, and how many rows with weight changed."""
    n, k = len(part.labels), len(screen.centroids)
    everything = len(due) > MANY * n
    new = np.empty(n if everything else len(due), dtype=np.intp)
    gaps, away = np.empty((2, len(new)), dtype=np.float32)
    size = chunk(k)
    for i in range(0, len(new), size):
        cut = slice(i, i + size)
        new[cut], gaps[cut], away[cut] = screen(part.singles(cut if everything else due[cut]))
    close = np.flatnonzero(gaps <= 0)
    if len(close):
        at = close if everything else due[close]
        new[close], gaps[close], away[close] = exactly(arrays.take_columns(part.rows, at), screen.centroids)
    gaps += np.take(np.nextafter(travel.joint.astype(np.float32), np.float32(-np.inf)), new)
    where: Any = slice(None) if everything else due
    np.nextafter(gaps, np.float32(-np.inf), out=gaps)
    part.until[where] = gaps
    if part.begun is not None:
        away -= np.take(travel.own.astype(np.float32), new)
        part.begun[where] = away
    changed = np.flatnonzero(new != part.labels[where])
    if not len(changed):
        return 0.0, 0
    at, new = changed if everything else due[changed], new[changed]
    old = part.labels[at].astype(np.intp)
    part.labels[at] = new
    count = len(at) if part.weights is None else int(np.count_nonzero(part.weights[at]))
    places: IndexArray | slice = slice(None) if len(at) == n else at
    return part.counted(places, new, k, None if old.min() == k else old), count


def tallied(x: Array, labels: IndexArray, k: int) -> Array:
    """Sums (d, k) of few columns of x (d, m) by labels (m,), in one call."""
    d = len(x)
    places = np.arange(0, d * k, k)[:, None] + labels
    return np.bincount(places.ravel(), x.ravel(), d * k).astype(np.float64, copy=False).reshape(d, k)


def squares_of(part: Part) -> float:
    """The weighted sum of squares of some rows."""
    squares = np.einsum("dn,dn->n", part.rows, part.rows)
    return float(squares.sum() if part.weights is None else squares @ part.weights)


def accounted(part: Part, centroids: Array) -> KMeansStats:
    """What the E-step says of some rows whose labels are up to date."""
    labels = part.labels.astype(np.intp)
    squares = squares_to(part.rows, centroids, labels)
    *sums, sizes, _ = part.counted(slice(None), labels, len(centroids))
    return KMeansStats.of(part.rows, part.weights, sizes, np.array(sums).T, squares)


def polished(model: KMeans, sizes: Array, total: float, each: Callable[..., list[Any]]) -> Step:
    """The last step: means and inertia by differences from the centroids, in one pass over the rows."""
    found = each(partial(residuals, centroids=model.centroids))
    inertia = float(sum(part for part, _ in found))
    shifts = reduce(np.add, (shift for _, shift in found)) / sizes
    return Step(replace(model, centroids=model.centroids + shifts.T), -0.5 * inertia, total)


def residuals(part: Part, centroids: Array) -> tuple[float, Array]:
    """Inertia of some rows, and their differences from their centroids added up for each (d, k)."""
    k, d = centroids.shape
    labels = part.labels.astype(np.intp)
    inertia, shifts = 0.0, np.empty((d, k))
    for j in range(d):
        away = part.rows[j] - centroids[:, j][labels]
        weighted = away if part.weights is None else away * part.weights
        inertia += float(weighted @ away)
        shifts[j] = np.bincount(labels, weighted, k)
    return inertia, shifts
