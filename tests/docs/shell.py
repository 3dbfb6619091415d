"""Lines of a shell, run in this process where they are commands of emcli, alone or in a pipe."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from conftest import PLAIN, run_here
from forked import path_with_emcli

OPERATORS = {"|", ">", "&&"}
STATED = re.compile(r"#.*\bexits? (?:with )?([0-9]+)")  # the exit code that a page states beside a command
MADE_BY_NOBODY = {"configs", "sample_data"}  # what `emcli examples` puts there
_done: dict[tuple[str, ...], tuple[Done, dict[str, bytes]]] = {}  # of commands that read examples alone: what they made


class Done(NamedTuple):
    """What a line printed, and how it ended."""

    out: str
    err: str
    code: int


def lines(text: str) -> list[str]:
    """Commands of a block, those that go on after a backslash as one."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def stated_code(line: str) -> int:
    """The exit code that a command should have."""
    found = STATED.search(line)
    return int(found[1]) if found else 0


def run_line(line: str, folder: Path) -> Done:
    """Run one line in a folder; what emcli does there is done in this process, unless a shell is needed."""
    plain = re.search(r"[$*`;<~(]|\bfor\b", re.sub(r"'[^']*'", "", line)) is None
    tokens = shlex.shlex(line, posix=True, punctuation_chars="|>&")
    tokens.commenters, tokens.whitespace_split = "#", True
    words = list(tokens)
    if not plain or any(set(word) <= set("|>&") and word not in OPERATORS for word in words):
        return _by_shell(line, folder)
    done, given, out, err = Done("", "", 0), "", "", ""
    command: list[str] = []
    target: str | None = None
    queue = [*words, "&&"]
    while queue:
        word = queue.pop(0)
        if word == ">":
            target = queue.pop(0)
        elif word not in OPERATORS:
            command.append(word)
        else:
            done = _run(command, folder, given)
            err, given, command = err + done.err, done.out if word == "|" else "", []
            if target is not None:
                (folder / target).write_text(done.out)
                target = None
            elif word == "&&":
                out += done.out
            if word == "&&" and done.code:
                break
    return Done(out, err, done.code)


def _run(words: list[str], folder: Path, given: str) -> Done:
    """One command; one of emcli that reads no file but examples is run once for all pages."""
    if words[0] != "emcli":
        ended = subprocess.run(words, input=given, capture_output=True, text=True, cwd=folder, check=False)
        return Done(ended.stdout, ended.stderr, ended.returncode)
    own = {path.name for path in folder.iterdir()} - MADE_BY_NOBODY
    read = [word for word, before in zip(words, ["", *words], strict=False) if before != "-o"]
    key, shared = tuple(words), not given and not any(word.split("/")[0] in own for word in read)
    if not (shared and key in _done):
        here = run_here(words[1:], folder, given.encode())
        made = [path for path in folder.iterdir() if path.name not in own | MADE_BY_NOBODY or path.name in words]
        done = Done(here.stdout, here.stderr, here.returncode)
        if not shared or any(path.is_dir() for path in made):
            return done
        _done[key] = done, {path.name: path.read_bytes() for path in made}
    done, files = _done[key]
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return done


def _by_shell(line: str, folder: Path) -> Done:
    env = {**os.environ, **PLAIN, "COLUMNS": "80", "PATH": path_with_emcli()}
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, cwd=folder, check=False, env=env
    )
    return Done(ended.stdout, ended.stderr, ended.returncode)


def is_excerpt(shown: str, printed: str) -> bool:
    """Is what a page shows in what was printed? A line `…` stands for any lines, `…` in a line for any characters."""
    left = [line.rstrip() for line in printed.splitlines()]
    for part in re.split(r"^[ ]*…[ ]*$\n?", shown, flags=re.M):
        wanted = [_pattern(line) for line in part.rstrip().splitlines()]
        if not wanted:
            continue
        starts = range(len(left) - len(wanted) + 1)
        at = next((i for i in starts if all(map(re.Pattern.fullmatch, wanted, left[i : i + len(wanted)]))), None)
        if at is None:
            return False
        left = left[at + len(wanted) :]
    return True


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, line.rstrip().split("…"))))
