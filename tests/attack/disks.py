"""A disk that fails at one thing that a command does: outputs are as before, or whole, and one line says why."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from rules import Done, hold

from .commands import Command, contents, prepare
from .programs import begin
from .result import Kind, Trial

FAULTS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EMFILE, errno.ENOMEM, errno.EINTR)
WRITING = ("open", "os.rename", "os.link", "os.mkdir", "os.chmod", "os.chown", "os.truncate")
REMOVING = ("os.remove", "os.rmdir")


@dataclass
class Fault:
    """Fails what the process does for the nth time, or from then on always, with an error of the system."""

    at: int
    error: int
    lasting: bool
    place: str  # faults are of this folder
    events: tuple[str, ...]

    def __call__(self) -> None:
        self.pid = os.getpid()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, words: tuple[object, ...]) -> None:
        if event not in self.events or os.getpid() != self.pid or not self._ours(event, words):
            return
        self.at -= 1
        if not self.at or (self.lasting and self.at < 0):
            raise OSError(self.error, os.strerror(self.error))

    def _ours(self, event: str, words: tuple[object, ...]) -> bool:
        name = words[0]
        if isinstance(name, int) or not isinstance(name, str | bytes):
            return False
        return os.path.abspath(os.fsdecode(name)).startswith(self.place)


def trial(trial: Trial) -> None:
    """One command, one fault."""
    draw = trial.random
    command: Command = draw.choice(trial.shared)
    place = trial.folder / "work"
    shutil.copytree(command.laid, place)
    fault = Fault(
        draw.randint(1, 12), draw.choice(FAULTS), draw.random() < 0.5, str(place), draw.choice((WRITING, REMOVING))
    )
    before = contents(place)
    done = begin(command.line.split(), place, prelude=fault).end()
    what = (f"emcli {command.line}", fault, done)
    trial.check(done.code in (0, 2, 3, 5), *what)
    trial.check(not done.orphans, *what, "processes left")
    found = contents(place)
    for name, content in found.items():
        known = [before.get(name), command.new.get(name)]
        trial.check(content in known, *what, f"{name} is torn: {content[:80]!r}")
    trial.check(before.keys() <= found.keys(), *what, "lost", before.keys() - found.keys())
    if done.code == 0:
        trial.check(found == command.new, *what, "0, but not what is to be written")
    elif "--save-fits" not in command.line and not fault.lasting:
        trial.check(found == before, *what, "not 0, but written")
    left = [path.name for path in Path(place).rglob("*.tmp")]
    trial.check(not left or fault.events == REMOVING, *what, "left", left)
    hold(Done(done.code, done.out if done.code else "", done.err), done.code)


KIND = Kind("disks", trial, prepare)
