"""Rows of tosses: heads with tosses, heads with tails, or strings of flips; equal rows are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import comb, lgamma, log
from typing import Any

import numpy as np

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.data import trial_counts
from emcli.data.rows import DataFault, Picked, RowFault, Rows, Total
from emcli.data.scaling import Frame
from emcli.errors import FitWarning, quoted
from emcli.types import Array

MOST_PAIRS = 10**7  # different pairs that are brought together from parts elsewhere


def select(header: Sequence[str], find: Callable[[str], int], settings: Any) -> Picked:
    """The columns named; else `heads` with `tosses`, or with `tails`; else `flips`."""
    named = settings.data.heads or settings.data.tosses or settings.data.tails
    flips = settings.data.flips or ("flips" if not named and "flips" in header and "heads" not in header else None)
    if flips:
        column = find(flips)
        if _is_flips(header[column]):
            raise DataFault(f"the first row, {quoted(header[column])}, was taken for a header", "add --no-header")
        return Picked((), (column,))
    second = "tails" if _by_tails(settings.data.tails, settings.data.tosses, header) else "tosses"
    wanted = {"heads": settings.data.heads, second: getattr(settings.data, second)}
    for default, given in wanted.items():
        if not given and default not in header:
            what = f"no column {quoted(default)} (has: {', '.join(map(quoted, header[:6]))})"
            raise DataFault(
                what, f"name the column of {default} with --{default}, or one of flips such as HTTH with --flips"
            )
    first, last = (find(given or default) for default, given in wanted.items())
    return Picked((first, last))


def _by_tails(tails: str | None, tosses: str | None, names: Sequence[str]) -> bool:
    """Is the second column one of tails?"""
    return bool(tails) or (not tosses and "tosses" not in names and "tails" in names)


def counts(
    numbers: Array, texts: Sequence[list[str]], names: Sequence[str], tails: str | None, tosses: str | None
) -> tuple[Array, Array]:
    """Heads and tails (n,) of each row. Raises RowFault."""
    if not texts:
        return trial_counts.checked(numbers, names, _by_tails(tails, tosses, names))
    heads, other = _counted(texts[0]).T
    return heads, other


def rows(
    numbers: Array, texts: Sequence[list[str]], weights: Array | None, names: Sequence[str], settings: Any
) -> Rows:
    """Different pairs of heads and tails with ln of their binomial coefficient, (3, n), and how often each came."""
    by_tails = bool(texts) or _by_tails(settings.data.tails, settings.data.tosses, names)
    numbers = _counted(texts[0]) if texts else numbers
    pairs, frequency, merged = trial_counts.merged(numbers, weights, names, by_tails)
    empty = sum(int(np.count_nonzero(merged[some] < 0)) for some in row_chunks(len(merged)))
    _refuse_few(len(merged) - empty, settings.model.k)
    return _told(pairs, frequency, empty, names, merged)


def across(total: Total, names: Sequence[str], settings: Any) -> Rows:
    """The same for rows in parts elsewhere: the different pairs, which are far fewer, are had here."""
    found: Counted = total(lambda numbers, texts, weights: Counted.of(numbers, texts, weights, names, settings))
    _refuse_few(found.rows, settings.model.k)
    return _told(found.pairs, found.frequency, found.empty, names, None)


@dataclass(frozen=True, eq=False)
class Counted:
    """Different pairs of heads and tails of some rows; `+` pools."""

    pairs: Array  # (2, m) in ascending order
    frequency: Array  # (m,)
    rows: int  # with tosses
    empty: int  # rows without

    @classmethod
    def of(
        cls, numbers: Array, texts: Sequence[list[str]], weights: Array | None, names: Sequence[str], settings: Any
    ) -> Counted:
        """Those of one part. Raises RowFault."""
        heads, tails = counts(numbers, texts, names, settings.data.tails, settings.data.tosses)
        tossed = heads + tails > 0
        rows = int(np.count_nonzero(tossed))
        if not rows:
            return cls(np.empty((2, 0)), np.empty(0), 0, len(heads))
        pairs, place = trial_counts.distinct(heads[tossed], tails[tossed])
        often = np.bincount(place, None if weights is None else weights[tossed]).astype(np.float64)
        return cls(pairs, often, rows, len(heads) - rows)

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


def _refuse_few(count: int, k: int) -> None:
    """Raise DataFault where there are fewer rows with tosses than coins."""
    if not count:
        raise DataFault("no row has any tosses, so the data say nothing about the coins")
    if k > count:
        raise DataFault(f"k={k} needs at least {k} rows with tosses, got {count}")


def _told(pairs: Array, frequency: Array, empty: int, names: Sequence[str], merged: Any) -> Rows:
    cautions = (FitWarning("no-tosses", f"rows without tosses say nothing and are left out: {empty}"),) if empty else ()
    frame, total = Frame(np.zeros(2), np.zeros(2, dtype=np.int64)), float(frequency.sum())
    return Rows(with_coefficients(pairs), frequency, total, tuple(names), frame, merged=merged, cautions=cautions)


def unidentified(rows: Rows, k: int, mixing: str) -> str | None:
    """Why the tosses of a row are too few to tell k coins apart (Teicher 1963; Blischke 1964), where they are.

    Free mixing needs n >= 2k - 1 tosses, equal mixing n >= k and never 1; in as many rows as there are parameters.
    """
    if k == 1:
        return None
    needed, parameters = (2 * k - 1, 2 * k - 1) if mixing == "free" else (max(k, 2), k)
    assert rows.weights is not None
    enough = float(rows.weights[rows.values[0] + rows.values[1] >= needed].sum())
    if enough >= parameters:
        return None
    return (
        f"{k} coins with {mixing} mixing need rows of at least {needed} tosses to be told apart, and {enough:g} of "
        f"{rows.total:g} rows have as many; the values are one choice of many"
    )


def with_coefficients(pairs: Array) -> Array:
    """Pairs of heads and tails (2, n) with ln of their binomial coefficient, (3, n)."""
    return np.vstack([pairs, [_log_comb(int(h + t), int(h)) for h, t in pairs.T.tolist()]])


def redrawn(rows: Rows, coins: Any, rng: np.random.Generator) -> Rows:
    """As many rows as the weights of these sum to, each with as many tosses, drawn from coins."""
    assert rows.weights is not None
    thrown = rows.values[0] + rows.values[1]
    drawn: list[Array] = []  # heads, tails and how often, (3, m)
    for n in np.unique(thrown):
        count = int(rows.weights[thrown == n].sum())
        if n < 4 * count:  # one draw of how often each number of heads comes
            heads = np.arange(n + 1)
            shares = np.exp(coins.posterior(with_coefficients(np.stack([heads, n - heads])))[1])
            often = rng.multinomial(count, shares / shares.sum())
        else:
            heads = rng.binomial(int(n), coins.heads[rng.choice(len(coins.heads), count, p=coins.weights)])
            often = np.ones(count, dtype=np.int64)
        drawn.append(np.stack([heads, n - heads, often])[:, often > 0])
    every = np.concatenate(drawn, axis=1)
    pairs, place = trial_counts.distinct(every[0], every[1])
    return replace(
        rows, values=with_coefficients(pairs), weights=np.bincount(place, every[2]).astype(np.float64), merged=None
    )


def _is_flips(text: str) -> bool:
    return len(text) > 1 and (set(text) <= set("HT") or set(text) <= set("ht") or set(text) <= set("01"))


def _counted(texts: list[str]) -> Array:
    """Heads and tails (n, 2) of strings such as HTTH or 0110."""
    found = arrays.empty((len(texts), 2))
    for row, text in enumerate(texts):
        up = text.upper()
        heads, tails = up.count("H") + up.count("1"), up.count("T") + up.count("0")
        if heads + tails != len(up):
            raise RowFault(row, 0, f"flips must be H and T, or 1 and 0, got {quoted(text)}")
        found[row] = heads, tails
    return found


def _log_comb(n: int, h: int) -> float:
    """ln of the binomial coefficient; exact integers first where they are small."""
    return log(comb(n, h)) if n <= 60 else lgamma(n + 1) - lgamma(h + 1) - lgamma(n - h + 1)
