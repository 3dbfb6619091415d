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


def _every(iteration: int) -> bool:
    return True


@dataclass(eq=False)
class Path(Generic[T]):
    """Recorder of a fit: something of the model at each iteration of every start that may be the best."""

    tol: float  # nats within which the first of several starts is the best
    of: Callable[[AnyModel], T]  # what is kept of a model in working coordinates
    wanted: Callable[[int], bool] = _every  # of which iterations
    _kept: dict[int, dict[int, T]] = field(default_factory=dict)  # by start and iteration
    _ended: list[Run] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Record an iteration; at the end of a start forget those that cannot be the best any more."""
        if isinstance(event, IterationEvent):
            if self.wanted(event.iteration):
                self._kept.setdefault(event.start, {})[event.iteration] = self.of(event.step.model)
        elif not event.finished:
            self._kept.pop(event.start, None)
        else:
            self._ended.append(event)
            self._ended = [run for run in self._ended if self._may_be_best(run)]
            self._kept = {run.start: self._kept[run.start] for run in self._ended if run.start in self._kept}

    def iterations(self, best: Run) -> Mapping[int, T]:
        """What was kept of each wanted iteration of the best start."""
        return {i: each for i, each in self._kept.get(best.start, {}).items() if i < len(best.scores)}

    def _may_be_best(self, run: Run) -> bool:
        """Is its score within the tolerance of the highest, of runs that are as free of artefacts as it is?"""
        alike = [other.scores[-1] for other in self._ended if _rank(other) == _rank(run)]
        top = max(alike)
        return run.scores[-1] >= top - (SAME_OPTIMUM_INERTIA_SHARE * abs(top) if run.model.hard else self.tol)


def _rank(run: Run) -> tuple[bool, bool, bool]:
    """What `best_run` tells runs apart by before their scores; an optimum that was computed has no iterations."""
    return run.kind == EXACT, set_aside(run), run.artefact is not None
