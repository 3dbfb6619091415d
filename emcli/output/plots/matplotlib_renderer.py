"""Drawing pictures into files by matplotlib, the same bytes for the same picture."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from emcli.errors import EmcliError, Exit, escaped, quoted, to_install
from emcli.output.plots.figure import Panel, Picture, Series, described
from emcli.types import Array

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

WIDTH = 9.0  # inches
FORMATS = ("png", "svg", "pdf")
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#7A4A1E")  # Okabe & Ito (2008), and brown
INK, FAINT = "#222222", "#BBBBBB"
WIDTHS = {"thin": 0.7, "normal": 1.5, "bold": 2.2, "dashed": 1.4}
MOST_LABELS = 12  # beyond these a legend hides more than it tells
MOST_SHAPES = 2000  # dots beyond which they are drawn as an image, so that an SVG stays small
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.formatter.offset_threshold": 6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "svg.hashsalt": "emcli",
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
}


def format_of(path: str) -> str:
    """png, svg or pdf, by the ending of a file's name. Raises EmcliError."""
    ending = os.path.splitext(path)[1].lower().removeprefix(".")
    if ending not in FORMATS:
        what = f"'--plot' must end in .png, .svg or .pdf, or be '-' for the terminal; got {quoted(path, 200)}"
        raise EmcliError(Exit.USAGE, what)
    return ending


def need_matplotlib(path: str) -> None:
    """Load matplotlib. Raises EmcliError where it is not installed."""
    os.environ["MPLBACKEND"] = "agg"  # a person's own choice needs a screen, and may not exist here
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        with _among_defaults():
            import matplotlib.figure  # noqa: F401
    except ImportError:
        what = f"drawing {quoted(path, 200)} needs the Python package matplotlib"
        raise EmcliError(Exit.USAGE, what, hint=to_install("matplotlib")) from None


@contextmanager
def _among_defaults() -> Iterator[None]:
    """Work for a moment in the folder of matplotlib's defaults: it reads a matplotlibrc of the folder it begins in."""
    found = find_spec("matplotlib")
    defaults = os.path.join(os.path.dirname(found.origin or ""), "mpl-data") if found else ""
    if folder := os.environ.get("MPLCONFIGDIR"):
        os.environ["MPLCONFIGDIR"] = os.path.abspath(folder)
    here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir(defaults if os.path.isdir(defaults) else os.sep)
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def rendered(picture: Picture, kind: str) -> bytes:
    """The bytes of a file of that kind (png, svg or pdf)."""
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that no font has is drawn as a box
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = _figure(picture)
        said = described(picture)
        metadata = {
            "png": {"Software": None, "Description": said},
            "svg": {"Date": None, "Description": said},
            "pdf": {"CreationDate": None, "Subject": said},
        }[kind]
        figure.savefig(out, format=kind, dpi=120, metadata=metadata)
    return out.getvalue()


def _figure(picture: Picture) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    heights = [3.6 if len(row) > 1 or len(picture.panels) == 1 else 2.5 for row in picture.panels]
    said = dict.fromkeys(panel.note for row in picture.panels for panel in row if panel.note)
    notes = [line for note in said for line in note.splitlines()]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.3 + 0.2 * len(notes)), layout="constrained")
    figure.suptitle(escaped(picture.title, 110), fontsize=11, fontweight="bold", color=INK)
    if notes:
        figure.supxlabel("\n".join(escaped(line, 150) for line in notes), fontsize=7.5, color="#555555")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
    for part, row in zip(parts[:, 0], picture.panels, strict=True):
        axes = part.subplots(1, len(row), squeeze=False)[0]
        for one, panel in zip(axes, row, strict=True):
            _panel(one, panel)
        _legends(part, axes)
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure


def _panel(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(escaped(panel.title, 60), color=INK)
    axes.set_xlabel(escaped(panel.x_label, 50))
    axes.set_ylabel(escaped(panel.y_label, 50))
    crowd = sum(len(series.x) for series in panel.series if series.kind in ("points", "density"))
    floor = np.zeros(0)
    for depth, series in enumerate(panel.series):
        if series.kind == "bars":
            floor = _bars(axes, series, floor)
        elif series.kind == "density":
            _density(axes, series, panel.series)
        elif series.kind == "points":
            _points(axes, series, depth + 2, crowd)
        else:
            _line(axes, series, depth + 2, crowd > 100)
    axes.set_xlim(*panel.x_range or (None, None))
    axes.set_ylim(*panel.y_range or (None, None))
    _marks(axes, panel.series)
    if panel.whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.locator_params(axis="y", nbins=6)


def _marks(axes: Axes, series: Sequence[Series]) -> None:
    """Words at the ends of lines, or where they leave the frame; of words on top of each other the first."""
    right = axes.get_xlim()[1]
    taken: list[Array] = []
    for one in series:
        if not one.mark or not len(one.x):
            continue
        x = min(float(one.x[-1]), right)
        at = x, float(np.interp(x, one.x, one.y))
        place = axes.transLimits.transform(at)
        if 0 <= place[1] <= 1 and all(abs(place[0] - p[0]) > 0.06 or abs(place[1] - p[1]) > 0.035 for p in taken):
            taken.append(place)
            note = axes.annotate(escaped(one.mark), at, (4, 0), textcoords="offset points", va="center", fontsize=7.5)
            note.set(color=_ink(one.colour), annotation_clip=False)


def _bars(axes: Axes, series: Series, floor: Array) -> Array:
    """Bars of several components stand on each other; returns where the next ones stand."""
    floor = floor if len(floor) == len(series.y) else np.zeros(len(series.y))
    colour = "#D9D9D9" if series.colour is None else _ink(series.colour)
    alpha, label = None if series.colour is None else 0.6, _said(series)
    axes.stairs(
        floor + series.y, series.x, baseline=floor, fill=True, color=colour, linewidth=0, label=label, alpha=alpha
    )
    if series.colour is None:
        axes.stairs(series.y, series.x, color="#AAAAAA", linewidth=0.5)
    return floor if series.colour is None else floor + series.y


def _points(axes: Axes, series: Series, depth: int, crowd: int) -> None:
    many = crowd > MOST_SHAPES and len(series.x) > 50
    ink = _ink(series.colour)
    how: dict[str, Any]
    if series.stroke == "thin":
        how = {
            "marker": "o",
            "markersize": 7,
            "markerfacecolor": "none",
            "markeredgecolor": INK,
            "markeredgewidth": 1.3,
        }
    elif series.stroke == "bold":
        how = {
            "marker": "X",
            "markersize": 9,
            "markerfacecolor": ink,
            "markeredgecolor": "white",
            "markeredgewidth": 1.2,
        }
    else:
        size = 2.0 if many else 3.0 if crowd > 900 else 4.5
        faint = 0.35 if many else 0.6 if crowd > 60 else 1.0
        how = {"marker": "o", "markersize": size, "markerfacecolor": ink, "markeredgecolor": "none", "alpha": faint}
    axes.plot(series.x, series.y, linestyle="none", label=_said(series), zorder=depth, rasterized=many, **how)


def _line(axes: Axes, series: Series, depth: int, crowded: bool) -> None:
    from matplotlib.patheffects import withStroke

    width = WIDTHS[series.stroke]
    halo = [withStroke(linewidth=width + 1.2, foreground="white", alpha=0.8)] if crowded else None
    colour = _ink(series.colour) if series.colour is not None else FAINT if series.stroke == "thin" else INK
    if crowded and series.colour is not None:  # darker than the dots that it crosses
        colour = "#" + "".join(f"{int(colour[i : i + 2], 16) * 2 // 3:02X}" for i in (1, 3, 5))
    axes.plot(
        series.x,
        series.y,
        linewidth=width,
        linestyle="--" if series.stroke == "dashed" else "-",
        color=colour,
        label=_said(series),
        zorder=depth,
        marker="o" if crowded and 2 < len(series.x) < 60 and series.label != "1 sd" else None,
        markersize=3,
        path_effects=halo,
    )


def _density(axes: Axes, series: Series, beside: Sequence[Series]) -> None:
    """Counts as ink: the darker, the more rows; by the logarithm, so that single rows still show."""
    assert series.z is not None
    most = max(float(one.z.max()) for one in beside if one.z is not None)
    shade = np.where(series.z > 0, 0.15 + 0.85 * np.log1p(series.z) / np.log1p(most), 0.0)
    image = np.empty((*series.z.shape, 4))
    image[..., :3] = [int(_ink(series.colour)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    image[..., 3] = shade
    extent = (series.x[0], series.x[-1], series.y[0], series.y[-1])
    axes.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    axes.plot([], [], linestyle="none", marker="s", color=_ink(series.colour), label=_said(series))


def _legends(part: SubFigure, axes: Sequence[Axes]) -> None:
    """One legend below a row whose panels show the same things, else one below each panel."""
    from matplotlib.transforms import ScaledTranslation

    found = [one.get_legend_handles_labels() for one in axes]
    if len(axes) > 1 and all(labels == found[0][1] for _, labels in found):
        _legend(part, found[0][0], found[0][1], WIDTH, loc="outside lower center")
        return
    for one, (handles, labels) in zip(axes, found, strict=True):
        below = one.transAxes + ScaledTranslation(0, -0.4, one.figure.dpi_scale_trans)
        width = WIDTH / len(axes)
        _legend(one, handles, labels, width, loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=below)


def _legend(
    owner: Axes | SubFigure, handles: Sequence[Artist], labels: Sequence[str], width: float, **where: Any
) -> None:
    """A legend of at most that width in inches; of many numbered things it names the first."""
    from matplotlib.lines import Line2D

    kept = list(zip(handles, labels, strict=True))
    numbered = [pair for pair in kept if pair[1].rpartition(" ")[2].isdigit()]
    if len(kept) > MOST_LABELS and len(numbered) > 4:
        kept = [pair for pair in kept if pair not in numbered[3:-1]]
        place = kept.index(numbered[-1])
        kept[place] = (numbered[-1][0], f"… {numbered[-1][1]}")
    if kept:
        columns = int(width / (0.35 + 0.06 * max(len(label) for _, label in kept)))
        columns = max(1, min(columns, len(kept)))
        legend = owner.legend(*zip(*kept, strict=True), ncols=columns, handlelength=1.6, columnspacing=1.2, **where)
        for handle in filter(None, legend.legend_handles):  # small faint dots are for crowds
            handle.set_alpha(None)
            if isinstance(handle, Line2D):
                handle.set_markersize(max(handle.get_markersize(), 5))


def _ink(colour: int | None) -> str:
    return INK if colour is None else PALETTE[colour % len(PALETTE)]


def _said(series: Series) -> str | None:
    return None if series.label is None else escaped(series.label)
