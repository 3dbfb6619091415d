"""The lines and fields of delimited text, found in blocks of bytes or refused with place and reason, and written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from emcli.data.table.numeric_blocks import counted
from emcli.data.table.source import Reader, refused
from emcli.errors import EmcliError, Exit, FitWarning, quoted

BLOCK = 2 << 20  # bytes that are read and parsed at a time
SAMPLE = 64 << 10  # bytes from which the delimiter is told
LONGEST = 16 << 20  # bytes of one line, characters of one quoted field
DELIMITERS = (",", ";", "\t", "|", " ")
_ROWS = 1 << 16  # rows that are written at a time

is_number = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?").fullmatch
is_not_finite = re.compile(r"[-+]?(?:nan|inf|infinity)", re.IGNORECASE).fullmatch
_is_integer = re.compile(r"[-+]?[0-9]+").fullmatch
_is_year = re.compile(r"19[0-9][0-9]|20[0-9][0-9]|2100").fullmatch
_UNREADABLE_BYTE = re.compile(rb"\0|\r(?!\n)")
_TO_CLOSING_QUOTE = re.compile(r'[^"]*(?:""[^"]*)*')
_must_be_quoted = re.compile(r'[,;|\t"\r\n]').search

Record = tuple[int, int, list[str]]  # first line, last line, fields


class Block(NamedTuple):
    """Whole lines of a file, and the number of the first of them."""

    line: int
    data: bytes


def blocks(reader: Reader) -> Iterator[Block]:
    """The stream in blocks of whole lines; only the very last line may lack its newline."""
    line, rest, ended = 1, b"", False
    size = min(SAMPLE, BLOCK)  # the first block is what the delimiter and the header are told from
    while not ended:
        piece = reader.read(size)
        ended = len(piece) < size
        size = BLOCK
        first_end = piece.find(b"\n")  # only a block's first line can be longer than a block
        if len(rest) + (len(piece) if first_end < 0 else first_end) > LONGEST:
            raise refused(f"line is longer than {LONGEST} bytes", reader.name, line)
        cut = len(piece) if ended else piece.rfind(b"\n") + 1
        whole = b"".join((rest, memoryview(piece)[:cut])) if cut or ended else b""
        rest = piece[cut:] if whole else rest + piece
        if whole:
            yield Block(line, whole)
            line += counted(whole, "\n")


def after(line: int, among: Iterable[Block]) -> Iterator[Block]:
    """The blocks without the lines up to and including `line`."""
    for first, data in among:
        start = 0
        for _ in range(first, line + 1):
            start = data.find(b"\n", start) + 1
            if not start:  # the block ends before
                break
        if start < len(data) and (start or first > line):
            yield Block(max(first, line + 1), data[start:])


def lines(among: Iterable[Block], name: str) -> Iterator[tuple[int, str]]:
    """Numbered lines of text without line ends; bytes that are not text are refused when their line is reached."""
    for number, data in among:
        bad = _first_unreadable(data)
        good = data if bad is None else data[: data.rfind(b"\n", 0, bad[0]) + 1]
        texts = good.decode().replace("\r\n", "\n").split("\n")
        if not texts[-1]:
            texts.pop()
        yield from enumerate(texts, number)
        if bad is not None:
            byte = bad[0] - len(good)
            raise refused(bad[1].format(byte=byte + 1), name, number + len(texts), hint=bad[2])


def _first_unreadable(data: bytes) -> tuple[int, str, str | None] | None:
    found: list[tuple[int, str, str | None]] = []
    try:
        data.decode()
    except UnicodeDecodeError as error:
        what = f"not valid UTF-8 at byte {{byte}} (0x{data[error.start]:02x})"
        found.append((error.start, what, "convert it, for example with: iconv -f LATIN1 -t UTF-8"))
    if (b"\r" in data or b"\0" in data) and (odd := _UNREADABLE_BYTE.search(data)):
        if odd.group() == b"\0":
            found.append((odd.start(), "not a text file (byte {byte} is NUL)", None))
        else:
            what = "carriage return without line feed at byte {byte}"
            found.append((odd.start(), what, r"convert old Mac line ends with: tr '\r' '\n'"))
    return min(found, default=None)


def records(numbered: Iterator[tuple[int, str]], delimiter: str, comment: str | None, name: str) -> Iterator[Record]:
    """First line, last line and stripped fields of each row that is neither blank nor a comment.

    A quote counts only at the start of a field. With the delimiter space, any run of spaces and tabs separates.
    """
    padding = " " if delimiter == "\t" else " \t"
    for number, text in numbered:
        if comment and text.startswith(comment):
            continue
        if '"' in text:
            yield _quoted_record(number, text, numbered, delimiter, name)
        elif not text.strip(padding):
            continue
        elif delimiter == " ":
            yield number, number, [field for field in text.replace("\t", " ").split(" ") if field]
        elif " " in text or "\t" in text:
            yield number, number, [field.strip(padding) for field in text.split(delimiter)]
        else:
            yield number, number, text.split(delimiter)


def _quoted_record(first: int, text: str, numbered: Iterator[tuple[int, str]], delimiter: str, name: str) -> Record:
    padding, mark = (" " if delimiter == "\t" else " \t"), re.escape(delimiter)
    separator = re.compile("[ \t]+" if delimiter == " " else f"[{padding}]*{mark}[{padding}]*")
    unquoted = re.compile("[^ \t]*" if delimiter == " " else f"[^{mark}]*")
    ending = re.compile(rf"[{padding}]*\Z")
    fields: list[str] = []
    last, at = first, len(text) - len(text.lstrip(padding))
    while True:
        if text.startswith('"', at):
            value, last, text, at = _quoted_field(last, text, at + 1, numbered, len(fields) + 1, name)
        else:
            value = text[at : (at := _end(unquoted, text, at))]
        fields.append(value.strip(padding))
        if ending.match(text, at):
            return first, last, fields
        gap = separator.match(text, at)
        if gap is None:
            raise refused(f"text after closing quote, got {quoted(text[at:])}", name, last, len(fields))
        at = gap.end()


def _quoted_field(
    line: int, text: str, at: int, numbered: Iterator[tuple[int, str]], column: int, name: str
) -> tuple[str, int, str, int]:
    """The field's text, then the line where it ends: its number, its text and the place after the closing quote."""
    first, size, parts = line, 0, []
    while True:
        end = _end(_TO_CLOSING_QUOTE, text, at)
        parts.append(text[at:end].replace('""', '"'))
        if end < len(text):
            return "\n".join(parts), line, text, end + 1
        size += end - at + 1
        following = next(numbered, None)
        if following is None:
            raise refused("quote is never closed", name, first, column)
        if size > LONGEST:
            raise refused(f"quoted field is longer than {LONGEST} characters", name, first, column)
        (line, text), at = following, 0


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def checked_delimiter(delimiter: str | None, comment: str | None) -> str | None:
    """The delimiter that the user gave, if it and the comment mark can be used. Raises EmcliError, exit code 2."""
    if comment is not None and not comment.strip():
        raise EmcliError(Exit.USAGE, "'--comment' must not be blank")
    if delimiter is None:
        return None
    mark = {"\\t": "\t", "tab": "\t", "space": " "}.get(delimiter, delimiter)
    usable = len(mark) == 1 and mark.isascii() and (mark.isprintable() or mark == "\t")
    if not usable or mark.isalnum() or mark in '"+-.':
        what = "must be one ASCII character that cannot be part of a number or a quote"
        raise EmcliError(Exit.USAGE, f"'--delimiter' {what}, got {quoted(delimiter)}")
    return mark


def detect_delimiter(start: bytes, comment: str | None, name: str) -> str:
    """The delimiter that splits most rows into the same number of fields, if only one does.

    Only the rows in the first 64 kB are asked, so `start` must hold these, if there are so many. Space is considered
    last, because it also pads other delimiters and stands in names. A file without any delimiter has one column, and
    counts as delimited by commas.
    """
    end = start.find(b"\n", SAMPLE - 1) + 1
    sample = start[:end] if end else start
    numbered = list(lines([Block(1, sample)], name))
    there = [d for d in DELIMITERS if d.encode() in sample or (d == " " and b"\t" in sample)]
    counts = {d: _field_counts(numbered, d, comment) if d in there else [] for d in DELIMITERS}
    agreement = {d: max(Counter(n for n in c if n > 1).values(), default=0) for d, c in counts.items()}
    by_space = agreement.pop(" ")
    best = max(agreement.values())
    if by_space > best and 2 * sum(n > 1 for n in counts[" "]) > len(counts[" "]):
        return " "
    likely = [delimiter for delimiter in agreement if agreement[delimiter] == best]
    if best and len(likely) > 1:
        listed = " or ".join(quoted(delimiter) for delimiter in likely)
        raise refused(f"the delimiter could be {listed}", name, hint="say which with --delimiter")
    return likely[0]


def _field_counts(numbered: list[tuple[int, str]], delimiter: str, comment: str | None) -> list[int]:
    counts: list[int] = []
    with suppress(EmcliError):  # quotes that this delimiter does not fit, or a field that the sample's end cuts
        counts.extend(len(fields) for _, _, fields in records(iter(numbered), delimiter, comment, ""))
    return counts


def told_header(first: list[str], others: Iterator[Record], said: bool | None) -> tuple[bool, tuple[FitWarning, ...]]:
    """Whether the first row is the header, and a caution if the answer is not obvious."""
    if said is not None:
        return said, ()
    numeric = [cell for cell in first if is_number(cell) or is_not_finite(cell)]
    if not all(map(is_number, first)):
        what = f"first row has {quoted(numeric[0])} but also text, read as column names" if numeric else ""
        return True, (FitWarning("header-guess", what),) if what else ()
    doubtful = False
    if all(map(_is_integer, first)):
        second = next(others, (0, 0, [""]))[2]
        years = all(map(_is_year, first)) and not all(map(_is_year, second))
        doubtful = years or any(is_number(cell) and not _is_integer(cell) for cell in second)
    return False, (FitWarning("header-guess", "first row is numeric, read as data"),) if doubtful else ()


def column_names(first: list[str], has_header: bool) -> tuple[tuple[str, ...], tuple[FitWarning, ...]]:
    if not has_header:
        return tuple(str(number) for number in range(1, len(first) + 1)), ()
    names = tuple(name or str(number) for number, name in enumerate(first, 1))
    unnamed = [str(number) for number, name in enumerate(first, 1) if not name]
    if not unnamed:
        return names, ()
    listed = ", ".join(unnamed[:5]) + (", …" if len(unnamed) > 5 else "")
    return names, (FitWarning("unnamed-column", f"columns without a name are called by their numbers: {listed}"),)


def format_csv(header: Sequence[str], columns: Sequence[Any]) -> Iterator[str]:
    """CSV text in pieces of many whole lines.

    columns: arrays or lists of n values each. Floats are written as the shortest decimal that reads back the same,
    integers as integers. An empty header writes none.
    """
    if header:
        yield ",".join(_cell(name, len(header) == 1) for name in header) + "\n"
    alone = len(columns) == 1
    for start in range(0, len(columns[0]) if columns else 0, _ROWS):
        parts = [_texts(column[start : start + _ROWS], alone) for column in columns]
        yield "\n".join(map(",".join, zip(*parts, strict=True))) + "\n"


def _texts(column: Any, alone: bool) -> Iterable[str]:
    values = column.tolist() if isinstance(column, np.ndarray) else column
    return (_cell(value, alone) if isinstance(value, str) else repr(value) for value in values)


def _cell(text: str, alone: bool) -> str:
    # Delimiters other than the comma are quoted too, so that none of them can be taken for the delimiter.
    if _must_be_quoted(text) or (alone and not text):
        return '"' + text.replace('"', '""') + '"'
    return text
