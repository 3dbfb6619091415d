"""The coordinates a fit works in: columns centred and scaled by exact powers of two, so that no unit costs a digit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.compute.arrays import cache_chunks
from emcli.config.checks import MAX_NUMBER
from emcli.data.extent import Box, middle_half
from emcli.data.incomplete import first_values, observed_weights, without_missing
from emcli.frozen import frozen
from emcli.types import Array

T = TypeVar("T")
MAX_PLAIN_EXPONENT = 1000  # binary; below it a power of two is neither infinite nor subnormal
MAX_SD_DECIMALS = 150  # decimal exponent of an sd beyond which its variance leaves the range of float64


class RowSum(Protocol):
    """A sum over all rows, wherever they are."""

    def __call__(self, function: Callable[[Array, Array | None], T]) -> T:
        """What a function makes of some rows' values (n, d) and weights (n,), added up."""


class ScalingRule(Enum):
    """What makes the columns of a table comparable."""

    EACH_COLUMN = "a power of two for each column: answers do not depend on units"
    ALL_COLUMNS = "one power of two for all columns: answers depend on their relative units"
    STANDARDIZED = "each column divided by its standard deviation"
    MIDDLE_OF_EACH = "as each column, by the spread of its middle half, which outliers do not move"
    MIDDLE_OF_ALL = "as all columns, by the largest of these spreads"

    @classmethod
    def of(cls, common: bool, robust: bool) -> Self:
        """The rule with one factor for all columns or not, by their middle halves or by all rows."""
        if robust:
            return cls.MIDDLE_OF_ALL if common else cls.MIDDLE_OF_EACH
        return cls.ALL_COLUMNS if common else cls.EACH_COLUMN

    @property
    def is_common(self) -> bool:
        """Have all columns the same factor?"""
        return self in (ScalingRule.ALL_COLUMNS, ScalingRule.MIDDLE_OF_ALL)

    @property
    def is_robust(self) -> bool:
        """Do middle halves of the columns decide?"""
        return self in (ScalingRule.MIDDLE_OF_EACH, ScalingRule.MIDDLE_OF_ALL)


class UnusableColumn(ValueError):
    """A column that no fit can use: its 0-based number, what is wrong with it, and what to do."""

    def __init__(self, column: int, what: str, hint: str):
        self.column, self.hint = column, hint
        super().__init__(what)


@frozen
class ColumnRange:
    """Range of each column over some rows, with their number and weight; `+` pools."""

    count: int
    weight: float
    low: Array  # (d,)
    high: Array  # (d,)
    first: Array  # (d,) the first value, which tells 0 from -0
    observed: Array | None = None  # (d,) weight of the rows that observe each column; None: no cell is missing

    @classmethod
    def of(cls, values: Array, weights: Array | None) -> Self:
        """The range of each column of values (n, d)."""
        weight = float(len(values)) if weights is None else float(weights.sum())
        low, high, first, observed = np.min(values, axis=0), np.max(values, axis=0), values[0].copy(), None
        if np.isnan(low).any():
            low, high = column_range(values.T)
            first = first_values(values)
            observed = observed_weights(values.T, weights)
        return cls(len(values), weight, low, high, first, observed)

    @property
    def totals(self) -> Array:
        """(d,) weight of the rows that observe each column."""
        return np.full(len(self.low), self.weight) if self.observed is None else self.observed

    def __add__(self, other: ColumnRange) -> ColumnRange:
        count, weight, first = self.count + other.count, self.weight + other.weight, self.first
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        if self.observed is None and other.observed is None:
            return ColumnRange(count, weight, low, high, first)
        low, high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        first = np.where(np.isnan(first), other.first, first)
        return ColumnRange(count, weight, low, high, first, self.totals + other.totals)


@frozen
class Scaling:
    """Working coordinates z = (x - centre) · 2^-exponent / unit, column by column."""

    centre: Array  # (d,) in the user's units
    exponent: npt.NDArray[np.int64]  # (d,)
    unit: Array | None = None  # (d,) what makes every column count the same; None: a power of two is all

    @classmethod
    def across(cls, total: RowSum, common: bool) -> tuple[Self, ColumnRange]:
        """Centre and scale of all rows, over which `total` sums, and the range of each of their columns.

        Sds become about 1, by one factor for all columns where `common`. The centre is the mean rounded coarsely, to a
        multiple of 16 to 32 sds: data near zero keep every bit, and ties stay ties, while columns far from it lose
        their offset. Raises UnusableColumn without a value, or where a spread is beyond 1e±150 or a value beyond 1e300.
        """
        extent = total(ColumnRange.of)
        low, high = extent.low, extent.high
        if not extent.totals.all():
            column = int(np.argmin(extent.totals))
            raise UnusableColumn(column, "no row has a value in it", "leave it out with --exclude")
        weight = extent.weight if extent.observed is None else extent.observed
        with np.errstate(over="ignore", under="ignore"):
            largest = np.maximum(-low, high)
            lift = np.frexp(np.where(largest > 0, largest, 1.0))[1].astype(np.int64)
            mean = total(partial(_lifted, lift=lift)) / weight
            sd = np.sqrt(total(partial(_squares, lift=lift, mean=mean)) / weight)
        varies = low < high
        for column in np.flatnonzero(varies).tolist():
            decimal = np.log10(max(sd[column], 1e-300)) + float(lift[column]) * np.log10(2.0)
            if abs(decimal) > MAX_SD_DECIMALS:
                spread, limits = np.ldexp(sd[column], lift[column]), f"1e-{MAX_SD_DECIMALS} to 1e{MAX_SD_DECIMALS}"
                what = f"standard deviation {spread:.3g} is outside {limits}"
                raise UnusableColumn(column, what, "rescale the column")
        for column in np.flatnonzero(largest >= MAX_NUMBER).tolist():
            what = f"value {extent.first[column]:.3g} is beyond {MAX_NUMBER:.0e}"
            raise UnusableColumn(column, what, "rescale the column")
        exponent = np.where(varies, np.frexp(sd)[1] + lift, lift)
        if common:
            top = np.max(exponent[varies], initial=np.iinfo(np.int64).min) if varies.any() else np.max(lift)
            exponent = np.full_like(exponent, top)
        grain = exponent + 4
        coarse = varies & (np.abs(lift - grain) < 50)
        rounded = np.ldexp(np.round(np.ldexp(np.where(coarse, mean, 0.0), lift - grain)), grain)
        plain = np.where(varies, np.ldexp(mean, lift), extent.first)
        return cls(np.where(coarse, rounded, plain), exponent), extent

    def by_middle_halves(self, values: Array, weights: Array | None, common: bool) -> Self:
        """These coordinates with the centre and the scale of the middle half of each column of values (n, d)."""
        found = np.array([middle_half(column, weights) for column in values.T])
        spread = found[:, 1]
        exponent = np.where(spread > 0, np.frexp(spread)[1], self.exponent).astype(np.int64)
        if common and (spread > 0).any():
            exponent = np.full_like(exponent, exponent[spread > 0].max())
        grain = exponent + 4
        steps = np.ldexp(found[:, 0], -grain)
        centre = np.where(np.abs(steps) < 2.0**50, np.ldexp(np.round(steps), grain), found[:, 0])
        return replace(self, centre=np.where(spread > 0, centre, self.centre), exponent=exponent)

    @classmethod
    def around(cls, means: Array, sds: Array, common: bool) -> Self:
        """Coordinates for rows that a model with these means and sds (k, d) is to be applied to."""
        exponent = np.frexp(np.where(sds > 0, sds, 1.0).max(axis=0))[1].astype(np.int64)
        return cls(means[0].copy(), np.full_like(exponent, exponent.max()) if common else exponent)

    def to_scaled(self, values: Array) -> Array:
        """Values (…, d) in the user's units as working coordinates."""
        scaled = np.ldexp(values - self.centre, -self.exponent)
        return scaled if self.unit is None else scaled / self.unit

    def scaled_columns(self, values: Array) -> Array:
        """Values (n, d) in the user's units as working coordinates (d, n)."""
        made: Array = arrays.empty(values.shape[::-1])
        for rows in cache_chunks(*values.shape):
            some = np.subtract(values[rows].T, self.centre[:, None], out=made[:, rows])
            _scaled(some, -self.exponent, out=some)
            if self.unit is not None:
                some /= self.unit[:, None]
        return made

    def to_original(self, values: Array) -> Array:
        """Working coordinates (…, d) in the user's units."""
        return np.ldexp(values if self.unit is None else values * self.unit, self.exponent) + self.centre

    def box_to_scaled(self, box: Box) -> Box:
        """A box in the user's units as one in working coordinates."""
        return Box(self.to_scaled(box.corner), np.ldexp(box.edges, -self.exponent))

    def box_to_original(self, box: Box) -> Box:
        """A box in working coordinates as one in the user's units."""
        return Box(self.to_original(box.corner), np.ldexp(box.edges, self.exponent))

    def standardized(self, values: Array, weights: Array | None) -> Self:
        """These coordinates with units in which working coordinates (d, n) have sd 1; constant columns keep theirs."""
        low, high = column_range(values)
        return replace(self, unit=np.where(high - low > 0, _sds(values, weights), 1.0))

    def sds(self, values: Array, weights: Array | None) -> Array:
        """Standard deviations (d,) in the user's units, of working coordinates (d, n)."""
        return self.stretched(_sds(values, weights))

    def stretched(self, sds: Array) -> Array:
        """Standard deviations (d,) in working coordinates converted to the user's units."""
        return np.ldexp(sds if self.unit is None else sds * self.unit, self.exponent)

    def log_density_shift(self, observed: Array | None = None) -> float:
        """ln of the Jacobian: what to add to a log-density in working coordinates for one in the user's units.

        Of one row; or of all rows, from the weight (d,) of those that observe each column.
        """
        if observed is not None:
            return float(-(observed @ self.exponent) * np.log(2.0))
        return float(-np.sum(self.exponent) * np.log(2.0))


def weighed(members: Array, weights: Array | None) -> Array:
    """Responsibilities (k, n) times the weights of the rows."""
    if weights is None:
        return members
    made: Array = arrays.empty(members.shape)
    np.multiply(members, weights, out=made)
    return made


def summed(of: Callable[[slice], Array], shape: tuple[int, ...], weights: Array | None) -> Array:
    """Weighted sums (d,) over all n rows; `of` gives the values (d, rows) of a slice of them, NaN for missing ones."""
    found = _sums(of, shape, weights)
    return _sums(lambda rows: without_missing(of(rows)), shape, weights) if np.isnan(found).any() else found


def _sums(of: Callable[[slice], Array], shape: tuple[int, ...], weights: Array | None) -> Array:
    if weights is None:
        return np.asarray(sum(of(rows).sum(axis=1) for rows in cache_chunks(*shape)))
    return np.asarray(sum((of(rows) * weights[rows]).sum(axis=1) for rows in cache_chunks(*shape)))


def column_range(values: Array) -> tuple[Array, Array]:
    """The lowest and the highest number (d,) of values (d, n), missing ones apart."""
    low, high = values.min(axis=1), values.max(axis=1)
    return (np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)) if np.isnan(low).any() else (low, high)


def mean_of(values: Array, weights: Array | None) -> Array:
    """Weighted mean (d,) of values (d, n), of those that are not missing."""
    if weights is None and not np.isnan(mean := np.asarray(values.mean(axis=1))).any():
        return mean
    return _average(lambda rows: values[:, rows], values, weights)


def _average(of: Callable[[slice], Array], values: Array, weights: Array | None) -> Array:
    """Weighted mean (d,) over all rows of values (d, n); `of` gives the values (d, rows) of a slice of them."""
    d, n = values.shape
    sums = _sums(of, (n, d), weights)
    if np.isnan(sums).any():
        return _sums(lambda rows: without_missing(of(rows)), (n, d), weights) / observed_weights(values, weights)
    return sums / (np.float64(n) if weights is None else weights.sum())


def _sds(values: Array, weights: Array | None) -> Array:
    mean = mean_of(values, weights)[:, None]
    return np.sqrt(_average(lambda rows: (values[:, rows] - mean) ** 2, values, weights))


def _lifted(values: Array, weights: Array | None, lift: npt.NDArray[np.int64]) -> Array:
    return summed(lambda rows: _scaled(values[rows].T, -lift), values.shape, weights)


def _squares(values: Array, weights: Array | None, lift: npt.NDArray[np.int64], mean: Array) -> Array:
    def squares(rows: slice) -> Array:
        away = _scaled(values[rows].T, -lift)
        away -= mean[:, None]
        return np.square(away, out=away)

    with np.errstate(over="ignore", under="ignore"):
        return summed(squares, values.shape, weights)


def _scaled(values: Array, exponent: npt.NDArray[np.int64], out: Array | None = None) -> Array:
    """values (d, n) · 2^exponent (d,); by a product, quicker than ldexp, where the factors are normal numbers."""
    out = np.empty(values.shape) if out is None else out
    if (np.abs(exponent) < MAX_PLAIN_EXPONENT).all():
        return np.multiply(values, np.ldexp(1.0, exponent)[:, None], out=out)
    return np.ldexp(values, exponent[:, None], out=out)
