"""Reading in bounded memory: what is refused is refused before it is used, and the work is linear in what is read."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from conftest import run
from rules import limited
from test_data import every_column

from emcli.compute import arrays
from emcli.data.table import numeric_chunks
from emcli.data.table.read import column_finder, read_chunks, read_table
from emcli.data.table.table import ColumnSelection, CsvDialect, ReadSizes
from emcli.errors import EmcliError

FIVE = CsvDialect(sizes=ReadSizes(columns=5))


def read(content: bytes, dialect: CsvDialect = FIVE) -> Any:
    return read_table("-", dialect, every_column, io.BytesIO(content))


@pytest.fixture
def no_memory() -> Iterator[None]:
    """All arrays together may take a byte."""
    arrays.keep_within(1)
    yield
    arrays.keep_within(None)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a,b,c,d,e,f\n1,2,3,4,5,6\n", 1),
        (b"1,2,3,4,5,6\n1,2,3,4,5,6\n", 1),
        (b'"a","b","c","d","e","f"\n', 1),
        (b"a b c d e f\n1 2 3 4 5 6\n", 1),
        (b"a\tb\tc\td\te\tf\n", 1),
        (b"a,b\n1,2\n1,2,3,4,5,6\n", 3),
        (b"a,b\nx,2\n,,,,,,,,,,,,\n", 3),
    ],
)
def test_more_columns_than_are_read_are_refused_at_their_line(content: bytes, line: int) -> None:
    with pytest.raises(EmcliError) as caught:
        read(content)
    assert str(caught.value) == f"<stdin>:{line}: more than 5 columns"


@pytest.mark.parametrize("content", [b"a,b,c,d,e\n1,2,3,4,5\n", b"a  b   c d   e\n1    2 3   4     5\n"])
def test_as_many_columns_as_are_allowed_are_read(content: bytes) -> None:
    assert read(content).numbers.tolist() == [[1, 2, 3, 4, 5]]


def test_eight_million_columns_are_refused_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "commas.csv.gz").write_bytes(gzip.compress((b"," * 8_000_000 + b"\n") * 2))
    tracemalloc.start()
    try:
        done = run("fit", "kmeans", "commas.csv.gz", "-k", 2, cwd=tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.stderr == "emcli: error: commas.csv.gz:1: more than 100000 columns\n"
    assert done.returncode == 3
    assert peak < 60e6


def test_wide_tables_are_read_without_arrow_which_is_slow_and_large_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(numeric_chunks, "_parse_by_arrow", lambda data, delimiter, width: asked.append(width))
    for width in (2000, 2001):
        line = ",".join(["1.5"] * width)
        numbers = numeric_chunks.parse(f"{line}\n{line}".encode(), ",", width, list(range(width)), by_arrow=True)
        assert numbers is not None and numbers.shape == (2, width)
    assert asked == [2000]


@pytest.mark.slow
@pytest.mark.usefixtures("no_memory")
def test_rows_that_are_read_one_by_one_go_to_disk_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[int] = []
    append = arrays.GrowingArray.append
    monkeypatch.setattr(
        arrays.GrowingArray, "append", lambda self, piece, expected=0: (pieces.append(len(piece)), append(self, piece))
    )
    plain = "x,y\n" + "".join(f"{i},{i % 7}\n" for i in range(150_000))
    quoted = plain.replace(",", '","').replace("\n", '"\n"').removesuffix('"')
    assert np.array_equal(read(b'"' + quoted.encode()).numbers, np.column_stack([np.arange(15e4), np.arange(15e4) % 7]))
    assert pieces == [65536, 65536, 150_000 - 2 * 65536]


def test_long_rows_are_taken_a_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("a,t\n" + "".join(f"{i},{'x' * 3_000_000}\n" for i in range(20)))
    everything = ColumnSelection((0,), (0, 1))
    sizes = [len(table.numbers) for table in read_chunks(str(path), CsvDialect(), lambda *_: everything, 16384)]
    assert sum(sizes) == 20
    assert max(sizes) == 6


def test_columns_are_found_in_linear_time(without_collection: None) -> None:
    def seconds(n: int) -> float:
        header = [f"column {i}" for i in range(n)]
        before = process_time()
        find = column_finder(header, "x.csv")
        assert [find(name) for name in header] == list(range(n))
        return process_time() - before

    short, long = (min(seconds(n) for _ in range(3)) for n in (10_000, 80_000))
    assert long < 24 * short  # 8 times; 64 if it were quadratic


def test_a_column_of_identifiers_is_no_truth(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x,t\n" + "".join(f"{i},l{i}\n" for i in range(10_001)))
    done = run("fit", "kmeans", "x.csv", "-k", 2, "--truth", "t", "--restarts", 1, cwd=tmp_path)
    assert done.stderr.startswith("emcli: error: x.csv: more than 10000 different true labels in column 't'\n  hint: ")
    assert done.returncode == 3


def test_text_that_cannot_go_to_disk_counts_in_the_limit(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x,t\n" + "".join(f"{i},{i}{'x' * 2000}\n" for i in range(60_000)))
    done = run("fit", "kmeans", "x.csv", "-k", 2, "--columns", "x", "--truth", "t", "--memory", "1MB", cwd=tmp_path)
    assert "the text of 6" in done.stderr
    assert "more than the 1 MB of --memory" in done.stderr
    assert done.returncode == 3


# Parquet


def bomb(name: str, path: Path) -> None:
    """A small file of Parquet that is large once it is decoded."""
    pyarrow, parquet = (pytest.importorskip(each) for each in ("pyarrow", "pyarrow.parquet"))
    n = 5_000_000
    columns: dict[str, Callable[[], dict[str, Any]]] = {
        "a cell": lambda: {"a": ["x" * 70_000_000, "y"], "b": [1.0, 2.0]},
        "one text many times": lambda: {
            "a": pyarrow.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), ["x" * 10_000]),
            "b": np.arange(1e5),
        },
        "one number many times": lambda: {"a": np.zeros(n), "b": np.ones(n)},
        "a list": lambda: {
            "a": pyarrow.ListArray.from_arrays([0, 2 * n, 2 * n + 1], np.ones(2 * n + 1, int)),
            "b": [1.0, 2.0],
        },
    }
    parquet.write_table(pyarrow.table(columns[name]()), path, compression="zstd")


@pytest.mark.parametrize(
    "name",
    [
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("a cell", "one text many times", "one number many times")
        ),
        "a list",
    ],
)
def test_parquet_expands_no_more_than_gzip_may(name: str, tmp_path: Path) -> None:
    bomb(name, tmp_path / "x.parquet")
    (tmp_path / "f.json").write_text(run("fit", "kmeans", "-", "-k", 2, "--json", stdin="b\n1\n2\n3\n").stdout)
    fitted, predicted = ("fit", "kmeans", "x.parquet", "-k", 2), ("predict", "f.json", "x.parquet")
    for words in (fitted, predicted) if name == "one text many times" else (fitted,):
        done = run(*words, cwd=tmp_path)
        assert done.stderr == (
            "emcli: error: x.parquet: expands more than 500-fold, as no data do (a decompression bomb?)\n"
        )
        assert (done.returncode, done.stdout.count("\n") < 2) == (3, True)


def test_only_the_columns_that_are_asked_for_are_decoded(tmp_path: Path) -> None:
    bomb("a cell", tmp_path / "x.parquet")
    done = run("fit", "kmeans", "x.parquet", "-k", 2, "--columns", "b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_parquet_of_too_many_columns_is_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(
        pyarrow.table({f"c{i}": [1.0] for i in range(6)}), tmp_path / "x.parquet"
    )
    with pytest.raises(EmcliError, match="more than 5 columns"):
        read_table(str(tmp_path / "x.parquet"), FIVE, every_column)


def test_equal_texts_of_parquet_are_those_of_a_csv(tmp_path: Path) -> None:
    pyarrow, parquet = (pytest.importorskip(each) for each in ("pyarrow", "pyarrow.parquet"))
    columns = {"t": ["a", None, "b ", "a"] * 5, "a.b": [1.0, 2, 3, 4] * 5, "u": ["", "x", "y", None] * 5}
    parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet", row_group_size=7)
    everything = ColumnSelection((1,), (0, 1, 2))
    table = read_table(str(tmp_path / "x.parquet"), CsvDialect(), lambda *_: everything)
    assert [list(column) for column in table.texts] == [
        ["a", "", "b", "a"] * 5,
        ["1.0", "2.0", "3.0", "4.0"] * 5,
        ["", "x", "y", ""] * 5,
    ]


# Under a limit of the process nothing ends in an abort: 1.5 GB of addresses.


@pytest.mark.slow
def test_hostile_sizes_end_in_one_line_under_a_limit(tmp_path: Path) -> None:
    wide = ",".join(f"c{i}" for i in range(60_000)) + "\n" + ("1," * 59_999 + "2\n") * 3
    (tmp_path / "wide.csv.gz").write_bytes(gzip.compress(wide.encode()))
    (tmp_path / "wider.csv.gz").write_bytes(gzip.compress(wide.replace("\n", "," * 60_000 + "\n").encode()))
    (tmp_path / "deep.json").write_text("[" + "[[]]," * 8_000_000 + "[]]")
    bomb("a cell", tmp_path / "x.parquet")
    lines = {
        "fit kmeans wider.csv.gz -k 2": "more than 100000 columns",
        "fit gmm wide.csv.gz -k 2": "",
        "fit gmm x.parquet -k 1": "decompression bomb",
        "predict deep.json wide.csv.gz": "not enough memory for a document",
        "compare deep.json deep.json": "not enough memory for a document",
    }
    for line, said in lines.items():
        done = limited(line, tmp_path, 1464)
        assert done.code in (3, 4), (line, done.err)
        assert done.err.startswith("emcli: error: ") and done.err.count("\n") <= 2, line
        assert said in done.err, (line, done.err)


def numbers(rows: int, columns: int) -> str:
    values = np.random.default_rng(0).normal(size=(rows, columns)).round(2).tolist()
    return "\n".join(",".join(map(str, row)) for row in [[f"c{i}" for i in range(columns)], *values]) + "\n"


@pytest.mark.parametrize(
    ("covariance", "code", "said"),
    [
        ("full", 4, "a covariance of 5000 columns needs more than 5000 rows, got 6\n"),
        ("tied", 4, "a covariance of 5000 columns needs more than 5000 rows, got 6\n"),
        ("diag", 3, "2 covariances of 5000 columns are 50000000 numbers, more than 33554432\n"),
        ("spherical", 3, "2 covariances of 5000 columns are 50000000 numbers, more than 33554432\n"),
    ],
)
def test_covariances_are_refused_before_a_matrix_is_made(covariance: str, code: int, said: str) -> None:
    text = numbers(6, 5000)
    tracemalloc.start()
    try:
        done = run("fit", "gmm", "-", "-k", 2, "--covariance", covariance, stdin=text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert f"emcli: error: <stdin>: {said}" in done.stderr
    assert done.returncode == code
    assert peak < 100e6  # a matrix takes 200 MB


def test_sds_of_many_columns_are_no_way_to_large_matrices(tmp_path: Path) -> None:
    row = ",".join(["1"] * 6000)
    text = f"model: gmm\ngenerate: {{rows: 3, parameters: {{means: [[{row}]], sds: [[{row}]]}}}}\n"
    (tmp_path / "e.yaml").write_text(text)
    done = run("generate", "e.yaml", cwd=tmp_path)
    assert "1 covariances of 6000 columns are 36000000 numbers, more than 33554432" in done.stderr
    assert done.returncode == 2
