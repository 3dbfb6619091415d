"""Starts: each a stream of ever better models, recorded line by line in a ledger."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from emcli.data.rows import Rows
from emcli.inference.em import Ending, converge, em, guard, until_fixed
from emcli.inference.information import Known
from emcli.inference.newton import newton
from emcli.models.base import Degenerate, Family, Step
from emcli.models.parameters import has_twins, refuse_symmetric
from emcli.models.seeding import best_of_short_runs
from emcli.types import Mapper

DRAWN_FROM = 4096  # rows of the seeded sample on which starts are drawn and tried
MOST_FOR_NEWTON = 200  # parameters up to which Newton's steps are taken unless told otherwise
EXACT = "exact"  # the origin of the best model of all, where that is found directly
COSTLY_PARAMETERS, COSTLY_PRODUCT = 500, 1e10  # beyond these the score decrement is not computed


@dataclass
class Start:
    """One line of the ledger."""

    start: int  # from 1
    origin: str | None = None  # where it began, if it was not drawn: `exact`, or the name of a smaller fit
    status: str = "running"  # converged | max_iter | degenerate | screened
    stop: str | None = None
    iterations: int = 0
    reason: str | None = None  # why it degenerated
    decrement: float | None = None
    scores: list[float] = field(default_factory=list)  # one for each iteration, 0 = the start
    steps: list[str] = field(default_factory=list)  # em | newton, likewise
    model: Any = None  # the last one, in working coordinates
    known: Known | None = field(default=None, repr=False)  # its information, where that can be had
    symmetric: bool = False  # did it begin with equal components?
    sampled: float | None = None  # its score on the sample on which it was screened
    sample: tuple[int, float | None, float | None] | None = None  # rows, log-likelihood and inertia of that sample

    @property
    def finished(self) -> bool:
        return self.status not in ("degenerate", "screened")


@dataclass(frozen=True)
class Iteration:
    """What a fit tells while it runs: one step of one start. `gain` is None at iteration 0."""

    start: int
    iteration: int
    step: Step
    gain: float | None


def run(
    entry: Start, family: Family, rows: Rows, settings: Any, begin: Callable[[], Any], spread: Mapper
) -> Iterator[Iteration]:
    """Run one start from the model that `begin` gives, write it into the ledger, and yield its iterations."""
    try:
        model = begin()
        entry.symmetric = not family.hard and has_twins(model)
        entry.known = None if family.hard else affordable(rows, model, spread)
        tested = entry.known.decrement if entry.known else None
        steps = guard(climb(family, model, rows, settings, entry.known, spread))
        steps_on = (
            until_fixed(steps, settings.search.max_iter)
            if family.hard
            else converge(steps, settings.search.tol, settings.search.max_iter, tested, family.fixed_point)
        )
        ending = yield from _recorded(entry, steps_on)
        entry.status, entry.stop, entry.decrement = ending
    except Degenerate as reason:
        entry.status, entry.reason = "degenerate", str(reason)
    entry.iterations = max(0, len(entry.scores) - 1)


def _recorded(entry: Start, run: Generator[Step, None, Ending]) -> Generator[Iteration, None, Ending]:
    """Write each step into the ledger, pass it on, and return how the run ended."""
    while True:
        try:
            step = next(run)
        except StopIteration as end:
            ending: Ending = end.value
            return ending
        gain = step.score - entry.scores[-1] if entry.scores else None
        entry.scores.append(step.score)
        entry.steps.append(step.how)
        entry.model = step.model
        yield Iteration(entry.start, len(entry.scores) - 1, step, gain)


def start_model(number: int, family: Family, rows: Rows, settings: Any) -> Any:
    """The model that a start begins with, in working coordinates: given, or drawn from the seed and its number."""
    if settings.search.start is not None and number == 1:
        model = family.read(settings.search.start, settings.document(), settings.model.k, rows)
        refuse_symmetric(model)
        return family.inward(model, rows)
    rng = np.random.default_rng([settings.search.seed, number])
    sample = rows.sample(DRAWN_FROM, rng)
    candidates, steps = family.short_runs(settings)
    batches = sample.batches()
    drawn = islice(family.draw(sample, settings, rng), candidates)
    if candidates == 1:
        return next(drawn)
    return best_of_short_runs(drawn, lambda model: em(model, batches), steps)


def climb(family: Family, model: Any, rows: Rows, settings: Any, known: Known | None, spread: Mapper) -> Iterator[Step]:
    """The stream of steps that the settings ask for; else a faster way to what EM reaches, where there is one.

    A family may have one of its own; Newton's steps are taken where what they need can be `known`, and is small.
    """
    if family.hard:
        steps: Iterator[Step] = family.steps(model, rows, spread)
        return steps
    small = known is not None and len(model.weights) > 1 and model.parameters_count <= MOST_FOR_NEWTON
    chosen = settings.search.solver or ("newton" if small else "em")
    if chosen == "newton":
        return newton(model, rows.batches(), spread, known)
    return em(model, rows.batches(), spread)


def affordable(rows: Rows, model: Any, spread: Mapper) -> Known | None:
    """What tells a model's information; None where it would cost too much or has no meaning."""
    p = model.parameters_count
    if p > COSTLY_PARAMETERS or rows.count * p * p > COSTLY_PRODUCT or not rows.has_more_distinct_than(p):
        return None
    return Known(rows.batches(), spread)
