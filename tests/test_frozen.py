"""Immutable values: like the standard frozen dataclasses, but made faster."""

from __future__ import annotations

import pickle
from copy import copy
from dataclasses import FrozenInstanceError, field, fields, replace
from functools import cached_property

import pytest

from emcli.frozen import frozen


@frozen
class Interval:
    low: float
    high: float = 1.0
    width: float = field(init=False)

    def __post_init__(self) -> None:
        self.width = self.high - self.low  # type: ignore[misc]  # once, as any field

    @cached_property
    def middle(self) -> float:
        return 0.5 * (self.low + self.high)


@frozen
class Named(Interval):
    name: str = field(default="", repr=False, kw_only=True)


def test_a_field_is_set_once_and_nothing_else_is() -> None:
    one = Named(0.25, name="a")
    for change in (
        lambda: setattr(one, "low", 0.0),
        lambda: setattr(one, "width", 0.0),
        lambda: setattr(one, "other", 0.0),
        lambda: delattr(one, "low"),
    ):
        with pytest.raises(FrozenInstanceError):
            change()
    assert (one.low, one.high, one.width, one.middle, one.name) == (0.25, 1.0, 0.75, 0.625, "a")


def test_it_is_a_dataclass_that_can_be_replaced_copied_pickled_and_shown() -> None:
    one = Named(0.25, name="a")
    assert [each.name for each in fields(one)] == ["low", "high", "width", "name"]
    for other in (replace(one, high=1.25), copy(one), pickle.loads(pickle.dumps(one))):
        assert type(other) is Named and (other.low, other.name) == (0.25, "a") and other.width == other.high - 0.25
    assert repr(one) == "Named(low=0.25, high=1.0, width=0.75)"


def test_values_are_equal_to_themselves_alone() -> None:
    one = Interval(0.0)
    assert one == one and one != Interval(0.0) and len({one, one, Interval(0.0)}) == 2
