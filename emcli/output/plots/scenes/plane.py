"""Rows of two columns or more: points in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from emcli.errors import counted
from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import Projection, axis_range, span
from emcli.output.plots.scenes.line import stacked
from emcli.output.plots.scenes.scene import THE_DATA, Parts, Scene, Snapshot
from emcli.types import Array

MOST_DOTS = 20_000  # rows beyond which a density is shown
DENSITY_CELLS, SMALL_CELLS = 160, 80  # of a density, in each direction, and of one in a small panel


class Plane(Scene):
    """Points in the plane, of a model that has no picture of its own: a colour for each component."""

    cells: ClassVar[int] = DENSITY_CELLS

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

    @cached_property
    def undrawn(self) -> str:
        """How many rows cannot be drawn for a missing cell."""
        gone = np.asarray(np.isnan(self.at).any(axis=0))
        if not gone.any():
            return ""
        place = self.rows.duplicate_of
        count = int(np.count_nonzero(gone if place is None else gone[place]))
        said = f"{counted(count, 'row')} with missing cells not drawn"
        if self.plane.note:  # the axes are those of principal components
            said += " by principal components; a panel of two columns draws the rows that have both"
        return said

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
        parts = self.by_group()
        return self.panel(THE_DATA, dots(self.at[:, parts.place], parts))

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows by component."""
        return self.panel(self.when(snapshot), self.dots(snapshot))

    def dots(self, snapshot: Snapshot) -> list[Series]:
        """The rows of each component."""
        return dots(self.at, self.by_component(snapshot), self.cells)

    def of_columns(self, across: int, up: int) -> Self:
        """The same in the plane of two columns, in place of its own."""
        d, names = len(self.rows.names), self.rows.names
        plane = Projection(np.eye(d)[[across, up]], np.zeros(d), (names[across], names[up]))
        scene = replace(self)
        known = {"plane": plane, "at": self.values[[across, up]], "values": self.values, "cells": SMALL_CELLS}
        vars(scene).update(known)  # in place of what the whole scene works out of its rows
        return scene

    def alone(self, column: int, edges: Array, shown: tuple[float, float]) -> list[Series]:
        """The finished fit in one column alone, by rows in each bin."""
        return stacked(self.values[column], edges, self.by_component(self.fit))

    def panel(self, title: str, series: Sequence[Series]) -> Panel:
        """Axes of the plane."""
        x_range, y_range = self.ranges
        note = "\n".join(filter(None, (self.plane.note, self.unseen, self.undrawn)))
        return Panel(title, *self.plane.labels, series, x_range=x_range, y_range=y_range, note=note)


def dots(at: Array, parts: Parts, cells: int = DENSITY_CELLS) -> list[Series]:
    """Rows at (2, n), a series for each group: dots, or where they are too many the counts in cells."""
    if not (seen := ~np.isnan(at).any(axis=0)).all():
        weights = None if parts.weights is None else parts.weights[seen]
        at, parts = at[:, seen], parts._replace(numbers=parts.numbers[seen], weights=weights)
    named = list(enumerate(zip(parts.names, parts.colours, strict=True)))
    if at.shape[1] <= MOST_DOTS:
        places = [at[:, parts.numbers == j] for j, _ in named]
        return [Series("points", places[j][0], places[j][1], name, colour) for j, (name, colour) in named]
    x, y = (np.linspace(*span(values), cells + 1) for values in at)
    column, row = (
        np.clip(((v - e[0]) / (e[-1] - e[0]) * cells).astype(np.intp), 0, cells - 1)
        for v, e in zip(at, (x, y), strict=True)
    )
    place = (parts.numbers * cells + row) * cells + column
    z = np.bincount(place, parts.weights, len(named) * cells * cells).astype(np.float64)
    z = z.reshape(len(named), cells, cells)
    return [Series("density", x, y, name, colour, z=z[j]) for j, (name, colour) in named]
