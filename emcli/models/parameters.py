"""Checks of given parameters: those of a start, a recipe or a saved fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from emcli.errors import counted, quoted, suggestion
from emcli.types import JSON, Array

if TYPE_CHECKING:
    from emcli.models.base import AnyModel

Nested = float | list["Nested"]


class ParameterFault(ValueError):
    """Given parameters that cannot be used; `path` leads to the one that is wrong, such as ("covariances", 1)."""

    setting: ClassVar[str] = "start"  # that gave them, where it was a setting

    def __init__(self, path: tuple[str | int, ...], what: str):
        self.path = path
        self.what = what
        self.place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
        super().__init__(f"{self.place}: {what}" if path else what)


class ParameterReader:
    """Reads given parameters as float64 arrays; every method raises ParameterFault with the path of a fault."""

    fault: ClassVar[type[ParameterFault]] = ParameterFault
    or_null: ClassVar[str] = ""  # said after what a value must be, where null may stand in its place

    def __init__(self, parameters: Mapping[str, JSON], keys: Sequence[str]):
        self.parameters = parameters
        for key in parameters:
            if key not in keys:
                raise self.fault((key,), f"unknown parameter {quoted(key)}{suggestion(key, keys)}")

    def __contains__(self, key: str) -> bool:
        return self.parameters.get(key) is not None

    def array(self, key: str, shape: tuple[int | None, ...]) -> Array:
        """A nested list of finite numbers of this shape; None is any length from 1."""
        if key not in self:
            raise ParameterFault((), f"missing {quoted(key)}")
        return np.array(self._numbers((key,), self.parameters[key], shape), dtype=np.float64)

    def _numbers(self, path: tuple[str | int, ...], value: JSON, shape: tuple[int | None, ...]) -> Nested:
        if not shape:
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
                raise self.fault(path, f"must be a finite number{self.or_null}, got {quoted(value)}")
            return float(value)
        if not isinstance(value, list):
            raise self.fault(path, f"must be a list{self.or_null}, got {quoted(value)}")
        if not value or (shape[0] is not None and len(value) != shape[0]):
            wanted = counted(shape[0], "value") if shape[0] else "at least one value"
            raise self.fault(path, f"must have {wanted}, got {len(value)}")
        inner = shape[1:]
        if inner and inner[0] is None and isinstance(value[0], list):
            inner = (len(value[0]), *inner[1:])
        if not inner and {*map(type, value)} == {float}:  # as most are, and at once: a wide covariance has very many
            numbers = cast(list[float], value)
            if max(map(abs, numbers)) < 1e300 and not any(map(isnan, numbers)):
                return cast(list[Nested], numbers)
        return [self._numbers((*path, i), item, inner) for i, item in enumerate(value)]

    def matrix(self, key: str, k: int | None, d: int | None) -> Array:
        """A (k, d) array; in one dimension also from a plain list of k numbers."""
        value = self.parameters.get(key)
        if isinstance(value, list) and value and not isinstance(value[0], list | tuple) and d in (None, 1):
            return self.array(key, (k,))[:, None]
        return self.array(key, (k, d))

    def positive(self, key: str) -> float:
        """One number above 0."""
        value = float(self.array(key, ()))
        if not value > 0:
            raise ParameterFault((key,), f"must be above 0, got {value:g}")
        return value

    def positive_array(self, key: str, shape: tuple[int | None, ...]) -> Array:
        """A nested list of finite numbers above 0."""
        values = self.array(key, shape)
        for place in zip(*np.nonzero(~(values > 0)), strict=True):
            raise ParameterFault((key, *map(int, place)), f"must be above 0, got {values[place]:g}")
        return values

    def weights(self, k: int, equal: bool = False) -> Array:
        """Mixing weights (k,): 1/k each where none are given; they must be positive, sum to 1, and perhaps be equal."""
        if "weights" not in self:
            return np.full(k, 1.0 / k)
        weights = self.array("weights", (k,))
        for i, weight in enumerate(weights):
            if weight < 0:
                raise ParameterFault(("weights", i), f"must not be negative, got {weight:g}")
        total = weights.sum()
        if abs(total - 1.0) > 1e-6:
            raise ParameterFault(("weights",), f"must sum to 1, got {total:.10g}")
        if equal and np.ptp(weights) > 1e-9:
            raise ParameterFault(("weights",), "must be equal with mixing: equal")
        return weights if abs(total - 1.0) <= 1e-14 else weights / total


def equal_components(model: AnyModel) -> list[tuple[int, int]]:
    """Pairs of components that are exactly equal, whatever their weights, ascending by the second."""
    pairs, alike = [], defaultdict[bytes, list[int]](list)
    flat = np.hstack([part.reshape(len(model.weights), -1) for part in model.components()])
    for i, values in enumerate(flat + 0.0):  # 0.0 makes one zero of -0 and 0
        same = alike[values.tobytes()]
        pairs += [(j, i) for j in same]
        same.append(i)
    return pairs


def has_twins(model: AnyModel, named: int = 0) -> bool:
    """Are two components of a model exactly equal, whatever their weights? The first ones have rows of their own."""
    return any(j >= named for j, _ in equal_components(model))


def refuse_symmetric(model: AnyModel, named: int) -> None:
    """Raise ParameterFault for a start with a zero weight or two equal components: EM never changes these.

    The first components, so many that have known rows, do not stay equal to others.
    """
    pairs = equal_components(model)
    for i, weight in enumerate(model.weights):
        if weight == 0:
            raise ParameterFault(("weights", i), "a component that starts with weight 0 keeps it for ever")
        for j in [first for first, second in pairs if second == i and first >= named]:
            if model.fixed is None or not model.fixed.parts(i, j):
                raise ParameterFault((), f"components {j + 1} and {i + 1} start equal, and would stay equal for ever")


def refuse_other_columns(locations: Array, names: Sequence[str]) -> None:
    """Raise ParameterFault where means or centroids (k, d) have another number of columns than is named."""
    if locations.shape[1] != len(names):
        raise ParameterFault((), f"they are of {locations.shape[1]} columns, but data.columns names {len(names)}")
