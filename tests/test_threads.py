"""Threads share out the calls of a map, and neither their number nor their pace can be told from what comes out."""

from __future__ import annotations

import threading
import time

import pytest

from emcli.compute.threads import threads


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_results_come_in_order_whoever_is_slow(count: int) -> None:
    def slow(i: int, j: int) -> int:
        time.sleep(0.002 if i % 3 == 0 else 0)
        return 100 * i + j

    with threads(count) as spread:
        assert list(spread(slow, range(150), range(150))) == [101 * i for i in range(150)]
        assert list(spread(slow, range(1), range(1))) == [0]
        assert list(spread(slow, [], [])) == []


def test_as_many_threads_work_as_were_asked_for() -> None:
    meeting = threading.Barrier(3, timeout=20)  # broken unless three are in it at once
    with threads(3) as spread:
        assert len(set(spread(lambda _: (meeting.wait(), threading.get_ident())[1], range(9)))) == 3


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_first_failure_in_order_is_raised(count: int) -> None:
    def fails(i: int) -> int:
        if i == 20:
            time.sleep(0.01)
        if i in (20, 21, 22):
            raise ValueError(i)
        return i

    with threads(count) as spread:
        for _ in range(5):
            with pytest.raises(ValueError, match="20"):
                list(spread(fails, range(60)))
        assert list(spread(lambda i: i, range(60))) == list(range(60))


def test_what_comes_after_an_interrupt_is_not_begun() -> None:
    begun = []

    def interrupted(i: int) -> None:
        begun.append(i)
        time.sleep(0.01)
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt

    with threads(2) as spread, pytest.raises(KeyboardInterrupt):
        list(spread(interrupted, range(30)))
    assert len(begun) < 10
