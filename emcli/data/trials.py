"""Rows of tosses: heads with tosses, heads with tails, or strings of flips; equal rows are merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.config.settings import DataSettings
from emcli.data import trial_columns, trial_counts
from emcli.data.binomial import log_coefficients, log_greatest
from emcli.data.rows import Columns, DataFault, Observations, PartitionSum, Rows, Sampler
from emcli.data.scaling import Scaling, ScalingRule
from emcli.data.split_logs import MAX_TOSSES, split_coefficients, split_log_factorials
from emcli.data.table.faults import MAX_SHOWN, RowFault, Unreadable
from emcli.data.table.table import ColumnSelection
from emcli.errors import FitWarning, quoted
from emcli.frozen import frozen
from emcli.types import JSON, Array, IndexArray

MAX_PLAIN_LOG = 500.0  # ln of a binomial coefficient, up to which rounding of the sum of its terms is far below a fall
MOST_PAIRS = 10**7  # different pairs that are brought together from parts elsewhere


class Trials(Observations):
    """Rows of binomial trials: how many heads of how many tosses."""

    names: Sequence[str] | None = ("heads", "tosses")

    def select(
        self, header: Sequence[str], find: Callable[[str], int], taken: AbstractSet[int], settings: DataSettings
    ) -> ColumnSelection:
        """The columns of heads and tosses, of heads and tails, or of flips."""
        return trial_columns.select(header, find, taken, settings)

    def prepare(self, columns: Columns, k: int, rule: ScalingRule, settings: DataSettings) -> Rows:
        """Different pairs of heads and tails with logarithms for their densities, (5, n), and how often each came."""
        counted, place = Counted.with_places(columns, settings)
        return _prepared(counted, k, columns.names, place)

    def summarize(
        self, total: PartitionSum, names: Sequence[str], k: int, rule: ScalingRule, settings: DataSettings
    ) -> Rows:
        """The different pairs of all partitions, which are far fewer than rows, are brought here."""
        found: Counted = total(
            lambda numbers, texts, weights: Counted.with_places(Columns(numbers, texts, weights, names), settings)[0]
        )
        return _prepared(found, k, names, None)

    def place(self, columns: Columns, like: Rows) -> Rows:
        """Not implemented: `summarize` brings all distinct pairs to this process."""
        raise AssertionError("trials are never left elsewhere")

    def encode(self, columns: Columns, scaling: Scaling, settings: DataSettings) -> tuple[Array, IndexArray]:
        """The different pairs (5, m) among new rows, and each row's place among them (n,)."""
        numbers, by_tails = _numbers(columns, settings)
        pairs, place = trial_counts.distinct(*trial_counts.checked(numbers, columns.names, by_tails))
        return with_densities(pairs), place

    def redraw(self, rows: Rows, model: Sampler, rng: np.random.Generator) -> Rows:
        """As many rows as the weights of these sum to, each with as many tosses, drawn from a model."""
        assert rows.weights is not None
        thrown = rows.values[0] + rows.values[1]
        drawn: list[Array] = []  # heads, tails and how often, (3, m)
        for n in np.unique(thrown):
            count = int(rows.weights[thrown == n].sum())
            if n < 4 * count:  # one draw of how often each number of heads comes
                heads = np.arange(n + 1)
                shares = np.exp(model.posterior(with_densities(np.stack([heads, n - heads])))[1])
                often = rng.multinomial(count, shares / shares.sum())
            else:
                labels = rng.choice(len(model.shares), count, p=model.shares)
                heads = model.sample(labels, rng, np.full(count, n, dtype=np.intp))[:, 0]
                often = np.ones(count, dtype=np.int64)
            drawn.append(np.stack([heads, n - heads, often])[:, often > 0])
        every = np.concatenate(drawn, axis=1)
        pairs, place = trial_counts.distinct(every[0], every[1])
        weights: Array = np.bincount(place, every[2]).astype(np.float64)
        return replace(rows, values=with_densities(pairs), weights=weights, duplicate_of=None)

    def document(self, rows: Rows) -> Mapping[str, JSON]:
        """How many rows there were of each number of tosses."""
        assert rows.weights is not None
        thrown = rows.values[0] + rows.values[1]
        if thrown.max() <= len(thrown):  # a table is small, and faster than sorting
            counts = thrown.astype(np.intp)
            different = np.flatnonzero(np.bincount(counts))
            often = np.bincount(counts, rows.weights)[different]
        else:
            numbers, place = np.unique(thrown, return_inverse=True)
            different, often = numbers.astype(np.int64), np.bincount(place, rows.weights)
        weights = [int(weight) if weight.is_integer() else weight for weight in often.tolist()]
        return {"tosses": dict(zip(map(str, different.tolist()), weights, strict=True))}

    def textual(self, names: Sequence[str], settings: DataSettings) -> bool:
        """A single column is one of flips, unless every row has the same number of tosses."""
        return len(names) == 1 and trial_columns.number_of_tosses(names, settings) is None


TRIALS = Trials()


def _numbers(columns: Columns, settings: DataSettings) -> tuple[Array, bool]:
    """Heads and the number beside them, (n, 2), and whether that is one of tails. Raises RowFault."""
    if columns.texts:
        return _counted(columns.texts[0]), True
    tosses = trial_columns.number_of_tosses(columns.names, settings)
    if tosses is not None and columns.numbers.shape[1] == 1:
        return arrays.beside(columns.numbers, tosses), False
    return columns.numbers, trial_columns.are_tails(columns.names, settings)


@frozen
class Counted:
    """Different pairs of heads and tails of some rows; `+` pools."""

    pairs: Array  # (2, m) in ascending order
    frequency: Array  # (m,)
    rows: int  # with tosses
    empty: int  # rows without

    @classmethod
    def with_places(cls, columns: Columns, settings: DataSettings) -> tuple[Counted, IndexArray]:
        """The different pairs of some rows, and each row's place among them (n,), -1 without tosses.

        Raises RowFault.
        """
        numbers, by_tails = _numbers(columns, settings)
        pairs, often, place = trial_counts.merged(numbers, columns.weights, columns.names, by_tails)
        empty = sum(int(np.count_nonzero(place[some] < 0)) for some in row_chunks(len(place)))
        return cls(pairs, often, len(place) - empty, empty), place

    def __add__(self, other: Counted) -> Counted:
        rows, empty = self.rows + other.rows, self.empty + other.empty
        if not (self.rows and other.rows):
            some = self if self.rows else other
            return Counted(some.pairs, some.frequency, rows, empty)
        pairs, place = trial_counts.distinct(*np.concatenate([self.pairs, other.pairs], axis=1))
        if pairs.shape[1] > MOST_PAIRS:
            what = f"more than {MOST_PAIRS} different pairs of heads and tails"
            raise DataFault(what, "coins on a cluster bring the different pairs here")
        often = np.bincount(place, np.concatenate([self.frequency, other.frequency])).astype(np.float64)
        return Counted(pairs, often, rows, empty)


def _prepared(found: Counted, k: int, names: Sequence[str], place: IndexArray | None) -> Rows:
    """The different pairs as rows. Raises DataFault where there are fewer rows with tosses than coins."""
    if not found.rows:
        raise DataFault("no row has any tosses, so the data say nothing about the coins")
    if k > found.rows:
        raise DataFault(f"k={k} needs at least {k} rows with tosses, got {found.rows}")
    empty, frequency = found.empty, found.frequency
    warnings = (FitWarning("no-tosses", f"rows without tosses say nothing and are left out: {empty}"),) if empty else ()
    scaling, total = Scaling(np.zeros(2), np.zeros(2, dtype=np.int64)), float(frequency.sum())
    x = with_densities(found.pairs)
    return Rows(x, frequency, total, tuple(names), scaling, duplicate_of=place, warnings=warnings, uninformative=empty)


def with_densities(pairs: Array) -> Array:
    """Pairs of heads and tails (2, n) with ln of their coefficient and of their greatest binomial density, (5, n).

    Where the first is large it is in two parts, which add up to more digits than a double has, in two rows. The last is
    0 where no row has so many tosses that it is needed.
    """
    heads, tails = pairs
    most = float((heads + tails).max(initial=0.0))
    if most <= min(len(heads), MAX_TOSSES):
        return _by_factorials(pairs, int(most))
    greatest = log_greatest(heads, tails)
    found = np.vstack([pairs, log_coefficients(heads, tails, greatest), np.zeros_like(greatest), greatest])
    if found[2].max(initial=0.0) > MAX_PLAIN_LOG:
        large = (found[2] > MAX_PLAIN_LOG) & (heads + tails <= MAX_TOSSES)
        for some in row_chunks(len(heads)):
            x, which = found[:, some], large[some]
            if which.any():
                x[2:4, which] = split_coefficients(*x[[0, 1, 4]][:, which])
    return found


def _by_factorials(pairs: Array, most: int) -> Array:
    """`with_densities` from a table of ln n!, up to `most` tosses."""
    found, tables = np.zeros((5, pairs.shape[1])), split_log_factorials(most)
    for some in row_chunks(pairs.shape[1]):
        heads, tails = found[:2, some] = pairs[:, some]
        n, h, t = (counts.astype(np.intp) for counts in (heads + tails, heads, tails))
        first, second = (table[n] - table[h] - table[t] for table in tables)
        large = first > MAX_PLAIN_LOG
        found[2, some], found[3, some] = np.where(large, first, first + second), np.where(large, second, 0.0)
    return found


def _counted(texts: Sequence[str]) -> Array:
    """Heads and tails (n, 2) of strings such as HTTH or 0110. Raises RowFault."""
    found, wrong, count = arrays.empty((len(texts), 2)), list[Unreadable](), 0
    for row, text in enumerate(texts):
        up = text.upper()
        heads, tails = up.count("H") + up.count("1"), up.count("T") + up.count("0")
        if heads + tails != len(up):
            count += 1
            if len(wrong) < MAX_SHOWN:
                wrong.append(Unreadable(row, 0, f"flips must be H and T, or 1 and 0, got {quoted(text)}"))
        found[row] = heads, tails
    if wrong:
        hint = "if these are heads of 10 tosses each: --tosses 10" if texts[wrong[0].row].isdecimal() else None
        raise RowFault(*wrong, hint=hint, unsaid=count - len(wrong))
    return found
