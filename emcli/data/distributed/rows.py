"""Rows in parts elsewhere: what is asked of them goes to where they are, and what comes back adds up in part order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from emcli.data.duplicates import FEWEST, REPEATED, SAMPLE, SHRUNK, keys
from emcli.data.rows import Observations, Rows, Sampler
from emcli.data.scaling import Frame
from emcli.types import Array, Batch, IndexArray, Mapper

MOST = 10**6  # different rows that are brought together


class Parts(Protocol):
    """Where the parts are. Each is a Rows there, and here but a handle."""

    handles: Sequence[Any]

    def each(self, function: Callable[..., Any], handles: Sequence[Any], *more: Sequence[Any]) -> Iterable[Any]:
        """function(rows) of each part, in part order; `more` are sequences of further arguments, as map takes them."""

    def made(self, function: Callable[..., Rows], *more: Sequence[Any]) -> Parts:
        """New parts where these are: function(rows) of each."""


@dataclass(frozen=True, eq=False)
class Scattered(Rows):
    """Rows whose `values` are elsewhere, (d, 0) here; all else is as for rows at hand.

    A batch is a whole part, and what a map finds of it is what the part's own batches add up to: so a statistic is
    summed in part order, whoever holds the parts.
    """

    parts: Any = None  # Parts
    sizes: tuple[int, ...] = ()  # rows of each part

    @classmethod
    def of(cls, like: Rows, parts: Parts, sizes: Sequence[int]) -> Self:
        """The rows of some parts; `like` has all else."""
        fields = {name: getattr(like, name) for name in Rows.__dataclass_fields__}
        return cls(**fields, parts=parts, sizes=tuple(sizes))

    @property
    def count(self) -> int:
        return sum(self.sizes)

    @property
    def here(self) -> bool:
        return False

    def mapping(self, map: Mapper) -> Mapper:
        def spread(function: Callable[..., Any], handles: Sequence[Any], weights: Any = None) -> Iterable[Any]:
            return self.parts.each(partial(added, function), handles)  # type: ignore[no-any-return]

        return spread

    def batches(self) -> list[Batch]:
        return [(handle, None) for handle in self.parts.handles]

    def head(self, size: int) -> Array:
        some, wanted = [], 0
        while wanted < len(self.sizes) and sum(self.sizes[:wanted]) < size:
            wanted += 1
        some = list(self.parts.each(partial(Rows.head, size=size), self.parts.handles[:wanted]))
        return np.concatenate(some, axis=1)[:, :size]

    def has_more_distinct_than(self, limit: int) -> bool:
        handles = self.parts.handles
        for some in (handles[:1], handles):  # mostly the first part is enough
            found = reduce(add, self.parts.each(partial(Different.of, limit=limit), some))
            if len(found.keys) > limit:
                return True
        return False

    def sample(self, size: int, rng: np.random.Generator) -> Rows:
        n = self.count
        drawn = np.arange(n) if n <= size else np.sort(rng.choice(n, size, replace=False))
        ends = np.cumsum(self.sizes)
        cuts = np.split(drawn, np.searchsorted(drawn, ends[:-1]))
        places = [cut - begin for cut, begin in zip(cuts, ends - self.sizes, strict=True)]
        found = list(self.parts.each(taken, self.parts.handles, places))
        values = np.concatenate([values for values, _ in found], axis=1)
        weights = None if found[0][1] is None else np.concatenate([weights for _, weights in found])
        total = float(values.shape[1]) if weights is None else float(weights.sum())
        fields = {name: getattr(self, name) for name in Rows.__dataclass_fields__}
        return Rows(**{**fields, "values": np.ascontiguousarray(values), "weights": weights, "total": total})

    def at_hand(self) -> Rows | None:
        """The different rows with their frequencies, here; None where there are more than MOST."""
        found: Frequencies = reduce(add, self.parts.each(Frequencies.of, self.parts.handles))
        if found.too_many:
            return None
        fields = {name: getattr(self, name) for name in Rows.__dataclass_fields__}
        return Rows(**{**fields, "values": found.values, "weights": found.weights})

    def redrawn(self, observations: Observations, model: Sampler, rng: np.random.Generator) -> Rows:
        seeds = rng.integers(2**63, size=len(self.sizes)).tolist()
        parts = self.parts.made(partial(drawn_like, observations=observations, model=model), seeds)
        return replace(self, parts=parts, sizes=tuple(parts.each(counted, parts.handles)))

    def or_merged(self) -> Rows:
        """These rows; but the different ones, here, where rows at hand would be merged too."""
        n = self.count
        if n > SAMPLE:
            drawn = self.sample(SAMPLE, np.random.default_rng(0)).values
            if len(np.unique(keys(drawn))) > REPEATED * SAMPLE:
                return self
        found = self.at_hand() if n > FEWEST else None
        return self if found is None or not len(found.values) + 1 < found.count <= SHRUNK * n else found


@dataclass(frozen=True, eq=False)
class Frequencies:
    """Different rows in ascending order and how often each came; `+` pools."""

    values: Array  # (d, m)
    weights: Array  # (m,)
    too_many: bool = False  # to be brought together; then there are none

    @classmethod
    def of(cls, rows: Rows) -> Frequencies:
        """Those of a part."""
        every = keys(rows.values)
        found, one, place = np.unique(every, return_index=True, return_inverse=True)
        different = rows.values[:, one]
        if len(found) > MOST or any(
            not np.array_equal(own[place], column) for own, column in zip(different, rows.values, strict=True)
        ):  # the second: two rows with the same key
            return cls(different[:, :0], np.empty(0), True)
        order = np.lexsort(different[::-1])
        often = np.bincount(place, rows.weights, len(found)).astype(np.float64)
        return cls(np.ascontiguousarray(different[:, order]), often[order])

    def __add__(self, other: Frequencies) -> Frequencies:
        if self.too_many or other.too_many:
            return self if self.too_many else other
        values = np.concatenate([self.values, other.values], axis=1)
        weights = np.concatenate([self.weights, other.weights])
        return Frequencies.of(Rows(values, weights, 0.0, (), Frame(np.empty(0), np.empty(0, dtype=np.int64))))


@dataclass(frozen=True, eq=False)
class Different:
    """Keys of different rows, no more than `limit` + 1 of them; `+` pools."""

    keys: npt.NDArray[np.uint64]
    limit: int

    @classmethod
    def of(cls, rows: Rows, limit: int) -> Self:
        """Those of a part."""
        found = np.unique(keys(rows.values[:, : 20 * (limit + 1)]))
        if len(found) <= limit and rows.count > 20 * (limit + 1):
            found = np.unique(keys(rows.values))
        return cls(found[: limit + 1], limit)

    def __add__(self, other: Different) -> Different:
        return replace(self, keys=np.union1d(self.keys, other.keys)[: self.limit + 1])


def added(function: Callable[..., Any], rows: Rows) -> Any:
    """What a function of values and weights finds in the batches of a part, added up."""
    return reduce(add, (function(*batch) for batch in rows.batches()))


def drawn_like(rows: Rows, seed: int, observations: Observations, model: Sampler) -> Rows:
    """A part drawn from a model, of as many rows as the weights of this one sum to."""
    return rows.redrawn(observations, model, np.random.default_rng(seed))


def counted(rows: Rows) -> int:
    """How many rows a part has."""
    return rows.count


def taken(rows: Rows, places: IndexArray) -> tuple[Array, Array | None]:
    """Some rows (d, m) of a part and their weights."""
    return rows.values[:, places], None if rows.weights is None else rows.weights[places]
