"""Columns that tell rows apart, such as row numbers, which would count in distances as if they were measured."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from emcli.compute.arrays import row_chunks
from emcli.config.checks import MAX_EXACT
from emcli.config.settings import DataSettings
from emcli.data.duplicates import keys
from emcli.data.table.columns import name_to_type
from emcli.errors import FitWarning, quoted
from emcli.frozen import frozen
from emcli.types import Array

MIN_ROWS = 10  # fewer equal steps are chance
FIRST_ROWS, MORE_ROWS = 64, 1 << 14  # rows that show of most columns that a value occurs twice
MOST_ROWS = 1 << 20  # rows of which it is known that no value occurs twice
SAID = 5  # columns that are named one by one
is_name = re.compile(r"(?i:id|index|unnamed: ?[0-9]+|row_?(?:id|names?|number)|.*[ _.-]id)|.*[a-z]I[Dd]").fullmatch


@frozen
class Tally:
    """What tells of each column of some rows whether it counts them; `+` pools with the rows that follow."""

    count: int
    different: npt.NDArray[np.bool_]  # (d,) integers, none of which was seen twice; all else holds for these columns
    low: Array  # (d,)
    high: Array  # (d,)
    keys: npt.NDArray[np.uint64]  # (d,) sum of the keys of the values, modulo 2^64: that of a set whatever its order
    first: Array  # (d,)
    last: Array  # (d,)
    step: Array  # (d,) smallest one from row to row; not above 0 where some row does not rise
    missing: npt.NDArray[np.intp]  # (d,) cells; all else is of the others

    @classmethod
    def of(cls, values: Array) -> Self:
        """The tally of values (n, d). Of most columns the first rows already tell that they count nothing."""
        n, d = values.shape
        different = np.ones(d, dtype=np.bool_)
        for rows in (FIRST_ROWS, MORE_ROWS):
            left = np.flatnonzero(different)
            if len(left):
                different[left] = _all_different(values[:rows, left])
        low, high, first, last = np.zeros((4, d))
        missing = np.zeros(d, dtype=np.intp)
        made = cls(n, different, low, high, np.zeros(d, dtype=np.uint64), first, last, np.full(d, np.inf), missing)
        for column in np.flatnonzero(different):
            made._fill(int(column), values[:, column])
        return made

    def _fill(self, column: int, values: Array) -> None:
        """All there is to tell of one column (n,)."""
        low, high, step, last, first = np.inf, -np.inf, np.inf, -np.inf, np.nan
        for some in row_chunks(len(values)):
            part = np.ascontiguousarray(values[some])
            if not _are_integers(part):
                self.different[column] = False
                return
            if (there := ~np.isnan(part)).sum() < len(part):
                self.missing[column] += len(part) - there.sum()
                part = part[there]
                if not len(part):
                    continue
            first = part[0] if np.isnan(first) else first
            low, high = min(low, part.min()), max(high, part.max())
            step, last = min(step, part[0] - last, np.diff(part).min(initial=np.inf)), part[-1]
            self.keys[column : column + 1] += keys(part[None]).sum()
        self.low[column], self.high[column], self.step[column] = low, high, step
        self.first[column], self.last[column] = first, last
        if step <= 0 and len(values) > MORE_ROWS:
            self.different[column] = _all_different(values[:MOST_ROWS, None])[0]

    def __add__(self, other: Self) -> Self:
        if not (self.count and other.count):
            return self if self.count else other
        step = np.fmin(np.minimum(self.step, other.step), other.first - self.last)
        return type(self)(
            self.count + other.count,
            self.different & other.different,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.keys + other.keys,
            np.where(np.isnan(self.first), other.first, self.first),
            np.where(np.isneginf(other.last), self.last, other.last),
            step,
            self.missing + other.missing,
        )

    def counts_rows(self, column: int, left_out: int) -> bool:
        """Are the values integers in equal steps, in any order; or in ascending order but for rows left out?"""
        n, left_out = self.count - int(self.missing[column]), left_out + int(self.missing[column])
        span = self.high[column] - self.low[column]
        if n < MIN_ROWS:
            return False
        if self.step[column] > 0 and span <= (n - 1 + left_out) * self.step[column]:
            return True
        step = span / (n - 1)
        if step < 1 or step != np.floor(step):
            return False
        total = np.zeros(1, dtype=np.uint64)
        for some in row_chunks(n):
            stop = min(some.stop, n)
            total += keys((self.low[column] + step * np.arange(some.start, stop))[None]).sum()
        return bool(total[0] == self.keys[column])

    def identifiers(self, names: Sequence[str], left_out: int, unnamed: Sequence[bool]) -> list[int]:
        """The columns that count rows, or have the name of what does, beside others."""
        found = [
            column
            for column in map(int, np.flatnonzero(self.different))
            if self.count > 1 and (unnamed[column] or is_name(names[column]) or self.counts_rows(column, left_out))
        ]
        return found if len(found) < len(names) else found[: len(names) > 1]


def _are_integers(values: Array) -> bool:
    return not (values > np.floor(values)).any() and not (np.abs(values) >= MAX_EXACT).any()


def _all_different(values: Array) -> npt.NDArray[np.bool_]:
    """Which columns (d,) of values (n, d) are integers, none of them twice."""
    whole = np.asarray(~((values > np.floor(values)).any(axis=0) | (np.abs(values) >= MAX_EXACT).any(axis=0)))
    whole[whole] = ~(np.diff(np.sort(values[:, whole], axis=0), axis=0) <= 0).any(axis=0)  # missing ones come last
    return np.asarray(whole)


def with_identifiers(
    warnings: tuple[FitWarning, ...],
    tally: Tally,
    columns: Sequence[int],
    header: Sequence[str],
    has_header: bool,
    settings: DataSettings,
    left_out: int,
) -> tuple[FitWarning, ...]:
    """The warnings, and one of those columns that tell rows apart and were not chosen one by one.

    It says what leaves them out, and takes the place of the warning that they have no name.
    columns: where those of the tally stand in the table, from 0. left_out: rows of the table that are not in the tally.
    """
    names = [header[column] for column in columns]
    unnamed = [has_header and header[column] == str(column + 1) for column in columns]
    found = [
        columns[i]
        for i in tally.identifiers(names, left_out, unnamed)
        if not {names[i], str(columns[i] + 1)} & set(settings.columns or ())
    ]
    if not found:
        return warnings
    listed = ", ".join(quoted(header[column]) for column in found[:SAID]) + ", …" * (len(found) > SAID)
    nameless = {column for column, is_unnamed in zip(columns, unnamed, strict=True) if is_unnamed}
    if 0 in nameless.intersection(found):
        listed += ", without a name as R and pandas write row names,"
    what = f"column {listed} tells rows apart" if len(found) == 1 else f"columns {listed} tell rows apart"
    what += f" (no value twice) but {'counts' if len(found) == 1 else 'count'} as if measured: leave "
    what += (
        f"{'it' if len(found) == 1 else 'them'} out with --exclude {_to_type(found, header, settings.exclude or ())}"
    )
    if nameless.issubset(found):
        warnings = tuple(warning for warning in warnings if warning.slug != "unnamed-column")
    return (*warnings, FitWarning("identifier", what))


def _to_type(columns: Sequence[int], header: Sequence[str], excluded: Sequence[str]) -> str:
    """What to type for columns and those `excluded` already."""
    specs = [f'"{name}"' if "," in name else name for name in excluded]
    return shlex.quote(",".join([*specs, *(name_to_type(column, header) for column in columns)]))
