"""Checks of single values: what passes, and what is said of what does not."""

from __future__ import annotations

import math

import pytest

from emcli.config import checks
from emcli.config.checks import Check
from emcli.config.saved_fit import parsed

CASES: dict[str, tuple[Check[object], list[object], list[object]]] = {
    "an integer from 1 to 9": (checks.integer(1, 9), [1, 9], [0, 10, 3.0, True, "3", None, 10**400]),
    "a finite number": (checks.number, [0, -1.5, 10**299], [True, "1", 1e300, math.nan, math.inf, 10**400, None, [1]]),
    "a finite number above 0": (checks.positive, [1, 5e-324], [0, -1, True, math.inf, "1"]),
    "one of a, b": (checks.one_of(("a", "b")), ["a"], ["c", "", None, ["a"]]),
    "true or false": (checks.boolean, [True], [1, "true", None]),
    "a text": (checks.text, ["", "x"], [3, None]),
    "a mapping": (checks.mapping, [{}, {"a": 1}], [[], None]),
    "two digits": (checks.matching("two digits", "[0-9]{2}"), ["12"], ["1", "123", "12\n", 12]),
    "a list": (checks.sequence, [[], [1]], [{}, (1,), "1"]),
    "a finite number or null": (checks.or_null(checks.number), [None, 1], ["", math.nan]),
}


@pytest.mark.parametrize("be", CASES)
def test_a_check_gives_back_what_is_right_and_says_what_a_wrong_value_must_be(be: str) -> None:
    check, right, wrong = CASES[be]
    for value in right:
        assert check(value) is value
    for value in wrong:
        with pytest.raises(ValueError, match=f"^must be {be}$"):
            check(value)


@pytest.mark.parametrize("check", [checks.comment, checks.delimiter], ids=["comment", "delimiter"])
def test_no_character_of_a_number_or_of_a_quoted_cell_begins_a_comment_or_parts_columns(check: Check[object]) -> None:
    for character in '.+-"\r\n5xé':
        with pytest.raises(ValueError, match="must be one character that"):
            check(character)
    assert [check(character) for character in ";#|"] == [";", "#", "|"]


def test_a_whole_number_of_a_document_keeps_every_digit_up_to_what_python_reads() -> None:
    for digits in ("12345", "9007199254740993", "9" * 399):
        assert parsed(f'{{"rows": {digits}}}'.encode(), "f.json") == {"rows": int(digits)}
    assert parsed(b"9" * 5000, "f.json") == math.inf
