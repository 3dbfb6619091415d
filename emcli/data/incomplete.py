"""Rows with missing cells, NaN in working coordinates: what is observed of them, and their order by pattern."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.compute.arrays import CHUNK_ROWS, cache_chunks, row_chunks
from emcli.types import Array, IndexArray

BYTES = 8  # of a pattern, up to which it is taken for a number


def observed_weights(values: Array, weights: Array | None) -> Array:
    """The weight (d,) of the rows that observe each column of values (d, n)."""
    found = np.zeros(len(values))
    for some in row_chunks(values.shape[1]):
        seen = ~np.isnan(values[:, some])
        found += seen.sum(axis=1) if weights is None else seen @ weights[some]
    return found


def without_missing(values: Array) -> Array:
    """Values with 0 in place of missing ones, which adds nothing to a sum."""
    known: Array = np.where(np.isnan(values), 0.0, values)
    return known


def first_values(values: Array) -> Array:
    """The first number (d,) of each column of values (n, d); NaN for a column without any."""
    found: Array = values[0].copy()
    for some in row_chunks(len(values)):
        seen = ~np.isnan(values[some])
        here: Array = values[some][seen.argmax(axis=0), np.arange(len(found))]
        found = np.where(np.isnan(found), here, found)
        if not np.isnan(found).any():
            break
    return found


def missing_cells(values: Array) -> tuple[int, int]:
    """How many cells of values (n, d) are missing, and in how many rows."""
    cells = rows = 0
    for some in row_chunks(len(values)):
        missing = np.isnan(values[some])
        cells += int(np.count_nonzero(missing))
        rows += int(np.count_nonzero(missing.any(axis=1)))
    return cells, rows


def pattern_keys(values: Array) -> npt.NDArray[np.uint8]:
    """The pattern of missing cells of each row of values (d, n), as bits: (bytes, n)."""
    keys: npt.NDArray[np.uint8] = arrays.empty((-(-len(values) // 8), values.shape[1]), np.uint8)
    for some in row_chunks(values.shape[1]):
        keys[:, some] = np.packbits(np.isnan(values[:, some]), axis=0)
    return keys


def by_pattern(values: Array, chunk_rows: int = CHUNK_ROWS) -> IndexArray:
    """The order (n,) of rows of values (d, n) in which those with the same missing cells lie together, complete first.

    Rows with the same pattern keep their order.
    """
    keys = pattern_keys(values)
    if len(keys) > BYTES:
        return np.lexsort(keys[::-1])
    counts: dict[int, int] = {}
    for some in row_chunks(values.shape[1], chunk_rows):
        found, often = np.unique(_numbers(keys[:, some]), return_counts=True)
        for pattern, count in zip(found.tolist(), often.tolist(), strict=True):
            counts[pattern] = counts.get(pattern, 0) + count
    patterns = np.array(sorted(counts), dtype=np.uint64)
    begin = np.cumsum([0] + [counts[pattern] for pattern in patterns.tolist()])[:-1]
    order: IndexArray = arrays.empty((values.shape[1],), np.intp)
    for some in row_chunks(values.shape[1], chunk_rows):
        which = np.searchsorted(patterns, _numbers(keys[:, some]))
        rows, often = np.argsort(which, kind="stable"), np.bincount(which, minlength=len(patterns))
        place = np.repeat(begin - (np.cumsum(often) - often), often) + np.arange(len(which))
        order[place] = rows + some.start
        begin = begin + often
    return order


def _numbers(keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Keys (bytes, n) of at most BYTES each as numbers (n,) in the same order."""
    padded = np.zeros((keys.shape[1], BYTES), dtype=np.uint8)
    padded[:, : len(keys)] = keys.T
    return padded.view(">u8")[:, 0].astype(np.uint64)


def reordered(values: Array, order: IndexArray) -> Array:
    """Rows of values (d, n) at these places, as an array of their own."""
    made: Array = arrays.empty((len(values), len(order)))
    for line, row in zip(made, values, strict=True):
        for some in row_chunks(len(order)):
            line[some] = arrays.take_rows(row, order[some])
    return made


def places(order: IndexArray) -> IndexArray:
    """The place (n,) of each row after it was put into this order."""
    found: IndexArray = arrays.empty(order.shape, np.intp)
    for some in row_chunks(len(order)):
        found[order[some]] = np.arange(some.start, min(some.stop, len(order)))
    return found


def complete_rows(values: Array) -> int:
    """How many rows of values (d, n) miss nothing before the first that misses a cell."""
    gaps = np.flatnonzero(np.isnan(values).any(axis=0))
    return int(gaps[0]) if len(gaps) else values.shape[1]


def column_means(values: Array, weights: Array | None) -> Array:
    """The mean (d,) of the observed cells of each column of values (d, n); 0 for a column without any."""
    sums = np.zeros(len(values))
    for some in cache_chunks(values.shape[1], len(values)):
        cells = without_missing(values[:, some])
        sums += cells.sum(axis=1) if weights is None else cells @ weights[some]
    return sums / np.maximum(observed_weights(values, weights), 1e-300)


def mean_filled(values: Array, weights: Array | None) -> Array:
    """Values (d, n) with the mean of a column's observed cells in place of its missing ones, as a new array."""
    means = column_means(values, weights)[:, None]
    made: Array = arrays.empty(values.shape)
    for some in row_chunks(values.shape[1]):
        made[:, some] = np.where(np.isnan(values[:, some]), means, values[:, some])
    return made
