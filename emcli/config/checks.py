"""Checks of single values from files and flags: each gives the value back, or says what it must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from emcli.frozen import frozen

if TYPE_CHECKING:  # help needs the settings and their checks, and no numpy
    from emcli.config.places import Path
    from emcli.types import JSON

T = TypeVar("T")
Parser = Callable[[object], T]  # a value, checked and perhaps converted; ValueError("must be …") where it is wrong
MAX_EXACT = 2**53  # beyond which a double cannot tell integers from their neighbours
MAX_NUMBER = 1e300  # so that sums and differences of a few numbers are finite too


@frozen
class Check(Generic[T]):
    """A parser that converts nothing: `integer(1, 9)(3)` is 3, `integer(1, 9)(0)` raises ValueError."""

    be: str  # what the value must be, for messages: 'an integer from 1 to 9'
    holds: Callable[[object], bool]
    schema: Mapping[str, JSON] = field(default_factory=dict)  # the same in the words of JSON Schema

    def __call__(self, value: object) -> T:
        if not self.holds(value):
            raise ValueError(f"must be {self.be}")
        return cast(T, value)


def is_number(value: object) -> bool:
    """Is it an int or float below 1e300? true, infinity and not-a-number are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER


def are_numbers_of_tosses(value: object) -> bool:
    """Is it a mapping whose keys are numbers of tosses of a row?"""
    return (
        isinstance(value, dict)
        and value != {}
        and all(re.fullmatch("[1-9][0-9]{0,15}", key) and int(key) <= MAX_EXACT for key in value)
    )


@frozen
class Conversion(Generic[T]):
    """A parser that may convert, with what it takes in the words of JSON Schema: more than it accepts at times."""

    convert: Callable[[object], T]
    schema: Mapping[str, JSON]

    def __call__(self, value: object) -> T:
        return self.convert(value)


def takes(**schema: JSON) -> Callable[[Callable[[object], T]], Conversion[T]]:
    """Make a parser of a function, with the JSON Schema of what it takes."""
    return lambda convert: Conversion(convert, schema)


def or_named(names: Mapping[str, str], check: Check[str], **schema: JSON) -> Conversion[str]:
    """A value that passes a check, or the name of one: 'tab' is the tabulator."""
    return Conversion(lambda value: check(names.get(value, value) if isinstance(value, str) else value), schema)


def integer(low: int, high: int) -> Check[int]:
    """A check for an integer in a closed range; 3.0 and true are none."""
    return Check(
        f"an integer from {low} to {high}",
        lambda value: type(value) is int and low <= value <= high,
        {"type": "integer", "minimum": low, "maximum": high},
    )


def one_of(choices: Sequence[str]) -> Check[str]:
    """A check for one of these words."""
    return Check(
        f"one of {', '.join(choices)}",
        lambda value: isinstance(value, str) and value in choices,
        {"enum": list(choices)},
    )


def matching(be: str, pattern: str) -> Check[str]:
    """A check for a text that a regular expression matches whole."""
    found = re.compile(pattern).fullmatch
    return Check(
        be,
        lambda value: isinstance(value, str) and found(value) is not None,
        {"type": "string", "pattern": f"^{pattern}$"},
    )


def or_auto(check: Check[T]) -> Check[T | str]:
    """A value that passes a check, or the word auto."""
    return Check(
        f"auto or {check.be}",
        lambda value: value == "auto" or check.holds(value),
        {"anyOf": [{"const": "auto"}, dict(check.schema)]},
    )


def or_null(check: Check[T]) -> Check[T | None]:
    """A check for a value that passes another check, or null."""
    return Check(
        f"{check.be} or null",
        lambda value: value is None or check.holds(value),
        {"anyOf": [dict(check.schema), {"type": "null"}]},
    )


number: Check[float] = Check("a finite number", is_number, {"type": "number"})
positive: Check[float] = Check(
    "a finite number above 0",
    lambda value: is_number(value) and cast(float, value) > 0,
    {"type": "number", "exclusiveMinimum": 0},
)
not_negative: Check[float] = Check(
    "a finite number of at least 0",
    lambda value: is_number(value) and cast(float, value) >= 0,
    {"type": "number", "minimum": 0},
)
boolean: Check[bool] = Check("true or false", lambda value: isinstance(value, bool), {"type": "boolean"})
text: Check[str] = Check("a text", lambda value: isinstance(value, str), {"type": "string"})
mapping: Check[dict[str, JSON]] = Check("a mapping", lambda value: isinstance(value, dict), {"type": "object"})
sequence: Check[list[JSON]] = Check("a list", lambda value: isinstance(value, list), {"type": "array"})


DELIMITERS = {"tab": "\t", r"\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}  # powers of 1000, or with an i of 1024


def check_values(
    values: Mapping[Path, object], checks: Mapping[str, Parser[object]]
) -> tuple[dict[Path, object], dict[Path, str]]:
    """Run on each value the check named by the first key of its path: the good values, and what the others must be."""
    good: dict[Path, object] = {}
    wrong: dict[Path, str] = {}
    for path, value in values.items():
        try:
            good[path] = checks[str(path[0])](value)
        except ValueError as error:
            wrong[(*path, *getattr(error, "at", ()))] = str(error)
    return good, wrong


class EntryError(ValueError):
    """What one entry of a list must be."""

    def __init__(self, number: int, must: str) -> None:
        self.at = (number,)
        super().__init__(must)


@takes(type="number", exclusiveMinimum=0)
def positive_float(value: object) -> float:
    """A finite number above 0, as a float."""
    return float(positive(value))


def is_character(value: object) -> bool:
    """Is it one character that is no part of a number or a quoted cell?"""
    return isinstance(value, str) and len(value) == 1 and not value.isalnum() and value not in '.+-"\r\n'


def character(be: str, holds: Callable[[str], bool] = lambda _: True) -> Check[str]:
    """A check for one character that is no part of a number or a quoted cell."""
    schema: dict[str, JSON] = {"type": "string", "minLength": 1, "maxLength": 1}
    return Check(be, lambda value: is_character(value) and holds(cast(str, value)), schema)


comment = character("one character that begins no number", lambda value: not value.isspace())
_delimiter = character(
    "one character that is no part of a number, or tab, space, comma, semicolon or pipe",
    lambda value: value.isprintable() or value == "\t",
)


delimiter = or_named(DELIMITERS, _delimiter, anyOf=[{"enum": [*DELIMITERS]}, dict(_delimiter.schema)])


# Whether a column is given by name or by 1-based number is for the data to say: a header may hold numbers.
COLUMN_SCHEMA: dict[str, JSON] = {"type": ["string", "integer"], "minLength": 1}
_column: Check[str | int] = Check(
    "a column's name or number",
    lambda value: type(value) is int or (isinstance(value, str) and value != ""),
    COLUMN_SCHEMA,
)


@takes(**COLUMN_SCHEMA)
def column(value: object) -> str:
    """A column's name or number, as text."""
    return str(_column(value))


@takes(anyOf=[COLUMN_SCHEMA, {"type": "array", "items": COLUMN_SCHEMA, "minItems": 1, "uniqueItems": True}])
def column_names(value: object) -> tuple[str, ...]:
    """Columns from a list, or from text with commas, where quotes protect a comma: A,"B,C"."""
    import csv

    for number, name in enumerate(value if isinstance(value, list) else ()):
        if isinstance(name, float):
            raise EntryError(number, "must be a column's name or number: in quotes it is a name")
    try:
        listed = value if isinstance(value, list) else next(csv.reader([column(value)], strict=True))
        names = tuple(column(name.strip() if isinstance(name, str) else name) for name in listed)
    except (ValueError, csv.Error):
        raise ValueError("must be columns' names or numbers with commas between") from None
    if not names or len(set(names)) < len(names):
        raise ValueError("must name at least one column, and each once")
    return names


@takes(
    anyOf=[
        {"type": ["string", "number"], "minLength": 1},
        {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
    ]
)
def marks(value: object) -> tuple[str, ...]:
    """Marks of missing cells from a list, one number, or text with commas, where quotes protect a comma."""
    import csv

    try:
        given = value if isinstance(value, list) else [value] if is_number(value) else next(csv.reader([text(value)]))
        found = tuple(str(mark).strip() for mark in given if is_number(mark) or isinstance(mark, str))
    except (ValueError, csv.Error, StopIteration):
        found, given = (), []
    if not found or not all(found) or len(found) < len(given):
        raise ValueError("must be marks of a missing cell, with commas between")
    return found


_MARKS = {"comma": ",", "point": ".", "space": " "}
_decimal: Check[str] = Check("a comma or a point", lambda value: value in (",", "."))
decimal = or_named(_MARKS, _decimal, enum=[",", ".", "comma", "point"])
THOUSANDS = (",", ".", " ", "'", "\u2019", "_")  # between groups of three digits
_thousands: Check[str] = Check("comma, point, space, ' or _", lambda value: value in THOUSANDS)
thousands = or_named(_MARKS, _thousands, enum=[*THOUSANDS, *_MARKS])


@takes(type=["string", "integer"])
def size(value: object) -> int:
    """Bytes from text such as 500MB, 1.5GB, 2GiB or 1000000."""
    found = re.fullmatch("([0-9]{1,15}(?:[.][0-9]{1,9})?) *(?:([kmgt])(i?))?b?", str(value).lower())
    if found is None:
        raise ValueError("must be a size such as 500MB or 2GB")
    count = int(float(found[1]) * (1024 if found[3] else 1000) ** UNITS[found[2] or ""])
    if not 0 < count < 2**63:
        raise ValueError("must be more than no bytes, and fewer than 2^63")
    return count


MAX_PRIOR = 1e6  # pseudo counts beyond which no table of counts would be seen


@takes(anyOf=[{"enum": ["default", "none"]}, {"type": "number", "minimum": 1, "maximum": MAX_PRIOR}])
def prior(value: object) -> str | float | None:
    """The name of a prior, or the number of a Beta prior, perhaps as text; none stands for no prior."""
    if value in ("default", "none"):
        return None if value == "none" else str(value)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}([.][0-9]{1,15})?", value):
        value = float(value) if "." in value else int(value)
    if not is_number(value) or not 1 <= cast(float, value) <= MAX_PRIOR:
        raise ValueError(f"must be default, none or a number from 1 to {MAX_PRIOR:,.0f}")
    return cast(float, value)


parameters: Check[str | dict[str, JSON]] = Check(
    "a mapping of parameters, or the name of a file",
    lambda value: isinstance(value, dict | str) and bool(value),
    {"type": ["object", "string"], "minProperties": 1, "minLength": 1},
)
fixed: Check[str | list[JSON] | dict[str, JSON]] = Check(
    "some names of parameters, or a mapping of some to numbers and nulls",
    lambda value: isinstance(value, str | list | dict) and bool(value),
    {"type": ["object", "array", "string"], "items": {"type": "string"}, "minProperties": 1, "minLength": 1},
)
scheduler = matching(
    "tcp://HOST:PORT, tls://HOST:PORT or local:N", r"(tcp|tls)://[^\s/]+:[0-9]{1,5}|local:[1-9][0-9]{0,2}"
)
