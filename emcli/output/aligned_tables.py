"""Fits of one k side by side, and fits beside the truth, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emcli.comparison.alignment import Alignment
from emcli.comparison.ranking import Candidate
from emcli.models import model_class
from emcli.output.fit_tables import number, table

SHOWN = 3  # fits shown beside the reference


def side_by_side(alignment: Alignment) -> list[Any]:
    """The reference's parameters, and those of other fits with the differences."""
    reference, shown = alignment.reference, alignment.others[:SHOWN]
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
    return [said, _table(first, others)]


def against_truth(candidates: Sequence[Candidate]) -> list[Any]:
    """True parameters, and those of the highest ranked fits of the true k with their errors."""
    fits = [
        (candidate.name, candidate, candidate.document["parameters"])
        for candidate in candidates
        if candidate.document is not None and (candidate.row(None).get("errors"))
    ][:SHOWN]
    if not fits:
        return []
    first = fits[0][1]
    return [
        "The truth, and the fits of as many components with their errors",
        _table(("true", first, first.document["truth"]["parameters"]), fits),
    ]


Shown = tuple[str, Candidate, Any]  # a heading, a fit, and parameters of its kind


def _table(reference: Shown, others: Sequence[Shown]) -> Any:
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
    columns = model_class(candidate.document["model"]).table(parameters, data["columns"], data["weight"])
    count = len(columns[0][1])
    return {(i, title): values[i] for i in range(count) for title, values in columns if title != "rows"}


def _difference(value: float, reference: float) -> str:
    difference = type(value)(float(value) - float(reference))
    return ("+" if difference > 0 else "") + number(difference)
