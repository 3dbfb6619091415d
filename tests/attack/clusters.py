"""Clusters that go wrong: workers and schedulers that are silent or killed, strangers behind a port, planted links."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from clusters import LONG, cluster, put
from rules import Done, hold

from .programs import Ended, Program, begin
from .result import Kind, Trial

TRIALS = 40  # a dozen seconds and half a dozen processes each
NOTICED = 30  # seconds within which a fit goes on without a worker that is silent
REFUSED = 10  # seconds within which it is said that no scheduler answers
STARTED = 15  # seconds that a busy machine may take to start the program


class Prepared(NamedTuple):
    """Rows in parts, and what a fit of them says where nothing goes wrong."""

    folder: Path
    said: str


def prepare(folder: Path) -> Prepared | None:
    """Rows and their fit on workers that live; nothing where Dask is not installed."""
    if find_spec("distributed") is None:
        return None
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal([0, 0], [1, 2], (12_000, 2)), rng.normal([5, 3], [1.5, 0.7], (8_000, 2))])
    put(folder, "points", rng.permutation(rows), "x,y", 5)
    ended = fitted(folder, "local:2").end(120)
    assert ended.code == 0, ended
    return Prepared(folder, ended.out)


def fitted(folder: Path, address: str, *more: str, work: Path | None = None, tmp: Path | None = None) -> Program:
    """The program that fits the rows on the cluster at this address."""
    words = ["fit", LONG[0], str(folder / "points"), *LONG[1:], "--scheduler", address, *more]
    return begin(words, work or folder, fork=False, env={"TMPDIR": str(tmp)} if tmp else None)


def trial(trial: Trial) -> None:
    """One thing goes wrong, at a moment drawn."""
    way = trial.random.choice((silent_or_killed, silent_or_killed, silent_or_killed, stranger, stranger, planted))
    way(trial)


def silent_or_killed(trial: Trial) -> None:
    """A process of the cluster stops or is killed: the fit goes on to the same bytes, or a line says what is gone."""
    draw, prepared = trial.random, trial.shared
    number, victim = (
        draw.choice((signal.SIGSTOP, signal.SIGKILL)),
        draw.choice(("worker", "worker", "scheduler", "all")),
    )
    place = trial.folder.parent / "cluster"
    with cluster(place, 2) as processes:
        assert processes.scheduler is not None
        program = fitted(prepared.folder, processes.address, work=trial.folder)
        time.sleep(draw.uniform(0, 8))
        some = {"worker": processes.workers[:1], "scheduler": [processes.scheduler], "all": processes.workers}[victim]
        for each in some:
            each.send_signal(number)
        began = time.monotonic()
        ended = program.end(NOTICED + 30)
        took = time.monotonic() - began
    what = (f"{number.name} to {victim}", f"{took:.0f} s", ended)
    trial.check(not ended.orphans, *what, "processes are left")
    if ended.code == 0:
        trial.check(ended.out == trial.shared.said, *what, "other bytes")
    trial.check(ended.code == 0 or victim != "worker", *what)
    trial.check(ended.code in (0, 2, 3), *what)
    well_said(ended)


def stranger(trial: Trial) -> None:
    """Something else answers at the port: it is said soon."""
    draw = trial.random
    said = draw.choice((
        b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", bytes(1 << 16),
        draw.randrange(1 << 40).to_bytes(8, "little") + draw.randbytes(draw.randrange(1000)),
        draw.randrange(300).to_bytes(8, "little") + draw.randbytes(draw.randrange(1000)), draw.randbytes(5000),
    ))  # fmt: skip
    then = draw.choice(("waits", "hangs up", "drips"))
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as held:
        threading.Thread(target=serve, args=(server, said, then, held), daemon=True).start()
        began = time.monotonic()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        ended = fitted(trial.shared.folder, address, work=trial.folder).end(60)
        took = time.monotonic() - began
        server.shutdown(socket.SHUT_RDWR)
    what = (said[:40], then, f"{took:.0f} s", ended)
    trial.check(ended.code == 2 and "no scheduler answers at" in ended.err, *what)
    trial.check(took < REFUSED + STARTED, *what)
    well_said(ended)


def serve(server: socket.socket, said: bytes, then: str, held: ExitStack) -> None:
    """Say that to whoever connects, and then wait, hang up, or say it a byte at a time."""
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            held.enter_context(connection)
            threading.Thread(target=answer, args=(connection, said, then), daemon=True).start()


def answer(connection: socket.socket, said: bytes, then: str) -> None:
    with suppress(OSError):
        if then != "drips":
            connection.sendall(said)
        else:
            for byte in said or b"x" * 99:
                connection.sendall(bytes([byte]))
                time.sleep(0.2)
        if then == "hangs up":
            connection.close()


def planted(trial: Trial) -> None:
    """Links of the names that Dask takes stand in the temporary folder: none is followed, and nothing is left."""
    tmp, elsewhere = trial.folder / "tmp", trial.folder / "elsewhere"
    tmp.mkdir()
    elsewhere.mkdir()
    names = trial.random.sample(("dask-scratch-space", "dask-worker-space", "emcli-", "scheduler.json"), 2)
    for name in names:
        (tmp / name).symlink_to(elsewhere)
    stopped = trial.random.random() < 0.4
    program = fitted(trial.shared.folder, "local:1", work=trial.folder, tmp=tmp)
    if stopped:
        time.sleep(trial.random.uniform(0, 6))
        program.kill(signal.SIGTERM)
    ended = program.end(90)
    what = (names, ended, sorted(os.listdir(tmp)))
    trial.check(ended.code == 0 or (stopped and ended.code == -signal.SIGTERM), *what)
    trial.check(not ended.orphans, *what, "processes are left")
    trial.check(sorted(os.listdir(tmp)) == sorted(names) and os.listdir(elsewhere) == [], *what)
    if ended.code == 0:
        trial.check(ended.out == trial.shared.said, *what, "other bytes")


def well_said(ended: Ended) -> None:
    hold(Done(ended.code, ended.out, ended.err), ended.code)


def count(prepared: Prepared | None) -> int:
    return TRIALS if prepared else 0


KIND = Kind("clusters", trial, prepare, count, seconds=150.0)
