"""Maps by forked processes, where threads would lose half of a second core to the interpreter's lock."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from emcli.compute import arrays
from emcli.compute.threads import thread_map
from emcli.errors import EmcliError, Exit
from emcli.files import signals
from emcli.types import Mapper

Item = tuple[object, ...]  # arguments of one call
Result = TypeVar("Result")
PR_SET_PDEATHSIG = 1  # prctl(2)
MAX_TURNS = 1 << 11  # numbers of two bytes that a pipe holds, be it of one page


class Worker(NamedTuple):
    """A forked process that was not waited for yet, and this process's ends of its pipes."""

    pid: int
    requests: IO[bytes]
    answers: IO[bytes]

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        for pipe in self[1:]:
            with suppress(OSError):  # of what a worker has not taken
                pipe.close()


class WorkerPool:
    """Items shared out among this process and workers forked from it, which inherit them.

    Whoever is free takes the next item; `sticky` ones stay with one process, and with what that one did to them.
    """

    def __init__(self, items: Sequence[Item], count: int, sticky: bool = False) -> None:
        self.items, self.count = items, min(count, len(items))
        self.turns: tuple[int, int] | None = None  # a pipe: unlike a lock, it goes on when a reader is killed
        self.workers: list[Worker] = []
        self._parent = os.getpid()
        self._take_back = signals.on_signal(self._kill)
        try:
            if not sticky and len(items) <= MAX_TURNS:
                self.turns = os.pipe()
                os.set_blocking(self.turns[0], False)
            for number in range(1, self.count):
                self._start_worker(number)
        except OSError:  # processes or pipes are refused: this one does it all
            self.close()
            self.count = 1
        except BaseException:
            self.close()
            raise

    def __call__(self, function: Callable[..., Result]) -> list[Result]:
        """function(*item) of each item, in order. Raises the failure of the first item that failed."""
        request = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)  # send() would take twice as long for arrays
        if self.turns:
            os.write(self.turns[1], np.arange(len(self.items), dtype=np.uint16).tobytes())
        try:
            for worker in self.workers:
                worker.requests.write(request)
                worker.requests.flush()
            shares = [self._work(function, 0), *(pickle.load(worker.answers) for worker in self.workers)]
        except (EOFError, ConnectionError, pickle.UnpicklingError):  # of an answer cut short
            what = "a process that shared the work was ended from outside, perhaps for want of memory"
            raise EmcliError(Exit.DATA, what, hint="--jobs 1 works in one process") from None
        failures = {i: error for _, failed in shares for i, error in failed.items()}
        if failures:
            raise failures[min(failures)]
        results = {i: result for done, _ in shares for i, result in done.items()}
        return [results[i] for i in range(len(self.items))]

    def close(self) -> None:
        """Kill the workers, which have nothing to save."""
        with signals.uninterrupted():  # else one could be killed by its number when that is somebody else's
            self._kill()
            for worker in self.workers:
                with suppress(ChildProcessError):
                    os.waitpid(worker.pid, 0)
                worker.close()
            for end in self.turns or ():
                os.close(end)
            self.workers, self.turns = [], None
            self._take_back()

    def _kill(self) -> None:
        for worker in self.workers:
            worker.kill()

    def _start_worker(self, number: int) -> None:
        """Fork worker `number`. It stays in this section, and heeds no signal: this process ends it."""
        with signals.uninterrupted():
            ends: list[IO[bytes]] = []
            try:
                for _ in range(2):
                    reader, writer = os.pipe()
                    ends += open(reader, "rb"), open(writer, "wb")  # noqa: SIM115 - as long as the worker
                taken, requests, answers, given = ends
                pid = os.fork()
            except OSError:
                for end in ends:
                    end.close()
                raise
            if not pid:
                self._serve(
                    number, taken, given, [requests, answers, *(end for each in self.workers for end in each[1:])]
                )
            self.workers.append(Worker(pid, requests, answers))
            taken.close()
            given.close()

    def _serve(self, number: int, requests: IO[bytes], answers: IO[bytes], inherited: Sequence[IO[bytes]]) -> NoReturn:
        """Answer requests until the parent's end of the pipe closes, or the parent ends, be it in the middle of one."""
        try:
            self._end_with_parent()
            for other in inherited:
                other.close()  # else the parent's ends would stay open here
            while True:
                try:
                    share = self._work(pickle.load(requests), number)
                    answer = pickle.dumps(share, pickle.HIGHEST_PROTOCOL)
                except EOFError:
                    break
                except Exception as error:
                    answer = pickle.dumps(({}, {0: RuntimeError(f"cannot be sent from process to process: {error}")}))
                answers.write(answer)
                answers.flush()
        finally:
            os._exit(0)  # nothing of the parent's is to be cleaned up, or said, here

    def _end_with_parent(self) -> None:
        """Have the system kill this worker as soon as its parent ends, where it can."""
        from ctypes import CDLL

        with suppress(OSError, AttributeError):
            CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._parent:  # it has ended before
            os._exit(0)

    def _work(self, function: Callable[..., Result], number: int) -> tuple[dict[int, Result], dict[int, Exception]]:
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
        if not pool.workers:
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
