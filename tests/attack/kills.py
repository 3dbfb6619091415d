"""SIGKILL at a random moment: what is in place is old or new, whole, and the same command works again."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

from .commands import Command, Moments, contents, prepare
from .programs import begin
from .result import Kind, Trial


def trial(trial: Trial) -> None:
    """Kill a command at a random time, or at a random thing that it does; each fifth is a process of its own."""
    command: Command = trial.random.choice(trial.shared)
    place = trial.folder / "work"
    shutil.copytree(command.laid, place)
    at = trial.random.randint(1, command.moments) if trial.random.random() < 0.7 else 0
    wait = trial.random.uniform(0, 1.1 * command.seconds)
    fork = trial.number % 5 > 0
    started = begin(command.line.split(), place, fork=fork, prelude=Moments(at) if at and fork else None)
    if not at or not fork:
        time.sleep(wait if fork else wait + trial.random.uniform(0, 0.6))
        started.kill(signal.SIGKILL)
    done = started.end()
    how = f"emcli {command.line}; killed at {f'moment {at} of {command.moments}' if at and fork else f'{wait:.3f} s'}"
    trial.check(done.code in (-signal.SIGKILL, 0), how, done)
    trial.check(not done.orphans, how, "processes left", done)
    held(trial, command, place, how)
    trial.check(not done.code or "Traceback" not in done.err, how, done)
    if trial.number % 3:
        return
    again = begin(command.line.split(), place).end()
    if again.code and ("labelled" in command.line):
        return  # what goes to a new folder is there
    trial.check(again.code == 0, how, "and again", again)
    trial.check(contents(place) == command.new, how, "and again", "not the same files")


def held(trial: Trial, command: Command, place: Path, how: str) -> None:
    """Each file is what it was or what it becomes; of a folder all files are there or none."""
    old, found = contents(command.laid), contents(place)
    for name, content in found.items():
        trial.check(content in (old.get(name), command.new.get(name)), how, f"{name} is torn: {content[:80]!r}")
    trial.check(old.keys() <= found.keys(), how, "lost", old.keys() - found.keys())
    labelled = {name for name in command.new if name.startswith("labelled/")}
    trial.check(labelled & found.keys() in (set(), labelled), how, "only some files of the folder", found.keys())


KIND = Kind("kills", trial, prepare)
