"""The parametric bootstrap of the likelihood ratio of k and k + 1 components (McLachlan 1987)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from math import inf, sqrt

import numpy as np

from emcli.compute.processes import call, process_map
from emcli.compute.threads import usable_cores
from emcli.config.settings import ModelSettings, SearchSettings
from emcli.data.rows import DataFault, Rows
from emcli.frozen import frozen
from emcli.inference.bootstrap import replicate
from emcli.inference.diagnostics import best_run
from emcli.inference.runs import Run
from emcli.inference.search.optima import margin, set_aside
from emcli.inference.search.screening import searched
from emcli.inference.search.search import FIRST_STARTS, Search
from emcli.models.base import AnyModel

MAX_EXCEEDANCES = 10  # after which no more replicates are drawn (Besag & Clifford 1991)
LEVEL = 0.05  # p up to which k components are not enough
# In data of which k components are true a search gains no more than this after its first starts: so many nats, and as
# much as these starts gained above k; after m starts FIRST_STARTS/m times as much.
FAR = 5.0
SEED_STREAM = 5  # in the seeds of replicates, to make them differ from those of other draws


@frozen
class Ratio:
    """What a test found: how often data of which k components are true have as large a ratio."""

    statistic: float  # 2 (ln L of k + 1 less that of k), nats
    replicates: int  # that were drawn
    exceedances: int  # replicates with a statistic as large

    @property
    def p(self) -> float:
        """Exceedances in b replicates: r/b where r = MAX_EXCEEDANCES ended it, else (1 + exceedances)/(b + 1)."""
        if self.exceedances == MAX_EXCEEDANCES:
            return self.exceedances / self.replicates
        return (1 + self.exceedances) / (1 + self.replicates)

    @property
    def p_error(self) -> float:
        """The standard error of p that so few replicates leave."""
        return sqrt(self.p * (1 - self.p) / self.replicates)

    @property
    def is_rejected(self) -> bool:
        """Are k components not enough?"""
        return self.p <= LEVEL


@frozen
class Hypothesis:
    """That k components are enough, as the fit of k describes them, and not one more."""

    rows: Rows
    model: AnyModel  # the fit of k components, in working coordinates
    small: ModelSettings
    large: ModelSettings  # the same with one component more
    search: SearchSettings  # that both fits were found by
    statistic: float

    def tested(self, replicates: int, jobs: int | None) -> Generator[int, None, Ratio]:
        """Draw up to so many replicates, and yield how many are done: the same result for any number of processes."""
        count, done, exceedances = usable_cores(jobs), 0, 0
        with process_map(count, self.rows.is_local) as mapper:
            while done < replicates and exceedances < MAX_EXCEEDANCES:
                numbers = range(done, min(done + 2 * count, replicates))
                for exceeds in mapper(call, [self.is_reached_by] * len(numbers), numbers):
                    if exceedances < MAX_EXCEEDANCES:  # those after are as if they had not been drawn
                        done, exceedances = done + 1, exceedances + exceeds
                yield done
        return Ratio(self.statistic, done, exceedances)

    def is_reached_by(self, number: int) -> bool:
        """Has a replicate of that number as large a statistic? One that cannot be fitted counts as if it had.

        Both fits are searched for as those of the data were, but only as far as the answer can depend on it.
        """
        rng = np.random.default_rng([self.search.seed, SEED_STREAM, self.small.k, number])
        try:
            rows, model = replicate(self.rows, self.small, self.model, rng)
        except DataFault:
            return True
        search = replace(self.search, start=None, jobs=1, seed=int(rng.integers(2**31)))
        return _Replicate(self, rows, search).reaches(model)


@dataclass(eq=False)
class _Replicate:
    """Rows drawn from the fit of k components, and the searches on them."""

    tested: Hypothesis
    rows: Rows
    search: SearchSettings
    lower: Run | None = None  # the best of k components so far
    is_searched: bool = False  # is that the best of a whole search?

    def reaches(self, true: AnyModel) -> bool:
        """Is its statistic as large as that of the data? `true` is the model that it was drawn from.

        With as many starts as it takes, k components begin at the true ones, where a search would mostly end. It is
        made where the answer depends on it. That of k + 1 ends where the statistic is reached, or is far beyond what
        starts have gained.
        """
        asked, automatic = self.tested, self.search.restarts == "auto"
        large = self._new(asked.large)
        if asked.small.prior is not None:  # the highest posterior need not have the highest likelihood
            found, fewer = self._whole(large), self._whole(self._new(asked.small))
            gain = -inf if found is None else found.likelihood_score
            return fewer is None or gain >= fewer.likelihood_score + asked.statistic / 2
        if automatic:
            self.lower = self._from_truth(true)
        large.smaller += self._searched() if self.lower is None else [self.lower]
        for event in searched(large):
            if isinstance(event, Run):
                ended = [run for run in large.ledger if run.finished]
                top = max((run.scores[-1] for run in ended if run.artefact is None), default=-inf)
                if self._is_reached(top, large):
                    return True
                if automatic and self._is_far(top, sum(run.source is None for run in ended)):
                    return False
        if not any(run.finished and not set_aside(run) for run in large.ledger):
            return True  # no fit of k + 1 can be believed: its likelihood may have no bound
        found = self._chosen(large)
        top = -inf if found is None else found.scores[-1]
        if self.lower is not None and large.kind.contains(asked.small, asked.large):
            top = max(top, self.lower.scores[-1])
        return self._is_reached(top, large)

    @property
    def _goal(self) -> float:
        """The score of k + 1 components from which the statistic is reached."""
        if self.lower is None:
            return -inf
        score = self.lower.scores[-1]
        return score + self.tested.statistic / 2 - margin(type(self.tested.model), score)

    def _is_far(self, top: float, starts: int) -> bool:
        """Have so many starts of k + 1 components, the best of which ended there, gained much less than it takes?"""
        if self.lower is None or not starts or top <= self.lower.scores[-1]:
            return False
        gain = top - self.lower.scores[-1]
        return self._goal - top > FIRST_STARTS / starts * (FAR + gain)

    def _is_reached(self, top: float, large: Search) -> bool:
        """Is it by a score of k + 1 components, also after a whole search of k?"""
        if top >= self._goal and not self.is_searched:
            large.smaller += self._searched()
        return top >= self._goal

    def _searched(self) -> list[Run]:
        """The best of k components, also by a whole search."""
        runs = [self.lower, self._whole(self._new(self.tested.small))]
        self.lower = max((run for run in runs if run is not None), key=lambda run: run.scores[-1], default=None)
        self.is_searched = True
        return [] if self.lower is None else [self.lower]

    def _from_truth(self, true: AnyModel) -> Run | None:
        """Where the true components lead."""
        search = self._new(self.tested.small)
        for _ in search.run(Run(1), true):
            pass
        run = search.ledger[0]
        return run if run.finished and not set_aside(run) else None

    def _new(self, settings: ModelSettings) -> Search:
        kind = type(self.tested.model).for_rows(self.rows, settings)
        return Search(kind, self.rows, settings, self.search, self.rows.mapping(map))

    def _whole(self, search: Search) -> Run | None:
        """The best of a search that is made to its end, as a fit has it."""
        for _ in searched(search):
            pass
        return self._chosen(search)

    def _chosen(self, search: Search) -> Run | None:
        automatic = self.search.restarts == "auto"
        found = best_run(search.kind, search.ledger, self.search.tol, search.of_fewer(), automatic)
        return None if found is None else found.best
