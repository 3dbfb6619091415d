"""Parameters that are held: score and information of the others, M-steps, counts, order, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fit, run
from scipy.optimize import minimize
from scipy.stats import binom

from emcli.config.settings import ModelSettings
from emcli.data.trials import with_densities
from emcli.inference.information import information
from emcli.models.coins.mixture import BinomialMixture
from emcli.models.gmm.covariance import SHAPES
from emcli.models.gmm.incomplete import IncompleteGaussianMixture
from emcli.models.gmm.mixture import GaussianMixture

ZEROS = np.repeat([0, 1, 2, 3, 4, 5, 6, 7], [30, 2, 8, 12, 11, 6, 3, 1])  # heads of 12 tosses, many of none


def coins(fix: dict[str, Any]) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(5)
    tosses = rng.integers(1, 12, 40)
    pairs = np.stack([rng.binomial(tosses, 0.4), tosses]).astype(float)
    pairs[1] -= pairs[0]
    model = BinomialMixture(np.array([0.2, 0.4, 0.1, 0.3]), np.array([0.2, 0.5, 0.6, 0.85]), True)
    settings = ModelSettings(4, mixing="free", fix=fix)
    held = model.holding(BinomialMixture.fixed_in(settings, 1))
    return held, with_densities(pairs), rng.integers(1, 4, 40).astype(float)


def gaussians(shape: str, d: int, fix: dict[str, Any], gaps: bool = False) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(4)
    roots = rng.normal(size=(3, d, d)) + 4 * np.eye(d)
    covariances = SHAPES[shape].of(roots @ roots.transpose(0, 2, 1), None)
    kind = IncompleteGaussianMixture if gaps else GaussianMixture
    model = kind(np.array([0.2, 0.5, 0.3]), rng.normal(size=(3, d)) * 3, covariances, True)
    settings = ModelSettings(3, shape, "free", fix=fix)  # type: ignore[arg-type]
    held = model.holding(GaussianMixture.fixed_in(settings, d))
    rows, weights = rng.normal(size=(d, 200)) * 3, rng.integers(1, 4, 200).astype(float)
    if gaps:
        rows[rng.integers(d, size=40), rng.permutation(200)[:40]] = np.nan
    return held, rows, weights


TWO = [[4.0, 1.0], [1.0, 2.0]]
OBLIQUE = {  # single coordinates of means where columns go together
    "gmm, full, a coordinate, missing cells": gaussians("full", 2, {"means": [[1, None], None, None]}, gaps=True),
    "gmm, tied, a coordinate, missing cells": gaussians("tied", 2, {"means": [[1, None], None, None]}, gaps=True),
    "gmm, full, a coordinate": gaussians("full", 2, {"means": [[1, None], None, None]}),
    "gmm, full, two of three coordinates": gaussians("full", 3, {"means": [[1, None, 2], None, [None, -1, None]]}),
    "gmm, tied, coordinates": gaussians("tied", 3, {"means": [[1, None, 2], [None, 0, None], None]}),
    "gmm, full, a coordinate and a covariance": gaussians(
        "full", 2, {"means": [[1, None], [None, 0], None], "covariances": [TWO, None, TWO]}
    ),
}
CASES = {
    "gmm, full, means": gaussians("full", 2, {"means": [[1, 2], None, [0, 0]]}),
    "gmm, full, 1-D": gaussians(
        "full", 1, {"means": [1, None, None], "sds": [None, 2, None], "weights": [0.2, 0.5, 0.3]}
    ),
    "gmm, full, a covariance": gaussians("full", 2, {"covariances": [None, TWO, None], "means": [None, [0, 1], None]}),
    "gmm, full, all covariances": gaussians("full", 2, {"covariances": [TWO, TWO, TWO]}),
    "gmm, tied, means": gaussians("tied", 2, {"means": [[1, 2], None, None], "weights": [None, None, 0.4]}),
    "gmm, tied, the covariance": gaussians("tied", 2, {"covariances": [TWO] * 3, "means": [[0, 0], None, None]}),
    "gmm, diag": gaussians(
        "diag",
        2,
        {"means": [[1, None], None, [None, 0]], "sds": [[None, 2], None, [1, None]], "weights": [0.1, None, None]},
    ),
    "gmm, full, means, missing cells": gaussians(
        "full", 2, {"means": [[1, 2], None, [0, 0]], "covariances": [None, TWO, TWO]}, gaps=True
    ),
    "gmm, diag, an sd, missing cells": gaussians("diag", 2, {"sds": [[None, 2], None, None]}, gaps=True),
    "gmm, spherical": gaussians("spherical", 2, {"means": [[1, None], None, None], "sds": [None, [2, 2], None]}),
    "coins, heads": coins({"heads": [0.1, None, None, 0.9]}),
    "coins, a P(heads) of 0": coins({"heads": [0, None, None, None]}),
    "coins, two weights": coins({"weights": [None, 0.3, None, 0.1]}),
    "coins, the last weight, and heads": coins({"weights": [None, None, None, 0.4], "heads": [None, 0.5, None, None]}),
    "coins, all weights": coins({"weights": [0.1, 0.3, 0.2, 0.4]}),
    "coins, three weights": coins({"weights": [0.1, None, 0.2, 0.4]}),
}


@pytest.mark.parametrize("case", (CASES | OBLIQUE).values(), ids=CASES | OBLIQUE)
def test_score_and_information_of_what_is_free_are_the_derivatives_of_the_log_likelihood(case: Any) -> None:
    model, rows, weights = case
    seen = information(model, [(rows[:, :17], weights[:17]), (rows[:, 17:], weights[17:])])
    p, h = model.parameters_count, 1e-3
    assert seen.score.shape == (p,)
    np.testing.assert_allclose(model.gradient(model.e_step(rows, weights)), seen.score, rtol=1e-9, atol=1e-9)

    def at(*steps: tuple[int, float]) -> float:
        step = np.zeros(p)
        for i, size in steps:
            step[i] += size
        return float(model.moved(step).e_step(rows, weights).score)

    slope = [(8 * (at((i, h)) - at((i, -h))) - at((i, 2 * h)) + at((i, -2 * h))) / (12 * h) for i in range(p)]
    np.testing.assert_allclose(seen.score, slope, rtol=1e-7, atol=1e-6)
    for i in range(p):
        for j in range(i + 1):
            ends = at((i, h), (j, h)) - at((i, h), (j, -h)) - at((i, -h), (j, h)) + at((i, -h), (j, -h))
            assert seen.observed[i, j] == pytest.approx(-ends / (4 * h * h), rel=2e-4, abs=2e-3)


@pytest.mark.parametrize("case", (CASES | OBLIQUE).values(), ids=CASES | OBLIQUE)
def test_no_m_step_lowers_the_log_likelihood_or_moves_what_is_held(case: Any) -> None:
    model, rows, weights = case
    before = -np.inf
    for _ in range(30):
        stats = model.e_step(rows, weights)
        assert stats.score >= before - 1e-9
        before, model = stats.score, model.m_step(stats)
        again = model.held()
        assert all(np.array_equal(a, b) for a, b in zip(model.components(), again.components(), strict=True))
        held = ~np.isnan(model.fixed.weights)
        assert np.array_equal(model.weights[held], model.fixed.weights[held])
        assert model.weights.sum() == pytest.approx(1, abs=1e-15)


@pytest.fixture
def zeros(tmp_path: Path) -> Path:
    path = tmp_path / "zeros.csv"
    path.write_text("heads,tosses\n" + "".join(f"{heads},12\n" for heads in ZEROS))
    return path


def experiment(tmp_path: Path, model: str, **settings: Any) -> Path:
    path = tmp_path / "held.yaml"
    lines = [f"  {key}: {json.dumps(value)}" for key, value in settings.items()]
    path.write_text("\n".join([f"model: {model}", "fit:", *lines]))
    return path


def test_coins_with_extra_zeros_have_the_maximum_of_the_likelihood_of_the_zero_inflated_binomial(
    tmp_path: Path, zeros: Path
) -> None:
    found = fit(experiment(tmp_path, "coins", k=2, mixing="free", fix={"heads": [0, None]}), zeros)

    def negative(x: np.ndarray) -> float:
        share, p = 1 / (1 + np.exp(-x))
        return -float(np.log(share * (ZEROS == 0) + (1 - share) * binom.pmf(ZEROS, 12, p)).sum())

    best = minimize(negative, [0.0, -1.0], method="BFGS", tol=1e-12)
    share, p = 1 / (1 + np.exp(-best.x))
    assert found["log_likelihood"] == pytest.approx(-best.fun, abs=1e-9)
    assert found["parameters"]["heads"] == [0.0, pytest.approx(p, abs=1e-6)]
    assert found["parameters"]["weights"] == pytest.approx([share, 1 - share], abs=1e-6)
    assert (found["parameters_count"], found["settings"]["fix"]) == (2, {"heads": [0, None]})


def test_a_named_parameter_is_held_at_its_start_values(tmp_path: Path, zeros: Path) -> None:
    start = tmp_path / "start.yaml"
    start.write_text("{heads: [0, 0.3], weights: [0.25, 0.75]}")
    found = fit("coins", zeros, "--mixing", "free", "--start", start, "--fix", "weights")
    assert found["parameters"]["weights"] == [0.25, 0.75]
    assert found["settings"]["fix"] == {"weights": [0.25, 0.75]}
    assert (found["parameters_count"], len(found["restarts"])) == (2, 1)
    again = fit(experiment(tmp_path, "coins", **found["settings"]), zeros)
    assert {**again, "data": None} == {**found, "data": None}


def test_held_where_they_were_fitted_they_leave_the_fit_as_it_is(tmp_path: Path, zeros: Path) -> None:
    free = fit("coins", zeros, "--mixing", "free", "-k", 2)
    path = tmp_path / "free.json"
    path.write_text(json.dumps(free))
    held = fit("coins", zeros, "--mixing", "free", "-k", 2, "--start", path, "--fix", "heads")
    assert held["log_likelihood"] == pytest.approx(free["log_likelihood"], abs=1e-9)
    assert held["parameters"]["weights"] == pytest.approx(free["parameters"]["weights"], abs=1e-6)
    nothing_left = fit("coins", zeros, "--mixing", "free", "-k", 2, "--start", path, "--fix", "heads,weights")
    assert nothing_left["parameters"] == free["parameters"]
    assert (nothing_left["iterations"], nothing_left["parameters_count"]) == (0, 0)
    assert nothing_left["log_likelihood"] == free["log_likelihood"]


def test_with_nothing_held_the_fit_is_the_plain_one_from_that_start(tmp_path: Path, zeros: Path) -> None:
    settings = {"k": 2, "mixing": "free", "start": {"heads": [0.1, 0.6]}}
    plain = fit(experiment(tmp_path, "coins", **settings), zeros)
    held = fit(experiment(tmp_path, "coins", **settings, fix={"heads": [None, None]}), zeros)
    assert held["settings"].pop("fix") == {"heads": [None, None]}
    assert held == plain


def test_components_with_held_values_keep_their_places(tmp_path: Path, zeros: Path) -> None:
    fix = {"heads": [0.5, None, 0, None]}
    found = fit(experiment(tmp_path, "coins", k=4, mixing="free", fix=fix, restarts=5), zeros)
    heads = found["parameters"]["heads"]
    assert heads[::2] == [0.5, 0] and heads[1] <= heads[3]


REFUSED = {
    "{heads: [0]}": "held.yaml:4:9: fit.fix.heads: must have 2 values, got 1",
    "{heads: [0, x]}": "held.yaml:4:20: fit.fix.heads[1]: must be a finite number or null, got 'x'",
    "{heads: [0, 1.5]}": "held.yaml:4:20: fit.fix.heads[1]: must be a probability from 0 to 1, got 1.5",
    "{means: [0, 1]}": "held.yaml:4:9: fit.fix.means: unknown parameter 'means'",
    "{weights: [0.5, null]}": "held.yaml:4:9: fit.fix.weights: are 1/k each with mixing: equal; with mixing: free",
    "heads": "held.yaml:4:3: 'fix' holds parameters at their start values, and none are given",
    "[head]": "held.yaml:4:3: 'fix' of coins must be weights or heads, got 'head' (did you mean 'heads'?)",
    "weights,mean": "held.yaml:4:3: 'fix' of coins must be weights or heads, got 'mean'",
    "[]": "fit.fix: must be some names of parameters, or a mapping of some to numbers and nulls, got 'a list'",
    "{}": "held.yaml:4:3: fit.fix: must be some names of parameters, or a mapping of some to",
    "{weights: [0.5, 0.6]}\n  mixing: free": "held.yaml:4:9: fit.fix.weights: must sum to 1, got 1.1",
    "{weights: [1, null]}\n  mixing: free": "fit.fix.weights: must leave some of 1 to the free ones, got 1",
    "{weights: [0, null]}\n  mixing: free": "held.yaml:4:19: fit.fix.weights[0]: must be above 0, got 0",
    "heads\n  start: {weights: [0.5, 0.5]}": "held.yaml:4:3: 'fix': no start values 'heads'",
}


@pytest.mark.parametrize("given", REFUSED)
def test_what_cannot_be_held_is_refused_in_a_line(tmp_path: Path, zeros: Path, given: str) -> None:
    (tmp_path / "held.yaml").write_text(f"model: coins\nfit:\n  k: 2\n  fix: {given}\n")
    done = run("fit", "held.yaml", zeros, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert REFUSED[given] in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) <= 2
