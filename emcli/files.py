"""Files as the shell knows them: read whole, written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import IO, Any, BinaryIO

from emcli.errors import EmcliError, Exit, Problem, quoted, suggestion

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def shown_name(path: str) -> str:
    """How messages call a file, or standard input (`-`)."""
    return "<stdin>" if path == "-" else path or "''"


def read_bytes(path: str, exit_code: Exit, limit: int) -> bytes:
    """All of a file or of standard input (`-`), of no more than `limit` bytes. Raises EmcliError with that code."""
    name = shown_name(path)
    try:
        if path == "-":
            raw = standard_input(exit_code).read(limit + 1)
        else:
            with open(path, "rb") as file:
                raw = file.read(limit + 1)
    except (OSError, ValueError) as wrong:
        raise EmcliError(exit_code, Problem(why_unreadable(path, wrong), name)) from None
    if len(raw) > limit:
        raise EmcliError(exit_code, Problem(f"larger than {limit >> 20} MiB", name))
    return raw


def standard_input(exit_code: Exit) -> BinaryIO:
    """The bytes of standard input. Raises EmcliError where it is closed."""
    if sys.stdin is None or sys.stdin.closed:
        raise EmcliError(exit_code, Problem("standard input is closed", "<stdin>"))
    return sys.stdin.buffer


def why_unreadable(path: str, wrong: Exception) -> str:
    """The reason in words, with the nearest name in that folder where the file does not exist."""
    if not isinstance(wrong, OSError):  # a NUL, or a character that the file system cannot encode
        return "not a possible file name"
    if isinstance(wrong, FileNotFoundError):
        folder, base = os.path.split(path)
        return f"no such file{suggestion(base, _siblings(folder))}"
    return reason(wrong)


def reason(error: OSError) -> str:
    """What the system says, in the middle of a sentence."""
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


def _siblings(folder: str) -> list[str]:
    with suppress(OSError), os.scandir(folder or ".") as entries:
        return sorted(entry.name for entry in islice(entries, 1000))
    return []


class Output:
    """A file to be written whole: checked before the work, put in place by one rename after it.

    The old content stays until then; a link is followed, its target's mode kept; pipes and devices are written as
    streams. Raises EmcliError: exit 5 where it cannot be written, 2 where it is an input.
    """

    def __init__(self, path: str, inputs: Sequence[str] = ()):
        self.path = path
        try:
            self._mode = _checked(path, inputs)
            self._target = os.path.realpath(path)
            # What a link such as /dev/stdout leads to has no place of its own to be renamed to.
            self._streamed = self._mode is not None and (
                not stat.S_ISREG(self._mode) or self._target.startswith(("/dev/", "/proc/")) or _is_descriptor(path)
            )
            if not self._streamed:
                self._try_folder()
        except (OSError, ValueError) as wrong:
            raise _unwritable(path, wrong) from None

    def write(self, content: str | bytes) -> None:
        """Put the content in place, all of it or nothing."""
        with self.staged(content):
            pass

    @contextmanager
    def staged(self, content: str | bytes) -> Iterator[None]:
        """Have it safe on disk before the block, and put it in place where that ends without an exception."""
        with self.opened(isinstance(content, bytes)) as stream:
            if not self._streamed:
                stream.write(content)
                _sync(stream)
            try:
                yield
            except BrokenPipeError:
                raise
            except OSError as wrong:  # of standard output, not of this file
                raise EmcliError(Exit.OUTPUT, f"cannot write the result: {reason(wrong)}") from None
            if self._streamed:
                stream.write(content)

    @contextmanager
    def opened(self, binary: bool = False) -> Iterator[IO[Any]]:
        """A stream whose whole content is put in place where the block ends without an exception."""
        try:
            with self._appended(binary) if self._streamed else self._replaced(binary) as stream:
                yield stream
        except BrokenPipeError:
            raise
        except OSError as wrong:
            raise _unwritable(self.path, wrong) from None

    @contextmanager
    def _appended(self, binary: bool) -> Iterator[IO[Any]]:
        with open(self.path, **_mode("a", binary)) as stream:
            yield stream

    @contextmanager
    def _replaced(self, binary: bool) -> Iterator[IO[Any]]:
        temporary = self._temporary()
        try:
            with open(os.open(temporary, _NEW, 0o666), **_mode("w", binary)) as file:
                if self._mode is not None:
                    os.fchmod(file.fileno(), stat.S_IMODE(self._mode))
                yield file
                _sync(file)
            os.replace(temporary, self._target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def _try_folder(self) -> None:
        """Whether a file can be made beside the target is best found out by making one."""
        temporary = self._temporary()
        try:
            os.close(os.open(temporary, _NEW, 0o666))
        finally:
            with suppress(OSError):
                os.unlink(temporary)

    def _temporary(self) -> str:
        """A name to use before the file is made, so that no signal between the two can leave it behind."""
        folder, name = os.path.split(self._target)
        return os.path.join(folder, f".{os.fsdecode(os.fsencode(name)[:200])}.{os.urandom(6).hex()}.tmp")


class OutputFolder:
    """A folder of files to be written whole: made beside its place, and put there by one rename after the work.

    Raises EmcliError, exit 5, where it cannot be written or something is there already.
    """

    def __init__(self, path: str):
        self.path = path
        self._target = os.path.realpath(path)
        folder, name = os.path.split(self._target)
        self._temporary = os.path.join(folder, f".{os.fsdecode(os.fsencode(name)[:200])}.{os.urandom(6).hex()}.tmp")
        self._file: IO[str] | None = None

    @contextmanager
    def opened(self) -> Iterator[OutputFolder]:
        """Put all files in place where the block ends without an exception."""
        try:
            if os.path.lexists(self.path) and (not os.path.isdir(self._target) or os.listdir(self._target)):
                raise FileExistsError(0, "there is something already, and parts go to a new or empty folder")
            try:
                os.mkdir(self._temporary)
                yield self
                self._close()
                os.replace(self._temporary, self._target)
            except BaseException:
                self._discard()
                raise
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as wrong:
            raise _unwritable(self.path, wrong) from None

    def next(self, name: str) -> IO[str]:
        """The next file of the folder; those before are done."""
        self._close()
        try:
            place = os.open(os.path.join(self._temporary, name), _NEW, 0o666)
        except FileExistsError:
            raise EmcliError(Exit.OUTPUT, Problem(f"two parts would be written to {quoted(name)}", self.path)) from None
        self._file = open(place, **_mode("w", False))  # noqa: SIM115 - closed when the next one begins
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            with self._file as file:
                _sync(file)
            self._file = None

    def _discard(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        with suppress(OSError):
            for name in os.listdir(self._temporary):
                os.unlink(os.path.join(self._temporary, name))
            os.rmdir(self._temporary)


def _mode(mode: str, binary: bool) -> dict[str, Any]:
    return {"mode": f"{mode}b"} if binary else {"mode": mode, "encoding": "utf-8"}


@contextmanager
def open_log(path: str, inputs: Sequence[str] = ()) -> Iterator[IO[str]]:
    """A file to append whole lines to, emptied first. Raises EmcliError: exit 5, or 2 where it is an input."""
    try:
        _checked(path, inputs)
        with open(path, "w", encoding="utf-8", buffering=1) as stream:
            yield stream
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as wrong:
        raise _unwritable(path, wrong) from None


def _checked(path: str, inputs: Sequence[str]) -> int | None:
    """The mode of what is there, None for nothing: a file that may be written, or a place where one may be made."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        folder = os.path.dirname(os.path.realpath(path))
        if not path or not os.path.isdir(folder):
            raise FileNotFoundError(0, f"no such directory {quoted(os.path.dirname(path) or folder, 200)}") from None
        if path.endswith("/"):
            raise IsADirectoryError(0, "is a directory") from None
        return None
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(0, "is a directory")
    if not os.access(path, os.W_OK):
        raise PermissionError(0, "permission denied")
    for source in inputs:
        if stat.S_ISREG(there.st_mode) and _is_same(there, source):
            raise EmcliError(Exit.USAGE, Problem(f"output would overwrite the input {quoted(shown_name(source), 200)}"))
    return there.st_mode


def refuse_endless(inputs: Sequence[str]) -> None:
    """Refuse to read the very file that standard output is appended to, which would never end."""
    with suppress(OSError):
        there = os.fstat(1)
        for source in inputs:
            if stat.S_ISREG(there.st_mode) and _is_same(there, source):
                raise EmcliError(Exit.USAGE, Problem(f"the input {quoted(shown_name(source), 200)} is also the output"))


def refuse_shared(json: bool, output: str | None, trace: str | None) -> None:
    """Refuse two results that would be written to one place."""
    if json and trace == "-":
        raise EmcliError(Exit.USAGE, "--json and --trace - would both be written to standard output")
    if output and trace and os.path.realpath(output) == os.path.realpath(trace):
        raise EmcliError(Exit.USAGE, f"-o and --trace would both be written to {quoted(output)}")


def refuse_twice(*sources: str | None) -> None:
    """Refuse standard input for more than one thing."""
    if sources.count("-") > 1:
        raise EmcliError(Exit.USAGE, "standard input (-) can be only one of the inputs")


def _is_same(there: os.stat_result, source: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.samestat(there, os.fstat(0) if source == "-" else os.stat(source))
    return False


def _is_descriptor(path: str) -> bool:
    return os.path.abspath(path).startswith(("/dev/", "/proc/"))


def _sync(stream: IO[str]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _unwritable(path: str, wrong: OSError | ValueError) -> EmcliError:
    what = reason(wrong) if isinstance(wrong, OSError) else "not a possible file name"
    return EmcliError(Exit.OUTPUT, Problem(f"cannot write: {what}", path or "''"))
