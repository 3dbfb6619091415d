"""What pictures show of Gaussian mixtures: curves over a histogram, or ellipses among points."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from emcli.config.covariances import letters
from emcli.errors import counted
from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import bin_counts
from emcli.output.plots.scenes.line import Line, top_mark
from emcli.output.plots.scenes.plane import Plane
from emcli.output.plots.scenes.scene import Scene, Snapshot, mixing
from emcli.output.plots.scenes.uncertainty import SHARES, along, in_plane
from emcli.types import JSON, Array

NEAR = np.linspace(-5.0, 5.0, 61)  # sds from a mean
FAR = 3.5  # sds from a mean, beyond which a density is nearly 0


class Gaussians(Scene):
    """A mixture of Gaussians."""

    @classmethod
    def heading(cls, name: str, k: int, settings: Mapping[str, JSON]) -> str:
        shape = f"{settings.get('covariance', 'full')} covariance{'s' * (k > 1)}"
        return f"{counted(k, 'Gaussian')}{beside(settings)}, {shape}{mixing(k, settings)}"

    def overview(self) -> list[list[Panel]]:
        """The start, a few iterations on, and the end; and how uncertain that leaves each row."""
        frames, doubts = [self.frame(snapshot) for snapshot in self.moments()], self.uncertainty()
        return [[*frames, *doubts]] if len(frames) == 1 else [frames, doubts] if doubts else [frames]

    @abstractmethod
    def uncertainty(self) -> list[Panel]:
        """How uncertain it is which component a row belongs to; nothing of one component."""


class Ellipses(Gaussians, Plane):
    """Each component's ellipses of one and two standard deviations among the rows by their likeliest component."""

    @property
    def common(self) -> bool:
        """Only spheres know no unit but that of all columns."""
        one_unit = bool(np.ptp(self.rows.scaling.exponent) == 0)
        return one_unit and bool(self.snapshots) and self.fit.model.covariances.spheres

    @property
    def outlines(self) -> list[Array]:
        """The ellipses of two standard deviations at the end, each (2, m)."""
        model = self.fit.model
        return [self.plane.ellipse(*pair, 2.0) for pair in zip(model.means, model.covariances.full(), strict=True)]

    @property
    def landmarks(self) -> Array:
        """The ellipses at the end, and the means at any time."""
        if not self.snapshots:
            return np.empty((2, 0))
        means = np.stack([snapshot.model.means for snapshot in self.snapshots])
        return np.concatenate([*self.outlines, self.plane.place(means).reshape(2, -1)], axis=1)

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
            if name := self.true_name(j, len(matrices)):
                series.append(top_mark(two[0], two[1], None, name))
        return self.panel(self.when(snapshot), [*series, *self.discs(self.plane.place(means), "mean")])

    def alone(self, column: int, edges: Array, shown: tuple[float, float]) -> list[Series]:
        """A histogram of a column, and how many rows in a bin each component expects where that is not nearly 0."""
        model, rows = self.fit.model, self.rows
        series = [Series("bars", edges, bin_counts(self.values[column], rows.weights, edges))]
        parameters = zip(
            model.shares[: self.k], model.means[:, column], model.covariances.full()[:, column, column], strict=True
        )
        for j, (weight, mean, variance) in enumerate(parameters):
            x = np.clip(mean + np.sqrt(variance) * NEAR, *shown)
            expected = rows.total * (edges[1] - edges[0]) * weight * density(x, mean, np.sqrt(variance))
            series.append(Series("line", x, expected, None, j))
        return series

    def uncertainty(self) -> list[Panel]:
        """The rows by their likeliest component, the less certain the larger, among the ellipses."""
        if self.k == 1:
            return []
        panel = in_plane(self)
        lines = [Series("line", x, y, None if j else "2 sd", j, "thin") for j, (x, y) in enumerate(self.outlines)]
        series = [*panel.series, *lines, *self.discs(self.plane.place(self.fit.model.means), "mean")]
        return [replace(panel, series=series)]


def beside(settings: Mapping[str, JSON]) -> str:
    """What a heading says of noise."""
    return " and noise" if settings.get("noise") else ""


def density(x: Array, mean: Array, sd: Array) -> Array:
    """The density of a Gaussian at values x."""
    z = (x - mean) / sd
    return np.asarray(np.exp(-0.5 * z * z) / (sd * np.sqrt(2 * np.pi)))


class Curves(Gaussians, Line):
    """Each component's density over a histogram of the rows, in rows a bin."""

    @classmethod
    def heading(cls, name: str, k: int, settings: Mapping[str, JSON]) -> str:
        """In one column only whether the variances are the same makes a difference."""
        tied = ", one variance" if k > 1 and letters(str(settings.get("covariance", "full")))[0] == "E" else ""
        return f"{counted(k, 'Gaussian')}{beside(settings)}{tied}{mixing(k, settings)}"

    def places(self, means: Array, sds: Array) -> Array:
        """Values of the column (m,), close to each other where components are."""
        near = (means + sds * np.linspace(-4, 4, 49)[:, None]).ravel()
        return np.unique(np.concatenate([np.linspace(*self.x_range, 161), near]).clip(*self.x_range))

    @property
    def in_a_bin(self) -> float:
        """How many rows a bin has for a density of 1."""
        return float(self.rows.total * (self.edges[1] - self.edges[0]))

    def of(self, snapshot: Snapshot) -> tuple[Array, Array, Array]:
        """Values (m,), and at each how many rows in a bin the components expect, and their responsibilities, (k, m).

        Those beside the Gaussians come last.
        """
        model = snapshot.model
        x = self.places(model.means[:, 0], np.sqrt(model.covariances.full()[:, 0, 0]))
        responsibilities, log_density = model.posterior(x[None])
        return x, self.in_a_bin * np.exp(log_density) * responsibilities, responsibilities

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
        x, each, _ = self.of(snapshot)
        series = [self.observed(), Series("line", x, each.sum(axis=0), "mixture", None, "bold")]
        series += [Series("line", x, y, self.called(j), self.colour(j)) for j, y in enumerate(each)]
        marks = [top_mark(x, y, j) for j, y in enumerate(each[: self.k])]
        return self.panel(self.when(snapshot), [*series, *self.true_curves(), *marks])

    def true_curves(self) -> list[Series]:
        """The densities of the true components that have one."""
        means, components = self.true("means")
        if not len(means):
            return []
        weights, matrices = self.true("weights")[0], self.true("covariances")[0]
        known = np.flatnonzero(matrices[:, 0, 0] > 0)
        mean, sd = means[known], np.sqrt(matrices[known, 0])  # (k, 1)
        x = self.places(mean[:, 0], sd[:, 0])
        each = self.in_a_bin * weights[known, None] * density(x, mean, sd)
        curves = [
            Series("line", x, y, None if i else "true", components[j], "dashed")
            for i, (j, y) in enumerate(zip(known.tolist(), each, strict=True))
        ]
        names = [self.true_name(j, len(means)) for j in known.tolist()]
        return curves + [top_mark(x, y, None, name) for y, name in zip(each, names, strict=True) if name]

    def uncertainty(self) -> list[Panel]:
        """The responsibilities at each value, and what they leave uncertain."""
        if self.k == 1:
            return []
        x, _, responsibilities = self.of(self.fit)
        panel = Panel(SHARES, self.rows.names[0], "probability", along(x, responsibilities, self), x_range=self.x_range)
        return [replace(panel, y_range=(0.0, 1.04))]
