"""Screening of candidates: each has a short search first, and those that may be the best a full one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf

from emcli.comparison.candidate import LIKELIHOOD, SCREENED, WITHIN, Candidate
from emcli.comparison.candidates import Begun, CandidateFit, Fitted, fit_one_by_one, fit_side_by_side
from emcli.comparison.nesting import refit_from_nested
from emcli.compute.processes import call, process_map
from emcli.errors import EmcliError

MORE_THAN = 10  # candidates, of which a grid is screened


def is_screened(fits: Sequence[CandidateFit], criterion: str | None) -> bool:
    """Are there so many mixtures to rank by their likelihood that a full search of each is not worth its while?"""
    return len(fits) > MORE_THAN and (criterion or "bic") in LIKELIHOOD and not any(each.kind.hard for each in fits)


def screened(fits: Sequence[CandidateFit], count: int, begun: Begun, criterion: str) -> list[Candidate]:
    """The candidates in the order given, by `count` processes: those within WITHIN of the best are searched for fully.

    The best is no artefact, if any is none. The same for any number of processes.
    """
    done: dict[int, Fitted] = {}
    for wave in waves(fits):
        done |= _short(fits, wave, done, count, begun)
    found = [each.candidate(done[i]) for i, each in enumerate(fits)]
    searched: set[int] = set()
    while True:
        found = refit_from_nested(found)
        near = [i for i in _near(found, criterion) if i not in searched]
        if not near:
            return found
        again = [replace(fits[i], found=found[i].document) for i in near]
        ended = fit_one_by_one(again, begun) if count == 1 else fit_side_by_side(again, count, begun)
        for i, candidate in zip(near, ended, strict=True):
            found[i] = candidate
        searched.update(near)


def _short(
    fits: Sequence[CandidateFit], wave: Sequence[int], done: dict[int, Fitted], count: int, begun: Begun
) -> dict[int, Fitted]:
    """The short searches of some candidates, each also from the fits that it contains."""
    smaller = {i: [done[j].document for j in contained(fits, i)] for i in wave}

    def run(i: int) -> Fitted | EmcliError:
        begun(fits[i], len(done) + wave.index(i), len(done))
        try:
            return fits[i].short(None if count == 1 else 1, [each for each in smaller[i] if each is not None])
        except EmcliError as error:
            return error

    with process_map(count) as mapper:
        ended = list(mapper(call, [run] * len(wave), wave))
    found = {}
    for i, each in zip(wave, ended, strict=True):
        if isinstance(each, EmcliError):
            raise each
        found[i] = each
    return found


def waves(fits: Sequence[CandidateFit]) -> list[list[int]]:
    """The places of candidates in an order of turns: in each are those that contain none but of earlier ones."""
    turns: dict[int, int] = {}

    def turn(i: int) -> int:
        if i not in turns:
            turns[i] = 1 + max((turn(j) for j in contained(fits, i)), default=-1)
        return turns[i]

    found: list[list[int]] = [[] for _ in range(1 + max(turn(i) for i in range(len(fits))))]
    for i, number in turns.items():
        found[number].append(i)
    return [sorted(each) for each in found]


def contained(fits: Sequence[CandidateFit], i: int) -> list[int]:
    """The places of the largest candidates that one contains: of fewer components, and of as many."""
    large, contains = fits[i].settings.model, fits[i].kind.contains
    settings = [each.settings.model for each in fits]
    fewer = [j for j, each in enumerate(settings) if each.k < large.k and vars(replace(each, k=large.k)) == vars(large)]
    fewer = [j for j in fewer if contains(settings[j], large)]
    nested = [
        j
        for j, each in enumerate(settings)
        if each.k == large.k and contains(each, large) and not contains(large, each)
    ]
    covered = {
        j
        for j in nested
        for other in nested
        if contains(settings[j], settings[other]) and not contains(settings[other], settings[j])
    }
    return [*sorted(fewer, key=lambda j: settings[j].k)[-1:], *(j for j in nested if j not in covered)]


def _near(found: Sequence[Candidate], criterion: str) -> list[int]:
    """The places of candidates that may be the best: near it by what was found, or without a fit."""
    values = [_or_last(candidate.value(criterion)) for candidate in found]
    honest = [value for value, candidate in zip(values, found, strict=True) if not candidate.is_artefact]
    best = min(honest, default=inf)
    if best == inf:
        best = min(values)
    near = [i for i, value in enumerate(values) if value <= best + WITHIN or found[i].document is None]
    return [i for i in near if found[i].document is None or found[i].fitted["status"] == SCREENED]


def _or_last(value: float | None) -> float:
    return inf if value is None else value
