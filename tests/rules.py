"""The rules that every bad input must meet, whatever its kind."""

from __future__ import annotations

import os
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import ROOT, run_here, run_process

POINTS = "x,y\n" + "".join(f"{i % 7}.5,{i * i % 11}\n" for i in range(20))
TOSSES = "heads,tosses\n5,10\n9,10\n8,10\n4,10\n7,10\n"
OLD = "old content\n"
SAID = re.compile(r"emcli: (error|warning): .+|  hint: .+|emcli: .+")


class Bad(NamedTuple):
    """One command line with the files around it, the exit code and what must be said."""

    line: str  # as for a shell, without its expansions
    code: int
    parts: Sequence[str] = ()
    files: Mapping[str, str | bytes] = {}
    stdin: str | bytes | None = None


def bad(line: str, code: int, *parts: str, stdin: str | bytes | None = None, **files: str | bytes) -> Bad:
    """A case; the name of a file is written with two underscores for a point: x__csv."""
    return Bad(line, code, parts, {name.replace("__", "."): text for name, text in files.items()}, stdin)


class Done(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str


def limited(line: str, folder: Path, megabytes: int, stdin: bytes = b"") -> Done:
    """Run with no more address space than that."""
    most = megabytes << 20
    done = subprocess.run(
        [sys.executable, "-m", "emcli", *line.split()],
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def lay(folder: Path, case: Bad) -> list[str]:
    """Put the files of a case in a folder, and an old output among them; the arguments."""
    (folder / "x.csv").write_text(POINTS)
    (folder / "c.csv").write_text(TOSSES)
    for name, text in case.files.items():
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    old = folder / "out.json"
    old.write_text(OLD)
    os.utime(old, (1e9, 1e9))
    words = shlex.split(case.line)
    writes = bool(words) and words[0] in ("fit", "compare", "predict", "generate")
    if writes and case.code not in (0, 1) and not {"-o", "--", "-h", "--help"} & set(words):
        words += ["-o", "out.json"]
    return words


def as_process(words: Sequence[str | bytes], folder: Path, stdin: bytes = b"", **env: str) -> Done:
    """Run the program as a user would."""
    done = run_process(words, folder, stdin, **env)
    return Done(done.returncode, done.stdout, done.stderr)


def in_process(words: Sequence[str], folder: Path, stdin: bytes = b"") -> Done:
    """Run the program here: for hundreds of inputs."""
    done = run_here(words, folder, stdin)
    return Done(done.returncode, done.stdout, done.stderr)


def snapshot(folder: Path) -> dict[str, tuple[Any, ...]]:
    """What is in a folder: names, sizes and times."""
    return {
        entry.name: (entry.stat(follow_symlinks=False).st_size, entry.stat(follow_symlinks=False).st_mtime_ns)
        for entry in os.scandir(folder)
    }


def hold(done: Done, code: int, *parts: str) -> None:
    """The exit code, an empty stdout, one line for each fault, at most one hint, nothing raw."""
    assert done.code == code, done
    assert "Traceback" not in done.err
    lines = done.err.splitlines()
    for line in lines:
        assert SAID.fullmatch(line), done.err
        assert line.isprintable() and len(line) <= 400, done.err
    if code not in (0, 1):
        assert done.out == "", done
        errors = [line for line in lines if line.startswith("emcli: error: ")]
        hints = [line for line in lines if line.startswith("  hint: ")]
        assert 1 <= len(errors) <= 11 and len(hints) <= 1, done.err
        assert not hints or lines[-1] == hints[0], done.err
    for part in parts:
        assert part in done.err, (part, done)


def check(case: Bad, folder: Path, process: bool) -> Done:
    """Run a case and hold it to the rules; nothing around it may change unless it succeeds."""
    words = lay(folder, case)
    before = snapshot(folder)
    given = case.stdin.encode() if isinstance(case.stdin, str) else case.stdin or b""
    done = (as_process if process else in_process)(words, folder, given)
    hold(done, case.code, *case.parts)
    if case.code not in (0, 1):
        assert snapshot(folder) == before
    return done


def rows(catalogue: Mapping[str, Bad | list[Bad]], processes: Collection[str] | None = None) -> Any:
    """Each row as tests named by it, run in this process, but the first of a row of `processes` as one (None: all)."""
    flat = [
        pytest.param(case, number == 0 and (processes is None or row in processes), id=f"{row}, {number}")
        for row, cases in catalogue.items()
        for number, case in enumerate([cases] if isinstance(cases, Bad) else cases)
    ]
    return pytest.mark.parametrize(("case", "process"), flat)
