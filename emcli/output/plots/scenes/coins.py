"""What pictures show of coins: each one's P(heads), and the rows beside what the coins expect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from emcli.errors import counted
from emcli.output.plots.figure import Panel, Series
from emcli.output.plots.projection import bin_counts, round_width
from emcli.output.plots.scenes.line import stacked, top_mark
from emcli.output.plots.scenes.scene import THE_DATA, Scene, Snapshot, mixing
from emcli.output.plots.scenes.uncertainty import SHARES, TITLE, along, uncertainties
from emcli.types import JSON, Array, IndexArray

MOST_COUNTS = 401  # numbers of heads of which responsibilities are shown
MOST_LOOKS = 5  # iterations that tell how high the curves are


class Axis(NamedTuple):
    """How rows are counted: by their heads, or by their share of heads where the number of tosses differs."""

    edges: Array
    limits: Array  # the same, so that each row is in the bin that it belongs to
    values: Array  # (n,) of the rows
    tosses: IndexArray  # different numbers of tosses
    often: Array  # how many rows have so many
    x_label: str
    y_label: str

    @property
    def whole(self) -> bool:
        """Are heads counted?"""
        return len(self.tosses) == 1


class Coins(Scene):
    """Coins: the rows by their heads, and how many of them the coins expect."""

    noun = "coin"

    @classmethod
    def heading(cls, name: str, k: int, settings: Mapping[str, JSON]) -> str:
        return f"{counted(k, cls.noun)}{mixing(k, settings)}"

    @cached_property
    def axis(self) -> Axis:
        """How rows are counted."""
        heads, tosses = self.rows.values[0], self.rows.values[0] + self.rows.values[1]
        weights = np.ones(len(heads)) if self.rows.weights is None else self.rows.weights
        distinct, place = np.unique(tosses, return_inverse=True)
        often, numbers = np.bincount(place.ravel(), weights).astype(np.float64), distinct.astype(np.int64)
        if len(distinct) == 1:
            reach = float(distinct[0]) + 1
            width = max(1.0, round_width(reach / 60))
            edges = np.arange(int(np.ceil(reach / width)) + 1, dtype=np.float64) * np.float64(width) - 0.5
            y_label = "rows" if width == 1 else f"rows in {width:g} counts of heads"
            return Axis(edges, edges, heads, numbers, often, f"heads in {distinct[0]:g} tosses", y_label)
        edges = np.arange(21, dtype=np.float64) / 20
        limits = edges - 1e-9
        limits[-1] += 1.0
        return Axis(edges, limits, heads / tosses, numbers, often, "heads / tosses", "rows in a bin of 0.05")

    @cached_property
    def observed(self) -> Series:
        """The rows."""
        return Series(
            "bars", self.axis.edges, bin_counts(self.axis.values, self.rows.weights, self.axis.limits), "observed"
        )

    @cached_property
    def y_range(self) -> tuple[float, float]:
        """The bars, and what the coins expect at the start, at the end, and a few times between."""
        top = float(self.observed.y.max())
        some = [*self.snapshots[:: len(self.snapshots) // MOST_LOOKS + 1], *self.snapshots[-1:]]
        expected = [self.expected(each.model.heads, each.model.weights).sum(axis=0) for each in some]
        most = max((float(each.max()) for each in expected), default=top)
        return 0.0, 1.12 * max(top, min(most, 1.6 * top))

    def expected(self, heads: Array, weights: Array) -> Array:
        """How many rows coins of these P(heads) and mixing weights expect in each bin, (k, bins)."""
        from scipy.special import bdtr

        limits, tosses = self.axis.limits, self.axis.tosses
        below = np.ceil(limits[:, None] * (1.0 if self.axis.whole else tosses)) - 1  # (edges, tosses)
        found = []
        for p in heads:
            reached = np.where(below < 0, 0.0, bdtr(np.clip(below, 0, tosses), tosses, p))
            found.append(np.diff(reached @ self.axis.often))
        each: Array = weights[:, None] * np.array(found)
        return each

    def data(self) -> Panel:
        """The rows by their heads."""
        if self.groups is None:
            return self.panel(THE_DATA, [replace(self.observed, label=None)])
        parts = self.by_group()
        bars = stacked(self.axis.values[parts.place], self.axis.limits, parts)
        return self.panel(THE_DATA, [Series("bars", self.axis.edges, one.y, one.label, one.colour) for one in bars])

    def frame(self, snapshot: Snapshot) -> Panel:
        """The rows, and what the coins expect."""
        return self.panel(self.when(snapshot), self.curves(snapshot))

    def curves(self, snapshot: Snapshot) -> list[Series]:
        """The rows, and how many of them the coins expect, and the true ones."""
        each, edges = self.expected(snapshot.model.heads, snapshot.model.weights), self.axis.edges
        middle: Array = (edges[1:] + edges[:-1]) / 2
        series = [self.observed, Series("line", middle, each.sum(axis=0), "mixture", None, "bold")]
        series += [Series("line", middle, y, self.called(j), j) for j, y in enumerate(each)]
        heads, coins = self.true("heads")
        if len(heads):
            shares = (self.truth or {}).get("weights", np.full(len(heads), 1 / len(heads)))
            true = self.expected(heads, np.asarray(shares, dtype=np.float64))
            series += [
                Series("line", middle, y, None if j else "true", coin, "dashed")
                for j, (y, coin) in enumerate(zip(true, coins, strict=True))
            ]
        return series + [top_mark(middle, y, j) for j, y in enumerate(each)]

    def panel(self, title: str, series: list[Series], y_range: tuple[float, float] | None = None) -> Panel:
        """Axes of heads and rows."""
        y_range = y_range or self.y_range
        return Panel(
            title,
            self.axis.x_label,
            self.axis.y_label,
            series,
            whole=self.axis.whole,
            y_range=y_range,
            note=self.unseen,
        )

    def overview(self) -> list[list[Panel]]:
        """Each coin's P(heads) against the iteration, and the rows beside what the fitted mixture expects."""
        iterations = np.array([snapshot.iteration for snapshot in self.snapshots], dtype=np.float64)
        heads = np.stack([snapshot.model.heads for snapshot in self.snapshots])  # (t, k)
        shape, stroke = ("line", "normal") if len(iterations) > 1 else ("points", "normal")
        series = [
            Series(shape, iterations, p, self.called(j), j, stroke, mark=f"{j + 1}: {p[-1]:.3g}")
            for j, p in enumerate(heads.T)
        ]
        ends = np.array([0.0, max(iterations[-1], 1.0)])
        series += [
            Series("line", ends, np.full(2, p), None if j else "true", coin, "dashed")
            for j, (p, coin) in enumerate(zip(*self.true("heads"), strict=True))
        ]
        first = Panel("Coins, iteration by iteration", "iteration", "P(heads)", series, whole=True, y_range=(0.0, 1.0))
        curves = self.curves(self.fit)
        top = max(float(one.y.max()) for one in curves)
        second = self.panel("Rows, and what the coins expect", curves, (0.0, 1.12 * top))
        return [[first, second], *self.uncertainty()]

    def uncertainty(self) -> list[list[Panel]]:
        """The responsibilities at each number of heads; where tosses differ how uncertain each row is."""
        if self.k == 1:
            return []
        if not self.axis.whole:
            labels, doubts = self.labels(self.fit), uncertainties(self)
            series = [
                Series("points", self.axis.values[mine], doubts[mine], self.called(j), j)
                for j in range(self.k)
                for mine in (labels == j,)
            ]
            return [[Panel(TITLE, self.axis.x_label, "uncertainty", series, x_range=(-0.02, 1.02), y_range=(0.0, 1.0))]]
        tosses = float(self.axis.tosses[0])
        heads = np.unique(np.linspace(0, tosses, MOST_COUNTS).round())
        rows = np.stack([heads, tosses - heads, np.zeros(len(heads))])  # any coefficient: coins share it
        series = along(heads, self.fit.model.posterior(rows)[0], self)
        return [[Panel(SHARES, self.axis.x_label, "probability", series, whole=True, y_range=(0.0, 1.04))]]
