"""A fit: run all starts on the rows, record them in a ledger, and make a result of the best."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import numpy as np

from emcli.compute.memory import keep_freed
from emcli.compute.processes import process_map
from emcli.compute.threads import usable_cores
from emcli.config.settings import Settings
from emcli.data.dataset import Dataset
from emcli.data.rows import Rows
from emcli.errors import FitWarning
from emcli.frozen import frozen
from emcli.inference.assignments import soft_assignments
from emcli.inference.diagnostics import (
    BestRun,
    Judgement,
    best_run,
    judge,
    one_component_warning,
    optimum_warnings,
    run_warnings,
    unequal_mixing_warning,
)
from emcli.inference.fit_result import FitResult
from emcli.inference.information import InformationCache
from emcli.inference.newton import polish
from emcli.inference.runs import IterationEvent, Run, information_is_affordable, record
from emcli.inference.search.no_fit import no_fit
from emcli.inference.search.optima import NESTED, roots_of_best, same_optimum
from emcli.inference.search.screening import best_behind, searched
from emcli.inference.search.search import Event, Search
from emcli.inference.search.short import loosely, short_search
from emcli.inference.starts import EXACT, one_component
from emcli.models.base import AnyModel, Degenerate
from emcli.models.complete_data import CompleteDataModel
from emcli.models.em import pooled_e_step
from emcli.models.statistics import Stats
from emcli.types import Mapper

MIN_PROCESS_PRODUCTS = 1 << 20  # rows times columns times components from which several processes are faster
Events = Generator[Event, None, FitResult]
Observer = Callable[[Event], object]
Models = Callable[[Rows], Sequence[AnyModel]]  # in working coordinates, for rows
E = TypeVar("E")
R = TypeVar("R")


def observe(events: Generator[E, None, R], *observers: Callable[[E], object]) -> R:
    """Run a generator to its end, pass each event to every observer in turn, and return its result."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            result: R = end.value
            return result
        for observer in observers:
            observer(event)


def fit(
    kind: type[AnyModel],
    data: Dataset,
    settings: Settings,
    known: Sequence[Models] = (),
    needed: float = -np.inf,
    made: Mapping[int, Run] | None = None,
) -> Events:
    """Run all starts in order, yielding each iteration and each start's end; return the result.

    known: models with these settings, at each of which one more start begins where all others ended lower.
    made: what `starts_on_sample` found for these settings, if that was asked before.
    needed: a log-likelihood, below which the fit is not wanted; a search with a sample of the rows that cannot reach it
    ends with its highest run as it is then, `screened`.
    Raises EmcliError: exit 2 for a start that cannot be used, 4 where every start degenerates.
    """
    kind = kind.for_rows(data.rows, settings.model)
    kind.fixed_in(settings.model, len(data.rows.names))
    with _mapper(data, settings) as mapper:
        exact = kind.global_optimum(data.rows, settings.model)
        needed -= data.rows.log_likelihood(0.0)
        search = Search(kind, data.rows, settings.model, settings.search, mapper, beat=needed)
        yield from searched(search, exact, made)
        if (highest := best_behind(search)) is not None:
            short = _Fit(kind, data, settings, exact, mapper, is_short=True)
            return short.unjudged(search, BestRun(highest))
        for model in [model for each in known for model in each(data.rows)]:
            yield from search.no_lower_than(model)
        return (yield from _Fit(kind, data, settings, exact, mapper).result(search))


def short_fit(kind: type[AnyModel], data: Dataset, settings: Settings, known: Sequence[Models] = ()) -> Events:
    """A short search, also from known models with these settings; the fit is within MATTERS nats of its optimum.

    Nothing is said of what only a full search can judge. Raises EmcliError as `fit` does.
    """
    kind = kind.for_rows(data.rows, settings.model)
    asked = loosely(kind, data.rows, settings)
    with _mapper(data, settings) as mapper:
        search = Search(kind, data.rows, settings.model, asked, mapper)
        yield from short_search(search, [model for each in known for model in each(data.rows)])
        return (yield from _Fit(kind, data, settings, None, mapper, is_short=True).result(search))


def continued(
    kind: type[AnyModel],
    data: Dataset,
    settings: Settings,
    ledger: Sequence[Run],
    origin: str,
    begin: Callable[[Rows, Mapper], AnyModel],
    is_short: bool = False,
) -> Events:
    """Go on with a finished fit of the same data, or a short one: one more start, from the model that `begin` gives."""
    kind = kind.for_rows(data.rows, settings.model)
    asked = loosely(kind, data.rows, settings) if is_short else settings.search
    with _mapper(data, settings) as mapper:
        search = Search(kind, data.rows, settings.model, asked, mapper, list(ledger))
        yield from search.run(Run(len(ledger) + 1, NESTED, origin), begin(data.rows, mapper))
        exact = None
        if any(run.kind == EXACT for run in ledger):
            exact = kind.global_optimum(data.rows, settings.model)
        return (yield from _Fit(kind, data, settings, exact, mapper, is_short).result(search))


@contextmanager
def _mapper(data: Dataset, settings: Settings) -> Iterator[Mapper]:
    keep_freed()
    products = data.rows.count * len(data.rows.values) * settings.model.k
    with process_map(usable_cores(settings.search.jobs) if products >= MIN_PROCESS_PRODUCTS else 1) as mapper:
        yield data.rows.mapping(mapper)


@frozen
class _Fit:
    """The data, settings and mapper that all starts of a fit share."""

    kind: type[AnyModel]
    data: Dataset
    settings: Settings
    exact: AnyModel | None  # the global optimum, where it is known
    mapper: Mapper
    is_short: bool = False  # was it only screened?

    def result(self, search: Search) -> Events:
        """The best of all runs of a search. Raises EmcliError (exit 4) where there is none."""
        best = self._best(search)
        if best is None:
            raise no_fit(self.kind, self.data, self.settings.model, search.ledger)
        if self.is_short:
            return self.unjudged(search, best)
        yield from self._polished(best.best)
        return self._result(search.ledger, best, self._judged(best.best), search.moves)

    def _best(self, search: Search) -> BestRun | None:
        """The best run that is a fit in the user's units too: on the verge of a collapse rounding tells which it is."""
        asked = self.settings.search
        smaller = [] if asked.max_iter == 0 else search.of_fewer()
        searched = asked.max_iter != 0 and asked.restarts == "auto" and not self.is_short
        while (best := best_run(self.kind, search.ledger, asked.tol, smaller, searched)) is not None:
            try:
                self._read_back(best.best)
                return best
            except Degenerate as reason:
                best.best.status, best.best.reason = "degenerate", str(reason)
        return None

    def _read_back(self, run: Run) -> tuple[AnyModel, AnyModel]:
        """The model of a run in the user's units, and that of its parameters in working ones. Raises Degenerate.

        The numbers in a document are computed from the parameters in it, as they are read back.
        """
        rows, settings = self.data.rows, self.settings.model
        found = run.model.to_original(rows.scaling)
        found = found.ordered(found.order_in(rows))
        if settings.fix is not None:  # rounding between the units moves what is held
            found = found.from_parameters(found.to_parameters(), settings, rows)
        read = self.kind.from_parameters(found.to_parameters(), settings, rows)
        return found, read.to_scaled(rows.scaling, rows.covariance)

    def unjudged(self, search: Search, best: BestRun) -> FitResult:
        """The result of a short search, of whose best run nothing is judged."""
        return self._result(search.ledger, best, None, 0)

    def _judged(self, best: Run) -> Judgement | None:
        """What is to be said of the point where the best run ended, and in `best` what is left to gain there.

        None for a run that was cut short, and where the information would cost too much.
        """
        rows, model, tol = self.data.rows, best.model, self.settings.search.tol
        if not isinstance(model, CompleteDataModel) or not information_is_affordable(rows, model) or best.is_start:
            return None
        known = best.known or InformationCache(rows.batches(), self.mapper)
        if best.status == "max_iter":
            best.decrement = known.at(model).curvatures.gain(tol)
            return None
        seen = judge(model, known, tol, rows.batches(), self.mapper)
        best.decrement = seen.gain
        return seen

    def _polished(self, best: Run) -> Iterator[IterationEvent]:
        """Newton steps from the end of the best run, which are not counted as iterations; not after plain EM."""
        rows, asked_for_em = self.data.rows, self.settings.search.solver == "em"
        if best.status != "converged" or asked_for_em or best.steps[-1] == "polish":
            return
        if not isinstance(best.model, CompleteDataModel) or not information_is_affordable(rows, best.model):
            return
        best.known = best.known or InformationCache(rows.batches(), self.mapper)
        for step in polish(best.model, best.known, rows.batches(), self.mapper):
            yield record(best, step)

    def _result(self, ledger: list[Run], chosen: BestRun, seen: Judgement | None, moves: int) -> FitResult:
        rows, kind, settings = self.data.rows, self.kind, self.settings.model
        found, model = self._read_back(chosen.best)
        stats = pooled_e_step(model, rows.batches(), self.mapper)
        log_prior = model.log_prior()
        measures = kind.measures(stats.score - log_prior, rows, settings.k)
        told = found.log_prior()
        if settings.prior is not None and measures.log_likelihood is not None:
            measures = measures._replace(log_posterior=measures.log_likelihood + told)
        result = FitResult(
            self.data,
            self.settings,
            ledger,
            chosen.best,
            model,
            found.described(stats, rows),
            *measures,
            *soft_assignments(model, rows, self.mapper),
            self._warnings(ledger, chosen, model, stats, seen),
            self._certificate(measures.log_likelihood, chosen.best),
            moves=moves,
            prior_shift=told - log_prior,
        )
        if result.bound is not None and chosen.best.decrement is not None:
            chosen.best.decrement = min(chosen.best.decrement, result.bound)
        bic = result.criteria()["bic"]
        repeated = (
            not self.is_short
            and chosen.best.status == "converged"
            and len(roots_of_best(kind, ledger, chosen.best)) > 1
        )
        if settings.mixing == "equal" and settings.k > 1 and chosen.best.status == "converged" and not self.is_short:
            result.warnings.extend(unequal_mixing_warning(result.sizes[: settings.k], rows.sample_size))
        if settings.k > 1 and bic is not None and not kind.hard and repeated:
            one = self._bic_of_one()
            if one is not None:
                about_one = one_component_warning(bic, one, rows.sample_size, settings, len(self.data.columns))
                result.warnings.extend(about_one)
        return result

    def _warnings(
        self, ledger: list[Run], chosen: BestRun, model: AnyModel, stats: Stats, seen: Judgement | None
    ) -> list[FitWarning]:
        """All warnings: about the data, the model, the starts and the optimum."""
        rows, best, settings = self.data.rows, chosen.best, self.settings
        cause = partial(self.kind.cause_of_collapse, rows, settings.model, [])
        about_runs = run_warnings(self.kind, ledger, chosen, settings.search.max_iter, rows.sample_size, cause)
        if self.is_short:
            about_runs = [warning for warning in about_runs if warning.slug == "few-rows"]
        if best.status == "max_iter":
            return [*self.data.warnings, *about_runs]
        about_optimum = optimum_warnings(model, stats, rows, settings.model, seen, settings.search.solver)
        return [*self.data.warnings, *best.model.warnings(stats), *about_runs, *about_optimum]

    def _certificate(self, log_likelihood: float | None, best: Run) -> Mapping[str, float | None] | None:
        """A proven bound on the best possible fit, or the global optimum and whether the fit reached it."""
        rows, settings = self.data.rows, self.settings.model
        if self.exact is None:
            return self.kind.likelihood_bound(log_likelihood, rows, settings)
        top = pooled_e_step(self.exact, rows.batches(), self.mapper).score
        reached = same_optimum(self.kind, top, best.scores[-1])
        return {"optimum": self.kind.measures(top, rows, settings.k).inertia, "reached": reached}

    def _bic_of_one(self) -> float | None:
        """BIC of a single component."""
        rows, kind = self.data.rows, self.kind
        one = one_component(kind, rows, self.settings.model, self.mapper)
        if one is None:
            return None
        log_likelihood = kind.measures(one.likelihood_score, rows, 1).log_likelihood or 0.0
        return float(-2 * log_likelihood + one.model.parameters_count * np.log(rows.sample_size))
