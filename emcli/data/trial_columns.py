"""The columns that rows of tosses stand in: by the names that people give them, or a lone one of flips."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from emcli.config.checks import MAX_EXACT
from emcli.config.settings import DataSettings
from emcli.data.rows import DataFault
from emcli.data.table.table import ColumnSelection
from emcli.errors import quoted

HEADS = ("heads", "successes")
TOSSES = ("tosses", "trials", "n")
TAILS = ("tails", "failures")


def select(
    header: Sequence[str], find: Callable[[str], int], taken: AbstractSet[int], settings: DataSettings
) -> ColumnSelection:
    """The columns of heads and tosses, of heads and tails, or of flips. Raises DataFault.

    Those named; else those of a usual name; else a lone column, of flips or, where `tosses` is a number, of heads.
    """
    free = [column for column in range(len(header)) if column not in taken]
    lone = free[0] if len(free) == 1 else None

    def usual(names: Sequence[str]) -> int | None:
        """The first column of one of these names, in any case."""
        for name in names:
            same = [column for column in free if header[column].lower() == name]
            exact = [column for column in same if header[column] == name]
            if same:
                return (exact or same)[0] if len(exact or same) == 1 else find(header[(exact or same)[0]])
        return None

    heads = find(settings.heads) if settings.heads else usual(HEADS)
    named = settings.heads or settings.tosses or settings.tails
    flips = find(settings.flips) if settings.flips else None if named or heads is not None else usual(("flips",))
    if flips is None and not named and heads is None:
        flips = lone
    if flips is not None:
        if is_flips(header[flips]) or _are_nearly_flips(header[flips]):
            raise DataFault(f"the first row, {quoted(header[flips])}, was taken for a header", "add --no-header")
        return ColumnSelection((), (flips,), complete=(flips,))
    each = _number_of_tosses(settings.tosses, header)
    if each is not None and heads is None:
        heads = lone
    if heads is None and set("".join(header)) <= set("HT"):
        raise DataFault("the flips of a row stand in several columns", "write them as one word: HTTH")
    if heads is None:
        both = "--heads 1 --tosses 2 (or --tails 2) names them" if free == [0, 1] else "--heads NAME names it"
        raise _unnamed("heads", header, f"{both}, or --flips NAME a column of flips such as HTTH")
    if each is not None:
        return ColumnSelection((heads,), constant=each)
    if settings.tosses or settings.tails:
        return ColumnSelection((heads, find(settings.tosses or settings.tails or "")))
    for names in (TOSSES, TAILS):
        second = usual(names)
        if second is not None:
            return ColumnSelection((heads, second))
    hint = "--tosses NAME names it, --tosses 10 says that each row has 10; or --flips NAME for flips such as HTTH"
    raise _unnamed("tosses", header, hint)


def _unnamed(what: str, header: Sequence[str], hint: str) -> DataFault:
    listed = ", ".join(map(quoted, header[:6])) + ", …" * (len(header) > 6)
    return DataFault(f"no column {quoted(what)} (has: {listed})", hint)


def _number_of_tosses(given: str | None, header: Sequence[str]) -> float | None:
    """The number of tosses of every row, where what is given is no column's name or position."""
    if given is None or given in header or not _is_count(given) or int(given) <= len(header):
        return None
    return float(given)


def number_of_tosses(names: Sequence[str], settings: DataSettings) -> float | None:
    """The number of tosses of every row of a fit that read only the column of heads; None for any other fit."""
    given = settings.tosses
    return float(given) if given and len(names) == 1 and not settings.flips and _is_count(given) else None


def _is_count(given: str) -> bool:
    return re.fullmatch("[1-9][0-9]{0,15}", given) is not None and int(given) <= MAX_EXACT


def are_tails(names: Sequence[str], settings: DataSettings) -> bool:
    """Is the second of the two columns that a fit reads one of tails?"""
    return bool(settings.tails) or (not settings.tosses and len(names) > 1 and names[1].lower() in TAILS)


def is_flips(text: str) -> bool:
    """Is it several flips of a coin: HTTH, htth or 0110?"""
    return len(text) > 1 and (set(text) <= set("HT") or set(text) <= set("ht") or set(text) <= set("01"))


def _are_nearly_flips(text: str) -> bool:
    """Is it a word such as HHTX, flips but for a slip?"""
    return len(text) > 3 and 4 * sum(map(text.count, "HT01")) >= 3 * len(text)
