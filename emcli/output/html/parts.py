"""Sections that reports of fits and of comparisons share: pictures, warnings explained, and what repeats the work."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from emcli import __version__
from emcli.errors import FitWarning, counted, listed
from emcli.files import manual
from emcli.output.html import elements
from emcli.output.html.elements import marked, paragraph, text
from emcli.output.page import BAD, Line
from emcli.output.plots.figure import Panel, Picture
from emcli.output.plots.form import Form
from emcli.output.plots.matplotlib_renderer import rendered

WIDTH = 120  # characters of a table; what is wider is turned or cut, as in a terminal
ALONE = 4.4, 3.7  # inches of a panel whose words can be read on a telephone
MAX_COLUMNS = 40  # of the data, that are named
MAX_TYPED = 10_000  # characters of a command
REPEAT = (
    "With these versions and the same data the command gives the same result, digit by digit, on any number of cores."
)
PIPED = "The rows came from standard input; the sum below tells whether others are the same."
DIGEST = "SHA-256 of the values used"


def page(title: str, body: str) -> bytes:
    """The page of a report."""
    styles = ["html/page.css", "html/report.css"]
    return elements.page(title, body, f"emcli {__version__}", styles).encode()


def told(warnings: Sequence[FitWarning]) -> str:
    """How many warnings there are."""
    return paragraph(
        Line(f"{counted(len(warnings), 'warning')}, explained below.", BAD) if warnings else "No warnings."
    )


def pictures(picture: Picture) -> str:
    """Each panel as a picture of its own, as wide as a telephone, so that its words can be read there."""
    panels = [panel for row in picture.panels for panel in row]
    made = ""
    for panel in panels:
        form = Form((ALONE[0], max(ALONE[1], 1.2 + 0.2 * len(panel.names))))
        drawn = rendered(Picture("", [[replace(panel, note="")]]), "svg", form)
        made += f"<figure>{elements.image(drawn, 'svg', _alternative(panel))}</figure>\n"
    notes = dict.fromkeys(line for panel in panels for line in panel.note.splitlines())
    return f'<div class="pictures">\n{made}</div>\n' + "".join(paragraph(note, "soft") for note in notes)


def _alternative(panel: Panel) -> str:
    """What a panel shows, in words."""
    shown = listed([series.label for series in panel.series if series.label])
    return f"{panel.title}: {panel.y_label} against {panel.x_label}{f', of {shown}' if shown else ''}"


def explained(warnings: Sequence[FitWarning]) -> Iterator[str]:
    """Each warning with its message, what it means, and what to do."""
    if not warnings:
        yield paragraph("None.")
    for warning in warnings:
        known = manual.warnings().get(warning.slug)
        yield f'<div class="warning" id="{text(warning.slug)}">\n<h3><code>{text(warning.slug)}</code></h3>\n'
        yield paragraph(f"{_sentence(warning.message)}.")
        if known:
            yield "".join(f"<p>{title} {marked(known.part(title))}</p>\n" for title in (manual.WHY, manual.REMEDY))
        yield "</div>\n"


def _sentence(message: str) -> str:
    """A message with a capital, unless it begins with the name of a fit."""
    return message[:1].upper() + message[1:] if message.partition(" ")[0].isalpha() else message


def repeated(command: str, is_piped: bool) -> Iterator[str]:
    """The command line that gives the same result, and with which versions."""
    yield f"<pre><code>{text(command, MAX_TYPED)}</code></pre>\n"
    if is_piped:
        yield paragraph(PIPED)
    versions = f"emcli {__version__}, NumPy {np.__version__}, Python {platform.python_version()}."
    yield paragraph(f"{versions} {REPEAT}")
