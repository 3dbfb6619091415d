"""What pictures show of Gaussian mixtures: curves over a histogram, or ellipses among points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from emcli.models.gmm.covariance import Spherical
from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.scenes.line import Line
from emcli.output.plots.scenes.plane import Plane
from emcli.output.plots.scenes.scene import Scene, Snapshot
from emcli.types import Array

MIDDLE_ITERATION = 5  # of which the middle panel is, in a long fit


class Gaussians(Scene):
    """A mixture of Gaussians."""

    def moments(self) -> Sequence[Snapshot]:
        """The start, a few iterations on, and the end."""
        last = self.fit.iteration
        some = (0, min(MIDDLE_ITERATION, last // 2), last)
        return [snapshot for snapshot in self.snapshots if snapshot.iteration in some]

    def overview(self) -> list[list[Panel]]:
        """The start, a few iterations on, and the end."""
        return [[self.frame(snapshot) for snapshot in self.moments()]]


class Ellipses(Gaussians, Plane):
    """Each component's ellipses of one and two standard deviations among the rows by their likeliest component."""

    @property
    def common(self) -> bool:
        """Only spherical components know no unit but that of all columns."""
        one_unit = bool(np.ptp(self.rows.scaling.exponent) == 0)
        return one_unit and bool(self.snapshots) and isinstance(self.fit.model.covariances, Spherical)

    @property
    def landmarks(self) -> Array:
        """The ellipses at the end, and the means at any time."""
        if not self.snapshots:
            return np.empty((2, 0))
        model = self.fit.model
        outlines = [self.plane.ellipse(*pair, 2.0) for pair in zip(model.means, model.covariances.full(), strict=True)]
        means = np.stack([snapshot.model.means for snapshot in self.snapshots])
        return np.concatenate([*outlines, self.plane.place(means).reshape(2, -1)], axis=1)

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows by their likeliest component, the means and the ellipses."""
        means, series = snapshot.model.means, self.dots(snapshot)
        for j, (mean, matrix) in enumerate(zip(means, snapshot.model.covariances.full(), strict=True)):
            one, two = self.plane.ellipse(mean, matrix, 1.0), self.plane.ellipse(mean, matrix, 2.0)
            series.append(Series("line", one[0], one[1], "1 sd" if j == 0 else None, j, "bold"))
            series.append(Series("line", two[0], two[1], "2 sd" if j == 0 else None, j, "normal"))
        centre = self.plane.place(means)
        series.append(Series("points", centre[0], centre[1], "mean", None, "bold"))
        return self.panel(self.when(snapshot), series)


class Curves(Gaussians, Line):
    """Each component's density over a histogram of the rows, in rows a bin."""

    def curves(self, snapshot: Snapshot) -> tuple[Array, Array]:
        """Values of the column (m,), and how many rows in a bin there each component expects, (k, m)."""
        low, high = self.edges[0], self.edges[-1]
        means, sds = snapshot.model.means[:, 0], np.sqrt(snapshot.model.covariances.full()[:, 0, 0])
        near = (means + sds * np.linspace(-4, 4, 49)[:, None]).ravel()
        x = np.unique(np.concatenate([np.linspace(low, high, 161), near]).clip(low, high))
        z = (x - means[:, None]) / sds[:, None]
        density = np.exp(-0.5 * z * z) / (sds[:, None] * np.sqrt(2 * np.pi))
        expected: Array = self.rows.total * (self.edges[1] - self.edges[0]) * snapshot.model.weights[:, None] * density
        return x, expected

    @cached_property
    def y_range(self) -> tuple[float, float]:
        """The bars and the curves at the end, and those before them unless they are much higher."""
        tops = [float(self.curves(snapshot)[1].sum(axis=0).max()) for snapshot in self.snapshots]
        top = max([float(self.heights.max()), *tops[-1:]])
        return 0.0, 1.06 * max([top, *(min(each, 1.6 * top) for each in tops)])

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows, the density of the mixture and those of its components."""
        x, each = self.curves(snapshot)
        series = [self.observed(), Series("line", x, each.sum(axis=0), "mixture", None, "bold")]
        series += [Series("line", x, y, f"component {j + 1}", j) for j, y in enumerate(each)]
        return self.panel(self.when(snapshot), series)
