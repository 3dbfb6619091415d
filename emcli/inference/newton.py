"""Newton's method with the observed information: where EM is slow, and for the last digits of a fit that converged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from emcli.inference.convergence import rounding_error
from emcli.inference.information import FLAT, InformationCache
from emcli.models.base import UNIT_ROUNDOFF, Degenerate, Stats
from emcli.models.complete_data import AnyCompleteDataModel
from emcli.models.em import Step, pooled_e_step, same_parameters
from emcli.types import Array, Batch, Mapper

WARM_UP_STEPS = 40  # EM steps first: they come near an optimum, and suffice where EM is fast
STEP_LENGTHS = (1.0, 0.5, 0.1)  # shares of a Newton step that are tried before an EM step
LENGTHS = 2.0 ** np.arange(-6.0, 7.0)  # of a natural parameter, which are tried along a direction of upward curvature
MIN_RISE_SHARE = 1e-4  # of the rise that the slope predicts, which a step must bring
MAX_POLISH_STEPS = 5
MAX_LEFT_SHARE = 0.25  # of the expected gain, which a polish step may leave


def newton(
    model: AnyCompleteDataModel, batches: Sequence[Batch], map: Mapper = map, known: InformationCache | None = None
) -> Iterator[Step]:
    """Yield the model, then each improvement: EM steps first, then steps with the observed information (Louis 1982).

    A step that would not raise the log-likelihood is shortened, and replaced by an EM step if that does not help. Ends
    only where an EM step changes nothing any more. known: a cache of the information, shared with others.
    """
    known = known or InformationCache(batches, map)
    stats = pooled_e_step(model, batches, map)
    yield Step(model, stats.score, stats.weight, stats.squares)
    taken = 0
    while True:
        better = _newton_step(model, stats, known, batches, map) if taken >= WARM_UP_STEPS else None
        kind = "em" if better is None else "newton"
        if better is None:
            improved = model.m_step(stats)
            if same_parameters(model, improved):
                return
            better = improved, pooled_e_step(improved, batches, map)
        model, stats = better
        taken += 1
        yield Step(model, stats.score, stats.weight, stats.squares, kind)


def _newton_step(
    model: AnyCompleteDataModel, stats: Stats, known: InformationCache, batches: Sequence[Batch], map: Mapper
) -> tuple[AnyCompleteDataModel, Stats] | None:
    """A better model by a Newton step, and the statistics of its E-step; None where no step length improves."""
    step, slope = known.at(model).ascent()
    if slope <= rounding_error(Step(model, stats.score, stats.weight, stats.squares)):
        return None
    for length in STEP_LENGTHS:
        try:
            moved = model.moved(length * step)
            moved_stats = pooled_e_step(moved, batches, map)
        except Degenerate:
            continue
        if moved_stats.score >= stats.score + MIN_RISE_SHARE * length * slope:
            return moved, moved_stats
    return None


def higher_beside(
    model: AnyCompleteDataModel, known: InformationCache, tol: float, batches: Sequence[Batch], map: Mapper = map
) -> AnyCompleteDataModel | None:
    """A model beside a stationary one that is more than `tol` nats higher; None where none is.

    It lies in a direction of upward curvature, which a saddle has, or inward from the boundary of the parameters.
    """
    values, directions, _ = known.at(model).curvatures
    ways = [_along(model, sign * direction) for direction in directions.T[values < -FLAT] for sign in (1.0, -1.0)]
    ways += model.inward(lambda near: pooled_e_step(near, batches, map))
    if not ways:
        return None
    best, top = None, pooled_e_step(model, batches, map).score + tol
    for way in ways:
        risen = False
        try:
            for moved in way:
                score = pooled_e_step(moved, batches, map).score
                if score > top:
                    best, top, risen = moved, score, True
                elif risen:
                    break
        except Degenerate:
            continue
    return best


def _along(model: AnyCompleteDataModel, direction: Array) -> Iterator[AnyCompleteDataModel]:
    """Models ever farther along a direction (p,)."""
    for length in LENGTHS:
        yield model.moved(length * direction / np.abs(direction).max())


def to_boundary(model: AnyCompleteDataModel, batches: Sequence[Batch], map: Mapper = map) -> Iterator[Step]:
    """Yield the model with one more parameter set to the boundary next to it, while that lowers no log-likelihood."""
    candidates = model.closed()
    stats: Stats | None = None
    while (moved := next(candidates, None)) is not None:
        stats = stats or pooled_e_step(model, batches, map)
        try:
            moved_stats = pooled_e_step(moved, batches, map)
        except Degenerate:
            continue
        if moved_stats.score >= stats.score - rounding_error(Step(model, stats.score, stats.weight, stats.squares)):
            model, stats = moved, moved_stats
            candidates = model.closed()
            yield Step(model, stats.score, stats.weight, stats.squares, "boundary")


def polish(
    model: AnyCompleteDataModel, known: InformationCache, batches: Sequence[Batch], map: Mapper = map
) -> Iterator[Step]:
    """Yield up to five whole Newton steps from a model that has converged, while each brings the score nearer to 0.

    The log-likelihood is flat here, and does not show what a step brings: ½ sᵀ J⁻¹ s does. No step where the observed
    information J is singular or indefinite, none that lowers the log-likelihood by more than rounding.
    """
    if len(model.weights) == 1:  # the M-step is exact
        return
    stats = pooled_e_step(model, batches, map)
    step, left = _whole_step(known, model)
    for _ in range(MAX_POLISH_STEPS):
        if step is None or left <= UNIT_ROUNDOFF**2 * stats.weight:
            return
        before, slack = left, rounding_error(Step(model, stats.score, stats.weight, stats.squares))
        try:
            moved = model.moved(step)
            moved_stats = pooled_e_step(moved, batches, map)
            step, left = _whole_step(known, moved)
        except Degenerate:
            return
        if step is None or left > MAX_LEFT_SHARE * before or moved_stats.score < stats.score - slack:
            return
        model, stats = moved, moved_stats
        yield Step(model, stats.score, stats.weight, stats.squares, "polish")


def _whole_step(known: InformationCache, model: AnyCompleteDataModel) -> tuple[Array | None, float]:
    """The step J⁻¹ s (p,) and the gain ½ sᵀ J⁻¹ s to expect of it; None where J is not positive definite."""
    values, directions, slopes = known.at(model).curvatures
    if values.min(initial=1.0) <= FLAT:
        return None, 0.0
    return directions @ (slopes / values), float(np.sum(slopes**2 / (2 * values)))
