"""Rows of a CSV file collected into numbers and strings, or every fault of a row or cell with its place."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from math import isfinite
from typing import Any

import numpy as np

from emcli.compute import arrays
from emcli.compute.memory import require
from emcli.compute.threads import prefetch, usable_cores
from emcli.data.table import csv_reader, numeric_blocks, parquet
from emcli.data.table.csv_reader import Block
from emcli.data.table.parquet import Piece
from emcli.data.table.source import refused
from emcli.errors import EmcliError, Exit, FitWarning, Problem, quoted
from emcli.types import Array

_TYPICAL = 100  # rows that tell how long texts are
SHOWN = 5  # faults that are told one by one
_FAST = True  # tests turn it off to compare both ways of reading
_MISSING = frozenset({"", "na", "n/a", "null", "none", "-", "?"})
_HINTS = {
    "missing": "--missing drop leaves out rows with missing values",
    "remark": "--comment '#' skips lines that begin with #",
    "comma": "write decimals with a point",
}
_is_not_zero = re.compile(r"[-+.0]*[1-9]").match
_has_decimal_comma = re.compile(r"[-+]?[0-9]+,[0-9]+").fullmatch


@dataclass(frozen=True)
class CsvOptions:
    """What the user says about a CSV file; None is: to be detected."""

    delimiter: str | None = None
    header: bool | None = None  # detected: there is one if some field of the first row is not numeric
    comment: str | None = None  # lines that begin with it are skipped
    missing: str = "error"  # or "drop"
    jobs: int | None = None  # threads; None: one for each core


@dataclass(frozen=True)
class Selection:
    """The columns to read, counted from 0."""

    numeric: tuple[int, ...]  # read as float64
    text: tuple[int, ...] = ()  # kept as stripped strings


@dataclass(frozen=True, eq=False)
class Table:
    """What was read from a CSV file."""

    source: str  # as typed; '-' is shown as '<stdin>'
    header: tuple[str, ...]  # names of all columns; 1, 2, ... where the file gives none
    has_header: bool
    delimiter: str
    numbers: Array  # (n, columns of Selection.numeric)
    texts: tuple[list[str], ...]  # n strings for each column of Selection.text
    dropped: int  # rows left out because of missing cells
    cautions: tuple[FitWarning, ...]
    # Lines of most files are consecutive, so only the breaks are kept: from the row on, lines count up from the line.
    break_rows: array[int] = field(default_factory=lambda: array("q", [0]), repr=False)
    break_lines: array[int] = field(default_factory=lambda: array("q", [1]), repr=False)
    parts: tuple[tuple[int, str], ...] = ()  # of a table in parts: the first row of each, and its name

    def line(self, row: int) -> int:
        """The line of the file, from 1, on which a row, from 0, begins."""
        at = bisect_right(self.break_rows, row) - 1
        return self.break_lines[at] + row - self.break_rows[at]

    def fault(self, row: int, column: int | None, what: str) -> Problem:
        """A fault of a row, or of its cell in a column of the file; both from 0."""
        at = bisect_right(self.parts, row, key=lambda part: part[0]) - 1
        name = self.parts[at][1] if self.parts else self.source
        return Problem(what, name, self.line(row), None if column is None else column + 1)


@dataclass(frozen=True)
class Start:
    """A file whose delimiter and header are known, and what comes after them."""

    name: str
    delimiter: str
    header: tuple[str, ...]
    has_header: bool
    header_line: int | None
    cautions: tuple[FitWarning, ...]
    blocks: Iterator[Block]
    size: int = 0  # bytes of the whole table, if that is known
    pieces: Iterator[Piece] | None = None  # the rows, where the file is no CSV


class Body:
    """Collects data rows part by part. Plain numeric blocks go to numpy; any other is read row by row."""

    def __init__(self, start: Start, options: CsvOptions, selection: Selection, column: Any = list) -> None:
        self.start, self.options = start, options
        self.name, self.header, self.delimiter = start.name, start.header, start.delimiter
        self.numeric, self.text = list(selection.numeric), selection.text
        self.fast = bool(_FAST and self.numeric and not self.text and not self._hides_comments())
        self.rows = arrays.GrowingArray()
        self.size = 0  # bytes read
        self.texts: tuple[list[str], ...] = tuple(column() for _ in self.text)
        self.count = self.dropped = self.underflows = self.fault_count = 0
        self.faults: list[Problem] = []
        self.first_kind = ""  # of fault, which decides the hint
        self.bad_columns: set[int] = set()
        self.break_rows, self.break_lines = array("q"), array("q")
        self.next_line = -1
        self.roomy = False  # was there seen to be room on the disk?
        self.parts: list[tuple[int, str]] = []  # the first row of each, and its name

    def _hides_comments(self) -> bool:
        """Is the comment mark made of digits and the like? It would go unseen where numbers are read."""
        mark = self.options.comment
        return mark is not None and not numeric_blocks.strange(mark.encode(errors="replace"), self.delimiter)

    def begin(self, start: Start) -> None:
        """What is added from now on is of another part; what was detected in the first one holds for it too."""
        self.name, self.next_line = start.name, -1
        self.parts.append((self.count, start.name))

    def read(self, start: Start) -> None:
        """Add all rows of a part."""
        for piece in start.pieces or ():
            self._take(piece)
        for block, numbers in (blocks := self._parsed(start.blocks)):
            self.size += len(block.data)
            still = max(self.start.size / self.size, 1.0)
            if numbers is not None:
                self._place(block.line)
                self.count += len(numbers)
                self.rows.append(numbers, int(1.02 * still * self.count) if self.start.size else 0)
                self.next_line = block.line + len(numbers)
            elif b'"' in block.data:  # quoted text may go on into the next block
                self._by_row(chain([block], (block for block, _ in blocks)))
            elif block.data.strip(b"\n"):
                self._by_row([block])
            self._afford(still)

    def _parsed(self, blocks: Iterator[Block]) -> Iterator[tuple[Block, Array | None]]:
        """Each block, and its numbers unless it must be read row by row; those of large tables several at a time."""
        if not self.fast:
            yield from ((block, None) for block in blocks)
        plain = partial(numeric_blocks.parsed, delimiter=self.delimiter, width=len(self.header), columns=self.numeric)

        def large(block: Block) -> Array | None:
            return plain(block.data, fast=True)

        for block in blocks:
            size = max(self.start.size, self.size + len(block.data))
            if size >= numeric_blocks.LARGE and self.delimiter != " " and numeric_blocks.arrow():
                yield from prefetch(large, chain([block], blocks), usable_cores(self.options.jobs))
            else:
                yield block, plain(block.data)

    def _take(self, piece: Piece) -> None:
        """Add rows that are no text, as numbers at once where nothing is wrong with them."""
        numbers = parquet.numbers(piece, self.numeric, self.name)
        if numbers is None:
            self.add(parquet.records(iter([piece]), self.numeric, self.name))
        else:
            self._place(piece.line)
            self.rows.append(numbers)
            for kept, column in zip(self.texts, self.text, strict=True):
                kept.extend(parquet.texts(piece, column))
            self.count += len(numbers)
            self.next_line = piece.line + len(numbers)
        self._afford(1.0)

    def _afford(self, still: float) -> None:
        """Refuse a file that will not fit in memory, `still` times as long as what was read, while there is plenty."""
        texts = sum(sum(map(len, column[-_TYPICAL:])) / len(column[-_TYPICAL:]) + 60 for column in self.texts if column)
        rows, width = int(self.count * still), len(self.numeric)
        size = 8 * rows * width
        what = f"{rows} rows of {width + len(self.text)} columns"
        if not arrays.too_large(size):
            require(int(arrays.COPIES * size + rows * texts - self.count * (8 * width + texts)), what, self.name)
            return
        require(int((rows - self.count) * texts), what, self.name)
        if self.rows.file is not None and not self.roomy:
            self.rows.file.room(2 * size)
            self.roomy = True

    def _place(self, line: int) -> None:
        if line != self.next_line:
            self.break_rows.append(self.count)
            self.break_lines.append(line)

    def _by_row(self, blocks: Iterable[Block]) -> None:
        lines = csv_reader.lines(blocks, self.name)
        self.add(csv_reader.records(lines, self.delimiter, self.options.comment, self.name))

    def add(self, rows: Iterable[csv_reader.Record]) -> None:
        """Add rows one by one, or what is wrong with them."""
        values = array("d")
        before = self.count
        for line, _, fields in rows:
            if len(fields) != len(self.header):
                self._ragged(line, fields)
                continue
            cells = [fields[column] for column in self.numeric]
            row = list(map(float, cells)) if all(map(csv_reader.is_number, cells)) else None
            if row is None or not all(map(isfinite, row)):
                self._diagnose(line, cells)
                continue
            if not all(row):
                self.underflows += sum(not v and bool(_is_not_zero(c)) for v, c in zip(row, cells, strict=True))
            self._place(line)
            values.extend(row)
            for kept, column in zip(self.texts, self.text, strict=True):
                kept.append(fields[column])
            self.count += 1
            self.next_line = line + 1
        self.rows.append(np.frombuffer(values).reshape(self.count - before, len(self.numeric)))

    def _diagnose(self, line: int, cells: list[str]) -> None:
        missing = False
        for column, cell in zip(self.numeric, cells, strict=True):
            place = f"in column {quoted(self.header[column])}"
            if cell.lower() in _MISSING:
                missing = True
                if self.options.missing != "drop":
                    self._fault("missing", f"missing value {place}", line, column)
            elif csv_reader.is_number(cell) or csv_reader.is_not_finite(cell):
                if not isfinite(float(cell)):
                    self._fault("finite", f"value is not finite {place}, got {quoted(cell)}", line, column)
            else:
                remark = self.options.comment is None and "#" in (cell[:1], self.header[0][: len(self.header) == 1])
                kind = "remark" if remark else "comma" if _has_decimal_comma(cell) else "text"
                self._fault(kind, f"cannot read {quoted(cell)} as a number {place}", line, column)
        self.dropped += missing

    def _ragged(self, line: int, fields: list[str]) -> None:
        remark = self.options.comment is None and "#" in (self.header[0][:1], fields[0][:1])
        what = f"{len(fields)} field{'s' * (len(fields) != 1)}, expected {len(self.header)}"
        self._fault("remark" if remark else "ragged", what, line)

    def _fault(self, kind: str, what: str, line: int, column: int | None = None) -> None:
        self.first_kind = self.first_kind or kind
        self.fault_count += 1
        if column is not None:
            self.bad_columns.add(column)
        if len(self.faults) < SHOWN:
            self.faults.append(Problem(what, self.name, line, None if column is None else column + 1))

    def check(self, empty: bool = False) -> None:
        """Raise EmcliError for all faults found, or for the want of rows unless it may be `empty`."""
        if self.faults:
            unsaid = self.fault_count - len(self.faults)
            raise EmcliError(Exit.DATA, *self.faults, hint=self._hint(), unsaid=unsaid)
        if self.count or empty:
            return
        if self.dropped:
            raise refused(f"no rows left: all {self.dropped} have missing values", self.name)
        place = f" after the header on line {self.start.header_line}" if self.start.header_line else ""
        raise refused(f"no data rows{place}", self.name)

    def _hint(self) -> str | None:
        clean = [column for column in self.numeric if column not in self.bad_columns]
        if self.first_kind == "text" and 0 < len(clean) <= 20:
            return "--columns " + ",".join(map(self._name_to_type, clean))
        return _HINTS.get(self.first_kind)

    def _name_to_type(self, column: int) -> str:
        name = self.header[column]
        return name if re.fullmatch(r"\w[\w.]*", name) and self.header.count(name) == 1 else str(column + 1)

    def table(self) -> Table:
        """The rows read and the cautions about them."""
        cautions = self.start.cautions
        if self.dropped:
            said = f"{self.dropped} row{'s' * (self.dropped > 1)} with missing values left out"
            cautions = (*cautions, FitWarning("dropped-rows", said))
        if self.underflows:
            said = f"numbers too small for a double, read as 0: {self.underflows}"
            cautions = (*cautions, FitWarning("underflow", said))
        return Table(
            self.name, self.header, self.start.has_header, self.delimiter, self.rows.rows(), self.texts, self.dropped,
            cautions, self.break_rows, self.break_lines, tuple(self.parts),
        )  # fmt: skip
