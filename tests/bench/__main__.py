"""`python -m tests.bench [CASE ...]`: run cases, print a table, write JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.bench import clusters, counts, mixtures, scale, table, whole
from tests.bench.racing import ROOT, Bench, Row, has, mclust

CASES = {
    "start": counts.start,
    "gmm-1d": mixtures.gmm_1d,
    "gmm-diag": mixtures.gmm_diag,
    "gmm-full": mixtures.gmm_full,
    **clusters.KMEANS,
    "kmeans-apart": clusters.kmeans_apart,
    "kmeans-1d": clusters.kmeans_1d,
    "kmeans-best": clusters.kmeans_best,
    "gmm-best": mixtures.gmm_best,
    "coins": counts.coins,
    "slow-em": counts.slow_em,
    "read": scale.reading,
    "memory": scale.memory,
    "growth": scale.growth,
    "fit-wrong-k": whole.fit_wrong_k,
    "fit-large": whole.fit_large,
    "fit-pairs": whole.fit_pairs,
    "compare": whole.compare,
}
LONG = {  # --quick leaves them out unless asked for
    "kmeans-3d",
    "kmeans-8d",
    "kmeans-16d",
    "kmeans-apart",
    "kmeans-best",
    "slow-em",
    "fit-large",
    "fit-pairs",
    "compare",
}
GROUPS = {"kmeans": [*clusters.KMEANS, "kmeans-apart"]}
PEERS = {"sklearn": "scikit-learn", "mlpack": "mlpack", "faiss": "faiss-cpu", "polars": "polars", "numpy": "numpy"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of kmeans, {', '.join(CASES)} (default: all)")
    parser.add_argument("--runs", type=int, help="rounds of each case (default: 5, with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the rows")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for a peer's run (default: 60)")
    parser.add_argument("--checkout", type=Path, help="the emcli to time (default: PYTHONPATH's first, or this one)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where to write (default: bench.json)")
    given = parser.parse_args()
    given.cases = [name for asked in given.cases for name in GROUPS.get(asked, [asked])]
    given.cases = given.cases or [name for name in CASES if not (given.quick and name in LONG)]
    if unknown := set(given.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    return given


def machine() -> dict[str, object]:
    """What the figures depend on."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def versions() -> dict[str, str]:
    found = {}
    for name in PEERS.values():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def main() -> int:
    given = arguments()
    checkout = given.checkout or Path(os.environ.get("PYTHONPATH", "").split(os.pathsep)[0] or ROOT)
    missing = [name for module, name in PEERS.items() if not has(module)] + ([] if mclust() else ["R mclust"])
    print(f"emcli of {checkout.resolve()}\n{table.heading(missing)}", flush=True)
    rows: list[Row] = []
    document = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "versions": versions(), "quick": given.quick}
    for name in given.cases:
        with tempfile.TemporaryDirectory(prefix="emcli-bench-") as folder:  # one for each case: a disk may be small
            runs = given.runs or (1 if given.quick else 5)
            bench = Bench(Path(folder), checkout.resolve(), runs, given.quick, given.limit)
            began = time.perf_counter()
            for row in CASES[name](bench):
                rows.append(row)
                print("\n".join(table.lines(row)), flush=True)
            print(f"   [{name}: {time.perf_counter() - began:.0f} s]", file=sys.stderr, flush=True)
        given.json.write_text(json.dumps({**document, "cases": [r.document() for r in rows]}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
