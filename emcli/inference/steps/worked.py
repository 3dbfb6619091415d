"""EM at work: what each shown iteration makes of chosen rows, and of the sums over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from emcli.data.dataset import Dataset
from emcli.data.known import UNKNOWN
from emcli.data.rows import Rows
from emcli.frozen import frozen
from emcli.inference.diagnostics import best_run
from emcli.inference.fit_result import FitResult
from emcli.inference.runs import Run, information_is_affordable
from emcli.inference.starts import EXACT
from emcli.inference.steps.precision import (
    ROUNDING,
    SHARE_DECIMALS,
    far_digits,
    finest_joint,
    same,
    share_decimals,
    with_digits,
)
from emcli.models import worked_steps
from emcli.models.base import AnyModel, Degenerate
from emcli.models.complete_data import CompleteDataModel
from emcli.models.em import pooled_e_step
from emcli.models.measures import Measures
from emcli.models.parameters import ParameterFault
from emcli.models.worked import Sheet, Worked, WorkedSteps, round_to
from emcli.types import JSON, Array

LEAST_DIGITS, MOST_DIGITS = 6, 17  # of parameters


@frozen
class ShownRow:
    """What an iteration makes of one row of the data."""

    number: int  # from 1
    weight: float
    known: str | None  # the name of its component, where that is known
    worked: Worked | None  # None: it says nothing, as a row without tosses or of weight 0


@frozen
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


@frozen
class Steps:
    """The iterations to show of the best start of a fit; components in their order at its end."""

    result: FitResult  # whose best run is the one that is shown
    order: Sequence[int]  # of the components of that run
    iterations: Sequence[ShownIteration]
    exact: float | None  # the inertia of the fit itself, where that was computed directly
    models: Sequence[AnyModel]  # of these iterations, components in the order of the run
    polished: bool = False  # does the fit itself go on from its end by Newton's method?

    def with_digits(self) -> Precise:
        """With the digits from which people can compute the numbers of the rows again: fewer where data are too far."""
        most = share_decimals([row.worked for each in self.iterations for row in each.rows if row.worked])
        for decimals in range(most, SHARE_DECIMALS[0] - 1, -1):
            shown = [replace(each, rows=[_with_digits(row, decimals) for row in each.rows]) for each in self.iterations]
            found = Precise(replace(self, iterations=shown), decimals, {})
            digits = _digits(found)
            if None not in digits.values():
                break
        return replace(found, digits={key: n or MOST_DIGITS for key, n in digits.items()})

    @property
    def run(self) -> Run:
        """The run that is shown."""
        return self.result.best

    @property
    def noun(self) -> str:
        """What a component is called."""
        return worked_steps(self.result.kind.name).noun


@frozen
class Precise:
    """Iterations whose densities and distances have their digits, and the digits of what they follow from."""

    steps: Steps
    share_decimals: int  # of responsibilities
    digits: Mapping[str, int]  # significant ones of each kind of parameter


def shown_run(result: FitResult) -> FitResult:
    """The fit with its best run that climbed: not a global optimum that was computed directly."""
    if result.best.kind != EXACT:
        return result
    climbed = [run for run in result.ledger if run.kind != EXACT]
    chosen = best_run(result.kind, climbed, result.settings.search.tol)
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
    order = run.model.to_original(rows.scaling).order_in(rows).tolist()
    last = len(run.scores) - 1
    path = {**path, last: run.model}
    iterations = [_shown(found, path, i, order, chosen) for i in numbers]
    exact = result.inertia if result.best.kind == EXACT else None
    models = [path[i] for i in numbers]
    polished = not solver_asked and run.status == "converged" and len(order) > 1 and _can_be_polished(run.model, rows)
    return Steps(found, order, iterations, exact, models, polished)


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
    place, found = _place(data, number), _found(data, number)
    weight = 1.0 if data.row_weights is None else 0.0 if place is None else float(data.row_weights[place])
    if found is None:
        return ShownRow(number, weight, None, None)
    x, known = found
    name = None if known is None else data.rows.components[known]
    return ShownRow(number, weight, name, worked.row(model, x, data.rows, known).ordered(order))


def _found(data: Dataset, number: int) -> tuple[Array, int | None] | None:
    """A row of the data (d, 1) in working coordinates, by its number from 1, and its component where that is known.

    None where the row says nothing.
    """
    rows, place = data.rows, _place(data, number)
    if place is not None and rows.duplicate_of is not None:
        place = int(rows.duplicate_of[place])
    if place is None or place < 0:
        return None
    label = UNKNOWN if rows.known is None else int(rows.known[place])
    return np.array(rows.values[:, place : place + 1]), None if label == UNKNOWN else label


def _place(data: Dataset, number: int) -> int | None:
    """The place among the rows that are fitted of the row of this number; None where its weight is 0."""
    if data.kept is None:
        return number - 1
    place = int(np.searchsorted(data.kept, number - 1))
    return place if place < len(data.kept) and data.kept[place] == number - 1 else None


def _with_digits(row: ShownRow, decimals: int) -> ShownRow:
    return row if row.worked is None else replace(row, worked=with_digits(row.worked, decimals))


def _digits(shown: Precise) -> dict[str, int | None]:
    """The fewest digits of each kind of parameter from which the densities of the rows follow; None: no digits do."""
    steps, enough = shown.steps, dict[str, int | None]()
    rows = [
        (model, row)
        for model, shown in zip(steps.models, steps.iterations, strict=True)
        for row in shown.rows
        if row.worked is not None
    ]
    if steps.result.kind.hard or not rows:
        far = max((far_digits(row.worked) for _, row in rows if row.worked is not None), default=0)
        return {"": min(max(LEAST_DIGITS, far), MOST_DIGITS)}
    tries = range(LEAST_DIGITS, MOST_DIGITS + 1)
    for key in steps.models[0].to_parameters().keys() - {"weights"}:
        good = (n for n in tries if _reproduced(steps, key, n, shown.share_decimals))
        enough[key] = next(good, None)
    unit = ROUNDING * min(finest_joint(row.worked) for _, row in rows if row.worked is not None)
    weights = np.concatenate([model.weights for model in steps.models])
    weights = weights[weights > 0]
    close = (n for n in tries if np.abs(np.asarray(round_to(weights.tolist(), n)) / weights - 1).max() <= unit)
    return {**enough, "weights": next(close, None)}


def _reproduced(steps: Steps, key: str, digits: int, decimals: int) -> bool:
    """Have the models with one kind of parameter rounded the same distances and densities of the rows?"""
    result, rows = steps.result, steps.result.data.rows
    worked = worked_steps(result.kind.name)
    settings = worked.readable(result.settings.model)
    for model, shown in zip(steps.models, steps.iterations, strict=True):
        given = worked.rounded(model.to_original(rows.scaling).to_parameters(), key, digits)
        try:
            rounded = result.kind.from_parameters(given, settings, rows).to_scaled(rows.scaling)
        except (Degenerate, ParameterFault):
            return False
        for row in shown.rows:
            found = _found(result.data, row.number)
            if row.worked is None or found is None:
                continue
            if not same(row.worked, worked.row(rounded, found[0], rows, found[1]).ordered(steps.order), decimals):
                return False
    return True
