"""The report of a comparison as one page: the ranking, pictures, the best fit, warnings explained, what repeats it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emcli.comparison.candidate import Candidate
from emcli.comparison.ranking import Comparison, RankedGroup
from emcli.errors import counted, listed
from emcli.files.inputs import shown_name
from emcli.models import model_class
from emcli.output.comparison_tables import footers, tables
from emcli.output.html.elements import blocks, definitions, paragraph, section, text
from emcli.output.html.parts import DIGEST, MAX_COLUMNS, WIDTH, explained, page, pictures, repeated, told
from emcli.output.numbers import scores
from emcli.output.parameter_tables import components, within
from emcli.output.plots.figure import Picture

RANKING_WIDTH = 200  # characters: all columns, as the table scrolls
MOST_GROUPS = 6  # whose best fit is shown


def comparison_report(comparison: Comparison, picture: Picture, command: str) -> bytes:
    """The page of a comparison, with the panels of its picture and the command line that repeats it."""
    groups, warnings = comparison.groups, comparison.warnings
    known = [group for group in groups if group.candidates[0].document is not None][:MOST_GROUPS]
    fits = [candidate for group in groups for candidate in group.candidates if candidate.document is not None]
    ranked = blocks(tables(comparison, RANKING_WIDTH), "Ranking")
    body = "".join(
        [
            f"<header>\n<h1>{text(picture.title)}</h1>\n{''.join(map(_winner, known))}{told(warnings)}</header>\n",
            section("Ranking", ranked, *(paragraph(line, "soft") for line in footers(comparison))),
            section("Pictures", pictures(picture)),
            section("Parameters of the best", *(_parameters(group.candidates[0]) for group in known)),
            section("Warnings", *explained(warnings)),
            section("Data", *_data(fits)),
            section("To repeat it", *repeated(command, any(_source(each) == shown_name("-") for each in fits))),
        ]
    )
    return page(picture.title, body)


def _winner(group: RankedGroup) -> str:
    """The best of a group, and by what."""
    best, count = group.candidates[0], counted(len(group.candidates), "candidate")
    value = best.value(group.criterion)
    name = group.criterion if group.criterion in ("silhouette", "gap") else group.criterion.upper()
    said = "" if value is None else f", {name} {scores([value])[0]}"
    return paragraph(f"Best of {count}: {best.name}{said}.")


def _parameters(candidate: Candidate) -> str:
    fit = candidate.fitted
    columns = model_class(fit["model"]).table(fit["parameters"], fit["data"]["columns"], fit["data"]["weight"])
    return paragraph(f"{candidate.name}:") + blocks(within(components(columns), WIDTH), "Parameters")


def _data(fits: Sequence[Candidate]) -> Iterator[str]:
    """What data they are of, each once."""
    for sha256, fit in {each.fitted["data"]["sha256"]: each for each in fits}.items():
        data = fit.fitted["data"]
        yield definitions(
            [
                ("source", text(_source(fit))),
                ("rows", f"{data['rows']:,}"),
                (f"columns ({len(data['columns'])})", text(listed(data["columns"], MAX_COLUMNS), 4000)),
                (DIGEST, f"<code>{text(sha256)}</code>"),
            ]
        )


def _source(candidate: Candidate) -> str:
    return str(candidate.fitted["data"].get("source"))
