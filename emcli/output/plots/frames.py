"""The film of a fit: its data, and its iterations one after the other, all with the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emcli.config.iterations import DATA, Moment, reached
from emcli.data.rows import Rows
from emcli.inference.agreement import cross_table
from emcli.inference.assignments import Labels
from emcli.inference.fit_result import FitResult
from emcli.inference.runs import Run
from emcli.inference.starts import EXACT
from emcli.models.base import AnyModel
from emcli.models.coins.mixture import BinomialMixture
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.kmeans.model import KMeans
from emcli.output.numbers import scores
from emcli.output.plots.figure import GREY, Panel, Series, base_name, climb_range, middled, thinned
from emcli.output.plots.history import History
from emcli.output.plots.scenes.coins import Coins
from emcli.output.plots.scenes.gmm import Curves, Ellipses
from emcli.output.plots.scenes.kmeans import ClusterLine, ClusterPlane
from emcli.output.plots.scenes.line import Line
from emcli.output.plots.scenes.plane import Plane
from emcli.output.plots.scenes.scene import DIRECT, Groups, Scene, Snapshot

NO_LABEL = "no label"
LONGEST_NAME = 50  # characters of a source in a heading
START_SHARE = 3.0  # of the height of the later climb that the start may be below its top, to be shown
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

    The last stands for wanted iterations that the fit does not have.
    """
    scene = scene_of(result, history)
    known = {snapshot.iteration: snapshot for snapshot in scene.snapshots}
    shown = [DATA, *known] if wanted is None else reached(wanted, scene.fit.iteration)
    # What was found directly is at every iteration the same.
    iterations = dict.fromkeys(moment if moment in known else scene.fit.iteration for moment in shown if moment != DATA)
    frames = [Frame(i, scene.frame(known[i])) for i in map(int, iterations)]
    if DATA in shown:
        frames.insert(0, Frame(None, scene.data()))
    return Film(heading(result), frames, climb(result))


def scene_class(kind: type[AnyModel], rows: Rows) -> type[Scene]:
    """What draws a model of these rows."""
    own = next((SCENES[each] for each in kind.__mro__ if each in SCENES), (Line, Plane))
    return own[len(rows.names) > 1]


def scene_of(result: FitResult, history: History) -> Scene:
    """What there is to show of a fit: the models of its best start in the units of the data."""
    rows, best = result.data.rows, result.best
    order = best.model.to_original(rows.scaling).order_in(rows)
    path = [
        Snapshot(i, model.to_original(rows.scaling).ordered(order), model.ordered(order))
        for i, model in history.models(best)
    ]
    if best.kind == EXACT:  # what it began with is what it ended with
        path = path[-1:]
    assignments = result.assignments()
    truth = result.truth["parameters"] if result.truth else None
    groups, weights = true_groups(result, assignments), result.data.row_weights
    scene = scene_class(result.kind, rows)
    return scene(rows, path, assignments, truth, groups, weights, beginning(best), true_names(result))


def beginning(run: Run) -> str:
    """Where the iterations of a run begin, in words."""
    if run.kind == EXACT:
        return DIRECT
    if run.source is not None:
        return f"Start: a move from start {run.source}"
    return f"Start: from the fit {run.origin}" if run.origin else "Start"


def true_groups(result: FitResult, assignments: Labels) -> Groups | None:
    """The true labels of the rows, each in the colour of the component that has most of its rows; grey without one."""
    if result.labels is None:
        return None
    from scipy.optimize import linear_sum_assignment

    names, numbers = result.labels
    known, k = (assignments >= 0) & (numbers >= 0), result.settings.model.k
    weights = None if result.data.row_weights is None else result.data.row_weights[known]
    table = cross_table(numbers[known], assignments[known], weights, (len(names), k))
    colours = dict(zip(*(found.tolist() for found in linear_sum_assignment(-table)), strict=True))
    others = iter(range(k, k + len(names)))
    every = np.array([colours[i] if i in colours else next(others) for i in range(len(names))])
    order = np.argsort(every)
    if result.data.labels is None:  # they were drawn, and have no other names
        said = [f"true {j + 1}" for j in np.sort(every)]
    else:
        said = [names[i] for i in order]
    inks = np.sort(every).tolist()
    if (numbers < 0).any():
        said, inks = [*said, NO_LABEL], [*inks, GREY]
    return Groups(np.append(np.argsort(order), len(names))[numbers], said, inks)


def true_names(result: FitResult) -> Sequence[str]:
    """What the groups are called whose parameters are the true ones, where these stand in their order."""
    if result.labels is None or result.data.labels is None:
        return ()
    names, numbers = result.labels
    return [names[i] for i in np.unique(numbers[numbers >= 0]).tolist()]


def heading(result: FitResult) -> str:
    """What a picture shows in words: data, model, number of components."""
    scene, settings = scene_class(result.kind, result.data.rows), result.settings.document()
    about = scene.heading(result.kind.name, result.settings.model.k, settings)
    return f"{middled(base_name(result.data.source), LONGEST_NAME)}: {about}"


def climb(result: FitResult) -> Panel:
    """Log-likelihood, or inertia where the model has one, of the best start against the iteration.

    The first series is the curve; a second one says what lies below the frame, and stands at its edge.
    """
    best, measure = result.best, result.objective_name
    x, y = thinned([each.objective for each in result.measures(best)[: best.iterations + 1]])
    y_range = None
    if result.inertia is None and len(y):
        y_range = climb_range([y], [np.append(y[:1], y)])
        later = climb_range([y])
        if later and y[0] < later[1] - START_SHARE * (later[1] - later[0]):
            y_range = later  # beside a start so low nothing else could be seen
    shape, stroke = ("line", "bold") if len(x) > 1 else ("points", "normal")
    series = [Series(shape, x, y, None, 0, stroke)]
    if y_range and y[0] < y_range[0]:
        said = f"{scores(y[:1].tolist())[0]}, below"
        series.append(Series("points", x[:1], np.array([y_range[0]]), None, None, "below", mark=said))
    return Panel(measure.capitalize(), "iteration", measure, series, whole=True, y_range=y_range)
