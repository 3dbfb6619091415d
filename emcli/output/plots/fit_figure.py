"""The picture of a fit: its overview, with the log-likelihood of every start."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from emcli.errors import counted
from emcli.inference.fit_result import FitResult
from emcli.inference.search.optima import set_aside
from emcli.output.plots.figure import GREY, Panel, Picture, Series, climb_range, thinned
from emcli.output.plots.frames import Film, heading, scene_of
from emcli.output.plots.history import History
from emcli.output.plots.scenes.pairs import pairs
from emcli.output.plots.scenes.plane import Plane

MOST_COLUMNS = 6  # of frames
MOST_STARTS = 50  # thin lines
ASIDE = "set aside: rests on chance"


def of_fit(result: FitResult, history: History, in_pairs: bool = True) -> Picture:
    """The model, iteration by iteration, and the log-likelihood of every start against the iteration.

    in_pairs: of a few columns each pair, where that is known of the model, in place of the way to the end.
    """
    scene, curve = scene_of(result, history), climbs(result)
    shown = scene.overview()
    if in_pairs and isinstance(scene, Plane) and (triangle := pairs(scene)):
        return Picture(heading(result), [[shown[-1][-1], curve]], triangle=triangle)
    # Three moments fill a row; fewer panels leave room beside them.
    panels = [*shown[:-1], [*shown[-1], curve]] if len(shown[-1]) < 3 else [*shown, [curve]]
    return Picture(heading(result), panels)


def of_film(film: Film) -> Picture:
    """The frames of a film side by side, and the log-likelihood with a dot for each."""
    panels = [frame.panel for frame in film.frames]
    iterations = np.array([frame.iteration for frame in film.frames if frame.iteration is not None], dtype=np.float64)
    if len(iterations):
        curve = film.climb.series[0]
        y = np.interp(iterations, curve.x, curve.y)
        seen = y >= film.climb.y_range[0] if film.climb.y_range else np.full(len(y), True)
        dots = Series("points", iterations[seen], y[seen], None, None, "normal")
        panels.append(replace(film.climb, series=[*film.climb.series, dots]))
    columns = len(panels) if len(panels) <= 3 else min(math.ceil(len(panels) ** 0.5), MOST_COLUMNS)
    rows = [panels[first : first + columns] for first in range(0, len(panels), columns)]
    return Picture(film.title, rows, columns)


def climbs(result: FitResult) -> Panel:
    """Log-likelihood, or inertia where the model has one, against the iteration: starts thin, the best bold."""
    finished = [start for start in result.ledger if start.finished and start is not result.best]
    others, chance = ([start for start in finished if set_aside(start) is aside] for aside in (False, True))
    some = others[:: -(-len(others) // MOST_STARTS) or 1]
    named = counted(len(others), "other start")
    said = f"{named}, {len(some)} shown" if len(some) < len(others) else named
    lines = [
        thinned([each.objective for each in result.measures(start)[: start.iterations + 1]])
        for start in (*some, *chance[:MOST_STARTS], result.best)
    ]
    series = [Series("line", x, y, None if i else said, None, "thin") for i, (x, y) in enumerate(lines[: len(some)])]
    aside = lines[len(some) : -1]
    series += [Series("line", x, y, None if i else ASIDE, GREY, "dashed") for i, (x, y) in enumerate(aside)]
    best = f"best: {'found directly' if result.best.kind == 'exact' else f'start {result.best.start}'}"
    x, y = lines[-1]
    if len(x) > 1:
        series.append(Series("line", x, y, best, 0, "bold"))
    series.append(Series("points", x[-1:], y[-1:], None if len(x) > 1 else best, 0))
    reach = max([1.0, *x[-1:]])
    longest = max(float(line[0][-1]) for line in lines if len(line[0]))
    x_range = None if longest <= 3 * reach else (-0.12 * reach, 3 * reach)
    measure = result.objective_name
    title = f"{measure.capitalize()} of each start"
    y_range = None if result.inertia is not None else climb_range([line[1] for line in lines])
    return Panel(title, "iteration", measure, series, whole=True, x_range=x_range, y_range=y_range)
