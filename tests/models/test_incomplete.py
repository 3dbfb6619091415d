"""Gaussian mixtures of rows with missing cells: their likelihood, its derivatives and what EM does with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from emcli.inference.information import information
from emcli.models.gmm.covariance import SHAPES
from emcli.models.gmm.incomplete import IncompleteGaussianMixture
from emcli.models.gmm.mixture import GaussianMixture

every_shape = pytest.mark.parametrize("shape", SHAPES)


def mixture(shape: str, kind: type[Any] = IncompleteGaussianMixture, free: bool = True, k: int = 3, d: int = 3) -> Any:
    rng = np.random.default_rng(4)
    roots = rng.normal(size=(k, d, d)) + 2 * np.eye(d)
    weights = np.array([0.2, 0.5, 0.3]) if free and k == 3 else np.full(k, 1 / k)
    means = rng.normal(size=(k, d)) * 3
    return kind(weights, means, SHAPES[shape].of(roots @ roots.transpose(0, 2, 1), None), free)


def cells(d: int = 3, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Rows (d, n) with patterns in any order, of which no row is empty, and weights (n,)."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(d, n)) * 3
    rows[rng.random((d, n)) < 0.3] = np.nan
    empty = np.isnan(rows).all(axis=0)
    rows[0, empty] = 1.0
    return rows, rng.integers(1, 4, n).astype(float)


def observed_density(model: Any, row: np.ndarray) -> float:
    """The density of a row's observed cells, as SciPy computes it."""
    seen = ~np.isnan(row)
    each = zip(model.weights, model.means, model.covariances.full(), strict=True)
    return float(sum(w * multivariate_normal.pdf(row[seen], m[seen], c[np.ix_(seen, seen)]) for w, m, c in each))


@every_shape
def test_the_log_likelihood_is_that_of_the_observed_cells(shape: str) -> None:
    model, (rows, weights) = mixture(shape), cells()
    logs = np.log([observed_density(model, row) for row in rows.T])
    assert model.e_step(rows, None).score == pytest.approx(logs.sum(), rel=1e-12)
    assert model.e_step(rows, weights).score == pytest.approx(weights @ logs, rel=1e-12)
    np.testing.assert_allclose(model.posterior(rows)[1], logs, rtol=1e-12)


@every_shape
def test_moments_are_the_expected_ones_of_completed_rows(shape: str) -> None:
    """Each row's missing cells by the textbook's conditional mean and covariance."""
    model, (rows, weights) = mixture(shape), cells()
    stats, (r, _) = model.e_step(rows, weights), model.posterior(rows)
    for j, (mean, matrix) in enumerate(zip(model.means, model.covariances.full(), strict=True)):
        first, second = np.zeros(3), np.zeros((3, 3))
        for row, weight, share in zip(rows.T, weights, r[j], strict=True):
            o, m = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
            slope = matrix[np.ix_(m, o)] @ np.linalg.inv(matrix[np.ix_(o, o)])
            away, left = np.zeros(3), np.zeros((3, 3))
            away[o] = row[o] - mean[o]
            away[m] = slope @ away[o]
            left[np.ix_(m, m)] = matrix[np.ix_(m, m)] - slope @ matrix[np.ix_(o, m)]
            first += weight * share * away
            second += weight * share * (np.outer(away, away) + left)
        root = model.covariances.roots()[j]
        np.testing.assert_allclose(root @ stats.first[j], first, rtol=1e-9, atol=1e-9)
        own = stats.second[j] if stats.second.ndim == 3 else np.diag(stats.second[j])
        whole = root @ own @ root.T
        if stats.second.ndim == 2:
            whole, second = np.diag(whole), np.diag(second)
        np.testing.assert_allclose(whole, second, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("k", "free"), [(1, True), (3, True), (3, False)], ids=["k=1", "free", "equal"])
@every_shape
def test_score_and_observed_information_are_the_derivatives_of_the_log_likelihood(
    shape: str, k: int, free: bool
) -> None:
    model, (rows, weights) = mixture(shape, free=free, k=k), cells()
    seen = information(model, [(rows[:, :17], weights[:17]), (rows[:, 17:], weights[17:])])
    np.testing.assert_allclose(model.gradient(model.e_step(rows, weights)), seen.score, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(seen.observed, seen.observed.T, rtol=1e-9, atol=1e-9)
    rng = np.random.default_rng(1)
    for _ in range(4):  # along directions in which all parameters change
        step = rng.normal(size=model.parameters_count)
        step /= np.linalg.norm(step)
        at = {i: float(model.moved(i * 2e-3 * step).e_step(rows, weights).score) for i in range(-3, 4)}
        first = (45 * (at[1] - at[-1]) - 9 * (at[2] - at[-2]) + at[3] - at[-3]) / (60 * 2e-3)
        second = (-490 * at[0] + 270 * (at[1] + at[-1]) - 27 * (at[2] + at[-2]) + 2 * (at[3] + at[-3])) / (180 * 4e-6)
        assert step @ seen.score == pytest.approx(first, rel=1e-6, abs=1e-6)
        assert step @ seen.observed @ step == pytest.approx(-second, rel=1e-6, abs=1e-5)


@every_shape
def test_rows_without_missing_cells_have_the_moments_of_a_complete_table(shape: str) -> None:
    rows, weights = cells()
    rows = np.nan_to_num(rows)
    one, other = mixture(shape).e_step(rows, weights), mixture(shape, GaussianMixture).e_step(rows, weights)
    for field in ("weight", "score", "rows", "first", "second"):
        np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-11, atol=1e-11)


@every_shape
def test_several_mixtures_at_once_have_the_moments_of_each(shape: str) -> None:
    rows, weights = cells()
    model = mixture(shape)
    models = [model, model.ordered(np.array([2, 0, 1]))]
    stats = model.stacked(models).e_step(rows, weights)
    for i, each in enumerate(models):
        alone = each.e_step(rows, weights)
        for field in ("score", "rows", "first", "second"):
            np.testing.assert_allclose(getattr(stats, field)[i], getattr(alone, field), rtol=1e-11, atol=1e-11)


def test_the_order_of_rows_does_not_matter() -> None:
    """Patterns that lie together are slices of the table, others are gathered."""
    model, (rows, weights) = mixture("full"), cells()
    order = np.lexsort(np.isnan(rows))
    one, other = model.e_step(rows, weights), model.e_step(rows[:, order], weights[order])
    np.testing.assert_allclose(one.second, other.second, rtol=1e-12)
    np.testing.assert_allclose(model.posterior(rows)[0][:, order], model.posterior(rows[:, order])[0], rtol=1e-12)


@every_shape
def test_expected_cells_are_conditional_expectations_of_the_mixture(shape: str) -> None:
    model, (rows, _) = mixture(shape), cells()
    found, (r, _) = model.expected(rows), model.posterior(rows)
    for i, row in enumerate(rows.T):
        o, m = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
        value = np.zeros(len(m))
        for share, mean, matrix in zip(r[:, i], model.means, model.covariances.full(), strict=True):
            slope = matrix[np.ix_(m, o)] @ np.linalg.inv(matrix[np.ix_(o, o)])
            value += share * (mean[m] + slope @ (row[o] - mean[o]))
        np.testing.assert_allclose(found[m, i], value, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(found[o, i], row[o])
