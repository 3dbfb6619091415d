"""Data from seeds, made in a process of their own: data.py FILE KIND CSV ARGS..."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

MEANS, SDS = np.array([-10.0, 30.0, 3.0]), np.array([3.0, 7.0, 5.0])  # configs/mixture_1d.yaml


def mixture_1d(n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    label = rng.integers(3, size=n)
    start = {"weights": [1 / 3] * 3, "means": [[-20.0], [5.0], [40.0]], "sds": [[10.0]] * 3}
    return rng.normal(MEANS[label], SDS[label])[:, None], start


def gaussians(n: int, d: int, k: int) -> tuple[Any, Any]:
    """Overlapping Gaussians, each with a covariance of its own; the start: rows, and the variances of all."""
    rng = np.random.default_rng([2, d, k])
    centres, axes = 2.5 * rng.normal(size=(k, d)), rng.normal(size=(k, d, d)) / d**0.5 + np.eye(d)
    label = rng.choice(k, size=n, p=rng.dirichlet(np.full(k, 5.0)))
    x = rng.normal(size=(n, d))
    for j in range(k):
        x[label == j] = x[label == j] @ axes[j] + centres[j]
    means = x[rng.choice(n, k, replace=False)]
    return x, {"weights": [1 / k] * k, "means": means.tolist(), "sds": [x.std(axis=0).tolist()] * k}


def blobs(n: int, d: int, k: int) -> tuple[Any, Any]:
    """Round clusters that touch, as much in many dimensions as in two; the start: rows."""
    rng = np.random.default_rng([3, d, k])
    centres = rng.normal(scale=3.0 * (2 / d) ** 0.5 if d > 1 else 10.0, size=(k, d))
    x = centres[rng.integers(k, size=n)] + rng.normal(size=(n, d))
    return x, {"centroids": x[rng.choice(n, k, replace=False)].tolist()}


def apart(n: int, d: int, k: int) -> tuple[Any, Any]:
    """Round clusters with centres anywhere in a cube, far apart in many dimensions; the start: rows."""
    rng = np.random.default_rng([6, d, k])
    centres = rng.uniform(-10.0, 10.0, size=(k, d))
    x = centres[rng.integers(k, size=n)] + rng.normal(size=(n, d))
    return x, {"centroids": x[rng.choice(n, k, replace=False)].tolist()}


def tosses(n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(4)
    p = np.array([0.8, 0.45])[rng.integers(2, size=n)]
    return np.column_stack([rng.binomial(10, p), np.full(n, 10)]), {}


def pairs(n: int) -> tuple[Any, Any]:
    """Tosses of five coins, from 100 to 100,000 a row: hardly two rows are the same."""
    rng = np.random.default_rng(7)
    thrown = rng.integers(100, 100_000, size=n)
    p = np.array([0.2, 0.35, 0.5, 0.55, 0.8])[rng.choice(5, size=n, p=[0.3, 0.1, 0.3, 0.1, 0.2])]
    return np.column_stack([rng.binomial(thrown, p), thrown]), {}


def three_normals(n: int) -> tuple[Any, Any]:
    """Unit normals at 0, 2 and 4: so close that EM crawls."""
    rng = np.random.default_rng(5)
    x = rng.normal(2.0 * rng.integers(3, size=n))[:, None]
    return x, {"weights": [1 / 3] * 3, "means": [[0.0], [2.0], [4.0]], "sds": [[1.0]] * 3}


def write_csv(path: Path, x: Any) -> None:
    header = ["heads", "tosses"] if x.dtype.kind == "i" else [f"x{j + 1}" for j in range(x.shape[1])]
    try:
        import polars as pl

        pl.DataFrame({name: x[:, j] for j, name in enumerate(header)}).write_csv(path, float_precision=6)
    except ImportError:
        np.savetxt(path, x, "%d" if x.dtype.kind == "i" else "%.6f", ",", header=",".join(header), comments="")


def main() -> None:
    path, kind, csv, *args = sys.argv[1:]
    make = {f.__name__: f for f in (mixture_1d, gaussians, blobs, apart, tosses, pairs, three_normals)}[kind]
    x, start = make(*map(int, args))
    x = x if x.dtype.kind == "i" else np.round(x, 6)
    Path(path).with_suffix(".json").write_text(json.dumps(start))
    if csv == "1":
        write_csv(Path(path).with_suffix(".csv"), x)
    np.save(path, x)


if __name__ == "__main__":
    main()
