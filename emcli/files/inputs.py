"""Inputs read whole, standard input, and the register of what is read, which every output asks."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from itertools import islice
from typing import BinaryIO

from emcli.errors import EmcliError, Exit, Problem, quoted, suggestion

_inputs: dict[tuple[int, int], str] = {}  # the files that this run reads, by device and inode, and how they were named


def will_read(*sources: str) -> None:
    """Register inputs, `-` for standard input: no output can be one of them, whatever name or link it goes by."""
    for source in sources:
        with suppress(OSError, ValueError):
            there = os.fstat(0) if source == "-" else os.stat(source)
            if stat.S_ISREG(there.st_mode):
                _inputs.setdefault((there.st_dev, there.st_ino), shown_name(source))


def forget_inputs() -> None:
    """Begin a run that has read nothing yet."""
    _inputs.clear()


def refuse_input(there: os.stat_result) -> None:
    """Raise EmcliError (exit 2) for a file that is an input."""
    if name := _inputs.get((there.st_dev, there.st_ino)):
        raise EmcliError(Exit.USAGE, Problem(f"output would overwrite the input {quoted(name, 200)}"))


def check_standard_output() -> None:
    """Raise EmcliError (exit 2) where standard output is appended to a file that is read."""
    with suppress(OSError):
        refuse_input(os.fstat(1))


def shown_name(path: str) -> str:
    """The name of a file, or of standard input (`-`), in messages."""
    return "<stdin>" if path == "-" else path or "''"


def name_in_results(path: str) -> str:
    """A path as typed if relative, its base name if absolute: results name no folder of a machine."""
    return os.path.basename(path) if os.path.isabs(path) else path


def read_bytes(path: str, exit_code: Exit, limit: int) -> bytes:
    """All of a file or of standard input (`-`), of no more than `limit` bytes. Raises EmcliError with that code."""
    name = shown_name(path)
    will_read(path)
    try:
        if path == "-":
            raw = standard_input(exit_code).read(limit + 1)
        else:
            with open(path, "rb") as file:
                raw = file.read(limit + 1)
    except (OSError, ValueError) as wrong:
        hint = remedy(wrong) if isinstance(wrong, OSError) else None
        raise EmcliError(exit_code, Problem(why_unreadable(path, wrong), name), hint=hint) from None
    if len(raw) > limit:
        raise EmcliError(exit_code, Problem(f"larger than {limit >> 20} MiB", name))
    return raw


def refuse_missing(path: str) -> None:
    """Raise EmcliError (exit 3) for data that are not there."""
    try:
        if path != "-":
            os.stat(path)
    except FileNotFoundError as wrong:
        raise EmcliError(Exit.DATA, Problem(why_unreadable(path, wrong), shown_name(path))) from None
    except (OSError, ValueError):  # what else is wrong shows when it is read
        pass


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


def remedy(error: OSError) -> str | None:
    """A hint for an error of the system that has nothing to do with the file."""
    return "a higher `ulimit -n` allows more of them" if error.errno == errno.EMFILE else None


def _siblings(folder: str) -> list[str]:
    with suppress(OSError), os.scandir(folder or ".") as entries:
        return sorted(entry.name for entry in islice(entries, 1000))
    return []
