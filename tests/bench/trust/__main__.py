"""`python -m tests.bench.trust`: fit every cell of the bank from some seeds, count what came of it, print the table."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import Pool

from conftest import run

from . import peers
from .judging import Cell, Outcome, cells, counted, heading, line

SEARCH = {"found-once", "optimum-set-aside"}  # warnings that a better optimum may be missing
Job = tuple[Cell, int]


def emcli(job: Job) -> Outcome:
    """The command line's fit, in this process, with all its defaults."""
    cell, seed = job
    began = time.process_time()
    words = ("fit", cell.model, cell.data, *cell.arguments[1:], "--seed", seed, "--json", "-q", "--jobs", 1)
    done = run(*words)
    seconds = time.process_time() - began
    if done.returncode:
        return Outcome(cell, seed, None, True, seconds)
    said = json.loads(done.stdout)
    warned = any(warning["slug"] in SEARCH for warning in said["warnings"])
    return Outcome(cell, seed, -said["inertia"] if cell.model == "kmeans" else said["log_likelihood"], warned, seconds)


def in_two(one: Callable[[Job], Outcome | None], jobs: Sequence[Job]) -> list[Outcome]:
    """All jobs in two worker processes; those without a fit are left out."""
    with Pool(2) as pool:
        pool.map(one, list(jobs[:1]) * 2, chunksize=1)  # imports are not counted
        return [outcome for outcome in pool.map(one, jobs, chunksize=4) if outcome]


def report(name: str, outcomes: Sequence[Outcome], verbose: bool) -> None:
    """A line for all, and one for each group of cells; each miss with -v."""
    print(line(f"**{name}**", outcomes))
    for group in dict.fromkeys(outcome.cell.group for outcome in outcomes):
        print(line(group, [outcome for outcome in outcomes if outcome.cell.group == group]), flush=True)
    if verbose:
        for o in outcomes:
            if o.kind != "hit":
                print(
                    f"{name}: {o.kind} {o.cell.data.name} {' '.join(o.cell.arguments)} seed {o.seed}: {o.short:.6g}",
                    file=sys.stderr,
                )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.trust", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N-1 of each cell (default: 3)")
    parser.add_argument("--peers", action="store_true", help="scikit-learn, mclust and flexmix too, where installed")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every fit that is not a plain hit")
    given = parser.parse_args()
    bank = cells()
    jobs = [(cell, seed) for cell in bank for seed in range(given.seeds)]
    print(f"{len(bank)} cells, seeds 0 to {given.seeds - 1}\n\n{heading()}", flush=True)
    ours = in_two(emcli, jobs)
    report("emcli", ours, given.verbose)
    if given.peers:
        report("scikit-learn", in_two(peers.scikit_learn, jobs), given.verbose)
        report("scikit-learn, ten starts", in_two(peers.scikit_learn_ten, jobs), given.verbose)
        gmm = [(cell, 0) for cell in bank if cell.model == "gmm"]
        coins = [job for job in jobs if job[0].option("--mixing") == "free"]
        for package, some in (("mclust", gmm), ("flexmix", coins)):
            found = peers.in_r(package, some)
            if found is None:
                print(f"({package} is not installed, so left out)", file=sys.stderr)
            else:
                report(package, found, given.verbose)
    c = counted(ours)
    shares = {
        name: 100 * c[kind] / c["fits"] for name, kind in (("silent misses", "silent"), ("needless alarms", "alarm"))
    }
    missed = 100 * (c["silent"] + c["warned"] + c["failed"]) / c["fits"]
    print(f"\nemcli: all misses {missed:.1f} %", *(f"{name} {share:.1f} %" for name, share in shares.items()), sep=", ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
