"""Cases: what a person waits for: fits and comparisons at default settings, as whole processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.mixtures import log_likelihood
from tests.bench.racing import OURS, ROOT, Bench, Check, Contender, Outcome, Row, faster_than, has, mclust

BASE = os.environ.get("BASE")  # a checkout of an earlier emcli to race, with the same Python
SHAPES = ("--covariance", "full,tied,diag,spherical")
SUBSAMPLE = """suppressMessages(library(mclust))
given <- commandArgs(TRUE)
set.seed(0)
x <- read.csv(given[1])
some <- if (nrow(x) > 2000) list(subset = sample(nrow(x), 2000)) else NULL
fit <- Mclust(x, G = as.integer(given[2]), modelNames = "VVV", initialization = some, verbose = FALSE)
cat(sprintf('{"score": %.17g}', fit$loglik))"""
COMPARED = """suppressMessages(library(mclust))
fit <- Mclust(read.csv(commandArgs(TRUE)[1]), G = 1:9, modelNames = c("VVV", "EEE", "VVI", "VII"), verbose = FALSE)
cat(sprintf('{"score": %.17g}', fit$loglik))"""


def _base(*words: Any) -> list[Contender]:
    """The same command by the earlier emcli."""
    if not BASE:
        return []
    argv = ["env", f"PYTHONPATH={BASE}", sys.executable, "-m", "emcli", *map(str, words)]
    return [Contender("before", argv, score=_score)]


def _score(document: dict[str, Any]) -> float | None:
    """A fit's log-likelihood, or that of the best candidate of a comparison."""
    candidates = document.get("candidates")
    return candidates[0].get("log_likelihood") if candidates else log_likelihood(document)


def _row(name: str, outcomes: list[Outcome], targets: dict[str, float], within: float | None = None) -> Row:
    row = Row(name, outcomes, faster_than(outcomes, targets))
    for other in outcomes[1:]:
        if within is not None and other.score is not None and outcomes[0].score is not None:
            above = outcomes[0].score - other.score
            row.checks.append(Check(f"log-likelihood above that of {other.who}, nats", above, -within))
    return row


def _fit(bench: Bench, csv: Path, k: int, runs: int, targets: dict[str, float], name: str) -> Row:
    words = ("fit", "gmm", csv, "-k", k, "--json")
    racers = [Contender(OURS, bench.emcli(*words), score=log_likelihood), *_base(*words)]
    if has("sklearn"):
        racers.append(Contender("scikit-learn", bench.script("script_gmm.py", csv, k, 10, 500), "n_init=10", 2))
    if program := mclust():
        racers.append(Contender("mclust", [program, "-e", SUBSAMPLE, str(csv), str(k)]))
    return _row(name, bench.race(racers, runs), targets, 1.0)


def fit_wrong_k(bench: Bench) -> Iterator[Row]:
    """One and two components too many: where a likelihood is flat, and optima are many."""
    csv = bench.data("gaussians", bench.n(200_000), 3, 4, csv=True).with_suffix(".csv")
    targets = {"scikit-learn": 5.0, "mclust": 1.0}
    for k in (5, 6):
        yield _fit(bench, csv, k, min(bench.runs, 3), targets, f"fit-wrong-k: 200,000 x 3 of 4 Gaussians, k={k}")


def fit_large(bench: Bench) -> Iterator[Row]:
    csv = bench.data("gaussians", bench.n(1_000_000), 8, 10, csv=True).with_suffix(".csv")
    yield _fit(bench, csv, 10, 1, {"scikit-learn": 8.0}, "fit-large: 1e6 x 8, k=10, full")
    csv = bench.data("gaussians", bench.n(10_000_000), 2, 3, csv=True).with_suffix(".csv")
    words = ("fit", "gmm", csv, "-k", 3, "--json")
    racers = [Contender(OURS, bench.emcli(*words), score=log_likelihood), *_base(*words)]
    yield _row("fit-large: 1e7 x 2, k=3", bench.race(racers, 1), {"before": 2.5}, 1e-3)


def compare(bench: Bench) -> Iterator[Row]:
    csv = bench.data("gaussians", bench.n(200_000), 3, 4, csv=True).with_suffix(".csv")
    words = ("compare", "gmm", csv, "-k", "1-6", *SHAPES, "--json")
    one = Contender("one core", bench.emcli(*words, "--jobs", 1), score=_score)
    racers = [Contender(OURS, bench.emcli(*words), score=_score), one, *_base(*words)]
    yield _row("compare: 200,000 x 3, k 1 to 6, four shapes", bench.race(racers, 1), {"before": 5.0, "one core": 1.8})
    csv = ROOT / "sample_data" / "faithful.csv"
    words = ("compare", "gmm", csv, "-k", "1-9", *SHAPES, "--json")
    one = Contender("one core", bench.emcli(*words, "--jobs", 1), score=_score)
    racers = [Contender(OURS, bench.emcli(*words), score=_score), one, *_base(*words)]
    if program := mclust():
        racers.append(Contender("mclust", [program, "-e", COMPARED, str(csv)], "one start each"))
    yield _row("compare: faithful, k 1 to 9, four shapes", bench.race(racers, min(bench.runs, 3)), {"one core": 1.8})


def fit_pairs(bench: Bench) -> Iterator[Row]:
    """Coins whose pairs of heads and tails are nearly all different, so that no row is merged."""
    csv = bench.data("pairs", bench.n(1_000_000), csv=True).with_suffix(".csv")
    words = ("fit", "coins", csv, "-k", 5, "--json")
    racers = [Contender(OURS, bench.emcli(*words), score=log_likelihood), *_base(*words)]
    yield _row("fit-pairs: coins, 1e6 different pairs, k=5", bench.race(racers, 1), {"before": 5.0}, 1e-3)
