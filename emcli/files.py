"""Files as the shell knows them: read whole, written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import IO, Any

from emcli.errors import EmcliError, Exit, Fault, quoted

LARGEST_TEXT = 1 << 28  # bytes of a document that is read whole


def read_text(path: str, exit_code: Exit) -> str:
    """The whole of a UTF-8 file, '-' for standard input. Raises EmcliError with that exit code."""
    shown = "<stdin>" if path == "-" else path
    try:
        if path == "-":
            raw = sys.stdin.buffer.read(LARGEST_TEXT + 1)
        else:
            with open(path, "rb") as file:
                raw = file.read(LARGEST_TEXT + 1)
    except (OSError, ValueError) as wrong:
        raise EmcliError(exit_code, Fault(why_unreadable(path, wrong), shown)) from None
    if len(raw) > LARGEST_TEXT:
        raise EmcliError(exit_code, Fault("larger than 256 MiB", shown))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = raw.count(b"\n", 0, wrong.start) + 1
        raise EmcliError(exit_code, Fault(f"not valid UTF-8 at byte {wrong.start}", shown, line)) from None


def why_unreadable(path: str, wrong: Exception) -> str:
    """The reason in words, with the nearest name in that folder where the file does not exist."""
    if not isinstance(wrong, OSError):
        return str(wrong).lower()
    if isinstance(wrong, FileNotFoundError):
        folder, name = os.path.split(path)
        try:
            close = get_close_matches(name, sorted(os.listdir(folder or "."))[:10000], n=1)
        except OSError:
            close = []
        return "no such file" + (f" (did you mean {quoted(os.path.join(folder, close[0]))}?)" if close else "")
    return "is a directory" if isinstance(wrong, IsADirectoryError) else (wrong.strerror or str(wrong)).lower()


class Output:
    """A file to be written whole: checked before the work, put in place by one rename after it.

    The old content stays until then; a link is followed, its target's mode kept; pipes and devices are written as
    streams. Raises EmcliError (exit 5).
    """

    def __init__(self, path: str, inputs: tuple[str, ...] = ()):
        self.path = path
        self._target = os.path.realpath(path)
        folder = os.path.dirname(self._target)
        try:
            self._mode: int | None = os.stat(self._target).st_mode
        except OSError:
            self._mode = None
        self._streamed = self._mode is not None and not stat.S_ISREG(self._mode) and not stat.S_ISDIR(self._mode)
        if not os.path.isdir(folder):
            raise self._fault(f"no such directory {quoted(os.path.dirname(path) or folder, 200)}")
        if self._mode is not None and stat.S_ISDIR(self._mode):
            raise self._fault("is a directory")
        if not os.access(self._target if self._streamed else folder, os.W_OK) or (
            self._mode is not None and not os.access(self._target, os.W_OK)
        ):
            raise self._fault("permission denied")
        for source in inputs:
            if source != "-" and self._mode is not None and not self._streamed and _same_file(self._target, source):
                raise EmcliError(Exit.USAGE, Fault(f"output would overwrite the input {quoted(source, 200)}"))

    def write(self, content: str | bytes) -> None:
        """Put the content in place, all of it or nothing."""
        with self.opened(isinstance(content, bytes)) as stream:
            stream.write(content)

    @contextmanager
    def opened(self, binary: bool = False) -> Iterator[IO[Any]]:
        """A stream whose whole content is put in place where the block ends without an exception."""
        try:
            if self._streamed:
                with open(self._target, **_mode(binary)) as stream:
                    yield stream
            else:
                with self._replaced(binary) as stream:
                    yield stream
        except OSError as wrong:
            raise self._fault((wrong.strerror or str(wrong)).lower()) from None

    @contextmanager
    def _replaced(self, binary: bool) -> Iterator[IO[Any]]:
        folder, name = os.path.split(self._target)
        handle, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".tmp", dir=folder)
        try:
            with os.fdopen(handle, **_mode(binary)) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask if self._mode is None else stat.S_IMODE(self._mode))
            os.replace(temporary, self._target)
        except BaseException:
            os.unlink(temporary)
            raise

    def _fault(self, what: str) -> EmcliError:
        return EmcliError(Exit.OUTPUT, Fault(f"cannot write: {what}", self.path))


def _mode(binary: bool) -> dict[str, Any]:
    return {"mode": "wb"} if binary else {"mode": "w", "encoding": "utf-8"}


def open_log(path: str) -> IO[str]:
    """A file to append whole lines to, emptied first; each line is flushed. Raises EmcliError (exit 5)."""
    try:
        return open(path, "w", encoding="utf-8", buffering=1)
    except OSError as wrong:
        what = (
            f"no such directory {quoted(os.path.dirname(path), 200)}"
            if isinstance(wrong, FileNotFoundError)
            else (wrong.strerror or str(wrong)).lower()
        )
        raise EmcliError(Exit.OUTPUT, Fault(f"cannot write: {what}", path)) from None


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
