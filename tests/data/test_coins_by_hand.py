"""Coins as people type them: flips without a header, a number of tosses, other names, rows that are missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import fit, run

HEADS = [5, 9, 8, 4, 7]  # of ten tosses each, as Do and Batzoglou have them
LETTERS = ["HTTTHHTHTH", "HHHHTHHHHH", "HTHHHHHTHH", "HTHTTTHHTT", "THHHTHHHTH"]
BITS = [row.translate(str.maketrans("HT", "10")) for row in LETTERS]
DATA: dict[str, tuple[str, tuple[str, ...]]] = {
    "letters without a header": ("\n".join(LETTERS), ()),
    "small letters without a header": ("\n".join(LETTERS).lower(), ()),
    "letters under any name": ("\n".join(["what fell", *LETTERS]), ()),
    "letters under the name of tosses": ("\n".join(["tosses", *LETTERS]), ()),
    "bits without a header": ("\n".join(BITS), ()),
    "bits under any name": ("\n".join(["x", *BITS]), ()),
    "letters beside the truth": ("\n".join(["coin,fell", *(f"{i % 2},{row}" for i, row in enumerate(LETTERS))]),
                                 ("--truth", "coin")),
    "a number of tosses": ("\n".join(["heads", *map(str, HEADS)]), ("--tosses", "10")),
    "a number of tosses without a header": ("\n".join(map(str, HEADS)), ("--tosses", "10")),
    "a number of tosses beside other columns": (
        "\n".join(["who,heads", *(f"{i},{h}" for i, h in enumerate(HEADS))]), ("--tosses", "10")),
    "heads of n": ("\n".join(["heads,n", *(f"{h},10" for h in HEADS)]), ()),
    "successes in trials": ("\n".join(["trials,successes", *(f"10,{h}" for h in HEADS)]), ()),
    "successes and failures": ("\n".join(["failures,successes", *(f"{10 - h},{h}" for h in HEADS)]), ()),
    "capitals": ("\n".join(["Heads,Tosses", *(f"{h},10" for h in HEADS)]), ()),
    "a column by its name that is a number": ("\n".join(["heads,10", *(f"{h},10" for h in HEADS)]), ("--tosses", "10")),
    "a column by its number": ("\n".join(["heads,of", *(f"{h},10" for h in HEADS)]), ("--tosses", "2")),
}  # fmt: skip


@pytest.mark.parametrize(("text", "options"), DATA.values(), ids=DATA)
def test_five_rows_of_ten_flips_are_the_same_however_they_are_written(
    text: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "fit.json"
    found = fit("coins", "-", "--restarts", 2, *options, "-o", path, stdin=text + "\n")
    assert found["data"]["rows"] == 5 and found["data"]["tosses"] == {"10": 5}
    assert found["log_likelihood"] == pytest.approx(-9.79692, abs=1e-5)
    assert {warning["slug"] for warning in found["warnings"]} <= {"one-component-suffices", "header-guess"}
    done = run("predict", path, "-", stdin=text + "\n")
    assert done.returncode == 0, done.stderr
    likelihoods = [float(line.rpartition(",")[2]) for line in done.stdout.splitlines()[1:]]
    assert sum(likelihoods) == pytest.approx(found["log_likelihood"], rel=1e-12)


def test_fits_of_other_numbers_of_tosses_are_of_other_data() -> None:
    ten, twelve = (
        fit("coins", "-", "--restarts", 2, "--tosses", n, stdin="heads\n5\n9\n8\n4\n7\n")["data"] for n in (10, 12)
    )
    assert ten["sha256"] != twelve["sha256"] and ten["columns"] == ["heads"]


def test_a_number_of_tosses_stands_in_an_experiment_too(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("heads\n5\n9\n8\n4\n7\n")
    (tmp_path / "e.yaml").write_text("model: coins\ndata: c.csv\nfit: {tosses: 10}\n")
    assert fit(tmp_path / "e.yaml")["data"]["tosses"] == {"10": 5}


@pytest.mark.parametrize("command", ["fit", "predict"])
def test_all_rows_that_are_no_tosses_are_told_by_line_and_column_up_to_five(command: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("heads,tosses\n5,10\n11,10\n-1,10\n4.5,10\n3,4\n12,10\n14,3.5\n0,-2\n13,12\n")
    assert run("fit", "coins", "two_coins", "-q", "-o", "fit.json", cwd=tmp_path).returncode == 0
    done = run(command, "coins" if command == "fit" else "fit.json", "c.csv", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "emcli: error: c.csv:3:1: heads 11 > tosses 10",
        "emcli: error: c.csv:4:1: heads must be at least 0, got '-1'",
        "emcli: error: c.csv:5:1: heads must be a whole number, got '4.5'",
        "emcli: error: c.csv:7:1: heads 12 > tosses 10",
        "emcli: error: c.csv:8:2: tosses must be a whole number, got '3.5'",
        "emcli: error: and 2 more",
    ]


def test_all_weights_below_0_are_told(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("heads,tosses,n\n" + "5,10,1\n9,10,-2\n" * 7)
    *shown, more = run("fit", "coins", "c.csv", "--row-weights", "n", cwd=tmp_path).stderr.splitlines()
    places = [f"c.csv:{line}:3:" for line in (3, 5, 7, 9, 11)]
    assert shown == [f"emcli: error: {place} weights must be at least 0, got '-2'" for place in places]
    assert more == "emcli: error: and 2 more"


def test_bad_rows_far_apart_and_bad_flips_are_told_together(tmp_path: Path) -> None:
    rows = ["300,400"] * 40_000
    rows[7], rows[39_998] = "7.5,10", "400,300"
    (tmp_path / "c.csv").write_text("\n".join(["x,heads,tosses", *("0," + row for row in rows)]) + "\n")
    said = run("fit", "coins", "c.csv", cwd=tmp_path).stderr.splitlines()
    wrong = ["c.csv:9:2: heads must be a whole number, got '7.5'", "c.csv:40000:2: heads 400 > tosses 300"]
    assert said == [f"emcli: error: {each}" for each in wrong]
    (tmp_path / "f.csv").write_text("flips\n" + "HT\nHX\n" * 7)
    *shown, more = run("fit", "coins", "f.csv", cwd=tmp_path).stderr.splitlines()
    assert [line.split()[2] for line in shown] == [f"f.csv:{line}:1:" for line in (3, 5, 7, 9, 11)]
    assert more == "emcli: error: and 2 more"


REFUSED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "heads alone": ("heads\n5\n9\n", "", ("no column 'tosses' (has: 'heads')", "--tosses 10")),
    "numbers that are no flips": ("x\n5\n9\n", "", ("<stdin>:2:1: flips must be", "got '5'", "--tosses 10")),
    "more heads than tosses": ("heads\n5\n11\n", "--tosses 10", ("<stdin>:3:1: heads 11 > tosses 10",)),
    "neither": ("a,b\nHT,3\nTT,4\n", "", ("no column 'heads' (has: 'a', 'b')", "--flips")),
    "a slip in the first row": ("HHTTX\nTTTT\nHHHH\n", "", ("'HHTTX', was taken for a header", "--no-header")),
    "the same without a header": ("HHTTX\nTTTT\n", "--no-header", ("<stdin>:1:1: flips must be H and T",)),
    "flips apart": ("H H T T\nT T T H\n", "", ("the flips of a row stand in several columns", "HTTH")),
    "too many tosses": ("heads\n5\n9\n", "--tosses 9999999999999999", ("no column '9999999999999999'",)),
}


@pytest.mark.parametrize(("text", "options", "parts"), REFUSED.values(), ids=REFUSED)
def test_what_are_no_coins_is_told_with_what_to_type(text: str, options: str, parts: tuple[str, ...]) -> None:
    done = run("fit", "coins", "-", *options.split(), stdin=text)
    assert done.returncode in (2, 3)
    for part in parts:
        assert part in done.stderr, done.stderr


def test_a_single_row_of_flips_is_data() -> None:
    assert fit("coins", "-", "-k", 1, stdin="HHT\n")["data"]["tosses"] == {"3": 1}


@pytest.mark.parametrize("header", ["ht", "HT", "H", "T"])
def test_a_column_whose_name_could_be_flips_keeps_its_name(header: str) -> None:
    found = fit("kmeans", "-", "-k", 1, stdin=f"{header}\n1.5\n2\n")
    assert found["data"]["columns"] == [header] and found["warnings"] == []


MISSING = 'flips\nHHTT\nNA\nHHHH\n""\nTTTH\n'


def dropped(text: str, *options: str) -> Any:
    found = fit("coins", "-", "--restarts", 2, "--missing", "drop", *options, stdin=text)
    return found["data"]["rows"], found["data"]["dropped"], [warning["slug"] for warning in found["warnings"]]


def test_missing_flips_are_dropped_if_told_so(tmp_path: Path) -> None:
    rows, left_out, slugs = dropped(MISSING)
    assert (rows, left_out) == (3, 2) and "dropped-rows" in slugs
    done = run("fit", "coins", "-", stdin=MISSING)
    assert done.returncode == 3 and "<stdin>:3:1: missing value in column 'flips'" in done.stderr
    assert "--missing drop" in done.stderr
    path = tmp_path / "f.json"
    fit("coins", "-", "--missing", "drop", "-o", path, stdin=MISSING)
    predicted = run("predict", path, "-", "--missing", "drop", stdin=MISSING)
    assert [line.split(",")[0] for line in predicted.stdout.splitlines()] == ["flips", "HHTT", "HHHH", "TTTH"]
    assert json.loads(path.read_text())["data"]["dropped"] == 2


def test_a_column_of_labels_may_be_empty_beside_flips() -> None:
    assert dropped("flips,coin\nHHTT,a\nHHHH,\nTTTH,b\n", "--truth", "coin")[:2] == (3, 0)
