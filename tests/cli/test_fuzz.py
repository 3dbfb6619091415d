"""Random inputs for the three parsers and for fit itself: EMCLI_FUZZ of each; corpus/ keeps what they found."""

from __future__ import annotations

import json
import os
import string
import tempfile
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import SAVED_COINS, SAVED_GMM
from conftest import ROOT
from fuzzed_fits import ends_well, fits
from fuzzed_tables import same_both_ways
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules import TOSSES, hold, in_process

from emcli.config.experiment import read_experiment
from emcli.config.yaml import load
from emcli.data.table.table import CsvDialect
from emcli.errors import EmcliError
from emcli.models import MODELS

MANY = int(os.environ.get("EMCLI_FUZZ", "3000"))
CORPUS = ROOT / "tests" / "corpus"
long = settings(max_examples=MANY, suppress_health_check=list(HealthCheck))

CELLS = st.sampled_from(
    [
        "1",
        "-2.5",
        "1e3",
        ".5",
        "0",
        "0.0",
        "5e-324",
        "1e-400",
        "1e309",
        "1e308",
        "nan",
        "inf",
        "NA",
        "-",
        "?",
        "x",
        "1_0",
        "0x1",
        "١",
        "é",
        "\x1b",
        "\t",
        "\x00",
        "\r",
        "1\xa0",
        "1,5",
        "#",
        "007",
        "+1",
        "1e",
        "1.7976931348623157e308",
        "4.9e-324",
        "9007199254740993",
        "0.1000000000000000055511151231257827",
        "\x0b",
        "\x85",
        "\u2028",
    ]
) | st.text(max_size=4)
JOINS = st.sampled_from([",", ";", "\t", "|", " ", ", ", '","', '"', ""])
ENDS = st.sampled_from(["\n", "\r\n", "\n\n", "\r", "", "\n \n"])


@st.composite
def tables(draw: Any) -> bytes:
    """Something like a CSV file: mostly regular, with what does not belong there."""
    join, width = draw(st.sampled_from([",", ",", ";", "\t", " "])), draw(st.integers(1, 3))
    plain = st.sampled_from(["1", "2.5", "-3e2", "0"])
    lines = []
    for _ in range(draw(st.integers(0, 8))):
        odd = draw(st.integers(0, 3)) == 0
        fields = [draw(CELLS if odd and draw(st.booleans()) else plain) for _ in range(width)]
        if odd and draw(st.integers(0, 4)) == 0:
            fields.append(draw(CELLS))
        fields = [f'"{field}"' if odd and draw(st.booleans()) else field for field in fields]
        lines.append((draw(JOINS) if odd and draw(st.integers(0, 5)) == 0 else join).join(fields))
    ends = [draw(ENDS) if draw(st.integers(0, 5)) == 0 else "\n" for _ in lines]
    text = "".join(line + end for line, end in zip(lines, ends, strict=True)).encode("utf-8", "surrogatepass")
    return text if draw(st.integers(0, 9)) else text + draw(st.binary(max_size=6))


@pytest.mark.fuzz
@long
@given(
    tables() | st.binary(max_size=40),
    st.builds(
        CsvDialect,
        delimiter=st.sampled_from([None, None, ",", " ", "\t"]),
        header=st.sampled_from([None, None, True, False]),
        comment=st.sampled_from([None, None, "#", "1"]),
        missing=st.sampled_from(["error", "drop", "keep"]),
        na=st.sampled_from([None, None, ("1",), ("x", "2.50")]),
        decimal=st.sampled_from([None, None, ".", ","]),
        thousands=st.sampled_from([None, None, "'", " "]),
        skip=st.sampled_from([None, None, 0, 1, 3]),
    ),
    st.integers(1, 40) | st.just(1 << 20),
)
def test_both_ways_of_reading_a_table_agree(content: bytes, dialect: CsvDialect, chunk: int) -> None:
    same_both_ways(content, dialect, chunk)


PIECES = st.sampled_from(
    ["model: gmm\n", "fit:\n", "  k: 2\n", "fit: {k: 2}\n", "generate:\n", "  rows: 5\n", "  parameters:\n",
     "    means: [[1], [2]]\n", "    sds: [[1], [1]]\n", "  start: {means: [[1], [2]]}\n", "{", "}", "[", "]", ": ",
     "- ", "? ", "| \n", "> \n", "&a ", "*a ", "!!str ", "---\n", "...\n", "%YAML 9999999999.1\n", "'", '"',
     "\\U99999999",
     "\\x00", "#", "\t", "\r", "\n", " ", "~", ".nan", "1e999", "0x" + "f" * 400, "9" * 500, "\ufeff", "\x85", "\x00",
     "k", "k: [1, 2]\n", "columns: [a, 1]\n", "sizes: [1, 2]\n", "<<: ", "=", "@", "`", "%"]
) | st.text(max_size=3)  # fmt: skip
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(string.printable.strip() + "é😀", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def told(error: EmcliError, *codes: int) -> None:
    assert error.exit_code in codes and 1 <= len(error.lines()) <= 12
    assert all(line.isprintable() or line.startswith("  hint") for line in error.lines()), error.lines()


@pytest.mark.fuzz
@long
@given(st.lists(PIECES, max_size=25).map("".join))
def test_an_experiment_is_read_or_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "e.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        for line in (f"fit {path} -", f"generate {path}"):
            done = in_process([*line.split(), "-o", str(Path(folder) / "o")], Path(folder), b"x\n1\n2\n4\n7\n")
            assert done.code in (0, 2, 3, 4), done
            hold(done, done.code)
        try:
            read_experiment(str(path), MODELS)
        except EmcliError as error:
            told(error, 2)


@pytest.mark.fuzz
@long
@given(st.dictionaries(st.text("abc", max_size=3), plain_values, max_size=4), st.sampled_from([None, 1, "\t"]))
def test_json_is_yaml(value: Any, indent: Any) -> None:
    assert load(json.dumps(value, indent=indent).encode(), "f").value == value


VALUES = plain_values | st.sampled_from([10**400, 1e300, -1e300, 5e-324, float("nan"), "1", [[[]]], {"a": None}, -1, 0])


@st.composite
def documents(draw: Any) -> bytes:
    """A fit's document with some of it changed, as values or as bytes."""
    document = json.loads(json.dumps(draw(st.sampled_from([SAVED_GMM, SAVED_COINS]))))
    for _ in range(draw(st.integers(0, 3))):
        holder: Any = document
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(holder[key], dict | list) and draw(st.integers(0, 3)):
                holder = holder[key]
                continue
            if draw(st.integers(0, 4)):
                holder[key] = deepcopy(draw(VALUES))  # it may be changed next, and is drawn again
            else:
                del holder[key]
            break
    text = json.dumps(document, indent=draw(st.sampled_from([None, 1]))).encode()
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.binary(max_size=4)) + text[at + draw(st.integers(0, 4)) :]
    return text


def survives(text: bytes) -> None:
    """Every command that reads a fit accepts or refuses it by the rules."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "f.json").write_bytes(text)
        (folder / "x.csv").write_text("x,y,heads,tosses\n1,2,3,4\n2,3,4,5\n3,1,1,9\n")
        for line in ("predict f.json x.csv", "compare f.json f.json", "generate f.json -n 3",
                     "fit gmm x.csv -k 2 --columns x,y --start f.json --max-iter 5"):  # fmt: skip
            done = in_process([*line.split(), "-o", "out"], folder)
            assert done.code in (0, 2, 3, 4), done
            hold(done, done.code)
            if done.code == 0 and line.startswith(("predict", "generate")):
                assert "nan" not in (folder / "out").read_text().lower(), (folder / "out").read_text()
            (folder / "out").unlink(missing_ok=True)


@pytest.mark.fuzz
@long
@given(documents())
def test_a_saved_fit_is_used_or_refused(text: bytes) -> None:
    survives(text)


@pytest.mark.fuzz
@long
@given(fits())
def test_a_fit_of_any_table_ends_well(case: tuple[list[str], str]) -> None:
    ends_well(*case)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*")), ids=lambda path: path.name)
def test_what_fuzzing_found_stays_mended(path: Path) -> None:
    content = path.read_bytes()
    if path.suffix == ".json":
        survives(content)
    elif path.suffix == ".fit":  # a command line, then its table
        line, _, table = content.decode().partition("\n")
        ends_well(line.split(), table)
    else:
        for chunk in (1, 7, 1 << 20):
            same_both_ways(content, CsvDialect(), chunk)


def test_the_checks_of_fuzzing_hold_for_what_is_good() -> None:
    ends_well(["fit", "coins", "-k", "2", "--restarts", "2"], TOSSES)
    survives(json.dumps(SAVED_GMM).encode())


@pytest.mark.parametrize("reader", ["csv", "yaml", "fit"])
def test_what_coverage_guided_fuzzing_begins_with_is_taken_or_refused(reader: str) -> None:
    tests_of_readers = import_module("fuzz.readers")
    for data in tests_of_readers.seeds(reader):
        if len(data) < 4096:
            tests_of_readers.READERS[reader](data)
