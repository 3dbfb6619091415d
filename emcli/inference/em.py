"""Expectation-maximization, plainly: a fit is a stream of ever better models, and its caller owns the loop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from emcli.models.base import UNIT_ROUNDOFF, Step, pooled_e_step, same_parameters
from emcli.types import Array, Batch, Mapper

SETTLED = 0.01  # a mixing weight that changes by more than this a step has not converged
RETEST = 50  # iterations between tests of the score decrement
HIDDEN = 5  # successive gains below rounding, or projections below tol, that end a fit


class LogLikelihoodFell(Exception):
    """EM made the fit worse by more than rounding: a bug, never the data."""


class Ending(NamedTuple):
    """How a fit ended."""

    status: str  # converged | max_iter
    stop: str  # projected | rounding | assignments | max_iter
    decrement: float | None  # nats still to gain by the score decrement; None where it is not computed


def em(model: Any, batches: Sequence[Batch], map: Mapper = map) -> Iterator[Step]:
    """Yield the model, then each improvement; end only where the M-step changes nothing any more."""
    while True:
        stats = pooled_e_step(model, batches, map)
        yield Step(model, stats.score, stats.weight, stats.squares)
        improved = model.m_step(stats)
        if same_parameters(model, improved):
            return
        model = improved


def rounding(step: Step) -> float:
    """The size of a gain that floating point cannot tell from none: η = 8 u |ll|, more where large terms cancel."""
    return 8 * UNIT_ROUNDOFF * max(abs(step.score), step.weight, sqrt(step.squares))


def guard(steps: Iterable[Step]) -> Iterator[Step]:
    """Pass the steps through; raise LogLikelihoodFell where one is worse than the one before by more than rounding."""
    before: Step | None = None
    slack = 0.0
    for step in steps:
        if before is not None and not step.score >= before.score - max(slack, rounding(step)):
            raise LogLikelihoodFell(f"from {before.score!r} to {step.score!r}")
        before = step
        slack = rounding(step._replace(squares=0.0)) * max(1.0, step.weight**0.5)
        yield step


def converge(
    steps: Iterable[Step], tol: float, max_iter: int, remaining: Callable[[Any], float] | None, fixed_point: str
) -> Generator[Step, None, Ending]:
    """Pass the steps through until no more than `tol` nats are left to gain, and say how it ended.

    `remaining` gives the score decrement of a model. It is asked when Aitken's projection g₁² / (g₀ - g₁ - η) of the
    last two gains first falls below `tol`, and every 50 iterations; without it (where it would cost too much) the
    projection must hold five times in a row. A stream that ends by itself has reached `fixed_point`.
    """
    before: Step | None = None
    last_gain = np.inf
    small, hidden = 0, 0  # how many projections in a row were below tol; how many gains were below rounding
    for iteration, step in enumerate(steps):
        yield step
        if before is not None:
            gain, noise = step.score - before.score, rounding(step)
            hidden = hidden + 1 if gain <= noise else 0
            curb = last_gain - gain - noise
            small = small + 1 if hidden or (curb > 0 and gain * gain < tol * curb) else 0
            calm = _drift(before.model.weights, step.model.weights) <= SETTLED
            last_gain = gain
            if calm and remaining and (1 in (small, hidden) or hidden >= HIDDEN or iteration % RETEST == 0):
                decrement = remaining(step.model)
                if decrement < tol:
                    return Ending("converged", "projected", decrement)
                if hidden >= HIDDEN:
                    return Ending("converged", "rounding", decrement)
            elif (
                calm and not remaining and (hidden >= HIDDEN or small >= (HIDDEN if len(step.model.weights) > 1 else 1))
            ):
                return Ending("converged", "rounding" if hidden >= HIDDEN else "projected", None)
        if iteration >= max_iter:
            return Ending("max_iter", "max_iter", remaining(step.model) if remaining else None)
        before = step
    assert before is not None
    return Ending("converged", fixed_point, remaining(before.model) if remaining else None)


def until_fixed(steps: Iterable[Step], max_iter: int) -> Generator[Step, None, Ending]:
    """Pass the steps through until the stream ends by itself, as hard EM does when no assignment changes."""
    for iteration, step in enumerate(steps):
        yield step
        if iteration >= max_iter:
            return Ending("max_iter", "max_iter", None)
    return Ending("converged", "assignments", None)


def _drift(before: Array, after: Array) -> float:
    """The largest relative change of a mixing weight; one that is exactly zero has come to rest."""
    alive = before > 0
    return float(np.max(np.abs(after[alive] / before[alive] - 1.0), initial=0.0))
