"""Work on what comes next while what is at hand is used, in order: the other cores have nothing else to do."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from emcli.memory import free

ROOM = 1 << 30  # bytes of memory, or of addresses, that must be free: each thread has a heap of its own
Item = TypeVar("Item")
Made = TypeVar("Made")


def roomy() -> bool:
    """Is there memory for threads and for large libraries?"""
    there = free()
    return there is None or there >= ROOM


def cores(jobs: int | None) -> int:
    """How many threads to use: so many, or one for each core; one where memory is short."""
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


@contextmanager
def meanwhile(function: Callable[..., Made], *arguments: Any, threads: int) -> Iterator[Callable[[], Made]]:
    """Have function(*arguments) worked out while the block runs; the call that is given waits for it."""
    if threads < 2:
        yield lambda: function(*arguments)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(function, *arguments).result
