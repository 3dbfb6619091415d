"""A comparison as tables for people: the ranking, fits of one k side by side, and fits beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from emcli.comparison.ranking import CLUSTERING, LIKELIHOOD
from emcli.config.documents import CandidateDocument
from emcli.errors import counted, escaped
from emcli.models import model_class
from emcli.models.plain_values import Parameters
from emcli.output.fit_tables import as_text, number, table
from emcli.output.terminal import columns, curve, is_terminal, takes_unicode

if TYPE_CHECKING:
    from rich.table import Table

    from emcli.comparison.alignment import Alignment
    from emcli.comparison.ranking import Candidate, RankedGroup
    from emcli.output.fit_tables import Block

    Shown = tuple[str, Candidate, Parameters]  # a heading, a fit, and parameters of its kind

ONLY_GAP = "of k=1 it says nothing, which only --criterion gap can prefer"
FOOTERS = {
    **dict.fromkeys(LIKELIHOOD, "{criterion}: smaller is better."),
    "silhouette": f"silhouette: from -1 to 1, larger is better; {ONLY_GAP}.",
    "ch": f"CH (Calinski & Harabasz): larger is better; {ONLY_GAP}.",
    "gap": "gap (in brackets its s): the best is the smallest k whose gap is not below that of the next k less its s.",
}
REACHED = "reached: how many of the candidate's starts found its best optimum."
MIXTURE_FORM = (
    "K-means: AIC, BIC and ICL are of its mixture form, equal round clusters with every row assigned whole, and mostly "
    "ask for more clusters; --criterion silhouette, ch and gap do not."
)
SAMPLED = "In brackets the standard error of the silhouette, which is of a sample of the rows."
MAX_CURVES, MAX_CURVE_WIDTH = 10, 20  # candidates, characters
MAX_FITS_BESIDE = 3  # shown beside the reference
TITLES = {
    "model": "model",
    "k": "k",
    "covariance": "covariance",
    "mixing": "mixing",
    "parameters_count": "parameters",
    "log_likelihood": "log-likelihood",
    "inertia": "inertia",
    "silhouette": "silhouette",
    "ch": "CH",
    "gap": "gap",
    "aic": "AIC",
    "bic": "BIC",
    "delta_bic": "delta BIC",
    "icl": "ICL",
    "iterations": "iterations",
    "status": "status",
    "reached": "reached",
    "adjusted_rand_index": "ARI",
    "warnings": "warnings",
}
OF_LIKELIHOOD = ("parameters_count", "log_likelihood", "aic", "bic", "delta_bic", "icl")
# Columns that a narrow terminal goes without, the least needed first.
DROPPED_FIRST = (
    *("iterations", "parameters_count", "icl", "aic", "status", "delta_bic", "bic", "adjusted_rand_index"),
    *("gap", "silhouette", "ch"),
    *("reached", "warnings", "log_likelihood", "mixing", "model", "covariance"),
)


def print_comparison(groups: Sequence[RankedGroup], aligned: Sequence[Alignment], stream: IO[str]) -> None:
    """Print each group's ranking, best first, then what fits of one k, and the truth, have in common."""
    blocks: list[Block] = []
    for group in groups:
        if group.reason:
            blocks.append(escaped(group.reason, 200))
        rows = [_shown(row) for row in group.rows()]
        titles, spared = _fitting(_titles(rows, group.criterion), rows, group.criterion, stream)
        blocks.append(table(list(titles.values()), [[_cell(row.get(key)) for key in titles] for row in rows]))
        if spared:
            blocks.append(f"Left out of {columns(stream)} columns: {', '.join(spared)}.")
        blocks += [f"{row['name']}: {row['reason']}" for row in rows if row.get("reason")]
        blocks += _remarks(group)
        blocks += _curves(group.candidates, stream)
    for alignment in aligned:
        blocks += side_by_side(alignment)
    for group in groups:
        blocks += against_truth(group.candidates)
    stream.write(as_text(blocks, _footers(groups), stream))


def _footers(groups: Sequence[RankedGroup]) -> list[str]:
    """What the criteria say, each once."""
    said = [FOOTERS[group.criterion].format(criterion=group.criterion.upper()) for group in groups]
    rows = [(group.criterion, row) for group in groups for row in group.rows()]
    if any(row.get("silhouette_error") is not None for _, row in rows):
        said.append(SAMPLED)
    if any(by in LIKELIHOOD and "inertia" in row for by, row in rows):
        said.append(MIXTURE_FORM)
    return [*dict.fromkeys(said), REACHED]


def _shown(row: CandidateDocument) -> dict[str, object]:
    shown = dict(row)
    if row.get("starts"):
        shown["reached"] = f"{row['reached']} of {row['starts']}"
    for key in ("silhouette", "gap"):
        if row.get(key) is not None and row.get(f"{key}_error") is not None:
            shown[key] = f"{row[key]:.3f} ({row[f'{key}_error']:.3f})"  # type: ignore[literal-required]
    if row.get("artefact"):
        shown["k"] = f"{row['k']} *"
    return shown


def _remarks(group: RankedGroup) -> list[str]:
    """A sentence on the artefacts of a group."""
    said = []
    if any(candidate.is_artefact for candidate in group.candidates):
        said.append("* A component rests on so few rows that it is probably an artefact: ranked after the others.")
    return said


def _titles(rows: Sequence[dict[str, object]], criterion: str) -> dict[str, str]:
    """The keys and titles of the columns that are not empty; of likelihoods only where fits are ranked by one."""
    kinds = {tuple(row.get(key) for key in ("model", "k", "covariance", "mixing")) for row in rows}
    named = {"name": "name"} if len(kinds) < len(rows) else {}
    titles = {key: title for key, title in TITLES.items() if any(row.get(key) not in (None, []) for row in rows)}
    if criterion in CLUSTERING:
        titles = {key: title for key, title in titles.items() if key not in OF_LIKELIHOOD}
    return named | titles


def _fitting(
    titles: dict[str, str], rows: Sequence[dict[str, object]], criterion: str, stream: IO[str]
) -> tuple[dict[str, str], list[str]]:
    """The columns that fit into the terminal, and the titles of those left out; a pipe has room for all.

    Those go first that say the same of all candidates.
    """
    if not is_terminal(stream):
        return titles, []
    room, spared = columns(stream), []
    widths = {
        key: max(len(text) for text in (title, *(_cell(row.get(key)) for row in rows))) + 3
        for key, title in titles.items()
    }
    same = [key for key in ("mixing", "model", "covariance") if len({row.get(key) for row in rows}) == 1]
    for key in [*same, *(key for key in DROPPED_FIRST if key not in same)]:
        if key in titles and key != criterion and sum(widths[kept] for kept in titles) - 3 > room:
            spared.append(titles[key] + (f" ({_cell(rows[0].get(key))})" if key in same else ""))
            titles = {kept: title for kept, title in titles.items() if kept != key}
    return titles, spared


def _curves(candidates: Sequence[Candidate], stream: IO[str]) -> list[list[str]]:
    """The log-likelihood by iteration of each of the best candidates, as a curve in one line on its own scale."""
    climbs = []
    for candidate in candidates:
        trace = candidate.document.get("trace", []) if candidate.document else []
        what = "inertia" if trace and "inertia" in trace[0] else "log_likelihood"
        values = [value for step in trace if isinstance(value := dict(step).get(what), int | float)]
        if values:
            climbs.append((escaped(candidate.name), what, list(map(float, values))))
    if not climbs:
        return []
    shown = climbs[:MAX_CURVES]
    name, end = max(len(climb[0]) for climb in shown), max(len(number(values[-1])) for *_, values in shown)
    room = min(MAX_CURVE_WIDTH, max(6, columns(stream) - name - end - 25)) if is_terminal(stream) else MAX_CURVE_WIDTH
    said = [f"{'Inertia' if shown[0][1] == 'inertia' else 'Log-likelihood'} by iteration, each on its own scale:"]
    for label, _, values in shown:
        drawn = curve(values, room, takes_unicode(stream)).ljust(room)
        said.append(
            f"  {label:{name}}  {drawn}  {number(values[-1]):>{end}} in {counted(len(values) - 1, 'iteration')}"
        )
    if len(climbs) > len(shown):
        said.append(f"  and {len(climbs) - len(shown)} more")
    return [said]


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else escaped(str(value))


def side_by_side(alignment: Alignment) -> list[Block]:
    """The reference's parameters, and those of other fits with the differences."""
    reference, shown = alignment.reference, alignment.others[:MAX_FITS_BESIDE]
    others = [(other.candidate.name, other.candidate, other.parameters) for other in shown]
    k, model = reference.settings["k"], reference.settings["model"]
    said = f"{model} with k={k} side by side, components matched to those of {reference.name}"
    indices = [
        f"{other.candidate.name} {other.adjusted_rand_index:.4f}"
        for other in shown
        if other.adjusted_rand_index is not None
    ]
    if indices:
        said += f"; adjusted Rand index with it: {', '.join(indices)}"
    if len(alignment.others) > len(shown):
        said += f"; {len(alignment.others) - len(shown)} more in --json"
    first = (reference.name, reference, reference.fitted["parameters"])
    return [said, _table(first, others)]


def against_truth(candidates: Sequence[Candidate]) -> list[Block]:
    """True parameters, and those of the highest ranked fits of the true k with their errors."""
    fits = [
        (candidate.name, candidate, candidate.fitted["parameters"])
        for candidate in candidates
        if candidate.document is not None and (candidate.row(None).get("errors"))
    ][:MAX_FITS_BESIDE]
    if not fits:
        return []
    first = fits[0][1]
    truth = first.fitted["truth"]["parameters"]
    assert truth is not None
    return ["The truth, and the fits of as many components with their errors", _table(("true", first, truth), fits)]


def _table(reference: Shown, others: Sequence[Shown]) -> Table:
    known, cells = _cells(reference), [_cells(other) for other in others]
    titles = ["component", "parameter", reference[0]]
    for name, _, _ in others:
        titles += [name, "difference"]
    rows = []
    for (component, parameter), value in known.items():
        row = [str(component + 1), parameter, number(value)]
        for each in cells:
            other = each.get((component, parameter))
            row += ["", ""] if other is None else [number(other), _difference(other, value)]
        rows.append(row)
    return table(titles, rows)


def _cells(shown: Shown) -> dict[tuple[int, str], float]:
    _, candidate, parameters = shown
    data = candidate.fitted["data"]
    columns = model_class(candidate.fitted["model"]).table(parameters, data["columns"], data["weight"])
    count = len(columns[0][1])
    return {(i, title): values[i] for i in range(count) for title, values in columns if title != "rows"}


def _difference(value: float, reference: float) -> str:
    difference = type(value)(float(value) - float(reference))
    return ("+" if difference > 0 else "") + number(difference)
