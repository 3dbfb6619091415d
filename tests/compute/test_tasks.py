"""Tasks that need each other's results are shared out among processes, and nobody can tell how many these are."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emcli.compute.tasks import Task, Tasks
from emcli.errors import EmcliError


def summed(name: int, found: Mapping[int, tuple[int, float]]) -> tuple[int, float]:
    """The process, and one more than the sum of what the task needs."""
    time.sleep(0.002)
    return os.getpid(), 1.0 + sum(each for _, each in found.values())


@pytest.mark.parametrize("count", [1, 2, 4])
@given(data=st.data())
@settings(max_examples=15)
def test_each_task_gets_the_results_that_it_needs_however_many_processes_there_are(count: int, data: Any) -> None:
    size = data.draw(st.integers(1, 12))
    after = [data.draw(st.lists(st.integers(0, i - 1), max_size=3, unique=True)) if i else [] for i in range(size)]
    names = data.draw(st.permutations(range(size)))  # what a task needs may stand after it
    needs = {names[i]: [names[j] for j in after[i]] for i in range(size)}
    work = data.draw(st.lists(st.floats(0, 10), min_size=size, max_size=size))
    expected = np.ones(size)
    for i in range(size):
        expected[names[i]] += sum(expected[j] for j in needs[names[i]])
    found = Tasks({i: Task({*needs[i]}, work[i]) for i in range(size)}, summed).done(count)
    assert [(i, each) for i, (_, each) in found.items()] == list(enumerate(expected))


def test_a_long_chain_and_what_does_not_need_it_are_done_by_two_processes_and_none_is_left() -> None:
    order: list[int] = []

    def run(name: int, _: Mapping[int, int]) -> int:
        order.append(name)
        time.sleep(0.02)
        return os.getpid()

    tasks = {i: Task({i - 1} if i > 4 else set(), 1.0) for i in range(8)}
    pids = set(Tasks(tasks, run).done(2).values())
    assert len(pids) == 2 and os.getpid() in pids
    for pid in pids - {os.getpid()}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    order.clear()
    Tasks(tasks, run).done(1)
    assert order == [4, 5, 6, 0, 1, 2, 3, 7]  # from which the longest way leads to the end, the first of equals


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_first_failure_in_order_is_raised_after_all_that_do_not_need_it(count: int) -> None:
    def run(name: int, _: Mapping[int, None]) -> None:
        if name in (3, 5):
            time.sleep(0.03 if name == 3 else 0)
            raise ValueError(name)

    tasks = Tasks({i: Task({5} if i == 0 else set(), i) for i in range(8)}, run)
    with pytest.raises(ValueError, match="3"):
        tasks.done(count)
    assert tasks.begun == tasks.ended == 7  # all but the one that needs what failed


def test_what_cannot_be_sent_is_said_and_a_process_that_is_ended_from_outside_is_missed() -> None:
    def unsendable(name: int, _: Mapping[int, Any]) -> Any:
        time.sleep(0.02)
        return lambda: name

    with pytest.raises(RuntimeError, match="cannot be sent"):
        Tasks({i: Task(set(), 1) for i in range(4)}, unsendable).done(2)
    parent = os.getpid()

    def killed(_: int, __: Mapping[int, None]) -> None:
        time.sleep(0.02)
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(EmcliError, match="ended from outside"):
        Tasks({i: Task(set(), 1) for i in range(6)}, killed).done(2)


def test_a_result_that_another_process_needs_and_cannot_be_sent_is_one_error() -> None:
    parent = os.getpid()

    def unsendable(name: int, _: Mapping[int, Any]) -> Any:
        time.sleep(0.02 if os.getpid() == parent else 0.2)
        return (lambda: name) if os.getpid() == parent else name

    with pytest.raises(Exception, match="pickle"):
        Tasks({i: Task(set(range(4)) if i > 3 else set(), 1) for i in range(12)}, unsendable).done(2)


@pytest.mark.parametrize("name", ["fork", "pipe"])
def test_one_process_does_it_all_where_there_can_be_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, name, refuse)
    found = Tasks({0: Task(set(), 1), 1: Task({0}, 1)}, summed).done(2)
    assert found == {0: (os.getpid(), 1.0), 1: (os.getpid(), 2.0)}
