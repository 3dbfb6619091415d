"""Trials of moves: some steps of EM each, after which a move is given up or goes on; several trials at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emcli.data.rows import Rows
from emcli.models.base import AnyModel, Degenerate
from emcli.models.em import em, pooled_e_step
from emcli.models.statistics import Stats
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
    batches, stack = rows.batches(), models[0].stacked(models)
    left, steps = np.arange(len(models)), np.zeros(len(models), dtype=np.intp)
    place, found = len(models), None  # of the first that may end higher
    scores = np.empty((0, len(models)))  # after the last three steps, of those left
    for taken in range(1, MAX_TRIAL_STEPS + 2):
        stats = pooled_e_step(stack, batches, mapper)
        scores, steps[left] = np.concatenate([scores[-2:], [stats.score]]), taken
        ended, going = scores[-1] > best + margin, np.isfinite(scores[-1])
        if taken > 1 and taken % TRIAL_STEPS == 1:
            going &= ended | _promising(scores, best + margin)
        if taken > MAX_TRIAL_STEPS:
            ended = going.copy()
        if ended.any():
            first = int(np.argmax(ended))
            place, found = int(left[first]), stack.member(first)
            going[first:] = False
        if going.any():
            stack = improved(stack, stats, going, rows, mapper)
        if not going.any():
            break
        left, scores = left[going], scores[:, going]
    trials = [Trial(None, taken) for taken in steps[:place].tolist()]
    return trials if found is None else [*trials, Trial(found, int(steps[place]))]


def improved(stack: AnyModel, stats: Stats, going: BoolArray, rows: Rows, mapper: Mapper) -> AnyModel:
    """The M-step of those models of a stack that go on; one that degenerates is marked as one that does not."""
    try:
        made = stack.m_step(stats)
        return made if going.all() else made.ordered(np.flatnonzero(going))
    except Degenerate:
        models = []
    for place in np.flatnonzero(going).tolist():
        one = stack.member(place)
        try:
            models.append(one.m_step(pooled_e_step(one, rows.batches(), mapper)))
        except Degenerate:
            going[place] = False
    return stack.stacked(models) if models else stack


def _close(score: float, best: float) -> bool:
    """May hard EM on its way to a fixed point end above `best`?"""
    return score >= best - HARD_PROMISE * abs(best)


def _promising(scores: Array, goal: float) -> BoolArray:
    """May steps with these last three scores (3, ...) lead above a goal? By Aitken's projection of their gains."""
    before, gain = scores[1] - scores[0], scores[2] - scores[1]
    ahead = np.asarray(MAX_TRIAL_STEPS * gain)
    np.divide(gain * gain, before - gain, out=ahead, where=before > gain)
    return np.asarray((gain > 0) & (scores[2] + ahead > goal))
