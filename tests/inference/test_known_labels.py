"""Rows whose component is known: against mclust, against EM written out, and by laws."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from math import lgamma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, reference, run

IRIS = list(csv.reader((SAMPLES / "iris_species.csv").read_text().splitlines()))
LABELLED = {*range(10), *range(50, 60), *range(100, 110)}  # rows of iris, ten of each species
GMM = ("gmm", "-k", 3, "--exclude", "species,some,two,all")
MCLUST = {"full": 1e-5, "tied": 2e-6, "diag": 1e-5, "spherical": 4e-6}  # that its default tolerance leaves


def written(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    """Iris with the species of some rows, of some rows of two species, and of all."""
    some = [row[4] if i in LABELLED else "" for i, row in enumerate(IRIS[1:])]
    two = [name if name != "setosa" else "" for name in some]
    rows = [[*row, one, other, row[4]] for row, one, other in zip(IRIS[1:], some, two, strict=True)]
    return written(tmp_path / "iris.csv", [[*IRIS[0], "some", "two", "all"], *rows])


@pytest.mark.parametrize("shape", MCLUST)
def test_fits_with_some_labels_are_those_of_mclust_ssc(shape: str, iris: Path) -> None:
    found = fit(*GMM, iris, "--covariance", shape, "--known", "some", "--restarts", 1)
    expected = reference("known")["some_known"][shape]
    assert -1e-9 <= found["log_likelihood"] - expected < MCLUST[shape]
    assert found["components"] == ["setosa", "versicolor", "virginica"]
    assert found["data"]["known"] == {"setosa": 10, "versicolor": 10, "virginica": 10}
    assert found["data"]["rows"] == 150


@pytest.mark.parametrize("shape", MCLUST)
def test_with_all_labels_the_log_likelihood_is_that_of_mclust_ssc(shape: str, iris: Path) -> None:
    found = fit(*GMM, iris, "--covariance", shape, "--known", "all")
    assert found["log_likelihood"] == pytest.approx(reference("known")["all_known"][shape], abs=1e-9)
    assert len(found["restarts"]) == 1  # one M-step is exact
    assert found["trace"][1]["log_likelihood"] == pytest.approx(found["log_likelihood"], abs=1e-9)


@pytest.mark.parametrize("shape", ["full", "tied"])
def test_with_all_labels_parameters_and_predictions_are_those_of_discriminant_analysis(
    shape: str, iris: Path, tmp_path: Path
) -> None:
    expected = reference("known")["edda"][shape]
    saved = tmp_path / "fit.json"
    found = fit(*GMM, iris, "--covariance", shape, "--known", "all", "-o", saved)["parameters"]
    np.testing.assert_allclose(found["weights"], [1 / 3] * 3, rtol=1e-12)
    np.testing.assert_allclose(found["means"][2], expected["mean_of_third"], rtol=1e-12)
    np.testing.assert_allclose(np.ravel(found["covariances"][2]), expected["covariance_of_third"], rtol=1e-11)
    told = list(csv.DictReader(io.StringIO(run("predict", saved, iris).stdout)))
    names = ["setosa", "versicolor", "virginica"]
    seen = [[float(told[row - 1][f"p_{name}"]) for name in names] for row in (71, 78, 84, 107, 134)]
    np.testing.assert_allclose(seen, expected["probabilities"], rtol=1e-6)
    assert [told[row - 1]["component"] for row in (71, 78)] == ["virginica", "versicolor"]


@pytest.mark.usefixtures("described")
def test_components_without_a_name_come_after_the_others(iris: Path, tmp_path: Path) -> None:
    words = (*GMM, iris, "--known", "two", "--restarts", 2)
    found = fit(*words, "-o", tmp_path / "fit.json")
    assert found["components"] == ["versicolor", "virginica", "3"]
    assert found["log_likelihood"] == pytest.approx(reference("known")["some_known"]["full"], abs=1e-5)
    header, first = run("predict", tmp_path / "fit.json", iris).stdout.splitlines()[:2]
    assert header.endswith("component,p_versicolor,p_virginica,p_3,log_density")
    assert first.split(",")[8] == "3"
    drawn = run("generate", tmp_path / "fit.json", "--labels", "-n", 60).stdout
    assert {row["component"] for row in csv.DictReader(io.StringIO(drawn))} == {"versicolor", "virginica", "3"}
    plain = run("fit", *words, "--truth", "species", "--plot", tmp_path / "fit.svg")
    assert "versicolor" in plain.stdout.splitlines()[2] and "component 3" in plain.stdout
    assert "2 virginica" in (tmp_path / "fit.svg").read_text()
    cells = run("fit", *words, "--format", "csv").stdout
    assert [row["component"] for row in csv.DictReader(io.StringIO(cells))] == found["components"]


def em_of_coins(heads: Any, tosses: Any, known: Any, often: Any, free: bool) -> float:
    """The log-likelihood where plain EM from given P(heads) ends."""
    p, weights = np.array([0.3, 0.6, 0.8]), np.full(3, 1 / 3)
    coefficient = np.array(
        [lgamma(n + 1) - lgamma(h + 1) - lgamma(n - h + 1) for h, n in zip(heads, tosses, strict=True)]
    )
    score = -np.inf
    impossible = np.array([(known >= 0) & (known != j) for j in range(3)])
    for _ in range(600):
        joint = np.log(weights)[:, None] + heads * np.log(p)[:, None] + (tosses - heads) * np.log1p(-p)[:, None]
        joint += coefficient
        joint[impossible] = -np.inf
        top = joint.max(axis=0)
        total = np.exp(joint - top).sum(axis=0)
        score = float(often @ (top + np.log(total)))
        r = np.exp(joint - top) / total * often
        p = r @ heads / (r @ tosses)
        weights = r.sum(axis=1) / often.sum() if free else weights
    return score


@pytest.mark.parametrize("mixing", ["free", "equal"])
def test_coins_with_known_rows_end_where_em_written_out_does(mixing: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    coin = rng.integers(0, 3, 90)
    tosses = rng.integers(8, 13, 90)
    heads = rng.binomial(tosses, np.array([0.25, 0.55, 0.85])[coin])
    known = np.where((rng.random(90) < 0.3) & (coin < 2), coin, -1)
    often = rng.integers(1, 4, 90)
    names = {0: "a penny", 1: "dime", -1: ""}
    rows = [[h, n, names[c], w] for h, n, c, w in zip(heads, tosses, known.tolist(), often, strict=True)]
    path = written(tmp_path / "coins.csv", [["heads", "tosses", "coin", "times"], *rows])
    found = fit(
        "coins", path, "-k", 3, "--mixing", mixing, "--known", "coin", "--row-weights", "times", "--restarts", 3
    )
    expected = em_of_coins(heads, tosses, known, often, mixing == "free")
    assert found["log_likelihood"] == pytest.approx(expected, abs=1e-7)
    assert found["components"] == ["a penny", "dime", "3"]
    twice = [row[:3] for row in rows for _ in range(int(row[3]))]
    rng.shuffle(twice)
    again = fit(
        "coins",
        written(path, [["heads", "tosses", "coin"], *twice]),
        "-k",
        3,
        "--mixing",
        mixing,
        "--known=coin",
        "--restarts=2",
    )
    assert again["log_likelihood"] == pytest.approx(found["log_likelihood"], abs=1e-8)
    np.testing.assert_allclose(again["parameters"]["heads"], found["parameters"]["heads"], rtol=1e-6)


def test_known_rows_stay_with_their_cluster_at_the_lowest_inertia(tmp_path: Path) -> None:
    x = [0.0, 1.0, 1.1, 2.0, 5.0, 5.2, 9.0, 9.1]
    known = {3: "far", 4: "b"}
    path = written(tmp_path / "x.csv", [["x", "group"], *[[v, known.get(i, "")] for i, v in enumerate(x)]])
    found = fit("kmeans", path, "-k", 3, "--known", "group")
    best = np.inf
    for labels in product(range(3), repeat=len(x)):
        if labels[4] == 0 and labels[3] == 1:
            groups = [[v for v, label in zip(x, labels, strict=True) if label == j] for j in range(3)]
            best = min(best, sum(float(np.var(group)) * len(group) for group in groups if group))
    assert found["inertia"] == pytest.approx(best, rel=1e-12)
    assert found["components"] == ["b", "far", "3"]


LAWS: dict[str, tuple[Any, ...]] = {
    "gmm": (*GMM, "--restarts", 3),
    "gmm tied, equal": (*GMM, "--covariance", "tied", "--mixing", "equal", "--restarts", 3),
    "kmeans": ("kmeans", "-k", 3, "--exclude", "species,some,two,all", "--restarts", 5),
}
law = pytest.mark.parametrize("words", LAWS.values(), ids=LAWS)


@law
def test_rows_count_as_often_as_they_are_there_in_any_order(words: tuple[Any, ...], iris: Path, tmp_path: Path) -> None:
    header, *rows = list(csv.reader(iris.read_text().splitlines()))
    times = np.random.default_rng(1).integers(1, 4, len(rows))
    weighted = [[*row, str(w)] for row, w in zip(rows, times, strict=True)]
    repeated = [row for row, w in zip(rows, times, strict=True) for _ in range(int(w))]
    np.random.default_rng(2).shuffle(repeated)
    one = written(tmp_path / "w.csv", [[*header, "times"], *weighted])
    found = fit(*words, one, "--known", "two", "--row-weights", "times")
    other = fit(*words, written(tmp_path / "r.csv", [header, *repeated]), "--known", "two")
    assert other["log_likelihood"] == pytest.approx(found["log_likelihood"], abs=1e-6)
    assert other["data"]["known"] == found["data"]["known"]
    scores = [step["log_likelihood"] for step in found["trace"]]
    assert all(after >= before - 1e-9 for before, after in pairwise(scores))


@law
def test_the_number_of_processes_changes_no_byte(words: tuple[Any, ...], iris: Path) -> None:
    one, two = (run("fit", *words, iris, "--known", "two", "--json", "--jobs", jobs).stdout for jobs in (1, 2))
    assert one == two != ""


def test_one_name_of_one_component_changes_nothing(iris: Path, tmp_path: Path) -> None:
    header, *rows = list(csv.reader(iris.read_text().splitlines()))
    named = written(tmp_path / "one.csv", [header, *[[*row[:5], "it", row[6], row[7]] for row in rows[:40]]])
    words = ("gmm", "-k", 1, "--exclude", "species,some,two,all", named)
    one, plain = fit(*words, "--known", "some"), fit(*words)
    assert one["log_likelihood"] == pytest.approx(plain["log_likelihood"], abs=1e-10)
    np.testing.assert_allclose(one["parameters"]["means"], plain["parameters"]["means"], rtol=1e-12)


def test_a_merged_table_gives_what_its_weights_do(tmp_path: Path) -> None:
    """Of many equal rows those with one label are merged."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 2, 9000), rng.normal(6, 2, 9000)]).round(1)
    label = np.where(rng.random(18000) < 0.02, np.repeat(["low", "high"], 9000), "")
    path = written(tmp_path / "many.csv", [["x", "label"], *zip(x.tolist(), label.tolist(), strict=True)])
    pairs, often = np.unique(np.stack([x.astype(str), label]), axis=1, return_counts=True)
    few = written(tmp_path / "few.csv", [["x", "label", "n"], *zip(*pairs.tolist(), often.tolist(), strict=True)])
    words = ("gmm", "-k", 2, "--known", "label", "--restarts", 1)
    found, merged = fit(*words, path), fit(*words, few, "--row-weights", "n")
    assert merged["log_likelihood"] == pytest.approx(found["log_likelihood"], abs=1e-5)
    assert found["data"]["known"] == merged["data"]["known"] and found["components"] == ["high", "low"]


def test_cells_that_are_marked_as_missing_name_nothing(iris: Path, tmp_path: Path) -> None:
    text = iris.read_text().replace(",,", ",NA,").replace(",NA,NA,", ",?,none,")
    path = tmp_path / "marked.csv"
    path.write_text(text)
    assert fit(*GMM, path, "--known", "some", "--restarts", 1)["data"]["known"]["setosa"] == 10
    said = fit(*GMM, path, "--known", "all", "--na", "setosa", "--restarts", 1)
    assert said["components"] == ["versicolor", "virginica", "3"]


REFUSED: dict[str, tuple[tuple[Any, ...], int, str]] = {
    "too many names": (("-k", 2, "--known", "some"), 3, "names 3 components, more than k=2"),
    "no row left": (("-k", 4, "--known", "all"), 3, "names 3 of k=4 components, and 0 rows are left for the others"),
    "no name": (("-k", 2, "--known", "none"), 3, "column 'none' names no component, only empty cells"),
    "no such column": (("-k", 2, "--known", "specie"), 2, "no column 'specie'"),
    "on a cluster": (("-k", 3, "--known", "some", "--scheduler", "local:1"), 2, "'--known' and '--scheduler' exclude"),
}


@pytest.mark.parametrize(("words", "code", "what"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_said_in_one_line(words: tuple[Any, ...], code: int, what: str, iris: Path) -> None:
    rows = list(csv.reader(iris.read_text().splitlines()))
    written(iris, [[*rows[0], "none"], *[[*row, ""] for row in rows[1:]]])
    done = run("fit", "gmm", iris, *words, "--columns", "1-4")
    assert done.returncode == code and what in done.stderr.splitlines()[0] and not done.stdout


def test_named_components_come_first_in_every_line_of_a_trace(iris: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    found = fit(*GMM, iris, "--known", "two", "--restarts", 3, "--trace", trace)
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    steps = [line for line in lines if line["type"] == "iteration" and line["start"] == found["best_start"]]
    assert found["components"][:2] == ["versicolor", "virginica"]
    assert all(line["parameters"]["means"][0][2] < line["parameters"]["means"][1][2] for line in steps)  # petal lengths
    assert steps[-1]["parameters"]["means"][:2] == found["parameters"]["means"][:2]
    assert all("components" not in line for line in lines)


def test_drawn_rows_take_no_known_labels(tmp_path: Path) -> None:
    experiment = tmp_path / "known.yaml"
    recipe = "rows: 50, parameters: {means: [[0], [5]], sds: [[1], [1]]}"
    experiment.write_text(f"model: gmm\ngenerate: {{{recipe}}}\nfit: {{k: 2, known: label}}\n")
    drawn = run("fit", experiment)
    assert drawn.returncode == 2 and "known labels" in drawn.stderr
    assert drawn.stderr.endswith("hint: write them to a file: emcli generate --labels\n")


def test_fits_with_other_labels_stand_in_groups_of_their_own(iris: Path, tmp_path: Path) -> None:
    words = ("compare", "gmm", iris, "--columns", "1-4", "--known", "some", "-k", "2-3", "--covariance", "full,tied")
    (tmp_path / "fits").mkdir()
    done = run(*words, "--restarts", 1, "--save-fits", tmp_path / "fits", "--json")
    (group,) = json.loads(done.stdout)["groups"]
    assert {row["k"] for row in group["candidates"]} == {3} and "names 3 components: k=2 left out" in done.stderr
    fit(*GMM, iris, "--restarts", 1, "-o", tmp_path / "plain.json")
    both = run("compare", tmp_path / "plain.json", *sorted((tmp_path / "fits").glob("*k3*.json")), "--json")
    assert sorted(len(group["candidates"]) for group in json.loads(both.stdout)["groups"]) == [1, 2]


def test_the_bootstrap_keeps_the_labels(iris: Path) -> None:
    found = fit(*GMM, iris, "--known", "all", "--bootstrap", 20)["bootstrap"]
    assert found["failed"] == found["reordered"] == 0
    errors = np.array(found["standard_errors"]["means"])
    sds = np.array([[float(cell) for cell in row[:4]] for row in IRIS[1:]]).reshape(3, 50, 4).std(axis=1)
    np.testing.assert_allclose(errors, sds / 50**0.5, rtol=0.6)
    assert np.abs(found["standard_errors"]["weights"]).max() < 1e-12


def a_change(path: Path, change: Callable[[dict[str, Any]], None]) -> str:
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said))
    return run("predict", path, SAMPLES / "iris.csv").stderr


def test_a_saved_fit_with_other_names_than_components_is_refused(iris: Path, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    fit(*GMM, iris, "--known", "some", "--restarts", 1, "-o", path)
    assert "components: not 3 different names" in a_change(path, lambda said: said["components"].pop())
    assert "components: not 3 different names" in a_change(path, lambda said: said.update(components=["a", "b", "b"]))


def test_with_missing_cells_and_all_labels_centroids_are_the_means_of_observed_cells(tmp_path: Path) -> None:
    rows = [["x", "y", "kind"], [1, "", "b"], [3, 4, "b"], ["", 6, "b"], [7, 8, "a"], [9, "", "a"], ["", 2, "a"]]
    found = fit("kmeans", written(tmp_path / "x.csv", rows), "-k", 2, "--known", "kind", "--missing", "use")
    assert found["components"] == ["a", "b"]
    assert found["parameters"]["centroids"] == [[8, 5], [2, 5]]
    assert found["inertia"] == pytest.approx(1 + 1 + 9 + 9 + 1 + 1 + 1 + 1)


def test_a_prior_counts_beside_the_labels(tmp_path: Path) -> None:
    """With all labels known P(heads) is (heads + A - 1) / (tosses + 2 A - 2)."""
    rows = [["heads", "tosses", "coin"], [3, 10, "b"], [5, 10, "b"], [9, 10, "a"], [10, 12, "a"], [4, 4, "a"]]
    path = written(tmp_path / "coins.csv", rows)
    found = fit("coins", path, "--known", "coin", "--prior", 3, "--mixing", "free")
    assert found["parameters"]["heads"] == pytest.approx([(23 + 2) / (26 + 4), (8 + 2) / (20 + 4)], abs=1e-12)


def test_what_is_held_is_held_of_the_named_component_in_its_place(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    heads = rng.binomial(10, np.repeat([0.3, 0.7, 0.0], 40))
    label = np.where(rng.random(120) < 0.3, np.repeat(["a", "b", ""], 40), "")
    written(
        tmp_path / "coins.csv", [["heads", "tosses", "coin"], *([h, 10, c] for h, c in zip(heads, label, strict=True))]
    )
    experiment = tmp_path / "held.yaml"
    said = "model: coins\ndata: coins.csv\nfit: {k: 3, mixing: free, known: coin, restarts: 2, fix: {heads: %s}}\n"
    experiment.write_text(said % "[null, 0.7, 0]")
    found = fit(experiment)
    assert found["components"] == ["a", "b", "3"] and found["parameters"]["heads"][1:] == [0.7, 0.0]
    experiment.write_text(said % "[0, null, null]")
    done = run("fit", experiment)
    first = done.stderr.splitlines()[0]
    assert done.returncode == 3 and "coins.csv:2: P(heads) of 'a' is held at 0, and this row has 2 heads" in first


def test_components_that_start_equal_are_told_apart_by_known_rows(iris: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.yaml"
    start.write_text("means: [[6, 3, 4, 1], [6, 3, 4, 1], [6, 3, 4, 1]]\n")
    found = fit(*GMM, iris, "--known", "some", "--start", start)
    assert found["log_likelihood"] == pytest.approx(reference("known")["some_known"]["full"], abs=1e-5)
    assert not found["warnings"]


@pytest.mark.parametrize("missing", ["error", "use"])
def test_with_all_labels_a_fit_is_those_of_its_components_alone(missing: str, iris: Path, tmp_path: Path) -> None:
    header, *rows = list(csv.reader(iris.read_text().splitlines()))
    if missing == "use":
        holes = np.random.default_rng(8).choice(
            [0, 1, 2, 3, 99], len(rows)
        )  # the place of one missing cell, or of none
        rows = [
            ["" if j == hole else cell for j, cell in enumerate(row)] for row, hole in zip(rows, holes, strict=True)
        ]
    words = ("--columns", "1-4", "--missing", missing)
    found = fit("gmm", written(tmp_path / "all.csv", [header, *rows]), "-k", 3, "--known", "all", *words)
    sizes = np.array([50.0, 50.0, 50.0])
    expected = float(sizes @ np.log(sizes / 150))
    for name in found["components"]:
        own = [row for row in rows if row[7] == name]
        expected += fit("gmm", written(tmp_path / "own.csv", [header, *own]), "-k", 1, *words)["log_likelihood"]
    assert found["log_likelihood"] == pytest.approx(expected, abs=1e-6)


def test_the_bootstrap_draws_hidden_rows_with_what_the_known_ones_leave(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    of = rng.choice(2, 300, p=[0.5, 0.5])
    rows = [
        [value, "a" if one == 0 and i % 3 else ""]
        for i, (value, one) in enumerate(zip(rng.normal(9 * of), of, strict=True))
    ]
    table = written(tmp_path / "x.csv", [["x", "name"], *rows])
    found = fit("gmm", "-k", 2, table, "--known", "name", "--bootstrap", 20, "--restarts", 1)
    low, high = (np.array(found["bootstrap"][end]["weights"]) for end in ("low", "high"))
    assert (low < found["parameters"]["weights"]).all() and (found["parameters"]["weights"] < high).all()


def test_fits_beside_each_other_are_matched_by_name(iris: Path, tmp_path: Path) -> None:
    names = {"setosa": "virginica", "virginica": "setosa", "": "", "versicolor": "versicolor"}
    first = list(csv.reader(iris.read_text().splitlines()))
    other = written(tmp_path / "other.csv", [first[0], *([*row[:5], names[row[5]], *row[6:]] for row in first[1:])])
    for table, saved in ((iris, "one"), (other, "two")):
        fit(*GMM, table, "--known", "some", "--restarts", 1, "-o", tmp_path / f"{saved}.json")
    told = json.loads(run("compare", tmp_path / "one.json", tmp_path / "two.json", "--json").stdout)
    assert told["alignments"][0]["fits"][0]["order"] == [1, 2, 3]


def test_labels_that_are_one_number_in_two_ways_are_told_once(tmp_path: Path) -> None:
    rows = [["x", "g"], [1, "2"], [2, "1"], [3, "1.0"], [4, "01"], [5, ""], [7, "a"]]
    said = fit("kmeans", "-k", 5, "--known", "g", written(tmp_path / "rows.csv", rows), "--restarts", 1)
    (warning,) = [each for each in said["warnings"] if each["slug"] == "alike-labels"]
    assert re.search(
        "'(1|01|1.0)' and '(1|01|1.0)' in column 'g' are one number, and two components", warning["message"]
    )
    apart = [row for row in rows if row[1] not in ("1.0", "01")]
    plain = fit("kmeans", "-k", 3, "--known", "g", written(tmp_path / "apart.csv", apart), "--restarts", 1)
    assert not [each for each in plain["warnings"] if each["slug"] == "alike-labels"]


def test_a_free_component_whose_number_is_a_label_is_called_by_both(tmp_path: Path) -> None:
    rows = [["x", "g"], [1, "1"], [2, "3"], [4, ""], [5, ""], [7, ""]]
    assert fit("kmeans", "-k", 3, "--known", "g", written(tmp_path / "rows.csv", rows))["components"] == [
        *("1", "3", "component 3")
    ]


def test_a_column_that_names_only_rows_without_tosses_names_nothing(tmp_path: Path) -> None:
    table = written(tmp_path / "tosses.csv", [("heads", "tosses", "coin"), (0, 0, "a"), (5, 10, ""), (4, 9, "")])
    done = run("fit", "coins", table, "--known", "coin")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith("column 'coin' names no component of a row that says something\n")
