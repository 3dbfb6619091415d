"""Work on what comes next while what is at hand is used, in order: the other cores have nothing else to do."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from emcli.compute.memory import free

ROOM = 1 << 30  # bytes of memory, or of addresses, that must be free: each thread has a heap of its own
Item = TypeVar("Item")
Made = TypeVar("Made")


def roomy() -> bool:
    """Is there memory for threads and for large libraries?"""
    there = free()
    return there is None or there >= ROOM


def cores(jobs: int | None) -> int:
    """How many threads or processes to use: so many, or one for each core; one where memory is short."""
    return (jobs or len(os.sched_getaffinity(0))) if roomy() else 1


def ahead(function: Callable[[Item], Made], items: Iterable[Item], threads: int) -> Iterator[tuple[Item, Made]]:
    """Each item and function(item), in order; up to `threads` are worked out beforehand.

    What an item or the next of `items` raises is raised in its turn.
    """
    if threads < 2:
        yield from ((item, function(item)) for item in items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[tuple[Item, Future[Made]]] = deque()
    incoming, wrong, ended = iter(items), None, False
    with ThreadPoolExecutor(threads) as pool:
        while True:
            while not ended and len(waiting) <= threads:
                try:
                    item = next(incoming)
                except StopIteration:
                    ended = True
                except Exception as error:
                    wrong, ended = error, True
                else:
                    waiting.append((item, pool.submit(function, item)))
            if not waiting:
                break
            item, made = waiting.popleft()
            yield item, made.result()
    if wrong is not None:
        raise wrong


def begun(function: Callable[..., Made], *arguments: Any, threads: int) -> Callable[[], Made]:
    """Begin function(*arguments) beside what follows; the call that is given waits for what it returns."""
    if threads < 2:
        made = function(*arguments)
        return lambda: made
    from concurrent.futures import Future
    from threading import Thread

    future: Future[Made] = Future()

    def run(function: Callable[..., Made], *arguments: Any) -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, args=(function, *arguments), daemon=True).start()  # one that an end need not wait for
    return future.result
