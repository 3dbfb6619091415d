"""Screening of candidates: each has a short search first, and those that may be the best a full one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf

from emcli.comparison.candidate import LIKELIHOOD, ROWS_FOR_ONE, WITHIN, Candidate
from emcli.comparison.candidates import Begun, CandidateFit, Fitted, Starts
from emcli.comparison.nesting import refit_from_nested
from emcli.compute.tasks import Task, Tasks
from emcli.config.equals import identity
from emcli.inference.search.screening import MIN_SCREENED_ROWS
from emcli.inference.search.search import FIRST_STARTS

MORE_THAN = 10  # candidates, of which a grid is screened
Name = tuple[int, tuple[int, ...]]  # of a task: a place, and the starts that are run for it; none: the search itself


def may_be_screened(fits: Sequence[CandidateFit], criterion: str | None) -> bool:
    """Are they mixtures that are ranked by their likelihood?"""
    return (criterion or "bic") in LIKELIHOOD and not any(each.kind.hard for each in fits)


@dataclass(eq=False)
class Screening:
    """Candidates by `count` processes, the same for any number of them; `done` are those that were begun, by place."""

    fits: Sequence[CandidateFit]
    count: int
    begun: Begun
    criterion: str
    done: dict[int, Candidate] = field(default_factory=dict)
    _searched: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._contained = [contained(self.fits, i) for i in range(len(self.fits))]

    def short(self, places: Sequence[int]) -> list[Candidate]:
        """All candidates so far, after short searches of those at these places, each also from those it contains."""
        before, asked = len(self.done), frozenset(places)
        tasks = {}
        for i in places:
            starts = 1 + len(self._contained[i])  # its own, and those from each that it contains
            tasks[i] = Task(asked & {*self._contained[i]}, self.fits[i].settings.model.k * starts)

        @cache
        def needed(i: int) -> frozenset[int]:
            return frozenset(tasks[i].needs).union(*map(needed, tasks[i].needs))

        def run(i: int, smaller: Mapping[int, Fitted]) -> Fitted:
            fit = self.fits[i]
            self.begun(fit, before + shorts.begun - 1, before + shorts.ended)
            known = [(smaller.get(j) or self.done[j]).document for j in self._contained[i]]
            is_alone = self.count == 1 or len(needed(i)) == len(tasks) - 1
            return fit.short(fit.settings.search.jobs if is_alone else 1, [each for each in known if each is not None])

        shorts = Tasks(tasks, run)
        for i, fitted in shorts.done(self.count).items():
            self.done[i] = self.fits[i].candidate(fitted)
        return self._found()

    def full(self) -> list[Candidate]:
        """All candidates so far, after full searches of those within WITHIN of the best, which is no artefact.

        Of a large table the best has one first: a search of another ends where it cannot come that near to it.
        """
        while True:
            places = sorted(self.done)
            self.done = dict(zip(places, refit_from_nested(self._found()), strict=True))
            near = self._near()
            if not near:
                return self._found()
            first = min(near, key=self._value) if not self._searched and self._is_large() else None
            for i, fitted in self._full(near, first).items():
                self._take(i, fitted)

    def _full(self, near: Sequence[int], first: int | None) -> dict[int, Fitted]:
        """Full searches at these places; if there is a first one, at those that are near the best after that.

        Starts on a sample do not depend on it: by several processes they are run meanwhile.
        """
        several = self.count > 1 and len(near) > 1
        count = min(self.count, FIRST_STARTS) if several and first is not None else 0
        shares = [tuple(range(i, 1 + FIRST_STARTS, count)) for i in range(1, 1 + count)]

        def run(name: Name, before: Mapping[Name, Fitted | Starts | None]) -> Fitted | Starts | None:
            i, numbers = name
            if numbers:
                return self.fits[i].starts(numbers)
            if first is not None and isinstance(best := before.get((first, ())), Fitted):
                self._take(first, replace(best, said=()))
                if i not in self._near():
                    return None
            self.begun(self.fits[i], near.index(i), 0)
            fit = replace(self.fits[i], found=self.done[i].document, needed=self._needed(i))
            starts = {n: run for each in before.values() if isinstance(each, dict) for n, run in each.items()}
            return fit.run(1 if several else fit.settings.search.jobs, starts or None)

        tasks: dict[Name, Task[Name]] = {}
        for i in near:
            work = inf if i == first else self.fits[i].settings.model.k if several else 0  # one process goes in order
            parts = {(i, numbers): Task[Name](frozenset(), work) for numbers in shares}
            others = {(first, ())} if first is not None and i != first else set()
            tasks |= {**parts, (i, ()): Task(parts.keys() | others, work)}
        found = Tasks(tasks, run).done(self.count)
        return {i: fitted for i in near if isinstance(fitted := found[i, ()], Fitted)}

    def _take(self, i: int, fitted: Fitted) -> None:
        """Take a full search in the place of a short one, unless it was given up lower than that."""
        candidate = self.fits[i].candidate(fitted)
        if not (candidate.is_screened and self._rank(self.done[i]) < self._rank(candidate)):
            self.done[i] = candidate
        self._searched.add(i)

    def _found(self) -> list[Candidate]:
        return [self.done[i] for i in sorted(self.done)]

    def _near(self) -> list[int]:
        """The places of candidates that may be the best: near it by a short search, or without a fit after that."""
        best = self._best()
        limits = {i: best + within(each.fitted["data"]["rows"]) for i, each in self.done.items() if each.document}
        near = [i for i in sorted(self.done) if i not in limits or self._value(i) <= limits[i]]
        whole = [i for i, each in self.done.items() if each.document and not each.is_screened]
        return [i for i in near if i not in self._searched and i not in whole]

    def _best(self) -> float:
        """The lowest value of a candidate that is no artefact, if there are any."""
        honest = [self._value(i) for i, each in self.done.items() if not each.is_artefact]
        best = min(honest, default=inf)
        return min(map(self._value, self.done)) if best == inf else best

    def _value(self, i: int) -> float:
        return self._rank(self.done[i])[1]

    def _rank(self, candidate: Candidate) -> tuple[bool, float]:
        """Smaller is better, artefacts last."""
        value = candidate.value(self.criterion)
        return candidate.is_artefact, inf if value is None else value

    def _is_large(self) -> bool:
        """Has the table so many rows that a search begins with a sample of them?"""
        return any(each.document and each.fitted["data"]["rows"] >= MIN_SCREENED_ROWS for each in self.done.values())

    def _needed(self, i: int) -> float:
        """The log-likelihood at which a candidate would be within WITHIN of the best, once one had a full search.

        ICL is no lower than BIC. With a prior what is climbed is not the log-likelihood, and all is searched.
        """
        by = "aic" if self.criterion == "aic" else "bic"
        found = self.done[i].document
        value = None if found is None else self.done[i].value(by)
        if found is None or value is None or not self._searched or self.fits[i].settings.model.prior is not None:
            return -inf
        return ((value + 2 * (found["log_likelihood"] or 0.0)) - (self._best() + WITHIN)) / 2


def within(rows: int) -> float:
    """How far from the best a candidate still gets a full search: what a short one is short of grows with the rows."""
    return WITHIN if rows < MIN_SCREENED_ROWS else rows / ROWS_FOR_ONE


def contained(fits: Sequence[CandidateFit], i: int) -> list[int]:
    """The places of the largest candidates that one contains: of fewer components, and of as many."""
    large, kind = fits[i].settings.model, fits[i].kind
    settings = [each.settings.model for each in fits]
    own = {k: identity(replace(large, k=k)) for k in {each.k for each in settings if each.k < large.k}}
    fewer = [j for j, each in enumerate(settings) if each.k in own and identity(each) == own[each.k]]
    fewer = [j for j in fewer if kind.contains(settings[j], large)]
    same = [j for j, each in enumerate(settings) if each.k == large.k]
    within = {(j, m) for j in same for m in same if kind.contains(settings[j], settings[m])}
    nested = [j for j in same if (j, i) in within and (i, j) not in within]
    covered = {j for j in nested for m in nested if (j, m) in within and (m, j) not in within}
    return [*sorted(fewer, key=lambda j: settings[j].k)[-1:], *(j for j in nested if j not in covered)]
