"""Cells: which are missing, which are numbers in the format of a file, and what numbers in another format look like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

is_number = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?").fullmatch
is_not_finite = re.compile(r"[-+]?(?:nan|inf|infinity)", re.IGNORECASE).fullmatch
# As R, pandas, Excel, SAS, SPSS, MySQL and people write them, in small letters; C's printf gives nan a sign.
MISSING = frozenset({"", "na", "n/a", "nan", "-nan", "+nan", "#n/a", "null", "none", ".", "-", "?", "\\n"})
_BLANKS = " \u00a0\u2009\u202f"  # between groups of digits: plain, no-break, thin, narrow no-break


def missing_marks(more: Sequence[str] | None) -> tuple[frozenset[str], tuple[float, ...]]:
    """All marks of a missing cell in small letters, and the values of those among `more` that are numbers."""
    given = [mark.lower() for mark in more or ()]
    return MISSING.union(given), tuple(float(mark) for mark in given if is_number(mark))


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a file are written, where that is not 1234.5."""

    decimal: str  # a comma or a point
    thousands: str | None  # mark between groups of three digits

    @classmethod
    def of(cls, decimal: str | None, thousands: str | None) -> NumberFormat | None:
        """The format of two options; None for plain numbers. Where points group digits, a comma must be the decimal."""
        decimal = decimal or ("," if thousands == "." else ".")
        return None if (decimal, thousands) == (".", None) else cls(decimal, thousands)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        integer, mark = "[0-9]+", self._group
        if mark:  # three digits a group; in India two before the last three
            integer += f"|[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]{{1,2}}(?:{mark}[0-9]{{2}})+{mark}[0-9]{{3}}"
        point = re.escape(self.decimal)
        return re.compile(rf"([-+]?)({integer})?(?:{point}([0-9]*))?((?:[eE][-+]?[0-9]+)?)")

    @cached_property
    def _group(self) -> str:
        """A pattern of the mark between groups of digits."""
        marks = {" ": f"[{_BLANKS}]", "'": "['\u2019]", None: ""}
        return marks.get(self.thousands, re.escape(self.thousands or ""))

    def plain(self, cell: str) -> str:
        """The cell as 1234.5 would be written; empty where it is no number in this format."""
        found = self._pattern.fullmatch(cell)
        if found is None:
            return ""
        sign, whole, part, power = found.groups()
        return f"{sign}{re.sub('[^0-9]', '', whole or '')}{'' if part is None else '.' + part}{power}"

    def plain_lines(self, data: bytes, delimiter: str) -> bytes | None:
        """Lines of text with all numbers as 1234.5 would be written; None where that takes a look at each cell."""
        if self.thousands is not None and self.thousands != delimiter and self.thousands.encode() in data:
            return None
        if self.decimal == ".":
            return data
        return None if delimiter == self.decimal or b"." in data else data.replace(b",", b".")
