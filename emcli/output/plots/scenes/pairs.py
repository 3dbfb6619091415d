"""Rows of a few columns: each pair of columns in a panel, and on the diagonal each column alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import bin_edges
from emcli.output.plots.scenes.plane import Plane
from emcli.types import Array

FEWEST, MOST = 3, 6  # columns of which pairs are shown
MOST_LARGE = 4  # columns up to which the panels have room for all that a frame shows
Range = tuple[float, float]


def pairs(scene: Plane) -> list[list[Panel]]:
    """The fit in each pair of columns, below a diagonal of each alone; nothing of other numbers of columns."""
    names = scene.rows.names
    if not FEWEST <= len(names) <= MOST or not scene.snapshots:
        return []
    cells = [[scene.of_columns(j, i).frame(scene.fit) for j in range(i)] for i in range(len(names))]
    ranges = [
        _common([*(p.y_range for p in cells[i]), *(row[i].x_range for row in cells[i + 1 :])])
        for i in range(len(names))
    ]
    triangle = []
    for i, (name, row) in enumerate(zip(names, cells, strict=True)):
        shown = [
            replace(_plain(panel, len(names)), x_range=ranges[j], y_range=ranges[i]) for j, panel in enumerate(row)
        ]
        edges = bin_edges(scene.values[i], scene.rows.weights)
        series = scene.alone(i, edges, ranges[i])
        top = 1.06 * _top(series)
        triangle.append([*shown, Panel(name, name, "", series, x_range=ranges[i], y_range=(0.0, top))])
    return triangle


def _plain(panel: Panel, columns: int) -> Panel:
    """A panel of a triangle: without words of its own, and where it is small without inner ellipses and discs."""
    series = panel.series
    if columns > MOST_LARGE:
        series = [
            replace(one, stroke="none") if one.mark and one.kind == "points" else one
            for one in series
            if (one.kind, one.stroke) != ("line", "bold")
        ]
    return replace(panel, title="", note="", series=series)


def _common(ranges: Sequence[Range | None]) -> Range:
    """The range that holds all of some."""
    known = [each for each in ranges if each is not None]
    return min(low for low, _ in known), max(high for _, high in known)


def _top(series: Sequence[Series]) -> float:
    """How high bars that stand on each other, or lines, are."""
    bars: list[Array] = [one.y for one in series if one.kind == "bars"]
    lines = [float(one.y.max()) for one in series if one.kind == "line"]
    return max([float(np.sum(bars, axis=0).max()) if bars else 0.0, *lines]) or 1.0
