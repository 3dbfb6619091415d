"""E and V: what mclust calls the two shapes of one column."""

from __future__ import annotations

import json

import pytest
from conftest import SAMPLES, fit, run

GALAXIES = SAMPLES / "galaxies.csv"


@pytest.mark.parametrize(("letter", "name"), [("E", "tied"), ("V", "full")])
def test_they_are_tied_and_full(letter: str, name: str) -> None:
    one, other = (fit("gmm", GALAXIES, "-k", 3, "--covariance", shape, "--restarts", 3) for shape in (letter, name))
    assert one["covariance"] == letter
    assert {key: one[key] for key in ("log_likelihood", "parameters", "bic", "restarts")} == {
        key: other[key] for key in ("log_likelihood", "parameters", "bic", "restarts")
    }


def test_all_shapes_of_one_column_are_two_and_one_of_a_single_component() -> None:
    done = run("compare", "gmm", GALAXIES, "-k", "1-2", "--covariance", "all", "--restarts", 1, "--json", process=False)
    candidates = json.loads(done.stdout)["groups"][0]["candidates"]
    assert sorted((each["k"], each["covariance"]) for each in candidates) == [(1, "E"), (2, "E"), (2, "V")]
    assert {each["name"] for each in candidates} == {"gmm-k1-E-free", "gmm-k2-E-free", "gmm-k2-V-free"}


def test_of_several_columns_they_are_refused() -> None:
    done = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--covariance", "E", process=False)
    assert done.returncode == 3
    assert "covariance E is for one column, got 2" in done.stderr
    assert "EEE" in done.stderr


def test_a_saved_fit_predicts(tmp_path) -> None:
    document = fit("gmm", GALAXIES, "-k", 2, "--covariance", "V", "--restarts", 1)
    (tmp_path / "fit.json").write_text(json.dumps(document))
    done = run("predict", tmp_path / "fit.json", GALAXIES, process=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 83


def test_a_prior_and_an_experiment_know_them() -> None:
    experiment = f"model: gmm\ndata: {GALAXIES}\nfit:\n  k: 2\n  covariance: E\n  prior: default\n  restarts: 1\n"
    one = run("fit", "-", "--json", stdin=experiment, process=False)
    assert one.returncode == 0, one.stderr
    tied = fit("gmm", GALAXIES, "-k", 2, "--covariance", "tied", "--prior", "default", "--restarts", 1)
    assert json.loads(one.stdout)["log_posterior"] == tied["log_posterior"]
