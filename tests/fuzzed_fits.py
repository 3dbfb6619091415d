"""Random small tables with the command lines that fit them, and what must hold of each fit."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from rules import hold, in_process

numbers = st.sampled_from([0.0, 1.0, 1.0, 2.0, 3.0, -1.0, 5.0, 1e9, 1e9 + 1e-3, 1e-140, 1e140, 1e-300, 1e300, 5e-324,
                           -0.0, 0.1, 1e15, 1e-5]) | st.floats(-100, 100)  # fmt: skip


@st.composite
def fits(draw: Any) -> tuple[list[str], str]:
    """A command line and its table, small and often awkward."""
    model = draw(st.sampled_from(["kmeans", "gmm", "gmm", "coins"]))
    n = draw(st.integers(1, 14))
    words = ["fit", model, "-k", str(draw(st.integers(1, 4))), "--restarts", str(draw(st.integers(1, 3)))]
    words += ["--seed", str(draw(st.integers(0, 3))), "--init", draw(st.sampled_from(["k-means++", "random"]))]
    words += [
        "--max-iter",
        draw(st.sampled_from(["1", "7", "200"])),
        "--tol",
        draw(st.sampled_from(["1e-6", "1e-300", "1"])),
    ]
    if model != "kmeans":
        words += ["--mixing", draw(st.sampled_from(["free", "equal"]))]
    if model == "gmm":
        words += ["--covariance", draw(st.sampled_from(["full", "tied", "diag", "spherical"]))]
    if model == "coins":
        tosses = [draw(st.sampled_from([0, 1, 2, 10, 10, 1000, 2**40])) for _ in range(n)]
        rows = [[draw(st.integers(0, t)), t] for t in tosses]
        header = ["heads", "tosses"]
    else:
        d = draw(st.integers(1, 3))
        pool = draw(st.lists(st.lists(numbers, min_size=d, max_size=d), min_size=1, max_size=n))
        rows = [draw(st.sampled_from(pool)) if draw(st.booleans()) else [draw(numbers) for _ in range(d)]
                for _ in range(n)]  # fmt: skip
        header = [f"c{i}" for i in range(d)]
    if draw(st.integers(0, 3)) == 0:
        header = [*header, "w"]
        rows = [[*row, draw(st.sampled_from([0, 1, 2, 0.5, 1e6]))] for row in rows]
        words += ["--row-weights", "w"]
    return words, ",".join(header) + "\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows)


def ends_well(words: list[str], table: str) -> None:
    """A fit of any table ends with finite numbers, or with one line."""
    with tempfile.TemporaryDirectory() as folder:
        done = in_process([*words, "--header", "--json"], Path(folder), table.encode())
        assert done.code in (0, 3, 4), (done, words, table)
        hold(done, done.code)
        if done.code:
            return
        (Path(folder) / "f.json").write_text(done.out)
        again = in_process(["predict", "f.json", "--header"], Path(folder), table.encode())
        assert again.code == 0 or "too far from every component" in again.err, (again, words, table)

    def refuse(name: str) -> Any:
        raise AssertionError((name, words, table))

    said = json.loads(done.out, parse_constant=refuse)
    key = "inertia" if "inertia" in said else "log_likelihood"
    climbed = np.array([row[key] for row in said["trace"]]) * (-1 if key == "inertia" else 1)
    slack = 1e-9 * (1 + np.abs(climbed).max()) + (rounding_of_inertia(table) if key == "inertia" else 0)
    assert (np.diff(climbed) >= -slack).all(), (words, table, climbed)
    weights = said["parameters"].get("weights")
    assert weights is None or (math.isclose(sum(weights), 1, abs_tol=1e-12) and min(weights) >= 0)
    for matrix in said["parameters"].get("covariances", []):
        sds = np.sqrt(np.diag(matrix))
        assert (sds > 0).all(), (words, table)  # and eigenvalues that their rounding may make negative, but no more
        correlations = np.array(matrix) / sds / sds[:, None]
        assert np.linalg.eigvalsh(correlations)[0] > -1e-15 * len(sds), (words, table)


def rounding_of_inertia(table: str) -> float:
    """The inertia of rows as far from their centroid as a double is from its neighbours."""
    header, *lines = table.splitlines()
    numbers = np.array([list(map(float, line.split(","))) for line in lines])
    weights = numbers[:, -1] if header.endswith(",w") else np.ones(len(numbers))
    return float(weights.sum() * (np.spacing(np.abs(numbers[weights > 0]).max()) * 4) ** 2 * numbers.shape[1])
