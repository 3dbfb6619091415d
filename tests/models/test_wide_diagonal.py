"""Covariances without correlations are held and compared as variances: a wide table costs no matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import run

from emcli.data.rows import Rows
from emcli.data.scaling import Scaling
from emcli.models.gmm.covariance import SHAPES
from emcli.models.gmm.initialization import cluster_moments, split_axes
from emcli.models.gmm.spurious import _smallest, identical

WIDE = 600


@pytest.mark.parametrize("shape", ["diag", "spherical"])
def test_no_wide_matrix_is_factored(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((40, WIDE)) + 3.0 * (np.arange(40) % 2)[:, None]
    np.savetxt(tmp_path / "x.csv", values, delimiter=",")

    def refused(matrix: Any, *more: Any, **named: Any) -> None:
        raise AssertionError(f"a matrix {np.shape(matrix)}")

    for name in ("eigh", "eigvalsh", "inv", "cholesky", "solve", "svd", "qr"):
        monkeypatch.setattr(np.linalg, name, refused)
    done = run("fit", "gmm", tmp_path / "x.csv", "-k", 2, "--covariance", shape, "--json", process=False)
    assert done.returncode == 0, done.stderr


def rows_of(values: Any) -> Rows:
    centred = Scaling(np.zeros(len(values)), np.zeros(len(values), dtype=np.int64))
    return Rows(values, None, float(values.shape[1]), tuple(map(str, range(len(values)))), centred)


@pytest.mark.parametrize("d", [1, 3, 70])
@pytest.mark.parametrize("equal", [False, True])
def test_variances_stand_for_diagonal_matrices(d: int, equal: bool) -> None:
    rng = np.random.default_rng(d)
    variances = np.full((3, d), 2.0) if equal else rng.uniform(0.5, 3.0, (3, d))
    matrices = variances[:, :, None] * np.eye(d)
    rows = rows_of(rng.standard_normal((d, 20)))
    for seed in (None, *range(6)):
        one, other = (
            split_axes(each, rows, None if seed is None else np.random.default_rng(seed))
            for each in (variances, matrices)
        )
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(_smallest(variances, np.full(3, 1 / 3)), _smallest(matrices, np.full(3, 1 / 3)))
    means = np.zeros((3, d))
    for shape in ("diag", "spherical"):
        covariances, again = (SHAPES[shape].of(each, np.eye(d)) for each in (variances, matrices))
        np.testing.assert_array_equal(covariances.full(), again.full())
        assert (identical(means, covariances) is not None) == equal


@pytest.mark.parametrize("d", [1, 3, 70, 200])
def test_squares_are_those_of_scatter_matrices_to_the_last_bit(d: int) -> None:
    rng = np.random.default_rng(d)
    values, members = rng.standard_normal((d, 500)), rng.random((3, 500))
    sizes, means, scatter = cluster_moments(values, members)
    other_sizes, other_means, squares = cluster_moments(values, members, diagonal=True)
    np.testing.assert_array_equal(means, other_means)
    np.testing.assert_array_equal(sizes, other_sizes)
    if d <= 64:
        np.testing.assert_array_equal(squares, np.diagonal(scatter, axis1=1, axis2=2))
    np.testing.assert_allclose(squares, np.diagonal(scatter, axis1=1, axis2=2), rtol=1e-13)


def test_what_cancels_in_many_columns_is_rounding(tmp_path: Path) -> None:
    """The log-likelihood is near 0 in working coordinates, where 40 rows of 300 columns cancel to 13 digits."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal((40, 300)) + 3.0 * (np.arange(40) % 2)[:, None]
    np.savetxt(tmp_path / "x.csv", values, delimiter=",")
    done = run("fit", "gmm", tmp_path / "x.csv", "-k", 2, "--covariance", "spherical", "-q", process=False)
    assert done.returncode == 0, done.stderr
