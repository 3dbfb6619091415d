"""Which optimum of a ledger is returned, and what is said of the starts: on ledgers made by hand, and on fits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, fit, run

from emcli.inference.diagnostics import BestRun, best_run, run_warnings
from emcli.inference.runs import Run
from emcli.inference.search.optima import optima_found_once, reached
from emcli.models.gmm.covariance import Full
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.measures import Artefact

TWO = GaussianMixture(np.array([0.5, 0.5]), np.array([[0.0], [4.0]]), Full.of(np.ones((2, 1, 1)), None))
SLIVER, THIN = Artefact(True, "component 1 is a sliver"), Artefact(False, "component 2 rests on 2 different rows")
TOL = 1e-6


def ledger(*runs: float | tuple[float, int] | tuple[float, Artefact] | None) -> list[Run]:
    """Entries: a score; None where it collapsed; a score with the entry it moved from, or with an artefact."""
    made = []
    for number, each in enumerate(runs, 1):
        score, other = each if isinstance(each, tuple) else (each, None)
        entry = Run(number, "swap" if isinstance(other, int) else "k-means++", status="converged", last=TWO)
        if isinstance(other, Artefact):
            entry.artefact = other
        elif other is not None:
            entry.source = other
        if score is None:
            entry.status, entry.last = "degenerate", None
        else:
            entry.scores = [score - 1, score]
        made.append(entry)
    return made


def said(runs: Sequence[Run], best: int, aside: Sequence[int] = (), smaller: Sequence[Run] = ()) -> dict[str, str]:
    """The warnings of a ledger of which one entry is returned, and these are set aside, the highest first."""
    chosen = BestRun(runs[best - 1], [runs[number - 1] for number in aside], smaller)
    warnings = run_warnings(GaussianMixture, runs, chosen, max_iter=10_000, sample_size=100)
    return {warning.slug: warning.message for warning in warnings}


def returned(runs: Sequence[Run], smaller: float = -np.inf, searched: bool = True) -> tuple[int, ...] | None:
    """The number of the entry that is returned, and of those that were set aside, the highest first."""
    found = best_run(GaussianMixture, runs, TOL, ledger(smaller), searched)
    return None if found is None else (found.best.start, *(run.start for run in found.aside))


def test_the_highest_honest_optimum_is_returned_and_the_first_of_equals() -> None:
    assert returned(ledger(-9.0, -5.0 - 1e-9, None, -5.0)) == (2,)
    assert returned(ledger(-9.0, (-3.0, SLIVER), -5.0, (-2.0, SLIVER))) == (3, 4, 2)
    assert returned(ledger(-5.0, (-9.0, SLIVER))) == (1,)
    assert returned(ledger(-5.0, (-3.0, THIN), -6.0)) == (1,)


def test_one_of_few_rows_is_returned_only_where_no_honest_one_beats_fewer_components() -> None:
    runs = ledger(-5.0, (-3.0, THIN), (-4.0, THIN), (-2.0, SLIVER))
    assert returned(runs, smaller=-5.1) == (1, 4)
    assert returned(runs, smaller=-5.0) == (2, 4)
    found = f"{THIN.why}, too few to tell a cluster from chance; no better optimum was found"
    assert said(runs, 2, smaller=ledger(-5.0))["few-rows"].startswith(f"{found}, try")
    assert said(runs, 2, smaller=ledger(-7.0, -2.5))["few-rows"].startswith(
        f"{found}, and 2 components reach one higher by 0.5, "
    )


def test_there_is_no_fit_of_a_search_where_all_is_chance_or_no_better_than_fewer_components() -> None:
    slivers = ledger((-3.0, SLIVER), None, (-2.0, SLIVER))
    assert returned(slivers) is None
    assert returned(slivers, searched=False) == (3,)  # the number of starts was given
    assert returned(ledger(-5.0, None), smaller=-4.0) is None
    assert returned(ledger(-5.0, -5.0), smaller=-5.0) == (1,)  # all starts say so
    assert returned(ledger(None, None)) is None and returned(ledger(None), searched=False) is None


def test_an_optimum_that_one_start_alone_led_to_is_called_found_once() -> None:
    alone = said(ledger(-9.0, -5.0, -8.0), 2)["found-once"]
    assert alone == "only one of 3 starts found this optimum, so a better one may well exist; try --restarts 30"
    collapsed = said(ledger(None, -5.0, None, None), 2)["found-once"]
    assert collapsed.startswith("only one of 4 starts (3 of them collapsed) found this optimum")
    moved = ledger(-9.0, -8.0, None, (-6.0, 2), (-5.0, 4))
    found = "only moves from one of 3 starts (1 of them collapsed) found this optimum"
    assert said(moved, 5)["found-once"].startswith(found)
    assert reached(GaussianMixture, moved, moved[4]) == 0


@pytest.mark.parametrize(
    "runs",
    [
        ledger(-5.0, -9.0, -5.0 + 5e-5),  # two starts
        ledger(-9.0, -8.0, (-5.0, 2), (-5.0, 1)),  # two chains of moves
        ledger(-9.0, -5.0, (-5.0, 1)),  # a start, and moves from another
        ledger(-5.0),  # there was one start
    ],
)
def test_an_optimum_that_two_starts_led_to_is_not_called_found_once(runs: list[Run]) -> None:
    best = max(run.scores[-1] for run in runs)
    assert not said(runs, next(run.start for run in runs if run.scores[-1] > best - 1e-4))


@pytest.mark.parametrize(
    ("score", "given"),
    [
        ("log_posterior", ["gmm", SAMPLES / "iris.csv", "-k", 3, "--prior", "default"]),
        ("inertia", ["kmeans", SAMPLES / "iris.csv", "-k", 7]),
    ],
)
def test_where_moves_alone_led_to_the_best_it_is_said_from_how_many_starts(
    score: str, given: list[object], tmp_path: Path
) -> None:
    """Two starts confirm it, with a prior as without one."""
    document, roots, line, text = reached_in(tmp_path, score, given)
    assert document["reached"] == 0 and len({*roots.values()}) > 1
    assert f"; moves from {len({*roots.values()})} of them led to it (" in line
    assert f" after moves from the end of start {roots[document['best_start']]}\n" in text.stdout
    assert "found-once" not in text.stderr


def test_where_moves_led_to_the_best_too_that_one_start_reached_it_is_said_beside_it(tmp_path: Path) -> None:
    document, roots, line, text = reached_in(tmp_path, "log_likelihood", ["gmm", SAMPLES / "iris.csv", "-k", 4])
    more = len({*roots.values()}) - document["reached"]
    assert document["reached"] == 1 and more > 0
    assert line.startswith("1 of ") and f"; moves from {more} more of them led to it too, and " in line
    assert "found-once" not in text.stderr and "after moves" not in text.stdout


def reached_in(folder: Path, score: str, given: list[object]) -> tuple[dict[str, Any], dict[int, int], str, Any]:
    """A fit's document, the root of each entry that ended at the best optimum, the line on starts, and what is said."""
    text = run("fit", *given, "-o", folder / "fit.json", process=False)
    document = json.loads((folder / "fit.json").read_text())
    came = {entry["start"]: entry.get("from") for entry in document["restarts"]}

    def root(start: int) -> int:
        return start if came[start] is None else root(came[start])

    ends = {entry["start"]: entry[score] for entry in document["restarts"] if entry[score] is not None}
    roots = {start: root(start) for start, end in ends.items() if abs(end - document[score]) < 1e-4}
    (line,) = [line for line in text.stdout.splitlines() if " starts reached the best " in line]
    return document, roots, line, text


def test_two_moves_from_one_start_are_one_witness() -> None:
    assert "found-once" in said(ledger(-9.0, -8.0, (-6.0, 2), (-5.0, 3), (-5.0, 2)), 4)


def test_optima_found_once_are_counted_with_the_starts_that_found_any() -> None:
    """An optimum reaches 1e-4 nats from its lowest score, however close its scores follow each other."""
    chain = ledger(-5.0, -5.0 + 6e-5, -5.0 + 1.2e-4, None, -7.0, (-3.0, 1))
    assert optima_found_once(GaussianMixture, chain) == (2, 4)
    assert optima_found_once(GaussianMixture, ledger(-5.0, -5.0 + 6e-5, -7.0, -7.0)) == (0, 4)


@pytest.mark.parametrize(
    ("collapsed", "of", "told"), [(7, 10, False), (8, 10, True), (6, 10, False), (3, 4, True), (74, 100, False)]
)
def test_most_starts_that_collapsed_are_told_with_their_number(collapsed: int, of: int, told: bool) -> None:
    runs = ledger(*[None] * collapsed, *[-5.0] * (of - collapsed))
    warnings = said(runs, of)
    assert (
        warnings.get("collapsed-starts", "").startswith(f"{collapsed} of {of} starts collapsed onto too few rows")
        == told
    )
    assert ("found-once" in warnings) == (of - collapsed == 1)


def test_a_higher_optimum_that_was_set_aside_is_told_with_its_number_and_why() -> None:
    runs = ledger(-5.0, (-3.0, SLIVER), -5.0)
    told = "an optimum higher by 2 was set aside: in start 2 component 1 is a sliver"
    assert said(runs, 1, [2]) == {"optimum-set-aside": told}
    assert said(runs, 1) == {}
    more = ledger(-5.0, (-3.0, SLIVER), -5.0, (-1.5, THIN), (-3.0, SLIVER))
    told = f"2 optima higher by up to 3.5 were set aside: in the highest, start 4 {THIN.why}"
    assert said(more, 1, [4, 2, 5])["optimum-set-aside"] == told


def test_beside_an_optimum_that_was_set_aside_it_is_said_where_fewer_components_do() -> None:
    """Five parameters of two components cost 3 ln 100 = 13.8 more in BIC than two of one."""
    one = replace(ledger(0.0)[0], last=TWO.ordered(np.array([0])))
    for score, suffices in ((-9.0, True), (-9.8, True), (-9.95, False)):
        one.scores = [score]
        told = said(ledger(-5.0, (-3.0, SLIVER), -5.0), 1, [2], [one])["optimum-set-aside"]
        assert told.endswith("; BIC prefers 1 component") == suffices


GALAXIES, WAITING = SAMPLES / "galaxies.csv", REFERENCE / "data" / "faithful_waiting.csv"
QUIET = {"few-rows", "found-once", "collapsed-starts"}


@pytest.mark.parametrize(
    ("path", "k", "seed", "best"),
    [(GALAXIES, 4, 0, -197.454), (GALAXIES, 5, 3, -195.970), (WAITING, 3, 0, -1031.635)],
)
def test_the_best_known_honest_optimum_is_returned(path: object, k: int, seed: int, best: float) -> None:
    """Values of long searches by other programs; -1031.540 of waiting times is a sliver."""
    document = fit("gmm", path, "-k", k, "--seed", seed)
    assert document["log_likelihood"] == pytest.approx(best, abs=6e-4)
    assert not QUIET & {warning["slug"] for warning in document["warnings"]}


def test_two_halves_in_sixty_columns_raise_no_alarm() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2
    x = rng.normal(size=(100, 60)) + 1.5 * labels[:, None]
    text = ",".join(f"x{j}" for j in range(60)) + "\n" + "".join(",".join(map(repr, row)) + "\n" for row in x.tolist())
    for shape in ("diag", "spherical"):
        document = fit("gmm", "-", "-k", 2, "--covariance", shape, "--restarts", 6, stdin=text)
        assert document["warnings"] == []
        np.testing.assert_allclose(document["parameters"]["weights"], 0.5, atol=1e-6)


def test_rounded_values_are_clusters_where_their_sds_are_not_below_the_rounding() -> None:
    """Two neighbouring clusters of integers (sds 0.68) and a wide one: means and sizes as they were drawn."""
    rng = np.random.default_rng(2)
    values = np.concatenate(
        [rng.normal(m, s, n) for m, s, n in ((10, 0.65, 90), (14, 0.65, 90), (41, 7.5, 80))]
    ).round()
    document = fit("gmm", "-", "-k", 3, stdin="x\n" + "".join(f"{value:g}\n" for value in values))
    np.testing.assert_allclose(np.ravel(document["parameters"]["means"]), [10, 14, 41], atol=1.5)
    assert not QUIET & {warning["slug"] for warning in document["warnings"]}
