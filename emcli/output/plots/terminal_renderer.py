"""A picture in the terminal: braille dots and block characters, or ASCII where there are none."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import IO

import numpy as np

from emcli.output.plots.canvas import SHADES, Canvas, Dots, ink, mark, styled
from emcli.output.plots.figure import Panel, Picture, Series
from emcli.output.plots.ticks import Axis, axis, labels, ticks
from emcli.output.terminal import columns, holds, is_dumb, rows, sayable, takes_colour
from emcli.types import Array

BLOCKS, STEPS = "▁▂▃▄▅▆▇█", "_.-=+*#%"
SLIM = 36  # columns that a panel needs at least, to stand beside another
FEW = 12  # points up to which each is a mark of its own
STROKES = {"thin": ("┈┈", ".."), "normal": ("──", "--"), "bold": ("━━", "=="), "dashed": ("╌╌", "- ")}


def curve(values: Sequence[float], width: int, stream: IO[str] | None = None) -> str:
    """Values as one line of characters, low to high, at most `width`; ASCII where the stream holds no more."""
    steps = BLOCKS if holds(stream, BLOCKS) else STEPS
    shown = np.asarray(values, dtype=float)
    if len(shown) > width:
        shown = shown[np.rint(np.linspace(0, len(shown) - 1, max(1, width))).astype(int)]
    if not len(shown):
        return ""
    low, high = float(shown.min()), float(shown.max())
    if not high > low:
        return steps[3] * len(shown)
    levels = np.rint((shown / 2 - low / 2) / (high / 2 - low / 2) * (len(steps) - 1)).astype(int)
    return "".join(steps[level] for level in levels)


def drawn(picture: Picture, stream: IO[str]) -> str:
    """A picture as text for a stream: as wide as it is, in colour and in braille where it takes them."""
    width, coloured = columns(stream), takes_colour(stream)
    ascii_only = is_dumb() or not holds(stream, "⣿─│┬┤┈━╌▇")
    said = [styled(line, "1") if coloured else line for line in textwrap.wrap(picture.title, width)]
    single = all(len(line) * SLIM > width or len(line) == 1 for line in picture.panels)
    for line in picture.panels:
        together = len(line) if len(line) * SLIM <= width else 1
        for at in range(0, len(line), together):
            said += ["", *_abreast(line[at : at + together], width, rows(stream), single, coloured, ascii_only)]
        said += _legend([series for panel in line for series in panel.series], width, coloured, ascii_only)
    return "".join(f"{sayable(text, stream).rstrip()}\n" for text in said)


def _abreast(
    panels: Sequence[Panel], width: int, tall: int, single: bool, coloured: bool, ascii_only: bool
) -> list[str]:
    """Panels side by side, all equally wide and high."""
    share = (width - 2 * (len(panels) - 1)) // len(panels)
    height = int(np.clip(share * 0.25, 8, min(20, max(8, tall - 8)))) if single else max(8, min(16, share // 4))
    blocks = [_panel(panel, share, height, coloured, ascii_only) for panel in panels]
    return ["  ".join(parts) for parts in zip(*blocks, strict=True)]


def _panel(panel: Panel, width: int, height: int, coloured: bool, ascii_only: bool) -> list[str]:
    """One pair of axes with what is on it; every line as wide as asked."""
    x, y = _ranges(panel)
    marks = ticks(y, max(2, height // 3))
    names, off = labels(marks)
    margin = max(map(len, names)) + 1
    canvas = Canvas(max(4, width - margin - 1), height)
    _draw(canvas, panel, x, y, coloured)
    bar, knot, corner, rule, tee = "|++-+" if ascii_only else "│┤└─┬"
    beside = {}
    for value, name in zip(marks, names, strict=True):
        beside[height - 1 - round(float(y.place(value, 4 * height))) // 4] = name  # type: ignore[arg-type]
    title = _cut(panel.title, width - margin, ascii_only)
    lines = [
        " " * margin + (styled(title, "1") if coloured else title) + " " * (width - margin - len(title)),
        _cut(panel.y_label + off, width, ascii_only).ljust(width),
    ]
    for row, text in enumerate(canvas.lines(coloured, ascii_only)):
        name = beside.get(row, "")
        lines.append(name.rjust(margin) + (knot if name else bar) + text)
    below, foot, off = _foot(x, canvas.width, panel.whole, rule, tee)
    label = _cut(panel.x_label + off, width, ascii_only)
    lines += [" " * margin + corner + below, " " * (margin + 1) + foot, label.center(width - margin).rjust(width)]
    return [line + " " * (width - margin - 1 - canvas.width) if i > 1 else line for i, line in enumerate(lines)]


def _cut(text: str, width: int, ascii_only: bool) -> str:
    more = "..." if ascii_only else "…"
    return text if len(text) <= width else text[: max(0, width - len(more))] + more


def _foot(x: Axis, width: int, whole: bool, rule: str, tee: str) -> tuple[str, str, str]:
    """The horizontal axis, the labels below it, and what was taken off them."""
    for most in range(max(2, width // 8), 0, -1):
        places = ticks(x, most, whole)
        names, off = labels(places)
        axis_line, foot, taken = [rule] * width, [" "] * width, -2
        for value, name in zip(places, names, strict=True):
            at = round(float(x.place(value, 2 * width))) // 2  # type: ignore[arg-type]
            begin = min(max(0, at - len(name) // 2), max(0, width - len(name)))
            if begin < taken + 2 or len(name) > width:
                break
            axis_line[min(at, width - 1)] = tee
            foot[begin : begin + len(name)] = name
            taken = begin + len(name)
        else:
            return "".join(axis_line), "".join(foot), off
    return rule * width, " " * width, ""


def _ranges(panel: Panel) -> tuple[Axis, Axis]:
    """The ranges that hold every series; bars stand on 0."""
    xs = [np.asarray(series.x, dtype=float) for series in panel.series if len(series.x)]
    ys = [np.asarray(series.y, dtype=float) for series in panel.series if len(series.y)]
    if any(series.kind == "bars" for series in panel.series):
        ys.append(np.zeros(1))
    low = [min((float(v.min()) for v in values), default=0.0) for values in (xs, ys)]
    high = [max((float(v.max()) for v in values), default=1.0) for values in (xs, ys)]
    spans = zip((panel.x_range, panel.y_range), low, high, strict=True)
    x, y = (axis(*(span or (least, most))) for span, least, most in spans)
    return x, y


def _draw(canvas: Canvas, panel: Panel, x: Axis, y: Axis, coloured: bool) -> None:
    down, along = canvas.dots.shape
    swarms: set[int | None] = set()
    paths: list[tuple[int, Dots, Dots]] = []
    single: list[tuple[Series, Dots, Dots]] = []
    for series in panel.series:
        if not len(series.x) or not len(series.y):
            continue
        if series.kind in ("bars", "density"):
            _fill(canvas, series, x, y)
            continue
        c, r = _placed(series.x, x, along), down - 1 - _placed(series.y, y, down)
        if series.kind == "line":
            path = canvas.line(r, c, series.colour, series.stroke)
            if series.colour is not None and series.stroke != "thin":
                paths.append((series.colour, *path))
            continue
        whole = np.rint(r).astype(int), np.rint(c).astype(int)
        if len(series.x) <= FEW:
            single.append((series, *whole))
        else:
            canvas.dot(*whole, series.colour)
            swarms |= {series.colour}
    if not coloured and len(swarms) > 1:
        _numbered(canvas, swarms)
    if not coloured and len({colour for colour, _, _ in paths}) > 1:
        _named(canvas, paths)
    for series, at_rows, at_columns in single:
        plain = series.colour is None or (not coloured and len(swarms) > 1)
        for row, column in zip(at_rows.tolist(), at_columns.tolist(), strict=True):
            if 0 <= row < down and 0 <= column < along:
                canvas.put("×" if plain else mark(series.colour or 0), row, column, series.colour)


def _placed(values: Array, along: Axis, dots: int) -> Array:
    return np.asarray(along.place(np.asarray(values, dtype=float), dots), dtype=float)


def _fill(canvas: Canvas, series: Series, x: Axis, y: Axis) -> None:
    """Bars from their foot up, or a density dithered to as many dots as it is dense."""
    down, along = canvas.dots.shape
    inner = np.asarray(x.value(np.arange(along), along))
    column = np.searchsorted(series.x, inner, side="right") - 1
    column = np.where(inner == series.x[-1], len(series.x) - 2, column)
    valid = (column >= 0) & (column < len(series.x) - 1)
    column = np.clip(column, 0, max(0, len(series.x) - 2))
    if series.kind == "bars":
        heights = np.where(valid, np.asarray(series.y, dtype=float)[column], 0.0)
        tops = np.rint(_placed(heights, y, down))
        at = np.arange(down)[::-1, None]
        filled = (at <= tops[None, :]) & (heights > 0)[None, :]
    else:
        assert series.z is not None
        outer = np.asarray(y.value(np.arange(down)[::-1], down))
        row = np.searchsorted(series.y, outer, side="right") - 1
        row = np.where(outer == series.y[-1], len(series.y) - 2, row)
        held = (row >= 0) & (row < len(series.y) - 1)
        counts = np.asarray(series.z, dtype=float)[np.clip(row, 0, len(series.y) - 2)][:, column]
        level = np.log1p(counts) / max(float(np.log1p(counts).max()), 1e-300)
        shade = np.tile(SHADES, (canvas.height, canvas.width))
        filled = (level > shade) & held[:, None] & valid[None, :]
    r, c = np.nonzero(filled)
    canvas.dot(r, c, series.colour)


def _numbered(canvas: Canvas, swarms: set[int | None]) -> None:
    """Without colour: each cell of a scatter says which component most of its points are of."""
    inks, best = canvas.winners(swarms)
    total = np.stack([canvas.votes[colour] for colour in inks]).sum(axis=0)
    for row, column in zip(*np.nonzero(total * canvas.free()), strict=True):
        colour = inks[best[row, column]]
        canvas.put("." if colour is None else mark(colour), 4 * int(row), 2 * int(column), colour)


def _named(canvas: Canvas, paths: Sequence[tuple[int, Dots, Dots]]) -> None:
    """Without colour: each line carries its component's mark where it is farthest from the others."""
    for colour, r, c in paths:
        others = [np.stack([s, d]) for other, s, d in paths if other != colour]
        pick = np.unique(np.linspace(0, len(r) - 1, 64).astype(int))
        rest = np.concatenate([path[:, :: max(1, path.shape[1] // 64)] for path in others], axis=1)
        apart = np.hypot(r[pick, None] - rest[0], c[pick, None] - rest[1]).min(axis=1)
        best = pick[int(np.argmax(apart))]
        canvas.put(mark(colour), int(r[best]), int(c[best]), colour)


def _legend(every: Sequence[Series], width: int, coloured: bool, ascii_only: bool) -> list[str]:
    """What each label means, once, in as few lines as it takes."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for series in every:
        if series.label:
            key = _key(series, coloured, ascii_only)
            seen.setdefault((key, series.label), (styled(key, ink(series.colour)) if coloured else key, series.label))
    lines, used = [""], 0
    for (key, label), (shown, _) in seen.items():
        text = _cut(label, width - len(key) - 3, ascii_only)
        if used and used + len(key) + len(text) + 4 > width:
            lines.append("")
            used = 0
        lines[-1] += ("   " if used else "  ") + f"{shown} {text}"
        used += len(key) + len(text) + 1 + (3 if used else 2)
    return lines if seen else []


def _key(series: Series, coloured: bool, ascii_only: bool) -> str:
    """The sample of a series in the legend."""
    number = "" if coloured or series.colour is None else mark(series.colour)
    if series.kind == "line":
        return STROKES.get(series.stroke, STROKES["normal"])[ascii_only] + number
    if series.kind == "points":
        return number or ("×x"[ascii_only] if len(series.x) <= FEW else "•o"[ascii_only])
    return "▇#"[ascii_only] + number
