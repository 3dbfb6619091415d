"""Moving, scaling, turning and reordering data moves, scales, turns and reorders a fit, and does nothing else.

Every fit here begins at given values, moved like the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inprocess import (
    COINS,
    COUNTS,
    GMM,
    POINTS,
    TABLES,
    case,
    clusters,
    every_case,
    fitted,
    gap,
    half,
    measure,
    result_of,
    rounding,
    start_of,
)

from emcli.inference.result import document

Parameters = dict[str, Any]
FULL = [name for name in GMM if "full" in name or "tied" in name]


def begun(name: str, table: str, **more: Any) -> tuple[dict[str, Any], np.ndarray, Parameters]:
    """Options, values, and the parameters of a start."""
    options, values = case(name, table, **more)
    return options, values, start_of(values, options)


def mapped(
    start: Parameters, place: Callable[[np.ndarray], Any], square: Callable[[np.ndarray], Any] | None = None
) -> Parameters:
    """Parameters with each mean, and each covariance, moved."""
    moves = {"means": place, "centroids": place, "covariances": square or (lambda matrix: matrix)}
    kept = {key: value for key, value in start.items() if key not in ("sizes", "sd")}
    return {
        key: [np.asarray(moves[key](np.array(each))).tolist() for each in value] if key in moves else value
        for key, value in kept.items()
    }


def ordered(parameters: Parameters, first: Parameters) -> Parameters:
    """The parameters with their components in the order of the weights, or of the sizes, of the first."""
    key = "heads" if "heads" in first else "centroids" if "centroids" in first else "means"
    far = np.abs(np.array(parameters[key])[:, None] - np.array(first[key])[None])
    order = far.reshape(len(far), len(far), -1).sum(axis=2).argmin(axis=0)
    return {name: np.array(value)[order].tolist() for name, value in parameters.items() if name != "sd"}


@every_case
def test_the_order_of_the_rows_does_not_matter(name: str, table: str) -> None:
    """Not even the number of iterations is compared: where gains reach rounding, their last digit decides the end."""
    options, values, start = begun(name, table)
    order = np.random.default_rng(4).permutation(len(values))
    one = result_of(values, {**options, "start": start})
    other = result_of(values[order], {**options, "start": start})
    said, heard = document(one), document(other)
    assert said["status"] == heard["status"] == "converged"
    assert measure(heard) == pytest.approx(measure(said), rel=1e-9)
    assert np.array_equal(one.assignments()[order], other.assignments())


@every_case
def test_a_dozen_iterations_do_not_depend_on_the_order_of_the_rows(name: str, table: str) -> None:
    options, values, start = begun(name, table, max_iter=12, tol=1e-300)
    one = fitted(values, {**options, "start": start})
    other = fitted(values[np.random.default_rng(4).permutation(len(values))], {**options, "start": start})
    assert gap(one["parameters"], other["parameters"], values, options) <= 1e-10
    assert measure(other) == pytest.approx(measure(one), rel=rounding(one["parameters"]))


@half(name=[name for name in POINTS if "equal" not in name], table=[name for name in TABLES if name != "line"])
def test_the_order_of_the_columns_does_not_matter(name: str, table: str) -> None:
    options, values, start = begun(name, table, max_iter=12, tol=1e-300)
    back = np.arange(values.shape[1])[::-1]
    turned = mapped(start, lambda mean: mean[back], lambda matrix: matrix[np.ix_(back, back)])
    one = fitted(values, {**options, "start": start})
    other = fitted(values[:, back], {**options, "start": turned})
    returned = mapped(other["parameters"], lambda mean: mean[back], lambda matrix: matrix[np.ix_(back, back)])
    tolerance = rounding(one["parameters"])
    assert gap(mapped(one["parameters"], np.array), ordered(returned, one["parameters"]), values, options) <= tolerance
    assert measure(other) == pytest.approx(measure(one), rel=tolerance)


@half(name=POINTS, shift=[2.0**20, -(2.0**30) + 3, 1e9])
def test_shifting_the_data_shifts_the_means_alone(name: str, shift: float) -> None:
    options, _, _ = begun(name, "plain")
    values = np.round(clusters() * 1024) / 1024  # so that no shift rounds
    options |= {"max_iter": 12, "tol": 1e-300}
    start = start_of(values, options)
    start = mapped(start, lambda mean: np.round(mean * 1024) / 1024)
    one = fitted(values, {**options, "start": start})
    other = fitted(values + shift, {**options, "start": mapped(start, lambda mean: mean + shift)})
    back = mapped(other["parameters"], lambda mean: mean - shift)
    held = abs(shift) * 2.0**-52  # what a mean so far from zero can hold
    assert gap(mapped(one["parameters"], np.array), back, values, options) <= 1e-10 + held
    assert measure(other) == pytest.approx(measure(one), rel=1e-10)


@pytest.mark.parametrize("power", [-440, 440])
@pytest.mark.parametrize("name", POINTS)
def test_scaling_by_a_power_of_two_scales_every_bit(name: str, power: int) -> None:
    options, values = case(name, "plain", restarts=2)
    one, other = fitted(values, options), fitted(np.ldexp(values, power), options)
    for key, times in (("means", 1), ("centroids", 1), ("covariances", 2)):
        if key in one["parameters"]:
            expected = np.ldexp(np.array(one["parameters"][key]), times * power)
            assert expected.tolist() == other["parameters"][key]
    assert one["iterations"] == other["iterations"]
    if name != "kmeans":
        assert one["parameters"]["weights"] == other["parameters"]["weights"]
    moved = one["log_likelihood"] - values.size * power * np.log(2.0)
    assert other["log_likelihood"] == pytest.approx(moved, rel=1e-12)


@half(name=FULL, table=["plain", "offset 1e9", "ties", "outliers", "heavy tails"])
def test_an_affine_map_maps_full_covariances(name: str, table: str) -> None:
    options, values, start = begun(name, table, max_iter=12, tol=1e-300)
    matrix = np.array([[2.0, -0.5], [1.0, 3.0]])  # exact on few bits
    one = fitted(values, {**options, "start": start})
    turned = mapped(start, lambda mean: matrix @ mean, lambda inner: matrix @ inner @ matrix.T)
    other = fitted(values @ matrix.T, {**options, "start": turned})
    inverse = np.linalg.inv(matrix)
    back = mapped(other["parameters"], lambda mean: inverse @ mean, lambda inner: inverse @ inner @ inverse.T)
    tolerance = 1e-5 if table == "offset 1e9" else 1e-10  # A x is rounded at 1e9
    assert gap(one["parameters"], ordered(back, one["parameters"]), values, options) <= tolerance
    moved = one["log_likelihood"] - len(values) * np.log(abs(np.linalg.det(matrix)))
    assert other["log_likelihood"] == pytest.approx(moved, rel=max(1e-10, tolerance / 10))


@half(name=[name for name in GMM if "diag" in name], table=["plain", "ties", "outliers", "heavy tails", "mixed scales"])
def test_diagonal_covariances_follow_the_unit_of_each_column(name: str, table: str) -> None:
    options, values, start = begun(name, table, max_iter=12, tol=1e-300)
    units = np.array([1e-3, 7e4])
    one = fitted(values, {**options, "start": start})
    scaled = mapped(start, lambda mean: mean * units, lambda inner: inner * np.outer(units, units))
    other = fitted(values * units, {**options, "start": scaled})
    back = mapped(other["parameters"], lambda mean: mean / units, lambda inner: inner / np.outer(units, units))
    assert gap(one["parameters"], ordered(back, one["parameters"]), values, options) <= 1e-10
    assert other["log_likelihood"] == pytest.approx(one["log_likelihood"] - len(values) * np.log(70.0), rel=1e-11)


@half(
    name=["kmeans", *(name for name in GMM if "spherical" in name)], table=["plain", "ties", "outliers", "heavy tails"]
)
def test_round_components_follow_a_rotation(name: str, table: str) -> None:
    options, values, start = begun(name, table, max_iter=12, tol=1e-300)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    one = fitted(values, {**options, "start": start})
    other = fitted(values @ turn.T, {**options, "start": mapped(start, lambda mean: turn @ mean)})
    back = mapped(other["parameters"], lambda mean: turn.T @ mean)
    first = mapped(one["parameters"], np.array)
    assert gap(first, ordered(back, first), values, options) <= 1e-10
    assert measure(other) == pytest.approx(measure(one), rel=1e-10)


@settings(max_examples=4)
@given(times=st.lists(st.integers(0, 3), min_size=30, max_size=30), which=st.integers(0, 10**6))
@pytest.mark.parametrize("name", [*POINTS, *COINS])
def test_a_weight_is_the_row_that_often(name: str, times: list[int], which: int) -> None:
    tables = [t for t in (COUNTS if name in COINS else TABLES) if t != "outliers"]
    options, values = case(name, tables[which % len(tables)], max_iter=8, tol=1e-300)
    weights = np.resize(np.array(times), len(values))
    weights[:40] = np.maximum(weights[:40], 1)
    start = mapped(start_of(values, options), lambda mean: mean)
    weighted = fitted(values, {**options, "start": start}, weights)
    repeated = fitted(np.repeat(values, weights, axis=0), {**options, "start": start})
    assert gap(weighted["parameters"], repeated["parameters"], values, options) <= 1e-10
    assert measure(weighted) == pytest.approx(measure(repeated), rel=rounding(repeated["parameters"]))
    assert weighted["data"]["weight"] == repeated["data"]["weight"] == weights.sum()


@pytest.mark.parametrize("table", COUNTS)
@pytest.mark.parametrize("name", COINS)
def test_equal_rows_of_coins_are_one_row_with_a_weight(name: str, table: str) -> None:
    options, values, start = begun(name, table)
    rows, counts = np.unique(np.repeat(values, 3, axis=0), axis=0, return_counts=True)
    one = fitted(np.repeat(values, 3, axis=0), {**options, "start": start})
    other = fitted(rows, {**options, "start": start}, counts)
    assert one["parameters"] == other["parameters"]
    assert one["trace"] == other["trace"]


@pytest.mark.parametrize("table", COUNTS)
@pytest.mark.parametrize("name", COINS)
def test_heads_for_tails_turns_the_coins_over(name: str, table: str) -> None:
    options, values, start = begun(name, table, max_iter=12, tol=1e-300)
    one = fitted(values, {**options, "start": start})
    turned = {"weights": start["weights"], "heads": [1.0 - p for p in start["heads"]]}
    other = fitted(np.column_stack([values[:, 1] - values[:, 0], values[:, 1]]), {**options, "start": turned})
    back = {**other["parameters"], "heads": [1.0 - p for p in other["parameters"]["heads"]]}
    tolerance = 1e-10
    assert gap(one["parameters"], ordered(back, one["parameters"]), values, options) <= tolerance
    assert measure(other) == pytest.approx(measure(one), rel=1e-12)
