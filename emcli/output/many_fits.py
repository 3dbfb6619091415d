"""Many fits of one model and k, as of many seeds or many samples: a row for each, and their mean, sd and error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from emcli.comparison.alignment import AlignedFit, Alignment
from emcli.config.covariances import has_correlations
from emcli.config.settings import Settings
from emcli.errors import counted, escaped
from emcli.inference.agreement import reorder
from emcli.models import model_class
from emcli.models.parameters import ParameterFault
from emcli.models.plain_values import Parameters
from emcli.output.numbers import NOISE, difference, number, scores
from emcli.output.page import Block, Grid
from emcli.output.parameter_tables import MAX_MATRIX_COLUMNS, MAX_NAME, between_columns, covariance_of
from emcli.types import Array

if TYPE_CHECKING:
    from emcli.comparison.candidate import Candidate

Key = tuple[int, str]  # component, from 0, and title
Cells = dict[Key, float]
MANY = 4  # fits with the settings of the first, it included, from which they are summarized
MAX_TABLES = 3  # of a row for each fit, beyond which the summary has to do
MAX_PARAMETERS = 100  # in the summary
FEW = 3  # significant digits of sds and errors
PARAMETER = "parameter"
TITLES = ("component", PARAMETER, "mean", "sd", "lowest", "highest", "true", "error", "RMSE")
SPARED_FIRST = ("lowest", "highest", "RMSE")  # columns that a narrow page goes without


def are_correlated(candidates: Iterable[Candidate]) -> bool:
    """Does a fit have covariances between columns, and are they few enough to be shown?"""
    return any(
        "covariances" in one.fitted["parameters"]
        and has_correlations(one.settings["covariance"])
        and len(one.fitted["data"]["columns"]) <= MAX_MATRIX_COLUMNS
        for one in candidates
    )


def cells(candidate: Candidate, parameters: Parameters, correlated: bool = False) -> Cells:
    """The parameters of a fit, or others of its kind, as its table shows them; noise has weight and volume alone.

    correlated: with the covariances between columns?
    """
    data = candidate.fitted["data"]
    columns = model_class(candidate.fitted["model"]).table(parameters, data["columns"], data["weight"])
    columns = [*columns, *(between_columns(parameters, data["columns"]) if correlated else ())]
    count = len(columns[0][1])
    shown = [(title, values) for title, values in columns if title != "rows"]
    return {(i, title): values[i] for i in range(count) for title, values in shown if not isnan(values[i])}


def names_of(candidate: Candidate) -> list[str]:
    """What the components of a fit are called."""
    fit = candidate.fitted
    own = fit.get("components") or [str(i + 1) for i in range(fit["k"])]
    model = model_class(fit["model"]).from_parameters(fit["parameters"], candidate.model_settings)
    return [*(escaped(name, MAX_NAME) for name in own), *model.others]


def in_tables(candidate: Candidate, keys: Iterable[Key]) -> list[tuple[str, dict[Key, str]]]:
    """Parameters with their labels, by the heading of these: that of covariances is one of their own."""
    names = candidate.fitted["data"]["columns"]
    pairs = {covariance_of(one, other): f"{one}, {other}" for i, other in enumerate(names) for one in names[:i]}
    found: dict[str, dict[Key, str]] = {}
    for key in keys:
        heading = "covariance of" if key[1] in pairs else PARAMETER
        found.setdefault(heading, {})[key] = pairs.get(key[1], key[1])
    return list(found.items())


def held_cells(candidate: Candidate, order: Sequence[int]) -> frozenset[tuple[int, str]]:
    """The cells that hold a value at which a parameter was held, with the components in this order."""
    if "fix" not in candidate.settings:
        return frozenset()
    fit = candidate.fitted
    settings = Settings.of(candidate.settings).model
    try:
        fixed = model_class(fit["model"]).fixed_in(settings, len(fit["data"]["columns"]))
    except ParameterFault:  # of a saved fit that was changed by hand
        fixed = None
    if fixed is None:
        return frozenset()
    found = cells(candidate, reorder(fixed.to_parameters(), order), correlated=True)
    return frozenset(cell for cell, value in found.items() if not np.isnan(value))


def is_repeated(alignment: Alignment) -> bool:
    """Are there many fits with the settings of the first?"""
    return len(_alike(alignment)) >= MANY


def _alike(alignment: Alignment) -> list[AlignedFit]:
    """The fits with the settings of the first, it included."""
    first = alignment.reference
    itself = AlignedFit(first, list(range(first.settings["k"])), first.fitted["parameters"])
    return [itself, *(each for each in alignment.others if each.candidate.settings == first.settings)]


def many_fits(alignment: Alignment, width: int) -> Iterator[Block]:
    """The parameters of every fit in a row, where that is not too wide, and their summary."""
    fits, reference = _alike(alignment), alignment.reference
    correlated, called = are_correlated([reference]), names_of(reference)
    tables = [cells(each.candidate, each.parameters, correlated) for each in fits]
    shared = [key for key in tables[0] if all(key in table for table in tables)]
    of = f"{counted(len(fits), 'fit')} of {reference.settings['model']} with k={reference.settings['k']}"
    yield f"{of}, components matched to those of {reference.name}"
    summaries: list[Block] = []
    for heading, labels in in_tables(reference, shared):
        kinds = [type(tables[0][key]) for key in labels]
        values = np.array([[table[key] for key in labels] for table in tables])  # (fits, parameters)
        above = "" if heading == PARAMETER else f"{heading}\n"
        titles = [f"{above}{label}\n{called[key[0]]}" for key, label in labels.items()]
        columns = [[number(kind(value)) for value in column] for kind, column in zip(kinds, values.T, strict=True)]
        whole = Grid.of(["fit", *titles], [[each.candidate.name for each in fits], *columns])
        parts = list(whole.within(width, together=len(labels) // reference.settings["k"]))  # a component stays together
        if max(part.width for part in parts) > width:
            parts = list(whole.within(width))
        if len(parts) <= MAX_TABLES:
            yield from parts
        truths = _truths(fits, list(labels))
        rows = [] if above else _objective_row([each.candidate for each in fits])
        rows += _rows(labels, kinds, values, truths, called)
        shown = len(TITLES) if truths is not None else len(TITLES) - 3
        summary = Grid([TITLES[0], heading, *TITLES[2:shown]], [row[:shown] for row in rows])
        summaries.append(summary.narrowed(width, SPARED_FIRST)[0])
        if len(labels) > MAX_PARAMETERS:
            what = f"{len(labels) - MAX_PARAMETERS:,} of {len(labels):,} parameters"
            summaries.append(f"Not shown: {what}; all with --json.")
    known = "; error: their mean less the truth; RMSE: root mean square of their errors"
    yield f"Their mean and sd{'' if truths is None else known}"
    yield from summaries
    if lines := _agreement(alignment, fits):
        yield lines


def _truths(fits: Sequence[AlignedFit], keys: Sequence[Key]) -> Array | None:
    """The true value of each parameter in each fit's data (fits, parameters); None where one is not known."""
    found = []
    for each in fits:
        truth = each.candidate.fitted.get("truth")
        known = truth["parameters"] if truth else None
        fitted = cells(each.candidate, each.candidate.fitted["parameters"])
        if not known or {i for i, _ in cells(each.candidate, known)} != {i for i, _ in fitted}:
            return None
        there = cells(each.candidate, reorder(known, each.order), correlated=True)
        found.append([there.get(key, np.nan) for key in keys])
    return np.array(found)


def _objective_row(candidates: Sequence[Candidate]) -> list[list[str]]:
    """The line of what the fits are judged by, in a summary."""
    what, found = _objectives(candidates)
    if not found:
        return []
    mean, low, high = scores([float(np.mean(found)), min(found), max(found)])
    return [["", what, mean, number(_sd(np.array(found)), FEW), low, high, "", "", ""]]


def _rows(
    labels: Mapping[Key, str], kinds: Sequence[type[float]], values: Array, truths: Array | None, called: Sequence[str]
) -> Iterator[list[str]]:
    """For each parameter a line: mean, sd and range, and how far they are from the truth."""
    for j, (((component, _), label), kind) in enumerate(zip([*labels.items()][:MAX_PARAMETERS], kinds, strict=False)):
        one = values[:, j]
        mean, low, high = (number(kind(value)) for value in (one.mean(), one.min(), one.max()))
        row = [called[component], label, mean, number(kind(_sd(one)), FEW), low, high]
        if truths is None or np.isnan(truths[:, j]).any():
            yield [*row, "", "", ""]
            continue
        true, apart = kind(truths[:, j].mean()), kind(np.sqrt(((one - truths[:, j]) ** 2).mean()))
        yield [*row, number(true), difference(kind(one.mean()), true, FEW), number(apart, FEW)]


def _objectives(candidates: Sequence[Candidate]) -> tuple[str, list[float]]:
    """What the fits are judged by, and its values: the inertia where there is one, else the log-likelihood."""
    fits = [candidate.fitted for candidate in candidates]
    if all("inertia" in fit for fit in fits):
        return "inertia", [fit["inertia"] for fit in fits]
    return "log-likelihood", [value for fit in fits if (value := fit["log_likelihood"]) is not None]


def _sd(column: Array) -> float:
    """The sample standard deviation; 0 where the values differ by rounding alone."""
    sd = float(column.std(ddof=1))
    return sd if sd > NOISE * float(np.abs(column).max()) else 0.0


def _agreement(alignment: Alignment, fits: Sequence[AlignedFit]) -> list[str]:
    """How far the assignments of the fits agree with those of the first, and with the truth."""
    with_first = [each.adjusted_rand_index for each in alignment.others if each.adjusted_rand_index is not None]
    truths = [truth for each in fits if (truth := each.candidate.fitted.get("truth"))]
    with_truth = [index for truth in truths if (index := truth["adjusted_rand_index"]) is not None]
    return [
        f"Adjusted Rand index with {whom}: mean {np.mean(found):.4f}, lowest {min(found):.4f}"
        for whom, found in ((alignment.reference.name, with_first), ("the true labels", with_truth))
        if found
    ]
