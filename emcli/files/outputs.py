"""Outputs written whole or not at all, and never over an input."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import BinaryIO, TextIO

from emcli.errors import EmcliError, Exit, Problem, quoted
from emcli.files import signals
from emcli.files.inputs import reason, refuse_input, remedy

DESCRIPTOR_FOLDERS = ("/proc/", "/dev/fd/")  # what is there is a file that somebody has open already


class Output:
    """A file to be written whole: checked before the work, put in place by one rename after it.

    The old content stays until then, and under other names (hard links) for ever; a link is followed; the rights of
    what was there are kept; pipes, devices and what is open already are written as streams.
    Raises EmcliError: exit 5 where it cannot be written, 2 where it is an input.
    """

    def __init__(self, path: str):
        self.path = path
        with _reported(path):
            there = self._there = _checked(path)
            self._target = _real_path(path)
            self._streamed = there is not None and _is_stream(path, there)
            if not self._streamed:  # whether a file can be made beside the target is best found out by making one
                with _temporary(self._target) as name:
                    open(name, "xb").close()

    def write(self, content: str | bytes) -> None:
        """Put the content in place, all of it or nothing."""
        with self._opened() as stream:
            stream.write(content.encode() if isinstance(content, str) else content)

    @contextmanager
    def staged(self, content: str | bytes) -> Iterator[None]:
        """Put it in place before the block, which says the result, and put back what was there where that fails."""
        raw = content.encode() if isinstance(content, str) else content
        if self._streamed:
            with self._opened() as stream:
                with _reported(None):
                    yield
                stream.write(raw)
            return
        said, ours = signals.times_said(), None

        def put_back() -> None:
            if ours and os.path.samestat(os.stat(self._target), ours):  # not what somebody else has put there since
                os.replace(old, self._target) if os.path.exists(old) else os.unlink(self._target)

        def put_back_unsaid() -> None:
            if said == signals.times_said():
                put_back()

        with _temporary(self._target) as old:
            with _reported(self.path), suppress(FileNotFoundError):
                _copy(self._target, old)
            with signals.undone(put_back_unsaid):
                try:
                    with self._opened() as stream:
                        stream.write(raw)
                        ours = os.fstat(stream.fileno())
                    with _reported(None):
                        yield
                except BaseException:
                    with suppress(OSError):
                        put_back()
                    raise

    @contextmanager
    def opened(self) -> Iterator[TextIO]:
        """A stream whose whole text is put in place where the block ends without an exception."""
        with self._opened() as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8")
            try:
                yield text
                text.flush()
            finally:
                with suppress(OSError):
                    text.detach()

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with _reported(self.path):
            if self._streamed:
                with open(self.path, "ab") as stream:
                    signals.will_write()
                    yield stream
                return
            there = self._there  # nobody else reads what comes until it has the rights of what was there
            with suppress(FileNotFoundError):
                there = os.stat(self._target)
            opener = partial(os.open, mode=0o600 if there else 0o666)
            with _replacing(self._target) as temporary, open(temporary, "xb", opener=opener) as file:
                if there:
                    _keep_rights(there, self._target, file.fileno())
                yield file
                _sync(file)


class OutputFolder:
    """A folder of files to be written whole: made beside its place, and put there by one rename after the work.

    Raises EmcliError, exit 5, where it cannot be written or something is there already.
    """

    def __init__(self, path: str):
        self.path = path
        with _reported(path):
            self._target = _real_path(path)
        self._folder = ""
        self._file: TextIO | None = None

    @contextmanager
    def opened(self) -> Iterator[OutputFolder]:
        """Put all files in place where the block ends without an exception."""
        with _reported(self.path):
            if os.path.lexists(self.path) and (not os.path.isdir(self._target) or os.listdir(self._target)):
                raise FileExistsError(0, "there is something already, and parts go to a new or empty folder")
            with _replacing(self._target) as self._folder:
                os.mkdir(self._folder)
                try:
                    yield self
                finally:
                    self._close()

    def next(self, name: str) -> TextIO:
        """Open the next file of the folder, and finish the one before."""
        self._close()
        try:
            self._file = open(os.path.join(self._folder, name), "x", encoding="utf-8")  # noqa: SIM115 - until the next
        except FileExistsError:
            what = f"two parts would be written to {quoted(name)}"
            raise EmcliError(Exit.OUTPUT, Problem(what, self.path)) from None
        return self._file

    def _close(self) -> None:
        last, self._file = self._file, None  # once, whatever comes of it
        if last is not None:
            with last:
                _sync(last)


def temporary_folder() -> str:
    """The folder of temporary files: what TMPDIR names and no other, else the system's."""
    return os.environ.get("TMPDIR") or tempfile.gettempdir()


@contextmanager
def open_log(path: str) -> Iterator[TextIO]:
    """A file to append whole lines to, emptied first. Raises EmcliError: exit 5, or 2 where it is an input."""
    with _reported(path):
        _checked(path)
        signals.will_write()
        with open(path, "w", encoding="utf-8", buffering=1) as stream:
            yield stream


@contextmanager
def _reported(path: str | None) -> Iterator[None]:
    """What goes wrong with an output (None: standard output) as the one error (exit 5), unless nobody reads a pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as wrong:
        what = f"cannot write{' the result' if path is None else ''}: {reason(wrong)}"
        file = None if path is None else path or "''"
        raise EmcliError(Exit.OUTPUT, Problem(what, file), hint=remedy(wrong)) from None


def _keep_rights(there: os.stat_result, path: str, descriptor: int) -> None:
    """Give an open file the owner, group, mode and extended attributes (with access lists) that a file of a path has.

    Where the system does not allow a group to be kept, nobody gains a right: the new one may do what all others may.
    """
    for owner, group in ((there.st_uid, -1), (-1, there.st_gid)):
        with suppress(OSError):
            os.fchown(descriptor, owner, group)
    made, mode = os.fstat(descriptor), stat.S_IMODE(there.st_mode)
    if (made.st_uid, made.st_gid) != (there.st_uid, there.st_gid):
        mode &= 0o777
    if made.st_gid != there.st_gid:
        mode &= ~stat.S_IRWXG | mode << 3
    elif hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(path):
                with suppress(OSError):
                    os.setxattr(descriptor, name, os.getxattr(path, name))
    os.fchmod(descriptor, mode)


def _copy(path: str, name: str) -> None:
    """Give a file a second name, or a copy where the file system has no such names. Raises OSError."""
    try:
        os.link(path, name)
    except OSError:
        shutil.copy2(path, name)


@contextmanager
def _replacing(target: str) -> Iterator[str]:
    """A name beside the target: what is made there takes the target's place where the block ends well, else it goes."""
    with _temporary(target) as name:
        yield name
        with suppress(FileNotFoundError):
            refuse_input(os.stat(target))  # once more: what was read since then is known only now
        signals.will_write()
        os.replace(name, target)


@contextmanager
def _temporary(target: str) -> Iterator[str]:
    """A name beside the target for a file or folder that is gone at the end, also where a signal is the end."""
    folder, last = os.path.split(target)
    name = os.path.join(folder, f".{os.fsdecode(os.fsencode(last)[:200])}.{os.urandom(6).hex()}.tmp")
    with signals.undone(lambda: _remove(name)):
        try:
            yield name
        finally:
            _remove(name)


def _real_path(path: str) -> str:
    """The path that links lead to. Raises OSError for what is not a possible file name."""
    try:
        return os.path.realpath(path)
    except ValueError as wrong:
        raise OSError(0, reason(wrong)) from None


def _remove(temporary: str) -> None:
    """Remove a file or a folder of files, where it is there."""
    with suppress(OSError):
        if not os.path.isdir(temporary) or os.path.islink(temporary):
            os.unlink(temporary)
            return
        try:
            shutil.rmtree(temporary)
        except OSError:  # it opens the folder, which may be what the system refuses
            for name in os.listdir(temporary):
                os.unlink(os.path.join(temporary, name))
            os.rmdir(temporary)


def _checked(path: str) -> os.stat_result | None:
    """What is there, None for nothing: a file that may be written, or a place where one may be made."""
    folder = os.path.dirname(_real_path(path))
    try:
        there = os.stat(path)
    except FileNotFoundError:
        if not path or not os.path.isdir(folder):
            raise FileNotFoundError(0, f"no such directory {quoted(os.path.dirname(path) or folder, 200)}") from None
        if path.endswith("/"):
            raise IsADirectoryError(0, "is a directory") from None
        return None
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(0, "is a directory")
    if not os.access(path, os.W_OK):
        raise PermissionError(0, "permission denied")
    refuse_input(there)
    return there


def _is_stream(path: str, there: os.stat_result) -> bool:
    """Is it a pipe, a device, or open already, as /dev/stdout is: nothing that a rename could put in place?"""
    if not stat.S_ISREG(there.st_mode):
        return True
    folder = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(path))), "")
    if folder.startswith(DESCRIPTOR_FOLDERS):
        return True
    for standard in (1, 2):
        with suppress(OSError):
            if os.path.samestat(there, os.fstat(standard)):
                return True
    return False


def _sync(stream: BinaryIO | TextIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
