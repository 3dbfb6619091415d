"""CSV in and out, and Parquet in: the chosen columns of a file as arrays and strings, or every fault with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from typing import IO, Any, BinaryIO

import numpy as np

from emcli.data.table import csv_reader, parquet
from emcli.data.table.csv_reader import Block, format_csv
from emcli.data.table.partitions import first_difference, is_folder, is_parquet, parts, size
from emcli.data.table.source import opened, refused
from emcli.data.table.string_column import Words
from emcli.data.table.table_builder import SHOWN, Body, CsvOptions, Selection, Start, Table
from emcli.errors import EmcliError, Exit, escaped, quoted, suggestion

Chooser = Callable[[tuple[str, ...], str, bool], Selection]


def read_table(source: str, options: CsvOptions, choose: Chooser, stdin: BinaryIO | None = None) -> Table:
    """Read a path, or standard input for '-', once from its beginning to its end.

    choose(header, source, has_header) picks the columns and may raise EmcliError. Raises EmcliError: exit code 2 for
    unusable options, 3 for data that cannot be read: the first five faults of rows and cells and how many more there
    are, or alone the first that forbids reading on.
    """
    names = parts(source)
    body: Body | None = None
    first: Start | None = None
    for name in names:
        with begun(name, options, stdin) as start:
            if first is None or body is None:
                first = replace(start, name=source if is_folder(source) else start.name, size=size(names) or start.size)
                options = _as(first, options)
                body = Body(first, options, choose(first.header, first.name, first.has_header), Words)
            _refuse_other(start, first)
            body.begin(start)
            body.read(start)
    assert body is not None and first is not None
    body.begin(first)
    body.check()
    return body.table()


def read_pieces(
    source: str, options: CsvOptions, choose: Chooser, rows: int, stdin: BinaryIO | None = None
) -> Iterator[Table]:
    """The same row by row, in tables of so many `rows`: a file of any length in little memory. A fault ends the stream.

    Each table is of one part, and has its name as `source`; every part has one table at least.
    """
    names = parts(source)
    first: Start | None = None
    seen = 0
    for name in names:
        with begun(name, options, stdin) as start:
            if first is None:
                first = start
                options = _as(first, options)
                selection = choose(start.header, start.name, start.has_header)
            _refuse_other(start, first)
            incoming = _rows(start, options, selection)
            here = 0
            while True:
                body = Body(start, options, selection)
                body.begin(start)
                body.add(islice(incoming, rows))
                if not body.count and not body.dropped and here:
                    break
                here, seen = here + 1, seen + body.count
                body.check(empty=bool(seen) or name != names[-1])
                yield body.table()
                if not body.count and not body.dropped:
                    break


def _as(first: Start, options: CsvOptions) -> CsvOptions:
    """The options for all parts: what is detected in the first one holds for them all."""
    return replace(options, delimiter=first.delimiter, header=first.has_header)


def _refuse_other(start: Start, first: Start) -> None:
    """Raise EmcliError where a part has another header than the first."""
    wrong = first_difference(start.name, start.header, first.header, start.header_line)
    if wrong is not None:
        raise wrong


def _rows(start: Start, options: CsvOptions, selection: Selection) -> Iterator[csv_reader.Record]:
    if start.pieces is not None:
        return parquet.records(start.pieces, selection.numeric, start.name)
    numbered = csv_reader.lines(start.blocks, start.name)
    return csv_reader.records(numbered, start.delimiter, options.comment, start.name)


@contextmanager
def begun(source: str, options: CsvOptions, stdin: BinaryIO | None) -> Iterator[Start]:
    """Open a source and read as far as it takes to tell its delimiter and header. Raises EmcliError."""
    delimiter = csv_reader.checked_delimiter(options.delimiter, options.comment)
    if is_parquet(source):
        header, pieces = parquet.opened(source)
        yield Start(source, delimiter or ",", header, True, None, (), iter(()), size([source]), pieces)
        return
    with opened(source, stdin) as reader:
        name, incoming = reader.name, csv_reader.blocks(reader)
        seen: list[Block] = []  # what the delimiter and the header are told from
        while sum(len(block.data) for block in seen) < csv_reader.SAMPLE and (block := next(incoming, None)):
            seen.append(block)
        if not seen:
            raise refused("file is empty", name)
        if delimiter is None:
            delimiter = csv_reader.detect_delimiter(b"".join(block.data for block in seen), options.comment, name)
        ahead = csv_reader.lines(chain(list(seen), _kept(incoming, seen, name)), name)
        rows = csv_reader.records(ahead, delimiter, options.comment, name)
        first = next(rows, None)
        if first is None:
            raise refused("no data rows, only blank lines or comments", name)
        has_header, doubt = csv_reader.told_header(first[2], rows, options.header)
        header, unnamed = csv_reader.column_names(first[2], has_header)
        body = csv_reader.after(first[1] if has_header else first[0] - 1, chain(seen, incoming))
        line = first[0] if has_header else None
        yield Start(name, delimiter, header, has_header, line, doubt + unnamed, body, reader.size)


def _kept(incoming: Iterator[Block], seen: list[Block], name: str) -> Iterator[Block]:
    kept = 0
    for block in incoming:
        kept += len(block.data)
        if kept > csv_reader.LONGEST:
            raise refused(f"no row in the first {kept} bytes, only blank lines or comments", name)
        seen.append(block)
        yield block


def find_column(header: Sequence[str], spec: str, source: str, exit_code: Exit = Exit.USAGE) -> int:
    """The column, from 0, that a name or else a number from 1 means.

    Raises EmcliError: with `exit_code` if there is no such column, with 3 if several have the name.
    """
    spec, shown = spec.strip(), escaped(source, 200)
    same = [column for column, name in enumerate(header) if name == spec]
    if len(same) == 1:
        return same[0]
    if same:
        numbers = ", ".join(str(column + 1) for column in same[:SHOWN])
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


def write_csv(stream: IO[str], header: Sequence[str], numbers: Any, labels: Sequence[Any] | None = None) -> None:
    """Write numbers (n, d), and labels (n,) as one more column that the header names too, as CSV."""
    columns = list(np.asarray(numbers).T)
    for piece in format_csv(header, columns if labels is None else [*columns, labels]):
        stream.write(piece)
