"""Checks of the rows and of given parameters that Gaussian mixtures need."""

from __future__ import annotations

from shlex import quote

import numpy as np

from emcli.config.covariances import OF_ONE_COLUMN, has_correlations, letters
from emcli.config.settings import Covariance
from emcli.data.rows import DataFault, Rows
from emcli.models.gmm.collapse import far_row
from emcli.models.parameters import ParameterFault, ParameterReader
from emcli.types import Array

MAX_TYPED = 40  # characters of a column's name that a hint shows
MAX_NUMBERS = 1 << 25  # in all covariance matrices; a fit takes 90 bytes for each
MIN_SD_SHARE = 1e-100  # of the largest sd, below which a variance is lost beside the others'
MIN_EIGENVALUE = 1e-12  # of the correlation matrix, below which one column is a linear function of the others


def refuse_flat(rows: Rows, shape: Covariance | None) -> None:
    """Raise DataFault where a column is constant, or rows are fewer than this shape needs: no matrix is made for it."""
    flat, n = rows.constant_columns(), rows.count or int(rows.total)
    d = len(flat)
    what, hint = "", None
    if shape in OF_ONE_COLUMN and d > 1:
        raise DataFault(
            f"covariance {shape} is for one column, got {d}", f"of several columns that is {letters(shape)}"
        )
    if flat.all():
        what = f"all {n} rows are identical; no variance to fit"
    elif flat.any() and letters(shape)[1] != "I":
        j = int(np.argmax(flat))
        what = f"column {rows.names[j]!r} is constant ({float(rows.scaling.centre[j])!r})"
        hint = f"leave it out with --exclude {_typed(rows.names[j])}"
    elif has_correlations(shape) and 1 < n <= d:
        what = f"a covariance of {d} columns needs more than {d} rows, got {n}"
        hint = "use --covariance diag, or fewer --columns"
    if what:
        raise DataFault(what, hint, unusable=False)


def _typed(name: str) -> str:
    """A column's name as a shell takes it; NAME for one that cannot be typed."""
    return quote(name) if name.isprintable() and "," not in name and len(name) < MAX_TYPED else "NAME"


def refuse_singular(rows: Rows, shape: Covariance | None) -> None:
    """Raise DataFault where a column follows from the others, which this shape cannot fit."""
    assert rows.covariance is not None
    if not has_correlations(shape) or len(rows.covariance) == 1:
        return
    sds = np.sqrt(np.diag(rows.covariance))
    if not sds.min() > MIN_SD_SHARE * sds.max():
        small, large = (rows.names[int(place)] for place in (sds.argmin(), sds.argmax()))
        what = f"column {small!r} varies by less than {MIN_SD_SHARE:.0e} of column {large!r}"
        raise DataFault(what, f"rescale the column, or leave it out with --exclude {_typed(small)}", unusable=False)
    if np.linalg.eigvalsh(rows.covariance / np.outer(sds, sds))[0] < MIN_EIGENVALUE:
        if far := far_row(rows):
            raise DataFault(far, "leave it out, or correct it", unusable=False)
        raise singular()


def singular() -> DataFault:
    """The fault of rows in which a column follows from the others."""
    what = "one column follows from the others (the covariance of all rows is singular)"
    return DataFault(what, "leave a column out with --exclude NAME, or use --covariance diag", unusable=False)


def too_large(k: int, d: int) -> str | None:
    """What is wrong with so many covariances of so many columns, which are matrices whatever their shape."""
    if k * d * d <= MAX_NUMBERS:
        return None
    return f"{k} covariances of {d} columns are {k * d * d} numbers, more than {MAX_NUMBERS}"


def given_matrices(given: ParameterReader, means: Array, rows: Rows | None) -> Array:
    """Covariance matrices (k, d, d) from `covariances` or `sds`; by default the covariance of all rows.

    Raises ParameterFault.
    """
    k, d = means.shape
    if "covariances" not in given and (what := too_large(k, d)):
        raise ParameterFault(("means",), what)
    if "covariances" in given or "sds" in given:
        return read_matrices(given, k, d)
    if rows is None or rows.covariance is None:
        raise ParameterFault((), "missing 'covariances' or 'sds'")
    original = np.ldexp(rows.covariance, rows.scaling.exponent[:, None] + rows.scaling.exponent)
    return np.broadcast_to(original, (k, d, d)).copy()


def read_matrices(given: ParameterReader, k: int, d: int) -> Array:
    """Covariance matrices (k, d, d) from `covariances` or `sds`, NaN for what is null. Raises the reader's fault."""
    if "sds" not in given:
        matrices = given.array("covariances", (k, d, d))
        for i, matrix in enumerate(matrices):
            if not (np.isnan(matrix).any() or _is_covariance(matrix)):
                raise given.fault(("covariances", i), "must be a symmetric, positive definite matrix")
        return matrices
    if "covariances" in given:
        raise given.fault(("sds",), "give covariances or sds, not both")
    sds = given.matrix("sds", k, d)
    for i, j in np.argwhere((sds <= 1e-150) | (sds >= 1e150)).tolist():
        raise given.fault(("sds", i), f"must be positive, got {sds[i, j]:g}")
    return np.where(np.eye(d) > 0, sds[:, :, None] ** 2, 0.0)


def _is_covariance(matrix: Array) -> bool:
    """Is a matrix symmetric and positive definite, whatever the units of its columns?"""
    variances = np.diag(matrix)
    if not np.all(variances > 0):
        return False
    if np.count_nonzero(matrix) == len(matrix):  # of a wide diagonal one eigenvalues would take very long
        return True
    sds = np.sqrt(variances)
    correlations = matrix / sds / sds[:, None]
    return bool(np.abs(correlations - correlations.T).max() < 1e-9 and np.linalg.eigvalsh(correlations)[0] > 0)
