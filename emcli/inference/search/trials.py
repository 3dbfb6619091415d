"""Trials of moves: some steps of EM each, after which a move is given up or goes on; several trials at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emcli.data.rows import Rows
from emcli.models.base import AnyModel, Degenerate
from emcli.models.em import Stacked, em
from emcli.types import Array, BoolArray, Mapper

TRIAL_STEPS = 10  # of EM, after which a move is given up or goes on
MAX_TRIAL_STEPS = 60  # after which one that still may lead higher is run to its end
HARD_PROMISE = 0.05  # of the inertia, by which a move of hard EM may be short of the best on its way


class Trial(NamedTuple):
    """What came of a trial."""

    found: AnyModel | None  # the model after some steps, if it may end higher
    steps: int  # how many were taken


def tried(model: AnyModel, best: float, margin: float, rows: Rows, mapper: Mapper) -> Trial:
    """The model after some steps of EM where it may end above `best`.

    Hard EM, which ends after a few steps, is run to its end, and on where single rows can be exchanged.
    """
    scores: list[float] = []
    last = model
    try:
        for step in em(model, rows.batches(), mapper):
            scores.append(step.score)
            last = step.model
            if step.score > best + margin:
                return Trial(last, len(scores))
            checked = len(scores) % TRIAL_STEPS == 1 and len(scores) > 1
            if checked and model.hard and not _close(step.score, best):
                return Trial(None, len(scores))
            if checked and not model.hard and not _promising(np.array(scores[-3:]), best + margin):
                return Trial(None, len(scores))
            if len(scores) > MAX_TRIAL_STEPS and not model.hard:
                return Trial(last, len(scores))
    except Degenerate:
        return Trial(None, len(scores))
    if not model.hard or not _close(scores[-1], best):
        return Trial(None, len(scores))
    better = last.exchanged(rows)
    if better is None:
        return Trial(None, len(scores) + 1)
    found, more = tried(better, best, margin, rows, mapper)
    return Trial(found, len(scores) + 1 + more)


def tried_together(models: Sequence[AnyModel], best: float, margin: float, rows: Rows, mapper: Mapper) -> list[Trial]:
    """What `tried` gives, but for rounding, for each of some models up to the first that may end higher.

    A step of EM is made for all at once.
    """
    if len(models) < 2:
        return [tried(model, best, margin, rows, mapper) for model in models]
    side = Stacked(models[0].stacked(models), rows.batches(), mapper)
    scores, steps = np.empty((3, len(models))), np.zeros(len(models), dtype=np.intp)  # the last three scores
    place, found = len(models), None  # of the first that may end higher
    for taken in range(1, MAX_TRIAL_STEPS + 2):
        left, score = side.left, np.asarray(side.stats.score)
        scores[:, left], steps[left] = [*scores[1:, left], score], taken
        ended, going = score > best + margin, np.isfinite(score)
        if taken > 1 and taken % TRIAL_STEPS == 1:
            going &= ended | _promising(scores[:, left], best + margin)
        if taken > MAX_TRIAL_STEPS:
            ended = going.copy()
        if ended.any():
            first = int(np.argmax(ended))
            place, found = int(left[first]), side.stack.member(first)
            going[first:] = False
        if not going.any():
            break
        if not going.all():
            side.keep(going)
        side.em_step()
    trials = [Trial(None, taken) for taken in steps[:place].tolist()]
    return trials if found is None else [*trials, Trial(found, int(steps[place]))]


def _close(score: float, best: float) -> bool:
    """May hard EM on its way to a fixed point end above `best`?"""
    return score >= best - HARD_PROMISE * abs(best)


def _promising(scores: Array, goal: float) -> BoolArray:
    """May steps with these last three scores (3, ...) lead above a goal? By Aitken's projection of their gains."""
    before, gain = scores[1] - scores[0], scores[2] - scores[1]
    ahead = np.asarray(MAX_TRIAL_STEPS * gain)
    np.divide(gain * gain, before - gain, out=ahead, where=before > gain)
    return np.asarray((gain > 0) & (scores[2] + ahead > goal))
