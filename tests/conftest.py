"""What the tests share: the program, run here or as a process, and the reference values."""

from __future__ import annotations

import gc
import html
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

# As the program does before it imports NumPy; two threads of BLAS in each of two busy workers wait for each other.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import hypothesis
import numpy as np
import pytest
import typer.main
from forked import PATH, Forked

# Without bytecode every process that a test starts compiles the program, and every worker all tests anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell starts what it runs in the background with these signals ignored, which programs inherit; tests send them.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "tests" / "reference"
SAMPLES = ROOT / "sample_data"
PLAIN = {"NO_COLOR": "1"}
command_of = cache(typer.main.get_command)  # once, where a process would make it of its signatures each time

# `make test` tries the same examples each time; `make fuzz` and `make test-slow` look for new ones.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile("fixed")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected, nor look later at what that leaves: all of it stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


class Stream(io.TextIOWrapper):
    """A standard stream in memory, of a terminal or not."""

    def __init__(self, content: bytes = b"", *, terminal: bool = False, errors: str = "strict"):
        self._memory, self._terminal = io.BytesIO(content), terminal
        super().__init__(self._memory, encoding="utf-8", errors=errors)

    def isatty(self) -> bool:
        return self._terminal

    def text(self) -> str:
        """What was written to it."""
        self.flush()
        return self._memory.getvalue().decode()


def idle(*_: object) -> None:
    """In place of what a program changes for all of its process; a mock would take as long as the program."""


PROCESS_WIDE = "signal.signal", "sys.unraisablehook"


def run_here(
    words: Sequence[str],
    cwd: Path = ROOT,
    stdin: bytes = b"",
    *,
    terminal: bool = False,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the program in this process, with an environment and streams of its own: a tenth of what a process costs.

    On a terminal both outputs are one stream, told as standard output.
    """
    from emcli.cli.app import main

    before, out = Path.cwd(), Stream(terminal=terminal)
    err = out if terminal else Stream(errors="backslashreplace")
    changes: list[Any] = [patch(name, idle) for name in (*PROCESS_WIDE, "emcli.cli.guard._silence")]
    changes += [
        patch.multiple(sys, stdin=Stream(stdin), stdout=out, stderr=err),
        patch.dict(os.environ, {**PLAIN, "COLUMNS": "80", **(env or {})}),
        patch("typer.main.get_command", command_of),
        patch("os.sched_getaffinity", lambda _: {0}),  # as many workers as cores run tests: more where --jobs says so
    ]
    try:
        os.chdir(cwd)
        with ExitStack() as stack:
            for each in changes:
                stack.enter_context(each)
            code = int(main(list(words)))
    except SystemExit as end:  # of a shell's completion
        code = int(end.code or 0)
    finally:
        os.chdir(before)
    return subprocess.CompletedProcess(words, code, out.text(), "" if terminal else err.text())


READ_AT_START = "PYTHON", "LANG", "LC_"  # variables that an interpreter heeds


def run_process(
    words: Sequence[str | bytes], cwd: Path, stdin: bytes = b"", timeout: float = 120, module: str = "emcli", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the program, or a module that adds a model to it, as a process: forked unless its start heeds what is set."""
    given: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": cwd}
    given["env"] = {**os.environ, "PYTHONPATH": PATH, **env}
    if any(name.startswith(READ_AT_START) for name in env):
        process = subprocess.Popen([sys.executable, "-W", "error", "-m", module, *words], **given)
    else:
        process = Forked([module, *words], **given)
    with process:
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out.decode(), err.decode())


def run(
    *args: object,
    stdin: str | bytes = b"",
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    process: bool = False,
    module: str = "emcli",
) -> subprocess.CompletedProcess[str]:
    """Run the program here, or as a process of its own, as an environment, a limit of seconds or a module need it."""
    words, given = [str(arg) for arg in args], stdin.encode() if isinstance(stdin, str) else stdin
    if process or env is not None or timeout is not None or module != "emcli":
        return run_process(words, cwd, given, timeout or 120, module, **{**PLAIN, **(env or {})})
    return run_here(words, cwd, given)


@pytest.fixture
def without_collection() -> Iterator[None]:
    """No garbage collection meanwhile: its time grows with all that other tests have left in this process."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures as what they say of themselves in SVG, and nothing drawn, which takes most of their time."""
    from emcli.output.plots import matplotlib_renderer

    def without_drawing(picture: Any, *_: object) -> bytes:
        said = html.escape(matplotlib_renderer.described(picture))
        return f"<svg xmlns='http://www.w3.org/2000/svg'><dc:description>{said}</dc:description></svg>".encode()

    monkeypatch.setattr(matplotlib_renderer, "rendered", without_drawing)


def fit(*args: object, stdin: str | bytes = b"", module: str = "emcli") -> dict[str, Any]:
    """The document of a fit that must succeed."""
    done = run("fit", *args, "--json", stdin=stdin, module=module)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def reference(name: str) -> Any:
    """One file of independent values."""
    return json.loads((REFERENCE / f"{name}.json").read_text())


def table(path: Path) -> np.ndarray:
    """The numbers of a CSV with a header, (n, d)."""
    return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text to a file of a temporary folder."""

    def put(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return put
