"""The picture of a fit, and the models that it went through, kept in little memory until it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from emcli.errors import counted
from emcli.inference.fit_result import FitResult
from emcli.inference.search.search import Event
from emcli.inference.starts import IterationEvent, Run
from emcli.models.base import AnyModel
from emcli.output.plots.figure import Panel, Picture, Series, base_name, climb_range, thinned
from emcli.output.plots.model_panels import Snapshot, panels_of

MOST_STARTS = 50  # thin lines
EARLY_ITERATIONS = 5  # that are kept of every start, beside its last
MAX_WHOLE_STARTS = 8  # of which all iterations are kept: those of the highest scores, one of which will be the best
MAX_KEPT_NUMBERS = 1 << 20  # of the models of one start, about


def of_fit(result: FitResult, history: History) -> Picture:
    """The model, iteration by iteration, and the log-likelihood of every start against the iteration."""
    rows, best = result.data.rows, result.best
    order = best.model.to_original(rows.scaling).canonical_order()
    path = [
        Snapshot(i, model.to_original(rows.scaling).ordered(order), model.ordered(order))
        for i, model in history.models(best)
    ]
    truth = result.truth["parameters"] if result.truth else None
    shown = panels_of(path[-1].model, path, rows, result.assignments(), truth)
    curve = _climb(result)
    # Three moments fill a row; fewer panels leave room beside them.
    panels = [*shown[:-1], [*shown[-1], curve]] if len(shown[-1]) < 3 else [*shown, [curve]]
    kind = result.settings.document()
    about = [f"k = {kind['k']}", *(f"{kind[key]} {key}" for key in ("covariance", "mixing") if key in kind)]
    return Picture(f"{base_name(result.data.source)}: {result.kind.name}, {', '.join(about)}", panels)


def _climb(result: FitResult) -> Panel:
    """Log-likelihood, or inertia where the model has one, against the iteration: starts thin, the best bold."""
    others = [start for start in result.ledger if start.finished and start is not result.best]
    some = others[:: -(-len(others) // MOST_STARTS) or 1]
    named = counted(len(others), "other start")
    said = f"{named}, {len(some)} shown" if len(some) < len(others) else named
    lines = [
        thinned([each.objective for each in result.measures(start)[: start.iterations + 1]])
        for start in (*some, result.best)
    ]
    series = [Series("line", x, y, None if i else said, None, "thin") for i, (x, y) in enumerate(lines[:-1])]
    best = f"best: {'found directly' if result.best.kind == 'exact' else f'start {result.best.start}'}"
    x, y = lines[-1]
    if len(x) > 1:
        series.append(Series("line", x, y, best, 0, "bold"))
    series.append(Series("points", x[-1:], y[-1:], None if len(x) > 1 else best, 0))
    reach = max([1.0, *x[-1:]])
    longest = max(float(line[0][-1]) for line in lines if len(line[0]))
    x_range = None if longest <= 3 * reach else (-0.12 * reach, 3 * reach)
    measure, title = ("log-likelihood", "Log-likelihood of each start")
    if result.inertia is not None:
        measure, title = "inertia", "Inertia of each start"
    y_range = None if result.inertia is not None else climb_range([line[1] for line in lines])
    return Panel(title, "iteration", measure, series, whole=True, x_range=x_range, y_range=y_range)


@dataclass
class KeptModels:
    """Models of one start, every `stride`-th iteration and the first few, with their iterations."""

    start: int
    score: float = float("-inf")  # of the last model
    models: dict[int, AnyModel] = field(default_factory=dict)  # in working coordinates
    stride: int = 1

    def add(self, iteration: int, model: AnyModel, score: float) -> None:
        """Keep one more; where there are too many, every second one is left out."""
        self.score = score
        if iteration <= EARLY_ITERATIONS or iteration % self.stride == 0:
            self.models[iteration] = model
        if len(self.models) > max(2 * EARLY_ITERATIONS + 2, min(256, MAX_KEPT_NUMBERS // (4 * model.parameters_count))):
            self.stride *= 2
            self.models = {i: m for i, m in self.models.items() if i <= EARLY_ITERATIONS or i % self.stride == 0}

    def shorten(self) -> None:
        """Keep the models of the first few iterations alone."""
        self.models = {i: m for i, m in self.models.items() if i <= EARLY_ITERATIONS}


@dataclass
class History:
    """Recorder of a fit's models for a picture: all of the best starts, a few of the others."""

    paths: dict[int, KeptModels] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Record an event, as far as a picture may need it."""
        if isinstance(event, IterationEvent):
            path = self.paths.setdefault(event.start, KeptModels(event.start))
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
        ranked = sorted(self.paths.values(), key=lambda path: (-path.score, path.start))
        for path in ranked[MAX_WHOLE_STARTS:]:
            path.shorten()
