"""The rows and cells of a table that cannot be read, with their places and a hint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite

from emcli.data.table.cells import NumberFormat, is_not_finite, is_number, missing_marks
from emcli.data.table.table import CsvDialect
from emcli.errors import EmcliError, Exit, FitWarning, Problem, counted, quoted

MAX_SHOWN = 5  # problems that are shown one by one
_HINTS = {
    "missing": "--missing drop leaves out rows with missing values",
    "comment": "--comment '#' skips lines that begin with #",
    "comma": "write decimals with a point",
}
_has_decimal_comma = re.compile(r"[-+]?[0-9]+,[0-9]+").fullmatch


def dropped_rows(count: int) -> FitWarning:
    """The warning that rows were left out."""
    return FitWarning("dropped-rows", f"{counted(count, 'row')} with missing values left out")


class RowProblems:
    """Collects the first problems of a table and counts all; also counts the rows that are left out."""

    def __init__(
        self, header: Sequence[str], numeric: Sequence[int], complete: Sequence[int], dialect: CsvDialect
    ) -> None:
        self._header, self._numeric, self._complete, self._dialect = header, numeric, complete, dialect
        self._missing, self._missing_numbers = missing_marks(dialect.na)
        self._shown: list[Problem] = []
        self._count = 0
        self._first_kind = ""  # decides the hint
        self._bad_columns: set[int] = set()
        self.dropped = 0  # rows left out because of missing cells

    def __bool__(self) -> bool:
        return bool(self._count or self.dropped)

    def add_cells(self, name: str, line: int, fields: Sequence[str], form: NumberFormat | None = None) -> bool:
        """A row of which some cell that is to be a number is none, or is missing; is it to be kept nevertheless?"""
        missing, before = False, self._count
        for column in (*self._numeric, *self._complete):
            cell = fields[column]
            place = f"in column {quoted(self._header[column])}"
            plain = form.plain(cell) if form else cell
            if cell.lower() in self._missing or (
                self._missing_numbers and is_number(plain) and float(plain) in self._missing_numbers
            ):
                missing = True
                if self._dialect.missing == "error":
                    self._add("missing", f"missing value {place}", name, line, column)
            elif column in self._complete:
                continue
            elif is_number(plain) or is_not_finite(cell):
                if not isfinite(float(plain or cell)):
                    self._add("finite", f"value is not finite {place}, got {quoted(cell)}", name, line, column)
            else:
                alone = len(self._header) == 1
                is_comment = self._looks_like_comment(cell, self._header[0] if alone else "")
                kind = "comment" if is_comment else "comma" if _has_decimal_comma(cell) else "text"
                self._add(kind, f"cannot read {quoted(cell)} as a number {place}", name, line, column)
        keeps = missing and self._dialect.missing == "keep"
        self.dropped += missing and not keeps
        return keeps and self._count == before

    def add_ragged(self, name: str, line: int, fields: Sequence[str]) -> None:
        """A row that has another number of fields than the header."""
        is_comment = self._looks_like_comment(self._header[0], fields[0])
        what = f"{counted(len(fields), 'field')}, expected {len(self._header)}"
        self._add("comment" if is_comment else "ragged", what, name, line)

    def _looks_like_comment(self, *texts: str) -> bool:
        return self._dialect.comment is None and any(text.startswith("#") for text in texts)

    def _add(self, kind: str, what: str, name: str, line: int, column: int | None = None) -> None:
        self._first_kind = self._first_kind or kind
        self._count += 1
        if column is not None:
            self._bad_columns.add(column)
        if len(self._shown) < MAX_SHOWN:
            self._shown.append(Problem(what, name, line, None if column is None else column + 1))

    def check(self) -> None:
        """Raise EmcliError, exit 3, if there are any."""
        if self._count:
            raise EmcliError(Exit.DATA, *self._shown, hint=self._hint(), unsaid=self._count - len(self._shown))

    def _hint(self) -> str | None:
        clean = [column for column in self._numeric if column not in self._bad_columns]
        if self._first_kind == "text" and 0 < len(clean) <= 20:
            return "--columns " + ",".join(map(self._name_to_type, clean))
        return _HINTS.get(self._first_kind)

    def _name_to_type(self, column: int) -> str:
        """What to write for a column on the command line: its name, or its number where that is no plain word."""
        name = self._header[column]
        return name if re.fullmatch(r"\w[\w.]*", name) and self._header.count(name) == 1 else str(column + 1)
