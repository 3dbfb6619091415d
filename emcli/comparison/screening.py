"""Screening of candidates: each has a short search first, and those that may be the best a full one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

from emcli.comparison.candidate import LIKELIHOOD, ROWS_FOR_ONE, WITHIN, Candidate
from emcli.comparison.candidates import Begun, CandidateFit, Fitted, fit_one_by_one, fit_side_by_side
from emcli.comparison.nesting import refit_from_nested
from emcli.compute.tasks import Task, Tasks
from emcli.config.equals import identity
from emcli.inference.search.screening import MIN_SCREENED_ROWS

MORE_THAN = 10  # candidates, of which a grid is screened


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
        turns, before = {place: turn for turn, place in enumerate(places)}, len(self.done)

        def run(turn: int, smaller: Sequence[Fitted]) -> Fitted:
            fit, needs = self.fits[places[turn]], tasks[turn].needs
            self.begun(fit, before + shorts.begun - 1, before + shorts.ended)
            documents = {i: each.document for i, each in self.done.items()}
            documents.update({places[need]: each.document for need, each in zip(needs, smaller, strict=True)})
            known = [documents[i] for i in self._contained[places[turn]]]
            jobs = fit.settings.search.jobs if self.count == 1 else 1
            return fit.short(jobs, [each for each in known if each is not None])

        tasks = [
            Task([turns[j] for j in self._contained[i] if j in turns], self.fits[i].settings.model.k) for i in places
        ]
        shorts = Tasks(tasks, run)
        for i, fitted in zip(places, shorts.done(self.count), strict=True):
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
            if not self._searched and self._is_large():
                near = [min(near, key=self._value)]
            again = [replace(self.fits[i], found=self.done[i].document, needed=self._needed(i)) for i in near]
            several = self.count > 1 and len(near) > 1
            ended = fit_side_by_side(again, self.count, self.begun) if several else fit_one_by_one(again, self.begun)
            for i, candidate in zip(near, ended, strict=True):
                if not (candidate.is_screened and self._rank(self.done[i]) < self._rank(candidate)):
                    self.done[i] = candidate
            self._searched.update(near)

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
