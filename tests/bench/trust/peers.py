"""The same cells by the defaults of scikit-learn, mclust and flexmix, where they have the model."""

from __future__ import annotations

import subprocess
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np

from .judging import Cell, Outcome


def scikit_learn(job: tuple[Cell, int]) -> Outcome | None:
    """What it does unless told otherwise."""
    return _scikit_learn(*job, {}, {})


def scikit_learn_ten(job: tuple[Cell, int]) -> Outcome | None:
    """From ten starts, each run until a step gains less than 1e-6 a row."""
    return _scikit_learn(*job, {"n_init": 10, "tol": 1e-6, "max_iter": 1000}, {"n_init": 10})


def _scikit_learn(cell: Cell, seed: int, gmm: dict[str, Any], kmeans: dict[str, Any]) -> Outcome | None:
    """GaussianMixture or KMeans; None for coins, which it has not."""
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    if cell.model == "coins":
        return None
    x = np.loadtxt(cell.data, delimiter=",", skiprows=1, ndmin=2)
    began = time.process_time()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if cell.model == "kmeans":
            reached = -float(KMeans(cell.k, random_state=seed, **kmeans).fit(x).inertia_)
        else:
            shape = cell.option("--covariance") or "full"
            fit = GaussianMixture(cell.k, covariance_type=shape, random_state=seed, **gmm).fit(x)
            reached = float(fit.score(x)) * len(x)
    return Outcome(cell, seed, reached, bool(said), time.process_time() - began)


def in_r(package: str, jobs: Sequence[tuple[Cell, int]]) -> list[Outcome] | None:
    """mclust's Mclust, which draws nothing, or flexmix's flexmix (free mixing); None where R has not the package."""
    program = which("Rscript")
    probe = program and subprocess.run([program, "-e", f"library({package})"], capture_output=True, check=False)
    if not program or not probe or probe.returncode:
        return None
    lines = ["\t".join([package, str(cell.data), str(cell.k), _shape(cell), str(seed)]) for cell, seed in jobs]
    script = Path(__file__).with_name("peers.R")
    done = subprocess.run([program, script], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    outcomes = []
    for (cell, seed), line in zip(jobs, done.stdout.splitlines(), strict=True):
        reached, warned, seconds = line.split("\t")
        outcomes.append(
            Outcome(cell, seed, None if reached.startswith("N") else float(reached), warned == "1", float(seconds))
        )
    return outcomes


def _shape(cell: Cell) -> str:
    """mclust's name of the covariances."""
    several, tied = "," in cell.data.open().readline(), cell.option("--covariance") == "tied"
    return ("EEE" if tied else "VVV") if several else ("E" if tied else "V")
