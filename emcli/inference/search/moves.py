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

TRIAL_STEPS, HARD_TRIAL_STEPS = 10, 3  # of EM, after which a move is given up or goes on
MAX_TRIAL_STEPS = 60  # after which one that still may lead higher is run to its end
HARD_PROMISE = 0.02  # of the inertia, by which a move of hard EM may be short of the best after its trial
FAR_ROWS = 10  # rows of the lowest density, at which every second new component of a move begins


class Proposal(NamedTuple):
    """A move: its kind, and the model that it begins with."""

    kind: str  # swap | split-merge
    model: AnyModel


def propose(
    turn: int,
    model: AnyModel,
    sample: Rows,
    settings: ModelSettings,
    kinds: Sequence[str],
    rng: np.random.Generator,
) -> Proposal:
    """A move away from a model, of three kinds in turn.

    A component is removed and another one split; or it is replaced by one of a random start, or by one at a row
    (random swap: Fränti & Kivijärvi 2000; Zhao, Hautamäki, Kärkkäinen & Fränti 2012).
    Raises Degenerate where what is drawn cannot be a model.
    """
    k = settings.k
    i = int(rng.integers(k))
    if turn % 3 == 0 and model.grows:
        parts = split_in_two(np.delete(model.weights, i), int(rng.integers(k - 1)), settings.mixing == "free")
        return Proposal("split-merge", model.without(i).split(parts, SPLIT_SDS, sample, settings, rng))
    drawn = [kind for kind in kinds if kind != "split"] or ["k-means++"]
    other = type(model).initialize(sample, settings, drawn[int(rng.integers(len(drawn)))], rng)
    if turn % 3 == 2:
        return Proposal("swap", model.grafted(i, other, _at_a_row(model, other, sample, rng)))
    return Proposal("swap", model.grafted(i, other, int(rng.integers(k))))


def _at_a_row(model: AnyModel, other: AnyModel, sample: Rows, rng: np.random.Generator) -> int:
    """The component of `other` that takes one row best: a row that this model explains badly, or any row."""
    score = model.posterior(sample.values)[1] * (-1.0 if model.hard else 1.0)
    far = np.argsort(score, kind="stable")[: max(1, min(FAR_ROWS, len(score) // 10))]
    row = int(far[rng.integers(len(far))]) if rng.integers(2) else int(rng.integers(len(score)))
    return int(other.posterior(sample.values[:, row : row + 1])[0][:, 0].argmax())


def tried(model: AnyModel, best: float, margin: float, rows: Rows, mapper: Mapper) -> tuple[AnyModel | None, int]:
    """The model after some steps of EM where it may end above `best`, else None; and how many steps were taken."""
    steps: list[Step] = []
    pause = HARD_TRIAL_STEPS if model.hard else TRIAL_STEPS
    try:
        for step in em(model, rows.batches(), mapper):
            steps.append(step)
            if step.score > best + margin:
                return step.model, len(steps)
            if len(steps) % pause == 1 and len(steps) > 1:
                if not _promising(steps, best, margin):
                    return None, len(steps)
                if model.hard or len(steps) > MAX_TRIAL_STEPS:
                    return step.model, len(steps)
    except Degenerate:
        pass
    return None, len(steps)


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
