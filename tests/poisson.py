"""Mixtures of Poisson distributions: the worked example of docs/adding-a-model.md, and `python -m poisson` runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import lgamma
from typing import Any

import numpy as np

from emcli import models
from emcli.data.points import Points
from emcli.data.rows import Columns, DataFault, Rows
from emcli.data.scaling import Scaling
from emcli.data.table.faults import RowFault, Unreadable
from emcli.models.mixture import NaturalParameters
from emcli.types import Array, IndexArray

SMALLEST = 1e-12  # a rate of exactly 0 would make any event impossible


class Counts(Points):
    """One column of counts; a fit works on the different ones, (2, m): the count, and minus ln of its factorial."""

    names: Sequence[str] | None = ("events",)

    def prepare(self, columns: Columns, k: int, rule: Any, settings: Any) -> Rows:
        """The different counts and how often each came. Raises RowFault, DataFault."""
        x, place = self.encode(columns, None, settings)
        if k > len(place):
            raise DataFault(f"k={k} needs at least {k} rows, got {len(place)}")
        weights = np.bincount(place, columns.weights).astype(np.float64)
        none = Scaling(np.zeros(1), np.zeros(1, dtype=np.int64))
        return Rows(x, weights, float(weights.sum()), tuple(columns.names), none, duplicate_of=place)

    def encode(self, columns: Columns, scaling: Any, settings: Any) -> tuple[Array, IndexArray]:
        """The different counts among some rows, and the place of each row among them."""
        if columns.numbers.shape[1] != 1:
            raise DataFault(f"counts stand in one column, got {columns.numbers.shape[1]}", "name it with --columns")
        counts = columns.numbers[:, 0]
        for row in np.flatnonzero((counts < 0) | (counts != np.floor(counts)))[:1]:
            raise RowFault(Unreadable(int(row), 0, f"counts must be whole numbers from 0, got '{counts[row]:g}'"))
        different, place = np.unique(counts, return_inverse=True)
        return np.array([different, [-lgamma(count + 1) for count in different]]), place

    def redraw(self, rows: Rows, model: Any, rng: np.random.Generator) -> Rows:
        """As many counts as the weights of these sum to, drawn from a model."""
        labels = rng.choice(len(model.shares), int(rows.total), p=model.shares)
        x, place = self.encode(Columns(model.sample(labels, rng).astype(np.float64), [], None, rows.names), None, None)
        return replace(rows, values=x, weights=np.bincount(place).astype(np.float64), duplicate_of=None)


@dataclass(frozen=True, eq=False)
class PoissonMixture(NaturalParameters):
    """k Poisson distributions; rows are (2, n): counts, and minus ln of their factorials."""

    name = "poisson"
    observations = Counts()

    rates: Array  # (k,)

    def log_densities(self, x: Array) -> Array:
        return np.log(self.rates)[:, None] * x[0] - self.rates[:, None] + x[1]

    @classmethod
    def maximum_likelihood(cls, sizes: Array, sums: Array) -> dict[str, Array]:
        return {"rates": np.maximum(sums[:, 0] / sizes, SMALLEST)}

    def sample(self, labels: IndexArray, rng: np.random.Generator, trials: IndexArray | None = None) -> Array:
        return rng.poisson(self.rates[labels])[:, None]

    @classmethod
    def check(cls, given: Any, k: int | None, d: int | None) -> dict[str, Array]:
        return {"rates": given.positive_array("rates", (k,))}

    def scores(self, x: Array) -> tuple[Array, Array]:
        return (x[0] - self.rates[:, None])[:, None, :], self.rates[:, None, None]

    def stepped(self, step: Array) -> dict[str, Array]:
        return {"rates": self.rates * np.exp(step[:, 0])}


models.register("poisson", PoissonMixture)

if __name__ == "__main__":
    from emcli.cli.app import main

    sys.exit(main())
