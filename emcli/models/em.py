"""Expectation-maximization as a generator of models with rising score; the caller owns the loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial, reduce
from operator import add
from typing import NamedTuple, Self

import numpy as np

from emcli.models.base import AnyModel, Degenerate, Model
from emcli.models.statistics import S, Stats
from emcli.types import Array, Batch, BoolArray, Mapper


class Step(NamedTuple):
    """One iteration: a model, its score, and the total weight of the rows."""

    model: AnyModel
    score: float
    weight: float
    squares: float = 0.0  # as in `Stats`
    kind: str = "em"  # em | newton | quasi-newton | escape | boundary | polish
    ahead: float | None = None  # nats that the next step may bring, where its solver knows them

    @classmethod
    def of(cls, model: AnyModel, stats: Stats, kind: str = "em", ahead: float | None = None) -> Self:
        """The iteration that led to a model with the statistics of an E-step there."""
        return cls(model, stats.score, stats.weight, stats.squares, kind, ahead)

    @property
    def likelihood_score(self) -> float:
        """The score without that of a prior."""
        return self.score - self.model.log_prior()


def em(model: AnyModel, batches: Sequence[Batch], map: Mapper = map) -> Iterator[Step]:
    """Yield the model, then each improvement; end only at a fixed point of the M-step."""
    while True:
        stats = pooled_e_step(model, batches, map)
        yield Step.of(model, stats)
        improved = model.m_step(stats)
        if same_parameters(model, improved):
            return
        model = improved


def pooled_e_step(model: Model[S], batches: Sequence[Batch], map: Mapper = map) -> S:
    """The E-step on all batches, its statistics added up in order; with a prior their score is the log posterior."""
    e_step = partial(_e_step, model) if len(batches[0]) == 3 else model.e_step
    return model.penalised(reduce(add, map(e_step, *zip(*batches, strict=True))))


class Stacked:
    """Models of one stack on their way up by EM, a step for all of them at once; who goes on is left to the caller."""

    def __init__(self, stack: AnyModel, batches: Sequence[Batch], mapper: Mapper = map) -> None:
        self._batches, self._mapper = batches, mapper
        self.stack, self.stats = stack, self._e_step(stack)
        self.left = np.arange(len(stack.weights))  # which of the first stack these are

    def keep(self, going: BoolArray) -> None:
        """Go on with these alone."""
        some = np.flatnonzero(going)
        self.stack, self.stats = self.stack.ordered(some), self.stats.chosen(some)
        for name, part in vars(self).items():
            if isinstance(part, np.ndarray):
                setattr(self, name, part[some])

    def em_step(self) -> None:
        """A step of EM for all; those that degenerate do not go on."""
        stack, lost = m_steps(self.stack, self.stats)
        self.stack, self.stats = stack, self._e_step(stack)
        if lost.any():
            self.keep(~lost)

    def _e_step(self, stack: AnyModel) -> Stats:
        stats: Stats = pooled_e_step(stack, self._batches, self._mapper)
        return stats


def m_steps(stack: AnyModel, stats: Stats) -> tuple[AnyModel, BoolArray]:
    """The M-steps of all models of a stack, and which degenerated; these stay where they are."""
    count = len(stack.weights)
    lost = np.zeros(count, dtype=bool)
    try:
        return stack.m_step(stats), lost
    except Degenerate:
        models = []
    for i in range(count):
        one = stack.member(i)
        try:
            models.append(one.m_step(stats.chosen(i)))
        except Degenerate:
            models.append(one)
            lost[i] = True
    return stack.stacked(models), lost


def _e_step(model: Model[S], x: Array, weights: Array | None, component: int | None) -> S:
    """The E-step on rows that all come from a component, None where it is hidden: their responsibilities are 1 and 0.

    The score of a row is ln of the component's weight times its density there, so that of all rows is the
    log-likelihood of partly classified data (McLachlan & Peel 2000, section 2.19).
    """
    if component is None:
        return model.e_step(x, weights)
    return model.ordered(np.array([component])).e_step(x, weights).as_one_of(component, len(model.weights))


def same_parameters(one: AnyModel, other: AnyModel) -> bool:
    """Have two models exactly the same parameters?"""
    if one.weights.tolist() != other.weights.tolist():  # of so few numbers faster than an array's comparison
        return False
    return all(np.array_equal(a, b) for a, b in zip(one.components(), other.components(), strict=True))
