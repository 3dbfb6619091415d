"""Comparison of a fit with the truth: true parameters in the fit's order, and agreement with true labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.inference.agreement import adjusted_rand_index, match_components, reorder
from emcli.inference.fit_result import FitResult, Truth
from emcli.models.plain_values import Parameters
from emcli.types import Array


def with_truth(result: FitResult, parameters: Parameters | None, labels: npt.ArrayLike | None) -> FitResult:
    """The result with true parameters in the user's units and the adjusted Rand index against true labels (rows,).

    True parameters that are not given are estimated from the labels. If there are as many true components as fitted
    ones, the true ones are put in the order of the fitted ones they match.
    """
    index = None
    if labels is not None:
        true, found, weights = np.asarray(labels), result.assignments(), result.data.row_weights
        if found.min() < 0:
            known = found >= 0
            found, weights = found[known], None if weights is None else weights[known]
        index = adjusted_rand_index(true if len(found) == len(true) else true[known], found, weights)
        if parameters is None:
            parameters = result.kind.estimate(result.data.rows, _memberships(result, true))
    truth: Truth = {
        "parameters": None if parameters is None else _aligned(result, parameters),
        "adjusted_rand_index": index,
    }
    return replace(result, truth=truth)


def _memberships(result: FitResult, labels: npt.NDArray[np.generic]) -> Array:
    """The share of each (merged) row that belongs to each true label, (labels, n)."""
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
