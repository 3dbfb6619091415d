"""Reading and writing CSV: every fault is refused with its place, and both ways of reading agree."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emcli.data.table import source
from emcli.data.table.csv_writer import format_csv, write_csv
from emcli.data.table.read import column_finder, read_chunks, read_table
from emcli.data.table.table import Choice, ColumnSelection, CsvDialect, ReadSizes, Table
from emcli.data.table.table_builder import TableBuilder
from emcli.errors import EmcliError, Exit

AUTO = CsvDialect()
DROP = CsvDialect(missing="drop")


def every_column(header: tuple[str, ...], shown: str, has_header: bool) -> ColumnSelection:
    every = tuple(range(len(header)))
    return ColumnSelection(every, choice=Choice(every, (), by_name=False))


def columns(*numeric: int, text: tuple[int, ...] = ()) -> Callable[[tuple[str, ...], str, bool], ColumnSelection]:
    return lambda header, shown, has_header: ColumnSelection(numeric, text)


def by_row(choose: Any) -> Any:
    """The same columns and one as text too: then a table is read row by row, even where all cells are numbers."""

    def chooser(header: tuple[str, ...], shown: str, has_header: bool) -> ColumnSelection:
        return replace(choose(header, shown, has_header), text=(0,))

    return chooser


def read(content: bytes | str, dialect: CsvDialect = AUTO, choose: Any = every_column) -> Table:
    raw = content.encode() if isinstance(content, str) else content
    return read_table("-", dialect, choose, io.BytesIO(raw))


def fault_of(content: bytes | str, dialect: CsvDialect = AUTO, choose: Any = every_column) -> EmcliError:
    with pytest.raises(EmcliError) as caught:
        read(content, dialect, choose)
    return caught.value


def slugs(table: Table) -> list[str]:
    return [warning.slug for warning in table.warnings]


ACCEPTED = [
    ("mark before a header", b"\xef\xbb\xbfx,y\n1,2\n", ("x", "y"), [[1, 2]]),
    ("mark before numbers", b"\xef\xbb\xbf1,2\n3,4\n", ("1", "2"), [[1, 2], [3, 4]]),
    ("no newline at the end", b"x,y\n1,2", ("x", "y"), [[1, 2]]),
    ("gzip", gzip.compress(b"x,y\n1,2\n"), ("x", "y"), [[1, 2]]),
    ("gzip in two members", gzip.compress(b"x,y\n1,") + gzip.compress(b"2\n"), ("x", "y"), [[1, 2]]),
    ("carriage return and line feed", b"x,y\r\n1,2\r\n\r\n3,4\r\n", ("x", "y"), [[1, 2], [3, 4]]),
    ("no header", b"1,2.5\n3,4\n", ("1", "2"), [[1, 2.5], [3, 4]]),
    ("blank lines", b"\nx,y\n\n1,2\n\n3,4\n\n\n", ("x", "y"), [[1, 2], [3, 4]]),
    ("lines of spaces", b"x,y\n  \n1,2\n \t \n3,4\n   ", ("x", "y"), [[1, 2], [3, 4]]),
    ("semicolon", b"x;y\n1;2\n", ("x", "y"), [[1, 2]]),
    ("tab", b"x\ty\n1\t2\n", ("x", "y"), [[1, 2]]),
    ("bar", b"x|y\n1|2\n", ("x", "y"), [[1, 2]]),
    ("runs of spaces", b" x   y\n1 2\n  3  4  \n", ("x", "y"), [[1, 2], [3, 4]]),
    ("comma beats its padding", b"x, y\n1, 2\n3, 4\n", ("x", "y"), [[1, 2], [3, 4]]),
    ("space in a name of one column", b"Sepal Length\n1\n2\n", ("Sepal Length",), [[1], [2]]),
    ("one column", b"x\n1\n2\n", ("x",), [[1], [2]]),
    ("quoted numbers", b'x,y\n"1.5","2"\n', ("x", "y"), [[1.5, 2]]),
    ("newline in the header", b'"x\n1","y,2"\n1,2\n', ("x\n1", "y,2"), [[1, 2]]),
    ("doubled quotes", b'"x""1",y\n1,2\n', ('x"1', "y"), [[1, 2]]),
    ("a quote inside a name", b'5" pipe,y\n1,2\n', ('5" pipe', "y"), [[1, 2]]),
    ("spaces around quotes", b' "x" , "y" \n "1" ,2 \n', ("x", "y"), [[1, 2]]),
    ("quotes between spaces", b'"x" "y z" \n1 "2"\n3 4\n', ("x", "y z"), [[1, 2], [3, 4]]),
    ("spaces around values", b" x , y \n 1 ,\t2 \n", ("x", "y"), [[1, 2]]),
    ("grammar", b"x,y\n1e5,.5\n5.,+1\n-1E-2,00\n", ("x", "y"), [[1e5, 0.5], [5, 1], [-0.01, 0]]),
    ("forty digits", b"x\n0.1000000000000000055511151231257827021181583404541015625\n", ("x",), [[0.1]]),
]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "by row"])
@pytest.mark.parametrize(("content", "header", "numbers"), [c[1:] for c in ACCEPTED], ids=[c[0] for c in ACCEPTED])
def test_accepts(content: bytes, header: Any, numbers: Any, fast: bool) -> None:
    table = read(content, choose=every_column if fast else by_row(every_column))
    assert table.header == header
    assert table.numbers.tolist() == numbers
    assert table.numbers.dtype == np.float64 and table.numbers.flags.c_contiguous
    assert table.warnings == ()


REFUSED = [
    ("nothing", b"", "<stdin>: file is empty", None),
    ("a mark alone", b"\xef\xbb\xbf", "<stdin>: file is empty", None),
    ("a header alone", b"x,y\n", "<stdin>: no data rows after the header on line 1", None),
    ("a later header alone", b"\n\nx,y\n\n", "<stdin>: no data rows after the header on line 3", None),
    ("blank lines alone", b"\n \n\n", "<stdin>: no data rows, only blank lines or comments", None),
    ("PNG", b"\x89PNG\r\n\x1a\n\0\0", "<stdin>: not a text file (looks like PNG)", None),
    ("ELF", b"\x7fELF\2\1", "<stdin>: not a text file (looks like ELF)", None),
    ("npy", b"\x93NUMPY\1\0", "<stdin>: not a text file (looks like NumPy .npy)", "save it as CSV first"),
    ("parquet", b"PAR1\x15\4\x15", "<stdin>: not a text file (looks like Parquet)", "save it as CSV first"),
    ("xlsx", b"PK\3\4\x14\0", "<stdin>: not a text file (looks like zip or xlsx)", "save it as CSV first"),
    ("NUL", b"x,y\n1,\0002\n", "<stdin>:2: not a text file (byte 3 is NUL)", None),
    ("PNG in gzip", gzip.compress(b"\x89PNG\r\n"), "<stdin>: not a text file (looks like PNG)", None),
    ("Latin-1 in the header", b"na\xefve,y\n1,2\n", "<stdin>:1: not valid UTF-8 at byte 3 (0xef)", "iconv -f LATIN1"),
    ("Latin-1 in a cell", b"x,y\n1,2\n3,\xb5\n", "<stdin>:3: not valid UTF-8 at byte 3 (0xb5)", "iconv -f LATIN1"),
    ("UTF-16", "x,y\n1,2\n".encode("utf-16"), "<stdin>: UTF-16 text, expected UTF-8", "iconv -f UTF-16"),
    ("old Mac", b"x,y\r1,2\r", "<stdin>:1: carriage return without line feed at byte 4", "tr"),
    ("old Mac within", b"x,y\n1,2\n3\r4,5\n", "<stdin>:3: carriage return without line feed at byte 2", "tr"),
    ("old Mac at the end", b"x,y\n1,2\r", "<stdin>:2: carriage return without line feed at byte 4", "tr"),
    ("too few fields", b"x,y\n1,2\n3\n", "<stdin>:3: 1 field, expected 2", None),
    ("too few after blank lines", b"x,y\n\n1,2\n\n3\n", "<stdin>:5: 1 field, expected 2", None),
    ("too many fields", b"x,y\n1,2\n3,4,5\n", "<stdin>:3: 3 fields, expected 2", None),
    ("too few between spaces", b"a b c d\n1 2 3\n", "<stdin>:2: 3 fields, expected 4", None),
    ("a comment before the header", b"# made by hand\nx,y\n", "<stdin>:2: 2 fields, expected 1", "--comment '#'"),
    (
        "a comment before one column",
        b"#made\nx\n",
        "<stdin>:2:1: cannot read 'x' as a number in column '#made'",
        "--comment '#'",
    ),
    ("two delimiters", b"1,5|2,5;3\n3,5|4,5;3\n", "<stdin>: the delimiter could be ';' or '|'", "--delimiter"),
    ("two delimiters in the header", b"a,b;c,d\n", "<stdin>: the delimiter could be ',' or ';'", "--delimiter"),
    ("decimal commas", b"x;y\n1,5;2\n", "<stdin>:2:1: column 'x' has decimal commas ('1,5' on line 2)", "--decimal ,"),
    ("text after a quote", b'x,y\n1,2\n"1"2,3\n', "<stdin>:3:1: text after closing quote, got '2,3'", None),
    ("unclosed quote", b'x,y\n1,2\n3,"4\n5,6\n', "<stdin>:3:2: quote is never closed", None),
    (
        "a word",
        b"x,y\n1,2\n3,abc\n",
        "<stdin>:3:2: cannot read 'abc' as a number in column 'y'",
        "--na abc --missing drop",
    ),
    ("an escape", b"x\n\x1b[2J\n", r"<stdin>:2:1: cannot read '\x1b[2J' as a number in column 'x'", None),
    (
        "a date",
        b"d,x y\n2020-01-01,2\n",
        "<stdin>:2:1: cannot read '2020-01-01' as a number in column 'd'",
        "--columns 'x y'",
    ),
]
REFUSED += [
    (f"missing {cell!r}", f"x,y\n1,{cell}\n".encode(), "<stdin>:2:2: missing value in column 'y'", "--missing drop")
    for cell in ("NA", "", " ", "null", "-", "?", "None", "n/a", '""', ".", "nan", "NaN", "-nan", "#N/A", "NULL", r"\N")
]
REFUSED += [
    (
        f"not finite {cell}",
        f"x,y\n1,{cell}\n".encode(),
        f"<stdin>:2:2: value is not finite in column 'y', got '{cell}'",
        None,
    )
    for cell in ("inf", "-Infinity", "1e999", "-1e999")
]
REFUSED += [
    (
        f"no number {cell}",
        f"x;y\n1;{cell}\n".encode(),
        f"<stdin>:2:2: cannot read '{shown}' as a number in column 'y'",
        None,
    )
    for cell, shown in [
        *((cell, cell) for cell in ("0x10", "١٢", "1d5", "True", "1 2", "+", "e5")),
        *((cell, cell) for cell in ("1e", "1e+", "--1", "1.2.3", "1-2", "+-1", "1e5.0")),
        ("\xa01", r"\xa01"),
    ]
]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "by row"])
@pytest.mark.parametrize(("content", "line", "hint"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_refuses(content: bytes, line: str, hint: str | None, fast: bool) -> None:
    error = fault_of(content, choose=every_column if fast else by_row(every_column))
    assert error.exit_code == Exit.DATA
    assert [str(fault) for fault in error.problems] == [line]
    if hint:
        assert hint in (error.hint or "")


def test_five_faults_are_told_and_the_others_counted() -> None:
    error = fault_of("x,y,z\n" + "1,,2\n" * 8 + "1,2\n" + "1,2,3\n" * 9)
    assert [fault.line for fault in error.problems] == [2, 3, 4, 5, 6]
    assert error.unsaid == 4


def test_a_column_of_text_is_one_fault() -> None:
    error = fault_of("x,y,z\n" + "1,a,2\n" * 8 + "1,2\n")
    assert [str(fault) for fault in error.problems] == [
        "<stdin>:2:2: column 'y' is text ('a' on line 2 and 7 more)",
        "<stdin>:10: 2 fields, expected 3",
    ]
    assert (error.unsaid, error.hint) == (
        0,
        "mend the data, or pipe the data through sed '10d' and fit that with --exclude y",
    )


def test_a_bad_cell_far_down_is_found_on_its_line() -> None:
    error = fault_of("x,y\n" + "1,2\n" * 600_000 + "1,abc\n")
    assert str(error.problems[0]) == "<stdin>:600002:2: cannot read 'abc' as a number in column 'y'"


def test_rows_with_missing_values_are_dropped_if_told_so() -> None:
    table = read("x,y,t\n1,2,a\nNA,3,b\n4,,c\n5,6,d\n", DROP, columns(0, 1, text=(2,)))
    assert table.numbers.tolist() == [[1, 2], [5, 6]]
    assert [*map(list, table.texts)] == [["a", "d"]]
    assert table.dropped == 2
    assert slugs(table) == ["dropped-rows"]
    assert [table.line(0), table.line(1)] == [2, 5]


def test_dropping_every_row_is_an_error() -> None:
    assert str(fault_of("x\nNA\n?\n", DROP)) == "<stdin>: no rows left: all 2 have missing values"


def test_dropping_does_not_hide_text_or_infinity() -> None:
    error = fault_of("x,y\nNA,abc\n1,inf\n", DROP)
    assert [(fault.line, fault.column) for fault in error.problems] == [(2, 2), (3, 2)]


@pytest.mark.parametrize("literal", ["1e-400", "0." + "0" * 400 + "1", "-1E-999"])
def test_a_number_too_small_is_zero_with_a_warning(literal: str) -> None:
    table = read(f"x,y\n1,{literal}\n0,0e-5\n")
    assert table.numbers.tolist() == [[1, 0], [0, 0]]
    assert slugs(table) == ["underflow"]
    assert table.warnings[0].message.endswith(": 1")


@pytest.mark.parametrize(
    ("content", "has_header", "told"),
    [
        ("2019,2020\n3,4\n", False, ["header-guess"]),
        ("1,2\n1.5,2.5\n", False, ["header-guess"]),
        ("1,2\n3,4\n", False, []),
        ("1.5,2\n3,4\n", False, []),
        ("1950\n1951\n", False, []),
        ("5.1,setosa\n4.9,setosa\n", True, ["header-guess"]),
        ("x,y\n1,2\n", True, []),
        (",x\n1,2\n", True, ["unnamed-column"]),
        ("x,\n1,2\n", True, []),  # which is not read
    ],
)
def test_a_doubtful_first_row_is_told(content: str, has_header: bool, told: list[str]) -> None:
    table = read(content, choose=columns(0))
    assert table.has_header is has_header
    assert slugs(table) == told


def test_the_user_decides_about_the_header() -> None:
    table = read("2019,2020\n3,4\n", CsvDialect(header=True))
    assert (table.header, table.numbers.tolist(), table.warnings) == (("2019", "2020"), [[3, 4]], ())
    assert "cannot read 'x'" in str(fault_of("x,y\n1,2\n", CsvDialect(header=False)))


def test_a_column_without_a_name_is_called_by_its_number() -> None:
    assert read("x,,z\n1,2,3\n").header == ("x", "2", "z")


def test_comments_are_skipped_if_told_so() -> None:
    table = read('# a,b,c\nx,y\n1,2\n# "\n3,4\n', CsvDialect(comment="#"))
    assert table.numbers.tolist() == [[1, 2], [3, 4]]
    assert [table.line(0), table.line(1)] == [3, 5]


def test_a_comment_mark_that_looks_like_a_number_is_still_seen() -> None:
    assert read("x,y\n1,2\n--3,4\n-5,6\n", CsvDialect(comment="--")).numbers.tolist() == [[1, 2], [-5, 6]]
    assert read("x,y\n1,2\n-3,4\n", CsvDialect(comment="-")).numbers.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "delimiter", ["\t", ";", ":", " ", "\x01", "\x0b", "\x1f", "^", "]", "\\", "'", "\xa7", "\u2028"]
)
@pytest.mark.parametrize("arrow", [0, 1 << 20])
def test_a_given_delimiter_is_used(delimiter: str, arrow: int) -> None:
    dialect = CsvDialect(delimiter=delimiter, sizes=ReadSizes(arrow=arrow))
    table = read(f"x{delimiter}y\n1{delimiter}2\n", dialect)
    assert (table.numbers.tolist(), table.delimiter) == ([[1, 2]], delimiter)


def test_an_empty_cell_between_tabs_is_missing_rather_than_blank() -> None:
    assert "missing value" in str(fault_of("x\ty\n1\t2\n\t\n"))


def test_only_chosen_columns_must_be_numbers() -> None:
    table = read("a,x,b,y\nfoo,1,,2\n,3,1e999,4\n", choose=columns(3, 1, text=(0,)))
    assert table.numbers.tolist() == [[2, 1], [4, 3]]
    assert [*map(list, table.texts)] == [["foo", ""]]


def test_numbers_that_are_not_chosen_keep_the_fast_path_right() -> None:
    table = read("x,y\n1,1e999\n2,1e-400\n", choose=columns(0))
    assert (table.numbers.tolist(), table.warnings) == ([[1], [2]], ())


def test_text_columns_may_be_all_that_is_read() -> None:
    table = read('who,flips\na," HTH "\nb,TTT\n', choose=columns(text=(1,)))
    assert [*map(list, table.texts)] == [["HTH", "TTT"]]
    assert table.numbers.shape == (2, 0)


def test_the_chooser_sees_the_header_and_may_refuse() -> None:
    def choose(header: tuple[str, ...], shown: str, has_header: bool) -> ColumnSelection:
        raise EmcliError(Exit.USAGE, f"{header} {shown} {has_header}")

    assert str(fault_of("x,y\n1,2\n", choose=choose)) == "('x', 'y') <stdin> True"


def test_faults_of_rows_are_located_through_blank_and_quoted_lines() -> None:
    table = read('x,y\n\n1,2\n"3\n",4\n5,6\n', choose=columns(1))
    assert [table.line(row) for row in range(3)] == [3, 4, 6]
    assert str(table.problem(2, 1, "odd")) == "<stdin>:6:2: odd"
    assert str(table.problem(0, None, "odd")) == "<stdin>:3: odd"


def test_line_numbers_of_large_files_take_no_memory_per_row() -> None:
    table = read("x\n" + "1\n" * 100_000)
    assert len(table.break_rows) == 1
    assert table.line(99_999) == 100_001


@pytest.mark.parametrize("limit", [1, 7, 64, 4 << 20])
def test_chunk_size_changes_nothing(limit: int) -> None:
    dialect = CsvDialect(sizes=ReadSizes(chunk=limit, sample=8))
    table = read('x,"y\n2"\r\n1,2\n\n3,4\n5,"6\n"\n7,8\n1e-400,9', dialect, columns(0))
    assert table.header == ("x", "y\n2")
    assert table.numbers.tolist() == [[1], [3], [5], [7], [0]]
    assert [table.line(row) for row in range(5)] == [3, 5, 6, 8, 9]


@pytest.mark.parametrize("content", ["x\n" + "1" * 200 + "\n", 'x\n"' + "1\n" * 100 + '"\n', "1" * 200])
def test_endless_lines_and_fields_are_refused(content: str) -> None:
    dialect = CsvDialect(sizes=ReadSizes(chunk=32, longest=100))
    assert "is longer than 100" in str(fault_of(content, dialect))


def test_a_quote_without_an_end_is_told_where_it_begins() -> None:
    for rows, what in (("1\n" * 100 + '"\n', "quoted field is longer than 100"), ("1\n", "quote is never closed")):
        fault = str(fault_of('x,y,z\n1,2,"' + rows, CsvDialect(sizes=ReadSizes(longest=100))))
        assert f":2:3: {what}" in fault


def test_a_table_that_never_begins_is_refused() -> None:
    dialect = CsvDialect(sizes=ReadSizes(chunk=32, sample=8, longest=100))
    assert "no row in the first 128 bytes, only blank lines" in str(fault_of("\n" * 200, dialect))


def test_a_long_cell_is_cut_in_the_message() -> None:
    assert len(str(fault_of("x\n" + "a" * 1_000_000 + "\n"))) < 120


# In little memory


def test_a_table_in_chunks_is_the_table(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("x,y\n" + "".join(f"{i},NA\n" if i < 5 or i % 7 == 0 else f"{i},{i}\n" for i in range(40)))
    whole = read_table(str(path), DROP, every_column)
    for rows in (1, 3, 4, 40, 50):
        tables = list(read_chunks(str(path), DROP, every_column, rows))
        assert np.array_equal(np.concatenate([table.numbers for table in tables]), whole.numbers)
        assert sum(table.dropped for table in tables) == whole.dropped
        assert [table.line(i) for table in tables for i in range(len(table.numbers))] == [
            whole.line(i) for i in range(len(whole.numbers))
        ]


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_problem_in_the_last_chunk_is_told_even_where_no_row_of_it_can_be_read(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("x\n1\n2\nthree\n")
    with pytest.raises(EmcliError, match=r"x\.csv:4:1: cannot read 'three'"):
        list(read_chunks(str(path), AUTO, every_column, rows))


def test_a_table_of_nothing_but_missing_values_is_refused_in_chunks_too(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("x\nNA\nNA\nNA\n")
    with pytest.raises(EmcliError, match="no rows left: all 3 have missing values"):
        list(read_chunks(str(path), DROP, every_column, 2))


# Files


def test_a_missing_file_suggests_a_sibling(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("x\n1\n")
    with pytest.raises(EmcliError, match=r"point\.csv: no such file \(did you mean 'points\.csv'\?\)") as caught:
        read_table(str(tmp_path / "point.csv"), AUTO, every_column)
    assert caught.value.exit_code == Exit.DATA


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (".", "not a part, by its name"),
        ("a" * 300, "file name too long"),
        ("x.csv/y", "not a directory"),
        ("loop", "too many levels"),
        ("a\0b", "not a possible file name"),
    ],
)
def test_what_cannot_be_opened_is_told(name: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("x\n1\n")
    os.symlink("loop", "loop")
    with pytest.raises(EmcliError, match=what) as caught:
        read_table(name, AUTO, every_column)
    assert caught.value.exit_code == Exit.DATA


def test_permission_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(source, "open", denied, raising=False)
    with pytest.raises(EmcliError, match=r"^x\.csv: permission denied$"):
        read_table("x.csv", AUTO, every_column)


def test_gzip_is_told_by_content_and_not_by_name(tmp_path: Path) -> None:
    zipped, plain = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    zipped.write_bytes(gzip.compress(b"x\n1\n"))
    plain.write_bytes(b"x\n1\n")
    assert read_table(str(zipped), AUTO, every_column).numbers.tolist() == [[1]]
    with pytest.raises(EmcliError, match=r"b\.csv\.gz: not gzip data"):
        read_table(str(plain), AUTO, every_column)


@pytest.mark.parametrize("cut", [5, 30, -9, -4, -1])
def test_truncated_gzip_is_an_error(cut: int) -> None:
    numbers = random.Random(0)
    whole = gzip.compress("".join(f"{numbers.random()}\n" for _ in range(1000)).encode())
    assert "truncated gzip data" in str(fault_of(whole[:cut]))


def test_damaged_gzip_is_an_error() -> None:
    whole = bytearray(gzip.compress(b"x\n" + b"1\n" * 1000))
    whole[-6] ^= 1
    assert "damaged gzip data" in str(fault_of(bytes(whole)))


def test_a_pipe_is_read_once_even_in_drips(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def drip() -> None:
        with open(path, "wb", buffering=0) as pipe:
            for byte in gzip.compress(b"x,y\n1,2\n") + gzip.compress(b"3,4\n"):
                pipe.write(bytes([byte]))

    writer = threading.Thread(target=drip)
    writer.start()
    table = read_table(str(path), AUTO, every_column)
    writer.join()
    assert table.numbers.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("name", ["a[1].csv", "*", "?", "~", "$HOME", "-x.csv", "a\nb\x1b.csv"])
def test_a_path_is_a_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("x\n1\n")
    assert read_table(name, AUTO, every_column).source == name
    with pytest.raises(EmcliError, match=r"^http://localhost/x\.csv: no such file$"):
        read_table("http://localhost/x.csv", AUTO, every_column)


def test_a_read_error_is_told_with_its_place() -> None:
    class Failing(io.RawIOBase):
        left = 4096

        def read(self, size: int = -1) -> bytes:
            if not self.left:
                raise OSError(5, "Input/output error")
            piece = b"1\n" * (min(size, self.left, 1000) // 2)
            self.left -= len(piece)
            return piece

    with pytest.raises(EmcliError) as caught:
        read_table("-", AUTO, every_column, Failing())  # type: ignore[arg-type]
    assert str(caught.value) == "<stdin>: read error after 4096 bytes: input/output error"


def test_closed_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(EmcliError, match="standard input is closed"):
        read_table("-", AUTO, every_column)


# Columns


def test_columns_are_found_by_name_then_by_number() -> None:
    header = ("x", "3", "y")
    assert [column_finder(header, "data.csv")(spec) for spec in ("x", "y", "1", "2", "3", " y ")] == [0, 2, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("yy", "no column 'yy' in data.csv (has: xx, yyy; did you mean 'yyy'?)"),
        ("q", "no column 'q' in data.csv (has: xx, yyy)"),
        *(
            (spec, f"no column '{spec}': columns count from 1 and data.csv has 2 columns")
            for spec in ("0", "5", "-1", "+1", "9999999999999")
        ),
    ],
)
def test_an_unknown_column_is_a_usage_error(spec: str, message: str) -> None:
    with pytest.raises(EmcliError) as caught:
        column_finder(("xx", "yyy"), "data.csv")(spec)
    assert (str(caught.value), caught.value.exit_code) == (message, Exit.USAGE)


def test_the_exit_code_for_an_unknown_column_can_be_chosen() -> None:
    with pytest.raises(EmcliError) as caught:
        column_finder(("x",), "data.csv", Exit.DATA)("heads")
    assert caught.value.exit_code == Exit.DATA


def test_a_name_of_several_columns_is_refused_only_when_asked_for() -> None:
    assert read("x,x,y\n1,2,3\n").numbers.tolist() == [[1, 2, 3]]
    with pytest.raises(EmcliError, match=r"'x' is not unique in data\.csv") as caught:
        column_finder(("x", "x", "y"), "data.csv")("x")
    assert caught.value.exit_code == Exit.DATA
    assert column_finder(("x", "x", "y"), "data.csv")("2") == 1


# Writing


@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=1))
def test_written_floats_read_back_bit_equal(rows: list[tuple[float, float]]) -> None:
    stream = io.StringIO()
    write_csv(stream, ("a", "b,c"), np.array(rows))
    table = read(stream.getvalue())
    assert table.header == ("a", "b,c")
    assert table.numbers.tobytes() == np.array(rows).tobytes()


def test_integers_are_written_as_integers_and_labels_last() -> None:
    stream = io.StringIO()
    write_csv(stream, ("heads", "tosses", "component"), np.array([[3, 10], [4, 10]]), [2, 1])
    assert stream.getvalue() == "heads,tosses,component\n3,10,2\n4,10,1\n"


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r")), min_size=1), st.booleans())
def test_written_text_is_understood_by_the_csv_module(texts: list[str], alone: bool) -> None:
    columns: list[Any] = [texts] if alone else [texts, np.arange(len(texts))]
    written = "".join(format_csv((), columns))
    expected = [[text] if alone else [text, str(i)] for i, text in enumerate(texts)]
    assert list(csv.reader(io.StringIO(written, newline=""), strict=True)) == expected


def test_many_rows_are_written_in_pieces() -> None:
    numbers = np.arange(200_000.0).reshape(-1, 2)
    pieces = list(format_csv(("a", "b"), list(numbers.T)))
    assert len(pieces) > 2
    assert np.array_equal(np.loadtxt(io.StringIO("".join(pieces)), delimiter=",", skiprows=1), numbers)


# Laws

NUMERALS = ["0", "1", "-2.5", "1e5", ".5", "5.", "1e-400", "1e999", "0e-9", "00", "5e-324", "1.7976931348623157e308"]
ODDITIES = [
    "",
    "NA",
    "-",
    "nan",
    "x",
    "1_0",
    "1 2",
    '"3"',
    '"4',
    '5"',
    '"6\n"',
    '""',
    "#",
    " 7 ",
    "\t8",
    "\xa09",
    "1\r",
    "+",
    "e",
]
SEPARATORS = [",", ",", ",", "\n", "\n", "\r\n", ";", " ", "\t", "\n\n", "\n \n"]
cells = st.one_of(
    st.sampled_from(NUMERALS),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(ODDITIES),
)
pieces = st.tuples(cells, st.sampled_from(SEPARATORS)).map("".join)


@st.composite
def almost_tables(draw: st.DrawFn) -> bytes:
    """Mostly regular numeric text, sometimes with an oddity, sometimes loose pieces."""
    if draw(st.booleans()):
        return "".join(draw(st.lists(pieces, max_size=12))).encode()
    width, mark = draw(st.integers(1, 3)), draw(st.sampled_from([",", ";", "\t", " ", ", "]))
    good = st.one_of(st.sampled_from(NUMERALS), st.integers(-99, 99).map(str), st.floats(-9, 9).map(repr))
    row = st.lists(good, min_size=width, max_size=width).map(mark.join)
    rows = draw(st.lists(st.one_of(row, row, row, st.sampled_from(["", " ", "1", *ODDITIES])), max_size=8))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    header = draw(st.sampled_from([[], [mark.join("abc"[:width])]]))
    return (end.join(header + rows) + draw(st.sampled_from(["", end, end + end]))).encode()


def outcome(content: bytes, dialect: CsvDialect, choose: Any) -> Any:
    """All there is to see of a reading of numbers: bit patterns and lines, or the error word for word."""
    try:
        table = read(content, dialect, choose)
    except EmcliError as error:
        return error.exit_code, error.lines()
    lines = [table.line(row) for row in range(len(table.numbers))]
    return table.header, table.numbers.shape, table.numbers.tobytes(), table.dropped, table.warnings, lines


@settings(max_examples=120, deadline=None)
@given(
    almost_tables(),
    st.sampled_from([AUTO, DROP, *(CsvDialect(delimiter=d, header=h) for d in ", \t" for h in (False, True))]),
    st.sampled_from([1, 5, 16]),
    st.sampled_from([every_column, columns(0)]),
)
@example(b"a,b\n1,2\n\n3\n", AUTO, 5, every_column)
@example(b"1 2\n3 4\r\n", CsvDialect(delimiter=","), 5, every_column)
@example(b"a\n1\n2\r", AUTO, 1, every_column)
def test_both_ways_of_reading_agree_for_every_size_of_chunk(
    content: bytes, dialect: CsvDialect, chunk: int, choose: Any
) -> None:
    expected = outcome(content, dialect, by_row(choose))
    assert outcome(content, dialect, choose) == expected
    assert outcome(content, replace(dialect, sizes=ReadSizes(chunk=chunk)), choose) == expected


def test_plain_numbers_do_take_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise AssertionError("read by row")

    monkeypatch.setattr(TableBuilder, "add_rows", refuse)
    assert read("x,y\r\n1,2\r\n 3 , -4e5\r\n\r\n").numbers.tolist() == [[1, 2], [3, -4e5]]
    assert read("1  2\n3 4\n").numbers.tolist() == [[1, 2], [3, 4]]
    assert read('"x","y"\n0.5,0\n').numbers.tolist() == [[0.5, 0]]


@given(st.text(st.sampled_from("0123456789+-.eE_xdn \u0661"), max_size=8))
def test_a_cell_is_a_number_iff_the_grammar_says_so(cell: str) -> None:
    grammar = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
    stripped = cell.strip()
    if grammar.fullmatch(stripped) and np.isfinite(float(stripped)):
        assert read(f"x\n{cell}\n", CsvDialect(delimiter=",")).numbers.tolist() == [[float(stripped)]]
    else:
        assert fault_of(f"x\n{cell}\n", CsvDialect(delimiter=",")).exit_code == Exit.DATA


quotables = st.text(st.sampled_from('ab1 ,;"\n'), max_size=6).map(str.strip)


@given(st.lists(st.tuples(quotables, quotables), min_size=1, max_size=5))
def test_quoted_fields_are_read_as_the_csv_module_wrote_them(rows: list[tuple[str, str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("p", "q"), *rows])
    table = read(stream.getvalue(), CsvDialect(delimiter=","), columns(text=(0, 1)))
    assert list(zip(*table.texts, strict=True)) == rows
