"""What pictures show of coins: each one's P(heads), and the rows beside what the coins expect."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import bin_counts, round_width
from emcli.output.plots.scenes.line import stacked
from emcli.output.plots.scenes.scene import THE_DATA, Scene, Snapshot
from emcli.types import Array, IndexArray


class Axis(NamedTuple):
    """How rows are counted: by their heads, or by their share of heads where the number of tosses differs."""

    edges: Array
    limits: Array  # the same, so that each row is in the bin that it belongs to
    values: Array  # (n,) of the rows
    tosses: IndexArray  # different numbers of tosses
    often: Array  # how many rows have so many
    x_label: str
    y_label: str

    @property
    def whole(self) -> bool:
        """Are heads counted?"""
        return len(self.tosses) == 1


class Coins(Scene):
    """Coins: the rows by their heads, and how many of them the coins expect."""

    noun = "coin"

    @cached_property
    def axis(self) -> Axis:
        """How rows are counted."""
        heads, tosses = self.rows.values[0], self.rows.values[0] + self.rows.values[1]
        weights = np.ones(len(heads)) if self.rows.weights is None else self.rows.weights
        distinct, place = np.unique(tosses, return_inverse=True)
        often, numbers = np.bincount(place.ravel(), weights).astype(np.float64), distinct.astype(np.int64)
        if len(distinct) == 1:
            reach = float(distinct[0]) + 1
            width = max(1.0, round_width(reach / 60))
            edges = np.arange(int(np.ceil(reach / width)) + 1, dtype=np.float64) * np.float64(width) - 0.5
            y_label = "rows" if width == 1 else f"rows in {width:g} counts of heads"
            return Axis(edges, edges, heads, numbers, often, f"heads in {distinct[0]:g} tosses", y_label)
        edges = np.arange(21, dtype=np.float64) / 20
        limits = edges - 1e-9
        limits[-1] += 1.0
        return Axis(edges, limits, heads / tosses, numbers, often, "heads / tosses", "rows in a bin of 0.05")

    @cached_property
    def observed(self) -> Series:
        """The rows."""
        return Series(
            "bars", self.axis.edges, bin_counts(self.axis.values, self.rows.weights, self.axis.limits), "observed"
        )

    @cached_property
    def y_range(self) -> tuple[float, float]:
        """The bars, and what the coins expect at any time."""
        top = float(self.observed.y.max())
        most = max((float(self.expected(each).sum(axis=0).max()) for each in self.snapshots), default=top)
        return 0.0, 1.06 * max(top, min(most, 1.6 * top))

    def expected(self, snapshot: Snapshot) -> Array:
        """How many rows each coin expects in each bin, (k, bins)."""
        from scipy.special import bdtr

        limits, tosses = self.axis.limits, self.axis.tosses
        below = np.ceil(limits[:, None] * (1.0 if self.axis.whole else tosses)) - 1  # (edges, tosses)
        found = []
        for p in snapshot.model.heads:
            reached = np.where(below < 0, 0.0, bdtr(np.clip(below, 0, tosses), tosses, p))
            found.append(np.diff(reached @ self.axis.often))
        each: Array = snapshot.model.weights[:, None] * np.array(found)
        return each

    def data(self) -> Panel:
        """The rows by their heads."""
        if self.groups is None:
            return self.panel(THE_DATA, [self.observed])
        names, groups, weights, place = self.by_group()
        bars = stacked(self.axis.values[place], weights, self.axis.limits, groups, names)
        return self.panel(THE_DATA, [Series("bars", self.axis.edges, one.y, one.label, one.colour) for one in bars])

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows, and what the coins expect."""
        return self.panel(self.when(snapshot), self.curves(snapshot))

    def curves(self, snapshot: Snapshot) -> list[Series]:
        """The rows, and how many of them the coins expect."""
        each, edges = self.expected(snapshot), self.axis.edges
        middle: Array = (edges[1:] + edges[:-1]) / 2
        series = [self.observed, Series("line", middle, each.sum(axis=0), "mixture", None, "bold")]
        return series + [Series("line", middle, y, f"coin {j + 1}", j) for j, y in enumerate(each)]

    def panel(self, title: str, series: list[Series]) -> Panel:
        """Axes of heads and rows."""
        return Panel(title, self.axis.x_label, self.axis.y_label, series, whole=self.axis.whole, y_range=self.y_range)

    def overview(self) -> list[list[Panel]]:
        """Each coin's P(heads) against the iteration, and the rows beside what the fitted mixture expects."""
        iterations = np.array([snapshot.iteration for snapshot in self.snapshots], dtype=np.float64)
        heads = np.stack([snapshot.model.heads for snapshot in self.snapshots])  # (t, k)
        shape, stroke = ("line", "normal") if len(iterations) > 1 else ("points", "bold")
        series = [
            Series(shape, iterations, p, f"coin {j + 1}", j, stroke, mark=f"{p[-1]:.3g}") for j, p in enumerate(heads.T)
        ]
        known = np.asarray((self.truth or {}).get("heads", ())).tolist()
        ends = np.array([0.0, max(iterations[-1], 1.0)])
        series += [
            Series(
                "line", ends, np.full(2, p), "truth" if j == 0 else None, j if len(known) == self.k else None, "dashed"
            )
            for j, p in enumerate(known)
        ]
        first = Panel("Coins, iteration by iteration", "iteration", "P(heads)", series, whole=True, y_range=(0.0, 1.0))
        return [[first, self.panel("Rows, and what the coins expect", self.curves(self.fit))]]
