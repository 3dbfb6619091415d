"""How far two groupings, or two sets of components, agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emcli.compute.arrays import row_chunks
from emcli.types import JSON, Array, IndexArray

SMALL = 1 << 12  # labels up to which a table of all pairs of them is nothing
SHARED = ("scales",)  # lists of parameters that have one value for each column


def adjusted_rand_index(one: Any, other: Any, weights: Array | None = None) -> float:
    """Hubert & Arabie (1985), equation 5: 1 for equal groupings, 0 on average for random ones.

    Labels (n,) of any kind; a row of weight w counts as w rows. 1.0 where both groupings are a single group.
    """
    first, second = (_numbered(np.asarray(labels)) for labels in (one, other))
    table = np.zeros((int(first.max()) + 1, int(second.max()) + 1))
    for some in row_chunks(len(first)):
        np.add.at(table, (first[some], second[some]), 1.0 if weights is None else weights[some])
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    together = _pairs(table).sum()
    rows, columns = _pairs(table.sum(axis=1)).sum(), _pairs(table.sum(axis=0)).sum()
    expected = rows * columns / max(_pairs(table.sum()), 1e-300)
    if (rows + columns) / 2 == expected:
        return 1.0
    return float((together - expected) / ((rows + columns) / 2 - expected))


def _numbered(labels: Any) -> Any:
    """Labels as numbers from 0; small whole numbers as they are."""
    if labels.dtype.kind in "iu" and labels.size and labels.min() >= 0 and labels.max() < SMALL:
        return labels
    return np.unique(labels, return_inverse=True)[1]


def _pairs(count: Any) -> Any:
    return count * (count - 1) / 2


def match_components(distances: Array) -> IndexArray:
    """For each row of a square matrix of distances the column that goes with it in the best one-to-one matching."""
    nearest: IndexArray = distances.argmin(axis=1)
    if len(set(nearest.tolist())) == len(nearest):
        return nearest  # every row has its own nearest column: no matching can be closer
    from scipy.optimize import linear_sum_assignment

    return np.asarray(linear_sum_assignment(distances)[1], dtype=np.intp)


def reorder(parameters: Mapping[str, JSON], order: Sequence[int]) -> dict[str, JSON]:
    """Parameters with their components in another order; what is not one value for each component stays."""
    return {
        key: [value[i] for i in order] if isinstance(value, list) and key not in SHARED else value
        for key, value in parameters.items()
    }
