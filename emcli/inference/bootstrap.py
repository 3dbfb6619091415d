"""The parametric bootstrap: standard errors and intervals of the parameters from refits of simulated data."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np

from emcli.compute.processes import call, process_map
from emcli.compute.threads import usable_cores
from emcli.data.dataset import Dataset
from emcli.errors import EmcliError, Exit, FitWarning, Problem
from emcli.inference.agreement import match_components, reorder
from emcli.inference.convergence import check_monotone, converge
from emcli.inference.fit_result import FitResult
from emcli.inference.starts import information_if_affordable, iterate
from emcli.models.base import Degenerate
from emcli.types import JSON

MAX_REFUSED_SHARE = 0.05  # of replicates in another order, or without a fit; with more, errors mean nothing
LEVELS = (0.025, 0.975)  # quantiles at the ends of a 95 % interval
PROGRESS_REPORTS = 20  # in one bootstrap, at most
MIN_REPLICATES_EACH = 8  # that each process makes between two reports
SEED_STREAM = 1  # in the seeds of replicates, to make them differ from those of starts


@dataclass(frozen=True)
class Bootstrap:
    """Refits of data drawn from a fit."""

    replicates: int  # how many were asked for
    failed: int  # how many of them have no fit
    another_order: int  # how many match the fit's components in another order
    parameters: list[dict[str, JSON]]  # of each that has a fit, its components in the fit's order

    @property
    def refused(self) -> str | None:
        """Why no standard errors are given; None where they are."""
        for count, what in (
            (self.another_order, "match the components in another order, so they are too close to be told apart"),
            (self.failed, "have no fit"),
        ):
            if count > MAX_REFUSED_SHARE * self.replicates:
                return f"{count} of {self.replicates} replicates {what}"
        return None if len(self.parameters) > 1 else "errors need two replicates or more"

    def document(self) -> dict[str, JSON]:
        """Standard errors and 95 % percentile intervals, each in the form of the parameters."""
        said: dict[str, JSON] = {"replicates": self.replicates, "failed": self.failed, "reordered": self.another_order}
        if self.refused:
            return {**said, "refused": self.refused}
        stacked = {key: np.array([each[key] for each in self.parameters]) for key in self.parameters[0]}
        low, high = ({key: np.quantile(v, level, axis=0).tolist() for key, v in stacked.items()} for level in LEVELS)
        errors = {key: values.std(axis=0, ddof=1).tolist() for key, values in stacked.items()}
        return {**said, "standard_errors": errors, "low": low, "high": high}


def refuse(data: Dataset) -> None:
    """Raise EmcliError (exit 3) for fractional weights: data cannot be drawn again by them."""
    weights = data.rows.weights
    fractional = any(warning.slug in ("fractional-weights", "weights-are-shares") for warning in data.warnings)
    if fractional or (weights is not None and (weights != np.floor(weights)).any()):
        what = "--bootstrap draws as many rows as the weights sum to, and they are not whole numbers"
        raise EmcliError(Exit.DATA, Problem(what, data.source), hint="leave --bootstrap out, or scale the weights")


def bootstrapped(result: FitResult, replicates: int) -> Generator[int, None, FitResult]:
    """The result with a bootstrap of that many replicates (Efron & Tibshirani 1993, section 6.5).

    Yields the number done. Each replicate draws as many rows as the weights sum to and is fitted with the fit as its
    start; the result has the same bytes for any number of processes.
    """
    kind, rows, search = result.kind, result.data.rows, result.settings.search

    def refitted(number: int) -> dict[str, JSON] | None:
        rng = np.random.default_rng([search.seed, SEED_STREAM, number])
        drawn = rows.redrawn(kind.observations, result.model, rng)
        try:
            mapper = drawn.mapping(map)
            known = information_if_affordable(drawn, result.model, mapper)
            steps = check_monotone(iterate(result.model, drawn, search, known, mapper))
            tested = known.decrement if known else None
            *_, last = converge(steps, search.tol, search.max_iter, tested)
        except Degenerate:
            return None
        return last.model.to_original(drawn.scaling).to_parameters()

    found: list[dict[str, JSON] | None] = []
    jobs = usable_cores(search.jobs)
    step = max(MIN_REPLICATES_EACH * jobs, -(-replicates // PROGRESS_REPORTS))
    with process_map(jobs, rows.is_local) as mapper:
        for first in range(0, replicates, step):
            numbers = range(first, min(first + step, replicates))
            for parameters in mapper(call, [refitted] * len(numbers), numbers):
                found.append(parameters)
                yield len(found)
    kept = [parameters for parameters in found if parameters is not None]
    orders = [match_components(kind.distances(result.parameters, parameters)).tolist() for parameters in kept]
    aligned = [reorder(parameters, order) for parameters, order in zip(kept, orders, strict=True)]
    another = sum(order != sorted(order) for order in orders)
    made = Bootstrap(replicates, replicates - len(kept), another, aligned)
    warnings = result.warnings
    if made.refused:
        warnings = [*warnings, FitWarning("bootstrap-refused", f"no standard errors: {made.refused}")]
    return replace(result, bootstrap=made, warnings=warnings)
