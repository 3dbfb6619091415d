"""Single rows that change their cluster, although no row is nearer to another centroid."""

from __future__ import annotations

import numpy as np

from emcli.data.incomplete import without_missing
from emcli.data.rows import Rows
from emcli.models.kmeans.assignment import nearest
from emcli.models.seeding import squared_distances
from emcli.types import Array, IndexArray

MIN_GAIN_SHARE = 1e-9  # of the inertia, that a change must bring
MAX_CELLS = 1 << 24  # rows times clusters up to which all distances are computed


def exchanged(centroids: Array, rows: Rows) -> Array | None:
    """Centroids (k, d) after the best single-row changes of cluster; None where no change lowers the inertia.

    A row of weight w that leaves a cluster of weight a for one of weight b lowers the inertia by
    a w / (a - w) d_a² - b w / (b + w) d_b² (Hartigan & Wong 1979, equations 1 and 2): a row may gain by leaving the
    nearest centroid, which would follow it. From each cluster at most one row leaves, and to each at most one comes.
    """
    x, k = rows.values, len(centroids)
    n = x.shape[1]
    if k < 2 or n * k > MAX_CELLS:
        return None
    weights = np.ones(n) if rows.weights is None else rows.weights
    labels = rows.with_known(nearest(x, centroids)[0])
    sizes, distances = np.bincount(labels, weights, k), squared_distances(x, centroids)
    own, size = distances[labels, range(n)], sizes[labels]
    with np.errstate(divide="ignore", invalid="ignore"):
        saved = np.where(size > weights, size * weights / (size - weights) * own, 0.0)
    cost = distances * (sizes[:, None] * weights / (sizes[:, None] + weights))
    return _changed(centroids, labels, rows, saved, cost, float(own @ weights))


def exchanged_incomplete(centroids: Array, labels: IndexArray, rows: Rows) -> Array | None:
    """The same of rows with missing cells, which have these labels (n,).

    Column by column: in a column that the row of weight w observes, clusters whose observed cells weigh a and b, it
    saves a w / (a - w) d_a² in its own and costs b w / (b + w) d_b² in another.
    """
    x, k = rows.values, len(centroids)
    n = x.shape[1]
    if k < 2 or n * k > MAX_CELLS:
        return None
    labels = rows.with_known(labels)
    known, seen = without_missing(x), ~np.isnan(x)
    weights = np.ones(n) if rows.weights is None else rows.weights
    cells = weights * seen
    counts = _sums(labels, cells, k)
    squares, rest = (known - seen * centroids[labels].T) ** 2, counts[labels].T - weights
    with np.errstate(divide="ignore", invalid="ignore"):
        saved = np.where(rest > 0, cells * counts[labels].T / rest, 0.0)
    cost = np.empty((k, n))
    for j, centroid in enumerate(centroids[:, :, None]):
        share = counts[j][:, None]
        cost[j] = np.einsum("dn,dn->n", cells * (share / (share + weights)), (known - seen * centroid) ** 2)
    own = np.einsum("dn,dn->n", saved, squares)
    return _changed(centroids, labels, rows, own, cost, float((cells * squares).sum()))


def _changed(
    centroids: Array, labels: IndexArray, rows: Rows, saved: Array, cost: Array, inertia: float
) -> Array | None:
    """Centroids (k, d) after the changes with the largest gains; None where there are none.

    saved (n,): what a row saves by leaving its cluster. cost (k, n): what it costs in each; overwritten.
    """
    k, every = len(centroids), range(len(labels))
    cost[labels, every] = np.inf
    target = cost.argmin(axis=0)
    gain = saved - cost[target, every]
    if rows.known is not None:  # these stay
        gain[rows.known >= 0] = -np.inf
    labels, touched = labels.copy(), np.zeros(k, dtype=bool)
    for row in np.argsort(-gain, kind="stable")[:k]:
        pair = [labels[row], target[row]]
        if gain[row] > MIN_GAIN_SHARE * inertia and not touched[pair].any():
            touched[pair] = True
            labels[row] = target[row]
    if not touched.any():
        return None
    weights = 1.0 if rows.weights is None else rows.weights
    counts = _sums(labels, weights * ~np.isnan(rows.values), k)
    moved = touched[:, None] & (counts > 0)
    sums = _sums(labels, weights * without_missing(rows.values), k)
    return np.where(moved, sums / np.where(moved, counts, 1.0), centroids)


def _sums(labels: IndexArray, values: Array, k: int) -> Array:
    """Sums (k, d) of values (d, n) over the rows of each cluster."""
    return np.stack([np.bincount(labels, column, k) for column in values], axis=1)
