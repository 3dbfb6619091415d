"""What is wrong with the cells of a table, counted by column, and rows with missing cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from emcli.data.table.cells import Writing
from emcli.data.table.table import Table
from emcli.errors import EmcliError, Exit
from emcli.types import IndexArray

MAX_SHOWN = 5  # problems that are shown one by one
_MAX_PATTERNS = 1000  # different sets of columns with missing cells that are counted apart


class Cell(NamedTuple):
    """A cell that cannot be read."""

    order: int  # among all problems
    name: str  # of the file
    line: int
    text: str


class Unreadable(NamedTuple):
    """What is wrong with a row, from 0; and which of the columns that a model picked is to blame, None: all."""

    row: int
    column: int | None
    what: str


class RowFault(ValueError):
    """Rows that a model cannot read: the first ones, and how many more there are."""

    def __init__(self, *rows: Unreadable, hint: str | None = None, unsaid: int = 0):
        self.rows, self.hint, self.unsaid = rows, hint, unsaid
        super().__init__(rows[0].what)


def located(fault: RowFault, table: Table, columns: Sequence[int], kept: IndexArray | None) -> EmcliError:
    """The error for rows that a model cannot read, at their places in the file; which columns and rows it got."""
    problems = [
        table.problem(row if kept is None else int(kept[row]), None if column is None else columns[column], what)
        for row, column, what in fault.rows
    ]
    return EmcliError(Exit.DATA, *problems, hint=fault.hint, unsaid=fault.unsaid)


class ColumnFaults:
    """What is wrong with the cells of one column, by kind: missing, text, comment, infinite, written or unit."""

    __slots__ = ("cells", "count", "texts", "writings")

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self.cells: dict[str, list[Cell]] = {}  # the first ones
        self.writings: list[Writing] = []  # different ways in which numbers are written
        self.texts: list[str] = []  # the first different cells of text

    def of(self, *kinds: str) -> int:
        """How many cells are of these kinds."""
        return sum(self.count.get(kind, 0) for kind in kinds)

    def forget_first(self, kind: str) -> None:
        """Take the first cell of a kind for none."""
        self.count[kind] -= 1
        del self.cells[kind][0]
        self.texts = [cell.text for cell in self.cells.get("text", ())]

    def first(self, *kinds: str) -> list[Cell]:
        """The first cells of these kinds."""
        return sorted((cell for kind in kinds for cell in self.cells.get(kind, ())), key=lambda cell: cell.order)


class Incomplete:
    """Rows with missing cells, by the columns in which they are."""

    def __init__(self) -> None:
        self.rows = 0
        self._patterns: Counter[tuple[int, ...]] = Counter()

    def add(self, columns: Sequence[int], count: int = 1) -> None:
        """Count rows with missing cells in these columns."""
        self.rows += count
        pattern = tuple(columns)
        if len(self._patterns) < _MAX_PATTERNS or pattern in self._patterns:
            self._patterns[pattern] += count

    def without(self, left_out: Sequence[int]) -> int:
        """How many rows have missing cells, or at most so many, where some columns are left out."""
        gone = set(left_out)
        return self.rows - sum(count for pattern, count in self._patterns.items() if gone.issuperset(pattern))

    def emptiest(self, left_out: Sequence[int]) -> int | None:
        """The column in which most rows have a missing cell, apart from some."""
        often = Counter[int]()
        for pattern, count in self._patterns.items():
            often.update(dict.fromkeys(set(pattern).difference(left_out), count))
        return max(often, key=lambda column: often[column], default=None)
