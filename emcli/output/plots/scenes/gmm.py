"""What pictures show of Gaussian mixtures: curves over a histogram, or ellipses among points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from emcli.errors import counted
from emcli.models.gmm.covariance import Spherical
from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.scenes.line import Line, top_mark
from emcli.output.plots.scenes.plane import Plane
from emcli.output.plots.scenes.scene import Scene, Snapshot, mixing
from emcli.types import JSON, Array

FAR = 3.5  # sds from a mean, beyond which a density is nearly 0


class Gaussians(Scene):
    """A mixture of Gaussians."""

    @classmethod
    def heading(cls, name: str, k: int, settings: Mapping[str, JSON]) -> str:
        matrix = "covariance" if k == 1 else "covariances"
        return f"{counted(k, 'Gaussian')}, {settings.get('covariance', 'full')} {matrix}{mixing(k, settings)}"

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
        """The rows by their likeliest component, the means and the ellipses, and the true ones."""
        means, series = snapshot.model.means, self.dots(snapshot)
        for j, (mean, matrix) in enumerate(zip(means, snapshot.model.covariances.full(), strict=True)):
            one, two = self.plane.ellipse(mean, matrix, 1.0), self.plane.ellipse(mean, matrix, 2.0)
            series.append(Series("line", one[0], one[1], "1 sd" if j == 0 else None, j, "bold"))
            series.append(Series("line", two[0], two[1], "2 sd" if j == 0 else None, j, "normal"))
        matrices = self.true("covariances")[0]
        for j, (mean, matrix) in enumerate(zip(self.true("means")[0], matrices, strict=True)):
            two = self.plane.ellipse(mean, matrix, 2.0)
            series.append(Series("line", two[0], two[1], None if j else "true, 2 sd", None, "dashed"))
        return self.panel(self.when(snapshot), [*series, *self.discs(self.plane.place(means), "mean")])


class Curves(Gaussians, Line):
    """Each component's density over a histogram of the rows, in rows a bin."""

    @classmethod
    def heading(cls, name: str, k: int, settings: Mapping[str, JSON]) -> str:
        """In one column only whether the variances are the same makes a difference."""
        tied = ", one variance" if k > 1 and settings.get("covariance") == "tied" else ""
        return f"{counted(k, 'Gaussian')}{tied}{mixing(k, settings)}"

    def curves(self, weights: Array, means: Array, sds: Array) -> tuple[Array, Array]:
        """Values of the column (m,), and how many rows in a bin there each component expects, (k, m)."""
        low, high = self.x_range
        near = (means + sds * np.linspace(-4, 4, 49)[:, None]).ravel()
        x = np.unique(np.concatenate([np.linspace(low, high, 161), near]).clip(low, high))
        z = (x - means[:, None]) / sds[:, None]
        density = np.exp(-0.5 * z * z) / (sds[:, None] * np.sqrt(2 * np.pi))
        expected: Array = self.rows.total * (self.edges[1] - self.edges[0]) * weights[:, None] * density
        return x, expected

    def of(self, snapshot: Snapshot) -> tuple[Array, Array]:
        """The curves of a snapshot."""
        model = snapshot.model
        return self.curves(model.weights, model.means[:, 0], np.sqrt(model.covariances.full()[:, 0, 0]))

    @cached_property
    def x_range(self) -> tuple[float, float]:
        """The bins, and where the densities at the end are nearly 0, unless that is far away."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        if not self.snapshots:
            return low, high
        model, room = self.fit.model, 0.6 * (high - low)
        means, sds = model.means[:, 0], FAR * np.sqrt(model.covariances.full()[:, 0, 0])
        return max(min(low, float((means - sds).min())), low - room), min(
            max(high, float((means + sds).max())), high + room
        )

    @cached_property
    def y_range(self) -> tuple[float, float]:
        """The bars and the curves at the end, and those before them unless they are much higher."""
        tops = [float(self.of(snapshot)[1].sum(axis=0).max()) for snapshot in self.snapshots]
        top = max([float(self.heights.max()), *tops[-1:]])
        return 0.0, 1.12 * max([top, *(min(each, 1.6 * top) for each in tops)])

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows, the density of the mixture and those of its components, and the true ones."""
        x, each = self.of(snapshot)
        series = [self.observed(), Series("line", x, each.sum(axis=0), "mixture", None, "bold")]
        series += [Series("line", x, y, f"component {j + 1}", j) for j, y in enumerate(each)]
        return self.panel(
            self.when(snapshot), [*series, *self.true_curves(), *(top_mark(x, y, j) for j, y in enumerate(each))]
        )

    def true_curves(self) -> list[Series]:
        """The densities of the true components that have one."""
        means, components = self.true("means")
        if not len(means):
            return []
        weights, matrices = self.true("weights")[0], self.true("covariances")[0]
        known = np.flatnonzero(matrices[:, 0, 0] > 0)
        x, each = self.curves(weights[known], means[known, 0], np.sqrt(matrices[known, 0, 0]))
        return [
            Series("line", x, y, None if i else "true", components[j], "dashed")
            for i, (j, y) in enumerate(zip(known.tolist(), each, strict=True))
        ]
