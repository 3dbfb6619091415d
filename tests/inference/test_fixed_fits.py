"""Fits with parameters that are held, against R's mixtools and the maxima of likelihoods written down anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, run, table
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

FAITHFUL = SAMPLES / "faithful.csv"
START = {"weights": [0.4, 0.6], "means": [[55], [80]], "sds": [[5], [6]]}
# normalmixEM(faithful$waiting, lambda, mu, sigma as in START, mean.constr, sd.constr, epsilon = 1e-13), mixtools 2.0.0
MIXTOOLS = {
    "a mean": (
        {"means": [55, None]},
        [0.364135722671, 0.635864277329, 55, 80.1567550956, 5.97891985928, 5.80519528473, -1034.1493085],
    ),
    "an sd": (
        {"sds": [5, None]},
        [0.348501227784, 0.651498772216, 54.2084806743, 79.8241516264, 5, 6.13375518303, -1035.65982631],
    ),
    "a mean and an sd": (
        {"means": [None, 80], "sds": [None, 6]},
        [0.358409038944, 0.641590961056, 54.5376947199, 80, 5.81150564843, 6, -1034.05764607],
    ),
}


def experiment(tmp_path: Path, model: str, **settings: Any) -> Path:
    path = tmp_path / "held.yaml"
    lines = [f"  {key}: {json.dumps(value)}" for key, value in settings.items()]
    path.write_text("\n".join([f"model: {model}", "fit:", *lines]))
    return path


@pytest.mark.parametrize(("fix", "theirs"), MIXTOOLS.values(), ids=MIXTOOLS)
def test_in_one_dimension_a_fit_is_that_of_mixtools(tmp_path: Path, fix: dict[str, Any], theirs: list[float]) -> None:
    found = fit(experiment(tmp_path, "gmm", k=2, columns=["waiting"], start=START, fix=fix), FAITHFUL)
    parameters = found["parameters"]
    values = [*parameters["weights"], *np.ravel(parameters["means"]), *np.sqrt(np.ravel(parameters["covariances"]))]
    np.testing.assert_allclose([*values, found["log_likelihood"]], theirs, rtol=1e-6)
    assert found["parameters_count"] == 5 - sum(value is not None for each in fix.values() for value in each)


def log_likelihood(weights: Any, means: Any, matrices: Any) -> float:
    x = table(FAITHFUL)
    parts = [np.log(w) + multivariate_normal(m, c).logpdf(x) for w, m, c in zip(weights, means, matrices, strict=True)]
    return float(logsumexp(parts, axis=0).sum())


def maximum(unpack: Any, start: list[float]) -> float:
    """The maximum of the log-likelihood over free numbers, from weights, means and covariances that these stand for."""

    def negative(z: np.ndarray) -> float:
        return -log_likelihood(*unpack(z))

    return -float(minimize(negative, start, method="BFGS", options={"gtol": 1e-5}).fun)


def matrix(a: float, b: float, c: float) -> np.ndarray:
    root = np.array([[np.exp(a), 0.0], [b, np.exp(c)]])
    return root @ root.T


def one_coordinate(z: np.ndarray) -> Any:
    share = 1 / (1 + np.exp(-z[0]))
    return [share, 1 - share], [[2.2, z[1]], [z[2], z[3]]], [matrix(*z[4:7]), matrix(*z[7:10])]


def one_coordinate_tied(z: np.ndarray) -> Any:
    share = 1 / (1 + np.exp(-z[0]))
    return [share, 1 - share], [[2.2, z[1]], [z[2], 78.0]], [matrix(*z[3:6])] * 2


MEANS = {"means": [[2, 55], [4.3, 80]]}
PROFILES = {
    "full": (
        "full",
        {"means": [[2.2, None], None]},
        one_coordinate,
        [-0.6, 55, 4.3, 80, -1, 0.5, 1.7, -1, 0.5, 1.7],
        10,
    ),
    "tied": (
        "tied",
        {"means": [[2.2, None], [None, 78]]},
        one_coordinate_tied,
        [-0.6, 55, 4.3, -1, 0.5, 1.7],
        6,
    ),
}


@pytest.mark.parametrize(("shape", "fix", "unpack", "start", "count"), PROFILES.values(), ids=PROFILES)
def test_held_coordinates_of_means_lead_to_the_maximum_of_the_others(
    tmp_path: Path, shape: str, fix: dict[str, Any], unpack: Any, start: list[float], count: int
) -> None:
    found = fit(experiment(tmp_path, "gmm", k=2, covariance=shape, start=MEANS, fix=fix, tol=1e-9), FAITHFUL)
    held = fix["means"]
    for row, values in zip(held, found["parameters"]["means"], strict=True):
        for fixed, value in zip(row or [], values, strict=False):
            assert fixed is None or fixed == value
    assert found["log_likelihood"] == pytest.approx(maximum(unpack, start), abs=1e-6)
    assert found["parameters_count"] == count
    assert found["settings"]["fix"] == fix


def test_free_weights_share_what_held_ones_leave(tmp_path: Path) -> None:
    """At the maximum each free weight has the share of the free components' rows that its own are."""
    fix = {"weights": [None, 0.3, None]}
    found = fit(experiment(tmp_path, "gmm", k=3, covariance="diag", fix=fix, restarts=4), FAITHFUL)
    weights, means, matrices = (np.array(found["parameters"][key]) for key in ("weights", "means", "covariances"))
    assert weights[1] == 0.3
    x = table(FAITHFUL)
    parts = np.array(
        [np.log(w) + multivariate_normal(m, c).logpdf(x) for w, m, c in zip(weights, means, matrices, strict=True)]
    )
    sizes = np.exp(parts - logsumexp(parts, axis=0)).sum(axis=1)
    assert weights[[0, 2]] == pytest.approx(0.7 * sizes[[0, 2]] / sizes[[0, 2]].sum(), abs=1e-6)
    assert (found["parameters_count"], found["stop"]) == (13, "projected")


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
def test_held_where_a_free_fit_ended_they_leave_it_as_it_is(tmp_path: Path, shape: str) -> None:
    free = fit("gmm", FAITHFUL, "-k", 2, "--covariance", shape, "--restarts", 2)
    path = tmp_path / "free.json"
    path.write_text(json.dumps(free))
    for names in ("means", "weights,covariances"):
        held = fit("gmm", FAITHFUL, "-k", 2, "--covariance", shape, "--start", path, "--fix", names)
        assert held["log_likelihood"] == pytest.approx(free["log_likelihood"], abs=1e-7)
        assert held["parameters_count"] < free["parameters_count"]
        for name in names.split(","):
            np.testing.assert_allclose(held["parameters"][name], free["parameters"][name], rtol=1e-14)


def test_a_row_weight_is_the_row_that_often_and_two_processes_give_the_same(tmp_path: Path) -> None:
    rows = FAITHFUL.read_text().split()[1:][:120]
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    counts = [1 + (i * 7) % 3 for i in range(len(rows))]
    few.write_text("x,y,n\n" + "".join(f"{row},{count}\n" for row, count in zip(rows, counts, strict=True)))
    many.write_text("x,y\n" + "".join(f"{row}\n" * count for row, count in zip(rows, counts, strict=True)))
    settings = {"k": 2, "start": MEANS, "fix": {"means": [[2, None], None], "weights": [0.4, None]}}
    weighted = fit(experiment(tmp_path, "gmm", **settings, row_weights="n"), few)
    repeated = fit(experiment(tmp_path, "gmm", **settings), many)
    assert weighted["log_likelihood"] == pytest.approx(repeated["log_likelihood"], abs=1e-8)
    np.testing.assert_allclose(weighted["parameters"]["means"], repeated["parameters"]["means"], rtol=1e-8)
    path = experiment(tmp_path, "gmm", **settings)
    assert run("fit", path, many, "--json", "--jobs", 1).stdout == run("fit", path, many, "--json", "--jobs", 2).stdout


REFUSED = {
    "means: [[1, 2, 3], null]": "fit.fix.means[0]: must have 2 values, got 3",
    "means: [1, 2]": "fit.fix.means[0]: must be a list or null, got '1'",
    "mean: [1, 2]": "fit.fix.mean: unknown parameter 'mean' (did you mean 'means'?)",
    "sds: [[1, null], null]": "fit.fix.sds[0]: single entries cannot be held, only a whole matrix; null",
    "sds: [[1, -2], null]": "fit.fix.sds[0]: must be positive, got -2",
    "covariances: [[[1, null], [null, 1]], null]": "fit.fix.covariances[0]: single entries cannot",
    "covariances: [[[1, 2], [2, 1]], null]": "fit.fix.covariances[0]: must be a symmetric, positive definite matrix",
    "sds: [[1, 1], null], covariances: [null, null]": "fit.fix.sds: give covariances or sds, not both",
}
SHAPED = {
    (
        "tied",
        "sds: [[1, 1], null]",
    ): "fit.fix.sds: components share one covariance: hold it for all of them, or for none",
    ("tied", "sds: [[1, 1], [2, 2]]"): "fit.fix.sds: are not tied",
    ("spherical", "sds: [[1, null], null]"): "fit.fix.sds[0]: single entries cannot be held",
    ("spherical", "sds: [[1, 2], null]"): "fit.fix.sds: are not spherical",
    ("diag", "covariances: [[[2, 1], [1, 2]], null]"): "fit.fix.covariances: are not diag",
    **{("full", given): said for given, said in REFUSED.items()},
}


@pytest.mark.parametrize(("shape", "given"), SHAPED)
def test_what_cannot_be_held_is_refused_with_its_place(tmp_path: Path, shape: str, given: str) -> None:
    (tmp_path / "held.yaml").write_text(f"model: gmm\nfit:\n  k: 2\n  covariance: {shape}\n  fix: {{{given}}}\n")
    done = run("fit", "held.yaml", FAITHFUL, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("emcli: error: held.yaml:5:"), done.stderr
    assert SHAPED[shape, given] in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_search_puts_what_is_held_into_every_start_and_move(tmp_path: Path) -> None:
    fix = {"means": [None, [4.3, 80]]}
    found = fit(experiment(tmp_path, "gmm", k=2, fix=fix), FAITHFUL)
    assert found["parameters"]["means"][1] == [4.3, 80]
    assert found["reached"] >= 2 and found["moves"] > 0
    assert {run["kind"] for run in found["restarts"]} & {"split", "nested", "split-merge"} == set()


def test_a_comparison_ranks_held_and_free_fits_together(tmp_path: Path) -> None:
    held = experiment(tmp_path, "gmm", k=2, start=MEANS, fix={"means": [[2.2, None], None]})
    free = tmp_path / "free.yaml"
    free.write_text("model: gmm\nfit: {k: 2, restarts: 2}\n")
    both = [path.read_text() + f"\ndata: {FAITHFUL}\n" for path in (held, free)]
    for path, text in zip((held, free), both, strict=True):
        path.write_text(text)
    done = run("compare", held, free, "--json")
    [group] = json.loads(done.stdout)["groups"]
    counts = {each["name"]: (each["parameters_count"], each["log_likelihood"]) for each in group["candidates"]}
    assert len(counts) == 2 and sorted(count for count, _ in counts.values()) == [10, 11]
    by_count = dict(sorted(counts.values()))
    assert by_count[10] < by_count[11]


def test_a_saved_fit_with_held_parameters_predicts_and_draws(tmp_path: Path) -> None:
    saved = tmp_path / "held.json"
    path = experiment(tmp_path, "gmm", k=2, start=MEANS, fix={"means": [[2.2, None], None]})
    assert run("fit", path, FAITHFUL, "-o", saved).returncode == 0
    assert run("predict", saved, FAITHFUL).stdout.count("\n") == 273
    assert run("generate", saved, "-n", 5).stdout.count("\n") == 6


def test_a_named_component_holds_what_its_place_holds(tmp_path: Path) -> None:
    rows = FAITHFUL.read_text().split()[1:]
    labels = ["b" if i in (0, 2) else "a" if i in (1, 3, 5) else "" for i in range(len(rows))]
    some = tmp_path / "some.csv"
    some.write_text("x,y,kind\n" + "".join(f"{row},{label}\n" for row, label in zip(rows, labels, strict=True)))
    fix = {"means": [None, [4.3, None]]}
    found = fit(experiment(tmp_path, "gmm", k=2, fix=fix, known="kind", restarts=2), some)
    assert found["parameters"]["means"][1][0] == 4.3 and found["parameters"]["means"][0][0] < 3


@pytest.mark.parametrize("shape", ["full", "tied"])
def test_what_is_left_to_gain_beside_single_held_coordinates_is_known_and_newton_comes_there(
    shape: str, tmp_path: Path
) -> None:
    settings = {"k": 2, "fix": {"means": [[2.2, None], [None, 82]]}, "covariance": shape, "restarts": 2}
    loose = fit(experiment(tmp_path, "gmm", **settings, solver="em", tol=1e-2), FAITHFUL)
    close = fit(experiment(tmp_path, "gmm", **settings, solver="newton", tol=1e-9), FAITHFUL)
    gained = close["log_likelihood"] - loose["log_likelihood"]
    assert 0 < gained < 1e-2 and loose["decrement"] == pytest.approx(gained, rel=0.5)
    assert close["decrement"] < 1e-12 and "polish" in [step.get("step") for step in close["trace"]]
    best = fit(experiment(tmp_path, "gmm", **settings, solver="em", tol=1e-12, max_iter=20000), FAITHFUL)
    assert close["log_likelihood"] == pytest.approx(best["log_likelihood"], abs=1e-8)


def test_a_held_centroid_stays_and_the_others_are_the_means_of_their_rows(tmp_path: Path) -> None:
    fix = {"centroids": [[3, 70], None, [None, 80]]}
    found = fit(experiment(tmp_path, "kmeans", k=3, fix=fix), FAITHFUL)
    centroids, x = np.array(found["parameters"]["centroids"]), table(FAITHFUL)
    assert centroids[0].tolist() == [3, 70] and centroids[2, 1] == 80
    squares = ((x[:, None] - centroids) ** 2).sum(axis=2)
    means = np.array([x[squares.argmin(axis=1) == j].mean(axis=0) for j in range(3)])
    assert centroids[1] == pytest.approx(means[1], rel=1e-12) and centroids[2, 0] == pytest.approx(means[2, 0])
    assert found["inertia"] == pytest.approx(squares.min(axis=1).sum(), rel=1e-12)
    assert (found["parameters_count"], found["settings"]["fix"]) == (4, fix)


def test_centroids_in_one_column_of_many_rows_and_standardized_ones_are_held_too(tmp_path: Path) -> None:
    many = tmp_path / "many.csv"
    many.write_text("x\n" + "".join(f"{value}\n" for value in np.random.default_rng(1).normal(size=5000)))
    found = fit(experiment(tmp_path, "kmeans", k=2, fix={"centroids": [0.5, None]}, restarts=2), many)
    assert found["parameters"]["centroids"][0] == [0.5] and "certificate" not in found
    fix = {"centroids": [[3, 70], None]}
    found = fit(experiment(tmp_path, "kmeans", k=2, fix=fix, standardize=True, restarts=2), FAITHFUL)
    assert found["parameters"]["centroids"][0] == [3, 70]


def test_centroids_of_rows_with_missing_cells_are_held_too(tmp_path: Path) -> None:
    values = table(FAITHFUL)
    values[np.random.default_rng(1).random(values.shape) < 0.15] = np.nan
    values = values[~np.isnan(values).all(axis=1)]
    cells = "\n".join(",".join("" if np.isnan(x) else repr(float(x)) for x in row) for row in values)
    some = tmp_path / "some.csv"
    some.write_text(f"eruptions,waiting\n{cells}\n")
    fix = {"centroids": [[3, 70], None, [None, 80]]}
    found = fit(experiment(tmp_path, "kmeans", k=3, fix=fix, missing="use"), some)
    centroids = np.array(found["parameters"]["centroids"])
    assert centroids[0].tolist() == [3, 70] and centroids[2, 1] == 80
    squares = np.nansum((values[:, None] - centroids) ** 2, axis=2)
    own = squares.argmin(axis=1)
    assert found["inertia"] == pytest.approx(squares.min(axis=1).sum())
    assert centroids[1] == pytest.approx(np.nanmean(values[own == 1], axis=0))
    assert centroids[2, 0] == pytest.approx(np.nanmean(values[own == 2, 0]))
    free = fit("kmeans", some, "-k", 3, "--missing", "use")
    assert found["parameters_count"] == free["parameters_count"] - 3 and found["inertia"] > free["inertia"]
    whole = [fit(experiment(tmp_path, "kmeans", k=3, fix=fix, missing=how), FAITHFUL) for how in ("use", "error")]
    assert [each["settings"].pop("missing") for each in whole] == ["use", "error"]
    assert whole[0] == whole[1]


def test_a_held_coordinate_that_no_row_of_its_cluster_has_is_no_fault(tmp_path: Path) -> None:
    some = tmp_path / "gaps.csv"
    some.write_text("x,y\n0,1\n1,\n2,3\n9,\n10,\n11,\n")
    words: dict[str, Any] = {"k": 2, "missing": "use", "restarts": 10}
    found = fit(experiment(tmp_path, "kmeans", fix={"centroids": [None, [None, 7]]}, **words), some)
    assert found["parameters"]["centroids"] == [[1, 2], [10, 7]]
    assert "not-identifiable" not in [each["slug"] for each in found["warnings"]]


def test_what_is_held_is_marked_and_has_no_error(tmp_path: Path) -> None:
    path = experiment(tmp_path, "gmm", k=2, columns=["waiting"], fix={"means": [55, None]}, start=START, bootstrap=20)
    few = tmp_path / "few.csv"
    few.write_text("\n".join(FAITHFUL.read_text().split()[:81]))
    shown = run("fit", path, few, "--width", 160, "-o", tmp_path / "held.json").stdout.splitlines()
    found = json.loads((tmp_path / "held.json").read_text())["bootstrap"]
    assert found["standard_errors"]["means"][0] == [0] and found["low"]["means"][0] == [55]
    assert found["standard_errors"]["means"][1][0] > 0
    titles = next(line for line in shown if "mean waiting" in line)
    first, error = (next(line for line in shown if line.strip().startswith(word)) for word in ("1 ", "std. error"))
    at = slice(titles.index("mean waiting"), titles.index("mean waiting") + len("mean waiting"))
    assert (first[at].strip(), error[at].strip()) == ("*55", "")
    assert "* held at this value (fix)" in shown


def test_rows_with_missing_cells_have_the_maximum_of_the_likelihood_of_what_is_observed(tmp_path: Path) -> None:
    """One Gaussian whose first mean is held: the other coordinate's mean follows by regression."""
    lines = FAITHFUL.read_text().split()[1:]
    gaps = [row.split(",")[0] + "," if i % 5 == 0 else row for i, row in enumerate(lines)]
    some = tmp_path / "some.csv"
    some.write_text("x,y\n" + "\n".join(gaps) + "\n")
    settings = {"k": 1, "start": {"means": [[3.5, 71]]}, "fix": {"means": [[3.4, None]]}, "tol": 1e-9}
    found = fit(experiment(tmp_path, "gmm", **settings, missing="use"), some)
    x = table(FAITHFUL)
    whole = np.arange(len(x)) % 5 != 0

    def negative(z: np.ndarray) -> float:
        mean, spread = np.array([3.4, z[0]]), matrix(*z[1:])
        observed = multivariate_normal(mean, spread).logpdf(x[whole]).sum()
        alone = multivariate_normal(mean[0], spread[0, 0]).logpdf(x[~whole, 0]).sum()
        return -float(observed + alone)

    best = minimize(negative, [71.0, 0.1, 10.0, 1.8], method="BFGS", options={"gtol": 1e-5})
    assert found["log_likelihood"] == pytest.approx(-best.fun, abs=1e-6)
    assert found["parameters"]["means"][0] == [3.4, pytest.approx(best.x[0], abs=1e-3)]


def test_components_trade_places_to_where_held_weights_fit_best(tmp_path: Path) -> None:
    """Which cluster has which of the held shares does not depend on the order in which these are given."""
    rng = np.random.default_rng(1)
    of = rng.choice(3, 300, p=[0.5, 0.3, 0.2])
    rows = np.array([[0, 0], [4, 1], [1, 5]])[of] + rng.normal(size=(300, 2)) * np.array([1, 0.7])
    table = tmp_path / "x.csv"
    np.savetxt(table, rows, delimiter=",", header="x,y", comments="")
    found = []
    for weights in ("[0.5, null, 0.3]", "[0.5, 0.3, null]"):
        (tmp_path / "e.yaml").write_text(f"model: gmm\nfit: {{k: 3, fix: {{weights: {weights}}}}}\n")
        found.append(fit(tmp_path / "e.yaml", table)["log_likelihood"])
    np.testing.assert_allclose(found, max(found), rtol=0, atol=1e-6)
