"""How the program ends: an exit code and a line for each error, and a signal's own end, as a shell expects."""

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

from emcli.errors import MAX_LINE, EmcliError, Exit, escaped, quoted

if TYPE_CHECKING:
    from types import FrameType

FATAL = {signal.SIGTERM: "terminated", signal.SIGHUP: "hung up", signal.SIGINT: "interrupted"}


class SignalReceived(BaseException):
    """Raised by a signal, so that the program cleans up before it dies of that signal."""

    def __init__(self, number: int):
        self.number = signal.Signals(number)
        super().__init__(self.number.name)


class _ClosedStream(io.RawIOBase):
    """Stands for standard output where that is closed; every write fails."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(errno.EBADF, "standard output is closed")


def guarded(work: Callable[[], int], debug: bool) -> int:
    """Run the program; return its exit code, or die by the signal that ended it. Never a traceback unless `debug`."""
    for number in FATAL:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise_signal)
    sys.unraisablehook = _die_if_signalled
    try:
        _occupy_standard_streams()
        code = work()
        sys.stdout.flush()
        return code
    except SignalReceived as signalled:
        _say(f"emcli: {FATAL[signalled.number]}; nothing written")
        return _die(signalled.number)
    except BrokenPipeError:
        return _die(signal.SIGPIPE)
    except Exception as error:
        if debug:
            traceback.print_exc()
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


def _as_emcli_error(error: Exception) -> EmcliError:
    """Any error as one that a user can understand."""
    if isinstance(error, EmcliError):
        return error
    if isinstance(error, MemoryError):
        size = str(error).lower().removeprefix("unable to allocate ")
        return EmcliError(Exit.DATA, f"not enough memory{size and f' for {size}'}")
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return EmcliError(Exit.DATA, "not enough memory to start another thread", hint="--jobs 1 needs none")
    if isinstance(error, UnicodeEncodeError):
        what = f"cannot write the result: {error.encoding} has no {error.object[error.start]!a}"
        return EmcliError(Exit.OUTPUT, what, hint="PYTHONUTF8=1, or -o FILE")
    if isinstance(error, OSError):
        return EmcliError(Exit.OUTPUT, f"cannot write the result: {(error.strerror or str(error)).lower()}")
    what = f"a bug: {type(error).__name__}: {quoted(error, 200)}"
    return EmcliError(Exit.BUG, what, hint="please report it, with what --debug prints")


def warn(slug: str, message: str) -> None:
    """A warning on standard error."""
    _say(f"emcli: warning: {message} [{slug}]")


def note(message: str) -> None:
    """A decision that -v shows."""
    _say(f"emcli: {message}")


def _occupy_standard_streams() -> None:
    """Open /dev/null for each standard stream that is closed, so that no other file takes its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(_ClosedStream(), encoding="utf-8")


def _raise_signal(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the program at once
    raise SignalReceived(number)


def _die_if_signalled(ignored: sys.UnraisableHookArgs) -> None:
    """Hook for exceptions that Python cannot raise: a signal among them still ends the program."""
    if isinstance(ignored.exc_value, SignalReceived):
        _die(ignored.exc_value.number)


def _die(number: signal.Signals) -> int:
    _silence(1)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number  # only where the signal is blocked


def _silence(descriptor: int) -> None:
    """Redirect a standard stream to nowhere, so that nothing is written to it any more, not even at exit."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _say(*lines: str) -> None:
    """The one writer to standard error: whatever a message quotes, it stays one line of printable characters."""
    try:
        for line in lines:
            sys.stderr.write(escaped(line, MAX_LINE) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        _silence(2)  # a result is not lost because nobody can hear
