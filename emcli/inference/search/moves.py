"""Moves that leave the basin of an optimum: what a search proposes from the best that it has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.inference.search.trials import Trial, tried_together
from emcli.inference.starts import SPLIT_SDS, with_names
from emcli.models.base import AnyModel, Degenerate
from emcli.models.nesting import split_in_two
from emcli.types import Mapper

DRAWN_EVERY = 4  # moves, a new random start whose components they take
SMALL_SHARE = 0.05  # of an equal mixing weight, with which every second component at a row begins
FAR_ROWS = 10  # rows of the lowest density, at which every second new component of a move begins
MIN_TOGETHER, MAX_TOGETHER = 4, 8  # moves that are tried together: about as many as have failed one after another
TOGETHER_NUMBERS = 1 << 17  # at most, of their rows x columns x components


class Proposal(NamedTuple):
    """A move: its kind, and the model that it begins with."""

    kind: str  # swap | split-merge
    model: AnyModel


class Proposals:
    """Moves away from one model after another, of three kinds in turn.

    A component is removed and another one split; or it is replaced by one of a random start, or by the one of these
    that takes a row best (random swap: Fränti & Kivijärvi 2000; Zhao, Hautamäki, Kärkkäinen & Fränti 2012).
    """

    def __init__(
        self,
        sample: Rows,
        settings: ModelSettings,
        kinds: Sequence[str],
        rng: np.random.Generator,
        max_together: int = MAX_TOGETHER,
    ):
        self._sample, self._settings, self._rng, self._max_together = sample, settings, rng, max_together
        self._kinds = [kind for kind in kinds if kind != "split"] or ["k-means++"]
        self._turn = 0
        self._other: AnyModel | None = None  # a random start, whose components serve for some moves

    def tried(
        self, model: AnyModel, best: float, margin: float, rows: Rows, mapper: Mapper, count: int, failed: int
    ) -> list[tuple[str, Trial]]:
        """Kinds and trials of the next moves, up to `count`, until one may lead above `best`; `failed` did not before.

        Of a small table some are tried together; the moves themselves are the same however many these are.
        """
        drawn: list[Proposal | None] = []
        states = []
        for _ in range(self._together(model, rows, count, failed)):
            try:
                drawn.append(self.propose(model))
            except Degenerate:
                drawn.append(None)
            states.append((self._rng.bit_generator.state, self._turn, self._other))
        ends = iter(tried_together([each.model for each in drawn if each], best, margin, rows, mapper))
        trials = []
        for each in drawn:
            trials.append((each.kind, next(ends)) if each else ("", Trial(None, 0)))
            if trials[-1][1].found is not None:
                break
        self._rng.bit_generator.state, self._turn, self._other = states[len(trials) - 1]
        return trials

    def _together(self, model: AnyModel, rows: Rows, count: int, failed: int) -> int:
        """How many moves are tried together."""
        products = max(1, rows.count * len(rows.values) * self._settings.k)
        most = min(max(MIN_TOGETHER, failed), self._max_together, TOGETHER_NUMBERS // products)
        return max(1, min(count, most)) if model.stacks and model.fixed is None and rows.known is None else 1

    def propose(self, model: AnyModel) -> Proposal:
        """A move away from a model. Raises Degenerate where what is drawn cannot be a model."""
        k, rng, turn = self._settings.k, self._rng, self._turn
        self._turn += 1
        i, named = int(rng.integers(k)), len(self._sample.components)
        if twins := model.identical_components():
            i = twins[int(twins[0] < named)]  # which nobody misses
        if turn % 3 == 0 and model.grows and model.fixed is None and i >= named:
            parts = split_in_two(np.delete(model.weights, i), int(rng.integers(k - 1)), self._settings.mixing == "free")
            split = model.without(i).split_keeping_names(parts, SPLIT_SDS, self._sample, self._settings, rng)
            return Proposal("split-merge", split)
        if turn % 3 == 0 and model.fixed is not None and not named and k > 1:  # which of them has the held values?
            order, j = np.arange(k), (i + int(rng.integers(1, k))) % k
            order[i], order[j] = j, i
            return Proposal("swap", model.ordered(order).holding(model.fixed))
        if self._other is None or turn % DRAWN_EVERY == 1:
            kind = self._kinds[int(rng.integers(len(self._kinds)))]
            self._other = with_names(type(model).initialize(self._sample, self._settings, kind, rng), self._sample)
        j = int(rng.integers(k)) if turn % 3 == 1 else _at_a_row(model, self._other, self._sample, rng)
        share = SMALL_SHARE / k if turn % 6 == 2 else 1 / k  # a small one climbs wherever the likelihood rises
        return Proposal("swap", model.grafted(i, self._other, j, share).held())


def _at_a_row(model: AnyModel, other: AnyModel, sample: Rows, rng: np.random.Generator) -> int:
    """The component of `other` that takes one row best: a row that this model explains badly, or any row."""
    score = model.posterior(sample.values)[1] * (-1.0 if model.hard else 1.0)
    far = np.argsort(score, kind="stable")[: max(1, min(FAR_ROWS, len(score) // 10))]
    row = int(far[rng.integers(len(far))]) if rng.integers(2) else int(rng.integers(len(score)))
    return int(other.posterior(sample.values[:, row : row + 1])[0][: len(other.weights), 0].argmax())
