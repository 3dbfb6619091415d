"""Processes share out the calls of a map, and neither their number nor their pace can be told from what comes out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import Forked

from emcli.compute.processes import ProcessMapper, process_map, sticky_workers
from emcli.errors import EmcliError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere threads share out the work")


def slow(i: int, j: int) -> int:
    time.sleep(0.002 if i % 3 == 0 else 0)
    return 100 * i + j


def fails(i: int) -> int:
    if i in (20, 21, 22):
        time.sleep(0.01 if i == 20 else 0)
        raise ValueError(i)
    return i


def who(_: int) -> int:
    time.sleep(0.03)  # so that each has a turn
    return os.getpid()


def total(x: Any, weights: Any) -> float:
    return float(x.sum() if weights is None else x @ weights)


def grown(item: list[int], by: int) -> int:
    item.append(by)
    return sum(item)


def unsendable(i: int) -> Any:
    time.sleep(0.03)
    return lambda: i


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_results_come_in_order_whoever_is_slow(count: int) -> None:
    with process_map(count) as mapper:
        assert list(mapper(slow, range(150), range(150))) == [101 * i for i in range(150)]
        assert list(mapper(slow, range(1), range(1))) == [0]
        assert list(mapper(pow, range(3000), [1] * 3000)) == list(range(3000))
        assert list(mapper(slow, [], [])) == []


def test_as_many_processes_work_as_were_asked_for_and_none_is_left() -> None:
    with process_map(3) as mapper:
        pids = set(mapper(who, range(9)))
        assert len(pids) == 3 and os.getpid() in pids
        assert set(mapper(who, range(9))) == pids
        with sticky_workers(mapper, range(9)) as each:
            others = each(who)
            assert each(who) == others and len(set(others)) == 3 and set(others) & pids == {os.getpid()}
    pids |= set(others)
    for pid in pids - {os.getpid()}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_first_failure_in_order_is_raised(count: int) -> None:
    with process_map(count) as mapper:
        for _ in range(5):
            with pytest.raises(ValueError, match="20"):
                list(mapper(fails, range(60)))
            assert list(mapper(slow, range(60), range(60))) == [101 * i for i in range(60)]
        with sticky_workers(mapper, range(60)) as each, pytest.raises(ValueError, match="20"):
            each(fails)


def test_arrays_in_other_places_are_other_items() -> None:
    x, w = np.arange(12.0), np.ones(12)
    with process_map(2) as mapper:
        for y, v in ((x, w), (x, None), (x[::-1], w), (2 * x, 3 * w), (x.copy(), w), (x, w)):
            parts = [y[i : i + 3] for i in range(0, 12, 3)]
            weights = [None if v is None else v[i : i + 3] for i in range(0, 12, 3)]
            assert list(mapper(total, parts, weights)) == [total(*each) for each in zip(parts, weights, strict=True)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_items_keep_what_is_done_to_them(count: int) -> None:
    with process_map(count) as mapper, sticky_workers(mapper, [[i] for i in range(5)]) as each:
        assert list(mapper(slow, range(5), range(5))) == [101 * i for i in range(5)]  # others in between
        assert each(partial(grown, by=1)) == [1, 2, 3, 4, 5]
        assert each(partial(grown, by=2)) == [3, 4, 5, 6, 7]


def test_what_cannot_be_sent_is_said() -> None:
    with closing(ProcessMapper(2)) as mapper, pytest.raises(RuntimeError, match="cannot be sent"):
        mapper(unsendable, range(2))


def test_a_process_that_is_ended_from_outside_is_missed() -> None:
    with closing(ProcessMapper(2)) as mapper:
        (child,) = set(mapper(who, range(4))) - {os.getpid()}
        os.kill(child, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(EmcliError, match="ended from outside"):
                mapper(who, range(4))


def test_one_process_does_it_all_where_there_can_be_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with process_map(3) as mapper:
        for n in range(4, 9):
            assert list(mapper(slow, range(n), range(n))) == [101 * i for i in range(n)]
            with sticky_workers(mapper, range(n)) as each:
                assert each(abs) == list(range(n))
    assert len(os.listdir("/proc/self/fd")) <= before + 4  # that multiprocessing leaves open, once


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, x.csv, of as many rows as are shared out."""
    folder = tmp_path_factory.mktemp("large")
    rows = np.random.default_rng(0).normal(size=(200_000, 2))
    (folder / "x.csv").write_text("x,y\n" + "".join(f"{x:.5f},{y:.5f}\n" for x, y in rows.tolist()))
    return folder


@pytest.mark.parametrize(
    ("command", "number", "everyone"),
    [
        ("fit gmm x.csv -k 9", signal.SIGINT, True),
        ("fit gmm x.csv -k 9", signal.SIGTERM, False),
        ("fit gmm x.csv -k 9", signal.SIGKILL, False),
        ("compare gmm x.csv -k 8-9", signal.SIGINT, True),
        ("compare gmm x.csv -k 8-9", signal.SIGKILL, False),
        pytest.param("fit gmm x.csv -k 9", signal.SIGINT, False, marks=pytest.mark.slow),
        pytest.param("fit gmm x.csv -k 9", signal.SIGTERM, True, marks=pytest.mark.slow),
        pytest.param("fit gmm x.csv -k 9", signal.SIGKILL, True, marks=pytest.mark.slow),
        pytest.param("compare gmm x.csv -k 8-9", signal.SIGTERM, False, marks=pytest.mark.slow),
    ],
)
def test_whatever_ends_the_program_no_process_is_left(
    command: str, number: signal.Signals, everyone: bool, large: Path
) -> None:
    """Sent to the program, or to its whole group as a terminal does; a fit of a comparison takes long."""
    line = f"{command} --solver em --jobs 2 --max-iter 100000 --tol 1e-9 --restarts 1"
    with Forked(
        ["emcli", *line.split()],
        cwd=large,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=os.setsid,
    ) as process:
        try:
            listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            while not (children := listed.read_text().split()):
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(0.2)
            (os.killpg if everyone else os.kill)(process.pid, number)
            _, err = process.communicate(timeout=5)
        finally:
            process.kill()
    assert process.returncode == -number
    assert err.decode() == {
        signal.SIGINT: "emcli: interrupted; nothing written\n",
        signal.SIGTERM: "emcli: terminated; nothing written\n",
    }.get(number, "")
    (child,) = children
    patience = time.monotonic() + 3
    state = Path(f"/proc/{child}/stat")
    while state.exists() and ") Z " not in state.read_text():  # Z: it has ended, and nobody has asked how
        assert time.monotonic() < patience
        time.sleep(0.01)
