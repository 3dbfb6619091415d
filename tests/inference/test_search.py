"""Laws of the search: its ledger of starts and moves, what options bound, and the same bytes always."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, fit, run, table
from inprocess import clusters, dataset, loaded, result_of, scaled, tosses
from scipy.stats import norm

from emcli.config.resolve import resolve
from emcli.data.rows import Rows
from emcli.data.scaling import Scaling
from emcli.inference.runs import Run
from emcli.inference.search import remembered
from emcli.inference.search.search import Search
from emcli.models.gmm.covariance import Tied
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.kmeans.exchange import exchanged

COINS10 = REFERENCE / "data" / "open_coins10.csv"
MOSTLY_COLLAPSE = REFERENCE / "data" / "nineteen_of_twenty_collapse.csv"
KINDS = {"gmm": {"k-means++", "sizes", "subsample", "uniform", "split"}, "kmeans": {"k-means++", "uniform"}}
KINDS["coins"] = {"k-means++", "uniform", "alike", "split"}
MOVES = {"swap", "split-merge", "exchange"}
SEARCHED: dict[str, list[Any]] = {
    "gmm": ["gmm", SAMPLES / "iris.csv", "-k", 5, "--covariance", "diag"],
    "kmeans": ["kmeans", SAMPLES / "iris.csv", "-k", 6],
    "coins": ["coins", COINS10, "-k", 4],
}
SMALL: dict[str, list[Any]] = {
    "gmm": ["gmm", SAMPLES / "faithful.csv", "-k", 2],
    "kmeans": ["kmeans", SAMPLES / "iris.csv", "-k", 4],
    "coins": ["coins", SAMPLES / "do_batzoglou.csv", "-k", 2],
}


@cache
def searched(model: str) -> dict[str, Any]:
    """A default fit, made once."""
    return fit(*SEARCHED[model])


def value(entry: dict[str, Any]) -> float:
    """What a fit is judged by, more is better."""
    found: float = -entry["inertia"] if "inertia" in entry else entry["log_likelihood"]
    return found


@pytest.mark.parametrize("model", SEARCHED)
def test_each_entry_has_its_number_and_a_kind_that_the_model_has(model: str) -> None:
    entries = searched(model)["restarts"]
    assert [entry["start"] for entry in entries] == list(range(1, len(entries) + 1))
    for entry in entries:
        assert entry["kind"] in (MOVES if "from" in entry else KINDS[model])
    assert {entry["kind"] for entry in entries if "from" not in entry} == KINDS[model]


@pytest.mark.parametrize("model", ["gmm", "kmeans"])
def test_a_move_began_at_an_earlier_entry_that_ended_lower_if_it_did_not_collapse(model: str) -> None:
    entries = searched(model)["restarts"]
    moved = [entry for entry in entries if "from" in entry]
    assert any(entry["status"] == "converged" for entry in moved)
    for entry in moved:
        origin = entries[entry["from"] - 1]
        assert origin["start"] == entry["from"] < entry["start"]
        assert entry["status"] == "degenerate" or value(origin) < value(entry)


@pytest.mark.parametrize("model", SEARCHED)
def test_reached_counts_starts_and_no_moves(model: str) -> None:
    document = searched(model)
    entries, best = document["restarts"], document["restarts"][document["best_start"] - 1]
    ended = [entry for entry in entries if entry["status"] == "converged" and "from" not in entry]
    near = 1e-9 * abs(value(best)) if model == "kmeans" else 1e-4
    assert document["reached"] == sum(abs(value(entry) - value(best)) <= near for entry in ended)
    assert value(best) >= max(value(entry) for entry in entries if entry["status"] == "converged") - near


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("model", SMALL)
def test_a_number_of_restarts_is_the_number_of_starts_and_nothing_follows(model: str, count: int) -> None:
    document = fit(*SMALL[model], "--restarts", count)
    assert len(document["restarts"]) == count and document["moves"] == 0
    assert not any("from" in entry for entry in document["restarts"])


@pytest.mark.parametrize(("init", "kind"), [("k-means++", "k-means++"), ("random", "uniform")])
@pytest.mark.parametrize("model", SMALL)
def test_an_init_draws_starts_of_its_kind_alone(model: str, init: str, kind: str) -> None:
    entries = fit(*SMALL[model], "--init", init)["restarts"]
    assert {entry["kind"] for entry in entries if "from" not in entry} == {kind}


@pytest.mark.parametrize("model", SMALL)
def test_a_line_of_the_trace_has_the_number_of_its_entry(model: str, tmp_path: Path) -> None:
    arguments = SEARCHED["kmeans"] if model == "kmeans" else SMALL[model]  # with moves
    done = run("fit", *arguments, "--trace", tmp_path / "t.jsonl", "--json")
    entries = {entry["start"]: entry for entry in json.loads(done.stdout)["restarts"]}
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert {line["start"] for line in lines if line["type"] != "result"} == set(entries)
    for number, entry in entries.items():
        own = [line for line in lines if line.get("start") == number]
        (end,) = (line for line in own if line["type"] == "end")
        assert (end["status"], end["iterations"]) == (entry["status"], entry["iterations"])
        counted = [line["iteration"] for line in own if line["type"] == "iteration"]
        assert counted[: entry["iterations"] + 1] == list(range(entry["iterations"] + 1))
        if entry["status"] == "converged":
            last = own[entry["iterations"]]
            assert last["log_likelihood"] == pytest.approx(entry["log_likelihood"], abs=1e-6)


def of_any_jobs(*arguments: Any) -> list[str]:
    """The documents of a fit with one and two processes, but for that number."""
    return [run("fit", *arguments, "--jobs", jobs, "--json").stdout.replace(f'"jobs": {jobs}', "") for jobs in (1, 2)]


def test_any_number_of_jobs_gives_the_same_bytes() -> None:
    one, two = of_any_jobs(*SMALL["coins"])
    assert one == two and len(one) > 1000


def test_any_number_of_jobs_gives_the_same_bytes_for_a_table_that_is_screened(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=(11_000, 2)), rng.normal(4.0, 1.0, (11_000, 2))])
    np.savetxt(tmp_path / "x.csv", values, delimiter=",", header="x,y", comments="", fmt="%.5g")
    one, two = of_any_jobs("kmeans", tmp_path / "x.csv", "-k", 2)
    entries = json.loads(one)["restarts"]
    assert one == two and {"screened", "converged"} == {entry["status"] for entry in entries}
    assert all(entry["kind"] in KINDS["kmeans"] | MOVES for entry in entries)


@pytest.mark.parametrize("moves", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_where_thirty_starts_collapse_more_are_drawn_until_one_ends(
    moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-1089.17 is known (tests/reference/README.md), and higher ones by moves; found once says so."""
    if not moves:
        monkeypatch.setattr(Search, "_chain", lambda *_: iter(()))
    found = fit("gmm", MOSTLY_COLLAPSE, "-k", 6, "--covariance", "spherical", "--seed", 3)
    drawn = [entry for entry in found["restarts"] if "from" not in entry]
    assert len(drawn) > 30 and all(entry["status"] == "degenerate" for entry in drawn[:30])
    assert not moves or found["log_likelihood"] > -1089.18
    assert {"found-once", "collapsed-starts"} <= {warning["slug"] for warning in found["warnings"]}


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_coins_that_begin_alike_find_what_k_means_starts_do_not(seed: int) -> None:
    """The best known: tests/reference/README.md."""
    best = -65.11385404092667
    assert fit("coins", COINS10, "-k", 4, "--seed", seed)["log_likelihood"] == pytest.approx(best, abs=1e-6)
    entries = fit("coins", COINS10, "-k", 4, "--seed", seed, "--restarts", 32)["restarts"]
    ended = {entry["kind"] for entry in entries if value(entry) > best - 1e-4}
    assert "alike" in ended and "k-means++" not in ended


def inertia(x: np.ndarray, weights: np.ndarray, labels: np.ndarray) -> float:
    """Of clusters (n,) of rows (n, d)."""
    found = 0.0
    for j in np.unique(labels):
        some = labels == j
        away = x[some] - np.average(x[some], axis=0, weights=weights[some])
        found += float(weights[some] @ (away**2).sum(axis=1))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_exchanged_takes_the_best_of_all_changes_of_a_single_row(seed: int) -> None:
    """With two clusters only one row may change; which is found by trying each."""
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(9, 2)), rng.integers(1, 4, 9).astype(float)
    labels = (x[:, 0] > 0).astype(int)
    for _ in range(50):  # to a fixed point of Lloyd's algorithm
        centres = np.array([np.average(x[labels == j], axis=0, weights=weights[labels == j]) for j in (0, 1)])
        labels = ((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    scaling = Scaling(np.zeros(2), np.zeros(2, dtype=np.int64))
    found = exchanged(centres, Rows(np.ascontiguousarray(x.T), weights, weights.sum(), ("x", "y"), scaling))
    changes = [np.where(np.arange(9) == i, 1 - labels, labels) for i in range(9)]
    values = [inertia(x, weights, each) for each in changes]
    if min(values) >= inertia(x, weights, labels) * (1 - 1e-9):
        assert found is None
        return
    best = changes[int(np.argmin(values))]
    expected = [np.average(x[best == j], axis=0, weights=weights[best == j]) for j in (0, 1)]
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(("k", "mixing", "counts"), [(3, "free", True), (3, "equal", False), (4, "equal", True)])
def test_fewer_components_bound_a_fit_only_where_they_are_a_special_case_of_it(
    k: int, mixing: str, counts: bool
) -> None:
    """Three coins or Gaussians of equal weights cannot be two of them, four can."""
    path = SAMPLES / "galaxies.csv"
    asked = {"k": k, "mixing": mixing, "covariance": "tied", "jobs": 1}
    settings = resolve("gmm", GaussianMixture.options, asked, None, read_start=dict)
    rows = loaded(GaussianMixture, path, settings).rows
    two = GaussianMixture(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), Tied.of(np.ones((2, 1, 1)), None))
    seen = Run(1, "smaller", status="converged", scores=[1e6], last=two)
    search = Search(GaussianMixture, rows, settings.model, settings.search, map, smaller=[seen])
    one = norm.logpdf(table(path), table(path).mean(), table(path).std()).sum()
    found = max(run.scores[-1] for run in search.of_fewer())
    assert found == 1e6 if counts else rows.log_likelihood(found) == pytest.approx(one)


def test_a_fit_of_one_component_says_nothing_of_other_starts() -> None:
    for model, data in (("gmm", SAMPLES / "galaxies.csv"), ("kmeans", SAMPLES / "iris.csv"), ("coins", COINS10)):
        done = run("fit", model, data, "-k", 1)
        assert done.returncode == 0 and "found-once" not in done.stderr
        assert "probability" not in done.stdout and "seen once" not in done.stdout and "move" not in done.stdout


def slivers() -> str:
    """A table of 28 rows, whose fits of some components end at slivers that are set aside."""
    rng = np.random.default_rng(37)
    rng.choice([30, 60, 120, 250])
    values = np.concatenate([rng.normal(3 * i, rng.uniform(0.3, 2), size=(7, 1)) for i in range(4)])
    return "x\n" + "\n".join(map(repr, values[:, 0].tolist())) + "\n"


def test_an_optimum_set_aside_leads_to_one_search_with_one_component_less_if_that_was_not_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[int] = []
    automatic = Search.automatic
    monkeypatch.setattr(Search, "automatic", lambda self: searched.append(self.settings.k) or automatic(self))
    monkeypatch.setattr("emcli.inference.search.remembered._kept", {})
    asked, csv = ("gmm", "-", "--covariance", "diag", "--seed", 1), slivers()
    alone = fit(*asked, "-k", 5, stdin=csv)
    assert searched == [5, 4]
    fit(*asked, "-k", 4, stdin=csv)
    searched.clear()
    assert fit(*asked, "-k", 5, stdin=csv) == alone
    assert searched == [5]


def test_a_move_to_a_sliver_is_an_entry_that_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may widen to an honest optimum on its way, and where it does not the fit says that it was left out."""
    judged: list[Run] = []
    account = Search._account
    monkeypatch.setattr(Search, "_account", lambda self, run: (account(self, run), judged.append(run)))
    found = fit("gmm", "iris", "-k", 4)
    aside = [run for run in judged if run.source is not None and run.artefact is not None and run.artefact.by_chance]
    assert aside and "optimum-set-aside" in {warning["slug"] for warning in found["warnings"]}


def test_no_search_with_one_component_less_is_made_where_all_its_runs_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(centre, 1.0, (60, 2)) for centre in (0, 8)]).tolist()
    csv = "a,b\n" + "\n".join(f"{a},{b}" for a, b in rows) + "\n"
    searched: list[int] = []
    automatic = Search.automatic
    monkeypatch.setattr(Search, "automatic", lambda self: searched.append(self.settings.k) or automatic(self))
    monkeypatch.setattr("emcli.inference.search.remembered._kept", {})
    three = fit("gmm", "-", "-k", 3, stdin=csv)
    assert "optimum-set-aside" in {warning["slug"] for warning in three["warnings"]}
    assert searched == [3]
    assert three["log_likelihood"] > fit("gmm", "-", "-k", 2, stdin=csv)["log_likelihood"]


def test_what_a_search_found_is_known_to_the_same_search_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emcli.inference.search.remembered._kept", {})
    scaling, values = Scaling(np.zeros(1), np.zeros(1, dtype=np.int64)), np.arange(5.0)[None]
    rows = Rows(values, None, 5.0, ("x",), scaling)
    settings = resolve("gmm", GaussianMixture.options, {"k": 3, "jobs": 1}, None, read_start=dict)
    run = Run(1, status="converged", scores=[1.0])
    remembered.keep(GaussianMixture, rows, settings.model, settings.search, [run])
    run.scores.append(2.0)  # a polish afterwards
    more = replace(settings.search, jobs=2)
    found = remembered.found_before(GaussianMixture, rows, settings.model, more)
    assert found is not None and [each.scores for each in found] == [[1.0]]
    for other in (
        replace(rows, values=values + 1.0),
        replace(rows, weights=np.ones(5)),
        replace(rows, scaling=Scaling(np.ones(1), scaling.exponent)),
    ):
        assert remembered.found_before(GaussianMixture, other, settings.model, settings.search) is None
    for model, search in (
        (replace(settings.model, k=4), settings.search),
        (replace(settings.model, covariance="diag"), settings.search),
        (settings.model, replace(settings.search, seed=1)),
    ):
        assert remembered.found_before(GaussianMixture, rows, model, search) is None


@pytest.mark.parametrize(
    "seed", [pytest.param(8, marks=pytest.mark.slow), 10, pytest.param(16, marks=pytest.mark.slow)]
)
def test_what_is_left_after_an_optimum_was_passed_over_is_no_lower_than_with_one_component_less(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From seed 10 the highest optimum has a component on two rows, and what is left is lower than three components."""
    csv = slivers()
    found = {}
    for k in (4, 3):
        monkeypatch.setattr("emcli.inference.search.remembered._kept", {})
        found[k] = fit("gmm", "-", "-k", k, "--covariance", "diag", "--seed", seed, stdin=csv)
    assert "few-rows" in {warning["slug"] for warning in found[4]["warnings"]}
    assert found[4]["log_likelihood"] >= found[3]["log_likelihood"] - 1e-4


@pytest.mark.parametrize(
    ("values", "begin"),
    [
        (clusters(), {"means": [[0, 0], [0, 1], [1, 0]], "sds": [[9, 9]] * 3}),
        (tosses(), {"heads": [0.5, 0.51, 0.52], "weights": [0.3, 0.3, 0.4]}),
    ],
    ids=["gmm", "coins"],
)
def test_a_search_that_ended_below_a_smaller_fit_goes_on_from_there(values: Any, begin: dict[str, Any]) -> None:
    options = {"model": "coins" if "heads" in begin else "gmm", "mixing": "free", "restarts": 1}
    small = result_of(values, {**options, "k": 2}).best
    kind, data, settings = dataset(values, {**options, "k": 3, "max_iter": 1})
    search = Search(kind, data.rows, settings.model, settings.search, map, smaller=[small])
    list(search.run(Run(1), scaled(kind, begin, settings, data.rows)))  # one iteration, far from an optimum
    assert search.ledger[0].scores[-1] < small.scores[-1] - 1
    list(search.nested())
    assert [run.kind for run in search.ledger][1:] == ["nested"]
    assert search.ledger[1].scores[-1] >= small.scores[-1] - 1e-6
    assert len(search.ledger[1].model.weights) == 3
    list(search.nested())  # there is none above it now
    assert len(search.ledger) == 2
