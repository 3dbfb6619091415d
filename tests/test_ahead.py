"""Work done ahead comes in order, is bounded, and tells what went wrong where it would have been told without."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from emcli.compute.prefetch import ahead, begun


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_order_is_kept_however_long_each_takes(threads: int) -> None:
    def slow(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(ahead(slow, range(20), threads)) == [(i, i * i) for i in range(20)]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_what_goes_wrong_is_told_in_its_turn(threads: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("the disk")

    seen = []
    with pytest.raises(OSError, match="the disk"):
        for item, _ in ahead(abs, items(), threads):
            seen.append(item)
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError):
        for item, _ in ahead(lambda number: 1 / (3 - number), items(), threads):
            seen.append(item)
    assert seen == [0, 1, 2, 3, 4, 0, 1, 2]


def test_only_a_few_are_taken_ahead_and_at_most_so_many_work_at_once() -> None:
    taken, at_work, most = [], 0, 0
    lock = threading.Lock()

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.001)
        with lock:
            at_work -= 1
        return number

    for used, _ in enumerate(ahead(work, items(), 3), 1):
        assert len(taken) <= used + 4
    assert 1 < most <= 3


@pytest.mark.parametrize("threads", [1, 2])
def test_what_was_begun_gives_the_result_or_the_error(threads: int) -> None:
    assert begun(pow, 2, 5, threads=threads)() == 32
    with pytest.raises(ZeroDivisionError):
        begun(divmod, 1, 0, threads=threads)()


def test_what_was_begun_runs_beside_what_follows() -> None:
    opened = threading.Event()
    waited = begun(opened.wait, 30, threads=2)
    opened.set()
    assert waited()
