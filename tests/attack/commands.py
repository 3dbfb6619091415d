"""Commands that write files, with what each leaves in its folder."""

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


_prepared: list[Command] = []


def prepare(folder: Path) -> list[Command]:
    """Each command, run once; the kinds that use them share them."""
    if not _prepared:
        laid = folder / "laid"
        lay(laid)
        must(SAVE, laid)
        for number, line in enumerate(LINES):
            place, log = folder / f"{number}", folder / f"{number}.moments"
            shutil.copytree(laid, place)
            began = time.monotonic()
            must(line, place, Moments(log=log))
            _prepared.append(Command(line, laid, contents(place), log.stat().st_size, time.monotonic() - began))
    return _prepared


def must(line: str, folder: Path, prelude: Moments | None = None) -> None:
    """Run a command that must succeed."""
    done = begin(line.split(), folder, prelude=prelude).end()
    assert done.code == 0, (line, done)
