"""Start values: the kinds in turn, drawn from the seed, split from smaller optima, tried on a few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from weakref import WeakKeyDictionary

import numpy as np

from emcli.config.settings import ModelSettings, SearchSettings
from emcli.data.rows import Rows
from emcli.inference.runs import Run, run_start
from emcli.models.base import AnyModel, Degenerate
from emcli.models.em import Step, em
from emcli.models.nesting import split_in_two
from emcli.models.parameters import refuse_symmetric
from emcli.types import Mapper

START_SAMPLE_ROWS = 4096  # of the sample on which start values are drawn and tried
EXACT = "exact"  # the kind of a global optimum that was computed directly
LARGEST = 1e300  # in place of an infinite sum of logarithms
_single: WeakKeyDictionary[Rows, dict[str, Run | None]] = WeakKeyDictionary()  # optima of one component
SPLIT_SDS = 1.0  # by which the parts of a component that a start splits are moved apart either way


def has_one_optimum(kind: type[AnyModel], rows: Rows, settings: ModelSettings) -> bool:
    """Do all starts lead to one optimum, as with one component, and where the component of every row is known?"""
    return rows.all_known or (settings.k == 1 and kind.unique_alone)


def kinds_of_starts(
    kind: type[AnyModel], settings: ModelSettings, search: SearchSettings, named: int = 0
) -> tuple[str, ...]:
    """The kinds of starts that are drawn in turn; so many components have a name, and none of these can be left out."""
    if search.init != "auto":
        return ("uniform" if search.init == "random" else search.init,)
    every = kind.start_kinds(settings)
    splits = settings.k > max(1, named) and kind.grows and settings.fix is None
    return tuple(each for each in every if each != "split" or splits)


def new_run(
    number: int, turn: int, kind: type[AnyModel], settings: ModelSettings, search: SearchSettings, named: int = 0
) -> Run:
    """The entry of one independent start; `turn` counts those before it, `named` the components that have a name."""
    if search.start is not None and number == 1:
        return Run(1)
    kinds = kinds_of_starts(kind, settings, search, named)
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
        refuse_symmetric(given, len(rows.components))
        return given.to_scaled(rows.scaling, rows.covariance)
    rng = np.random.default_rng([search.seed, run.start])
    sample = rows.sample(START_SAMPLE_ROWS, rng)
    if run.kind != "split":
        return with_names(kind.initialize(sample, settings, run.kind, rng), sample)
    own = replace(settings, k=settings.k - 1)
    kinds = [each for each in kind.start_kinds(own) if each != "split"]
    drawn = with_names(kind.initialize(sample, own, kinds[int(rng.integers(len(kinds)))], rng), sample)
    small, climbing = Run(run.start, "smaller"), replace(search, max_iter=search.max_iter or SearchSettings.max_iter)
    for _ in run_start(small, rows, climbing, lambda: drawn, rows.mapping(map)):
        pass
    if small.status == "degenerate":
        raise Degenerate(small.reason or "")
    if smaller is not None:
        smaller.append(small)
    parts = split_in_two(small.model.weights, int(rng.integers(own.k)), settings.mixing == "free")
    return small.model.split_keeping_names(parts, SPLIT_SDS, sample, settings, rng)


def with_names(model: AnyModel, rows: Rows) -> AnyModel:
    """The components in the order in which the known rows of each name lie best: those with names, then the others.

    Where parameters are held, each at its place, the components stay in theirs.
    """
    if rows.known is None or model.fixed is not None:
        return model
    parts = [model.ordered(np.array([j])) for j in range(len(model.weights))]
    fits = np.zeros((len(rows.components), len(parts)))
    for x, weights, label in rows.batches():  # type: ignore[misc]  # with labels
        if label is not None:
            scores = [part.posterior(x)[1] * (-1.0 if model.hard else 1.0) for part in parts]
            fits[label] += [float(each.sum() if weights is None else each @ weights) for each in scores]
    from scipy.optimize import linear_sum_assignment

    best = linear_sum_assignment(np.maximum(fits, -LARGEST), maximize=True)[1]
    return model.ordered(np.concatenate([best, np.setdiff1d(np.arange(len(parts)), best)]))


def one_component(kind: type[AnyModel], rows: Rows, settings: ModelSettings, mapper: Mapper) -> Run | None:
    """The optimum of a single component, which the first M-step mostly reaches; None where there is none."""
    settings = replace(settings, k=1, fix=None)
    known, name = _single.setdefault(rows, {}), repr((kind, settings))
    if name not in known:
        known[name] = None if len(rows.components) > 1 else _one_component(kind, rows, settings, mapper)
    return known[name]


def _one_component(kind: type[AnyModel], rows: Rows, settings: ModelSettings, mapper: Mapper) -> Run | None:
    rng, run = np.random.default_rng(0), Run(0, "smaller")
    try:
        drawn = kind.initialize(rows.sample(START_SAMPLE_ROWS, rng), settings, "k-means++", rng)
        if not drawn.is_explicit:
            for _ in run_start(run, rows, SearchSettings(), lambda: drawn, mapper):
                pass
            return run if run.finished else None
        for step in islice(em(drawn, rows.batches(), mapper), 3):
            run.last = step.model
            run.scores.append(step.score)
            run.priors.append(step.model.log_prior())
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
