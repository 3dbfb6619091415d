"""Comparison of a fit with the truth: true parameters in the fit's order, and agreement with true labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.errors import EmcliError, Exit, Problem
from emcli.inference.agreement import (
    Numbered,
    adjusted_rand_index,
    cross_table,
    index_of_table,
    match_components,
    reorder,
)
from emcli.inference.fit_result import CrossTable, FitResult, TrueLabels, Truth
from emcli.models.plain_values import Parameters, whole
from emcli.types import JSON, Array

MAX_CELLS = 1_000_000  # of a cross-table, beyond which it is not made


def with_truth(
    result: FitResult,
    parameters: Parameters | None,
    names: Sequence[str] = (),
    labels: Numbered | None = None,
    max_cells: int = MAX_CELLS,
) -> FitResult:
    """The result with true parameters in the user's units, and how its assignments agree with true labels (rows,).

    A label is the place of its name in `names`, -1 where it is unknown; such rows are left out. True parameters that
    are not given are estimated from the labels. If there are as many true components as fitted ones, the true ones are
    put in the order of the fitted ones they match. Raises EmcliError (exit 3) where no row that counts has a label.
    """
    if labels is not None and not ((result.assignments() >= 0) & (labels >= 0)).any():
        what = "no row has both a true label and something to say of its component"
        raise EmcliError(Exit.DATA, Problem(what, result.data.path))
    if parameters is None and labels is not None:
        parameters = _estimated(result, names, labels)
    truth: Truth = {
        "parameters": None if parameters is None else _aligned(result, parameters),
        "adjusted_rand_index": None,
    }
    if labels is not None:
        truth["adjusted_rand_index"], table = _agreement(result, names, labels, max_cells)
        if table is not None:
            truth["cross_table"] = table
    return replace(result, truth=truth, labels=None if labels is None else TrueLabels(names, labels))


def _estimated(result: FitResult, names: Sequence[str], labels: Numbered) -> Parameters:
    """Parameters of the true groups; of one called as a component beside the k, such as noise, its share alone."""
    own, weights = labels, result.data.row_weights
    found: dict[str, JSON] = {}
    for number, name in enumerate(names):
        if name in result.model.others and (labels == number).any() and (own != number).any():
            far, counts = labels == number, np.ones(len(labels)) if weights is None else weights
            found[name] = {"weight": float(counts[far].sum() / counts[labels >= 0].sum())}
            own = np.where(far, -1, own)
    parameters = result.kind.estimate(result.data.rows, _memberships(result, own))
    rest = 1.0 - sum(each["weight"] for each in found.values())  # type: ignore[index,call-overload,misc]
    if found:
        parameters["weights"] = [rest * share for share in parameters["weights"]]  # type: ignore[union-attr]
    return {**parameters, **found}


def _agreement(
    result: FitResult, names: Sequence[str], labels: Numbered, max_cells: int
) -> tuple[float, CrossTable | None]:
    """The adjusted Rand index, and the cross-table that it is of, without rows that have no information or no label."""
    found, weights = result.assignments(), result.data.row_weights
    if found.min() < 0 or labels.min() < 0:
        known = (found >= 0) & (labels >= 0)
        labels, found, weights = labels[known], found[known], None if weights is None else weights[known]
    k = len(result.model.shares)
    if len(names) * k > max_cells:
        return adjusted_rand_index(labels, found, weights), None
    table = cross_table(labels, found, weights, (len(names), k))
    occur = np.flatnonzero(table.sum(axis=1))
    counts: list[list[float]] = [[whole(count) for count in row] for row in table[occur].tolist()]
    return index_of_table(table), {"labels": [names[i] for i in occur.tolist()], "counts": counts}


def _memberships(result: FitResult, labels: Numbered) -> Array:
    """The share of each (merged) row that belongs to each true label, (labels, n)."""
    rows = result.data.rows
    n, merged = rows.values.shape[1], rows.duplicate_of
    seen: set[int] = set()
    for some in row_chunks(len(labels)):
        seen.update(np.unique(labels[some] if merged is None else labels[some][merged[some] >= 0]).tolist())
    groups = np.array(sorted(seen - {-1}))
    members = arrays.empty((len(groups), n))
    members[:] = 0.0
    for some in row_chunks(len(labels)):
        index, place = np.searchsorted(groups, labels[some]), np.arange(some.start, min(some.stop, len(labels)))
        known = labels[some] >= 0
        if merged is None:
            members[index[known], place[known]] = 1.0
            continue
        known &= merged[some] >= 0
        weights = 1.0 if result.data.row_weights is None else result.data.row_weights[some][known]
        np.add.at(members, (index[known], merged[some][known]), weights)
    if merged is not None:
        members /= 1.0 if rows.weights is None else rows.weights
    return members


def matched(result: FitResult, parameters: Parameters) -> list[int] | None:
    """The true component that each fitted one is matched to; None where there are not as many."""
    apart = result.kind.distances(result.parameters, parameters)
    return match_components(apart).tolist() if apart.shape[0] == apart.shape[1] else None


def _aligned(result: FitResult, parameters: Parameters) -> Parameters:
    order = matched(result, parameters)
    return parameters if order is None else reorder(parameters, order)
