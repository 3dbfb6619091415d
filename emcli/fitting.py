"""From settings and rows to a result: many starts, each a stream of steps, one ledger, and the best of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from emcli.em import (
    Array,
    Degenerate,
    Ending,
    Map,
    Step,
    converge,
    em,
    guard,
    information,
    pooled,
    until_fixed,
)
from emcli.errors import Caution, EmcliError, Exit, Fault
from emcli.loading import Dataset
from emcli.models.family import Family, Rows
from emcli.models.parameters import has_twins, refuse_symmetric
from emcli.models.seeding import best_of_short_runs
from emcli.verdict import Choice, about_optimum, about_starts, against_one, choose, same_optimum

DRAWN_FROM = 4096  # rows of the seeded sample on which starts are drawn and tried
COSTLY_PARAMETERS, COSTLY_PRODUCT = 500, 1e10  # beyond these the score decrement is not computed


@dataclass
class Start:
    """One line of the ledger."""

    start: int  # from 1
    exact: bool = False  # was it the best model of all, found directly?
    status: str = "running"  # converged | max_iter | degenerate
    stop: str | None = None
    iterations: int = 0
    reason: str | None = None  # why it degenerated
    decrement: float | None = None
    scores: list[float] = field(default_factory=list)  # one for each iteration, 0 = the start
    model: Any = None  # the last one, in working coordinates
    symmetric: bool = False  # did it begin with equal components?

    @property
    def finished(self) -> bool:
        return self.status != "degenerate"


@dataclass(frozen=True)
class Iteration:
    """What a fit tells while it runs: one step of one start. `gain` is None at iteration 0."""

    start: int
    iteration: int
    step: Step
    gain: float | None


@dataclass(frozen=True, eq=False)
class Result:
    """A finished fit. Parameters are in the user's units and canonical order; the numbers beside them are theirs."""

    family: Family
    data: Dataset
    settings: Any
    ledger: list[Start]
    best: Start
    model: Any  # in working coordinates, read back from `parameters`
    parameters: dict[str, Any]
    parameters_count: int
    log_likelihood: float | None
    inertia: float | None
    uncertainty: float  # -Σ w ln(max responsibility), nats
    assignments: Array  # (rows,) 0-based component of each row of data; -1 where a row says nothing
    cautions: list[Caution]
    certificate: dict[str, Any] | None = None  # what is known for certain of the best there can be
    truth: dict[str, Any] | None = None

    def criteria(self) -> dict[str, float | None]:
        """AIC, BIC and ICL, smaller is better; None where the log-likelihood is."""
        if self.log_likelihood is None:
            return {"aic": None, "bic": None, "icl": None}
        bic = -2 * self.log_likelihood + self.parameters_count * float(np.log(self.data.rows.total))
        return {
            "aic": -2 * self.log_likelihood + 2 * self.parameters_count,
            "bic": bic,
            "icl": bic + 2 * self.uncertainty,
        }

    def log_likelihoods(self, start: Start) -> list[tuple[float | None, float | None]]:
        """Log-likelihood and inertia of each iteration of a start."""
        return [self.family.measures(score, self.data.rows, self.settings.k) for score in start.scores]

    def reached(self) -> int:
        """How many starts reached the best."""
        finished = [start.scores[-1] for start in self.ledger if start.finished]
        return sum(same_optimum(self.family, score, self.best.scores[-1]) for score in finished)


def fit(family: Family, data: Dataset, settings: Any) -> Generator[Iteration | Start, None, Result]:
    """Run all starts in order, yielding each iteration and each start's end; return the result.

    Raises EmcliError: exit 2 for a start that cannot be used, 4 where every start degenerates.
    """
    rows, ledger = data.rows, []
    with threads(settings.jobs or len(os.sched_getaffinity(0)), len(rows.batches())) as spread:
        exact = family.exact(rows, settings)
        for number in range(1, settings.restarts + 1 + (exact is not None and settings.start is None)):
            entry = Start(number, exact=number > settings.restarts)
            ledger.append(entry)
            begin = (lambda: exact) if entry.exact else partial(start_model, number, family, rows, settings)
            yield from _run(entry, family, rows, settings, begin, spread)
            yield entry
        choice = choose(family, data.rows, ledger, settings.tol, spread)
        if choice is None:
            reason, _ = Counter(entry.reason for entry in ledger).most_common(1)[0]
            what = f"no fit: all {len(ledger)} starts degenerated ({reason})"
            raise EmcliError(
                Exit.NO_FIT,
                Fault(what, data.source),
                hint="try a smaller -k or another --covariance" if "covariance" in family.options else None,
            )
        return _result(family, data, settings, ledger, choice, exact, spread)


@contextmanager
def threads(jobs: int, batches: int) -> Iterator[Map]:
    """A map over batches with that many threads; order, and so every bit, is the same for any number."""
    if jobs < 2 or batches < 2:
        yield map
        return
    with ThreadPoolExecutor(min(jobs, batches)) as pool:
        yield pool.map


def _run(
    entry: Start, family: Family, rows: Rows, settings: Any, begin: Callable[[], Any], spread: Map
) -> Iterator[Iteration]:
    try:
        model = begin()
        entry.symmetric = not family.hard and has_twins(model)
        steps = guard(em(model, rows.batches(), spread))
        run = (
            until_fixed(steps, settings.max_iter)
            if family.hard
            else converge(steps, settings.tol, settings.max_iter, _remaining(rows, model, spread), family.fixed_point)
        )
        ending = yield from _recorded(entry, run)
        entry.status, entry.stop, entry.decrement = ending
    except Degenerate as reason:
        entry.status, entry.reason = "degenerate", str(reason)
    entry.iterations = max(0, len(entry.scores) - 1)


def _recorded(entry: Start, run: Generator[Step, None, Ending]) -> Generator[Iteration, None, Ending]:
    """Write each step into the ledger, pass it on, and return how the run ended."""
    while True:
        try:
            step = next(run)
        except StopIteration as end:
            ending: Ending = end.value
            return ending
        gain = step.score - entry.scores[-1] if entry.scores else None
        entry.scores.append(step.score)
        entry.model = step.model
        yield Iteration(entry.start, len(entry.scores) - 1, step, gain)


def start_model(number: int, family: Family, rows: Rows, settings: Any) -> Any:
    """The model that a start begins with, in working coordinates: given, or drawn from the seed and its number."""
    if settings.start is not None and number == 1:
        model = family.read(settings.start, settings.document(), settings.k, rows)
        refuse_symmetric(model)
        return family.inward(model, rows)
    rng = np.random.default_rng([settings.seed, number])
    sample = rows.sample(DRAWN_FROM, rng)
    candidates, steps = family.short_runs(settings)
    batches = sample.batches()
    drawn = islice(family.draw(sample, settings, rng), candidates)
    if candidates == 1:
        return next(drawn)
    return best_of_short_runs(drawn, lambda model: em(model, batches), steps)


def _remaining(rows: Rows, model: Any, spread: Map) -> Any:
    """The function that gives a model's score decrement; None where it would cost too much or has no meaning."""
    p = model.parameters_count
    if p > COSTLY_PARAMETERS or rows.values.shape[1] * p * p > COSTLY_PRODUCT or not rows.has_more_distinct_than(p):
        return None
    return lambda current: information(current, rows.batches(), spread).decrement()


def _result(
    family: Family, data: Dataset, settings: Any, ledger: list[Start], choice: Choice, exact: Any, spread: Map
) -> Result:
    rows, best = data.rows, choice.best
    outward = family.outward(best.model, rows)
    outward = outward.ordered(family.order(outward))
    written = family.write(outward)
    model = family.inward(family.read(written, settings.document(), settings.k, rows), rows)
    stats = pooled(model, rows.batches(), spread)
    log_likelihood, inertia = family.measures(stats.score, rows, settings.k)
    uncertainty, assignments = _assignments(model, rows, spread)
    result = Result(
        family,
        data,
        settings,
        ledger,
        best,
        model,
        family.write(outward, stats, rows),
        model.parameters_count,
        log_likelihood,
        inertia,
        uncertainty,
        assignments,
        _cautions(family, data, settings, ledger, choice, model, stats, spread),
    )
    certificate: dict[str, Any] | None = family.certificate(log_likelihood, rows, settings)
    if exact is not None:
        top = pooled(exact, rows.batches(), spread).score
        certificate = {
            "optimum": family.measures(top, rows, settings.k)[1],
            "reached": same_optimum(family, top, best.scores[-1]),
        }
    result = replace(result, certificate=certificate)
    one, bic = bic_of_one(result) if settings.k > 1 else None, result.criteria()["bic"]
    if one is not None and bic is not None:
        result.cautions.extend(against_one(bic, one, rows.total))
    return result


def _cautions(
    family: Family,
    data: Dataset,
    settings: Any,
    ledger: list[Start],
    choice: Choice,
    model: Any,
    stats: Any,
    spread: Map,
) -> list[Caution]:
    """All that there is to warn of, from the data to the optimum."""
    rows = data.rows
    affordable = not family.hard and _remaining(rows, model, spread) is not None
    seen = information(model, rows.batches(), spread) if affordable and len(model.weights) > 1 else None
    return [
        *data.cautions,
        *family.cautions(choice.best.model, stats),
        *about_starts(family, ledger, choice, settings),
        *about_optimum(family, model, rows, settings, seen),
    ]


def bic_of_one(result: Result) -> float | None:
    """BIC of a single component; None for hard assignments, which it says nothing of."""
    family, rows = result.family, result.data.rows
    if family.hard:
        return None
    settings = replace(result.settings, k=1, start=None, restarts=1)
    drawn = next(iter(family.draw(rows, settings, np.random.default_rng(0))))
    try:
        *_, last = islice(em(drawn, rows.batches()), 3)
    except Degenerate:
        return None
    log_likelihood, _ = family.measures(last.score, rows, 1)
    return float(-2 * (log_likelihood or 0.0) + last.model.parameters_count * np.log(rows.total))


def _assignments(model: Any, rows: Rows, spread: Map) -> tuple[float, Array]:
    """-Σ w ln(max responsibility), and the likeliest component of each row of data."""

    def one(values: Array, weights: Array | None) -> tuple[float, Any]:
        r = model.posterior(values)[0]
        doubt = np.log(r.max(axis=0))
        return -float(doubt.sum() if weights is None else weights @ doubt), r.argmax(axis=0)

    parts = list(spread(one, *zip(*rows.batches(), strict=True)))
    labels = np.concatenate([part[1] for part in parts])
    if rows.merged is not None:
        labels = np.where(rows.merged >= 0, labels[rows.merged], -1)
    return sum(part[0] for part in parts), labels
