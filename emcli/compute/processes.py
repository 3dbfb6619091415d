"""A map shared out among processes: threads lose half of what a second core gives to the interpreter's lock."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from emcli.compute import arrays
from emcli.compute.threads import thread_map
from emcli.errors import EmcliError, Exit
from emcli.types import Mapper

Item = tuple[Any, ...]  # arguments of one call
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOST_TURNS = 1 << 11  # items whose numbers any pipe holds, be it of one page


class Child(NamedTuple):
    """Another process: what it is told, and what it answers."""

    pid: int
    told: BinaryIO
    answers: BinaryIO


class Group:
    """Items shared out among this process and its children: whoever is free takes the next.

    Where they are `kept`, each stays with one of them, as it was and as it becomes.
    """

    def __init__(self, items: Sequence[Item], count: int, kept: bool):
        self.items, self.count = items, min(count, len(items))
        self.turns: tuple[int, int] | None = None
        self.children: list[Child] = []
        try:
            if not kept and len(items) <= MOST_TURNS:
                self.turns = os.pipe()
                os.set_blocking(self.turns[0], False)
            for number in range(1, self.count):
                self.children.append(self._forked(number))
        except OSError:  # no more processes are to be had
            self._end()
            self.count = 1

    def __call__(self, function: Callable[..., Any]) -> list[Any]:
        """function(*item) of all, in order. Raises what the first call that failed raised."""
        message = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
        if self.turns:
            os.write(self.turns[1], np.arange(len(self.items), dtype=np.uint16).tobytes())
        try:
            for child in self.children:
                child.told.write(message)
                child.told.flush()
            shares = [self._work(function, 0)]
            shares += [pickle.load(child.answers) for child in self.children]
        except (EOFError, BrokenPipeError):
            what = "a process that shared the work was ended from outside, perhaps for want of memory"
            raise EmcliError(Exit.DATA, what, hint="--jobs 1 works in one process") from None
        failed = {i: error for _, errors in shares for i, error in errors.items()}
        if failed:
            deque(self._turns(0), 0)  # those that nobody took any more
            raise failed[min(failed)]
        found = {i: result for results, _ in shares for i, result in results.items()}
        return [found[i] for i in range(len(self.items))]

    def close(self) -> None:
        self._end()
        for end in self.turns or ():
            os.close(end)

    def _end(self) -> None:
        """End the children, who have nothing to save."""
        for child in self.children:
            os.kill(child.pid, signal.SIGKILL)
        for child in self.children:
            os.waitpid(child.pid, 0)
            child.answers.close()
            with suppress(OSError):  # what it was not told any more
                child.told.close()
        self.children = []

    def _work(self, function: Callable[..., Any], number: int) -> tuple[dict[int, Any], dict[int, Exception]]:
        """The results by item, up to the first that fails, and its error."""
        results: dict[int, Any] = {}
        for i in self._turns(number):
            try:
                results[i] = function(*self.items[i])
            except Exception as error:
                return results, {i: error}
        return results, {}

    def _turns(self, number: int) -> Iterator[int]:
        """What a process is to do: its own items, or one after the other what is next of all."""
        if not self.turns:
            yield from range(number, len(self.items), self.count)
            return
        with suppress(BlockingIOError):
            while True:
                yield int.from_bytes(os.read(self.turns[0], 2), sys.byteorder)

    def _forked(self, number: int) -> Child:
        ends: list[int] = []
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
        try:
            ends += os.pipe()
            ends += os.pipe()
            told, tell, answers, answer = ends
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # other threads' locks: none of them is needed
                pid = os.fork()
            if not pid:
                for ending in ENDINGS:
                    signal.signal(ending, signal.SIG_IGN)  # who tells it what to do also ends it
        except OSError:
            for end in ends:
                os.close(end)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if pid:
            os.close(told)
            os.close(answer)
            return Child(pid, open(tell, "wb"), open(answers, "rb"))
        try:  # the child, which never returns
            for end in (tell, answers, *(end.fileno() for other in self.children for end in other[1:])):
                os.close(end)  # so that it sees when nobody is left to tell it anything
            with open(told, "rb") as orders, open(answer, "wb") as results:
                self._serve(number, orders, results)
        finally:
            os._exit(0)

    def _serve(self, number: int, told: BinaryIO, answers: BinaryIO) -> None:
        """Do what this is told, until the one who tells it is gone."""
        while True:
            try:
                message = pickle.dumps(self._work(pickle.load(told), number), pickle.HIGHEST_PROTOCOL)
            except EOFError:
                return
            except Exception as wrong:
                message = pickle.dumps(({}, {0: RuntimeError(f"not to be sent from process to process: {wrong}")}))
            answers.write(message)
            answers.flush()


class Processes:
    """A map over items that are mostly the same: those of the last call are with the processes already."""

    def __init__(self, count: int):
        self.count = count
        self._group: Group | None = None
        self._places: list[list[Any]] = []

    def __call__(self, function: Callable[..., Any], *sequences: Sequence[Any]) -> list[Any]:
        items = list(zip(*sequences, strict=True))
        if len(items) < 2:
            return [function(*item) for item in items]
        places = [[_place(x) for x in item] for item in items]
        if self._group is None or places != self._places:
            self.close()
            self._group, self._places = Group(items, self.count, kept=False), places
        return self._group(function)

    def close(self) -> None:
        if self._group is not None:
            self._group.close()
            self._group = None


def _place(x: Any) -> Any:
    """Where an array lies, which a group that holds it keeps from others; else what it is."""
    return x.__array_interface__ if isinstance(x, np.ndarray) else id(x)


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """function(*arguments), for functions that cannot be sent: as part of an item they are with the processes."""
    return function(*arguments)


def can_fork() -> bool:
    """Can this process be forked, and will its children do as it does? Pages of tables on disk have one keeper."""
    return sys.platform.startswith("linux") and not arrays.on_disk()


@contextmanager
def process_map(count: int, forked: bool = True) -> Iterator[Mapper]:
    """A map by up to so many processes; by threads where there can be none, or they are not to be `forked`.

    That is so where the work asks for rows elsewhere: the connection to these has one end only.
    """
    if count < 2 or not forked or not can_fork():
        with thread_map(count) as spread:
            yield spread
        return
    spread = Processes(count)
    try:
        yield spread
    finally:
        spread.close()


@contextmanager
def sticky_workers(spread: Mapper, items: Sequence[Any]) -> Iterator[Callable[[Callable[[Any], Any]], list[Any]]]:
    """What applies functions to items that these may change: each item stays in the process that has it."""
    if not isinstance(spread, Processes) or len(items) < 2:
        yield lambda function: list(spread(function, items))
        return
    group = Group([(item,) for item in items], spread.count, kept=True)
    try:
        yield group
    finally:
        group.close()
