"""Drawing pictures into files by matplotlib, the same bytes for the same picture."""

from __future__ import annotations

import io
import logging
import os
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from emcli.errors import EmcliError, Exit, quoted, to_install
from emcli.output.plots.figure import Panel, Picture, described
from emcli.output.plots.form import ANIMATIONS, AS_USUAL, Form
from emcli.output.plots.matplotlib_axes import INK, STYLE, draw_panel, fitted
from emcli.output.plots.matplotlib_legends import draw_legends

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

WIDTH, NARROW = 9.0, 6.0  # inches, of a picture of several panels in a row, and of one
CELL_WIDTH = 1.9  # inches, of a panel in a triangle of many
NAME_HEIGHT, NAMES_MARGIN = 0.19, 1.1  # inches, of a name on the vertical axis, and of what is above and below names
LEAST_PANEL, LEAST_CELL = (1.9, 2.2), 1.4  # inches, with its legend; of one in a triangle how high
TITLE_SIZE = 11  # points
MOST_POINTS = {"points": 2000, "line": 25_000}  # of all panels, beyond which they are drawn as images
FORMATS = ("png", "svg", "pdf")


def format_of(path: str, moves: bool = False) -> str:
    """png, svg or pdf, or where it `moves` gif or html, by the ending of a file's name. Raises EmcliError."""
    ending = os.path.splitext(path)[1].lower().removeprefix(".")
    if ending in FORMATS or (moves and ending in ANIMATIONS):
        return ending
    animated = ", .gif or .html for an animation" if moves else ""
    what = f"'--plot' must end in .png, .svg or .pdf{animated}, or be '-' for the terminal; "
    what += "an animation is of one fit; " if ending in ANIMATIONS else ""
    raise EmcliError(Exit.USAGE, f"{what}got {quoted(path, 200)}")


def need_matplotlib(path: str) -> None:
    """Load matplotlib, and Pillow that it needs. Raises EmcliError where it is not installed."""
    os.environ["MPLBACKEND"] = "agg"  # a person's own choice needs a screen, and may not exist here
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        with _among_defaults():
            import matplotlib.figure  # noqa: F401
    except ImportError:
        what = f"drawing {quoted(path, 200)} needs the Python package matplotlib"
        raise EmcliError(Exit.USAGE, what, hint=to_install("matplotlib", "plot")) from None


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


@contextmanager
def styled(more: dict[Any, Any] | None = None) -> Iterator[None]:
    """Draw in the style of all pictures, whatever a person's own is."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that no font has is drawn as a box
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE | (more or {}))
        yield


def rendered(picture: Picture, kind: str, form: Form = AS_USUAL) -> bytes:
    """The bytes of a file of that kind (png, svg or pdf)."""
    out = io.BytesIO()
    with styled():
        smaller = _smaller(picture, form) if kind != "pdf" else 1.0
        fine = form.dpi(kind, len(picture.every))
        if form.inches and smaller > 1:  # drawn larger, and shown as large as asked; what is left of a pixel is cut
            width, height = ((round(side * fine) + 0.1) / fine * smaller for side in form.inches)
            form = Form((width, height), form.given)
        figure = _figure(picture, form)
        said = described(picture)
        metadata = {
            "png": {"Software": None, "Description": said},
            "svg": {"Date": None, "Description": said},
            "pdf": {"CreationDate": None, "Subject": said},
        }[kind]
        figure.savefig(out, format=kind, dpi=fine / smaller, metadata=metadata)
    made = out.getvalue()
    if kind == "svg" and smaller > 1:
        sides = rb'width="([\d.]+)pt" height="([\d.]+)pt"'
        shown = b'width="%gpt" height="%gpt"'
        made = re.sub(
            sides, lambda found: shown % (float(found[1]) / smaller, float(found[2]) / smaller), made, count=1
        )
    return made


def _smaller(picture: Picture, form: Form) -> float:
    """How many times smaller than usual all is drawn so that the panels have room in the size that was asked for."""
    if form.inches is None:
        return 1.0
    across = max([len(picture.triangle), picture.columns or 1, *map(len, picture.panels)])
    named = [max(len(panel.names) for panel in row) for row in picture.panels]
    rows = [NAMES_MARGIN + NAME_HEIGHT * names if names else LEAST_PANEL[1] for names in named]
    notes = sum(len(note.splitlines()) for note in {panel.note for panel in picture.every})
    least = LEAST_PANEL[0] * across, sum(rows) + LEAST_CELL * len(picture.triangle) + 0.3 + 0.2 * notes
    return max(1.0, *(needed / given for needed, given in zip(least, form.inches, strict=True)))


def _figure(picture: Picture, form: Form) -> Figure:
    from matplotlib.figure import Figure

    said = dict.fromkeys(panel.note for panel in picture.every if panel.note)
    notes = list(dict.fromkeys(line for note in said for line in note.splitlines()))
    most = max(len(row) for row in picture.panels)
    across = len(picture.triangle)
    width, height = form.inches or (max(WIDTH if most > 1 else NARROW, CELL_WIDTH * across), None)
    heights = [*([0.82 * width] if across else []), *_heights(picture, width)]
    figure = Figure(figsize=(width, height or sum(heights) + 0.3 + 0.2 * len(notes)), layout="constrained")
    title = fitted(picture.title, width - 0.3, TITLE_SIZE, weight="bold")
    figure.suptitle(title, fontsize=TITLE_SIZE, fontweight="bold", color=INK)
    if notes:
        figure.supxlabel("\n".join(fitted(line, width - 0.3, 7.5) for line in notes), fontsize=7.5, color="#555555")
    as_image = _too_many(picture)
    if picture.columns:
        part = figure.subfigures(1, 1, squeeze=False)[0, 0]
        _grid(part, picture.panels, picture.columns, as_image)
    else:
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
        if across:
            _grid(parts[0, 0], picture.triangle, across, as_image, "upper right")
        for part, row in zip(parts[across > 0 :, 0], picture.panels, strict=True):
            axes = part.subplots(1, len(row), squeeze=False)[0]
            for one, panel in zip(axes, row, strict=True):
                draw_panel(one, panel, as_image)
            draw_legends(part, axes)
    return figure


def _too_many(picture: Picture) -> list[str]:
    """The kinds of series with so many points that they are drawn as images, so that an SVG stays small."""
    series = [one for panel in picture.every for one in panel.series]
    return [kind for kind, most in MOST_POINTS.items() if sum(len(one.x) for one in series if one.kind == kind) > most]


def _heights(picture: Picture, width: float) -> list[float]:
    """How high each row of panels is in inches."""
    if picture.columns:
        return [max(1.9, min(3.6, 0.8 * width / picture.columns + 0.4))] * len(picture.panels)
    named = [max(len(panel.names) for panel in row) for row in picture.panels]
    return [
        NAMES_MARGIN + NAME_HEIGHT * names if names else 3.6 if len(row) > 1 or len(picture.panels) == 1 else 2.5
        for row, names in zip(picture.panels, named, strict=True)
    ]


def _grid(
    part: SubFigure,
    rows: Sequence[Sequence[Panel]],
    columns: int,
    as_image: Collection[str],
    legend: str = "outside lower center",
) -> None:
    """Panels all of one size; what an axis is called stands once beside those that share it."""
    every = part.subplots(len(rows), columns, squeeze=False)
    used = []
    for i, row in enumerate(rows):
        for j, one in enumerate(every[i]):
            if j >= len(row):
                one.remove()
                continue
            draw_panel(one, row[j], as_image)
            used.append(one)
            if j and _share(row[j - 1], row[j], "y"):
                one.set_ylabel("")
                one.tick_params(labelleft=False)
            if i + 1 < len(rows) and j < len(rows[i + 1]) and _share(row[j], rows[i + 1][j], "x"):
                one.set_xlabel("")
                one.tick_params(labelbottom=False)
    draw_legends(part, used, legend)


def _share(one: Panel, other: Panel, axis: str) -> bool:
    """Have two panels an axis in common?"""
    same = [getattr(one, f"{axis}_{what}") == getattr(other, f"{axis}_{what}") for what in ("label", "range")]
    return all(same) and getattr(one, f"{axis}_range") is not None
