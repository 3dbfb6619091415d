"""Arrays as long as the table: in memory, or beyond a limit in files without a name, of which nothing can be left."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from emcli.compute.memory import free, shown
from emcli.errors import EmcliError, Exit, Problem
from emcli.files import reason
from emcli.types import IndexArray

COPIES = 3  # of the table, at the peak of fitting it in memory
CHUNK = 1 << 17  # rows that temporary arrays hold at a time
BLOCK = 1 << 16  # numbers of a table that stay in a core's cache while they are worked on
SMALL = 1 << 16  # bytes that are not worth a file beside a table that is in one
NEAR = 1 << 21  # bytes of the pages that may come with one
ONCE = 1 << 26  # bytes of pages, after which they are given back
_SLACK = 100 << 20  # bytes that the program itself takes
_PERIOD = 0.003  # seconds between looks at how much is resident
_HINT = "TMPDIR names another folder; a larger --memory needs less of it"


class _State:
    limit: int | None = None  # bytes; None: no table is too large
    spilled = False
    touched = 0  # bytes of pages that came with rows here and there since pages were given back
    keeper: threading.Thread | None = None


_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def keep_within(limit: int | None) -> None:
    """Have arrays take about so many bytes of memory from now on; None: half of what is free."""
    there = free()
    _State.limit = limit if limit is not None else there if there is None else there // 2
    _State.spilled = False


def too_large(size: int) -> bool:
    """Does a table of so many bytes belong on disk?"""
    return _State.limit is not None and (COPIES * size > _State.limit or (_State.spilled and size > SMALL))


def spilled() -> bool:
    """Is any array on disk?"""
    return _State.spilled


def empty(shape: tuple[int, ...], dtype: Any = np.float64) -> npt.NDArray[Any]:
    """An array to be filled. Raises EmcliError, exit 5, where it belongs on disk and there is no room."""
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    if not size or not too_large(size):
        return np.empty(shape, kind)
    with MappedFile() as file:
        file.reserve(size)
        return file.array(shape, kind)


def copy_rows(values: npt.NDArray[np.float64], kept: IndexArray | None = None) -> npt.NDArray[np.float64]:
    """Rows in an array of their own, those `kept` or all."""
    n = len(values) if kept is None else len(kept)
    made = empty((n, *values.shape[1:]))
    for some in row_chunks(n):
        made[some] = values[some if kept is None else kept[some]]
    return made


def take_columns(values: npt.NDArray[np.float64], places: IndexArray) -> npt.NDArray[np.float64]:
    """Columns of values (d, n) at some places, in memory."""
    if not _maps:
        return values[:, places]
    return np.array([take_rows(row, places) for row in values])


def take_rows(values: npt.NDArray[Any], places: IndexArray) -> npt.NDArray[Any]:
    """Rows of values (n,) or (n, d) at some places, which are there, in memory."""
    made = np.empty((len(places), *values.shape[1:]), values.dtype)
    if not _maps:
        return np.take(values, places, axis=0, out=made, mode="clip")
    if not len(places):
        return made
    each = min(NEAR, int(np.ptp(places)) * values.strides[0] // len(places) + 1)  # bytes that come with one
    step = ONCE // each
    for start in range(0, len(places), step):
        np.take(values, places[start : start + step], axis=0, out=made[start : start + step], mode="clip")
        _State.touched += each * min(step, len(places) - start)
        if _State.touched > ONCE:
            _State.touched = 0
            release()
    return made


def row_chunks(n: int) -> Iterator[slice]:
    """n rows in slices, so that what is worked out of them takes little memory at a time."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


def cache_chunks(n: int, d: int) -> Iterator[slice]:
    """n rows of d numbers in slices that are soon worked through."""
    size = max(BLOCK // d, 1 << 8)
    return (slice(start, start + size) for start in range(0, n, size))


class MappedFile:
    """A file without a name in the temporary folder: it is gone when the process is, however that ends."""

    def __init__(self) -> None:
        try:
            self.folder = tempfile.gettempdir()
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by whoever is done with it
        except OSError as wrong:
            raise _refused(reason(wrong)) from None

    def __enter__(self) -> MappedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def room(self, size: int) -> None:
        """Refuse to begin what would not fit on the disk."""
        there = os.statvfs(self._file.fileno())
        if size > there.f_bavail * there.f_frsize:
            what = f"it takes {shown(size)}, and {shown(there.f_bavail * there.f_frsize)} are free"
            raise _refused(what, self.folder)

    def reserve(self, size: int) -> None:
        """Have so many bytes on the disk: a map of a file that cannot grow ends the process by a signal."""
        self.room(size)
        try:
            os.posix_fallocate(self._file.fileno(), 0, size)
        except OSError as wrong:
            raise _refused(reason(wrong), self.folder) from None

    def append(self, rows: npt.NDArray[np.float64]) -> None:
        """Write rows at the end."""
        left = np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as wrong:
            raise _refused(reason(wrong), self.folder) from None

    def array(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> npt.NDArray[Any]:
        """The file as an array, of which no more is resident than the limit allows."""
        try:
            mapped = mmap.mmap(self._file.fileno(), prod(shape) * kind.itemsize)
        except OSError as wrong:
            raise _refused(reason(wrong), self.folder) from None
        _State.spilled = True
        _maps.add(mapped)
        if _State.keeper is None:
            _State.keeper = threading.Thread(target=_keep, daemon=True)
            _State.keeper.start()
        return np.frombuffer(mapped, kind).reshape(shape)


class GrowingArray:
    """Rows that come in pieces, in an array that grows in place: joining pieces at the end would need twice the memory.

    Beyond the limit of memory the rows go to a file.
    """

    def __init__(self, room: int = 1 << 26) -> None:
        """`room`: bytes set aside at first where nobody knows how many rows will come."""
        self._room = room
        self.file: MappedFile | None = None
        self._count = 0
        self._pieces = 0
        self._rows: npt.NDArray[np.float64] = np.empty((0, 0))

    def append(self, piece: npt.NDArray[np.float64], expected: int = 0) -> None:
        """Add rows (n, d), d always the same; about `expected` rows will be there in the end, if that is known.

        Memory that is set aside and never written costs nothing.
        """
        end, width = self._count + len(piece), piece.shape[1]
        self._pieces += 1
        if self.file is None and too_large(8 * max(end, expected) * width):
            self.file = MappedFile()
            self.file.append(self._rows[: self._count])
            self._rows = np.empty((0, width))
        if self.file is not None:
            self.file.append(piece)
        elif self._pieces == 1:
            self._rows = piece
        else:
            if self._pieces == 2:
                first = self._rows
                self._rows = np.empty((max(end, expected or self._room // (8 * max(width, 1))), width))
                self._rows[: self._count] = first
            elif end > len(self._rows):
                self._rows.resize((end + end // 8, width), refcheck=False)
            self._rows[self._count : end] = piece
        self._count = end

    def rows(self) -> npt.NDArray[np.float64]:
        """All rows, which are no longer added to."""
        if self.file is not None:
            with self.file as file:
                return file.array((self._count, self._rows.shape[1]), np.dtype(np.float64))
        if self._pieces > 1:
            self._rows.resize((self._count, self._rows.shape[1]), refcheck=False)
        return self._rows


def release() -> None:
    """Give the pages of all maps back to the system, which keeps them as long as it has room."""
    for mapped in list(_maps):
        mapped.madvise(mmap.MADV_DONTNEED)


def _keep() -> None:
    """Give pages of the maps back whenever more is resident than the limit allows; the file keeps what they hold."""
    page = os.sysconf("SC_PAGE_SIZE")
    with open("/proc/self/statm", "rb", buffering=0) as statm:
        while True:
            time.sleep(_PERIOD)
            statm.seek(0)
            resident = int(statm.read(100).split()[1]) * page
            if resident > (_State.limit or 0) // 2 + _SLACK:
                release()


def _refused(what: str, folder: str | None = None) -> EmcliError:
    return EmcliError(Exit.OUTPUT, Problem(f"cannot keep the table on disk: {what}", folder), hint=_HINT)
