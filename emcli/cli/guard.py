"""The one guard around the program: every way to end, as the shell expects it."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from emcli.errors import EmcliError, Exit, escaped, quoted

if TYPE_CHECKING:
    from types import FrameType

FATAL = {signal.SIGTERM: "terminated", signal.SIGHUP: "hung up", signal.SIGINT: "interrupted"}

_LONGEST = 4000  # characters of a line


class SignalReceived(BaseException):
    """A signal came: unwind, clean up, and die by it."""

    def __init__(self, number: int):
        self.number = signal.Signals(number)
        super().__init__(self.number.name)


class _Closed(io.RawIOBase):
    """Standard output where there is none."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(errno.EBADF, "standard output is closed")


def guarded(work: Callable[[], int], debug: bool) -> int:
    """Run the program; return its exit code, or die by the signal that ended it. Never a traceback unless `debug`."""
    for number in FATAL:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise_killed)
    sys.unraisablehook = _die_if_killed
    try:
        _occupy_standard_streams()
        code = work()
        sys.stdout.flush()
        return code
    except SignalReceived as killed:
        _say(f"emcli: {FATAL[killed.number]}; nothing written")
        return _die(killed.number)
    except BrokenPipeError:
        return _die(signal.SIGPIPE)
    except Exception as error:
        if debug:
            traceback.print_exc()
        code, lines = _told(error)
        try:
            if code != Exit.OUTPUT:
                sys.stdout.flush()  # whole lines that a stream has written stay
        except OSError as unwritten:
            code, lines = _told(unwritten)
        _say(*lines)
        if code == Exit.OUTPUT:
            _forget(1)
        return code


def _told(error: Exception) -> tuple[int, list[str]]:
    """The exit code and the lines that an error ends with."""
    if isinstance(error, EmcliError):
        return error.exit_code, error.lines()
    if isinstance(error, MemoryError):
        said = str(error).lower().removeprefix("unable to allocate ")
        return Exit.DATA, [f"emcli: error: not enough memory{said and f' for {said}'}"]
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return Exit.DATA, ["emcli: error: not enough memory to start another thread", "  hint: --jobs 1 needs none"]
    if isinstance(error, UnicodeEncodeError):
        what = f"{error.encoding} has no {error.object[error.start]!a}"
        return Exit.OUTPUT, [f"emcli: error: cannot write the result: {what}", "  hint: PYTHONUTF8=1, or -o FILE"]
    if isinstance(error, OSError):
        said = (error.strerror or str(error)).lower()
        return Exit.OUTPUT, [f"emcli: error: cannot write the result: {said}"]
    said = f"emcli: error: a bug: {type(error).__name__}: {quoted(error, 200)}"
    return Exit.BUG, [said, "  hint: please report it, with what --debug prints"]


def warn(slug: str, message: str) -> None:
    """A warning on standard error."""
    _say(f"emcli: warning: {message} [{slug}]")


def note(message: str) -> None:
    """A decision that -v shows."""
    _say(f"emcli: {message}")


def _occupy_standard_streams() -> None:
    """No file that is opened may take the number of a standard stream."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(_Closed(), encoding="utf-8")


def _raise_killed(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the program at once
    raise SignalReceived(number)


def _die_if_killed(ignored: sys.UnraisableHookArgs) -> None:
    """A signal that came where Python cannot raise an exception still ends the program."""
    if isinstance(ignored.exc_value, SignalReceived):
        _die(ignored.exc_value.number)


def _die(number: signal.Signals) -> int:
    _forget(1)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number  # only where the signal is blocked


def _forget(descriptor: int) -> None:
    """Nothing more goes to a standard stream, not even at exit."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _say(*lines: str) -> None:
    """The one writer to standard error: whatever a message quotes, it stays one line of printable characters."""
    try:
        for line in lines:
            sys.stderr.write(escaped(line, _LONGEST) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        _forget(2)  # a result is not lost because nobody can hear
