"""Diagnostics of a finished fit: which optimum to return, and warnings about it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.errors import FitWarning
from emcli.inference.information import FLAT, Information, InformationCache, information
from emcli.inference.newton import higher_beside
from emcli.inference.starts import EXACT_ORIGIN, Run
from emcli.models.base import AnyModel, Degenerate
from emcli.models.complete_data import AnyCompleteDataModel
from emcli.models.em import pooled_e_step
from emcli.types import Batch, Mapper

SAME_OPTIMUM_NATS = 1e-4  # difference of two scores up to which they belong to one optimum
SAME_OPTIMUM_INERTIA_SHARE = 1e-9  # the same for hard assignments, relative to the inertia
SUSPECT = 1e-4  # curvature, up to which a direction may prove flat when the others have come to their maximum
EQUAL_NATS = 1e-6  # difference of log-likelihoods up to which they are equal
MOVES = (1.0, -1.0, 0.1, -0.1)  # along a flat direction, in sds of the complete data
RELAXING_STEPS = 3  # of Newton's method
BIC_EVIDENCE = ((2.0, "weak"), (6.0, "positive"), (10.0, "strong"), (np.inf, "very strong"))  # Kass & Raftery 1995

OTHER_SHAPE = {"full": "diag", "tied": "diag", "diag": "spherical", "spherical": "diag"}  # that may show more
OTHER_SHAPE_OF_A_LINE = {"full": "tied", "tied": "full", "diag": "tied", "spherical": "tied"}


class BestRun(NamedTuple):
    """The run to return, and a higher one that was set aside as spurious, if there is one."""

    best: Run
    aside: Run | None = None
    why: str | None = None  # what makes the highest optimum spurious, whether it is returned or set aside


def same_optimum(kind: type[AnyModel], one: float, other: float) -> bool:
    """Do two scores belong to one optimum?"""
    return abs(one - other) <= (
        SAME_OPTIMUM_INERTIA_SHARE * max(abs(one), abs(other)) if kind.hard else SAME_OPTIMUM_NATS
    )


def best_run(kind: type[AnyModel], rows: Rows, ledger: Sequence[Run], tol: float, mapper: Mapper) -> BestRun | None:
    """The highest run that is not spurious, else the highest; of runs within `tol` the lowest-numbered."""
    finished = [run for run in ledger if run.finished]
    if not finished:
        return None
    first = None
    left = finished
    while left:
        top = max(run.scores[-1] for run in left)
        margin = SAME_OPTIMUM_INERTIA_SHARE * abs(top) if kind.hard else tol
        run = next(run for run in left if run.scores[-1] >= top - margin)
        why = run.model.spurious(partial(pooled_e_step, run.model, rows.batches(), mapper), rows)
        if why is None:
            return BestRun(run, *(first or (None, None)))
        first = first or (run, why)
        left = [other for other in left if other.scores[-1] < top and not same_optimum(kind, other.scores[-1], top)]
    assert first is not None
    return BestRun(first[0], None, first[1])


def _optimum(run: Run) -> float | None:
    """The score of the optimum that a run found: on the sample where it was screened, else on all rows."""
    if run.sampled is not None:
        return float(run.sampled)
    return run.scores[-1] if run.status == "converged" and run.origin is None else None


def reached(kind: type[AnyModel], ledger: Sequence[Run], best: Run) -> int:
    """The number of starts that reached the optimum of the best run, which is counted too."""
    others = [run for run in ledger if run is not best]
    count = 1
    for run in others:
        if run.sampled is not None and best.sampled is not None:
            count += same_optimum(kind, run.sampled, best.sampled)
        elif run.finished:
            count += same_optimum(kind, run.scores[-1], best.scores[-1])
    return count


def optima_found_once(kind: type[AnyModel], ledger: Sequence[Run]) -> tuple[int, int]:
    """The number of optima found by one start only, and of starts that found an optimum (Good 1953, equation 9).

    Their ratio is the Good-Turing estimate of the chance that one more start finds a new optimum.
    """
    scores = sorted(score for run in ledger if (score := _optimum(run)) is not None)
    groups: list[list[float]] = []
    for score in scores:
        if groups and same_optimum(kind, groups[-1][0], score):
            groups[-1].append(score)
        else:
            groups.append([score])
    return sum(len(group) == 1 for group in groups), len(scores)


def run_warnings(kind: type[AnyModel], ledger: Sequence[Run], chosen: BestRun, max_iter: int) -> list[FitWarning]:
    """Warnings about the returned optimum that follow from the ledger; of an unfinished run, only that it is one."""
    if chosen.best.status == "max_iter":
        left = "" if chosen.best.decrement is None else f" with about {chosen.best.decrement:.2g} nats still to gain"
        return [FitWarning("slow", f"stopped at --max-iter {max_iter}{left}; raise it to go on")]
    found = []
    finished = [run for run in ledger if run.finished]
    tried = sum(run.finished or run.sampled is not None for run in ledger)
    if (
        reached(kind, ledger, chosen.best) == 1
        and tried > 1
        and not any(run.origin == EXACT_ORIGIN for run in finished)
    ):
        message = f"only one of {tried} starts found this optimum, so a better one may well exist"
        found.append(FitWarning("found-once", f"{message}; try --restarts {10 * len(ledger)}"))
    if chosen.best.symmetric:
        message = "the start had equal components, which EM can never tell apart"
        found.append(FitWarning("symmetric-start", f"{message}: draw others with another --seed, or use a smaller -k"))
    if chosen.aside is not None:
        message = f"a higher optimum, of start {chosen.aside.start}, was set aside as an artefact: {chosen.why}"
        found.append(FitWarning("spurious-component", message))
    elif chosen.why is not None:
        message = f"probably an artefact: {chosen.why}; no other optimum was found"
        found.append(FitWarning("spurious-component", f"{message}, try a smaller -k or a simpler --covariance"))
    return found


class Judgement(NamedTuple):
    """What the slopes and curvatures of the log-likelihood say of the point where a fit ended."""

    gain: float | None  # nats still to come; None where that is not known
    saddle: bool  # is the log-likelihood higher beside it, though stationary?
    identifiable: bool  # does every change of the parameters change the likelihood?


def judge(
    model: AnyCompleteDataModel, known: InformationCache, tol: float, batches: Sequence[Batch], mapper: Mapper
) -> Judgement:
    """Judge a point where a fit converged: a maximum, a saddle, or one of many points of equal likelihood."""
    curvatures = known.at(model).curvatures
    saddle = higher_beside(model, known, tol, batches, mapper) is not None
    identifiable = saddle or bool((model.weights > 0).all())
    suspect = int((np.abs(curvatures.values) <= SUSPECT).sum())
    if suspect and identifiable and not saddle:
        identifiable = not _has_equals(model, suspect, batches, mapper)
    return Judgement(None if saddle else curvatures.gain(tol), saddle, identifiable)


def _has_equals(model: AnyCompleteDataModel, flat: int, batches: Sequence[Batch], mapper: Mapper) -> bool:
    """Do models of equal likelihood lie either way along one of this many directions of least curvature?

    Such models may lie on a curve: after each move the other directions are brought to their maximum by Newton steps.
    """
    base, info = _relaxed(model, flat, batches, mapper)
    score = pooled_e_step(base, batches, mapper).score
    curvatures = info.curvatures
    for direction in curvatures.directions.T[np.abs(curvatures.values) <= FLAT]:
        try:
            moved = (_relaxed(base.moved(by * direction), flat, batches, mapper)[0] for by in MOVES)
            if all(abs(pooled_e_step(each, batches, mapper).score - score) < EQUAL_NATS for each in moved):
                return True
        except Degenerate:
            continue
    return False


def _relaxed(
    model: AnyCompleteDataModel, flat: int, batches: Sequence[Batch], mapper: Mapper
) -> tuple[AnyCompleteDataModel, Information]:
    """The maximum in all but the `flat` directions of least curvature, and its information. Raises Degenerate."""
    for _ in range(RELAXING_STEPS):
        info = information(model, batches, mapper)
        values, directions, slopes = info.curvatures
        rest = np.argsort(np.abs(values))[flat:]
        rest = rest[values[rest] > FLAT]
        model = model.moved(directions[:, rest] @ (slopes[rest] / values[rest]))
    return model, information(model, batches, mapper)


def optimum_warnings(model: AnyModel, rows: Rows, settings: ModelSettings, seen: Judgement | None) -> list[FitWarning]:
    """Warnings about the fitted model; `seen` is what its curvatures say, None where they are not computed."""
    found = []
    saddle = seen is not None and seen.saddle
    if not saddle and (twins := model.identical_components()):
        message = f"components {twins[0] + 1} and {twins[1] + 1} are the same: the data do not need them both"
        found.append(FitWarning("identical-components", f"{message}; use a smaller -k"))
    if reason := model.unidentifiable(rows, settings):
        found.append(FitWarning("not-identifiable", reason))
    elif seen is not None and not seen.identifiable:
        message = "some change of the parameters leaves the likelihood as it is, so these values are one choice of many"
        found.append(FitWarning("not-identifiable", f"{message}; use a smaller -k"))
    if saddle:
        message = "this is a saddle, not a maximum: a small change of the parameters would raise the log-likelihood"
        found.append(FitWarning("saddle", f"{message}; start elsewhere, or without --solver em, which stays there"))
    return found


def one_component_warning(
    bic: float, bic_of_one: float, total: float, settings: ModelSettings, columns: int
) -> list[FitWarning]:
    """A warning where BIC (smaller is better) does not support more than one component of this shape."""
    difference = bic - bic_of_one
    if difference <= 0:
        return []
    strength = next(word for limit, word in BIC_EVIDENCE if difference < limit)
    shape = settings.covariance
    of = f"with {'a' if settings.mixing == 'free' else 'equal mixing and a'} {shape} covariance" if shape else ""
    message = f"{of or f'with {settings.mixing} mixing'} BIC does not support more than one component"
    other = (OTHER_SHAPE if columns > 1 else OTHER_SHAPE_OF_A_LINE).get(shape or "")
    hint = f"; try --covariance {other}" if other else ""
    words = f"{message} (difference {difference:.1f}: {strength}; {total:g} rows){hint}"
    return [FitWarning("one-component-suffices", words)]
