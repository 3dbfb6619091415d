"""Tables from CSV and Parquet files: the chosen columns as arrays and strings, or every problem with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import BinaryIO

from emcli.data.table import csv_reader, detection
from emcli.data.table.faults import MAX_SHOWN
from emcli.data.table.partitions import check_header, is_folder, is_parquet, partition_files, total_size
from emcli.data.table.source import data_error, open_text
from emcli.data.table.table import ColumnSelection, CsvDialect, FilePreamble, Record, StringColumn, Table, TextChunk
from emcli.data.table.table_builder import TableBuilder
from emcli.errors import EmcliError, Exit, counted, escaped, quoted, suggestion

_PIECE_TEXT = 1 << 24  # characters in rows that are read together
Chooser = Callable[[tuple[str, ...], str, bool], ColumnSelection]


def read_table(source: str, dialect: CsvDialect, choose: Chooser, stdin: BinaryIO | None = None) -> Table:
    """Read a file, the files of a folder, or standard input for '-', once from beginning to end.

    choose(header, source, has_header) picks the columns and may raise EmcliError. Raises EmcliError, exit code 3, for
    data that cannot be read: the first five problems of rows and cells and how many more there are, or alone the first
    that forbids reading on.
    """
    files = partition_files(source)
    builder: TableBuilder | None = None
    for file in _opened(files, dialect, stdin):
        if builder is None:
            name = source if is_folder(source) else file.name
            whole = replace(file, name=name, size=total_size(files) or file.size)
            selection = _chosen(choose, replace(file, name=name))
            builder = TableBuilder(whole, selection, StringColumn)
        builder.read(file)
    assert builder is not None
    return builder.table()


def read_chunks(source: str, dialect: CsvDialect, choose: Chooser, rows: int) -> Iterator[Table]:
    """Read as `read_table` does, in tables of at most `rows` rows: a file of any length in little memory.

    A problem ends the stream. Each table is of one file, and has its name as `source`; every file has one at least.
    """
    files = partition_files(source)
    selection: ColumnSelection | None = None
    any_rows = False
    for number, file in enumerate(_opened(files, dialect), 1):
        if selection is None:
            selection = _chosen(choose, file)
        records = _Pieces(_records(file, selection), rows)
        is_first = True
        while not records.ended:
            builder = TableBuilder(file, selection)
            builder.start_file(file.name)
            while not (builder.count or records.ended):
                builder.add_rows(records.piece())
            if is_first or builder.saw_rows:
                any_rows = any_rows or builder.count > 0
                yield builder.table(empty=any_rows or number < len(files))
            is_first = False


def _chosen(choose: Chooser, file: FilePreamble) -> ColumnSelection:
    """The columns to read. Raises EmcliError where one is of row names that the header does not name."""
    try:
        selection = choose(file.header, file.name, bool(file.dialect.header))
    except EmcliError as error:  # the header may not be one
        is_comma = file.dialect.assumed and file.dialect.delimiter != ","
        assumed = "decimal commas are assumed, as the fit has; --decimal . reads points" if is_comma else None
        error.hint = error.hint or file.ragged_hint or assumed
        raise
    if file.row_names and 0 in selection.numeric:
        place = (file.header_line,) if file.header_line else ()
        names = counted(len(file.header) - 1, "name")
        what = f"{names} for {len(file.header)} fields a row: the first are row names, as R writes them"
        raise data_error(what, file.name, *place, hint=file.ragged_hint)
    return selection


class _Pieces:
    """Rows in pieces of at most so many, and of text that takes little memory."""

    def __init__(self, records: Iterator[Record], rows: int) -> None:
        self._records, self._rows = records, rows
        self.ended = False

    def piece(self) -> Iterator[Record]:
        """The next rows; `ended` where there are no more."""
        size = 0
        for count, record in enumerate(self._records, 1):
            yield record
            size += sum(map(len, record[2]))
            if count == self._rows or size > _PIECE_TEXT:
                return
        self.ended = True


def _opened(files: Sequence[str], dialect: CsvDialect, stdin: BinaryIO | None = None) -> Iterator[FilePreamble]:
    """Each file in turn: what is detected in the first one holds for all, and so does its header."""
    first: FilePreamble | None = None
    for name in files:
        with open_table(name, dialect, stdin) as file:
            if first is None:
                first, dialect = file, file.dialect
            check_header(file.name, file.header, first.header, file.header_line)
            yield file


def _records(file: FilePreamble, selection: ColumnSelection) -> Iterator[Record]:
    if file.row_chunks is not None:
        from emcli.data.table.parquet import reader as parquet

        chunks = file.row_chunks(selection.columns)
        return parquet.records(chunks, selection.numeric, file.header, file.name)
    return csv_reader.records(csv_reader.numbered_lines(file.text_chunks, file.name), file.dialect, file.name)


@contextmanager
def open_table(source: str, dialect: CsvDialect, stdin: BinaryIO | None = None) -> Iterator[FilePreamble]:
    """Open a file and read as far as it takes to detect its delimiter and header. Raises EmcliError."""
    if is_parquet(source):
        from emcli.data.table.parquet import reader as parquet

        header, row_chunks = parquet.open_parquet(source, dialect.sizes)
        dialect = replace(dialect, delimiter=dialect.delimiter or ",", header=True, decimal=None, thousands=None)
        yield FilePreamble(source, dialect, header, None, (), iter(()), row_chunks, total_size([source]))
        return
    with open_text(source, stdin) as reader:
        name, incoming = reader.name, csv_reader.text_chunks(reader, dialect.sizes)
        if dialect.skip:
            incoming = csv_reader.skip_lines(dialect.skip, incoming)
        seen: list[TextChunk] = []  # the delimiter and the header are detected from these
        while sum(len(chunk.data) for chunk in seen) < dialect.sizes.sample and (chunk := next(incoming, None)):
            seen.append(chunk)
        if not seen:
            raise data_error(
                f"no more than {dialect.skip} lines, as many as --skip" if dialect.skip else "file is empty", name
            )
        start = TextChunk(seen[0].line, b"".join(chunk.data for chunk in seen))
        detection.check_first_line(start, name)
        dialect = detection.with_delimiter(start, dialect, name)
        chunks = chain(list(seen), _remembered(incoming, seen, dialect.sizes.longest, name))
        rows = csv_reader.records(csv_reader.numbered_lines(chunks, name), dialect, name)
        first = next(rows, None)
        if first is None:
            raise data_error("no data rows, only blank lines or comments", name)
        layout = detection.layout(first, seen, dialect, name)
        dialect = replace(dialect, trailing=layout.trailing)
        top = first[2][: layout.trailing or None]
        has_header, doubts = detection.detect_header(top, rows, dialect)
        header, unnamed = detection.column_names([""] * layout.row_names + top, has_header)
        dialect = replace(dialect, header=has_header)
        body = csv_reader.skip_lines(first[1] if has_header else first[0] - 1, chain(seen, incoming))
        line = first[0] if has_header else None
        yield FilePreamble(
            *(name, dialect, header, line, doubts, body, None, reader.size),
            unnamed=unnamed,
            row_names=layout.row_names and has_header,
            ragged_hint=layout.ragged_hint,
        )


def _remembered(incoming: Iterator[TextChunk], seen: list[TextChunk], longest: int, name: str) -> Iterator[TextChunk]:
    """The incoming chunks, kept in `seen` to be read again; EmcliError where no row is in the first `longest` bytes."""
    size = 0
    for chunk in incoming:
        size += len(chunk.data)
        if size > longest:
            raise data_error(f"no row in the first {size} bytes, only blank lines or comments", name)
        seen.append(chunk)
        yield chunk


def column_finder(header: Sequence[str], source: str, exit_code: Exit = Exit.USAGE) -> Callable[[str], int]:
    """What gives the column, from 0, that a name or else a number from 1 means.

    It raises EmcliError: with `exit_code` if there is no such column, with 3 if several have the name.
    """
    shown = escaped(source, 200)
    places: dict[str, list[int]] = {}
    for column, name in enumerate(header):
        places.setdefault(name, []).append(column)

    def find(spec: str) -> int:
        spec = spec.strip()
        same = places.get(spec, [])
        if len(same) == 1:
            return same[0]
        if same:
            numbers = ", ".join(str(column + 1) for column in same[:MAX_SHOWN])
            what = f"column name {quoted(spec)} is not unique in {shown} (columns {numbers})"
            raise EmcliError(Exit.DATA, what, hint="rename the columns, or give the number of one")
        if re.fullmatch(r"[-+]?[0-9]+", spec):
            # Longer numbers are beyond any file, and int() refuses the longest.
            if spec.isdigit() and len(spec) < 10 and 1 <= int(spec) <= len(header):
                return int(spec) - 1
            many = counted(len(header), "column")
            raise EmcliError(exit_code, f"no column {quoted(spec)}: columns count from 1 and {shown} has {many}")
        raise EmcliError(exit_code, no_columns([spec], header, source))

    return find


def no_columns(missing: Sequence[str], header: Sequence[str], source: str) -> str:
    """That a table has no columns of these names, which it has, and what the first may be meant to be."""
    has = ", ".join(escaped(name) for name in header[:20]) + ", …" * (len(header) > 20)
    guess = suggestion(missing[0], header).strip(" ()")
    named = ", ".join(map(quoted, missing[:20])) + ", …" * (len(missing) > 20)
    what = f"no column{'s' * (len(missing) > 1)} {named} in {escaped(source, 200)}"
    return f"{what} (has: {has}{guess and '; ' + guess})"
