"""Odd environments: the same fit as everywhere, or one line that is true; never a hang, never another's file."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from rules import Done, hold

from .commands import Command, contents, prepare
from .programs import begin
from .result import Kind, Trial

NOBODY = 65534


@dataclass
class Odd:
    """One oddity: what the new process does to itself, what is around it, and the codes that it may end with."""

    name: str
    prelude: Callable[[], object] | None = None
    env: dict[str, str] | None = None
    codes: tuple[int, ...] = (0,)
    lay: Callable[[Path], object] | None = None
    stdin: str = os.devnull
    fork: bool = True
    heard: bool = True  # can what it says be written down?


def limited(what: int, most: int) -> Callable[[], object]:
    return lambda: resource.setrlimit(what, (most, most))


def few_processes(most: int) -> Callable[[], object]:
    """As somebody who is not root, with no more processes than that, of all that run."""

    def become() -> None:
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    return become


def without(*descriptors: int) -> Callable[[], object]:
    def close() -> None:
        for number in descriptors:
            os.close(number)

    return close


def deleted() -> None:
    """Work in a folder that is gone."""
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")


def full() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def ignoring() -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)


def blocking() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})


def hide(*folders: str) -> Callable[[], object]:
    """Put an empty folder over another, in a view of the files that this process alone has."""

    def cover() -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 1 << 14 | 1 << 18, None):
            os._exit(0)  # not allowed here: nothing is tried
        for folder in folders:
            if libc.mount(b"none", folder.encode(), b"tmpfs", 1, None):
                os._exit(0)

    return cover


def planted(content: bytes) -> Callable[[Path], object]:
    """Files of the names that libraries look for in the current folder."""

    def lay(folder: Path) -> None:
        for name in ("matplotlibrc", "numpy.py", "sitecustomize.py", "typer.py", "dask.yaml", "pyproject.toml", ".env"):
            (folder / name).write_bytes(content)

    return lay


def odd(draw: Random) -> Odd:
    """One of many."""
    everywhere = [
        Odd("no /proc", hide("/proc"), fork=False, codes=(0,)),
        Odd("no /dev/shm", hide("/dev/shm")),
        Odd("neither", hide("/proc", "/dev/shm")),
        Odd("few descriptors", limited(resource.RLIMIT_NOFILE, draw.randint(3, 24)), codes=(0, 2, 3, 5)),
        Odd("few processes", few_processes(draw.randint(0, 3)), codes=(0, 3, 5), lay=lambda f: open_to_all(f)),
        Odd(
            "small files",
            limited(resource.RLIMIT_FSIZE, draw.choice((0, 1, 100, 600))),
            env={"PYTHONDONTWRITEBYTECODE": "1"},  # bytecode that is cut short would break every later command
            codes=(0, 5),
            heard=False,
        ),
        Odd("small stack", limited(resource.RLIMIT_STACK, 1 << draw.randint(16, 20)), codes=(0, 3)),
        Odd("no cwd", deleted, codes=(0, 2, 3, 5)),
        Odd("closed streams", without(*draw.sample((0, 1, 2), draw.randint(1, 3))), codes=(0, 5)),
        Odd("full standard output", full, codes=(5,)),
        Odd("ignored signals", ignoring),
        Odd("blocked signals", blocking),
        Odd("umask", lambda: os.umask(draw.choice((0, 0o077, 0o777))), codes=(0, 5)),
        Odd("nice", lambda: os.nice(19)),
        Odd("one core", lambda: os.sched_setaffinity(0, {0})),
        Odd("TMPDIR nowhere", env={"TMPDIR": draw.choice(("/nowhere", "/dev/null", "", "x.csv"))}, codes=(0, 5)),
        Odd(
            "HOME nowhere",
            env={"HOME": "/nowhere", "XDG_CACHE_HOME": "/dev/null", "MPLCONFIGDIR": "/dev/null"},
            fork=False,
        ),
        Odd(
            "terminal",
            env={"TERM": draw.choice(("dumb", "", "x" * 999, "\x1b[2J")), "FORCE_COLOR": "1", "NO_COLOR": ""},
        ),
        Odd("width", env={"COLUMNS": draw.choice(("0", "-1", "x", "1", "99999999", "1e3")), "LINES": "0"}),
        Odd("locale", env={"LC_ALL": draw.choice(("C", "tr_TR.UTF-8", "de_DE", "nonsense")), "LANG": "x"}, fork=False),
        Odd(
            "encoding", env={"PYTHONIOENCODING": draw.choice(("ascii", "latin-1", "utf-16"))}, codes=(0, 5), fork=False
        ),
        Odd("Python", env={"PYTHONHASHSEED": "7", "PYTHONDEVMODE": "1", "PYTHONMALLOC": "debug"}, fork=False),
        Odd("optimised Python", env={"PYTHONOPTIMIZE": "2"}, fork=False),
        Odd("threads", env={"OMP_NUM_THREADS": "99", "OPENBLAS_NUM_THREADS": "x", "MKL_NUM_THREADS": "-1"}, fork=False),
        Odd("planted binary", lay=planted(bytes(range(256))), fork=False),
        Odd("planted code", lay=planted(b"raise SystemExit(77)\n"), fork=False),
        Odd("planted pipe", lay=lambda f: os.mkfifo(f / "matplotlibrc"), fork=False),
        Odd("planted link", lay=lambda f: os.symlink("/dev/zero", f / "matplotlibrc"), fork=False),
    ]
    return draw.choice(everywhere)


def open_to_all(folder: Path) -> None:
    """Let anybody reach and write in a folder."""
    for path in (folder, *folder.parents[:3]):
        os.chmod(path, 0o777)
    for path in folder.rglob("*"):
        os.chmod(path, 0o777 if path.is_dir() else 0o666)


def trial(trial: Trial) -> None:
    """A command in an odd environment."""
    draw = trial.random
    command: Command = draw.choice(trial.shared)
    place = trial.folder / "work"
    shutil.copytree(command.laid, place)
    strange = odd(draw)
    if strange.lay:
        strange.lay(place)
    before = contents(place)
    words = command.line.split()
    if strange.name == "no cwd":
        words = [str(place / word) if (place / word).exists() or word == "labelled" else word for word in words]
    done = begin(words, place, prelude=strange.prelude, env=strange.env, fork=strange.fork).end(40)
    what = (f"{strange.name}: emcli {' '.join(words)}", strange.env, done)
    quiet = strange.prelude is full and words[0] in ("predict", "generate")  # with -o they say nothing
    trial.check(done.code in ((0,) if quiet else strange.codes), *what)
    trial.check(not done.orphans, *what, "processes left")
    found = contents(place)
    new = {**before, **command.new}
    for name, content in found.items():
        trial.check(content in (before.get(name), new.get(name)), *what, f"{name} is torn or another: {content[:80]!r}")
    trial.check(before.keys() <= found.keys(), *what, "lost", before.keys() - found.keys())
    if done.code == 0 and "/" not in str(strange.name):
        trial.check(found == new, *what, "0, but not what is to be written")
    elif done.code and strange.heard:
        hold(Done(done.code, done.out, done.err), done.code)
    trial.check("Traceback" not in done.err, *what)


KIND = Kind("environments", trial, prepare)
