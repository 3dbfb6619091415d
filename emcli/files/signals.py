"""How a signal ends the program: what it undoes, the sections that it waits for, and what it says."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import ClassVar, NoReturn

NAMES = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU"]
FATAL = [signal.Signals[name] for name in NAMES if hasattr(signal, name)]  # they end a program; not those of faults
SAID = {signal.SIGINT: "interrupted", signal.SIGHUP: "hung up"}


class _Program:
    """What a signal must know of this process. Its handler never returns into the program, or leaves it as it was."""

    undo: ClassVar[dict[object, Callable[[], object]]] = {}  # in the order in which they began
    sections: ClassVar[dict[object, None]] = {}  # that go on
    waiting: ClassVar[list[int]] = []  # signals, for the end of a section
    before: ClassVar[dict[int, object]] = {}  # handlers
    ending = hurried = False
    written = False  # anything that stays
    said = 0  # times that standard output was written to


def take_over() -> None:
    """Have a signal end the program in order, where it was not ignored."""
    _Program.ending = _Program.hurried = _Program.written = False
    _Program.said = 0
    for number in FATAL:
        if signal.getsignal(number) is not signal.SIG_IGN:
            _Program.before[number] = signal.signal(number, _handle)
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # the ends of workers would be lost
        _Program.before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def give_back() -> None:
    """Have signals do what they did before `take_over`."""
    for number, handler in _Program.before.items():
        signal.signal(number, handler or signal.SIG_DFL)  # type: ignore[arg-type]
    _Program.before.clear()


def on_signal(action: Callable[[], object]) -> Callable[[], object]:
    """Have a signal call this before it ends the program, whatever line it comes in; the result takes that back."""
    token = object()
    _Program.undo[token] = action
    return lambda: _Program.undo.pop(token, None)


@contextmanager
def undone(action: Callable[[], object]) -> Iterator[None]:
    """Have a signal that comes in the block call this before it ends the program."""
    take_back = on_signal(action)
    try:
        yield
    finally:
        take_back()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Have signals wait for the end of the block: for what must not be left half done, and takes no time."""
    token = object()
    _Program.sections[token] = None
    try:
        yield
    finally:
        del _Program.sections[token]
        if _Program.waiting and not _Program.sections:
            signal.raise_signal(_Program.waiting.pop())


def will_write() -> None:
    """Say that something is about to be written that stays: a signal no longer says that nothing was."""
    _Program.written = True


def will_say() -> None:
    """Say that something is about to be written to standard output."""
    _Program.said += 1
    _Program.written = True


def times_said() -> int:
    """How many times standard output was written to: what was said with a result cannot be taken back with it."""
    return _Program.said


def die(number: int) -> NoReturn:
    """End the program by a signal."""
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    signal.raise_signal(number)
    os._exit(128 + number)  # only the first process of a container outlives it


def _handle(number: int, frame: FrameType | None) -> None:
    if _Program.sections:
        _Program.waiting.append(number)
    elif _Program.ending:  # a second one, before all is undone
        _Program.hurried = True
    else:
        _end(number)


def _end(number: int) -> NoReturn:
    _Program.ending = True
    for action in reversed(list(_Program.undo.values())):
        with suppress(Exception):
            action()
    for each in _Program.before:  # from here a second one ends the program at once: perhaps nobody reads this
        signal.signal(each, signal.SIG_DFL)
    if not _Program.hurried:
        said = SAID.get(signal.Signals(number)) or (signal.strsignal(number) or f"signal {number}").lower()
        with suppress(OSError):  # not by sys.stderr, which may be in the middle of a line
            os.write(2, f"emcli: {said}{'' if _Program.written else '; nothing written'}\n".encode())
    die(number)
