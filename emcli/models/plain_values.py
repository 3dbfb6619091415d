"""A model's parameters as plain values: read, written, ordered, compared and tabulated from its dataclass fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.models.parameters import ParameterReader
from emcli.types import JSON, Array, IndexArray

if TYPE_CHECKING:
    from emcli.data.rows import Rows
    from emcli.models.fixed import Fixed

Parameters = Mapping[str, JSON]  # in the user's units, as a document holds them


class Share(float):
    """A fraction, shown in tables as a percentage."""


class Count(float):
    """An effective number of rows, shown in tables with one decimal."""


Titled = tuple[str, Sequence[float]]  # a column of a table: its title and its k cells


class PlainValues:
    """The part of a model that reads and writes parameters: a frozen dataclass of `weights` and arrays (k, ...)."""

    titles: ClassVar[Mapping[str, str]] = {}  # of parameters in tables, where these are not their names
    weights: Array  # (k,) mixing weights
    fixed: Fixed | None = None  # what is held at given values; a field of models that can hold something

    @classmethod
    def parameter_names(cls) -> tuple[str, ...]:
        """Names of the fields with the components' parameters."""
        others = ("weights", "free", "prior", "fixed")
        return tuple(field.name for field in fields(cls) if field.init and field.name not in others)  # type: ignore[arg-type]

    def components(self) -> tuple[Array, ...]:
        """The components' parameters without the weights, each (k, ...)."""
        return tuple(getattr(self, name) for name in self.parameter_names())

    @property
    def parameters_count(self) -> int:
        """The number of free parameters."""
        mixing = len(self.weights) - 1 if getattr(self, "free", False) else 0
        held = 0 if self.fixed is None else self.fixed.count_of(getattr(self, "free", False))
        return mixing + sum(int(part.size) for part in self.components()) - held

    def to_parameters(self) -> dict[str, JSON]:
        """Weights and components' parameters as plain lists."""
        named = zip(self.parameter_names(), self.components(), strict=True)
        lists: dict[str, JSON] = {name: part.tolist() for name, part in named}
        return {"weights": self.weights.tolist(), **lists}

    @classmethod
    def check(cls, given: ParameterReader, k: int | None, d: int | None) -> dict[str, Array]:
        """The components' parameters from given ones. Raises ParameterFault."""
        return {name: given.array(name, (k,)) for name in cls.parameter_names()}

    @classmethod
    def from_parameters(
        cls, parameters: Parameters, settings: ModelSettings | None = None, rows: Rows | None = None
    ) -> Self:
        """The model with these parameters, checked against the settings' k and mixing and the rows' columns.

        Raises ParameterFault.
        """
        given = ParameterReader(parameters, ("weights", *cls.parameter_names()))
        own = cls.check(given, settings.k if settings else None, len(rows.names) if rows else None)
        free = settings is None or settings.mixing != "equal"
        weights = given.weights(len(next(iter(own.values()))), equal=not free and rows is not None)
        found = cls(weights=weights, free=free, **own)  # type: ignore[call-arg]
        return found if settings is None or rows is None else found.holding(cls.fixed_in(settings, len(rows.names)))

    @classmethod
    def fixed_in(cls, settings: ModelSettings, columns: int) -> Fixed | None:
        """The values in the user's units at which these settings hold parameters; None where all are free.

        Raises FixedFault.
        """
        return None

    def holding(self, fixed: Fixed | None) -> Self:
        """The model that holds these parameters at their values."""
        if fixed is None or not fixed.holds_anything():
            return self
        free = {"free": self.free and not fixed.all_weights} if hasattr(self, "free") else {}
        return replace(self, fixed=fixed, **free).held()  # type: ignore[type-var]

    def held(self) -> Self:
        """The model with the parameters that are held at their values again."""
        return self

    def ordered(self, order: IndexArray) -> Self:
        """The components in another order."""
        parts = {name: getattr(self, name)[order] for name in ("weights", *self.parameter_names())}
        held = {} if self.fixed is None else {"fixed": self.fixed.ordered(order)}
        return replace(self, **parts, **held)  # type: ignore[type-var]

    def canonical_order(self) -> IndexArray:
        """The order of the components in documents: by the first parameter, then the next."""
        k = len(self.weights)
        columns = [part.reshape(k, -1) for part in (*self.components(), self.weights)]
        return np.lexsort(np.concatenate(columns, axis=1).T[::-1])

    def order_in(self, rows: Rows) -> IndexArray:
        """The order of the components of a fit to some rows: those that have names there first, then the canonical.

        What is held keeps its place.
        """
        order = rows.named_first(self.canonical_order())
        return order if self.fixed is None else self.fixed.in_places(order)

    @classmethod
    def distances(cls, one: Parameters, other: Parameters) -> Array:
        """Distances (k, m) between the components of two sets of parameters, free of units, for matching them."""
        first, second = (
            np.concatenate([np.reshape(each[name], (len(each[name]), -1)) for name in cls.parameter_names()], axis=1)  # type: ignore[arg-type]
            for each in (one, other)
        )
        unit = np.maximum(np.ptp(np.concatenate([first, second]), axis=0), 1e-300)
        return np.asarray(np.sqrt((((first[:, None] - second) / unit) ** 2).sum(axis=2)))

    @classmethod
    def table(cls, parameters: Parameters, names: Sequence[str], total: float) -> list[Titled]:
        """Parameters as table columns of k cells; `names` are the rows' columns, `total` the weight of all rows."""
        weights = np.asarray(parameters["weights"], dtype=np.float64)
        columns: list[Titled] = [("rows", [Count(total * w) for w in weights]), ("weight", [Share(w) for w in weights])]
        for name in cls.parameter_names():
            values = np.asarray(parameters[name], dtype=np.float64).reshape(len(weights), -1).T
            title = cls.titles.get(name, name)
            titles = [title] if len(values) == 1 else [f"{title} {j + 1}" for j in range(len(values))]
            columns += [(title, column.tolist()) for title, column in zip(titles, values, strict=True)]
        return columns


def called(k: int, names: Sequence[str] = ()) -> list[str]:
    """What k components are called: the first ones by their names, the others by their number from 1."""
    numbers = [str(j + 1) for j in range(len(names), k)]
    return [*names, *(f"component {number}" if number in names else number for number in numbers)]


def whole(number: float) -> int | float:
    """A number as an integer where it is one."""
    return int(number) if number == int(number) else number
