"""`python -m tests.attack [KIND ...]`: try to break what SECURITY.md promises, count trials and violations by kind."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from . import clusters, disks, documents, environments, kills, names, overwriting, signals, sizes, writers
from .result import Count, Kind
from .running import Attack, remove

KINDS = (
    kills.KIND,
    writers.KIND,
    documents.KIND,
    overwriting.KIND,
    names.KIND,
    disks.KIND,
    environments.KIND,
    sizes.KIND,
    clusters.KIND,
    signals.KIND,
)


def arguments() -> argparse.Namespace:
    names = [kind.name for kind in KINDS]
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--seconds", type=float, default=600, help="time for all kinds (default: 600)")
    parser.add_argument("--trials", type=int, help="no more of each kind")
    parser.add_argument("--seed", type=int, help="what all trials derive from (default: another each time)")
    parser.add_argument("--trial", type=int, help="only the trial of this number")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="trials at once")
    given = parser.parse_args()
    if unknown := set(given.kinds) - set(names):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if given.seed is None:
        given.seed = int.from_bytes(os.urandom(3))
    return given


def table(counts: dict[str, Count]) -> list[str]:
    """Trials and violations by kind, and in all."""
    lines = [f"{'kind':<14}{'trials':>8}{'violations':>12}{'seconds':>9}"]
    for name, count in counts.items():
        lines.append(f"{name:<14}{count.trials:>8}{len(count.violations):>12}{count.seconds:>9.0f}")
    trials = sum(count.trials for count in counts.values())
    violations = sum(len(count.violations) for count in counts.values())
    return [*lines, f"{'all':<14}{trials:>8}{violations:>12}"]


def attack(kinds: list[Kind], given: argparse.Namespace) -> int:
    """Run the trials and say what came of them; 1 where a promise was broken."""
    folder, began = Path(tempfile.mkdtemp(prefix="attack-")), time.monotonic()
    try:
        counts = Attack(kinds, given.seed, folder, given.jobs).run(given.seconds, given.trials, given.trial)
    finally:
        remove(folder)
    print(f"seed {given.seed}, {time.monotonic() - began:.0f} s")
    print(*table(counts), sep="\n")
    broken = [(name, *each) for name, count in counts.items() for each in count.violations]
    for name, number, what in broken:
        print(f"\nmake attack KINDS={name} SEED={given.seed} TRIAL={number}\n  {what[:2000]}")
    return 1 if broken else 0


if __name__ == "__main__":
    asked = arguments()
    sys.exit(attack([kind for kind in KINDS if not asked.kinds or kind.name in asked.kinds], asked))
