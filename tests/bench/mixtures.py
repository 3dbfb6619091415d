"""Cases: Gaussian mixtures in process, as whole processes, and of many starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.racing import HERE, OURS, Bench, Check, Contender, Outcome, Row, faster_than, has, mclust

CORES = len(os.sched_getaffinity(0))
COUNTS = sorted({1, CORES})  # BLAS threads, the best of which counts
SHAPES = {"diag": "VVI", "full": "VVV"}  # mclust's names


def log_likelihood(document: dict[str, Any]) -> float | None:
    """What a result document says; None where there is none."""
    return document.get("log_likelihood")


def around(ours: Outcome) -> list[str]:
    """What emcli's own figure leaves out, in its last run."""
    said = ours.said
    return [f"emcli's preparation and verdict add {said['whole'] - said['seconds']:.3f} s"] if said else []


def in_process(bench: Bench, case: str, data: Path, covariance: str, k: int, iterations: int, target: float) -> Row:
    """The same start, a fixed number of plain iterations; emcli's time is that to the last of them."""
    options = {"k": k, "covariance": covariance, "max_iter": iterations, "tol": 1e-300, "jobs": CORES, "solver": "em"}
    racers = [Contender(OURS, bench.work("emcli", data=data, model="gmm", options=options), inside=True)]
    if has("sklearn"):
        argv = bench.work("sklearn_gmm", data=data, covariance=covariance, iterations=iterations)
        racers += [
            Contender("scikit-learn", argv, f"{t} BLAS", t, inside=True) for t in COUNTS[: 1 if bench.quick else None]
        ]
    if program := mclust():
        files = [data.with_suffix(".csv"), data.with_suffix(".json")]
        argv = [program, HERE / "mclust.R", *files, "V" if "1d" in case else SHAPES[covariance], iterations]
        racers.append(Contender("mclust", [str(part) for part in argv], inside=True))
    outcomes = bench.race(racers)
    row = Row(case, outcomes, faster_than(outcomes, {"scikit-learn": target, "mclust": 1.0}))
    row.notes += around(outcomes[0])
    return row


def gmm_1d(bench: Bench) -> Iterator[Row]:
    data = bench.data("mixture_1d", bench.n(1_000_000), csv=True)
    csv, start = data.with_suffix(".csv"), data.with_suffix(".json")
    yaml = data.with_suffix(".yaml")
    yaml.write_text(start.read_text())
    yield in_process(bench, "gmm-1d, 50 iterations, in process", data, "full", 3, 50, 15.0)
    ours = bench.emcli("fit", "gmm", csv, "-k", 3, "--start", yaml, "--max-iter", 50, "--tol", 1e-300, "--json")
    racers = [Contender(OURS, [*map(str, ours), *bench.plain()], score=log_likelihood)]
    if has("sklearn"):
        argv = bench.script("script_gmm.py", csv, 3, 1, 50, start)
        racers += [Contender("scikit-learn", argv, f"{t} BLAS", t) for t in COUNTS[: 1 if bench.quick else None]]
    outcomes = bench.race(racers)
    yield Row("gmm-1d, whole process with CSV", outcomes, faster_than(outcomes, {"scikit-learn": 6.0}))


def gmm_diag(bench: Bench) -> Iterator[Row]:
    data = bench.data("gaussians", bench.n(1_000_000), 4, 5, csv=bool(mclust()))
    yield in_process(bench, "gmm-diag 4-D k=5, 30 iterations", data, "diag", 5, 30, 9.0)


def gmm_full(bench: Bench) -> Iterator[Row]:
    data = bench.data("gaussians", bench.n(200_000), 8, 8, csv=bool(mclust()))
    yield in_process(bench, "gmm-full 8-D k=8, 30 iterations", data, "full", 8, 30, 5.0)


def gmm_best(bench: Bench) -> Iterator[Row]:
    """Ten starts as whole processes: not slower, and not worse."""
    csv = bench.data("gaussians", bench.n(200_000), 4, 6, csv=True).with_suffix(".csv")
    racers = [
        Contender(OURS, bench.emcli("fit", "gmm", csv, "-k", 6, "--restarts", 10, "--json"), score=log_likelihood)
    ]
    if has("sklearn"):
        argv = bench.script("script_gmm.py", csv, 6, 10, 500)
        racers += [Contender("scikit-learn", argv, f"{t} BLAS", t) for t in COUNTS[: 1 if bench.quick else None]]
    outcomes = bench.race(racers, min(bench.runs, 3))
    row = Row("gmm-best 4-D k=6, ten starts, whole process", outcomes, faster_than(outcomes, {"scikit-learn": 10.0}))
    scores = [o.score for o in outcomes[1:] if o.score is not None]
    if scores and outcomes[0].score is not None:
        row.checks.append(Check("log-likelihood above theirs, nats", outcomes[0].score - max(scores), -1e-4))
    yield row
