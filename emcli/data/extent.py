"""How far rows reach: the box around them all, and the middle half of a column, which outliers do not move."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from emcli.types import Array, BoolArray

QUARTILES = (0.25, 1.349)  # of the middle half, and how many sds of a Gaussian it is wide
WIDER = ((0.1, 2.563), (0.05, 3.290), (0.02, 4.107), (0.01, 4.653), (0.001, 6.180))  # where that is a single value
REACH = 5.0  # sds of the middle half, beyond which values are outliers


class Box(NamedTuple):
    """A box in d dimensions, its edges along the columns or along other axes."""

    corner: Array  # (d,)
    edges: Array  # lengths (d,) along the columns; or (d, d), the vectors of the edges from the corner

    @property
    def log_volume(self) -> float:
        """ln of its volume; minus infinity where it is flat."""
        with np.errstate(divide="ignore"):
            return float(np.log(self.edges).sum() if self.edges.ndim == 1 else np.linalg.slogdet(self.edges)[1])

    def points(self, shares: Array) -> Array:
        """Points (n, d) of the box, from shares (n, d) of its edges from the corner; the same bits on any machine."""
        if self.edges.ndim == 1:
            return np.asarray(self.corner + shares * self.edges)
        return np.asarray(self.corner + sum(shares[:, j : j + 1] * edge for j, edge in enumerate(self.edges)))


def middle_half(values: Array, weights: Array | None) -> tuple[float, float]:
    """Median of some values (n,), and the sd of a Gaussian with a middle half as wide as theirs.

    Where half of the values are equal, of more of the middle; 0 where nearly all are.
    """
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    reach = np.arange(1.0, len(values) + 1) if weights is None else np.cumsum(weights[order])

    def quantile(share: float) -> float:
        return float(ranked[min(int(np.searchsorted(reach, share * reach[-1])), len(ranked) - 1)])

    for share, width in (QUARTILES, *WIDER):
        if (spread := quantile(1 - share) - quantile(share)) > 0:
            return quantile(0.5), spread / width
    return quantile(0.5), 0.0


def is_near(values: Array, weights: Array | None) -> BoolArray:
    """Which of some values (n,) lie within REACH sds of the middle half; all where it has no width."""
    centre, spread = middle_half(values, weights)
    return np.asarray(np.abs(values - centre) <= (REACH * spread if spread > 0 else np.inf))
