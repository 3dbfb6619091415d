"""Seconds per iteration and bytes sent against rows: in memory, from disk, and on 1 and 2 workers of a Dask cluster.

python -m tests.bench.rows [ROWS...]: sizes such as 1e5 1e6; each is written as 8 CSV parts into a temporary folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SIZES = (1e5, 1e6, 1e7, 3e7)
PARTS, ITERATIONS = 8, 20
HOW = ("-k", "3", "--restarts", "1", "--init", "random", "--solver", "em", "--tol", "1e-300")


def written(folder: Path, n: int) -> None:
    """n rows of three clusters in the plane as parts, and as one file."""
    rng, middle = np.random.default_rng(0), np.array([[0, 0], [4, 1], [1, 5]])
    for i in range(PARTS):
        size = n // PARTS
        rows = middle[rng.integers(3, size=size)] + rng.normal(size=(size, 2))
        with (folder / f"{i}.csv").open("w") as part:
            part.write("x,y\n")
            for some in np.array_split(rows, max(1, size // 100_000)):
                part.write("\n".join(f"{x:.9g},{y:.9g}" for x, y in some.tolist()) + "\n")


def loopback() -> int:
    """Bytes that went over the loopback device since the machine began."""
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split()[1])


def timed(data: Path, *how: str) -> tuple[float, float, float]:
    """Seconds before the first iteration, seconds per iteration, and bytes per iteration over loopback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "emcli", "fit", "gmm", str(data), *HOW, "--max-iter", str(ITERATIONS), "-q", "--trace",
         "-", *how],
        stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
    )  # fmt: skip
    begun = time.perf_counter()
    seen: list[tuple[float, int]] = []
    assert process.stdout is not None
    lines = (line for line in process.stdout if json.loads(line)["type"] == "iteration")
    seen.extend((time.perf_counter(), loopback()) for _ in lines)
    process.wait()
    steps = len(seen) - 1
    return (
        seen[0][0] - begun,
        float(np.median(np.diff([at for at, _ in seen]))),
        (seen[-1][1] - seen[0][1]) / steps,
    )


def main(sizes: list[float]) -> None:
    """Print a table, and the constants that docs/scale.md reckons with."""
    print(f"{'rows':>8}  {'where':<10} {'start s':>8} {'s/iteration':>12} {'kB/iteration':>13}")
    for n in sizes:
        with tempfile.TemporaryDirectory(prefix="emcli-bench-") as name:
            folder = Path(name) / "parts"
            folder.mkdir()
            written(folder, int(n))
            one = Path(name) / "all.csv"
            with one.open("wb") as whole:
                whole.write(b"x,y\n")
                for part in sorted(folder.iterdir()):
                    whole.write(part.read_bytes().split(b"\n", 1)[1])
            cases: list[tuple[str, Path, tuple[str, ...]]] = [
                ("jobs 1", one, ("--jobs", "1")),
                ("jobs 2", one, ("--jobs", "2")),
                ("from disk", one, ("--jobs", "1", "--memory", f"{max(1, int(n) // 31250)}MB")),  # two tables
                ("1 worker", folder, ("--scheduler", "local:1")),
                ("2 workers", folder, ("--scheduler", "local:2")),
            ]
            for where, data, how in cases:
                found: Any = timed(data, *how)
                print(f"{n:>8.0e}  {where:<10} {found[0]:>8.1f} {found[1]:>12.4f} {found[2] / 1e3:>13.1f}", flush=True)


if __name__ == "__main__":
    main([float(word) for word in sys.argv[1:]] or list(SIZES))
