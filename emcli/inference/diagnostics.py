"""Diagnostics of a finished fit: which optimum to return, and warnings about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log
from typing import NamedTuple

import numpy as np

from emcli.config.settings import ModelSettings, Solver
from emcli.data.rows import Rows
from emcli.errors import FitWarning, counted
from emcli.inference.information import FLAT, Information, InformationCache, information
from emcli.inference.newton import higher_beside
from emcli.inference.runs import Run
from emcli.inference.search.optima import (
    SAME_OPTIMUM_INERTIA_SHARE,
    drawn_starts,
    margin,
    optima_count,
    roots_of_best,
    set_aside,
)
from emcli.inference.starts import EXACT
from emcli.models.base import AnyModel, Degenerate
from emcli.models.complete_data import AnyCompleteDataModel
from emcli.models.em import pooled_e_step
from emcli.models.statistics import Stats
from emcli.types import Array, Batch, Mapper

SUSPECT = 1e-4  # curvature, up to which a direction may prove flat when the others have come to their maximum
EQUAL_NATS = 1e-6  # difference of log-likelihoods up to which they are equal
MOVES = (1.0, -1.0, 0.1, -0.1)  # along a flat direction, in sds of the complete data
RELAXING_STEPS = 3  # of Newton's method
MANY = 0.25  # of the starts, that collapsed, from which that is said where it is known why
MOSTLY = 0.75  # of them, from which it is said in any case
VERY_STRONG = 10.0  # evidence, of a difference in BIC (Kass & Raftery 1995)
BIC_EVIDENCE = ((2.0, "weak"), (6.0, "positive"), (VERY_STRONG, "strong"), (np.inf, "very strong"))

OTHER_SHAPE = {"full": "diag", "tied": "diag", "diag": "spherical", "spherical": "diag"}  # that may show more
OTHER_SHAPE_OF_A_LINE = {"full": "tied", "tied": "full", "diag": "tied", "spherical": "tied"}


class BestRun(NamedTuple):
    """The run to return, and what is told beside it."""

    best: Run
    aside: Sequence[Run] = ()  # higher ones that were set aside because chance explains them, the highest first
    smaller: Sequence[Run] = ()  # of fewer components


def best_run(
    kind: type[AnyModel], ledger: Sequence[Run], tol: float, smaller: Sequence[Run] = (), searched: bool = False
) -> BestRun | None:
    """The highest run without an artefact; of runs within `tol` the lowest-numbered. None where there is no fit.

    Where none of these is higher than all of `smaller`, runs of fewer components, the highest run with a component of
    too few rows; where there is none either, and others were set aside or collapsed, there is no fit
    after a search, and after starts whose number was given the highest that was set aside.
    """
    finished = [run for run in ledger if run.finished]
    kept = [run for run in finished if not set_aside(run)]
    clean = [run for run in kept if run.artefact is None]
    least = max((run.scores[-1] for run in smaller), default=-np.inf)
    if kept and not any(run.scores[-1] > least + margin(kind, least) for run in clean):
        lost = len(kept) < len(finished) or any(run.status == "degenerate" for run in ledger)
        thin = [run for run in kept if run.artefact is not None]
        clean = thin or ([] if lost and not kind.hard else clean)
    if not clean and searched:
        return None
    clean = clean or finished
    if not clean:
        return None
    top = max(run.scores[-1] for run in clean)
    within = SAME_OPTIMUM_INERTIA_SHARE * abs(top) if kind.hard else tol
    best = next(run for run in clean if run.scores[-1] >= top - within)
    higher = [run for run in finished if set_aside(run) and run.scores[-1] > top + margin(kind, top)]
    return BestRun(best, sorted(higher, key=lambda run: -run.scores[-1]), smaller)


def _found_once(ledger: Sequence[Run], drawn: Sequence[Run], best: Run) -> FitWarning:
    """The warning that one start alone led to the best optimum."""
    collapsed = sum(run.status == "degenerate" for run in drawn)
    others = f" ({collapsed} of them collapsed)" if collapsed else ""
    if best.source is not None:
        message = f"only moves from one of {len(drawn)} starts{others} found this optimum"
    else:
        message = f"only one of {len(drawn)} starts{others} found this optimum"
    more = f"try --restarts {10 * len(drawn)}"
    return FitWarning("found-once", f"{message}, so a better one may well exist; {more}")


def _set_aside(kind: type[AnyModel], chosen: BestRun, sample_size: float) -> list[FitWarning]:
    """The warning that higher optima were set aside: how many, how much higher, why, and whether fewer would do."""
    if not chosen.aside or (highest := chosen.aside[0]).artefact is None:
        return []
    optima = optima_count(kind, chosen.aside, honest=False)
    by = f"{highest.scores[-1] - chosen.best.scores[-1]:.3g}"
    where = f"an optimum higher by {by} was set aside: in"
    if optima > 1:
        where = f"{optima} optima higher by up to {by} were set aside: in the highest,"
    message = f"{where} start {highest.start} {highest.artefact.why}"

    def bic(run: Run) -> float:
        return float(-2 * run.scores[-1] + run.model.parameters_count * np.log(sample_size))

    fewer = min(chosen.smaller, key=bic, default=None)
    if fewer is not None and bic(fewer) < min(bic(highest), bic(chosen.best)):
        message += f"; BIC prefers {counted(len(fewer.model.weights), 'component')}"
    return [FitWarning("optimum-set-aside", message)]


def _collapsed(drawn: Sequence[Run], cause: Callable[[], tuple[str, str] | None]) -> list[FitWarning]:
    """The warning that many starts collapsed: with what in the data makes them, and a hint, where that is known."""
    collapsed = sum(run.status == "degenerate" for run in drawn)
    if collapsed < MANY * len(drawn) or not collapsed:
        return []
    message = f"{collapsed} of {len(drawn)} starts collapsed onto too few rows"
    if (told := cause()) is not None:
        return [FitWarning("collapsed-starts", f"{message}: {told[0]}; {told[1]}")]
    if collapsed < MOSTLY * len(drawn):
        return []
    hint = "try a smaller -k or a simpler --covariance, or --noise if some rows lie far from all groups"
    return [FitWarning("collapsed-starts", f"{message}, so little was searched; {hint}")]


def run_warnings(
    kind: type[AnyModel],
    ledger: Sequence[Run],
    chosen: BestRun,
    max_iter: int,
    sample_size: float,
    cause: Callable[[], tuple[str, str] | None] = lambda: None,
) -> list[FitWarning]:
    """Warnings about the returned optimum that follow from the ledger; of an unfinished run, only that it is one.

    Nothing of start values, where no iteration was asked for. cause: what in the data makes starts collapse, and
    a hint.
    """
    if chosen.best.is_start:
        return []
    if chosen.best.status == "max_iter":
        left = (
            ""
            if chosen.best.decrement is None
            else f" with about {chosen.best.decrement:.2g} of log-likelihood still to gain"
        )
        return [FitWarning("slow", f"stopped at --max-iter {max_iter}{left}; raise it to go on")]
    found = []
    best = chosen.best
    drawn = drawn_starts(ledger)
    known = any(run.kind == EXACT for run in ledger)
    searched = len(drawn) > 1 and not known and len(best.model.weights) > 1
    if searched and len(roots_of_best(kind, ledger, best)) < 2:
        found.append(_found_once(ledger, drawn, best))
    found += _collapsed(drawn, cause)
    if best.symmetric:
        message = "the start had equal components, which EM can never tell apart"
        found.append(FitWarning("symmetric-start", f"{message}: draw others with another --seed, or use a smaller -k"))
    found += _set_aside(kind, chosen, sample_size)
    if best.artefact is not None:
        few = "" if best.artefact.by_chance else ", too few to tell a cluster from chance"
        message = f"{best.artefact.why}{few}; no better optimum was found"
        fewer = max(chosen.smaller, key=lambda run: run.scores[-1], default=best)
        if (more := fewer.scores[-1] - best.scores[-1]) > margin(kind, best.scores[-1]):
            k = len(fewer.model.weights)
            message += f", and {counted(k, 'component')} reach{'es' * (k == 1)} one higher by {more:.3g}"
        found.append(FitWarning("few-rows", f"{message}, try a smaller -k or a simpler --covariance"))
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


def optimum_warnings(
    model: AnyModel, stats: Stats, rows: Rows, settings: ModelSettings, seen: Judgement | None, solver: Solver | None
) -> list[FitWarning]:
    """Warnings about the fitted model; `seen` is what its curvatures say, None where they are not computed."""
    found = []
    saddle = seen is not None and seen.saddle
    if not saddle and (twins := model.identical_components()):
        message = f"components {twins[0] + 1} and {twins[1] + 1} are the same: the data do not need them both"
        other = ", or --mixing free" if settings.mixing == "equal" else ""  # copies stand in for a larger weight
        found.append(FitWarning("identical-components", f"{message}; use a smaller -k{other}"))
    if reason := model.unidentifiable(rows, settings) or model.unobserved(stats, rows):
        found.append(FitWarning("not-identifiable", reason))
    elif seen is not None and not seen.identifiable:
        message = "some change of the parameters leaves the likelihood as it is, so these values are one choice of many"
        found.append(FitWarning("not-identifiable", f"{message}; use a smaller -k"))
    if saddle:
        message = "the fit stopped at a saddle point, not a maximum: try other starts"
        leaving = ", or --solver newton, since plain EM stays there" if solver == "em" else ""
        found.append(FitWarning("saddle", message + leaving))
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
    message = f"{of or f'with {settings.mixing} mixing'} BIC prefers a single component, by "
    message += f"{difference:.1f}" if difference >= 0.05 else f"{difference:.1g}"
    other = (OTHER_SHAPE if columns > 1 else OTHER_SHAPE_OF_A_LINE).get(shape or "")
    hint = f"; try -k 1, or --covariance {other}" if other else "; try -k 1"
    words = f"{message} ({strength} by Kass & Raftery 1995; {total:g} rows){hint}"
    return [FitWarning("one-component-suffices", words)]


def unequal_mixing_warning(sizes: Array, sample_size: float) -> list[FitWarning]:
    """A warning where BIC asks for free mixing weights; sizes: (k,) responsibilities summed over rows of a fit.

    The log-likelihood rises at least by what an EM step gains in the mixing weights, Σ s ln(k s / Σ s): an M-step sets
    them to the shares s / Σ s, and no term of its expected log-likelihood falls (Dempster, Laird & Rubin 1977).
    """
    shares = sizes / sizes.sum()
    gain = sample_size * float(np.sum(shares * np.log(np.maximum(shares, 1e-300) * len(shares))))
    lower = 2 * gain - (len(shares) - 1) * log(sample_size)
    if not lower > VERY_STRONG:
        return []
    what = f"components have from {100 * shares.min():.3g} % to {100 * shares.max():.3g} % of the rows, not equal parts"
    return [FitWarning("unequal-mixing", f"{what}: with --mixing free BIC is lower by {lower:.1f} or more")]
