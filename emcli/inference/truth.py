"""A fit beside what is known of its data: true parameters in the fit's order, and agreement with true labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.inference.agreement import adjusted_rand_index, match_components, reorder
from emcli.inference.fit_result import FitResult, Truth
from emcli.models.plain_values import Parameters
from emcli.types import Array


def with_truth(result: FitResult, parameters: Parameters | None, labels: Any) -> FitResult:
    """The result beside what is known: true parameters in the user's units, from labels where they are not given, and
    the adjusted Rand index against true labels, one for each row.

    With as many true components as fitted ones, the true ones stand in the order of the fitted ones they match.
    """
    index = None
    if labels is not None:
        labels, found, weights = np.asarray(labels), result.assignments(), result.data.row_weights
        if found.min() < 0:
            known = found >= 0
            found, weights = found[known], None if weights is None else weights[known]
        index = adjusted_rand_index(labels if len(found) == len(labels) else labels[known], found, weights)
        if parameters is None:
            parameters = result.kind.estimate(result.data.rows, _memberships(result, labels))
    truth: Truth = {
        "parameters": None if parameters is None else _aligned(result, parameters),
        "adjusted_rand_index": index,
    }
    return replace(result, truth=truth)


def _memberships(result: FitResult, labels: Any) -> Array:
    """Which part of each (merged) row belongs to each true label, (labels, n)."""
    rows = result.data.rows
    n, merged = rows.values.shape[1], rows.duplicate_of
    seen: set[int] = set()
    for some in row_chunks(len(labels)):
        seen.update(np.unique(labels[some] if merged is None else labels[some][merged[some] >= 0]).tolist())
    groups = np.array(sorted(seen))
    members = arrays.empty((len(groups), n))
    members[:] = 0.0
    for some in row_chunks(len(labels)):
        index, place = np.searchsorted(groups, labels[some]), np.arange(some.start, min(some.stop, len(labels)))
        if merged is None:
            members[index, place] = 1.0
            continue
        known = merged[some] >= 0
        weights = 1.0 if result.data.row_weights is None else result.data.row_weights[some][known]
        np.add.at(members, (index[known], merged[some][known]), weights)
    if merged is not None:
        members /= 1.0 if rows.weights is None else rows.weights
    return members


def _aligned(result: FitResult, parameters: Parameters) -> Parameters:
    apart = result.kind.distances(result.parameters, parameters)
    if apart.shape[0] != apart.shape[1]:
        return parameters
    return reorder(parameters, match_components(apart).tolist())
