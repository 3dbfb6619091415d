"""Parquet files as rows of cells: numbers as doubles, anything else as the text that a CSV would have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from emcli.data.table.source import data_error
from emcli.data.table.table import Record, RowChunk
from emcli.errors import EmcliError, quoted
from emcli.types import Array

_CHUNK_ROWS = 1 << 16  # rows that are decoded at a time
_MAX_EXACT = 2**53  # integers beyond which a double cannot tell neighbours apart


def open_parquet(path: str) -> tuple[tuple[str, ...], Iterator[RowChunk]]:
    """Names of the columns, and the rows in chunks. Raises EmcliError, exit 3."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise data_error("Parquet needs the Python package pyarrow", path, hint="pip install 'emcli[fast]'") from None

    def chunks() -> Iterator[RowChunk]:
        line = 1
        with file:
            try:
                for rows in file.iter_batches(_CHUNK_ROWS):
                    yield RowChunk(line, rows)
                    line += len(rows)
            except (pyarrow.ArrowException, OSError) as error:
                raise _damaged(path, error) from None

    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = tuple(file.schema_arrow.names)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    if not names:
        raise data_error("Parquet without columns", path)
    return names, chunks()


def _damaged(path: str, error: BaseException) -> EmcliError:
    message = (str(error).splitlines() or [""])[0]
    return data_error(f"damaged Parquet data: {quoted(message, 100)}", path)


def numbers(chunk: RowChunk, columns: Sequence[int], name: str) -> Array | None:
    """Columns as doubles (n, columns); None where one is no number, or a value is missing or not finite."""
    import pyarrow

    found = np.empty((len(chunk.rows), len(columns)))
    for at, column in enumerate(columns):
        cells = chunk.rows.column(column)
        is_numeric = pyarrow.types.is_integer(cells.type) or pyarrow.types.is_floating(cells.type)
        if cells.null_count or not is_numeric:
            return None
        _check_exact(chunk, column, name)
        doubles = cells.cast(pyarrow.float64())
        found[:, at] = np.frombuffer(doubles.buffers()[1], np.float64, len(doubles), 8 * doubles.offset)
    return found if np.isfinite(found).all() else None


def _check_exact(chunk: RowChunk, column: int, name: str) -> None:
    """Raise EmcliError for an integer that a double cannot hold."""
    import pyarrow

    cells = chunk.rows.column(column)
    if not pyarrow.types.is_integer(cells.type):
        return
    try:
        cells.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        row, value = next((i, v) for i, v in enumerate(cells.to_pylist()) if v is not None and abs(v) > _MAX_EXACT)
        what = f"integer beyond 2^53 in column {quoted(chunk.rows.schema.names[column])}, got {quoted(value)}"
        raise data_error(what, name, chunk.line + row, column + 1) from None


def texts(chunk: RowChunk, column: int) -> list[str]:
    """The cells of a column as a CSV would have them; empty where a value is missing."""
    return ["" if value is None else _as_text(value) for value in chunk.rows.column(column).to_pylist()]


def _as_text(value: object) -> str:
    if isinstance(value, float):
        return repr(value)
    return str(value).lower() if isinstance(value, bool) else str(value).strip(" \t")


def records(chunks: Iterator[RowChunk], numeric: Sequence[int], name: str) -> Iterator[Record]:
    """Rows one by one as those of a CSV: the row's number twice, and its cells."""
    for chunk in chunks:
        for column in numeric:
            _check_exact(chunk, column, name)
        columns = [texts(chunk, column) for column in range(chunk.rows.num_columns)]
        for line, cells in enumerate(zip(*columns, strict=True), chunk.line):
            yield line, line, list(cells)
