"""Runs of EM or another solver from one start each, recorded in a ledger."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from emcli.config.settings import SearchSettings
from emcli.data.rows import Rows
from emcli.frozen import frozen
from emcli.inference.convergence import Termination, check_monotone, converge, until_fixed_point
from emcli.inference.information import InformationCache, SampledInformation
from emcli.inference.newton import higher_beside, newton, to_boundary
from emcli.models.base import AnyModel, Degenerate
from emcli.models.complete_data import CompleteDataModel
from emcli.models.em import Step, em
from emcli.models.measures import Artefact
from emcli.models.parameters import has_twins
from emcli.models.quasi_newton import has_slopes, quasi_newton
from emcli.types import Mapper

MAX_NEWTON_PARAMETERS = 200  # up to which Newton's method is the default
MAX_SCORED_PARAMETERS = 500  # beyond which the score decrement is not computed
MAX_SCORED_PRODUCTS = 1e10  # likewise: rows times squared parameters


@dataclass(eq=False, repr=False)
class Run:
    """One run from one start: an entry of the ledger."""

    start: int  # from 1
    kind: str = "given"  # of its start values: given | exact | one of the model's kinds of starts | a move | nested
    origin: str | None = None  # the name of the smaller fit that it began at
    source: int | None = None  # the entry at whose optimum a move began; None: an independent start
    status: str = "running"  # converged | max_iter | degenerate | screened | behind
    stop: str | None = None
    iterations: int = 0
    reason: str | None = None  # why it degenerated
    decrement: float | None = None
    scores: list[float] = field(default_factory=list)  # one for each iteration, 0 = the start, and each polish step
    priors: list[float] = field(default_factory=list)  # how much of each score is that of a prior, likewise
    steps: list[str] = field(default_factory=list)  # em | newton | quasi-newton | escape | boundary | polish, likewise
    last: AnyModel | None = None  # the last model, in working coordinates
    known: InformationCache | None = field(default=None)  # its information, where that is computed
    symmetric: bool = False  # had its start equal components?
    sampled: float | None = None  # its score on the sample on which it was screened
    sample: tuple[int, float | None, float | None] | None = None  # rows, log-likelihood and inertia of that sample
    artefact: Artefact | None = None  # a component with little evidence, where that was looked for

    @property
    def finished(self) -> bool:
        """Did it end with an optimum, or at --max-iter, on all rows?"""
        return self.status in ("converged", "max_iter")

    @property
    def has_ended(self) -> bool:
        """Did it end so, or was it given up on all rows because it could not become the best?"""
        return self.finished or self.status == "behind"

    @property
    def numbered(self) -> list[str]:
        """What each score is of: an iteration, by its number, or a step after the last one, by its kind."""
        return [str(i) if i <= self.iterations else kind for i, kind in enumerate(self.steps)]

    @property
    def likelihood_score(self) -> float:
        """The last score without that of a prior."""
        return self.scores[-1] - self.priors[-1]

    @property
    def is_start(self) -> bool:
        """Was no iteration made, so that it ended at its start values?"""
        return self.status == "max_iter" and self.iterations == 0

    @property
    def model(self) -> AnyModel:
        """The last model, in working coordinates."""
        assert self.last is not None
        return self.last


@frozen
class IterationEvent:
    """One step of one start, reported while a fit runs. `gain` is None at iteration 0."""

    start: int
    iteration: int
    step: Step
    gain: float | None


def run_start(
    run: Run,
    rows: Rows,
    search: SearchSettings,
    begin: Callable[[], AnyModel],
    mapper: Mapper,
    sample: Rows | None = None,
    beat: float = -np.inf,
    steps: Iterator[Step] | None = None,
) -> Iterator[IterationEvent]:
    """Run one start from the model that `begin` gives, record it in `run`, and yield its iterations.

    steps: those of EM from that model, where they are made elsewhere.
    sample: rows at whose optimum it begins. beat: a score; a run of plain EM, or of such a sample, that can no longer
    reach it ends.
    """
    try:
        model = begin()
        run.symmetric = run.source is None and not model.hard and has_twins(model, len(rows.components))
        run.known = information_if_affordable(rows, model, mapper)
        sampled = None
        charted = isinstance(model, CompleteDataModel) and model.has_information
        own = charted or not isinstance(model, CompleteDataModel) or _is_accelerated(model, rows, search)
        if search.solver != "em" and sample is None and own:
            beat = -np.inf
        if sample is not None and charted and model.parameters_count <= MAX_SCORED_PARAMETERS:
            sampled = SampledInformation(sample, rows, mapper)
        yield from _Climbing(run, rows, search, mapper, sampled, beat, steps).to_the_end(model)
    except Degenerate as reason:
        run.status, run.reason = "degenerate", str(reason)
    run.iterations = max(0, len(run.scores) - 1)
    if run.status == "converged" and search.solver != "em" and isinstance(run.model, CompleteDataModel):
        for step in to_boundary(run.model, rows.batches(), mapper):
            yield record(run, step)


@frozen
class _Climbing:
    """A run on its way from its start, as in `run_start`."""

    run: Run
    rows: Rows
    search: SearchSettings
    mapper: Mapper
    sampled: SampledInformation | None
    beat: float
    steps: Iterator[Step] | None = None

    def to_the_end(self, model: AnyModel) -> Iterator[IterationEvent]:
        """Iterate from a model until the fit has converged, and on from saddles. Raises Degenerate."""
        yield from self._converged(model, self.sampled)
        while (higher := self._higher_beside()) is not None:
            if len(self.run.scores) > self.search.max_iter:
                self.run.status = self.run.stop = "max_iter"
            elif not (yield from self._left_saddle(higher)):
                break

    def _converged(
        self, model: AnyModel, sampled: SampledInformation | None, first: str = "em", taken: int = 0
    ) -> Iterator[IterationEvent]:
        """Iterate until the fit has converged; `first` is the kind of its first step. Raises Degenerate."""
        run, search = self.run, self.search
        known, max_iter = run.known or sampled, search.max_iter - taken
        iterated = self.steps if self.steps is not None and not run.scores else None
        iterated = iterated or iterate(model, self.rows, search, run.known, self.mapper, sampled)
        steps = check_monotone(step._replace(kind=first) if step.model is model else step for step in iterated)
        if model.hard:
            steps_on = until_fixed_point(steps, max_iter)
        else:
            steps_on = converge(steps, search.tol, max_iter, known.decrement if known else None, self.beat)
        run.status, run.stop, run.decrement = yield from _recorded(run, steps_on)

    def _higher_beside(self) -> AnyModel | None:
        """A higher model beside the end of the run, if that is a saddle; None too for plain EM, which stays there."""
        run, rows = self.run, self.rows
        stays = self.search.solver == "em" or run.status != "converged"
        if stays or not isinstance(run.model, CompleteDataModel) or not information_is_affordable(rows, run.model):
            return None
        known = run.known or InformationCache(rows.batches(), self.mapper)
        return higher_beside(run.model, known, self.search.tol, rows.batches(), self.mapper)

    def _left_saddle(self, higher: AnyModel) -> Generator[IterationEvent, None, bool]:
        """Go on from the higher model beside a saddle; where that degenerates the run ends at the saddle, and False."""
        run = self.run
        ended, count = replace(run), len(run.scores)
        try:
            yield from self._converged(higher, None, "escape", count)
        except Degenerate:
            run.status, run.stop, run.decrement, run.last = ended.status, ended.stop, ended.decrement, ended.last
            del run.scores[count:], run.priors[count:], run.steps[count:]
            return False
        run.symmetric = False
        return True


def _recorded(run: Run, steps: Generator[Step, None, Termination]) -> Generator[IterationEvent, None, Termination]:
    """Record each step in `run`, yield it, and return how the run ended."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            termination: Termination = end.value
            return termination
        yield record(run, step)


def record(run: Run, step: Step) -> IterationEvent:
    """Add a step to a run."""
    gain = step.score - run.scores[-1] if run.scores else None
    run.scores.append(step.score)
    run.priors.append(step.model.log_prior())
    run.steps.append(step.kind)
    run.last = step.model
    return IterationEvent(run.start, len(run.scores) - 1, step, gain)


def iterate(
    model: AnyModel,
    rows: Rows,
    search: SearchSettings,
    known: InformationCache | None,
    mapper: Mapper,
    sampled: SampledInformation | None = None,
) -> Iterator[Step]:
    """The steps of the model's own solver, of Newton's method, or of EM.

    Newton's method is the default where the information is `known` and has few parameters, or `sampled`.
    """
    own = model.steps(rows, mapper)
    if own is not None:
        return own
    small = known is not None and not model.is_explicit and model.parameters_count <= MAX_NEWTON_PARAMETERS
    default = "newton" if small or sampled is not None else "em"
    charted = isinstance(model, CompleteDataModel) and model.has_information
    if isinstance(model, CompleteDataModel) and charted and (search.solver or default) == "newton":
        return newton(model, rows.batches(), mapper, known, sampled)
    if _is_accelerated(model, rows, search):
        return quasi_newton(model, rows.batches(), mapper)
    return em(model, rows.batches(), mapper)


def _is_accelerated(model: AnyModel, rows: Rows, search: SearchSettings) -> bool:
    return search.solver is None and rows.known is None and model.stacks and has_slopes(model)


def information_if_affordable(rows: Rows, model: AnyModel, mapper: Mapper) -> InformationCache | None:
    """A cache of the model's information; None where it costs too much, or the empirical one is singular."""
    if not information_is_affordable(rows, model) or not rows.has_more_distinct_than(model.parameters_count):
        return None
    return InformationCache(rows.batches(), mapper)


def information_is_affordable(rows: Rows, model: AnyModel) -> bool:
    """Is the information of the model defined, and cheap enough?"""
    p = model.parameters_count
    defined = isinstance(model, CompleteDataModel) and model.has_information
    return defined and p <= MAX_SCORED_PARAMETERS and rows.count * p * p <= MAX_SCORED_PRODUCTS
