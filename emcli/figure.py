"""What a picture shows, before anything is drawn: panels of series in the units of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emcli.em import Array


@dataclass(frozen=True, eq=False)
class Series:
    """Something to draw in a panel. `colour` is a component's 0-based number; None is neutral ink."""

    kind: str  # points | line | bars | density
    x: Array  # (n,); bars: the edges (n + 1,); density: the edges of the columns
    y: Array  # (n,); bars: the heights; density: the edges of the rows
    label: str | None = None  # for the legend
    colour: int | None = None
    stroke: str = "normal"  # thin | normal | bold | dashed; points: a ring, a dot, a cross
    z: Array | None = None  # density: counts (rows, columns)
    mark: str | None = None  # a word or two at the last point


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    whole: bool = False  # does the horizontal axis count in whole numbers?
    x_range: tuple[float, float] | None = None  # what to show; None: all
    y_range: tuple[float, float] | None = None
    note: str = ""  # a sentence to stand below


@dataclass(frozen=True, eq=False)
class Picture:
    """Panels that belong together, in rows."""

    title: str  # data, model and k
    panels: Sequence[Sequence[Panel]]
