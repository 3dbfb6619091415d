"""Many fits of one model and k, as of many seeds or many samples: a row for each, and their mean, sd and error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

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
    from emcli.comparison.alignment import Alignment
    from emcli.comparison.candidate import Candidate

Cells = dict[tuple[int, str], float]  # by component, from 0, and title
MANY = 4  # fits with the settings of the first, it included, from which they are summarized
MAX_TABLES = 3  # of a row for each fit, beyond which the summary has to do
MAX_PARAMETERS = 100  # in the summary
FEW = 3  # significant digits of sds and errors
TITLES = ("component", "parameter", "mean", "sd", "lowest", "highest", "true", "error", "RMSE")
SPARED_FIRST = ("lowest", "highest", "RMSE", "")  # columns that a narrow page goes without


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


def _alike(alignment: Alignment) -> list[tuple[Candidate, list[int], Parameters]]:
    """The fits with the settings of the first, their components' order and their parameters in that order."""
    first = alignment.reference
    k = first.settings["k"]
    others = [each for each in alignment.others if each.candidate.settings == first.settings]
    return [
        (first, list(range(k)), first.fitted["parameters"]),
        *((each.candidate, each.order, each.parameters) for each in others),
    ]


def many_fits(alignment: Alignment, width: int) -> Iterator[Block]:
    """The parameters of every fit in a row, where that is not too wide, and their summary."""
    fits, reference = _alike(alignment), alignment.reference
    tables = [cells(candidate, parameters) for candidate, _, parameters in fits]
    keys = [key for key in tables[0] if all(key in table for table in tables)]
    values = np.array([[table[key] for key in keys] for table in tables])  # (fits, parameters)
    kinds = [type(tables[0][key]) for key in keys]
    of = f"{counted(len(fits), 'fit')} of {reference.settings['model']} with k={reference.settings['k']}"
    yield f"{of}, components matched to those of {reference.name}"
    titles = [f"{parameter}\n{component + 1}" for component, parameter in keys]
    columns = [[number(kind(value)) for value in column] for kind, column in zip(kinds, values.T, strict=True)]
    names = [candidate.name for candidate, *_ in fits]
    each = Grid(["fit", *titles], list(zip(names, *columns, strict=True)))
    parts = list(each.within(width, together=len(keys) // reference.settings["k"]))  # a component stays together
    if max(part.width for part in parts) > width:
        parts = list(each.within(width))
    if len(parts) <= MAX_TABLES:
        yield from parts
    yield f"Their mean and sd{_and_errors(fits)}"
    yield _summary(fits, keys, kinds, values, width)
    if len(keys) > MAX_PARAMETERS:
        yield f"Not shown: {len(keys) - MAX_PARAMETERS:,} of {len(keys):,} parameters; all with --json."
    if lines := _agreement(alignment, fits):
        yield lines


def _and_errors(fits: Sequence[tuple[Candidate, list[int], Parameters]]) -> str:
    known = _truths(fits, ())
    return "" if known is None else "; error: their mean less the truth; RMSE: root mean square of their errors"


def _truths(fits: Sequence[tuple[Candidate, list[int], Parameters]], keys: Sequence[tuple[int, str]]) -> Array | None:
    """The true value of each parameter in each fit's data (fits, parameters); None where one is not known."""
    found = []
    for candidate, order, _ in fits:
        truth = candidate.fitted.get("truth")
        known = truth["parameters"] if truth else None
        if not known:
            return None
        there = cells(candidate, known)
        if len({i for i, _ in there}) != len(order):
            return None
        there = cells(candidate, reorder(known, order))
        found.append([there.get(key, np.nan) for key in keys])
    return np.array(found)


def _summary(
    fits: Sequence[tuple[Candidate, list[int], Parameters]],
    keys: Sequence[tuple[int, str]],
    kinds: Sequence[type[float]],
    values: Array,
    width: int,
) -> Grid:
    """Mean, sd and range of each parameter, and how far they are from the truth; what has no room is left out."""
    truths = _truths(fits, keys)
    columns: dict[str, list[str]] = {title: [] for title in TITLES}
    what, found_scores = _objectives([each for each, *_ in fits])
    if found_scores:
        mean, low, high = scores([float(np.mean(found_scores)), min(found_scores), max(found_scores)])
        found = ["", what, mean, number(_sd(np.array(found_scores)), FEW), low, high, "", "", ""]
        for column, cell in zip(columns.values(), found, strict=True):
            column.append(cell)
    for j, ((component, parameter), kind) in enumerate(zip(keys[:MAX_PARAMETERS], kinds, strict=False)):
        one = values[:, j]
        known = [] if truths is None or np.isnan(truths[:, j]).any() else [kind(truths[:, j].mean())]
        mean, low, high, *true = map(number, [kind(one.mean()), kind(one.min()), kind(one.max()), *known])
        found = [str(component + 1), parameter, mean, number(kind(_sd(one)), FEW), low, high, "", "", ""]
        if truths is not None and known:
            apart = float(np.sqrt(((one - truths[:, j]) ** 2).mean()))
            found[-3:] = [*true, difference(kind(one.mean()), known[0], FEW), number(kind(apart), FEW)]
        for column, cell in zip(columns.values(), found, strict=True):
            column.append(cell)
    titles = [*TITLES] if truths is not None else [*TITLES[:-3]]
    for spared in SPARED_FIRST:
        grid = Grid(titles, list(zip(*(columns[title] for title in titles), strict=True)))
        if grid.width <= width:
            return grid
        titles = [title for title in titles if title != spared]
    return Grid(titles, list(zip(*(columns[title] for title in titles), strict=True)))


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


def _agreement(alignment: Alignment, fits: Sequence[tuple[Candidate, list[int], Parameters]]) -> list[str]:
    """How far the assignments of the fits agree with those of the first, and with the truth."""
    with_first = [each.adjusted_rand_index for each in alignment.others if each.adjusted_rand_index is not None]
    truths = [truth for candidate, *_ in fits if (truth := candidate.fitted.get("truth"))]
    with_truth = [index for truth in truths if (index := truth["adjusted_rand_index"]) is not None]
    return [
        f"Adjusted Rand index with {whom}: mean {np.mean(found):.4f}, lowest {min(found):.4f}"
        for whom, found in ((alignment.reference.name, with_first), ("the true labels", with_truth))
        if found
    ]
