"""Columns named by names, numbers and ranges, and those left out."""

from __future__ import annotations

import pytest
from conftest import fit, run

from emcli.data.table.columns import columns_named
from emcli.data.table.read import column_finder
from emcli.errors import EmcliError, Exit

HEADER = ("id", "a", "b-c", "b", "c", "4-8", "7", "h", "i")


def named(*specs: str, header: tuple[str, ...] = HEADER) -> list[int]:
    """The numbers, from 1, of the columns that these mean."""
    return [column + 1 for column in columns_named(specs, header, column_finder(header, "x.csv"))]


@pytest.mark.parametrize(
    ("specs", "columns"),
    [
        (["a"], [2]),
        (["2"], [2]),
        (["2-4"], [2, 3, 4]),
        (["8-9"], [8, 9]),
        (["a-c"], [2, 3, 4, 5]),
        (["a-4"], [2, 3, 4]),
        (["a - c"], [2, 3, 4, 5]),
        (["4-8"], [6]),  # a column of exactly that name
        (["b-c"], [3]),
        (["b-c-h"], [3, 4, 5, 6, 7, 8]),
        (["id-b-c"], [1, 2, 3]),
        (["7-8"], [7, 8]),  # the column named 7 is the seventh as well
        (["2-3", "3", "a", "1"], [2, 3, 1]),  # each once, in the order asked for
        (["i-9"], [9]),
    ],
)
def test_a_range_means_the_columns_from_one_to_another(specs: list[str], columns: list[int]) -> None:
    assert named(*specs) == columns


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("c-a", "'c-a' goes backwards: 'a' stands before 'c'"),
        ("2-90", "no column '90': columns count from 1 and x.csv has 9"),
        ("0-3", "no column '0': columns count from 1"),
        ("a-z", "no column 'a-z' in x.csv (has: id, a"),
        ("a-", "no column 'a-'"),
    ],
)
def test_a_range_without_its_ends_is_refused(spec: str, said: str) -> None:
    with pytest.raises(EmcliError) as caught:
        named(spec)
    assert said in str(caught.value) and caught.value.exit_code == Exit.USAGE


def test_a_range_that_may_be_two_is_refused() -> None:
    with pytest.raises(EmcliError, match="'a-b-c' could be the columns from 'a' to 'b-c' or from 'a-b' to 'c'"):
        named("a-b-c", header=("a", "b-c", "a-b", "c"))


TABLE = "id,name,x,y,z\n1,p,1.5,2,7\n2,q,2.5,3,8\n3,r,4,9,9\n"


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        (["--exclude", "id,name"], ["x", "y", "z"]),
        (["--exclude", "1-2,y"], ["x", "z"]),
        (["--columns", "3-5"], ["x", "y", "z"]),
        (["--columns", "x-z", "--exclude", "y"], ["x", "z"]),
        (["--exclude", "id", "--exclude", "id-name"], ["x", "y", "z"]),  # the last one wins
        (["--exclude", "1-2", "--row-weights", "z"], ["x", "y"]),
    ],
)
def test_the_columns_left_out_are_not_fitted(options: list[str], columns: list[str]) -> None:
    assert fit("kmeans", "-k", "1", *options, stdin=TABLE)["data"]["columns"] == columns


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--exclude", "nme"], 2, "no column 'nme' in <stdin> (has: id, name, x, y, z; did you mean 'name'?)"),
        (["--exclude", "1-5"], 3, "no columns are left to fit"),
    ],
)
def test_what_cannot_be_left_out_is_refused(options: list[str], code: int, said: str) -> None:
    done = run("fit", "kmeans", "-k", "1", *options, stdin=TABLE)
    assert done.returncode == code and said in done.stderr


def test_coins_have_no_columns_to_leave_out() -> None:
    done = run("fit", "coins", "--exclude", "id", stdin="id,heads,tosses\n1,2,3\n2,1,3\n")
    assert done.returncode == 2 and "coins has no option '--exclude'" in done.stderr
