"""The program as a trial runs it: as a fork of this process, which has all modules, or as a process of its own."""

from __future__ import annotations

import atexit
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT

from .running import session

Prelude = Callable[[], object]
FATAL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(NamedTuple):
    """How a program ended."""

    code: int  # below 0: by that signal
    out: str
    err: str
    orphans: list[int]  # processes that it left behind


@dataclass
class Program:
    """A program that runs in a session of its own, its output in files beside its folder."""

    pid: int
    place: Path
    process: subprocess.Popen[bytes] | None = None
    began: float = field(default_factory=time.monotonic)

    def kill(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def running(self) -> bool:
        """Does it go on?"""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def end(self, patience: float = 30) -> Ended:
        """Wait for its end. Raises TimeoutError."""
        until = time.monotonic() + patience
        while self.running():
            if time.monotonic() > until:
                raise TimeoutError(f"no end after {patience} s: {self._text('err')}")
            time.sleep(0.002)
        if self.process:
            code = self.process.wait()
        else:
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        until = time.monotonic() + 2
        while (left := session(self.pid)) and time.monotonic() < until:
            time.sleep(0.02)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return Ended(code, self._text("out"), self._text("err"), left)

    def _text(self, stream: str) -> str:
        return Path(f"{self.place}.{stream}").read_bytes().decode(errors="backslashreplace")


def begin(
    words: Sequence[str],
    folder: Path,
    *,
    fork: bool = True,
    prelude: Prelude | None = None,
    stdin: str = os.devnull,
    env: Mapping[str, str] | None = None,
    place: Path | None = None,
) -> Program:
    """Start the program in a folder; `prelude` is called in the new process. Output goes to files `place`.out and .err.

    `fork` takes a tenth of the time of a process of its own, and runs the same code.
    """
    place = place or folder.parent / f"said by {os.getpid()}"
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    streams = [os.open(stdin, os.O_RDONLY), os.open(f"{place}.out", new), os.open(f"{place}.err", new)]
    environment = {"NO_COLOR": "1", "COLUMNS": "80", **(env or {})}
    try:
        if not fork:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "emcli", *words],
                cwd=folder,
                stdin=streams[0],
                stdout=streams[1],
                stderr=streams[2],
                start_new_session=True,
                preexec_fn=prelude,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            )
            return Program(process.pid, place, process)
        pid = os.fork()
        if not pid:
            _become(words, folder, streams, environment, prelude)
        return Program(pid, place)
    finally:
        for stream in streams:
            os.close(stream)


def _become(
    words: Sequence[str], folder: Path, streams: Sequence[int], env: Mapping[str, str], prelude: Prelude | None
) -> None:
    """Be the program, from its entry to its end."""
    code = 99
    try:
        os.setsid()
        os.chdir(folder)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for number in range(3, 100):
            with suppress(OSError):  # of one that is not open
                if not stat.S_ISFIFO(os.fstat(number).st_mode):  # Arrow has a pipe, and ends a fork that lacks it
                    os.close(number)
        sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115 - as long as the process
        sys.stderr = open(2, "w", errors="backslashreplace")  # noqa: SIM115
        os.environ.update(env)
        sys.argv = ["emcli", *words]
        for number in FATAL:
            signal.signal(number, signal.SIG_DFL)
        from emcli.cli.app import main

        if prelude:
            prelude()
        try:
            code = main()
        except SystemExit as exit:
            code = int(exit.code or 0)
        atexit._run_exitfuncs()
        sys.stdout.flush()
    finally:
        os._exit(code)
