"""Numbers as people read them: few digits, but enough to tell values apart, and no noise of rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import floor, inf, isfinite, log10

from emcli.models.plain_values import Count, Share

NOISE = 1e-12  # relative difference up to which two parameters are the same but for rounding
SCORE_NOISE = 1e-10  # the same of criteria, which are sums over all rows
GAIN_NOISE = 1e-14  # of the score, up to which what an iteration gains is rounding
DIGITS = 6  # significant ones, where more tell nothing apart
MAX_DIGITS = 15  # that a double holds
MIN_SPREAD_DIGITS = 3  # of the difference between the least and the greatest of a column, that show
FIXED = 1e-3, 1e9  # largest values of a column between which it has decimals, not an exponent
Value = float | str


def number(value: Value, digits: int = DIGITS) -> str:
    """A number for a table: six significant digits; whole numbers whole; shares in per cent; nothing where none is."""
    if value != value:
        return ""
    if isinstance(value, Share):
        percent = 100 * value
        return unsigned_zero(f"{percent:.1f}" if percent == 0 or abs(percent) >= 0.05 else f"{percent:.1g}") + " %"
    if isinstance(value, Count):
        return unsigned_zero(f"{value:.1f}")
    if not isinstance(value, float):
        return str(value)
    if not isfinite(value) or value != int(value) or abs(value) >= 1e15:
        shown = f"{value:.{digits}g}"
        whole = "e" in shown and 1e6 <= abs(value) < 1e15
        return f"{value:.0f}" if whole and digits <= DIGITS else shown
    return unsigned_zero(f"{value:.0f}")


def numbers(values: Sequence[Value], apart: Sequence[Value] | None = None, spread: float = 0.0) -> list[str]:
    """Numbers as one column shows them: of those to be told `apart`, by default all, each has a text of its own.

    The `spread` around each of them shows too; and so does what they differ by, of numbers too large for decimals.
    """
    different = values if apart is None else apart
    plain = [value for value in different if type(value) is float and isfinite(value)]
    largest = max(map(abs, plain), default=0.0)
    digits = max(DIGITS, _spread_digits(largest, spread))
    if largest >= 10.0 ** (DIGITS - 1):
        digits = max(digits, _spread_digits(largest, max(plain) - min(plain)))
    digits = _digits(different, number, digits, MAX_DIGITS, NOISE)
    return [number(value, digits) for value in values]


def scores(values: Sequence[float], decimals: int = 3, apart: bool = True) -> list[str]:
    """Scores of fits with so many decimals, or more to tell them `apart`; very large or small ones with an exponent."""
    largest = max(map(abs, values), default=0.0)
    text: Callable[[float, int], str] = number
    digits, most = DIGITS, MAX_DIGITS
    if FIXED[0] <= largest < FIXED[1] or not largest:
        text, digits, most = _with_decimals, decimals, max(decimals, MAX_DIGITS - len(f"{largest:.0f}"))
    if apart:
        digits = _digits(values, text, digits, most, SCORE_NOISE)
    return [text(value, digits) for value in values]


def _with_decimals(value: float, decimals: int) -> str:
    return unsigned_zero(f"{value:.{decimals}f}")


def _digits(values: Sequence[Value], text: Callable[[float, int], str], digits: int, most: int, noise: float) -> int:
    """The fewest digits whose texts tell apart the values that differ by more than noise."""
    floats = [value for value in values if isinstance(value, float) and not isinstance(value, Share | Count)]
    plain = sorted(value for value in floats if value == value)
    different = [(one, other) for one, other in pairwise(plain) if other - one > noise * max(abs(one), abs(other))]
    while digits < most and any(text(one, digits) == text(other, digits) for one, other in different):
        digits += 1
    return digits


def _spread_digits(largest: float, spread: float) -> int:
    """Digits of a number of this size that show what it differs by; none where that is rounding."""
    if not NOISE * largest < spread < inf:
        return 0
    return min(floor(log10(largest or spread)) - floor(log10(spread)) + MIN_SPREAD_DIGITS, MAX_DIGITS)


def in_one_form(values: Sequence[float]) -> list[str]:
    """Numbers of one column with the same decimals: six significant digits of the largest, more where they differ by
    less; with an exponent where they are very large or very small.
    """
    largest, spread = max(map(abs, values), default=0.0), max(values, default=0.0) - min(values, default=0.0)
    if not largest:
        return ["0"] * len(values)
    order = floor(log10(largest))
    digits = max(DIGITS, _spread_digits(largest, spread))
    if FIXED[0] <= largest < FIXED[1] or (order < digits <= MAX_DIGITS and order > 0):
        return [_with_decimals(value, max(digits - 1 - max(order, 0), 0)) for value in values]
    return [f"{value:.{digits - 1}e}" for value in values]


def difference(value: float, reference: float, digits: int = DIGITS) -> str:
    """A parameter less another, with its sign; 0 where they differ by rounding alone."""
    apart = type(value)(float(value) - float(reference))
    if abs(apart) <= NOISE * max(abs(value), abs(reference)):
        return number(type(value)(0.0))
    return signed(number(apart, digits))


def gain(value: float, before: float) -> str:
    """What an iteration changed; 0 where that is rounding."""
    change = value - before
    if abs(change) <= GAIN_NOISE * max(abs(value), abs(before)):
        return "0"
    return f"{change:+.3f}" if abs(change) >= 1 else f"{change:+.3g}"


def signed(text: str) -> str:
    """A number's text with a plus where it is positive."""
    return text if text.startswith("-") or not text.strip("0. %") else f"+{text}"


def unsigned_zero(text: str) -> str:
    """A number's text without the sign of a zero: -0.00 is 0.00."""
    return text[1:] if text.startswith("-") and not text.strip("-0. ") else text
