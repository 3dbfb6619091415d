"""What a picture shows, before anything is drawn: panels of series in the units of the data."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emcli.types import Array

FLAT_NATS = 0.01  # nats: a smaller climb is not worth a magnifying glass
MOST_POINTS = 400  # of a line of iterations
GREY = -1  # the colour of what belongs to no component


@dataclass(frozen=True, eq=False)
class Series:
    """Something to draw in a panel. `colour` is a component's 0-based number, or GREY; None is neutral ink."""

    kind: str  # points | line | bars | density
    x: Array  # (n,); bars: the edges (n + 1,); density: the edges of the columns
    y: Array  # (n,); bars: the heights; density: the edges of the rows
    label: str | None = None  # for the legend
    colour: int | None = None
    # thin | normal | bold | dashed; points: a ring, a dot, a disc, a cross; none: their mark; below: beneath the frame
    stroke: str = "normal"
    z: Array | None = None  # density: counts (rows, columns)
    mark: str | None = None  # a word or two at the last point
    sizes: Array | None = None  # points: (n,) how large each is, from 0 to 1


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
    names: Sequence[str] = ()  # of 0, 1, 2, … on the vertical axis, downwards, in place of numbers


@dataclass(frozen=True, eq=False)
class Picture:
    """Panels that belong together, in rows."""

    title: str  # data, model and k
    panels: Sequence[Sequence[Panel]]
    columns: int | None = None  # of panels of one size in rows that they fill; None: each row its own
    triangle: Sequence[Sequence[Panel]] = ()  # above them in files: one panel, two, three, … that share their axes

    @property
    def every(self) -> list[Panel]:
        """All panels."""
        return [panel for row in (*self.triangle, *self.panels) for panel in row]


def described(picture: Picture) -> str:
    """What is in a picture, as JSON: for each panel its labels, and how much of what lies from where to where."""
    panels = [
        {
            "title": panel.title,
            "x": panel.x_label,
            "y": panel.y_label,
            **({"names": [*panel.names]} if panel.names else {}),
            "series": [*map(_measured, panel.series)],
        }
        for panel in picture.every
    ]
    return json.dumps({"title": picture.title, "panels": panels})


def _measured(series: Series) -> dict[str, object]:
    stretches = {
        name: [float(f"{value:.6g}") for value in (at.min(), at.max(), at[-1])] if len(at) else []
        for name, at in (("x", series.x), ("y", series.y))
    }
    counts = {} if series.z is None else {"sum": float(series.z.sum())}
    return {"kind": series.kind, "label": series.label, "count": len(series.x), **stretches, **counts}


def climb_range(curves: Sequence[Array], leading: Sequence[Array] | None = None) -> tuple[float, float] | None:
    """The y range that shows the climb of the leading curves; what is far below lies under the frame."""
    everything = np.concatenate(curves)
    later = np.concatenate([curve[1:] for curve in leading or curves])
    if not len(later) or not float(everything.max()) > float(later.min()):
        return None
    top = float(everything.max())
    low = max(float(everything.min()), top - 1.5 * (top - float(later.min())))
    low = min(low, top - FLAT_NATS)
    return low - 0.05 * (top - low), top + 0.05 * (top - low)


def thinned(values: Sequence[float | None]) -> tuple[Array, Array]:
    """Iterations with their values, without unknown ones; of many a selection, densest at the beginning."""
    y = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    x = np.flatnonzero(np.isfinite(y))
    if len(x) > MOST_POINTS:
        x = x[np.unique(np.geomspace(1, len(x), MOST_POINTS).round().astype(np.intp)) - 1]
    return x.astype(np.float64), y[x]


def middled(text: str, most: int, gap: str = "…") -> str:
    """A text of at most that many characters: a longer one without its middle."""
    if len(text) <= most:
        return text
    kept = max(most - len(gap), 0)
    return text[: kept - kept // 2] + gap + text[len(text) - kept // 2 :]


def base_name(source: str) -> str:
    """A file's name without its folder."""
    return os.path.basename(source) or source
