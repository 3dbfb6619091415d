"""Start values: the kinds in turn, drawn from the seed, split from smaller optima, tried on a few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

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
SPLIT_SDS = 1.0  # by which the parts of a component that a start splits are moved apart either way


def kinds_of_starts(kind: type[AnyModel], settings: ModelSettings, search: SearchSettings) -> tuple[str, ...]:
    """The kinds of starts that are drawn in turn."""
    if search.init != "auto":
        return ("uniform" if search.init == "random" else search.init,)
    every = kind.start_kinds(settings)
    splits = settings.k > 1 and kind.grows and settings.fix is None
    return tuple(each for each in every if each != "split" or splits)


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
        drawn = kind.initialize(rows.sample(START_SAMPLE_ROWS, rng), replace(settings, k=1, fix=None), "k-means++", rng)
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
