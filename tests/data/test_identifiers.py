"""Columns that tell rows apart are told, with what leaves them out; measured ones are not taken for them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, run

from emcli.data.identifiers import MORE_ROWS, Tally, is_name

N = 60
RNG = np.random.default_rng(0)
MEASURED = np.round(RNG.normal(size=N) + 4.0 * (np.arange(N) % 2), 3)
ORDER = RNG.permutation(N)
IDS = RNG.choice(10**6, N, replace=False)
GAPS = np.delete(np.arange(N + 9), [3, 4, 20, 21, 22, 23, 40, 50, 60])


def table(names: str, *columns: Any) -> str:
    return names + "\n" + "".join(",".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


def told(text: str, *options: object) -> str:
    """The message of the warning, or nothing."""
    found = fit("kmeans", "-", "-k", 1, "--restarts", 1, *options, stdin=text)["warnings"]
    return next((warning["message"] for warning in found if warning["slug"] == "identifier"), "")


COUNTING: dict[str, tuple[str, tuple[Any, ...]]] = {
    "from 0": ("x,no", (MEASURED, range(N))),
    "from 1": ("nr,x", (range(1, N + 1), MEASURED)),
    "down": ("nr,x", (range(N, 0, -1), MEASURED)),
    "by tens": ("nr,x", (range(0, 10 * N, 10), MEASURED)),
    "in another order": ("nr,x", (ORDER, MEASURED)),
    "called id": ("id,x", (IDS, MEASURED)),
    "called ID": ("x,ID", (MEASURED, IDS)),
    "called customer_id": ("customer_id,x", (IDS, MEASURED)),
    "called customerId": ("x,customerId", (MEASURED, IDS)),
    "called index": ("index,x", (GAPS, MEASURED)),
    "of pandas": ("Unnamed: 0,x", (GAPS, MEASURED)),
    "of R": ('"",x', ([f'"{i}"' for i in GAPS], MEASURED)),
}


@pytest.mark.parametrize(("names", "columns"), COUNTING.values(), ids=COUNTING)
def test_a_column_that_tells_rows_apart_is_told_and_what_to_type_leaves_it_out(
    names: str, columns: tuple[Any, ...]
) -> None:
    text = table(names, *columns)
    option, name = shlex.split(told(text).rpartition("with ")[2])
    assert option == "--exclude"
    assert fit("kmeans", "-", "-k", 1, option, name, stdin=text)["data"]["columns"] == ["x"]


MEASURED_ONLY: dict[str, tuple[str, tuple[Any, ...]]] = {
    "years alone": ("year", (range(1900, 1900 + N),)),
    "counts with ties": ("n,x", (np.arange(N) // 2, MEASURED)),
    "all but one": ("nr,x", ([*range(N - 1), 0], MEASURED)),
    "a gap": ("nr,x", ([*range(N - 1), N + 1], MEASURED)),
    "equal steps of no integers": ("t,x", (np.arange(N) / 2, MEASURED)),
    "all different": ("price,x", (IDS, MEASURED)),
    "few rows": ("a,b", (range(4), MEASURED[:4])),
    "a line": ("day,x", (np.arange(N) + 0.5, MEASURED)),
    "an id with ties": ("id,x", (np.arange(N) % 30, MEASURED)),
    "an id of no integers": ("id,x", (MEASURED + np.arange(N) / 3, MEASURED)),
}


@pytest.mark.parametrize(("names", "columns"), MEASURED_ONLY.values(), ids=MEASURED_ONLY)
def test_a_measured_column_is_not_taken_for_an_identifier(names: str, columns: tuple[Any, ...]) -> None:
    assert told(table(names, *columns)) == ""


@pytest.mark.parametrize(
    "path", sorted({*SAMPLES.glob("*.csv")} - {SAMPLES / "thumbtacks.csv"}), ids=lambda path: path.name
)
def test_no_sample_has_an_identifier(path: Path) -> None:
    numbers = np.genfromtxt(path, delimiter=",", skip_header=1, ndmin=2)
    header = path.read_text().partition("\n")[0].split(",")
    assert not Tally.of(numbers).identifiers(header, 0, [False] * len(header))


def test_a_column_chosen_by_its_name_is_left_alone_and_rows_left_out_do_not_hide_one() -> None:
    text = table("nr,x,y", range(N), MEASURED, ["NA" if i % 7 == 3 else i for i in MEASURED])
    assert "'nr'" in told(text, "--missing", "drop")
    assert told(text, "--columns", "nr,x") == "" == told(text, "--columns", "1,2")


def test_tables_on_disk_and_in_parts_tell_it_too(tmp_path: Path) -> None:
    text = table("nr,x", ORDER, MEASURED)
    assert "'nr'" in told(text, "--memory", "1KB")
    header, *lines = text.splitlines(keepends=True)
    for part in range(3):
        (tmp_path / f"{part}.csv").write_text(header + "".join(lines[20 * part : 20 * part + 20]))
    found = fit("kmeans", tmp_path, "-k", 1, "--restarts", 1)["warnings"]
    assert [warning["slug"] for warning in found] == ["identifier"]


def test_several_are_told_at_once_and_never_all_that_there_is() -> None:
    assert told(table("nr,x,id", range(N), MEASURED, IDS)).endswith("--exclude nr,id")
    assert told(table("nr,id", range(N), IDS)).endswith("--exclude nr")
    assert told(table("x,nr,x", MEASURED, range(N), range(N))).endswith("--exclude nr,3")


@pytest.mark.parametrize("part", [7, 100, 16])
def test_parts_of_a_table_tell_what_the_whole_does(part: int) -> None:
    columns = np.column_stack([np.arange(N), ORDER, IDS, MEASURED, GAPS, ORDER * 3.0 - 7, np.arange(N) % 30])
    names: Sequence[str] = ["a", "b", "id", "c", "d", "e", "f"]
    tally = Tally.of(columns[:part])
    for start in range(part, N, part):
        tally += Tally.of(columns[start : start + part])
    assert tally.identifiers(names, 0, [False] * 7) == [0, 1, 2, 5]
    assert tally.identifiers(names, 9, [False] * 7) == [0, 1, 2, 4, 5]


def test_a_value_that_comes_twice_far_down_is_found() -> None:
    """Below the rows that show of most columns that they count nothing."""
    values = RNG.permutation(1000.0 * np.arange(MORE_ROWS + 60))[:, None]
    assert Tally.of(values).different[0]
    values[MORE_ROWS + 50] = values[MORE_ROWS + 40]
    assert not Tally.of(values).different[0]


@pytest.mark.parametrize("name", ["humid", "covid", "grid", "valid", "indexed", "x", "paid"])
def test_names_that_only_sound_like_identifiers(name: str) -> None:
    assert not is_name(name)


def test_a_comparison_tells_it_too() -> None:
    done = run("compare", "kmeans", "-", "-k", "1-2", "--restarts", 1, stdin=table("id,x", range(N), MEASURED))
    assert "[identifier]" in done.stderr


def test_what_to_type_leaves_out_what_was_left_out_before() -> None:
    text = table("name,id,x,b", *(["a"] * N, IDS, MEASURED, ["b"] * N))
    assert told(text, "--exclude", "name,4").endswith("with --exclude name,4,id")
