"""Large blocks of plain numbers parsed by polars where it is installed: the bits of numpy, several times sooner."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcli import spill

LARGE = 25_000_000  # bytes of a file from which polars repays its import
_ROOM = 1 << 26  # bytes set aside for rows in pieces; memory that is never written costs nothing
_engine: Any = None  # polars once it is needed, or False where it is not installed


def use_threads(jobs: int | None) -> None:
    """Let polars use that many threads; None leaves it the machine's. Only the first use counts."""
    if jobs:
        os.environ["POLARS_MAX_THREADS"] = str(jobs)


def counted(data: bytes, mark: str) -> int:
    """How often an ASCII character stands in a block; bytes.count takes ten times as long where there are many."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord(mark)))


def by_polars(data: bytes, delimiter: str, width: int) -> NDArray[np.float64] | None:
    """Rows (n, width) of a block, or None where polars is not there or the block is not `width` numbers a line.

    data: whole lines of numbers, the last one without its end, and no byte but of numbers, delimiters and line ends.
    A cell left empty is NaN. What polars takes to be something else than the text says, it is never shown.
    """
    polars = _polars()
    rows = counted(data, "\n") + 1
    # polars fills short rows with nulls and refuses long ones: where the sum is right, so is every row.
    if not polars or b" " in data or counted(data, delimiter) != rows * (width - 1):
        return None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    faults = polars.exceptions
    columns = {str(column): polars.Float64 for column in range(width)}
    try:
        frame = polars.read_csv(data, has_header=False, schema=columns, separator=delimiter, quote_char=None)
        numbers: NDArray[np.float64] = frame.to_numpy(order="c")
    except (faults.PolarsError, faults.PanicException):
        return None
    return numbers if numbers.shape == (rows, width) and numbers.dtype == np.float64 else None


def _polars() -> Any:
    global _engine
    if _engine is None:
        try:
            import polars

            _engine = polars
        except ImportError:
            _engine = False
    return _engine


class Growing:
    """Rows that come in pieces, in one array that grows in place: joining them at last would need twice the memory.

    Beyond the limit of memory they go to a file.
    """

    def __init__(self) -> None:
        self.file: spill.File | None = None
        self._count = 0
        self._pieces = 0
        self._rows: NDArray[np.float64] = np.empty((0, 0))

    def append(self, piece: NDArray[np.float64]) -> None:
        """Add rows (n, d), d always the same."""
        end, width = self._count + len(piece), piece.shape[1]
        self._pieces += 1
        if self.file is None and spill.too_large(8 * end * width):
            self.file = spill.File()
            self.file.append(self._rows[: self._count])
            self._rows = np.empty((0, width))
        if self.file is not None:
            self.file.append(piece)
        elif self._pieces == 1:
            self._rows = piece
        else:
            if self._pieces == 2:
                first = self._rows
                self._rows = np.empty((max(end, _ROOM // (8 * max(width, 1))), width))
                self._rows[: self._count] = first
            elif end > len(self._rows):
                self._rows.resize((end + end // 8, width), refcheck=False)
            self._rows[self._count : end] = piece
        self._count = end

    def rows(self) -> NDArray[np.float64]:
        """All rows, which are no longer added to."""
        if self.file is not None:
            with self.file as file:
                return file.array((self._count, self._rows.shape[1]), np.dtype(np.float64))
        if self._pieces > 1:
            self._rows.resize((self._count, self._rows.shape[1]), refcheck=False)
        return self._rows
