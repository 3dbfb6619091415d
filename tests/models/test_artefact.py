"""Components of Gaussian mixtures that chance explains, or that rest on few rows: beside counts by NumPy and scipy."""

from __future__ import annotations

from math import log, pi

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import chi2, multivariate_normal

from emcli.data.rows import Rows
from emcli.data.scaling import Scaling
from emcli.models.gmm.covariance import SHAPES
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.gmm.spurious import artefact, unit
from emcli.models.measures import Artefact

CLOUD = np.random.default_rng(8).normal(size=(150, 2))


def rows_of(x: np.ndarray, weights: np.ndarray | None = None) -> Rows:
    """Rows (n, d) whose working coordinates are their own."""
    n, d = x.shape
    scaling = Scaling(np.zeros(d), np.zeros(d, dtype=np.int64))
    return Rows(np.ascontiguousarray(x.T), weights, n if weights is None else weights.sum(), tuple("xyz"[:d]), scaling)


def mixture(weights: list[float], means: list[list[float]], sds: list[list[float]], shape: str) -> GaussianMixture:
    matrices = np.array([np.diag(np.square(each)) for each in sds])
    return GaussianMixture(np.array(weights), np.array(means), SHAPES[shape].of(matrices, None))


def planted(count: int, sd: float, at: tuple[float, float] = (0.3, 0.2)) -> tuple[np.ndarray, GaussianMixture]:
    """Rows of one cloud and some beside each other on a short line within it, and the mixture of both."""
    line = np.column_stack([at[0] + np.linspace(-1, 1, count), at[1] + sd * np.sin(np.arange(count) * 2.0)])
    x, n = np.concatenate([CLOUD, line]), len(CLOUD) + count
    return x, mixture([len(CLOUD) / n, count / n], [[0, 0], list(at)], [[1, 1], [0.7, sd]], "full")


def gain(x: np.ndarray, model: GaussianMixture, j: int) -> float:
    """m ln(m / e) - m + e of the rows in the 95 % ellipsoid of a component, e by Monte Carlo of the other's density."""
    d, other = x.shape[1], 1 - j
    means, matrices = model.means, model.covariances.full()
    away = x - means[j]
    squared = np.einsum("nd,de,ne->n", away, np.linalg.inv(matrices[j]), away)
    radius = chi2.ppf(0.95, d)
    m, ring = (squared <= radius).sum(), ((squared > radius) & (squared <= radius * 3 ** (2 / d))).sum()
    rng = np.random.default_rng(1)
    points = rng.normal(size=(40_000, d))
    points *= (np.sqrt(radius) * rng.random(40_000) ** (1 / d) / np.linalg.norm(points, axis=1))[:, None]
    density = multivariate_normal(means[other], matrices[other]).pdf(
        means[j] + points @ np.linalg.cholesky(matrices[j]).T
    )
    volume = np.exp(d / 2 * log(pi * radius) - gammaln(d / 2 + 1)) * np.sqrt(np.linalg.det(matrices[j]))
    e = max(len(x) * volume * density.mean(), ring / 2)
    return float(m * log(m / e) - m + e) if m > e else 0.0


@pytest.mark.parametrize("sd", [0.02, 0.05])
def test_a_narrow_component_is_set_aside_where_its_rows_do_not_stand_out(sd: float) -> None:
    """Where the gain of their count is below 0.75 q ln N, where q = 4 means and variances."""
    decided = set()
    for count in range(5, 56, 3):
        x, model = planted(count, sd)
        ratio = gain(x, model, 1) / (0.75 * 4 * log(len(x)))
        if abs(ratio - 1) < 0.1:
            continue
        decided.add(ratio < 1)
        found = artefact(model, rows_of(x), map)
        assert (found is not None and found.by_chance) == (ratio < 1), (count, ratio)
        if found is not None:
            assert found.why.startswith("component 2 is a sliver of about ")
    assert decided == {True, False}


def test_a_component_that_is_not_narrow_or_has_half_of_the_rows_is_no_sliver() -> None:
    x, model = planted(9, 0.05)
    assert artefact(model, rows_of(x), map) is not None
    wide = mixture([0.9, 0.1], [[0, 0], [0.3, 0.2]], [[1, 1], [0.7, 0.3]], "full")
    assert artefact(wide, rows_of(x), map) is None
    heavy = np.append(np.ones(len(CLOUD)), np.full(9, 40.0))
    most = mixture([0.25, 0.75], [[0, 0], [0.3, 0.2]], [[1, 1], [0.7, 0.05]], "full")
    assert artefact(most, rows_of(x, heavy), map) is None


def test_a_flat_cluster_of_many_rows_in_ten_columns_is_no_sliver() -> None:
    rng = np.random.default_rng(3)
    sds = np.append(np.ones(9), 0.05)
    x = np.concatenate([rng.normal(size=(70, 10)), 2.5 + sds * rng.normal(size=(40, 10))])
    means, matrices = [[0.0] * 10, [2.5] * 10], np.array([np.eye(10), np.diag(sds**2)])
    flat = GaussianMixture(np.array([70, 40]) / 110, np.array(means), SHAPES["full"].of(matrices, None))
    names = tuple("abcdefghij")
    scaling = Scaling(np.zeros(10), np.zeros(10, dtype=np.int64))
    assert artefact(flat, Rows(np.ascontiguousarray(x.T), None, 110.0, names, scaling), map) is None


def test_one_covariance_for_all_and_one_component_are_never_set_aside() -> None:
    x, model = planted(9, 0.05)
    tied = mixture([0.9, 0.1], [[0, 0], [0.3, 0.2]], [[0.7, 0.01], [0.7, 0.01]], "tied")
    assert tied.artefact(rows_of(x), map) is None
    assert model.artefact(rows_of(x), map) is not None and model.without(0).artefact(rows_of(x), map) is None


@pytest.mark.parametrize(("sd", "said"), [(0.24, True), (0.26, False)])
def test_an_sd_below_a_quarter_of_the_unit_says_only_that_values_are_rounded(sd: float, said: bool) -> None:
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(0, 4, 80).round(), np.full(60, 20.0) + rng.integers(0, 2, 60)])[:, None]
    found = artefact(mixture([0.6, 0.4], [[0], [20.5]], [[4], [sd]], "full"), rows_of(x), map)
    assert found == (
        Artefact(True, f"component 2 has an sd of {sd} in 'x', whose values are rounded to 1") if said else None
    )
    assert unit(x[:, 0] + rng.uniform(-0.4, 0.4, len(x)), None) is None


@pytest.mark.parametrize(("shape", "fewest"), [("full", 4), ("diag", 3), ("spherical", 2)])
def test_fewer_different_rows_than_a_shape_needs_are_told_with_their_number(shape: str, fewest: int) -> None:
    corners = np.array([[30.0, 30.0], [31.0, 30.2], [30.3, 31.1], [29.6, 30.7]])
    for different in (1, 2, 3, 4):
        own = np.repeat(corners[:different], 2, axis=0)  # each row twice
        x = np.concatenate([CLOUD, own])
        model = mixture([0.95, 0.05], [[0, 0], [30.2, 30.4]], [[1, 1], [0.6, 0.6]], shape)
        told = f"component 2 rests on {different} different row{'s' * (different > 1)}"
        assert artefact(model, rows_of(x), map) == (Artefact(False, told) if different < fewest else None)


GRIDS = [1.0, 5.0, 2.5, 0.1, 0.02, 1e6, 250.0]


@pytest.mark.parametrize("step", GRIDS)
def test_the_unit_is_the_step_of_the_widest_grid_that_nineteen_of_twenty_values_lie_on(step: float) -> None:
    steps = np.random.default_rng(6).integers(-30, 30, 400)
    values = steps * step
    assert unit(values, None) == pytest.approx(step)
    for off, found in ((18, True), (22, False)):  # of 400
        some = values.copy()
        some[:off] += step * np.linspace(0.21, 0.37, off)
        assert (unit(some, None) == pytest.approx(step)) == found
        weights = np.where(np.arange(400) < off, 1.0, 100.0)
        assert (unit(some, weights) == pytest.approx(step)) is True


def test_continuous_values_and_equal_ones_have_no_unit() -> None:
    rng = np.random.default_rng(7)
    assert unit(rng.normal(size=300), None) is None and unit(rng.lognormal(size=300), None) is None
    assert unit(np.full(5, 3.0), None) is None
    assert unit(np.append(np.zeros(99), rng.normal(size=20)), None) is None  # many zeros are not rounding
