"""A map over batches by several threads: order, and so every bit, is the same for any number of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from emcli.types import Mapper

WAVE = 16  # items for each thread whose results are held at once


@contextmanager
def threads(count: int) -> Iterator[Mapper]:
    """A map with up to so many threads, this one among them: a thread that only waits costs the others time."""
    if count < 2:
        yield map
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count - 1) as pool:

        def spread(function: Callable[..., Any], *sequences: Sequence[Any]) -> Iterator[Any]:
            items = list(zip(*sequences, strict=True))
            for start in range(0, len(items), WAVE * count):
                some = items[start : start + WAVE * count]
                work = Work(function, some)
                others = [pool.submit(work.share) for _ in range(min(count, len(some)) - 1)]
                try:
                    work.share()
                finally:
                    work.left.clear()
                    for other in others:
                        other.result()
                yield from work.results()

        yield spread


class Work:
    """Calls of a function that are shared out, one by one and in order."""

    def __init__(self, function: Callable[..., Any], items: Sequence[tuple[Any, ...]]) -> None:
        self.function, self.items = function, items
        self.left = deque(range(len(items)))
        self.found: list[Any] = [None] * len(items)
        self.failed: dict[int, Exception] = {}

    def share(self) -> None:
        """Take calls until none is left, or one fails: those before it have been taken by then."""
        while True:
            try:
                i = self.left.popleft()
            except IndexError:
                return
            try:
                self.found[i] = self.function(*self.items[i])
            except Exception as error:
                self.failed[i] = error
                return

    def results(self) -> list[Any]:
        """In order. Raises what the first call that failed raised."""
        if self.failed:
            raise self.failed[min(self.failed)]
        return self.found
