"""From settings and rows to a result: many starts, each a stream of steps, one ledger, and the best of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.compute.memory import keep_freed
from emcli.compute.processes import process_map
from emcli.compute.threads import thread_map, usable_cores
from emcli.data.dataset import Dataset
from emcli.data.rows import Rows, pieces
from emcli.errors import EmcliError, Exit, FitWarning, Problem
from emcli.inference.diagnostics import Choice, about_optimum, about_starts, against_one, agreed, choose, same_optimum
from emcli.inference.em import em
from emcli.inference.information import information
from emcli.inference.screening import screened
from emcli.inference.starts import DRAWN_FROM, EXACT, Iteration, Start, run, start_model
from emcli.models.base import Degenerate, Family, pooled_e_step
from emcli.types import Array, Mapper


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
    cautions: list[FitWarning]
    certificate: dict[str, Any] | None = None  # what is known for certain of the best there can be
    truth: dict[str, Any] | None = None
    bootstrap: Any = None

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

    def assignments(self) -> Array:
        """The component of each row of data (rows,), from 0, as `assignments` below finds it."""
        return assignments(self.family, self.model, self.data.rows, self.settings.search.jobs)

    def log_likelihoods(self, start: Start) -> list[tuple[float | None, float | None]]:
        """Log-likelihood and inertia of each iteration of a start."""
        return [self.family.measures(score, self.data.rows, self.settings.model.k) for score in start.scores]

    def reached(self) -> int:
        """How many starts reached the best; those that were screened, on the sample."""
        return agreed(self.family, self.ledger, self.best)


WORTH = 1 << 20  # products of rows, columns and components from which several processes repay themselves
Begin = tuple[Start, Callable[[], Any]]
Event = Iteration | Start
Events = Generator[Event, None, Result]
Observer = Callable[[Event], object]
E = TypeVar("E")
R = TypeVar("R")


def observe(events: Generator[E, None, R], *observers: Callable[[E], object]) -> R:
    """Run a stream of events to its end, show each event to every observer in turn, and return the stream's result."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            result: R = end.value
            return result
        for observer in observers:
            observer(event)


def fit(family: Family, data: Dataset, settings: Any) -> Events:
    """Run all starts in order, yielding each iteration and each start's end; return the result.

    Raises EmcliError: exit 2 for a start that cannot be used, 4 where every start degenerates.
    """
    with _spread(data, settings) as spread:
        exact = family.exact(data.rows, settings)
        begins: list[Begin] = [
            (Start(i), partial(start_model, i, family, data.rows, settings))
            for i in range(1, settings.search.restarts + 1)
        ]
        if exact is not None and settings.search.start is None:
            begins.append((Start(settings.search.restarts + 1, EXACT), lambda: exact))
        return (yield from _all(begins, [], family, data, settings, exact, spread))


def continued(
    family: Family,
    data: Dataset,
    settings: Any,
    ledger: Sequence[Start],
    origin: str,
    begin: Callable[[Rows, Mapper], Any],
) -> Events:
    """Go on with a finished fit of the same data: one more start, from the model that `begin` gives."""
    with _spread(data, settings) as spread:
        begins = [(Start(len(ledger) + 1, origin), partial(begin, data.rows, spread))]
        exact = family.exact(data.rows, settings) if any(entry.origin == EXACT for entry in ledger) else None
        return (yield from _all(begins, ledger, family, data, settings, exact, spread))


@contextmanager
def _spread(data: Dataset, settings: Any) -> Iterator[Mapper]:
    keep_freed()
    products = data.rows.count * len(data.rows.values) * settings.model.k
    with process_map(usable_cores(settings.search.jobs) if products >= WORTH else 1) as spread:
        yield data.rows.mapping(spread)


def _all(
    begins: Sequence[Begin],
    before: Sequence[Start],
    family: Family,
    data: Dataset,
    settings: Any,
    exact: Any,
    spread: Mapper,
) -> Events:
    ledger = list(before)
    for entry, begin in begins if before else screened(begins, family, data.rows, settings):
        ledger.append(entry)
        if entry.status == "running":
            yield from run(entry, family, data.rows, settings, begin, spread)
        yield entry
    choice = choose(family, data.rows, ledger, settings.search.tol, spread)
    if choice is None:
        reason, _ = Counter(entry.reason for entry in ledger).most_common(1)[0]
        what = f"no fit: all {len(ledger)} starts degenerated ({reason})"
        hint = "try a smaller -k or another --covariance" if "covariance" in family.options else None
        if any(caution.slug == "header-guess" for caution in data.cautions):
            hint = "the first row was read as data: if it is a header, add --header"
        raise EmcliError(Exit.NO_FIT, Problem(what, data.source), hint=hint)
    return _result(family, data, settings, ledger, choice, exact, spread)


def _result(
    family: Family, data: Dataset, settings: Any, ledger: list[Start], choice: Choice, exact: Any, spread: Mapper
) -> Result:
    rows, best = data.rows, choice.best
    outward = family.outward(best.model, rows)
    outward = outward.ordered(family.order(outward))
    written = family.write(outward)
    model = family.inward(family.read(written, settings.document(), settings.model.k, rows), rows)
    stats = pooled_e_step(model, rows.batches(), spread)
    log_likelihood, inertia = family.measures(stats.score, rows, settings.model.k)
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
        _uncertainty(family, model, rows, spread),
        _cautions(family, data, settings, ledger, choice, model, stats, spread),
    )
    certificate: dict[str, Any] | None = family.certificate(log_likelihood, rows, settings)
    if exact is not None:
        top = pooled_e_step(exact, rows.batches(), spread).score
        certificate = {
            "optimum": family.measures(top, rows, settings.model.k)[1],
            "reached": same_optimum(family, top, best.scores[-1]),
        }
    result = replace(result, certificate=certificate)
    one, bic = bic_of_one(result, spread) if settings.model.k > 1 else None, result.criteria()["bic"]
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
    spread: Mapper,
) -> list[FitWarning]:
    """All that there is to warn of, from the data to the optimum."""
    rows = data.rows
    seen, best = None, choice.best
    if best.known is not None and len(model.weights) > 1:
        seen = best.known.kept(best.model) or information(model, rows.batches(), spread)
    return [
        *data.cautions,
        *family.cautions(choice.best.model, stats),
        *about_starts(family, ledger, choice, settings),
        *about_optimum(family, model, rows, settings, seen),
    ]


def bic_of_one(result: Result, spread: Mapper) -> float | None:
    """BIC of a single component; None for hard assignments, which it says nothing of."""
    family, rows = result.family, result.data.rows
    if family.hard:
        return None
    settings = replace(result.settings, model=replace(result.settings.model, k=1))
    rng = np.random.default_rng(0)
    drawn = next(iter(family.draw(rows.sample(DRAWN_FROM, rng), settings, rng)))  # one M-step mends any start
    try:
        *_, last = islice(em(drawn, rows.batches(), spread), 3)
    except Degenerate:
        return None
    log_likelihood, _ = family.measures(last.score, rows, 1)
    return float(-2 * (log_likelihood or 0.0) + last.model.parameters_count * np.log(rows.total))


def _uncertainty(family: Family, model: Any, rows: Rows, spread: Mapper) -> float:
    """-Σ w ln(max responsibility)."""
    return 0.0 if family.hard else sum(spread(partial(_doubt, model), *zip(*rows.batches(), strict=True)))


def _doubt(model: Any, values: Array, weights: Array | None) -> float:
    total = 0.0
    for some, counts in pieces(values, weights):
        doubt = np.log(model.posterior(some)[0].max(axis=0))
        total -= float(doubt.sum() if counts is None else counts @ doubt)
    return total


def assignments(family: Family, model: Any, rows: Rows, jobs: int | None) -> Array:
    """The likeliest component of each row of data (n,), from 0; -1 where a row says nothing; none if rows are not here.

    The model is one in working coordinates.
    """

    def one(values: Array, _: Array | None) -> Any:
        if family.hard:
            return model.labels(values)
        return np.concatenate([model.posterior(some)[0].argmax(axis=0) for some, _ in pieces(values, None)])

    if not rows.here:  # labels stay where the rows are
        return np.empty(0, dtype=np.int32)
    at, labels, batches = 0, arrays.empty((rows.values.shape[1],), np.int32), rows.batches()
    with thread_map(min(usable_cores(jobs), len(batches))) as spread:
        for found in rows.mapping(spread)(one, *zip(*batches, strict=True)):
            labels[at : at + len(found)] = found
            at += len(found)
    if rows.merged is not None:
        once, labels = labels, arrays.empty(rows.merged.shape, np.int32)
        for some in row_chunks(len(labels)):
            labels[some] = np.where(rows.merged[some] >= 0, once[rows.merged[some]], -1)
    return labels
