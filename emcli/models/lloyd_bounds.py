"""K-means with bounds: a row is looked at again only when the centroids have moved as far as it was from a tie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from emcli.em import Array, Map, Step, em, pooled, same
from emcli.models.family import Rows
from emcli.models.kmeans import KMeans
from emcli.models.seeding import squared_distances

PARTS, PART = 8, 131_072  # at least so many parts, of at most so many rows
MANY = 0.7  # of the rows of a part due, from which all are looked at
CHUNK = 8_192  # rows whose distances are held at once
MOST = 4096  # clusters, beyond which labels leave too few digits to the distances
LOST = 1e-6  # inertia, as a part of the sum of squares, below which differences of sums have too few digits
LARGEST = 1e6  # coordinates beyond which float32 is not to be trusted
UNIT = 2.0**-24  # roundoff of float32

Index = npt.NDArray[np.intp]
Single = npt.NDArray[np.float32]


@dataclass
class Part:
    """Some rows, with what is known of them."""

    rows: Array  # (d, n)
    weights: Array | None
    labels: npt.NDArray[Any]  # (n,)
    until: Single  # (n,) how far the centroids may travel in all before the label can change

    def counted(self, at: Index, labels: Index, k: int) -> Array:
        """Sums (d + 2, k) over the rows at some places, by labels: of w x, of w, and of rows with any weight."""
        w = None if self.weights is None else self.weights[at]
        whole = len(at) == self.rows.shape[1]
        counts = np.bincount(labels, None if w is None else w > 0, k)
        sums = np.empty((len(self.rows) + 2, k))
        for row, out in zip(self.rows, sums, strict=False):
            x = row if whole else np.take(row, at, mode="clip")
            out[:] = np.bincount(labels, x if w is None else x * w, k)
        sums[-2] = counts if w is None else np.bincount(labels, w, k)
        sums[-1] = counts
        return sums


def bounded(model: KMeans, rows: Rows, spread: Map) -> Iterator[Step]:
    """What em() yields, up to rounding (Hamerly 2010; the bounds are those of float32 distances)."""
    d, n = rows.values.shape
    k = len(model.centroids)
    if k < 2 or k > MOST or not max(np.abs(rows.values).max(), np.abs(model.centroids).max()) < LARGEST:
        yield from em(model, rows.batches(), spread)
        return
    labels = np.full(n, k, dtype=np.uint8 if k < 256 else np.uint16)
    until = np.full(n, -np.inf, dtype=np.float32)
    size = min(PART, -(-n // PARTS))
    cuts = [slice(i, i + size) for i in range(0, n, size)]
    parts = [
        Part(rows.values[:, cut], None if rows.weights is None else rows.weights[cut], labels[cut], until[cut])
        for cut in cuts
    ]
    squares = sum(spread(squares_of, parts))
    travelled = np.zeros(k)
    sums = np.zeros((d + 2, k))  # of w x, of w, and rows of any weight
    while True:
        found = list(spread(partial(assigned, centroids=model.centroids, travelled=travelled), parts))
        sums += reduce(np.add, (change for change, _ in found))
        changed = sum(count for _, count in found)
        inertia = squares + float(
            (sums[d] * (model.centroids**2).sum(axis=1)).sum() - 2 * (model.centroids.T * sums[:d]).sum()
        )
        if inertia <= LOST * squares:
            yield from em(model, rows.batches(), spread)
            return
        if not changed:
            yield polished(model, parts, sums[d], rows.total, spread)
            return
        if (sums[d + 1] == 0).any():
            stats = pooled(model, rows.batches(), spread)
            improved = model.m_step(stats)
            yield Step(model, stats.score, rows.total)
            if same(model, improved):
                return
        else:
            improved = replace(model, centroids=(sums[:d] / sums[d]).T)
            yield Step(model, -0.5 * inertia, rows.total)
        drift = np.sqrt(((improved.centroids - model.centroids) ** 2).sum(axis=1)) * (1 + 1e-12)
        most = np.sort(drift)
        travelled += drift + np.where(drift == most[-1], most[-2], most[-1])
        model = improved


def assigned(part: Part, centroids: Array, travelled: Array) -> tuple[Array, int]:
    """Bring the labels up to date; return the change of the sums (d + 2, k), and how many rows changed."""
    n, k = part.rows.shape[1], len(centroids)
    upper = np.nextafter(travelled.astype(np.float32), np.float32(np.inf))
    lower = np.nextafter(travelled.astype(np.float32), np.float32(-np.inf))
    due = np.flatnonzero(part.until <= np.take(np.append(upper, upper[:1]), part.labels, mode="clip"))
    everything = len(due) > MANY * n
    screen = Screen(centroids)
    moved: list[tuple[Index, Index, Index]] = []
    for i in range(0, n if everything else len(due), CHUNK):
        where: Any = slice(i, i + CHUNK) if everything else due[i : i + CHUNK]
        new, gaps = screen(part.rows, where)
        old = part.labels[where]
        part.until[where] = np.nextafter(np.take(lower, new) + gaps, np.float32(-np.inf))
        changed = np.flatnonzero(new != old)
        if len(changed):
            at = changed + i if everything else where[changed]
            moved.append((at, new[changed], old[changed].astype(np.intp)))
            part.labels[at] = new[changed]
    if not moved:
        return np.zeros((len(centroids[0]) + 2, k)), 0
    at, new, old = (np.concatenate(each) for each in zip(*moved, strict=True))
    return part.counted(at, new, k) - part.counted(at, old, k + 1)[:, :k], len(at)


class Screen:
    """Nearest centroids by float32 distances, decided again in float64 where these are too close to a tie."""

    def __init__(self, centroids: Array) -> None:
        k, d = centroids.shape
        self.centroids = centroids
        self.table = np.empty((k, d + 2), dtype=np.float32)
        self.table[:, :d] = -2 * centroids
        self.table[:, d] = (centroids**2).sum(axis=1)
        self.table[:, d + 1] = 1
        bits = (k - 1).bit_length()
        self.mask = np.int32(-1 << bits)
        self.tags = np.arange(k, dtype=np.int32)[:, None]
        self.relative = 2.0 ** (bits - 23) + 2 * UNIT
        self.absolute = (d + 8) * UNIT

    def __call__(self, rows: Array, where: Any) -> tuple[Index, Single]:
        """Labels of some of the rows (d, n), and a lower bound of how much farther the second nearest centroid is."""
        d = len(rows)
        n = len(where) if isinstance(where, np.ndarray) else len(rows[0, where])
        x = np.empty((d + 2, n), dtype=np.float32)
        for row, out in zip(rows, x, strict=False):
            out[:] = row[where] if isinstance(where, slice) else np.take(row, where, mode="clip")
        x[d] = 1
        squares = np.einsum("dn,dn->n", x[:d], x[:d])
        np.multiply(squares, np.float32(1 + 8 * self.absolute), out=x[d + 1])
        x[d + 1] += np.float32(1e-30)  # with the factor it keeps distances above 0, so that they sort as integers
        packed = (self.table @ x).view(np.int32)
        packed &= self.mask
        packed |= self.tags
        nearest = packed.min(axis=0)
        labels = (nearest & ~self.mask).astype(np.intp)
        packed.reshape(-1)[labels * n + np.arange(n)] = np.iinfo(np.int32).max
        one, two = nearest.view(np.float32), packed.min(axis=0).view(np.float32)
        # a distance is off by the packing and at most `absolute` (2 |x| + distance)^2
        gaps = two - one
        gaps -= two * np.float32(2 * self.relative + 4 * self.absolute)
        gaps -= squares * np.float32(16 * self.absolute)
        close = np.flatnonzero(gaps <= 0)
        gaps /= np.sqrt(one) + np.sqrt(two)
        gaps *= np.float32(1 - self.relative - 4 * self.absolute)
        if len(close):
            places = close + (where.start or 0) if isinstance(where, slice) else where[close]
            labels[close], gaps[close] = exactly(rows[:, places], self.centroids)
        return labels, gaps


def exactly(rows: Array, centroids: Array) -> tuple[Index, Array]:
    """The same by float64 distances, ties to the lowest label."""
    distances = squared_distances(rows, centroids)
    one, two = np.partition(distances, 1, axis=0)[:2]
    gaps = np.maximum(two * (1 - 1e-14) - one, 0.0) / np.maximum(np.sqrt(one) + np.sqrt(two), 1e-300)
    return distances.argmin(axis=0), gaps * (1 - 1e-6)


def squares_of(part: Part) -> float:
    """The weighted sum of squares of some rows."""
    squares = np.einsum("dn,dn->n", part.rows, part.rows)
    return float(squares.sum() if part.weights is None else squares @ part.weights)


def polished(model: KMeans, parts: list[Part], sizes: Array, total: float, spread: Map) -> Step:
    """The last step: means and inertia by differences from the centroids, in one pass over the rows."""
    found = list(spread(partial(residuals, centroids=model.centroids), parts))
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
