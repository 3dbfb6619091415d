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


def centres(x: Array, rows: Rows, k: int, rng: np.random.Generator, held: Array | None = None) -> Array:
    """k rows of x (d, n) far apart, (k, d); components that have known rows begin at the means of these.

    `x` are the values of the rows in some coordinates. Centres that are `held` (k, d) have their places there; one
    with a NaN is free.
    """
    found = np.full((k, len(x)), np.nan) if held is None else held.copy()
    if rows.known is None:
        return with_rows_far_apart(x, rows.weights, found, rng)
    mass = np.ones(x.shape[1]) if rows.weights is None else rows.weights
    members = (rows.known == np.arange(len(rows.components))[:, None]) * mass
    named = found[: len(members)]
    named[:] = np.where(np.isnan(named), members @ x.T / members.sum(axis=1)[:, None], named)
    return with_rows_far_apart(x, mass * (rows.known < 0), found, rng)


def with_rows_far_apart(x: Array, weights: Array | None, found: Array, rng: np.random.Generator) -> Array:
    """Centres (k, d), of which those with a NaN are rows of x (d, n) far from the others and apart (k-means++)."""
    free = np.isnan(found).any(axis=1)
    chosen = kmeans_plusplus(x, weights, int(free.sum()), rng, None if free.all() else found[~free])
    found[free] = x[:, chosen].T
    return found


def _drawn(mass: Array, count: int, rng: np.random.Generator) -> IndexArray:
    reach = np.cumsum(mass)
    drawn: IndexArray = np.searchsorted(reach, rng.random(count) * reach[-1], side="right")
    return np.minimum(drawn, len(mass) - 1)
