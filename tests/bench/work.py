"""What one fresh process does and times, after imports and a warm-up: work.py TASK JSON; prints JSON."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

WARM = 4000  # rows of the warm-up


def given(how: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    path = Path(how["data"])
    return np.load(path), json.loads(path.with_suffix(".json").read_text())


def inertia(x: Any, centroids: Any) -> float:
    """The sum of squared distances to the nearest centroid, directly."""
    total = 0.0
    for i in range(0, len(x), 10_000):
        part = x[i : i + 10_000]
        total += np.min([((part - c) ** 2).sum(axis=1) for c in centroids], axis=0).sum()
    return float(total)


def timed(warm: Any, run: Any) -> tuple[float, Any]:
    warm()
    began = time.perf_counter()
    result = run()
    return time.perf_counter() - began, result


def emcli(how: dict[str, Any]) -> dict[str, Any]:
    from adapter import Prepared

    x, start = given(how)
    weights = x[:, 2] if how.get("weighted") else None
    x = x[:, :2] if how.get("weighted") else x
    options, begin = how["options"], start if how.get("start", True) else None
    with suppress(Exception):  # a warm-up may degenerate
        Prepared(how["model"], x[:WARM], None, begin, {**options, "max_iter": 2}).run()
    return Prepared(how["model"], x, weights, begin, options).run()


def slow(how: dict[str, Any]) -> dict[str, Any]:
    """Fits from several drawn starts, each on its own."""
    from adapter import Prepared

    x = np.loadtxt(how["data"], delimiter=",", skiprows=1) if how["data"].endswith(".csv") else np.load(how["data"])
    values, weights = (x[:, :2], x[:, 2]) if how["model"] == "coins" else (x, None)
    runs = [
        Prepared(how["model"], values, weights, None, {**how["options"], "seed": seed, "restarts": 1}).run()
        for seed in range(how["starts"])
    ]
    return {"runs": runs, "score": max(run["score"] for run in runs), "seconds": sum(run["seconds"] for run in runs)}


def sklearn_gmm(how: dict[str, Any]) -> dict[str, Any]:
    from sklearn.mixture import GaussianMixture

    x, start = given(how)
    sds = np.array(start["sds"])
    precisions = sds**-2.0 if how["covariance"] == "diag" else np.array([np.diag(s**-2.0) for s in sds])
    model = GaussianMixture(
        len(sds),
        covariance_type=how["covariance"],
        tol=0.0,
        reg_covar=0.0,
        max_iter=how["iterations"],
        weights_init=start["weights"],
        means_init=start["means"],
        precisions_init=precisions,
    )
    seconds, _ = timed(lambda: model.set_params(max_iter=2).fit(x[:WARM]).set_params(max_iter=how["iterations"]),
                       lambda: model.fit(x))  # fmt: skip
    return {"seconds": seconds, "score": float(model.score(x)) * len(x), "iterations": model.n_iter_}


def sklearn_kmeans(how: dict[str, Any]) -> dict[str, Any]:
    from sklearn.cluster import KMeans

    x, start = given(how)
    c = np.array(start["centroids"])
    model = KMeans(len(c), init=c, n_init=1, tol=0.0, max_iter=how["iterations"], algorithm=how["algorithm"])
    seconds, _ = timed(lambda: model.fit(x[:WARM]), lambda: model.fit(x))
    return {"seconds": seconds, "score": float(model.inertia_), "iterations": model.n_iter_}


def mlpack(how: dict[str, Any]) -> dict[str, Any]:
    from mlpack import kmeans

    x, start = given(how)
    c = np.array(start["centroids"])

    def run(rows: Any) -> Any:
        return kmeans(clusters=len(c), input_=rows, initial_centroids=c.copy(), algorithm=how["algorithm"],
                      max_iterations=100, labels_only=True)  # fmt: skip

    seconds, result = timed(lambda: run(x[:WARM].copy()), lambda: run(x))
    return {"seconds": seconds, "score": inertia(x, result["centroid"])}


def faiss(how: dict[str, Any]) -> dict[str, Any]:
    import faiss

    x, start = given(how)
    c, iterations = np.array(start["centroids"], dtype=np.float32), int(os.environ.get("EMCLI_BENCH") or 100)

    def run(rows: Any, niter: int) -> Any:
        single = rows.astype(np.float32)
        model = faiss.Kmeans(rows.shape[1], len(c), niter=niter, min_points_per_centroid=1,
                             max_points_per_centroid=10**9)  # fmt: skip
        model.train(single, init_centroids=c.copy())
        model.index.search(single, 1)  # the labels
        return model.centroids

    seconds, centroids = timed(lambda: run(x[:WARM], 2), lambda: run(x, iterations))
    return {"seconds": seconds, "score": inertia(x, centroids.astype(float)), "iterations": iterations}


def read(how: dict[str, Any]) -> dict[str, Any]:
    """A CSV to an array, by emcli or by numpy."""
    from adapter import read as ours

    def numpy(path: str) -> Any:
        return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)

    reader = ours if how["by"] == "emcli" else numpy
    seconds, values = timed(lambda: reader(how["warm"]), lambda: reader(how["path"]))
    return {"seconds": seconds, "score": float(values.sum())}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    tasks = {task.__name__: task for task in (emcli, slow, sklearn_gmm, sklearn_kmeans, mlpack, faiss, read)}
    print(json.dumps(tasks[sys.argv[1]](json.loads(sys.argv[2]))))
