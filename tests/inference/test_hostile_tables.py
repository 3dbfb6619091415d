"""Tables made to break a fit: it is right, or refused in one line with exit 3 or 4."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fit, run
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from inprocess import (
    COINS,
    GMM,
    POINTS,
    SHAPES,
    Options,
    case,
    clusters,
    common,
    dataset,
    fitted,
    gap,
    half,
    measure,
    outlier,
    scaled,
    spreads,
    start_of,
    statistics,
)

from emcli.config.covariances import ALL, CLASSIC
from emcli.errors import EmcliError, Exit
from emcli.inference.result import dumps

FLOOR = 1e-12
SHAPED = [shape for shape in ALL if shape not in CLASSIC]
LIMITS = {"suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
NUMBERS = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e3, 1e3, width=32), st.sampled_from([1e-9, 1e6, -1e9]))
SCALES = st.sampled_from([1.0, 1.0, 1e-140, 1e140, 1e-6, 1e6, 3e-149, 1e149, 1e-300, 1e200])


@st.composite
def points(draw: st.DrawFn) -> np.ndarray:
    """Rows (n, d) with ties, spikes, columns that follow from others, offsets, units of all sizes, far outliers."""
    n, d = draw(st.integers(2, 30)), draw(st.integers(1, 3))
    values = np.array(draw(st.lists(st.lists(NUMBERS, min_size=d, max_size=d), min_size=n, max_size=n)))
    if draw(st.booleans()):
        values += np.random.default_rng(n).standard_normal(values.shape)
    if draw(st.booleans()):  # a spike
        values[: draw(st.integers(1, n))] = values[0]
    if d > 1 and draw(st.booleans()):  # collinear, exactly or nearly
        thin = draw(st.sampled_from([0.0, 1e-3, 1e-5, 1e-6, 1e-8]))
        values[:, -1] = 2 * values[:, 0] + thin * np.random.default_rng(d).standard_normal(n)
    if draw(st.booleans()):
        values[-1] = draw(st.sampled_from([1e3, -1e12, 1e100, 1e140]))
    if draw(st.booleans()):
        values += draw(st.sampled_from([1e9, -1e6, 1e15]))
    with np.errstate(over="ignore", under="ignore"):
        values = values * np.array([draw(SCALES) for _ in range(d)])
    assume(np.isfinite(values).all())  # a reader refuses others
    return values


@st.composite
def counts(draw: st.DrawFn) -> np.ndarray:
    """Heads and tosses (n, 2) from none to 2^53, with ties."""
    thrown = st.one_of(st.integers(0, 12), st.sampled_from([10**6, 10**12, 2**53]))
    rows = draw(st.lists(thrown, min_size=1, max_size=20))
    heads = [draw(st.integers(0, n)) for n in rows]
    return np.array([heads, rows], dtype=float).T


def outcome(values: np.ndarray, options: Options) -> dict[str, Any] | None:
    """The document of a fit that is right as far as anyone can tell; None where it was refused as it should be."""
    try:
        said = fitted(values, options)
    except EmcliError as error:
        assert error.exit_code in (Exit.DATA, Exit.NO_FIT)
        assert all(len(line) < 300 and "\n" not in line and "nan" not in line for line in error.lines())
        return None
    text = dumps(said)  # raises where a number is not finite
    assert json.loads(text)["parameters"] == said["parameters"]
    kind, data, made = dataset(values, options)
    model = scaled(kind, said["parameters"], made, data.rows)
    assert kind.measures(statistics(model, data.rows).score, data.rows, made.model.k)[0] == said["log_likelihood"]
    r, _ = model.posterior(data.rows.values)
    assert np.abs(r.sum(axis=0) - 1).max() < 1e-14
    if options["model"] == "gmm":
        singular(said["parameters"], values, options)
    if options["model"] == "coins":
        assert all(0 <= p <= 1 for p in said["parameters"]["heads"])
    if options["model"] != "kmeans":
        assert sum(said["parameters"]["weights"]) == pytest.approx(1, abs=1e-14)
    return said


def singular(parameters: dict[str, Any], values: np.ndarray, options: Options) -> None:
    """No variance is below the floor, no covariance singular in units of its own columns."""
    matrices = np.array(parameters["covariances"])
    variances = np.diagonal(matrices, axis1=1, axis2=2)
    sds = spreads(values)
    if common(options):
        sds = np.full(len(sds), np.sqrt(np.mean((sds / sds.max()) ** 2)) * sds.max())
    assert np.all(np.isfinite(matrices)) and np.all(variances > 0)
    assert np.all(np.sqrt(variances) >= 0.99 * np.sqrt(FLOOR) * sds)
    own = np.sqrt(variances)
    correlations = matrices / own[:, :, None] / own[:, None, :]
    assert np.linalg.cond(correlations).max() < 2.0**53


@pytest.mark.parametrize("name", POINTS)
@settings(max_examples=10, **LIMITS)
@given(values=points(), k=st.integers(1, 4), init=st.sampled_from(["k-means++", "random"]))
def test_a_fit_of_points_is_right_or_refused(name: str, values: np.ndarray, k: int, init: str) -> None:
    options, _ = case(name, "plain", k=k, init=init, max_iter=100)
    outcome(values, {**options, "restarts": 2})


@pytest.mark.parametrize("shape", SHAPED)
@settings(max_examples=5, **LIMITS)
@given(values=points(), k=st.integers(1, 4), init=st.sampled_from(["k-means++", "random"]))
def test_a_fit_of_points_by_volume_shape_and_axes_is_right_or_refused(
    shape: str, values: np.ndarray, k: int, init: str
) -> None:
    outcome(values, {"model": "gmm", "covariance": shape, "k": k, "init": init, "max_iter": 100, "restarts": 2})


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPED)
@settings(max_examples=500, **LIMITS)
@given(values=points(), k=st.integers(1, 4), init=st.sampled_from(["k-means++", "random"]))
def test_many_fits_of_points_by_volume_shape_and_axes_are_right_or_refused(
    shape: str, values: np.ndarray, k: int, init: str
) -> None:
    outcome(values, {"model": "gmm", "covariance": shape, "k": k, "init": init, "max_iter": 300, "restarts": 2})


@pytest.mark.parametrize("name", POINTS)
def test_a_row_far_from_all_others_hides_no_curvature(name: str) -> None:
    """One parameter curves 1e300 times as much as the scores of the rows say: their quotient overflowed once."""
    near = [[0.0, y * 3e-149] for y in (1, -1, 2, -2)]
    values = np.array([[0.0, 0.0]] * 22 + near + [[1e6, 0.0], [1e12, 0.0], [1e9, 3e-146]])
    options, _ = case(name, "plain", max_iter=100)
    said = outcome(values, {**options, "restarts": 2})
    assert said is not None or name != "gmm spherical free"


def test_a_constant_column_may_be_as_far_from_zero_as_another_is_narrow() -> None:
    """1e200 in units of 1e-142, the sd of the other column, is beyond all floating-point numbers."""
    values = np.array([[1e200, 2e-140], [1e200, 2.01e-140], [1e200, 2.02e-140]])
    options, _ = case("kmeans", "plain", k=1)
    said = outcome(values, {**options, "restarts": 2})
    assert said is not None
    np.testing.assert_allclose(said["parameters"]["centroids"], [[1e200, 2.01e-140]], rtol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
@settings(max_examples=2000, **LIMITS)
@given(values=points(), k=st.integers(1, 4), init=st.sampled_from(["k-means++", "random"]))
def test_many_fits_of_points_are_right_or_refused(name: str, values: np.ndarray, k: int, init: str) -> None:
    options, _ = case(name, "plain", k=k, init=init, max_iter=300)
    outcome(values, {**options, "restarts": 2})


@pytest.mark.parametrize("name", COINS)
@settings(max_examples=10, **LIMITS)
@given(values=counts(), k=st.integers(1, 4), init=st.sampled_from(["k-means++", "random"]))
def test_a_fit_of_coins_is_right_or_refused(name: str, values: np.ndarray, k: int, init: str) -> None:
    options, _ = case(name, "tosses", k=k, init=init, max_iter=100)
    outcome(values, {**options, "restarts": 2})


@pytest.mark.parametrize("mixing", ["equal", "free"])
@pytest.mark.parametrize("tails", [1, 2, 50])
@pytest.mark.parametrize("sure", [0, 1])
def test_few_tails_in_as_many_tosses_as_can_be_told(sure: int, tails: int, mixing: str) -> None:
    """P(heads) has but few digits below 1 there, and the log-likelihood knows no more."""
    most = float(2**53)
    values = np.array([[most, most]] * sure + [[most - tails, most], [2.0, 2.0], [0.0, 2.0], [0.0, 1e6]])
    for k in (1, 2, 3):
        said = outcome(values, {"model": "coins", "k": k, "restarts": 2, "mixing": mixing})
        if not sure and k == 2:
            assert said is not None and max(said["parameters"]["heads"]) == 1 - tails * 2.0**-53


@pytest.mark.slow
@pytest.mark.parametrize("name", COINS)
@settings(max_examples=1000, **LIMITS)
@given(values=counts(), k=st.integers(1, 4), init=st.sampled_from(["k-means++", "random"]))
def test_many_fits_of_coins_are_right_or_refused(name: str, values: np.ndarray, k: int, init: str) -> None:
    options, _ = case(name, "tosses", k=k, init=init, max_iter=300)
    outcome(values, {**options, "restarts": 2})


@half(name=GMM, units=[(1, 1e-6, 1e6), (1e-90, 1, 1e60), (1e60, 1e-90, 1)])
def test_correlated_columns_of_different_units_have_a_covariance(name: str, units: tuple[float, ...]) -> None:
    values = clusters(d=3)
    values[:, 2] = values[:, 0] + 1e-3 * values[:, 2]
    options, _ = case(name, "plain")
    assert outcome(values * units, options) is not None


@pytest.mark.parametrize("thin", [1e-2, 1e-4, 1e-5, 1e-7])
@pytest.mark.parametrize("name", ["gmm full free", "gmm tied free", "gmm tied equal"])
def test_lines_as_thin_as_can_be_are_fitted_or_refused(name: str, thin: float) -> None:
    rng = np.random.default_rng(1)
    side = rng.integers(2, size=200) * 2.0 - 1
    along = 3 * rng.standard_normal(200)
    options, _ = case(name, "plain", restarts=2)
    for apart in (1.0, 1e-2, 1e-4):
        values = np.column_stack([along, along + apart * (side + thin * rng.standard_normal(200))])
        said = outcome(values, options)
        assert said is not None or thin * apart < 1e-5


@half(name=POINTS, k=[1, 3], far=[1e3, 1e12, 1e100])
def test_a_far_outlier_is_fitted_or_refused_in_one_line(name: str, k: int, far: float) -> None:
    values = outlier(20 * clusters(60), far)
    options, _ = case(name, "plain", k=k, restarts=3)
    said = outcome(values, options)
    if said is None:
        assert name != "kmeans" and (k > 1 or (far > 1e9 and ("full" in name or "tied" in name)))
    elif name == "kmeans" and k > 1:
        assert min(said["parameters"]["sizes"]) == 1
        assert max(map(max, said["parameters"]["centroids"])) == far
    elif k == 1:
        (mean,) = said["parameters"].get("means", said["parameters"].get("centroids"))
        np.testing.assert_allclose(mean, values.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_far_outlier_among_rows_ends_the_program_with_one_line_or_a_fit(shape: str, tmp_path: Path) -> None:
    np.savetxt(tmp_path / "far.csv", outlier(20 * clusters(60), 1e12), delimiter=",", header="x,y", comments="")
    done = run("fit", "gmm", tmp_path / "far.csv", "-k", 2, "--covariance", shape, "--json", process=False)
    if done.returncode:
        assert done.returncode == 4 and not done.stdout
        assert "collapsed" in done.stderr or "x=1e+12 (1 row) is so far from all others" in done.stderr
        assert len(done.stderr.splitlines()) <= 2
    else:
        assert json.loads(done.stdout)["status"] == "converged"


@pytest.mark.parametrize("name", ["coins free", "gmm full free"])
def test_a_process_goes_on_where_another_stopped(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values, header = rng.standard_normal((300, 2)), "x,y"
    if name in COINS:
        values, header = np.column_stack([rng.binomial(10, 0.4, 300), np.full(300, 10)]), "heads,tosses"
    options, _ = case(name, "tosses" if name in COINS else "plain")
    np.savetxt(tmp_path / "data.csv", values, delimiter=",", header=header, comments="", fmt="%.17g")
    (tmp_path / "start.json").write_text(json.dumps(start_of(values, options)))
    asked = [options["model"], tmp_path / "data.csv", "-k", 2, "--mixing", "free", "--tol", "1e-300", "--solver", "em"]
    half = tmp_path / "half.json"
    fit(*asked, "--start", tmp_path / "start.json", "--max-iter", 50, "-o", half)
    rest = fit(*asked, "--start", half, "--max-iter", 50)
    whole = fit(*asked, "--start", tmp_path / "start.json", "--max-iter", 100)
    assert rest["iterations"] + 50 == whole["iterations"] == 100
    assert gap(rest["parameters"], whole["parameters"], values, options) <= 1e-10
    assert measure(rest) == pytest.approx(measure(whole), rel=1e-12)
