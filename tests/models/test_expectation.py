"""One step of EM of a Gaussian mixture against extended precision, on data that cost careless arithmetic its digits."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest

from emcli.data.rows import batch_chunks
from emcli.models.base import Degenerate
from emcli.models.gmm.covariance import SHAPES
from emcli.models.gmm.e_step import CHUNK_NUMBERS, MIN_CHUNK_ROWS, MIN_DENSITY, MIN_RELATIVE_ROWS
from emcli.models.gmm.full import MIN_DOTTED_ROWS
from emcli.models.gmm.mixture import GaussianMixture

Wide = np.longdouble
WEIGHTS = np.array([0.2, 0.5, 0.3])
SDS = {
    "close": [1.0, 0.7, 1.3],
    "far apart": [1e-6, 1e-6, 1e-6],
    "one in another": [1e-6, 1.0, 1e-3],
    "outliers": [1.0] * 3,
}


def drawn(kind: str, d: int, n: int = 3000) -> tuple[Any, Any, Any, Any]:
    """Rows (d, n), their weights, and means and covariances to begin with."""
    rng = np.random.default_rng(7)
    sds, centres = np.array(SDS[kind]), rng.normal(size=(3, d)) * 2
    roots = rng.normal(size=(3, d, d)) / d + 0.5 * np.eye(d)
    roots *= sds[:, None, None]
    labels = rng.integers(3, size=n)
    rows = (centres[labels] + np.einsum("nij,nj->ni", roots[labels], rng.normal(size=(n, d)))).T.copy()
    if kind == "outliers":
        rows[:, ::500] = 60.0
    means = centres + np.einsum("kij,kj->ki", roots, rng.normal(size=(3, d))) * 0.3
    return rows, rng.integers(1, 4, n).astype(float), means, roots @ roots.transpose(0, 2, 1)


def inverse(matrix: Any) -> tuple[Any, Any]:
    """Inverse and ln |determinant| by elimination in extended precision."""
    d = len(matrix)
    both = np.concatenate([matrix.astype(Wide), np.eye(d, dtype=Wide)], axis=1)
    log_det = Wide(0)
    for j in range(d):
        log_det += np.log(both[j, j])
        both[j] /= both[j, j]
        for i in range(d):
            if i != j:
                both[i] -= both[i, j] * both[j]
    return both[:, d:], log_det


def one_step(model: GaussianMixture, shape: str, rows: Any, weights: Any) -> tuple[Any, ...]:
    """Log-likelihood of the model; weights, means and covariances after one step."""
    k, d = model.means.shape
    x, pi = rows.astype(Wide), Wide("3.14159265358979323846264338327950288")
    log_joint = np.empty((k, x.shape[1]), dtype=Wide)
    for j in range(k):
        away = x - model.means[j].astype(Wide)[:, None]
        precision, log_det = inverse(model.covariances.full()[j])
        log_joint[j] = np.log(Wide(model.weights[j])) - (d * np.log(2 * pi) + log_det) / 2
        log_joint[j] -= (away * (precision @ away)).sum(axis=0) / 2
    top = log_joint.max(axis=0)
    terms = np.exp(log_joint - top)
    total = terms.sum(axis=0)
    r = terms / total * weights
    sizes = r.sum(axis=1)
    means = (r @ x.T) / sizes[:, None]
    away = x - means[:, :, None]
    matrices = (r[:, None, :] * away) @ away.transpose(0, 2, 1) / sizes[:, None, None]
    if shape == "tied":
        matrices = np.broadcast_to((sizes[:, None, None] * matrices).sum(axis=0) / sizes.sum(), matrices.shape)
    elif shape == "diag":
        matrices = matrices * np.eye(d)
    elif shape == "spherical":
        matrices = np.eye(d) * np.trace(matrices, axis1=1, axis2=2)[:, None, None] / d
    return ((top + np.log(total)) * weights).sum(), sizes / sizes.sum(), means, matrices


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("shape", ("full", "tied", "diag", "spherical"))
@pytest.mark.parametrize("kind", SDS)
@pytest.mark.parametrize("counted", [False, True])
def test_a_step_keeps_its_digits(kind: str, shape: str, d: int, counted: bool) -> None:
    check_digits(kind, shape, d, counted, 3000)


@pytest.mark.parametrize("kind", SDS)
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("counted", [False, True])
def test_a_step_of_many_rows_keeps_its_digits(kind: str, d: int, counted: bool) -> None:
    """Of many rows, densities are relative to those of one component where it reaches all; sums of columns are dots."""
    check_digits(kind, "full", d, counted, max(MIN_RELATIVE_ROWS, MIN_DOTTED_ROWS) + 7)


def check_digits(kind: str, shape: str, d: int, counted: bool, n: int) -> None:
    """A step is that of extended precision."""
    rows, weights, means, matrices = drawn(kind, d, n)
    model = GaussianMixture(WEIGHTS, means, SHAPES[shape].of(matrices, None))
    score, shares, centres, spreads = one_step(model, shape, rows, weights if counted else np.ones(rows.shape[1]))
    stats = model.e_step(rows, weights if counted else None)
    after = model.m_step(stats)
    sds = np.sqrt(np.diagonal(spreads, axis1=1, axis2=2)).astype(float)
    rounding = 1e-11 if kind == "outliers" else 1e-13  # a log-density of -7,000 has no more digits than that
    assert abs(stats.score - score) < 1e-13 * abs(score)
    np.testing.assert_allclose(after.weights, shares.astype(float), rtol=0.1 * rounding)
    ulp = 2.0**-52 * np.abs(rows).max()  # of the coordinates themselves
    assert (np.abs(after.means - centres) <= 0.1 * rounding * sds + 2 * ulp).all()
    assert (np.abs(after.covariances.full() - spreads) <= rounding * sds[:, :, None] * sds[:, None, :]).all()


@pytest.mark.parametrize("shape", ("full", "tied", "diag", "spherical"))
def test_a_row_in_which_every_density_underflows_counts_like_the_others(shape: str) -> None:
    rows, _, means, matrices = drawn("close", 2)
    rows[:, :7] = 80.0
    model = GaussianMixture(WEIGHTS, means, SHAPES[shape].of(matrices, None))
    r, log_density = model.posterior(rows)
    assert log_density[0] < np.log(MIN_DENSITY) < np.median(log_density)
    np.testing.assert_allclose(r.sum(axis=0), 1.0, rtol=1e-15)
    stats, parts = model.e_step(rows, None), (model.e_step(rows[:, :7], None), model.e_step(rows[:, 7:], None))
    for name in vars(stats):
        np.testing.assert_allclose(getattr(stats, name), getattr(parts[0] + parts[1], name), rtol=1e-12, err_msg=name)
    assert stats.score == pytest.approx(log_density.sum(), rel=1e-13)


def test_a_component_of_weight_zero_takes_nothing_and_warns_of_nothing() -> None:
    rows, _, means, matrices = drawn("close", 2)
    two = GaussianMixture(np.array([0.5, 0.0, 0.5]), means, SHAPES["full"].of(matrices, None))
    stats = two.e_step(rows, None)
    assert stats.rows[1] == 0 and stats.rows.sum() == pytest.approx(rows.shape[1], rel=1e-14)


def test_a_row_beyond_all_densities_is_a_degenerate_start_not_a_warning() -> None:
    rows, _, means, matrices = drawn("close", 2)
    rows[:, 3] = 1e200
    with pytest.raises(Degenerate, match="no density"), np.errstate(over="ignore", invalid="ignore"):
        GaussianMixture(WEIGHTS, means, SHAPES["diag"].of(matrices, None)).e_step(rows, None)


def test_many_rows_are_taken_in_pieces_that_leave_the_same_sums() -> None:
    rows, weights, means, matrices = drawn("close", 3, n=15 * MIN_CHUNK_ROWS)
    assert rows.size * len(means) > 2 * CHUNK_NUMBERS
    model = GaussianMixture(WEIGHTS, means, SHAPES["full"].of(matrices, None))
    whole = model.e_step(rows, weights)
    pieces = reduce(add, (model.e_step(*piece) for piece in batch_chunks(rows, weights, 1000)))
    for name in vars(whole):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), rtol=1e-12, atol=1e-9, err_msg=name)
