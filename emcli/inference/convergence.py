"""The convergence rule: at most `tol` nats left to gain, free of units and the same for every solver."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from math import sqrt
from typing import NamedTuple

import numpy as np

from emcli.models.base import UNIT_ROUNDOFF, AnyModel
from emcli.models.em import Step
from emcli.models.statistics import Stats
from emcli.types import Array

MAX_WEIGHT_CHANGE = 0.01  # a mixing weight that changes by more than this a step has not converged
MIN_ROWS_ALIVE = 1e-6  # rows, below which a component that loses rows has died
TEST_EVERY = 50  # iterations between tests of the score decrement
MOST_AHEAD = 20.0  # times what a Newton step is expected to gain, that a fit may still gain
PATIENCE = 500  # iterations of EM before it is judged by what it may still gain
FEW_ROWS = 64.0  # whose cancelling terms add up as one: constants are rounded for all rows alike
CONFIRMATIONS = 5  # successive gains below rounding, or projections below tol, that end a fit


class LikelihoodDecreased(Exception):
    """A step lowered the score by more than rounding: a bug, whatever the data."""


class Termination(NamedTuple):
    """How a fit ended."""

    status: str  # converged | max_iter | behind
    stop: str  # projected | rounding | assignments | max_iter | behind
    decrement: float | None  # nats left to gain, by the score decrement; None where it is not computed


def rounding_error(step: Step | Stats) -> float:
    """Rounding error of the score: η = 8 u |ll|, more where large terms cancel."""
    return 8 * UNIT_ROUNDOFF * max(abs(step.score), step.weight, sqrt(step.squares))


def check_monotone(steps: Iterable[Step]) -> Iterator[Step]:
    """Pass the steps through; raise LikelihoodDecreased where one is worse than the last by more than rounding."""
    before: Step | None = None
    slack = 0.0
    for step in steps:
        if before is not None and not step.score >= before.score - max(slack, rounding_error(step)):
            raise LikelihoodDecreased(f"from {before.score!r} to {step.score!r}")
        before = step
        alike = step if step.weight <= FEW_ROWS else step._replace(squares=0.0)
        slack = rounding_error(alike) * max(1.0, step.weight**0.5)
        yield step


def converge(
    steps: Iterable[Step],
    tol: float,
    max_iter: int,
    remaining: Callable[[AnyModel], float] | None,
    beat: float = -np.inf,
) -> Generator[Step, None, Termination]:
    """Pass the steps through until no more than `tol` nats are left to gain; return how the fit ended.

    `remaining` gives the score decrement of a model. It is asked when Aitken's projection g₁² / (g₀ - g₁ - η) of the
    last two gains falls below `tol`, again after 1, 3, 7, 15 more of these, every 50 iterations where the last gain
    has, and as soon as the solver expects no more than `tol` of its next step. Without it (where it would cost too
    much) the projection must hold five times in a row. A stream that ends by itself has no gain but rounding left.
    `beat`: a score; a fit that can no longer reach it ends.
    """
    before: Step | None = None
    last_gain = np.inf
    small, hidden = 0, 0  # how many projections in a row were below tol; how many gains were below rounding
    for iteration, step in enumerate(steps):
        yield step
        if before is not None:
            gain, noise = step.score - before.score, rounding_error(step)
            hidden = hidden + 1 if gain <= noise else 0
            curb = last_gain - gain - noise
            projected = curb > 0 and gain * gain < tol * curb if step.ahead is None else step.ahead < tol
            small = small + 1 if hidden or projected else 0
            if _is_behind(step, gain, iteration, max_iter, beat):
                return Termination("behind", "behind", None)
            calm = _drift(before.model.weights, step.model.weights, step.weight) <= MAX_WEIGHT_CHANGE
            last_gain = gain
            asked = iteration % TEST_EVERY == 0 and gain <= tol if step.ahead is None else small
            asked = asked or hidden == 1 or (small > 0 and small & (small - 1) == 0)
            if calm and remaining and (asked or hidden >= CONFIRMATIONS or asked):
                decrement = remaining(step.model)
                if decrement < tol:
                    return Termination("converged", "projected", decrement)
                if hidden >= CONFIRMATIONS:
                    return Termination("converged", "rounding", decrement)
            elif (
                calm
                and not remaining
                and (hidden >= CONFIRMATIONS or small >= (1 if step.model.is_explicit else CONFIRMATIONS))
            ):
                return Termination("converged", "rounding" if hidden >= CONFIRMATIONS else "projected", None)
        if iteration >= max_iter:
            left = remaining(step.model) if remaining and iteration else None  # of a start that would mean nothing
            return Termination("max_iter", "max_iter", left)
        before = step
    assert before is not None
    return Termination("converged", "rounding", remaining(before.model) if remaining else None)


def until_fixed_point(steps: Iterable[Step], max_iter: int) -> Generator[Step, None, Termination]:
    """Pass the steps through until they end at a fixed point, as hard EM does when no assignment changes."""
    for iteration, step in enumerate(steps):
        yield step
        if iteration >= max_iter:
            return Termination("max_iter", "max_iter", None)
    return Termination("converged", "assignments", None)


def _is_behind(step: Step, gain: float, iteration: int, max_iter: int, beat: float) -> bool:
    """Is a score to beat out of reach?

    It is where MOST_AHEAD times what the solver expects of its next step falls short of it; and for EM, which expects
    nothing and may stand on a plateau at first, where the last gain in each iteration that is left would.
    """
    if step.ahead is not None:
        return step.score + MOST_AHEAD * step.ahead < beat
    return iteration >= PATIENCE and step.score + (max_iter - iteration) * gain < beat


def _drift(before: Array, after: Array, total: float) -> float:
    """The largest relative change of a mixing weight; those of a component that dies do not count.

    It has died where less than MIN_ROWS_ALIVE of all rows, `total`, are left to it and every step leaves it fewer.
    """
    if before.min() * total > MIN_ROWS_ALIVE:
        pairs = zip(after.tolist(), before.tolist(), strict=True)  # so few numbers that arrays take longer
        return float(max(abs(now / then - 1.0) for now, then in pairs))
    alive = (before > 0) & ((before * total > MIN_ROWS_ALIVE) | (after >= before))
    return float(np.max(np.abs(after[alive] / before[alive] - 1.0), initial=0.0))
