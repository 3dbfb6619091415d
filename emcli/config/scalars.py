"""Numbers, words and texts of YAML 1.2's core schema (section 10.3.2), with ASCII digits only."""

from __future__ import annotations

import re
from collections.abc import Callable

WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]{1,400}"), int),  # more are a float: Python refuses to read very long integers
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda text: float("nan")),
)


def scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar: `1e-6` is a number, `yes` is text."""
    numbers = (convert(text) for pattern, convert in NUMBERS if pattern.fullmatch(text))
    return next(numbers, WORDS.get(text, text))
