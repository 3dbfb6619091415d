"""Parquet files as rows of cells: numbers as doubles, whatever else as the text a CSV would have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcli.data.table.source import refused
from emcli.errors import quoted

PIECE = 1 << 16  # rows that are decoded at a time
EXACT = 2**53  # integers beyond which a double cannot tell neighbours apart


class Piece(NamedTuple):
    """Some rows of a file, and the number, from 1, of the first of them."""

    line: int
    rows: Any  # a record batch of Arrow


def opened(path: str) -> tuple[tuple[str, ...], Iterator[Piece]]:
    """Names of the columns, and the rows in pieces. Raises EmcliError, exit 3."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise refused("Parquet needs the Python package pyarrow", path, hint="pip install 'emcli[fast]'") from None

    def pieces() -> Iterator[Piece]:
        line = 1
        with file:
            try:
                for rows in file.iter_batches(PIECE):
                    yield Piece(line, rows)
                    line += len(rows)
            except (pyarrow.ArrowException, OSError) as error:
                raise _damaged(path, error) from None

    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = tuple(file.schema_arrow.names)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    if not names:
        raise refused("Parquet without columns", path)
    return names, pieces()


def _damaged(path: str, error: BaseException) -> Exception:
    said = (str(error).splitlines() or [""])[0]
    return refused(f"damaged Parquet data: {quoted(said, 100)}", path)


def numbers(piece: Piece, columns: Sequence[int], name: str) -> NDArray[np.float64] | None:
    """Columns as doubles (n, columns); None where one is no number, or a value is missing or not finite."""
    import pyarrow

    kinds = pyarrow.types
    found = np.empty((len(piece.rows), len(columns)))
    for at, column in enumerate(columns):
        cells = piece.rows.column(column)
        kind = cells.type
        if cells.null_count or not (kinds.is_integer(kind) or kinds.is_floating(kind)):
            return None
        _exact(piece, column, name)
        plain = cells.cast(pyarrow.float64())
        found[:, at] = np.frombuffer(plain.buffers()[1], np.float64, len(plain), 8 * plain.offset)
    return found if np.isfinite(found).all() else None


def _exact(piece: Piece, column: int, name: str) -> None:
    """Refuse integers that doubles cannot hold."""
    import pyarrow

    cells = piece.rows.column(column)
    if not pyarrow.types.is_integer(cells.type):
        return
    try:
        cells.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        row, value = next((i, v) for i, v in enumerate(cells.to_pylist()) if v is not None and abs(v) > EXACT)
        what = f"integer beyond 2^53 in column {quoted(piece.rows.schema.names[column])}, got {quoted(value)}"
        raise refused(what, name, piece.line + row, column + 1) from None


def texts(piece: Piece, column: int) -> list[str]:
    """The cells of a column as a CSV would have them; nothing where a value is missing."""
    return ["" if value is None else _text(value) for value in piece.rows.column(column).to_pylist()]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return repr(value)
    return str(value).lower() if isinstance(value, bool) else str(value).strip(" \t")


def records(pieces: Iterator[Piece], numeric: Sequence[int], name: str) -> Iterator[tuple[int, int, list[str]]]:
    """Rows one by one as those of a CSV: their number twice, and their cells."""
    for piece in pieces:
        for column in numeric:
            _exact(piece, column, name)
        columns = [texts(piece, column) for column in range(piece.rows.num_columns)]
        for line, cells in enumerate(zip(*columns, strict=True), piece.line):
            yield line, line, list(cells)
