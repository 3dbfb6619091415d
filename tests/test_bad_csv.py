"""Section C of the catalogue: tables that are crooked, doubtful or hold what is no number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rules import POINTS, Bad, as_process, bad, check, hold, in_process, lay, rows

FIT = "fit gmm x.csv -k 1"


def csv(text: str | bytes, *parts: str, options: str = "", code: int = 3) -> Bad:
    """A fit of one Gaussian to a file that must be refused."""
    return bad(f"{FIT} {options}".strip(), code, *parts, x__csv=text)


def cell(text: str, what: str) -> Bad:
    return csv(f"x,y\n1,2\n3,{text}\n4,4\n", f"x.csv:3:2: {what}")


def unreadable(text: str) -> Bad:
    return cell(text, "cannot read ")


CATALOGUE: dict[str, Bad | list[Bad]] = {
    "C5": [
        csv("x,y\n1,2\n3,5\n", "no column 'z' in x.csv (has: x, y)", options="--columns x,z", code=2),
        csv("alpha,y\n1,2\n3,5\n", "did you mean 'alpha'?", options="--columns alhpa", code=2),
        csv("x,\x1b[2J\n1,2\n3,5\n", "has: x, \\x1b[2J", options="--columns z", code=2),
        csv("x,y\n1,2\n3,5\n", "no column 'w'", options="--row-weights w", code=2),
        csv("x,y\n1,2\n3,5\n", "no column 'w'", options="--truth w", code=2),
        csv("x,x\n1,2\n3,5\n", "not unique", options="--columns x"),
        bad("fit coins x.csv --heads h", 2, "no column 'h'", x__csv="heads,tosses\n1,2\n"),
    ],
    "C6": [
        csv("x,y\n1,2\n3,5\n", "columns count from 1", options="--columns 0", code=2),
        csv("x,y\n1,2\n3,5\n", "no column '5': columns count from 1 and x.csv has 2 columns", options="--columns 5",
            code=2),
        csv("x,y\n1,2\n3,5\n", "no column '-1'", options="--columns=-1", code=2),
        csv("x,y\n1,2\n3,5\n", "no column '999", options="--columns " + "9" * 5000, code=2),
        csv("x,y\n1,2\n3,5\n", "must name at least one column, and each once", options="--columns x,x", code=2),
        csv("x,y\n1,2\n3,5\n", "--columns", options="--columns ,", code=2),
    ],
    "C7": [
        csv("x,y\n1,2\n3\n4,5\n", "x.csv:3: 1 field, expected 2"),
        csv("x;y\r\n1;2\r\n\r\n3\r\n", "x.csv:4: 1 field, expected 2"),
        csv("x,y,z\n" + "1,2,3\n" * 9999 + "1,2\n", "x.csv:10001: 2 fields, expected 3"),
    ],
    "C8": [
        csv("x,y\n1,2\n3,4,5\n", "x.csv:3: 3 fields, expected 2"),
        csv("x,y\n1,2\n3,4,\n", "x.csv:3: 3 fields, expected 2"),
        csv("x y\n1 2\n3 4 5\n", "x.csv:3: 3 fields, expected 2"),
    ],
    "C12": [
        csv("# made by\nx,y\n1,2\n3,4\n", "--comment"),
        csv("x,y\n1,2\n# a note\n3,4\n", "x.csv:3: 1 field, expected 2", "--comment '#'"),
        csv("#\n1\n2\n", "--comment", options="--no-header"),
    ],
    "C15": [
        csv("a,b;c\n1,2;3\n4,5;6\n", "the delimiter could be ',' or ';'", "--delimiter"),
        csv("a|b\tc\n1|2\t3\n", "the delimiter could be"),
        csv("1|5;2|5\n3|5;4|5\n", "x.csv"),
        csv("x\n1\n", "one character that is no part of a number", options="--delimiter ab", code=2),
        csv("x\n1\n", "one character", options="--delimiter 1", code=2),
        csv("x\n1\n", "one character", options="--delimiter é", code=2),
    ],
    "C19": [
        csv('x\n"1"2\n', "x.csv:2:1: text after closing quote, got '2'"),
        csv('x,y\n1,"2" 3\n', "x.csv:2:2: text after closing quote"),
        csv('x\n"1\n2\n', "x.csv:2:1: quote is never closed"),
        csv('"x\n', "x.csv:1:1: quote is never closed"),
    ],
    "C21": [
        cell("abc", "cannot read 'abc' as a number in column 'y'"),
        cell("\x1b[2J", "cannot read '\\x1b[2J' as a number"),
        cell("\u202e1", "cannot read '\\u202e1'"),
        cell("a" * 10**6, "cannot read 'aaaaaaaaaa"),
        csv("x\n" + "a\n" * 9, "x.csv:2:1:", "x.csv:6:1:", "and 4 more"),
    ],
    "C22": csv("x\n" + "1.5\n" * 99_998 + "oops\n", "x.csv:100000:1: cannot read 'oops' as a number in column 'x'"),
    "C23": [cell(text, "missing value in column 'y'") for text in ("NA", "", "null", "-", "?", "n/a", '""', "None")],
    "C24": [cell(text, "value is not finite") for text in ("nan", "inf", "-Infinity", "1e309", "+INF", "9" * 400)],
    "C25": [
        unreadable(text) for text in ("1_000", "0x10", "١٢", "1d5", "True", "12%", "$5", '"1,000"', "1e", "e5", ".",
                                      "1 000", "1\u00a0", "--1", "+-1", "1.2.3", "０", "1e5.0", "2024-01-01", "½")
    ],
    "C32": [
        csv("x,day\n1,2024-01-01\n2,2024-01-02\n", "x.csv:2:2: cannot read '2024-01-01'", "--columns x"),
        csv("kind,x\na,1\nb,2\n", "x.csv:2:1: cannot read 'a'", "--columns x"),
        bad("fit coins x.csv", 3, "x.csv:2:2: cannot read 'many'", x__csv="heads,tosses\n1,many\n"),
    ],
    "C34": csv('x,label\n1,"=cmd()\x1b[2J"\n2,3\n', "cannot read '=cmd()\\x1b[2J'"),
}  # fmt: skip


@rows(CATALOGUE)
def test_a_table_is_refused_in_one_line(case: Bad, process: bool, tmp_path: Path) -> None:
    check(case, tmp_path, process)


def document(text: str, options: str, folder: Path) -> tuple[dict[str, Any], str]:
    """The document of a fit that must succeed, and what was said."""
    (folder / "x.csv").write_text(text)
    done = in_process(["fit", "kmeans", "x.csv", "-k", "1", "--json", *options.split()], folder)
    hold(done, 0)
    return json.loads(done.out), done.err


# text, options, columns, sum of the centroid's coordinates, slugs of warnings
ACCEPTED: dict[str, tuple[str, str, list[str], float, list[str]]] = {
    "C1 all numeric": ("1,2\n3,4\n", "", ["1", "2"], 5.0, []),
    "C1 header by hand": ("1,2\n3,4\n", "--header", ["1", "2"], 7.0, ["zero-inertia"]),
    "C1 no header by hand": ("1\n3\n", "--no-header", ["1"], 2.0, []),
    "C2 years": ("2019,2020\n3,4\n5,6\n", "", ["1", "2"], 4057 / 3, ["header-guess"]),
    "C4 no name": ("x,\n1,2\n3,4\n", "", ["x", "2"], 5.0, ["unnamed-column"]),
    "C10 blank lines": ("x\n1\n\n3\n\n\n", "", ["x"], 2.0, []),
    "C11 blank to the eye": ("x,y\n1,2\n \t\n3,4\n", "", ["x", "y"], 5.0, []),
    "C12 comments": ("# a\nx,y\n# b\n1,2\n3,4\n", "--comment #", ["x", "y"], 5.0, []),
    "C13 semicolon": ("x;y\n1;2\n3;4\n", "", ["x", "y"], 5.0, []),
    "C13 tab": ("x\ty\n1\t2\n3\t4\n", "", ["x", "y"], 5.0, []),
    "C13 pipe": ("x|y\n1|2\n3|4\n", "", ["x", "y"], 5.0, []),
    "C13 space": ("x y\n1  2\n3 4\n", "", ["x", "y"], 5.0, []),
    "C16 quoted": ('x\n"1.5"\n"2.5"\n', "", ["x"], 2.0, []),
    "C17 header of two lines": ('"x\ny","a,b"\n1,2\n3,4\n', "", ["x\ny", "a,b"], 5.0, []),
    "C20 padded": (" x , y \n 1 ,2\n3,  4\n", "", ["x", "y"], 5.0, []),
    "C23 dropped": ("x\n1\nNA\n3\n", "--missing drop", ["x"], 2.0, ["dropped-rows"]),
    "C25 numbers": ("x\n.5\n5.\n+1\n1e1\n-2E-1\n", "", ["x"], 3.26, []),
    "C27 underflow": ("x\n1e-400\n2\n", "", ["x"], 1.0, ["underflow"]),
}


@pytest.mark.parametrize(("text", "options", "columns", "total", "slugs"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_table_that_only_looks_bad_is_read(
    text: str, options: str, columns: list[str], total: float, slugs: list[str], tmp_path: Path
) -> None:
    said, heard = document(text, options, tmp_path)
    assert said["data"]["columns"] == columns
    assert sum(said["parameters"]["centroids"][0]) == pytest.approx(total, abs=1e-12)
    found = [warning["slug"] for warning in said["warnings"]]
    assert [slug for slug in found if slug in (*slugs, "header-guess", "dropped-rows", "underflow")] == slugs
    assert all(f"[{slug}]" in heard for slug in slugs)
    assert said["data"]["dropped"] == text.count("NA")


def test_r10_quiet_hides_a_warning_on_standard_error_alone(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x\n1\nNA\n3\n")
    words = ["fit", "kmeans", "x.csv", "-k", "1", "--missing", "drop", "--json"]
    loud, quiet = as_process(words, tmp_path), as_process([*words, "-q"], tmp_path)
    assert loud.out == quiet.out and "dropped-rows" in quiet.out
    assert "[dropped-rows]" in loud.err and quiet.err == ""


def test_c28_long_decimals_are_rounded_correctly(tmp_path: Path) -> None:
    text = "0.1000000000000000055511151231257827021181583404541015625000000001"
    said, _ = document(f"x\n{text}\n{text}\n", "", tmp_path)
    assert said["parameters"]["centroids"] == [[float(text)]]


def test_c33_data_without_a_column_of_the_fit_are_told(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    hold(in_process(["fit", "kmeans", "x.csv", "-k", "2", "-o", "f.json"], tmp_path), 0)
    check(bad("predict f.json z.csv", 3, "no column 'y' in z.csv (has: x, z)", z__csv="x,z\n1,2\n"), tmp_path, True)
    check(bad("predict f.json z.csv", 3, "has 2 columns, these data 1", z__csv="1\n2\n"), tmp_path, False)
    check(bad("predict f.json z.csv", 3, "'component' already", z__csv="x,y,component\n1,2,3\n"), tmp_path, False)


def test_c34_text_passes_through_predict_as_data_and_is_quoted_where_it_must_be(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    assert POINTS.startswith("x,y")
    hold(in_process(["fit", "kmeans", "x.csv", "-k", "2", "-o", "f.json"], tmp_path), 0)
    (tmp_path / "z.csv").write_text('x,y,label\n1,2,"a,""b"\n3,4,=cmd()\n')
    done = in_process(["predict", "f.json", "z.csv"], tmp_path)
    hold(done, 0)
    assert '1,2,"a,""b",' in done.out and "3,4,=cmd()," in done.out
