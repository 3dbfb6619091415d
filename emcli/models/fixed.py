"""Parameters that are held at given values: read, put back, counted, and left out of the free coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self, cast

import numpy as np

from emcli.config.checks import Check
from emcli.config.settings import ModelSettings, Narrowed
from emcli.data.scaling import Scaling
from emcli.frozen import frozen
from emcli.models.complete_data import Chart
from emcli.models.parameters import Nested, ParameterFault, ParameterReader
from emcli.types import JSON, Array, BoolArray, IndexArray


def some_of(names: Sequence[str]) -> Narrowed:
    """The option of a model that can hold parameters of these names."""
    words = " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return Narrowed(Check(words, lambda value: value in names, {"enum": list(names)}))


class FixedFault(ParameterFault):
    """Values of `fix` that cannot be used; `path` leads to the one that is wrong, such as ("heads", 1)."""

    setting = "fix"


class FixedReader(ParameterReader):
    """Reads values at which parameters are held as float64 arrays, NaN where they are free; raises FixedFault."""

    fault = FixedFault
    or_null = " or null"

    def array(self, key: str, shape: tuple[int | None, ...]) -> Array:
        """Numbers of this shape; null stands for free ones, at any depth; so does a key that is not given."""
        return np.array(self._numbers((key,), self.parameters.get(key), shape), dtype=np.float64)

    def _numbers(self, path: tuple[str | int, ...], value: JSON, shape: tuple[int | None, ...]) -> Nested:
        if value is None:
            free: Nested = np.full(cast(tuple[int, ...], shape), np.nan).tolist()
            return free
        return super()._numbers(path, value, shape)

    def matrix(self, key: str, k: int | None, d: int | None) -> Array:
        """A (k, d) array; in one dimension also from a plain list of k numbers."""
        value = self.parameters.get(key)
        if d == 1 and isinstance(value, list) and not any(isinstance(each, list) for each in value):
            return self.array(key, (k,))[:, None]
        return self.array(key, (k, d))

    def held_weights(self, settings: ModelSettings) -> Array:
        """Mixing weights (k,); where all but one are held the last is too, and has the rest."""
        weights = self.array("weights", (settings.k,))
        free, total = np.isnan(weights), float(np.nansum(weights))
        if free.all():
            return weights
        if settings.mixing == "equal":
            raise FixedFault(("weights",), "are 1/k each with mixing: equal; with mixing: free they can be held")
        for i in np.flatnonzero(weights <= 0).tolist():
            raise FixedFault(("weights", i), f"must be above 0, got {weights[i]:g}")
        if not free.any():
            if abs(total - 1.0) > 1e-6:
                raise FixedFault(("weights",), f"must sum to 1, got {total:.10g}")
            return weights if abs(total - 1.0) <= 1e-14 else weights / total
        if not total < 1.0:
            raise FixedFault(("weights",), f"must leave some of 1 to the free ones, got {total:.10g}")
        if free.sum() == 1:
            weights[free] = 1.0 - total
        return weights


@frozen
class Fixed:
    """Values at which parameters of a mixture are held, NaN where they are free."""

    name: ClassVar[str]  # of the parameters in `values`
    weights: Array  # (k,) mixing weights
    values: Array  # (k, ...) means, centroids or P(heads)

    def to_parameters(self) -> dict[str, JSON]:
        """The values in the form of a model's parameters, NaN where they are free."""
        return {"weights": self.weights.tolist(), self.name: self.values.tolist()}

    def count_of(self, estimated: bool) -> int:
        """How many free parameters fewer there are, where those mixing weights that are not held are estimated.

        Without estimated weights, as where all are held, the weights are none of the parameters anyway.
        """
        weights = int((~np.isnan(self.weights)).sum()) if estimated else 0
        return weights + int((~np.isnan(self.values)).sum())

    def holds_anything(self) -> bool:
        """Is anything held?"""
        return not np.isnan(self.keys()).all()

    @property
    def all_weights(self) -> bool:
        """Are all mixing weights held?"""
        return not np.isnan(self.weights).any()

    def put(self, values: Array) -> Array:
        """Values (k, ...) with those that are held in their places."""
        return np.where(np.isnan(self.values), values, self.values)

    def shares(self, weights: Array) -> Array:
        """Mixing weights (k,): those that are held, and the rest shared out in the proportions of the others."""
        free = np.isnan(self.weights)
        if free.all():
            return weights
        rest = 1.0 - float(np.nansum(self.weights))
        return np.where(free, weights * (rest / weights[free].sum() if free.any() else 1.0), self.weights)

    def ordered(self, order: IndexArray) -> Self:
        """Those of the components in another order."""
        return replace(self, weights=self.weights[order], values=self.values[order])

    def to_scaled(self, scaling: Scaling) -> Self:
        """The same in working coordinates."""
        return self

    def to_original(self, scaling: Scaling) -> Self:
        """The same in the user's units."""
        return self

    def keys(self) -> Array:
        """What is held of each component, (k, m)."""
        return np.column_stack([self.weights, self.values.reshape(len(self.weights), -1)])

    def parts(self, i: int, j: int) -> bool:
        """Is something else held of one component than of another, so that they need not stay alike?"""
        one, other = self.keys()[[i, j]]
        return not np.array_equal(one, other, equal_nan=True)

    def in_places(self, order: IndexArray) -> IndexArray:
        """An order (k,) of the components in which only those trade places of which the same is held."""
        found, keys = np.empty_like(order), [row.tobytes() for row in self.keys()]
        for key in dict.fromkeys(keys):
            found[[i for i, each in enumerate(keys) if each == key]] = [i for i in order.tolist() if keys[i] == key]
        return found

    def own(self) -> BoolArray:
        """Which coordinates of the components' parameters (p,) in `complete` are free."""
        return np.isnan(self.values).ravel()

    def chart(self, weights: Array, estimated: bool) -> Chart:
        """The free coordinates of a mixture with these mixing weights, if they are estimated."""
        return Chart(self.own(), weights if estimated else None, np.isnan(self.weights))
