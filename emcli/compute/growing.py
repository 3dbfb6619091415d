"""Rows that come in pieces, in one array: joining the pieces at last would need twice the memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcli.compute import arrays

_ROOM = 1 << 26  # bytes set aside at first where nobody knows how many rows will come


class Growing:
    """Grows in place; beyond the limit of memory the rows go to a file."""

    def __init__(self) -> None:
        self.file: arrays.File | None = None
        self._count = 0
        self._pieces = 0
        self._rows: NDArray[np.float64] = np.empty((0, 0))

    def append(self, piece: NDArray[np.float64], expected: int = 0) -> None:
        """Add rows (n, d), d always the same; about `expected` rows will be there in the end, if that is known.

        Memory that is set aside and never written costs nothing.
        """
        end, width = self._count + len(piece), piece.shape[1]
        self._pieces += 1
        if self.file is None and arrays.too_large(8 * max(end, expected) * width):
            self.file = arrays.File()
            self.file.append(self._rows[: self._count])
            self._rows = np.empty((0, width))
        if self.file is not None:
            self.file.append(piece)
        elif self._pieces == 1:
            self._rows = piece
        else:
            if self._pieces == 2:
                first = self._rows
                self._rows = np.empty((max(end, expected or _ROOM // (8 * max(width, 1))), width))
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
