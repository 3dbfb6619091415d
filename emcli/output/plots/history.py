"""The models that a fit went through, kept in little memory until a picture of it is drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from emcli.inference.runs import IterationEvent, Run
from emcli.inference.search.optima import margin
from emcli.inference.search.search import Event
from emcli.models.base import AnyModel

EARLY_ITERATIONS = 5  # that are kept of every start, beside its last
MAX_WHOLE_STARTS = 8  # of which all iterations are kept: those of the highest scores, one of which will be the best
MAX_KEPT_NUMBERS = 1 << 20  # of the models of one start, about


@dataclass
class KeptModels:
    """Models of one start, every `stride`-th iteration, the first few and the wanted ones, with their iterations."""

    start: int
    score: float = float("-inf")  # of the last model
    models: dict[int, AnyModel] = field(default_factory=dict)  # in working coordinates
    stride: int = 1
    wanted: Collection[int] = ()

    def add(self, iteration: int, model: AnyModel, score: float) -> None:
        """Keep one more; where there are too many, every second one is left out."""
        self.score = score
        if self._always(iteration) or iteration % self.stride == 0:
            self.models[iteration] = model
        few = 2 * EARLY_ITERATIONS + 2
        if len(self.models) > len(self.wanted) + max(few, min(256, MAX_KEPT_NUMBERS // (4 * model.parameters_count))):
            self.stride *= 2
            self.models = {i: m for i, m in self.models.items() if self._always(i) or i % self.stride == 0}

    def shorten(self) -> None:
        """Keep the models of the first few iterations, and the wanted ones unless they are too large, alone."""
        numbers = sum(model.parameters_count for i, model in self.models.items() if i in self.wanted)
        kept = self._always if numbers <= MAX_KEPT_NUMBERS else lambda i: i <= EARLY_ITERATIONS
        self.models = {i: m for i, m in self.models.items() if kept(i)}

    def _always(self, iteration: int) -> bool:
        return iteration <= EARLY_ITERATIONS or iteration in self.wanted


@dataclass
class History:
    """Recorder of a fit's models for a picture: all of the best starts, a few of the others."""

    paths: dict[int, KeptModels] = field(default_factory=dict)
    wanted: Collection[int] = ()  # iterations that are kept of every start

    def __call__(self, event: Event) -> None:
        """Record an event, as far as a picture may need it."""
        if isinstance(event, IterationEvent):
            path = self.paths.setdefault(event.start, KeptModels(event.start, wanted=self.wanted))
            path.add(event.iteration, event.step.model, event.step.score)
        else:
            self._ended(event)

    def models(self, best: Run) -> Iterator[tuple[int, AnyModel]]:
        """Iterations and models of the best start in order, in working coordinates; the last is where it ended."""
        kept = self.paths[best.start].models if best.start in self.paths else {}
        yield from ((i, model) for i, model in kept.items() if i < best.iterations)
        yield best.iterations, best.model

    def _ended(self, start: Run) -> None:
        if not start.finished:
            self.paths.pop(start.start, None)
            return
        top = max((path.score for path in self.paths.values()), default=0.0)
        same = top - margin(type(start.model), top)  # of those that reached the best optimum the first is reported
        ranked = sorted(self.paths.values(), key=lambda path: (-min(path.score, same), path.start))
        for path in ranked[MAX_WHOLE_STARTS:]:
            path.shorten()
