"""What a picture of a fit shows of each model: K-means, coins and Gaussians, iteration by iteration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np

from emcli.data.rows import Rows
from emcli.errors import counted
from emcli.inference.assignments import Labels
from emcli.models.base import AnyModel
from emcli.models.coins.mixture import BinomialMixture
from emcli.models.gmm.covariance import Spherical
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.kmeans.model import KMeans
from emcli.models.plain_values import Parameters
from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import Projection, axis_range, bin_counts, bin_edges, dots, round_width
from emcli.types import Array

MIDDLE_ITERATION = 5  # of which the middle picture is, in a long fit
Panels = list[list[Panel]]
Truth = Parameters | None  # the true parameters, where they are known


class Snapshot(NamedTuple):
    """A model that the fit went through."""

    iteration: int
    model: Any  # in the user's units
    working: Any  # the same in the units of the rows' values


Snapshots = Sequence[Snapshot]  # in order; the last is the fit


@singledispatch
def panels_of(model: AnyModel, snapshots: Snapshots, rows: Rows, assignments: Labels, truth: Truth) -> Panels:
    """What to show of a model, the last of its snapshots, and of the rows (n,) with their components: rows of panels.

    Of a model that has no panels of its own, the rows by component.
    """
    k, title = len(model.weights), f"Rows by component, after {counted(snapshots[-1].iteration, 'iteration')}"
    groups = rows.of_merged(assignments)
    if len(rows.names) == 1:
        edges, bars = _stacked(rows, groups, k, "component")
        return [[Panel(title, rows.names[0], _per_bin(edges), bars, y_range=(0.0, 1.06 * _top(bars)))]]
    plane = Projection.of(rows, common=False)
    return [
        [Panel(title, *plane.labels, dots(plane.rows(rows), groups, k, rows.weights, "component"), note=plane.note)]
    ]


@panels_of.register(KMeans)
def _(model: KMeans, snapshots: Snapshots, rows: Rows, assignments: Labels, truth: Truth) -> Panels:
    """The rows by cluster, the centroids, and the way that each took."""
    assignments = rows.of_merged(assignments)
    tracks = np.stack([snapshot.model.centroids for snapshot in snapshots])  # (t, k, d)
    if len(rows.names) == 1:
        return [[_strip(tracks[:, :, 0], [snapshot.iteration for snapshot in snapshots], rows, assignments)]]
    plane = Projection.of(rows, common=True)
    at, ways = plane.rows(rows), plane.place(tracks)  # (2, n) and (2, t, k)
    k = tracks.shape[1]
    series = dots(at, assignments, k, rows.weights, "cluster")
    if len(snapshots) > 1:
        series += [Series("line", ways[0, :, j], ways[1, :, j], "path" if j == 0 else None, j) for j in range(k)]
        series.append(Series("points", ways[0, 0], ways[1, 0], "start", None, "thin"))
    series.append(Series("points", ways[0, -1], ways[1, -1], "centroid", None, "bold"))
    x_range, y_range = (axis_range(at[i], ways[i].ravel()) for i in (0, 1))
    title = f"Clusters after {counted(snapshots[-1].iteration, 'iteration')}"
    return [[Panel(title, *plane.labels, series, x_range=x_range, y_range=y_range, note=plane.note)]]


def _strip(tracks: Array, iterations: Sequence[int], rows: Rows, assignments: Labels) -> Panel:
    """One column: a histogram of each cluster, and above it time going up with each centroid's way."""
    k = tracks.shape[1]
    edges, series = _stacked(rows, assignments, k, "cluster")
    top = _top(series)
    if len(iterations) > 1:
        level = top * (1.08 + 0.4 * (1 - np.asarray(iterations) / max(iterations[-1], 1)))
        series += [Series("line", tracks[:, j], level, "path, downwards" if j == 0 else None, j) for j in range(k)]
        series.append(Series("points", tracks[0], np.full(k, level[0]), "start", None, "thin"))
    series.append(Series("points", tracks[-1], np.full(k, 1.08 * top), "centroid", None, "bold"))
    title = f"Clusters after {counted(iterations[-1], 'iteration')}"
    y_range = (0.0, top * (1.55 if len(iterations) > 1 else 1.2))
    x_range = axis_range(edges, tracks.ravel())
    return Panel(title, rows.names[0], _per_bin(edges), series, x_range=x_range, y_range=y_range)


def _stacked(rows: Rows, groups: Labels, k: int, noun: str) -> tuple[Array, list[Series]]:
    """The edges of a histogram of one column, and the bars of each of k groups of rows."""
    values = rows.scaling.to_original(rows.values.T)[:, 0]
    edges = bin_edges(values, rows.weights)
    heights = []
    for j in range(k):
        mine = groups == j
        heights.append(bin_counts(values[mine], None if rows.weights is None else rows.weights[mine], edges))
    return edges, [Series("bars", edges, height, f"{noun} {j + 1}", j) for j, height in enumerate(heights)]


def _top(bars: Sequence[Series]) -> float:
    """How high the bars stand on each other."""
    return float(np.sum([one.y for one in bars], axis=0).max())


@panels_of.register(BinomialMixture)
def _(model: BinomialMixture, snapshots: Snapshots, rows: Rows, assignments: Labels, truth: Truth) -> Panels:
    """Each coin's P(heads) against the iteration, and the rows beside what the fitted mixture expects."""
    iterations = np.array([snapshot.iteration for snapshot in snapshots], dtype=np.float64)
    heads = np.stack([snapshot.model.heads for snapshot in snapshots])  # (t, k)
    k = heads.shape[1]
    shape, stroke = ("line", "normal") if len(snapshots) > 1 else ("points", "bold")
    series = [
        Series(shape, iterations, p, f"coin {j + 1}", j, stroke, mark=f"{p[-1]:.3g}") for j, p in enumerate(heads.T)
    ]
    known = np.asarray((truth or {}).get("heads", ())).tolist()
    ends = np.array([0.0, max(iterations[-1], 1.0)])
    series += [
        Series("line", ends, np.full(2, p), "truth" if j == 0 else None, j if len(known) == k else None, "dashed")
        for j, p in enumerate(known)
    ]
    first = Panel("Coins, iteration by iteration", "iteration", "P(heads)", series, whole=True, y_range=(0.0, 1.0))
    return [[first, _tossed(model, rows)]]


def _tossed(model: BinomialMixture, rows: Rows) -> Panel:
    """How many rows had that many heads, or that share of heads where the number of tosses differs."""
    from scipy.special import bdtr

    heads, tosses = rows.values[0], rows.values[0] + rows.values[1]
    weights = np.ones(len(heads)) if rows.weights is None else rows.weights
    distinct, place = np.unique(tosses, return_inverse=True)
    often = np.bincount(place.ravel(), weights)
    if len(distinct) == 1:
        reach = float(distinct[0]) + 1
        width = max(1.0, round_width(reach / 60))
        edges = np.arange(int(np.ceil(reach / width)) + 1, dtype=np.float64) * np.float64(width) - 0.5
        limit, values, x_label = edges, heads, f"heads in {distinct[0]:g} tosses"
        y_label = "rows" if width == 1 else f"rows in {width:g} counts of heads"
    else:
        edges = np.arange(21, dtype=np.float64) / 20
        limit, values, x_label, y_label = edges - 1e-9, heads / tosses, "heads / tosses", "rows in a bin of 0.05"
        limit[-1] += 1.0
    below = np.ceil(limit[:, None] * (1.0 if len(distinct) == 1 else distinct)) - 1  # (edges, tosses)
    middle: Array = (edges[1:] + edges[:-1]) / 2
    expected = []
    for p in model.heads:
        reached = np.where(below < 0, 0.0, bdtr(np.clip(below, 0, distinct), distinct.astype(np.int64), p))
        expected.append(np.diff(reached @ often))
    each = model.weights[:, None] * np.array(expected)  # (k, bins)
    series = [Series("bars", edges, bin_counts(values, weights, limit), "observed")]
    series.append(Series("line", middle, each.sum(axis=0), "mixture", None, "bold"))
    series += [Series("line", middle, y, f"coin {j + 1}", j) for j, y in enumerate(each)]
    whole = len(distinct) == 1
    return Panel("Rows, and what the coins expect", x_label, y_label, series, whole=whole)


@panels_of.register(GaussianMixture)
def _(model: GaussianMixture, snapshots: Snapshots, rows: Rows, assignments: Labels, truth: Truth) -> Panels:
    """The mixture at the start, after a few iterations and at the end, with the rows by their likeliest component."""
    last = snapshots[-1].iteration
    snapshots = [
        snapshot for snapshot in snapshots if snapshot.iteration in (0, min(MIDDLE_ITERATION, last // 2), last)
    ]
    if len(rows.names) == 1:
        return [_curves(snapshots, rows)]
    common = bool(np.ptp(rows.scaling.exponent) == 0) and isinstance(model.covariances, Spherical)
    groups = [*(_likeliest(snapshot.working, rows) for snapshot in snapshots[:-1]), rows.of_merged(assignments)]
    plane = Projection.of(rows, common)
    at = plane.rows(rows)
    outlines = [plane.ellipse(*pair, 2.0) for pair in zip(model.means, model.covariances.full(), strict=True)]
    centres = [plane.place(snapshot.model.means) for snapshot in snapshots]
    x_range, y_range = (axis_range(at[i], np.concatenate([o[i] for o in (*outlines, *centres)])) for i in (0, 1))
    panels = []
    for snapshot, group, centre in zip(snapshots, groups, centres, strict=True):
        means = snapshot.model.means
        series = dots(at, group, len(means), rows.weights, "component")
        for j, (mean, matrix) in enumerate(zip(means, snapshot.model.covariances.full(), strict=True)):
            one, two = plane.ellipse(mean, matrix, 1.0), plane.ellipse(mean, matrix, 2.0)
            series.append(Series("line", one[0], one[1], "1 sd" if j == 0 else None, j, "bold"))
            series.append(Series("line", two[0], two[1], "2 sd" if j == 0 else None, j, "normal"))
        series.append(Series("points", centre[0], centre[1], "mean", None, "bold"))
        title = _when(snapshot.iteration, last)
        panels.append(Panel(title, *plane.labels, series, x_range=x_range, y_range=y_range, note=plane.note))
    return [panels]


def _likeliest(working: GaussianMixture, rows: Rows) -> Labels:
    """The likeliest component of each of the rows' values (n,)."""
    return np.concatenate([working.labels(values) for values, _ in rows.batches()]).astype(np.int32)


def _curves(snapshots: Snapshots, rows: Rows) -> list[Panel]:
    values = rows.scaling.to_original(rows.values.T)[:, 0]
    edges = bin_edges(values, rows.weights)
    heights = bin_counts(values, rows.weights, edges)
    width = edges[1] - edges[0]
    shown = []
    for snapshot in snapshots:
        means, sds = snapshot.model.means[:, 0], np.sqrt(snapshot.model.covariances.full()[:, 0, 0])
        near = (means + sds * np.linspace(-4, 4, 49)[:, None]).ravel()
        x = np.unique(np.concatenate([np.linspace(edges[0], edges[-1], 161), near]).clip(edges[0], edges[-1]))
        z = (x - means[:, None]) / sds[:, None]
        density = np.exp(-0.5 * z * z) / (sds[:, None] * np.sqrt(2 * np.pi))
        shown.append((x, rows.total * width * snapshot.model.weights[:, None] * density))
    top = max(float(heights.max()), float(shown[-1][1].sum(axis=0).max()))
    most = min(max(float(each.sum(axis=0).max()) for _, each in shown), 1.6 * top)
    y_range = (0.0, 1.06 * max(top, most))
    panels = []
    for snapshot, (x, each) in zip(snapshots, shown, strict=True):
        series = [Series("bars", edges, heights, "observed")]
        series.append(Series("line", x, each.sum(axis=0), "mixture", None, "bold"))  # first: the components lie on it
        series += [Series("line", x, y, f"component {j + 1}", j) for j, y in enumerate(each)]
        title = _when(snapshot.iteration, snapshots[-1].iteration)
        panels.append(Panel(title, rows.names[0], _per_bin(edges), series, y_range=y_range))
    return panels


def _per_bin(edges: Array) -> str:
    return f"rows in a bin of {edges[1] - edges[0]:.3g}"


def _when(iteration: int, total: int) -> str:
    if iteration == 0:
        return "Start" if total else "Start and end: no iteration"
    return f"{'End, after' if iteration == total else 'After'} {counted(iteration, 'iteration')}"
