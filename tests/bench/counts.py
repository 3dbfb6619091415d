"""Cases: start-up, coins that are merged, and EM that crawls."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from tests.bench.mixtures import CORES, log_likelihood
from tests.bench.racing import OURS, ROOT, Bench, Check, Contender, Outcome, Row, faster_than, has, mclust, ratio

SAXONY = ROOT / "tests" / "reference" / "data" / "coins_saxony8.csv"
MOST_PASSES, STARTS, ENOUGH = 200, 6, 5
TARGETS = {"scikit-learn": 4.0, "mclust": 1.0}
MCLUST = """suppressMessages(library(mclust))
fit <- Mclust(read.csv(commandArgs(TRUE)[1]), G = 2, modelNames = "VVV", verbose = FALSE)
cat(sprintf('{"score": %.17g}', fit$loglik))"""
NEAR = 1e-4  # nats: the same optimum


def start(bench: Bench) -> Iterator[Row]:
    csv = ROOT / "sample_data" / "faithful.csv"
    typer = "typer._adapters" if find_spec("typer._adapters") else "typer"
    racers = [
        Contender(OURS, bench.emcli("fit", "gmm", str(csv), "-k", "2", "--json"), score=log_likelihood),
        Contender("imports", [sys.executable, "-c", f"import {typer}, numpy"]),
        Contender("--version", bench.emcli("--version")),
    ]
    if has("sklearn"):
        racers.append(Contender("scikit-learn", bench.script("script_gmm.py", csv, 2, 10, 500)))
    if program := mclust():
        racers.append(Contender("mclust", [program, "-e", MCLUST, str(csv)]))
    outcomes = bench.race(racers, 2 * bench.runs + 1)
    row = Row("start: fit gmm faithful.csv -k 2, whole process", outcomes, faster_than(outcomes, TARGETS))
    ours, imports = outcomes[0].median, outcomes[1].median
    if ours and imports:
        row.checks.append(Check("seconds beyond 1.3 times the imports", ours - 1.3 * imports, 0.06, at_least=False))
    probe = "import sys, runpy; sys.argv[1:] = ['--version']\ntry: runpy.run_module('emcli', run_name='__main__')\n"
    probe += "except SystemExit: sys.exit('numpy' in sys.modules)"
    try:
        bench.once(Contender(OURS, [sys.executable, "-c", probe]), 20)
        row.checks.append(Check("--version imports numpy", 0, 0, at_least=False))
    except RuntimeError:
        row.checks.append(Check("--version imports numpy", 1, 0, at_least=False))
    yield row


def coins(bench: Bench) -> Iterator[Row]:
    """The rows are merged while they are read: iterations cost nothing, so reading is all."""
    csv = bench.data("tosses", bench.n(10_000_000), csv=True).with_suffix(".csv")
    small = bench.data("tosses", 2000, csv=True).with_suffix(".csv")
    racers = [
        Contender(OURS, bench.emcli("fit", "coins", str(csv), "--json"), score=log_likelihood),
        Contender("reading", bench.work("read", by="emcli", path=csv, warm=small)),
        Contender("numpy.loadtxt", bench.work("read", by="numpy", path=csv, warm=small)),
    ]
    outcomes = bench.race(racers)
    row = Row("coins, whole process", outcomes)
    if outcomes[0].seconds and outcomes[1].seconds:
        times = 1 / (ratio(outcomes[1], outcomes[0]) or 1.0)
        row.checks.append(Check("times the cost of reading the file", times, 1.3, at_least=False))
        times = 1 / (ratio(outcomes[2], outcomes[0]) or 1.0)
        row.checks.append(Check("times the cost of numpy.loadtxt", times, 1.3, at_least=False))
    yield row


def slow_em(bench: Bench) -> Iterator[Row]:
    squarem = json.loads((ROOT / "tests" / "reference" / "squarem.json").read_text())["saxony8_k3"]
    saxony = _slow(bench, "slow EM: saxony8, 3 coins, free mixing", str(SAXONY), "coins", {"k": 3, "mixing": "free"})
    saxony.outcomes += [
        Outcome(f"reference, {how}", "reference", score=value["loglik"], said={"passes": value["fpevals"]})
        for how, value in squarem.items()
    ]
    _judge(saxony, squarem["em"]["loglik"])
    yield saxony
    data = bench.data("three_normals", 20_000)
    normals = _slow(bench, "slow EM: normals at 0, 2, 4, k=3", str(data), "gmm", {"k": 3})
    plain = bench.work("sklearn_gmm", data=data, covariance="full", iterations=300 if bench.quick else 3000)
    if has("sklearn"):
        (peer,) = bench.race([Contender("scikit-learn", plain, "plain EM from the truth", inside=True)], 1)
        normals.outcomes.append(replace(peer, said={"passes": peer.said.get("iterations")}))
        _judge(normals, peer.score if peer.score is not None else -float("inf"))
    yield normals


def _slow(bench: Bench, case: str, data: str, model: str, options: dict[str, object]) -> Row:
    """emcli with its defaults from drawn starts, its iterations bounded here: more than 1000 are lost anyway."""
    options = {**options, "max_iter": 300 if bench.quick else 1000, "jobs": CORES}
    argv = bench.work("slow", data=data, model=model, starts=STARTS, options=options)
    return Row(case, bench.race([Contender(OURS, argv, inside=True)], 1))


def _judge(row: Row, reference: float) -> None:
    """How many starts reach an optimum that is not lower, never falling, in few E-steps."""
    if row.outcomes[0].failure:
        row.notes.append(f"emcli: {row.outcomes[0].failure}")
        return
    runs = row.outcomes[0].said["runs"]
    good = [run for run in runs if run["score"] >= reference - NEAR and not run["falls"]]
    quick = [run for run in good if run["passes"] <= MOST_PASSES]
    row.checks.append(Check(f"starts of {STARTS} at the optimum in {MOST_PASSES} E-steps", len(quick), ENOUGH))
    row.notes.append("emcli's E-steps: " + ", ".join(f"{run['passes']:.0f}" for run in runs))
    row.notes.append("log-likelihood above the reference: " + ", ".join(f"{r['score'] - reference:.2g}" for r in runs))
    row.notes.append(f"falls: {sum(run['falls'] for run in runs)}")
