"""What a picture of a fit can show: the rows alone, one iteration, and an overview of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from emcli.data.rows import Rows
from emcli.errors import counted
from emcli.inference.assignments import Labels
from emcli.models.plain_values import Parameters
from emcli.output.plots.figure import Panel
from emcli.types import Array

THE_DATA = "The data"


class Snapshot(NamedTuple):
    """A model that the fit went through, its components in the order of the finished fit."""

    iteration: int
    model: Any  # in the user's units
    working: Any  # the same in the units of the rows' values


class Groups(NamedTuple):
    """The true groups of the rows of data, where they are known."""

    numbers: Labels  # (n,) from 0: the component of the fit that a group is most like, where there are as many
    names: Sequence[str]  # of each number


@dataclass(frozen=True, eq=False)
class Scene(ABC):
    """What pictures show of a fit; its panels have the same axes whatever the iteration.

    Without snapshots, as where rows were drawn and nothing is fitted yet, there are the rows alone.
    """

    noun: ClassVar[str] = "component"

    rows: Rows
    snapshots: Sequence[Snapshot] = ()  # in order; the last is the fit
    assignments: Labels | None = None  # (n,) of the rows of data, by the fit
    truth: Parameters | None = None  # the true parameters, where they are known
    groups: Groups | None = None
    weights: Array | None = None  # (n,) of the rows of data

    @abstractmethod
    def data(self) -> Panel:
        """The rows alone, by their true groups where these are known."""

    @abstractmethod
    def frame(self, snapshot: Snapshot) -> Panel:
        """One iteration."""

    def overview(self) -> list[list[Panel]]:
        """The fit and how it came about, in rows of panels."""
        return [[self.frame(self.fit)]]

    @property
    def fit(self) -> Snapshot:
        """The finished fit."""
        return self.snapshots[-1]

    @property
    def k(self) -> int:
        """The number of components."""
        return len(self.fit.model.weights)

    @cached_property
    def values(self) -> Array:
        """The rows as the model works on them in the user's units, (d, n)."""
        original: Array = self.rows.scaling.to_original(self.rows.values.T).T
        return original

    def labels(self, snapshot: Snapshot) -> Labels:
        """The likeliest component of each of the rows that the model works on, (n,)."""
        if snapshot is self.fit and self.assignments is not None:
            return self.rows.of_merged(self.assignments)
        found = [snapshot.working.labels(values) for values, _ in self.rows.batches()]
        return np.concatenate(found).astype(np.int32)

    def by_group(self) -> tuple[Sequence[str | None], Labels, Array | None, Any]:
        """Names of the true groups, and of each row its group, weight and place in `values`; one of all if unknown."""
        rows = self.rows
        if self.groups is None:
            return [None], np.zeros(rows.count, dtype=np.int32), rows.weights, slice(None)
        numbers, place = self.groups.numbers, rows.duplicate_of
        if place is None:
            return self.groups.names, numbers, rows.weights, slice(None)
        known = place >= 0
        return self.groups.names, numbers[known], None if self.weights is None else self.weights[known], place[known]

    def when(self, snapshot: Snapshot) -> str:
        """Which iteration a panel shows."""
        iteration, last = snapshot.iteration, self.fit.iteration
        if iteration == 0:
            return "Start" if last else "Start and end: no iteration"
        return f"{'End, after' if iteration == last else 'After'} {counted(iteration, 'iteration')}"
