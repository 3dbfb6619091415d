"""Newton's method with the observed information: where EM is slow, and for the last digits of a fit that converged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from emcli.inference.convergence import rounding_error
from emcli.inference.information import FLAT, MAX_STEP, InformationCache, SampledInformation
from emcli.models.base import Degenerate
from emcli.models.complete_data import AnyCompleteDataModel
from emcli.models.em import Step, pooled_e_step, same_parameters
from emcli.models.statistics import Stats
from emcli.types import Array, Batch, Mapper

WARM_UP_STEPS = 40  # EM steps first: they come near an optimum, and suffice where EM is fast
RENEWED_EVERY = 10  # steps, after which the information is computed anew
SAMPLED_FLOOR = 0.05  # share of the complete-data information that the curvatures of a sample are known to
MAX_LENGTHS = 3  # of a step, that are tried before an EM step
MIN_SHORTENING, MAX_SHORTENING = 0.1, 0.5  # from one to the next
LENGTHS = 2.0 ** np.arange(-6.0, 7.0)  # of a natural parameter, which are tried along a direction of upward curvature
MIN_RISE_SHARE = 1e-4  # of the rise that the slope predicts, which a step must bring
MAX_POLISH_STEPS = 5
POLISHED = 1e-13  # of a component's sd: a distance from the maximum that is left
MAX_CARRIED = 1e-6  # nats that a polish step gains: 0.0014 standard errors, over which curvatures stay as they are
MAX_LEFT_SHARE = 0.25  # of the expected gain, which a polish step may leave


def newton(
    model: AnyCompleteDataModel,
    batches: Sequence[Batch],
    map: Mapper = map,
    known: InformationCache | None = None,
    sampled: SampledInformation | None = None,
) -> Iterator[Step]:
    """Yield the model, then each improvement: EM steps first, then steps with the observed information (Louis 1982).

    A step that would not raise the log-likelihood is shortened, and replaced by an EM step if that does not help. Ends
    only where an EM step changes nothing any more. known: a cache of the information, shared with others. sampled: that
    of a sample at whose optimum the model is; no EM steps are needed then.
    """
    climb = _Climb(batches, map, known or sampled or InformationCache(batches, map), sampled)
    stats = pooled_e_step(model, batches, map)
    yield Step.of(model, stats)
    warm_up = 0 if sampled else WARM_UP_STEPS
    taken = 0
    while True:
        better = climb.step(model, stats) if taken >= warm_up else None
        kind, ahead = "newton", climb.ahead
        if better is None:
            improved = model.m_step(stats)
            if same_parameters(model, improved):
                return
            better = improved, pooled_e_step(improved, batches, map)
            kind, ahead = "em", None
        model, stats = better
        taken += 1
        yield Step.of(model, stats, kind, ahead)


@dataclass(eq=False, repr=False)
class _Climb:
    """Steps with an inverse of the information that is computed now and then, and between by BFGS updates.

    These (Nocedal & Wright 2006, equation 6.17) learn from the slopes, which an E-step says by the way, at a small part
    of the work of the information. Charts of successive models differ by a step, which is small near an optimum.
    """

    batches: Sequence[Batch]
    map: Mapper
    known: InformationCache
    sampled: SampledInformation | None  # for the first information
    ahead: float | None = None  # nats that one more step may bring
    _inverse: Array | None = None  # (p, p)
    _age: int = 0  # steps since it was computed
    _radius: float = MAX_STEP  # of a natural parameter in one step

    def step(self, model: AnyCompleteDataModel, stats: Stats) -> tuple[AnyCompleteDataModel, Stats] | None:
        """A better model and the statistics of its E-step; None where no step length improves."""
        gradient = model.gradient(stats)
        fresh = self._inverse is None or gradient is None or self._age >= RENEWED_EVERY
        if fresh or (self._age and self.known.kept(model) is not None):
            gradient = self._renew(model, gradient)
        assert gradient is not None
        found = self._tried(model, stats, gradient)
        if found is None and self._age:
            found = self._tried(model, stats, self._renew(model, gradient))
        if found is None:
            self._inverse = None  # an EM step follows
        return found

    def _renew(self, model: AnyCompleteDataModel, gradient: Array | None) -> Array:
        """Compute the inverse anew; return the slopes."""
        if self.sampled is not None and gradient is not None:
            info, floor = self.sampled.matrices(model), SAMPLED_FLOOR
            if self.known is not self.sampled:
                self.sampled = None  # near an optimum that of all rows is needed
        else:
            info, floor = self.known.at(model), FLAT
            gradient = info.score if gradient is None else gradient
        self._inverse, self._age = info.inverse(gradient, floor), 0
        return gradient

    def _tried(
        self, model: AnyCompleteDataModel, stats: Stats, gradient: Array
    ) -> tuple[AnyCompleteDataModel, Stats] | None:
        assert self._inverse is not None
        step = self._inverse @ gradient
        step *= min(1.0, self._radius / max(float(np.abs(step).max(initial=0.0)), 1e-300))
        slope = float(step @ gradient)
        if slope <= rounding_error(stats):
            return None
        length = 1.0
        for _ in range(MAX_LENGTHS):
            shorter = MIN_SHORTENING * length
            try:
                moved = model.moved(length * step)
                moved_stats = pooled_e_step(moved, self.batches, self.map)
            except Degenerate:
                length = shorter
                continue
            rise = moved_stats.score - stats.score
            if rise >= MIN_RISE_SHARE * length * slope:
                self._learn(length * step, gradient, moved.gradient(moved_stats))
                reached = length * float(np.abs(step).max())
                self._radius = reached if length < 1.0 else min(max(self._radius, 2.0 * reached), MAX_STEP)
                return moved, moved_stats
            top = 0.5 * slope * length**2 / (slope * length - rise)  # of the parabola with this slope and rise
            length = min(max(top, shorter), MAX_SHORTENING * length)
        return None

    def _learn(self, step: Array, before: Array, after: Array | None) -> None:
        """Update the inverse by a step and the slopes at its ends."""
        self._age += 1
        if after is None or self._inverse is None:
            self.ahead = None
            return
        fall = before - after
        curvature = float(step @ fall)
        if curvature > MIN_RISE_SHARE * float(step @ before):
            turned = self._inverse @ fall
            cross = np.outer(turned, step)
            self._inverse = self._inverse + (
                np.outer(step, step) * ((curvature + fall @ turned) / curvature**2) - (cross + cross.T) / curvature
            )
        self.ahead = float(0.5 * after @ self._inverse @ after)


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
        if moved_stats.score >= stats.score - rounding_error(stats):
            model, stats = moved, moved_stats
            candidates = model.closed()
            yield Step.of(model, stats, "boundary")


def polish(
    model: AnyCompleteDataModel, known: InformationCache, batches: Sequence[Batch], map: Mapper = map
) -> Iterator[Step]:
    """Yield up to five whole Newton steps from a model that has converged, while each brings the score nearer to 0.

    The log-likelihood is flat here, and does not show what a step brings: ½ sᵀ J⁻¹ s does. No step where the observed
    information J of the first model is singular or indefinite, none that lowers the log-likelihood by more than
    rounding.
    """
    if model.is_explicit:
        return
    stats = pooled_e_step(model, batches, map)
    inverse = _whole_inverse(known, model)
    gradient = model.gradient(stats)
    if gradient is None:
        gradient = known.at(model).score
    for _ in range(MAX_POLISH_STEPS):
        if inverse is None:
            return
        step = inverse @ gradient
        left = float(0.5 * step @ gradient)
        if left <= POLISHED**2 * stats.weight:
            return
        try:
            moved = model.moved(step)
            moved_stats = pooled_e_step(moved, batches, map)
            gradient = moved.gradient(moved_stats)
            if gradient is None:
                inverse, gradient = _whole_inverse(known, moved), known.at(moved).score
        except Degenerate:
            return
        if inverse is None or moved_stats.score < stats.score - rounding_error(stats):
            return
        if float(0.5 * gradient @ inverse @ gradient) > MAX_LEFT_SHARE * left:
            return
        if left <= MAX_CARRIED:
            known.carry(model, moved, gradient)
        model, stats = moved, moved_stats
        yield Step.of(model, stats, "polish")


def _whole_inverse(known: InformationCache, model: AnyCompleteDataModel) -> Array | None:
    """J⁻¹ (p, p), the inverse of the observed information; None where that is not positive definite."""
    values, directions, _ = known.at(model).curvatures
    return None if values.min(initial=1.0) <= FLAT else (directions / values) @ directions.T
