"""SIGKILL at a random moment: what is in place is old or new, whole, and the same command works again."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rules import POINTS, TOSSES

from .programs import begin
from .result import Kind, Trial

RECIPE = "model: gmm\ngenerate: {rows: 3000, parameters: {means: [[1], [5]], sds: [[1], [1]]}}\n"
OLD = "old content\n"
LINES = (
    "fit gmm x.csv -k 2 --restarts 2 -q -o out",
    "fit coins c.csv -k 1 --restarts 1 --bootstrap 20 -q --jobs 2 -o out",
    "fit kmeans parts -k 2 --restarts 2 -q -o out",
    "fit gmm x.csv -k 2 --restarts 1 -q --plot out.svg",
    "compare gmm x.csv -k 1-2 --restarts 1 -q --jobs 2 -o out",
    "compare gmm x.csv -k 1-2 --restarts 1 -q --save-fits fits",
    "predict f.json x.csv -o out",
    "predict f.json parts -o labelled",
    "generate g.yaml -o out",
)
SAVE = "fit kmeans x.csv -k 2 --restarts 1 -q -o f.json"
MOMENTS = ("open", "os.", "shutil.", "signal.")  # names of what may be done to files and processes


def lay(folder: Path) -> None:
    """Inputs of all commands, and old outputs."""
    for sub in ("parts", "fits"):
        (folder / sub).mkdir(parents=True)
    texts = {"x.csv": POINTS, "c.csv": TOSSES, "g.yaml": RECIPE, "out": OLD, "parts/a.csv": POINTS, "out.svg": OLD}
    for name, text in {**texts, "parts/b.csv": POINTS}.items():
        (folder / name).write_text(text)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but temporary ones."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if ".tmp" not in str(path)}


@dataclass
class Moments:
    """What a process does to files and processes, counted; it dies at the one of number `at`."""

    at: int = 0
    log: Path | None = None  # gets a byte of each

    def __call__(self) -> None:
        """Begin to count in this process, not in those that it forks."""
        self.pid = os.getpid()
        self.written = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if self.log else -1
        sys.addaudithook(self._hear)

    def _hear(self, event: str, words: tuple[object, ...]) -> None:
        if event.startswith(MOMENTS) and os.getpid() == self.pid:
            self.at -= 1
            if not self.at:
                os.kill(self.pid, signal.SIGKILL)
            if self.log:
                os.write(self.written, b".")


@dataclass(frozen=True)
class Command:
    """A command line with what it leaves in its folder."""

    line: str
    laid: Path  # the folder as it was
    new: dict[str, bytes]
    moments: int
    seconds: float


def prepare(folder: Path) -> list[Command]:
    """Each command, run twice: for what it writes and how long it takes, and to count its moments."""
    laid = folder / "laid"
    lay(laid)
    assert begin(SAVE.split(), laid).end().code == 0
    found = []
    for number, line in enumerate(LINES):
        for turn, log in enumerate((None, folder / f"{number}.moments")):
            place = folder / f"{number}-{turn}"
            shutil.copytree(laid, place)
            began = time.monotonic()
            done = begin(line.split(), place, prelude=Moments(log=log) if log else None).end()
            assert done.code == 0, done
            if not log:
                new, seconds = contents(place), time.monotonic() - began
            else:
                found.append(Command(line, laid, new, log.stat().st_size, seconds))
    return found


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
    again = begin(command.line.split(), place, name="again").end()
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
