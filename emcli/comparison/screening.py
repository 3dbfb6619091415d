"""Screening of candidates: each has a short search first, and those that may be the best a full one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from emcli.comparison.candidate import LIKELIHOOD, ROWS_FOR_ONE, WITHIN, Candidate
from emcli.comparison.candidates import Begun, CandidateFit, Fitted, fit_one_by_one, fit_side_by_side
from emcli.comparison.nesting import refit_from_nested
from emcli.compute.processes import call, process_map
from emcli.errors import EmcliError
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
        for wave in self._waves(places):
            self._short(wave)
        return self._found()

    def full(self) -> list[Candidate]:
        """All candidates so far, after full searches of those within WITHIN of the best, which is no artefact."""
        while True:
            places = sorted(self.done)
            self.done = dict(zip(places, refit_from_nested(self._found()), strict=True))
            near = self._near()
            if not near:
                return self._found()
            again = [replace(self.fits[i], found=self.done[i].document) for i in near]
            several = self.count > 1
            ended = fit_side_by_side(again, self.count, self.begun) if several else fit_one_by_one(again, self.begun)
            self.done |= dict(zip(near, ended, strict=True))
            self._searched.update(near)

    def _found(self) -> list[Candidate]:
        return [self.done[i] for i in sorted(self.done)]

    def _short(self, wave: Sequence[int]) -> None:
        before = len(self.done)

        def run(i: int) -> Fitted | EmcliError:
            self.begun(self.fits[i], before + wave.index(i), before)
            smaller = [self.done[j] for j in self._contained[i]]
            try:
                known = [each.fitted for each in smaller if each.document is not None]
                return self.fits[i].short(None if self.count == 1 else 1, known)
            except EmcliError as error:
                return error

        with process_map(self.count) as mapper:
            ended = list(mapper(call, [run] * len(wave), wave))
        for i, each in zip(wave, ended, strict=True):
            if isinstance(each, EmcliError):
                raise each
            self.done[i] = self.fits[i].candidate(each)

    def _waves(self, places: Sequence[int]) -> Iterator[list[int]]:
        """Places in turns: in each those of candidates that contain none but of earlier ones."""
        left = list(places)
        while left:
            wave = [i for i in left if not any(j in left for j in self._contained[i])]
            yield wave
            left = [i for i in left if i not in wave]

    def _near(self) -> list[int]:
        """The places of candidates that may be the best: near it by a short search, or without a fit after that."""
        values = {i: _or_last(candidate.value(self.criterion)) for i, candidate in self.done.items()}
        honest = [value for i, value in values.items() if not self.done[i].is_artefact]
        best = min(honest, default=inf)
        if best == inf:
            best = min(values.values())
        limits = {i: best + within(each.fitted["data"]["rows"]) for i, each in self.done.items() if each.document}
        near = [i for i, value in sorted(values.items()) if i not in limits or value <= limits[i]]
        return [i for i in near if i not in self._searched]


def within(rows: int) -> float:
    """How far from the best a candidate still gets a full search: what a short one is short of grows with the rows."""
    return WITHIN if rows < MIN_SCREENED_ROWS else rows / ROWS_FOR_ONE


def contained(fits: Sequence[CandidateFit], i: int) -> list[int]:
    """The places of the largest candidates that one contains: of fewer components, and of as many."""
    large, kind = fits[i].settings.model, fits[i].kind
    settings = [each.settings.model for each in fits]
    own = vars(large)
    fewer = [j for j, each in enumerate(settings) if each.k < large.k and {**vars(each), "k": large.k} == own]
    fewer = [j for j in fewer if kind.contains(settings[j], large)]
    same = [j for j, each in enumerate(settings) if each.k == large.k]
    within = {(j, m) for j in same for m in same if kind.contains(settings[j], settings[m])}
    nested = [j for j in same if (j, i) in within and (i, j) not in within]
    covered = {j for j in nested for m in nested if (j, m) in within and (m, j) not in within}
    return [*sorted(fewer, key=lambda j: settings[j].k)[-1:], *(j for j in nested if j not in covered)]


def _or_last(value: float | None) -> float:
    return inf if value is None else value
