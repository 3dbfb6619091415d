"""The report of a fit as one page: tables, pictures, warnings explained, and the command that repeats it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from emcli.config.settings import flag
from emcli.errors import listed
from emcli.files.inputs import shown_name
from emcli.inference.fit_result import FitResult
from emcli.output.decisions import decisions
from emcli.output.fit_tables import (
    agreement,
    bootstrapped,
    criteria,
    ending,
    iterations,
    ledger,
    missing_cells,
    separation,
)
from emcli.output.html.elements import blocks, definitions, paragraph, section, text
from emcli.output.html.parts import DIGEST, MAX_COLUMNS, WIDTH, explained, page, pictures, repeated, told
from emcli.output.parameter_tables import covariances, parameters, true_labels
from emcli.output.plots.figure import Picture

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


def report(result: FitResult, picture: Picture, command: str) -> bytes:
    """The page of a fit, with the panels of its picture and the command line that repeats it. Needs matplotlib."""
    body = "".join(
        [
            f"<header>\n<h1>{text(picture.title)}</h1>\n{_summary(result)}</header>\n",
            section("Pictures", pictures(picture)),
            section("Parameters", *_parameters(result)),
            section("How far to trust it", *_trust(result)),
            section("Warnings", *explained(result.warnings)),
            section(
                "To choose between models",
                paragraph(criteria(result)),
                *map(paragraph, separation(result)),
                paragraph(CRITERIA, "soft"),
            ),
            section("Iterations of the best start", blocks([iterations(result, WIDTH, False, "")], "Iterations")),
            section("Data", _data(result)),
            section("To repeat it", *_repeat(result, command)),
        ]
    )
    return page(picture.title, body)


def _summary(result: FitResult) -> str:
    """What a reader must know who reads no further."""
    return paragraph(ending(result)) + paragraph(ledger(result).splitlines()[0] + ".") + told(result.warnings)


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


def _trust(result: FitResult) -> Iterator[str]:
    for line in ledger(result).splitlines():
        yield paragraph(line if line.endswith((".", ")")) else f"{line}.")
    yield paragraph(STARTS, "soft")
    yield "<ul>\n" + "".join(f"<li>{text(line)}</li>\n" for line in decisions(result)) + "</ul>\n"


def _data(result: FitResult) -> str:
    data = result.data
    weight = "" if data.row_weights is None else f", of total weight {data.rows.total:g}"
    return definitions(
        [
            ("source", text(data.source)),
            ("rows", f"{data.count:,}{weight}"),
            ("rows left out", f"{data.dropped:,}"),
            *([("missing", f"{missing_cells(data)}")] if data.missing[0] else []),
            (f"columns ({len(data.columns)})", text(listed(data.columns, MAX_COLUMNS), 4000)),
            (DIGEST, f"<code>{data.digest()}</code>"),
        ]
    )


def _repeat(result: FitResult, command: str) -> Iterator[str]:
    yield from repeated(command, result.data.source == shown_name("-"))
    yield "<h3>All settings</h3>\n"
    settings = result.settings.document()
    said = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    yield definitions([(flag(key).lstrip("-"), text(value)) for key, value in said.items()])
