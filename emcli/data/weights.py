"""What row weights are: frequencies, fractions of them, or shares of a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Self

import numpy as np

from emcli.compute import arrays
from emcli.data.rows import Rows
from emcli.data.table.faults import MAX_SHOWN, RowFault, Unreadable, located
from emcli.data.table.table import StringColumn, Table
from emcli.errors import EmcliError, Exit, FitWarning, Problem
from emcli.frozen import frozen
from emcli.types import Array, IndexArray

FRACTIONAL = "row weights are not whole numbers: the criteria take their sum as the number of rows"
MAX_TOTAL_WEIGHT = 1e15  # rows that weights may stand for: beyond, a double no longer counts every one
FREQUENCY_SHARE = 0.99  # of the number of rows, from which weights that sum to it are rounded and not shares


def above_zero(weights: Array, table: Table, column: int) -> IndexArray:
    """Which rows of a table have weights (n,) above 0. Raises EmcliError for those below 0, and for their sum."""
    wrong, count = list[Unreadable](), 0
    for some in arrays.row_chunks(len(weights)):
        below = some.start + np.flatnonzero(weights[some] < 0)
        count += len(below)
        for row in below[: MAX_SHOWN - len(wrong)].tolist():
            wrong.append(Unreadable(row, 0, f"weights must be at least 0, got '{weights[row]:g}'"))
    if wrong:
        raise located(RowFault(*wrong, unsaid=count - len(wrong)), table, [column], None)
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not 0 < total <= MAX_TOTAL_WEIGHT:
        what = "all weights are zero" if not weights.any() else f"the weights sum to {total:g}, more than 1e15"
        hint = "weights must be finite, >= 0 and not all zero"
        raise EmcliError(Exit.DATA, Problem(what, table.source, None), hint=hint)
    return arrays.nonzero(weights)


def weighted(
    numbers: Array, texts: Sequence[StringColumn], labels: StringColumn | None, table: Table, column: int
) -> tuple[Array, Array, list[StringColumn], StringColumn | None, IndexArray]:
    """Values (n, d), weights (n,), texts and labels of the rows with a weight above 0, and which rows these are.

    The last column of `numbers`, `column` of the table, has the weights. Raises EmcliError.
    """
    numbers, weights = numbers[:, :-1], numbers[:, -1]
    kept = above_zero(weights, table, column)
    return (
        arrays.copy_rows(numbers, kept),
        arrays.copy_rows(weights, kept),
        [text.take(kept) for text in texts],
        None if labels is None else labels.take(kept),
        kept,
    )


@frozen
class WeightSums:
    """Sums of the weights above 0 of some rows; `+` pools. (Σw)²/Σw² is the effective number of rows (Kish 1965)."""

    count: int
    weight: float  # Σ w
    squares: float  # Σ w²
    fractional: int  # weights that are no whole numbers

    @classmethod
    def of(cls, weights: Array) -> Self:
        """The sums over weights (n,)."""
        sums = cls(0, 0.0, 0.0, 0)
        for some in arrays.row_chunks(len(weights)):
            w = weights[some]
            fractional = int(np.count_nonzero(w != np.floor(w)))
            sums += cls(len(w), float(w.sum()), float(w @ w), fractional)
        return sums

    def __add__(self, other: Self) -> Self:
        return type(self)(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    @property
    def are_shares(self) -> bool:
        """Do the weights sum to less than the rows, so that they cannot say how often each row came?"""
        return self.weight < FREQUENCY_SHARE * self.count

    def warnings(self, n: int) -> tuple[FitWarning, ...]:
        """A warning where the weights are no frequencies; of shares, n is the number of rows in the criteria."""
        if not self.are_shares:
            return (FitWarning("fractional-weights", FRACTIONAL),) if self.fractional else ()
        factor = self.weight / self.squares
        what = (
            f"the row weights sum to {self.weight:.6g}, less than the rows: they are shares, not frequencies, and the "
            f"number of rows in BIC and ICL is {n}; multiplied by {factor:.6g} they sum to "
            f"{factor * self.weight:.6g}, the effective number of rows (Kish 1965)"
        )
        return (FitWarning("weights-are-shares", what),)


def with_weight_sums(rows: Rows, sums: WeightSums | None) -> Rows:
    """The rows with what there is to say about their weights; None: they have none."""
    if sums is None:
        return rows
    n = sums.count - rows.uninformative
    return replace(rows, size=n if sums.are_shares else None, warnings=(*rows.warnings, *sums.warnings(n)))
