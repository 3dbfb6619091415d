"""CSV in and out: the chosen columns of a file as arrays and strings, or every fault with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, BinaryIO, TextIO

import numpy as np

from emcli import csvtext
from emcli.cells import SHOWN, Body, CsvOptions, Selection, Start, Table
from emcli.csvtext import Block, format_csv
from emcli.errors import EmcliError, Exit, escaped, quoted, suggestion
from emcli.source import opened, refused

Chooser = Callable[[tuple[str, ...], str, bool], Selection]


def read_table(source: str, options: CsvOptions, choose: Chooser, stdin: BinaryIO | None = None) -> Table:
    """Read a path, or standard input for '-', once from its beginning to its end.

    choose(header, source, has_header) picks the columns and may raise EmcliError. Raises EmcliError: exit code 2 for
    unusable options, 3 for data that cannot be read: the first five faults of rows and cells and how many more there
    are, or alone the first that forbids reading on.
    """
    with begun(source, options, stdin) as start:
        body = Body(start, options, choose(start.header, start.name, start.has_header))
        body.read(start.blocks)
    body.check()
    return body.table()


def read_pieces(
    source: str, options: CsvOptions, choose: Chooser, size: int, stdin: BinaryIO | None = None
) -> Iterator[Table]:
    """The same row by row, in tables of `size` rows: a file of any length in little memory. A fault ends the stream."""
    with begun(source, options, stdin) as start:
        selection = choose(start.header, start.name, start.has_header)
        numbered = csvtext.lines(start.blocks, start.name)
        rows = csvtext.records(numbered, start.delimiter, options.comment, start.name)
        seen = 0
        while True:
            body = Body(start, options, selection)
            body.add(islice(rows, size))
            if not body.count and not body.dropped and seen:
                return
            seen += body.count
            body.check(empty=bool(seen))
            yield body.table()


@contextmanager
def begun(source: str, options: CsvOptions, stdin: BinaryIO | None) -> Iterator[Start]:
    """Open a source and read as far as it takes to tell its delimiter and header. Raises EmcliError."""
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
        body = csvtext.after(first[1] if has_header else first[0] - 1, chain(seen, incoming))
        line = first[0] if has_header else None
        yield Start(name, delimiter, header, has_header, line, doubt + unnamed, body, reader.size)


def _kept(incoming: Iterator[Block], seen: list[Block]) -> Iterator[Block]:
    for block in incoming:
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


def write_csv(stream: TextIO, header: Sequence[str], numbers: Any, labels: Sequence[Any] | None = None) -> None:
    """Write numbers (n, d), and labels (n,) as one more column that the header names too, as CSV."""
    columns = list(np.asarray(numbers).T)
    for piece in format_csv(header, columns if labels is None else [*columns, labels]):
        stream.write(piece)
