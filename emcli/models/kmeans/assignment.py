"""The nearest centroid of each row: by float32 distances, and by exact ones where these are too close to a tie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from emcli.models.base import UNIT_ROUNDOFF, Stats
from emcli.models.seeding import squared_distances
from emcli.types import Array, IndexArray

CHUNK, CELLS = 16_400, 1 << 19  # rows whose distances are held at once, and distances where that makes more rows
CACHED = 1 << 18  # numbers that a core's cache holds
SHIFT = 16  # numbers that keep the rows of a matrix from sharing places of a cache, as those 2^12 bytes apart do
MOST = 4096  # clusters, beyond which labels leave too few digits to the distances
LARGEST = 1e6  # coordinates beyond which float32 is not to be trusted
UNIT = 2.0**-24  # roundoff of float32
WIDE = 64  # coordinates of all centroids from which screening repays itself

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class KMeansStats(Stats):
    """Sums over the rows of each cluster, and the row that lies farthest from its centroid."""

    sizes: Array  # (k,) weight of the rows assigned
    sums: Array  # (k, d)
    farthest: Array  # (d,)
    farthest_distance: float  # squared

    @classmethod
    def of(cls, rows: Array, weights: Array | None, sizes: Array, sums: Array, squares: Array) -> Self:
        """From what was summed over rows (d, n) by cluster, and their squared distances (n,)."""
        if weights is None:
            total, inertia = float(rows.shape[1]), float(squares.sum())
        else:
            total, inertia = float(weights.sum()), float(weights @ squares)
        far = int(np.argmax(squares))
        return cls(total, -0.5 * inertia, 0.0, sizes, sums, rows[:, far].copy(), float(squares[far]))

    def __add__(self, other: Self) -> Self:
        far = self if self.farthest_distance >= other.farthest_distance else other
        return type(self)(
            self.weight + other.weight,
            self.score + other.score,
            0.0,
            self.sizes + other.sizes,
            self.sums + other.sums,
            far.farthest,
            far.farthest_distance,
        )


def assigned(rows: Array, centroids: Array) -> tuple[Array, Array]:
    """Memberships (k, n) of rows (d, n), one 1 in each column, and squared distances to the nearest centroid (n,)."""
    k, n = len(centroids), rows.shape[1]
    if not _wide(centroids):
        distances = squared_distances(rows, centroids)
        squares = distances.min(axis=0)
        members = (distances == squares).astype(np.float64)
        if np.count_nonzero(members) == n:
            return members, squares
        labels = distances.argmin(axis=0)
    else:
        labels, squares = nearest(rows, centroids)
    members = np.zeros((k, n))
    members[labels, np.arange(n)] = 1.0
    return members, squares


def clustered(rows: Array, weights: Array | None, centroids: Array) -> tuple[Array, Array, Array]:
    """Weights (k,) and weighted sums (k, d) of the clusters of rows (d, n), and squared distances (n,)."""
    if _wide(centroids):
        k = len(centroids)
        labels, squares = nearest(rows, centroids)
        sizes = np.bincount(labels, weights, k).astype(np.float64)
        return sizes, np.array([np.bincount(labels, x if weights is None else x * weights, k) for x in rows]).T, squares
    members, squares = assigned(rows, centroids)
    if weights is not None:
        members *= weights
    return members.sum(axis=1), members @ rows.T, squares


def _wide(centroids: Array) -> bool:
    """Are there so many coordinates that exact distances to all centroids (k, d) would cost much?"""
    return centroids.size >= WIDE and 2 <= len(centroids) <= MOST


def screenable(rows: Array, centroids: Array) -> bool:
    """Do distances of rows (d, n) from centroids (k, d) fit in single precision, and labels beside them?"""
    largest = max(rows.max(), -rows.min(), np.abs(centroids).max())
    return 2 <= len(centroids) <= MOST and bool(largest < LARGEST)


def nearest(rows: Array, centroids: Array) -> tuple[IndexArray, Array]:
    """The nearest of centroids (k, d) for each of rows (d, n), ties to the lowest, and the squared distance to it.

    The distances are those of `squared_distances`, bit for bit.
    """
    d, n = rows.shape
    if not screenable(rows, centroids):
        distances = squared_distances(rows, centroids)
        return distances.argmin(axis=0), distances.min(axis=0)
    screen, size = ScreenedDistances(centroids), chunk(len(centroids))
    labels = np.empty(n, dtype=np.intp)
    for i in range(0, n, size):
        some = rows[:, i : i + size]
        x = np.empty((d + 2, some.shape[1]), dtype=np.float32)
        x[:d] = some
        found, gaps, _ = screen(in_single(x))
        close = np.flatnonzero(gaps <= 0)
        if len(close):
            found[close] = exactly(some[:, close], centroids).labels
        labels[i : i + size] = found
    return labels, squares_to(rows, centroids, labels)


def squares_to(rows: Array, centroids: Array, labels: IndexArray) -> Array:
    """Squared distances (n,) of rows (d, n), each to the centroid of its label, as `squared_distances` has them."""
    d, n = rows.shape
    places, squares, size = np.ascontiguousarray(centroids.T), np.empty(n), max(CACHED // d, 1 << 10)
    for i in range(0, n, size):
        away = np.take(places, labels[i : i + size], axis=1)
        np.subtract(rows[:, i : i + size], away, out=away)
        np.einsum("dn,dn->n", away, away, out=squares[i : i + size])
    return squares


def chunk(k: int) -> int:
    """How many rows to look at together."""
    return max(CHUNK, CELLS // k | SHIFT)


def in_single(x: Float32Array) -> Float32Array:
    """Rows (n, d + 2) of x (d + 2, n), whose last two are filled: with 1 and with the squares of the others."""
    d = len(x) - 2
    x[d] = 1
    np.einsum("dn,dn->n", x[:d], x[:d], out=x[d + 1])
    # this keeps distances above 0, so that they sort as integers
    x[d + 1] *= np.float32(1 + 8 * rounding(d))
    x[d + 1] += np.float32(1e-30)
    return x.T


class Seen(NamedTuple):
    """What is known of rows, (n,) each."""

    labels: IndexArray  # the nearest centroid
    gaps: Any  # how much farther the second nearest is at least
    distances: Any  # how far the nearest is at most


class ScreenedDistances:
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
        self.packing = 2.0 ** (bits - 23) + 2 * UNIT

    def __call__(self, x: Float32Array) -> Seen:
        """Of rows (n, d + 2); a gap of 0 where the label is unsure."""
        n, d = len(x), x.shape[1] - 2
        packed = (self.table @ x.T).view(np.int32)
        packed &= self.mask
        packed |= self.tags
        nearest = packed.min(axis=0)
        labels = (nearest & ~self.mask).astype(np.intp)
        packed.reshape(-1)[labels * n + np.arange(n)] = np.iinfo(np.int32).max
        one, two = nearest.view(np.float32), packed.min(axis=0).view(np.float32)
        # a squared distance is off by the packing and at most `rounding` (2 |x| + distance)^2
        relative, absolute = np.float32(2 * self.packing + 4 * rounding(d)), x[:, d + 1] * np.float32(16 * rounding(d))
        gaps = two - one
        gaps -= two * relative
        gaps -= absolute
        gaps /= np.sqrt(one) + np.sqrt(two)
        gaps *= 1 - relative
        absolute += one * (1 + relative)
        return Seen(labels, np.maximum(gaps, 0.0, out=gaps), np.sqrt(absolute, out=absolute))

    def beyond(self, x: Float32Array, some: IndexArray) -> Float32Array:
        """How far at least the nearest of some centroids is from rows (n, d + 2)."""
        d = x.shape[1] - 2
        found = x @ self.table[some].T
        squares: Float32Array = reduce(np.minimum, found.T)
        squares *= np.float32(1 - 4 * rounding(d))
        squares -= x[:, d + 1] * np.float32(16 * rounding(d)) + np.float32(1e-30)
        return np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)


def rounding(d: int, unit: float = UNIT) -> float:
    """A bound of the relative rounding of distances in d dimensions."""
    return (d + 8) * unit


def exactly(rows: Array, centroids: Array) -> Seen:
    """Of rows (d, n), ties to the lowest: by products in float64, and by differences where these are too close."""
    d, n = rows.shape
    squares = np.einsum("dn,dn->n", rows, rows)
    distances = rows.T @ (-2 * centroids.T)
    distances += (centroids**2).sum(axis=1)
    distances += squares[:, None]
    labels, every = distances.argmin(axis=1), np.arange(n)
    one = distances[every, labels]
    distances[every, labels] = np.inf
    two = distances.min(axis=1)
    off = rounding(d, UNIT_ROUNDOFF) * (16 * squares + 4 * two)  # as in `ScreenedDistances`
    close = np.flatnonzero(two - one <= off)
    if len(close):
        differences = squared_distances(rows[:, close], centroids)
        labels[close] = differences.argmin(axis=0)
    gaps = np.maximum(two - one - off, 0.0) / (np.sqrt(np.maximum(one, 0.0) + off) + np.sqrt(two + off) + 1e-300)
    return Seen(labels, gaps * (1 - 1e-6), np.sqrt(np.maximum(one, 0.0) + off) * (1 + 1e-6))
