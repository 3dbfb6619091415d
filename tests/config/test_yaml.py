"""Strict YAML: what is read, where it stands, and what is refused."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emcli.config import yaml
from emcli.config.places import Document, Path, dotted
from emcli.errors import EmcliError, Exit, Problem


def lines(text: bytes, file: str = "fit.yaml") -> list[str]:
    """What is said of a text that must be refused, without the program's name."""
    with pytest.raises(EmcliError) as caught:
        yaml.load(text, file)
    assert caught.value.exit_code == Exit.USAGE
    return [line.removeprefix("emcli: error: ") for line in caught.value.lines()]


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("1e-6", 1e-6),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("+3", 3),
        ("0o17", 15),
        ("0x1F", 31),
        ("-.inf", -math.inf),
        ("007", 7),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("1:30", "1:30"),
        ("12e", "12e"),
        ("2024-01-02", "2024-01-02"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'3'", "3"),
        ('"1e-6"', "1e-6"),
        ("'~'", "~"),
        ('""', ""),
        ("nan", "nan"),
        ("=", "="),
        ("\u0661\u0662", "\u0661\u0662"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("|\n  3\n", "3\n"),
    ],
)
def test_scalars_mean_what_the_core_schema_says(typed: str, value: object) -> None:
    read = yaml.load(f"a: {typed}".encode(), "f").value["a"]
    assert (read, type(read)) == (value, type(value))


def test_nan_is_a_float() -> None:
    assert math.isnan(yaml.load(b"a: .nan", "f").value["a"])


PLAIN = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufffe\uffff")
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(PLAIN),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<~1", min_size=1), inner, max_size=4),
    max_leaves=12,
)


def json_and_yaml(value: object, indent: int | str | None) -> None:
    for ascii_only in (True, False):
        text = json.dumps({"a": value}, indent=indent, ensure_ascii=ascii_only)
        assert yaml.load(text.encode(), "f").value == {"a": value}


EVERY = {
    "first": -1.5e-7,
    "": [None, True, [], {"~": "<1\U0001f600 \u00e9"}],
    "abc": {"a": {"b": ['"', "\\", "'", "- x: #"]}},
}


@settings(max_examples=15)
@example(EVERY, None)
@example(EVERY, 1)
@example(EVERY, "\t")
@given(VALUES, st.sampled_from([None, 1, "\t"]))
def test_json_is_yaml(value: object, indent: int | str | None) -> None:
    json_and_yaml(value, indent)


@pytest.mark.slow
@settings(max_examples=500)
@given(VALUES, st.sampled_from([None, 1, "\t"]))
def test_json_of_many_kinds_is_yaml(value: object, indent: int | str | None) -> None:
    json_and_yaml(value, indent)


@given(st.binary(max_size=60) | st.text("a:-[]{}&*!|>'\"%#\\U019<~?, \t\n\r", max_size=60).map(str.encode))
def test_any_bytes_are_a_mapping_or_an_error_with_a_place(text: bytes) -> None:
    try:
        assert isinstance(yaml.load(text, "f").value, dict)
    except EmcliError as error:
        assert error.exit_code == Exit.USAGE
        assert error.problems
        assert all(fault.file == "f" and "\n" not in fault.what for fault in error.problems)


TEXT = b"""# a comment
model: gmm
fit:
  k: 3
  covariance: [full,
    tied]
  start:
    means:
      - [1.5, 2]
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (2, 1)),
        (("model",), (2, 1)),
        (("fit", "k"), (4, 3)),
        (("fit", "covariance", 1), (6, 5)),
        (("fit", "start", "means", 0), (9, 9)),
        (("fit", "start", "means", 0, 1), (9, 15)),
        (("fit", "start", "sds", 0), (7, 3)),
        (("none",), (2, 1)),
    ],
)
def test_places_are_those_of_keys_and_items_or_of_the_nearest_ancestor(path: Path, place: tuple[int, int]) -> None:
    assert yaml.load(TEXT, "f").place(path) == place


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (("fit", "k"), "3"),
        (("fit", "start", "means", 0, 0), "1.5"),
        (("fit",), "a mapping"),
        (("fit", "covariance"), "a list"),
    ],
)
def test_excerpts_are_as_typed(path: Path, shown: str) -> None:
    assert yaml.load(TEXT, "f").excerpt(path) == shown


def test_an_excerpt_keeps_quotes_and_digits_that_a_value_loses() -> None:
    document = yaml.load(b"a: '3'\nb: 1e-400\nc:\n", "f")
    assert [document.excerpt((key,)) for key in "abc"] == ["'3'", "1e-400", "nothing"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(b"k: 1\nfit: &a 2\n", ["fit.yaml:2:6: anchors and aliases are not allowed"], id="an anchor"),
        pytest.param(b"<<: {a: 1}\n", ["fit.yaml:1:1: merge keys are not allowed"], id="a merge key"),
        pytest.param(
            b"a: &x [*x]\n",
            ["fit.yaml:1:4: anchors and aliases are not allowed", "fit.yaml:1:8: anchors and aliases are not allowed"],
            id="an alias within itself",
        ),
        pytest.param(
            b"a: !!python/object/apply:os.system [x]", ["fit.yaml:1:4: YAML tags are not allowed"], id="a tag"
        ),
        pytest.param(b"a: ! 3", ["fit.yaml:1:4: YAML tags are not allowed"], id="the bare tag"),
        pytest.param(b"", ["fit.yaml: expected lines of `key: value`, got nothing"], id="nothing"),
        pytest.param(b"# only\n", ["fit.yaml: expected lines of `key: value`, got nothing"], id="a comment alone"),
        pytest.param(b"null", ["fit.yaml:1:1: expected lines of `key: value`, got nothing"], id="null"),
        pytest.param(b"\n- 1", ["fit.yaml:2:1: expected lines of `key: value`, got a list"], id="a list"),
        pytest.param(b"gmm", ["fit.yaml:1:1: expected lines of `key: value`, got a single value"], id="a single value"),
        pytest.param(
            b"a: 1\n---\nb: 2\n", ["fit.yaml:2:1: a second document; one is expected"], id="a second document"
        ),
        pytest.param(
            b"fit:\n\tk: 3",
            ["fit.yaml:2:1: found character '\\t' that cannot start any token", "  hint: indent with spaces, not tabs"],
            id="a tab",
        ),
        pytest.param(b"a: \xff\n", ["fit.yaml:1:4: not valid UTF-8 at byte 4 (0xff)"], id="Latin-1"),
        pytest.param(
            b"\xef\xbb\xbfa: 1\r\nb: \xe9",
            ["fit.yaml:2:4: not valid UTF-8 at byte 4 (0xe9)"],
            id="Latin-1 after a byte order mark",
        ),
        pytest.param("a: 1".encode("utf-16"), ["fit.yaml:1:1: not UTF-8 (looks like UTF-16)"], id="UTF-16"),
        pytest.param(b"a: 1\nb: x\0", ["fit.yaml:2:5: control character U+0000"], id="NUL"),
        pytest.param(b"a: \x1b[2J", ["fit.yaml:1:4: control character U+001B"], id="an escape"),
        pytest.param(b'a: "\\0"', ["fit.yaml:1:4: control character U+0000"], id="an escaped NUL"),
        pytest.param(b"a: 1\n1: 2\n", ["fit.yaml:2:1: keys must be text, got '1'"], id="a number as key"),
        pytest.param(b"? [a]\n: 2\n", ["fit.yaml:1:3: keys must be text, got '[a]'"], id="a list as key"),
        pytest.param(b'a: "\\UFFFFFFFF"', ["fit.yaml:1:7: number out of range"], id="an impossible character"),
        pytest.param(b"#" * (1 << 20) + b"\na: 1", ["fit.yaml: larger than 1 MiB"], id="too many bytes"),
    ],
)
def test_what_is_not_strict_is_refused_at_its_place(text: bytes, said: list[str]) -> None:
    assert lines(text) == said


BROKEN = [b"a: [1, 2\nb: 3", b"a: 'x\n", b"a: b: c", b"a: `x", b"a: {b", b"%YAML 3.0\n---\na: 1"]


@pytest.mark.parametrize("text", BROKEN)
def test_a_parse_error_is_one_line_with_a_place(text: bytes) -> None:
    (line,) = lines(text)
    assert line.startswith("fit.yaml:")
    assert line.split(":")[1].isdigit()


def test_a_duplicate_key_names_the_first_one() -> None:
    assert lines(b"fit:\n  k: 1\n  seed: 2\n  k: 3\n") == ["fit.yaml:4:3: duplicate key 'k' (first on line 2)"]


def test_all_faults_are_said_at_once_but_no_more_than_ten() -> None:
    said = lines(b"".join(b"k%d: !t 1\n" % n for n in range(13)))
    assert said[0] == "fit.yaml:1:5: YAML tags are not allowed"
    assert said[9] == "fit.yaml:10:5: YAML tags are not allowed"
    assert said[10:] == ["and 3 more"]


def test_a_quoted_merge_key_is_text() -> None:
    assert yaml.load(b"'<<': 1", "f").value == {"<<": 1}


def test_a_byte_order_mark_and_crlf_are_accepted() -> None:
    document = yaml.load(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f")
    assert document.value == {"a": 1, "b": 2}
    assert document.place(("a",)) == (1, 1)
    assert document.place(("b",)) == (2, 1)


LAUGHS = (b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 9)) for c in b"bcdefghij")
BOMB = b"a: &a [x, x]\n" + b"".join(LAUGHS)


DEEP = [b"[" * 200_000, b"{" * 200_000, b"a: " + b"[" * 200_000, b"- " * 100_000, b"{a: " * 50_000]


@pytest.mark.parametrize("text", DEEP)
def test_deep_nesting_is_refused_at_once(text: bytes) -> None:
    yaml.load(b"a: 1", "warm.yaml")
    begin = time.perf_counter()
    assert lines(text)[-1].endswith("nested deeper than 32 levels")
    assert time.perf_counter() - begin < 0.1


def test_billion_laughs_are_refused_at_once() -> None:
    yaml.load(b"a: 1", "warm.yaml")
    begin = time.perf_counter()
    assert "anchors and aliases are not allowed" in lines(BOMB)[0]
    assert time.perf_counter() - begin < 0.1


def test_thirty_two_levels_are_allowed() -> None:
    assert yaml.load(b"a: " + b"[" * 31 + b"]" * 31, "f").value
    assert lines(b"a: " + b"[" * 32 + b"]" * 32) == ["fit.yaml:1:35: nested deeper than 32 levels"]
    block = "\n".join(" " * n + "a:" for n in range(33))
    assert lines(block.encode()) == ["fit.yaml:33:33: nested deeper than 32 levels"]


def test_too_many_values_are_refused() -> None:
    assert yaml.MAX_NODES == 100_000
    assert yaml.load(b"a: [1]", "f", max_nodes=4).value == {"a": [1]}
    with pytest.raises(EmcliError, match=r"^f:1:8: more than 4 values$"):
        yaml.load(b"a: [1, 2]", "f", max_nodes=4)


def test_numbers_are_looked_for_at_every_depth() -> None:
    document = yaml.load(b"p: {a: [1, [2.5, x]], b: .nan, c: true, d: 1e999, e: 0}", "f")
    assert list(map(str, document.not_numbers(("p",)))) == [
        "f:1:18: p.a[1][1]: must be a finite number, got 'x'",
        "f:1:23: p.b: must be a finite number, got '.nan'",
        "f:1:32: p.c: must be a finite number, got 'true'",
        "f:1:41: p.d: must be a finite number, got '1e999'",
    ]


def test_a_document_without_places_has_problems_without_lines() -> None:
    assert Document("f.json", {"a": 1}).problem(("a",), "bad") == Problem("bad", "f.json")


def test_names_of_keys_are_escaped_in_messages() -> None:
    assert "\u202e" not in lines('"\u202ek": 1\n"\u202ek": 2'.encode())[0]
    assert dotted(("fit", "a\nb", 0)) == "fit.a\\nb[0]"
