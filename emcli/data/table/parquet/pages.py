"""What the pages of a Parquet file say of themselves: its footer may say anything, but these sizes are allocated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

HEADER_BYTES = 1 << 12  # in which the fixed part of a page's header stands, and all of most
_MAX_HEADER = 16 << 20  # bytes, with statistics; Arrow reads no larger one
PREFIXES = 7  # the encoding DELTA_BYTE_ARRAY, by which a value of any length takes a few bits
_STRUCT = 12  # a type of Thrift's compact protocol
_NUMBERS = (4, 5, 6)  # zigzag varints
_PAGE_KINDS = (5, 7, 8)  # fields of a header that hold the number of values: data, dictionary, data of version 2


class Page(NamedTuple):
    """The sizes that a page's header tells."""

    uncompressed: int  # bytes
    values: int
    is_data: bool
    encoding: int | None  # of its values, as parquet.thrift numbers them


class Malformed(ValueError):
    """Bytes that are no header of a page."""


def pages(file: BinaryIO, start: int, end: int) -> Iterator[Page]:
    """The pages of a column that stands in these bytes of a file. Raises Malformed."""
    while start < end:
        size = HEADER_BYTES
        while True:
            file.seek(start)
            head = file.read(size)
            try:
                fields, length = _struct(head, 0, 0)
                break
            except IndexError:
                if len(head) < size or size >= _MAX_HEADER:
                    raise Malformed from None
                size *= 16
        compressed, uncompressed = fields.get(3), fields.get(2)
        number, kind = next(((key, fields[key]) for key in _PAGE_KINDS if key in fields), (0, {}))
        if not isinstance(kind, dict):
            raise Malformed
        values, encoding = kind.get(1, 0), kind.get(4 if number == 8 else 2)
        if not (isinstance(compressed, int) and isinstance(uncompressed, int) and isinstance(values, int)):
            raise Malformed
        if min(compressed, uncompressed, values) < 0:
            raise Malformed
        yield Page(uncompressed, values, number != 7, encoding if isinstance(encoding, int) else None)
        start += length + compressed


Fields = dict[int, "int | Fields"]


def _struct(data: bytes, at: int, depth: int) -> tuple[Fields, int]:
    """The numbers and structures of a structure of Thrift's compact protocol, by field, and where it ends."""
    fields: Fields = {}
    number = 0
    if depth > 8:
        raise Malformed
    while data[at]:
        kind, step = data[at] & 15, data[at] >> 4
        at += 1
        if step:
            number += step
        else:
            code, at = _varint(data, at)
            number = _signed(code)
        if kind == _STRUCT:
            fields[number], at = _struct(data, at, depth + 1)
        elif kind in _NUMBERS:
            code, at = _varint(data, at)
            fields[number] = _signed(code)
        else:
            at = _skipped(data, at, kind)
    return fields, at + 1


def _skipped(data: bytes, at: int, kind: int) -> int:
    """Where a value ends of which nothing is wanted: true, false, a byte, a double, or bytes."""
    if kind in (1, 2):
        return at
    if kind in (3, 7):
        return at + (1 if kind == 3 else 8)
    if kind == 8:
        size, at = _varint(data, at)
        return at + size
    raise Malformed  # a header has no lists, sets or maps


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number in groups of 7 bits, and where it ends."""
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise Malformed


def _signed(code: int) -> int:
    return (code >> 1) ^ -(code & 1)
