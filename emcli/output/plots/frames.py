"""The film of a fit: its data, and its iterations one after the other, all with the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emcli.config.iterations import DATA, Moment, reached
from emcli.data.rows import Rows
from emcli.inference.assignments import Labels
from emcli.inference.fit_result import FitResult
from emcli.models.base import AnyModel
from emcli.models.coins.mixture import BinomialMixture
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.kmeans.model import KMeans
from emcli.output.plots.figure import Panel, Series, base_name, climb_range, thinned
from emcli.output.plots.history import History
from emcli.output.plots.scenes.coins import Coins
from emcli.output.plots.scenes.gmm import Curves, Ellipses
from emcli.output.plots.scenes.kmeans import ClusterLine, ClusterPlane
from emcli.output.plots.scenes.line import Line
from emcli.output.plots.scenes.plane import Plane
from emcli.output.plots.scenes.scene import Groups, Scene, Snapshot

# Of each model its scenes where the rows have one column and where they have more.
SCENES: dict[type[AnyModel], tuple[type[Scene], type[Scene]]] = {
    KMeans: (ClusterLine, ClusterPlane),
    BinomialMixture: (Coins, Coins),
    GaussianMixture: (Curves, Ellipses),
}


@dataclass(frozen=True)
class Frame:
    """One panel of a film: the data alone (None), or an iteration of the best start."""

    iteration: int | None
    panel: Panel


@dataclass(frozen=True)
class Film:
    """The frames of a fit, and the panel of its log-likelihood or inertia against the iteration."""

    title: str
    frames: Sequence[Frame]
    climb: Panel


def film(result: FitResult, history: History, wanted: Sequence[Moment] | None = None) -> Film:
    """The frames of a fit at the wanted moments, each once; None: the data, and all iterations that were kept.

    Wanted iterations beyond the last are left out.
    """
    scene = scene_of(result, history)
    known = {snapshot.iteration: snapshot for snapshot in scene.snapshots}
    shown = (DATA, *known) if wanted is None else reached(wanted, scene.fit.iteration)
    frames = [
        Frame(None, scene.data()) if moment == DATA else Frame(int(moment), scene.frame(known[int(moment)]))
        for moment in shown
        if moment == DATA or moment in known
    ]
    return Film(heading(result), frames, climb(result))


def scene_class(kind: type[AnyModel], rows: Rows) -> type[Scene]:
    """What draws a model of these rows."""
    own = next((SCENES[each] for each in kind.__mro__ if each in SCENES), (Line, Plane))
    return own[len(rows.names) > 1]


def scene_of(result: FitResult, history: History) -> Scene:
    """What there is to show of a fit: the models of its best start in the units of the data."""
    rows, best = result.data.rows, result.best
    order = best.model.to_original(rows.scaling).canonical_order()
    path = [
        Snapshot(i, model.to_original(rows.scaling).ordered(order), model.ordered(order))
        for i, model in history.models(best)
    ]
    assignments = result.assignments()
    truth = result.truth["parameters"] if result.truth else None
    groups = true_groups(result, assignments)
    return scene_class(result.kind, rows)(rows, path, assignments, truth, groups, result.data.row_weights)


def true_groups(result: FitResult, assignments: Labels) -> Groups | None:
    """The true labels of the rows; where there are as many as components, in the order of those they are most like."""
    return None


def heading(result: FitResult) -> str:
    """What a picture shows in words: data, model, k."""
    kind = result.settings.document()
    about = [f"k = {kind['k']}", *(f"{kind[key]} {key}" for key in ("covariance", "mixing") if key in kind)]
    return f"{base_name(result.data.source)}: {result.kind.name}, {', '.join(about)}"


def climb(result: FitResult) -> Panel:
    """Log-likelihood, or inertia where the model has one, of the best start against the iteration."""
    best = result.best
    x, y = thinned([each.objective for each in result.measures(best)[: best.iterations + 1]])
    measure = result.objective_name
    y_range = climb_range([y]) if result.inertia is None and len(y) else None
    shape = "line" if len(x) > 1 else "points"
    series = [Series(shape, x, y, None, 0, "bold" if len(x) > 1 else "normal")]
    return Panel(measure.capitalize(), "iteration", measure, series, whole=True, y_range=y_range)
