"""Shapes with common axes, or a component's own, of columns whose units differ by decades."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from inprocess import clusters, fitted, result_of, spreads

from emcli.models.gmm.covariance import covariances_of
from emcli.models.gmm.decomposed.m_step import geometric_mean, variances_along

TURNED = ["VEE", "EVE", "VVE", "EEV", "VEV", "EVV"]


def decades_apart(seed: int, most: int = 6) -> np.ndarray:
    """Correlated rows (n, d) of one Gaussian, in units of up to twice so many decades apart."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(8, 60), rng.integers(2, 5)
    values: np.ndarray = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * 10.0 ** rng.integers(-most, most, d)
    return values


@pytest.mark.parametrize("shape", TURNED)
def test_each_column_is_whitened_to_its_own_digits(shape: str) -> None:
    rng = np.random.default_rng(5)
    units = np.array([1e-6, 1e6, 1.0, 1e-12])
    half = rng.normal(size=(1, 4, 4))
    made: Any = covariances_of(shape).of(half @ half.swapaxes(1, 2) * np.outer(units, units), None)
    whitened = made.whiten(made.root[0], np.zeros((1, 4)))[0]
    np.testing.assert_allclose(whitened, np.eye(4), atol=1e-13)
    np.testing.assert_allclose(made.full()[0] / np.outer(units, units), (half @ half.swapaxes(1, 2))[0], 1e-12)


@pytest.mark.parametrize("shape", TURNED)
@pytest.mark.parametrize("most", [6, 40])
def test_one_component_of_any_shape_is_that_of_a_full_covariance(shape: str, most: int) -> None:
    for seed in range(20):
        values = decades_apart(seed, most)
        one, known = (fitted(values, {"model": "gmm", "k": 1, "covariance": each}) for each in (shape, "full"))
        assert one["log_likelihood"] == pytest.approx(known["log_likelihood"], rel=1e-12, abs=1e-10)
        sds = spreads(values)
        apart = np.subtract(one["parameters"]["covariances"], known["parameters"]["covariances"]) / np.outer(sds, sds)
        assert np.abs(apart).max() < 1e-11


@pytest.mark.parametrize(
    ("shape", "k", "seed"),
    [("EEV", 3, 96), ("VEV", 4, 96), ("VEV", 2, 138), ("EVE", 2, 286), ("VVE", 3, 286), ("VEE", 3, 96), ("EVV", 2, 96)],
)
def test_the_log_likelihood_never_falls_by_the_units_of_columns(shape: str, k: int, seed: int) -> None:
    """An SVD knows the axes of the smallest column to the digits of the largest: it fell by 1e-8."""
    found = result_of(decades_apart(seed), {"model": "gmm", "k": k, "covariance": shape, "restarts": 6})
    for run in found.ledger:
        assert all(after >= before - 1e-11 * abs(before) for before, after in pairwise(run.scores))


@pytest.mark.parametrize("shape", TURNED)
@pytest.mark.parametrize("factor", [1e-90, 3.7, 1e90])
def test_all_columns_in_another_unit_are_the_same_fit(shape: str, factor: float) -> None:
    values = clusters(60, 3) * [1e-5, 1.0, 1e5]
    options = {"model": "gmm", "k": 2, "covariance": shape, "restarts": 3}
    one, other = fitted(values, options), fitted(values * factor, options)
    jacobian = values.size * np.log(factor)
    assert other["log_likelihood"] + jacobian == pytest.approx(one["log_likelihood"], abs=1e-7)
    np.testing.assert_allclose(np.divide(other["parameters"]["means"], factor), one["parameters"]["means"], 1e-5)


@pytest.mark.parametrize("letters", ["VEI", "EVI", "EEI", "VEE", "EVV"])
def test_variances_follow_the_units_of_their_columns_to_the_ends_of_the_range_of_doubles(letters: str) -> None:
    rng = np.random.default_rng(0)
    variances, units = np.exp(rng.normal(size=(3, 4))), np.array([1e280, 1e-280, 1e-280, 1e-280])
    with np.errstate(all="raise"):
        plain, scaled = (
            variances_along(letters, each, np.ones(3), geometric_mean(each), 500)
            for each in (variances, variances * units)
        )
    np.testing.assert_allclose(scaled / units, plain, 1e-12)
