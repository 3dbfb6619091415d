"""Greedy k-means++: random rows far apart, for start values (Arthur & Vassilvitskii 2007)."""

from __future__ import annotations

import numpy as np

from emcli.data.rows import Rows
from emcli.types import Array, IndexArray

MAX_DIFFERENCES_AT_ONCE = 1 << 18  # numbers up to which all differences are computed in one array


def squared_distances(rows: Array, centres: Array, at_once: int = MAX_DIFFERENCES_AT_ONCE) -> Array:
    """Squared Euclidean distances (k, n) of rows (d, n) to centres (k, d), by differences, which keep ties exact."""
    out = np.empty((len(centres), rows.shape[1]))
    if rows.size * len(centres) <= at_once:
        apart = rows - centres[:, :, None]
        np.einsum("kdn,kdn->kn", apart, apart, out=out)
        return out
    for centre, line in zip(centres, out, strict=True):
        away = rows - centre[:, None]
        np.einsum("dn,dn->n", away, away, out=line)
    return out


def kmeans_plusplus(
    rows: Array, weights: Array | None, k: int, rng: np.random.Generator, given: Array | None = None
) -> IndexArray:
    """Indices of k rows (d, n), each drawn with probability proportional to its squared distance from those before.

    Of 2 + ln k candidates the one that lowers the inertia most is taken (greedy k-means++, Arthur & Vassilvitskii 2007,
    section 5). Where fewer than k rows differ, the rest are drawn from all rows. `given` (m, d) centres come first.
    """
    n, trials = rows.shape[1], 2 + int(np.log(max(k, 1)))
    mass = np.ones(n) if weights is None else weights
    chosen = np.empty(k, dtype=np.intp)
    if given is None:
        chosen[0] = _drawn(mass, 1, rng)[0]
        nearest = squared_distances(rows, rows[:, chosen[:1]].T)[0]
    else:
        nearest = squared_distances(rows, given).min(axis=0)
    for i in range(given is None, k):
        potential = nearest * mass
        candidates = _drawn(potential if potential.any() else mass, trials, rng)
        distances = np.minimum(squared_distances(rows, rows[:, candidates].T), nearest)
        best = int(np.argmin(distances @ mass))
        chosen[i], nearest = candidates[best], distances[best]
    return chosen


def centres(x: Array, rows: Rows, k: int, rng: np.random.Generator) -> Array:
    """k rows of x (d, n) far apart, (k, d); components that have known rows begin at the means of these.

    `x` are the values of the rows in some coordinates.
    """
    if rows.known is None:
        return np.asarray(x[:, kmeans_plusplus(x, rows.weights, k, rng)].T)
    mass = np.ones(x.shape[1]) if rows.weights is None else rows.weights
    members = (rows.known == np.arange(len(rows.components))[:, None]) * mass
    named = members @ x.T / members.sum(axis=1)[:, None]
    chosen = kmeans_plusplus(x, mass * (rows.known < 0), k - len(named), rng, named)
    return np.concatenate([named, x[:, chosen].T])


def _drawn(mass: Array, count: int, rng: np.random.Generator) -> IndexArray:
    reach = np.cumsum(mass)
    drawn: IndexArray = np.searchsorted(reach, rng.random(count) * reach[-1], side="right")
    return np.minimum(drawn, len(mass) - 1)
