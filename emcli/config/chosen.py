"""The rows and iterations that `steps` is asked for: 1,2,8 or 1-5, and 0,1,last."""

from __future__ import annotations

from dataclasses import dataclass

from emcli.config.iterations import LAST, PART, Moment, moments
from emcli.errors import EmcliError, Exit, quoted

MAX_ROWS = 1000  # in one list


@dataclass(frozen=True)
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
        ends = PART.fullmatch(part.strip())
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
