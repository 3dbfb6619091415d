"""Heads and tails of many rows: checked, and equal pairs merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.config.checks import MAX_EXACT
from emcli.data.table.faults import MAX_SHOWN, RowFault, Unreadable
from emcli.types import Array, BoolArray, IndexArray

BYTE_PAIRS = 1 << 16  # different pairs of two bytes
MAX_SORTED_ROWS = 1 << 21  # that are sorted at once; of more, a sorted table of the different pairs is kept in memory
MAX_PACKED = 2.0**62  # of a pair and its place as one number, which is sorted in half the time of places by pairs
# Different pairs (2, m) in ascending order, how often each came (m,), and each row's place among them or -1 (n,).
Merged = tuple[Array, Array, IndexArray]


def merged(numbers: Array, weights: Array | None, names: Sequence[str], by_tails: bool) -> Merged:
    """Rows of heads and tails, or of heads and tosses, (n, 2), merged; those without tosses are left out.

    Raises RowFault where a count is not a whole number, or there are more heads than tosses.
    """
    return _tabled(numbers, weights, by_tails) or _searched(numbers, weights, names, by_tails)


def _tabled(numbers: Array, weights: Array | None, by_tails: bool) -> Merged | None:
    """The same where all counts are below 256, by a table of all such pairs; None where one is larger or invalid."""
    codes, often = arrays.empty((len(numbers),), np.uint16), np.zeros(BYTE_PAIRS)
    there = np.zeros(BYTE_PAIRS, dtype=np.intp)
    with np.errstate(invalid="ignore"):
        for some in row_chunks(len(numbers)):
            counts = numbers[some].astype(np.uint8, order="C")
            if not np.array_equal(counts, numbers[some]):
                return None
            codes[some] = code = counts.view(np.uint16)[:, 0]
            there += (unweighted := np.bincount(code, minlength=BYTE_PAIRS))
            often += unweighted if weights is None else np.bincount(code, weights[some], BYTE_PAIRS)
    found = np.flatnonzero(there)
    heads, tails = np.arange(BYTE_PAIRS, dtype=np.uint16).view(np.uint8).reshape(-1, 2)[found].T.astype(np.float64)
    if not by_tails:
        tails -= heads
    if (tails < 0).any():
        return None
    order = np.lexsort((tails, heads))
    order = order[(heads + tails)[order] > 0]
    place = np.full(BYTE_PAIRS, -1, dtype=np.min_scalar_type(-len(order) - 1))
    place[found[order]] = np.arange(len(order))
    merged = arrays.empty(codes.shape, place.dtype)
    for some in row_chunks(len(codes)):
        merged[some] = np.take(place, codes[some])
    return np.stack([heads[order], tails[order]]), often[found[order]], merged


def _searched(numbers: Array, weights: Array | None, names: Sequence[str], by_tails: bool) -> Merged:
    """The same for any counts, by sorting. Raises RowFault."""
    heads, tails = checked(numbers, names, by_tails)
    n = len(heads)
    tossed = np.concatenate([heads[some] + tails[some] > 0 for some in row_chunks(n)])
    kept = arrays.nonzero(tossed)
    if len(kept) < n:
        heads, tails = arrays.copy_rows(heads, kept), arrays.copy_rows(tails, kept)
        weights = None if weights is None else arrays.copy_rows(weights, kept)
    pairs, place = distinct(heads, tails) if len(kept) else (np.empty((2, 0)), np.empty(0, dtype=np.intp))
    frequency: Array = np.bincount(place, weights).astype(np.float64)
    if len(kept) == n:
        return pairs, frequency, place
    merged = arrays.empty((n,), np.intp)
    merged[:] = -1
    merged[kept] = place
    return pairs, frequency, merged


def distinct(heads: Array, tails: Array) -> tuple[Array, IndexArray]:
    """The different pairs (2, m), sorted, and for each row the place of its pair."""
    width = float(tails.max()) + 1.0
    span = width * (float(heads.max()) + 1.0)
    if span < MAX_EXACT:
        place = arrays.empty(heads.shape, np.intp)
        if span <= len(heads):  # a table of all pairs is small, and far faster than a search
            there = np.zeros(int(span), dtype=np.bool_)
            for some in row_chunks(len(heads)):
                there[(heads[some] * width + tails[some]).astype(np.intp)] = True
            found, number = np.flatnonzero(there), np.cumsum(there) - 1
            for some in row_chunks(len(heads)):
                place[some] = number[(heads[some] * width + tails[some]).astype(np.intp)]
        elif len(heads) <= MAX_SORTED_ROWS:
            ascending, order = _in_order(heads * width + tails, span)
            fresh = np.diff(ascending, prepend=-1) > 0
            place[order] = np.cumsum(fresh) - 1
            found = ascending[fresh]
        else:
            keys = np.empty(0)
            for some in row_chunks(len(heads)):
                keys = np.unique(np.concatenate([keys, heads[some] * width + tails[some]]))
            for some in row_chunks(len(heads)):
                place[some] = np.searchsorted(keys, heads[some] * width + tails[some])
            found = keys.astype(np.intp)
        high = found // int(width)
        return np.stack([high, found - high * int(width)]).astype(np.float64), place
    pairs, place = np.unique(np.stack([heads, tails]), axis=1, return_inverse=True)
    return pairs, place.ravel()


def _in_order(keys: Array, span: float) -> tuple[IndexArray, IndexArray]:
    """Whole numbers (n,) below `span` in ascending order, and their places; as one number of both, where they fit."""
    n = len(keys)
    bits = n.bit_length()
    if span * 2.0**bits > MAX_PACKED:
        order = np.argsort(keys)
        return keys[order].astype(np.intp), order
    packed = keys.astype(np.intp)
    packed <<= bits
    packed |= np.arange(n)
    packed.sort()
    return packed >> bits, packed & ((1 << bits) - 1)


def checked(numbers: Array, names: Sequence[str], by_tails: bool) -> tuple[Array, Array]:
    """Heads and tails (n,) from counts (n, 2). Raises RowFault."""
    heads, tails = (arrays.empty(numbers.shape[:1]) for _ in range(2))
    first, count = list[Unreadable](), 0
    for some in row_chunks(len(numbers)):
        counts = numbers[some]
        heads[some] = counts[:, 0]
        tails[some] = counts[:, 1] if by_tails else counts[:, 1] - counts[:, 0]
        for column, wrong, what in _faults(counts, by_tails):
            if wrong.any():
                count += int(wrong.sum())
                for row in np.flatnonzero(wrong)[:MAX_SHOWN].tolist():
                    one, other = counts[row].tolist()
                    said = what.format(name=names[column], count=counts[row, column], heads=one, other=other)
                    first.append(Unreadable(some.start + row, column, said))
    if first:
        shown = sorted(first)[:MAX_SHOWN]
        raise RowFault(*shown, unsaid=count - len(shown))
    return heads, tails


def _faults(counts: Array, by_tails: bool) -> Iterator[tuple[int, BoolArray, str]]:
    """What may be wrong with counts (n, 2): the column to blame, in which rows (n,) it is, and what to say."""
    good = np.ones(counts.shape, dtype=np.bool_)
    for column in (0, 1):
        each = counts[:, column]
        for wrong, what in (
            (each < 0, "{name} must be at least 0, got '{count:g}'"),
            (each != np.floor(each), "{name} must be a whole number, got '{count:g}'"),
            (each > MAX_EXACT, "{name} must be at most 2^53, got '{count:g}'"),
        ):
            yield column, wrong & good[:, column], what
            good[:, column] &= ~wrong
    (heads, other), both = counts.T, good.all(axis=1)
    if by_tails:
        yield 0, both & (heads > MAX_EXACT - other), "more than 2^53 tosses: {heads:.0f} heads and {other:.0f} tails"
    else:
        yield 0, both & (heads > other), "heads {heads:g} > tosses {other:g}"
