"""Drawing one panel by matplotlib."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emcli.errors import escaped
from emcli.output.plots.axis import Axis
from emcli.output.plots.figure import GREY, Panel, Series, middled
from emcli.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#7A4A1E")  # Okabe & Ito (2008), and brown
LIGHT = (1, 4, 5)  # of these, on which dark letters are read better
INK, SOFT, FAINT = "#222222", "#999999", "#BBBBBB"
# Beyond the colours components differ in their lines, dots and bars too.
DASHES = ("-", "-.", ":", (0, (7, 1, 1, 1, 1, 1)))
MARKERS, HATCHES = ("o", "^", "s", "D"), ("", "////", "\\\\\\\\", "----")
WIDTHS = {"thin": 0.7, "normal": 1.5, "bold": 2.2, "dashed": 1.2}
SMALLEST, LARGEST, SIZE_STEPS = 3.0, 13.0, 20  # points across, of dots of different sizes, and how many sizes
MOST_SHAPES = 2000  # dots beyond which they are drawn as an image, so that an SVG stays small
ABOVE = 100_000  # where numbers are, above all that they could be hidden by
ROOM = {"points": np.array([0.04, 0.06]), "line": np.array([0.06, 0.035])}  # of a mark, in shares of the axes
NEAR = np.array([(0, 0), (0, 0.065), (-0.045, 0), (0.045, 0), (0, -0.065), (0, 0.13), (-0.09, 0), (0.09, 0)])
LONGEST = 400  # characters of foreign text that are looked at
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-9, 9),
    "hatch.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "svg.hashsalt": "emcli",
    "text.parse_math": False,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
}


def draw_panel(axes: Axes, panel: Panel, as_image: Collection[str] = ()) -> tuple[Axis, Axis]:
    """Draw a panel into axes, all but its legend and its note; series of the kinds `as_image` as an image.

    Returns how its values stand along the axes across and up.
    """
    from matplotlib.ticker import MaxNLocator

    across, up = (
        Axis.of([getattr(series, name) for series in panel.series], limits)
        for name, limits in (("x", panel.x_range), ("y", panel.y_range))
    )
    every = [replace(series, x=across.tidy(series.x), y=up.tidy(series.y)) for series in panel.series]
    _names(axes, panel, across.note, up.note)
    crowd = sum(len(series.x) for series in every if series.kind in ("points", "density"))
    floor = np.zeros(0)
    for depth, series in enumerate(every):
        if series.kind == "bars":
            floor = _bars(axes, series, floor)
        elif series.kind == "density":
            _density(axes, series, every)
        elif series.kind == "points":
            _points(axes, series, depth + 2, crowd, "points" in as_image)
        else:
            _line(axes, series, depth + 2, crowd > 100, "line" in as_image)
    if panel.x_range:
        axes.set_xlim(*map(across.tidy, panel.x_range))
    if panel.y_range:
        axes.set_ylim(*map(up.tidy, panel.y_range))
    _marks(axes, every)
    if panel.whole:
        axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.locator_params(axis="y", nbins=6)
    if not panel.y_label and not panel.names:
        axes.set_yticks([])  # numbers of nothing
    if panel.names:
        axes.set_yticks(range(len(panel.names)), [escaped(name, LONGEST) for name in panel.names], fontsize=8)
        axes.grid(axis="y", color="#EEEEEE", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.invert_yaxis()
    return across, up


def _names(axes: Axes, panel: Panel, across: str, up: str) -> None:
    """The title and the names of the axes, as long as there is room for."""
    import matplotlib as mpl

    grid = axes.get_subplotspec()
    columns, rows = (grid.get_gridspec().ncols, grid.get_gridspec().nrows) if grid else (1, 1)
    figure = axes.get_figure(root=False)
    assert figure is not None
    width, height = (float(side) / figure.dpi for side in figure.bbox.size)
    width, height = width / columns - 0.3, height / rows - 0.7
    size = mpl.rcParams["font.size"]
    axes.set_title(fitted(panel.title, width, mpl.rcParams["axes.titlesize"]), color=INK)
    axes.set_xlabel(fitted(panel.x_label, width - 0.4, size, across))
    axes.set_ylabel(fitted(panel.y_label, height, size, up))


def fitted(text: str, width: float, size: float, end: str = "", weight: str = "normal") -> str:
    """A text of that many inches and its end, in one line; a longer one is shortened in its middle."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    text = escaped(text, LONGEST)
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)

    def fits(length: int) -> bool:
        said = middled(text, length) + end
        return bool(text_to_path.get_text_width_height_descent(said, font, ismath=False)[0] <= 72 * width)

    low, high = 1, len(text)
    if fits(high):
        return text + end
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return middled(text, low) + end


def _marks(axes: Axes, series: Sequence[Series]) -> None:
    """Numbers in discs, and on curves, beside each other; words at the ends of lines, or where they leave the frame.

    Of words on each other the first is shown.
    """
    points = np.asarray(axes.bbox.size) * (72 / axes.figure.dpi)
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    taken: list[Array] = []
    for one in series:
        if not one.mark or not len(one.x):
            continue
        said, size = escaped(one.mark), 7.0 if len(one.mark) < 3 else 5.5
        if one.kind == "points" and one.stroke == "bold":
            ink = "white" if one.colour is None or one.colour % len(PALETTE) not in LIGHT else "black"
            text = axes.text(float(one.x[-1]), float(one.y[-1]), said, size=size, color=ink, weight="bold")
            text.set(ha="center", va="center_baseline", zorder=ABOVE + 2, clip_on=True)
            continue
        if one.stroke == "below":
            at = float(one.x[-1]), float(one.y[-1])
            note = axes.annotate(said, at, (7, 3), textcoords="offset points", fontsize=7.5, color=INK)
            note.set(bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5}, zorder=ABOVE + 3)
            continue
        x = min(float(one.x[-1]), right)
        at = x, min(float(np.interp(x, one.x, one.y)), top if one.kind == "points" else np.inf)
        place = axes.transLimits.transform(at)
        room = ROOM[one.kind] * (max(len(one.mark) / 3, 1.0), 1.0)
        aside = NEAR if one.kind == "points" else NEAR[:1]
        free = [shift for shift in aside if not any((np.abs(place + shift - other) <= room).all() for other in taken)]
        if not 0 <= place[1] <= 1 or not free:
            continue
        taken.append(place + free[0])
        below = one.kind == "points" and place[1] > 0.95
        shift = free[0] * points
        away = (
            (4 + shift[0], shift[1] - 9) if below else (shift[0], shift[1] + 2),
            "left" if below else "center",
            "bottom",
        )
        away = away if one.kind == "points" else ((4, 0), "left", "center")
        note = axes.annotate(said, at, away[0], textcoords="offset points", ha=away[1], va=away[2], fontsize=7.5)
        note.set(color=ink_of(one.colour), annotation_clip=False, zorder=ABOVE + 3)
        if one.kind == "points":
            note.set(weight="bold", fontsize=8.5 if len(one.mark) < 3 else 7.5)
            note.set_bbox({"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.3})


def _bars(axes: Axes, series: Series, floor: Array) -> Array:
    """Bars of several components stand on each other; returns where the next ones stand."""
    floor = floor if len(floor) == len(series.y) else np.zeros(len(series.y))
    colour = "#D9D9D9" if series.colour is None else ink_of(series.colour)
    alpha, label = None if series.colour is None else 0.6, _said(series)
    patch = axes.stairs(
        floor + series.y, series.x, baseline=floor, fill=True, color=colour, linewidth=0, label=label, alpha=alpha
    )
    if series.colour is None:
        axes.stairs(series.y, series.x, color="#AAAAAA", linewidth=0.5)
    elif hatch := _generation(series, HATCHES):
        patch.set(hatch=hatch, edgecolor="white")
    return floor if series.colour is None else floor + series.y


def _points(axes: Axes, series: Series, depth: int, crowd: int, as_image: bool) -> None:
    from matplotlib.patheffects import withStroke

    if series.stroke == "none":
        return
    crowded = crowd > MOST_SHAPES
    many = as_image or (crowded and len(series.x) > 50)
    ink = ink_of(series.colour)
    if series.sizes is not None:
        _sized(axes, series, depth, many)
        return
    how: dict[str, Any]
    if series.stroke == "thin":
        how = {
            "marker": "o",
            "markersize": 7,
            "markerfacecolor": "none",
            "markeredgecolor": INK,
            "markeredgewidth": 1.3,
        }
    elif series.stroke == "below":
        how = {"marker": "v", "markersize": 8, "markerfacecolor": ink, "markeredgecolor": "white", "clip_on": False}
        depth = ABOVE
    elif series.stroke == "bold":
        size = 11.5 if series.mark else 9
        how = {"marker": "o" if series.mark else "X", "markersize": size, "markerfacecolor": ink}
        how |= {"markeredgecolor": "white", "markeredgewidth": 1.2}
        depth = ABOVE + 1
    elif series.stroke == "dashed":
        halo = [withStroke(linewidth=4, foreground="white")]
        how = {"marker": "+", "markersize": 13, "markeredgecolor": INK, "markeredgewidth": 2, "path_effects": halo}
        depth = ABOVE
    else:
        size = 2.0 if crowded else 3.0 if crowd > 900 else 4.5
        faint = 0.35 if crowded else 0.6 if crowd > 60 else 1.0
        marker = _generation(series, MARKERS)
        how = {"marker": marker, "markersize": size, "markerfacecolor": ink, "markeredgecolor": "none", "alpha": faint}
    axes.plot(series.x, series.y, linestyle="none", label=_said(series), zorder=depth, rasterized=many, **how)


def _sized(axes: Axes, series: Series, depth: int, as_image: bool) -> None:
    """Dots of different sizes in steps, the larger the darker, and on top."""
    assert series.sizes is not None
    how: dict[str, Any] = {"marker": _generation(series, MARKERS), "color": ink_of(series.colour), "linestyle": "none"}
    steps = np.round(SIZE_STEPS * np.sqrt(series.sizes))
    for step in np.unique(steps).tolist():
        size, mine = step / SIZE_STEPS, steps == step
        how |= {"markersize": SMALLEST + (LARGEST - SMALLEST) * size, "alpha": 0.4 + 0.5 * size, "markeredgewidth": 0}
        axes.plot(series.x[mine], series.y[mine], zorder=depth + size, rasterized=as_image, **how)
    axes.plot([], [], label=_said(series), **{**how, "markersize": 5, "alpha": None})


def _line(axes: Axes, series: Series, depth: int, crowded: bool, as_image: bool) -> None:
    from matplotlib.patheffects import withStroke

    width = WIDTHS[series.stroke]
    halo = [withStroke(linewidth=width + 1.2, foreground="white", alpha=0.8)] if crowded else None
    colour = ink_of(series.colour) if series.colour is not None else FAINT if series.stroke == "thin" else INK
    if crowded and series.colour is not None:  # darker than the dots that it crosses
        colour = "#" + "".join(f"{int(colour[i : i + 2], 16) * 2 // 3:02X}" for i in (1, 3, 5))
    axes.plot(
        series.x,
        series.y,
        linewidth=width,
        linestyle="--" if series.stroke == "dashed" else _generation(series, DASHES),
        color=colour,
        label=_said(series),
        zorder=depth,
        marker="o" if crowded and 2 < len(series.x) < 60 else None,
        markersize=3,
        path_effects=halo,
        rasterized=as_image,
    )


def _density(axes: Axes, series: Series, beside: Sequence[Series]) -> None:
    """Counts as ink: the darker, the more rows; by the logarithm, so that single rows still show."""
    assert series.z is not None
    most = max(float(one.z.max()) for one in beside if one.z is not None)
    shade = np.where(series.z > 0, 0.15 + 0.85 * np.log1p(series.z) / np.log1p(most), 0.0)
    image = np.empty((*series.z.shape, 4))
    image[..., :3] = [int(ink_of(series.colour)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    image[..., 3] = shade
    extent = (series.x[0], series.x[-1], series.y[0], series.y[-1])
    axes.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    axes.plot([], [], linestyle="none", marker="s", color=ink_of(series.colour), label=_said(series))


def ink_of(colour: int | None) -> str:
    """The colour of a component; neutral for none, grey for what belongs to none."""
    return INK if colour is None else SOFT if colour == GREY else PALETTE[colour % len(PALETTE)]


def _generation(series: Series, styles: Sequence[Any]) -> Any:
    """What tells components apart that have the same colour."""
    return styles[max(series.colour or 0, 0) // len(PALETTE) % len(styles)]


def _said(series: Series) -> str | None:
    if series.label is None:
        return None
    said = middled(escaped(series.label, LONGEST), 40)
    return f" {said}" if said.startswith("_") else said  # matplotlib would leave it out
