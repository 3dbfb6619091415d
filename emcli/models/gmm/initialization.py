"""Start values of Gaussian mixtures: from k-means++ clusters, components of all sizes, at random, or by a split."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from emcli.compute.arrays import row_chunks
from emcli.config.covariances import has_correlations, letters
from emcli.config.settings import ModelSettings
from emcli.data.points import uniform
from emcli.data.rows import Rows
from emcli.models.seeding import centres, squared_distances, with_rows_far_apart
from emcli.types import Array

BLOCK = 64  # columns and rows of a product of which the diagonal alone is wanted
MIN_SUBSAMPLED = 4  # rows for each component from which half of them are drawn
MIN_SD_SHARE = 0.02  # of the data's sd, for the narrowest component of `start_of_all_sizes`


class Start(NamedTuple):
    """Start values of a Gaussian mixture, in working coordinates."""

    weights: Array  # (k,)
    means: Array  # (k, d)
    matrices: Array  # (k, d, d) covariances; (k, d) variances where the shape has no others


def start_kinds(settings: ModelSettings) -> tuple[str, ...]:
    """The kinds of starts; components of all sizes are none of one covariance."""
    sizes = () if letters(settings.covariance)[0] == "E" else ("sizes",)
    return ("k-means++", *sizes, "split", "subsample", "uniform")


def draw_start(
    rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator, held: Array | None = None
) -> Start:
    """Start values of one kind: k-means++ | subsample | sizes | uniform.

    held: means (k, d), of which clusters are found around those that are known; the others have a NaN.
    """
    k = settings.k
    if kind == "uniform":
        return random_start(rows, settings, rng)
    if kind == "sizes":
        return start_of_all_sizes(rows, settings, rng)
    scaled = _scaling(rows, settings, rng)
    seen, n = scaled(rows.values), rows.values.shape[1]
    known = np.full((k, len(seen)), np.nan)
    if held is not None:
        whole = ~np.isnan(held).any(axis=1)
        known[whole] = scaled(held[whole].T).T
    some = np.arange(n)
    if kind == "subsample" and n >= MIN_SUBSAMPLED * k:  # clusters that hold a few far rows are not in every half
        some = np.sort(rng.choice(n, n // 2, replace=False))
    if rows.known is None:
        weights = None if rows.weights is None else rows.weights[some]
        chosen = with_rows_far_apart(seen[:, some], weights, known, rng)
    else:
        chosen = centres(seen, rows, k, rng, known)
    nearest = squared_distances(seen, chosen).argmin(axis=0)
    if rows.known is not None:
        nearest = np.where(rows.known < 0, nearest, rows.known)
    members = np.zeros((k, n))
    members[nearest, range(n)] = 1.0
    return start_from_clusters(rows, members, settings, int(rng.integers(3)))


def _scaling(rows: Rows, settings: ModelSettings, rng: np.random.Generator) -> Callable[[Array], Array]:
    """What brings rows (d, n) to one of two scalings, by chance, in which clusters may show.

    Spherical fits depend on the units: as they are given, or each column of unit variance. The others do not: each
    column of unit variance, or all uncorrelated (for full and tied covariances).
    """
    assert rows.covariance is not None
    unit = np.sqrt(np.diag(rows.covariance))[:, None]
    unit[unit == 0] = 1.0  # a constant column, which spherical components can have
    other = rng.integers(2) == 1
    if other and letters(settings.covariance)[1] == "I":
        return lambda values: np.asarray(values / unit.max())
    if other and has_correlations(settings.covariance) and len(unit) > 1:
        root = np.linalg.cholesky(rows.covariance)
        return lambda values: np.asarray(np.linalg.solve(root, values))
    return lambda values: np.asarray(values / unit)


def _spread(rows: Rows, settings: ModelSettings) -> Array:
    """Covariance of all rows (d, d), or their variances (d,) where the shape has no others."""
    assert rows.covariance is not None
    return rows.covariance if has_correlations(settings.covariance) else np.diag(rows.covariance)


def random_start(rows: Rows, settings: ModelSettings, rng: np.random.Generator) -> Start:
    """Random start values: means uniform in each column's range, diagonal covariances with sds of 1/70 to 1/7 of it."""
    k, d, extent = settings.k, len(rows.values), np.ptp(rows.values, axis=1)
    means = uniform(rows, k, rng)
    variances = (rng.uniform(1 / 70, 1 / 7, size=(k, d)) * extent) ** 2
    if not has_correlations(settings.covariance):
        return Start(np.full(k, 1.0 / k), means, variances)
    matrices = np.zeros((k, d, d))
    matrices[:, range(d), range(d)] = variances
    if letters(settings.covariance) == "EEE":
        matrices[:] = matrices.mean(axis=0)
    return Start(np.full(k, 1.0 / k), means, matrices)


def cluster_moments(values: Array, weighted: Array, diagonal: bool = False) -> tuple[Array, Array, Array]:
    """Sizes (k,), means (k, d) and scatter matrices (k, d, d), or their diagonals (k, d), of memberships (k, n)."""
    sizes, d = weighted.sum(axis=1), len(values)
    means = weighted @ values.T / sizes[:, None]
    scatter = np.zeros((len(sizes), d) if diagonal else (len(sizes), d, d))
    products = _squares if diagonal else np.matmul
    for j, mean in enumerate(means):
        for some in row_chunks(values.shape[1]):
            away = values[:, some] - mean[:, None]
            scatter[j] += products(away * weighted[j, some], away.T)
    return sizes, means, scatter


def _squares(rows: Array, columns: Array) -> Array:
    """The diagonal (d,) of a product, in blocks, whose sums are those of the product of matrices to a bit."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        some = slice(start, start + BLOCK)
        found[some] = np.diagonal(rows[some] @ columns[:, some])
    return found


def start_from_clusters(rows: Rows, members: Array, settings: ModelSettings, kind: int) -> Start:
    """Start values from clusters with covariances of one of three kinds.

    Kind 0: each its own, shrunk to the pooled one; 1: pooled; 2: pooled, with equal weights. Which kind leads to the
    best optimum differs from data to data.
    """
    weighted = members if rows.weights is None else members * rows.weights
    kept = weighted.sum(axis=1) > 0
    if not kept.all():  # fewer different rows than components: the others start from all rows
        weighted[~kept] = 1e-3 * (1.0 if rows.weights is None else rows.weights)
    sizes, means, scatter = cluster_moments(rows.values, weighted, not has_correlations(settings.covariance))
    k, d = means.shape
    pooled = scatter.sum(axis=0) / sizes.sum() + 1e-3 * _spread(rows, settings)
    if kind == 0:
        strength = d + 1.0
        weight = sizes.reshape(-1, *[1] * pooled.ndim)
        matrices = (scatter + strength * pooled) / (weight + strength)
    else:
        matrices = np.broadcast_to(pooled, scatter.shape).copy()
    if letters(settings.covariance) == "EEE":
        matrices[:] = pooled
    weights = sizes / sizes.sum() if settings.mixing == "free" and kind < 2 else np.full(k, 1.0 / k)
    return Start(weights, means, matrices)


def start_of_all_sizes(rows: Rows, settings: ModelSettings, rng: np.random.Generator) -> Start:
    """Start values with wide and narrow components, one perhaps within another, which clusters do not lead to.

    Means are random rows, covariances that of all rows, with every sd shrunk by a factor of 1 to MIN_SD_SHARE.
    """
    k, n, spread = settings.k, rows.values.shape[1], _spread(rows, settings)
    chosen = rng.choice(n, k, p=None if rows.weights is None else rows.weights / rows.total)
    sds = np.exp(rng.uniform(np.log(MIN_SD_SHARE), 0.0, k))
    matrices = sds.reshape(-1, *[1] * spread.ndim) ** 2 * spread
    return Start(np.full(k, 1.0 / k), rows.values[:, chosen].T.copy(), matrices)


def split_axes(matrices: Array, rows: Rows, rng: np.random.Generator | None) -> Array:
    """One sd of each covariance along its longest axis, or along the line through two random rows, (k, d).

    Covariances are matrices (k, d, d), or variances (k, d).
    """
    k, n = len(matrices), rows.values.shape[1]
    if rng is None or n < 2 or rng.integers(2):
        if matrices.ndim == 2:
            last = matrices.shape[1] - 1 - matrices[:, ::-1].argmax(axis=1)  # of equal ones, as eigh has it
            axes = np.zeros(matrices.shape)
            axes[range(k), last] = np.sqrt(matrices[range(k), last])
            return axes
        variances, vectors = np.linalg.eigh(matrices)
        longest: Array = np.sqrt(np.maximum(variances[:, -1:], 0.0)) * vectors[:, :, -1]
        return longest
    one, other = rng.choice(n, 2, replace=False)
    toward = rows.values[:, one] - rows.values[:, other]
    if matrices.ndim == 2:
        solved: Array = toward / matrices
    else:
        shaped = np.broadcast_to(toward[:, None], (k, len(toward), 1))
        solved = np.asarray(np.linalg.solve(matrices, shaped)[:, :, 0], dtype=np.float64)
    return np.asarray(toward / np.sqrt(np.maximum(solved @ toward, 1e-300))[:, None])
