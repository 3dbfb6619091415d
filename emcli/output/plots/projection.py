"""Projection of rows to the plane, by the two leading principal axes of more than two columns; and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from emcli.data.points import covariance
from emcli.data.rows import Rows
from emcli.data.scaling import mean_of
from emcli.errors import escaped
from emcli.output.plots.figure import middled
from emcli.types import Array

LONGEST_NAME = 400  # characters of a column's name that are looked at
MOST_BINS = 80  # of a histogram
FINE_STEPS = 50  # that values are multiples of, in a bin, of which it does not matter where it begins
MOST_PARTS = 12  # of the smallest difference of values, in each of which there may be a step
TURN = np.linspace(0.0, 2 * np.pi, 73)
CIRCLE = np.stack([np.cos(TURN), np.sin(TURN)])  # (2, m)


@dataclass(frozen=True, eq=False)
class Projection:
    """A projection to the plane: axes · (x - origin), x in the user's units."""

    axes: Array  # (2, d)
    origin: Array  # (d,)
    labels: tuple[str, str]
    note: str = ""

    @classmethod
    def of(cls, rows: Rows, common: bool) -> Self:
        """Two columns as they are; else the axes of the largest variance, of columns of unit sd unless `common`."""
        d = len(rows.names)
        common = common and rows.scaling.unit is None
        if d == 2:
            return cls(np.eye(2), np.zeros(2), (rows.names[0], rows.names[1]))
        mean, spread = mean_of(rows.values, rows.weights), covariance(rows)
        sd = np.sqrt(np.diag(spread))
        unit = np.full(d, 1.0) if common else np.where(sd > 0, sd, 1.0)
        variances, directions = np.linalg.eigh(spread / np.outer(unit, unit))
        leading = directions[:, ::-1][:, :2].T
        leading = leading * np.sign(leading[np.arange(2), np.abs(leading).argmax(axis=1)])[:, None]
        shares = variances[::-1][:2] / max(float(variances.sum()), 1e-300)
        axes = leading if common else leading / (unit * _scale(rows))
        scaled = "" if common else "; columns scaled to unit sd"
        note = "\n".join(f"axis {i + 1} = {_sum(axis, rows.names)}" for i, axis in enumerate(leading)) + scaled
        labels = [f"PC {i + 1} ({100 * share:.0f} % of variance)" for i, share in enumerate(shares)]
        return cls(axes, rows.scaling.to_original(mean), (labels[0], labels[1]), note)

    def place(self, points: Array) -> Array:
        """Points (…, d) projected, (2, …)."""
        return np.moveaxis((points - self.origin) @ self.axes.T, -1, 0)

    def rows(self, rows: Rows) -> Array:
        """All rows projected, (2, n)."""
        if len(rows.names) == 2:
            return rows.scaling.to_original(rows.values.T).T
        slope = self.axes * _scale(rows)
        return slope @ (rows.values - rows.scaling.to_scaled(self.origin)[:, None])

    def ellipse(self, mean: Array, covariance: Array, sds: float) -> Array:
        """The outline (2, m) of a Gaussian at that many standard deviations."""
        variances, directions = np.linalg.eigh(self.axes @ covariance @ self.axes.T)
        root = directions * np.sqrt(np.maximum(variances, 0.0))
        outline: Array = self.place(mean)[:, None] + sds * root @ CIRCLE
        return outline


def _scale(rows: Rows) -> Array:
    """The user's units in one of the working coordinates, (d,)."""
    unit = np.ones(len(rows.names)) if rows.scaling.unit is None else rows.scaling.unit
    return np.ldexp(unit, rows.scaling.exponent)


def _sum(axis: Array, names: Sequence[str]) -> str:
    """The largest terms of an axis in words."""
    largest = sorted(np.argsort(-np.abs(axis), kind="stable")[:4].tolist())
    said = " ".join(
        f"{'−' if axis[j] < 0 else '+'} {abs(axis[j]):.2f} {middled(escaped(names[j], LONGEST_NAME), 30)}"
        for j in largest
    )
    return said.removeprefix("+ ") + (" + …" if len(names) > len(largest) else "")


def axis_range(values: Array, others: Array) -> tuple[float, float]:
    """The range of an axis: that of the values, with the others unless they are far away."""
    low, high = span(values)
    reach = high - low
    low = max(min(low, float(others.min(initial=low))), low - reach)
    high = min(max(high, float(others.max(initial=high))), high + reach)
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def span(values: Array) -> tuple[float, float]:
    low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
    if np.isnan(low):  # no row is to be seen
        low = high = 0.0
    half = max(abs(low) * 1e-6, 0.5)
    return (low, high) if high > low else (low - half, high + half)


def round_width(width: float) -> float:
    """A round width near the given one: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(
        power * next(step for step, below in ((1, 1.5), (2, 3.5), (5, 7.5), (10, 11)) if width < below * power)
    )


def bin_edges(values: Array, weights: Array | None) -> Array:
    """Edges of bins for values (n,): half as wide as Freedman & Diaconis (1981) say, for several humps, round.

    Bins of values that are all multiples of a step hold a whole number of them, and are centred on these.
    """
    if np.isnan(values).any():
        known = ~np.isnan(values)
        values, weights = values[known], None if weights is None else weights[known]
    low, high = float(values.min()), float(values.max())
    if not high > low:
        half = max(abs(low), 1.0) / 2
        return np.array([low - half, low + half])
    order = np.argsort(values)
    mass = np.ones(len(values)) if weights is None else weights[order]
    share = np.cumsum(mass) / mass.sum()
    quarter, rest = values[order][np.searchsorted(share, [0.25, 0.75]).clip(max=len(values) - 1)]
    width = (rest - quarter) / mass.sum() ** (1 / 3) or (high - low) / 30
    width = min(max(width, (high - low) / MOST_BINS), (high - low) / 8)
    step = step_of(values[order])
    if step and width < FINE_STEPS * step:
        steps = round(round_width(width / step)) if width > step else 1
        before = round(low / step) % steps  # so that bins of several values begin at round ones
        count = int((high - low) / step + 0.5 + before) // steps + 1
        return low - (before + 0.5) * step + np.arange(count + 1, dtype=np.float64) * np.float64(steps * step)
    width = round_width(width)
    first, last = int(np.floor(low / width)), int(np.floor(high / width)) + 1
    if last - first > 3 * MOST_BINS:  # so far from zero that round numbers are lost
        return np.linspace(low, high, MOST_BINS + 1, dtype=np.float64)
    return np.arange(first, last + 1, dtype=np.float64) * np.float64(width)


def step_of(values: Array) -> float | None:
    """The largest step of which all differences of sorted values (n,) are multiples; None: too fine to matter."""
    reach = float(values[-1] - values[0])
    blur = max(1e-9 * reach, 64 * np.finfo(np.float64).eps * float(np.abs(values[[0, -1]]).max()))  # of rounding
    gaps = np.diff(values)
    if not (gaps > blur).any():
        return None
    smallest = float(gaps[gaps > blur].min())
    for parts in range(1, MOST_PARTS + 1):
        step = smallest / parts
        if reach / step > MOST_BINS * FINE_STEPS or step < 8 * blur:
            return None
        # The smallest gap is blurred too: what all of them say is closer.
        step = reach / round(reach / step)
        away = (values - values[0]) / step
        if np.all(np.abs(away - np.round(away)) * step <= 4 * blur):
            return step
    return None


def bin_counts(values: Array, weights: Array | None, at: Array) -> Array:
    """How many rows lie between the edges."""
    return np.histogram(values, at, weights=weights)[0].astype(np.float64)
