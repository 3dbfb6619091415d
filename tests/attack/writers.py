"""Several writers of one -o, and a reader: the file is always one whole document, in the end the last writer's."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rules import POINTS, TOSSES

from .commands import SAVE, must
from .programs import begin
from .result import Kind, Trial

LINES = (
    "fit gmm x.csv -k 1 --restarts 1 -q",
    "fit gmm x.csv -k 2 --restarts 1 -q",
    "fit kmeans x.csv -k 2 --restarts 1 -q",
    "fit coins c.csv -k 2 --restarts 1 -q",
    "fit coins c.csv -k 1 -q --json",
    "compare gmm x.csv -k 1-2 --restarts 1 -q",
    "predict f.json x.csv",
    "generate g.yaml",
)
OLD = b"old content\n"


@dataclass
class Renames:
    """Writes down when a process asks for its last renaming onto a name."""

    target: str
    log: Path

    def __call__(self) -> None:
        sys.addaudithook(self._hear)

    def _hear(self, event: str, words: tuple[object, ...]) -> None:
        if event == "os.rename" and str(words[1]).endswith(self.target):
            descriptor = os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.write(descriptor, repr(time.monotonic()).encode())
            os.close(descriptor)


def prepare(folder: Path) -> tuple[Path, dict[str, bytes]]:
    """A folder of inputs, and what each command writes."""
    laid = folder / "laid"
    laid.mkdir()
    recipe = "model: gmm\ngenerate: {rows: 4000, parameters: {means: [[1], [5]], sds: [[1], [1]]}}\n"
    for name, content in {"x.csv": POINTS, "c.csv": TOSSES, "g.yaml": recipe}.items():
        (laid / name).write_text(content)
    must(SAVE, laid)
    written = {}
    for line in LINES:
        must(f"{line} -o out", laid)
        written[line] = (laid / "out").read_bytes()
        (laid / "out").unlink()
    return laid, written


def trial(trial: Trial) -> None:
    """Two to five writers at once, some of them killed or interrupted."""
    draw, folder = trial.random, trial.folder
    laid, written = trial.shared
    target = folder / "place" / "out"
    target.parent.mkdir()
    if draw.random() < 0.5:
        target.write_bytes(OLD)
    lines = [draw.choice(LINES) for _ in range(draw.randint(2, 5))]
    victim = draw.choice((None, None, signal.SIGKILL, signal.SIGTERM))
    began = [
        begin(
            [*line.split(), "-o", str(target)],
            laid,
            prelude=Renames("out", folder / f"renamed-{number}"),
            place=folder / f"said-{number}",
        )
        for number, line in enumerate(lines)
    ]
    fatal = time.monotonic() + draw.uniform(0, 0.3)
    whole, ends = {OLD, *written.values()}, [0.0] * len(began)
    while not all(ends):
        for number, program in enumerate(began):
            if not ends[number] and not program.running():
                ends[number] = time.monotonic()
        if victim and time.monotonic() > fatal and not ends[0]:
            began[0].kill(victim)
            victim = None
        if target.exists():
            trial.check(target.read_bytes() in whole, lines, "torn while written")
        time.sleep(0.001)
    done = [program.end() for program in began]
    for number, each in enumerate(done):
        good = each.code == 0 or (number == 0 and each.code in (-signal.SIGKILL, -signal.SIGTERM))
        trial.check(good, lines[number], each)
    last(trial, lines, target.read_bytes() if target.exists() else OLD, written, ends, done[0].code)
    left = [name for name in os.listdir(target.parent) if name != "out"]
    trial.check(not left or done[0].code == -signal.SIGKILL, lines, "left", left)


def last(
    trial: Trial, lines: Sequence[str], found: bytes, written: dict[str, bytes], ends: Sequence[float], code: int
) -> None:
    """The document in place is of a writer after whose end no other asked for its place."""
    asked = {}
    for number in range(len(lines)):
        log = trial.folder / f"renamed-{number}"
        if log.exists() and not (number == 0 and code):  # one that is ended puts back what was there
            asked[number] = float(log.read_text())
    latest = max(asked.values(), default=0.0)
    winners = {written[lines[number]] for number in asked if ends[number] >= latest}
    good = found in winners or (code and found in (OLD, written[lines[0]]))
    trial.check(good, lines, "not the last writer's", found[:80], asked)


KIND = Kind("writers", trial, prepare)
