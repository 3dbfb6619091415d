"""The cross-table of true labels and components: its sums, its names, and the index that it tells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_inputs import SAVED_GMM
from conftest import SAMPLES, fit, run, run_here
from inprocess import result_of
from rich.cells import cell_len
from sklearn.metrics.cluster import contingency_matrix

from emcli.inference.truth import with_truth

Write = Callable[[str, str], Path]
IRIS = SAMPLES / "iris_species.csv"
BAR = "─"
DRAWN = """\
model: coins
generate: {rows: 60, tosses: 10, parameters: {heads: [0.9, 0.2]}}
fit: {k: 2, restarts: 2}
"""


def table_of(document: dict[str, Any]) -> tuple[list[str], np.ndarray]:
    """Labels and counts (labels, k) of a fit's document."""
    known = document["truth"]["cross_table"]
    return known["labels"], np.array(known["counts"])


def rand_index(table: np.ndarray) -> float:
    """The adjusted Rand index of a table of whole counts: Hubert & Arabie (1985) as they write it, with binomials."""
    n, cells = int(table.sum()), [comb(int(x), 2) for x in table.ravel()]
    rows, columns = (sum(comb(int(x), 2) for x in table.sum(axis=axis)) for axis in (1, 0))
    expected = rows * columns / comb(n, 2)
    return (sum(cells) - expected) / ((rows + columns) / 2 - expected)


def printed(text: str, first: str = "true label") -> list[list[str]]:
    """Titles and rows of the cross-tables that a page shows, part after part."""
    parts = re.findall(rf"^ *{first}.*?\n\n", text, re.M | re.S)
    return [re.split(r"\s{2,}", line.strip()) for part in parts for line in part.splitlines() if line.strip(f"{BAR} ")]


@pytest.mark.parametrize("model", ["kmeans", "gmm"])
def test_it_is_the_contingency_matrix_of_scikit_learn(model: str, tmp_path: Path) -> None:
    saved = tmp_path / "fit.json"
    document = fit(model, IRIS, "-k", 4, "--restarts", 3, "--truth", "species", "-o", saved)
    rows = run("predict", saved, IRIS).stdout.splitlines()
    at = rows[0].split(",").index("component")
    found = [int(row.split(",")[at]) for row in rows[1:]]
    species = [row.rpartition(",")[2].strip('"') for row in IRIS.read_text().splitlines()[1:]]
    labels, table = table_of(document)
    assert labels == ["setosa", "versicolor", "virginica"]
    np.testing.assert_array_equal(table, contingency_matrix(species, found))
    assert document["truth"]["adjusted_rand_index"] == pytest.approx(rand_index(table), abs=1e-12)


@pytest.mark.parametrize(
    ("words", "total"),
    [("gmm", 121 * 60), ("kmeans", 121 * 60), ("gmm --columns x", 121 * 60), ("gmm --exclude w", 120)],
)
def test_its_sums_are_the_weights_of_the_rows(words: str, total: int, write: Write) -> None:
    rows = "".join(f"{i % 2 * 30 + i * i % 11},{i * 7 % 13},{i},{'ab'[i % 2]}\n" for i in range(121) if i)
    data = write("x.csv", "x,y,w,t\n" + rows)
    model, *more = words.split()
    weights = [] if "--exclude" in more else ["--row-weights", "w"]
    document = fit(model, data, "-k", 2, "--restarts", 1, "--truth", "t", *weights, *more)
    labels, table = table_of(document)
    assert labels == ["a", "b"] and table.sum() == total == document["data"]["weight"]
    if model == "kmeans":  # rows are assigned whole
        np.testing.assert_array_equal(table.sum(axis=0), document["parameters"]["sizes"])
    assert document["truth"]["adjusted_rand_index"] == pytest.approx(rand_index(table), abs=1e-12)


def test_labels_stand_as_written_and_numbers_in_their_order(write: Write) -> None:
    numbers = [10, 9, 100, "1e1", "-2"]
    rows = "".join(f"{i % 17},{numbers[i % 5]},{'née |b'[i % 3 :]}\n" for i in range(60))
    data = write("x.csv", f"x,number,word\n{rows}")
    labels, _ = table_of(fit("kmeans", data, "--columns", "x", "-k", 2, "--restarts", 1, "--truth", "number"))
    assert labels == ["-2", "9", "1e1", "10", "100"]
    labels, _ = table_of(fit("kmeans", data, "--columns", "x", "-k", 2, "--restarts", 1, "--truth", "word"))
    assert labels == sorted(labels) == ["e |b", "née |b", "ée |b"]
    names = ["a10", "a9", "b", "a"]
    mixed = write("y.csv", "x,t\n" + "".join(f"{i * i % 17},{names[i % 4]}\n" for i in range(60)))
    labels, _ = table_of(fit("kmeans", mixed, "-k", 2, "--restarts", 1, "--truth", "t"))
    assert labels == ["a", "a9", "a10", "b"]
    words = ("kmeans", data, "--columns", "x", "-k", 2, "--restarts", 1, "--truth", "word", "--format", "markdown")
    assert "| née \\|b |" in run("fit", *words).stdout


def test_rows_without_information_and_without_weight_are_in_no_cell(write: Write) -> None:
    data = write("x.csv", "heads,tosses,w,t\n" + "9,10,2,a\n1,10,1,b\n0,0,5,c\n3,10,0,d\n2,10,1,b\n8,10,1,a\n" * 4)
    document = fit("coins", data, "-k", 2, "--restarts", 1, "--row-weights", "w", "--truth", "t")
    labels, table = table_of(document)
    assert labels == ["a", "b"]
    np.testing.assert_array_equal(table, [[0, 12], [8, 0]])
    assert document["truth"]["adjusted_rand_index"] == 1.0


def test_components_of_an_experiment_are_numbered_as_those_they_are_matched_to(write: Write) -> None:
    experiment = write("coins.yaml", DRAWN)
    labels, table = table_of(fit(experiment))
    assert labels == ["component 1 as drawn", "component 2 as drawn"] and table.sum() == 60
    assert table[0, 0] > table[0, 1] and table[1, 1] > table[1, 0]  # though drawn in another order
    labels, _ = table_of(fit(experiment, "-k", 3, "--restarts", 1))
    assert labels == ["component 1 as drawn", "component 2 as drawn"]
    shown = printed(run("fit", experiment).stdout)
    assert [row[0] for row in shown] == ["true label", "component 1 as drawn", "component 2 as drawn", "rows"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_is_printed_with_its_sums_beside_the_index(width: int) -> None:
    words = ["fit", "kmeans", str(IRIS), "-k", "3", "--restarts", "3", "--truth", "species", "-q"]
    said = run_here([*words, "--width", str(width)]).stdout
    titles, *rows = printed(said)
    assert titles == (["true label", *"123", "rows"] if width == 40 else ["true label", *COMPONENTS, "rows"])
    assert [row[0] for row in rows] == ["setosa", "versicolor", "virginica", "rows"]
    cells = np.array([row[1:] for row in rows], dtype=int)
    np.testing.assert_array_equal(cells[-1], cells[:-1].sum(axis=0))
    np.testing.assert_array_equal(cells[:, -1], cells[:, :-1].sum(axis=1))
    assert cells[-1, -1] == 150
    index = re.search(r"^Adjusted Rand index (\S+) against the true labels", said, re.M)
    assert index and float(index[1]) == pytest.approx(rand_index(cells[:-1, :-1]), abs=5e-5)
    assert said.index("Adjusted Rand") - said.index("true label") < 400  # they are seen together
    markdown = run(*words, "--format", "markdown").stdout
    assert "| true label | component 1 | component 2 | component 3 | rows |\n| ---: |" in markdown
    assert "| versicolor | 0 | " in markdown


COMPONENTS = [f"component {i}" for i in (1, 2, 3)]


def test_of_many_labels_and_components_the_rare_are_summed_and_the_document_has_all(write: Write) -> None:
    rng = np.random.default_rng(4)
    group = np.minimum(rng.geometric(0.05, 900), 60)
    data = write("x.csv", "x,t\n" + "".join(f"{10 * g + rng.random():.4f},label {g}\n" for g in group))
    words = ("kmeans", data, "-k", 30, "--restarts", 1, "--truth", "t", "-q")
    labels, table = table_of(fit(*words))
    assert table.shape == (len(labels), 30) and len(labels) == len(set(group.tolist()))
    said = run("fit", *words).stdout
    shown = said[said.index("true label") : said.index("Adjusted")].splitlines()
    assert max(map(cell_len, shown)) <= 80 and len(shown) < 80
    parts: list[list[list[str]]] = []
    for row in printed(said):
        parts = [*parts, []] if row[0] == "true label" else parts
        parts[-1].append(row)
    columns = [column for part in parts for column in list(zip(*part, strict=True))[1:]]
    shown_components = len(columns) - 2
    assert len(parts) == 1 and 8 <= shown_components <= 12 and len(parts[0]) == 1 + 30 + 2
    assert (columns[-2][0], columns[-1][0]) == (f"{30 - shown_components} others", "rows")
    assert parts[0][-2][0] == f"{len(labels) - 30} others"
    cells = np.array([column[1:] for column in columns], dtype=int).T
    np.testing.assert_array_equal(cells[-1], cells[:-1].sum(axis=0))
    np.testing.assert_array_equal(cells[:, -1], cells[:, :-1].sum(axis=1))
    assert cells[-1, -1] == 900
    assert sorted(cells[:30, -1]) == sorted(np.sort(table.sum(axis=1))[-30:])  # those that are shown are the largest


def test_labels_of_hostile_text_are_escaped(write: Write) -> None:
    rows = "".join(f"{i % 7 + i % 2 * 40},\x1b[2J\u202e{'ab'[i % 2] * 200}\n" for i in range(40))
    data = write("x.csv", f"x,t\n{rows}")
    said = run("fit", "kmeans", data, "-k", 2, "--restarts", 1, "--truth", "t", "--width", 80).stdout
    assert "\x1b" not in said and "\u202e" not in said and "\\x1b[2J" in said
    assert table_of(fit("kmeans", data, "-k", 2, "--restarts", 1, "--truth", "t"))[0][0].startswith("\x1b[2J\u202ea")


def test_a_table_of_more_cells_than_a_document_should_hold_is_left_out() -> None:
    labels = np.repeat([0, 1, 2], 20)
    result = result_of(labels[:, None] * 9.0 + np.arange(60)[:, None] % 3, {"model": "kmeans", "k": 3, "restarts": 1})
    whole, cut = (with_truth(result, None, "abc", labels, max_cells=most).truth for most in (9, 8))
    assert whole is not None and whole["cross_table"]["labels"] == ["a", "b", "c"]
    assert cut == {key: value for key, value in whole.items() if key != "cross_table"}


@pytest.mark.parametrize(
    ("odd", "what"),
    [
        ({"labels": ["a"]}, "missing 'truth.cross_table.counts'"),
        ({"labels": [1], "counts": [[1, 2]]}, "truth.cross_table.labels[0]: must be a text"),
        ({"labels": ["a"], "counts": [[1, -2]]}, "truth.cross_table.counts[0][1]: must be a finite number of at least"),
        ({"labels": ["a"], "counts": [[1, None]]}, "truth.cross_table.counts[0][1]: must be a finite number"),
        ({"labels": ["a"], "counts": [[1, 2], [3, 4]]}, "truth.cross_table.counts: not 2 numbers for each of 1 label"),
        ({"labels": ["a"], "counts": [[1, 2, 3]]}, "truth.cross_table.counts: not 2 numbers for each of 1 label"),
        ([], "truth.cross_table: must be a mapping"),
    ],
)
def test_a_document_with_another_table_is_refused(odd: object, what: str, write: Write) -> None:
    truth = {"parameters": None, "adjusted_rand_index": 0.5}
    good = write("good.json", json.dumps({**SAVED_GMM, "truth": truth}))
    table = {"labels": ["a"], "counts": [[1, 2.5]]}
    better = write("better.json", json.dumps({**SAVED_GMM, "truth": {**truth, "cross_table": table}}))
    assert run("compare", good, better).returncode == 0
    bad = write("bad.json", json.dumps({**SAVED_GMM, "truth": {**truth, "cross_table": odd}}))
    done = run("compare", good, bad)
    assert done.returncode == 3 and what in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("kmeans",), ("gmm", "--row-weights", "n")], ids=str)
def test_rows_without_a_label_are_left_out_of_what_is_said_of_labels(words: tuple[str, ...], write: Write) -> None:
    labels = ["ab"[i % 2] if i % 7 else ["", " "][i // 7 % 2] for i in range(60)]
    rows = [f"{i % 5 + i % 2 * 4},{i % 3}" for i in range(60)]
    data = write("x.csv", "x,y,n,t\n" + "".join(f"{row},{i % 3 + 1},{labels[i]}\n" for i, row in enumerate(rows)))
    words = (words[0], data, "-k", 2, "--columns", "x,y", *words[1:], "--restarts", 2, "--truth", "t", "--seed", 1)  # type: ignore[assignment]
    document = fit(*words)
    names, counts = table_of(document)
    known = [i for i, label in enumerate(labels) if label in ("a", "b")]
    weights = [i % 3 + 1 if "gmm" in words else 1 for i in known]
    assert names == ["a", "b"] and counts.sum() == sum(weights)
    assert document["truth"]["adjusted_rand_index"] == pytest.approx(rand_index(counts), abs=1e-12)
    assert len(next(iter(document["truth"]["parameters"].values()))) == 2
    said = run(*("fit", *words)).stdout
    assert f"against the true labels of {len(known)} rows; {60 - len(known)} rows have none" in said


def test_a_column_of_empty_labels_is_refused(write: Write) -> None:
    data = write("x.csv", "x,t\n" + "".join(f"{i},\n" for i in range(9)))
    done = run("fit", "kmeans", data, "-k", 2, "--truth", "t")
    assert (done.returncode, done.stdout) == (3, "")
    assert "column 't' has no true label, only empty cells" in done.stderr


def test_labels_of_rows_that_do_not_count_alone_are_refused(write: Write) -> None:
    coins = write("c.csv", "heads,tosses,t\n5,10,\n9,10,\n0,0,a\n0,0,b\n2,10,\n")
    done = run("fit", "coins", coins, "--truth", "t", "-q")
    assert done.returncode == 3 and "no row has both a true label and something to say of its component" in done.stderr
    points = write("p.csv", "x,w,t\n1,1,\n2,1,\n8,1,\n9,0,a\n")
    done = run("fit", "kmeans", points, "-k", 2, "--row-weights", "w", "--truth", "t")
    assert done.returncode == 3 and "column 't' has no true label, only empty cells" in done.stderr
