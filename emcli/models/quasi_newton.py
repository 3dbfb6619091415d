"""Quasi-Newton steps from the slopes that E-steps tell, of several models at once (Jamshidian & Jennrich 1997)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

import numpy as np

from emcli.models.base import UNIT_ROUNDOFF, AnyModel, Degenerate
from emcli.models.complete_data import CompleteDataModel
from emcli.models.em import Stacked, Step, m_steps, pooled_e_step, same_parameters
from emcli.models.statistics import S, Stats
from emcli.types import Array, Batch, BoolArray, Mapper

WARM_UP_STEPS = 10  # of EM first …
MOST_GAIN = 0.3  # … and more, until one gains no more nats than this
MAX_STEP = 0.5  # of a coordinate in one step: about half an sd of a component
MAX_COORDINATES = 250  # up to which the inverse is quicker to learn from than EM is to go on
MIN_RISE_SHARE = 1e-4  # of the rise that the slope tells, which a step must bring
MIN_SHORTENING, MAX_SHORTENING = 0.1, 0.5  # from one length of a step that is tried to the next
MAX_LENGTHS = 3  # of a step, after which an EM step follows


def has_slopes(model: AnyModel) -> bool:
    """Are quasi-Newton steps made from this model, not Newton's?"""
    return isinstance(model, CompleteDataModel) and not model.has_information and model.has_slopes


class Climb(Stacked):
    """Models of one stack on their way up: by EM, then by steps with an inverse of the information that is learnt.

    It begins with that of the complete data, with which a step is nearly one of EM, and learns from the slopes at both
    ends of each step (BFGS, Nocedal & Wright 2006, equation 6.17). A step that does not raise the score is shortened.
    """

    def __init__(self, stack: AnyModel, batches: Sequence[Batch], mapper: Mapper, accelerated: bool = True) -> None:
        super().__init__(stack, batches, mapper)
        count = len(stack.weights)
        self.ahead = np.full(count, np.inf)  # nats that the next step may bring, where it is none of EM
        self.by_em = np.ones(count, dtype=bool)  # was the last step one of EM?
        self._taken, self._gain = np.zeros(count, dtype=np.intp), np.full(count, np.inf)
        self._radius, self._length = np.full(count, MAX_STEP), np.ones(count)
        self._failed, self._began = np.zeros(count, dtype=np.intp), np.zeros(count, dtype=bool)
        self._accelerated = accelerated and has_slopes(stack)
        self._inverse = np.empty((count, 0, 0))
        self._slopes = self._informed = np.empty((count, 0))
        self._look()

    def advance(self) -> tuple[BoolArray, BoolArray]:
        """One more step for all; which took it, and which degenerated. The others try a shorter one next."""
        climbs, step, rise = self._steps()
        stats = self.stats
        if climbs.any():
            assert isinstance(self.stack, CompleteDataModel)
            stats = _merged(climbs, self.stack.statistics_of(stats, step), stats)
        made, lost = m_steps(self.stack, stats)
        seen = self._e_step(made)
        gain = np.asarray(seen.score) - np.asarray(self.stats.score)
        finite = np.isfinite(seen.score) & ~lost
        done = finite & (~climbs | (gain >= MIN_RISE_SHARE * rise))
        dead = ~finite & ~climbs
        before = self._slopes
        if done.all():
            self.stack, self.stats = made, seen
        else:
            self._shorten(climbs & ~done, np.where(finite, gain, -np.inf), rise)
            pairs = zip(done.tolist(), range(len(done)), strict=True)
            self.stack = made.stacked([(made if ok else self.stack).member(i) for ok, i in pairs])
            self.stats = _merged(done, seen, self.stats)
        self._taken += done
        self._gain = np.where(done, gain, self._gain)
        self.by_em = np.where(done, ~climbs, self.by_em)
        self._look()
        self._learn(climbs & done, step, before)
        self._length = np.where(done, 1.0, self._length)
        self._failed = np.where(done, 0, self._failed)
        return done, dead

    def _e_step(self, stack: AnyModel) -> Stats:
        """That of a single model is quicker without the first axis where the table is large."""
        stats: Stats
        try:
            alone = len(stack.weights) == 1
            stats = pooled_e_step(stack.member(0) if alone else stack, self._batches, self._mapper)
        except Degenerate:  # of one model; in a stack its score is not finite
            alone, stats = False, pooled_e_step(stack, self._batches, self._mapper)
        if not alone:
            return stats
        lifted = {f.name: np.asarray(getattr(stats, f.name))[None] for f in fields(stats) if f.name != "weight"}
        return replace(stats, **lifted)  # type: ignore[arg-type]

    def _look(self) -> None:
        if self._accelerated:
            assert isinstance(self.stack, CompleteDataModel)
            with np.errstate(all="ignore"):
                self._slopes, self._informed = self.stack.slopes(self.stats)
            p = self._slopes.shape[-1]
            if p > MAX_COORDINATES:
                self._accelerated = False
            elif not self._inverse.size:
                self._inverse = np.zeros((len(self._slopes), p, p))

    def _steps(self) -> tuple[BoolArray, Array, Array]:
        """Which make no step of EM, steps (t, p), and by how much each would rise if the slope stayed."""
        count = len(self._taken)
        if not self._accelerated:
            return np.zeros(count, dtype=bool), np.empty((count, 0)), np.zeros(count)
        warm = (self._taken >= WARM_UP_STEPS) & ((self._gain <= MOST_GAIN) | self._began)
        climbs = (
            warm
            & (self._failed < MAX_LENGTHS)
            & np.isfinite(self._slopes).all(axis=-1)
            & (self._informed > 0).all(axis=-1)
        )
        fresh = climbs & ~self._began
        if fresh.any():
            i = np.arange(self._slopes.shape[-1])
            self._inverse[fresh] = 0.0
            self._inverse[np.flatnonzero(fresh)[:, None], i, i] = 1.0 / self._informed[fresh]
        self._began = climbs
        if not climbs.any():
            return climbs, np.zeros(self._slopes.shape), np.zeros(count)
        slopes = np.where(climbs[:, None], self._slopes, 0.0)
        step = np.matmul(self._inverse, slopes[..., None])[..., 0]
        rise = np.vecdot(step, slopes)
        climbs = climbs & (rise > 8 * UNIT_ROUNDOFF * np.abs(self.stats.score))
        longest = np.abs(step).max(axis=-1)
        length = self._length * np.minimum(1.0, self._radius / np.maximum(longest, 1e-300))
        return climbs, step * length[:, None], rise * length

    def _shorten(self, failed: BoolArray, gain: Array, rise: Array) -> None:
        """By the parabola with this slope and rise; after some lengths EM goes on, and what was learnt is forgotten."""
        top = 0.5 * rise / np.maximum(rise - gain, 1e-300)
        shorter = np.clip(top, MIN_SHORTENING, MAX_SHORTENING)
        self._length = np.where(failed, self._length * shorter, self._length)
        self._failed = self._failed + failed

    def _learn(self, some: BoolArray, step: Array, before: Array) -> None:
        """Update the inverse by a step and the slopes at its ends, and the longest step by the length of this one."""
        if not some.any():
            return
        reached = np.abs(step).max(axis=-1)
        grown = np.minimum(np.maximum(self._radius, 2.0 * reached), MAX_STEP)
        self._radius = np.where(some, np.where(self._failed > 0, reached, grown), self._radius)
        fall = before - self._slopes
        curvature = np.vecdot(step, fall)
        bends = some & (curvature > 1e-10 * np.linalg.norm(step, axis=-1) * np.linalg.norm(fall, axis=-1))
        along = np.matmul(self._inverse, fall[..., None])[..., 0]
        safe = np.where(bends, curvature, 1.0)[:, None]
        one = np.where(bends[:, None], step / safe, 0.0)
        other = 0.5 * (1.0 + np.vecdot(along, fall)[:, None] / safe) * step - along
        change = one[:, :, None] * other[:, None, :]
        self._inverse += change + change.swapaxes(-2, -1)
        left = 0.5 * np.vecdot(self._slopes, np.matmul(self._inverse, self._slopes[..., None])[..., 0])
        self.ahead = np.where(bends, left, np.inf)


def quasi_newton(model: AnyModel, batches: Sequence[Batch], mapper: Mapper = map) -> Iterator[Step]:
    """Yield the model, then each improvement; end only at a fixed point of the M-step."""
    climb = Climb(model.stacked([model]), batches, mapper)
    yield step_of(climb, 0, model)
    while True:
        done, dead = climb.advance()
        if dead.any():
            climb.stack.member(0).m_step(climb.stats.chosen(0))  # says why
            raise Degenerate("a row is so far from every component that it has no density")
        if not done.any():
            continue
        better = climb.stack.member(0)
        if climb.by_em[0] and same_parameters(model, better):
            return
        model = better
        yield step_of(climb, 0, model)


def step_of(climb: Climb, i: int, model: AnyModel) -> Step:
    """The last step of one of the models."""
    stats, by_em = climb.stats, bool(climb.by_em[i])
    score, squares = float(np.asarray(stats.score)[i]), float(np.broadcast_to(stats.squares, len(climb.by_em))[i])
    kind, ahead = ("em", None) if by_em else ("quasi-newton", float(climb.ahead[i]))
    return Step(model, score, stats.weight, squares, kind, ahead)


def _merged(which: BoolArray, one: S, other: S) -> S:
    """The statistics `one` of some models, and `other` of the rest."""
    found = {}
    for f in fields(one):
        a, b = getattr(one, f.name), getattr(other, f.name)
        found[f.name] = np.where(which.reshape(-1, *[1] * (np.ndim(a) - 1)), a, b) if np.ndim(a) else a
    return replace(one, **found)
