"""Many starts on many rows: all of them run on a sample, and only the best few go on with all rows."""

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
from emcli.inference.starts import EXACT, Run, run_start
from emcli.models.base import AnyModel

MANY_ROWS = 50_000  # from which on starts are screened
SAMPLE = 20_000  # rows of the sample, drawn from the seed
FINISHED = 3  # different optima of the sample that are finished on all rows
WIDE = 16  # coordinates of all components below which two threads would wait for each other more than they gain
SHORT = 1000  # iterations of a start on the sample

Begin = tuple[Run, Callable[[], AnyModel]]  # an entry of the ledger, and the model it begins with


def screen_runs(
    begins: Sequence[Begin], kind: type[AnyModel], k: int, rows: Rows, search: SearchSettings
) -> list[Begin]:
    """The starts with where each goes on from, those that a sample rules out marked `screened` or `degenerate`.

    Each runs on a sample of the rows (Biernacki, Celeux & Govaert 2003, section 3), and the ledger keeps its score
    there. A start that was given, and the best clusters of all on a line, are always finished.
    """
    drawn = [begin for begin in begins if begin[0].origin != EXACT and not (search.start and begin[0].start == 1)]
    if rows.count < MANY_ROWS or len(drawn) <= FINISHED:
        return list(begins)
    sample = rows.sample(SAMPLE, np.random.default_rng([search.seed, 0]))
    short = replace(search, max_iter=min(SHORT, search.max_iter))

    def on_sample(begin: Begin) -> Run:
        there = Run(begin[0].start)
        for _ in run_start(there, sample, short, begin[1], map):
            pass
        return replace(there, known=None)  # which would bring the sample with it

    wide = not kind.hard and k * len(sample.values) >= WIDE
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
            run.sample = (SAMPLE, *kind.measures(run.sampled, sample, k))
    resumed: dict[int, Callable[[], AnyModel]] = {}
    scores: list[float] = []
    for there in sorted(ended.values(), key=lambda there: -there.scores[-1]):
        if len(resumed) < FINISHED and not any(same_optimum(kind, there.scores[-1], score) for score in scores):
            resumed[there.start] = partial(getattr, there, "model")
            scores.append(there.scores[-1])
    for run, _ in drawn:
        if run.start in resumed:
            run.status = "running"
    return [(run, resumed.get(run.start, begin)) for run, begin in begins]
