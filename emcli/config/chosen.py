"""Lists of rows and of iterations, as they are typed: 1,2,8 or 1-5, and 0,1,last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from emcli.errors import EmcliError, Exit, quoted

ENTRY = re.compile("([0-9]{1,9})(?:-([0-9]{1,9}))?")
MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class ChosenIterations:
    """The iterations to show."""

    numbers: frozenset[int]
    last: bool  # also where the run ends, whichever iteration that is

    def among(self, last: int) -> tuple[list[int], list[int]]:
        """Those that a run up to iteration `last` has, in order, and those that it does not have."""
        found = {i for i in self.numbers if i <= last} | ({last} if self.last else set())
        return sorted(found or {last}), sorted(i for i in self.numbers if i > last)


def chosen_rows(text: str, most: int) -> list[int]:
    """Row numbers from 1, in the order typed, each once. Raises EmcliError (exit 2)."""
    must = "must be numbers of rows from 1, such as 1,2,8 or 1-5"
    found = _numbers("--rows", text.split(","), must, most)
    if 0 in found:
        raise EmcliError(Exit.USAGE, f"'--rows' {must}, got {quoted(text)}")
    return found


def chosen_iterations(text: str) -> ChosenIterations:
    """Iterations by number, and `last`. Raises EmcliError (exit 2)."""
    must = "must be iterations, such as 0,1,2,last or 0-5"
    words = [word.strip() for word in text.split(",")]
    numbers = _numbers("--iterations", [word for word in words if word != "last"], must, MAX_ITERATIONS)
    return ChosenIterations(frozenset(numbers), "last" in words)


def _numbers(flag: str, words: Sequence[str], must: str, most: int) -> list[int]:
    found: dict[int, None] = {}
    for word in words:
        ends = ENTRY.fullmatch(word.strip())
        low, high = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if low > high:
            raise EmcliError(Exit.USAGE, f"'{flag}' {must}, got {quoted(word)}")
        if high - low >= most or len(found) + high - low >= most:
            raise EmcliError(Exit.USAGE, f"'{flag}' names more than {most} at once, got {quoted(','.join(words))}")
        found |= dict.fromkeys(range(low, high + 1))
    return list(found)
