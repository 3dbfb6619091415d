"""A kind of attack, its trials, and what may come of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any


class Violation(Exception):
    """A promise that was broken."""


@dataclass
class Trial:
    """One try, drawn from the seed, the kind and its number alone: it can be repeated."""

    kind: str
    seed: int
    number: int  # 0, 1, ... within the kind
    folder: Path  # its own, empty
    shared: Any = None  # what `Kind.prepare` gave
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed} {self.kind} {self.number}")

    def check(self, holds: object, *what: object) -> None:
        """Raise Violation unless that holds; `what` says what was done and what came of it."""
        if not holds:
            raise Violation("; ".join(map(str, what)))


@dataclass(frozen=True)
class Kind:
    """A kind of attack. A trial runs in a process forked for it, and fails by Violation, any exception, or time."""

    name: str
    trial: Callable[[Trial], None]
    prepare: Callable[[Path], Any] | None = None  # once, with a folder that lives as long as the attack
    size: Callable[[Any], int] | None = None  # how many trials there are, from what was prepared; without it no end
    share: float = 1.0  # of the time, beside that of the other kinds
    seconds: float = 60.0  # that a trial may take; longer is a violation


@dataclass
class Count:
    """What came of the trials of a kind."""

    trials: int = 0
    seconds: float = 0.0
    violations: list[tuple[int, str]] = field(default_factory=list)  # the trial's number, and what it said
