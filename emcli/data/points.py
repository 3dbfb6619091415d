"""Data that are points in d dimensions, as K-means and Gaussian mixtures read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial, reduce
from operator import add
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.compute.arrays import cache_chunks
from emcli.config.checks import MAX_EXACT
from emcli.config.settings import DataSettings
from emcli.data.duplicates import merged
from emcli.data.incomplete import by_pattern, observed_weights, places, reordered, without_missing
from emcli.data.rows import Columns, DataFault, Observations, PartitionSum, Rows, Sampler
from emcli.data.scaling import Scaling, ScalingRule, UnusableColumn, column_range, mean_of, summed
from emcli.data.table.columns import columns_named
from emcli.data.table.table import Choice, ColumnSelection
from emcli.errors import FitWarning, quoted
from emcli.types import Array, IndexArray, Mapper

T = TypeVar("T")
MAX_ROUNDING_SHARE = 1e-9  # of a column's range, up to which the rounding of its values cannot be seen in an inertia
MAX_SD_RATIO = 100  # ratio of two columns' sds from which the wider one decides alone


class Points(Observations):
    """Rows of numbers, one coordinate a column."""

    are_measured = True

    def select(
        self, header: Sequence[str], find: Callable[[str], int], taken: AbstractSet[int], settings: DataSettings
    ) -> ColumnSelection:
        """The columns named, or all that have no other role."""
        excluded = columns_named(settings.exclude or (), header, find)
        left_out = set(excluded)
        if settings.columns:
            used = columns_named(settings.columns, header, find)
        else:
            used, left_out = tuple(range(len(header))), left_out | taken
        columns = tuple(i for i in used if i not in left_out)
        if not columns:
            raise DataFault("no columns are left to fit")
        return ColumnSelection(columns, choice=Choice(columns, excluded, bool(settings.columns)))

    def prepare(self, columns: Columns, k: int, rule: ScalingRule, settings: DataSettings) -> Rows:
        """Rows in working coordinates (d, n), equal ones merged where that saves work. Raises DataFault."""
        numbers, _, weights, names = columns
        n, d = numbers.shape
        if not d:
            raise DataFault("no columns are left to fit")
        if k > n:
            raise DataFault(f"k={k} needs at least {k} rows, got {n}")
        try:
            scaling, extent = Scaling.across(lambda function: function(numbers, weights), rule.is_common)
            if rule.is_robust:
                scaling = scaling.by_middle_halves(numbers, weights, rule.is_common)
        except UnusableColumn as wrong:
            raise _unusable(wrong, names) from None
        values = scaling.scaled_columns(numbers)
        place: IndexArray | None = None
        if extent.observed is not None:
            values, weights, place = _by_pattern(values, weights)
        if rule is ScalingRule.STANDARDIZED:
            scaling = scaling.standardized(values, weights)
            assert scaling.unit is not None
            values /= scaling.unit[:, None]
        total = float(n) if weights is None else float(weights.sum())
        warnings = rounding(names, extent.low, extent.high)
        fewer = merged(values, weights)
        if fewer is not None:
            values, weights = fewer.values, fewer.weights
            place = fewer.place if place is None else arrays.take_rows(fewer.place, place)
        observed = extent.observed
        named = tuple(names)
        return Rows(values, weights, total, named, scaling, duplicate_of=place, warnings=warnings, observed=observed)

    def summarize(
        self, total: PartitionSum, names: Sequence[str], k: int, rule: ScalingRule, settings: DataSettings
    ) -> Rows:
        """The rows of partitions elsewhere, without their values. Raises DataFault."""

        def over(function: Callable[[Array, Array | None], T]) -> T:
            return total(lambda numbers, texts, weights: function(numbers, weights))

        if not names:
            raise DataFault("no columns are left to fit")
        try:
            scaling, extent = Scaling.across(over, common=rule.is_common)
        except UnusableColumn as wrong:
            raise _unusable(wrong, names) from None
        if k > extent.count:
            raise DataFault(f"k={k} needs at least {k} rows, got {extent.count}")
        mean = over(partial(_sum, scaling=scaling)) / (extent.weight if extent.observed is None else extent.observed)
        products, pairs = over(partial(_products, scaling=scaling, mean=mean))
        spread = products / (extent.weight if extent.observed is None else np.maximum(pairs, 1e-300))
        if rule is ScalingRule.STANDARDIZED:
            unit = np.where(extent.low < extent.high, np.sqrt(np.diag(spread)), 1.0)
            scaling, spread = replace(scaling, unit=unit), spread / np.outer(unit, unit)
        values = np.empty((len(names), 0))
        constant = extent.low == extent.high
        warnings = rounding(names, extent.low, extent.high)
        named, observed = tuple(names), extent.observed
        rows = Rows(values, None, extent.weight, named, scaling, spread, warnings=warnings, constant=constant)
        return replace(rows, observed=observed, mean=None if rule is ScalingRule.STANDARDIZED else mean)

    def place(self, columns: Columns, like: Rows) -> Rows:
        """One partition in the working coordinates of them all."""
        weights = columns.weights
        total = float(columns.row_count) if weights is None else float(weights.sum())
        values = like.scaling.scaled_columns(columns.numbers)
        if like.observed is None:
            return replace(like, values=values, weights=weights, total=total, warnings=())
        values, weights, place = _by_pattern(values, weights)
        return replace(like, values=values, weights=weights, total=total, warnings=(), duplicate_of=place)

    def encode(self, columns: Columns, scaling: Scaling, settings: DataSettings) -> tuple[Array, IndexArray | None]:
        """New rows in given working coordinates (d, n), those with the same missing cells together."""
        values = np.ascontiguousarray(scaling.to_scaled(columns.numbers).T)
        if not np.isnan(values).any():
            return values, None
        values, _, place = _by_pattern(values, None)
        return values, place

    def redraw(self, rows: Rows, model: Sampler, rng: np.random.Generator) -> Rows:
        """As many rows as the weights of these sum to, drawn from a model in working coordinates."""
        labels = rng.choice(len(model.shares), int(rows.total), p=model.shares)
        values = np.ascontiguousarray(model.sample(labels, rng).T)
        if rows.observed is None:
            return replace(rows, values=values, weights=None, duplicate_of=None)
        drawn = rows.weights is not None and (rows.weights != np.floor(rows.weights)).any()
        often = None if rows.weights is None else rows.weights / rows.weights.sum()
        if drawn:  # no row can be there a fraction of times
            like = np.sort(rng.choice(rows.count, len(labels), p=often))
        else:
            like = np.repeat(np.arange(rows.count), 1 if rows.weights is None else rows.weights.astype(np.intp))
        for line, own in zip(values, rows.values, strict=True):
            line[np.isnan(arrays.take_rows(own, like))] = np.nan
        observed = observed_weights(values, None)
        return replace(rows, values=values, weights=None, duplicate_of=None, observed=observed)


POINTS = Points()


def _by_pattern(values: Array, weights: Array | None) -> tuple[Array, Array | None, IndexArray]:
    """Values (d, n) and weights (n,), those with the same missing cells together; and the place of each row now."""
    order = by_pattern(values)
    return reordered(values, order), None if weights is None else reordered(weights[None], order)[0], places(order)


def _sum(values: Array, weights: Array | None, scaling: Scaling) -> Array:
    return summed(lambda some: scaling.scaled_columns(values[some]), values.shape, weights)


def _products(values: Array, weights: Array | None, scaling: Scaling, mean: Array) -> Array:
    """Sums of products around a mean in working coordinates, and the weight of the rows that observe both columns."""
    found = np.zeros((2, len(mean), len(mean)))
    for some in cache_chunks(*values.shape):
        found += _both(scaling.scaled_columns(values[some]) - mean[:, None], None if weights is None else weights[some])
    return found


def _both(away: Array, weights: Array | None) -> Array:
    """Sums of products of values (d, n), and the weight of the rows that observe both columns, (2, d, d)."""
    seen, known = (~np.isnan(away)).astype(np.float64), without_missing(away)
    counted, counts = (known, seen) if weights is None else (known * weights, seen * weights)
    return np.stack([counted @ known.T, counts @ seen.T])


def _unusable(fault: UnusableColumn, names: Sequence[str]) -> DataFault:
    return DataFault(f"column {names[fault.column]!r}: {fault}", fault.hint)


def rounded(low: Array, high: Array) -> npt.NDArray[np.bool_]:
    """Which columns (d,) with values from `low` to `high`, in the user's units, have integers that no double holds.

    Such a column is none where the rounding is far below its range, as with timestamps of many days in nanoseconds.
    """
    largest = np.maximum(np.abs(low), np.abs(high))
    found: npt.NDArray[np.bool_] = (largest > MAX_EXACT) & (np.spacing(largest) >= MAX_ROUNDING_SHARE * (high - low))
    return found


def rounding(names: Sequence[str], low: Array, high: Array) -> tuple[FitWarning, ...]:
    """A warning where integers beyond 2^53 were rounded so that it may show, in columns from `low` to `high`."""
    found = np.flatnonzero(rounded(low, high))
    if not len(found):
        return ()
    column = int(found[0])
    unit, others = np.spacing(max(abs(low[column]), abs(high[column]))), len(found) - 1
    what = f"integers of {quoted(names[column])} beyond 2^53 are read as multiples of {unit:.6g}"
    what += f" ({others} more column{'s' * (others > 1)} likewise)" * bool(others)
    what += f", and its range is {high[column] - low[column]:.6g}: subtract a constant from the column first"
    return (FitWarning("rounded-integers", what),)


def lopsided(rows: Rows) -> tuple[FitWarning, ...]:
    """A warning where one column is so much wider than another that it alone decides distances."""
    if rows.covariance is not None:
        sds = rows.scaling.stretched(np.sqrt(np.diag(rows.covariance)))
    else:
        sds = rows.scaling.sds(rows.values, rows.weights)
    wide, narrow = int(np.argmax(sds)), int(np.argmin(np.where(sds > 0, sds, np.inf)))
    if not sds[wide] >= MAX_SD_RATIO * sds[narrow] > 0:
        return ()
    ratio = sds[wide] / sds[narrow]
    times = f"{float(f'{ratio:.2g}'):,.0f}" if ratio < 1e9 else f"{ratio:.1e}"
    what = f"{quoted(rows.names[wide])} varies {times} times as much as {quoted(rows.names[narrow])} and dominates the "
    what += "distances: use --standardize"
    return (FitWarning("scale", what),)


def covariance(rows: Rows) -> Array:
    """Covariance (d, d) of all rows in working coordinates; of two columns by the rows that observe both, else 0."""
    mean = mean_of(rows.values, rows.weights)
    if rows.observed is not None:
        found = np.zeros((2, len(mean), len(mean)))
        for some in cache_chunks(rows.count, len(mean)):
            found += _both(rows.values[:, some] - mean[:, None], None if rows.weights is None else rows.weights[some])
        return np.asarray(found[0] / np.maximum(found[1], 1e-300))
    products = np.zeros((len(mean), len(mean)))
    for some in cache_chunks(rows.count, len(mean)):
        away = rows.values[:, some] - mean[:, None]
        weighted = away if rows.weights is None else away * rows.weights[some]
        products += weighted @ away.T
    return products / rows.total


def with_moments(rows: Rows, map: Mapper) -> Rows:
    """Rows with their own mean and covariance of what is observed, wherever they are."""
    batches, over = list(zip(*rows.batches(), strict=True)), rows.mapping(map)
    sums, counts = reduce(add, over(_observed_sums, *batches))
    products, pairs = reduce(add, over(partial(_around, mean=sums / counts), *batches))
    return replace(rows, mean=sums / counts, covariance=products / np.maximum(pairs, 1e-300))


def _observed_sums(values: Array, weights: Array | None, component: int | None = None) -> Array:
    """Sums of values (d, n), and the weight of the rows in them, (2, d), whatever component they are known to be of."""
    each = np.ones(values.shape[1]) if weights is None else weights
    return np.stack([without_missing(values) @ each, (~np.isnan(values)) @ each])


def _around(values: Array, weights: Array | None, component: int | None = None, *, mean: Array) -> Array:
    return _both(values - mean[:, None], weights)


def uniform(rows: Rows, k: int, rng: np.random.Generator) -> Array:
    """k points (k, d) drawn uniformly within the range of each column."""
    low, high = column_range(rows.values)
    return rng.uniform(low, high, size=(k, len(low)))
