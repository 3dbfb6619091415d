"""A picture in the terminal, by uniplot: dots in colour, or where there is none a character for each component."""

from __future__ import annotations

import shutil
import textwrap
from typing import IO

import numpy as np

from emcli.errors import MAX_LINE, EmcliError, Exit, escaped, to_install
from emcli.output.plots.axis import Axis
from emcli.output.plots.figure import GREY, Panel, Picture, Series, middled
from emcli.output.terminal import STAND_INS, columns, sayable, takes_colour, takes_unicode
from emcli.types import Array

COLOURS = {"blue": 34, "yellow": 33, "green": 32, "red": 31, "cyan": 36, "magenta": 35}  # with a terminal's codes
NEUTRAL = "#888888"
CHARACTERS = "123456789abcdefghijklmnopqrstuvwxyz"  # of components where there is no colour
STROKES = {
    ("points", "thin"): "o",
    ("points", "bold"): "x",
    ("points", "dashed"): "+",
    ("points", "below"): "v",
    ("line", "dashed"): "-",
}
NEUTRAL_CHARACTERS = {"points": "x", "line": ".", "bars": "|", "density": ":"}
MAX_SPARSE_POINTS = 12  # points that are no crowd
MIN_SIZE = 0.05  # of dots of different sizes, below which they are left out
PANEL_HEIGHTS = 8, 16  # lines that a panel may have
MIN_ROOM = 10  # characters for dots beside names
EMPTY_CELL_SHARE = 0.02  # of the densest cell's count, below which a cell of a density is left empty
MAX_VALUE = 1e300  # that can still be added to


def need_uniplot() -> None:
    """Load uniplot. Raises EmcliError where it is not installed."""
    try:
        import uniplot  # noqa: F401
    except ImportError:
        what = "drawing in the terminal needs the Python package uniplot"
        raise EmcliError(Exit.USAGE, what, hint=to_install("uniplot", "plot")) from None


def drawn(picture: Picture, stream: IO[str]) -> str:
    """A picture as text for a stream, as wide as it is: its panels below each other, each with its legend."""
    width = columns(stream)
    braille = takes_colour(stream) and takes_unicode(stream)
    height = int(np.clip(shutil.get_terminal_size().lines - 10, *PANEL_HEIGHTS))
    text = [
        f"\x1b[1m{line}\x1b[0m" if braille else line for line in textwrap.wrap(escaped(picture.title, MAX_LINE), width)
    ]
    for panel in (panel for row in picture.panels for panel in row):
        text += ["", *_lines(panel, width, height, braille)]
    if not takes_unicode(stream):
        text = [line.translate(STAND_INS) for line in text]
    return "".join(f"{sayable(line, stream).rstrip()}\n" for line in text)


def _lines(panel: Panel, width: int, height: int, braille: bool) -> list[str]:
    """One panel; its axes are named above it, because uniplot names none."""
    from uniplot import plot_to_string

    if panel.names:
        return _named_lines(panel, width, braille)
    series = [one for one in panel.series if len(one.x) and len(one.y) and one.stroke != "none"]
    named = [one for one in series if one.label or one.stroke == "below"]
    series.sort(key=lambda one: one.stroke != "dashed")  # what was found lies over what is true
    crowded = any(_is_crowd(one) for one in series)
    points = [*map(_points, series)]
    x, y = (Axis.of([pair[i] for pair in points], limits) for i, limits in enumerate((panel.x_range, panel.y_range)))
    # Its legend names the first series alone: those that have a name stand there once more, outside the frame.
    outside = np.array([2 * x.high - x.low]), np.array([y.low])
    every, points = [*named, *series, Series("points", *outside)], [*(outside for _ in named), *points, outside]
    colours = [
        NEUTRAL
        if one.colour in (None, GREY) or (one.kind, one.stroke) == ("points", "bold")
        else [*COLOURS][one.colour % len(COLOURS)]
        for one in every
    ]
    drawing = plot_to_string(
        xs=[x.tidy(pair[0]) for pair in points],
        ys=[y.tidy(pair[1]) for pair in points],
        lines=[one.kind in ("line", "bars") for one in every],
        legend_labels=[_cut(escaped(one.label or one.mark or "", MAX_LINE), width - 6) for one in named],
        color=colours if braille else False,
        force_ascii_characters=[_character(one, crowded) for one in every],
        character_set="braille" if braille else "ascii",
        x_min=x.tidy(x.low),
        x_max=x.tidy(x.high),
        y_min=y.tidy(y.low),
        y_max=y.tidy(y.high),
        x_gridlines=[],
        y_gridlines=[],
        width=width,
        line_length_hard_cap=width,
        height=height,
    )
    title = panel.title + f", where above {MIN_SIZE:g}" * any(one.sizes is not None for one in series)
    said = [_cut(escaped(title, MAX_LINE), width), _axes(panel, x, y, width)]
    return said + [_without_half_a_number(line, width) for line in drawing.splitlines()]


def _named_lines(panel: Panel, width: int, in_colour: bool) -> list[str]:
    """A panel whose vertical axis has names: a line for each, with the dot of its value; a ring is said in words."""
    dots = [one for one in panel.series if one.stroke != "thin" and len(one.x)]
    names = [_cut(escaped(name, MAX_LINE), max(width - MIN_ROOM - 2, width // 2)) for name in panel.names]
    margin = max(map(len, names))
    known = np.concatenate([one.x for one in dots])
    low, high = float(known.min()), float(known.max())
    lines = [""] * len(names)
    for one in dots:
        share = (one.x - low) / (high - low) if high > low else np.full(len(one.x), 0.5)
        places = (share * (max(width - margin - 2, MIN_ROOM) - 1)).round().astype(np.intp)
        for place, line in zip(places.tolist(), one.y.astype(np.intp).tolist(), strict=True):
            lines[line] = "." * place + _dot(one, in_colour)
    axes = f"  across: {panel.x_label}, {low:.6g} to {high:.6g}"
    text = [_cut(escaped(line, MAX_LINE), width) for line in (panel.title, axes)]
    text += [f"{name:>{margin}}  {line}" for name, line in zip(names, lines, strict=True)]
    text += [f"  {_dot(one, in_colour)} {_cut(escaped(one.label, MAX_LINE), width - 4)}" for one in dots if one.label]
    return text + [part for line in panel.note.splitlines() for part in textwrap.wrap(escaped(line, MAX_LINE), width)]


def _dot(series: Series, in_colour: bool) -> str:
    if series.colour is None:
        return "o"
    if not in_colour:
        return CHARACTERS[series.colour % len(CHARACTERS)]
    return f"\x1b[{[*COLOURS.values()][series.colour % len(COLOURS)]}m●\x1b[0m"


def _axes(panel: Panel, x: Axis, y: Axis, width: int) -> str:
    """What goes across and up; of names that are too long each has half of the room."""
    across, up = (escaped(name, MAX_LINE) for name in (panel.x_label, panel.y_label))
    room = width - len(f"  across: {x.note}; up: {y.note}")
    half = max(room // 2, room - min(len(across), len(up)), 5)
    return _cut(f"  across: {_cut(across, half)}{x.note}; up: {_cut(up, half)}{y.note}", width)


def _points(series: Series) -> tuple[Array, Array]:
    """The points to place or to join, (n,) and (n,): bars are the line around them, a density its fuller cells."""
    x, y = (np.clip(np.asarray(values, dtype=np.float64), -MAX_VALUE, MAX_VALUE) for values in (series.x, series.y))
    if series.kind == "bars":
        tall = np.flatnonzero(y)
        first, last = (tall[0], tall[-1] + 1) if len(tall) else (0, len(y))
        x, y = x[first : last + 1], y[first:last]
        return np.repeat(x, 2), np.concatenate([[0.0], np.repeat(y, 2), [0.0]])
    if series.kind == "density":
        assert series.z is not None
        row, column = np.nonzero(series.z > EMPTY_CELL_SHARE * series.z.max())
        return (x[:-1] + np.diff(x) / 2)[column], (y[:-1] + np.diff(y) / 2)[row]
    if series.sizes is not None:  # all dots have one size here
        large = series.sizes >= MIN_SIZE
        return x[large], y[large]
    return x, y


def _is_crowd(series: Series) -> bool:
    """Are these many points, or points or bars of the character of a component, which lines must not look like?"""
    of_component = series.colour is not None and bool(series.label) and (series.kind, series.stroke) not in STROKES
    return series.kind in ("points", "bars") and (
        of_component or (series.kind == "points" and len(series.x) > MAX_SPARSE_POINTS)
    )


def _character(series: Series, crowded: bool) -> str:
    """What a series is drawn with where there is no colour; a line between many points must not look like them."""
    if (series.kind, series.stroke) in STROKES:
        return STROKES[series.kind, series.stroke]
    if series.colour in (None, GREY) or (crowded and series.kind == "line"):
        return NEUTRAL_CHARACTERS[series.kind]
    return CHARACTERS[series.colour % len(CHARACTERS)]


def _without_half_a_number(line: str, width: int) -> str:
    """A line of tick labels without the last one, where that reaches beyond the width."""
    fits = len(line) <= width or "\x1b" in line
    return line if fits else line[:width].rpartition("  ")[0]


def _cut(text: str, width: int) -> str:
    """A text of at most that width: a longer one without its middle."""
    return middled(text, width, "...")
