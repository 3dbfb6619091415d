"""The tables of `steps`: each number follows from those beside it, and every line is for people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from math import comb, exp, pi, sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from conftest import ROOT, SAMPLES, run

Write = Callable[[str, str], Path]
Table = dict[str, list[str]]
ARTICLE = ROOT / "configs" / "two_coins.yaml"
DO_BATZOGLOU = ROOT / "configs" / "do_batzoglou.yaml"
TACKS = ["coins", SAMPLES / "thumbtacks.csv", "--tosses", "n", "--row-weights", "freq", "--mixing", "free"]
MARKDOWN = ("--format", "markdown")  # which is printed in a tenth of the time
FAITHFUL = ["gmm", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 2]
FAR = [1e9 + i * i % 5 + (i % 2) * 7 for i in range(30)]
UNEQUAL = [(10, 31), (12, 17), (8, 37), (31, 39), (3, 9), (20, 33), (1, 25), (14, 15), (9, 40), (30, 41)]
MANY = ["--rows", "1-10", "--iterations", "0-3"]
RUNS: dict[str, list[Any]] = {
    "the article's coins": [ARTICLE, "--rows", "1,2,5"],
    "Do & Batzoglou": [DO_BATZOGLOU, "--rows", "1-5", "--iterations", "0-3,last"],
    "weighted coins of free mixing": [*TACKS, "--restarts", 1, "--max-iter", 9, "--rows", "1-10"],
    **{f"gmm {shape}": [*FAITHFUL, "--covariance", shape] for shape in ("full", "tied", "diag", "spherical")},
    "gmm in one dimension": ["gmm", SAMPLES / "galaxies.csv", "-k", 3, "--restarts", 2, "--rows", "1,40,82"],
    "gmm in three dimensions": ["gmm", SAMPLES / "iris.csv", "-k", 2, "--columns", "1-3", "--restarts", 1],
    "gmm of many rows": [*FAITHFUL, "--columns", "waiting", "--rows", "1-30", "--iterations", "0-3"],
    "gmm of far rows": ["gmm", "far.csv", "-k", 2, "--restarts", 1, *MANY],
    "gmm of nine components": [*FAITHFUL[:2], "-k", 9, "--restarts", 1, "--covariance", "diag", *MANY],
    "coins of unequal tosses": ["coins", "unequal.csv", "-k", 2, "--mixing", "free", "--restarts", 1, *MANY],
    "kmeans": ["kmeans", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 2],
    "kmeans of far rows": ["kmeans", "far.csv", "-k", 2, "--restarts", 1, *MANY],
    "kmeans in one dimension": ["kmeans", SAMPLES / "galaxies.csv", "-k", 3, "--restarts", 2],
}


@cache
def printed(name: str, *more: str) -> str:
    with TemporaryDirectory() as place:
        Path(place, "far.csv").write_text("x\n" + "".join(f"{x:.0f}\n" for x in FAR))
        Path(place, "unequal.csv").write_text("heads,tosses\n" + "".join(f"{h},{n}\n" for h, n in UNEQUAL))
        made = {"far.csv": Path(place, "far.csv"), "unequal.csv": Path(place, "unequal.csv")}
        done = run("steps", *(made.get(word, word) for word in RUNS[name]), *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tables(markdown: str) -> Iterator[tuple[str, Table]]:
    """Each table of what is printed as Markdown, with the line before it."""
    block: list[str] = []
    before = ""
    for line in [*markdown.splitlines(), ""]:
        if line.startswith("| "):
            block.append(line)
        elif block:
            titles, _, *rows = [line.strip("|").split(" | ") for line in block]
            columns = zip(*([cell.strip() for cell in row] for row in rows), strict=True)
            named: Table = {}
            for title, column in zip(titles, columns, strict=True):
                key = title.strip()
                while key in named:  # 'new mean' and 'was' of each column of the data
                    key += "'"
                named[key] = list(column)
            yield before, named
            block = []
        if line and not line.startswith("|"):
            before = line


def unit(text: str) -> float:
    """One in the last printed digit of a number."""
    digits, _, exponent = text.partition("e")
    return float(10.0 ** (int(exponent or 0) - len(digits.partition(".")[2])))


def follows(text: str, value: float, slack: float = 1.6) -> bool:
    """Is this the number that is printed, but for its last digit?"""
    return abs(float(text) - value) <= slack * unit(text)


def numbers(cells: list[str]) -> list[float]:
    return [float(cell) for cell in cells if cell]


@pytest.mark.parametrize("name", [name for name in RUNS if "kmeans" not in name])
def test_what_a_row_is_shared_out_to_can_be_computed_again(name: str) -> None:
    seen = 0
    parameters: Table = {}
    for before, table in tables(printed(name, *MARKDOWN)):
        if "responsibility" not in table:
            parameters = table if "weight" in table else parameters
            continue
        seen += 1
        assert before.startswith("Row ")
        density = next(table[key] for key in ("probability", "density") if key in table)
        k = len(parameters["weight"])
        weights = numbers(parameters["weight"])
        joint, shares = table["× weight"], table["responsibility"]
        for i in range(k):
            assert follows(joint[i], float(density[i]) * weights[i])
            assert follows(shares[i], float(joint[i]) / float(joint[k]))
        assert follows(joint[k], sum(map(float, joint[:k]))) and float(shares[k]) == 1
        for title, part in table.items():
            if title.startswith("× ") and title != "× weight":
                factor = float(title.split()[1])
                for i in range(k):
                    if "." in part[i]:
                        assert follows(part[i], float(shares[i]) * factor)
                    else:  # of very large values: as many figures as the share has
                        figure = unit(shares[i]) * 10 ** len(title.split()[1])
                        assert abs(float(part[i]) - float(shares[i]) * factor) <= figure
                assert follows(part[k], factor, 0.5)
    assert seen >= 4


@pytest.mark.parametrize("name", [name for name in RUNS if "coins" in name or "Batzoglou" in name])
def test_a_probability_is_the_binomial_of_the_printed_p_of_heads(name: str) -> None:
    p: list[float] = []
    for before, table in tables(printed(name, *MARKDOWN)):
        p = numbers(table["P(heads)"]) if "P(heads)" in table else p
        if found := re.fullmatch(r"Row .*: (\d+) heads?, (\d+) tails?; C\((\d+), \d+\) = (\d+)", before):
            h, t, n, ways = map(int, found.groups())
            assert h + t == n and ways == comb(n, h)
            if "probability" in table:
                for each, shown in zip(p, table["probability"], strict=False):
                    assert follows(shown, ways * each**h * (1 - each) ** t)
        if "expected heads" in table:
            for i in range(len(p)):
                heads, tails, both, new = (
                    table[key][i] for key in ("expected heads", "expected tails", "heads + tails", "new P(heads)")
                )
                assert follows(both, float(heads) + float(tails)) and follows(new, float(heads) / float(both))
                assert float(table["was"][i]) == p[i]
        elif "new weight" in table:
            total = float(table["Σ r"][-1])
            assert all(follows(new, float(r) / total) for r, new in zip(table["Σ r"], table["new weight"], strict=True))


@pytest.mark.parametrize("name", [name for name in RUNS if "gmm" in name and "three" not in name])
def test_a_density_is_that_of_the_printed_distances_and_sds(name: str) -> None:
    known: Table = {}
    for before, table in tables(printed(name, *MARKDOWN)):
        known = table if "weight" in table else known
        if "density" not in table:
            continue
        values = list(map(float, re.findall(r"= ([-\d.]+)", before)))
        means = [numbers(cells) for title, cells in known.items() if title.startswith("mean ")]
        sds = [numbers(cells) for title, cells in known.items() if title.startswith("sd")]
        for i in range(len(known["weight"])):
            away = [table[title][i] for title in table if title[0] == "z"]
            for j, z in enumerate(away):
                assert follows(z, (values[j] - means[j][i]) / sds[j][i])
            z = list(map(float, away))
            if len(z) == 1:
                squared, spread = z[0] ** 2, sqrt(2 * pi) * sds[0][i]
            else:
                c = float(known["correlation"][i]) if "correlation" in known else 0.0
                squared = (z[0] ** 2 - 2 * c * z[0] * z[1] + z[1] ** 2) / (1 - c * c)
                spread = 2 * pi * sds[0][i] * sds[1][i] * sqrt(1 - c * c)
                assert follows(table["D²"][i], squared)
                squared = float(table["D²"][i])
            if squared < 1380:  # beyond which it is no number of double precision
                assert follows(table["density"][i], exp(-squared / 2) / spread)


@pytest.mark.parametrize("name", ["gmm in one dimension", "gmm full", "gmm tied", "gmm in three dimensions"])
def test_new_parameters_are_quotients_of_the_printed_sums(name: str) -> None:
    seen = set()
    for _, table in tables(printed(name, *MARKDOWN)):
        for sums, new in quotients(table):
            for i, text in enumerate(table[new]):
                if text:
                    divisor = table["Σ r"][i] if ("Σ r" in table and name != "gmm tied") or "mean" in new else "272"
                    assert follows(text, float(table[sums][i]) / float(divisor)), (sums, new)
                    seen.add(new.rstrip("'"))
        for new, was in (("new sd", "new variance"), ("new sd'", "new variance'")):
            for sd, variance in zip(table.get(new, []), table.get(was, []), strict=False):
                assert not sd or follows(sd, sqrt(float(variance)))
    assert {"new mean", "new variance"} <= seen and (name.endswith("one dimension") or "new covariance" in seen)


def quotients(table: Table) -> Iterator[tuple[str, str]]:
    """The titles of each sum, and of the parameter that it leads to."""
    titles = list(table)
    for place, title in enumerate(titles):
        if title.startswith("Σ r·"):
            yield title, titles[place + 1]


@pytest.mark.parametrize("name", ["kmeans", "kmeans in one dimension", "kmeans of far rows"])
def test_distances_and_centroids_can_be_computed_again(name: str) -> None:
    places: Table = {}
    for before, table in tables(printed(name, *MARKDOWN)):
        if "squared distance" in table:
            values = list(map(float, re.findall(r"= ([-\d.]+)", before)))
            aways = [table[title] for title in table if title.endswith("- centroid")]
            centroids = list(places.values())[1:]
            for i, shown in enumerate(table["squared distance"]):
                for value, centroid, away in zip(values, centroids, aways, strict=True):
                    assert follows(away[i], value - float(centroid[i]))
                    assert float(away[i]) != 0 or value == float(centroid[i])
                assert follows(shown, sum(float(away[i]) ** 2 for away in aways))
            nearest = min(
                range(len(shown_squares := numbers(table["squared distance"]))), key=shown_squares.__getitem__
            )
            assert table[""] == ["nearest" if i == nearest else "" for i in range(len(shown_squares))]
        elif "rows" in table:
            assert sum(numbers(table["rows"][:-1])) == float(table["rows"][-1])
            titles = list(table)
            for place in (place for place, title in enumerate(titles) if title.startswith("sum of ")):
                for i, rows in enumerate(table["rows"][:-1]):
                    assert follows(table[titles[place + 1]][i], float(table[titles[place]][i]) / float(rows))
        else:
            places = table


@pytest.mark.parametrize("name", ["Do & Batzoglou", "gmm full", "gmm tied", "gmm in three dimensions", "kmeans"])
def test_tables_and_formulas_have_eighty_columns(name: str) -> None:
    lines = printed(name, "--iterations", "1", "--rows", "2").splitlines()
    sentences = ("Begins", "Numbers", "Converged", "The fit")  # which a terminal wraps
    assert not [line for line in lines[1:] if len(line) > 80 and not line.startswith(sentences)]
    assert not [line for line in lines if line != line.rstrip()]


@pytest.mark.parametrize("name", ["gmm full", "Do & Batzoglou"])
def test_narrow_tables_are_cut_and_wide_ones_are_whole(name: str) -> None:
    narrow, wide = (printed(name, "--width", width, "--iterations", "0", "--rows", "1") for width in ("44", "200"))
    rules = [max(len(line) for line in text.splitlines() if set(line) == {"─"}) for text in (narrow, wide)]
    assert rules[0] <= 44 < rules[1] <= 200
    assert wide.count("× weight") < wide.count("probability") or wide.count("density") >= wide.count("× weight")
    assert "responsibility" in narrow


def test_the_articles_numbers_stand_beside_each_other() -> None:
    text = run("steps", ARTICLE, "--rows", 5, "--iterations", 0).stdout
    assert "Row 5: 8 heads, 2 tails; C(10, 8) = 45\n" in text
    assert re.search(r"^ +2 +0\.30199 +0\.15099 +0\.5640 +4\.512 +1\.128$", text, re.M)
    assert "Numbers are those at the end: coin 1 was given as number 2, coin 2 was given as number 1." in text
    assert "the weights stay at 1/2: equal mixing" in text


def test_where_a_run_begins_and_ends_is_said() -> None:
    assert "Begins at start 1, drawn by k-means++ (--start FILE" in printed("gmm in three dimensions", *MARKDOWN)
    text = printed("gmm full", *MARKDOWN)
    assert "Begins at start 1, the best of 2, drawn by" in text
    assert "one more by plain EM; `fit` goes on by Newton's method, with its polish" in text
    assert "\n- Converged after " in text
    for words in (
        [ARTICLE],
        ["coins", SAMPLES / "flips.csv", "-k", 2, "--solver", "em"],
        ["kmeans", SAMPLES / "blobs.csv", "-k", 3],
    ):
        ended = run("steps", *words, "--iterations", "last", "--restarts", 1).stdout
        assert "one more, which the fit does not make: it ends here" in ended


@pytest.mark.slow
def test_a_run_that_a_move_led_to_says_so() -> None:
    moved = run("steps", "kmeans", SAMPLES / "iris.csv", "-k", 9, "--rows", 1).stdout
    assert "Begins where a move from start 26 led (--restarts 10 shows a start as it was drawn)." in moved


def test_chosen_rows_and_iterations_are_shown_in_order_and_what_is_not_there_is_said() -> None:
    done = run("steps", DO_BATZOGLOU, "--rows", "4,1-2", "--iterations", "last,2,0,100")
    text = done.stdout
    assert re.findall(r"^Row (\d)", text, re.M) == ["4", "1", "2"] * 3
    assert re.findall(r"^── Iteration (\d+)", text, re.M) == ["0", "2", "10"]
    assert done.stderr == "emcli: warning: the fit ended after 10 iterations: there is no iteration 100 [iterations]\n"
    beyond = run("steps", DO_BATZOGLOU, "--iterations", "11,99", "--json")
    assert "10 iterations: there is no iteration 11, 99; its last is shown [iterations]" in beyond.stderr
    assert [each["iteration"] for each in json.loads(beyond.stdout)["iterations"]] == [10]
    short = run("steps", DO_BATZOGLOU, "--max-iter", 0).stdout
    assert "The start values themselves" in short


def test_rows_that_count_for_nothing_are_said_to_do_so(write: Write) -> None:
    text = printed("weighted coins of free mixing", *MARKDOWN)
    assert "Row 1 has weight 0, and is left out of all sums." in text
    data = write("c.csv", "heads,tosses\n0,0\n3,4\n1,4\n")
    text = run("steps", "coins", data, "--rows", "1,2", "--restarts", 1).stdout
    assert "Row 1 says nothing of the coins, and is left out of all sums." in text and "Row 2: 3 heads, 1 tail;" in text


def test_a_cluster_that_loses_its_rows_is_named(write: Write) -> None:
    data = write("e.csv", "x,y\n0,0\n0,1\n1,0\n10,10\n10,11\n")
    start = write("s.yaml", "centroids: [[0, 0], [10, 10], [100, 100]]\n")
    text = run("steps", "kmeans", data, "-k", 3, "--start", start).stdout
    assert "Cluster 1 has no row, and takes the one farthest from its centroid." in text


def test_what_is_too_much_to_show_is_said(write: Write) -> None:
    text = run("steps", "kmeans", SAMPLES / "iris.csv", "-k", 25, "--restarts", 1, "--rows", 1).stdout
    assert "Not shown: the 5 clusters that are farthest from it; --json has all." in text
    four = run("steps", "gmm", SAMPLES / "iris.csv", "-k", 2, "--columns", "1-4", "--restarts", 1).stdout
    assert "the means and variances of 4 columns are not shown: --json has the sums" in four


def test_far_columns_and_impossible_rows_keep_their_digits(write: Write) -> None:
    far = write("f.csv", "x\n" + "\n".join(f"{1e9 + i * i % 17 + (i % 2) * 40}" for i in range(30)) + "\n")
    text = run("steps", "gmm", far, "-k", 2, "--restarts", 1, "--rows", 1, "--iterations", 0).stdout
    assert "Row 1: x = 1000000000\n" in text
    means = re.search(r"^ +1 +0\.5 +(1000\d+\.\d+)", text, re.M)
    assert means is not None and 1e9 < float(means[1]) < 1e9 + 17
    long = write("l.csv", "heads,tosses\n300000,1000000\n500000,1000000\n300100,1000000\n")
    text = run("steps", "coins", long, "--rows", 1, "--iterations", 0, "--restarts", 1).stdout
    assert re.search(r"e-3\d{4}", text)  # a probability beyond the range of doubles


def test_a_stream_of_ascii_has_formulas_too() -> None:
    env = {"PYTHONIOENCODING": "ascii"}
    done = run("steps", "gmm", SAMPLES / "galaxies.csv", "-k", 2, "--restarts", 1, "--rows", 1, env=env)
    assert done.returncode == 0 and done.stdout.isascii() and "\\u" not in done.stdout and "\\x" not in done.stdout
    assert "new mean = sum r.velocity / sum r" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--rows 6", "do_batzoglou.csv: '--rows' names row 6, but there are 5 rows"),
        ("--rows 0", "'--rows' must list numbers of rows from 1, such as 1,2,8 or 1-5, got '0'"),
        ("--rows 1,x", "'--rows' must list numbers of rows from 1, such as 1,2,8 or 1-5, got '1,x'"),
        ("--rows 3-1", "'--rows' must list numbers of rows from 1, such as 1,2,8 or 1-5, got '3-1'"),
        ("--rows 1.5", "'--rows' must list numbers of rows from 1, such as 1,2,8 or 1-5, got '1.5'"),
        ("--rows -1", "'--rows' must list numbers of rows from 1, such as 1,2,8 or 1-5, got '-1'"),
        ("--rows=", "'--rows' must list numbers of rows from 1, such as 1,2,8 or 1-5, got ''"),
        ("--rows 1-999999999", "'--rows' must list at most 1000 rows, got '1-999999999'"),
        ("--iterations data", "'--iterations' must list iterations such as 0,1,5-8 and last, got 'data'"),
        ("--iterations 5-2", "'--iterations' must go from the smaller iteration to the larger, got '5-2'"),
        ("--iterations end", "'--iterations' must list iterations such as 0,1,5-8 and last, got 'end'"),
        ("--iterations 0,-1", "'--iterations' must list iterations such as 0,1,5-8 and last, got '0,-1'"),
        ("--iterations 0-5000", "'--iterations' must list at most 100 iterations, got '0-5000'"),
        ("--format csv", "'--format'"),
        ("--json --format text", "--format text and --json would both be written to standard output"),
        ("--bootstrap 100", "no such option: --bootstrap"),
        ("--scheduler local:2", "no such option: --scheduler"),
        ("--width 3", "'--width' must be an integer from 20 to 10000, got '3'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(words: str, said: str) -> None:
    done = run("steps", DO_BATZOGLOU, *words.split())
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr.splitlines()[0]


def test_mistakes_are_told_as_by_fit(write: Write) -> None:
    for words in (
        ["nosuch", "x.csv"],
        ["gmm", "no.csv", "-k", 2],
        ["gmm", SAMPLES / "faithful.csv", "-k", "1-3"],
        ["coins", write("bad.csv", "heads,tosses\n5,4\n")],
        ["gmm", SAMPLES / "faithful.csv", "-k", 2, "--start", write("s.yaml", "means: [[1], [2]]\n")],
        ["gmm", write("flat.csv", "x\n1\n1\n1\n1\n"), "-k", 2],
    ):
        fit, steps = (run(command, *words) for command in ("fit", "steps"))
        assert steps.returncode == fit.returncode != 0
        known = fit.stderr.replace("emcli fit --help", "emcli steps --help").replace("fit takes", "steps takes")
        assert steps.stderr.splitlines()[0] == known.splitlines()[0]


def test_an_experiment_of_a_cluster_is_refused(write: Write) -> None:
    path = write("e.yaml", f"model: gmm\ndata: {SAMPLES}/faithful.csv\nfit: {{k: 2, scheduler: local:2}}\n")
    done = run("steps", path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_a_bootstrap_that_an_experiment_asks_for_is_left_to_fit(write: Write) -> None:
    path = write("b.yaml", f"model: gmm\ndata: {SAMPLES}/galaxies.csv\nfit: {{k: 2, restarts: 1, bootstrap: 5000}}\n")
    done = run("steps", path, "--rows", 1, "--iterations", 0)
    assert done.returncode == 0 and "std. error" not in done.stdout


def test_wrong_start_values_of_an_experiment_are_told_at_their_place(write: Write) -> None:
    text = f"model: gmm\ndata: {SAMPLES}/galaxies.csv\nfit:\n  k: 2\n  start:\n    means: [[1], [1, 2]]\n"
    done = run("steps", write("w.yaml", text))
    assert done.returncode == 2 and ":6:18: fit.start.means[1]: must have 1 value, got 2" in done.stderr


@pytest.mark.filterwarnings("error")
def test_numbers_at_the_ends_of_their_range_are_shown(write: Write) -> None:
    rows = [[(i * 7919 % 101 + i % 5 * 13.7 + j * j * i % 7) for j in range(5)] for i in range(30)]
    for power, more in ((-140, ["--covariance", "spherical"]), (140, ["--columns", "1,2"])):
        text = "a,b,c,d,e\n" + "".join(",".join(f"{x}e{power}" for x in row) + "\n" for row in rows)
        data = write("t.csv", text)
        words = ["steps", "gmm", data, "-k", 2, "--restarts", 1, *more]
        table, document = run(*words, "--format", "markdown"), run(*words, "--json")
        assert table.returncode == document.returncode == 0, table.stderr
        assert "nan" not in table.stdout
        for row in json.loads(document.stdout)["iterations"][0]["rows"]:
            assert sum(row["responsibility"]) == pytest.approx(1) and None not in row["log_density"]
    never = write("never.csv", "heads,tosses\n0,4\n3,4\n2,4\n")
    done = run("steps", "coins", never, "--start", write("zero.yaml", "heads: [0, 0.5]\n"), "--rows", "1-3")
    assert done.returncode == 0
    assert re.search(r"^ +1 +0 +0 +0.0000 +0.000 +0.000$", done.stdout, re.M)  # three heads of a coin that has none


def test_a_step_that_is_no_m_step_is_named_where_it_leads_from_and_to() -> None:
    words = ["steps", *TACKS, "--restarts", 1, "--solver", "newton", "--iterations", "1-45", "--rows", 3]
    document, shown = json.loads(run(*words, "--json").stdout), run(*words, *MARKDOWN).stdout
    parts = dict(re.findall(r"^### Iteration (\d+)(.*?)(?=^###|\Z)", shown, re.M | re.S))
    kinds = {each["iteration"]: each["step"] for each in document["iterations"]}
    assert {"em", "newton", "polish"} <= set(kinds.values())
    for number, kind in kinds.items():
        named = {"em": "", "newton": ", by a step of Newton's", "polish": ", by a last step of Newton's"}[kind]
        assert parts[str(number)].startswith(f"{named} method\n" if named else "\n")
        if str(number - 1) in parts:
            assert ("No M-step leads on from here" in parts[str(number - 1)]) == (kind != "em")


def test_v_says_of_steps_what_was_decided_and_overridden(write: Write) -> None:
    path = write("e.yaml", f"model: kmeans\ndata: {SAMPLES}/galaxies.csv\nfit: {{k: 2, restarts: 2}}\n")
    said = run("steps", path, "-k", 3, "--iterations", 0, "--rows", 1, "-v").stderr
    assert "emcli: k=3 from -k (e.yaml:3 says 2)\n" in said.replace(str(path.parent) + "/", "")
    assert "emcli: starts: " in said and "emcli: solver: the model's own" in said
