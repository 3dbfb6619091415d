"""Equal rows as one with their frequency: heights in whole centimetres are a hundred rows, however many people."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.em import Array

FEWEST = 16_384  # rows below which merging saves nothing worth having
SAMPLE = 65_536  # rows that show whether there are equal ones
REPEATED = 0.75  # share of different rows in the sample from which it is not tried
SHRUNK = 0.5  # share of all rows that may be left
MIX, FOLD = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)  # 2⁶⁴ over the golden ratio: Fibonacci hashing (Knuth 6.4)


class Merged(NamedTuple):
    """Different rows (d, m) in ascending order, their frequencies (m,), and for each row of data its place."""

    values: Array
    weights: Array
    place: npt.NDArray[np.intp]  # (n,)


def keys(values: Array) -> npt.NDArray[np.uint64]:
    """A number (n,) for each row of values (d, n); equal rows have equal ones, others almost surely not."""
    found = np.zeros(values.shape[1], dtype=np.uint64)
    for column in values:
        found ^= (column + 0.0).view(np.uint64)  # 0.0 makes one zero of -0 and 0
        found *= MIX
        found ^= found >> FOLD
        found *= MIX
    return found


def merged(values: Array, weights: Array | None) -> Merged | None:
    """Equal rows of values (d, n) merged, their weights added; None where that would not shrink the table a lot."""
    d, n = values.shape
    if n <= FEWEST:
        return None
    if n > SAMPLE:
        drawn = np.random.default_rng(0).choice(n, SAMPLE, replace=False)
        if len(np.unique(keys(values[:, drawn]))) > REPEATED * SAMPLE:
            return None
    every = keys(values)
    found = np.unique(every)
    if not d + 1 < len(found) <= SHRUNK * n:
        return None
    place = np.searchsorted(found, every)
    one = np.empty(len(found), dtype=np.intp)
    one[place] = np.arange(n)
    different = values[:, one]
    if any(not np.array_equal(column[place], own) for column, own in zip(different, values, strict=True)):
        return None  # two rows with the same key
    order = np.lexsort(different[::-1])
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    place = rank[place]
    often = np.bincount(place, weights, len(order)).astype(np.float64)
    return Merged(np.ascontiguousarray(different[:, order]), often, place)
