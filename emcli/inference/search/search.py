"""The search for the best optimum: independent starts of several kinds, then moves from the best of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from emcli.config.settings import ModelSettings, SearchSettings
from emcli.data.rows import Rows
from emcli.inference import starts
from emcli.inference.newton import RENEWED_EVERY
from emcli.inference.runs import IterationEvent, Run, run_start
from emcli.inference.search import remembered
from emcli.inference.search.moves import Proposals
from emcli.inference.search.optima import NESTED, margin, optima_count, roots_of_best, run_root, same_optimum, set_aside
from emcli.inference.search.together import Drawn, drawn_together
from emcli.models.base import AnyModel
from emcli.models.em import pooled_e_step
from emcli.types import Mapper

FIRST_STARTS = 10  # that end with a model, in every search
MAX_DRAWN = 3  # starts that are drawn for each of these, where others degenerate
MAX_COLLAPSED = 200  # starts that are drawn where all degenerate
NEXT_STARTS = 5  # that are drawn together
MORE_STARTS = 25  # in all, where the first did not all reach one optimum
TRIES = 8  # moves that fail one after another, and end a chain of them: this, and so many times k squared …
TRIES_PER_PAIR = 4.0
MAX_TRIES = 300
SMALLEST_SPLIT_SDS = 1e-4  # at an optimum, a split this small lowers the score by no more than rounding
INFORMATION_WORK = 0.125  # in these, of rows x squared parameters
STEP_WORK = 20_000  # what a step costs beside its rows x columns x components, in these
SMALL_WORK = 120_000_000  # in the same units: what may follow the first starts where they cost little
AGREEING = 4  # runs of k - 1 components that show by one end where a search would end
FOLLOWING_SHARE = 0.5  # of the first starts' work, what may follow them where they cost much


Event = IterationEvent | Run
Searching = Generator[Event, None, None]


@dataclass(eq=False, repr=False)
class Search:
    """A search on some rows; its ledger grows by an entry for each run."""

    kind: type[AnyModel]
    rows: Rows
    settings: ModelSettings
    search: SearchSettings
    mapper: Mapper
    ledger: list[Run] = field(default_factory=list)
    smaller: list[Run] = field(default_factory=list)  # runs of k - 1 components, of starts that split or of a search
    made: Mapping[int, Run] = field(default_factory=dict)  # starts that were run elsewhere, by their number
    beat: float = -np.inf  # a score; a run from an optimum of a sample that can no longer reach it ends
    moves: int = 0  # that were tried
    _drawn: dict[int, Drawn] = field(default_factory=dict)  # starts to come, by their number
    _work: float = 0.0
    _limit: float = np.inf

    def fixed(self, count: int) -> Searching:
        """Exactly this many independent starts."""
        for _ in range(count):
            yield from self._start()

    def automatic(self) -> Searching:
        """Starts until more are unlikely to find better, and moves from the best, within a bound of work.

        First ten starts, one where the component of every row is known, and more where all degenerated, or where these
        reached several optima. Then moves from the best optimum, until many in a row fail. An optimum that one start
        alone led to is confirmed by moves from the optima of others, or by more starts.
        """
        known = starts.has_one_optimum(self.kind, self.rows, self.settings)
        wanted = 1 if known else FIRST_STARTS
        while len(self._ended()) < wanted and len(self.ledger) < MAX_DRAWN * FIRST_STARTS:
            self._draw_ahead(wanted)
            yield from self._start()
        while not self._ended() and len(self.ledger) < MAX_COLLAPSED and self._work < SMALL_WORK:
            yield from self._start()
        if known or not self._ended():
            return
        first = self._work
        self._limit = first + max(SMALL_WORK, FOLLOWING_SHARE * first)
        share = first + 0.5 * (self._limit - first)  # starts leave half of it to moves
        while optima_count(self.kind, self._ended()) > 1 and len(self._ended()) < MORE_STARTS and self._work < share:
            if len(self.ledger) >= MAX_DRAWN * MORE_STARTS:
                break
            self._draw_ahead(NEXT_STARTS)
            yield from self._start()
        yield from self._chain(self._best())
        yield from self._confirm()

    def run(self, run: Run, begin: AnyModel | None = None) -> Searching:
        """Run one entry to its end, from a model or, where none is given, from its own start values."""
        self.ledger.append(run)
        if run.start in self.made:
            done = self.made[run.start]
            self.ledger[-1] = run = done
        else:
            yield from self._climb(run, begin)
        self._account(run)
        yield run

    def finish(self, run: Run, begin: AnyModel | None = None, sample: Rows | None = None) -> Searching:
        """Run an entry that is in the ledger, from a model at the optimum of a sample, or from its own start values."""
        run.status = "running"
        yield from self._climb(run, begin, sample)
        self._account(run)
        yield run

    def _climb(self, run: Run, begin: AnyModel | None, sample: Rows | None = None) -> Searching:
        """Run one entry. Plain EM, and a run from an optimum of a sample, end where they cannot become the best."""
        own = partial(starts.start_model, run, self.kind, self.rows, self.settings, self.search, self.smaller)
        steps = None
        if begin is None and run.start in self._drawn:
            begin, smaller, steps = self._drawn.pop(run.start)
            self.smaller += smaller
        made = own if begin is None else lambda: begin
        honest = (each.scores[-1] for each in self.ledger if each.finished and not set_aside(each))
        beat = max(honest, default=self.beat)
        yield from run_start(run, self.rows, self.search, made, self.mapper, sample, beat, steps)

    def _account(self, run: Run) -> None:
        """Add up the work of a run that ended, and judge its optimum."""
        self._spend(run.iterations + 1)
        if run.last is not None and run.known is not None:  # Newton's steps and the tests of what is left to gain
            tests = 1 + run.steps.count("newton") / RENEWED_EVERY
            self._work += INFORMATION_WORK * tests * self.rows.count * run.last.parameters_count**2
        if (run.finished and not run.is_start) or (run.status == "behind" and self.beat > -np.inf):
            run.artefact = run.model.artefact(self.rows, self.mapper)

    def nested(self) -> Searching:
        """A start from the best smaller mixture, where that is higher than the best that was found.

        One component, and with free mixing k - 1, are special cases that no optimum need be lower than.
        """
        ended = [run for run in self.ledger if run.finished]
        if self.kind.hard or self.settings.k == 1 or not self.kind.grows or not ended:
            return
        own, best = self.settings, self._best()
        above = [
            run for run in self._smaller() if run.scores[-1] > best.scores[-1] + margin(self.kind, best.scores[-1])
        ]
        if above:
            small = max(above, key=lambda run: run.scores[-1])
            grown = next(iter(small.model.grown(own, self.rows, SMALLEST_SPLIT_SDS)))
            yield from self.run(Run(len(self.ledger) + 1, NESTED), grown)

    def no_lower_than(self, model: AnyModel) -> Searching:
        """A start from a model, where that is higher than the best that was found."""
        score = pooled_e_step(model, self.rows.batches(), self.mapper).score
        honest = [run for run in self.ledger if run.finished and not set_aside(run)]
        best = max((run.scores[-1] for run in honest), default=-np.inf)
        if score > best + margin(self.kind, best) and not _by_chance(model, self.rows, self.mapper):
            yield from self.run(Run(len(self.ledger) + 1, NESTED), model)

    def of_fewer(self) -> list[Run]:
        """The runs of fewer components, a special case of k, that were seen, without those that chance explains."""
        return [] if self.kind.hard or self.settings.k == 1 else self._smaller()

    def search_fewer(self) -> None:
        """A search with k - 1, where the highest is passed over: what is left may be lower than that search's best.

        Where several runs with k - 1, of starts that split, all ended at one optimum, or the same search was made
        before, as in a comparison, what it finds is known.
        """
        fewer = replace(self.settings, k=self.settings.k - 1)
        if fewer.k < max(2, self._named) or not self._ended() or not self.kind.contains(fewer, self.settings):
            return
        clean = [run.scores[-1] for run in self.ledger if run.finished and run.artefact is None]
        best = max(clean, default=self._best().scores[-1])
        if any(run.finished and run.artefact is not None and run.scores[-1] > best for run in self.ledger):
            runs = [run for run in self._smaller() if len(run.model.weights) == fewer.k and run.status == "converged"]
            if len(runs) >= AGREEING and optima_count(self.kind, runs) == 1:
                return
            search = Search(self.kind, self.rows, fewer, self.search, self.mapper)
            found = remembered.found_before(self.kind, self.rows, fewer, self.search)
            if found is None:
                for _ in search.automatic():
                    pass
                found = search._kept()
            self.smaller += found

    def remember(self) -> None:
        """Keep what was found so far, for a fit of the same rows with one component more."""
        remembered.keep(self.kind, self.rows, self.settings, self.search, self._kept())

    def _kept(self) -> list[Run]:
        return [run for run in self.ledger if run.finished and not set_aside(run)]

    def _smaller(self) -> list[Run]:
        one = starts.one_component(self.kind, self.rows, self.settings, self.mapper)
        runs, own = [*self.smaller, *([] if one is None else [one])], self.settings
        runs = [run for run in runs if self.kind.contains(replace(own, k=len(run.model.weights)), own)]
        return [run for run in runs if not _by_chance(run.model, self.rows, self.mapper)]

    def _draw_ahead(self, count: int) -> None:
        """Draw the next starts, where none are on their way, to climb from them side by side."""
        if self._drawn or self.made or self.search.start is not None or not self.kind.stacks:
            return
        runs = [self._next(i) for i in range(count)]
        draw = partial(starts.start_model, kind=self.kind, rows=self.rows, settings=self.settings, search=self.search)
        self._drawn = drawn_together(runs, draw, self.rows, self.mapper, self.search)

    def _start(self) -> Searching:
        yield from self.run(self._next())

    def _next(self, after: int = 0) -> Run:
        turn = after + sum(run.source is None for run in self.ledger)
        return starts.new_run(len(self.ledger) + 1 + after, turn, self.kind, self.settings, self.search, self._named)

    @property
    def _named(self) -> int:
        return len(self.rows.components)

    def _spend(self, steps: int) -> None:
        cells = self.rows.count * len(self.rows.values) * self.settings.k
        self._work += steps * (cells + STEP_WORK)

    def _ended(self) -> list[Run]:
        """Independent starts that ended with a model."""
        return [run for run in self.ledger if run.finished and run.source is None]

    def _best(self) -> Run:
        """The highest entry that is not set aside, else the highest."""
        ended = [run for run in self.ledger if run.finished]
        honest = [run for run in ended if not set_aside(run)] or ended
        return max(honest, key=lambda run: run.scores[-1])

    def _tries(self) -> int:
        pairs = self.settings.k**2 * TRIES_PER_PAIR
        return min(MAX_TRIES, TRIES + int(pairs))

    def _chain(self, run: Run, beyond: float = np.inf) -> Searching:
        """Moves from the optimum of a run, each from the last that led higher, until one leads above `beyond`."""
        rng = np.random.default_rng([self.search.seed, 0, run.start])
        sample = self.rows.sample(starts.START_SAMPLE_ROWS, rng)
        kinds = starts.kinds_of_starts(self.kind, self.settings, self.search, self._named)
        proposals, failed = Proposals(sample, self.settings, kinds, rng), 0
        exchange = self.kind.hard
        while self.settings.k > 1 and failed < self._tries() and self._work < self._limit and run.scores[-1] <= beyond:
            if exchange:
                exchange, found, name = False, run.model.exchanged(self.rows), "exchange"
                self._spend(1)
                if found is None:
                    continue
            else:
                limit, count = margin(self.kind, run.scores[-1]), self._tries() - failed
                trials = proposals.tried(run.model, run.scores[-1], limit, self.rows, self.mapper, count, failed)
                self.moves += len(trials)
                self._spend(sum(trial.steps for _, trial in trials))
                failed += len(trials) - 1
                name, (found, _) = trials[-1]
            better = None
            if found is not None:
                entry = Run(len(self.ledger) + 1, name, source=run.start)
                yield from self.run(entry, found)
                better = entry if self._above(entry, run) else None
            failed = 0 if better else failed + 1
            if better:
                run, exchange = better, self.kind.hard

    def _above(self, run: Run, other: Run) -> bool:
        if not run.finished or set_aside(run):
            return False
        return run.scores[-1] > other.scores[-1] + margin(self.kind, other.scores[-1])

    def _confirm(self) -> Searching:
        """Moves from other optima, then other starts, until two independent starts led to the best optimum."""
        begun = {run_root(self.ledger, self._best())}
        while self._work < self._limit and len(roots_of_best(self.kind, self.ledger, self._best())) < 2:
            best = self._best()
            others = [run for run in self._ended() if not set_aside(run) and run.start not in begun]
            others = [run for run in others if not self._seen(run, begun)]
            if others:
                run = max(others, key=lambda run: run.scores[-1])
            elif len(self.ledger) < MAX_DRAWN * MORE_STARTS + MAX_TRIES:
                yield from self._start()
                continue
            else:
                return
            begun.add(run.start)
            yield from self._chain(run, best.scores[-1])
            if self._best() is not best:
                yield from self._chain(self._best())

    def _seen(self, run: Run, begun: set[int]) -> bool:
        """Was a chain begun at the same optimum?"""
        done = [other for other in self.ledger if other.start in begun and other.finished]
        return any(same_optimum(self.kind, run.scores[-1], other.scores[-1]) for other in done)


def _by_chance(model: AnyModel, rows: Rows, mapper: Mapper) -> bool:
    found = model.artefact(rows, mapper)
    return found is not None and found.by_chance
