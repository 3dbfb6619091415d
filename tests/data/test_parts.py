"""A table in parts is the table: a folder of CSV and Parquet files gives what the CSV of all rows gives."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from conftest import SAMPLES, fit, run

from emcli.data.table.partitions import partition_files
from emcli.data.table.read import read_table
from emcli.data.table.table import ColumnSelection, CsvDialect
from emcli.errors import EmcliError

LINES = (SAMPLES / "faithful.csv").read_text().splitlines()
HEADER, ROWS = LINES[0], LINES[1:]


def write_parquet(text: str, path: Path, kinds: dict[str, Any] | None = None) -> None:
    """The rows of a CSV as Parquet, of kinds that are told by the text unless they are given."""
    table = pyarrow.csv.read_csv(
        io.BytesIO(text.encode()), convert_options=pyarrow.csv.ConvertOptions(column_types=kinds)
    )
    pyarrow.parquet.write_table(table, path)


def split(folder: Path, kinds: str = "csv") -> Path:
    """The rows of a sample in four parts, one without any rows; what is no part beside them."""
    folder.mkdir()
    for name, rows in (("a", ROWS[:50]), ("b", ROWS[50:120]), ("c", []), ("d", ROWS[120:])):
        text = "\n".join([HEADER, *rows]) + "\n"
        if kinds == "parquet" or (kinds == "mixed" and name == "d"):
            write_parquet(text, folder / f"{name}.parquet", dict.fromkeys(HEADER.split(","), pyarrow.float64()))
        elif kinds == "gz" or (kinds == "mixed" and name == "b"):
            (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / f"{name}.csv").write_text(text)
    (folder / "_SUCCESS").write_text("")
    (folder / ".a.csv.crc").write_bytes(b"\0")
    (folder / "older").mkdir()
    return folder


def without_source(document: dict[str, Any]) -> str:
    return json.dumps({**document, "data": {**document["data"], "source": None}})


def refusal(folder: Path) -> str:
    with pytest.raises(EmcliError) as caught:
        read_table(str(folder), CsvDialect(), lambda header, *_: ColumnSelection(tuple(range(len(header)))))
    assert caught.value.exit_code == 3
    return caught.value.lines()[0].replace(f"{folder}/", "")


@pytest.mark.parametrize("kinds", ["csv", "gz", "parquet", "mixed"])
def test_a_folder_of_parts_gives_the_bytes_of_the_whole(tmp_path: Path, kinds: str) -> None:
    whole = fit("gmm", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 2)
    assert without_source(fit("gmm", split(tmp_path / "table", kinds), "-k", 2, "--restarts", 2)) == without_source(
        whole
    )


@pytest.mark.parametrize(
    ("model", "options", "text"),
    [
        ("coins", ("-k", 2), "heads,tosses\n" + "\n".join(f"{i % 8},{8 + i % 3}" for i in range(60))),
        ("coins", ("-k", 2, "--flips", "f"), "f\n" + "\n".join("HT" * (i % 4 + 1) + "H" * (i % 7) for i in range(60))),
        (
            "kmeans",
            ("-k", 3, "--row-weights", "w", "--truth", "t", "--columns", "x"),
            "x,w,t\n" + "\n".join(f"{(i * 37) % 101},{i % 3},{'ab'[i % 2]}" for i in range(60)),
        ),
    ],
)
def test_every_role_of_a_column_is_read_from_parts(
    tmp_path: Path, model: str, options: tuple[Any, ...], text: str
) -> None:
    header, *rows = text.splitlines()
    folder = tmp_path / "table"
    folder.mkdir()
    (tmp_path / "whole.csv").write_text(text + "\n")
    (folder / "1.csv").write_text("\n".join([header, *rows[:20]]) + "\n")
    write_parquet("\n".join([header, *rows[20:]]), folder / "2.parquet")
    write_parquet(text, tmp_path / "whole.parquet")
    whole = without_source(fit(model, tmp_path / "whole.csv", *options))
    assert without_source(fit(model, folder, *options)) == whole
    assert without_source(fit(model, tmp_path / "whole.parquet", *options)) == whole


def test_a_parquet_file_gives_the_bytes_of_the_csv(tmp_path: Path) -> None:
    write_parquet((SAMPLES / "faithful.csv").read_text(), tmp_path / "whole.parquet")
    whole = fit("kmeans", SAMPLES / "faithful.csv", "-k", 2)
    assert without_source(fit("kmeans", tmp_path / "whole.parquet", "-k", 2)) == without_source(whole)


def test_rows_come_in_the_order_of_the_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c10", "c9"):
        (tmp_path / f"{name}.csv").write_text("x\n1\n")
    assert [Path(name).stem for name in partition_files(str(tmp_path))] == ["a", "b", "c10", "c9"]


def test_a_fault_names_the_part_and_the_line(tmp_path: Path) -> None:
    folder = split(tmp_path / "table")
    text = (folder / "d.csv").read_text().splitlines()
    text[7] = "1.5,many"
    (folder / "d.csv").write_text("\n".join(text) + "\n")
    assert refusal(folder) == "emcli: error: d.csv:8:2: cannot read 'many' as a number in column 'waiting'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("eruptions,wait\n1,2\n", "z.csv:1:2: header differs from the first part's: column 2 is 'wait', not 'waiting'"),
        ("eruptions\n1\n", "z.csv:1: header differs from the first part's: 1 columns, not 2"),
        ("", "z.csv: file is empty"),
    ],
)
def test_a_part_of_another_header_is_refused(tmp_path: Path, text: str, said: str) -> None:
    folder = split(tmp_path / "table")
    (folder / "z.csv").write_text(text)
    assert refusal(folder) == f"emcli: error: {said}"


def test_a_folder_without_parts_and_a_file_that_is_no_part_are_refused(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").write_text("")
    assert refusal(tmp_path).endswith(": no parts in this folder")
    (tmp_path / "README.md").write_text("about")
    assert refusal(tmp_path) == "emcli: error: README.md: not a part, by its name"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, None, 3], "x.parquet:2:1: missing value in column 'x'"),
        ([1.0, 2.0, float("nan")], "x.parquet:3:1: missing value in column 'x'"),
        ([1.0, 2.0, float("inf")], "x.parquet:3:1: value is not finite in column 'x', got 'inf'"),
        ([1, 2**53 + 1], "x.parquet:2:1: integer beyond 2^53 in column 'x', got '9007199254740993'"),
        (["a", "b"], "x.parquet:1:1: column 'x' is text ('a' on line 1 and 1 more)"),
        ([True, False], "x.parquet:1:1: column 'x' is text ('true' on line 1 and 1 more)"),
    ],
)
def test_what_a_parquet_cell_cannot_be_is_told_with_its_row(tmp_path: Path, values: list[Any], said: str) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"x": values}), tmp_path / "x.parquet")
    assert refusal(tmp_path) == f"emcli: error: {said}"


def test_missing_values_of_parquet_are_dropped_where_asked(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"x": [1.5, None, 3.0]}), tmp_path / "x.parquet")
    table = read_table(str(tmp_path), CsvDialect(missing="drop"), lambda *_: ColumnSelection((0,)))
    assert table.numbers.ravel().tolist() == [1.5, 3.0]
    assert table.dropped == 1


def test_damaged_parquet_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1" + b"\0" * 40 + b"PAR1")
    done = run("fit", "kmeans", tmp_path / "x.parquet", "-k", 1)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "damaged Parquet data" in done.stderr


def test_predict_streams_parts_under_one_header_or_writes_a_folder_of_them(tmp_path: Path) -> None:
    saved, folder = tmp_path / "fit.json", split(tmp_path / "table", "gz")
    saved.write_text(json.dumps(fit("gmm", folder, "-k", 2, "--restarts", 2)))
    whole = run("predict", saved, SAMPLES / "faithful.csv")
    assert run("predict", saved, folder).stdout == whole.stdout
    done = run("predict", saved, folder, "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (0, "")
    made = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in made] == ["a.csv", "b.csv", "c.csv", "d.csv"]
    header, *rows = whole.stdout.splitlines()
    assert all(path.read_text().startswith(header + "\n") for path in made)
    assert [row for path in made for row in path.read_text().splitlines()[1:]] == rows
    again = run("predict", saved, folder, "-o", tmp_path / "out")
    assert (again.returncode, again.stderr.count("\n")) == (5, 1)


def test_a_fault_leaves_no_folder_behind(tmp_path: Path) -> None:
    saved, folder = tmp_path / "fit.json", split(tmp_path / "table")
    saved.write_text(json.dumps(fit("gmm", folder, "-k", 2, "--restarts", 2)))
    (folder / "e.csv").write_text(f"{HEADER}\n1,2\n1,x\n")
    done = run("predict", saved, folder, "-o", tmp_path / "out")
    assert done.returncode == 3
    assert "e.csv:3:2:" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit.json", "table"]


def test_a_column_that_no_part_has_is_told_of_the_folder(tmp_path: Path) -> None:
    done = run("fit", "gmm", split(tmp_path / "table"), "-k", 2, "--columns", "z", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.replace(f"{tmp_path}/", "").startswith("emcli: error: no column 'z' in table (has: ")
