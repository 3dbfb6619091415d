"""`steps` in full numbers: what the document says of rows, sums and parameters, against independent computations."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SAMPLES, fit, run, table
from jsonschema import Draft202012Validator
from scipy.stats import binom, multivariate_normal

from emcli.config.documents.steps import ShownIterationDocument, ShownRowDocument, ShownSumsDocument, StepsDocument
from emcli.config.documents.types import keys

Write = Callable[[str, str], Path]
EVENTS = ROOT / "tests" / "events.csv"
ARTICLE = ROOT / "configs" / "two_coins.yaml"
DO_BATZOGLOU = ROOT / "configs" / "do_batzoglou.yaml"
TACKS = ["coins", SAMPLES / "thumbtacks.csv", "--tosses", "n", "--row-weights", "freq", "--mixing", "free"]
SOME = "\n".join((SAMPLES / "faithful.csv").read_text().splitlines()[:61])  # sixty rows, on standard input
FAITHFUL = ["gmm", "-", "-k", 2, "--restarts", 2]
SHAPES = ("full", "tied", "diag", "spherical")
RUNS: dict[str, list[Any]] = {
    "the article's coins": [ARTICLE],
    "Do & Batzoglou": [DO_BATZOGLOU],
    "weighted coins of free mixing": [*TACKS, "--restarts", 1, "--tol", "1e-3"],
    **{f"gmm {shape}": [*FAITHFUL, "--covariance", shape] for shape in SHAPES},
    "gmm of equal mixing": ["gmm", SAMPLES / "galaxies.csv", "-k", 2, "--mixing", "equal", "--restarts", 1],
    "gmm in one dimension": ["gmm", SAMPLES / "galaxies.csv", "-k", 3, "--restarts", 2],
    "gmm in three dimensions": ["gmm", SAMPLES / "iris.csv", "-k", 2, "--columns", "1-3", "--restarts", 1],
    "gmm by Newton's method": ["gmm", SAMPLES / "galaxies.csv", "-k", 4, "--restarts", 1, "--solver", "newton"],
    "kmeans": ["kmeans", SAMPLES / "iris.csv", "-k", 3, "--restarts", 2],
    "kmeans of standardized columns": ["kmeans", SAMPLES / "faithful.csv", "-k", 2, "--standardize"],
}
SOFT = {name: arguments for name, arguments in RUNS.items() if not name.startswith("kmeans")}


def steps(*arguments: Any, **how: Any) -> dict[str, Any]:
    done = run("steps", *arguments, "--json", stdin=SOME, **how)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@cache
def shown(name: str) -> dict[str, Any]:
    """The first, the second and the last iteration of a run, with the first three rows."""
    return steps(*RUNS[name], "--iterations", "0,1,last")


def test_a_trial_of_eight_heads_is_shared_out_as_in_the_article() -> None:
    start = steps(ARTICLE, "--rows", 5, "--iterations", 0)["iterations"][0]
    row = start["rows"][0]
    assert row["values"] == {"heads": 8, "tails": 2}
    assert start["parameters"]["heads"] == [0.7, 0.8]  # the article's coin A began at 0.8, and ends as the second
    assert round(row["responsibility"][1], 3) == 0.564
    assert row["expected_heads"] == pytest.approx([3.488, 4.512], abs=5e-4)
    # the article's probabilities leave out the binomial coefficient, which cancels
    assert [p / 45 for p in row["probability"]] == pytest.approx([0.7**8 * 0.3**2, 0.8**8 * 0.2**2])


def test_the_first_steps_are_those_of_figure_1_of_do_and_batzoglou() -> None:
    start, after = steps(DO_BATZOGLOU, "--rows", "1-5", "--iterations", "0,1")["iterations"]
    # coin A is the second here: it began at 0.6
    assert [[round(r, 2) for r in row["responsibility"][::-1]] for row in start["rows"]] == [
        [0.45, 0.55],
        [0.80, 0.20],
        [0.73, 0.27],
        [0.35, 0.65],
        [0.65, 0.35],
    ]
    heads_of_a = [round(row["expected_heads"][1], 1) for row in start["rows"]]
    assert heads_of_a == [2.2, 7.2, 5.9, 1.4, 4.5]
    assert [round(each, 1) for each in start["sums"]["heads"]] == [11.7, 21.3]
    assert [round(each, 1) for each in start["sums"]["tails"]] == [8.4, 8.6]
    assert [round(each, 2) for each in after["parameters"]["heads"]] == [0.58, 0.71]
    last = steps(DO_BATZOGLOU, "--iterations", "last")["iterations"][0]
    assert [round(each, 2) for each in last["parameters"]["heads"]] == [0.52, 0.80]  # the published result


@pytest.mark.parametrize("name", RUNS)
def test_the_run_is_that_of_the_fit_with_the_same_options(name: str, tmp_path: Path) -> None:
    plain = [] if "kmeans" in name or "Newton" in name else ["--solver", "em"]
    document = fit(*RUNS[name], *plain, "--trace", tmp_path / "trace.jsonl", stdin=SOME)
    trace = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    walked = [line for line in trace if line["type"] == "iteration" and line["start"] == document["best_start"]]
    found = shown(name)
    assert found["last_iteration"] == len(document["trace"]) - 1 and found["status"] == document["status"]
    assert found["settings"]["max_iter"] == document["settings"]["max_iter"]
    for iteration in found["iterations"]:
        step = document["trace"][iteration["iteration"]]
        assert iteration["log_likelihood"] == pytest.approx(step["log_likelihood"], rel=1e-12)
        there = walked[iteration["iteration"]]["parameters"]
        order = [place - 1 for place in found["order"]]
        assert {key: [values[i] for i in order] for key, values in there.items()} == iteration["parameters"]
    last = found["iterations"][-1]["parameters"]
    for key, values in last.items():
        assert np.allclose(values, document["parameters"][key], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", RUNS)
def test_the_log_likelihood_never_falls_and_each_step_leads_to_the_next(name: str) -> None:
    first, second, last = shown(name)["iterations"]
    key = "inertia" if "inertia" in first else "log_likelihood"
    sign = -1 if key == "inertia" else 1
    assert sign * first[key] <= sign * second[key] <= sign * last[key] + 1e-9
    assert second["gain"] == pytest.approx(second[key] - first[key])
    assert first["gain"] is None and first["step"] is None and first["next_step"] == second["step"] == "em"
    assert first["next_parameters"] == second["parameters"]
    assert last["next_step"] is None and last["next_parameters"] is not None
    for key, values in last["next_parameters"].items():  # one more iteration would change little
        assert np.allclose(values, last["parameters"][key], rtol=0.02, atol=1e-3)


@cache
def schema() -> Any:
    return json.loads(run("schema", "steps").stdout)


@pytest.mark.parametrize("name", RUNS)
def test_the_document_is_what_its_schema_says_and_has_no_other_keys(name: str) -> None:
    assert [error.message for error in Draft202012Validator(schema()).iter_errors(shown(name))] == []
    known = [
        (StepsDocument, shown(name)),
        *((ShownIterationDocument, iteration) for iteration in shown(name)["iterations"]),
        *((ShownRowDocument, row) for iteration in shown(name)["iterations"] for row in iteration["rows"]),
        *((ShownSumsDocument, iteration["sums"] or {}) for iteration in shown(name)["iterations"]),
    ]
    for kind, found in known:
        assert [key for key in keys(kind) if key in found] == list(found)


@pytest.mark.parametrize("name", SOFT)
def test_a_row_is_shared_out_by_its_densities(name: str) -> None:
    for iteration in shown(name)["iterations"]:
        weights = np.array(iteration["parameters"]["weights"])
        for row in iteration["rows"]:
            if row["weight"] == 0:
                continue
            density = np.array(row["probability"] if "probability" in row else row["density"])
            assert row["responsibility"] == pytest.approx(weights * density / (weights @ density), rel=1e-9)


@cache
def whole(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first two iterations of a run with all rows."""
    rows = shown(name)["data"]["rows"] + ("weighted" in name)
    first, second = steps(*RUNS[name], "--iterations", "0,1", "--rows", f"1-{rows}")["iterations"]
    return first, second


@pytest.mark.parametrize("name", [name for name in SOFT if "Newton" not in name and "article" not in name])
def test_the_log_likelihood_and_the_sums_are_those_of_all_rows(name: str) -> None:
    first, _ = whole(name)
    rows = [row for row in first["rows"] if row["weight"]]
    w = np.array([row["weight"] for row in rows])
    density = np.array([row["probability"] if "probability" in row else row["density"] for row in rows])
    assert first["log_likelihood"] == pytest.approx(w @ np.log(density @ first["parameters"]["weights"]))
    sums = first["sums"]
    assert w @ np.array([row["responsibility"] for row in rows]) == pytest.approx(
        sums["rows"] if "rows" in sums else sums["responsibilities"]
    )
    parts = {"expected_heads": "heads", "expected_tails": "tails", "expected_values": "values"}
    for part, total in parts.items():
        if part in rows[0]:
            expected = np.tensordot(w, np.array([row[part] for row in rows]), 1)
            assert np.allclose(expected, sums[total], rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in SOFT if "gmm" in name and "Newton" not in name])
def test_densities_and_new_gaussians_are_those_of_scipy_and_of_weighted_moments(name: str) -> None:
    first, second = whole(name)
    x = np.array([list(row["values"].values()) for row in first["rows"]])
    here = first["parameters"]
    components = list(zip(here["means"], here["covariances"], strict=True))
    density = np.array([multivariate_normal(mean, matrix).pdf(x) for mean, matrix in components]).T
    assert np.allclose([row["density"] for row in first["rows"]], density, rtol=1e-8)
    r = density * here["weights"]
    r /= r.sum(axis=1)[:, None]
    means = (r.T @ x) / r.sum(axis=0)[:, None]
    away = x[:, None] - means
    scatter = np.einsum("nk,nki,nkj->kij", r, away, away)
    d = x.shape[1]
    shape = name.removeprefix("gmm ")
    each = scatter / r.sum(axis=0)[:, None, None]
    expected = {
        "tied": np.broadcast_to(scatter.sum(axis=0) / len(x), each.shape),
        "diag": each * np.eye(d),
        "spherical": np.trace(each, axis1=1, axis2=2)[:, None, None] / d * np.eye(d),
    }.get(shape, each)
    assert np.allclose(second["parameters"]["means"], means, rtol=1e-8)
    assert np.allclose(second["parameters"]["covariances"], expected, rtol=1e-7, atol=1e-12)
    products = np.array(first["sums"]["products_of_deviations"])
    kept = scatter if shape not in ("diag", "spherical") else scatter * np.eye(d)
    assert np.allclose(products, kept, rtol=1e-7, atol=1e-9)
    if shape != "of equal mixing":
        assert np.allclose(second["parameters"]["weights"], r.mean(axis=0), rtol=1e-8)


def test_weighted_coins_are_those_of_scipy() -> None:
    first, second = whole("weighted coins of free mixing")
    heads, tosses, freq = table(SAMPLES / "thumbtacks.csv").T
    here = first["parameters"]
    probability = binom.pmf(heads[:, None], tosses[:, None], here["heads"])
    shown_rows = [row for row in first["rows"] if row["weight"]]
    assert len(shown_rows) == np.count_nonzero(freq) < len(freq)
    assert np.allclose([row["probability"] for row in shown_rows], probability[freq > 0], rtol=1e-9)
    r = probability * here["weights"]
    r = freq[:, None] * r / r.sum(axis=1)[:, None]
    assert np.allclose(second["parameters"]["heads"], r.T @ heads / (r.T @ tosses), rtol=1e-9)
    assert np.allclose(second["parameters"]["weights"], r.sum(axis=0) / freq.sum(), rtol=1e-9)


def test_k_means_of_a_few_points_by_hand(write: Write) -> None:
    data = write("p.csv", "x,y\n0,0\n0,2\n4,0\n6,0\n")
    start = write("s.yaml", "centroids: [[6, 0], [0, 0]]\n")
    document = steps("kmeans", data, "-k", 2, "--start", start, "--rows", "1-4")
    assert document["order"] == [2, 1]
    first, second = document["iterations"]
    assert first["parameters"]["centroids"] == [[0, 0], [6, 0]]
    assert [row["squared_distance"] for row in first["rows"]] == [[0, 36], [4, 40], [16, 4], [36, 0]]
    assert [row["nearest"] for row in first["rows"]] == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert first["inertia"] == 8
    assert first["sums"] == {"rows": [2, 2], "values": [[0, 2], [10, 0]]}
    assert second["parameters"]["centroids"] == first["next_parameters"]["centroids"] == [[0, 1], [5, 0]]
    assert second["inertia"] == 4 and second["gain"] == -4
    assert second["next_parameters"] == second["parameters"]


def test_distances_of_standardized_columns_are_in_their_units() -> None:
    first = shown("kmeans of standardized columns")["iterations"][0]
    x = table(SAMPLES / "faithful.csv")
    centroids = np.array(first["parameters"]["centroids"])
    expected = (((x[:3, None] - centroids) / x.std(axis=0)) ** 2).sum(axis=2)
    assert np.allclose([row["squared_distance"] for row in first["rows"]], expected, rtol=1e-9)
    values = np.array(first["sums"]["values"]) / np.array(first["sums"]["rows"])[:, None]
    assert np.allclose(values, first["next_parameters"]["centroids"])


def test_steps_of_newtons_method_are_named() -> None:
    document = steps(*RUNS["gmm by Newton's method"], "--iterations", "0-99")
    kinds = [iteration["step"] for iteration in document["iterations"]]
    assert "newton" in kinds or "polish" in kinds
    for here, following in zip(document["iterations"], document["iterations"][1:], strict=False):
        assert here["next_step"] == following["step"]
        assert (here["sums"] is None) == (following["step"] != "em")
        assert here["next_parameters"] == following["parameters"]


def test_one_dimensional_k_means_climbs_from_the_best_start_and_names_the_optimum() -> None:
    arguments = ["kmeans", SAMPLES / "galaxies.csv", "-k", 3, "--restarts", 2]
    document, fitted = steps(*arguments), fit(*arguments)
    assert fitted["restarts"][fitted["best_start"] - 1]["kind"] == "exact"
    assert document["kind"] != "exact" and document["last_iteration"] > 1
    climbed = fitted["restarts"][document["start"] - 1]
    assert document["iterations"][-1]["inertia"] == climbed["inertia"] > fitted["inertia"]
    said = run("steps", *arguments).stdout
    assert f"The fit itself takes the smallest inertia of all, {fitted['inertia']:.6g}" in said
    # where a start finds the optimum too, that is the run
    exact = fit("kmeans", SAMPLES / "galaxies.csv", "-k", 2)
    assert steps("kmeans", SAMPLES / "galaxies.csv", "-k", 2)["iterations"][-1]["inertia"] == exact["inertia"]


def test_a_start_alone_has_an_iteration_to_show() -> None:
    document = steps(ARTICLE, "--max-iter", 0, "--rows", 5)
    assert [each["iteration"] for each in document["iterations"]] == [0]
    assert document["status"] == "max_iter" and document["iterations"][0]["next_parameters"] is not None


def test_a_mixture_of_the_tests_has_steps_too() -> None:
    document = steps("poisson", EVENTS, "-k", 2, "--restarts", 2, "--rows", 1, module="poisson")
    first, second, last = document["iterations"]
    row = first["rows"][0]
    assert row["values"] == {"events": 3}
    weighted = np.array(row["density"]) * first["parameters"]["weights"]
    assert row["responsibility"] == pytest.approx(weighted / weighted.sum())
    assert first["next_parameters"] == second["parameters"]
    assert last["log_likelihood"] >= second["log_likelihood"] >= first["log_likelihood"]


def test_the_same_bytes_for_any_number_of_cores_and_from_disk() -> None:
    words = ["steps", *FAITHFUL, "--json"]
    one = run(*words, "--jobs", 1, stdin=SOME).stdout
    assert one.startswith("{")
    assert one == run(*words, "--jobs", 2, stdin=SOME).stdout == run(*words, "--memory", "1kB", stdin=SOME).stdout
