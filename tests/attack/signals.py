"""A signal, or two, at a line of the program: it ends by that signal, whatever it was doing, and leaves nothing."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from rules import OLD, POINTS, TOSSES

from .programs import Ended, begin
from .result import Kind, Trial

WATCHED = ("emcli/files/", "emcli/compute/", "emcli/cli/", "emcli/output/trace.py", "/contextlib.py", "/tempfile.py")
RECIPE = "model: gmm\ngenerate: {rows: 3000, parameters: {means: [[1], [5]], sds: [[1], [1]]}}\n"
SAVE = "fit kmeans x.csv -k 2 --restarts 1 -q -o f.json"
LINES = (
    "fit coins c.csv -k 1 --restarts 1 --bootstrap 20 -q --jobs 2 -o out",
    "fit gmm big.csv -k 2 --restarts 1 --max-iter 3 -q --jobs 2 -o new",
    "fit gmm x.csv -k 2 --restarts 2 --json -q -o out --trace log",
    "compare kmeans x.csv -k 1-2 --restarts 1 --criterion gap --jobs 2 -o out --save-fits fits",
    "predict f.json x.csv -o out",
    "predict f.json parts -o labelled",
    "generate g.yaml -o out",
)
OFTEN = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SELDOM = (signal.SIGQUIT, signal.SIGXCPU, signal.SIGUSR1, signal.SIGALRM)
SAID = {
    "SIGINT": "interrupted",
    "SIGTERM": "terminated",
    "SIGHUP": "hung up",
    "SIGQUIT": "quit",
    "SIGALRM": "alarm clock",
}
SAID |= {"SIGXCPU": "cpu time limit exceeded", "SIGUSR1": "user defined signal 1"}
Place = tuple[str, int, str]  # file, line, and what Python does there


@dataclass
class Injector:
    """Counts what a process does at each place; at the `turn`-th time at one a signal comes, and later another."""

    log: Path | None = None  # gets the counts
    place: Place | None = None
    turn: int = 0
    numbers: tuple[int, ...] = ()
    later: int = 0  # events from the first signal to the second
    counts: dict[Place, int] = field(default_factory=dict)

    def __call__(self) -> None:
        """Begin, in this process and not in those that it forks."""
        self.pid = os.getpid()
        if self.log:
            atexit.register(self._tell)
        sys.settrace(self._enter)

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._see if any(name in frame.f_code.co_filename for name in WATCHED) else None

    def _see(self, frame: FrameType, event: str, argument: object) -> Any:
        if os.getpid() != self.pid:
            return None
        place = ("/".join(Path(frame.f_code.co_filename).parts[-3:]), frame.f_lineno, event)
        seen = self.counts[place] = self.counts.get(place, 0) + 1
        if place == self.place and seen == self.turn:
            self._send()
        elif self.place and not self.turn and self.numbers:
            self.later -= 1
            if self.later <= 0:
                self._send()
        return self._see

    def _send(self) -> None:
        number, *rest = self.numbers
        self.turn, self.numbers = 0, tuple(rest)
        sys.call_tracing(signal.raise_signal, (number,))

    def _tell(self) -> None:
        sys.settrace(None)
        assert self.log
        self.log.write_text(json.dumps([[*place, seen] for place, seen in self.counts.items()]))


@dataclass(frozen=True)
class Command:
    """A command line, what its folder holds before and after, and the moments at which a signal may come."""

    line: str
    laid: Path
    new: dict[str, bytes]
    out: str
    seconds: float
    moments: list[tuple[Place, int]]


def lay(folder: Path) -> None:
    """Inputs of all commands, and old outputs."""
    for sub in ("parts", "fits", "tmp"):
        (folder / sub).mkdir(parents=True)
    texts = {"x.csv": POINTS, "c.csv": TOSSES, "g.yaml": RECIPE, "parts/a.csv": POINTS, "parts/b.csv": POINTS}
    big = "x,y\n" + "".join(f"{i % 97 / 7:.3f},{i * i % 89 + (i % 2) * 200}\n" for i in range(270_000))
    for name, text in {**texts, "big.csv": big, "out": OLD}.items():
        (folder / name).write_text(text)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run(command: str, place: Path, **how: Any) -> Ended:
    """The end of a command in a folder."""
    return begin(command.split(), place, env={"TMPDIR": str(place / "tmp")}, **how).end()


def prepare(folder: Path, lines: Sequence[str] = LINES) -> list[Command]:
    """Each command line, run once for what it writes, and once to count its moments."""
    laid = folder / "laid"
    lay(laid)
    assert run(SAVE, laid).code == 0
    found = []
    for number, line in enumerate(lines):
        place, log = folder / str(number), folder / f"{number}.json"
        for injector in (None, Injector(log)):
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(laid, place)
            began = time.monotonic()
            done = run(line, place, prelude=injector)
            seconds = time.monotonic() - began
            assert done.code == 0, done
        moments = [
            ((name, at, event), turn)
            for name, at, event, seen in json.loads(log.read_text())
            for turn in sorted({1, min(2, seen), seen})
        ]
        found.append(Command(line, laid, contents(place), done.out, seconds, moments))
    return found


def trial(trial: Trial) -> None:
    """Every moment of every command, in an order by the seed; each tenth is a process of its own and a random time."""
    commands: list[Command] = trial.shared
    every = [(command, moment) for command in commands for moment in command.moments]
    Random(trial.seed).shuffle(every)
    command, (at, turn) = every[trial.number % len(every)]
    numbers = tuple(trial.random.choice(OFTEN if trial.random.random() < 0.8 else SELDOM) for _ in range(2))
    numbers = numbers[: 1 + (trial.random.random() < 0.3)]
    place = trial.folder / "work"
    shutil.copytree(command.laid, place)
    if trial.number % 10 == 9:
        wait = trial.random.uniform(0.1, 1.1 * command.seconds + 0.7)
        how = f"emcli {command.line}; {numbers} at {wait:.3f} s"
        started = begin(command.line.split(), place, fork=False, env={"TMPDIR": str(place / "tmp")})
        time.sleep(wait)
        for number in numbers:
            started.kill(number)
        done = started.end()
    else:
        injector = Injector(None, at, turn, numbers, later=trial.random.choice((1, 2, 5, 10, 20, 40, 80)))
        how = f"emcli {command.line}; {numbers} at {at}, time {turn}, and {injector.later} later"
        done = run(command.line, place, prelude=injector)
    held(trial, command, done, numbers, place, how)


def held(trial: Trial, command: Command, done: Ended, numbers: tuple[int, ...], place: Path, how: str) -> None:
    """The signal was its end, or it came too late; files are old or new, and what was said is true."""
    old, found = contents(command.laid), contents(place)
    trial.check(not done.orphans, how, "processes left", done)
    if "KeyboardInterrupt" in done.err and "emcli/" not in done.err:  # Python itself was not ready
        trial.check(found == old, how, done)
        return
    trial.check(-done.code in (0, *numbers), how, done)
    if not done.code:
        trial.check(found == command.new and done.out == command.out, how, "ended well with another result", done)
        return
    said = [SAID[signal.Signals(number).name] for number in numbers]
    early = done.err == ""  # before there was anything to undo, or after all was done, or the second came in time
    untouched = [f"emcli: {word}; nothing written\n" for word in said]
    trial.check(early or done.err in (*untouched, *(f"emcli: {word}\n" for word in said)), how, done)
    log, before = found.pop("log", None), dict(old)
    trial.check(log is None or command.new["log"].startswith(log), how, "another log")
    trial.check(not (log and done.err in untouched), how, "not true", done)
    if done.err in untouched:
        trial.check((found, done.out) == (before, ""), how, "not true", found.keys() ^ before.keys(), done)
    for name, content in found.items():
        trial.check(content in (old.get(name), command.new.get(name)), how, f"{name}: {content[:80]!r}", done)
    trial.check(old.keys() <= found.keys(), how, "lost", old.keys() - found.keys())
    trial.check(command.out.startswith(done.out), how, "other words", done)
    if "-o out" in command.line and done.out:
        trial.check(found["out"] == command.new["out"], how, "said, and taken back", done)


KIND = Kind("signals", trial, prepare)
