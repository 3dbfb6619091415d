"""The models that a fit went through, kept in little memory for its picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from emcli.inference.fit import Event
from emcli.inference.starts import IterationEvent, Run

EARLY = 5  # iterations that are kept of every start, beside its last
WHOLE = 8  # starts that are kept whole: those of the highest scores, one of which will be the best
FLOATS = 1 << 20  # numbers to keep of one start, about


@dataclass
class Path:
    """Models of one start, every `stride`-th iteration and the first few, with their iterations."""

    start: int
    score: float = float("-inf")  # of the last model
    models: dict[int, Any] = field(default_factory=dict)  # in working coordinates
    stride: int = 1

    def add(self, iteration: int, model: Any, score: float) -> None:
        """Keep one more; where there are too many, every second one is left out."""
        self.score = score
        if iteration <= EARLY or iteration % self.stride == 0:
            self.models[iteration] = model
        if len(self.models) > max(2 * EARLY + 2, min(256, FLOATS // (4 * model.parameters_count))):
            self.stride *= 2
            self.models = {i: m for i, m in self.models.items() if i <= EARLY or i % self.stride == 0}

    def shorten(self) -> None:
        """Keep the first few alone."""
        self.models = {i: m for i, m in self.models.items() if i <= EARLY}


@dataclass
class History:
    """What was kept of each start."""

    paths: dict[int, Path] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Keep what a picture may need of an event."""
        if isinstance(event, IterationEvent):
            path = self.paths.setdefault(event.start, Path(event.start))
            path.add(event.iteration, event.step.model, event.step.score)
        else:
            self._ended(event)

    def models(self, best: Run) -> Iterator[tuple[int, Any]]:
        """Iterations and models of the best start in order, in working coordinates; the last is where it ended."""
        kept = self.paths[best.start].models if best.start in self.paths else {}
        yield from ((i, model) for i, model in kept.items() if i < best.iterations)
        yield best.iterations, best.model

    def _ended(self, start: Run) -> None:
        if not start.finished:
            self.paths.pop(start.start, None)
        ranked = sorted(self.paths.values(), key=lambda path: (-path.score, path.start))
        for path in ranked[WHOLE:]:
            path.shorten()
