"""The coordinates a fit works in: columns centred and scaled by exact powers of two, so that no unit costs a digit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from emcli import spill
from emcli.em import Array
from emcli.spill import chunks

LARGEST_SD = 150  # decimal exponent beyond which a variance leaves the range of float64


class OutOfRange(ValueError):
    """A column's spread, or its values, cannot be squared in float64; `column` is its 0-based number."""

    def __init__(self, column: int, spread: float):
        self.column = column
        super().__init__(f"standard deviation {spread:.3g} is outside 1e-{LARGEST_SD} to 1e{LARGEST_SD}")


@dataclass(frozen=True)
class Frame:
    """Working coordinates z = (x - centre) · 2^-exponent / unit, column by column."""

    centre: Array  # (d,) in the user's units
    exponent: npt.NDArray[np.int64]  # (d,)
    unit: Array | None = None  # (d,) what makes every column count the same; None: a power of two is all

    @classmethod
    def of(cls, values: Array, weights: Array | None, common: bool) -> Self:
        """Centre and scale of values (n, d): sds of about 1, by one factor for all columns where `common`.

        The centre is the mean rounded coarsely, to a multiple of 16 to 32 sds: data near zero keep every bit, and ties
        stay ties, while columns far from it lose their offset.
        Raises OutOfRange where a spread is beyond 1e±150.
        """
        with np.errstate(over="ignore", under="ignore"):
            low, high = np.min(values, axis=0), np.max(values, axis=0)
            largest = np.maximum(-low, high)
            lift = np.frexp(np.where(largest > 0, largest, 1.0))[1].astype(np.int64)
            mean = _average(lambda rows: np.ldexp(values[rows], -lift), len(values), weights)
            sd = np.sqrt(_average(lambda rows: (np.ldexp(values[rows], -lift) - mean) ** 2, len(values), weights))
        varies = low < high
        for column in np.flatnonzero(varies):
            decimal = np.log10(max(sd[column], 1e-300)) + float(lift[column]) * np.log10(2.0)
            if abs(decimal) > LARGEST_SD:
                raise OutOfRange(int(column), float(np.ldexp(sd[column], lift[column])))
        exponent = np.where(varies, np.frexp(sd)[1] + lift, lift)
        if common:
            top = np.max(exponent[varies], initial=np.iinfo(np.int64).min) if varies.any() else np.max(lift)
            exponent = np.full_like(exponent, top)
        grain = exponent + 4
        centre = np.ldexp(np.round(np.ldexp(mean, lift - grain)), grain)
        centre = np.where(
            varies & (np.abs(lift - grain) < 50), centre, np.where(varies, np.ldexp(mean, lift), values[0])
        )
        return cls(centre, exponent)

    def inward(self, values: Array) -> Array:
        """Values (…, d) in the user's units as working coordinates."""
        scaled = np.ldexp(values - self.centre, -self.exponent)
        return scaled if self.unit is None else scaled / self.unit

    def columns(self, values: Array) -> Array:
        """Values (n, d) in the user's units as working coordinates (d, n)."""
        made = spill.empty(values.shape[::-1])
        for rows in chunks(len(values)):
            made[:, rows] = self.inward(values[rows]).T
        return made

    def outward(self, values: Array) -> Array:
        """Working coordinates (…, d) in the user's units."""
        return np.ldexp(values if self.unit is None else values * self.unit, self.exponent) + self.centre

    def standardized(self, values: Array, weights: Array | None) -> Self:
        """The same for working coordinates (d, n), with columns of sd 1; constant ones stay as they are."""
        return replace(self, unit=np.where(np.ptp(values, axis=1) > 0, _sds(values, weights), 1.0))

    def sds(self, values: Array, weights: Array | None) -> Array:
        """Standard deviations (d,) in the user's units, of working coordinates (d, n)."""
        return np.ldexp(_sds(values, weights) * (1.0 if self.unit is None else self.unit), self.exponent)

    def log_density_shift(self) -> float:
        """What to add to a log-density in working coordinates to have it per unit of the user's."""
        return float(-np.sum(self.exponent) * np.log(2.0))


def weighed(members: Array, weights: Array | None) -> Array:
    """Memberships (k, n) times the weights of the rows."""
    if weights is None:
        return members
    made: Array = spill.empty(members.shape)
    np.multiply(members, weights, out=made)
    return made


def _average(of: Callable[[slice], Array], n: int, weights: Array | None) -> Array:
    """Weighted mean (d,) of what `of` makes, (rows, d), of n rows."""
    if weights is None:
        total: Array = sum(of(rows).sum(axis=0) for rows in chunks(n)) / np.float64(n)
    else:
        total = sum((of(rows) * weights[rows, None]).sum(axis=0) for rows in chunks(n)) / weights.sum()
    return total


def mean_of(values: Array, weights: Array | None) -> Array:
    """Weighted mean (d,) of values (d, n)."""
    if weights is None:
        return np.asarray(values.mean(axis=1))
    return _average(lambda rows: values[:, rows].T, values.shape[1], weights)


def _sds(values: Array, weights: Array | None) -> Array:
    mean = mean_of(values, weights)
    return np.sqrt(_average(lambda rows: ((values[:, rows] - mean[:, None]) ** 2).T, values.shape[1], weights))
