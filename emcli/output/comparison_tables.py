"""A comparison as tables for people: the ranking, fits of one k side by side, and fits beside the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

from emcli.comparison.alignment import AlignedFit, Alignment
from emcli.comparison.candidate import LIKELIHOOD, SCREENED, WITHIN
from emcli.errors import counted, escaped
from emcli.models.plain_values import Parameters
from emcli.output.many_fits import (
    MANY,
    PARAMETER,
    Cells,
    Key,
    are_correlated,
    cells,
    held_cells,
    in_tables,
    is_repeated,
    many_fits,
    names_of,
)
from emcli.output.numbers import difference, number
from emcli.output.page import Block, Grid, Page
from emcli.output.parameter_tables import HELD, held_note
from emcli.output.ranking_table import ranking
from emcli.output.ratio_table import FOOTER as TESTED
from emcli.output.ratio_table import ratio_table
from emcli.output.terminal import curve, takes_unicode

if TYPE_CHECKING:
    from emcli.comparison.candidate import Candidate
    from emcli.comparison.ranking import Comparison, RankedGroup

ONLY_GAP = "of k=1 it says nothing, which only --criterion gap can prefer"
FOOTERS = {
    **dict.fromkeys(LIKELIHOOD, "{criterion}: smaller is better."),
    "silhouette": f"silhouette: from -1 to 1, larger is better; {ONLY_GAP}.",
    "ch": f"CH (Calinski & Harabasz): larger is better; {ONLY_GAP}.",
    "gap": "gap (in brackets its s): the best is the smallest k whose gap is not below that of the next k less its s.",
}
ARTEFACTS = "* A component rests on so few rows that it is probably an artefact: ranked after the others."
SCREENED_ONLY = (
    "screened: a short search left it more than {within:g} above the best {criterion}, or a full one was given up "
    "there; --restarts auto makes full searches of all."
)
WITH_PRIOR = "With a prior, AIC, BIC and ICL take the log-likelihood at the highest posterior."
REACHED = "reached: starts that found this candidate's best optimum."
MIXTURE_FORM = (
    "K-means: AIC, BIC and ICL use the classification likelihood of spherical clusters of equal size and variance, and "
    "mostly ask for more clusters; --criterion silhouette, ch and gap do not."
)
SAMPLED = "In brackets the standard error of the silhouette, which is of a sample of the rows."
MAX_CURVES, MAX_CURVE_WIDTH = 10, 20  # candidates, characters
MAX_FITS_BESIDE = 3  # shown beside the reference
MAX_PARAMETERS = 100  # shown of each fit
MAX_HEADING = 18  # characters of a fit's name in one line


def print_comparison(comparison: Comparison, page: Page) -> None:
    """Print each group's ranking, best first, tests, then what fits of one k, and the truth, have in common."""
    page.write(tables(comparison, page.width, None if page.is_markdown else page), footers(comparison))


def tables(comparison: Comparison, width: int, page: Page | None = None) -> list[Block]:
    """Each group's ranking, for text with curves, tests of k, and what fits of one k, or the truth, have in common."""
    blocks: list[Block] = []
    groups, aligned = comparison.groups, comparison.aligned
    alone = all(len(group.candidates) == 1 for group in groups) and len({group.criterion for group in groups}) == 1
    ranked = len(groups) < MANY or not alone
    for group in groups if ranked else _as_one(groups):
        if group.reason:
            blocks.append(escaped(group.reason, 200))
        blocks += ranking(group, width, ranked, len(groups) > 1)
        if any(candidate.is_artefact for candidate in group.candidates):
            blocks.append(ARTEFACTS)
        if page is not None:
            blocks += _curves(group.candidates, page)
    if comparison.tests:
        blocks += ratio_table(comparison.tests, width)
    for alignment in aligned:
        blocks += many_fits(alignment, width) if is_repeated(alignment) else side_by_side(alignment, width)
    for group in groups:
        if not any(is_repeated(alignment) for alignment in aligned):
            blocks += against_truth(group.candidates, width)
    return blocks


def _as_one(groups: Sequence[RankedGroup]) -> list[RankedGroup]:
    """Fits of which each has data of its own, in one table."""
    candidates = [group.candidates[0] for group in groups]
    return [replace(groups[0], reason="Fits of different data, in the order given", candidates=candidates)]


def footers(comparison: Comparison) -> list[str]:
    """What the criteria and tests say, each once, and why no more components were tried."""
    groups = comparison.groups
    said = [FOOTERS[group.criterion].format(criterion=group.criterion.upper()) for group in groups]
    if all("missing" in one.fitted["data"] for group in groups for one in group.candidates if one.document):
        said = [each.replace(f"; {ONLY_GAP}", "") for each in said]  # which needs complete rows
    rows = [(group.criterion, row) for group in groups for row in group.rows()]
    if any(row.get("silhouette_error") is not None for _, row in rows):
        said.append(SAMPLED)
    if any("log_posterior" in row for _, row in rows):
        said.append(WITH_PRIOR)
    if any(by in LIKELIHOOD and "inertia" in row for by, row in rows):
        said.append(MIXTURE_FORM)
    for by in dict.fromkeys(by for by, row in rows if row["status"] == SCREENED):
        said.append(SCREENED_ONLY.format(within=WITHIN, criterion=by.upper()))
    if any(test.ratio is not None for test in comparison.tests):
        said.append(TESTED)
    return [*comparison.stopped, *dict.fromkeys(said), REACHED]


def _curves(candidates: Sequence[Candidate], page: Page) -> list[list[str]]:
    """The log-likelihood by iteration of each of the best candidates, as a curve in one line on its own scale."""
    climbs = []
    for candidate in candidates:
        trace = candidate.document.get("trace", []) if candidate.document else []
        what = "inertia" if trace and "inertia" in trace[0] else "log_likelihood"
        values = [value for step in trace if isinstance(value := dict(step).get(what), int | float)]
        if values:
            steps = counted(candidate.fitted["iterations"], "iteration")  # without the polish, which is in the trace
            climbs.append((escaped(candidate.name), what, list(map(float, values)), steps))
    if not climbs:
        return []
    shown = climbs[:MAX_CURVES]
    ends = [number(values[-1]) for *_, values, _ in shown]
    name, end = max(len(climb[0]) for climb in shown), max(map(len, ends))
    room = min(MAX_CURVE_WIDTH, max(6, page.width - name - end - 25))
    said = [f"{'Inertia' if shown[0][1] == 'inertia' else 'Log-likelihood'} by iteration, each on its own scale:"]
    for (label, _, values, steps), last in zip(shown, ends, strict=True):
        drawn = curve(values, room, takes_unicode(page.stream)).ljust(room)
        said.append(f"  {label:{name}}  {drawn}  {last:>{end}} in {steps}")
    if len(climbs) > len(shown):
        said.append(f"  and {len(climbs) - len(shown)} more")
    return [said]


def side_by_side(alignment: Alignment, width: int) -> Iterator[Block]:
    """The reference's parameters, and those of other fits with the differences."""
    reference, shown = alignment.reference, alignment.others[:MAX_FITS_BESIDE]
    k, model = reference.settings["k"], reference.settings["model"]
    said = f"{model} with k={k} side by side, components matched to those of {reference.name}"
    indices = [
        f"{other.candidate.name} {other.adjusted_rand_index:.4f}"
        for other in shown
        if other.adjusted_rand_index is not None
    ]
    if indices:
        said += f"; adjusted Rand index with it: {', '.join(indices)}"
    yield said
    held, more = held_cells(reference, range(k)), len(alignment.others) - len(shown)
    yield from _beside(reference, reference.name, reference.fitted["parameters"], held, shown, width, more)


def against_truth(candidates: Sequence[Candidate], width: int) -> Iterator[Block]:
    """True parameters, and those of the highest ranked fits of the true k with their errors."""
    fits = [
        AlignedFit(candidate, list(range(candidate.fitted["k"])), candidate.fitted["parameters"])
        for candidate in candidates
        if candidate.document is not None and candidate.row({}).get("errors")
    ][:MAX_FITS_BESIDE]
    if not fits:
        return
    first = fits[0].candidate
    truth = first.fitted["truth"]["parameters"]
    assert truth is not None
    yield "True parameters, and the fits with as many components and their errors"
    yield from _beside(first, "true", truth, frozenset(), fits, width)


def _beside(
    reference: Candidate,
    heading: str,
    parameters: Parameters,
    held: Set[Key],
    others: Sequence[AlignedFit],
    width: int,
    more: int = 0,
) -> Iterator[Block]:
    """Parameters of the kind of a reference, and as many other fits as fit a width beside them, one at least.

    held: the cells that hold held values; more: how many fits are not shown in any case.
    """
    every = [reference, *(other.candidate for other in others)]
    correlated, called = are_correlated(every), max(map(names_of, every), key=len)  # perhaps one alone has noise
    known = cells(reference, parameters, correlated)
    table = [cells(other.candidate, other.parameters, correlated) for other in others]
    marks = [held, *(held_cells(other.candidate, other.order) for other in others)]
    keys = sorted(dict.fromkeys(key for each in (known, *table) for key in each), key=lambda key: key[0])
    shown, left_out = len(others), 0
    for what, every_label in in_tables(reference, keys):
        labels = dict([*every_label.items()][:MAX_PARAMETERS])
        most = MAX_HEADING if what == PARAMETER else 0  # beside covariances, whose labels are long
        titles = ["component", what, _heading(heading, most)]
        columns = [
            [called[i] if i < len(called) else str(i + 1) for i, _ in labels],
            [*labels.values()],
            [_cell(known, held, key) for key in labels],
        ]
        for other, found, fixed in zip(others[:shown], table, marks[1:], strict=False):
            titles += [_heading(other.candidate.name, most), "difference"]
            columns.append([_cell(found, fixed, key) for key in labels])
            columns.append(
                [difference(found[key], known[key]) if key in found and key in known else "" for key in labels]
            )
        grid = next(Grid.of(titles, columns).within(width, together=2, kept=3))
        shown, left_out = (len(grid.titles) - 3) // 2, left_out + len(every_label) - len(labels)
        yield from grid.within(width, kept=2)
    yield from held_note(any(marks[: 1 + shown]))
    if left_out:
        yield f"Not shown: {left_out:,} of {len(keys):,} parameters; all with --json."
    if fits := len(others) - shown + more:
        yield f"Not shown at this width: {counted(fits, 'more fit')}; all with --json."


def _cell(found: Cells, held: Set[Key], key: Key) -> str:
    """A parameter, with a mark where it is held; nothing where a fit has none."""
    return HELD * (key in held) + number(found[key]) if key in found else ""


def _heading(name: str, most: int) -> str:
    """The name of a fit in two lines where it is longer than so many characters, broken where its parts meet."""
    parts = re.split("(?<=[-:_. ])", name)
    first, rest = "", list(parts)
    while rest and len(first) + len(rest[0]) <= max(most, len(name) // 2):
        first += rest.pop(0)
    return f"{first}\n{''.join(rest)}" if first and rest else name
