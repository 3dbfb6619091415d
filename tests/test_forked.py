"""A forked program is the program: it says, writes and ends as one that starts anew."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SAMPLES, run
from forked import PATH, Forked, path_with_emcli

ANEW = [sys.executable, "-W", "error", "-m"]
PIPES: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
EACH = pytest.mark.parametrize(("kind", "first"), [(Forked, []), (subprocess.Popen, ANEW)], ids=["forked", "anew"])


def both(*words: str, stdin: bytes = b"", **how: Any) -> tuple[int, bytes, bytes]:
    """How a command ends, and what it says; the same of both processes."""
    ends = []
    for kind, first in ((Forked, []), (subprocess.Popen, ANEW)):
        with kind([*first, *words], **PIPES, **how, env={**os.environ, "PYTHONPATH": PATH}) as process:
            out, err = process.communicate(stdin, 60)
        ends.append((process.returncode, out, err))
    assert ends[0] == ends[1]
    return ends[0]


def test_it_says_what_one_that_starts_anew_says(tmp_path: Path) -> None:
    rows = (SAMPLES / "faithful.csv").read_bytes()
    code, out, err = both("emcli", "fit", "gmm", "-", "-k", "2", "--json", stdin=rows)
    assert code == 0 and out.startswith(b"{") and not err
    code, out, err = both("emcli", "fit", "gmm", "é.csv", "-k", "2", cwd=tmp_path)
    assert code == 3 and not out and "é.csv" in err.decode()


def test_it_knows_nothing_of_those_before_it() -> None:
    assert both("poisson", "fit", "poisson", str(ROOT / "tests" / "events.csv"), "-k", "2")[0] == 0
    assert b"no such model 'poisson'" in both("emcli", "fit", "poisson", "x.csv")[2]


def test_it_has_the_limits_that_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x\n" + "1\n2\n4\n" * 99)
    fit = run("fit", "gmm", tmp_path / "x.csv", "-k", 1, "--json").stdout.encode()
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (40, 40))
    code, _, err = both("emcli", "predict", "-", "x.csv", "-o", "p.csv", cwd=tmp_path, preexec_fn=limit, stdin=fit)
    assert code == 5 and b"p.csv: cannot write: file too large" in err


@EACH
def test_a_closed_pipe_and_a_signal_end_it(kind: Any, first: list[str]) -> None:
    with kind([*first, "emcli", "generate", "blobs", "-n", "100000"], **PIPES) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == -signal.SIGPIPE
    endless = ["fit", "gmm", "faithful", "-k", "2", "--restarts", "9999", "--trace", "-"]
    with kind([*first, "emcli", *endless], **PIPES) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert (err, process.returncode) == (b"emcli: terminated\n", -signal.SIGTERM)


@pytest.mark.parametrize(
    ("line", "out", "err"),
    [
        ("emcli generate blobs -n 20000 | head -1; echo ${PIPESTATUS[0]}", "x,y\n141\n", ""),
        ("emcli fit nofile; echo $?", "2\n", "emcli: error: no such model 'nofile'\n"),
        ("emcli --version >&-; echo $?", "5\n", "emcli: error: cannot write the result: standard output is closed\n"),
        ("emcli fit gmm - -k 1 < /dev/null; echo $?", "3\n", "emcli: error: <stdin>: "),
        ("emcli fit gmm /dev/fd/9 -k 1 --json 9<<< $'x\n1\n2' | head -c 1", "{", ""),
    ],
)
def test_a_shell_s_command_has_its_files_and_ends_as_the_program(line: str, out: str, err: str) -> None:
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env={**os.environ, "PATH": path_with_emcli()}, check=True
    )
    assert done.stdout == out and done.stderr.startswith(err) and bool(err) == bool(done.stderr), done
