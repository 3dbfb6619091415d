"""Runs of EM or another solver from one start each, recorded in a ledger."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from emcli.config.settings import ModelSettings, SearchSettings
from emcli.data.rows import Rows
from emcli.inference.convergence import Termination, check_monotone, converge, until_fixed_point
from emcli.inference.information import InformationCache
from emcli.inference.newton import higher_beside, newton, to_boundary
from emcli.models.base import AnyModel, Artefact, Degenerate
from emcli.models.complete_data import CompleteDataModel
from emcli.models.em import Step, em
from emcli.models.nesting import split_in_two
from emcli.models.parameters import has_twins, refuse_symmetric
from emcli.types import Mapper

START_SAMPLE_ROWS = 4096  # of the sample on which start values are drawn and tried
MAX_NEWTON_PARAMETERS = 200  # up to which Newton's method is the default
EXACT = "exact"  # the kind of a global optimum that was computed directly
SPLIT_SDS = 1.0  # by which the parts of a component that a start splits are moved apart either way
MAX_SCORED_PARAMETERS = 500  # beyond which the score decrement is not computed
MAX_SCORED_PRODUCTS = 1e10  # likewise: rows times squared parameters


@dataclass(eq=False)
class Run:
    """One run from one start: an entry of the ledger."""

    start: int  # from 1
    kind: str = "given"  # of its start values: given | exact | one of the model's kinds of starts | a move | nested
    origin: str | None = None  # the name of the smaller fit that it began at
    source: int | None = None  # the entry at whose optimum a move began; None: an independent start
    status: str = "running"  # converged | max_iter | degenerate | screened
    stop: str | None = None
    iterations: int = 0
    reason: str | None = None  # why it degenerated
    decrement: float | None = None
    scores: list[float] = field(default_factory=list)  # one for each iteration, 0 = the start, and each polish step
    steps: list[str] = field(default_factory=list)  # em | newton | escape | boundary | polish, likewise
    last: AnyModel | None = None  # the last model, in working coordinates
    known: InformationCache | None = field(default=None, repr=False)  # its information, where that is computed
    symmetric: bool = False  # had its start equal components?
    sampled: float | None = None  # its score on the sample on which it was screened
    sample: tuple[int, float | None, float | None] | None = None  # rows, log-likelihood and inertia of that sample
    artefact: Artefact | None = None  # a component with little evidence, where that was looked for

    @property
    def finished(self) -> bool:
        """Did it end with a model fitted to all rows?"""
        return self.status not in ("degenerate", "screened")

    @property
    def is_start(self) -> bool:
        """Was no iteration made, so that it ended at its start values?"""
        return self.status == "max_iter" and self.iterations == 0

    @property
    def model(self) -> AnyModel:
        """The last model, in working coordinates."""
        assert self.last is not None
        return self.last


@dataclass(frozen=True, eq=False)
class IterationEvent:
    """One step of one start, reported while a fit runs. `gain` is None at iteration 0."""

    start: int
    iteration: int
    step: Step
    gain: float | None


def run_start(
    run: Run, rows: Rows, search: SearchSettings, begin: Callable[[], AnyModel], mapper: Mapper
) -> Iterator[IterationEvent]:
    """Run one start from the model that `begin` gives, record it in `run`, and yield its iterations."""
    try:
        model = begin()
        run.symmetric = run.source is None and not model.hard and has_twins(model)
        run.known = information_if_affordable(rows, model, mapper)
        yield from _to_the_end(run, model, rows, search, mapper)
        while (higher := _higher_beside(run, rows, search, mapper)) is not None:
            if len(run.scores) > search.max_iter:
                run.status = run.stop = "max_iter"
            elif not (yield from _left_saddle(run, higher, rows, search, mapper)):
                break
    except Degenerate as reason:
        run.status, run.reason = "degenerate", str(reason)
    run.iterations = max(0, len(run.scores) - 1)
    if run.status == "converged" and search.solver != "em" and isinstance(run.model, CompleteDataModel):
        for step in to_boundary(run.model, rows.batches(), mapper):
            yield _record(run, step)


def _to_the_end(
    run: Run, model: AnyModel, rows: Rows, search: SearchSettings, mapper: Mapper, first: str = "em"
) -> Iterator[IterationEvent]:
    """Iterate from a model until the fit has converged; `first` is the kind of its first step. Raises Degenerate."""
    iterated = iterate(model, rows, search, run.known, mapper)
    steps = check_monotone(step._replace(kind=first) if step.model is model else step for step in iterated)
    if model.hard:
        steps_on = until_fixed_point(steps, search.max_iter)
    else:
        steps_on = converge(steps, search.tol, search.max_iter, run.known.decrement if run.known else None)
    run.status, run.stop, run.decrement = yield from _recorded(run, steps_on)


def _higher_beside(run: Run, rows: Rows, search: SearchSettings, mapper: Mapper) -> AnyModel | None:
    """A higher model beside the end of a run, if that is a saddle; None too for plain EM, which stays there."""
    model, stays = run.model, search.solver == "em" or run.status != "converged"
    if stays or not isinstance(model, CompleteDataModel) or not information_is_affordable(rows, model):
        return None
    known = run.known or InformationCache(rows.batches(), mapper)
    return higher_beside(model, known, search.tol, rows.batches(), mapper)


def _left_saddle(
    run: Run, higher: AnyModel, rows: Rows, search: SearchSettings, mapper: Mapper
) -> Generator[IterationEvent, None, bool]:
    """Go on from the higher model beside a saddle; where that degenerates the run ends at the saddle, and False."""
    ended, count = replace(run), len(run.scores)
    try:
        rest = replace(search, max_iter=search.max_iter - count)
        yield from _to_the_end(run, higher, rows, rest, mapper, "escape")
    except Degenerate:
        run.status, run.stop, run.decrement, run.last = ended.status, ended.stop, ended.decrement, ended.last
        del run.scores[count:], run.steps[count:]
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
        yield _record(run, step)


def _record(run: Run, step: Step) -> IterationEvent:
    gain = step.score - run.scores[-1] if run.scores else None
    run.scores.append(step.score)
    run.steps.append(step.kind)
    run.last = step.model
    return IterationEvent(run.start, len(run.scores) - 1, step, gain)


def kinds_of_starts(kind: type[AnyModel], settings: ModelSettings, search: SearchSettings) -> tuple[str, ...]:
    """The kinds of starts that are drawn in turn."""
    if search.init != "auto":
        return ("uniform" if search.init == "random" else search.init,)
    every = kind.start_kinds(settings)
    return tuple(each for each in every if each != "split" or (settings.k > 1 and kind.grows))


def new_run(number: int, turn: int, kind: type[AnyModel], settings: ModelSettings, search: SearchSettings) -> Run:
    """The entry of one independent start; `turn` counts those before it."""
    if search.start is not None and number == 1:
        return Run(1)
    kinds = kinds_of_starts(kind, settings, search)
    return Run(number, kinds[turn % len(kinds)])


def start_model(
    run: Run,
    kind: type[AnyModel],
    rows: Rows,
    settings: ModelSettings,
    search: SearchSettings,
    smaller: list[Run] | None = None,
) -> AnyModel:
    """The start model in working coordinates: the given one, or one drawn from the seed and the entry's number.

    A split begins with the optimum that one start finds for k - 1 components; that run is added to `smaller`.
    """
    if run.kind == "given":
        assert search.start is not None
        given = kind.from_parameters(search.start, settings, rows)
        refuse_symmetric(given)
        return given.to_scaled(rows.scaling, rows.covariance)
    rng = np.random.default_rng([search.seed, run.start])
    sample = rows.sample(START_SAMPLE_ROWS, rng)
    if run.kind != "split":
        return kind.initialize(sample, settings, run.kind, rng)
    own = replace(settings, k=settings.k - 1)
    kinds = [each for each in kind.start_kinds(own) if each != "split"]
    drawn = kind.initialize(sample, own, kinds[int(rng.integers(len(kinds)))], rng)
    small, climbing = Run(run.start, "smaller"), replace(search, max_iter=search.max_iter or SearchSettings.max_iter)
    for _ in run_start(small, rows, climbing, lambda: drawn, rows.mapping(map)):
        pass
    if small.status == "degenerate":
        raise Degenerate(small.reason or "")
    if smaller is not None:
        smaller.append(small)
    parts = split_in_two(small.model.weights, int(rng.integers(own.k)), settings.mixing == "free")
    return small.model.split(parts, SPLIT_SDS, sample, settings, rng)


def one_component(kind: type[AnyModel], rows: Rows, settings: ModelSettings, mapper: Mapper) -> Run | None:
    """The optimum of a single component, which the first M-step reaches from any start; None where there is none."""
    rng, run = np.random.default_rng(0), Run(0, "smaller")
    try:
        drawn = kind.initialize(rows.sample(START_SAMPLE_ROWS, rng), replace(settings, k=1), "k-means++", rng)
        for step in islice(em(drawn, rows.batches(), mapper), 3):
            run.last = step.model
            run.scores.append(step.score)
    except Degenerate:
        return None
    run.status = "converged"
    return run


def best_of_trial_runs(
    candidates: Iterable[AnyModel], run: Callable[[AnyModel], Iterable[Step]], steps: int
) -> AnyModel:
    """The candidate with the highest score after a few EM steps (Biernacki, Celeux & Govaert 2003), as it was before.

    One that degenerates on the way counts as lowest; the first candidate wins ties.
    """
    best, best_score = None, -np.inf
    for candidate in candidates:
        score = -np.inf
        try:
            for step in islice(run(candidate), steps + 1):
                score = step.score
        except Degenerate:
            score = -np.inf
        if best is None or score > best_score:
            best, best_score = candidate, score
    assert best is not None
    return best


def iterate(
    model: AnyModel, rows: Rows, search: SearchSettings, known: InformationCache | None, mapper: Mapper
) -> Iterator[Step]:
    """The steps of the model's own solver, of Newton's method, or of EM.

    Newton's method is the default where the information is `known` and has few parameters.
    """
    own = model.steps(rows, mapper)
    if own is not None:
        return own
    small = known is not None and len(model.weights) > 1 and model.parameters_count <= MAX_NEWTON_PARAMETERS
    if isinstance(model, CompleteDataModel) and (search.solver or ("newton" if small else "em")) == "newton":
        return newton(model, rows.batches(), mapper, known)
    return em(model, rows.batches(), mapper)


def information_if_affordable(rows: Rows, model: AnyModel, mapper: Mapper) -> InformationCache | None:
    """A cache of the model's information; None where it costs too much, or the empirical one is singular."""
    if not information_is_affordable(rows, model) or not rows.has_more_distinct_than(model.parameters_count):
        return None
    return InformationCache(rows.batches(), mapper)


def information_is_affordable(rows: Rows, model: AnyModel) -> bool:
    """Is the information of the model defined, and cheap enough?"""
    p = model.parameters_count
    defined = isinstance(model, CompleteDataModel)
    return defined and p <= MAX_SCORED_PARAMETERS and rows.count * p * p <= MAX_SCORED_PRODUCTS
