"""A table read from files, and what describes how it is read: dialect, columns, chunks of a file."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from sys import getsizeof
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from emcli.errors import FitWarning, Problem
from emcli.frozen import frozen
from emcli.types import Array, IndexArray

if TYPE_CHECKING:
    import pyarrow

ENTRY_BYTES = 160  # of a string in a dictionary and a list, and of its number
ColumnNumbers = tuple[int | None, ...]  # of columns, from 1, where their names do not tell them; empty where all do
Record = tuple[int, int, list[str]]  # a row's first line, its last line, its fields


class TextChunk(NamedTuple):
    """Whole lines of a text file, and the number of the first of them."""

    line: int
    data: bytes


class RowChunk(NamedTuple):
    """Some rows of a Parquet file, and the number, from 1, of the first of them."""

    line: int
    row_count: int
    columns: Mapping[int, pyarrow.Array]  # those that are read, by their place in the file
    share: float  # of the rows of the file
    tally: Callable[[int], None]  # is told of each byte of text that is made of them


@frozen
class ReadSizes:
    """How much of a CSV file is read or looked at; tests take smaller ones."""

    chunk: int = 2 << 20  # bytes that are read and parsed at a time
    sample: int = 64 << 10  # bytes that the delimiter is detected from
    longest: int = 16 << 20  # bytes that one line may have, and characters that one quoted field may have
    columns: int = 100_000  # that a table may have
    arrow: int = 4 << 20  # bytes of a table from which Arrow repays its import


@frozen
class CsvDialect:
    """How a CSV file is to be read; None: detect it."""

    delimiter: str | None = None  # one character; a space stands for any run of spaces and tabs
    header: bool | None = None  # detected: there is one if some field of the first row is not numeric
    comment: str | None = None  # lines that begin with it are skipped
    # error | drop: leave out rows with missing cells | use: NaN in those cells | keep: NaN in all cells of such rows
    missing: str = "error"
    empty_rows: bool = False  # are rows without any number kept where rows with missing cells are used?
    na: tuple[str, ...] | None = None  # more marks of a missing cell than MISSING
    decimal: str | None = None  # a comma or a point; None: a point, or a comma where points group digits
    thousands: str | None = None  # mark between groups of three digits
    assumed: bool = False  # are decimal and thousands those of another file, that may not be this one's?
    skip: int | None = None  # lines to skip at the top
    trailing: int = 0  # columns of a table whose lines end with one more delimiter, as was detected; 0: they do not
    jobs: int | None = None  # threads; None: one for each core
    sizes: ReadSizes = ReadSizes()


class Choice(NamedTuple):
    """The columns that a user may choose from, counted from 0."""

    used: tuple[int, ...]
    excluded: tuple[int, ...]  # by name
    by_name: bool  # were those that are used named?


@frozen
class ColumnSelection:
    """The columns to read, counted from 0."""

    numeric: tuple[int, ...]  # read as float64
    text: tuple[int, ...] = ()  # kept as stripped strings
    complete: tuple[int, ...] = ()  # those of `text` in which a cell can be missing, as in a numeric one
    required: tuple[int, ...] = ()  # those of `numeric` in which no cell may be missing, though other rows are used
    constant: float | None = None  # stands beside the numeric ones in each row
    choice: Choice | None = None  # None: they all have roles of their own

    @property
    def columns(self) -> tuple[int, ...]:
        """All of them, each once, in the order of the file."""
        return tuple(sorted({*self.numeric, *self.text}))


@frozen
class FilePreamble:
    """A file opened as far as its header, and the rows that follow as chunks still to be read."""

    name: str
    dialect: CsvDialect  # with nothing left to detect
    header: tuple[str, ...]  # names of all columns; 1, 2, ... where the file gives none
    header_line: int | None
    warnings: tuple[FitWarning, ...]
    text_chunks: Iterator[TextChunk]
    row_chunks: Callable[[Sequence[int]], Iterator[RowChunk]] | None = (
        None  # some columns of Parquet, which has no text
    )
    size: int = 0  # bytes of the whole table, if that is known
    unnamed: tuple[int, ...] = ()  # columns, from 0, that the header gives no name
    row_names: bool = False  # has the header one name less than the rows have fields?
    ragged_hint: str | None = None  # what to type where rows have another number of fields


class StringColumn(Sequence[str]):
    """Strings of which many are equal: each different one is stored once."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._different: list[str] = []
        self._column = array("i")  # for each string its place in _different
        self._text_bytes = 0  # of the different strings

    def append(self, text: str) -> None:
        """Add one at the end."""
        code = self._codes.setdefault(text, len(self._different))
        if code == len(self._different):
            self._different.append(text)
            self._text_bytes += getsizeof(text) + ENTRY_BYTES
        self._column.append(code)

    @property
    def different(self) -> int:
        """How many different ones there are."""
        return len(self._different)

    @property
    def is_blank(self) -> bool:
        """Are all of them empty?"""
        codes = np.unique(np.frombuffer(self._column, np.intc)).tolist()
        return not any(self._different[code].strip() for code in codes)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that they take."""
        return self._text_bytes + self._column.itemsize * len(self._column)

    def extend(self, texts: Iterable[str]) -> None:
        """Add some at the end."""
        for text in texts:
            self.append(text)

    def take(self, rows: IndexArray) -> StringColumn:
        """The strings of some rows, in that order."""
        some = StringColumn()
        some._codes, some._different = self._codes, self._different
        some._column.frombytes(np.frombuffer(self._column, np.intc)[rows].tobytes())
        return some

    def ranked(self) -> tuple[list[str], npt.NDArray[np.intc]]:
        """The different ones in ascending order, numbers by value; and each string's place among them, (n,).

        An empty one is none, and its place is -1; marks such as NA or - may be names.
        """
        there = [code for code, text in enumerate(self._different) if text.strip()]
        order = sorted(there, key=lambda code: _in_reading_order(self._different[code]))
        values = {code: value for code in there if (value := _as_number(self._different[code])) is not None}
        if len(values) == len(order):
            order.sort(key=values.__getitem__)
        rank = np.full(len(self._different), -1, dtype=np.intc)
        rank[order] = np.arange(len(order))
        return [self._different[code] for code in order], rank[np.frombuffer(self._column, np.intc)]

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self._different[code] for code in self._column[at]]
        return self._different[self._column[at]]

    def __len__(self) -> int:
        return len(self._column)


def _in_reading_order(text: str) -> list[tuple[int, str]]:
    """What texts are sorted by so that x2 comes before x10: words, and runs of digits by how long they are."""
    parts = re.split("([0-9]+)", text)
    return [(len(part.lstrip("0")), part.lstrip("0")) if i % 2 else (0, part) for i, part in enumerate(parts)]


def _as_number(text: str) -> float | None:
    """The finite number that a text is, if it is one."""
    try:
        return value if isfinite(value := float(text)) else None
    except ValueError:
        return None


def numbers_of(columns: Sequence[int], header: Sequence[str]) -> ColumnNumbers:
    """The numbers, from 1, of those of some columns, from 0, whose name is not unique; empty where all are."""
    often = Counter(header)
    numbers = tuple(column + 1 if often[header[column]] > 1 else None for column in columns)
    return numbers if any(numbers) else ()


@frozen
class Table:
    """The selected columns of a file, or of the partitions in a folder."""

    source: str  # as typed; '-' is shown as '<stdin>'
    header: tuple[str, ...]  # names of all columns; 1, 2, ... where the file gives none
    has_header: bool
    delimiter: str
    numbers: Array  # (n, columns of ColumnSelection.numeric)
    texts: tuple[list[str] | StringColumn, ...]  # n strings for each column of ColumnSelection.text
    dropped: int  # rows left out because of missing cells
    warnings: tuple[FitWarning, ...]
    # Lines of most files are consecutive, so only the breaks are kept: from the row on, lines count up from the line.
    break_rows: array[int]
    break_lines: array[int]
    incomplete: Sequence[int]  # rows without a number that are kept in spite of missing cells
    partitions: tuple[tuple[int, str], ...]  # the first row of each file, and the file's name

    def line(self, row: int) -> int:
        """The line of the file, from 1, on which a row, from 0, begins."""
        at = bisect_right(self.break_rows, row) - 1
        return self.break_lines[at] + row - self.break_rows[at]

    def problem(self, row: int, column: int | None, what: str) -> Problem:
        """A problem of a row, or of its cell in a column of the file; both from 0."""
        at = bisect_right(self.partitions, row, key=lambda partition: partition[0]) - 1
        return Problem(what, self.partitions[at][1], self.line(row), None if column is None else column + 1)
