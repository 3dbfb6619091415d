"""Moves that leave the basin of an optimum: what a search proposes from the best that it has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.inference.starts import SPLIT_SDS
from emcli.models.base import AnyModel, Degenerate
from emcli.models.em import Step, em
from emcli.models.nesting import split_in_two
from emcli.types import Mapper

TRIAL_STEPS = 10  # of EM, after which a move is given up or goes on
MAX_TRIAL_STEPS = 60  # after which one that still may lead higher is run to its end
HARD_PROMISE = 0.05  # of the inertia, by which a move of hard EM may be short of the best on its way
DRAWN_EVERY = 4  # moves, a new random start whose components they take
SMALL_SHARE = 0.05  # of an equal mixing weight, with which every second component at a row begins
FAR_ROWS = 10  # rows of the lowest density, at which every second new component of a move begins


class Proposal(NamedTuple):
    """A move: its kind, and the model that it begins with."""

    kind: str  # swap | split-merge
    model: AnyModel


class Proposals:
    """Moves away from one model after another, of three kinds in turn.

    A component is removed and another one split; or it is replaced by one of a random start, or by the one of these
    that takes a row best (random swap: Fränti & Kivijärvi 2000; Zhao, Hautamäki, Kärkkäinen & Fränti 2012).
    """

    def __init__(self, sample: Rows, settings: ModelSettings, kinds: Sequence[str], rng: np.random.Generator):
        self._sample, self._settings, self._rng = sample, settings, rng
        self._kinds = [kind for kind in kinds if kind != "split"] or ["k-means++"]
        self._turn = 0
        self._other: AnyModel | None = None  # a random start, whose components serve for some moves

    def propose(self, model: AnyModel) -> Proposal:
        """A move away from a model. Raises Degenerate where what is drawn cannot be a model."""
        k, rng, turn = self._settings.k, self._rng, self._turn
        self._turn += 1
        i = int(rng.integers(k))
        if twins := model.identical_components():
            i = twins[0]  # which nobody misses
        if turn % 3 == 0 and model.grows:
            parts = split_in_two(np.delete(model.weights, i), int(rng.integers(k - 1)), self._settings.mixing == "free")
            split = model.without(i).split(parts, SPLIT_SDS, self._sample, self._settings, rng)
            return Proposal("split-merge", split)
        if self._other is None or turn % DRAWN_EVERY == 1:
            kind = self._kinds[int(rng.integers(len(self._kinds)))]
            self._other = type(model).initialize(self._sample, self._settings, kind, rng)
        j = int(rng.integers(k)) if turn % 3 == 1 else _at_a_row(model, self._other, self._sample, rng)
        share = SMALL_SHARE / k if turn % 6 == 2 else 1 / k  # a small one climbs wherever the likelihood rises
        return Proposal("swap", model.grafted(i, self._other, j, share))


def _at_a_row(model: AnyModel, other: AnyModel, sample: Rows, rng: np.random.Generator) -> int:
    """The component of `other` that takes one row best: a row that this model explains badly, or any row."""
    score = model.posterior(sample.values)[1] * (-1.0 if model.hard else 1.0)
    far = np.argsort(score, kind="stable")[: max(1, min(FAR_ROWS, len(score) // 10))]
    row = int(far[rng.integers(len(far))]) if rng.integers(2) else int(rng.integers(len(score)))
    return int(other.posterior(sample.values[:, row : row + 1])[0][:, 0].argmax())


def tried(model: AnyModel, best: float, margin: float, rows: Rows, mapper: Mapper) -> tuple[AnyModel | None, int]:
    """The model after some steps of EM where it may end above `best`, else None; and how many steps were taken.

    Hard EM, which ends after a few steps, is run to its end, and on where single rows can be exchanged.
    """
    steps: list[Step] = []
    try:
        for step in em(model, rows.batches(), mapper):
            steps.append(step)
            if step.score > best + margin:
                return step.model, len(steps)
            if len(steps) % TRIAL_STEPS == 1 and len(steps) > 1 and not _promising(steps, best, margin):
                return None, len(steps)
            if len(steps) > MAX_TRIAL_STEPS and not model.hard:
                return step.model, len(steps)
    except Degenerate:
        return None, len(steps)
    if not model.hard or steps[-1].score < best - HARD_PROMISE * abs(best):
        return None, len(steps)
    better = steps[-1].model.exchanged(rows)
    if better is None:
        return None, len(steps) + 1
    found, more = tried(better, best, margin, rows, mapper)
    return found, len(steps) + 1 + more


def _promising(steps: Sequence[Step], best: float, margin: float) -> bool:
    """May these steps lead above `best`? Judged by Aitken's projection of their last gains."""
    last = steps[-1]
    if last.model.hard:
        return last.score > best - HARD_PROMISE * abs(best)
    before, gain = steps[-2].score - steps[-3].score, last.score - steps[-2].score
    if not gain > 0:
        return False
    ahead = MAX_TRIAL_STEPS * gain if before <= gain else gain * gain / (before - gain)
    return last.score + ahead > best + margin
