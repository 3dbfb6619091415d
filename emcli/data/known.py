"""Rows whose component is known: labels read from a column, and rows put in the order of their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.data.incomplete import places, reordered
from emcli.data.rows import DataFault, Observations, Rows, Sampler, batch_chunks, batch_size
from emcli.data.table.cells import MissingMarks, is_number
from emcli.data.table.table import StringColumn
from emcli.errors import FitWarning, quoted
from emcli.frozen import frozen
from emcli.types import JSON, Array, Batch, IndexArray

UNKNOWN = -1
LEAST_KNOWN = 64  # rows of each known component in a sample, where there are so many


@frozen
class KnownLabels:
    """The component of each row of data, where it is known."""

    column: str  # its name
    names: tuple[str, ...]  # of components, in order
    numbers: npt.NDArray[np.intc]  # (n,) of each row the place of its name, UNKNOWN without one

    @classmethod
    def of(cls, texts: StringColumn, column: str, marks: Sequence[str] | None) -> KnownLabels:
        """Those of a column of text; cells that are empty or marked as missing are unknown.

        The names are sorted, numbers by value. Raises DataFault where no cell names a component.
        """
        missing = MissingMarks(marks).words
        every, rank = texts.ranked()
        is_name = np.array([name.strip().lower() not in missing for name in every] + [False])  # the last: no cell
        used = np.zeros(len(is_name), dtype=bool)
        for some in row_chunks(len(rank)):
            used[rank[some]] = True
        used &= is_name
        if not used.any():
            raise DataFault(f"column {quoted(column)} names no component, only empty cells")
        number = np.full(len(is_name), UNKNOWN, dtype=np.intc)
        number[used] = np.arange(used.sum())
        return cls(column, tuple(every[i] for i in np.flatnonzero(used).tolist()), number[rank])

    def digest(self, of_values: str) -> str:
        """The sha256 of data with these labels, from that of the values."""
        found = sha256(of_values.encode())
        found.update("\n".join(self.names).encode())
        found.update(self.numbers.astype("<i4").tobytes())
        return found.hexdigest()


@frozen
class LabelledRows(Rows):
    """Rows some of which come from a known component, in the order of their labels: hidden ones come first."""

    def by_label(self) -> Iterator[tuple[int, slice]]:
        """Each known component, or UNKNOWN, and the places of its rows in `values`."""
        assert self.known is not None
        labels, begins = np.unique(self.known, return_index=True)
        for label, begin, end in zip(labels.tolist(), begins, [*begins[1:], len(self.known)], strict=True):
            yield label, slice(int(begin), int(end))

    def batches(self) -> list[Batch]:
        """Those of each known component, with its number, after those of rows whose component is hidden."""
        size = batch_size(self.count)
        return [
            (*batch, None if label < 0 else label)
            for label, some in self.by_label()
            for batch in batch_chunks(self.values[:, some], None if self.weights is None else self.weights[some], size)
        ]

    def sample(self, size: int, rng: np.random.Generator) -> Rows:
        """Some of the rows: of each known component some more where its share of the sample would be few."""
        if self.count <= size:
            return self
        places = np.concatenate([self._drawn(size, some, rng) for _, some in self.by_label()])
        return replace(self.at(places), whole=self.size_of_all)

    def _drawn(self, size: int, some: slice, rng: np.random.Generator) -> IndexArray:
        """Places of rows of one known component, of which a sample of all rows has its share, or a few more."""
        count = some.stop - some.start
        wanted = min(count, max(LEAST_KNOWN, round(size * count / self.count)))
        drawn: IndexArray = some.start + np.sort(rng.choice(count, wanted, replace=False))
        return drawn

    def at(self, places: IndexArray) -> Rows:
        """The rows at some places in `values`, with their weights and labels."""
        assert self.known is not None
        return replace(super().at(places), known=self.known[places])

    def redrawn(self, observations: Observations, model: Sampler, rng: np.random.Generator) -> Rows:
        """As many rows drawn from a model, as many of each known component from that.

        Of the hidden ones each component has what its known rows leave of its share of all rows.
        """
        drawn: list[tuple[int, Rows]] = []
        hidden = model.with_shares(self._hidden_shares(model.shares))
        for label, some in self.by_label():
            part = self.at(np.arange(some.start, some.stop))
            drawn.append((label, observations.redraw(part, hidden if label < 0 else model.alone(label), rng)))
        weights = [part.weights for _, part in drawn if part.weights is not None]
        return replace(
            self,
            values=np.concatenate([part.values for _, part in drawn], axis=1),
            weights=np.concatenate(weights) if weights else None,
            known=np.repeat([label for label, _ in drawn], [part.count for _, part in drawn]),
            duplicate_of=None,
        )

    def _hidden_shares(self, shares: Array) -> Array:
        """Shares (k,) of the components among the rows that are hidden, from those among all rows."""
        assert self.known is not None
        seen = self.known != UNKNOWN
        weights = None if self.weights is None else self.weights[seen]
        left = np.maximum(self.total * shares - np.bincount(self.known[seen], weights, len(shares)), 0.0)
        return left / left.sum() if left.sum() > 0 else shares


def with_known(rows: Rows, labels: KnownLabels, weights: Array | None, k: int) -> Rows:
    """The rows in the order of their labels, equal ones merged only where they have the same label.

    `weights` (n,) are those of the rows of data. Raises DataFault where k components are too few for the names, or
    more than there are unknown rows for the components without a name.
    """
    found = _apart(rows, labels) if rows.duplicate_of is None else _merged(rows, rows.duplicate_of, labels, weights)
    occurring = np.unique(found.known[found.known >= 0])
    names = tuple(labels.names[i] for i in occurring.tolist())
    _refuse(labels.column, len(names), k, found.unknown)
    changed = {
        "values": reordered(rows.values, found.order),
        "weights": found.weights,
        "duplicate_of": found.place,
        "known": np.where(found.known < 0, UNKNOWN, np.searchsorted(occurring, found.known)),
        "components": names,
        "warnings": (*rows.warnings, *_alike(labels.column, names)),
    }
    return LabelledRows(**{name: getattr(rows, name) for name in Rows.__dataclass_fields__} | changed)


def _alike(column: str, names: Sequence[str]) -> Iterator[FitWarning]:
    """A warning of names that are one number written in several ways, such as 1 and 1.0; the first that there are."""
    seen: dict[float, str] = {}
    for name in names:
        if is_number(name) and (first := seen.setdefault(float(name), name)) != name:
            what = f"{quoted(first)} and {quoted(name)} in column {quoted(column)} are one number, and two components"
            yield FitWarning("alike-labels", f"{what}; write each label in one way")
            return


class _Labelled(NamedTuple):
    """Rows in the order of their labels."""

    order: IndexArray  # (m,) the place of each before
    known: IndexArray  # (m,)
    place: IndexArray  # (n,) of each row of data the place now, -1 where it says nothing
    weights: Array | None  # (m,)
    unknown: int  # rows of data that say something and have no label


def _apart(rows: Rows, labels: KnownLabels) -> _Labelled:
    """Rows none of which were merged."""
    order = np.argsort(labels.numbers, kind="stable")
    weights = None if rows.weights is None else arrays.take_rows(rows.weights, order)
    known = labels.numbers[order].astype(np.intp)
    return _Labelled(order, known, places(order), weights, int(np.searchsorted(known, 0)))


def _merged(rows: Rows, place: IndexArray, labels: KnownLabels, weights: Array | None) -> _Labelled:
    """Merged rows, apart where their labels differ."""
    there = np.asarray(place >= 0)
    codes = labels.numbers[there].astype(np.intp) * rows.count + place[there]
    different, now = np.unique(codes, return_inverse=True)
    known, order = np.divmod(different, rows.count)
    often = np.bincount(now, None if weights is None else weights[there], len(different)).astype(np.float64)
    found = np.full(len(place), -1, dtype=np.intp)
    found[there] = now
    return _Labelled(order, known, found, often, int(np.count_nonzero(labels.numbers[there] < 0)))


def known_weights(rows: Rows) -> dict[str, JSON]:
    """The weight of the rows that are known to come from each component that has a name."""
    assert rows.known is not None
    labelled = rows.known >= 0
    often = np.bincount(rows.known[labelled], None if rows.weights is None else rows.weights[labelled])
    return {
        name: int(weight) if weight == int(weight) else weight
        for name, weight in zip(rows.components, often.tolist(), strict=True)
    }


def known_count(rows: Rows) -> int:
    """How many rows of data are known to come from some component."""
    if rows.known is None or rows.duplicate_of is None:
        return 0
    labelled = rows.known >= 0
    return sum(
        int(np.count_nonzero(labelled[(at := rows.duplicate_of[some])[at >= 0]]))
        for some in row_chunks(len(rows.duplicate_of))
    )


def _refuse(column: str, names: int, k: int, unknown: int) -> None:
    if not names:
        raise DataFault(f"column {quoted(column)} names no component of a row that says something")
    if names > k:
        what = f"column {quoted(column)} names {names} components, more than k={k}"
        raise DataFault(what, f"use -k {names} or more, or leave some cells empty")
    if unknown < k - names:
        what = f"column {quoted(column)} names {names} of k={k} components, and {unknown} rows are left for the others"
        raise DataFault(what, f"use -k {names}, or leave more cells empty")
