"""Clusters that go wrong: workers and schedulers that stop answering, something else behind a port, traces left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from clusters import LONG, Processes, begun, cluster, in_the_middle, put
from conftest import ROOT
from conftest import run as run_anywhere

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow  # a dozen processes each, and deadlines that a busy machine misses
run = partial(run_anywhere, process=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(1)
    clusters = rng.normal([0, 0], [1, 2], (12_000, 2)), rng.normal([5, 3], [1.5, 0.7], (8_000, 2))
    put(folder, "points", rng.permutation(np.concatenate(clusters)), "x,y", 5)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with cluster(tmp_path_factory.mktemp("cluster"), 2) as processes:
        yield processes


@pytest.mark.parametrize("local", [False, True], ids=["running", "local"])
def test_a_worker_that_stops_answering_in_mid_fit_changes_no_byte(local: bool, data: Path, tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", 0 if local else 2) as processes:
        args = (*LONG[:1], data / "points", *LONG[1:], "--scheduler", "local:2" if local else processes.address)
        whole = run("fit", *args)
        trace = tmp_path / "trace.jsonl"
        process = begun(*args, "--trace", trace)
        in_the_middle(trace)
        stopped = workers_of(process.pid)[0] if local else processes.workers[0].pid
        os.kill(stopped, signal.SIGSTOP)
        assert longest_pause(process, trace) < 30
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert out.decode() == whole.stdout
        assert err.decode() == whole.stderr
        assert not local or not Path(f"/proc/{stopped}").exists()


def longest_pause(process: subprocess.Popen[bytes], trace: Path) -> float:
    """How long a fit made no iteration, in seconds; once it made its last, it ends."""
    size, since, longest = 0, time.monotonic(), 0.0
    while process.poll() is None and (size == 0 or b'"end"' not in trace.read_bytes()[-200:]):
        if size != trace.stat().st_size:
            size, since = trace.stat().st_size, time.monotonic()
        longest = max(longest, time.monotonic() - since)
        assert longest < 60, "no iteration for a minute"
        time.sleep(0.1)
    return longest


def workers_of(pid: int) -> list[int]:
    """The processes of the workers that a process has started, which compute."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                parents[int(entry.name)] = (int((entry / "stat").read_text().rpartition(")")[2].split()[1]), words)
    return [child for child, (parent, words) in parents.items() if parent == pid and b"spawn_main" in words]


def test_a_worker_that_never_answers_is_left_out(data: Path, tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", 2) as processes:
        args = ("gmm", data / "points", "-k", "2", "--restarts", "1", "--json", "--scheduler", processes.address)
        whole = run("fit", *args)
        os.kill(processes.workers[1].pid, signal.SIGSTOP)
        done = run("fit", *args, timeout=45)
        assert (done.returncode, done.stdout, done.stderr) == (0, whole.stdout, whole.stderr)


def test_workers_that_have_all_stopped_are_one_line(data: Path, tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", 1) as processes:
        trace = tmp_path / "trace.jsonl"
        process = begun(*LONG[:1], data / "points", *LONG[1:], "--trace", trace, "--scheduler", processes.address)
        in_the_middle(trace)
        os.kill(processes.workers[0].pid, signal.SIGSTOP)
        said, err = process.communicate(timeout=45)
        assert (process.returncode, said) == (3, b"")
        assert err.decode().splitlines()[0] == f"emcli: error: {processes.address}: all workers are gone"


def test_a_scheduler_that_stops_answering_is_one_line(data: Path, tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", 1) as processes:
        trace = tmp_path / "trace.jsonl"
        args = (*LONG[:1], data / "points", *LONG[1:], "--scheduler", processes.address)
        process = begun(*args, "--trace", trace)
        in_the_middle(trace)
        assert processes.scheduler is not None
        os.kill(processes.scheduler.pid, signal.SIGSTOP)
        said, err = process.communicate(timeout=30)
        assert (process.returncode, said) == (3, b"")
        assert err.decode().splitlines()[0] == f"emcli: error: {processes.address}: the scheduler is gone"
        done = run("fit", *args, timeout=10)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[0] == f"emcli: error: no scheduler answers at {processes.address}"


SAYING = {
    "nothing": b"",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "zeros": bytes(1 << 20),
    "noise": bytes(range(255, -1, -1)) * 100,
    "a length that is possible, and noise": (200).to_bytes(8, "little") + bytes(range(200)),
    "a length that is possible, and the end": (200).to_bytes(8, "little"),
    "many frames": (808).to_bytes(8, "little") + (100).to_bytes(8, "little") + b"\xff" * 800,
    "a huge length": (1 << 62).to_bytes(8, "little"),
    "3 GB": (3 << 30).to_bytes(8, "little") + bytes(1 << 20),
}


@pytest.mark.parametrize("then", ["waits", "hangs up", "drips"])
@pytest.mark.parametrize("said", SAYING.values(), ids=SAYING)
def test_something_else_behind_a_port_is_said_soon(said: bytes, then: str, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as held:
        threading.Thread(target=serve, args=(server, said, then, held), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        done = run("fit", "gmm", data / "points", "-k", "2", "--scheduler", address, timeout=10)
        server.shutdown(socket.SHUT_RDWR)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"emcli: error: no scheduler answers at {address}",
        "  hint: is `dask scheduler` running there?",
    ]


def serve(server: socket.socket, said: bytes, then: str, held: ExitStack) -> None:
    """Say that to whoever connects, and then wait, hang up, or say it a byte at a time."""
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            held.enter_context(connection)
            with suppress(OSError):
                if then == "drips":
                    threading.Thread(target=drip, args=(connection, said), daemon=True).start()
                else:
                    connection.sendall(said)
            if then == "hangs up":
                connection.close()


def drip(connection: socket.socket, said: bytes) -> None:
    with suppress(OSError):
        for byte in said or b"x" * 99:
            connection.sendall(bytes([byte]))
            time.sleep(0.2)


def test_a_worker_in_place_of_a_scheduler_is_said_soon(data: Path, two: Processes) -> None:
    from distributed import Client

    with Client(two.address, set_as_default=False) as client:
        worker = next(iter(client.scheduler_info()["workers"]))
    done = run("fit", "gmm", data / "points", "-k", "2", "--scheduler", worker, timeout=10)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 2), done.stderr


@pytest.mark.parametrize("where", ["local", "running"])
def test_a_fit_leaves_nothing_and_follows_no_planted_link(
    where: str, data: Path, tmp_path: Path, two: Processes
) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tmp" / "dask-scratch-space").symlink_to(tmp_path / "elsewhere")
    address = two.address if where == "running" else "local:1"
    args = ("fit", "gmm", data / "points", "-k", "2", "--restarts", "1", "--scheduler", address)
    done = run(*args, env={"TMPDIR": str(tmp_path / "tmp")})
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path / "tmp") == ["dask-scratch-space"]
    assert os.listdir(tmp_path / "elsewhere") == []
    (tmp_path / "tmp" / "dask-scratch-space").unlink()
    assert run(*args, env={"TMPDIR": str(tmp_path / "tmp")}).returncode == 0
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize("limit", ["ulimit -n 10", "ulimit -n 40", "ulimit -n 70"])
def test_few_open_files_end_in_a_fit_or_one_line(limit: str, data: Path) -> None:
    line = f"{limit}; exec {sys.executable} -m emcli fit gmm {data}/points -k 2 --restarts 1 --scheduler local:2 --json"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    assert done.returncode == 0 or (done.stdout == b"" and b"open files" in done.stderr), done.stderr
    assert len(done.stderr.splitlines()) <= 2
