"""Rows of one column: histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import bin_counts, bin_edges
from emcli.output.plots.scenes.scene import THE_DATA, Parts, Scene, Snapshot
from emcli.types import Array


class Line(Scene):
    """A histogram of one column, of a model that has no picture of its own: a bar for each component."""

    @cached_property
    def edges(self) -> Array:
        """The edges of the bins."""
        return bin_edges(self.values[0], self.rows.weights)

    @cached_property
    def heights(self) -> Array:
        """The rows in each bin."""
        return bin_counts(self.values[0], self.rows.weights, self.edges)

    @property
    def x_range(self) -> tuple[float, float] | None:
        """What to show of the column; None: the bins."""
        return None

    @property
    def y_range(self) -> tuple[float, float]:
        """What to show of the counts."""
        return 0.0, 1.06 * float(self.heights.max())

    def data(self) -> Panel:
        """A histogram."""
        if self.groups is None:
            return self.panel(THE_DATA, [replace(self.observed(), label=None)])
        parts = self.by_group()
        return self.panel(THE_DATA, stacked(self.values[0][parts.place], self.edges, parts))

    def frame(self, snapshot: Snapshot) -> Panel:
        """A histogram in which each component has its part of a bar."""
        return self.panel(self.when(snapshot), self.bars(snapshot))

    def observed(self) -> Series:
        """The bars of all rows."""
        return Series("bars", self.edges, self.heights, "observed")

    def bars(self, snapshot: Snapshot) -> list[Series]:
        """The bars of each component's rows."""
        return stacked(self.values[0], self.edges, self.by_component(snapshot))

    def panel(self, title: str, series: Sequence[Series]) -> Panel:
        """Axes of the column and of the rows in a bin."""
        y_label = f"rows in a bin of {self.edges[1] - self.edges[0]:.3g}"
        return Panel(
            title, self.rows.names[0], y_label, series, x_range=self.x_range, y_range=self.y_range, note=self.unseen
        )


def top_mark(x: Array, y: Array, j: int | None, said: str | None = None) -> Series:
    """The number of a component at the top of its curve, or something else."""
    top = int(np.argmax(y))
    return Series(
        "points", x[top : top + 1], y[top : top + 1], None, j, "none", mark=str((j or 0) + 1) if said is None else said
    )


def stacked(values: Array, edges: Array, parts: Parts) -> list[Series]:
    """The bars of each group of rows."""
    series = []
    for j, (name, colour) in enumerate(zip(parts.names, parts.colours, strict=True)):
        mine = parts.numbers == j
        counts = bin_counts(values[mine], None if parts.weights is None else parts.weights[mine], edges)
        series.append(Series("bars", edges, counts, name, colour))
    return series
