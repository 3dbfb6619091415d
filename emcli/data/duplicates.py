"""Equal rows as one with their frequency: heights in whole centimetres are a hundred rows, however many people."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.data.incomplete import pattern_keys
from emcli.types import Array, IndexArray

MIN_ROWS = 16_384  # rows below which merging saves nothing worth having
SAMPLE_ROWS = 65_536  # rows that show whether there are equal ones
MAX_DISTINCT_SHARE = 0.75  # share of different rows in the sample from which it is not tried
TELLING_COLUMNS = 4  # columns that mostly tell rows apart
MAX_SHARE_LEFT = 0.5  # share of all rows that may be left
PLACE_BITS = 20  # of a row's hash, by which many distinct rows are counted at once
MIX, FOLD = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)  # 2⁶⁴ over the golden ratio: Fibonacci hashing (Knuth 6.4)


class Merged(NamedTuple):
    """Different rows (d, m) in ascending order, their frequencies (m,), and for each row of data its place."""

    values: Array
    weights: Array
    place: IndexArray  # (n,)


def keys(values: Array) -> npt.NDArray[np.uint64]:
    """A number (n,) for each row of values (d, n); equal rows have equal ones, others almost surely not."""
    found = np.zeros(values.shape[1], dtype=np.uint64)
    for column in values:
        found ^= (column + 0.0).view(np.uint64)  # 0.0 makes one zero of -0 and 0
        found *= MIX
        found ^= found >> FOLD
        found *= MIX
    return found


def more_different(values: Array, limit: int) -> bool:
    """Are there more than `limit` different rows among (d, n)? np.unique would first import numpy.ma."""
    numbers = keys(values)
    taken = np.zeros(1 << PLACE_BITS, dtype=bool)
    taken[numbers >> np.uint64(64 - PLACE_BITS)] = True
    if np.count_nonzero(taken) > limit:  # different rows may share a place, equal ones do
        return True
    numbers.sort()
    return int(np.count_nonzero(numbers[1:] != numbers[:-1])) >= limit


def merged(values: Array, weights: Array | None) -> Merged | None:
    """Equal rows of values (d, n) merged, their weights added; None where that would not shrink the table a lot."""
    n = values.shape[1]
    if n <= MIN_ROWS:
        return None
    if n > SAMPLE_ROWS:
        drawn = np.random.default_rng(0).choice(n, SAMPLE_ROWS, replace=False)
        for d in sorted({min(TELLING_COLUMNS, len(values)), len(values)}):  # rows that differ in a few columns differ
            if len(np.unique(keys(arrays.take_columns(values[:d], drawn)))) > MAX_DISTINCT_SHARE * SAMPLE_ROWS:
                return None
    different = distinct(values, int(MAX_SHARE_LEFT * n))
    if different is None or len(different) <= len(values) + 1:
        return None
    place = arrays.empty((n,), np.intp)
    one = np.empty(len(different), dtype=np.intp)
    for some in row_chunks(n):
        place[some] = np.searchsorted(different, keys(values[:, some]))
        one[place[some]] = np.arange(some.start, min(some.stop, n))
    own = arrays.take_columns(values, one)
    for some in row_chunks(n):
        if not _equal(own[:, place[some]], values[:, some]):
            return None  # two rows with the same key
    order = in_order(own)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    for some in row_chunks(n):
        place[some] = rank[place[some]]
    often = np.bincount(place, weights, len(order)).astype(np.float64)
    return Merged(np.ascontiguousarray(own[:, order]), often, place)


def _equal(one: Array, other: Array) -> bool:
    """Are two arrays equal? A missing cell is equal to another."""
    return bool(np.array_equal(one, other) or np.array_equal(one, other, equal_nan=True))


def in_order(values: Array) -> IndexArray:
    """The ascending order of rows of values (d, n); those with the same missing cells lie together, complete first."""
    if not np.isnan(values).any():
        return np.lexsort(values[::-1])
    return np.lexsort([*values[::-1], *pattern_keys(values)[::-1]])


def distinct(values: Array, most: int) -> npt.NDArray[np.uint64] | None:
    """The keys of different rows, ascending; None where there are more than so many."""
    found = np.empty(0, dtype=np.uint64)
    fresh: list[npt.NDArray[np.uint64]] = []
    waiting = 0
    for some in row_chunks(values.shape[1]):
        fresh.append(np.unique(keys(values[:, some])))
        waiting += len(fresh[-1])
        if waiting > len(found):
            found, fresh, waiting = np.unique(np.concatenate([found, *fresh])), [], 0
            if len(found) > most:
                return None
    found = np.unique(np.concatenate([found, *fresh]))
    return found if len(found) <= most else None
