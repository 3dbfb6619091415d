"""The delimiter and the header of a text file, detected from its first rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from emcli.data.table.cells import MISSING, NumberFormat, is_not_finite, is_number, writing
from emcli.data.table.csv_reader import TooWide, numbered_lines, records
from emcli.data.table.source import data_error
from emcli.data.table.table import CsvDialect, Record, TextChunk
from emcli.errors import EmcliError, FitWarning, quoted

_DETECTABLE = (",", ";", "\t", "|", " ")
_is_integer = re.compile(r"[-+]?[0-9]+").fullmatch
_is_year = re.compile(r"19[0-9][0-9]|20[0-9][0-9]|2100").fullmatch
_are_flips = re.compile("[HT]+|[ht]+").fullmatch
_MISSING_FLIPS = 5  # rows that are looked at for flips, as the first ones may be missing
_EXCEL_LINE = re.compile(rb'("?sep=.[^\r\n]{0,9}?)[;,\t|]*\r?\n', re.IGNORECASE)
_ROWS_LOOKED_AT = 20  # after the first one
_COMMA_OF_NO_NUMBER = re.compile(rb"(?<![0-9]),|,(?![0-9])")
_COMMA_AT_QUOTE = re.compile(rb'",|,"')


def with_delimiter(start: TextChunk, dialect: CsvDialect, name: str) -> CsvDialect:
    """The dialect with a delimiter, detected where none is given; without an assumed format that does not go with it.

    An assumed decimal comma that is the delimiter gives way, unless all commas stand between digits.
    """
    if dialect.delimiter is None:
        plain = replace(dialect, decimal=None, thousands=None) if dialect.assumed else dialect
        dialect = replace(dialect, delimiter=detect_delimiter(start, plain, name))
        form = NumberFormat.of(dialect.decimal, dialect.thousands)
        is_comma = dialect.assumed and form is not None and form.decimal == "," == dialect.delimiter
        if is_comma and not _COMMA_OF_NO_NUMBER.search(_sample(start, dialect)):
            return replace(dialect, delimiter=detect_delimiter(start, dialect, name))
    form = NumberFormat.of(dialect.decimal, dialect.thousands)
    if dialect.assumed and form and form.decimal == dialect.delimiter:
        return replace(dialect, decimal=None, thousands=None)
    return dialect


def _sample(start: TextChunk, dialect: CsvDialect) -> bytes:
    """The lines of the first 64 kB."""
    end = start.data.find(b"\n", dialect.sizes.sample - 1) + 1
    return start.data[:end] if end else start.data


def detect_delimiter(start: TextChunk, dialect: CsvDialect, name: str) -> str:
    """The delimiter that splits most rows into the same number of fields, if only one does.

    Only the rows in the first 64 kB are asked, so `start` must hold these, if there are so many. Space is considered
    last, because it also pads other delimiters and stands in names; so are the marks of numbers, and commas that stand
    between digits only. A file without any delimiter has one column, and counts as delimited by commas, or by
    semicolons where commas are decimal.
    """
    sample = _sample(start, dialect)
    lines = list(numbered_lines([TextChunk(start.line, sample)], name))
    form = NumberFormat.of(dialect.decimal, dialect.thousands)
    marks = {form.decimal, form.thousands or ""} if form else set()
    there = [d for d in _DETECTABLE if (d.encode() in sample or (d == " " and b"\t" in sample)) and d not in marks]
    if "," in marks and _COMMA_AT_QUOTE.search(sample) and not set(there) & {";", "\t", "|"}:
        there.append(",")
    counts = {d: _field_counts(lines, replace(dialect, delimiter=d)) if d in there else [] for d in _DETECTABLE}
    agreement = {d: max(Counter(n for n in c if n > 1).values(), default=0) for d, c in counts.items()}
    by_space = agreement.pop(" ")
    best = max(agreement.values())
    if by_space > best and 2 * sum(n > 1 for n in counts[" "]) > len(counts[" "]):
        return " "
    if not best:
        return ";" if "," in marks else ","
    likely = [delimiter for delimiter in agreement if agreement[delimiter] == best]
    if len(likely) > 1 and "," in likely and not _COMMA_OF_NO_NUMBER.search(sample):
        likely.remove(",")
    if len(likely) > 1:
        listed = " or ".join(quoted(delimiter) for delimiter in likely)
        raise data_error(f"the delimiter could be {listed}", name, hint="say which with --delimiter")
    return likely[0]


def _field_counts(lines: list[tuple[int, str]], dialect: CsvDialect) -> list[int]:
    """How many fields each row has with a delimiter."""
    counts: list[int] = []
    try:
        counts.extend(len(fields) for _, _, fields in records(iter(lines), dialect, ""))
    except TooWide:
        counts.append(dialect.sizes.columns + 1)
    except EmcliError:  # quotes that this delimiter does not fit, or a field that the sample's end cuts
        pass
    return counts


def detect_header(
    first: Sequence[str], others: Iterator[Record], dialect: CsvDialect
) -> tuple[bool, tuple[FitWarning, ...]]:
    """Whether the first row is the header, unless that is decided; and a warning if the answer is not obvious."""
    if dialect.header is not None:
        return dialect.header, ()
    form = NumberFormat.of(dialect.decimal, dialect.thousands)
    if form and all(map(form.plain, first)):
        return False, ()
    if not all(map(is_number, first)) and _are_odd_numbers(first, others):
        return False, ()
    numeric = [cell for cell in first if is_number(cell) or is_not_finite(cell)]
    if len(first) == 1 and _are_flips(first[0]):  # a column may be called HT: what follows decides
        following = [cells for _, _, cells in islice(others, _MISSING_FLIPS)]
        are_flips = any(len(cells) == 1 and _are_flips(cells[0]) for cells in following)
        return bool(following) and not are_flips, ()
    if not all(map(is_number, first)):
        what = f"first row has {quoted(numeric[0])} but also text, read as column names" if numeric else ""
        return True, (FitWarning("header-guess", what),) if what else ()
    doubtful = False
    if all(map(_is_integer, first)):
        second = next(others, (0, 0, [""]))[2]
        years = all(map(_is_year, first)) and not all(map(_is_year, second))
        doubtful = years or any(is_number(cell) and not _is_integer(cell) for cell in second)
    return False, (FitWarning("header-guess", "first row is numeric, read as data"),) if doubtful else ()


def _are_odd_numbers(first: Sequence[str], others: Iterator[Record]) -> bool:
    """Are all cells numbers in some way of writing, or missing, and some plain or written as that below?"""
    written = [writing(cell) for cell in first]
    if not all(found or (cell and cell.lower() in MISSING) for found, cell in zip(written, first, strict=True)):
        return False
    if any(map(is_number, first)):
        return True
    below = map(writing, next(others, (0, 0, [""]))[2])
    return any(one and other and one[2:] == other[2:] for one, other in zip(written, below, strict=False))


def _are_decimals(rows: Sequence[Record]) -> bool:
    """Are pairs of digits numbers with a decimal comma, rather than rows that are numbered?"""
    if not all(_is_integer(one) and other.isdecimal() for _, _, (one, other) in rows):
        return False
    start = int(rows[0][2][0])
    return any(int(fields[0]) != number for number, (_, _, fields) in enumerate(rows, start))


def _header_under_title(first: Sequence[str], rows: Sequence[Record]) -> int:
    """The line of a full row of text, above rows with numbers, under one with a single cell; 0 where there is none."""
    if len(first) < 2 or sum(map(bool, first)) != 1:
        return 0
    for at, (line, _, fields) in enumerate(rows):
        if any(map(writing, fields)):
            return 0
        if len(fields) == len(first) and all(fields):
            return line if rows[at + 1 :] and all(any(map(writing, row)) for _, _, row in rows[at + 1 :]) else 0
    return 0


def column_names(first: Sequence[str], has_header: bool) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the columns from the first row, numbers where there are none; and which of a header have none."""
    if not has_header:
        return tuple(str(number) for number in range(1, len(first) + 1)), ()
    names = tuple(name or str(number) for number, name in enumerate(first, 1))
    return names, tuple(column for column, name in enumerate(first) if not name)


def unnamed_columns(columns: Sequence[int]) -> tuple[FitWarning, ...]:
    """A warning that columns, from 0, have no name."""
    if not columns:
        return ()
    listed = ", ".join(str(column + 1) for column in columns[:5]) + ", …" * (len(columns) > 5)
    what = f"columns without a name are called by their numbers: {listed}"
    if 0 in columns:
        what += "; R and pandas write row names so, which --exclude 1 leaves out"
    return (FitWarning("unnamed-column", what),)


class Layout(NamedTuple):
    """How the rows of a file stand to its first one."""

    trailing: int = 0  # columns where each line ends with one more delimiter; 0: they do not
    row_names: bool = False  # has the first row one name less than the others have fields?
    ragged_hint: str | None = None  # what to type where that is so, or where a title comes before the table


def check_first_line(start: TextChunk, name: str) -> None:
    """Raise EmcliError where the first line is one that Excel takes for itself: `sep=;`."""
    if found := _EXCEL_LINE.match(start.data):
        what = f"{quoted(found[1].decode())} tells Excel the delimiter and is no row"
        raise data_error(what, name, start.line, hint=f"--skip {start.line} begins after it")


def layout(first: Record, chunks: Sequence[TextChunk], dialect: CsvDialect, name: str) -> Layout:
    """How the first row, and others in chunks of lines, hang together."""
    names, rows = first[2], list[Record]()
    try:
        following = records(numbered_lines(chunks, name), dialect, name)
        rows += islice(following, 1, _ROWS_LOOKED_AT if names[-1] else None)
    except EmcliError:  # it is told when the row is read
        pass
    if not rows:
        return Layout()
    if dialect.header is not False and (line := _header_under_title(names, rows)):
        what = f"a title over the table, of which the header is on line {line}"
        raise data_error(what, name, first[0], hint=f"--skip {line - 1} begins there")
    width = len(names) - (not names[-1])
    if width and all(len(fields) == width + 1 and not fields[-1] for _, _, fields in rows):
        return Layout(trailing=width)
    if width and not names[-1] and all(len(fields) == width for _, _, fields in rows):
        return Layout(trailing=width)
    counts = Counter(len(fields) for _, _, fields in rows)
    usual = counts.most_common(1)[0][0]
    if dialect.header is False or len(names) >= usual:
        return Layout()
    is_named = not any(map(writing, names))
    if len(counts) == 1 and usual == len(names) + 1 and is_named and any(map(writing, rows[0][2][1:])):
        if usual == 2 and dialect.delimiter == "," and _are_decimals(rows):
            what = f"1 name for 2 fields a row: decimal commas ({quoted(','.join(rows[0][2]))})"
            raise data_error(what, name, rows[0][0], hint="--decimal , reads one column")
        hint = "--exclude 1 leaves them out"
        if usual == 2 and dialect.delimiter == ",":
            hint += "; where the comma is decimal, --decimal , reads one column"
        return Layout(row_names=True, ragged_hint=hint)
    line = next(first for first, _, fields in rows if len(fields) == usual)
    return Layout(ragged_hint=f"--skip {line - 1} begins at line {line}, where rows of {usual} fields begin")
