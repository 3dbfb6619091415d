"""Maps by threads and prefetching give the same whatever the number and the pace of the threads, errors included."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from emcli.compute.threads import in_background, prefetch, thread_map


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_results_come_in_order_whoever_is_slow(count: int) -> None:
    def slow(i: int, j: int) -> int:
        time.sleep(0.002 if i % 3 == 0 else 0)
        return 100 * i + j

    with thread_map(count) as mapper:
        assert list(mapper(slow, range(150), range(150))) == [101 * i for i in range(150)]
        assert list(mapper(slow, range(1), range(1))) == [0]
        assert list(mapper(slow, [], [])) == []


def test_as_many_threads_work_as_were_asked_for() -> None:
    meeting = threading.Barrier(3, timeout=20)  # broken unless three are in it at once
    with thread_map(3) as mapper:
        assert len(set(mapper(lambda _: (meeting.wait(), threading.get_ident())[1], range(9)))) == 3


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_first_failure_in_order_is_raised(count: int) -> None:
    def fails(i: int) -> int:
        if i == 20:
            time.sleep(0.01)
        if i in (20, 21, 22):
            raise ValueError(i)
        return i

    with thread_map(count) as mapper:
        for _ in range(5):
            with pytest.raises(ValueError, match="20"):
                list(mapper(fails, range(60)))
        assert list(mapper(lambda i: i, range(60))) == list(range(60))


def test_what_comes_after_an_interrupt_is_not_begun() -> None:
    begun = []

    def slow(i: int) -> None:
        begun.append(i)
        time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt), thread_map(2) as mapper:
        for _ in mapper(slow, range(30)):
            raise KeyboardInterrupt
    assert len(begun) < 10


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_order_is_kept_however_long_each_takes(threads: int) -> None:
    def slow(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(prefetch(slow, range(20), threads)) == [(i, i * i) for i in range(20)]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_what_goes_wrong_is_told_in_its_turn(threads: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("the disk")

    seen = []
    with pytest.raises(OSError, match="the disk"):
        for item, _ in prefetch(abs, items(), threads):
            seen.append(item)
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError):
        for item, _ in prefetch(lambda number: 1 / (3 - number), items(), threads):
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

    for used, _ in enumerate(prefetch(work, items(), 3), 1):
        assert len(taken) <= used + 4
    assert 1 < most <= 3


@pytest.mark.parametrize("threads", [1, 2])
def test_what_was_begun_gives_the_result_or_the_error(threads: int) -> None:
    assert in_background(pow, 2, 5, threads=threads)() == 32
    with pytest.raises(ZeroDivisionError):
        in_background(divmod, 1, 0, threads=threads)()


def test_what_was_begun_runs_beside_what_follows() -> None:
    opened = threading.Event()
    waited = in_background(opened.wait, 30, threads=2)
    opened.set()
    assert waited()
