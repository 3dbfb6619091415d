"""Which entries of a ledger ended at the same optimum, and from which starts it was reached."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from emcli.inference.runs import Run
from emcli.inference.starts import EXACT
from emcli.models.base import AnyModel

NESTED = "nested"  # the kind of an entry that a fit of fewer components, a special case, began
NOT_DRAWN = (EXACT, NESTED)  # kinds of entries that are no random starts
SAME_OPTIMUM_NATS = 1e-4  # difference of two scores up to which they belong to one optimum
SAME_OPTIMUM_INERTIA_SHARE = 1e-9  # the same for hard assignments, relative to the inertia


def same_optimum(kind: type[AnyModel], one: float, other: float) -> bool:
    """Do two scores belong to one optimum?"""
    return abs(one - other) <= margin(kind, max(abs(one), abs(other)))


def margin(kind: type[AnyModel], score: float) -> float:
    """The difference from a score up to which others belong to the same optimum."""
    return SAME_OPTIMUM_INERTIA_SHARE * abs(score) if kind.hard else SAME_OPTIMUM_NATS


def set_aside(run: Run) -> bool:
    """Does its optimum rest on a component that chance explains?"""
    return run.artefact is not None and run.artefact.by_chance


def optima_count(kind: type[AnyModel], runs: Sequence[Run], honest: bool = True) -> int:
    """At how many optima runs ended; of the honest ones only, without those that were set aside."""
    scores = sorted(run.scores[-1] for run in runs if not (honest and set_aside(run)))
    return len(scores) and 1 + sum(not same_optimum(kind, one, other) for one, other in pairwise(scores))


def run_root(ledger: Sequence[Run], run: Run) -> int:
    """The number of the independent start from which moves led to a run."""
    while run.source is not None:
        run = ledger[run.source - 1]
    return run.start


def roots_of_best(kind: type[AnyModel], ledger: Sequence[Run], best: Run) -> set[int]:
    """The independent starts from which this optimum was reached, directly or by moves."""
    return {run_root(ledger, run) for run in ledger if run.kind not in NOT_DRAWN and reached_same(kind, run, best)}


def drawn_starts(ledger: Sequence[Run]) -> list[Run]:
    """The independent starts: neither moves nor a global optimum, nor what a smaller fit began."""
    return [run for run in ledger if run.source is None and run.kind not in NOT_DRAWN]


def reached_same(kind: type[AnyModel], run: Run, best: Run) -> bool:
    """Did a run end at the optimum of the best one?"""
    if run is best:
        return True
    if run.sampled is not None and best.sampled is not None:
        return same_optimum(kind, run.sampled, best.sampled)
    return run.finished and same_optimum(kind, run.scores[-1], best.scores[-1])


def _optimum(run: Run) -> float | None:
    """The score of the optimum that a run found: on the sample where it was screened, else on all rows."""
    if run.sampled is not None:
        return float(run.sampled)
    return run.scores[-1] if run.status == "converged" else None


def reached(kind: type[AnyModel], ledger: Sequence[Run], best: Run) -> int:
    """The number of independent starts that reached the optimum of the best run, without moves."""
    return sum(run.source is None and reached_same(kind, run, best) for run in ledger)


def optima_found_once(kind: type[AnyModel], ledger: Sequence[Run]) -> tuple[int, int]:
    """The number of optima found by one start only, and of starts that found an optimum (Good 1953, equation 9).

    Their ratio is the Good-Turing estimate of the chance that one more start finds a new optimum.
    """
    drawn = drawn_starts(ledger)
    scores = sorted(score for run in drawn if (score := _optimum(run)) is not None)
    groups: list[list[float]] = []
    for score in scores:
        if groups and same_optimum(kind, groups[-1][0], score):
            groups[-1].append(score)
        else:
            groups.append([score])
    return sum(len(group) == 1 for group in groups), len(scores)
