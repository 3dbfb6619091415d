"""Many starts on many rows: all of them climb on a sample, and only the best few go on with all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from emcli.compute.processes import call, can_fork, process_map
from emcli.compute.threads import usable_cores
from emcli.data.rows import Rows
from emcli.inference.diagnostics import same_optimum
from emcli.inference.starts import EXACT, Start, run
from emcli.models.base import Family

MANY_ROWS = 50_000  # from which on starts are screened
SAMPLE = 20_000  # rows of the sample, drawn from the seed
FINISHED = 3  # different optima of the sample that are finished on all rows
WIDE = 16  # coordinates of all components below which two threads would wait for each other more than they gain
SHORT = 1000  # iterations of a start on the sample

Begin = tuple[Start, Callable[[], Any]]


def screened(begins: Sequence[Begin], family: Family, rows: Rows, settings: Any) -> list[Begin]:
    """The starts with where each goes on from, those that a sample rules out marked `screened` or `degenerate`.

    Each runs on a sample of the rows (Biernacki, Celeux & Govaert 2003, section 3), and the ledger keeps its score
    there. A start that was given, and the best clusters of all on a line, are always finished.
    """
    drawn = [
        begin for begin in begins if begin[0].origin != EXACT and not (settings.search.start and begin[0].start == 1)
    ]
    if rows.count < MANY_ROWS or len(drawn) <= FINISHED:
        return list(begins)
    sample = rows.sample(SAMPLE, np.random.default_rng([settings.search.seed, 0]))
    short = replace(settings, search=replace(settings.search, max_iter=min(SHORT, settings.search.max_iter)))

    def climb(begun: Begin) -> Start:
        there = Start(begun[0].start)
        for _ in run(there, family, sample, short, begun[1], map):
            pass
        return replace(there, known=None)  # which would bring the sample with it

    wide = not family.hard and settings.model.k * len(sample.values) >= WIDE
    forked = rows.here and can_fork()
    jobs = usable_cores(settings.search.jobs) if wide or forked else 1
    climbed: dict[int, Start] = {}
    with process_map(jobs, forked) as spread:
        seen = list(spread(call, [climb] * len(drawn), drawn))
    for (entry, _), there in zip(drawn, seen, strict=True):
        entry.iterations, entry.reason = there.iterations, there.reason
        entry.status = "screened" if there.finished else "degenerate"
        if there.finished:
            climbed[entry.start] = there
            entry.sampled = there.scores[-1]
            entry.sample = (SAMPLE, *family.measures(entry.sampled, sample, settings.model.k))
    resumed: dict[int, Callable[[], Any]] = {}
    scores: list[float] = []
    for there in sorted(climbed.values(), key=lambda there: -there.scores[-1]):
        if len(resumed) < FINISHED and not any(same_optimum(family, there.scores[-1], score) for score in scores):
            resumed[there.start] = partial(getattr, there, "model")
            scores.append(there.scores[-1])
    for entry, _ in drawn:
        if entry.start in resumed:
            entry.status = "running"
    return [(entry, resumed.get(entry.start, begin)) for entry, begin in begins]
