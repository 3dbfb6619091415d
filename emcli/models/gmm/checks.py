"""Checks of the rows and of given parameters that Gaussian mixtures need."""

from __future__ import annotations

import numpy as np

from emcli.config.settings import Covariance
from emcli.data.rows import DataFault, Rows
from emcli.models.gmm.covariance import is_covariance
from emcli.models.parameters import ParameterFault, ParameterReader
from emcli.types import Array

MIN_EIGENVALUE = 1e-12  # of the correlation matrix, below which one column is a linear function of the others


def refuse_flat(rows: Rows, shape: Covariance | None) -> None:
    """Raise DataFault where a column is constant or follows from the others, which this shape cannot fit."""
    assert rows.covariance is not None
    flat, n = rows.constant_columns(), rows.count or int(rows.total)
    spherical, correlated = shape == "spherical", shape in ("full", "tied")
    variances = np.diag(rows.covariance)
    if flat.all():
        raise DataFault(f"all {n} rows are identical; no variance to fit", unusable=False)
    if spherical:
        return
    if flat.any():
        j = int(np.argmax(flat))
        value = float(rows.scaling.centre[j])
        raise DataFault(
            f"column {rows.names[j]!r} is constant ({value!r})", "leave it out with --columns", unusable=False
        )
    d = len(variances)
    if correlated and 1 < n <= d:
        raise DataFault(
            f"a covariance of {d} columns needs more than {d} rows, got {n}",
            "use --covariance diag, or fewer --columns",
            unusable=False,
        )
    if correlated and d > 1:
        scale = np.sqrt(variances)
        if np.linalg.eigvalsh(rows.covariance / np.outer(scale, scale))[0] < MIN_EIGENVALUE:
            raise DataFault(
                "one column follows from the others (the covariance of all rows is singular)",
                "leave a column out with --columns, or use --covariance diag",
                unusable=False,
            )


def given_matrices(given: ParameterReader, means: Array, rows: Rows | None) -> Array:
    """Covariance matrices (k, d, d) from `covariances` or `sds`; by default the covariance of all rows.

    Raises ParameterFault.
    """
    k, d = means.shape
    if "covariances" in given and "sds" in given:
        raise ParameterFault(("sds",), "give covariances or sds, not both")
    if "covariances" in given:
        matrices = given.array("covariances", (k, d, d))
        for i, matrix in enumerate(matrices):
            if not is_covariance(matrix):
                raise ParameterFault(("covariances", i), "must be a symmetric, positive definite matrix")
        return matrices
    if "sds" in given:
        sds = given.matrix("sds", k, d)
        for i, j in zip(*np.nonzero(~((sds > 1e-150) & (sds < 1e150))), strict=True):
            raise ParameterFault(("sds", int(i)), f"must be positive, got {sds[i, j]:g}")
        return sds[:, :, None] ** 2 * np.eye(d)
    if rows is None or rows.covariance is None:
        raise ParameterFault((), "missing 'covariances' or 'sds'")
    original = np.ldexp(rows.covariance, rows.scaling.exponent[:, None] + rows.scaling.exponent)
    return np.broadcast_to(original, (k, d, d)).copy()
