"""A scheduler and workers as processes of their own on loopback, stopped by their own ids."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from conftest import ROOT

# a fit of some seconds
LONG = ("gmm", "-k", "4", "--restarts", "1", "--solver", "em", "--tol", "1e-13", "--max-iter", "60", "--json")
SOON = 20  # seconds for a process to be there


@dataclass
class Processes:
    """A running cluster."""

    folder: Path
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self) -> None:
        self.scheduler = self._python("distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", self.file)
        self.address = json.loads(until(lambda: self.file.exists() and self.file.read_text()))["address"]

    @property
    def file(self) -> Path:
        return self.folder / "scheduler.json"

    def add(self, *options: str, path: Path = ROOT) -> subprocess.Popen[bytes]:
        """One more worker of one thread, without a nanny that would start it again; its emcli is that of `path`."""
        worker = self._python(
            "distributed.cli.dask_worker",
            "--scheduler-file",
            self.file,
            "--nthreads",
            "1",
            "--no-nanny",
            "--memory-limit",
            "0",
            "--local-directory",
            self.folder,
            *options,
            path=path,
        )
        self.workers.append(worker)
        return worker

    def ready(self) -> None:
        """Wait until every worker has come."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers), timeout=SOON)

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None:
                process.kill()
                process.wait()

    def _python(self, module: str, *options: object, path: Path = ROOT) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", module, "--host", "127.0.0.1", "--no-dashboard", *map(str, options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(path)},
        )


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Processes]:
    """A scheduler with some workers, for as long as the context lasts."""
    folder.mkdir(exist_ok=True)
    (folder / "scheduler.json").unlink(missing_ok=True)
    processes = Processes(folder)
    try:
        processes.begin()
        for _ in range(workers):
            processes.add()
        if workers:
            processes.ready()
        yield processes
    finally:
        processes.end()


def until(found: object, patience: float = SOON) -> str:
    """What a function gives once it gives something."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with suppress(OSError, ValueError):
            value = found()  # type: ignore[operator]
            if value:
                return str(value)
        time.sleep(0.05)
    raise TimeoutError("nothing came")


def put(folder: Path, name: str, rows: Any, header: str, parts: int) -> None:
    """A table as one file `name`.csv, and as a folder of parts `name`."""
    (folder / name).mkdir()
    np.savetxt(folder / f"{name}.csv", rows, delimiter=",", header=header, comments="", fmt="%.17g")
    for i, part in enumerate(np.array_split(rows, parts)):
        np.savetxt(folder / name / f"{i}.csv", part, delimiter=",", header=header, comments="", fmt="%.17g")


def begun(*args: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "emcli", "fit", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def in_the_middle(trace: Path) -> None:
    """Wait until a fit has made some iterations."""
    until(lambda: trace.exists() and trace.read_bytes().count(b"\n") > 10, patience=4 * SOON)  # on a busy machine
