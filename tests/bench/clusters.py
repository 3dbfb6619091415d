"""Cases: K-means from the same start until nothing changes, on a line, and of many starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.bench.mixtures import CORES, around
from tests.bench.racing import OURS, Bench, Check, Contender, Row, faster_than, has

SHAPES = (  # rows, columns, clusters, times as fast as scikit-learn
    (1_000_000, 2, 8, 2.0),
    (1_000_000, 3, 8, 1.2),
    (1_000_000, 8, 20, 1.2),
    (1_000_000, 16, 32, 1.7),
    (300_000, 64, 100, 3.0),
)
MLPACK = ("pelleg-moore", "dualtree", "hamerly", "elkan", "naive", "dualtree-covertree")


def inertia(document: dict[str, float]) -> float | None:
    """What a result document says; None where there is none."""
    return document.get("inertia")


def same_start(
    bench: Bench, n: int, d: int, k: int, target: float, others: bool = True, iterations: int = 100, kind: str = "blobs"
) -> Row:
    data = bench.data(kind, bench.n(n), d, k)
    options = {"k": k, "max_iter": iterations, "jobs": CORES}
    racers = [Contender(OURS, bench.work("emcli", data=data, model="kmeans", options=options), inside=True)]
    if has("sklearn"):
        for algorithm in ("lloyd", "elkan"):
            argv = bench.work("sklearn_kmeans", data=data, algorithm=algorithm, iterations=iterations)
            counts = sorted({1, CORES}) if not bench.quick else [CORES]
            racers += [Contender("scikit-learn", argv, f"{algorithm} {t} threads", t, inside=True) for t in counts]
    if has("faiss") and others:
        argv = bench.work("faiss", data=data)
        racers.append(Contender("faiss", argv, threads=CORES, inside=True, only_faster=True, iterations_like_ours=True))
    if has("mlpack") and others:
        for algorithm in MLPACK[:1] if bench.quick else MLPACK:
            argv = bench.work("mlpack", data=data, algorithm=algorithm)
            racers.append(Contender("mlpack", argv, algorithm, CORES, inside=True, only_faster=True))
    outcomes = bench.race(racers)
    targets = {"scikit-learn": target, "mlpack": 1.0, "faiss": 1.0}
    case = f"kmeans {bench.n(n):.0e} x {d}, k={k}{', apart' if kind == 'apart' else ''}".replace("e+0", "e")
    row = Row(case, outcomes, faster_than(outcomes, targets))
    row.notes += around(outcomes[0])
    if outcomes[0].said:
        row.notes.append(f"its last iteration is {outcomes[0].said['iterations']}")
    _as_good(row, 1 + 1e-4)
    return row


def _as_good(row: Row, limit: float) -> None:
    ours, *peers = (o.score for o in row.outcomes)
    theirs = [score for score in peers if score is not None]
    if ours is not None and theirs:
        row.checks.append(Check("inertia over the lowest of the peers", ours / min(theirs), limit, at_least=False))


def kmeans(n: int, d: int, k: int, target: float) -> Callable[[Bench], Iterator[Row]]:
    """The case of one shape."""

    def case(bench: Bench) -> Iterator[Row]:
        yield same_start(bench, n, d, k, target)

    return case


KMEANS = {f"kmeans-{d}d": kmeans(n, d, k, target) for n, d, k, target in SHAPES}


def kmeans_apart(bench: Bench) -> Iterator[Row]:
    n, d, k, target = SHAPES[-1]
    yield same_start(bench, n, d, k, target, kind="apart")


def kmeans_1d(bench: Bench) -> Iterator[Row]:
    yield same_start(bench, 1_000_000, 1, 5, 20.0, others=False, iterations=10_000)


def kmeans_best(bench: Bench) -> Iterator[Row]:
    """Ten starts as whole processes: not slower, and hardly worse."""
    csv = bench.data("blobs", bench.n(1_000_000), 8, 20, csv=True).with_suffix(".csv")
    racers = [Contender(OURS, bench.emcli("fit", "kmeans", csv, "-k", 20, "--restarts", 10, "--json"), score=inertia)]
    if has("sklearn"):
        for algorithm in ("lloyd", "elkan")[: 1 if bench.quick else None]:
            argv = bench.script("script_kmeans.py", csv, 20, 10, algorithm)
            racers.append(Contender("scikit-learn", argv, algorithm, CORES))
    outcomes = bench.race(racers, min(bench.runs, 3))
    row = Row("kmeans-best 8-D k=20, ten starts, whole process", outcomes)
    row.checks = faster_than(outcomes, {"scikit-learn": 5.0})
    _as_good(row, 1.001)
    yield row
