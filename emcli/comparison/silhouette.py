"""The average silhouette of clusterings (Rousseeuw 1987), of all rows or of a sample with its standard error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.models.seeding import squared_distances
from emcli.types import Array, IndexArray, Mapper

MAX_ROWS = 20_000  # rows whose distances from each other are all computed
SAMPLE_ROWS = 10_000  # of a larger table
NEAR = 1e-8  # squared distance, relative to that of the farthest row from the mean, up to which a product loses digits
MAX_NEAR_SHARE = 0.05  # of such distances, from which all are computed by differences


class Room(NamedTuple):
    """How much is held at once."""

    distances: int = 1 << 21
    dense_clusters: int = 128  # of one clustering, up to which sums are fastest as a product of matrices
    clusters: int = 512  # of several clusterings, for which distances are computed once


class Silhouette(NamedTuple):
    """The average silhouette of a clustering; its standard error where the rows are a sample."""

    mean: float
    error: float | None


class _Clustering:
    """The clusters that have rows, by number, and their weights."""

    def __init__(self, labels: npt.NDArray[np.integer], weights: Array) -> None:
        found, own = np.unique(labels, return_inverse=True)
        self.k, self.own = len(found), own.reshape(-1)  # (n,)
        self.weights = np.bincount(self.own, weights, self.k)  # (k,)


class _Scores(NamedTuple):
    """Silhouettes of rows (m,), with what they are made of."""

    silhouettes: Array
    within: Array  # mean distance to the other rows of the row's cluster
    between: Array  # to the rows of the nearest other cluster
    neighbour: IndexArray  # that cluster


class _GroupSums:
    """Sums of distances times coefficients over groups of rows, for several groupings of the rows at once."""

    def __init__(self, groupings: Sequence[tuple[Array, IndexArray, int]], room: Room) -> None:
        """Coefficients (n,), groups (n,) and number of groups of each grouping."""
        self._groupings, self.room = groupings, room
        tables = [_table(*each) for each in groupings if each[2] <= room.dense_clusters]
        self._tables = np.concatenate(tables, axis=1) if tables else None

    def __call__(self, distances: Array) -> list[Array]:
        """(m, groups) for each grouping, of distances (m, n)."""
        dense = None if self._tables is None else distances @ self._tables
        found, at = [], 0
        for coefficients, groups, k in self._groupings:
            if k <= self.room.dense_clusters:
                assert dense is not None
                found.append(dense[:, at : at + k])
                at += k
                continue
            order = np.argsort(groups, kind="stable")
            there, first = np.unique(groups[order], return_index=True)
            sums = np.zeros((len(distances), k))
            sums[:, there] = np.add.reduceat((distances * coefficients)[:, order], first, axis=1)
            found.append(sums)
        return found


def _table(coefficients: Array, groups: IndexArray, k: int) -> Array:
    table = np.zeros((len(groups), k))
    table[np.arange(len(groups)), groups] = coefficients
    return table


def silhouettes(
    x: Array,
    weights: Array | None,
    clusterings: Sequence[npt.NDArray[np.integer]],
    share: float = 1.0,
    mapper: Mapper = map,
    room: Room = Room(),  # noqa: B008  # immutable
) -> list[Silhouette | None]:
    """The average silhouette of each clustering (n,) of rows (d, n); None where there is one cluster alone.

    Weights (n,) are frequencies: a row of weight 3 counts as three. A row alone in its cluster has silhouette 0. Where
    the rows are a `share` below 1 of all, the standard error is the infinitesimal jackknife's (Efron 1982, section
    6.3), which counts that every row bears on the silhouettes of others.
    """
    mass = np.ones(x.shape[1]) if weights is None else weights
    found: list[Silhouette | None] = []
    some: list[_Clustering] = []
    for clustering in [_Clustering(labels, mass) for labels in clusterings]:
        if some and sum(each.k for each in some) + clustering.k > room.clusters:
            found += _averages(x, mass, some, share, mapper, room)
            some = []
        some.append(clustering)
    return found + _averages(x, mass, some, share, mapper, room)


def _averages(
    x: Array, mass: Array, clusterings: Sequence[_Clustering], share: float, mapper: Mapper, room: Room
) -> list[Silhouette | None]:
    several = [each for each in clusterings if each.k > 1]
    sums = _GroupSums([(mass, each.own, each.k) for each in several], room)
    scores = [_scores(each, own) for each, own in zip(several, _over_distances(x, sums, mapper), strict=True)]
    means = [float(mass @ each.silhouettes) / float(mass.sum()) for each in scores]
    errors: list[float | None] = [None] * len(several)
    if share < 1:
        errors = list(_errors(x, mass, several, scores, means, share, mapper, room))
    known = iter([Silhouette(mean, error) for mean, error in zip(means, errors, strict=True)])
    return [next(known) if each.k > 1 else None for each in clusterings]


def _over_distances(x: Array, sums: _GroupSums, mapper: Mapper) -> list[Array]:
    """The sums (n, groups) of all rows (d, n), for each grouping."""
    n = x.shape[1]
    size = max(1, sums.room.distances // n)
    distances = _Distances(x)
    parts = list(mapper(lambda start: sums(distances(slice(start, start + size))), range(0, n, size)))
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


class _Distances:
    """Distances between rows (d, n): |x|² - 2 x·y + |y|² by a product, by differences where that loses digits."""

    def __init__(self, x: Array) -> None:
        self._x = x
        away = x - x.mean(axis=1, keepdims=True)
        squares = np.einsum("dn,dn->n", away, away)
        ones = np.ones(x.shape[1])
        self._left = np.vstack([-2 * away, squares, ones]).T.copy()
        self._right = np.vstack([away, ones, squares])
        self._near = NEAR * float(squares.max())

    def __call__(self, some: slice) -> Array:
        """(m, n) of some rows to all."""
        found: Array = self._left[some] @ self._right
        row, column = np.nonzero(found <= self._near)
        if len(row) > MAX_NEAR_SHARE * found.size:
            found = squared_distances(self._x, self._x[:, some].T)
        else:
            apart = self._x[:, some][:, row] - self._x[:, column]
            found[row, column] = np.einsum("dn,dn->n", apart, apart)
        return np.sqrt(found, out=found)


def _scores(clustering: _Clustering, sums: Array) -> _Scores:
    """Silhouettes from the sums (n, k) of distances to the rows of each cluster."""
    every, own = np.arange(len(sums)), clustering.own
    others = clustering.weights[own] - 1
    alone = ~(others > 0)
    within = sums[every, own] / np.where(alone, 1.0, others)
    means = sums / clustering.weights
    means[every, own] = np.inf
    neighbour = means.argmin(axis=1)
    between = means[every, neighbour]
    larger = np.maximum(within, between)
    found = np.where(alone | ~(larger > 0), 0.0, (between - within) / np.where(larger > 0, larger, 1.0))
    return _Scores(found, within, between, neighbour)


def _errors(
    x: Array,
    mass: Array,
    clusterings: Sequence[_Clustering],
    scores: Sequence[_Scores],
    means: Sequence[float],
    share: float,
    mapper: Mapper,
    room: Room,
) -> Iterator[float]:
    """Standard errors by the derivative of the average with respect to the weight of each row."""
    n = x.shape[1]
    groupings: list[tuple[Array, IndexArray, int]] = []
    for each, score in zip(clusterings, scores, strict=True):
        groupings += _derivatives(each, score, mass)
    sums = iter(_over_distances(x, _GroupSums(groupings, room), mapper))
    parts = iter(groupings)
    for each, score, mean in zip(clusterings, scores, means, strict=True):
        change = score.silhouettes - mean
        for distances in (score.within, score.between):
            coefficients, groups, k = next(parts)
            felt = next(sums) - np.bincount(groups, coefficients * distances, k)
            change = change + felt[np.arange(n), each.own]
        influence = mass * change / mass.sum()
        yield float(np.sqrt((1 - share) * n / (n - 1) * (influence @ influence)))


def _derivatives(clustering: _Clustering, score: _Scores, mass: Array) -> Iterator[tuple[Array, IndexArray, int]]:
    """How much silhouettes change with distances to rows of the own and of the nearest cluster, by cluster."""
    others = clustering.weights[clustering.own] - 1
    within, between = score.within, score.between
    moves = (others > 0) & (within > 0) & (between > 0)
    a, b = np.where(moves, within, 1.0), np.where(moves, between, 1.0)
    by_within = np.where(moves, np.where(a < b, -1 / b, -b / a**2), 0.0)
    by_between = np.where(moves, np.where(a < b, a / b**2, 1 / a), 0.0)
    yield mass * by_within / np.where(others > 0, others, 1.0), clustering.own, clustering.k
    yield mass * by_between / clustering.weights[score.neighbour], score.neighbour, clustering.k
