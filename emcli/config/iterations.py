"""Moments of a fit, as people list them: the data alone, iterations, and the last one."""

from __future__ import annotations

import re
from collections.abc import Iterable

DATA, LAST = "data", "last"
MOST_MOMENTS = 100  # in one list
Moment = int | str  # an iteration, DATA or LAST
PART = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


def moments(text: str, data: bool = True) -> tuple[Moment, ...]:
    """The moments in a list such as `data,0,1-5,last`, each once, in the order given. Raises ValueError."""
    words = (DATA, LAST) if data else (LAST,)
    found: dict[Moment, None] = {}
    for part in (part.strip() for part in text.split(",")):
        ends = PART.fullmatch(part)
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
