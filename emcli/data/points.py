"""Data that are points in d dimensions, as K-means and Gaussian mixtures read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from emcli.compute.arrays import cache_chunks
from emcli.data.duplicates import merged
from emcli.data.rows import DataFault, Picked, Rows, Total
from emcli.data.scaling import Frame, OutOfRange, mean_of, summed
from emcli.data.scaling import weighed as weighed
from emcli.errors import FitWarning, quoted
from emcli.models.base import ParameterFault
from emcli.types import Array

LOPSIDED = 100  # ratio of two columns' sds from which the wider one decides alone


def select(header: Sequence[str], find: Callable[[str], int], taken: set[int], settings: Any) -> Picked:
    """The columns named, or all that have no other role."""
    if settings.data.columns:
        return Picked(tuple(find(name) for name in settings.data.columns))
    return Picked(tuple(i for i in range(len(header)) if i not in taken))


def rows(
    numbers: Array, weights: Array | None, names: Sequence[str], k: int, common: bool, standardize: bool = False
) -> Rows:
    """Rows from values (n, d) in the user's units; `common`: columns keep their relative scale. Raises DataFault."""
    n, d = numbers.shape
    if not d:
        raise DataFault("no columns are left to fit")
    if k > n:
        raise DataFault(f"k={k} needs at least {k} rows, got {n}")
    try:
        frame = Frame.of(numbers, weights, common)
    except OutOfRange as wrong:
        raise DataFault(f"column {names[wrong.column]!r}: {wrong}", "rescale the column") from None
    values = frame.columns(numbers)
    if standardize:
        frame = frame.standardized(values, weights)
        assert frame.unit is not None
        values /= frame.unit[:, None]
    total = float(n) if weights is None else float(weights.sum())
    fewer = merged(values, weights)
    if fewer is None:
        return Rows(values, weights, total, tuple(names), frame)
    return Rows(fewer.values, fewer.weights, total, tuple(names), frame, merged=fewer.place)


def across(
    total: Total, names: Sequence[str], k: int, common: bool, standardize: bool = False
) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """The same for values in parts elsewhere, without them; and which columns (d,) are constant. Raises DataFault."""

    def over(function: Callable[[Array, Array | None], Any]) -> Any:
        return total(lambda numbers, texts, weights: function(numbers, weights))

    if not names:
        raise DataFault("no columns are left to fit")
    try:
        frame, extent = Frame.across(over, common)
    except OutOfRange as wrong:
        raise DataFault(f"column {names[wrong.column]!r}: {wrong}", "rescale the column") from None
    if k > extent.count:
        raise DataFault(f"k={k} needs at least {k} rows, got {extent.count}")
    mean = over(partial(_sum, frame=frame)) / extent.weight
    spread = over(partial(_products, frame=frame, mean=mean)) / extent.weight
    if standardize:
        unit = np.where(extent.low < extent.high, np.sqrt(np.diag(spread)), 1.0)
        frame, spread = replace(frame, unit=unit), spread / np.outer(unit, unit)
    return Rows(np.empty((len(names), 0)), None, extent.weight, tuple(names), frame, spread), extent.low == extent.high


def placed(numbers: Array, weights: Array | None, like: Rows) -> Rows:
    """One part of the values (n, d) in the working coordinates of them all."""
    total = float(len(numbers)) if weights is None else float(weights.sum())
    return replace(like, values=like.frame.columns(numbers), weights=weights, total=total, cautions=())


def _sum(values: Array, weights: Array | None, frame: Frame) -> Array:
    return summed(lambda some: frame.columns(values[some]), values.shape, weights)


def _products(values: Array, weights: Array | None, frame: Frame, mean: Array) -> Array:
    """Sums of products (d, d) around a mean in working coordinates."""
    products = np.zeros((len(mean), len(mean)))
    for some in cache_chunks(*values.shape):
        away = frame.columns(values[some]) - mean[:, None]
        products += (away if weights is None else away * weights[some]) @ away.T
    return products


def around(means: Array, sds: Array, common: bool, names: Sequence[str]) -> Frame:
    """Working coordinates for rows that a fit with these means and sds (k, d) is to be applied to."""
    _match(means, names)
    exponent = np.frexp(np.where(sds > 0, sds, 1.0).max(axis=0))[1].astype(np.int64)
    return Frame(means[0].copy(), np.full_like(exponent, exponent.max()) if common else exponent)


def in_units(means: Array, scales: Array, names: Sequence[str]) -> Frame:
    """Working coordinates in which a fit to standardized columns, of these sds (d,), is to be applied to rows."""
    _match(means, names)
    exponent = np.frexp(scales)[1].astype(np.int64)
    return Frame(means[0].copy(), exponent, np.ldexp(scales, -exponent))


def _match(means: Array, names: Sequence[str]) -> None:
    """Raise ParameterFault where the means are not of the named columns."""
    if means.shape[1] != len(names):
        raise ParameterFault((), f"they are of {means.shape[1]} columns, but data.columns names {len(names)}")


def lopsided(rows: Rows) -> tuple[FitWarning, ...]:
    """A warning where one column is so much wider than another that it alone decides distances."""
    if rows.spread is not None:
        sds = rows.frame.stretched(np.sqrt(np.diag(rows.spread)))
    else:
        sds = rows.frame.sds(rows.values, rows.weights)
    wide, narrow = int(np.argmax(sds)), int(np.argmin(np.where(sds > 0, sds, np.inf)))
    if not sds[wide] >= LOPSIDED * sds[narrow] > 0:
        return ()
    what = f"the sd of {quoted(rows.names[wide])} is {sds[wide] / sds[narrow]:.3g} times that of "
    what += f"{quoted(rows.names[narrow])}, which hardly counts; --standardize makes all columns count the same"
    return (FitWarning("scale", what),)


def spread(rows: Rows) -> Array:
    """Covariance (d, d) of all rows in working coordinates."""
    mean = mean_of(rows.values, rows.weights)
    products = np.zeros((len(mean), len(mean)))
    for some in cache_chunks(rows.count, len(mean)):
        away = rows.values[:, some] - mean[:, None]
        weighted = away if rows.weights is None else away * rows.weights[some]
        products += weighted @ away.T
    return products / rows.total


def uniform(rows: Rows, k: int, rng: np.random.Generator) -> Array:
    """k points (k, d) drawn uniformly within the range of each column."""
    low, high = rows.values.min(axis=1), rows.values.max(axis=1)
    return rng.uniform(low, high, size=(k, len(low)))
