"""A panel of named places in the terminal: a line for each name, and on it the dot of its value."""

from __future__ import annotations

from textwrap import wrap

import numpy as np

from emcli.errors import MAX_LINE, escaped
from emcli.output.plots.figure import Panel, Series

INKS = ("34", "33", "32", "31", "36", "35")  # codes of blue, yellow, green, red, cyan, magenta
CHARACTERS = "123456789abcdefghijklmnopqrstuvwxyz"  # where there is no colour
LEAST = 10  # characters for the dots


def named_lines(panel: Panel, width: int, in_colour: bool) -> list[str]:
    """The lines of a panel whose vertical axis has names; a ring says in words whose it is."""
    dots = [one for one in panel.series if one.stroke != "thin" and len(one.x)]
    names = [_cut(escaped(name, width), max(width - LEAST - 2, width // 2)) for name in panel.names]
    margin = max(map(len, names), default=0)
    room = max(width - margin - 2, LEAST)
    known = np.concatenate([np.zeros(0), *(one.x for one in dots)])
    low, high = panel.x_range or (float(known.min(initial=np.inf)), float(known.max(initial=-np.inf)))
    lines = [""] * len(names)
    for one in dots:
        share = (one.x - low) / (high - low) if high > low else np.full(len(one.x), 0.5)
        places = (share.clip(0, 1) * (room - 1)).round().astype(np.intp)
        for place, line in zip(places.tolist(), one.y.astype(np.intp).tolist(), strict=True):
            lines[line] = "." * place + _dot(one, in_colour)
    axes = f"  across: {panel.x_label}, {low:.6g} to {high:.6g}"
    text = [_cut(escaped(line, width), width) for line in (panel.title, axes)]
    text += [f"{name:>{margin}}  {line}" for name, line in zip(names, lines, strict=True)]
    text += [f"  {_dot(one, in_colour)} {_cut(escaped(one.label, width), width - 4)}" for one in dots if one.label]
    return text + [part for line in panel.note.splitlines() for part in wrap(escaped(line, MAX_LINE), width)]


def _dot(series: Series, in_colour: bool) -> str:
    if series.colour is None:
        return "o"
    if not in_colour:
        return CHARACTERS[series.colour % len(CHARACTERS)]
    return f"\x1b[{INKS[series.colour % len(INKS)]}m●\x1b[0m"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
