"""How many digits the numbers of a worked iteration have, so that each follows from those it is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, floor, isfinite, log, log10

from emcli.inference.steps.worked import LEAST_DIGITS, Precise
from emcli.models.worked import Column
from emcli.output.numbers import number, unsigned_zero

DIGITS = 6  # significant ones of a difference that nothing is computed from
SUM_DIGITS = 1  # more than a parameter has that follows from the sums
MORE_DECIMALS = 2  # of a column than its largest number needs
MAX_PLAIN = 1e6  # of a difference, up to which it has decimals
Shown = tuple[str, list[str], str]  # a column: its title, its cells, and what stands under them


class Digits:
    """How many digits numbers have, so that each can be computed again from those it follows from."""

    def __init__(self, precise: Precise):
        self.shares = precise.share_decimals
        self._parameters = precise.digits

    def of(self, columns: Sequence[Column]) -> int:
        """Significant digits of the parameters of some columns."""
        return max((self._parameters.get(column.of, LEAST_DIGITS) for column in columns), default=LEAST_DIGITS)

    def shown(self, column: Column, sums: int) -> Shown:
        """A column as text; sums have so many significant digits."""
        values = [cell for cell in (*column.cells, column.total) if cell is not None]
        texts = iter(self._texts(values, column, sums))
        cells = ["" if cell is None else next(texts) for cell in column.cells]
        if column.held:
            cells = ["held" if held else cell for cell, held in zip(cells, column.held, strict=True)]
        total = "" if column.total is None else next(texts)
        if column.held and all(column.held) and all(cell is None for cell in column.cells):
            return column.title, [""] * len(cells), "held"
        return column.title, cells, total

    def _texts(self, values: Sequence[float], column: Column, sums: int) -> list[str]:
        if column.role in ("density", "joint"):
            told = zip((*column.cells, column.total), column.digits, strict=False)
            return [from_log(value, digits) for value, digits in told if value is not None]
        if column.role == "share":
            return [f"{value:.{self.shares}f}" for value in values]
        if column.role == "part":
            decimals = self.shares - ceil(log10(abs(column.factor) or 1.0))
            cells = [_rounded(value, decimals) for value in column.cells if value is not None]
            whole = [] if column.total is None else [_rounded(column.total, max(decimals, 0))]
            return [*cells, *whole]
        if column.role == "mark":
            return [column.of if value else "" for value in values]
        if column.role == "difference" and max(map(abs, values)) < MAX_PLAIN:
            decimals = self.of([column]) - 1 - floor(log10(column.scale)) if column.scale > 0 else DIGITS - 1
            decimals = column.digits[0] if column.digits else decimals
            return _without_common_zeros([_rounded(value, decimals) for value in values])
        return _aligned(values, self.of([column]) if column.role == "parameter" else sums)


def _aligned(values: Sequence[float], digits: int) -> list[str]:
    """Numbers with the same decimals, so many significant digits each or more; far smaller ones on their own."""
    needed = [digits - 1 - floor(log10(abs(value))) for value in values if value and isfinite(value)]
    if not needed or min(needed) < 0:
        return [number(value, digits) for value in values]
    more = 0 if min(values) < 0 < max(values) else MORE_DECIMALS  # around 0 a small number is no small amount
    decimals = min(max(needed), min(needed) + more, 15)
    own = [not more or value == 0 or digits - 1 - floor(log10(abs(value))) <= decimals for value in values]
    plain_ones = iter(
        _without_common_zeros([_rounded(v, decimals) for v, fits in zip(values, own, strict=True) if fits])
    )
    return [next(plain_ones) if fits else number(v, digits) for v, fits in zip(values, own, strict=True)]


def _rounded(value: float, decimals: int) -> str:
    return unsigned_zero(f"{round(value, min(decimals, 15)):.{min(max(decimals, 0), 15)}f}")


def _without_common_zeros(cells: list[str]) -> list[str]:
    """Decimals without the zeros at their ends that all of them have."""
    while cells and all("." in cell and "e" not in cell and cell[-1] in "0." for cell in cells):
        cells = [cell[:-1] for cell in cells]
    return cells


def from_log(value: float, digits: int) -> str:
    """The number with this natural logarithm, also where it is beyond what a double holds."""
    if not isfinite(value):
        return "0"
    if abs(value) < 700:
        return f"{exp(value):#.{digits}g}".rstrip(".")
    order = floor(value / log(10))
    mantissa = f"{exp(value - order * log(10)):.{digits - 1}f}"
    return f"1.{'0' * (digits - 1)}e{order + 1:+}" if mantissa.startswith("10") else f"{mantissa}e{order:+}"
