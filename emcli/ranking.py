"""A comparison as tables for people: the ranking, fits of one k side by side, and fits beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from emcli.alignment import Alignment
from emcli.errors import escaped
from emcli.models import family_of
from emcli.report import as_text, number, table
from emcli.selection import Candidate, Group

FOOTERS = {
    "likelihood": "{criterion}: smaller is better. reached: how many of the candidate's starts found its best optimum.",
    "inertia": "K-means: criteria are of its mixture form, equal round clusters with every row assigned whole.",
}
SIDE_BY_SIDE = 3  # fits shown beside the reference


def print_comparison(groups: Sequence[Group], aligned: Sequence[Alignment], criterion: str, stream: IO[str]) -> None:
    """Print each group's ranking, best first, then what fits of one k, and the truth, have in common."""
    blocks: list[Any] = []
    for group in groups:
        if group.reason:
            blocks.append(escaped(group.reason, 200))
        rows = [_shown(row) for row in group.rows()]
        titles = _titles(rows)
        blocks.append(table(list(titles.values()), [[_cell(row.get(key)) for key in titles] for row in rows]))
        blocks += [f"{row['name']}: {row['reason']}" for row in rows if row.get("reason")]
    for alignment in aligned:
        blocks += _beside(alignment)
    for group in groups:
        blocks += _against_truth(group.candidates)
    lines = [FOOTERS["likelihood"].format(criterion=criterion.upper())]
    if any("inertia" in row for group in groups for row in group.rows()):
        lines.append(FOOTERS["inertia"])
    stream.write(as_text(blocks, lines, stream))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "reached": f"{row['reached']} of {row['starts']}"} if row.get("starts") else row


def _titles(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Which columns there is anything to show in."""
    every = {
        "model": "model", "k": "k", "covariance": "covariance", "mixing": "mixing", "parameters_count": "parameters",
        "log_likelihood": "log-likelihood", "inertia": "inertia", "aic": "AIC", "bic": "BIC", "delta_bic": "delta BIC",
        "icl": "ICL", "iterations": "iterations", "status": "status", "reached": "reached",
        "adjusted_rand_index": "ARI", "warnings": "warnings",
    }  # fmt: skip
    kinds = {tuple(row.get(key) for key in ("model", "k", "covariance", "mixing")) for row in rows}
    named = {"name": "name"} if len(kinds) < len(rows) else {}
    return named | {key: title for key, title in every.items() if any(row.get(key) not in (None, []) for row in rows)}


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else escaped(str(value))


def _beside(alignment: Alignment) -> list[Any]:
    """The reference's parameters, and those of other fits with the differences."""
    reference, shown = alignment.reference, alignment.others[:SIDE_BY_SIDE]
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
    first = (reference.name, reference, reference.document["parameters"])
    return [said, _side_by_side(first, others)]


def _against_truth(candidates: Sequence[Candidate]) -> list[Any]:
    """True parameters, and those of the highest ranked fits of the true k with their errors."""
    fits = [
        (candidate.name, candidate, candidate.document["parameters"])
        for candidate in candidates
        if candidate.document is not None and (candidate.row(None).get("errors"))
    ][:SIDE_BY_SIDE]
    if not fits:
        return []
    first = fits[0][1]
    return [
        "The truth, and the fits of as many components with their errors",
        _side_by_side(("true", first, first.document["truth"]["parameters"]), fits),
    ]


Shown = tuple[str, Candidate, Any]  # a heading, a fit, and parameters of its kind


def _side_by_side(reference: Shown, others: Sequence[Shown]) -> Any:
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


def _cells(shown: Shown) -> dict[tuple[int, str], Any]:
    _, candidate, parameters = shown
    data = candidate.document["data"]
    columns = family_of(candidate.document["model"]).table(parameters, data["columns"], data["weight"])
    count = len(columns[0][1])
    return {(i, title): values[i] for i in range(count) for title, values in columns if title != "rows"}


def _difference(value: float, reference: float) -> str:
    difference = type(value)(float(value) - float(reference))
    return ("+" if difference > 0 else "") + number(difference)
