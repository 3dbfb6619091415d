"""Rows in partitions on Dask workers: functions go to the rows, and what they find is added up in partition order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field, replace
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from emcli.data.duplicates import MAX_DISTINCT_SHARE, MAX_SHARE_LEFT, MIN_ROWS, SAMPLE_ROWS, in_order, keys
from emcli.data.incomplete import by_pattern, observed_weights
from emcli.data.rows import Observations, Rows, Sampler
from emcli.data.scaling import Scaling
from emcli.frozen import frozen
from emcli.types import Array, Batch, IndexArray, Mapper

if TYPE_CHECKING:
    from distributed import Future

    from emcli.data.distributed.cluster import Cluster

MAX_DISTINCT = 10**6  # distinct rows that are brought to the client


class Addable(Protocol):
    """A statistic of some rows: `+` pools it with that of others."""

    def __add__(self, other: Self, /) -> Self: ...


Statistic = TypeVar("Statistic", bound=Addable)


@frozen
class DistributedRows(Rows):
    """Rows whose `values` are on the workers, (d, 0) here; all other fields are as for rows in this process.

    A batch is a whole partition, and its statistic the sum over the partition's own batches: so statistics are added in
    partition order, whichever worker holds a partition.
    """

    cluster: Cluster = field(kw_only=True)
    handles: Sequence[Future] = field(kw_only=True)  # of the partitions, which are `Rows` on the workers
    sizes: tuple[int, ...] = field(kw_only=True)  # rows of each partition

    @classmethod
    def of(cls, like: Rows, cluster: Cluster, handles: Sequence[Future]) -> Self:
        """The rows of some partitions; `like` has the other fields."""
        sizes = tuple(cluster.map(row_count, handles))
        return cls(**_fields(like), cluster=cluster, handles=handles, sizes=sizes)

    @property
    def count(self) -> int:
        return sum(self.sizes)

    @property
    def is_local(self) -> bool:
        return False

    def mapping(self, map: Mapper) -> Mapper:
        def remote_map(
            function: Callable[..., Statistic], handles: Sequence[Future], weights: object = None
        ) -> Iterable[Statistic]:
            return self.cluster.map(partial(sum_over_batches, function), handles)

        return remote_map

    def batches(self) -> list[Batch]:
        return [(handle, None) for handle in self.handles]

    def head(self, size: int) -> Array:
        wanted = 0
        while wanted < len(self.sizes) and sum(self.sizes[:wanted]) < size:
            wanted += 1
        heads = self.cluster.map(partial(Rows.head, size=size), self.handles[:wanted])
        return np.concatenate(heads, axis=1)[:, :size]

    def has_more_distinct_than(self, limit: int) -> bool:
        for some in (self.handles[:1], self.handles):  # mostly the first partition is enough
            found = reduce(add, self.cluster.map(partial(DistinctKeys.of, limit=limit), some))
            if len(found.keys) > limit:
                return True
        return False

    def sample(self, size: int, rng: np.random.Generator) -> Rows:
        n = self.count
        drawn = np.arange(n) if n <= size else np.sort(rng.choice(n, size, replace=False))
        ends = np.cumsum(self.sizes)
        cuts = np.split(drawn, np.searchsorted(drawn, ends[:-1]))
        places = [cut - begin for cut, begin in zip(cuts, ends - self.sizes, strict=True)]
        found = self.cluster.map(take_rows, self.handles, places)
        values = np.concatenate([values for values, _ in found], axis=1)
        some_weights = [weights for _, weights in found if weights is not None]
        weights = np.concatenate(some_weights) if some_weights else None
        total = float(values.shape[1]) if weights is None else float(weights.sum())
        if self.observed is not None:
            order = by_pattern(values)
            values, weights = values[:, order], None if weights is None else weights[order]
        sample = self._in_this_process(np.ascontiguousarray(values), weights, total)
        return replace(sample, whole=self.size_of_all)

    def brought_here(self) -> Rows | None:
        """The distinct rows with their frequencies, here; None where there are more than MAX_DISTINCT."""
        found = reduce(add, self.cluster.map(DistinctRows.of, self.handles))
        return None if found.too_many else self._in_this_process(found.values, found.weights, self.total)

    def _in_this_process(self, values: Array, weights: Array | None, total: float) -> Rows:
        observed = None if self.observed is None else observed_weights(values, weights)
        return replace(Rows(**_fields(self)), values=values, weights=weights, total=total, observed=observed)

    def redrawn(self, observations: Observations, model: Sampler, rng: np.random.Generator) -> Rows:
        seeds = rng.integers(2**63, size=len(self.sizes)).tolist()
        draw = partial(redraw, observations=observations, model=model)
        return self.of(self, self.cluster, self.cluster.submit(draw, self.handles, seeds))

    def or_merged(self) -> Rows:
        """The distinct rows, in this process, where a table in this process would be merged too; else these rows."""
        n = self.count
        if n > SAMPLE_ROWS:
            drawn = self.sample(SAMPLE_ROWS, np.random.default_rng(0)).values
            if len(np.unique(keys(drawn))) > MAX_DISTINCT_SHARE * SAMPLE_ROWS:
                return self
        found = self.brought_here() if n > MIN_ROWS else None
        return self if found is None or not len(found.values) + 1 < found.count <= MAX_SHARE_LEFT * n else found


def _fields(rows: Rows) -> dict[str, Any]:
    """The fields that all rows have."""
    return {name: getattr(rows, name) for name in Rows.__dataclass_fields__}


@frozen
class DistinctRows:
    """Distinct rows in ascending order and how often each came; `+` pools."""

    values: Array  # (d, m)
    weights: Array  # (m,)
    too_many: bool = False  # more than MAX_DISTINCT; then there are none here

    @classmethod
    def of(cls, rows: Rows) -> DistinctRows:
        """The distinct rows of a partition."""
        every = keys(rows.values)
        found, one, place = np.unique(every, return_index=True, return_inverse=True)
        distinct = rows.values[:, one]
        if len(found) > MAX_DISTINCT or any(
            not np.array_equal(own[place], column, equal_nan=True)
            for own, column in zip(distinct, rows.values, strict=True)
        ):  # the second: two rows with the same key
            return cls(distinct[:, :0], np.empty(0), True)
        order = in_order(distinct)
        frequency = np.bincount(place, rows.weights, len(found)).astype(np.float64)
        return cls(np.ascontiguousarray(distinct[:, order]), frequency[order])

    def __add__(self, other: DistinctRows) -> DistinctRows:
        if self.too_many or other.too_many:
            return self if self.too_many else other
        values = np.concatenate([self.values, other.values], axis=1)
        weights = np.concatenate([self.weights, other.weights])
        return DistinctRows.of(Rows(values, weights, 0.0, (), Scaling(np.empty(0), np.empty(0, dtype=np.int64))))


@frozen
class DistinctKeys:
    """Keys of distinct rows, no more than `limit` + 1 of them; `+` pools."""

    keys: npt.NDArray[np.uint64]
    limit: int

    @classmethod
    def of(cls, rows: Rows, limit: int) -> Self:
        """The keys of the distinct rows of a partition."""
        found = np.unique(keys(rows.values[:, : 20 * (limit + 1)]))
        if len(found) <= limit and rows.count > 20 * (limit + 1):
            found = np.unique(keys(rows.values))
        return cls(found[: limit + 1], limit)

    def __add__(self, other: DistinctKeys) -> DistinctKeys:
        return replace(self, keys=np.union1d(self.keys, other.keys)[: self.limit + 1])


def sum_over_batches(function: Callable[..., Statistic], rows: Rows) -> Statistic:
    """The statistic of a partition: a function of values and weights, added up over its batches."""
    return reduce(add, (function(*batch) for batch in rows.batches()))


def redraw(rows: Rows, seed: int, observations: Observations, model: Sampler) -> Rows:
    """A partition drawn from a model, of as many rows as the weights of this one sum to."""
    return rows.redrawn(observations, model, np.random.default_rng(seed))


def row_count(rows: Rows) -> int:
    """How many rows a partition has."""
    return rows.count


def take_rows(rows: Rows, places: IndexArray) -> tuple[Array, Array | None]:
    """Some rows (d, m) of a partition, by their places in the data, and their weights."""
    if rows.duplicate_of is not None:
        places = rows.duplicate_of[places]
    return rows.values[:, places], None if rows.weights is None else rows.weights[places]
