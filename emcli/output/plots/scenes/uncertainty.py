"""How uncertain it is which component a row belongs to: 1 less its largest responsibility."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emcli.data.rows import batch_chunks, pairs
from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.scenes.plane import MOST_DOTS, Plane, dots
from emcli.output.plots.scenes.scene import Scene
from emcli.types import Array

TITLE = "Uncertainty: 1 − the largest responsibility"
SHARES = "Responsibilities, and the uncertainty that they leave"
DOTS = "uncertainty: a dot is the larger, the less certain its component is"
CELLS = "uncertainty: a place is the darker, the more rows there may belong to another component"


def uncertainties(scene: Scene) -> Array:
    """1 less the largest responsibility of each row that the model works on, by the finished fit, (n,)."""
    found = [
        1 - scene.fit.working.posterior(some)[0].max(axis=0)
        for values, weights in pairs(scene.rows.batches())
        for some, _ in batch_chunks(values, weights)
    ]
    known = scene.rows.known
    return np.concatenate(found) if known is None else np.where(known < 0, np.concatenate(found), 0.0)


def in_plane(scene: Plane) -> Panel:
    """The rows by their likeliest component: the less certain the larger; of many the counts of uncertain ones."""
    parts, doubts = scene.by_component(scene.fit), uncertainties(scene)
    if len(doubts) > MOST_DOTS:
        weights = doubts if parts.weights is None else doubts * parts.weights
        return replace(scene.panel(TITLE, dots(scene.at, parts._replace(weights=weights))), note=_note(scene, CELLS))
    series = []
    for j, (name, colour) in enumerate(zip(parts.names, parts.colours, strict=True)):
        mine = np.flatnonzero((parts.numbers == j) & ~np.isnan(scene.at).any(axis=0))
        mine = mine[np.argsort(doubts[mine], kind="stable")]  # the least certain on top of the others
        series.append(Series("points", scene.at[0, mine], scene.at[1, mine], name, colour, sizes=doubts[mine]))
    return replace(scene.panel(TITLE, series), note=_note(scene, DOTS))


def _note(scene: Plane, what: str) -> str:
    return "\n".join(filter(None, (scene.plane.note, scene.undrawn, what)))


def along(x: Array, responsibilities: Array, scene: Scene) -> list[Series]:
    """Responsibilities (k, m) at values (m,), and the uncertainty that they leave."""
    series = [Series("line", x, r, scene.called(j), scene.colour(j)) for j, r in enumerate(responsibilities)]
    # Of two components it is the smaller one, which is to be seen between its dashes.
    return [*series, Series("line", x, 1 - responsibilities.max(axis=0), "uncertainty", None, "dashed")]
