"""Files with the habits of spreadsheets, R, pandas and people: each is read, or named for what it is with what to type.

What a hint says is typed here exactly, and must lead to a fit of all rows and columns that people want.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import run

HABITS = Path(__file__).parent / "habits"
IRIS = "sepal,petal,Species\n" + "".join(
    f"{i / 7:.2f},{i % 5},{'setosa' if i < 9 else 'virginica'}\n" for i in range(20)
)
# name: options, lines on standard error without the file's name, rows and columns in the end
FILES: dict[str, tuple[str, list[str], int, str]] = {
    "trail.csv": ("", [], 60, "width,height"),
    "miss_nan.csv": ("", ["5:2: missing value in column 'height'"], 59, "width,height"),
    "miss_na2.csv": ("", ["5:2: missing value in column 'height'"], 59, "width,height"),
    "na_first.csv": ("", ["3:1: missing value in column 'height'"], 4, "height,width"),
    "missing_nan_gmm.csv": ("", ["3:1: missing value in column 'a'"], 4, "a,b"),
    "sep.csv": ("", ["1: 'sep=;' tells Excel the delimiter and is no row"], 60, "width,height"),
    "thousands.csv": (
        "",
        ["2:1: column 'pop' has thousands separators ('2,017' on line 2 and 59 more)"],
        60,
        "pop,area",
    ),
    "uniminus.csv": ("", ["2:1: column 'v' has the minus sign U+2212 ('−2.02' on line 2 and 59 more)"], 60, "v"),
    "unit_row.csv": ("", ["2: units or a second header, not a row of numbers ('mm', 'mm')"], 60, "width,height"),
}
# name: text, lines, rows and columns in the end
TEXTS: dict[str, tuple[str, list[str], int, str]] = {
    "a column of text": (
        IRIS,
        ["2:3: column 'Species' is text ('setosa' on line 2 and 19 more)"],
        20,
        "sepal,petal",
    ),
    "an export with a name, a date and gaps": (
        "name,date,x,y,z\nann,2024-01-02,1,2,3\nbob,2024-01-03,NA,3,4\neve,2024-01-04,5,,6\nkim,2024-01-05,7,8,9\n",
        [
            "2:1: column 'name' is text ('ann' on line 2 and 3 more)",
            "2:2: column 'date' is text ('2024-01-02' on line 2 and 3 more)",
            "3:3: missing value in column 'x'",
            "4:4: missing value in column 'y'",
        ],
        2,
        "x,y,z",
    ),
    "more text than numbers": (
        "a,b,c,x,y,z,d\np,q,r,1,2,3,s\np,q,r,2,3,4,s\n",
        [
            "2:1: column 'a' is text ('p' on line 2 and 1 more)",
            "2:2: column 'b' is text ('q' on line 2 and 1 more)",
            "2:3: column 'c' is text ('r' on line 2 and 1 more)",
            "2:7: column 'd' is text ('s' on line 2 and 1 more)",
        ],
        2,
        "x,y,z",
    ),
    "decimal commas": (
        "x;y\n1,5;2\n2,25;3\n",
        ["2:1: column 'x' has decimal commas ('1,5' on line 2 and 1 more)"],
        2,
        "x,y",
    ),
    "decimal commas without a header": (
        "1,5;2,5\n2,25;3,5\n",
        [
            "1:1: column '1' has decimal commas ('1,5' on line 1 and 1 more)",
            "1:2: column '2' has decimal commas ('2,5' on line 1 and 1 more)",
        ],
        2,
        "1,2",
    ),
    "decimal commas in tabs": (
        "x\ty\n1,5\t-2,5\n,25\t3e2\n",
        [
            "2:1: column 'x' has decimal commas ('1,5' on line 2 and 1 more)",
            "2:2: column 'y' has decimal commas ('-2,5' on line 2)",
        ],
        2,
        "x,y",
    ),
    "decimal commas in quotes": (
        'x,y\n"1,5","2,5"\n"2,25",3\n',
        [
            "2:1: column 'x' has decimal commas ('1,5' on line 2 and 1 more)",
            "2:2: column 'y' has decimal commas ('2,5' on line 2)",
        ],
        2,
        "x,y",
    ),
    "points between digits and decimal commas": (
        "x;y\n1.234,56;2.000\n999,5;3.000\n",
        ["2:1: column 'x' has decimal commas and thousands separators ('1.234,56' on line 2 and 1 more)"],
        2,
        "x,y",
    ),
    "millions with points": (
        "x;y\n1.234.567;2\n2.000.000;3\n",
        ["2:1: column 'x' has thousands separators ('1.234.567' on line 2 and 1 more)"],
        2,
        "x,y",
    ),
    "commas that may be either": (
        "x;y\n1,234;2\n2,000;3\n",
        ["2:1: column 'x' has decimal commas ('1,234' on line 2 and 1 more)"],
        2,
        "x,y",
    ),
    "commas between digits, points for decimals": (
        "x;y\n1,234;2.5\n2,000;3.5\n",
        ["2:1: column 'x' has thousands separators ('1,234' on line 2 and 1 more)"],
        2,
        "x,y",
    ),
    "spaces between digits": (
        "x;y\n1 234,5;2\n12\u202f345,6;3\n",
        ["2:1: column 'x' has decimal commas and thousands separators ('1 234,5' on line 2 and 1 more)"],
        2,
        "x,y",
    ),
    "Swiss numbers": (
        "x;y\n1'234.5;2\n12’345.6;3\n",
        ["2:1: column 'x' has thousands separators ('1'234.5' on line 2 and 1 more)"],
        2,
        "x,y",
    ),
    "per cent": (
        "share,y\n12 %,1\n7.5%,2\n3 %,5\n",
        ["2:1: column 'share' has per cent signs ('12 %' on line 2 and 2 more)"],
        3,
        "share,y",
    ),
    "euros": (
        "price;y\n€ 5;1\n€ 7,50;2\n-€ 1,25;3\n",
        ["2:1: column 'price' has decimal commas and currency signs ('€ 5' on line 2 and 2 more)"],
        3,
        "price,y",
    ),
    "euros behind a space that does not break": (
        "price;y\n1.005,00\u00a0€;1\n7,50\u00a0€;2\n",
        ["2:1: column 'price' has decimal commas, thousands separators and currency signs"],
        2,
        "price,y",
    ),
    "dollars": (
        'price,y\n"$1,200.50",1\n$7,2\n',
        ["2:1: column 'price' has thousands separators and currency signs ('$1,200.50' on line 2 and 1 more)"],
        2,
        "price,y",
    ),
    "kilograms": (
        "mass,y\n12 kg,1\n7.5 kg,2\n8kg,2\n",
        ["2:1: column 'mass' has the unit kg ('12 kg' on line 2 and 2 more)"],
        3,
        "mass,y",
    ),
    "a typographic minus and a decimal comma": (
        "x;y\n−3,5;1\n2,5;2\n",
        ["2:1: column 'x' has decimal commas and the minus sign U+2212 ('−3,5' on line 2 and 1 more)"],
        2,
        "x,y",
    ),
    "row names of R, as text": (
        '"","mpg","cyl"\n"Mazda RX4",21,6\n"Datsun 710",22.8,4\n',
        ["2:1: column '1' is text ('Mazda RX4' on line 2 and 1 more)"],
        2,
        "mpg,cyl",
    ),
    "row names of R without a name in the header": (
        '"mpg" "cyl" "hp"\n"1" 21 6 110\n"2" 22.8 4 93\n',
        ["1: 3 names for 4 fields a row: the first are row names, as R writes them"],
        2,
        "mpg,cyl,hp",
    ),
    "row names of R, with tabs": (
        "mpg\tcyl\nMazda RX4\t21\t6\nDatsun 710\t22.8\t4\n",
        ["1: 2 names for 3 fields a row: the first are row names, as R writes them"],
        2,
        "mpg,cyl",
    ),
    "one column with decimal commas": (
        "x\n1,5\n4,25\n3,5\n",
        ["2: 1 name for 2 fields a row: decimal commas ('1,5')"],
        3,
        "x",
    ),
    "one column with row names of R": (
        "x\n1,5\n2,6\n3,7\n",
        ["1: 1 name for 2 fields a row: the first are row names, as R writes them"],
        3,
        "x",
    ),
    "negative numbers of accountants": (
        "x,y\n(1.5),2\n3,4\n",
        ["2:1: column 'x' has brackets for a minus ('(1.5)' on line 2)"],
        2,
        "x,y",
    ),
    "a footer": (
        "x,y\n1,2\n3,4\n5,6\n\nSource: the lab\n",
        ["6: 1 field, expected 2"],
        3,
        "x,y",
    ),
    "a title and a blank line": (
        "Export of 5 March\n\nx,y\n1,2\n3,4\n",
        ["3: 2 fields, expected 1", "4: 2 fields, expected 1", "5: 2 fields, expected 1"],
        2,
        "x,y",
    ),
    "comment lines": (
        "# made by\nx,y\n1,2\n# a note\n3,4\n",
        [
            "2: 2 fields, expected 1",
            "3: 2 fields, expected 1",
            "4:1: cannot read '# a note' as a number in column '# made by'",
            "5: 2 fields, expected 1",
        ],
        2,
        "x,y",
    ),
    "numbered labels that are no comments": (
        "code,x,y\n#1,2,3\n#2,3,4\n",
        ["2:1: column 'code' is text ('#1' on line 2 and 1 more)"],
        2,
        "x,y",
    ),
    "errors of Excel": (
        "x,y\n1,2\n#DIV/0!,4\n5,6\n7,8\n",
        ["3:1: cannot read '#DIV/0!' as a number in column 'x'"],
        3,
        "x,y",
    ),
    "below the limit of detection": (
        "x,y\n1,2\n<0.5,4\n5,6\n<0.5,8\n",
        ["3:1: cannot read '<0.5' as a number in column 'x'", "5:1: cannot read '<0.5' as a number in column 'x'"],
        2,
        "x,y",
    ),
    "a number that is not finite": (
        "x,y\n1,2\ninf,4\n5,6\n",
        ["3:1: value is not finite in column 'x', got 'inf'"],
        2,
        "x,y",
    ),
    "an empty column": (
        "x,notes,y\n1,,2\n3,,4\n5,,6\n7,,8\n",
        ["2:2: column 'notes' is empty"],
        4,
        "x,y",
    ),
    "a column that is hardly filled, and gaps": (
        "x,notes,y\n" + "1,,2\n" * 18 + "5,7,6\n7,,NA\n",
        [
            "2:2: column 'notes' is mostly empty: 19 of 20 values are missing",
            "21:3: missing value in column 'y'",
        ],
        19,
        "x,y",
    ),
    "a gap in half of the cells": (
        "x,y\n.,1\n2,.\n3,4\n",
        ["2:1: missing value in column 'x'", "3:2: missing value in column 'y'"],
        1,
        "x,y",
    ),
    "a gap in every row": (
        "x,y,z\n1,,1\n2,,2\n3,5,NA\n4,,4\n",
        [
            "2:2: missing value in column 'y'",
            "3:2: missing value in column 'y'",
            "4:3: missing value in column 'z'",
            "5:2: missing value in column 'y'",
        ],
        3,
        "x,z",
    ),
    "units that are not everywhere": (
        "id,conc (mg/l),pH\n,mg/l,\n1,<0.05,7\n2,1.5,7.5\n3,2.5,7\n4,3,6\n",
        [
            "2: units or a second header, not a row of numbers ('mg/l')",
            "3:2: cannot read '<0.05' as a number in column 'conc (mg/l)'",
        ],
        3,
        "id,conc (mg/l),pH",
    ),
    "a title in the first of several columns": (
        '"Sales report","",""\n"Generated 2024-03-01",,\n,,\nunits,share,price\n1,2,3\n3,4,5\n',
        ["1: a title over the table, of which the header is on line 4"],
        2,
        "units,share,price",
    ),
    "units beside a column of text": (
        "who,width,mass\ntext,mm,kg\nann,1,2\nbob,3,4\neve,4,4\n",
        [
            "2:1: column 'who' is text ('text' on line 2 and 3 more)",
            "2: units or a second header, not a row of numbers ('mm', 'kg')",
        ],
        3,
        "width,mass",
    ),
    "names that are no words": (
        "my name,x-1,y\na,1,2\nb,3,4\n",
        ["2:1: column 'my name' is text ('a' on line 2 and 1 more)"],
        2,
        "x-1,y",
    ),
}
# name: text, rows and columns
READ: dict[str, tuple[str, int, str]] = {
    "Excel with a mark": ("\ufeffx,y\r\n1,2\r\n3,4\r\n", 2, "x,y"),
    "a comma at the end of each line": ("x,y,\n1,2,\n3,4,\n", 2, "x,y"),
    "a comma at the end of each row": ("x,y\n1,2,\n3,4,\n", 2, "x,y"),
    "a comma at the end of the header": ("x,y,\n1,2\n3,4\n", 2, "x,y"),
    "a semicolon at the end, in Windows": ("x;y;\r\n1;2;\r\n3;4;", 2, "x,y"),
    "a comma at the end, without a header": ("1,2,\n3,4,\n", 2, "1,2"),
    "quoted numbers": ('"x","y"\n"1.5","2"\n"3","4"\n', 2, "x,y"),
    "blank lines": ("\nx,y\n\n1,2\n \n3,4\n\n", 2, "x,y"),
    "a first row with a gap": ("1,2\n3,4\n", 2, "1,2"),
}


def said(done: Any, name: str) -> tuple[list[str], str]:
    """The lines of an error without the file's name, and its hint."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("emcli: error: ")]
    hint = done.stderr.partition("  hint: ")[2].strip()
    return [line.removeprefix(f"emcli: error: {name}:") for line in lines], hint


def typed(hint: str, folder: Path) -> tuple[list[str], str | None]:
    """The options that a hint tells to type, and the file that its command makes."""
    copied, _, rest = hint.partition(" and fit that") if " sed " in hint else ("", "", hint)
    options: list[str] = []
    words = shlex.split(rest[rest.index("--") :].split(" (")[0] if "--" in rest else "")
    while words and words[0].startswith("--"):
        options += words[:2]
        del words[:2]
    if not copied:
        return options, None
    command = copied.partition("make a copy with ")[2]
    subprocess.run(["sh", "-c", command], cwd=folder, check=True)
    return options, shlex.split(command)[-1]


def document(done: Any) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(folder: Path, name: str, lines: list[str], rows: int, columns: str) -> None:
    """What is said of a file, and that what its hint says to type makes a fit of so many rows and these columns."""
    words = ("fit", "kmeans", "-k", "1", "--json")
    done = run(*words, name, cwd=folder)
    if lines:
        assert done.returncode == 3, done.stderr
        found, hint = said(done, name)
        assert len(found) == len(lines) and all(map(str.startswith, found, lines)), done.stderr
        options, made = typed(hint, folder)
        assert options or made, done.stderr
        done = run(*words, made or name, *options, cwd=folder)
    data = document(done)["data"]
    assert (data["rows"], ",".join(data["columns"])) == (rows, columns)


@pytest.mark.parametrize("name", FILES)
def test_a_file_from_the_field_is_read_or_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes((HABITS / name).read_bytes())
    check(tmp_path, name, *FILES[name][1:])


@pytest.mark.parametrize("name", TEXTS)
def test_a_habit_is_named_with_what_to_type(name: str, tmp_path: Path) -> None:
    text, lines, rows, columns = TEXTS[name]
    (tmp_path / "x.csv").write_text(text)
    check(tmp_path, "x.csv", lines, rows, columns)


@pytest.mark.parametrize("name", READ)
def test_a_harmless_habit_is_read(name: str, tmp_path: Path) -> None:
    text, rows, columns = READ[name]
    (tmp_path / "x.csv").write_text(text)
    check(tmp_path, "x.csv", [], rows, columns)


FITTED = "x;y\n1.001,5;2\n2,5;3\n1,5;-99\n0,25;1\n"
FORMAT = ["--decimal", ",", "--thousands", ".", "--na", "-99", "--missing", "drop"]
NEW = {
    "the same habits": ("x;y\n1.001,5;2\n-99;1\n2,5;3\n", []),
    "decimal points and commas between": ("x,y\n1001.5,2\n2.5,3\n", []),
    "whole numbers": ("x;y\n1001;2\n2;3\n", []),
    "decimal points, told": ("x;y\n1001.5;2\n2.5;3\n", ["--decimal", "."]),
    "without a header": ("1.001,5;2\n2,5;3\n", []),
}


def predicted(text: str, options: list[str], folder: Path) -> Any:
    """New rows after a fit of a file with decimal commas and points between digits."""
    (folder / "x.csv").write_text(FITTED)
    (folder / "new.csv").write_text(text)
    document(run("fit", "kmeans", "x.csv", "-k", "2", *FORMAT, "-o", "f.json", "--json", cwd=folder))
    return run("predict", "f.json", "new.csv", *options, cwd=folder)


@pytest.mark.parametrize(("text", "options"), NEW.values(), ids=NEW)
def test_a_fit_predicts_files_of_the_same_habits(text: str, options: list[str], tmp_path: Path) -> None:
    done = predicted(text, [*options, "--missing", "drop"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert ("[dropped-rows]" in done.stderr) is ("-99" in text)
    assert [line.split(",")[-2] for line in done.stdout.splitlines()[1:]] == ["2", "1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x;y\n1001.5;2\n2.5;3\n", "new.csv:2:1: column 'x' has decimal points ('1001.5' on line 2 and 1 more)"),
        ("1.5,2.5\n3.5,4.5\n", "no columns 'x', 'y' in new.csv"),
    ],
)
def test_a_format_that_is_not_the_fits_is_never_read_in_silence(text: str, said: str, tmp_path: Path) -> None:
    done = predicted(text, [], tmp_path)
    assert done.returncode == 3 and said in done.stderr and "--decimal ." in done.stderr
    assert predicted(text, ["--decimal", "."], tmp_path).returncode == 0
