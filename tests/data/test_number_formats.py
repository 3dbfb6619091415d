"""Numbers as people and their programs write them, and cells that are missing."""

from __future__ import annotations

import random

import pytest
from conftest import fit, run

from emcli.data.table.cells import NumberFormat


@pytest.mark.parametrize(
    ("options", "lines", "expected"),
    [
        ("--decimal ,", ["x;y", "1,5;2", "-,5;3e1"], [0.5, 16]),
        ("--decimal comma", ["x\ty", "1,5\t2", "2,5\t4"], [2, 3]),
        ("--decimal ,", ["1,5;2,25", "2,5;4,75"], [2, 3.5]),
        ("--decimal ,", ["x,y", '"1,5","2"', '"2,5",4'], [2, 3]),
        ("--decimal ,", ["x", "1,5", "2,5"], [2]),
        ("--decimal , --thousands .", ["x;y", "1.234,5;1.000.000", "1234,5;2000000"], [1234.5, 1.5e6]),
        ("--thousands .", ["x;y", "1.234,5;1.000.000", "1234,5;2000000"], [1234.5, 1.5e6]),
        ("--thousands ,", ["x,y", '"1,234.5",2', "1234.5,4"], [1234.5, 3]),
        ("--thousands ,", ["x,y", '"12,34,567",2', "1234567,4"], [1234567, 3]),
        ("--thousands '", ["x,y", "1'234.5,2", "1\u2019234.5,4"], [1234.5, 3]),
        ("--thousands _ --no-header", ["1_234,2", "1234,4"], [1234, 3]),
        ("--thousands space --decimal ,", ["x;y", "1 234,5;2", "1\u00a0234,5;3", "1\u202f234,5;4"], [1234.5, 3]),
        ("--skip 2", ["a title, with a comma", "", "x,y", "1,2", "3,4"], [2, 3]),
        ("--na -99 --missing drop", ["x,y", "1,2", "-99,4", "-99.0,3", "3,4"], [2, 3]),
        ("--na -99 --missing drop", ["x,y", "1,2", '"-99",4', "3,4"], [2, 3]),
        ("--na n.a.,low --missing drop", ["x,y", "1,2", "N.A.,4", "3,low", "3,4"], [2, 3]),
        ("--missing drop", ["x,y", "1,2", "NaN,4", "#N/A,3", r"\N,2", "3,.", "3,4"], [2, 3]),
        ("--missing drop --na x --decimal ,", ["x;y", "1,0;2", ".;4", "x;3", "3;4"], [2, 3]),
    ],
)
def test_numbers_are_read_as_the_options_say(options: str, lines: list[str], expected: list[float]) -> None:
    found = fit("kmeans", "-k", "1", *options.split(), stdin="\n".join(lines) + "\n")
    assert found["parameters"]["centroids"] == [expected]


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        (
            NumberFormat(",", "."),
            ["1.5", "1.23,4", "1234.567,8", ".123,4", "1.234.56", "1,5,5", "1,234.5", "", ",", "٣,5"],
        ),
        (NumberFormat(".", ","), ["1,5", "1,23.4", "1234,567.8", ",123.4", "0x1,000", "1,000,00"]),
        (NumberFormat(",", None), ["1.5", "1.234", "1_5", "nan"]),
    ],
)
def test_a_cell_in_another_format_is_no_number(form: NumberFormat, cells: list[str]) -> None:
    assert [cell for cell in cells if form.plain(cell) not in ("", ".")] == []


def test_a_number_written_with_groups_is_the_number() -> None:
    draw = random.Random(0)
    for _ in range(200):
        number, power = draw.randrange(-(10**12), 10**12), draw.choice(["", "e-3", "E+2"])
        text = f"{number:,}.{draw.randrange(1000):03d}{power}"
        swapped = text.translate({ord(","): ".", ord("."): ","})
        plain = float(text.replace(",", ""))
        assert float(NumberFormat(".", ",").plain(text)) == float(NumberFormat(",", ".").plain(swapped)) == plain


def test_a_large_file_with_decimal_commas_is_read_in_whole_chunks() -> None:
    draw = random.Random(1)
    rows = [(draw.gauss(0, 1), draw.gauss(5, 1)) for _ in range(2000)]
    point = "x;y\n" + "".join(f"{x!r};{y!r}\n" for x, y in rows)
    comma = point.replace(".", ",")
    found = fit("kmeans", "-k", "1", "--decimal", ",", stdin=comma)
    assert found["data"]["sha256"] == fit("kmeans", "-k", "1", stdin=point)["data"]["sha256"]


def test_a_lone_mark_of_flips_is_missing() -> None:
    flips = 'flips\nHHTT\nNA\nHHHH\n""\n'
    assert fit("coins", "--missing", "drop", stdin=flips)["data"]["dropped"] == 2
    done = run("fit", "coins", stdin=flips)
    assert done.returncode == 3 and "<stdin>:3:1: missing value in column 'flips'" in done.stderr
    assert "--missing drop" in done.stderr


def test_true_labels_may_be_marks_of_missing_cells() -> None:
    rows = "x,group\n1,NA\n2,NA\n8,-\n9,-\n"
    found = fit("kmeans", "-k", "2", "--truth", "group", "--na", "NA", "--missing", "drop", stdin=rows)
    assert found["data"]["dropped"] == 0
    assert found["truth"]["adjusted_rand_index"] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--decimal ;", "'--decimal' must be a comma or a point, got ';'"),
        ("--thousands x", "'--thousands' must be comma, point, space, ' or _, got 'x'"),
        ("--na ,", "'--na' must be marks of a missing cell, with commas between, got ','"),
        ("--skip -1", "'--skip' must be an integer from 0 to 1000000, got '-1'"),
        ("--decimal , --thousands ,", "'--decimal' and '--thousands' must differ"),
    ],
)
def test_impossible_formats_are_refused(options: str, said: str) -> None:
    done = run("fit", "kmeans", "-k", "1", *options.split(), stdin="x\n1\n2\n")
    assert done.returncode == 2 and said in done.stderr
