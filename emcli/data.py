"""CSV in and out: the chosen columns of a file as arrays and strings, or every fault with its place."""

from __future__ import annotations

import io
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from typing import Any, BinaryIO, TextIO

import numpy as np
from numpy.typing import NDArray

from emcli import csvtext
from emcli.csvtext import Block, format_csv
from emcli.errors import Caution, EmcliError, Exit, Fault, escaped, quoted, suggestion
from emcli.source import opened, refused

Array = NDArray[np.float64]

_SHOWN = 5  # faults that are told one by one
_FAST = True  # tests turn it off to compare both ways of reading
_PLAIN = b"0123456789+-.eE \r\n"
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
    cautions: tuple[Caution, ...]
    # Lines of most files are consecutive, so only the breaks are kept: from the row on, lines count up from the line.
    break_rows: array[int] = field(default_factory=lambda: array("q", [0]), repr=False)
    break_lines: array[int] = field(default_factory=lambda: array("q", [1]), repr=False)

    def line(self, row: int) -> int:
        """The line of the file, from 1, on which a row, from 0, begins."""
        at = bisect_right(self.break_rows, row) - 1
        return self.break_lines[at] + row - self.break_rows[at]

    def fault(self, row: int, column: int | None, what: str) -> Fault:
        """A fault of a row, or of its cell in a column of the file; both from 0."""
        return Fault(what, self.source, self.line(row), None if column is None else column + 1)


Chooser = Callable[[tuple[str, ...], str, bool], Selection]


def read_table(source: str, options: CsvOptions, choose: Chooser, stdin: BinaryIO | None = None) -> Table:
    """Read a path, or standard input for '-', once from its beginning to its end.

    choose(header, source, has_header) picks the columns and may raise EmcliError. Raises EmcliError: exit code 2 for
    unusable options, 3 for data that cannot be read: the first five faults of rows and cells and how many more there
    are, or alone the first that forbids reading on.
    """
    delimiter = csvtext.checked_delimiter(options.delimiter, options.comment)
    with opened(source, stdin) as reader:
        name, incoming = reader.name, csvtext.blocks(reader)
        seen: list[Block] = []  # what the delimiter and the header are told from
        while sum(len(block.data) for block in seen) < csvtext.SAMPLE and (block := next(incoming, None)):
            seen.append(block)
        if not seen:
            raise refused("file is empty", name)
        if delimiter is None:
            delimiter = csvtext.detect_delimiter(b"".join(block.data for block in seen), options.comment, name)
        ahead = csvtext.lines(chain(list(seen), _kept(incoming, seen)), name)
        rows = csvtext.records(ahead, delimiter, options.comment, name)
        first = next(rows, None)
        if first is None:
            raise refused("no data rows, only blank lines or comments", name)
        has_header, doubt = csvtext.told_header(first[2], rows, options.header)
        header, unnamed = csvtext.column_names(first[2], has_header)
        body = _Body(name, header, delimiter, options, choose(header, name, has_header))
        body.read(csvtext.after(first[1] if has_header else first[0] - 1, chain(seen, incoming)))
    body.check(first[0] if has_header else None)
    return body.table(has_header, doubt + unnamed)


def _kept(incoming: Iterator[Block], seen: list[Block]) -> Iterator[Block]:
    for block in incoming:
        seen.append(block)
        yield block


class _Body:
    """Collects the data rows of one file. Plain numeric blocks go to numpy; any other is read row by row."""

    def __init__(
        self, name: str, header: tuple[str, ...], delimiter: str, options: CsvOptions, selection: Selection
    ) -> None:
        self.name, self.header, self.delimiter, self.options = name, header, delimiter, options
        self.numeric, self.text = list(selection.numeric), selection.text
        self.plain = _PLAIN + delimiter.encode()
        # A comment mark made of digits and the like would go unseen by numpy; without columns it has nothing to do.
        hidden = options.comment is not None and not options.comment.encode(errors="replace").translate(
            None, self.plain
        )
        self.fast = bool(_FAST and self.numeric and not self.text and not hidden)
        self.parts: list[Array] = []
        self.texts: tuple[list[str], ...] = tuple([] for _ in self.text)
        self.count = self.dropped = self.underflows = self.fault_count = 0
        self.faults: list[Fault] = []
        self.first_kind = ""  # of fault, which decides the hint
        self.bad_columns: set[int] = set()
        self.break_rows, self.break_lines = array("q"), array("q")
        self.next_line = -1

    def read(self, blocks: Iterator[Block]) -> None:
        """Add all rows of the blocks."""
        for block in blocks:
            numbers = self._by_numpy(block.data) if self.fast else None
            if numbers is not None:
                self._place(block.line)
                self.parts.append(numbers)
                self.count += len(numbers)
                self.next_line = block.line + len(numbers)
            else:  # quoted text may go on into the next block
                self._by_row(chain([block], blocks) if b'"' in block.data else [block])

    def _place(self, line: int) -> None:
        if line != self.next_line:
            self.break_rows.append(self.count)
            self.break_lines.append(line)

    def _by_numpy(self, data: bytes) -> Array | None:
        """The chosen columns of a block, or None where only reading row by row can tell what it holds."""
        if data.translate(None, self.plain) or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n")):
            return None
        data = data.rstrip(b"\r\n")
        if not data.strip():
            return None
        delimiter = None if self.delimiter == " " else self.delimiter
        try:
            numbers = np.loadtxt(io.BytesIO(data), delimiter=delimiter, ndmin=2, comments=None)
        except ValueError:
            return None
        if numbers.shape != (data.count(b"\n") + 1, len(self.header)):
            return None  # blank lines, which numpy skips without counting them, or rows of another length
        if self.numeric != list(range(len(self.header))):
            numbers = np.ascontiguousarray(numbers[:, self.numeric])
        if not numbers.all() and any(sign in data for sign in (b"e-", b"E-", b"0" * 300)):
            return None  # a zero may be a number too small for a double
        return numbers if np.isfinite(numbers).all() else None

    def _by_row(self, blocks: Iterable[Block]) -> None:
        values = array("d")
        before = self.count
        lines = csvtext.lines(blocks, self.name)
        for line, _, fields in csvtext.records(lines, self.delimiter, self.options.comment, self.name):
            if len(fields) != len(self.header):
                self._ragged(line, fields)
                continue
            cells = [fields[column] for column in self.numeric]
            row = list(map(float, cells)) if all(map(csvtext.is_number, cells)) else None
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
        self.parts.append(np.frombuffer(values).reshape(self.count - before, len(self.numeric)))

    def _diagnose(self, line: int, cells: list[str]) -> None:
        missing = False
        for column, cell in zip(self.numeric, cells, strict=True):
            place = f"in column {quoted(self.header[column])}"
            if cell.lower() in _MISSING:
                missing = True
                if self.options.missing != "drop":
                    self._fault("missing", f"missing value {place}", line, column)
            elif csvtext.is_number(cell) or csvtext.is_not_finite(cell):
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
        if len(self.faults) < _SHOWN:
            self.faults.append(Fault(what, self.name, line, None if column is None else column + 1))

    def check(self, header_line: int | None) -> None:
        """Raise EmcliError for all faults found, or for the want of rows."""
        if self.faults:
            unsaid = self.fault_count - len(self.faults)
            raise EmcliError(Exit.DATA, *self.faults, hint=self._hint(), unsaid=unsaid)
        if not self.count and self.dropped:
            raise refused(f"no rows left: all {self.dropped} have missing values", self.name)
        if not self.count:
            place = f" after the header on line {header_line}" if header_line else ""
            raise refused(f"no data rows{place}", self.name)

    def _hint(self) -> str | None:
        clean = [column for column in self.numeric if column not in self.bad_columns]
        if self.first_kind == "text" and 0 < len(clean) <= 20:
            return "--columns " + ",".join(map(self._name_to_type, clean))
        return _HINTS.get(self.first_kind)

    def _name_to_type(self, column: int) -> str:
        name = self.header[column]
        return name if re.fullmatch(r"\w[\w.]*", name) and self.header.count(name) == 1 else str(column + 1)

    def table(self, has_header: bool, cautions: tuple[Caution, ...]) -> Table:
        """The rows read and the cautions about them."""
        if self.dropped:
            said = f"{self.dropped} row{'s' * (self.dropped > 1)} with missing values left out"
            cautions = (*cautions, Caution("dropped-rows", said))
        if self.underflows:
            said = f"numbers too small for a double, read as 0: {self.underflows}"
            cautions = (*cautions, Caution("underflow", said))
        numbers = np.concatenate(self.parts) if len(self.parts) > 1 else self.parts[0]
        return Table(
            self.name, self.header, has_header, self.delimiter, numbers, self.texts, self.dropped, cautions,
            self.break_rows, self.break_lines,
        )  # fmt: skip


def find_column(header: Sequence[str], spec: str, source: str, exit_code: Exit = Exit.USAGE) -> int:
    """The column, from 0, that a name or else a number from 1 means.

    Raises EmcliError: with `exit_code` if there is no such column, with 3 if several have the name.
    """
    spec, shown = spec.strip(), escaped(source, 200)
    same = [column for column, name in enumerate(header) if name == spec]
    if len(same) == 1:
        return same[0]
    if same:
        numbers = ", ".join(str(column + 1) for column in same[:_SHOWN])
        what = f"column name {quoted(spec)} is not unique in {shown} (columns {numbers})"
        raise EmcliError(Exit.DATA, what, hint="rename the columns, or give the number of one")
    if re.fullmatch(r"[-+]?[0-9]+", spec):
        # Longer numbers are beyond any file, and int() refuses the longest.
        if spec.isdigit() and len(spec) < 10 and 1 <= int(spec) <= len(header):
            return int(spec) - 1
        many = f"{len(header)} column{'s' * (len(header) != 1)}"
        raise EmcliError(exit_code, f"no column {quoted(spec)}: columns count from 1 and {shown} has {many}")
    names = ", ".join(escaped(name) for name in header[:20]) + ", …" * (len(header) > 20)
    guess = suggestion(spec, header).strip(" ()")
    raise EmcliError(exit_code, f"no column {quoted(spec)} in {shown} (has: {names}{guess and '; ' + guess})")


def write_csv(stream: TextIO, header: Sequence[str], numbers: Any, labels: Sequence[Any] | None = None) -> None:
    """Write numbers (n, d), and labels (n,) as one more column that the header names too, as CSV."""
    columns = list(np.asarray(numbers).T)
    for piece in format_csv(header, columns if labels is None else [*columns, labels]):
        stream.write(piece)
