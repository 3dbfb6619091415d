"""Maps by forked processes, where threads would lose half of a second core to the interpreter's lock."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

import numpy as np

from emcli.compute import arrays
from emcli.compute.threads import thread_map
from emcli.compute.workers import Workers
from emcli.types import Mapper

Item = tuple[object, ...]  # arguments of one call
Result = TypeVar("Result")
Share = tuple[dict[int, Result], dict[int, Exception]]  # results and failures by item
MAX_TURNS = 1 << 11  # numbers of two bytes that a pipe holds, be it of one page


class WorkerPool:
    """Items shared out among this process and workers forked from it, which inherit them.

    Whoever is free takes the next item; `sticky` ones stay with one process, and with what that one did to them.
    """

    def __init__(self, items: Sequence[Item], count: int, sticky: bool = False) -> None:
        self.items, self.count = items, min(count, len(items))
        self.turns: tuple[int, int] | None = None  # a pipe: unlike a lock, it goes on when a reader is killed
        with suppress(OSError):
            if not sticky and len(items) <= MAX_TURNS:
                self.turns = os.pipe()
                os.set_blocking(self.turns[0], False)
        self._workers = Workers(self.count - 1, self._work)
        if not self._workers.all:  # this process does it all
            self.close()
            self.count = 1

    @property
    def is_alone(self) -> bool:
        """Are there no workers?"""
        return not self._workers.all

    def __call__(self, function: Callable[..., Result]) -> list[Result]:
        """function(*item) of each item, in order. Raises the failure of the first item that failed."""
        request = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)  # send() would take twice as long for arrays
        if self.turns:
            os.write(self.turns[1], np.arange(len(self.items), dtype=np.uint16).tobytes())
        for worker in self._workers.all:
            worker.send(request)
        shares: list[Share[Result]] = [self._work(function, 0)]
        for worker in self._workers.all:
            answer = worker.answer()
            shares.append(({}, {0: answer}) if isinstance(answer, Exception) else cast("Share[Result]", answer))
        failures = {i: error for _, failed in shares for i, error in failed.items()}
        if failures:
            raise failures[min(failures)]
        results = {i: result for done, _ in shares for i, result in done.items()}
        return [results[i] for i in range(len(self.items))]

    def close(self) -> None:
        """End the workers."""
        self._workers.close()
        for end in self.turns or ():
            os.close(end)
        self.turns = None

    def _work(self, function: Callable[..., Result], number: int) -> Share[Result]:
        """Call the function for this process's share of the items; results and failures by item."""
        results: dict[int, Result] = {}
        failures: dict[int, Exception] = {}
        for i in self._turns(number):
            try:
                results[i] = function(*self.items[i])
            except Exception as error:
                failures[i] = error
        return results, failures

    def _turns(self, number: int) -> Iterator[int]:
        """The items of a process: its own, or one after another the next that nobody has taken."""
        if not self.turns:
            yield from range(number, len(self.items), self.count)
            return
        with suppress(BlockingIOError):
            while True:
                yield int.from_bytes(os.read(self.turns[0], 2), sys.byteorder)


class ProcessMapper:
    """A map() by several processes; workers are kept, with their items, as long as these are the same."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: WorkerPool | None = None
        self._identities: list[list[object]] = []

    def __call__(self, function: Callable[..., Result], *sequences: Sequence[object]) -> list[Result]:
        items: list[Item] = list(zip(*sequences, strict=True))
        if len(items) < 2 or self.count < 2:
            return [function(*item) for item in items]
        identities = [[_identity(x) for x in item] for item in items]
        if self._pool is None or identities != self._identities:
            self.close()
            self._pool, self._identities = self.pool(items), identities
        return self._pool(function)

    def pool(self, items: Sequence[Item], sticky: bool = False) -> WorkerPool:
        """Workers for these items. Where they were refused once nobody asks again: that costs open files."""
        pool = WorkerPool(items, self.count, sticky)
        if pool.is_alone:
            self.count = 1
        return pool

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None


def _identity(x: object) -> object:
    """Where an array lies, which the pool that holds it keeps from others; else which object it is."""
    return x.__array_interface__ if isinstance(x, np.ndarray) else id(x)


def call(function: Callable[..., Result], *arguments: object) -> Result:
    """function(*arguments): as part of an item a function is inherited, and need not be one that can be pickled."""
    return function(*arguments)


def can_fork() -> bool:
    """Can processes be forked here? Not where tables are on disk: only this process releases their pages."""
    return sys.platform.startswith("linux") and not arrays.on_disk()


@contextmanager
def process_map(count: int, fork: bool = True) -> Iterator[Mapper]:
    """A map() by up to `count` processes, or threads where processes cannot be forked.

    Without `fork` always by threads: for work over a connection, which has one end only.
    """
    if count < 2 or not fork or not can_fork():
        with thread_map(count) as mapper:
            yield mapper
        return
    mapper = ProcessMapper(count)
    try:
        yield mapper
    finally:
        mapper.close()


@contextmanager
def sticky_workers(mapper: Mapper, items: Sequence[object]) -> Iterator[Callable[[Callable[..., Any]], list[Any]]]:
    """A map over always the same items, which its functions may change: each stays in the process that has it."""
    if not isinstance(mapper, ProcessMapper) or len(items) < 2:
        yield lambda function: list(mapper(function, items))
        return
    pool = mapper.pool([(item,) for item in items], sticky=True)
    try:
        yield pool
    finally:
        pool.close()
