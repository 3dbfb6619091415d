"""Rows of two columns or more: points in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import Projection, axis_range, dots
from emcli.output.plots.scenes.scene import THE_DATA, Scene, Snapshot
from emcli.types import Array


class Plane(Scene):
    """Points in the plane, of a model that has no picture of its own: a colour for each component."""

    @property
    def common(self) -> bool:
        """Do all columns have one unit?"""
        return False

    @cached_property
    def plane(self) -> Projection:
        """Where rows and parameters are in the plane."""
        return Projection.of(self.rows, self.common)

    @cached_property
    def at(self) -> Array:
        """The rows in the plane, (2, n)."""
        return self.plane.rows(self.rows)

    @property
    def landmarks(self) -> Array:
        """What else is to be seen if it is not too far away, (2, m)."""
        return np.empty((2, 0))

    @cached_property
    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """What to show of each axis."""
        others = self.landmarks
        return axis_range(self.at[0], others[0]), axis_range(self.at[1], others[1])

    def data(self) -> Panel:
        """The rows."""
        names, groups, weights, place = self.by_group()
        return self.panel(THE_DATA, dots(self.at[:, place], groups, names, weights, self.groups is not None))

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows by component."""
        return self.panel(self.when(snapshot), self.dots(snapshot))

    def dots(self, snapshot: Snapshot) -> list[Series]:
        """The rows of each component."""
        names = [f"{self.noun} {j + 1}" for j in range(self.k)]
        return dots(self.at, self.labels(snapshot), names, self.rows.weights)

    def panel(self, title: str, series: Sequence[Series]) -> Panel:
        """Axes of the plane."""
        x_range, y_range = self.ranges
        return Panel(title, *self.plane.labels, series, x_range=x_range, y_range=y_range, note=self.plane.note)
