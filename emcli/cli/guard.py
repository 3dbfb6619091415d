"""How the program ends: an exit code and a line for each error, and a signal's own end, as a shell expects."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from emcli.errors import MAX_LINE, EmcliError, Exit, FitWarning, escaped, quoted
from emcli.files import signals
from emcli.files.inputs import reason, remedy

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)  # of open files, memory, processes
COLOURS = {"error": "1;31", "warning": "33"}  # bold red, yellow


class _StandardOutput(io.FileIO):
    """Standard output that tells when something is written to it, which a signal cannot undo any more."""

    def __init__(self, before: io.TextIOWrapper) -> None:
        super().__init__(before.fileno(), "w", closefd=False)
        self.before = before  # it would close the file if nobody held it

    def write(self, data: ReadableBuffer, /) -> int:
        signals.will_say()
        return super().write(data)


class _ClosedStream(io.RawIOBase):
    """Stands for standard output where that is closed; every write fails."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(errno.EBADF, "standard output is closed")


def guarded(work: Callable[[], int], debug: bool) -> int:
    """Run the program; return its exit code, or die by the signal that ended it. Never a traceback unless `debug`."""
    signals.take_over()
    hooks = sys.unraisablehook, threading.excepthook
    if not debug:  # what libraries cannot raise
        sys.unraisablehook = threading.excepthook = _ignore
    try:
        _occupy_standard_streams()
        code = work()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        signals.die(signal.SIGPIPE)
    except Exception as error:
        if debug:
            _say(*_traceback(error))
        said = _as_emcli_error(error)
        try:
            if said.exit_code != Exit.OUTPUT:
                sys.stdout.flush()  # whole lines that a stream has written stay
        except OSError as unwritten:
            said = _as_emcli_error(unwritten)
        _say(*said.lines())
        if said.exit_code == Exit.OUTPUT:
            _silence(1)
        return said.exit_code
    finally:
        signals.give_back()
        sys.unraisablehook, threading.excepthook = hooks


def _ignore(unraised: object) -> None:
    """Say nothing of an error that nobody can raise."""


def _as_emcli_error(error: Exception) -> EmcliError:
    """Any error as one that a user can understand."""
    if isinstance(error, EmcliError):
        return error
    if isinstance(error, MemoryError):
        size = str(error).lower().removeprefix("unable to allocate ")
        return EmcliError(Exit.DATA, f"not enough memory{size and f' for {size}'}")
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return EmcliError(Exit.DATA, "no other thread can be started", hint="a higher `ulimit -u`, or more memory")
    if isinstance(error, UnicodeEncodeError):
        what = f"cannot write the result: {error.encoding} has no {error.object[error.start]!a}"
        return EmcliError(Exit.OUTPUT, what, hint="PYTHONUTF8=1, or -o FILE")
    if isinstance(error, OSError) and error.errno in SHORTAGES:
        return EmcliError(Exit.DATA, f"the system refuses: {reason(error)}", hint=remedy(error))
    if isinstance(error, OSError):
        return EmcliError(Exit.OUTPUT, f"cannot write the result: {reason(error)}")
    what = f"internal error ({type(error).__name__}: {quoted(error, 200)})"
    return EmcliError(Exit.BUG, what, hint="please report it, with the output of --debug")


def _traceback(error: BaseException) -> list[str]:
    """Where an error was raised, and those that it came of: lines of the program, without what they say of the data."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = [*_traceback(cause), "which led to"] if cause is not None else ["Traceback (most recent call last):"]
    frames = "".join(traceback.format_tb(error.__traceback__)).splitlines()
    return [*before, *frames, f"{type(error).__module__}.{type(error).__qualname__}"]


def warn(*warnings: FitWarning) -> None:
    """Warnings on standard error."""
    _say(*(f"emcli: warning: {each.message} [{each.slug}]" for each in warnings))


def note(*messages: str) -> None:
    """Decisions that -v shows."""
    _say(*(f"emcli: {message}" for message in messages))


def _occupy_standard_streams() -> None:
    """Open /dev/null for each standard stream that is closed, so that no other file takes its number; watch output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    out = sys.stdout
    if out is None:
        sys.stdout = io.TextIOWrapper(_ClosedStream(), encoding="utf-8")
    elif isinstance(out, io.TextIOWrapper) and isinstance(getattr(out.buffer, "raw", out.buffer), io.FileIO):
        raw = _StandardOutput(out)
        whole = raw if isinstance(out.buffer, io.RawIOBase) else io.BufferedWriter(raw)  # raw: python -u
        sys.stdout = io.TextIOWrapper(whole, out.encoding, out.errors, None, out.line_buffering, out.write_through)


def _silence(descriptor: int) -> None:
    """Redirect a standard stream to nowhere, so that nothing is written to it any more, not even at exit."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _say(*lines: str) -> None:
    """The one writer to standard error: whatever a message quotes, it stays one line of printable characters.

    A terminal shows it wrapped at words, and in colour what kind of message it is.
    """
    try:
        for line in lines:
            sys.stderr.write(_shown(escaped(line, MAX_LINE), sys.stderr) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        _silence(2)  # a result is not lost because nobody can hear


def _shown(line: str, stream: IO[str]) -> str:
    """A message as the stream shows it."""
    from emcli.output.terminal import columns, is_terminal, takes_colour, wrapped

    if is_terminal(stream) and line.startswith(("emcli:", "  hint:")):
        line = "\n".join(wrapped(line, columns(stream)))
    if takes_colour(stream):
        for kind, colour in COLOURS.items():
            if line.startswith(f"emcli: {kind}:"):
                return line.replace(f"{kind}:", f"\x1b[{colour}m{kind}:\x1b[0m", 1)
    return line
