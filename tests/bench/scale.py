"""Cases: reading, memory, and how the cost grows with rows and falls with threads."""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import Any

from tests.bench.clusters import inertia
from tests.bench.mixtures import CORES, log_likelihood
from tests.bench.racing import OURS, Bench, Check, Contender, Row, faster_than

FIT = {"gmm": ("gaussians", 2, 3, log_likelihood), "kmeans": ("blobs", 2, 8, inertia)}
ITERATIONS = 5


def reading(bench: Bench) -> Iterator[Row]:
    for d in (2, 16):
        path = bench.data("blobs", bench.n(1_000_000), d, 8, csv=True).with_suffix(".csv")
        warm = bench.data("blobs", 2000, d, 8, csv=True).with_suffix(".csv")
        racers = [
            Contender(who, bench.work("read", by=who, path=path, warm=warm), inside=True) for who in (OURS, "numpy")
        ]
        outcomes = bench.race(racers, min(bench.runs, 3))
        row = Row(f"read, CSV with {d} columns to array", outcomes, faster_than(outcomes, {"numpy": 3.0}))
        if outcomes[0].score != outcomes[1].score:
            row.notes.append("the sums of what was read differ")
        yield row


def memory(bench: Bench) -> Iterator[Row]:
    n = bench.n(10_000_000)
    for model, (kind, d, k, score) in FIT.items():
        csv = bench.data(kind, n, d, k, csv=True).with_suffix(".csv")
        argv = bench.emcli("fit", model, str(csv), "-k", str(k), "--restarts", "1", "--max-iter", "5", "--json")
        outcomes = bench.race([Contender(OURS, argv, score=score)], 1)
        row = Row(f"memory, {model} 2-D k={k}, {n:.0e} rows, whole process".replace("e+0", "e"), outcomes)
        peak = outcomes[0].peak_mb or None
        limit = 2 * n * d * 8 / 2**20 + 150
        row.checks.append(Check("peak MB", peak, limit, at_least=False))
        yield row


def growth(bench: Bench) -> Iterator[Row]:
    """A fixed number of iterations from the same start on 1e4 to 1e7 rows, with one thread and with two."""
    for model, (kind, d, k, _) in FIT.items():
        sizes = [10**power for power in range(4, 7 if bench.quick else 8)]
        row = Row(f"growth, {model} 2-D k={k}, {ITERATIONS} iterations")
        cost: dict[int, list[float]] = {1: [], 2: []}
        for n in sizes:
            data = bench.data(kind, n, d, k)
            racers = []
            for jobs in (1, 2):
                options = {"k": k, "max_iter": ITERATIONS, "tol": 1e-300, "jobs": jobs}
                argv = bench.work("emcli", data=data, model=model, options=options)
                racers.append(Contender(f"{n:.0e} rows,".replace("e+0", "e"), argv, f"jobs {jobs}", inside=True))
            outcomes = bench.race(racers)
            row.outcomes += outcomes
            for jobs, outcome in zip((1, 2), outcomes, strict=True):
                if outcome.seconds:  # K-means may be done sooner
                    cost[jobs].append(min(outcome.seconds) / max(1, outcome.said["iterations"]))
        for jobs, seconds in cost.items():
            if len(seconds) == len(sizes):
                row.checks.append(Check(f"log-log slope, jobs {jobs}", slope(sizes, seconds), 1.05, at_least=False))
        if cost[1] and cost[2] and CORES > 1:
            row.checks.append(Check(f"jobs 2 times as fast, {sizes[-1]:.0e} rows", cost[1][-1] / cost[2][-1], 1.4))
        yield row


def slope(sizes: list[int], seconds: list[float]) -> Any:
    """Least squares of ln seconds on ln rows."""
    x, y = [log(n) for n in sizes], [log(s) for s in seconds]
    middle, level = sum(x) / len(x), sum(y) / len(y)
    return sum((a - middle) * (b - level) for a, b in zip(x, y, strict=True)) / sum((a - middle) ** 2 for a in x)
