"""Screening of starts: with many rows all starts run on a sample, and only the best go on with all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from emcli.compute.processes import call, can_fork, process_map
from emcli.compute.threads import usable_cores
from emcli.config.settings import SearchSettings
from emcli.data.rows import Rows
from emcli.inference.diagnostics import same_optimum
from emcli.inference.starts import EXACT_ORIGIN, Run, run_start
from emcli.models.base import AnyModel

MIN_SCREENED_ROWS = 50_000  # from which starts are screened
SAMPLE_ROWS = 20_000  # of the sample
MAX_FINISHED = 3  # optima of the sample that are finished on all rows
MIN_PROCESS_COORDINATES = 16  # coordinates of all components from which two threads gain more than they wait
MAX_SAMPLE_ITERATIONS = 1000  # of a start on the sample

Begin = tuple[Run, Callable[[], AnyModel]]  # a run in the ledger, and a function that gives its start model


def screen_runs(
    begins: Sequence[Begin], kind: type[AnyModel], k: int, rows: Rows, search: SearchSettings
) -> list[Begin]:
    """The starts with the model each continues from; those ruled out on a sample are marked `screened` or `degenerate`.

    Each runs on a sample of the rows (Biernacki, Celeux & Govaert 2003, section 3), and the ledger keeps its score
    there. A given start and a global optimum are always finished.
    """
    drawn = [
        begin for begin in begins if begin[0].origin != EXACT_ORIGIN and not (search.start and begin[0].start == 1)
    ]
    if rows.count < MIN_SCREENED_ROWS or len(drawn) <= MAX_FINISHED:
        return list(begins)
    sample = rows.sample(SAMPLE_ROWS, np.random.default_rng([search.seed, 0]))
    short = replace(search, max_iter=min(MAX_SAMPLE_ITERATIONS, search.max_iter))

    def on_sample(begin: Begin) -> Run:
        there = Run(begin[0].start)
        for _ in run_start(there, sample, short, begin[1], map):
            pass
        return replace(there, known=None)  # it holds the sample

    wide = not kind.hard and k * len(sample.values) >= MIN_PROCESS_COORDINATES
    forked = rows.is_local and can_fork()
    jobs = usable_cores(search.jobs) if wide or forked else 1
    ended: dict[int, Run] = {}
    with process_map(jobs, forked) as mapper:
        seen = list(mapper(call, [on_sample] * len(drawn), drawn))
    for (run, _), there in zip(drawn, seen, strict=True):
        run.iterations, run.reason = there.iterations, there.reason
        run.status = "screened" if there.finished else "degenerate"
        if there.finished:
            ended[run.start] = there
            run.sampled = there.scores[-1]
            run.sample = (SAMPLE_ROWS, *kind.measures(run.sampled, sample, k))
    resumed: dict[int, Callable[[], AnyModel]] = {}
    scores: list[float] = []
    for there in sorted(ended.values(), key=lambda there: -there.scores[-1]):
        if len(resumed) < MAX_FINISHED and not any(same_optimum(kind, there.scores[-1], score) for score in scores):
            resumed[there.start] = partial(getattr, there, "model")
            scores.append(there.scores[-1])
    for run, _ in drawn:
        if run.start in resumed:
            run.status = "running"
    return [(run, resumed.get(run.start, begin)) for run, begin in begins]
