"""What a fit of a cell is worth: a hit, a miss with or without a word, a needless alarm; and counts of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BANK = Path(__file__).resolve().parent / "bank"
KINDS = ("hit", "alarm", "higher", "warned", "silent", "failed")
HEADINGS = ("hit", "needless alarm", "higher than known", "warned miss", "silent miss", "failed")
Counts = dict[str, float]  # of KINDS, "far", "fits" and "seconds"


@dataclass(frozen=True)
class Cell:
    """A small problem: a table, what is fitted, and the best known log-likelihood (kmeans: minus the inertia)."""

    data: Path
    arguments: tuple[str, ...]
    best: float

    @property
    def model(self) -> str:
        return self.arguments[0]

    @property
    def k(self) -> int:
        return int(self.option("-k") or 1)

    def option(self, name: str) -> str | None:
        """The value after an option's name."""
        return self.arguments[self.arguments.index(name) + 1] if name in self.arguments else None

    @property
    def group(self) -> str:
        """The row of the table it counts in."""
        if self.model == "coins":
            return f"coins, {self.option('--mixing')} mixing"
        if self.model == "gmm":
            return "Gaussians, " + ("one covariance" if self.option("--covariance") == "tied" else "one each")
        return "K-means"


@dataclass(frozen=True)
class Outcome:
    """One fit of a cell from a seed: what it reached (None: it failed), whether it warned, and its CPU seconds."""

    cell: Cell
    seed: int
    reached: float | None
    warned: bool
    seconds: float

    @property
    def short(self) -> float:
        """How far below the best known it ended."""
        return self.cell.best - (float("-inf") if self.reached is None else self.reached)

    @property
    def kind(self) -> str:
        """One of KINDS; a miss is short by more than 0.01, or by a millionth of the inertia."""
        if self.reached is None:
            return "failed"
        if self.short > self._margin:
            return "warned" if self.warned else "silent"
        if self.short < -self._margin:
            return "higher"
        return "alarm" if self.warned else "hit"

    @property
    def far(self) -> bool:
        """Is it short by more than 1, or by a hundredth of the inertia?"""
        return self.reached is None or self.short > (0.01 * abs(self.cell.best) if self.cell.model == "kmeans" else 1.0)

    @property
    def _margin(self) -> float:
        return 1e-6 * abs(self.cell.best) if self.cell.model == "kmeans" else 0.01


def cells() -> list[Cell]:
    """The bank."""
    found = json.loads((BANK / "bank.json").read_text())
    return [Cell((BANK / c["data"]).resolve(), tuple(c["arguments"]), c["best"]) for c in found]


def counted(outcomes: Iterable[Outcome]) -> Counts:
    """How many there are of each kind, how many end far below, and their CPU seconds."""
    outcomes = list(outcomes)
    counts: Counts = {kind: sum(o.kind == kind for o in outcomes) for kind in KINDS}
    far, seconds = sum(o.far for o in outcomes), sum(o.seconds for o in outcomes)
    return {**counts, "far": far, "fits": len(outcomes), "seconds": seconds}


def heading() -> str:
    """The head of the table, in Markdown."""
    words = ["", "fits", *HEADINGS, "short by more than 1", "CPU s a fit"]
    return f"| {' | '.join(words)} |\n|{'---|' * len(words)}"


def line(name: str, outcomes: Iterable[Outcome]) -> str:
    """A line of the table."""
    c = counted(outcomes)
    cells = [f"{c[kind]:.0f}" for kind in ("fits", *KINDS, "far")]
    per_fit = f"{c['seconds'] / max(c['fits'], 1):.3f}"
    return f"| {' | '.join([name, *cells, per_fit])} |"
