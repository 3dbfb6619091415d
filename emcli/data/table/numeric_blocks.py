"""Large blocks of plain numbers parsed by Arrow where it is installed: the bits of numpy, several times sooner."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcli.compute.memory import is_ample

LARGE = 4 << 20  # bytes of a table from which Arrow repays its import
_PLAIN = b"0123456789+-.eE \r\n"
_engine: Any = None  # Arrow once it is needed, or False where it is not installed


def counted(data: bytes, mark: str) -> int:
    """How often an ASCII character stands in a block; bytes.count takes ten times as long where there are many."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord(mark)))


def arrow() -> Any:
    """Arrow's CSV reader, or False where it is not installed, or memory is too short for its libraries and heaps."""
    global _engine
    if _engine is None:
        if not is_ample():
            return False
        try:
            import pyarrow
            import pyarrow.csv

            _engine = pyarrow
        except ImportError:
            _engine = False
    return _engine


def strange(data: bytes, delimiter: str) -> bytes:
    """Those bytes that are not of numbers, delimiters and line ends."""
    return data.translate(None, _PLAIN + delimiter.encode())


def parsed(
    data: bytes, delimiter: str, width: int, columns: Sequence[int], fast: bool = False
) -> NDArray[np.float64] | None:
    """Columns of a block of whole lines, (n, columns), each line a row.

    None where only reading row by row can tell what it holds: it is not `width` finite numbers a line, or one of them
    may be too small for a double. fast: by Arrow.
    """
    if strange(data, delimiter) or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n")):
        return None
    data = data.rstrip(b"\r\n")
    if not data.strip():
        return None
    numbers = _by_arrow(data, delimiter, width) if fast else None
    if numbers is None:
        try:
            mark = None if delimiter == " " else delimiter
            numbers = np.loadtxt(io.BytesIO(data), delimiter=mark, ndmin=2, comments=None)
        except ValueError:
            return None
    if numbers.shape != (counted(data, "\n") + 1, width):  # numpy skips blank lines without counting them
        return None
    if columns != list(range(width)):
        numbers = np.ascontiguousarray(numbers[:, columns])
    if not numbers.all() and any(sign in data for sign in (b"e-", b"E-", b"0" * 300)):
        return None
    return numbers if np.isfinite(numbers).all() else None


def _by_arrow(data: bytes, delimiter: str, width: int) -> NDArray[np.float64] | None:
    """Rows (n, width), or None where Arrow takes something not to be a number, or is not there."""
    if not (engine := arrow()):
        return None
    csv, names = engine.csv, [str(column) for column in range(width)]
    try:
        table = csv.read_csv(
            engine.py_buffer(data),
            csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, engine.float64()), null_values=[""], check_utf8=False),
        )
    except engine.ArrowException:
        return None
    numbers = np.empty((table.num_rows, width))
    for at, column in enumerate(table.columns):
        if column.null_count or column.num_chunks != 1:
            return None
        chunk = column.chunk(0)  # its to_numpy() would import pandas, where that is installed
        numbers[:, at] = np.frombuffer(chunk.buffers()[1], np.float64, len(chunk), 8 * chunk.offset)
    return numbers
