"""What the tests share: the program as a process, and the reference values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "tests" / "reference"
SAMPLES = ROOT / "sample_data"


def run(
    *args: Any,
    stdin: str | bytes | None = None,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run the program as a user would; standard input is empty unless given."""
    given = stdin.encode() if isinstance(stdin, str) else stdin or b""
    done = subprocess.run(
        [sys.executable, "-m", "emcli", *map(str, args)],
        input=given,
        capture_output=True,
        cwd=cwd,
        timeout=timeout,
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(ROOT), **(env or {})},
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def fit(*args: Any, **how: Any) -> dict[str, Any]:
    """The document of a fit that must succeed."""
    done = run("fit", *args, "--json", **how)
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
