"""Data that are points in d dimensions, as K-means and Gaussian mixtures read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from emcli.em import Array
from emcli.models.family import DataFault, ParameterFault, Picked, Rows
from emcli.models.frame import Frame, OutOfRange


def select(header: Sequence[str], find: Callable[[str], int], taken: set[int], settings: Any) -> Picked:
    """The columns named, or all that have no other role."""
    if settings.columns:
        return Picked(tuple(find(name) for name in settings.columns))
    return Picked(tuple(i for i in range(len(header)) if i not in taken))


def rows(numbers: Array, weights: Array | None, names: Sequence[str], k: int, common: bool) -> Rows:
    """Rows from values (n, d) in the user's units. Raises DataFault."""
    n, d = numbers.shape
    if not d:
        raise DataFault("no columns are left to fit")
    if k > n:
        raise DataFault(f"k={k} needs at least {k} rows, got {n}")
    try:
        frame = Frame.of(numbers, weights, common)
    except OutOfRange as wrong:
        raise DataFault(f"column {names[wrong.column]!r}: {wrong}", "rescale the column") from None
    values = np.ascontiguousarray(frame.inward(numbers).T)
    return Rows(values, weights, float(n) if weights is None else float(weights.sum()), tuple(names), frame)


def around(means: Array, sds: Array, common: bool, names: Sequence[str]) -> Frame:
    """Working coordinates for rows that a fit with these means and sds (k, d) is to be applied to.

    Raises ParameterFault where the fit is not one of the named columns.
    """
    if means.shape[1] != len(names):
        raise ParameterFault((), f"they are of {means.shape[1]} columns, but data.columns names {len(names)}")
    exponent = np.frexp(np.where(sds > 0, sds, 1.0).max(axis=0))[1].astype(np.int64)
    return Frame(means[0].copy(), np.full_like(exponent, exponent.max()) if common else exponent)


def spread(rows: Rows) -> Array:
    """Covariance (d, d) of all rows in working coordinates."""
    mean = np.average(rows.values, axis=1, weights=rows.weights)
    away = rows.values - mean[:, None]
    weighted = away if rows.weights is None else away * rows.weights
    return weighted @ away.T / rows.total


def uniform(rows: Rows, k: int, rng: np.random.Generator) -> Array:
    """k points (k, d) drawn uniformly within the range of each column."""
    low, high = rows.values.min(axis=1), rows.values.max(axis=1)
    return rng.uniform(low, high, size=(k, len(low)))
