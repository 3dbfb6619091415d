"""Many fits of one model and k, as of many seeds or many samples: a row for each, and their mean, sd and error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from emcli.comparison.alignment import AlignedFit, Alignment
from emcli.config.settings import Settings
from emcli.errors import counted
from emcli.inference.agreement import reorder
from emcli.models import model_class
from emcli.models.parameters import ParameterFault
from emcli.models.plain_values import Parameters
from emcli.output.numbers import NOISE, difference, number, scores
from emcli.output.page import Block, Grid
from emcli.types import Array

if TYPE_CHECKING:
    from emcli.comparison.candidate import Candidate

Cells = dict[tuple[int, str], float]  # by component, from 0, and title
MANY = 4  # fits with the settings of the first, it included, from which they are summarized
MAX_TABLES = 3  # of a row for each fit, beyond which the summary has to do
MAX_PARAMETERS = 100  # in the summary
FEW = 3  # significant digits of sds and errors
TITLES = ("component", "parameter", "mean", "sd", "lowest", "highest", "true", "error", "RMSE")
SPARED_FIRST = ("lowest", "highest", "RMSE")  # columns that a narrow page goes without


def cells(candidate: Candidate, parameters: Parameters) -> Cells:
    """The parameters of a fit, or others of its kind, as its table shows them; noise has a weight alone."""
    data = candidate.fitted["data"]
    columns = model_class(candidate.fitted["model"]).table(parameters, data["columns"], data["weight"])
    count = len(columns[0][1])
    shown = [(title, values) for title, values in columns if title != "rows"]
    return {(i, title): values[i] for i in range(count) for title, values in shown if not isnan(values[i])}


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
    found = cells(candidate, reorder(fixed.to_parameters(), order))
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
    tables = [cells(each.candidate, each.parameters) for each in fits]
    keys = [key for key in tables[0] if all(key in table for table in tables)]
    values = np.array([[table[key] for key in keys] for table in tables])  # (fits, parameters)
    kinds = [type(tables[0][key]) for key in keys]
    of = f"{counted(len(fits), 'fit')} of {reference.settings['model']} with k={reference.settings['k']}"
    yield f"{of}, components matched to those of {reference.name}"
    titles = [f"{parameter}\n{component + 1}" for component, parameter in keys]
    columns = [[number(kind(value)) for value in column] for kind, column in zip(kinds, values.T, strict=True)]
    whole = Grid.of(["fit", *titles], [[each.candidate.name for each in fits], *columns])
    parts = list(whole.within(width, together=len(keys) // reference.settings["k"]))  # a component stays together
    if max(part.width for part in parts) > width:
        parts = list(whole.within(width))
    if len(parts) <= MAX_TABLES:
        yield from parts
    truths = _truths(fits, keys)
    known = "; error: their mean less the truth; RMSE: root mean square of their errors"
    yield f"Their mean and sd{'' if truths is None else known}"
    summary = _summary(_objectives([each.candidate for each in fits]), keys, kinds, values, truths)
    yield summary.narrowed(width, SPARED_FIRST)[0]
    if len(keys) > MAX_PARAMETERS:
        yield f"Not shown: {len(keys) - MAX_PARAMETERS:,} of {len(keys):,} parameters; all with --json."
    if lines := _agreement(alignment, fits):
        yield lines


def _truths(fits: Sequence[AlignedFit], keys: Sequence[tuple[int, str]]) -> Array | None:
    """The true value of each parameter in each fit's data (fits, parameters); None where one is not known."""
    found = []
    for each in fits:
        truth = each.candidate.fitted.get("truth")
        known = truth["parameters"] if truth else None
        if not known or len({i for i, _ in cells(each.candidate, known)}) != len(each.order):
            return None
        there = cells(each.candidate, reorder(known, each.order))
        found.append([there.get(key, np.nan) for key in keys])
    return np.array(found)


def _summary(
    objectives: tuple[str, list[float]],
    keys: Sequence[tuple[int, str]],
    kinds: Sequence[type[float]],
    values: Array,
    truths: Array | None,
) -> Grid:
    """Mean, sd and range of what fits are judged by and of each parameter, and how far they are from the truth."""
    what, found = objectives
    rows = []
    if found:
        mean, low, high = scores([float(np.mean(found)), min(found), max(found)])
        rows.append(["", what, mean, number(_sd(np.array(found)), FEW), low, high, "", "", ""])
    for j, ((component, parameter), kind) in enumerate(zip(keys[:MAX_PARAMETERS], kinds, strict=False)):
        one = values[:, j]
        mean, low, high = (number(kind(value)) for value in (one.mean(), one.min(), one.max()))
        row = [str(component + 1), parameter, mean, number(kind(_sd(one)), FEW), low, high]
        if truths is None or np.isnan(truths[:, j]).any():
            rows.append([*row, "", "", ""])
            continue
        true, apart = kind(truths[:, j].mean()), kind(np.sqrt(((one - truths[:, j]) ** 2).mean()))
        rows.append([*row, number(true), difference(kind(one.mean()), true, FEW), number(apart, FEW)])
    shown = len(TITLES) if truths is not None else len(TITLES) - 3
    return Grid(TITLES[:shown], [row[:shown] for row in rows])


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
