"""A fit beside what is known of its data: true parameters in the fit's order, and agreement with true labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emcli.agreement import adjusted_rand_index, matched, reordered
from emcli.em import Array

if TYPE_CHECKING:
    from emcli.fitting import Result


def with_truth(result: Result, parameters: dict[str, Any] | None, labels: Any) -> Result:
    """The result beside what is known: true parameters in the user's units, from labels where they are not given, and
    the adjusted Rand index against true labels, one for each row.

    With as many true components as fitted ones, the true ones stand in the order of the fitted ones they match.
    """
    index = None
    if labels is not None:
        known = result.assignments >= 0
        labels = np.asarray(labels)[known]
        weights = None if result.data.row_weights is None else result.data.row_weights[known]
        index = adjusted_rand_index(labels, result.assignments[known], weights)
        if parameters is None:
            parameters = result.family.estimate(result.data.rows, _memberships(result, labels), result.settings)
    truth = {"parameters": parameters and _aligned(result, parameters), "adjusted_rand_index": index}
    return replace(result, truth=truth)


def _memberships(result: Result, labels: Any) -> Array:
    """Which part of each (merged) row belongs to each true label, (labels, n)."""
    groups, index = np.unique(labels, return_inverse=True)
    rows = result.data.rows
    n = rows.values.shape[1]
    members = np.zeros((len(groups), n))
    if rows.merged is None:
        members[index, np.arange(n)] = 1.0
        return members
    known = rows.merged >= 0
    weights = np.ones(len(labels)) if result.data.row_weights is None else result.data.row_weights[known]
    np.add.at(members, (index, rows.merged[known]), weights)
    return members / (1.0 if rows.weights is None else rows.weights)


def _aligned(result: Result, parameters: dict[str, Any]) -> dict[str, Any]:
    apart = result.family.apart(result.parameters, parameters)
    if apart.shape[0] != apart.shape[1]:
        return parameters
    return reordered(parameters, matched(apart).tolist())
