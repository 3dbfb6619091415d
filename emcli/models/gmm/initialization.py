"""Gaussian mixtures from clusters of rows: their moments, and the starts that they suggest."""

from __future__ import annotations

from typing import Any

import numpy as np

from emcli.compute.arrays import row_chunks
from emcli.data.rows import Rows
from emcli.models.gmm.covariance import SHAPES
from emcli.models.gmm.mixture import Gaussian
from emcli.types import Array

SMALLEST = 0.02  # sd of a narrow component at the start, as a part of that of all rows


def cluster_moments(values: Array, weighted: Array) -> tuple[Array, Array, Array]:
    """Sizes (k,), means (k, d) and scatter matrices (k, d, d) of memberships (k, n)."""
    sizes = weighted.sum(axis=1)
    means = weighted @ values.T / sizes[:, None]
    scatter = np.empty((len(sizes), len(values), len(values)))
    for j, mean in enumerate(means):
        scatter[j] = 0.0
        for some in row_chunks(values.shape[1]):
            away = values[:, some] - mean[:, None]
            scatter[j] += (away * weighted[j, some]) @ away.T
    return sizes, means, scatter


def from_members(rows: Rows, members: Array, shape: Any, free: bool, kind: int) -> Gaussian:
    """A start from clusters, their covariances (0) each its own, shrunk to the pooled one; (1) pooled; (2) pooled, with
    equal weights. Which of them leads to the best optimum differs from data to data."""
    assert rows.spread is not None
    weighted = members if rows.weights is None else members * rows.weights
    kept = weighted.sum(axis=1) > 0
    if not kept.all():  # fewer different rows than components: the rest start on all rows
        weighted[~kept] = 1e-3 * (1.0 if rows.weights is None else rows.weights)
    sizes, means, scatter = cluster_moments(rows.values, weighted)
    k, d = means.shape
    pooled = scatter.sum(axis=0) / sizes.sum() + 1e-3 * rows.spread
    if kind == 0:
        strength = d + 1.0
        matrices = (scatter + strength * pooled) / (sizes[:, None, None] + strength)
    else:
        matrices = np.broadcast_to(pooled, scatter.shape).copy()
    if shape is SHAPES["tied"]:
        matrices[:] = pooled
    weights = sizes / sizes.sum() if free and kind < 2 else np.full(k, 1.0 / k)
    return Gaussian(weights, means, shape.of(matrices, rows.spread), free)


def of_all_sizes(rows: Rows, k: int, shape: Any, free: bool, rng: np.random.Generator) -> Gaussian:
    """A start that clusters far apart do not lead to: wide and narrow components, one perhaps within another.

    Means are rows drawn at random, covariances that of all rows, shrunk by a factor of 1 to SMALLEST in every sd.
    """
    assert rows.spread is not None
    n = rows.values.shape[1]
    chosen = rng.choice(n, k, p=None if rows.weights is None else rows.weights / rows.total)
    sds = np.exp(rng.uniform(np.log(SMALLEST), 0.0, k))
    matrices = sds[:, None, None] ** 2 * rows.spread
    return Gaussian(np.full(k, 1.0 / k), rows.values[:, chosen].T.copy(), shape.of(matrices, rows.spread), free)
