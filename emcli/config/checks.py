"""Checks of single values from files and flags: each gives the value back, or says what it must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from emcli.types import JSON

T = TypeVar("T")
Parser = Callable[[object], T]  # a value, checked and perhaps converted; ValueError("must be …") where it is wrong
LARGEST = 1e300  # of a number, so that sums and differences of a few are finite too


@dataclass(frozen=True)
class Check(Generic[T]):
    """A parser that converts nothing: `integer(1, 9)(3)` is 3, `integer(1, 9)(0)` raises ValueError."""

    be: str  # what the value must be, for messages: 'an integer from 1 to 9'
    holds: Callable[[object], bool]
    schema: Mapping[str, JSON] = field(default_factory=dict)  # the same in the words of JSON Schema

    def __call__(self, value: object) -> T:
        if not self.holds(value):
            raise ValueError(f"must be {self.be}")
        return cast(T, value)


def is_number(value: object) -> bool:
    """Is it an int or float below 1e300? true, infinity and not-a-number are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def integer(low: int, high: int) -> Check[int]:
    """An integer in a closed range; 3.0 and true are none."""
    return Check(
        f"an integer from {low} to {high}",
        lambda value: type(value) is int and low <= value <= high,
        {"type": "integer", "minimum": low, "maximum": high},
    )


def one_of(choices: Sequence[str]) -> Check[str]:
    """One of some words."""
    return Check(
        f"one of {', '.join(choices)}",
        lambda value: isinstance(value, str) and value in choices,
        {"enum": list(choices)},
    )


def matching(be: str, pattern: str) -> Check[str]:
    """A text that a regular expression matches whole."""
    found = re.compile(pattern).fullmatch
    return Check(
        be,
        lambda value: isinstance(value, str) and found(value) is not None,
        {"type": "string", "pattern": f"^{pattern}$"},
    )


def or_null(check: Check[T]) -> Check[T | None]:
    """What passes a check, or null."""
    return Check(
        f"{check.be} or null",
        lambda value: value is None or check.holds(value),
        {"anyOf": [dict(check.schema), {"type": "null"}]},
    )


number: Check[float] = Check("a finite number", is_number, {"type": "number"})
positive: Check[float] = Check(
    "a finite number above 0",
    lambda value: is_number(value) and cast(float, value) > 0,
    {"type": "number", "exclusiveMinimum": 0},
)
boolean: Check[bool] = Check("true or false", lambda value: isinstance(value, bool), {"type": "boolean"})
text: Check[str] = Check("a text", lambda value: isinstance(value, str), {"type": "string"})
mapping: Check[dict[str, JSON]] = Check("a mapping", lambda value: isinstance(value, dict), {"type": "object"})
sequence: Check[list[JSON]] = Check("a list", lambda value: isinstance(value, list), {"type": "array"})
