"""The report of a fit as one page: tables, pictures, warnings explained, and the command that repeats it."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from emcli import __version__
from emcli.config.settings import flag
from emcli.errors import FitWarning, counted, listed
from emcli.files import manual
from emcli.files.inputs import shown_name
from emcli.inference.fit_result import FitResult
from emcli.output.decisions import decisions
from emcli.output.fit_tables import agreement, bootstrapped, criteria, ending, iterations, ledger
from emcli.output.html import elements
from emcli.output.html.elements import blocks, definitions, marked, paragraph, section, text
from emcli.output.page import BAD, Line
from emcli.output.parameter_tables import covariances, parameters, true_labels
from emcli.output.plots.figure import Panel, Picture
from emcli.output.plots.form import Form
from emcli.output.plots.matplotlib_renderer import rendered

WIDTH = 120  # characters of a table; what is wider is turned or cut, as in a terminal
ALONE = Form((4.4, 3.7))  # a panel so wide that its words can be read on a telephone
MAX_COLUMNS = 40  # of the data, that are named
MAX_TYPED = 10_000  # characters of a command

STARTS = (
    "EM climbs from where it starts to the nearest top. The more starts end at the best one, the less likely it is "
    "that a better one was missed."
)
CRITERIA = (
    "AIC, BIC and ICL weigh the log-likelihood against the number of parameters, to choose between models of the same "
    "data; ICL also counts against components that overlap. Log-likelihoods are natural logarithms."
)
TRUTH = (
    "The rows named true are the parameters that the data were drawn with, or those of the groups of the true labels."
)
REPEAT = (
    "With these versions and the same data the command gives the same result, digit by digit, on any number of cores."
)
PIPED = "The rows came from standard input; the sum below tells whether others are the same."
DIGEST = "SHA-256 of the values used"


def report(result: FitResult, picture: Picture, command: str) -> bytes:
    """The page of a fit, with the panels of its picture and the command line that repeats it. Needs matplotlib."""
    body = "".join(
        [
            f"<header>\n<h1>{text(picture.title)}</h1>\n{_summary(result)}</header>\n",
            section("Parameters", *_parameters(result)),
            section("Pictures", _pictures(picture)),
            section("How far to trust it", *_trust(result)),
            section("Warnings", *_warnings(result.warnings)),
            section("To choose between models", paragraph(criteria(result)), paragraph(CRITERIA, "soft")),
            section("Iterations of the best start", blocks([iterations(result, WIDTH, False)], "Iterations")),
            section("Data", _data(result)),
            section("To repeat it", *_repeat(result, command)),
        ]
    )
    generator = f"emcli {__version__}"
    return elements.page(picture.title, body, generator, ["html/page.css", "html/report.css"]).encode()


def _summary(result: FitResult) -> str:
    """What a reader must know who reads no further."""
    warnings = len(result.warnings)
    told = Line(f"{counted(warnings, 'warning')}, explained below.", BAD) if warnings else "No warnings."
    return paragraph(ending(result)) + paragraph(ledger(result).splitlines()[0] + ".") + paragraph(told)


def _parameters(result: FitResult) -> Iterator[str]:
    yield blocks([*parameters(result, WIDTH), *covariances(result, WIDTH)], "Parameters")
    for line in bootstrapped(result):
        yield paragraph(line, "soft")
    if result.truth is not None:
        if result.truth["parameters"]:
            yield paragraph(TRUTH, "soft")
        yield blocks(true_labels(result, WIDTH), "True labels")
        for line in agreement(result):
            yield paragraph(f"{line}.")


def _pictures(picture: Picture) -> str:
    """Each panel as a picture of its own, as wide as a telephone, so that its words can be read there."""
    made = ""
    for panel in (panel for row in picture.panels for panel in row):
        drawn = rendered(Picture("", [[replace(panel, note="")]]), "svg", ALONE)
        notes = "".join(f"<figcaption>{text(line)}</figcaption>" for line in panel.note.splitlines())
        made += f"<figure>{elements.image(drawn, 'svg', _alternative(panel))}{notes}</figure>\n"
    return f'<div class="pictures">\n{made}</div>\n'


def _alternative(panel: Panel) -> str:
    """What a panel shows, in words."""
    shown = listed([series.label for series in panel.series if series.label])
    return f"{panel.title}: {panel.y_label} against {panel.x_label}{f', of {shown}' if shown else ''}"


def _trust(result: FitResult) -> Iterator[str]:
    for line in ledger(result).splitlines():
        yield paragraph(line if line.endswith((".", ")")) else f"{line}.")
    yield paragraph(STARTS, "soft")
    yield "<ul>\n" + "".join(f"<li>{text(line)}</li>\n" for line in decisions(result)) + "</ul>\n"


def _warnings(warnings: Sequence[FitWarning]) -> Iterator[str]:
    """Each warning with its message, what it means, and what to do."""
    if not warnings:
        yield paragraph("None.")
    for warning in warnings:
        known = manual.warnings().get(warning.slug)
        yield f'<div class="warning" id="{text(warning.slug)}">\n<h3><code>{text(warning.slug)}</code></h3>\n'
        yield paragraph(f"{warning.message[:1].upper()}{warning.message[1:]}.")
        if known:
            yield "".join(f"<p>{title} {marked(known.part(title))}</p>\n" for title in (manual.WHY, manual.REMEDY))
        yield "</div>\n"


def _data(result: FitResult) -> str:
    data = result.data
    weight = "" if data.row_weights is None else f", of total weight {data.rows.total:g}"
    return definitions(
        [
            ("source", text(data.source)),
            ("rows", f"{data.count:,}{weight}"),
            ("rows left out", f"{data.dropped:,}"),
            (f"columns ({len(data.columns)})", text(listed(data.columns, MAX_COLUMNS), 4000)),
            (DIGEST, f"<code>{data.digest()}</code>"),
        ]
    )


def _repeat(result: FitResult, command: str) -> Iterator[str]:
    yield f"<pre><code>{text(command, MAX_TYPED)}</code></pre>\n"
    if result.data.source == shown_name("-"):
        yield paragraph(PIPED)
    versions = f"emcli {__version__}, NumPy {np.__version__}, Python {platform.python_version()}."
    yield paragraph(f"{versions} {REPEAT}")
    yield "<h3>All settings</h3>\n"
    settings = result.settings.document()
    said = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    yield definitions([(flag(key).lstrip("-"), text(value)) for key, value in said.items()])
