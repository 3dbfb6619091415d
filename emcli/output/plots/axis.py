"""The numbers along an axis: what is taken off them and out of them so that they are short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Self, TypeVar

import numpy as np

from emcli.types import Array

MIN_RANGE = 1e-290  # a range that can be divided by
MAX_PLAIN = 1e15  # up to which an offset is written with all its digits

Number = TypeVar("Number", float, Array)


@dataclass(frozen=True)
class Axis:
    """A range of values, and what is taken off them and out of them so that the numbers along it are short."""

    low: float
    high: float
    offset: float
    unit: float
    note: str  # says so beside the axis's name

    @classmethod
    def of(cls, values: Sequence[Array], limits: tuple[float, float] | None) -> Self:
        """The range given, else that of all values, never one that rounding hides."""
        known = np.concatenate([np.zeros(0), *values])
        known = known[np.isfinite(known)]
        low, high = limits or ((float(known.min()), float(known.max())) if len(known) else (0.0, 1.0))
        largest = max(abs(low), abs(high))
        if high - low <= max(1e-12 * largest, MIN_RANGE):
            room = 0.5 if largest < 1e6 else 1e-6 * largest
            low, high = low - room, high + room
        elif limits is None:
            low, high = low - 0.01 * (high - low), high + 0.01 * (high - low)
        offset = float(f"{low:.6g}") if high - low < 1e-4 * largest else 0.0
        power = 3 * floor(log10(max(abs(low - offset), abs(high - offset))) / 3)
        power = 0 if -3 <= power <= 3 else power
        return cls(low, high, offset, 10.0**power, _taken_off(offset) + (f", in 1e{power}" if power else ""))

    def tidy(self, values: Number) -> Number:
        """Values as they are placed and written along the axis."""
        return (values - self.offset) / self.unit


def _taken_off(offset: float) -> str:
    if not offset:
        return ""
    size = f"{abs(offset):.15g}" if abs(offset) < MAX_PLAIN else f"{abs(offset):.6g}"
    return f" {'-' if offset > 0 else '+'} {size}"
