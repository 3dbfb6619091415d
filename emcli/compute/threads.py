"""Maps by several threads whose results come in order: every bit is the same for any number of threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from emcli.compute.memory import is_ample
from emcli.types import Mapper

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores(jobs: int | None) -> int:
    """How many threads or processes to use: `jobs`, by default one for each core; one where memory is short."""
    return (jobs or len(os.sched_getaffinity(0))) if is_ample() else 1


@contextmanager
def thread_map(count: int) -> Iterator[Mapper]:
    """A map() by `count` threads. It raises the failure of the first item that failed."""
    if count < 2:
        yield map
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(count)

    def mapper(function: Callable[..., Result], *sequences: Sequence[object]) -> Iterator[Result]:
        items = zip(*sequences, strict=True)
        return (result for _, result in _in_order(pool, lambda item: function(*item), items, 2 * count))

    try:
        yield mapper
    finally:
        pool.shutdown(cancel_futures=True)


def prefetch(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[tuple[Item, Result]]:
    """Each item with function(item), in order; threads work on the next few items meanwhile.

    An error of `function`, or of `items` itself, is raised in its turn.
    """
    if threads < 2:
        yield from ((item, function(item)) for item in items)
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(threads)
    try:
        yield from _in_order(pool, function, items, threads + 1)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[tuple[Item, Result]]:
    """Each item with its result; at most `ahead` items are with the pool at a time."""
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    incoming = iter(items)
    failed: Exception | None = None
    more = True
    while more or waiting:
        while more and len(waiting) < ahead:
            try:
                item = next(incoming)
            except StopIteration:
                more = False
            except Exception as error:
                failed, more = error, False
            else:
                waiting.append((item, _submitted(pool, function, item)))
        if waiting:
            item, future = waiting.popleft()
            yield item, future.result()
    if failed is not None:
        raise failed


def _submitted(pool: Executor, function: Callable[[Item], Result], item: Item) -> Future[Result]:
    """The future result; where the system refuses another thread, this one does the work at once."""
    from concurrent.futures import Future

    try:
        return pool.submit(function, item)
    except RuntimeError:
        future: Future[Result] = Future()
        _fulfil(future, function, item)
        return future


def _fulfil(future: Future[Result], function: Callable[..., Result], *arguments: object) -> None:
    try:
        future.set_result(function(*arguments))
    except BaseException as error:
        future.set_exception(error)


def in_background(function: Callable[..., Result], *arguments: object, threads: int) -> Callable[[], Result]:
    """Start function(*arguments) in a thread; the callable that is returned waits for its result or its error."""
    if threads < 2:
        result = function(*arguments)
        return lambda: result
    from concurrent.futures import Future
    from threading import Thread

    future: Future[Result] = Future()
    thread = Thread(target=_fulfil, args=(future, function, *arguments), daemon=True)  # the program's end is not late
    try:
        thread.start()
    except RuntimeError:  # the system refuses
        _fulfil(future, function, *arguments)
    return future.result
