"""Contenders in fresh processes, interleaved, and what came of them: medians, ratios, scores, peak memory."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OURS = "emcli"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
OUR_LIMIT = 900.0  # seconds that one run of emcli may take, of this or an earlier build


@dataclass(frozen=True)
class Contender:
    """One program to time: `group` is whose it is, `variant` how it is set."""

    group: str
    argv: Sequence[str]
    variant: str = ""
    threads: int = 1  # BLAS and OpenMP threads
    inside: bool = False  # does it report seconds of its own, without start-up?
    score: Callable[[dict[str, Any]], float | None] = lambda said: said.get("score")
    only_faster: bool = False  # is it enough to be faster than it? Then it is stopped where it is clearly behind
    iterations_like_ours: bool = False  # it cannot tell when to stop: give it the iterations that emcli took

    @property
    def name(self) -> str:
        return f"{self.group} {self.variant}".strip()


@dataclass
class Outcome:
    """What the runs of one contender came to."""

    who: str
    group: str
    seconds: list[float] = field(default_factory=list)
    score: float | None = None
    peak_mb: float = 0.0
    cpu: list[float] = field(default_factory=list)  # seconds of all threads, start-up and warm-up included
    said: dict[str, Any] = field(default_factory=dict)  # what its last run printed
    failure: str | None = None
    beyond: float | None = None  # seconds after which it was stopped

    @property
    def median(self) -> float | None:
        return median(self.seconds) if self.seconds else None


@dataclass(frozen=True)
class Check:
    """A number that the issue asks for."""

    what: str
    value: float | None
    limit: float
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        return None if self.value is None else self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass
class Row:
    """One case of the table."""

    case: str
    outcomes: list[Outcome] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        runs = [
            {key: value for key, value in asdict(o).items() if key not in ("said", "group")} | {"median": o.median}
            for o in self.outcomes
        ]
        checks = [asdict(check) | {"met": check.met} for check in self.checks]
        return {"case": self.case, "runs": runs, "checks": checks, "notes": self.notes}


@dataclass(frozen=True)
class Bench:
    """Where and how the cases run."""

    folder: Path  # temporary
    checkout: Path  # the emcli under test
    runs: int
    quick: bool
    limit: float = 60.0  # seconds that one run of a peer may take; less where that leaves it far behind

    def n(self, rows: int) -> int:
        return max(2000, rows // 20) if self.quick else rows

    def work(self, task: str, **how: Any) -> list[str]:
        """The command line of a task of work.py."""
        return [sys.executable, str(HERE / "work.py"), task, json.dumps(how, default=str)]

    def script(self, name: str, *args: Any) -> list[str]:
        return [sys.executable, str(HERE / name), *map(str, args)]

    def emcli(self, *args: Any) -> list[str]:
        return [sys.executable, "-m", "emcli", *map(str, args)]

    def plain(self) -> list[str]:
        """The option that asks for plain EM, where this emcli has another."""
        said = subprocess.run(
            self.emcli("fit", "--help"), cwd=self.folder, env={**os.environ, "PYTHONPATH": str(self.checkout)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return ["--solver", "em"] if "--solver" in said.stdout else []

    def data(self, kind: str, *args: Any, csv: bool = False) -> Path:
        """The .npy of data made from a seed (with `csv` a .csv beside it), and the .json of start values."""
        path = self.folder / ("_".join([kind, *map(str, args)]) + ".npy")
        if not path.exists() or (csv and not path.with_suffix(".csv").exists()):
            subprocess.run(self.script("data.py", path, kind, int(csv), *args), check=True)
        return path

    def once(
        self, contender: Contender, limit: float, iterations: int | None = None
    ) -> tuple[float, float, float, Any]:
        """Seconds, those of the processor, peak memory (MB) and what was printed as JSON.

        Raises TimeoutError, RuntimeError.
        """
        env = {**os.environ, "PYTHONPATH": str(self.checkout), "NO_COLOR": "1", "EMCLI_BENCH": str(iterations or "")}
        env |= dict.fromkeys(THREADS, str(contender.threads))
        if contender.group == OURS and not contender.inside:  # it decides for itself
            env = {key: value for key, value in env.items() if key not in THREADS}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            began = time.perf_counter()
            child = subprocess.Popen(
                contender.argv, stdout=out, stderr=err, env=env, cwd=self.folder, start_new_session=True
            )
            late = threading.Timer(limit, lambda: os.killpg(child.pid, signal.SIGKILL))
            late.start()
            try:
                _, status, usage = os.wait4(child.pid, 0)
            except BaseException:  # interrupted: nothing stays behind
                late.cancel()
                os.killpg(child.pid, signal.SIGKILL)
                raise
            seconds = time.perf_counter() - began
            expired = not late.is_alive()
            late.cancel()
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            text, complaint = out.read().decode(), err.read().decode().strip()
        if expired:
            raise TimeoutError(f"> {limit:.0f} s")
        if child.returncode:
            raise RuntimeError(complaint.splitlines()[-1] if complaint else f"exit {child.returncode}")
        said = json.loads(text) if text.lstrip().startswith("{") else {}
        spent = usage.ru_utime + usage.ru_stime
        return said["seconds"] if contender.inside else seconds, spent, usage.ru_maxrss / 1024, said

    def race(self, contenders: Sequence[Contender], runs: int | None = None) -> list[Outcome]:
        """Run them by turns. Only who came near its group's best in the first round runs in the others.

        These go in an order drawn anew each time: who runs after a long single thread finds a core asleep.
        """
        outcomes = {c.name: Outcome(c.name, c.group) for c in contenders}
        running, rng = list(contenders), random.Random(0)
        for turn in range(runs or self.runs):
            for contender in running:
                self._run(contender, outcomes)
            if turn == 0:
                running = [c for c in contenders if _near(outcomes[c.name], outcomes.values())]
            rng.shuffle(running)
        return list(outcomes.values())

    def _run(self, contender: Contender, outcomes: Mapping[str, Outcome]) -> None:
        outcome, ours = outcomes[contender.name], outcomes.get(OURS)
        rivals = [o for o in outcomes.values() if o.group == contender.group or contender.only_faster]
        fastest = min((t for o in rivals for t in o.seconds), default=self.limit)
        limit = (
            OUR_LIMIT
            if contender.group in (OURS, "before", "one core")
            else min(self.limit, (1 if self.quick else 5) + 3 * fastest)
        )
        iterations = ours.said.get("iterations") if ours and contender.iterations_like_ours else None
        try:
            seconds, spent, peak, said = self.once(contender, limit, iterations)
        except TimeoutError:
            outcome.failure, outcome.beyond = f"> {limit:.0f} s", limit
            return
        except RuntimeError as failure:
            outcome.failure = str(failure)
            return
        outcome.seconds.append(seconds)
        outcome.cpu.append(spent)
        outcome.peak_mb = max(outcome.peak_mb, peak)
        outcome.said, outcome.score = said, contender.score(said)


def _near(outcome: Outcome, others: Any) -> bool:
    best = min((o.seconds[0] for o in others if o.group == outcome.group and o.seconds), default=None)
    return best is not None and bool(outcome.seconds) and outcome.seconds[0] <= 1.3 * best


def ratio(outcome: Outcome, ours: Outcome) -> float | None:
    """How many times as long it took as emcli: the median over the rounds."""
    pairs = [theirs / mine for theirs, mine in zip(outcome.seconds, ours.seconds, strict=False)]
    return median(pairs) if pairs else None


def faster_than(outcomes: Sequence[Outcome], targets: Mapping[str, float]) -> list[Check]:
    """For each group of peers that ran: how many times as fast emcli is as the fastest of it."""
    ours = next(o for o in outcomes if o.who == OURS)
    checks = []
    for group, target in targets.items():
        ran = [o for o in outcomes if o.group == group and o.seconds]
        if ran and ours.seconds:
            best = min(ran, key=lambda o: ratio(o, ours) or 0.0)  # not by median: noise could choose a kinder ratio
            checks.append(Check(f"times as fast as {best.who}", ratio(best, ours), target))
        elif ours.seconds and (stopped := [o.beyond for o in outcomes if o.group == group and o.beyond]):
            checks.append(Check(f"times as fast as {group}, at least", min(stopped) / (ours.median or 1.0), target))
        elif ran:
            checks.append(Check(f"times as fast as {group}: emcli {ours.failure}", 0.0, target))
    return checks


def has(module: str) -> bool:
    """Is a peer installed?"""
    from importlib.util import find_spec

    return find_spec(module) is not None


def mclust() -> str | None:
    """Rscript, where it has mclust."""
    from shutil import which

    program = which("Rscript")
    if not program:
        return None
    probe = subprocess.run([program, "-e", "library(mclust)"], capture_output=True, check=False)
    return program if probe.returncode == 0 else None
