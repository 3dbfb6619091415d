"""Detection of spurious and of identical Gaussian components."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.data.rows import Rows
from emcli.models.base import first_pair
from emcli.types import Array

FIRST_ROWS = 1 << 16  # rows whose smallest gap mostly decides, without sorting all rows
MIN_EIGENVALUE = 0.02  # of a covariance relative to the pooled one, below which a component of few rows is spurious


def spurious(matrices: Array, effective: Array, rows: Rows) -> str | None:
    """Why one of the components is an artefact (McLachlan & Peel 2000, section 3.10), None where none is.

    matrices: (k, d, d) covariances; effective: (k,) rows of each component. A component is spurious with fewer than
    d + 1.5 rows; or with fewer than 10 (d + 1) and an eigenvalue below 0.02 of the pooled within covariance; or with
    an sd below the spacing of values.
    """
    d = matrices.shape[1]
    few = np.flatnonzero(effective < d + 1.5)
    if len(effective) == 1:
        return None
    if few.size:
        i = int(few[0])
        return f"component {i + 1} rests on {effective[i]:.1f} rows"
    root = np.linalg.inv(np.linalg.cholesky(np.einsum("k,kij->ij", effective / effective.sum(), matrices)))
    smallest = np.linalg.eigvalsh(root @ matrices @ root.T)[:, 0]
    narrow = np.flatnonzero((effective < 10 * (d + 1)) & (smallest < MIN_EIGENVALUE))
    if narrow.size:
        i = int(narrow[0])
        return (
            f"component {i + 1}, of {effective[i]:.1f} rows, is a sliver: in one direction its variance is "
            f"{100 * smallest[i]:.2g} % of the usual"
        )
    sds = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
    spacing = np.array([_spacing(rows, j, sd) for j, sd in enumerate(sds.min(axis=0))])
    for i, j in np.argwhere(sds < spacing):
        sd, gap = np.ldexp([sds[i, j], spacing[j]], int(rows.scaling.exponent[j]))
        return f"component {i + 1} has an sd of {sd:.3g} in {rows.names[j]!r}, whose values are {gap:.3g} apart"
    return None


def _spacing(rows: Rows, column: int, enough: float) -> float:
    """The smallest difference between different values of a column, or any one that is at most `enough`."""
    if rows.is_local:
        return _spacing_here(rows.values[column], enough)
    found = DistinctValues.of(rows.head(FIRST_ROWS)[column], enough)
    if found.settled or rows.count <= FIRST_ROWS:
        return found.smallest
    seen = rows.mapping(map)(
        lambda values, _: DistinctValues.of(values[column], enough), *zip(*rows.batches(), strict=True)
    )
    every: DistinctValues = reduce(add, seen)
    return every.smallest


def _spacing_here(values: Array, enough: float) -> float:
    smallest = 0.0
    rounding = 1e-12 * max(1.0, -float(values.min()), float(values.max()))  # values closer than this are not different
    for some in (values[:FIRST_ROWS], values):
        ordered = arrays.empty(some.shape)
        ordered[:] = some
        ordered.sort()
        smallest = min(_smallest_gap(ordered[cut.start : cut.stop + 1], rounding) for cut in row_chunks(len(some)))
        smallest = smallest if smallest < np.inf else 0.0
        if 0 < smallest <= enough or len(some) == len(values):
            break
    return smallest


def _smallest_gap(ordered: Array, rounding: float) -> float:
    gaps = np.diff(ordered)
    return float(np.min(gaps[gaps > rounding], initial=np.inf))


@dataclass(frozen=True, eq=False)
class DistinctValues:
    """Distinct values in ascending order, and the smallest gap between them; `+` pools."""

    values: Array  # empty where the gap is at most `enough`
    smallest: float  # gap; 0 where there is none
    enough: float

    @classmethod
    def of(cls, values: Array, enough: float) -> DistinctValues:
        """The distinct ones of some values (n,)."""
        found = np.sort(values)
        gaps = np.diff(found)
        real = gaps > 1e-12 * max(1.0, -float(found[0]), float(found[-1]))  # values closer than this are not different
        smallest = float(gaps[real].min()) if real.any() else 0.0
        if 0 < smallest <= enough:
            return cls(np.empty(0), smallest, enough)
        return cls(np.concatenate([found[:1], found[1:][real]]), smallest, enough)

    @property
    def settled(self) -> bool:
        return 0 < self.smallest <= self.enough

    def __add__(self, other: DistinctValues) -> DistinctValues:
        if self.settled or other.settled:
            return self if self.settled else other
        return DistinctValues.of(np.concatenate([self.values, other.values]), self.enough)


def identical(means: Array, matrices: Array) -> tuple[int, int] | None:
    """Two components whose means and covariances differ by less than a thousandth of their sds."""
    sds = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))

    def alike(i: int, j: int) -> bool:
        scale = np.maximum(sds[i], sds[j])
        apart = np.abs(means[i] - means[j]) / scale
        return bool(apart.max() < 1e-3 and np.all(np.abs(matrices[i] - matrices[j]) < 1e-3 * np.outer(scale, scale)))

    return first_pair(alike, len(sds))
