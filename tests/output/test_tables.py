"""The tables of fit and compare: as wide as asked, with digits that tell apart what differs, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, run, run_here
from inprocess import clusters, result_of
from rich.cells import cell_len

from emcli.models.plain_values import Count, Share
from emcli.output.fit_tables import ledger
from emcli.output.numbers import difference, gain, number, numbers, scores
from emcli.output.page import Grid

Write = Callable[[str, str], Path]
FAITHFUL, IRIS = SAMPLES / "faithful.csv", SAMPLES / "iris.csv"
QUICK = ("--restarts", 1, "-q")


def tables(text: str) -> list[str]:
    """The lines of the tables in a text: of each block that has a rule."""
    blocks = [block for block in text.split("\n\n") if re.search("^─+$", block, re.M)]
    assert blocks, text
    return [line for block in blocks for line in block.splitlines()]


def test_no_zero_has_a_sign_and_no_difference_is_noise() -> None:
    assert [number(Share(x)) for x in (-0.0, 0.0, 0.333, -0.0004, 1.0)] == [
        "0.0 %",
        "0.0 %",
        "33.3 %",
        "-0.04 %",
        "100.0 %",
    ]
    assert number(-0.0) == "0" and number(Count(-0.01)) == "0.0" and number(12345678.9) == "12345679"
    assert difference(0.375255, 0.375255 + 5.6e-17) == "0"
    assert difference(Share(0.3), Share(0.3 + 6e-17)) == "0.0 %"
    assert (difference(2.0, 1.5), difference(1.5, 2.0), difference(Share(0.5), Share(0.25))) == (
        "+0.5",
        "-0.5",
        "+25.0 %",
    )
    assert (gain(-1130.26396, -1130.26396 - 2.3e-13), gain(-2.0, -3.5)) == ("0", "+1.500")


def test_values_that_differ_look_different_and_rounding_makes_no_difference() -> None:
    assert scores([2322.192456, 2322.192457]) == ["2322.192456", "2322.192457"]
    assert scores([2322.1924561, 2322.1924561 + 1e-9]) == ["2322.192", "2322.192"]
    assert scores([-0.0001, 5.0]) == ["0.000", "5.000"]
    assert scores([1.25e-12, 1.26e-12]) == ["1.25e-12", "1.26e-12"]
    assert len(set(scores([3e20, 3e20 + 1e12]))) == 2
    assert numbers([1000000001.5, 1000000004.25, ""]) == ["1000000001.5", "1000000004.25", ""] or (
        len(set(numbers([1000000001.5, 1000000004.25]))) == 2
    )
    assert numbers([0.25, 0.25 + 1e-14]) == ["0.25", "0.25"]
    assert numbers([123456.2, 123458.7]) == ["123456.2", "123458.7"]  # they differ by 2.50
    assert numbers([1e6 + 0.1, 1e6 + 7.34]) == ["1000000.1", "1000007.34"]


@pytest.mark.parametrize("width", [30, 60])
def test_a_wide_table_is_parted_with_its_first_column_in_each_part(width: int) -> None:
    grid = Grid(["name", *(f"column {i}" for i in range(9))], [["a", *map(str, range(9))], ["b", *"123456789"]])
    parts = list(grid.within(width, together=2))
    assert max(part.width for part in parts) <= width and len(parts) > 1
    assert all(part.titles[0] == "name" and len(part.titles) % 2 for part in parts[:-1])
    assert [title for part in parts for title in part.titles[1:]] == grid.titles[1:]
    assert [cell for part in parts for cell in part.rows[1][1:]] == list("123456789")


COMMANDS = (
    ("fit", "gmm", IRIS, "-k", 3, "--covariance", "tied", *QUICK),
    ("fit", "kmeans", IRIS, "-k", 4, *QUICK),
    ("fit", "configs/do_batzoglou.yaml"),
    ("compare", "gmm", FAITHFUL, "-k", "1-2", "--covariance", "full,tied", *QUICK),
    ("compare", "kmeans", IRIS, "-k", "1-3", *QUICK),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(map(str, command[:2])))
def test_tables_in_a_pipe_are_as_wide_as_asked_and_lines_stay_whole(command: tuple[object, ...]) -> None:
    usual = run(*command).stdout
    assert max(map(len, tables(usual))) <= 80
    wide = run_here([*map(str, command), "--width", "200"], env={"COLUMNS": "30"}).stdout
    narrow = run_here([*map(str, command)], env={"COLUMNS": "60"}).stdout
    assert max(map(len, tables(narrow))) <= 60 and max(map(len, tables(wide))) <= 200
    sentences = re.compile(r"^(?:Log-likelihood|Classification|Converged|\d+ of \d+ start|\w+: ).*$", re.M)
    assert sentences.findall(narrow) == sentences.findall(wide) != []
    if command[0] == "compare":
        assert "Not shown at this width" not in wide and "Not shown at this width: " in narrow
        needed = re.search(r"all with --width (\d+) or --format csv", narrow)
        assert needed and "Not shown" not in run(*command, "--width", needed[1]).stdout.split("\n\n")[1]


def test_long_and_foreign_names_keep_to_the_width(write: Write) -> None:
    rows = "".join(f"{i % 7}.{i},{i * i % 11}.5,{i * 3 % 5}.{i % 3}\n" for i in range(40))
    data = write("u.csv", f"größe 高さ,{'a very long name of a column ' * 3},b\n{rows}")
    for width in (70, 80):
        said = run("fit", "gmm", data, "-k", 2, "--width", width, *QUICK).stdout
        assert max(map(cell_len, tables(said))) <= width
        assert "covariance of" in said and "高さ" in said


def test_a_table_of_very_many_columns_shows_some_and_says_how_to_get_the_others(write: Write) -> None:
    values = np.random.default_rng(0).normal(size=(3, 600))
    names = ",".join(f"x{i}" for i in range(600))
    data = write("wide.csv", "\n".join([names, *(",".join(map(repr, row)) for row in values.tolist())]))
    words = ("fit", "kmeans", data, "-k", 2, *QUICK)
    said = run(*words).stdout
    assert said.count("\n") < 150 and max(map(len, said.splitlines())) < 200
    assert "600 columns)" in said
    assert "Not shown: 502 of 602 parameters; all with --format csv or --json.\n" in said
    header, *rows = csv.reader(io.StringIO(run(*words, "--format", "csv").stdout))
    assert len(header) == 603 and [len(row) for row in rows] == [603] * 2


def test_a_fit_as_csv_has_every_digit_of_its_document_under_one_header() -> None:
    words = ("gmm", FAITHFUL, "-k", 2, "--restarts", 2)
    rows = list(csv.DictReader(io.StringIO(run("fit", *words, "--format", "csv").stdout)))
    found = fit(*words)["parameters"]
    for i, row in enumerate(rows):
        assert row["component"] == str(i + 1)
        assert [float(row["mean eruptions"]), float(row["mean waiting"])] == found["means"][i]
        assert float(row["weight"]) == found["weights"][i]
        assert float(row["covariance eruptions waiting"]) == found["covariances"][i][0][1]
        assert float(row["sd waiting"]) == pytest.approx(found["covariances"][i][1][1] ** 0.5, rel=1e-15)
    assert len(rows) == 2


def test_a_fit_with_truth_and_errors_has_them_as_columns(write: Write, tmp_path: Path) -> None:
    saved = tmp_path / "fit.json"
    drawn = "generate: {rows: 100, tosses: 20, parameters: {heads: [0.2, 0.6]}}"
    experiment = write("coins.yaml", f"model: coins\n{drawn}\nfit: {{restarts: 1, bootstrap: 20}}\n")
    said = run("fit", experiment, "--format", "csv", "-o", saved).stdout
    rows = list(csv.DictReader(io.StringIO(said)))
    document = json.loads(saved.read_text())
    assert [float(row["true P(heads)"]) for row in rows] == [0.2, 0.6]
    errors = document["bootstrap"]["standard_errors"]["heads"]
    assert [float(row["P(heads) std. error"]) for row in rows] == pytest.approx(errors, rel=1e-12)
    assert "rows std. error" not in rows[0]  # with equal mixing the weights do not vary


def test_a_comparison_as_csv_has_the_keys_and_values_of_its_document() -> None:
    words = ("compare", "gmm", FAITHFUL, "-k", "1-2", "--covariance", "full,tied", *QUICK)
    rows = list(csv.DictReader(io.StringIO(run(*words, "--format", "csv").stdout)))
    (group,) = json.loads(run(*words, "--json").stdout)["groups"]
    assert [row["name"] for row in rows] == [each["name"] for each in group["candidates"]]
    for row, each in zip(rows, group["candidates"], strict=True):
        assert {row[key] for key in ("group",)} == {"1"}
        assert [float(row[key]) for key in ("bic", "log_likelihood")] == [each["bic"], each["log_likelihood"]]
        assert row["warnings"] == " ".join(each["warnings"])


@pytest.mark.parametrize("command", COMMANDS[2:4], ids=["fit", "compare"])
def test_markdown_has_tables_that_a_readme_can_take(command: tuple[object, ...]) -> None:
    said = run(*command, "--format", "markdown").stdout
    blocks = [block.splitlines() for block in said.split("\n\n") if block.startswith("|")]
    assert blocks and "─" not in said and "Not shown" not in said
    for block in blocks:
        assert re.fullmatch(r"\|( ---: \|)+", block[1])
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block}) == 1
    assert re.search(r"^- (?:Log-likelihood|BIC)", said, re.M)


@pytest.mark.parametrize("format", ["csv", "markdown", "text"])
@pytest.mark.parametrize("other", [("--json",), ("-o", "-"), ("--trace", "-")], ids=" ".join)
def test_a_format_of_tables_makes_no_sense_where_there_are_none(format: str, other: tuple[str, ...]) -> None:
    for command in (("fit", "gmm", FAITHFUL, "-k", 1), ("compare", "gmm", FAITHFUL, "-k", "1-2")):
        done = run(*command, "--format", format, *other)
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            done.stderr
            == f"emcli: error: --format {format} and {' '.join(other)} would both be written to standard output\n"
        )
    assert run("fit", "gmm", FAITHFUL, "-k", 1, "--width", 3).returncode == 2


def test_many_fits_of_one_k_have_a_row_each_and_a_summary_with_their_errors(tmp_path: Path) -> None:
    drawn = "generate: {rows: 150, seed: %d, tosses: 10, parameters: {heads: [0.2, 0.6]}}"
    text = f"model: coins\n{drawn}\nfit: {{restarts: 2}}\n"
    found: list[Any] = []
    for seed in range(1, 6):
        path = tmp_path / f"seed-{seed}.yaml"
        path.write_text(text % seed)
        assert run("fit", path, "-o", tmp_path / f"seed-{seed}.json", "-q").returncode == 0
        found.append(json.loads((tmp_path / f"seed-{seed}.json").read_text())["parameters"]["heads"])
    said = run("compare", *sorted(tmp_path.glob("*.json")), "-q").stdout
    assert said.count("\ncoins with k=2") == 0 and "Fits of different data, in the order given" in said
    assert len(re.findall(r"^ *seed-\d +2 +-\d+\.\d+", said, re.M)) == 5
    assert len(re.findall(r"^ *seed-\d +50\.0 % +0\.\d+ +50\.0 % +0\.\d+$", said, re.M)) == 5
    heads = np.array(found)
    for j, true in enumerate((0.2, 0.6)):
        values = heads[:, j]
        told = re.search(rf"^ *{j + 1} +P\(heads\) +(\S+) +(\S+) +{true} +(\S+) +(\S+)$", said, re.M)
        assert told, said
        expected = values.mean(), values.std(ddof=1), values.mean() - true, ((values - true) ** 2).mean() ** 0.5
        np.testing.assert_allclose([float(cell) for cell in told.groups()], expected, rtol=6e-3)
    likelihood = re.search(r"^ *log-likelihood +(\S+)", said, re.M)
    assert likelihood and max(map(len, tables(said))) <= 80


def test_many_fits_of_clusters_are_summarized_by_their_inertia(write: Write, tmp_path: Path) -> None:
    recipe = "generate: {rows: 60, seed: %d, parameters: {centroids: [[0], [9]], sd: 1}}"
    files = [write(f"k{i}.yaml", f"model: kmeans\n{recipe % i}\nfit: {{k: 2, restarts: 2}}\n") for i in range(4)]
    said = run("compare", *files, "-q").stdout
    (told,) = re.findall(r"^ +inertia +(\S+)", said, re.M)[-1:]
    groups = json.loads(run("compare", *files, "--json").stdout)["groups"]
    expected = np.mean([group["candidates"][0]["inertia"] for group in groups])
    assert float(told) == pytest.approx(expected, abs=1e-3)
    assert "nan" not in said and re.search(r"^ *1 +share +[45]\d\.\d %", said, re.M)


def test_fits_in_groups_of_their_own_are_named(tmp_path: Path) -> None:
    for name, words in {"points": ("kmeans", FAITHFUL, "-k", 2), "curves": ("gmm", FAITHFUL, "-k", 2)}.items():
        assert run("fit", *words, *QUICK, "-o", tmp_path / f"{name}.json").returncode == 0
    said = run("compare", tmp_path / "points.json", tmp_path / "curves.json", "-q", "--format", "markdown").stdout
    assert re.search(r"^\| points \| kmeans \| 2", said, re.M) and re.search(r"^\| curves \| gmm \| 2", said, re.M)
    assert "delta BIC" not in said


def test_few_candidates_of_one_k_stand_side_by_side_as_far_as_there_is_room() -> None:
    words = ("compare", "gmm", FAITHFUL, "-k", 2, "--covariance", "full,tied,diag,spherical", *QUICK)
    said = run(*words).stdout
    assert "Not shown at this width: 2 more fits; all with --json." in said
    assert "Not shown" not in run(*words, "--width", 200).stdout


def test_colour_points_out_the_best_and_the_converged_and_stays_out_of_pipes() -> None:
    words = ["compare", "coins", "sample_data/two_coins.csv", "-k", "1-2", "--restarts", "1", "-q"]
    plain = run_here(words, env={"NO_COLOR": ""}).stdout
    assert "\x1b" not in plain
    assert (
        "\x1b" not in run_here(words, env={"NO_COLOR": "1", "FORCE_COLOR": "1", "TERM": "xterm"}, terminal=True).stdout
    )
    forced = run_here(words, env={"NO_COLOR": "", "FORCE_COLOR": "1", "TERM": "xterm"}).stdout
    green = [line for line in forced.splitlines() if "\x1b[32m" in line]
    assert len(green) == 1 and re.sub(r"\x1b\[[0-9;]*m", "", green[0]) == plain.splitlines()[2]
    ended = run_here(
        ["fit", "coins", "sample_data/two_coins.csv", "--max-iter", "2", "-q"],
        env={"NO_COLOR": "", "FORCE_COLOR": "1", "TERM": "xterm"},
    ).stdout
    assert re.search("\x1b\\[31mNot converged: stopped at --max-iter, after 2 iterations; about", ended)


def test_standardized_columns_show_in_the_heading_and_beside_distances(write: Write) -> None:
    data = write("d.csv", "a,b\n" + "".join(f"{i % 7},{(i * i) % 11}00\n" for i in range(40)))
    said = run("fit", "kmeans", data, "-k", 2, "--standardize", *QUICK).stdout
    assert "columns standardized" in said.splitlines()[0]
    assert re.search(r"^One start, which ended at inertia \(standardized\) \d", said, re.M)
    experiment = write("e.yaml", "model: kmeans\ndata: d.csv\nfit: {k: 2, standardize: true, restarts: 2}\n")
    assert "(standardized)" in run("compare", experiment).stdout
    plain = run("fit", experiment, "--no-standardize").stdout
    assert "(standardized)" not in plain and "columns standardized" not in plain


def test_means_and_centroids_show_what_they_differ_by_and_their_sds(write: Write) -> None:
    data = write("far.csv", "v\n" + "".join(f"{1_000_000_000 + i * i % 5 + i % 3 // 2 * 7}\n" for i in range(60)))
    for model, k in (("gmm", 1), ("gmm", 2), ("kmeans", 2)):
        words = ["fit", model, data, "-k", k, *QUICK]
        text, document = run(*words).stdout, json.loads(run(*words, "--json").stdout)
        exact = [row[0] for row in document["parameters"]["means" if model == "gmm" else "centroids"]]
        shown = [float(line.split()[-3 if model == "gmm" else -1]) for line in tables(text)[2 : 2 + k]]
        assert shown == pytest.approx(exact, abs=0.006, rel=0), text
    assert numbers([54.61491, 54.61497]) == ["54.6149", "54.615"] and numbers([1234567.2, 3.0]) == ["1234567", "3"]


def test_starts_that_were_given_up_on_the_way_are_counted() -> None:
    result = result_of(clusters(), {"model": "gmm", "k": 3, "restarts": 4})
    assert "given up" not in ledger(result)
    for other in [each for each in result.ledger if each is not result.best][:2]:
        other.status = "behind"
    assert ", 2 given up on the way" in ledger(result)
