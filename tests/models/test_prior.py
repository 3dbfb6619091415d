"""Priors: mclust's of Gaussian mixtures against mclust and SciPy, Beta(A, A) of coins, and the laws of a posterior."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, fit, run
from inprocess import SHAPES, clusters, dataset, drawn, fitted, result_of, scaled, settings_of, statistics, tosses
from scipy import stats

from emcli.data.known import LabelledRows
from emcli.data.points import with_moments
from emcli.data.rows import Rows
from emcli.inference.bootstrap import replicate
from emcli.inference.information import information
from emcli.models.complete_data import CompleteDataModel
from emcli.models.em import pooled_e_step

MCLUST = json.loads((REFERENCE / "mclust_prior.json").read_text())["fits"]
COUNTS = [[5, 10], [9, 10], [8, 10], [4, 10], [7, 10]]


def table_of(name: str) -> np.ndarray:
    return np.loadtxt(SAMPLES / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)


def log_prior(values: np.ndarray, parameters: Any, k: int, shape: str) -> float:
    """ln of the prior density by SciPy, of m, κ, ν and Λ as Fraley & Raftery (2007) give them."""
    d = values.shape[1]
    middle, spread, dof = values.mean(axis=0), np.cov(values.T, ddof=1).reshape(d, d), d + 2
    matrices, total = np.array(parameters["covariances"]), 0.0
    if shape in ("full", "tied"):
        wishart = stats.invwishart(dof, spread / k ** (2 / d))
        total += sum(wishart.logpdf(each) for each in (matrices if shape == "full" else matrices[:1]))
    else:
        gamma = stats.invgamma(dof / 2, scale=np.trace(spread) / d / k ** (2 / d) / 2)
        variances = np.array([np.diag(each) if shape == "diag" else each[0, 0] for each in matrices])
        total += gamma.logpdf(variances).sum()
    for mean, matrix in zip(parameters["means"], matrices, strict=True):
        total += stats.multivariate_normal(middle, matrix / 0.01).logpdf(mean)
    return float(total)


@pytest.mark.parametrize("name", ["galaxies", "faithful", "iris"])
def test_the_posterior_modes_of_mclust_are_those_of_emcli(name: str) -> None:
    values = table_of(name)
    for known in (each for each in MCLUST if each["data"] == name):
        near = {key: np.round(known[key], 3).tolist() for key in ("means", "covariances")}
        near["weights"] = (np.round(known["weights"], 3) / np.sum(np.round(known["weights"], 3))).tolist()
        options = {"model": "gmm", "k": known["k"], "covariance": known["covariance"], "prior": "default"}
        made = fitted(values, {**options, "start": near, "tol": 1e-9})
        order = np.lexsort(np.array(known["means"]).T[::-1])
        for key in ("weights", "means", "covariances"):
            np.testing.assert_allclose(made["parameters"][key], np.array(known[key])[order], 1e-6, 1e-6, err_msg=key)
        assert made["log_likelihood"] == pytest.approx(known["log_likelihood"], abs=1e-6)
        density = log_prior(values, made["parameters"], known["k"], known["covariance"])
        assert made["log_posterior"] == pytest.approx(made["log_likelihood"] + density, abs=1e-7)


def searched(name: str, shape: str, k: int) -> None:
    values = table_of(name)
    known = next(each for each in MCLUST if (each["data"], each["covariance"], each["k"]) == (name, shape, k))
    made = fitted(values, {"model": "gmm", "k": k, "covariance": shape, "prior": "default"})
    assert made["log_posterior"] >= known["log_likelihood"] + log_prior(values, known, k, shape) - 1e-6


@pytest.mark.parametrize(("name", "shape", "k"), [("galaxies", "full", 3), ("iris", "tied", 2)])
def test_a_search_ends_no_lower_than_mclust(name: str, shape: str, k: int) -> None:
    searched(name, shape, k)


@pytest.mark.slow
@pytest.mark.parametrize("known", MCLUST, ids=lambda each: f"{each['data']}-{each['covariance']}-{each['k']}")
def test_no_search_ends_lower_than_mclust(known: Any) -> None:
    searched(known["data"], known["covariance"], known["k"])


SMALL: list[tuple[dict[str, Any], Any]] = [
    *(({"model": "gmm", "k": 3, "covariance": shape, "prior": "default"}, clusters(60, 3)) for shape in SHAPES),
    ({"model": "gmm", "k": 2, "mixing": "equal", "prior": "default"}, clusters(50, 1)),
    ({"model": "coins", "k": 2, "mixing": "free", "prior": 2.5}, tosses(30)),
]
every_prior = pytest.mark.parametrize(("options", "values"), SMALL, ids=lambda case: str(case)[:60])


@every_prior
def test_slopes_and_information_are_the_derivatives_of_the_log_posterior(options: Any, values: Any) -> None:
    model, rows = drawn(values, options)
    found, h = information(model, rows.batches()), 1e-4
    p, score = len(found.score), lambda moved: pooled_e_step(moved, rows.batches()).score
    np.testing.assert_allclose(model.gradient(statistics(model, rows)), found.score, 1e-9, 1e-9)
    rng, top = np.random.default_rng(0), score(model)
    for _ in range(6):
        way = rng.standard_normal(p)
        ahead, behind = score(model.moved(h * way)), score(model.moved(-h * way))
        assert (ahead - behind) / (2 * h) == pytest.approx(found.score @ way, rel=1e-4, abs=1e-4)
        bend = way @ found.observed @ way
        assert -(ahead - 2 * top + behind) / h**2 == pytest.approx(bend, rel=1e-4, abs=1e-3 * np.trace(found.complete))


@every_prior
def test_the_log_posterior_never_falls_and_newton_ends_where_em_does(options: Any, values: Any) -> None:
    start = {"model": options["model"], **options}
    model, rows = drawn(values, options)
    start["start"] = model.to_original(rows.scaling).to_parameters()
    plain, quick = (fitted(values, {**start, "solver": solver, "tol": 1e-10}) for solver in ("em", "newton"))
    for made in (plain, quick):
        climb = [step["log_posterior"] for step in made["trace"]]
        assert all(after >= before - 1e-9 for before, after in pairwise(climb))
        assert made["trace"][-1]["log_posterior"] == pytest.approx(made["log_posterior"], abs=1e-9)
        n = made["data"]["weight"]
        assert made["bic"] == pytest.approx(-2 * made["log_likelihood"] + made["parameters_count"] * np.log(n))
    assert quick["log_posterior"] == pytest.approx(plain["log_posterior"], abs=1e-7)


@every_prior
def test_weights_are_duplicates(options: Any, values: Any) -> None:
    often = np.arange(len(values)) % 3 + 1
    model, rows = drawn(values, options)
    asked = {**options, "start": model.to_original(rows.scaling).to_parameters()}
    one, other = fitted(values, asked, often), fitted(np.repeat(values, often, axis=0), asked)
    for key, value in one["parameters"].items():
        np.testing.assert_allclose(value, other["parameters"][key], 1e-7, 1e-9)
    assert one["log_posterior"] == pytest.approx(other["log_posterior"], abs=1e-8)


@every_prior
def test_a_sample_has_the_prior_of_all_rows(options: Any, values: Any) -> None:
    model, rows = drawn(values, options)
    sample: Rows = rows.sample(20, np.random.default_rng(0))
    settings = settings_of(options)
    own = model.to_original(rows.scaling).to_parameters()
    there = scaled(type(model), own, settings, sample)
    assert there.log_prior() == pytest.approx(model.log_prior(), rel=1e-12)


def test_the_prior_has_no_units_but_for_diag_and_spherical() -> None:
    values = clusters(80, 2)
    for shape in SHAPES:
        options = {"model": "gmm", "k": 2, "covariance": shape, "prior": "default", "restarts": 1}
        one, other = fitted(values, options), fitted(values * [1.0, 1e9] + [0.0, 1e12], options)
        first, second = (each["parameters"]["covariances"][0][0][0] for each in (one, other))
        assert (abs(first / second - 1) < 1e-6) is (shape in ("full", "tied"))


def test_a_table_whose_plain_fit_collapses_has_a_fit_with_a_prior() -> None:
    spike = "x\n" + "1\n2\n3\n4\n5\n6\n" + "9\n" * 6
    plain = run("fit", "gmm", "-", "-k", 3, "--restarts", 3, stdin=spike)
    assert plain.returncode == 4
    assert "--prior default" in plain.stderr
    made = fit("gmm", "-", "-k", 3, "--restarts", 3, "--prior", "default", stdin=spike)
    assert made["status"] == "converged"
    assert not {"few-rows", "optimum-set-aside"} & {warning["slug"] for warning in made["warnings"]}


def test_more_columns_than_rows_have_a_prior_of_variances_alone() -> None:
    # of mclust 6: me(x, "VVV", z = unmap(c(1, 1, 2, 2)), prior = priorControl()) of this table
    values = np.array([[1.0, 2, 0, 1, 3], [2, 1, 1, 0, 2], [7, 9, 5, 6, 8], [8, 7, 6, 6, 9]])
    made = fitted(values, {"model": "gmm", "k": 2, "prior": "default", "restarts": 3})
    assert made["log_likelihood"] == pytest.approx(-19.6584819758306, abs=1e-9)
    mean = [1.514925373134329, 1.516169154228856, 0.512437810945274, 0.513681592039801, 2.514925373134329]
    assert made["parameters"]["means"][0] == pytest.approx(mean, abs=1e-9)
    row = [0.6210294416012556, -0.0251865671641791, 0.0359141791044776, -0.0261194029850746, -0.0256529850746269]
    assert made["parameters"]["covariances"][0][0] == pytest.approx(row, abs=1e-9)


def test_coins_with_a_prior_are_as_with_pseudo_tosses() -> None:
    # of one coin the mode is (h + A - 1) / (n + 2 (A - 1)), and the density of P(heads) that of SciPy's beta
    made = fitted(COUNTS, {"model": "coins", "k": 1, "prior": 3})
    heads = made["parameters"]["heads"][0]
    assert heads == pytest.approx((33 + 2) / (50 + 4), rel=1e-12)
    density = stats.beta(3, 3).logpdf(heads)
    assert made["log_posterior"] == pytest.approx(made["log_likelihood"] + density, abs=1e-10)


def test_a_flat_prior_of_coins_is_none() -> None:
    plain = fitted(tosses(), {"model": "coins", "k": 2, "restarts": 3})
    flat = fitted(tosses(), {"model": "coins", "k": 2, "restarts": 3, "prior": 1})
    assert flat["log_posterior"] == flat["log_likelihood"] == plain["log_likelihood"]
    for key in ("parameters", "bic", "reached", "warnings"):
        assert flat[key] == plain[key]


def test_a_prior_keeps_sure_coins_off_zero_and_one() -> None:
    sure = np.array([[0.0, 5], [5, 5], [0, 9], [9, 9], [0, 1]] * 4)
    low, high = fitted(sure, {"model": "coins", "k": 2, "mixing": "free", "prior": 1.5, "restarts": 2})["parameters"][
        "heads"
    ]
    assert 0 < low < 0.05
    assert 0.95 < high < 1


def test_a_trace_tells_the_log_posterior_too(tmp_path: Path) -> None:
    log = tmp_path / "t.jsonl"
    made = fit("gmm", "faithful", "-k", 2, "--prior", "default", "--restarts", 1, "--trace", log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = [line for line in lines if line["type"] == "iteration"]
    climb = [line["log_posterior"] for line in told]
    assert climb == pytest.approx([step["log_posterior"] for step in made["trace"]], abs=1e-8)
    assert [line["gain"] for line in told[1:]] == pytest.approx(np.diff(climb).tolist(), abs=1e-9)
    assert made["restarts"][0]["log_posterior"] == pytest.approx(made["log_posterior"], abs=1e-8)


def test_a_bootstrap_takes_the_prior_of_each_table_that_it_draws() -> None:
    options = {"model": "gmm", "k": 2, "prior": "default", "restarts": 2}
    result = result_of(clusters(60, 1), options)
    rows, rng = result.data.rows, np.random.default_rng(0)
    there, model = replicate(result.data.rows, result.settings.model, result.model, rng)
    kind: Any = result.kind
    of_all, own = (kind.initialize(each, result.settings.model, "uniform", rng).prior for each in (rows, there))
    assert not np.allclose(of_all.scatter, own.scatter)
    assert model.prior.scatter == own.scatter == pytest.approx(np.cov(there.values, ddof=1) / 4, rel=1e-12)


def test_what_no_model_has_is_refused_in_a_line() -> None:
    of_coins, of_all = "a number A of at least 1, for Beta(A, A)", "default, none or a number from 1 to 1,000,000"
    for words, said in {
        "kmeans blobs.csv -k 2 --prior default": "kmeans has no option '--prior'",
        "coins two_coins.csv --prior default": f"'--prior' of coins must be {of_coins}, got 'default'",
        "gmm blobs.csv -k 2 --prior 2": "'--prior' of gmm must be one of default, none, got '2'",
        "coins two_coins.csv --prior 0.5": f"'--prior' must be {of_all}, got '0.5'",
        "gmm blobs.csv -k 2 --prior flat": f"'--prior' must be {of_all}, got 'flat'",
    }.items():
        done = run("fit", *words.split(), cwd=SAMPLES)
        assert (done.returncode, done.stderr) == (2, f"emcli: error: {said}\n")


def test_a_comparison_with_and_without_a_prior_ranks_by_bic() -> None:
    done = run("compare", "gmm", "faithful", "-k", "1,2", "--prior", "none,default", "--restarts", 2, "--json")
    (group,) = json.loads(done.stdout)["groups"]
    assert {one["name"]: "log_posterior" in one for one in group["candidates"]} == {
        "gmm-k1-full-free": False,
        "gmm-k2-full-free": False,
        "gmm-k1-full-free-prior-default": True,
        "gmm-k2-full-free-prior-default": True,
    }
    assert "nesting" not in str(group)
    bics = [one["bic"] for one in group["candidates"]]
    assert bics == sorted(bics)


def test_what_a_saved_fit_was_fitted_with_does_not_matter_to_predict(tmp_path: Path) -> None:
    data = SAMPLES / "galaxies.csv"
    made = fit("gmm", data, "-k", 3, "--restarts", 2, "--prior", "default", "-o", tmp_path / "f.json")
    lines = run("predict", tmp_path / "f.json", data).stdout.splitlines()[1:]
    assert sum(float(line.split(",")[-1]) for line in lines) == pytest.approx(made["log_likelihood"], rel=1e-12)
    again = fit("gmm", data, "-k", 3, "--prior", "default", "--start", tmp_path / "f.json")
    assert again["log_posterior"] == pytest.approx(made["log_posterior"], abs=1e-9)
    assert run("generate", tmp_path / "f.json", "-n", 5).stdout.count("\n") == 6


def test_a_prior_of_a_million_tosses_is_as_exact_as_its_terms_allow() -> None:
    heads = fitted(tosses(), {"model": "coins", "k": 2, "mixing": "free", "prior": 1e6, "restarts": 1})["parameters"][
        "heads"
    ]
    assert heads == pytest.approx([0.5, 0.5], abs=1e-3)


def test_moments_are_those_of_all_rows_wherever_they_are() -> None:
    values = clusters(60, 3)
    _, data, _ = dataset(values, {"model": "gmm", "k": 2, "prior": "default"})
    plain = {field.name: getattr(data.rows, field.name) for field in fields(Rows)}
    labelled = LabelledRows(**{**plain, "known": np.repeat([-1, 0, 1], 20), "components": ("a", "b")})
    for rows in (data.rows, labelled):
        assert rows.sample(20, np.random.default_rng(0)).size_of_all == 60
        found = with_moments(replace(rows, mean=None, covariance=None), map)
        assert found.mean == pytest.approx(data.rows.mean, abs=1e-14)
        np.testing.assert_allclose(found.covariance, data.rows.covariance, 1e-12)


HELD: list[tuple[dict[str, Any], Any]] = [
    ({"model": "gmm", "k": 2, "covariance": "full", "fix": {"means": [[1, -1], None]}}, clusters(60, 2)),
    ({"model": "gmm", "k": 2, "covariance": "tied", "fix": {"weights": [0.3, 0.7]}}, clusters(60, 2)),
    ({"model": "gmm", "k": 2, "covariance": "diag", "fix": {"means": [[1, None], None]}}, clusters(60, 2)),
    ({"model": "gmm", "k": 2, "covariance": "spherical", "fix": {"sds": [[1, 1], None]}}, clusters(60, 2)),
    ({"model": "gmm", "k": 2, "covariance": "full", "fix": {"means": [[1, None], None]}}, clusters(60, 2)),
    ({"model": "gmm", "k": 2, "covariance": "tied", "fix": {"means": [[1, None], [None, 0]]}}, clusters(60, 2)),
]


@pytest.mark.parametrize(("options", "values"), HELD, ids=lambda case: str(case)[:60])
def test_the_slopes_of_what_is_free_beside_held_values_are_those_of_the_posterior(options: Any, values: Any) -> None:
    asked = {**options, "prior": "default"}
    model, rows = drawn(values, asked)
    found, h, rng = information(model, rows.batches()), 1e-4, np.random.default_rng(0)
    for _ in range(3):
        way = rng.standard_normal(len(found.score))
        ahead, top, behind = (pooled_e_step(model.moved(by * way), rows.batches()).score for by in (h, 0, -h))
        assert (ahead - behind) / (2 * h) == pytest.approx(found.score @ way, rel=1e-4, abs=1e-4)
        bend = way @ found.observed @ way
        assert -(ahead - 2 * top + behind) / h**2 == pytest.approx(bend, rel=1e-4, abs=1e-3 * np.trace(found.complete))
    start = {**asked, "start": model.to_original(rows.scaling).to_parameters(), "tol": 1e-9}
    plain, quick = (fitted(values, {**start, "solver": solver})["log_posterior"] for solver in ("em", "newton"))
    assert quick == pytest.approx(plain, abs=1e-7)


@pytest.mark.parametrize("shape", ["full", "tied"])
def test_a_mean_with_a_held_coordinate_is_where_the_posterior_is_highest(shape: str) -> None:
    values = clusters(60, 2)
    options = {"model": "gmm", "k": 2, "covariance": shape, "prior": "default"}
    asked = {**options, "fix": {"means": [[1, None], None]}, "tol": 1e-11, "restarts": 1}
    result, rng = result_of(values, asked), np.random.default_rng(0)
    rows, best, settings = result.data.rows, result.parameters, settings_of(options)
    means, covariances = np.array(best["means"]), np.array(best["covariances"])
    top = statistics(scaled(result.kind, best, settings, rows), rows).score
    for _ in range(60):
        moves, bends = 1e-2 * rng.standard_normal((2, 2)), 1e-2 * rng.standard_normal((2, 2, 2))
        moves[means[:, 0] == 1, 0] = 0.0
        bends = bends + bends.transpose(0, 2, 1)
        bends = bends[:1] if shape == "tied" else bends
        near = {**best, "means": (means + moves).tolist(), "covariances": (covariances + bends).tolist()}
        assert statistics(scaled(result.kind, near, settings, rows), rows).score < top


def test_a_coin_that_is_held_at_zero_has_no_prior(tmp_path: Path) -> None:
    table, recipe = tmp_path / "t.csv", tmp_path / "e.yaml"
    table.write_text("heads,tosses\n" + "0,8\n" * 20 + "3,8\n5,8\n4,8\n2,8\n6,8\n" * 4)
    recipe.write_text("model: coins\ndata: t.csv\nfit: {mixing: free, prior: 3, fix: {heads: [0, null]}}\n")
    made = fit(recipe)
    low, high = made["parameters"]["heads"]
    assert low == 0
    assert 0.4 < high < 0.6
    assert made["log_posterior"] == pytest.approx(made["log_likelihood"] + stats.beta(3, 3).logpdf(high), abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_with_missing_cells_have_the_same_prior(shape: str) -> None:
    values, rng = clusters(60, 3), np.random.default_rng(3)
    values[rng.random(values.shape) < 0.2] = np.nan
    options = {"model": "gmm", "k": 2, "covariance": shape, "prior": "default", "missing": "use", "restarts": 1}
    values = values[~np.isnan(values).all(axis=1)]
    begun = result_of(values, {**options, "max_iter": 3, "solver": "em"})
    model, rows, h = begun.model, begun.data.rows, 1e-4
    assert isinstance(model, CompleteDataModel)
    found = information(model, rows.batches())
    way = rng.standard_normal(len(found.score))
    ahead, behind = (pooled_e_step(model.moved(by * way), rows.batches()).score for by in (h, -h))
    assert (ahead - behind) / (2 * h) == pytest.approx(found.score @ way, rel=1e-4, abs=1e-3)
    climb = [step["log_posterior"] for step in fitted(values, {**options, "solver": "em"})["trace"]]
    assert all(after >= before - 1e-9 for before, after in pairwise(climb))


def test_beside_noise_each_start_has_the_prior_of_all_rows() -> None:
    """Starts begin without the rows that they take for noise, of which the prior must not be left out."""
    found = fit("gmm", SAMPLES / "faithful.csv", "-k", 2, "--noise", "--prior", "default", "--restarts", 3)
    assert found["trace"][-1]["log_posterior"] == pytest.approx(found["log_posterior"], abs=1e-9)
    best = max(start["log_posterior"] for start in found["restarts"])
    assert best == pytest.approx(found["log_posterior"], abs=1e-9)
