"""The program as a process that is forked from one that has imported it: a tenth of what one costs that starts anew.

The process forked from has imported all of emcli and what that imports, and runs nothing: no cache of a function is
filled, no file read, no picture drawn. What is forked runs `python -W error -m emcli` with its own arguments, folder,
environment, files, limits and signals, and ends as any process. It differs from one that starts anew in what is done
once: what a module does when it is imported, and in which order; what Python and libraries read of the environment
then (PYTHON*, the locale, threads of BLAS); the modules of its folder; the seed of hashes; the time and the memory of
a start. Tests of those start Python itself.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import os
import pickle
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
from fcntl import F_DUPFD, fcntl
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATH = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # prctl(2)
MAX_FILES = 64

COMMAND = """#!/bin/sh
exec {python} -IS -c '
import os, signal, sys
files = []
for number in range({most}):
    try:
        os.fstat(number)
        files.append(number)
    except OSError:
        pass
import _socket, array
from _pickle import dumps
link = _socket.socket(_socket.AF_UNIX)
link.connect("{socket}")
link.sendmsg([b"C"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", files))])
link.send(dumps(([os.fsencode(word) for word in ["emcli", *sys.argv[1:]]], os.getcwd(), dict(os.environ), files, None)))
link.shutdown(_socket.SHUT_WR)
for number in files:
    os.close(number)
code = int(link.recv(99))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
' "$@"
"""


class Forked(subprocess.Popen[bytes]):
    """A process of `-m MODULE WORDS`, as a Popen. Of Popen's options it heeds cwd, env, the streams and `preexec_fn`.

    `preexec_fn` must be one that can be pickled.
    """

    def _execute_child(self, args: Any, executable: Any, before: Any, close: Any, pass_fds: Any, *more: Any) -> None:
        cwd, env, _, _, _, taken, taking, told, telling, told_error, telling_error, *_ = more
        files = {usual: usual if end == -1 else end for usual, end in enumerate((taken, telling, telling_error))}
        words = [os.fsencode(word) for word in args]
        request = words, os.path.abspath(cwd or ""), dict(os.environ if env is None else env), [*files], before
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(_server() / "socket"))
            socket.send_fds(link, [b"F"], [*files.values()])
            link.sendall(pickle.dumps(request))
            link.shutdown(socket.SHUT_WR)
            self.pid = int(link.recv(99))
        self._child_created = True
        self._close_pipe_fds(taken, taking, told, telling, told_error, telling_error)  # type: ignore[attr-defined]


@cache
def path_with_emcli() -> str:
    """A PATH on which `emcli` has the program forked, with the files, the folder and the environment it is given."""
    command = _server() / "emcli"
    command.write_text(COMMAND.format(python=sys.executable, most=MAX_FILES, socket=_server() / "socket"))
    command.chmod(0o755)
    return f"{command.parent}{os.pathsep}{os.environ['PATH']}"


@cache
def _server() -> Path:
    """The folder of the process that forks, which ends with this one; this one becomes the parent of what it forks."""
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    folder = Path(mkdtemp(prefix="emcli-tests-"))
    atexit.register(_remove, folder, os.getpid())
    with socket.socket(socket.AF_UNIX) as link:
        link.bind(str(folder / "socket"))
        link.listen()
        link.set_inheritable(True)
        words = [sys.executable, "-W", "error", __file__, str(link.fileno())]
        no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        os.posix_spawn(sys.executable, words, {**os.environ, "PYTHONPATH": PATH}, file_actions=[no_input])
    return folder


def _remove(folder: Path, maker: int) -> None:
    """Remove a folder at the end of the process that made it, not of one that was forked from it."""
    if os.getpid() == maker:
        rmtree(folder, ignore_errors=True)


def serve(door: socket.socket) -> None:
    """Fork for each request, and return in what is forked: by a process between, which ends or waits for a command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        link, _ = door.accept()
        kind, files, _, _ = socket.recv_fds(link, 1, MAX_FILES)
        reader, writer = os.pipe()
        if not (between := os.fork()):
            if pid := os.fork():
                os.write(writer, str(pid).encode())
                if kind == b"C":
                    for file in files:
                        os.close(file)
                    link.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
                os._exit(0)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            door.close()
            return become(link, files)
        pid = os.read(reader, 99)
        if kind == b"F":
            os.waitpid(between, 0)
            link.send(pid)
        for each in (*files, reader, writer):
            os.close(each)
        link.close()


def become(link: socket.socket, files: list[int]) -> None:
    """Take the files, folder, environment and arguments of a request."""
    with link, link.makefile("rb") as request:
        words, folder, environment, numbers, before = pickle.load(request)
    copies = [fcntl(file, F_DUPFD, MAX_FILES) for file in files]
    os.closerange(0, MAX_FILES)
    for copy, number in zip(copies, numbers, strict=True):
        os.dup2(copy, number)
        os.close(copy)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = sys.__stdin__ = open(0, closefd=False) if 0 in numbers else None  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False) if 1 in numbers else None  # noqa: SIM115
    errors = {"errors": "backslashreplace", "buffering": 1, "closefd": False}
    sys.stderr = sys.__stderr__ = open(2, "w", **errors) if 2 in numbers else None  # noqa: SIM115
    sys.path[0] = folder
    sys.argv = ["-m", *map(os.fsdecode, words)]
    if before is not None:
        before()


if __name__ == "__main__":
    import numpy.random  # noqa: F401
    import yaml  # noqa: F401

    import emcli

    for found in pkgutil.walk_packages(emcli.__path__, "emcli."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
    module = sys.argv.pop(1)
    runpy._run_module_as_main(module)  # type: ignore[attr-defined]
