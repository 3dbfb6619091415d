"""Bins of round widths, and the counts of rows in them."""

from __future__ import annotations

import numpy as np

from emcli.types import Array

MOST = 80  # bins of a histogram


def round_width(width: float) -> float:
    """1, 2 or 5 times a power of ten, about that wide."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(
        power * next(step for step, below in ((1, 1.5), (2, 3.5), (5, 7.5), (10, 11)) if width < below * power)
    )


def edges(values: Array, weights: Array | None) -> Array:
    """Edges of bins for values (n,): half as wide as Freedman & Diaconis (1981) say, for several humps, round."""
    low, high = float(values.min()), float(values.max())
    if not high > low:
        half = max(abs(low), 1.0) / 2
        return np.array([low - half, low + half])
    order = np.argsort(values)
    mass = np.ones(len(values)) if weights is None else weights[order]
    share = np.cumsum(mass) / mass.sum()
    quarter, rest = values[order][np.searchsorted(share, [0.25, 0.75]).clip(max=len(values) - 1)]
    width = (rest - quarter) / mass.sum() ** (1 / 3) or (high - low) / 30
    width = round_width(min(max(width, (high - low) / MOST), (high - low) / 8))
    first, last = int(np.floor(low / width)), int(np.floor(high / width)) + 1
    if last - first > 3 * MOST:  # so far from zero that round numbers are lost
        return np.linspace(low, high, MOST + 1, dtype=np.float64)
    return np.arange(first, last + 1, dtype=np.float64) * np.float64(width)


def counts(values: Array, weights: Array | None, at: Array) -> Array:
    """How many rows lie between the edges."""
    return np.histogram(values, at, weights=weights)[0].astype(np.float64)
