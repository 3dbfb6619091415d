"""Parquet files as rows of cells: numbers as doubles, whatever else as the text a CSV would have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcli.errors import quoted
from emcli.source import refused

PIECE = 1 << 16  # rows that are decoded at a time
EXACT = 2**53  # integers beyond which a double cannot tell neighbours apart


class Piece(NamedTuple):
    """Some rows of a file, and the number, from 1, of the first of them."""

    line: int
    frame: Any


def opened(path: str) -> tuple[tuple[str, ...], Iterator[Piece]]:
    """Names of the columns, and the rows in pieces. Raises EmcliError, exit 3."""
    try:
        import polars
    except ImportError:
        raise refused("Parquet needs the Python package polars", path, hint="pip install 'emcli[fast]'") from None

    def pieces() -> Iterator[Piece]:
        for at in count(0, PIECE):
            try:
                frame = lazy.slice(at, PIECE).collect()
            except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
                raise _damaged(path, error) from None
            if len(frame):
                yield Piece(at + 1, frame)
            if len(frame) < PIECE:
                return

    try:
        lazy = polars.scan_parquet(path, glob=False)
        names = tuple(lazy.collect_schema().names())
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
        raise _damaged(path, error) from None
    if not names:
        raise refused("Parquet without columns", path)
    return names, pieces()


def _damaged(path: str, error: BaseException) -> Exception:
    said = (str(error).splitlines() or [""])[0]
    return refused(f"damaged Parquet data: {quoted(said, 100)}", path)


def numbers(piece: Piece, columns: Sequence[int], name: str) -> NDArray[np.float64] | None:
    """Columns as doubles (n, columns); None where one is no number, or a value is missing or not finite."""
    frame = piece.frame
    found = np.empty((len(frame), len(columns)))
    for at, column in enumerate(columns):
        series = frame.to_series(column)
        if not series.dtype.is_numeric() or series.null_count():
            return None
        _exact(piece, column, name)
        found[:, at] = series.to_numpy()
    return found if np.isfinite(found).all() else None


def _exact(piece: Piece, column: int, name: str) -> None:
    """Refuse integers that doubles cannot hold."""
    series = piece.frame.to_series(column)
    if not series.dtype.is_integer():
        return
    wrong = ((series > EXACT) | (series < -EXACT)).fill_null(False).arg_true()
    if len(wrong):
        row = int(wrong[0])
        what = f"integer beyond 2^53 in column {quoted(series.name)}, got {quoted(series[row])}"
        raise refused(what, name, piece.line + row, column + 1)


def texts(piece: Piece, column: int) -> list[str]:
    """The cells of a column as a CSV would have them; nothing where a value is missing."""
    values = piece.frame.to_series(column).to_list()
    return ["" if value is None else _text(value) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return repr(value)
    return str(value).lower() if isinstance(value, bool) else str(value).strip(" \t")


def records(pieces: Iterator[Piece], numeric: Sequence[int], name: str) -> Iterator[tuple[int, int, list[str]]]:
    """Rows one by one as those of a CSV: their number twice, and their cells."""
    for piece in pieces:
        for column in numeric:
            _exact(piece, column, name)
        columns = [texts(piece, column) for column in range(piece.frame.width)]
        for line, cells in enumerate(zip(*columns, strict=True), piece.line):
            yield line, line, list(cells)
