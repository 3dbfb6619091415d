"""What a picture of a fit can show: the rows alone, one iteration, and an overview of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from emcli.data.rows import Rows, pairs
from emcli.errors import counted, escaped
from emcli.inference.agreement import Numbered
from emcli.inference.assignments import Labels
from emcli.models.plain_values import Parameters
from emcli.output.plots.figure import GREY, Panel, Series, middled
from emcli.types import JSON, Array

MIDDLE_ITERATION = 5  # of which the middle panel is, in a long fit
MOST_TRUE, FEW_TRUE = 2, 8  # true components for each fitted one, and in all, up to which they are drawn
LONGEST_NAME = 16  # characters
PLACES = "means", "centroids", "heads"  # where components are
THE_DATA, DIRECT = "The data", "Found directly"


class Snapshot(NamedTuple):
    """A model that the fit went through, its components in the order of the finished fit."""

    iteration: int
    model: Any  # in the user's units
    working: Any  # the same in the units of the rows' values


class Groups(NamedTuple):
    """The true groups of the rows of data, where they are known."""

    numbers: Numbered  # (n,) from 0
    names: Sequence[str]
    colours: Sequence[int]  # of each the number of the component that it is most like; the others' come after them


class Parts(NamedTuple):
    """Rows in groups; without true ones all in one."""

    names: Sequence[str | None]
    colours: Sequence[int | None]
    numbers: Numbered  # (m,) the group of each row
    place: Any  # the place of each row among those that the model works on
    weights: Array | None  # (m,)


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
    begin: str = "Start"  # where the iterations begin
    true_names: Sequence[str] = ()  # of the true components, where there are not as many as fitted ones

    @classmethod
    def heading(cls, name: str, k: int, settings: Mapping[str, JSON]) -> str:
        """The model in words, by its name and the settings of a document."""
        return f"{name}, {counted(k, cls.noun)}"

    @abstractmethod
    def data(self) -> Panel:
        """The rows alone, by their true groups where these are known."""

    @abstractmethod
    def frame(self, snapshot: Snapshot) -> Panel:
        """One iteration."""

    def overview(self) -> list[list[Panel]]:
        """The fit and how it came about, in rows of panels."""
        return [[self.frame(self.fit)]]

    def moments(self) -> Sequence[Snapshot]:
        """The start, a few iterations on, and the end."""
        last = self.fit.iteration
        some = (0, min(MIDDLE_ITERATION, last // 2), last)
        return [snapshot for snapshot in self.snapshots if snapshot.iteration in some]

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
        found = np.concatenate([snapshot.working.labels(values) for values, _ in pairs(self.rows.batches())])
        return self.rows.with_known(found).astype(np.int32)

    def called(self, component: int) -> str:
        """What a component is called: its number, with its name where it has one; one beside the k, such as noise."""
        names = self.rows.components
        if self.snapshots and component >= self.k:
            return str(self.fit.model.others[component - self.k])
        if component < len(names):
            return f"{component + 1} {middled(escaped(names[component]), LONGEST_NAME)}"
        return f"{self.noun} {component + 1}"

    def colour(self, component: int) -> int:
        """The colour of a component; grey for one beside the k."""
        return component if not self.snapshots or component < self.k else GREY

    def by_group(self) -> Parts:
        """The rows by their true groups."""
        rows = self.rows
        if self.groups is None:
            return Parts([None], [None], np.zeros(rows.count, dtype=np.int32), slice(None), rows.weights)
        names, colours, numbers, place = self.groups.names, self.groups.colours, self.groups.numbers, rows.duplicate_of
        if place is None:
            return Parts(names, colours, numbers, slice(None), rows.weights)
        known = place >= 0
        return Parts(
            names, colours, numbers[known], place[known], None if self.weights is None else self.weights[known]
        )

    def discs(self, at: Array, label: str) -> list[Series]:
        """The numbers of the components at their places (2, k)."""
        return [
            Series("points", at[0, j : j + 1], at[1, j : j + 1], None if j else label, j, "bold", mark=str(j + 1))
            for j in range(at.shape[1])
        ]

    def by_component(self, snapshot: Snapshot) -> Parts:
        """The rows by their likeliest component."""
        every = range(self.k + len(snapshot.model.others))
        names, colours = [self.called(j) for j in every], [self.colour(j) for j in every]
        return Parts(names, colours, self.labels(snapshot), slice(None), self.rows.weights)

    def true(self, key: str) -> tuple[Array, Sequence[int | None]]:
        """True parameters of this name, and the component of each; none of these where there are not as many.

        So many that they would hide the fit are left out.
        """
        found = np.asarray((self.truth or {}).get(key, ()), dtype=np.float64)
        if self.unseen:
            found = found[:0]
        return found, range(self.k) if self.snapshots and len(found) == self.k else [None] * len(found)

    @property
    def unseen(self) -> str:
        """What to say of true components that are too many to be drawn beside the fitted ones; else nothing."""
        true = self.truth or {}
        count = max((len(np.asarray(true[key])) for key in PLACES if key in true), default=0)
        if not self.snapshots or count <= max(MOST_TRUE * self.k, FEW_TRUE):
            return ""
        return f"the {count} true groups are too many to be drawn beside {counted(self.k, self.noun)}"

    def true_name(self, number: int, count: int) -> str:
        """What to write beside one of so many true components; nothing where they are as many as fitted ones."""
        named = count != self.k and len(self.true_names) == count
        return middled(self.true_names[number], LONGEST_NAME) if named else ""

    def when(self, snapshot: Snapshot) -> str:
        """Which iteration a panel shows."""
        iteration, last = snapshot.iteration, self.fit.iteration
        if self.begin == DIRECT:
            return DIRECT
        if iteration == 0:
            return self.begin if last else f"{self.begin}; no iteration"
        return f"{'End, after' if iteration == last else 'After'} {counted(iteration, 'iteration')}"


def mixing(k: int, settings: Mapping[str, JSON]) -> str:
    """What a heading says of mixing weights that are not estimated."""
    return ", equal mixing weights" if k > 1 and settings.get("mixing") == "equal" else ""
