"""Tidy numbers along an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

LONGEST = 8  # characters of a label written out; beyond, a power of ten is drawn out or an offset taken off


@dataclass(frozen=True)
class Axis:
    """A closed range of values laid along some dots."""

    low: float
    high: float

    def place(self, values: object, dots: int) -> object:
        """Values to dots, 0 at the low end; halves, so that no range overflows."""
        return (values / 2 - self.low / 2) / (self.high / 2 - self.low / 2) * (dots - 1)  # type: ignore[operator]

    def value(self, dots: object, count: int) -> object:
        """Dots back to values."""
        return self.low + (self.high - self.low) * (dots / max(1, count - 1))  # type: ignore[operator]


def axis(low: float, high: float) -> Axis:
    """An axis that holds a range, also one of no width or of one that rounding hides."""
    scale = max(abs(low), abs(high))
    if high - low <= 8 * math.ulp(scale):
        room = max(scale * 2.0**-40, 0.5 if scale < 1e6 else 0.0) or 0.5
        return Axis(low - room, high + room)
    return Axis(low, high)


def ticks(along: Axis, most: int, whole: bool = False) -> list[float]:
    """At most `most` round numbers in the range; steps of 1, 2 or 5 times a power of ten."""
    span = along.high / 2 - along.low / 2
    if not 0 < span < 1e300 or span < 1e-300:
        return [along.low, along.high]
    exponent = math.floor(math.log10(2 * span / max(1, most)))
    for step in (m * 10.0**e for e in range(exponent, exponent + 3) for m in (1, 2, 5)):
        if whole and step < 1:
            continue
        first, last = math.ceil(along.low / step - 1e-9), math.floor(along.high / step + 1e-9)
        if last - first + 1 <= max(1, most):
            found = [i * step for i in range(first, last + 1)]
            return found or [along.low]
    return [along.low]


def labels(values: list[float]) -> tuple[list[str], str]:
    """One label a tick, as short as tells them apart; and what was taken off them all, for the axis's own label."""
    gap = min((b - a for a, b in pairwise(values)), default=0.0)
    scale = max((abs(value) for value in values), default=0.0)
    if gap <= 0 or not math.isfinite(gap):
        return [f"{value:.4g}" for value in values], ""
    fine = math.floor(math.log10(gap) + 1e-9)
    written = [f"{value + 0.0:.{max(0, -fine)}f}" for value in values]
    if max(map(len, written)) <= LONGEST and scale >= 1e-3:
        return [text.replace("-0", "0") if float(text) == 0 else text for text in written], ""
    top = math.floor(math.log10(scale))
    if top - fine <= 3:
        drawn = [f"{value / 10.0**top:.{max(0, top - fine)}f}e{top}" if value else "0" for value in values]
        return drawn, ""
    base = values[0]
    off, _ = labels([value - base for value in values])
    return [f"+{text}" if text[0] not in "-0" else text for text in off], f"{base:+.15g}"
