"""Screening of starts: with many rows the search is made on a sample, and only its best optima go on with all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt

import numpy as np

from emcli.compute.processes import call, can_fork, process_map
from emcli.compute.threads import usable_cores
from emcli.config.settings import ModelSettings, SearchSettings
from emcli.data.rows import Rows
from emcli.frozen import frozen
from emcli.inference.runs import Run
from emcli.inference.search.optima import same_optimum, set_aside
from emcli.inference.search.search import FIRST_STARTS, Search, Searching
from emcli.inference.starts import EXACT, new_run
from emcli.models.base import AnyModel

MIN_SCREENED_ROWS = 20_000  # from which starts are screened
SAMPLE_ROWS = 8192  # of the sample, or more where there are many parameters:
ROWS_PER_PARAMETER = 10
MAX_FINISHED = 3  # optima of the sample that are finished on all rows …
MAX_RESUMED = 9  # … or up to this many, where all before are set aside
SURE_ERRORS = 10.0  # standard errors, by which an optimum that lies lower need not be finished
MIN_PROCESS_COORDINATES = 16  # coordinates of all components from which two threads gain more than they wait
MAX_SAMPLE_ITERATIONS = 1000  # of a start on the sample


@frozen
class Screened:
    """A search on a sample: its ledger, and the models with which some of its entries go on."""

    ledger: list[Run]  # entries are marked `screened` or `degenerate`, a given start `running`
    resumed: Mapping[int, AnyModel]  # by the number of the entry, the most promising first
    sample: Rows
    moves: int  # that were tried


def is_screened(kind: type[AnyModel], rows: Rows, settings: ModelSettings, search: SearchSettings) -> bool:
    """Are there so many rows, and so many starts, that a sample shows first which are worth finishing?"""
    if (search.restarts != "auto" and search.restarts <= MAX_FINISHED) or rows.all_known:
        return False
    return rows.count >= max(MIN_SCREENED_ROWS, 2 * sample_rows(kind, rows, settings))


def sample_rows(kind: type[AnyModel], rows: Rows, settings: ModelSettings) -> int:
    """How many rows the sample has."""
    d = len(rows.values)
    own = d * (d + 1) if kind.requirements(settings).matrices else 2 * d  # of a component, about
    return max(SAMPLE_ROWS, ROWS_PER_PARAMETER * settings.k * own)


def searched(search: Search, exact: AnyModel | None = None, made: Mapping[int, Run] | None = None) -> Searching:
    """All runs of a fit. Where the global optimum is known nothing follows the first starts but that.

    made: starts on a sample that were run before, by their number.
    """
    rows, asked = search.rows, search.search
    automatic = asked.restarts == "auto" and exact is None
    if asked.max_iter == 0:  # start values as they are: nothing is climbed, tried on a sample or moved
        yield from search.fixed(FIRST_STARTS if asked.restarts == "auto" else asked.restarts)
        return
    if is_screened(search.kind, rows, search.settings, asked):
        yield from finish(search, screen(search.kind, rows, search.settings, asked, not automatic, made))
    elif automatic:
        yield from search.automatic()
        search.search_fewer()
        search.remember()
    else:
        yield from search.fixed(FIRST_STARTS if asked.restarts == "auto" else asked.restarts)
    if exact is not None and asked.start is None:
        yield from search.run(Run(len(search.ledger) + 1, EXACT), exact)
    elif automatic:
        yield from search.nested()


def screen(
    kind: type[AnyModel],
    rows: Rows,
    settings: ModelSettings,
    search: SearchSettings,
    fixed: bool,
    made: Mapping[int, Run] | None = None,
) -> Screened:
    """A search on a sample of the rows (Biernacki, Celeux & Govaert 2003, section 3); the ledger keeps its scores.

    `fixed`: no moves follow the starts. A given start is always finished, from its own values.
    """
    sample, short = _sampled(kind, rows, settings, search)
    count = FIRST_STARTS if search.restarts == "auto" else search.restarts
    made = starts_on_sample(kind, rows, settings, search, range(1, count + 1)) if made is None else made
    there = Search(kind, sample, settings, short, map, made=made)
    for _ in there.fixed(count) if fixed else there.automatic():
        pass
    return _entries(kind, there, sample, search)


def starts_on_sample(
    kind: type[AnyModel], rows: Rows, settings: ModelSettings, search: SearchSettings, numbers: Sequence[int]
) -> dict[int, Run]:
    """Starts with these numbers, run on the sample with which a search for many rows begins."""
    sample, short = _sampled(kind, rows, settings, search)

    def on_sample(number: int) -> Run:
        there = Search(kind, sample, settings, short, map)
        run = new_run(number, number - 1, kind, settings, search, len(rows.components))
        for _ in there.run(run):
            pass
        return replace(run, known=None)  # it holds the sample

    wide = not kind.hard and settings.k * len(sample.values) >= MIN_PROCESS_COORDINATES
    forked = rows.is_local and can_fork()
    jobs = usable_cores(search.jobs) if wide or forked else 1
    with process_map(jobs, forked) as mapper:
        return {run.start: run for run in mapper(call, [on_sample] * len(numbers), numbers)}


def _sampled(
    kind: type[AnyModel], rows: Rows, settings: ModelSettings, search: SearchSettings
) -> tuple[Rows, SearchSettings]:
    """The sample, and how it is searched."""
    sample = rows.sample(sample_rows(kind, rows, settings), np.random.default_rng([search.seed, 0]))
    return sample, replace(search, max_iter=min(MAX_SAMPLE_ITERATIONS, search.max_iter))


def finish(search: Search, found: Screened) -> Searching:
    """The rest of a search with all rows: a given start, and the most promising optima of the sample.

    A run that can no longer become the best ends before its optimum, and one that surely cannot does not begin.
    """
    search.moves = found.moves
    search.ledger += found.ledger
    for run in [run for run in found.ledger if run.status == "running"]:
        yield from search.finish(run)
    for done, (number, model) in enumerate(found.resumed.items()):
        honest = [run.start for run in found.ledger if run.has_ended and not set_aside(run)]
        if done >= MAX_FINISHED and honest:
            break
        before = [found.resumed[start] for start in honest if start in found.resumed]
        if not any(surely_lower(model, other, found.sample) for other in before):
            yield from search.finish(found.ledger[number - 1], model, found.sample)
    yield from (run for run in found.ledger if run.status == "screened")


def surely_lower(model: AnyModel, other: AnyModel, sample: Rows) -> bool:
    """Is a model lower than another on all rows, by SURE_ERRORS standard errors of the difference on a sample?"""
    if sample.known is not None:
        return False
    lead = squares = 0.0
    for x, weights in sample.batches():  # type: ignore[misc]  # without labels
        apart = (other.posterior(x)[1] - model.posterior(x)[1]) * (-0.5 if model.hard else 1.0)
        apart = apart if weights is None else apart * weights
        lead, squares = lead + float(apart.sum()), squares + float(apart @ apart)
    return lead > SURE_ERRORS * sqrt(max(squares - lead**2 / sample.count, 0.0))


def best_behind(search: Search) -> Run | None:
    """Where all runs with all rows ended behind, the highest as a screened one, of those without an artefact first."""
    behind = [run for run in search.ledger if run.status == "behind"]
    if not behind or any(run.finished for run in search.ledger):
        return None
    best = max(behind, key=lambda run: (run.artefact is None, run.scores[-1]))
    return replace(best, status="screened")


def _entries(kind: type[AnyModel], there: Search, sample: Rows, search: SearchSettings) -> Screened:
    """The entries of a search on a sample, and which of them go on."""
    resumed: dict[int, AnyModel] = {}
    scores: list[float] = []
    ended = [run for run in there.ledger if run.finished and not (search.start is not None and run.start == 1)]
    for run in sorted(ended, key=lambda run: (set_aside(run), -run.scores[-1])):
        if len(resumed) < MAX_RESUMED and not any(same_optimum(kind, run.scores[-1], score) for score in scores):
            resumed[run.start] = run.model
            scores.append(run.scores[-1])
    ledger = []
    for run in there.ledger:
        entry = Run(run.start, run.kind, source=run.source, iterations=run.iterations, reason=run.reason)
        entry.status = "screened" if run.finished else run.status
        if run.finished:
            entry.sampled = run.scores[-1]
            entry.sample = (sample.count, *kind.measures(run.likelihood_score, sample, there.settings.k)[:2])
        if run.kind == "given":
            entry = Run(1)
        ledger.append(entry)
    return Screened(ledger, resumed, sample, there.moves)
