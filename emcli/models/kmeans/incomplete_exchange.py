"""Single rows with missing cells that change their cluster, although no row is nearer to another centroid."""

from __future__ import annotations

import numpy as np

from emcli.data.incomplete import without_missing
from emcli.data.rows import Rows
from emcli.models.kmeans.exchange import MAX_CELLS, MIN_GAIN_SHARE
from emcli.types import Array, IndexArray


def exchanged_incomplete(centroids: Array, labels: IndexArray, rows: Rows) -> Array | None:
    """Centroids (k, d) after the best single-row changes of cluster; None where no change lowers the inertia.

    As `exchanged` for complete rows, column by column: in a column that the row of weight w observes, clusters whose
    observed cells weigh a and b, it saves a w / (a - w) d_a² in its own and costs b w / (b + w) d_b² in another.
    """
    x, k = rows.values, len(centroids)
    n = x.shape[1]
    labels = rows.with_known(labels)
    if k < 2 or n * k > MAX_CELLS:
        return None
    known, seen = without_missing(x), ~np.isnan(x)
    weights = np.ones(n) if rows.weights is None else rows.weights
    cells = weights * seen
    counts, sums = _sums(labels, cells, k), _sums(labels, weights * known, k)
    squares, rest = _squares(known, seen, centroids[labels].T), counts[labels].T - weights
    with np.errstate(divide="ignore", invalid="ignore"):
        saved = np.where(rest > 0, cells * counts[labels].T / rest, 0.0)
    own = np.einsum("dn,dn->n", saved, squares)
    cost = np.empty((k, n))
    for j, centroid in enumerate(centroids):
        share = counts[j][:, None]
        cost[j] = np.einsum("dn,dn->n", cells * (share / (share + weights)), _squares(known, seen, centroid[:, None]))
    cost[labels, range(n)] = np.inf
    target = cost.argmin(axis=0)
    gain = own - cost[target, range(n)]
    if rows.known is not None:  # these stay
        gain[rows.known >= 0] = -np.inf
    least, touched = MIN_GAIN_SHARE * float((cells * squares).sum()), np.zeros(k, dtype=bool)
    for row in np.argsort(-gain, kind="stable")[:k]:
        pair = [labels[row], target[row]]
        if gain[row] > least and not touched[pair].any():
            touched[pair] = True
            change = np.array([-1.0, 1.0])[:, None]
            counts[pair] += change * cells[:, row]
            sums[pair] += change * weights[row] * known[:, row]
    if not touched.any():
        return None
    moved = touched[:, None] & (counts > 0)
    return np.where(moved, sums / np.where(moved, counts, 1.0), centroids)


def _squares(known: Array, seen: Array, centre: Array) -> Array:
    """Squared differences (d, n) of observed cells from a place; 0 of others."""
    return np.asarray((known - seen * centre) ** 2)


def _sums(labels: IndexArray, values: Array, k: int) -> Array:
    """Sums (k, d) of values (d, n) over the rows of each cluster."""
    return np.stack([np.bincount(labels, column, k) for column in values], axis=1)
