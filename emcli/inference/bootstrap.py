"""The parametric bootstrap: standard errors and intervals of the parameters from refits of simulated data."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from emcli.compute.processes import call, process_map
from emcli.compute.threads import usable_cores
from emcli.config.settings import ModelSettings
from emcli.data.dataset import Dataset
from emcli.data.points import with_moments
from emcli.data.rows import DataFault, Rows
from emcli.errors import EmcliError, Exit, FitWarning, Problem
from emcli.inference.agreement import match_components, reorder
from emcli.inference.assignments import labels_of
from emcli.inference.diagnostics import best_run
from emcli.inference.fit_result import FitResult
from emcli.inference.runs import Run
from emcli.inference.search.search import Search
from emcli.models.base import AnyModel
from emcli.models.plain_values import Parameters
from emcli.types import JSON, Array, IndexArray

MAX_REFUSED_SHARE = 0.05  # of replicates in another order, or without a fit; with more, errors mean nothing
LEVELS = (0.025, 0.975)  # quantiles at the ends of a 95 % interval
PROGRESS_REPORTS = 20  # in one bootstrap, at most
MIN_REPLICATES_EACH = 8  # that each process makes between two reports
SEED_STREAM = 1  # in the seeds of replicates, to make them differ from those of starts
RANDOM_STARTS = 4  # of a replicate, beside the run from the fit
PILOT_REPLICATES = 20  # after which random starts end, if they found nothing better in any
APART = 1e200  # distance of components that are known to be different
DISSOLVED, STABLE = 0.5, 0.75  # mean Jaccard coefficients below and above which a component is called so (Hennig 2007)


@dataclass(frozen=True, eq=False)
class Refit:
    """The best fit of one replicate."""

    parameters: dict[str, JSON]  # its components in its own order
    places_kept: bool  # did it end at the optimum of its run from the fit, whose components keep their places?
    jaccard: Array | None  # (k,) best Jaccard coefficient of each component of the fit; None for rows elsewhere


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Refits of data drawn from a fit."""

    replicates: int  # how many were asked for
    failed: int  # how many of them have no fit
    another_order: int  # how many match the fit's components in another order, or not one to one
    parameters: list[dict[str, JSON]]  # of each that has a fit, its components in the fit's order
    jaccard: list[float] | None = None  # (k,) mean over the refits; None where it was not computed

    def stability(self, component: int) -> str:
        """The mean Jaccard coefficient of a component, and what it is called (Hennig 2007); empty where unknown."""
        if self.jaccard is None:
            return ""
        mean = self.jaccard[component]
        return f"{mean:.2f}{' dissolved' if mean < DISSOLVED else ' stable' if mean > STABLE else ''}"

    @property
    def refused(self) -> str | None:
        """Why no standard errors are given; None where they are."""
        counts = (
            (self.another_order, "match the components in another order or not one to one: too close to be told apart"),
            (self.failed, "failed"),
        )
        most = MAX_REFUSED_SHARE * self.replicates
        if reasons := [f"{count} of {self.replicates} bootstrap fits {what}" for count, what in counts if count > most]:
            return "; ".join(reasons)
        return None if len(self.parameters) > 1 else "errors need two replicates or more"

    def document(self) -> dict[str, JSON]:
        """Standard errors and 95 % percentile intervals, each in the form of the parameters."""
        said: dict[str, JSON] = {"replicates": self.replicates, "failed": self.failed, "reordered": self.another_order}
        if self.jaccard is not None:
            said["jaccard"] = list(self.jaccard)
        if self.refused:
            return {**said, "refused": self.refused}
        errors = _over(self.parameters, partial(np.std, axis=0, ddof=1))
        low, high = (_over(self.parameters, partial(np.quantile, q=level, axis=0)) for level in LEVELS)
        return {**said, "standard_errors": errors, "low": low, "high": high}


def _over(made: Sequence[Parameters], function: Callable[[Array], npt.ArrayLike]) -> dict[str, JSON]:
    """What a function makes of the values (replicates, ...) of each parameter; of a mapping, of its single numbers."""
    found: dict[str, JSON] = {}
    for key, value in made[0].items():
        if isinstance(value, Mapping):
            single = [name for name, one in value.items() if not isinstance(one, list)]
            found[key] = _over([{name: each[key][name] for name in single} for each in made], function)  # type: ignore[index,call-overload]
        else:
            found[key] = np.asarray(function(np.array([each[key] for each in made]))).tolist()
    return found


def refuse(data: Dataset, option: str = "--bootstrap") -> None:
    """Raise EmcliError (exit 3) for fractional weights: data cannot be drawn again by them, as an option asks."""
    weights = data.rows.weights
    fractional = any(warning.slug in ("fractional-weights", "weights-are-shares") for warning in data.warnings)
    if fractional or (weights is not None and (weights != np.floor(weights)).any()):
        what = f"{option} draws as many rows as the weights sum to, and they are not whole numbers"
        raise EmcliError(Exit.DATA, Problem(what, data.path), hint=f"leave {option} out, or scale the weights")


def bootstrapped(result: FitResult, replicates: int) -> Generator[int, None, FitResult]:
    """The result with a bootstrap of that many replicates (Efron & Tibshirani 1993, section 6.5).

    Yields the number done. Each replicate draws as many rows as the weights sum to, and is fitted from the fit and from
    random starts; these are left out where they never found better in the first PILOT_REPLICATES. The result has the
    same bytes for any number of processes.
    """
    kind, rows, search = result.kind, result.data.rows, result.settings.search
    found: list[tuple[Refit | None, bool]] = []
    jobs = usable_cores(search.jobs)
    step = max(MIN_REPLICATES_EACH * jobs, -(-replicates // PROGRESS_REPORTS))
    starts = RANDOM_STARTS if len(result.model.weights) > 1 else 0
    with process_map(jobs, rows.is_local) as mapper:
        for numbers in _blocks(replicates, step):
            if len(found) >= PILOT_REPLICATES and not any(better for _, better in found):
                starts = 0
            refits = [partial(_refitted, result, starts)] * len(numbers)
            for refit in mapper(call, refits, numbers):
                found.append(refit)
                yield len(found)
    kept = [refit for refit, _ in found if refit is not None]
    named = len(rows.components)
    orders = [_order(kind.distances(result.parameters, refit.parameters), named) for refit in kept]
    aligned = [reorder(refit.parameters, order.tolist()) for refit, (order, _) in zip(kept, orders, strict=True)]
    another = sum(
        (order != np.arange(len(order))).any() if refit.places_kept else not mutual
        for refit, (order, mutual) in zip(kept, orders, strict=True)
    )
    measured = [refit.jaccard for refit in kept if refit.jaccard is not None]
    jaccard = np.mean(measured, axis=0).tolist() if measured else None
    made = Bootstrap(replicates, replicates - len(kept), int(another), aligned, jaccard)
    warnings = result.warnings
    if made.refused:
        warnings = [*warnings, FitWarning("bootstrap-refused", f"no standard errors: {made.refused}")]
    return replace(result, bootstrap=made, warnings=warnings)


def _blocks(replicates: int, size: int) -> Iterator[range]:
    """The numbers of all replicates in blocks of at most that size, one of which ends with the pilot."""
    first = 0
    while first < replicates:
        end = PILOT_REPLICATES if first < PILOT_REPLICATES else replicates
        yield (numbers := range(first, min(first + size, end, replicates)))
        first = numbers.stop


def _refitted(result: FitResult, random_starts: int, number: int) -> tuple[Refit | None, bool]:
    """The best fit of a replicate, None where all its starts degenerate; and whether a random start brought it."""
    kind, rows, settings = result.kind, result.data.rows, result.settings
    rng = np.random.default_rng([settings.search.seed, SEED_STREAM, number])
    try:
        drawn, model = replicate(rows, settings.model, result.model, rng)
    except DataFault:
        return None, False
    asked = replace(settings.search, start=None, seed=int(rng.integers(2**31)))
    search = Search(kind, drawn, settings.model, asked, drawn.mapping(map))
    for _ in search.run(Run(1), model):
        pass
    for _ in search.fixed(random_starts):
        pass
    chosen = best_run(kind, search.ledger, asked.tol, searched=True)
    if chosen is None:
        return None, False
    found, from_fit = chosen.best.model, chosen.best.start == 1
    jaccard = best_jaccard(result, found) if rows.is_local else None
    parameters = found.to_original(drawn.scaling).to_parameters()
    if settings.model.fix is not None:  # rounding between the units moves what is held
        parameters = kind.from_parameters(parameters, settings.model, drawn).to_parameters()
    return Refit(parameters, from_fit, jaccard), not from_fit


def replicate(rows: Rows, settings: ModelSettings, model: AnyModel, rng: np.random.Generator) -> tuple[Rows, AnyModel]:
    """As many rows drawn from a fitted model, and the model with the prior that these give it. Raises DataFault."""
    kind = type(model)
    drawn = rows.redrawn(kind.observations, model, rng)
    if (settings.prior is None and rows.box is None) or rows.covariance is None:
        return drawn, model
    anew = replace(drawn, covariance=None, mean=None) if drawn.is_local else with_moments(drawn, map)
    drawn = kind.requirements(settings).check(anew)
    return drawn, model.adapted(drawn, settings)


def best_jaccard(result: FitResult, refit: AnyModel) -> Array:
    """The Jaccard coefficient of each component's rows (k,) with those of the component of a refit most like it.

    Both models assign the rows of the data; a component without rows has 0.
    """
    rows, k = result.data.rows, len(refit.shares)
    pairs = labels_of(result.model, rows) * k + labels_of(refit, rows)
    both = np.bincount(pairs, rows.weights, k * k).reshape(k, k)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0) - both
    return np.asarray((both / np.maximum(either, 1e-300)).max(axis=1))


def _order(distances: Array, named: int = 0) -> tuple[IndexArray, bool]:
    """The component of a refit for each of the fit, and whether each is also the nearest to it.

    So many that have names are the same in both.
    """
    if named:
        own = np.diag_indices(named)
        distances[:named] = distances[:, :named] = APART
        distances[own] = 0.0
    order = match_components(distances)
    return order, bool(
        (distances.argmin(axis=1) == order).all() and (distances.argmin(axis=0)[order] == np.arange(len(order))).all()
    )
