"""fit -vv: the parameters at each iteration of the best start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import REFERENCE, ROOT, SAMPLES, fit, run

from emcli.output.numbers import in_one_form

WAITING = [REFERENCE / "data" / "faithful_waiting.csv"]
FITS: dict[str, list[Any]] = {
    "coins": [ROOT / "configs" / "two_coins.yaml"],
    "coins of three weights": [
        "coins",
        SAMPLES / "two_coins.csv",
        "-k",
        3,
        "--mixing",
        "free",
        "--restarts",
        2,
        "--max-iter",
        9,
    ],
    "kmeans": ["kmeans", SAMPLES / "faithful.csv", "-k", 3, "--restarts", 2],
    "the exact optimum": ["kmeans", SAMPLES / "galaxies.csv", "-k", 3],
    "gmm": ["gmm", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 2],
    "an optimum that moves led to": ["kmeans", SAMPLES / "iris.csv", "-k", 9],
    "an optimum beside one that was set aside": ["gmm", *WAITING, "-k", 4, "--restarts", 15],
}


def tables(text: str) -> list[list[str]]:
    """The tables of the parameters in what a fit with -vv prints: their lines, without the rule under the titles."""
    blocks = [block.splitlines() for block in text.split("\n\n")]
    return [[*block[:2], *block[3:]] for block in blocks if len(block) > 3 and block[1].startswith("iteration")]


def paths(markdown: str) -> dict[str, list[str]]:
    """Each column of the table of the parameters in Markdown by its title."""
    block = next(block for block in markdown.split("\n\n") if block.startswith("| iteration |"))
    titles, _, *lines = [line.strip("| ").split(" | ") for line in block.splitlines()]
    return {title: list(column) for title, *column in zip(titles, *lines, strict=True)}


LONG = ("an optimum that moves led to", "an optimum beside one that was set aside")


@pytest.mark.parametrize(
    "arguments",
    [pytest.param(each, id=name, marks=[pytest.mark.slow] * (name in LONG)) for name, each in FITS.items()],
)
def test_the_parameters_of_each_iteration_are_those_of_the_trace_in_the_order_of_the_end(
    arguments: Sequence[Any], tmp_path: Path
) -> None:
    trace, saved = tmp_path / "trace.jsonl", tmp_path / "fit.json"
    done = run("fit", *arguments, "-vv", "--trace", trace, "-o", saved, "--format", "markdown")
    assert done.returncode == 0
    document = json.loads(saved.read_text())
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    walked = [each for each in lines if each["type"] == "iteration" and each["start"] == document["best_start"]]
    shown = paths(done.stdout)
    assert [each["iteration"] for each in walked] == [each["iteration"] for each in document["trace"]]
    assert shown["iteration"] == [
        str(each["iteration"]) if each["iteration"] <= document["iterations"] else each["step"] for each in walked
    ]
    assert len(shown) >= 2 + document["k"]
    begin = {"coins": ("heads", "P(heads)"), "kmeans": ("centroids", ""), "gmm": ("means", "mean ")}
    key, prefix = begin[document["model"]]
    ends, final = (flat(each["parameters"][key]) for each in (walked[-1], document))
    names = document["data"]["columns"] if document["model"] != "coins" else [""]
    for component, end in enumerate(final):
        of = min(range(len(ends)), key=lambda j: abs(ends[j][0] - end[0]))  # it ends as this one of the document does
        for column, name in enumerate(names):
            values = [flat(each["parameters"][key])[of][column] for each in walked]
            cells = [float(cell) for cell in shown[f"{prefix}{name} of {component + 1}"]]
            assert cells == pytest.approx(values, rel=1e-4, abs=1e-4)


def flat(parameters: list[Any]) -> list[list[float]]:
    """Parameters of each component, one or several."""
    return [each if isinstance(each, list) else [each] for each in parameters]


def test_figure_4_of_the_article_stands_in_one_table() -> None:
    shown = tables(run("fit", ROOT / "configs" / "two_coins.yaml", "-vv").stdout)
    assert len(shown) == 1
    assert shown[0][2].split() == ["0", "-2447.695", "0.70000", "0.80000"]
    assert shown[0][-1].split() == ["15", "-1106.687", "0.21373", "0.60551"]


def test_wide_tables_are_cut_between_parameters_and_markdown_has_them_too() -> None:
    done = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "-vv")
    shown = tables(done.stdout)
    assert len(shown) > 1 and all(len(line) <= 80 for table in shown for line in table)
    assert all(table[1].count("of 1") == table[1].count("of 2") for table in shown)
    assert "Not shown: covariances between columns; --trace FILE writes all" in done.stdout
    assert "| iteration | " in run("fit", *FITS["coins"], "-vv", "--format", "markdown").stdout


@pytest.mark.parametrize("words", [["-v"], ["--verbose"], []])
def test_once_verbose_does_not_show_them(words: list[str]) -> None:
    assert not tables(run("fit", *FITS["coins"], *words).stdout)


@pytest.mark.parametrize("words", [["-vv"], ["-v", "-v"], ["--verbose", "-v"], ["-qvv"]])
def test_twice_verbose_is_said_in_several_ways(words: list[str]) -> None:
    assert len(tables(run("fit", *FITS["coins"], *words).stdout)) == 1


def test_nothing_else_of_a_result_changes() -> None:
    assert fit(*FITS["coins"]) == fit(*FITS["coins"], "-vv")


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.7, 0.35028], ["0.70000", "0.35028"]),
        ([1e9, 1e9 + 1, 1e9 + 0.5], ["1000000000.00", "1000000001.00", "1000000000.50"]),
        ([1e12, 3e12], ["1.00000e+12", "3.00000e+12"]),
        ([2e-5, -1e-5], ["2.00000e-05", "-1.00000e-05"]),
        ([21.2445857142857, 21.24458571428571], ["21.2446", "21.2446"]),
        ([0.0, 0.0], ["0", "0"]),
        ([], []),
    ],
)
def test_numbers_of_a_column_have_one_form(values: list[float], shown: list[str]) -> None:
    assert in_one_form(values) == shown
