"""How far a fit can be trusted: which optimum to return, and what to warn of, in words that can be acted on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.errors import FitWarning
from emcli.inference.information import Information
from emcli.inference.starts import EXACT, Run
from emcli.models.base import AnyModel
from emcli.models.em import pooled_e_step
from emcli.types import Mapper

REACHED = 1e-4  # nats from another score that count as the same optimum
REACHED_INERTIA = 1e-9  # part of the inertia, for hard assignments
STRENGTH = ((2.0, "weak"), (6.0, "positive"), (10.0, "strong"), (np.inf, "very strong"))  # Kass & Raftery 1995


class BestRun(NamedTuple):
    """The start to return; and where a higher one was set aside, that one and why."""

    best: Run
    aside: Run | None = None
    why: str | None = None  # what makes the highest optimum spurious, whether it is returned or set aside


def same_optimum(kind: type[AnyModel], one: float, other: float) -> bool:
    """Do two scores belong to one optimum?"""
    return abs(one - other) <= (REACHED_INERTIA * max(abs(one), abs(other)) if kind.hard else REACHED)


def best_run(kind: type[AnyModel], rows: Rows, ledger: Sequence[Run], tol: float, mapper: Mapper) -> BestRun | None:
    """The highest optimum that is not spurious, else the highest; of equals within `tol` the lowest-numbered start."""
    finished = [entry for entry in ledger if entry.finished]
    if not finished:
        return None
    first = None
    left = finished
    while left:
        top = max(entry.scores[-1] for entry in left)
        margin = REACHED_INERTIA * abs(top) if kind.hard else tol
        entry = next(entry for entry in left if entry.scores[-1] >= top - margin)
        why = entry.model.spurious(partial(pooled_e_step, entry.model, rows.batches(), mapper), rows)
        if why is None:
            return BestRun(entry, *(first or (None, None)))
        first = first or (entry, why)
        left = [other for other in left if other.scores[-1] < top and not same_optimum(kind, other.scores[-1], top)]
    assert first is not None
    return BestRun(first[0], None, first[1])


def _optimum(entry: Run) -> float | None:
    """The score by which starts are told apart: on the sample where they were screened, else on all rows."""
    if entry.sampled is not None:
        return float(entry.sampled)
    return entry.scores[-1] if entry.status == "converged" and entry.origin is None else None


def reached(kind: type[AnyModel], ledger: Sequence[Run], best: Run) -> int:
    """How many starts reached the optimum of the best, that one included."""
    others = [entry for entry in ledger if entry is not best]
    count = 1
    for entry in others:
        if entry.sampled is not None and best.sampled is not None:
            count += same_optimum(kind, entry.sampled, best.sampled)
        elif entry.finished:
            count += same_optimum(kind, entry.scores[-1], best.scores[-1])
    return count


def optima_found_once(kind: type[AnyModel], ledger: Sequence[Run]) -> tuple[int, int]:
    """How many optima only one start found, and how many starts finished (Good & Turing: Good 1953, equation 9).

    Their ratio estimates the chance that one more start finds an optimum that none has found so far.
    """
    scores = sorted(score for entry in ledger if (score := _optimum(entry)) is not None)
    groups: list[list[float]] = []
    for score in scores:
        if groups and same_optimum(kind, groups[-1][0], score):
            groups[-1].append(score)
        else:
            groups.append([score])
    return sum(len(group) == 1 for group in groups), len(scores)


def run_warnings(kind: type[AnyModel], ledger: Sequence[Run], choice: BestRun, max_iter: int) -> list[FitWarning]:
    """What the ledger says of the optimum that is returned."""
    said = []
    finished = [entry for entry in ledger if entry.finished]
    tried = sum(entry.finished or entry.sampled is not None for entry in ledger)
    ended = choice.best.status != "max_iter"  # a climb that was cut short has found no optimum
    if (
        ended
        and reached(kind, ledger, choice.best) == 1
        and tried > 1
        and not any(entry.origin == EXACT for entry in finished)
    ):
        message = f"only one of {tried} starts found this optimum, so a better one may well exist"
        said.append(FitWarning("found-once", f"{message}; try --restarts {10 * len(ledger)}"))
    if choice.best.symmetric:
        said.append(
            FitWarning("symmetric-start", "the start had equal components, which EM can never tell apart: draw others "
                    "with another --seed, or use a smaller -k")
        )  # fmt: skip
    if choice.aside is not None:
        said.append(
            FitWarning("spurious-component", f"a higher optimum, of start {choice.aside.start}, was set aside as an "
                    f"artefact: {choice.why}")
        )  # fmt: skip
    elif choice.why is not None:
        said.append(
            FitWarning("spurious-component", f"probably an artefact: {choice.why}; no other optimum was found, try a "
                    "smaller -k or a simpler --covariance")
        )  # fmt: skip
    if choice.best.status == "max_iter":
        left = "" if choice.best.decrement is None else f" with about {choice.best.decrement:.2g} nats still to gain"
        said.append(FitWarning("slow", f"stopped at --max-iter {max_iter}{left}; raise it to go on"))
    return said


def optimum_warnings(
    model: AnyModel, rows: Rows, settings: ModelSettings, seen: Information | None
) -> list[FitWarning]:
    """What the fitted model says of itself; `seen` is the information at it, where that can be had."""
    said = []
    if twins := model.identical_components():
        message = f"components {twins[0] + 1} and {twins[1] + 1} are the same: the data do not need them both"
        said.append(FitWarning("identical-components", f"{message}; use a smaller -k"))
    if reason := model.unidentifiable(rows, settings):
        said.append(FitWarning("not-identifiable", reason))
    elif seen is not None and seen.deficient():
        message = "some change of the parameters leaves the likelihood as it is, so these values are one choice of many"
        said.append(FitWarning("not-identifiable", f"{message}; use a smaller -k"))
    if seen is not None and seen.saddle():
        message = "this is a saddle, not a maximum: a small change of the parameters would raise the log-likelihood"
        said.append(FitWarning("saddle", f"{message}; start elsewhere, with --restarts or another --start"))
    return said


def one_component_warning(bic: float, bic_of_one: float, total: float) -> list[FitWarning]:
    """Do the data support more than one component at all? By BIC, smaller is better."""
    difference = bic - bic_of_one
    if difference <= 0:
        return []
    strength = next(word for limit, word in STRENGTH if difference < limit)
    message = f"BIC does not support more than one component (difference {difference:.1f}: {strength}; {total:g} rows)"
    return [FitWarning("one-component-suffices", message)]
