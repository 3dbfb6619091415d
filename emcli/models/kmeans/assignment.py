"""The nearest centroid of each row: by float32 distances, and by float64 ones where these are close to a tie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from emcli.models.base import UNIT_ROUNDOFF
from emcli.models.seeding import squared_distances
from emcli.models.statistics import Stats
from emcli.types import Array, IndexArray

CHUNK_ROWS = 16_400  # least number of rows whose distances are held at once
CHUNK_DISTANCES = 1 << 19  # distances held at once, where that makes more rows
CACHE_NUMBERS = 1 << 18  # numbers that a core's cache holds
CACHE_OFFSET = 16  # numbers by which rows of a matrix are shifted: 2^12 bytes apart they would share lines of the cache
MAX_CLUSTERS = 4096  # beyond which packed labels leave too few digits to the distances
MAX_COORDINATE = 1e6  # beyond which float32 distances are not used
FLOAT32_ROUNDOFF = 2.0**-24
MIN_SCREENED_COORDINATES = 64  # coordinates of all centroids from which screening in float32 is faster

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class KMeansStats(Stats):
    """Sums over the rows of each cluster, and the row that lies farthest from its centroid."""

    sizes: Array  # (k,) weight of the rows assigned
    sums: Array  # (k, d)
    farthest: Array  # (d,) the row
    farthest_distance: float  # squared

    @classmethod
    def of(cls, rows: Array, weights: Array | None, sizes: Array, sums: Array, squares: Array) -> Self:
        """From sizes (k,) and sums (k, d) of the clusters of rows (d, n), and their squared distances (n,)."""
        if weights is None:
            total, inertia = float(rows.shape[1]), float(squares.sum())
        else:
            total, inertia = float(weights.sum()), float(weights @ squares)
        far = int(np.argmax(squares))
        return cls(total, -0.5 * inertia, 0.0, sizes, sums, rows[:, far].copy(), float(squares[far]))

    def as_one_of(self, component: int, k: int) -> Self:
        """Those of rows that stay with their cluster: none of them is to become the centroid of an empty one."""
        return replace(super().as_one_of(component, k), farthest=self.farthest, farthest_distance=0.0)

    def __add__(self, other: Self) -> Self:
        far = self if self.farthest_distance >= other.farthest_distance else other
        return replace(super().__add__(other), farthest=far.farthest, farthest_distance=far.farthest_distance)


def memberships(rows: Array, centroids: Array) -> tuple[Array, Array]:
    """Memberships (k, n) of rows (d, n), one 1 in each column, and squared distances to the nearest centroid (n,)."""
    k, n = len(centroids), rows.shape[1]
    if not _worth_screening(centroids):
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


def cluster_sums(rows: Array, weights: Array | None, centroids: Array) -> tuple[Array, Array, Array]:
    """Weights (k,) and weighted sums (k, d) of the clusters of rows (d, n), and squared distances (n,)."""
    if _worth_screening(centroids):
        k = len(centroids)
        labels, squares = nearest(rows, centroids)
        sizes = np.bincount(labels, weights, k).astype(np.float64)
        return sizes, np.array([np.bincount(labels, x if weights is None else x * weights, k) for x in rows]).T, squares
    members, squares = memberships(rows, centroids)
    if weights is not None:
        members *= weights
    return members.sum(axis=1), members @ rows.T, squares


def _worth_screening(centroids: Array) -> bool:
    """Are there enough coordinates in centroids (k, d) for float32 distances to be faster than exact ones?"""
    return centroids.size >= MIN_SCREENED_COORDINATES and 2 <= len(centroids) <= MAX_CLUSTERS


def screenable(rows: Array, centroids: Array) -> bool:
    """Can distances of rows (d, n) from centroids (k, d) be packed in float32 together with labels?"""
    largest = max(rows.max(), -rows.min(), np.abs(centroids).max())
    return 2 <= len(centroids) <= MAX_CLUSTERS and bool(largest < MAX_COORDINATE)


def nearest(rows: Array, centroids: Array) -> tuple[IndexArray, Array]:
    """The nearest of centroids (k, d) for each of rows (d, n), ties to the lowest, and the squared distance to it.

    The distances are those of `squared_distances`, bit for bit.
    """
    d, n = rows.shape
    if not screenable(rows, centroids):
        distances = squared_distances(rows, centroids)
        return distances.argmin(axis=0), distances.min(axis=0)
    screen, size = ScreenedDistances(centroids), chunk_rows(len(centroids))
    labels = np.empty(n, dtype=np.intp)
    for i in range(0, n, size):
        some = rows[:, i : i + size]
        x = np.empty((d + 2, some.shape[1]), dtype=np.float32)
        x[:d] = some
        found, gaps, _ = screen(to_float32(x))
        close = np.flatnonzero(gaps <= 0)
        if len(close):
            found[close] = nearest_exact(some[:, close], centroids).labels
        labels[i : i + size] = found
    return labels, own_squared_distances(rows, centroids, labels)


def own_squared_distances(rows: Array, centroids: Array, labels: IndexArray) -> Array:
    """Squared distances (n,) of rows (d, n) to the centroids of their labels, bit for bit as in `squared_distances`."""
    d, n = rows.shape
    places, squares, size = np.ascontiguousarray(centroids.T), np.empty(n), max(CACHE_NUMBERS // d, 1 << 10)
    for i in range(0, n, size):
        away = np.take(places, labels[i : i + size], axis=1)
        np.subtract(rows[:, i : i + size], away, out=away)
        np.einsum("dn,dn->n", away, away, out=squares[i : i + size])
    return squares


def chunk_rows(k: int) -> int:
    """Rows in a chunk whose distances from k centroids are held at once."""
    return max(CHUNK_ROWS, CHUNK_DISTANCES // k | CACHE_OFFSET)


def to_float32(x: Float32Array) -> Float32Array:
    """Rows (n, d + 2) of x (d + 2, n), after its last two columns are filled: with 1 and with the squared norms."""
    d = len(x) - 2
    x[d] = 1
    np.einsum("dn,dn->n", x[:d], x[:d], out=x[d + 1])
    # Norms a little too large keep distances above 0, so that their bits sort as integers.
    x[d + 1] *= np.float32(1 + 8 * relative_rounding(d))
    x[d + 1] += np.float32(1e-30)
    return x.T


class Nearest(NamedTuple):
    """The nearest centroid of rows, (n,) each, with bounds."""

    labels: IndexArray
    gaps: Array | Float32Array  # how much farther the second nearest centroid is, at least; 0 where that is unsure
    distances: Array | Float32Array  # to the nearest centroid, at most


class ScreenedDistances:
    """Nearest centroids (k, d) by float32 distances, whose lowest bits are replaced by the label."""

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
        self.packing = 2.0 ** (bits - 23) + 2 * FLOAT32_ROUNDOFF

    def __call__(self, x: Float32Array) -> Nearest:
        """The nearest centroids of rows (n, d + 2); a gap of 0 where float32 cannot tell."""
        n, d = len(x), x.shape[1] - 2
        packed = (self.table @ x.T).view(np.int32)
        packed &= self.mask
        packed |= self.tags
        nearest = packed.min(axis=0)
        labels = (nearest & ~self.mask).astype(np.intp)
        packed.reshape(-1)[labels * n + np.arange(n)] = np.iinfo(np.int32).max
        one, two = nearest.view(np.float32), packed.min(axis=0).view(np.float32)
        # a squared distance is off by the packing and at most `relative_rounding` (2 |x| + distance)^2
        relative = np.float32(2 * self.packing + 4 * relative_rounding(d))
        absolute = x[:, d + 1] * np.float32(16 * relative_rounding(d))
        gaps = two - one
        gaps -= two * relative
        gaps -= absolute
        gaps /= np.sqrt(one) + np.sqrt(two)
        gaps *= 1 - relative
        absolute += one * (1 + relative)
        return Nearest(labels, np.maximum(gaps, 0.0, out=gaps), np.sqrt(absolute, out=absolute))

    def min_distance(self, x: Float32Array, some: IndexArray) -> Float32Array:
        """Lower bounds (n,) on the distance of rows (n, d + 2) to the nearest of some centroids."""
        d = x.shape[1] - 2
        found = x @ self.table[some].T
        squares: Float32Array = reduce(np.minimum, found.T)
        squares *= np.float32(1 - 4 * relative_rounding(d))
        squares -= x[:, d + 1] * np.float32(16 * relative_rounding(d)) + np.float32(1e-30)
        return np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)


def relative_rounding(d: int, unit: float = FLOAT32_ROUNDOFF) -> float:
    """A bound on the relative rounding error of squared distances in d dimensions."""
    return (d + 8) * unit


def nearest_exact(rows: Array, centroids: Array) -> Nearest:
    """The nearest centroids of rows (d, n), ties to the lowest: by float64 products, by differences near a tie."""
    d, n = rows.shape
    squares = np.einsum("dn,dn->n", rows, rows)
    distances = rows.T @ (-2 * centroids.T)
    distances += (centroids**2).sum(axis=1)
    distances += squares[:, None]
    labels, every = distances.argmin(axis=1), np.arange(n)
    one = distances[every, labels]
    distances[every, labels] = np.inf
    two = distances.min(axis=1)
    off = relative_rounding(d, UNIT_ROUNDOFF) * (16 * squares + 4 * two)  # as in `ScreenedDistances`
    close = np.flatnonzero(two - one <= off)
    if len(close):
        differences = squared_distances(rows[:, close], centroids)
        labels[close] = differences.argmin(axis=0)
    gaps = np.maximum(two - one - off, 0.0) / (np.sqrt(np.maximum(one, 0.0) + off) + np.sqrt(two + off) + 1e-300)
    return Nearest(labels, gaps * (1 - 1e-6), np.sqrt(np.maximum(one, 0.0) + off) * (1 + 1e-6))
