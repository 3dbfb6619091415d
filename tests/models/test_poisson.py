"""A model that is added from outside runs through the whole program, and every law holds for it (test_laws)."""

from __future__ import annotations

import html
import json
from pathlib import Path

import numpy as np
import poisson
import pytest
from conftest import ROOT, fit, run, run_here

from emcli.models.mixture import Mixture, NaturalParameters

EVENTS = ROOT / "tests" / "events.csv"  # 400 counts drawn from 0.4 Poisson(2) + 0.6 Poisson(9)


def test_it_writes_three_methods_and_two_more_for_newton() -> None:
    written = vars(poisson.PoissonMixture).items()
    own = {name for name, value in written if callable(value) or isinstance(value, classmethod)}
    assert Mixture.__abstractmethods__ == {"log_densities", "maximum_likelihood", "sample"}
    assert NaturalParameters.__abstractmethods__ - Mixture.__abstractmethods__ == {"scores", "stepped"}
    assert NaturalParameters.__abstractmethods__ | {"check"} == {name for name in own if not name.startswith("__")}
    assert len(Path(poisson.__file__).read_text().splitlines()) < 100


def test_it_fits_in_the_same_process_by_newtons_steps_and_finds_the_truth(tmp_path: Path) -> None:
    done = run_here(["fit", "poisson", str(EVENTS), "-k", "2", "--json"], tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {line["step"] for line in document["trace"][1:]} <= {"em", "newton", "polish"}
    np.testing.assert_allclose(document["parameters"]["rates"], [2.0, 9.0], atol=0.6)
    counts = np.loadtxt(EVENTS, skiprows=1)
    rates, weights = (np.array(document["parameters"][key]) for key in ("rates", "weights"))
    from scipy.stats import poisson as distribution

    densities = distribution.pmf(counts[:, None], rates) @ weights  # SciPy knows nothing of this program
    assert document["log_likelihood"] == pytest.approx(np.log(densities).sum(), rel=1e-12)


def test_a_module_that_adds_it_runs_as_the_program() -> None:
    found = run("compare", "poisson", EVENTS, "-k", "1-3", "--json", module="poisson")
    rows = {row["k"]: row for row in json.loads(found.stdout)["groups"][0]["candidates"]}
    assert min(rows.values(), key=lambda row: row["bic"])["k"] == 2
    assert rows[1]["log_likelihood"] < rows[2]["log_likelihood"] <= rows[3]["log_likelihood"] + 1e-6


@pytest.mark.usefixtures("described")
def test_it_is_predicted_with_drawn_from_and_pictured(tmp_path: Path) -> None:
    fit("poisson", EVENTS, "-k", 2, "-o", tmp_path / "fit.json")
    predicted = run("predict", tmp_path / "fit.json", EVENTS, process=False)
    header, *lines = predicted.stdout.splitlines()
    assert header == "events,component,p_1,p_2,log_density" and len(lines) == 400
    drawn = run("generate", tmp_path / "fit.json", "-n", 20_000, process=False)
    counts = np.array(drawn.stdout.split()[1:], dtype=float)
    assert counts.mean() == pytest.approx(np.loadtxt(EVENTS, skiprows=1).mean(), abs=0.15)
    asked = ["--bootstrap", 20, "--plot", tmp_path / "p.svg"]
    pictured = run("fit", "poisson", EVENTS, "-k", 2, "--restarts", 2, *asked)
    assert "std. error" in pictured.stdout and '"kind": "bars"' in html.unescape((tmp_path / "p.svg").read_text())


def test_what_is_wrong_has_its_place(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("events\n3\n2.5\n")
    done = run("fit", "poisson", tmp_path / "odd.csv", "-k", 1, process=False)
    assert done.returncode == 3
    assert f"{tmp_path / 'odd.csv'}:3:1: counts must be whole numbers from 0, got '2.5'" in done.stderr
    (tmp_path / "start.yaml").write_text("rates: [1, -2]\n")
    done = run("fit", "poisson", EVENTS, "-k", 2, "--start", tmp_path / "start.yaml", process=False)
    assert done.returncode == 2 and "rates[1]: must be above 0, got -2" in done.stderr


def test_without_it_there_is_no_such_model() -> None:
    done = run("fit", "poisson", EVENTS, "-k", 2, process=True)
    assert done.returncode == 2 and "no such model 'poisson'" in done.stderr
