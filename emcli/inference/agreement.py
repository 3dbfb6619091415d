"""Agreement of two groupings (adjusted Rand index), and matching of two sets of components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from emcli.compute.arrays import row_chunks
from emcli.types import JSON, Array, IndexArray

Numbered = IndexArray | npt.NDArray[np.int32]  # (n,) labels as numbers from 0
MAX_TABLE_LABEL = 1 << 12  # whole numbers below it are used as indices of the table of pairs
MAX_OWN = 40  # components that are matched sooner than SciPy is loaded
PER_COLUMN_KEYS = ("scales",)  # parameters with one value for each column, not for each component


def adjusted_rand_index(one: npt.ArrayLike, other: npt.ArrayLike, weights: Array | None = None) -> float:
    """Hubert & Arabie (1985), equation 5: 1 for equal groupings, 0 on average for random ones.

    Labels (n,) of any kind; a row of weight w counts as w rows. 1.0 where both groupings are a single group.
    """
    table = cross_table(_numbered(one), _numbered(other), weights)
    return index_of_table(table[table.any(axis=1)][:, table.any(axis=0)])


def cross_table(one: Numbered, other: Numbered, weights: Array | None = None, shape: tuple[int, int] = (1, 1)) -> Array:
    """How many rows, or what weight of them, have each pair of labels (n,), from 0; of at least this shape."""
    table = np.zeros((max(shape[0], int(one.max()) + 1), max(shape[1], int(other.max()) + 1)))
    for some in row_chunks(len(one)):
        np.add.at(table, (one[some], other[some]), 1.0 if weights is None else weights[some])
    return table


def index_of_table(table: Array) -> float:
    """The adjusted Rand index of two groupings, by the number of rows in each pair of their groups."""
    together, rows, columns = _pairs(table), _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    expected = rows * columns / max(_pairs(table.sum(keepdims=True)), 1e-300)
    if (rows + columns) / 2 == expected:
        return 1.0
    return (together - expected) / ((rows + columns) / 2 - expected)


def _numbered(labels: npt.ArrayLike) -> IndexArray:
    """Labels as numbers from 0; small whole numbers as they are."""
    given = np.asarray(labels)
    if given.dtype.kind in "iu" and given.size and given.min() >= 0 and given.max() < MAX_TABLE_LABEL:
        return given
    return np.unique(given, return_inverse=True)[1]


def _pairs(counts: Array) -> float:
    """The number of pairs of rows within groups of these sizes."""
    return float((counts * (counts - 1) / 2).sum())


def match_components(distances: Array) -> IndexArray:
    """The column matched to each row of a square matrix of distances in the best one-to-one matching."""
    nearest: IndexArray = distances.argmin(axis=1)
    if len(set(nearest.tolist())) == len(nearest):
        return nearest  # every row has its own nearest column: no matching can be closer
    if len(nearest) <= MAX_OWN:
        return _closest(distances)
    from scipy.optimize import linear_sum_assignment

    return np.asarray(linear_sum_assignment(distances)[1], dtype=np.intp)


def _closest(distances: Array) -> IndexArray:
    """The same by shortest augmenting paths (Jonker & Volgenant 1987): rows one by one, each by prices of the columns.

    SciPy's function does it faster, but takes longer to load than all pairs of a comparison.
    """
    k = len(distances)
    row_of, price = np.full(k, -1), np.zeros(k)
    for row in range(k):
        length, before, done = np.full(k, np.inf), np.full(k, -1), np.zeros(k, dtype=bool)  # of paths to each column
        column, reached = -1, 0.0
        while column < 0 or row_of[column] >= 0:
            last = row if column < 0 else row_of[column]
            own = distances[last] - price
            through = reached + own - (0.0 if column < 0 else own[column])
            shorter = ~done & (through < length)
            length[shorter], before[shorter] = through[shorter], column
            column = int(np.where(done, np.inf, length).argmin())
            reached, done[column] = float(length[column]), True
        price[done] += length[done] - reached
        while column >= 0:
            last = int(before[column])
            row_of[column] = row if last < 0 else row_of[last]
            column = last
    return np.argsort(row_of)


def reorder(parameters: Mapping[str, JSON], order: Sequence[int]) -> dict[str, JSON]:
    """Parameters with their components in another order; values not given for each component stay."""
    return {
        key: [value[i] for i in order] if isinstance(value, list) and key not in PER_COLUMN_KEYS else value
        for key, value in parameters.items()
    }
