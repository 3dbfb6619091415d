"""What is kept of the iterations of the best start, though which one that is shows only when a fit ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from emcli.inference.runs import IterationEvent, Run
from emcli.inference.search.optima import SAME_OPTIMUM_INERTIA_SHARE, set_aside
from emcli.inference.search.search import Event
from emcli.inference.starts import EXACT
from emcli.models.base import AnyModel

T = TypeVar("T")


@dataclass(eq=False)
class Path(Generic[T]):
    """Recorder of a fit: something of the model at iterations of every start that may be the best."""

    tol: float  # nats within which the first of several starts is the best
    of: Callable[[int, AnyModel], T | None]  # what is kept of a model in working coordinates; None: nothing
    _kept: dict[int, dict[int, T]] = field(default_factory=dict)  # by start and iteration
    _ended: list[Run] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Record an iteration; at the end of a start forget those that cannot be the best any more."""
        if isinstance(event, IterationEvent):
            kept = self.of(event.iteration, event.step.model)
            if kept is not None:
                self._kept.setdefault(event.start, {})[event.iteration] = kept
        elif not event.finished:
            self._kept.pop(event.start, None)
        else:
            self._ended.append(event)
            self._ended = [run for run in self._ended if self._may_be_best(run)]
            self._kept = {run.start: self._kept[run.start] for run in self._ended if run.start in self._kept}

    def iterations(self, best: Run) -> Mapping[int, T]:
        """What was kept of each iteration of the best start."""
        return {i: each for i, each in self._kept.get(best.start, {}).items() if i < len(best.scores)}

    def _may_be_best(self, run: Run) -> bool:
        """Is it within the tolerance of the highest, of runs as free of artefacts, and above all starts before it?"""
        alike = [other for other in self._ended if _rank(other) == _rank(run)]
        top, score = max(other.scores[-1] for other in alike), run.scores[-1]
        if any(other.start < run.start and other.scores[-1] >= score for other in alike):
            return False
        return score >= top - (SAME_OPTIMUM_INERTIA_SHARE * abs(top) if run.model.hard else self.tol)


def _rank(run: Run) -> tuple[bool, bool, bool]:
    """What `best_run` tells runs apart by before their scores; an optimum that was computed has no iterations."""
    return run.kind == EXACT, set_aside(run), run.artefact is not None
