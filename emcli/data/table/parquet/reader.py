"""Parquet files as rows of cells: numbers as doubles, anything else as the text that a CSV would have."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from emcli.compute.memory import require
from emcli.config.checks import MAX_EXACT
from emcli.data.table.arrow import LIBRARY_BYTES, load_arrow
from emcli.data.table.csv_reader import TooWide
from emcli.data.table.parquet.pages import PREFIXES, Malformed, pages
from emcli.data.table.source import check_expansion, data_error
from emcli.data.table.table import ReadSizes, Record, RowChunk
from emcli.errors import EmcliError, quoted, to_install
from emcli.types import Array

if TYPE_CHECKING:
    import pyarrow

_CHUNK_ROWS = 1 << 16  # rows that are decoded at a time, or fewer that take _CHUNK_BYTES
_CHUNK_BYTES = 1 << 26
_FOOTER_COPIES = 20  # of the footer's bytes, that its description of all columns takes
_MAX_FOOTER = 64 << 20  # bytes
_MAX_IN_LISTS = 500  # what texts in lists may take, over the file's size, where that is more than _CHUNK_BYTES
_COLUMN_BYTES = 8 << 10  # that reading a column takes, however short
_NUMBER_BYTES = 8  # of a cell that is read, however few a file keeps of it
Rows = Callable[[Sequence[int]], Iterator[RowChunk]]


def open_parquet(path: str, sizes: ReadSizes) -> tuple[tuple[str, ...], Rows]:
    """Names of the columns, and what reads some of these in chunks of rows. Raises EmcliError, exit 3.

    Nothing is decoded before its size, as the file tells it, is known to be harmless and to fit in memory.
    """
    footer = _footer_bytes(path)
    if footer > _MAX_FOOTER:
        raise data_error(f"Parquet with a footer of more than {_MAX_FOOTER >> 20} MiB", path)
    require(LIBRARY_BYTES + _FOOTER_COPIES * footer, "Parquet", path)
    arrow = load_arrow()
    if arrow is None:
        raise data_error("Parquet needs the Python package pyarrow", path, hint=to_install("pyarrow", "fast"))
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names, metadata = tuple(file.schema_arrow.names), file.metadata
            kinds = file.schema_arrow.types
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    if not names:
        raise data_error("Parquet without columns", path)
    if max(len(names), metadata.num_columns) > sizes.columns:
        raise TooWide(sizes.columns, path)
    is_of = pyarrow.types
    variable = (is_of.is_string, is_of.is_large_string, is_of.is_binary, is_of.is_large_binary)
    texts = {i for i, kind in enumerate(kinds) if any(holds(kind) for holds in variable)}

    def chunks(columns: Sequence[int]) -> Iterator[RowChunk]:
        rows = _rows_at_a_time(metadata, columns, names, path)
        coded = [names[i] for i in sorted(texts & set(columns))]  # so that an equal cell is decoded once
        line, made, size = 1, 0, os.path.getsize(path)

        def tally(more: int) -> None:
            nonlocal made
            made += more
            check_expansion(made, size, path)

        wanted = [names[i] for i in columns] if columns and len(set(names)) == len(names) else None
        try:
            with pyarrow.parquet.ParquetFile(path, metadata=metadata, read_dictionary=coded) as file:
                for batch in file.iter_batches(rows, columns=wanted):
                    at = {name: i for i, name in enumerate(batch.schema.names)}
                    of = {i: at[names[i]] for i in columns} if wanted else {i: i for i in columns}
                    tally(_NUMBER_BYTES * len(batch) * len(of))
                    cells = {i: batch.column(place) for i, place in of.items()}
                    yield RowChunk(line, len(batch), cells, len(batch) / max(metadata.num_rows, 1), tally)
                    line += len(batch)
                if line - 1 != metadata.num_rows:
                    raise data_error(f"damaged Parquet data: {line - 1} of {metadata.num_rows} rows are there", path)
        except (pyarrow.ArrowException, OSError) as error:
            raise _damaged(path, error) from None

    return names, chunks


def _footer_bytes(path: str) -> int:
    """The size of a file's description of itself, which stands before its last 8 bytes."""
    with open(path, "rb") as file:
        file.seek(-8, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")


def _rows_at_a_time(
    metadata: pyarrow.parquet.FileMetaData, columns: Sequence[int], names: Sequence[str], path: str
) -> int:
    """How many rows to decode at a time. Raises EmcliError where the columns expand too much, or do not fit."""
    leaves = _leaves(metadata, {names[i] for i in columns})
    total, longest, largest, size = 0, _NUMBER_BYTES * max(len(leaves), 1), 0, os.path.getsize(path)
    with open(path, "rb") as file:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            parts = [group.column(i) for i in leaves]
            decoded = 0
            for leaf, part in zip(leaves, parts, strict=True):
                own, in_lists = _decoded_bytes(file, part, metadata.schema.column(leaf), path)
                decoded += own
                check_expansion(total + decoded, size, path)
                if in_lists > max(_CHUNK_BYTES, _MAX_IN_LISTS * size):
                    what = (
                        f"texts in lists or structures of {quoted(part.path_in_schema)} that may expand without bound"
                    )
                    raise data_error(what, path, hint="leave the column out with --columns")
            total += decoded
            longest = max(longest, decoded // max(group.num_rows, 1))
            largest = max(largest, sum(part.total_compressed_size for part in parts))
    rows = max(1, min(_CHUNK_ROWS, _CHUNK_BYTES // longest))
    require(largest + 3 * rows * longest + _COLUMN_BYTES * len(leaves), f"{rows} rows of {len(columns)} columns", path)
    return rows


def _leaves(metadata: pyarrow.parquet.FileMetaData, wanted: set[str]) -> list[int]:
    """The columns of numbers or texts that those of these names are made of: a list or a structure is of others."""

    def belongs(path: str) -> bool:
        parts = path.split(".")
        return any(".".join(parts[:count]) in wanted for count in range(1, len(parts) + 1))

    return [i for i in range(metadata.num_columns) if belongs(metadata.schema.column(i).path)]


def _decoded_bytes(
    file: BinaryIO,
    column: pyarrow.parquet.ColumnChunkMetaData,
    schema: pyarrow.parquet.ColumnSchema,
    path: str,
) -> tuple[int, int]:
    """Bytes that a column of a group of rows takes, and the most that texts in lists or structures may take.

    As the footer tells, or its pages where these tell more. A dictionary holds once what may stand very many times:
    values of a fixed length are counted, texts are decoded once, but not those in lists or structures.
    """
    begin = min(at for at in (column.dictionary_page_offset, column.data_page_offset) if at is not None)
    uncompressed = values = dictionary = 0
    with suppress(Malformed):  # the library says what is wrong with it
        for page in pages(file, begin, begin + column.total_compressed_size):
            if page.is_data and page.encoding == PREFIXES:
                what = f"column {quoted(column.path_in_schema)} is in the encoding DELTA_BYTE_ARRAY, which is not read"
                raise data_error(what, path, hint="write it as plain text or with a dictionary")
            uncompressed += page.uncompressed
            values += page.values if page.is_data else 0
            dictionary += 0 if page.is_data else page.uncompressed
    uncompressed, values = max(uncompressed, column.total_uncompressed_size), max(values, column.num_values)
    in_lists = dictionary * values if schema.path != schema.name and schema.physical_type == "BYTE_ARRAY" else 0
    return int(max(uncompressed, max(_NUMBER_BYTES, schema.length or 0) * values)), in_lists


def _damaged(path: str, error: BaseException) -> EmcliError:
    if isinstance(error, MemoryError):
        return data_error("not enough memory for its rows", path)
    message = (str(error).splitlines() or [""])[0]
    return data_error(f"damaged Parquet data: {quoted(message, 100)}", path)


def numbers(chunk: RowChunk, columns: Sequence[int], header: Sequence[str], name: str) -> Array | None:
    """Columns as doubles (n, columns); None where one is no number, or a value is missing or not finite."""
    import pyarrow

    found = np.empty((chunk.row_count, len(columns)))
    for at, column in enumerate(columns):
        cells = chunk.columns[column]
        is_numeric = pyarrow.types.is_integer(cells.type) or pyarrow.types.is_floating(cells.type)
        if cells.null_count or not is_numeric:
            return None
        doubles = _doubles(chunk, column, header, name)
        found[:, at] = np.frombuffer(doubles.buffers()[1], np.float64, len(doubles), 8 * doubles.offset)
    return found if np.isfinite(found).all() else None


def _doubles(chunk: RowChunk, column: int, header: Sequence[str], name: str) -> pyarrow.Array:
    """A column of numbers as doubles. Raises EmcliError for an integer that none can hold."""
    import pyarrow

    cells = chunk.columns[column]
    try:
        return cells.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        row, value = next((i, v) for i, v in enumerate(cells.to_pylist()) if v is not None and abs(v) > MAX_EXACT)
        what = f"integer beyond 2^53 in column {quoted(header[column])}, got {quoted(value)}"
        raise data_error(what, name, chunk.line + row, column + 1) from None


def texts(chunk: RowChunk, column: int) -> list[str]:
    """The cells of a column as a CSV would have them; empty where a value is missing."""
    import pyarrow

    cells = chunk.columns[column]
    if pyarrow.types.is_dictionary(cells.type):
        different = [_as_text(value) for value in cells.dictionary.to_pylist()]
        found = ["" if code is None else different[code] for code in cells.indices.to_pylist()]
    else:
        found = [_as_text(value) for value in cells.to_pylist()]
    chunk.tally(sum(map(len, found)))
    return found


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    return str(value).lower() if isinstance(value, bool) else str(value).strip(" \t")


def records(chunks: Iterator[RowChunk], numeric: Sequence[int], header: Sequence[str], name: str) -> Iterator[Record]:
    """Rows one by one as those of a CSV: the row's number twice, and its cells; those that are not read are empty."""
    import pyarrow

    for chunk in chunks:
        for column in numeric:
            if pyarrow.types.is_integer(chunk.columns[column].type):
                _doubles(chunk, column, header, name)
        unread = [""] * chunk.row_count
        columns = [texts(chunk, i) if i in chunk.columns else unread for i in range(len(header))]
        for line, cells in enumerate(zip(*columns, strict=True), chunk.line):
            yield line, line, list(cells)
