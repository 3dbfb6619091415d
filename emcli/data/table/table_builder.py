"""Rows of files collected into a table: chunks of plain numbers at once, any other row by row."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from math import inf, isfinite, isnan, nan

import numpy as np

from emcli.compute import arrays
from emcli.compute.memory import require
from emcli.compute.threads import prefetch, usable_cores
from emcli.data.table import csv_reader, detection, numeric_chunks
from emcli.data.table.arrow import arrow_is_usable
from emcli.data.table.cells import MissingMarks, NumberFormat, is_number
from emcli.data.table.row_problems import RowProblems, dropped_rows
from emcli.data.table.source import data_error
from emcli.data.table.table import ColumnSelection, FilePreamble, Record, RowChunk, StringColumn, Table, TextChunk
from emcli.errors import FitWarning
from emcli.types import Array

_PIECE_ROWS, _PIECE_NUMBERS = 1 << 16, 1 << 18  # that are read one by one, and then kept together
_is_not_zero = re.compile(r"[-+.0]*[1-9]").match


class TableBuilder:
    """Collects the rows of one file, or of several partitions, and what is wrong with them.

    first: the file, or the first partition under the name and with the size of all.
    """

    def __init__(
        self,
        first: FilePreamble,
        selection: ColumnSelection,
        text_column: Callable[[], list[str] | StringColumn] = list,
    ) -> None:
        self._first, self._header = first, first.header
        self._dialect, self._delimiter = first.dialect, first.dialect.delimiter or ","
        self._numeric, self._text, self._columns = list(selection.numeric), selection.text, selection.columns
        self._problems = RowProblems(first, selection)
        self._complete, self._uses = selection.complete, self._dialect.missing == "use"
        self._format = NumberFormat.of(self._dialect.decimal, self._dialect.thousands)
        self._missing = MissingMarks(self._dialect.na)
        self._rows = arrays.GrowingArray()
        self._texts = tuple(text_column() for _ in self._text)
        self.count = 0  # rows so far
        self._incomplete: list[int] = []  # rows that are kept in spite of missing cells
        self._underflows = 0
        self._bytes = 0.0  # of the files that was read
        self._break_rows, self._break_lines = array("q"), array("q")
        self._next_line = -1
        self._disk_has_room = False  # was that checked?
        self._partitions: list[tuple[int, str]] = []
        self._name = first.name  # of the file that rows are added from

    @property
    def saw_rows(self) -> bool:
        """Did any row come, even one that was left out or cannot be read?"""
        return bool(self.count or self._problems)

    def start_file(self, name: str) -> None:
        """The rows that are added from now on are of this file."""
        self._name, self._next_line = name, -1
        self._partitions.append((self.count, name))

    def read(self, file: FilePreamble) -> None:
        """Add all rows of a file. Raises EmcliError where it cannot be read on."""
        self.start_file(file.name)
        for row_chunk in file.row_chunks(self._columns) if file.row_chunks else ():
            self._bytes += row_chunk.share * file.size
            self._add_row_chunk(row_chunk)
        parsed = self._counted(self._parsed(file.text_chunks))
        for chunk, numbers in parsed:
            if numbers is not None:
                self._add_numbers(chunk.line, numbers)
            elif b'"' in chunk.data:  # quoted text may go on in the next chunk
                self._add_by_row(chain([chunk], (following for following, _ in parsed)))
            elif chunk.data.strip(b"\n"):
                self._add_by_row([chunk])

    def _counted(self, parsed: Iterator[tuple[TextChunk, Array | None]]) -> Iterator[tuple[TextChunk, Array | None]]:
        """The chunks, with their bytes counted as they are taken."""
        for chunk, numbers in parsed:
            self._bytes += len(chunk.data)
            yield chunk, numbers

    @property
    def _growth(self) -> float:
        """How many times the rows so far there will be in the end, as far as that is known."""
        return max(self._first.size / self._bytes, 1.0) if self._bytes else 1.0

    def _parsed(self, chunks: Iterator[TextChunk]) -> Iterator[tuple[TextChunk, Array | None]]:
        """Each chunk with its numbers, or None if it must be read row by row; large tables in threads."""
        if not self._numeric or self._text or self._hides_comments() or not self._delimiter.isascii():
            yield from ((chunk, None) for chunk in chunks)
            return

        def parse(chunk: TextChunk, by_arrow: bool = False) -> Array | None:
            text = chunk.data
            if self._dialect.trailing:
                text = numeric_chunks.without_trailing(text, self._delimiter)
            data = text if self._format is None else self._format.plain_lines(text, self._delimiter)
            if data is None:
                return None
            numbers = numeric_chunks.parse(data, self._delimiter, len(self._header), self._numeric, by_arrow)
            return None if numbers is None or self._has_missing(numbers) else numbers

        for chunk in chunks:
            size = max(self._first.size, self._bytes + len(chunk.data))
            is_large = size >= self._dialect.sizes.arrow and self._delimiter != " "
            if is_large and arrow_is_usable():
                threads = usable_cores(self._dialect.jobs)
                yield from prefetch(partial(parse, by_arrow=True), chain([chunk], chunks), threads)
            else:
                yield chunk, parse(chunk)

    def _has_missing(self, numbers: Array) -> bool:
        """Is any of the numbers a mark of a missing cell?"""
        return any(bool((numbers == mark).any()) for mark in self._missing.numbers)

    def _hides_comments(self) -> bool:
        """Is the comment mark made of characters of numbers? It would not be noticed where these are parsed."""
        mark = self._dialect.comment
        return mark is not None and numeric_chunks.has_only_numbers(mark.encode(errors="replace"), self._delimiter)

    def _add_numbers(self, line: int, numbers: Array) -> None:
        """Add rows (n, d) that stand on consecutive lines."""
        self._note_line(line)
        self.count += len(numbers)
        self._next_line = line + len(numbers)
        self._keep(numbers)

    def _keep(self, numbers: Array) -> None:
        """Append rows (n, d) that were counted. Raises EmcliError where those to come will not fit in memory."""
        self._rows.append(numbers, int(1.02 * self._growth * self.count) if self._first.size else 0)
        self._check_memory(self._growth)

    def _add_row_chunk(self, chunk: RowChunk) -> None:
        """Add rows of Parquet, at once where nothing is wrong with them."""
        from emcli.data.table.parquet import reader as parquet

        numbers = parquet.numbers(chunk, self._numeric, self._header, self._name)
        if numbers is None or self._complete or self._has_missing(numbers):
            self.add_rows(parquet.records(iter([chunk]), self._numeric, self._header, self._name))
            return
        self._add_numbers(chunk.line, numbers)
        for texts, column in zip(self._texts, self._text, strict=True):
            texts.extend(parquet.texts(chunk, column))

    def _add_by_row(self, chunks: Iterable[TextChunk]) -> None:
        lines = csv_reader.numbered_lines(chunks, self._name)
        self.add_rows(csv_reader.records(lines, self._dialect, self._name))

    def add_rows(self, rows: Iterable[Record]) -> None:
        """Add rows one by one, or what is wrong with them."""
        values, waiting = array("d"), 0  # numbers of rows that are not kept yet
        may_lack = bool(self._complete or self._missing.numbers)
        for line, _, fields in rows:
            if len(fields) != len(self._header):
                self._problems.add_ragged(self._name, line, fields)
                continue
            cells = [fields[column] for column in self._numeric]
            plain = cells if self._format is None else list(map(self._format.plain, cells))
            row = list(map(float, plain)) if all(map(is_number, plain)) else None
            if row is None or not all(map(isfinite, row)) or (may_lack and self._lacks_a_cell(row, fields)):
                row = self._with_gaps(plain, fields) if self._uses else None
            if row is None:
                if not self._problems.add_cells(self._name, line, fields, is_first=not self.saw_rows):
                    continue
                self._incomplete.append(self.count)
                row = [nan] * len(cells)
            elif not all(row):
                self._underflows += sum(not v and bool(_is_not_zero(c)) for v, c in zip(row, plain, strict=True))
            self._note_line(line)
            values.extend(row)
            for texts, column in zip(self._texts, self._text, strict=True):
                texts.append(fields[column])
            self.count += 1
            self._next_line = line + 1
            waiting += 1
            if waiting == _PIECE_ROWS or len(values) >= _PIECE_NUMBERS:
                self._keep(np.frombuffer(values).reshape(waiting, len(self._numeric)))
                values, waiting = array("d"), 0
        self._keep(np.frombuffer(values).reshape(waiting, len(self._numeric)))

    def _with_gaps(self, plain: Sequence[str], fields: Sequence[str]) -> list[float] | None:
        """The numbers of a row with missing cells, NaN in these; None where a cell is wrong or needed, or all miss."""
        row = [
            nan if self._missing.has(fields[column], text) else float(text) if is_number(text) else inf
            for column, text in zip(self._numeric, plain, strict=True)
        ]
        gaps = [column for column, value in zip(self._numeric, row, strict=True) if isnan(value)]
        if inf in row or -inf in row or not self._problems.may_miss(gaps):
            return None
        self._problems.add_gaps(gaps)
        return row

    def _lacks_a_cell(self, row: Sequence[float], fields: Sequence[str]) -> bool:
        """Is a cell of a row of numbers missing: a number that marks one, or text?"""
        if not set(self._missing.numbers).isdisjoint(row):
            return True
        return any(fields[column].lower() in self._missing.words for column in self._complete)

    def _note_line(self, line: int) -> None:
        """Keep the line of the next row where it does not follow that of the row before."""
        if line != self._next_line:
            self._break_rows.append(self.count)
            self._break_lines.append(line)

    def _check_memory(self, growth: float) -> None:
        """Raise EmcliError while there is plenty of memory, if there will not be for `growth` times the rows so far."""
        kept = sum(column.nbytes for column in self._texts if isinstance(column, StringColumn))
        rows, width = int(self.count * growth), len(self._numeric)
        size, texts = 8 * rows * width, int(kept * growth)
        what = f"{rows} rows of {width + len(self._text)} columns"
        arrays.check_limit(texts, f"the text of {rows} rows", self._name)
        if not arrays.too_large(size):
            require(arrays.TABLE_COPIES * size - 8 * self.count * width + texts - kept, what, self._name)
            return
        require(texts - kept, what, self._name)
        if self._rows.file is not None and not self._disk_has_room:
            self._rows.file.check_room(2 * size)
            self._disk_has_room = True

    def table(self, empty: bool = False) -> Table:
        """The table. Raises EmcliError for all problems found, or for the want of rows unless it may be `empty`."""
        self._problems.check(self.count)
        name, dropped = self._first.name, self._problems.dropped
        if not self.count and not empty:
            if dropped:
                raise data_error(
                    f"no rows left: all {dropped} have missing values", name, hint=self._problems.no_rows_hint()
                )
            line = self._first.header_line
            raise data_error(f"no data rows after the header on line {line}" if line else "no data rows", name)
        warnings = list(self._first.warnings)
        warnings += detection.unnamed_columns([column for column in self._first.unnamed if column in self._numeric])
        if dropped:
            warnings.append(dropped_rows(dropped, self._dialect.missing))
        if self._underflows:
            what = f"numbers too small for a double, read as 0: {self._underflows}"
            warnings.append(FitWarning("underflow", what))
        return Table(
            source=name,
            header=self._header,
            has_header=bool(self._dialect.header),
            delimiter=self._delimiter,
            numbers=self._rows.rows(),
            texts=self._texts,
            dropped=dropped,
            incomplete=self._incomplete,
            warnings=tuple(warnings),
            break_rows=self._break_rows,
            break_lines=self._break_lines,
            partitions=tuple(self._partitions),
        )
