"""The one guard around the program: every way to end, as the shell expects it."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from emcli.errors import EmcliError, Exit

FATAL = {signal.SIGTERM: "terminated", signal.SIGHUP: "hung up", signal.SIGINT: "interrupted"}


class Killed(BaseException):
    """A signal came: unwind, clean up, and die by it."""

    def __init__(self, number: int):
        self.number = signal.Signals(number)
        super().__init__(self.number.name)


def guarded(work: Callable[[], int], debug: bool) -> int:
    """Run the program; return its exit code, or die by the signal that ended it. Never a traceback unless `debug`."""
    for number in FATAL:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise_killed)
    try:
        code = work()
        sys.stdout.flush()
        return code
    except Killed as killed:
        _say(f"emcli: {FATAL[killed.number]}; nothing written")
        return _die(killed.number)
    except BrokenPipeError:
        return _die(signal.SIGPIPE)
    except Exception as error:
        if debug:
            traceback.print_exc()
        code, lines = _told(error)
        _say(*lines)
        if code == Exit.OUTPUT:
            _forget_stdout()
        return code


def _told(error: Exception) -> tuple[int, list[str]]:
    """The exit code and the lines that an error ends with."""
    if isinstance(error, EmcliError):
        return error.exit_code, error.lines()
    if isinstance(error, MemoryError):
        return Exit.DATA, ["emcli: error: not enough memory"]
    if isinstance(error, UnicodeEncodeError):
        what = f"{error.encoding} has no {error.object[error.start]!a}"
        return Exit.OUTPUT, [f"emcli: error: cannot write the result: {what}", "  hint: PYTHONUTF8=1, or -o FILE"]
    if isinstance(error, OSError):
        return Exit.OUTPUT, [f"emcli: error: cannot write the result: {(error.strerror or str(error)).lower()}"]
    said = f"emcli: error: a bug: {type(error).__name__}: {str(error)[:200]!r}"
    return Exit.BUG, [said, "  hint: please report it, with what --debug prints"]


def warn(slug: str, message: str) -> None:
    """A warning on standard error."""
    _say(f"emcli: warning: {message} [{slug}]")


def note(message: str) -> None:
    """A decision that -v shows."""
    _say(f"emcli: {message}")


def _raise_killed(number: int, frame: Any) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the program at once
    raise Killed(number)


def _die(number: signal.Signals) -> int:
    _forget_stdout()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number  # only where the signal is blocked


def _forget_stdout() -> None:
    """Nothing more goes to standard output, not even at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _say(*lines: str) -> None:
    try:
        for line in lines:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # a result is not lost because nobody can hear
