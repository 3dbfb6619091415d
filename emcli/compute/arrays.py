"""Arrays as long as the table: in memory, or beyond a limit memory-mapped from temporary files without a name."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from math import prod
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from emcli.compute.memory import free, shown
from emcli.errors import EmcliError, Exit, Problem
from emcli.files import signals
from emcli.files.inputs import reason, remedy
from emcli.files.outputs import temporary_folder
from emcli.types import Array, IndexArray

TABLE_COPIES = 3  # of the table, at the peak of fitting it in memory
CHUNK_ROWS = 1 << 17  # that temporary arrays hold at a time
CACHE_NUMBERS = 1 << 16  # of a table, that stay in a core's cache while they are worked on
SMALL_BYTES = 1 << 16  # not worth a file, beside a table that is in one
FOLIO_BYTES = 1 << 21  # of a file, that the kernel may map when one byte is read
TAKEN_BYTES = 1 << 26  # of pages that rows here and there may map before these are given back
ROOM_BYTES = 1 << 26  # set aside at first where nobody knows how many rows will come
PROGRAM_BYTES = 100 << 20  # resident without any table
WATCH_SECONDS = 0.003  # between looks at how much is resident
Scalar = TypeVar("Scalar", bound=np.generic)


class _Memory:
    """The limit on the memory of this process's arrays, set by `keep_within`."""

    limit: int | None = None  # bytes; None: any number


_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()  # the arrays on disk


def keep_within(limit: int | None) -> None:
    """Set how many bytes of memory all arrays together may take from now on; None: half of what is free."""
    available = free()
    if limit is None and available is not None:
        limit = available // 2
    _Memory.limit = limit


def too_large(size: int) -> bool:
    """Does an array of so many bytes belong on disk?"""
    return _Memory.limit is not None and (TABLE_COPIES * size > _Memory.limit or (on_disk() and size > SMALL_BYTES))


def check_limit(size: int, what: str, source: str) -> None:
    """Raise EmcliError (exit 3) for what cannot go to disk and takes more than all arrays may."""
    if _Memory.limit is not None and size > _Memory.limit + PROGRAM_BYTES:
        message = f"{what} takes {shown(size)}, more than the {shown(_Memory.limit)} of --memory (by default half)"
        raise EmcliError(Exit.DATA, Problem(message, source))


def on_disk() -> bool:
    """Is any array on disk?"""
    return bool(_maps)


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """An array to be filled. Raises EmcliError, exit 5, where it belongs on disk and there is no room."""
    dtype = np.dtype(dtype)
    size = prod(shape) * dtype.itemsize
    if not size or not too_large(size):
        return np.empty(shape, dtype)
    with MappedFile() as file:
        file.reserve(size)
        return file.as_array(shape, dtype)


def copy_rows(values: Array, kept: IndexArray | None = None) -> Array:
    """Rows in an array of their own, those `kept` or all."""
    n = len(values) if kept is None else len(kept)
    result = empty((n, *values.shape[1:]))
    for some in row_chunks(n):
        result[some] = values[some if kept is None else kept[some]]
    return result


def beside(values: Array, constant: float) -> Array:
    """The same rows (n, d) with a constant as one more column."""
    result = empty((len(values), values.shape[1] + 1))
    for some in row_chunks(len(values)):
        result[some, :-1] = values[some]
        result[some, -1] = constant
    return result


def nonzero(values: npt.NDArray[Any]) -> IndexArray:
    """The numbers of the rows whose value (n,) is not 0."""
    count = sum(int(np.count_nonzero(values[some])) for some in row_chunks(len(values)))
    kept, at = empty((count,), np.intp), 0
    for some in row_chunks(len(values)):
        found = np.flatnonzero(values[some])
        kept[at : at + len(found)] = found + some.start
        at += len(found)
    return kept


def take_columns(values: Array, places: IndexArray) -> Array:
    """Columns of values (d, n) at some places, copied into memory."""
    return np.array([take_rows(row, places) for row in values]) if on_disk() else values[:, places]


def take_rows(values: npt.NDArray[Scalar], places: IndexArray, taken_bytes: int = TAKEN_BYTES) -> npt.NDArray[Scalar]:
    """Rows of values (n,) or (n, d) at some places, all of them valid, copied into memory.

    Each may map a folio of the file, and many do so faster than `_watch` looks: they are given back in between.
    """
    if not on_disk() or not len(places):
        return np.take(values, places, axis=0, mode="clip")
    mapped = min(FOLIO_BYTES, int(np.ptp(places)) * values.strides[0] // len(places) + 1)  # bytes for each place
    step = max(taken_bytes // mapped, 1)
    result = np.empty((len(places), *values.shape[1:]), values.dtype)
    for start in range(0, len(places), step):
        cut = slice(start, start + step)
        np.take(values, places[cut], axis=0, out=result[cut], mode="clip")
        if step < len(places):
            release()
    return result


def row_chunks(n: int, size: int = CHUNK_ROWS) -> Iterator[slice]:
    """Slices of n rows, short enough that temporary arrays take little memory."""
    return (slice(start, start + size) for start in range(0, n, size))


def cache_chunks(n: int, d: int) -> Iterator[slice]:
    """Slices of n rows of d numbers, short enough for a core's cache."""
    size = max(CACHE_NUMBERS // d, 1 << 8)
    return (slice(start, start + size) for start in range(0, n, size))


class MappedFile:
    """A file without a name in the temporary folder: it is gone when the process is, however that ends."""

    def __init__(self) -> None:
        try:
            self.folder = temporary_folder()
            with signals.uninterrupted():  # some file systems give every file a name, to be taken away again
                self._file = tempfile.TemporaryFile(buffering=0, dir=self.folder)  # noqa: SIM115 - until all is done
        except OSError as error:
            raise _refused(reason(error), os.environ.get("TMPDIR"), remedy(error)) from None
        weakref.finalize(self, self._file.close)  # where reading ends in an error

    def __enter__(self) -> MappedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def check_room(self, size: int) -> None:
        """Raise EmcliError, exit 5, where so many bytes would not fit on the disk."""
        disk = os.statvfs(self._file.fileno())
        available = disk.f_bavail * disk.f_frsize
        if size > available:
            what = f"it takes {shown(size)}, and {shown(available)} are free"
            raise _refused(what, self.folder)

    def reserve(self, size: int) -> None:
        """Allocate so many bytes: writing to a map for which the disk has no room ends the process by a signal."""
        self.check_room(size)
        try:
            os.posix_fallocate(self._file.fileno(), 0, size)
        except OSError as error:
            raise _refused(reason(error), self.folder) from None

    def append(self, rows: Array) -> None:
        """Write rows at the end."""
        left = np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise _refused(reason(error), self.folder) from None

    def as_array(self, shape: tuple[int, ...], dtype: np.dtype[Scalar]) -> npt.NDArray[Scalar]:
        """The file as an array, of which no more is resident than the limit allows."""
        try:
            mapped = mmap.mmap(self._file.fileno(), prod(shape) * dtype.itemsize)
        except OSError as error:
            raise _refused(reason(error), self.folder) from None
        watched = on_disk()
        _maps.add(mapped)
        if not watched:
            try:
                threading.Thread(target=_watch, daemon=True).start()
            except RuntimeError:
                _maps.discard(mapped)
                what = "no other thread can be started, to watch over the memory"
                raise _refused(what, hint="a higher `ulimit -u`, or a larger --memory") from None
        return np.frombuffer(mapped, dtype).reshape(shape)


class GrowingArray:
    """Rows that come in pieces, in an array that grows in place: joining pieces at the end would need twice the memory.

    Beyond the limit of memory the rows go to a file.
    """

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self.file: MappedFile | None = None
        self._room_bytes = room_bytes
        self._count = 0
        self._pieces = 0
        self._rows: Array = np.empty((0, 0))

    def append(self, piece: Array, expected: int = 0) -> None:
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
                self._rows = np.empty((max(end, expected or self._room_bytes // (8 * max(width, 1))), width))
                self._rows[: self._count] = first
            elif end > len(self._rows):
                self._rows.resize((end + end // 8, width), refcheck=False)
            self._rows[self._count : end] = piece
        self._count = end

    def rows(self) -> Array:
        """All rows; none can be added any more."""
        if self.file is not None:
            with self.file as file:
                return file.as_array((self._count, self._rows.shape[1]), np.dtype(np.float64))
        if self._pieces > 1:
            self._rows.resize((self._count, self._rows.shape[1]), refcheck=False)
        return self._rows


def release() -> None:
    """Unmap the pages of all arrays on disk: the files, which the system caches as it has room, keep what they hold."""
    for mapped in list(_maps):
        mapped.madvise(mmap.MADV_DONTNEED)


def _watch() -> None:
    """Release pages whenever more is resident than the limit allows, as long as there are arrays on disk.

    The system itself would count them as the program's until no memory is left at all.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    with ExitStack() as opened:
        statm = None
        with suppress(OSError):  # where nothing tells how much is resident, all is given back each time
            statm = opened.enter_context(open("/proc/self/statm", "rb", buffering=0))
        while on_disk():
            time.sleep(WATCH_SECONDS)
            if statm:
                statm.seek(0)
            if not statm or int(statm.read(100).split()[1]) * page > (_Memory.limit or 0) // 2 + PROGRAM_BYTES:
                release()


def _refused(what: str, folder: str | None = None, hint: str | None = None) -> EmcliError:
    hint = hint or "TMPDIR names another folder; a larger --memory needs less of it"
    return EmcliError(Exit.OUTPUT, Problem(f"cannot keep the table on disk: {what}", folder), hint=hint)
