"""What pictures show of K-means: the clusters, the centroids, and the way that each took."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from emcli.errors import counted
from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import axis_range
from emcli.output.plots.scenes.line import Line
from emcli.output.plots.scenes.plane import Plane
from emcli.output.plots.scenes.scene import Scene, Snapshot
from emcli.types import Array


class Clusters(Scene):
    """Clusters of K-means."""

    noun = "cluster"

    @cached_property
    def tracks(self) -> Array:
        """The centroids at each snapshot, (t, k, d)."""
        if not self.snapshots:
            return np.empty((0, 0, len(self.rows.names)))
        return np.stack([snapshot.model.centroids for snapshot in self.snapshots])

    @property
    def title(self) -> str:
        """What the overview shows."""
        return f"Clusters after {counted(self.fit.iteration, 'iteration')}"


class ClusterPlane(Clusters, Plane):
    """Clusters in the plane."""

    @property
    def common(self) -> bool:
        """Distances are those of the columns as they are."""
        return True

    @cached_property
    def ways(self) -> Array:
        """The centroids at each snapshot in the plane, (2, t, k)."""
        return self.plane.place(self.tracks)

    @property
    def landmarks(self) -> Array:
        """All places of centroids."""
        return self.ways.reshape(2, -1)

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows by their nearest centroid, and the centroids."""
        x, y = self.plane.place(snapshot.model.centroids)
        return self.panel(self.when(snapshot), [*self.dots(snapshot), Series("points", x, y, "centroid", None, "bold")])

    def overview(self) -> list[list[Panel]]:
        """The rows by cluster, the centroids, and the way that each took."""
        ways, series = self.ways, self.dots(self.fit)
        if len(self.snapshots) > 1:
            series += [
                Series("line", ways[0, :, j], ways[1, :, j], "path" if j == 0 else None, j) for j in range(self.k)
            ]
            series.append(Series("points", ways[0, 0], ways[1, 0], "start", None, "thin"))
        series.append(Series("points", ways[0, -1], ways[1, -1], "centroid", None, "bold"))
        return [[self.panel(self.title, series)]]


class ClusterLine(Clusters, Line):
    """Clusters on a line: a histogram of each, and above it time going up with each centroid's way."""

    @property
    def x_range(self) -> tuple[float, float]:
        """The bins and all places of centroids."""
        return axis_range(self.edges, self.tracks.ravel())

    @property
    def top(self) -> float:
        """How high the bars are."""
        return float(self.heights.max())

    @property
    def y_range(self) -> tuple[float, float]:
        """The bars, and room for the centroids and their ways."""
        return 0.0, self.top * 1.2

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows by their nearest centroid, and the centroids above them."""
        x = snapshot.model.centroids[:, 0]
        centroids = Series("points", x, np.full(len(x), 1.08 * self.top), "centroid", None, "bold")
        return self.panel(self.when(snapshot), [*self.bars(snapshot), centroids])

    def overview(self) -> list[list[Panel]]:
        """The histogram at the end, and the ways of the centroids."""
        k, top, tracks, series = self.k, self.top, self.tracks[:, :, 0], self.bars(self.fit)
        iterations = np.array([snapshot.iteration for snapshot in self.snapshots])
        if len(iterations) > 1:
            level = top * (1.08 + 0.4 * (1 - iterations / max(iterations[-1], 1)))
            series += [Series("line", tracks[:, j], level, "path, downwards" if j == 0 else None, j) for j in range(k)]
            series.append(Series("points", tracks[0], np.full(k, level[0]), "start", None, "thin"))
        series.append(Series("points", tracks[-1], np.full(k, 1.08 * top), "centroid", None, "bold"))
        y_range = (0.0, top * (1.55 if len(iterations) > 1 else 1.2))
        y_label = f"rows in a bin of {self.edges[1] - self.edges[0]:.3g}"
        return [[Panel(self.title, self.rows.names[0], y_label, series, x_range=self.x_range, y_range=y_range)]]
