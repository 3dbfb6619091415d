"""Single rows that change their cluster, although no row is nearer to another centroid."""

from __future__ import annotations

import numpy as np

from emcli.data.rows import Rows
from emcli.models.kmeans.assignment import nearest
from emcli.models.seeding import squared_distances
from emcli.types import Array

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
    cost[labels, range(n)] = np.inf
    target = cost.argmin(axis=0)
    gain = saved - cost[target, range(n)]
    if rows.known is not None:  # these stay
        gain[rows.known >= 0] = -np.inf
    least, touched = MIN_GAIN_SHARE * float(own @ weights), np.zeros(k, dtype=bool)
    for row in np.argsort(-gain, kind="stable")[:k]:
        pair = [labels[row], target[row]]
        if gain[row] > least and not touched[pair].any():
            touched[pair] = True
            labels[row] = target[row]
    if not touched.any():
        return None
    total = np.bincount(labels, weights, k)
    sums = np.stack([np.bincount(labels, weights * column, k) for column in x], axis=1)
    return np.where(touched[:, None], sums / np.where(total > 0, total, 1.0)[:, None], centroids)
