"""A system that gives little: each command ends in its result, or in one line that is true, with a hint that helps."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attack.programs import begin
from conftest import ROOT, run_here
from rules import POINTS, Bad, Done, hold, in_process, lay

from emcli.compute import arrays
from emcli.compute.threads import in_background, prefetch, thread_map
from emcli.errors import EmcliError

COINS = "fit coins c.csv -k 1 --restarts 1 --bootstrap 20 -q"


def strange(words: str, folder: Path, prelude: Callable[[], object], fork: bool = True) -> Done:
    """How the program ends in a process that is made strange first; it may take no more than 20 seconds."""
    done = begin(words.split(), folder, prelude=prelude, fork=fork).end(20)
    assert not done.orphans
    return Done(done.code, done.out, done.err)


def allowing(files: int) -> Callable[[], object]:
    """Allow so many open files, three of which are the standard streams."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    lay(folder, Bad("fit", 0))
    (folder / "parts").mkdir()
    (folder / "parts" / "a.csv").write_text(POINTS)
    return folder


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.parametrize("files", [5, *(pytest.param(files, marks=pytest.mark.slow) for files in (7, 9, 12))])
def test_few_open_files_or_no_other_process_are_enough_for_workers(files: int, here: Path) -> None:
    alone = in_process(f"{COINS} --jobs 1".split(), here)
    assert strange(f"{COINS} --jobs 4", here, allowing(files), fork=False) == alone  # a fork inherits some of them

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def no_processes() -> None:
        os.fork = refuse

    assert strange(f"{COINS} --jobs 4", here, no_processes) == alone


def test_a_cluster_for_which_too_few_files_are_allowed_is_refused_before_it_waits_for_ever(here: Path) -> None:
    pytest.importorskip("distributed")
    done = strange("fit gmm parts -k 1 --restarts 1 -q --scheduler local:2", here, allowing(20))
    hold(done, 3, "local:2 takes 64 open files, and 20 are allowed", "hint: ulimit -n 64, or fewer workers")


def test_what_cannot_be_opened_for_want_of_open_files_is_told_with_a_hint_that_helps(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "something")

    hint = "hint: a higher `ulimit -n` allows more of them"
    with monkeypatch.context() as patched:
        patched.setattr("emcli.files.outputs.open", refuse, raising=False)
        words = ["fit", "gmm", "x.csv", "-k", "1", "-o", "o.json"]
        hold(in_process(words, here), 5, "o.json: cannot write: too many open files", hint)
    with monkeypatch.context() as patched:
        patched.setattr("emcli.files.inputs.open", refuse, raising=False)
        hold(in_process(["fit", "e.yaml"], here), 2, "e.yaml: too many open files", hint)
    with monkeypatch.context() as patched:
        patched.setattr("emcli.inference.fit.fit", refuse)
        hold(in_process(["fit", "gmm", "x.csv", "-k", "1"], here), 3, "the system refuses: too many open files", hint)
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.TemporaryFile", refuse)
        with pytest.raises(EmcliError) as caught:
            arrays.MappedFile()
    assert caught.value.lines()[-1] == f"  {hint}"


@pytest.mark.usefixtures("no_threads")
def test_where_no_thread_can_be_started_this_one_does_the_work() -> None:
    def fails(i: int) -> int:
        return 1 // (3 - i)

    with thread_map(3) as mapper:
        assert list(mapper(pow, range(40), [2] * 40)) == [i * i for i in range(40)]
        with pytest.raises(ZeroDivisionError):
            list(mapper(fails, range(40)))
    assert list(prefetch(abs, range(40), 4)) == [(i, i) for i in range(40)]
    assert in_background(pow, 2, 5, threads=2)() == 32
    with pytest.raises(ZeroDivisionError):
        in_background(divmod, 1, 0, threads=2)()


@pytest.mark.usefixtures("no_threads")
def test_a_table_on_disk_over_whose_memory_no_thread_can_watch_is_refused() -> None:
    with arrays.MappedFile() as file, pytest.raises(EmcliError) as caught:
        file.reserve(1 << 20)
        file.as_array((1 << 17,), np.dtype(np.float64))
    said = caught.value.lines()
    assert "no other thread can be started" in said[0] and said[1].startswith("  hint: a higher `ulimit -u`")


def test_where_nothing_tells_how_much_is_resident_pages_are_given_back_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError(errno.ENOENT, "no /proc")

    released = threading.Event()
    monkeypatch.setattr(arrays, "open", refuse, raising=False)
    monkeypatch.setattr(arrays, "release", released.set)
    with arrays.MappedFile() as file:
        file.reserve(1 << 20)
        kept = file.as_array((1 << 17,), np.dtype(np.float64))
    assert released.wait(20)
    del kept
    while arrays.on_disk():
        time.sleep(0.01)


@pytest.mark.parametrize("width", ["1", "2", "-7", "0", "x", "9" * 30])
def test_help_is_there_however_narrow_the_terminal_says_it_is(width: str, here: Path) -> None:
    for words in (["--help"], ["fit", "--help"]):
        done = run_here(words, here, env={"COLUMNS": width})
        assert (done.returncode, done.stderr) == (0, "") and "Examples:" in done.stdout


def test_what_libraries_cannot_raise_is_no_traceback() -> None:
    script = """
import sys, threading
from emcli.cli.guard import guarded
class Broken:
    def __del__(self): raise OSError("ignored")
def work():
    Broken()
    thread = threading.Thread(target=divmod, args=(1, 0))
    thread.start()
    thread.join()
    return 0
sys.exit(guarded(work, len(sys.argv) > 1))
"""
    for words, said in (([], False), (["--debug"], True)):
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert done.returncode == 0
        assert ("Traceback" in done.stderr and "ZeroDivisionError" in done.stderr) is said
