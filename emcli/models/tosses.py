"""Rows of tosses: heads with tosses, heads with tails, or strings of flips; equal rows are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import comb, lgamma, log
from typing import Any

import numpy as np

from emcli import spill
from emcli.em import Array
from emcli.errors import Caution, quoted
from emcli.models.family import DataFault, Picked, RowFault, Rows
from emcli.models.frame import Frame
from emcli.spill import chunks

LARGEST = 2.0**53  # counts beyond which a double cannot tell neighbours apart


def select(header: Sequence[str], find: Callable[[str], int], settings: Any) -> Picked:
    """The columns named; else `heads` with `tosses`, or with `tails`; else `flips`."""
    named = settings.heads or settings.tosses or settings.tails
    flips = settings.flips or ("flips" if not named and "flips" in header and "heads" not in header else None)
    if flips:
        column = find(flips)
        if _is_flips(header[column]):
            raise DataFault(f"the first row, {quoted(header[column])}, was taken for a header", "add --no-header")
        return Picked((), (column,))
    second = "tails" if _by_tails(settings.tails, settings.tosses, header) else "tosses"
    wanted = {"heads": settings.heads, second: getattr(settings, second)}
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
    return _counted(texts[0]) if texts else _checked(numbers, names, _by_tails(tails, tosses, names))


def rows(
    numbers: Array, texts: Sequence[list[str]], weights: Array | None, names: Sequence[str], settings: Any
) -> Rows:
    """Different pairs of heads and tails with ln of their binomial coefficient, (3, n), and how often each came."""
    heads, tails = counts(numbers, texts, names, settings.tails, settings.tosses)
    n = len(heads)
    tossed = np.concatenate([heads[some] + tails[some] > 0 for some in chunks(n)])
    count = int(np.count_nonzero(tossed))
    if not count:
        raise DataFault("no row has any tosses, so the data say nothing about the coins")
    if settings.k > count:
        raise DataFault(f"k={settings.k} needs at least {settings.k} rows with tosses, got {count}")
    empty = len(heads) - count
    if empty:
        heads, tails = _those(heads, tossed), _those(tails, tossed)
        weights = None if weights is None else _those(weights, tossed)
    pairs, place = distinct(heads, tails)
    frequency: Array = np.bincount(place, weights).astype(np.float64)
    merged = place
    if empty:
        merged, at = spill.empty((n,), np.intp), 0
        for some in chunks(n):
            here = np.flatnonzero(tossed[some])
            merged[some] = -1
            merged[some][here] = place[at : at + len(here)]
            at += len(here)
    cautions = (Caution("no-tosses", f"rows without tosses say nothing and are left out: {empty}"),) if empty else ()
    frame = Frame(np.zeros(2), np.zeros(2, dtype=np.int64))
    return Rows(
        with_coefficients(pairs),
        frequency,
        float(frequency.sum()),
        tuple(names),
        frame,
        merged=merged,
        cautions=cautions,
    )


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
    pairs, place = distinct(every[0], every[1])
    return replace(
        rows, values=with_coefficients(pairs), weights=np.bincount(place, every[2]).astype(np.float64), merged=None
    )


def distinct(heads: Array, tails: Array) -> tuple[Array, Any]:
    """The different pairs (2, m), sorted, and for each row the place of its pair."""
    width = float(tails.max()) + 1.0
    span = width * (float(heads.max()) + 1.0)
    if span < LARGEST:
        place = spill.empty(heads.shape, np.intp)
        if span <= len(heads):  # a table of all pairs is small, and far faster than a search
            there = np.zeros(int(span), dtype=np.bool_)
            for some in chunks(len(heads)):
                there[(heads[some] * width + tails[some]).astype(np.intp)] = True
            keys, number = np.flatnonzero(there).astype(np.float64), np.cumsum(there) - 1
            for some in chunks(len(heads)):
                place[some] = number[(heads[some] * width + tails[some]).astype(np.intp)]
        else:
            keys = np.empty(0)
            for some in chunks(len(heads)):
                keys = np.unique(np.concatenate([keys, heads[some] * width + tails[some]]))
            for some in chunks(len(heads)):
                place[some] = np.searchsorted(keys, heads[some] * width + tails[some])
        return np.stack([np.floor(keys / width), keys % width]), place
    pairs, place = np.unique(np.stack([heads, tails]), axis=1, return_inverse=True)
    return pairs, place.ravel()


def _those(values: Array, wanted: Any) -> Array:
    """The values (n,) for which something holds."""
    made, at = spill.empty((int(np.count_nonzero(wanted)),)), 0
    for some in chunks(len(values)):
        kept = values[some][wanted[some]]
        made[at : at + len(kept)] = kept
        at += len(kept)
    return made


def _checked(numbers: Array, names: Sequence[str], by_tails: bool) -> tuple[Array, Array]:
    """Heads and tails (n,) from counts (n, 2)."""
    heads, tails = (spill.empty(numbers.shape[:1]) for _ in range(2))
    for some in chunks(len(numbers)):
        try:
            heads[some], tails[some] = _checked_some(numbers[some], names, by_tails)
        except RowFault as fault:
            fault.row += some.start
            raise
    return heads, tails


def _checked_some(numbers: Array, names: Sequence[str], by_tails: bool) -> tuple[Array, Array]:
    for column in (0, 1):
        counts = numbers[:, column]
        for wrong, what in (
            (counts < 0, "must be at least 0"),
            (counts != np.floor(counts), "must be a whole number"),
            (counts > LARGEST, "must be below 2^53"),
        ):
            if wrong.any():
                row = int(np.argmax(wrong))
                raise RowFault(row, column, f"{names[column]} {what}, got '{counts[row]:g}'")
    heads, other = numbers.T
    if by_tails:
        return heads, other
    if (heads > other).any():
        row = int(np.argmax(heads > other))
        raise RowFault(row, None, f"heads {heads[row]:g} > tosses {other[row]:g}")
    return heads, other - heads


def _is_flips(text: str) -> bool:
    return len(text) > 1 and (set(text) <= set("HT") or set(text) <= set("ht") or set(text) <= set("01"))


def _counted(texts: list[str]) -> tuple[Array, Array]:
    """Heads and tails (n,) of strings such as HTTH or 0110."""
    heads, tails = (spill.empty((len(texts),)) for _ in range(2))
    for row, text in enumerate(texts):
        up = text.upper()
        heads[row] = up.count("H") + up.count("1")
        tails[row] = len(up) - heads[row]
        if tails[row] != up.count("T") + up.count("0"):
            raise RowFault(row, 0, f"flips must be H and T, or 1 and 0, got {quoted(text)}")
    return heads, tails


def _log_comb(n: int, h: int) -> float:
    """ln of the binomial coefficient; exact integers first where they are small."""
    return log(comb(n, h)) if n <= 60 else lgamma(n + 1) - lgamma(h + 1) - lgamma(n - h + 1)
