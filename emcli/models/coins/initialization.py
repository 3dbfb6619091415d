"""Start values of coins: from rows far apart, uniform in the range of the shares of heads, or several coins alike."""

from __future__ import annotations

import numpy as np

from emcli.data.rows import Rows
from emcli.models.seeding import centres, kmeans_plusplus
from emcli.types import Array

ALIKE_WITHIN = 0.01  # of the range of the shares of heads, by which coins that begin alike differ at most


def draw_heads(rows: Rows, k: int, kind: str, rng: np.random.Generator) -> Array:
    """P(heads) (k,) of one kind: k-means++ | uniform | alike."""
    thrown = rows.values[0] + rows.values[1]
    rates = rows.values[0] / thrown
    low, high = float(rates.min()), float(rates.max())
    heads = rng.uniform(low, high, k)
    if kind == "alike":  # fewer places than coins, each with one coin at least
        places = int(rng.integers(1, k)) if k > 1 else 1
        place = np.concatenate([np.arange(places), rng.integers(places, size=k - places)])
        near: Array = (1 - ALIKE_WITHIN) * heads[place] + ALIKE_WITHIN * rng.uniform(low, high, k)
        return near
    if kind == "uniform":
        return heads
    if rows.known is not None:
        least = 0.5 / (float(thrown.max()) + 1.0)
        return np.asarray(np.clip(centres(rates[None, :], rows, k, rng)[:, 0], least, 1.0 - least))
    chosen = kmeans_plusplus(rates[None, :], rows.weights, k, rng)
    drawn = (rows.values[0, chosen] + 0.5) / (thrown[chosen] + 1.0)
    return np.asarray(np.where([rate in rates[chosen[:i]] for i, rate in enumerate(rates[chosen])], heads, drawn))
