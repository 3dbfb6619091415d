"""The prior of six shapes beside the classic four, for which mclust has one too: against it and SciPy, and the laws."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, fit, run
from inprocess import clusters, drawn, fitted, statistics, stepped
from scipy import stats

MCLUST = json.loads((REFERENCE / "mclust_prior_shapes.json").read_text())
SHAPES = ("EII", "EEI", "VEI", "EVI", "EEV", "VEV")
every_shape = pytest.mark.parametrize("shape", SHAPES)


def table_of(name: str) -> np.ndarray:
    return np.loadtxt(SAMPLES / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)


def log_prior(values: np.ndarray, parameters: Any, k: int, shape: str) -> float:
    """ln of the prior density as docs/prior.md gives it, of `numpy.cov` and by SciPy where it has the density."""
    d = values.shape[1]
    spread, dof, matrices = np.cov(values.T) / k ** (2 / d), d + 2, np.array(parameters["covariances"])
    even = np.trace(spread) / d
    if shape in ("EII", "EEI"):
        variances = np.diag(matrices[0])[: 1 if shape == "EII" else d]
        total = stats.invgamma(dof / 2, scale=even / 2).logpdf(variances).sum()
    else:
        scale = spread if shape in ("EEV", "VEV") else even * np.eye(d)
        volumes = np.linalg.det(matrices) ** (1 / d) / np.linalg.det(scale) ** (1 / d)
        power = -d * (dof + 2) / (2 * k) if shape[0] == "E" else -(dof + 3 - d) / 2
        total = sum(power * np.log(volumes)) - 0.5 * sum(np.trace(np.linalg.solve(each, scale)) for each in matrices)
    for mean, matrix in zip(parameters["means"], matrices, strict=True):
        total += stats.multivariate_normal(values.mean(axis=0), matrix / 0.01).logpdf(mean)
    return float(total)


def log_likelihood(values: np.ndarray, parameters: Any) -> float:
    parts = zip(parameters["weights"], parameters["means"], parameters["covariances"], strict=True)
    joint = [np.log(weight) + stats.multivariate_normal(mean, matrix).logpdf(values) for weight, mean, matrix in parts]
    return float(np.logaddexp.reduce(joint).sum())


@every_shape
def test_from_the_optima_of_mclust_the_log_posterior_only_rises(shape: str) -> None:
    for known in (each for each in MCLUST["fits"] if each["covariance"] == shape):
        values = table_of(known["data"])
        start = {"weights": (np.array(known["weights"]) / sum(known["weights"])).tolist(), "means": known["means"]}
        start["covariances"] = known["covariances"]
        options = {"model": "gmm", "k": known["k"], "covariance": shape, "prior": "default"}
        made = fitted(values, {**options, "start": start})
        theirs = log_likelihood(values, known) + log_prior(values, known, known["k"], shape)
        assert known["log_likelihood"] == pytest.approx(log_likelihood(values, known), abs=1e-6)
        found = log_likelihood(values, made["parameters"]) + log_prior(values, made["parameters"], known["k"], shape)
        assert made["log_posterior"] == pytest.approx(found, abs=1e-7)
        assert made["trace"][0]["log_posterior"] == pytest.approx(theirs, abs=1e-6)
        assert made["log_posterior"] >= theirs - 1e-6


def searched(known: Any) -> None:
    values, k, shape = table_of(known["data"]), known["k"], known["covariance"]
    made = fitted(values, {"model": "gmm", "k": k, "covariance": shape, "prior": "default"})
    assert made["log_posterior"] >= log_likelihood(values, known) + log_prior(values, known, k, shape) - 1e-6


@pytest.mark.parametrize("shape", ["EVI", "VEV"])
def test_a_search_ends_no_lower_than_mclust(shape: str) -> None:
    searched(next(each for each in MCLUST["fits"] if (each["covariance"], each["k"]) == (shape, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("known", MCLUST["fits"], ids=lambda each: f"{each['data']}-{each['covariance']}-{each['k']}")
def test_no_search_ends_lower_than_mclust(known: Any) -> None:
    searched(known)


@pytest.mark.parametrize("shape", ["EEI", "VEI", "EVI"])
def test_the_m_step_of_a_known_partition_is_that_of_mclust(shape: str, tmp_path: Path) -> None:
    table, labels = tmp_path / "known.csv", ["a"] * 40 + ["b"] * 70 + ["c"] * 40
    head, *lines = (SAMPLES / "iris.csv").read_text().splitlines()
    both = [f"{line},{label}" for line, label in zip(lines, labels, strict=True)]
    table.write_text("\n".join([f"{head},group", *both]) + "\n")
    made = fit("gmm", table, "-k", 3, "--known", "group", "--covariance", shape, "--prior", "default", "--tol", 1e-12)
    theirs = MCLUST["m_steps"][shape]
    np.testing.assert_allclose(made["parameters"]["covariances"], theirs["covariances"], 1e-9, 1e-12)
    if shape != "EEI":  # of which mclust leaves the means where they are
        np.testing.assert_allclose(made["parameters"]["means"], theirs["means"], 1e-9)


@every_shape
def test_the_log_posterior_never_falls(shape: str) -> None:
    options = {"model": "gmm", "k": 3, "covariance": shape, "prior": "default"}
    scores = [statistics(model, rows).score for model, rows in stepped(clusters(60, 3), options, 40)]
    assert all(after >= before - 1e-9 for before, after in pairwise(scores))
    assert scores[-1] > scores[0] + 0.1


@pytest.mark.parametrize("shape", ["EEI", "VEI", "EEV"])
def test_a_row_weight_is_the_row_that_often(shape: str) -> None:
    values, often = clusters(60, 3), np.arange(60) % 3 + 1
    options = {"model": "gmm", "k": 2, "covariance": shape, "prior": "default", "tol": 1e-8}
    model, rows = drawn(values, options)
    options["start"] = model.to_original(rows.scaling).to_parameters()
    one, other = fitted(values, options, often), fitted(np.repeat(values, often, axis=0), options)
    assert one["log_posterior"] == pytest.approx(other["log_posterior"], abs=1e-6)
    np.testing.assert_allclose(one["parameters"]["means"], other["parameters"]["means"], 1e-3)


def test_of_one_component_and_of_one_column_shapes_that_are_the_same_have_the_same_mode() -> None:
    values, column = clusters(40, 3), clusters(40, 1)

    def mode(shape: str, x: np.ndarray, k: int) -> Any:
        made = fitted(x, {"model": "gmm", "k": k, "covariance": shape, "prior": "default", "restarts": 2, "tol": 1e-9})
        return pytest.approx(np.ravel(made["parameters"]["covariances"]), rel=1e-4)

    assert mode("EII", values, 1) == mode("spherical", values, 1).expected
    assert mode("EEI", values, 1) == mode("diag", values, 1).expected == mode("EVI", values, 1)
    assert mode("EII", column, 2) == mode("tied", column, 2).expected == mode("EEI", column, 2)


def test_where_plain_fits_collapse_there_is_a_fit_with_a_prior() -> None:
    spike = "x,y\n" + "1,2\n2,5\n3,1\n4,4\n5,2\n6,3\n" + "9,9\n" * 6
    for shape in ("VEI", "EVI", "VEV"):
        made = fit("gmm", "-", "-k", 3, "--covariance", shape, "--prior", "default", "--restarts", 2, stdin=spike)
        assert made["status"] == "converged"


def test_rows_with_missing_cells_have_a_prior_too() -> None:
    values = clusters(60, 3)
    values[::7, 1] = np.nan
    for shape in ("EEI", "VEV"):
        options = {"model": "gmm", "k": 2, "covariance": shape, "prior": "default", "missing": "use", "restarts": 1}
        made = fitted(values, options)
        climb = [step["log_posterior"] for step in made["trace"]]
        assert all(after >= before - 1e-8 for before, after in pairwise(climb))


@pytest.mark.parametrize("shape", ["VEE", "EVE", "VVE", "EVV"])
def test_shapes_without_a_prior_refuse_it(shape: str) -> None:
    words = ["gmm", "iris", "-k", 2, "--covariance", shape, "--prior", "default"]
    with_one = "full, tied, diag, spherical, EII, EEI, VEI, EVI, EEV, VEV"
    for command in ("fit", "compare"):
        done = run(command, *words, process=False)
        said = f"emcli: error: '--prior default' is for covariance {with_one}, not {shape}\n"
        said += "  hint: --covariance all leaves out the shapes that lack it\n" * (command == "compare")
        assert (done.returncode, done.stderr, done.stdout) == (2, said, "")


def test_a_comparison_of_all_shapes_leaves_out_those_without_a_prior(tmp_path: Path) -> None:
    options = ["-k", 1, "--restarts", 1, "--format", "csv"]
    done = run("compare", "gmm", "iris", *options, "--covariance", "all", "--prior", "default", process=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("emcli: no prior for covariance VEE, EVE, VVE, EVV: left out\n")
    assert len(done.stdout.splitlines()) == 1 + 10
    column = run("compare", "gmm", "galaxies", *options, "--covariance", "all", "--prior", "default", process=False)
    assert [line.split(",")[4] for line in column.stdout.splitlines()[1:]] == ["E", "V"]  # nothing is left out
    assert "left out" not in column.stderr
    recipe = tmp_path / "e.yaml"
    recipe.write_text("model: gmm\nfit: {k: 1, covariance: all, prior: [none, default], restarts: 1}\n")
    both = run("compare", recipe, SAMPLES / "iris.csv", "--format", "csv", process=False)
    assert both.returncode == 0, both.stderr
    assert len(both.stdout.splitlines()) == 1 + 3 + 10  # without a prior one component has three shapes
    quiet = run("compare", "gmm", "iris", *options, "--covariance", "all", "--prior", "default", "-q", process=False)
    assert quiet.stderr == ""
