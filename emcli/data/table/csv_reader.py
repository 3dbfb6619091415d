"""The lines and fields of delimited text; what cannot be read is refused with its place and reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from emcli.data.table.numeric_chunks import count_byte
from emcli.data.table.source import Reader, data_error
from emcli.data.table.table import CsvDialect, ReadSizes, Record, TextChunk
from emcli.errors import EmcliError, Exit, Problem, quoted

_UNREADABLE_BYTE = re.compile(rb"\0|\r(?!\n)")
_TO_CLOSING_QUOTE = re.compile(r'[^"]*(?:""[^"]*)*')


def text_chunks(reader: Reader, sizes: ReadSizes) -> Iterator[TextChunk]:
    """The stream in chunks of whole lines; only the very last line may lack its newline."""
    line, rest, ended = 1, b"", False
    size = min(sizes.sample, sizes.chunk)  # the delimiter and the header are detected from the first chunk
    while not ended:
        piece = reader.read(size)
        ended = len(piece) < size
        size = sizes.chunk
        first_end = piece.find(b"\n")  # only a chunk's first line can be longer than a chunk
        if len(rest) + (len(piece) if first_end < 0 else first_end) > sizes.longest:
            raise data_error(f"line is longer than {sizes.longest} bytes", reader.name, line)
        cut = len(piece) if ended else piece.rfind(b"\n") + 1
        whole = b"".join((rest, memoryview(piece)[:cut])) if cut or ended else b""
        rest = piece[cut:] if whole else rest + piece
        if whole:
            yield TextChunk(line, whole)
            line += count_byte(whole, "\n")


def skip_lines(last: int, chunks: Iterable[TextChunk]) -> Iterator[TextChunk]:
    """The chunks without the lines up to and including number `last`."""
    for line, data in chunks:
        start = 0
        for _ in range(line, last + 1):
            start = data.find(b"\n", start) + 1
            if not start:  # the chunk ends before
                break
        if start < len(data) and (start or line > last):
            yield TextChunk(max(line, last + 1), data[start:])


def numbered_lines(chunks: Iterable[TextChunk], name: str) -> Iterator[tuple[int, str]]:
    """Line numbers and lines without their ends; bytes that are not text are refused when their line is reached."""
    for number, data in chunks:
        bad = _first_unreadable(data)
        good = data if bad is None else data[: data.rfind(b"\n", 0, bad[0]) + 1]
        texts = good.decode().replace("\r\n", "\n").split("\n")
        if not texts[-1]:
            texts.pop()
        yield from enumerate(texts, number)
        if bad is not None:
            byte = bad[0] - len(good)
            raise data_error(bad[1].format(byte=byte + 1), name, number + len(texts), hint=bad[2])


def _first_unreadable(data: bytes) -> tuple[int, str, str | None] | None:
    """Where the first byte is that is not text, what it is, and a hint."""
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


def records(lines: Iterator[tuple[int, str]], dialect: CsvDialect, name: str) -> Iterator[Record]:
    """First line, last line and stripped fields of each row that is neither blank nor a comment.

    Where each line ends with a delimiter, what would follow it is no field. A quote counts only at the start of a
    field. With the delimiter space, any run of spaces and tabs separates. Raises EmcliError for a row of more fields
    than a table may have columns, before it is split.
    """
    rows = _records(lines, dialect, name)
    return map(partial(without_last, dialect.trailing), rows) if dialect.trailing else rows


def without_last(width: int, row: Record) -> Record:
    """A row without an empty field after so many others."""
    fields = row[2]
    return (row[0], row[1], fields[:-1]) if len(fields) == width + 1 and not fields[-1] else row


def _records(lines: Iterator[tuple[int, str]], dialect: CsvDialect, name: str) -> Iterator[Record]:
    delimiter, comment = dialect.delimiter or ",", dialect.comment
    most = dialect.sizes.columns
    grammar = _field_grammar(delimiter)
    blanks = grammar.blanks
    for number, text in lines:
        if comment and text.startswith(comment):
            continue
        if '"' in text:
            yield _quoted_record(number, text, lines, grammar, dialect.sizes, name)
        elif not text.strip(blanks):
            continue
        elif len(text) >= most and _fields_in(text, delimiter) > most:
            raise TooWide(most, name, number)
        elif delimiter == " ":
            yield number, number, [field for field in text.replace("\t", " ").split(" ") if field]
        elif " " in text or "\t" in text:
            yield number, number, [field.strip(blanks) for field in text.split(delimiter)]
        else:
            yield number, number, text.split(delimiter)


class TooWide(EmcliError):
    """A table of more columns than are read."""

    def __init__(self, most: int, name: str, *place: int):
        super().__init__(Exit.DATA, Problem(f"more than {most} columns", name, *place))


def _fields_in(text: str, delimiter: str) -> int:
    """How many fields a row without quotes has, without splitting it."""
    if delimiter == " ":
        return sum(1 for _ in re.finditer("[^ \t]+", text))
    return text.count(delimiter) + 1


class _FieldGrammar(NamedTuple):
    blanks: str  # characters that do not count around a field
    plain: re.Pattern[str]  # a field without quotes
    end: re.Pattern[str]  # what follows a field: the end of the line (group 1), or a delimiter


def _field_grammar(delimiter: str) -> _FieldGrammar:
    if delimiter == " ":
        return _FieldGrammar(" \t", re.compile("[^ \t]*"), re.compile(r"([ \t]*\Z)|[ \t]+"))
    blanks, mark = " " if delimiter == "\t" else " \t", re.escape(delimiter)
    end = re.compile(rf"([{blanks}]*\Z)|[{blanks}]*{mark}[{blanks}]*")
    return _FieldGrammar(blanks, re.compile(f"[^{mark}]*"), end)


def _quoted_record(
    first: int, text: str, lines: Iterator[tuple[int, str]], grammar: _FieldGrammar, sizes: ReadSizes, name: str
) -> Record:
    """A row with quotes, which may go on in the next lines.

    csv.reader knows neither blanks around quotes nor runs of spaces, and does not say what follows a closing quote.
    """
    fields: list[str] = []
    line, at = first, len(text) - len(text.lstrip(grammar.blanks))
    while True:
        if text.startswith('"', at):
            begin, size, parts = line, 0, list[str]()
            at += 1
            while (end := _end(_TO_CLOSING_QUOTE, text, at)) == len(text):  # the field goes on in the next line
                parts.append(text[at:])
                size += len(parts[-1]) + 1
                line, text = next(lines, (0, ""))
                if not line:
                    raise data_error("quote is never closed", name, begin, len(fields) + 1)
                if size > sizes.longest:
                    what = f"quoted field is longer than {sizes.longest} characters"
                    raise data_error(what, name, begin, len(fields) + 1)
                at = 0
            field, at = "\n".join([*parts, text[at:end]]).replace('""', '"'), end + 1
        else:
            end = _end(grammar.plain, text, at)
            field, at = text[at:end], end
        fields.append(field.strip(grammar.blanks))
        if len(fields) > sizes.columns:
            raise TooWide(sizes.columns, name, line)
        following = grammar.end.match(text, at)
        if following is None:
            raise data_error(f"text after closing quote, got {quoted(text[at:])}", name, line, len(fields))
        if following[1] is not None:
            return first, line, fields
        at = following.end()


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where a match from a place on ends."""
    found = pattern.match(text, at)
    return found.end() if found else at
