"""Moments of a fit, as people list them: the data alone, iterations, and the last one; and lists of rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from emcli.errors import EmcliError, Exit, counted, listed, quoted
from emcli.frozen import frozen

DATA, LAST = "data", "last"
MOST_MOMENTS = 100  # in one list
MAX_ROWS = 1000  # likewise
Moment = int | str  # an iteration, DATA or LAST
PART = r"([0-9]{1,9})(?:-([0-9]{1,9}))?"


def moments(text: str, data: bool = True) -> tuple[Moment, ...]:
    """The moments in a list such as `data,0,1-5,last`, each once, in the order given. Raises ValueError."""
    words = (DATA, LAST) if data else (LAST,)
    found: dict[Moment, None] = {}
    for part in (part.strip() for part in text.split(",")):
        ends = re.fullmatch(PART, part)
        if part in words:
            found[part] = None
        elif ends is None:
            raise ValueError(f"must list iterations such as 0,1,5-8 and {' and '.join(words)}")
        else:
            low, high = int(ends[1]), int(ends[2] or ends[1])
            if low > high:
                raise ValueError("must go from the smaller iteration to the larger")
            found |= dict.fromkeys(range(low, min(high, low + MOST_MOMENTS) + 1))
        if len(found) > MOST_MOMENTS:
            raise ValueError(f"must list at most {MOST_MOMENTS} iterations")
    return tuple(found)


def reached(wanted: Iterable[Moment], last: int) -> list[Moment]:
    """The moments as a fit of `last` iterations has them, each once, in time: DATA, then iterations.

    What is beyond the last iteration is the last.
    """
    found = {last if moment == LAST else moment for moment in wanted}
    iterations = sorted({min(moment, last) for moment in found if isinstance(moment, int)})
    return [*([DATA] if DATA in found else []), *iterations]


def not_reached(last: int, beyond: Sequence[int], instead: bool = True) -> str:
    """That a fit has none of the iterations beyond its last, and whether that is shown instead."""
    ended = f"the fit ended after {counted(last, 'iteration')}: there is no iteration {listed([*map(str, beyond)])}"
    return f"{ended}; its last is shown" if instead else ended


@frozen
class ChosenIterations:
    """The iterations to show."""

    moments: tuple[Moment, ...]

    @property
    def numbers(self) -> frozenset[int]:
        """Those that are named by their number."""
        return frozenset(moment for moment in self.moments if isinstance(moment, int))

    def among(self, last: int) -> tuple[list[int], list[int]]:
        """Those that a run up to iteration `last` has, in order, and those that it does not have."""
        found = {i for i in self.numbers if i <= last} | ({last} if LAST in self.moments else set())
        return sorted(found or {last}), sorted(i for i in self.numbers if i > last)


def chosen_rows(text: str) -> list[int]:
    """Row numbers from 1, in the order typed, each once. Raises EmcliError (exit 2)."""
    found: dict[int, None] = {}
    for part in text.split(","):
        ends = re.fullmatch(PART, part.strip())
        low, high = (int(ends[1]), int(ends[2] or ends[1])) if ends else (0, 0)
        if not 0 < low <= high:
            what = f"'--rows' must list numbers of rows from 1, such as 1,2,8 or 1-5, got {quoted(text)}"
            raise EmcliError(Exit.USAGE, what)
        found |= dict.fromkeys(range(low, min(high, low + MAX_ROWS) + 1))
        if len(found) > MAX_ROWS:
            raise EmcliError(Exit.USAGE, f"'--rows' must list at most {MAX_ROWS} rows, got {quoted(text)}")
    return list(found)


def chosen_iterations(text: str) -> ChosenIterations:
    """Iterations by number, and `last`. Raises EmcliError (exit 2)."""
    try:
        return ChosenIterations(moments(text, data=False))
    except ValueError as must:
        raise EmcliError(Exit.USAGE, f"'--iterations' {must}, got {quoted(text)}") from None
