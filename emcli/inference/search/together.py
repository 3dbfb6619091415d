"""EM from several models side by side: a step for all costs little more than for one where the table is small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from emcli.config.settings import SearchSettings
from emcli.data.rows import Rows
from emcli.inference.convergence import CONFIRMATIONS
from emcli.inference.runs import Run
from emcli.models.base import AnyModel, Degenerate
from emcli.models.complete_data import CompleteDataModel
from emcli.models.em import Step, em, same_parameters
from emcli.models.quasi_newton import Climb, step_of
from emcli.types import BoolArray, Mapper

MAX_ROWS = 4096  # from which one model's E-step goes another way than that of several
MAX_NUMBERS = 98_304  # rows x columns x components of all, from which rows are summed in chunks
AT_REST = 1e-3  # of a tolerance, that a model may still gain: it need not go on with the others


def may_climb_together(model: AnyModel, rows: Rows, count: int) -> bool:
    """Are steps of EM for so many like this, at once, those of each alone but for rounding? Not where Newton's are."""
    if count < 2 or not model.stacks or model.fixed is not None or rows.known is not None:
        return False
    if isinstance(model, CompleteDataModel) and model.has_information:
        return False
    numbers = rows.count * len(rows.values) * len(model.weights) * count
    return rows.count < MAX_ROWS and numbers <= MAX_NUMBERS and len(rows.batches()) == 1


class Drawn(NamedTuple):
    """A start that was drawn before its turn: a model, runs of fewer components that led to it, and steps of EM."""

    model: AnyModel
    smaller: list[Run]
    steps: Iterator[Step] | None = None  # where they are made together with those of others


def drawn_together(
    runs: Sequence[Run], draw: Callable[..., AnyModel], rows: Rows, mapper: Mapper, search: SearchSettings
) -> dict[int, Drawn]:
    """Starts by their number, as `draw` gives them, without those that degenerate; one where that is as quick."""
    drawn: dict[int, Drawn] = {}
    for run in runs:
        smaller: list[Run] = []
        try:
            drawn[run.start] = Drawn(draw(run, smaller=smaller), smaller)
        except Degenerate:
            continue
        if not may_climb_together(drawn[run.start].model, rows, len(runs)):
            return drawn
    if len(drawn) > 1:
        together = Together([each.model for each in drawn.values()], rows, mapper, search.tol, search.solver is None)
        drawn = {number: each._replace(steps=together.steps(i)) for i, (number, each) in enumerate(drawn.items())}
    return drawn


class Together:
    """Steps from some models, as each makes them alone; made for all at once as soon as one is asked for."""

    def __init__(self, models: Sequence[AnyModel], rows: Rows, mapper: Mapper, tol: float, accelerated: bool) -> None:
        self._models, self._rows, self._mapper, self._tol = models, rows, mapper, tol
        self._made: list[list[tuple[AnyModel, int, Step]]] = [[] for _ in models]  # a stack, the place in it, its step
        self._going = np.ones(len(models), dtype=bool)  # which of all go on with the others
        self._small = np.zeros(len(models), dtype=np.intp)  # how many steps in a row may bring far less than tol
        self._climb = Climb(models[0].stacked(models), rows.batches(), mapper, accelerated)
        self._note(np.ones(len(models), dtype=bool))

    def steps(self, i: int) -> Iterator[Step]:
        """The steps from model i; where it goes no further with the others, by EM alone."""
        made, taken, model = self._made[i], 0, self._models[i]
        try:
            while taken < len(made) or self._going[i]:
                if taken == len(made):
                    self._advance()
                    continue
                stack, place, step = made[taken]
                before, model = model, stack.member(place)
                if taken and step.ahead is None and same_parameters(before, model):  # where `em` ends
                    return
                taken += 1
                yield step._replace(model=model)
        finally:
            self._going[i] = False
        yield from islice(em(model, self._rows.batches(), self._mapper), min(taken, 1), None)

    def _advance(self) -> None:
        """A step for all that go on."""
        going = self._going[self._climb.left]
        if not going.all():
            self._climb.keep(going)
        done, lost = self._climb.advance()
        self._going[self._climb.left[lost]] = False
        self._note(done)

    def _note(self, done: BoolArray) -> None:
        """Note the steps that were made; a model without a score, or at rest, does not go on."""
        for place in np.flatnonzero(done).tolist():
            i, step = int(self._climb.left[place]), step_of(self._climb, place, self._climb.stack)
            self._going[i] = np.isfinite(step.score)
            if np.isfinite(step.score):
                self._made[i].append((self._climb.stack, place, step))
                last = [each.score for _, _, each in self._made[i][-3:]]
                self._small[i] = self._small[i] + 1 if step.ahead is not None and step.ahead < self._tol else 0
                calm = step.ahead is None and len(last) == 3 and self._is_at_rest(last[1] - last[0], last[2] - last[1])
                self._going[i] = not calm and self._small[i] < CONFIRMATIONS

    def _is_at_rest(self, before: float, gain: float) -> bool:
        """Is what is left to gain, by Aitken's projection of two gains, far below the tolerance?"""
        return gain <= 0 or (before > gain and gain * gain < AT_REST * self._tol * (before - gain))
