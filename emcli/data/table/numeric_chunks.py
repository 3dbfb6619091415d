"""Chunks of text that hold nothing but numbers, parsed whole: by Arrow where it is installed, else by numpy."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from emcli.data.table.arrow import arrow_is_usable, load_arrow
from emcli.types import Array

_PLAIN = b"0123456789+-.eE \r\n"
_MAX_ARROW_COLUMNS = 2000  # beyond it Arrow is slower than numpy, and takes 5 kB for each column


def count_byte(data: bytes, mark: str) -> int:
    """How often an ASCII character occurs; bytes.count takes ten times as long where there are many."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord(mark)))


def has_only_numbers(data: bytes, delimiter: str) -> bool:
    """Are all bytes those of numbers, delimiters and line ends?"""
    return not data.translate(None, _PLAIN + delimiter.encode())


def without_trailing(data: bytes, delimiter: str) -> bytes:
    """Lines without the delimiter at the end of each."""
    mark = delimiter.encode()
    return data.replace(mark + b"\r\n", b"\n").replace(mark + b"\n", b"\n").removesuffix(mark)


def parse(data: bytes, delimiter: str, width: int, columns: Sequence[int], by_arrow: bool = False) -> Array | None:
    """Some columns of whole lines of text, (n, columns), each line a row.

    None where only reading row by row can tell what the text holds: it is not `width` finite numbers a line, or one of
    them may be too small for a double. Arrow gives the same bits as numpy, several times sooner.
    """
    if not has_only_numbers(data, delimiter) or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n")):
        return None
    data = data.rstrip(b"\r\n")
    if not data.strip():
        return None
    by_arrow = by_arrow and width <= _MAX_ARROW_COLUMNS and arrow_is_usable()  # memory may be less than it was
    numbers = _parse_by_arrow(data, delimiter, width) if by_arrow else None
    if numbers is None:
        try:
            numbers = np.loadtxt(
                io.BytesIO(data), delimiter=None if delimiter == " " else delimiter, ndmin=2, comments=None
            )
        except ValueError:
            return None
    if numbers.shape != (count_byte(data, "\n") + 1, width):  # numpy skips blank lines without counting them
        return None
    if columns != list(range(width)):
        numbers = np.ascontiguousarray(numbers[:, columns])
    if not numbers.all() and any(sign in data for sign in (b"e-", b"E-", b"0" * 300)):
        return None
    return numbers if np.isfinite(numbers).all() else None


def _parse_by_arrow(data: bytes, delimiter: str, width: int) -> Array | None:
    """Rows (n, width), or None where Arrow takes something not to be a number, or is not installed."""
    arrow = load_arrow()
    if arrow is None:
        return None
    csv, names = arrow.csv, [str(column) for column in range(width)]
    types = dict.fromkeys(names, arrow.float64())
    try:
        table = csv.read_csv(
            arrow.py_buffer(data),
            csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=types, null_values=[""], check_utf8=False),
        )
    except arrow.ArrowException:
        return None
    numbers = np.empty((table.num_rows, width))
    for at, column in enumerate(table.columns):
        if column.null_count or column.num_chunks != 1:
            return None
        chunk = column.chunk(0)  # its to_numpy() would import pandas, where that is installed
        numbers[:, at] = np.frombuffer(chunk.buffers()[1], np.float64, len(chunk), 8 * chunk.offset)
    return numbers
