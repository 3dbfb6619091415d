"""What pictures show of K-means: the clusters, the centroids, and the way that each took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from emcli.errors import counted
from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import axis_range
from emcli.output.plots.scenes.line import Line
from emcli.output.plots.scenes.plane import Plane
from emcli.output.plots.scenes.scene import Scene, Snapshot
from emcli.types import JSON, Array


class Clusters(Scene):
    """Clusters of K-means."""

    noun = "cluster"

    @cached_property
    def tracks(self) -> Array:
        """The centroids at each snapshot, (t, k, d)."""
        if not self.snapshots:
            return np.empty((0, 0, len(self.rows.names)))
        return np.stack([snapshot.model.centroids for snapshot in self.snapshots])

    @classmethod
    def heading(cls, name: str, k: int, settings: Mapping[str, JSON]) -> str:
        return f"K-means, {counted(k, cls.noun)}{', columns standardized' if settings.get('standardize') else ''}"


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
        """All places of centroids, and the true ones."""
        true = self.true("centroids")[0].reshape(-1, len(self.rows.names))
        return np.concatenate([self.ways.reshape(2, -1), self.plane.place(true)], axis=1)

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows by their nearest centroid, and the centroids."""
        return self.panel(self.when(snapshot), self.clusters(snapshot))

    def clusters(self, snapshot: Snapshot, ways: Sequence[Series] = ()) -> list[Series]:
        """The rows by their nearest centroid, ways, and the centroids, with the true ones."""
        true = self.plane.place(self.true("centroids")[0].reshape(-1, len(self.rows.names)))
        crosses = [Series("points", true[0], true[1], "true", None, "dashed")] if true.size else []
        centroids = self.discs(self.plane.place(snapshot.model.centroids), "centroid")
        return [*self.dots(snapshot), *ways, *crosses, *centroids]

    def overview(self) -> list[list[Panel]]:
        """The start, a few iterations on, and the end with the way that each centroid took."""
        *before, last = self.moments()
        x, y = self.ways
        ways = [Series("line", x[:, j], y[:, j], None if j else "path", j) for j in range(self.k)]
        end = self.panel(self.when(last), self.clusters(last, ways if before else ()))
        return [[*map(self.frame, before), end]]


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
        return self.panel(self.when(snapshot), self.clusters(snapshot))

    def clusters(self, snapshot: Snapshot, ways: Sequence[Series] = ()) -> list[Series]:
        """The rows by their nearest centroid, ways, and the centroids above them, with the true ones."""
        true, level = self.true("centroids")[0].reshape(-1), 1.08 * self.top
        lines = [
            Series("line", np.full(2, x), np.array([0.0, level]), None if j else "true", None, "dashed")
            for j, x in enumerate(true)
        ]
        x = snapshot.model.centroids[:, 0]
        return [*self.bars(snapshot), *lines, *ways, *self.discs(np.stack([x, np.full(len(x), level)]), "centroid")]

    def overview(self) -> list[list[Panel]]:
        """The histogram at the end, and above it the ways of the centroids, time going down."""
        if len(self.snapshots) == 1:
            return [[self.frame(self.fit)]]
        tracks, iterations = self.tracks[:, :, 0], np.array([snapshot.iteration for snapshot in self.snapshots])
        level = self.top * (1.08 + 0.4 * (1 - iterations / max(iterations[-1], 1)))
        ways = [Series("line", tracks[:, j], level, None if j else "path, downwards", j) for j in range(self.k)]
        ways.append(Series("points", tracks[0], np.full(self.k, level[0]), "start", None, "thin"))
        panel = self.panel(self.when(self.fit), self.clusters(self.fit, ways))
        return [[replace(panel, y_range=(0.0, 1.55 * self.top))]]
