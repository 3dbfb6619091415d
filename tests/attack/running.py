"""Trials, each in a process forked for it: as many at once as asked for, until the time is over."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .result import Count, Kind, Trial, Violation

DRAWING = ("matplotlib.backends.backend_svg", "matplotlib.ticker", "matplotlib.patheffects")
MEMORY = 6 << 30  # bytes of address space of a trial: the machine goes on, whatever it does
LATER = ("emcli.__main__",)  # not imported beforehand: it changes how the process takes signals


@dataclass
class Running:
    """A trial that goes on."""

    kind: Kind
    number: int
    folder: Path
    pid: int
    said: int  # the end of a pipe
    began: float


class Attack:
    """Some kinds of attack with a seed; `run` gives the counts by kind."""

    def __init__(self, kinds: Sequence[Kind], seed: int, folder: Path, jobs: int) -> None:
        self.kinds, self.seed, self.folder, self.jobs = kinds, seed, folder, jobs
        self.counts = {kind.name: Count() for kind in kinds}
        self._next = {kind.name: 0 for kind in kinds}
        self._shared: dict[str, Any] = {}
        self._running: list[Running] = []

    def run(self, seconds: float, most: int | None = None, only: int | None = None) -> dict[str, Count]:
        """Trials until the time is over or each kind had `most`; or the one of number `only` of each kind."""
        import_all()
        end = time.monotonic() + seconds
        sizes = {kind.name: self._size(kind, most) for kind in self.kinds}
        if only is not None:
            self._next = dict.fromkeys(self._next, only)
            sizes = dict.fromkeys(sizes, only + 1)
        gc.freeze()
        try:
            while True:
                left = [kind for kind in self.kinds if self._next[kind.name] < sizes[kind.name]]
                if time.monotonic() > end:
                    left = []
                if left and len(self._running) < self.jobs:
                    self._start(min(left, key=lambda kind: self._spent(kind) / kind.share))
                elif self._running:
                    self._wait()
                else:
                    return self.counts
        finally:
            gc.unfreeze()
            for each in self._running:
                end_session(each.pid)
                os.waitpid(each.pid, 0)

    def _size(self, kind: Kind, most: int | None) -> int:
        place = self.folder / f"shared-{kind.name}"
        place.mkdir()
        self._shared[kind.name] = kind.prepare(place) if kind.prepare else None
        sizes = [kind.size(self._shared[kind.name])] if kind.size else []
        return min([*sizes, sys.maxsize if most is None else most])

    def _spent(self, kind: Kind) -> float:
        now = time.monotonic()
        return self.counts[kind.name].seconds + sum(now - x.began for x in self._running if x.kind is kind)

    def _start(self, kind: Kind) -> None:
        number = self._next[kind.name]
        self._next[kind.name] += 1
        folder = self.folder / f"{kind.name}-{number}"
        folder.mkdir()
        ours, theirs = os.pipe()
        pid = os.fork()
        if not pid:
            self._try(kind, number, folder, theirs)
        os.close(theirs)
        self._running.append(Running(kind, number, folder, pid, ours, time.monotonic()))

    def _try(self, kind: Kind, number: int, folder: Path, said: int) -> None:
        """The process of a trial: an empty line in the pipe is success."""
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        work = folder / "work"
        work.mkdir()
        for descriptor in (1, 2):
            os.dup2(os.open(folder / f"descriptor-{descriptor}", os.O_CREAT | os.O_WRONLY | os.O_APPEND), descriptor)
        try:
            kind.trial(Trial(kind.name, self.seed, number, work, self._shared[kind.name]))
            what = ""
        except Violation as violation:
            what = str(violation)
        except BaseException:
            what = "the trial itself failed: " + traceback.format_exc()
        os.write(said, what.encode(errors="backslashreplace")[:4000] + b"\n")
        os._exit(0)

    def _wait(self) -> None:
        """Wait for a trial's end, and end those that take too long."""
        ready, _, _ = select.select([each.said for each in self._running], [], [], 0.5)
        now = time.monotonic()
        for each in list(self._running):
            late = now - each.began > each.kind.seconds
            if each.said in ready or late:
                what = "" if each.said not in ready else os.read(each.said, 5000).decode()
                end_session(each.pid)
                _, status = os.waitpid(each.pid, 0)
                os.close(each.said)
                if not what:
                    said = b" ".join((each.folder / f"descriptor-{n}").read_bytes()[-500:] for n in (1, 2))
                    ended = "not ended" if late else f"ended by {os.waitstatus_to_exitcode(status)}"
                    what = f"{ended} after {now - each.began:.0f} s: {said.decode(errors='replace')}"
                count = self.counts[each.kind.name]
                count.trials += 1
                count.seconds += now - each.began
                if what := what.strip():
                    count.violations.append((each.number, what))
                self._running.remove(each)
                remove(each.folder)


def import_all() -> None:
    """Import what the program does, once for all processes that are forked."""
    import emcli

    for found in pkgutil.walk_packages(emcli.__path__, "emcli."):
        if found.name not in LATER:
            importlib.import_module(found.name)
    for name in (
        "scipy.special",
        "scipy.linalg",
        "scipy.optimize",
        "rich.table",
        "pyarrow.csv",
        "pyarrow.parquet",
        *DRAWING,
    ):
        with suppress(ImportError):
            importlib.import_module(name)


def session(leader: int) -> list[int]:
    """The processes of a session that are no zombies."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError, IndexError):
                state, _, _, number = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[:4]
                if int(number) == leader and state != "Z":
                    found.append(int(entry))
    return found


def end_session(leader: int) -> None:
    """Kill a trial and all that it started; it stays to be waited for."""
    for pid in [leader, *session(leader)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def remove(folder: Path) -> None:
    """Remove a folder, whatever a trial did to it."""
    shutil.rmtree(folder, ignore_errors=True)
