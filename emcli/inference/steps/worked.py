"""EM at work: what each shown iteration makes of chosen rows, and of the sums over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emcli.data.dataset import Dataset
from emcli.data.rows import Rows
from emcli.inference.diagnostics import best_run
from emcli.inference.fit_result import FitResult
from emcli.inference.starts import EXACT, Run, information_is_affordable
from emcli.models import worked_steps
from emcli.models.base import AnyModel, Degenerate, Measures
from emcli.models.complete_data import CompleteDataModel
from emcli.models.em import pooled_e_step
from emcli.models.parameters import ParameterFault
from emcli.models.worked import Sheet, Worked, WorkedSteps
from emcli.types import JSON, Array

LEAST_DIGITS, MOST_DIGITS = 6, 15  # of parameters
DENSITY_DIGITS = 5  # that can be computed again from the parameters as they are shown
SMALLEST_SHARE = 1e-5  # of a row, below which what a component has of it does not show


@dataclass(frozen=True)
class ShownRow:
    """What an iteration makes of one row of the data."""

    number: int  # from 1
    weight: float
    worked: Worked | None  # None: it says nothing, as a row without tosses or of weight 0


@dataclass(frozen=True)
class ShownIteration:
    """An iteration, the row by row E-step from its parameters, and the step to the next one."""

    number: int
    measures: Measures
    gain: float | None  # of the log-likelihood, or fall of the inertia, since the iteration before
    step: str | None  # what led here: em, newton, …; None: it is the start
    parameters: Mapping[str, JSON]
    sheet: Sheet  # the parameters
    e_step: Sequence[str]  # formulas
    rows: Sequence[ShownRow]
    next_step: str | None  # what led on from here; None: it is the last
    sums: Worked | None  # over all rows, where the next step is an M-step
    following: Mapping[str, JSON] | None  # the next parameters; of the last iteration those that one more would find
    collapse: str | None = None  # why there are none


@dataclass(frozen=True)
class Steps:
    """The iterations to show of the best start of a fit; components in their order at its end."""

    result: FitResult  # whose best run is the one that is shown
    order: Sequence[int]  # of the components of that run
    iterations: Sequence[ShownIteration]
    exact: float | None  # the inertia of the fit itself, where that was computed directly
    models: Sequence[AnyModel]  # of these iterations, components in the order of the run
    rows: Sequence[int]  # numbers of the rows that are shown
    polished: bool = False  # does the fit itself go on from its end by Newton's method?

    def digits(self) -> dict[str, int]:
        """The significant digits of each kind of parameter from which the densities of the rows follow."""
        return _digits(self.result, self.models, self.rows)

    @property
    def run(self) -> Run:
        """The run that is shown."""
        return self.result.best

    @property
    def noun(self) -> str:
        """What a component is called."""
        return worked_steps(self.result.kind.name).noun


def shown_run(result: FitResult) -> FitResult:
    """The fit with its best run that climbed: not a global optimum that was computed directly."""
    if result.best.kind != EXACT:
        return result
    climbed = [run for run in result.ledger if run.kind != EXACT]
    chosen = best_run(result.kind, climbed, result.settings.search.tol, -np.inf)
    return result if chosen is None else replace(result, best=chosen.best)


def steps(
    result: FitResult,
    path: Mapping[int, AnyModel],
    numbers: Sequence[int],
    chosen: Sequence[int],
    solver_asked: bool = True,
) -> Steps:
    """The iterations of these numbers, with the rows of these numbers from 1.

    `path` holds the models of these iterations and of those that follow them. Unless a solver was asked
    for (`solver_asked`), the fit itself may go on from the end by Newton's method.
    """
    found = shown_run(result)
    run, rows = found.best, found.data.rows
    order = run.model.to_original(rows.scaling).canonical_order().tolist()
    last = len(run.scores) - 1
    path = {**path, last: run.model}
    iterations = [_shown(found, path, i, order, chosen) for i in numbers]
    exact = result.inertia if result.best.kind == EXACT else None
    models = [path[i] for i in numbers]
    polished = not solver_asked and run.status == "converged" and len(order) > 1 and _can_be_polished(run.model, rows)
    return Steps(found, order, iterations, exact, models, chosen, polished)


def _can_be_polished(model: AnyModel, rows: Rows) -> bool:
    return isinstance(model, CompleteDataModel) and information_is_affordable(rows, model)


def _shown(
    result: FitResult, path: Mapping[int, AnyModel], i: int, order: Sequence[int], chosen: Sequence[int]
) -> ShownIteration:
    run, rows, model = result.best, result.data.rows, path[i]
    worked, last = worked_steps(result.kind.name), i == len(run.scores) - 1
    measures = result.measures(run)
    next_step = None if last else run.steps[i + 1]
    sums: Worked | None = None
    improved, collapse = path.get(i + 1), None
    if next_step in (None, "em"):
        stats = pooled_e_step(model, rows.batches(), rows.mapping(map))
        try:
            improved = model.m_step(stats) if improved is None else improved
            sums = worked.sums(model, stats, improved, rows).ordered(order)
        except Degenerate as reason:
            collapse = str(reason)
    return ShownIteration(
        i,
        measures[i],
        None if i == 0 else _difference(measures[i].objective, measures[i - 1].objective),
        run.steps[i] if i else None,
        _parameters(model, result, order),
        worked.parameters(model, rows).ordered(order),
        worked.e_step(model, rows),
        [_row(worked, model, result.data, number, order) for number in chosen],
        next_step,
        sums,
        None if improved is None or collapse is not None else _parameters(improved, result, order),
        collapse,
    )


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _parameters(model: AnyModel, result: FitResult, order: Sequence[int]) -> dict[str, JSON]:
    """In the user's units, and in the order of the components at the end."""
    return model.to_original(result.data.rows.scaling).ordered(np.array(order)).to_parameters()


def _row(worked: WorkedSteps[AnyModel], model: AnyModel, data: Dataset, number: int, order: Sequence[int]) -> ShownRow:
    place, x = _place(data, number), values_of(data, number)
    weight = 1.0 if data.row_weights is None else 0.0 if place is None else float(data.row_weights[place])
    return ShownRow(number, weight, None if x is None else worked.row(model, x, data.rows).ordered(order))


def values_of(data: Dataset, number: int) -> Array | None:
    """A row of the data (d, 1) in working coordinates, by its number from 1; None where it says nothing."""
    rows, place = data.rows, _place(data, number)
    if place is not None and rows.duplicate_of is not None:
        place = int(rows.duplicate_of[place])
    return None if place is None or place < 0 else np.array(rows.values[:, place : place + 1])


def _place(data: Dataset, number: int) -> int | None:
    """The place among the rows that are fitted of the row of this number; None where its weight is 0."""
    if data.kept is None:
        return number - 1
    place = int(np.searchsorted(data.kept, number - 1))
    return place if place < len(data.kept) and data.kept[place] == number - 1 else None


def _digits(result: FitResult, models: Sequence[AnyModel], chosen: Sequence[int]) -> dict[str, int]:
    """The fewest digits of each kind of parameter from which the densities of the rows can be computed again."""
    found = [x for number in chosen if (x := values_of(result.data, number)) is not None]
    if result.kind.hard or not found:
        return {}
    x, enough = np.concatenate(found, axis=1), {}
    for key in models[0].to_parameters().keys() - {"weights"}:
        tries = range(LEAST_DIGITS, MOST_DIGITS)
        good = (n for n in tries if all(_reproduced(result, model, x, key, n) for model in models))
        enough[key] = next(good, MOST_DIGITS)
    return enough


def _reproduced(result: FitResult, model: AnyModel, x: Array, key: str, digits: int) -> bool:
    """Has the model with one kind of parameter rounded the same densities, of components with any share of a row?"""
    rows, worked = result.data.rows, worked_steps(result.kind.name)
    given = model.to_original(rows.scaling).to_parameters()
    given[key] = _rounded(given[key], digits)
    try:
        rounded = result.kind.from_parameters(given, result.settings.model, rows).to_scaled(rows.scaling)
    except (Degenerate, ParameterFault):
        return False
    for column in _columns(x):
        shown = model.posterior(column)[0][:, 0] >= SMALLEST_SHARE
        away = worked.log_densities(rounded, column)[shown] - worked.log_densities(model, column)[shown]
        if not np.abs(away).max(initial=0.0) < 0.25 * 10.0**-DENSITY_DIGITS:
            return False
    return True


def _columns(x: Array) -> Iterator[Array]:
    return (x[:, i : i + 1] for i in range(x.shape[1]))


def _rounded(value: JSON, digits: int) -> JSON:
    """A number, or each of a nested list, with so many significant digits."""
    if isinstance(value, list):
        return [_rounded(each, digits) for each in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
