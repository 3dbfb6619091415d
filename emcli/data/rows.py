"""The rows that a model is fitted to, in batches whose sums add up to the same bits whoever adds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.config.settings import DataSettings
from emcli.data.duplicates import distinct, more_different
from emcli.data.extent import Box
from emcli.data.incomplete import observed_weights
from emcli.data.scaling import Scaling, ScalingRule, column_range
from emcli.data.table.table import ColumnSelection
from emcli.errors import FitWarning
from emcli.frozen import frozen
from emcli.types import JSON, Array, Batch, IndexArray, Mapper

CHUNK_ROWS = 16384  # of a chunk, for which temporary arrays are made
BATCH_ROWS = 65536  # of a batch, the unit of summation; fewer in a table of less than MAX_SMALL_BATCHES of these
MAX_SMALL_BATCHES = 16  # batches that a small table is cut into, each a multiple of CHUNK_ROWS

S = TypeVar("S", bound=np.generic)
T = TypeVar("T")


class DataFault(ValueError):
    """Data that cannot be fitted: `unusable` where they are invalid, else no fit of this model exists."""

    def __init__(self, what: str, hint: str | None = None, unusable: bool = True):
        self.hint, self.unusable = hint, unusable
        super().__init__(what)


class Columns(NamedTuple):
    """The cells that a model reads, by column: as numbers and as text."""

    numbers: Array  # (n, d)
    texts: Sequence[Sequence[str]]  # n strings for each column of text
    weights: Array | None  # (n,); None when all are 1
    names: Sequence[str]

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.texts[0]) if self.texts else len(self.numbers)


class PartitionSum(Protocol):
    """A sum over the partitions of a table elsewhere."""

    def __call__(self, function: Callable[[Array, Sequence[Sequence[str]], Array | None], T]) -> T:
        """What a function makes of each partition's values (n, d), texts and weights (n,), added up."""


class Sampler(Protocol):
    """What rows can be drawn from: a mixture."""

    @property
    def shares(self) -> Array:
        """(k,) how many of the rows each component has."""

    def sample(self, labels: IndexArray, rng: np.random.Generator, trials: IndexArray | None = None) -> Array:
        """Rows (n, columns) from the components with these labels (n,), of so many trials each where that applies."""

    def posterior(self, x: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities (n,) of rows (d, n)."""

    def alone(self, component: int) -> Sampler:
        """One of the components, from which all rows come."""

    def with_shares(self, shares: Array) -> Sampler:
        """The same components, of which each has this share (k,) of the rows."""


@frozen
class Rows:
    """Data as a fit works on them; equal rows may be merged, with their frequency as weight."""

    values: Array  # (d, n) in working coordinates, one column of numbers a row of data
    weights: Array | None  # (n,); None when all are 1
    total: float  # sum of the weights
    names: tuple[str, ...]
    scaling: Scaling
    covariance: Array | None = None  # (d, d) covariance of all rows in working coordinates, where the model needs it
    duplicate_of: IndexArray | None = None  # for each row of data its place in `values`; None: as they are
    warnings: tuple[FitWarning, ...] = ()
    constant: npt.NDArray[np.bool_] | None = None  # (d,) which columns are, where it was counted elsewhere
    uninformative: int = 0  # rows of data that say nothing and are not among these
    size: float | None = None  # number of rows where weights are shares of a whole; None: they are frequencies
    mean: Array | None = None  # (d,) mean of all rows, likewise where the model needs it
    box: Box | None = None  # around all rows in working coordinates, likewise
    whole: float | None = None  # sample size of all rows, where these are a sample of them
    # (d,) weight of the rows that observe each column, whose missing cells are NaN in `values`; rows with the same
    # ones lie together there, complete ones first. None: no cell is missing.
    observed: Array | None = None
    known: IndexArray | None = None  # (n,) ascending, the known component of each row, -1 where hidden: `LabelledRows`
    components: tuple[str, ...] = ()  # names of the first components, which have known rows

    @property
    def count(self) -> int:
        """How many rows there are, equal ones that are merged once."""
        return int(self.values.shape[1])

    @property
    def sample_size(self) -> float:
        """N in BIC and ICL: the sum of the weights, or the number of rows where these are shares."""
        return self.total if self.size is None else self.size

    @property
    def cells(self) -> float:
        """The weighted number of observed cells: N d where none is missing."""
        return self.total * len(self.values) if self.observed is None else float(self.observed.sum())

    @property
    def size_of_all(self) -> float:
        """The sample size of all rows, of which these may be a sample."""
        return self.sample_size if self.whole is None else self.whole

    @property
    def is_local(self) -> bool:
        """Are the rows in this process, so that `values` holds them all?"""
        return True

    @property
    def all_known(self) -> bool:
        """Is the component of every row known, so that the first M-step finds the optimum?"""
        return self.known is not None and bool(self.known[0] >= 0)

    def named_first(self, order: IndexArray) -> IndexArray:
        """An order of components (k,) in which those that have names keep their places before all others."""
        named = len(self.components)
        return order if not named else np.concatenate([np.arange(named), order[order >= named]])

    def with_known(self, labels: IndexArray) -> IndexArray:
        """Labels (n,) of the rows in `values`, with those that are known in place of others."""
        return labels if self.known is None else np.where(self.known < 0, labels, self.known)

    def mapping(self, map: Mapper) -> Mapper:
        """The map to use over `batches`: the one at hand, unless the rows are elsewhere."""
        return map

    def head(self, size: int) -> Array:
        """The first rows (d, up to size)."""
        return self.values[:, :size]

    def brought_here(self) -> Rows | None:
        """The rows in this process; None where they are elsewhere and too many."""
        return self

    def redrawn(self, observations: Observations, model: Sampler, rng: np.random.Generator) -> Rows:
        """As many rows drawn from a model, where these are."""
        return observations.redraw(self, model, rng)

    def constant_columns(self) -> npt.NDArray[np.bool_]:
        """Which columns (d,) have one value alone."""
        if self.constant is not None:
            return self.constant
        low, high = column_range(self.values)
        return np.asarray(high - low == 0)

    def log_likelihood(self, score: float) -> float:
        """The log-likelihood in the user's units of a score in working coordinates, nats."""
        if self.observed is not None:
            return score + self.scaling.log_density_shift(self.observed)
        return score + self.total * self.scaling.log_density_shift()

    def batches(self) -> list[Batch]:
        """The rows in batches whose size depends on the number of rows alone, so that sums are always the same."""
        return list(batch_chunks(self.values, self.weights, batch_size(self.count)))

    def has_more_distinct_than(self, limit: int) -> bool:
        """Are there more than `limit` different rows?"""
        head = self.values[:, : 2 * (limit + 1)]
        if more_different(head, limit):
            return True
        return head.shape != self.values.shape and distinct(self.values, limit) is None

    def of_merged(self, each: npt.NDArray[S]) -> npt.NDArray[S]:
        """Values of the data's rows (n,), the same for equal rows, as one for each merged row in `values`."""
        if self.duplicate_of is None:
            return each
        once = np.empty(self.values.shape[1], dtype=each.dtype)
        known = self.duplicate_of >= 0
        once[self.duplicate_of[known]] = each[known]
        return once

    def sample(self, size: int, rng: np.random.Generator) -> Rows:
        """Some of the rows, with their weights; all of them where there are no more than `size`."""
        if self.count <= size:
            return self
        drawn = np.sort(rng.choice(self.count, size, replace=False))
        if self.observed is not None and self.duplicate_of is not None and len(self.duplicate_of) == self.count:
            drawn = np.sort(arrays.take_rows(self.duplicate_of, drawn))  # those that would be drawn without an order
        return replace(self.at(drawn), whole=self.size_of_all)

    def at(self, places: IndexArray) -> Rows:
        """The rows at some places in `values`, with their weights."""
        weights = None if self.weights is None else arrays.take_rows(self.weights, places)
        total = float(len(places)) if weights is None else float(weights.sum())
        values = np.ascontiguousarray(arrays.take_columns(self.values, places))
        observed = None if self.observed is None else observed_weights(values, weights)
        return replace(self, values=values, weights=weights, total=total, observed=observed)


def batch_size(n: int) -> int:
    """How many of n rows make a batch."""
    return min(BATCH_ROWS, max(1, -(-n // (MAX_SMALL_BATCHES * CHUNK_ROWS))) * CHUNK_ROWS)


def batch_chunks(rows: Array, weights: Array | None, size: int = CHUNK_ROWS) -> Iterator[tuple[Array, Array | None]]:
    """Chunks of a batch, for work whose temporary arrays are large."""
    for start in range(0, rows.shape[1], size):
        yield rows[:, start : start + size], None if weights is None else weights[start : start + size]


def pairs(batches: Sequence[Batch], hidden: bool = False) -> list[tuple[Array, Array | None]]:
    """The rows and weights of batches without their labels; `hidden`: only those whose component is hidden."""
    return [batch[:2] for batch in batches if not hidden or batch[2:] in ((), (None,))]


class Observations(Protocol):
    """One kind of data: how it is chosen from a table, and prepared as rows that a model works on."""

    @property
    def names(self) -> Sequence[str] | None:
        """What its columns are called where the user does not say; None: x, y, ..."""
        return None

    @property
    def are_measured(self) -> bool:
        """Does each column of numbers count as a measurement, so that one that numbers the rows would spoil a fit?"""
        return False

    def select(
        self, header: Sequence[str], find: Callable[[str], int], taken: AbstractSet[int], settings: DataSettings
    ) -> ColumnSelection:
        """The columns to read; `find` resolves a name that the user gave, `taken` are columns with another role.

        Raises DataFault.
        """

    def prepare(self, columns: Columns, k: int, rule: ScalingRule, settings: DataSettings) -> Rows:
        """Check and prepare the data for k components. Raises RowFault, DataFault."""

    def summarize(
        self, total: PartitionSum, names: Sequence[str], k: int, rule: ScalingRule, settings: DataSettings
    ) -> Rows:
        """Check and prepare data in partitions elsewhere: `total` adds up what a function finds in each partition.

        All but `values`, unless the different rows are few enough to be brought here.
        """

    def place(self, columns: Columns, like: Rows) -> Rows:
        """One partition as rows in the working coordinates that `summarize` found."""

    def encode(self, columns: Columns, scaling: Scaling, settings: DataSettings) -> tuple[Array, IndexArray | None]:
        """New rows in given working coordinates (d, m), and for each its place among them (n,); None: in order.

        Raises RowFault.
        """

    def redraw(self, rows: Rows, model: Sampler, rng: np.random.Generator) -> Rows:
        """As many rows as the weights of these sum to, drawn from a model."""

    def document(self, rows: Rows) -> Mapping[str, JSON]:
        """What else the document's `data` keeps."""
        return {}

    def textual(self, names: Sequence[str], settings: DataSettings) -> bool:
        """Are the columns of these names, which a fit read with these settings, strings?"""
        return False


@frozen
class Requirements:
    """What a fit asks of its rows."""

    observations: Observations
    k: int
    rule: ScalingRule
    matrices: bool = False  # does it estimate (k, d, d) matrices?
    check: Callable[[Rows], Rows] = lambda rows: rows  # refuses rows that cannot be fitted, adds what the model needs
    placed: Callable[[Rows], Rows] = lambda rows: rows  # likewise what takes rows that are elsewhere
    writes_matrices: bool = False  # does it hold and write them, whatever it estimates?
