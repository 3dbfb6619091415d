"""A short search: a few starts side by side, of which the best goes on until what it may still gain does not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np

from emcli.config.settings import SearchSettings, Settings
from emcli.data.rows import Rows
from emcli.inference.runs import Run
from emcli.inference.search.optima import NESTED
from emcli.inference.search.screening import is_screened, sample_rows
from emcli.inference.search.search import MAX_DRAWN, Search, Searching
from emcli.inference.starts import new_run, start_model
from emcli.models.base import AnyModel, Degenerate
from emcli.models.em import Stacked, em
from emcli.types import Array, Mapper

OWN_STARTS = 6  # that are drawn, beside those that are given
ROUNDS = (5, 10, 20)  # steps of EM, after each of which the lower half of the starts is given up
KEPT = 3  # starts that go on at least
MOST_ROUNDS = 12  # of so many steps as the last
MATTERS = 0.05  # nats, below which what is left to gain changes no rank
TOGETHER_NUMBERS = 1 << 17  # rows x columns x components of starts that are climbed together, at most


class Climb(NamedTuple):
    """A start on its way: its entry in the ledger, its model, and the scores of all models up to this one."""

    run: Run
    model: AnyModel
    scores: Array = np.empty(0)

    @property
    def left(self) -> float:
        """Nats that it may still gain, by Aitken's projection of its last two gains."""
        before, gain = np.diff(self.scores[-3:]).tolist()
        if not np.isfinite(before) or gain >= before:
            return np.inf if not gain <= 0 else 0.0
        return float(gain * gain / (before - gain))

    def begun(self, number: int) -> Run:
        """An entry of the ledger with the scores before this model, up to where rounding was more than EM gained."""
        flat = np.flatnonzero(np.diff(self.scores) <= 0)
        before = self.scores[: flat[0] if len(flat) else -1].tolist()
        return replace(self.run, start=number, scores=before, priors=[0.0] * len(before), steps=["em"] * len(before))


def loosely(kind: type[AnyModel], rows: Rows, settings: Settings) -> SearchSettings:
    """How a short search goes: a run ends where no more than MATTERS nats are left to gain.

    With many rows it makes as many iterations with all as the last round at most: what it is short of is not counted.
    """
    asked, most = settings.search, settings.search.max_iter
    if is_screened(kind, rows, settings.model, asked):
        most = min(most, ROUNDS[-1])
    return replace(asked, tol=max(asked.tol, MATTERS), max_iter=most)


def short_search(search: Search, given: Sequence[AnyModel]) -> Searching:
    """Entries for the best of a few starts, and of those given: up to the first that ends without an artefact.

    With many rows they climb on a sample, and the best goes on with all. The tolerance of the search should be MATTERS.
    """
    rows, sample = search.rows, None
    if is_screened(search.kind, rows, search.settings, search.search):
        size = sample_rows(search.kind, rows, search.settings)
        rows = sample = rows.sample(size, np.random.default_rng([search.search.seed, 0]))
    mapper = search.mapper if search.rows.is_local else map  # a cluster knows its own rows alone
    climbs = _race([*_own(search, rows), *(Climb(Run(0, NESTED), model) for model in given)], rows, mapper)
    for climb in climbs:
        number = len(search.ledger) + 1
        whole = sample is None and search.settings.prior is None  # else its scores on the way are others
        run = climb.begun(number) if whole else replace(climb.run, start=number)
        search.ledger.append(run)
        yield from search.finish(run, climb.model, sample)
        if run.finished and run.artefact is None:
            return


def _own(search: Search, rows: Rows) -> list[Climb]:
    """The first starts of a full search, but those that split the optimum of a search with fewer components."""
    found: list[Climb] = []
    wanted = 1 if search.settings.k == 1 or rows.all_known else OWN_STARTS
    for number in range(1, MAX_DRAWN * OWN_STARTS + 1):
        run = new_run(number, number - 1, search.kind, search.settings, search.search, len(rows.components))
        if run.kind == "split":
            continue
        try:
            found.append(Climb(run, start_model(run, search.kind, rows, search.settings, search.search)))
        except Degenerate:
            continue
        if len(found) == wanted:
            break
    return found


def _race(climbs: list[Climb], rows: Rows, mapper: Mapper) -> list[Climb]:
    """The highest after some rounds of EM, best first; the best until it may hardly gain any more."""
    for turn in range(MOST_ROUNDS):
        climbs = _climbed(climbs, ROUNDS[min(turn, len(ROUNDS) - 1)], rows, mapper)
        climbs.sort(key=lambda climb: -climb.scores[-1])
        if turn < len(ROUNDS):
            climbs = climbs[: max(KEPT, len(climbs) // 2)]
        elif climbs:
            climbs = [climb for climb in climbs if climb.scores[-1] + climb.left >= climbs[0].scores[-1]]
        if turn >= len(ROUNDS) - 1 and (not climbs or climbs[0].left < MATTERS):
            break
    return climbs


def _climbed(climbs: Sequence[Climb], steps: int, rows: Rows, mapper: Mapper) -> list[Climb]:
    """Climbs after so many steps of EM more, without those that degenerated; of a small table several at once."""
    if not climbs:
        return []
    first = climbs[0].model
    alone = not first.stacks or first.fixed is not None or rows.known is not None
    size = 1 if alone else max(1, TOGETHER_NUMBERS // max(1, rows.count * len(rows.values) * len(first.weights)))
    several = [climbs[start : start + size] for start in range(0, len(climbs), size)]
    return [each for found in mapper(partial(_some, steps=steps, rows=rows), several) for each in found]


def _some(climbs: Sequence[Climb], steps: int, rows: Rows) -> list[Climb]:
    return _together(climbs, steps, rows) if len(climbs) > 1 else _alone(climbs[0], steps, rows)


def _alone(climb: Climb, steps: int, rows: Rows) -> list[Climb]:
    scores, model = [], climb.model
    try:
        for step in islice(em(climb.model, rows.batches()), steps + 1):
            scores.append(step.score)
            model = step.model
    except Degenerate:
        return []
    scores += [scores[-1]] * (3 - len(scores))  # a fixed point may come at once
    return [Climb(climb.run, model, np.concatenate([climb.scores[:-1], scores]))]


def _together(climbs: Sequence[Climb], steps: int, rows: Rows) -> list[Climb]:
    side = Stacked(climbs[0].model.stacked([climb.model for climb in climbs]), rows.batches())
    scores = np.full((steps + 1, len(climbs)), -np.inf)
    for taken in range(steps + 1):
        if taken:
            side.em_step()
        scores[taken, side.left] = side.stats.score
        finite = np.isfinite(side.stats.score)
        if not finite.any():
            return []
        if not finite.all():
            side.keep(finite)
    return [
        Climb(climbs[i].run, side.stack.member(j), np.concatenate([climbs[i].scores[:-1], scores[:, i]]))
        for j, i in enumerate(side.left.tolist())
    ]
