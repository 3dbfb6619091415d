"""Files and standard streams: inputs read whole, outputs written whole or not at all."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import combinations, islice
from typing import BinaryIO, TextIO

from emcli.errors import EmcliError, Exit, Problem, quoted, suggestion

DEVICE_FOLDERS = ("/dev/", "/proc/")


def shown_name(path: str) -> str:
    """The name of a file, or of standard input (`-`), in messages."""
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
    if isinstance(wrong, FileNotFoundError):
        folder, base = os.path.split(path)
        return f"no such file{suggestion(base, _siblings(folder))}"
    return reason(wrong)


def reason(error: Exception) -> str:
    """The system's message for an error, in lower case, for the middle of a sentence."""
    if not isinstance(error, OSError):  # a NUL, or a character that the file system cannot encode
        return "not a possible file name"
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
        with _reported(path):
            self._mode = _checked_mode(path, inputs)
            self._target = _real_path(path)
            # What a link such as /dev/stdout leads to has no place of its own to be renamed to.
            on_device = any(place.startswith(DEVICE_FOLDERS) for place in (self._target, os.path.abspath(path)))
            self._streamed = self._mode is not None and (on_device or not stat.S_ISREG(self._mode))
            if not self._streamed:  # whether a file can be made beside the target is best found out by making one
                temporary = _name_beside(self._target)
                try:
                    open(temporary, "xb").close()
                finally:
                    _remove(temporary)

    def write(self, content: str | bytes) -> None:
        """Put the content in place, all of it or nothing."""
        with self.staged(content):
            pass

    @contextmanager
    def staged(self, content: str | bytes) -> Iterator[None]:
        """Have it safe on disk before the block, and put it in place where that ends without an exception."""
        raw = content.encode() if isinstance(content, str) else content
        with self._opened() as stream:
            if not self._streamed:
                stream.write(raw)
                _sync(stream)
            try:
                yield
            except BrokenPipeError:
                raise
            except OSError as wrong:  # of standard output, not of this file
                raise EmcliError(Exit.OUTPUT, f"cannot write the result: {reason(wrong)}") from None
            if self._streamed:
                stream.write(raw)

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
                    yield stream
                return
            with _replacing(self._target) as temporary, open(temporary, "xb") as file:
                if self._mode is not None:
                    os.fchmod(file.fileno(), stat.S_IMODE(self._mode))
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
        if self._file is not None:
            with self._file as file:
                _sync(file)
            self._file = None


@contextmanager
def open_log(path: str, inputs: Sequence[str] = ()) -> Iterator[TextIO]:
    """A file to append whole lines to, emptied first. Raises EmcliError: exit 5, or 2 where it is an input."""
    with _reported(path):
        _checked_mode(path, inputs)
        with open(path, "w", encoding="utf-8", buffering=1) as stream:
            yield stream


@contextmanager
def _reported(path: str) -> Iterator[None]:
    """What goes wrong with an output, as the one error (exit 5); that nobody reads a pipe goes on as it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as wrong:
        raise EmcliError(Exit.OUTPUT, Problem(f"cannot write: {reason(wrong)}", path or "''")) from None


@contextmanager
def _replacing(target: str) -> Iterator[str]:
    """A name beside the target: what is made there takes the target's place where the block ends well, else it goes."""
    temporary = _name_beside(target)  # known before anything is made, so that no signal leaves it behind
    try:
        yield temporary
        os.replace(temporary, target)
    except BaseException:
        _remove(temporary)
        raise


def _real_path(path: str) -> str:
    """The path that links lead to. Raises OSError for what is not a possible file name."""
    try:
        return os.path.realpath(path)
    except ValueError as wrong:
        raise OSError(0, reason(wrong)) from None


def _name_beside(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{os.fsdecode(os.fsencode(name)[:200])}.{os.urandom(6).hex()}.tmp")


def _remove(temporary: str) -> None:
    """Remove a file or a folder of files, where it is there."""
    with suppress(OSError):
        if os.path.isdir(temporary):
            for name in os.listdir(temporary):
                os.unlink(os.path.join(temporary, name))
            os.rmdir(temporary)
        else:
            os.unlink(temporary)


def _checked_mode(path: str, inputs: Sequence[str]) -> int | None:
    """The mode of what is there, None for nothing: a file that may be written, or a place where one may be made."""
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
    for source in inputs:
        if stat.S_ISREG(there.st_mode) and _is_same(there, source):
            raise EmcliError(Exit.USAGE, Problem(f"output would overwrite the input {quoted(shown_name(source), 200)}"))
    return there.st_mode


def check_endless(inputs: Sequence[str]) -> None:
    """Refuse to read the very file that standard output is appended to, which would never end."""
    with suppress(OSError):
        there = os.fstat(1)
        for source in inputs:
            if stat.S_ISREG(there.st_mode) and _is_same(there, source):
                raise EmcliError(Exit.USAGE, Problem(f"the input {quoted(shown_name(source), 200)} is also the output"))


def check_shared(json: bool, output: str | None, trace: str | None, plot: str | None) -> None:
    """Refuse two results that would be written to one place; --json and -o write the same one."""
    places = {"--json": "-" if json else None, "-o": output, "--trace": trace, "--plot": plot}
    given = [(flag, path) for flag, path in places.items() if path]
    for (one, path), (other, second) in combinations(given, 2):
        if os.path.realpath(path) == os.path.realpath(second) and (one, other) != ("--json", "-o"):
            if path == "-":
                one, other = (flag if flag == "--json" else f"{flag} -" for flag in (one, other))
            where = "standard output" if path == "-" else quoted(second, 200)
            raise EmcliError(Exit.USAGE, f"{one} and {other} would both be written to {where}")


def check_twice(*sources: str | None) -> None:
    """Refuse standard input for more than one thing."""
    if sources.count("-") > 1:
        raise EmcliError(Exit.USAGE, "standard input (-) can be only one of the inputs")


def _is_same(there: os.stat_result, source: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.samestat(there, os.fstat(0) if source == "-" else os.stat(source))
    return False


def _sync(stream: BinaryIO | TextIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
