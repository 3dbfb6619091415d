"""What the tests share: the program as a process, and the reference values."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

# As the program does before it imports NumPy; two threads of BLAS in each of two busy workers wait for each other.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import hypothesis
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "tests" / "reference"
SAMPLES = ROOT / "sample_data"

# `make test` tries the same examples each time; `make fuzz` and `make test-slow` look for new ones.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile("fixed")


class Stdin(io.TextIOWrapper):
    """Standard input that is no terminal."""

    def isatty(self) -> bool:
        return False


def run_here(words: Sequence[str], cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run the program in this process, with streams of its own: a tenth of what a process costs."""
    from emcli.cli.app import main

    before, out, err = Path.cwd(), io.StringIO(), io.StringIO()
    streams = {"stdin": Stdin(io.BytesIO(stdin)), "stdout": out, "stderr": err}
    try:
        os.chdir(cwd)
        with patch.multiple(sys, **streams), patch("signal.signal"), patch("sys.unraisablehook"):
            code = int(main(list(words)))
    finally:
        os.chdir(before)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def run_process(
    words: Sequence[str | bytes], cwd: Path, stdin: bytes = b"", timeout: float = 120, module: str = "emcli", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the program, or a module that adds a model to it, as a user would."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *words],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", **env},
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def run(
    *args: object,
    stdin: str | bytes = b"",
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    process: bool = True,
    module: str = "emcli",
) -> subprocess.CompletedProcess[str]:
    """Run the program here, or as a process of its own, as `env` and `timeout` need it; standard input may be empty."""
    words, given = [str(arg) for arg in args], stdin.encode() if isinstance(stdin, str) else stdin
    if process or env is not None or timeout is not None:
        return run_process(words, cwd, given, timeout or 120, module, **{"NO_COLOR": "1", **(env or {})})
    return run_here(words, cwd, given)


def fit(*args: object, stdin: str | bytes = b"", module: str = "emcli") -> dict[str, Any]:
    """The document of a fit that must succeed."""
    done = run("fit", *args, "--json", stdin=stdin, module=module, process=module != "emcli")
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
