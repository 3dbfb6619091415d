"""Cells: which are missing, which are numbers in the format of a file, and what numbers in another format look like."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache, cached_property
from typing import NamedTuple

from emcli.frozen import frozen

is_number = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?").fullmatch
is_not_finite = re.compile(r"[-+]?(?:nan|inf|infinity)", re.IGNORECASE).fullmatch
# As R, pandas, Excel, SAS, SPSS, MySQL and people write them, in small letters; C's printf gives nan a sign.
MISSING = frozenset({"", "na", "n/a", "nan", "-nan", "+nan", "#n/a", "null", "none", ".", "-", "?", "\\n"})
_BLANKS = " \u00a0\u2009\u202f"  # between groups of digits: plain, no-break, thin, narrow no-break


class MissingMarks:
    """The marks of a missing cell: MISSING, and more that are given."""

    def __init__(self, more: Sequence[str] | None) -> None:
        given = [mark.lower() for mark in more or ()]
        self.words = MISSING.union(given)  # in small letters
        self.numbers = tuple(float(mark) for mark in given if is_number(mark))  # the values of those that are numbers

    def has(self, cell: str, plain: str) -> bool:
        """Is a cell, or the number it is, written as 1234.5, a mark of a missing one?"""
        return cell.lower() in self.words or bool(self.numbers and is_number(plain) and float(plain) in self.numbers)


@frozen
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
            integer += f"|[1-9](?:[0-9]{{,2}}(?:{mark}[0-9]{{3}})+|[0-9]?(?:{mark}[0-9]{{2}})+{mark}[0-9]{{3}})"
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


_CURRENCIES = "$¢£¤¥฿₣₤₦₩₪₫€₭₮₱₲₴₵₸₹₺₽₿"
_CODES = "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HUF|INR|JPY|MXN|NOK|PLN|SEK|USD|ZAR"
MAX_WRITTEN = 40  # characters, beyond which no number is written with marks or a unit
_MINUS = "-+\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
_PATTERN = (
    rf"(?P<sign>[{_MINUS}]?)[{_BLANKS}]*"
    rf"(?P<before>(?:(?:(?:[A-Z]{{1,2}})?[{_CURRENCIES}]|{_CODES})[{_BLANKS}]*)?)(?P<second>[{_MINUS}]?)[{_BLANKS}]*"
    rf"(?P<digits>[.,]?[0-9]+(?:[.,'\u2019_{_BLANKS}][0-9]+)*[.,]?)(?:[eE][-+]?[0-9]+)?"
    rf"(?P<after>(?:[{_BLANKS}]*(?:[%‰{_CURRENCIES}]|{_CODES}|[^\W\d_]{{1,6}}[²³]?(?:/[^\W\d_]{{1,3}}[²³]?)?|°[CF]?))?)"
)


@cache
def _written() -> re.Pattern[str]:
    """A number in any way of writing; compiling it takes 3 ms, which most tables do not need."""
    return re.compile(_PATTERN)


class Writing(NamedTuple):
    """How a number is written. Of one mark before three digits, as in 1,234, only other cells tell what it is."""

    decimal: str  # a comma, a point, or nothing
    thousands: str  # mark between groups of digits, or nothing
    unsure: bool  # may the decimal mark be one between groups?
    minus: str  # a minus that is none in ASCII; "()" for brackets in its place
    affix: str  # what stands beside the number: €, %, kg; with blanks that are no plain spaces
    is_unit: bool  # is that neither a currency nor a per cent sign?


def writing(cell: str) -> Writing | None:
    """How the number in a cell is written; None where it is no number in any way of writing that people have."""
    if len(cell) > MAX_WRITTEN or cell[:1].islower():
        return None
    if cell[:1] == "(" and cell[-1:] == ")":  # as accountants write negative numbers
        inner = writing(cell[1:-1])
        return inner and inner._replace(minus="()")
    found = _written().fullmatch(cell)
    if found is None or (found["before"] and found["after"]) or (found["sign"] and found["second"]):
        return None
    marks = _marks(found["digits"])
    if marks is None:
        return None
    sign, affix = found["sign"] or found["second"], (found["before"] or found["after"]).strip(" ")
    is_unit = affix != "" and re.fullmatch(f"{_CODES}|[A-Z]*[%‰{_CURRENCIES}]", affix.strip()) is None
    return Writing(*marks, "" if sign in "-+" else sign, affix, is_unit)


def _marks(digits: str) -> tuple[str, str, bool] | None:
    """The decimal mark of a number, the one between groups of digits, and whether the first may be the second."""
    parts = re.split("([^0-9])", digits.translate({**dict.fromkeys(map(ord, _BLANKS), " "), 0x2019: "'"}))
    groups, marks = parts[::2], parts[1::2]
    if not marks:
        return "", "", False
    last = marks[-1]
    if len(marks) == 1 and last in ".,":
        return (last, "", _is_grouped(groups)) if any(groups) else None
    if len(set(marks)) == 1:
        return ("", last, False) if _is_grouped(groups) else None
    if len(set(marks[:-1])) == 1 and last not in marks[:-1] and last in ".," and _is_grouped(groups[:-1]):
        return last, marks[0], False
    return None


def _is_grouped(groups: Sequence[str]) -> bool:
    """Are digits in groups as people write them: of three, in India of two before the last three?"""
    first, middle, last = groups[0], groups[1:-1], groups[-1]
    by_three = len(first) <= 3 and all(len(group) == 3 for group in middle)
    by_two = len(first) <= 2 and all(len(group) == 2 for group in middle)
    return len(last) == 3 and first[:1] not in ("", "0") and (by_three or by_two)


class Writings:
    """The ways in which the numbers of a table are written, as far as they were seen."""

    def __init__(self) -> None:
        self._roles: Counter[tuple[str, str]] = Counter()  # of commas and points: decimal, group, or unsure
        self._others: dict[str, None] = {}  # other marks between groups

    def add(self, found: Writing) -> None:
        """Note how one number is written."""
        if found.decimal:
            self._roles[found.decimal, "unsure" if found.unsure else "decimal"] += 1
        if found.thousands in (",", "."):
            self._roles[found.thousands, "group"] += 1
        elif found.thousands:
            self._others[found.thousands] = None

    def marks(self, delimiter: str) -> tuple[str, str, bool]:
        """The decimal mark and the one between groups, empty where nothing tells them; and whether that is a guess."""
        seen, other = self._roles, next(iter(self._others), "")
        if seen[",", "group"] or (seen[",", "unsure"] and not seen[",", "decimal"] and self._comma_groups(delimiter)):
            return ".", ",", False
        if seen[",", "decimal"] or seen[",", "unsure"]:
            points = seen[".", "group"] or (seen[".", "unsure"] and not seen[".", "decimal"])
            return ",", "." if points else other, not (seen[",", "decimal"] or points)
        if seen[".", "group"]:
            return ",", ".", False
        return "." if seen[".", "decimal"] else "", other, False

    def _comma_groups(self, delimiter: str) -> bool:
        """Are commas before three digits more likely between groups than decimal?"""
        return delimiter == "," or self._roles[".", "decimal"] > 0
