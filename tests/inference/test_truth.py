"""True parameters and labels belong to an experiment's own data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLES, fit, run

Write = Callable[[str, str], Path]
QUICK = ("--restarts", 1, "--max-iter", 3)
EXPERIMENT = """\
model: gmm
generate:
  rows: 200
  columns: [a, b]
  parameters: {means: [[0, 0], [9, 9]], sds: [[1, 1], [1, 1]]}
fit: {k: 2, restarts: 2}
"""


@pytest.fixture
def experiment(write: Write) -> Path:
    return write("drawn.yaml", EXPERIMENT)


def said(*words: object) -> str:
    done = run(*words, "--json", process=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_fit_of_the_rows_that_an_experiment_draws_is_compared_with_its_parameters(experiment: Path) -> None:
    truth = json.loads(said("fit", experiment))["truth"]
    assert truth["parameters"]["means"] == [[0, 0], [9, 9]]
    assert truth["adjusted_rand_index"] == 1.0


@pytest.mark.parametrize("columns", [["a", "b"], ["a", "b", "c"], ["x"]])
def test_other_data_have_no_truth_of_the_experiment(experiment: Path, write: Write, columns: list[str]) -> None:
    values = np.random.default_rng(1).normal(50, 3, (60, len(columns))) + 9 * (np.arange(60) % 2)[:, None]
    rows = write("other.csv", "\n".join([",".join(columns), *(",".join(map(str, row)) for row in values.tolist())]))
    assert '"truth"' not in said("fit", experiment, rows)
    compared = said("compare", experiment, rows)
    assert not {"truth", "errors", "adjusted_rand_index"} & set(json.loads(compared)["groups"][0]["candidates"][0])


def test_a_column_of_labels_is_the_truth_of_any_data(experiment: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    assert run("generate", experiment, "--labels", "-o", rows, process=False).returncode == 0
    truth = json.loads(said("fit", experiment, rows, "--truth", "component"))["truth"]
    assert truth["adjusted_rand_index"] == 1.0
    np.testing.assert_allclose(truth["parameters"]["means"], [[0, 0], [9, 9]], atol=0.4)  # means of the rows, 5 errors


@pytest.mark.parametrize("columns", ["a", "b,a"])
def test_parameters_of_other_columns_are_no_truth_but_labels_are(experiment: Path, columns: str) -> None:
    truth = json.loads(said("fit", experiment, "--columns", columns))["truth"]
    assert truth["adjusted_rand_index"] == 1.0
    np.testing.assert_allclose(
        truth["parameters"]["means"], [[0] * len(columns[::2]), [9] * len(columns[::2])], atol=0.4
    )


def test_data_of_an_experiment_that_have_columns_which_it_does_not_draw_have_no_truth(write: Write) -> None:
    write("rows.csv", "a,b,c\n" + "\n".join(f"{i},{i * i},{-i % 7}" for i in range(40)))
    experiment = write("drawn.yaml", EXPERIMENT + "data: rows.csv\n")
    assert '"truth"' not in said("fit", experiment, "--columns", "a,b,c")
    assert '"truth"' not in said("fit", experiment, "--columns", "c")


def test_the_species_of_iris_are_the_truth_of_its_clusters() -> None:
    with_species, without = (SAMPLES / name for name in ("iris_species.csv", "iris.csv"))
    assert [line.rpartition(",")[0] for line in with_species.read_text().splitlines()] == without.read_text().split()
    document = json.loads(said("fit", "kmeans", with_species, "-k", 3, "--truth", "species"))
    assert document["truth"]["adjusted_rand_index"] == pytest.approx(0.7302, abs=5e-5)  # scikit-learn's and mclust's
    assert document["data"]["columns"] == json.loads(said("fit", "kmeans", without, "-k", 3))["data"]["columns"]


def labelled(write: Write, labels: list[str]) -> tuple[Path, np.ndarray]:
    """Ten rows of two columns at each of three places, with a label for each place."""
    rng = np.random.default_rng(4)
    values = np.round(np.repeat([[0.0, 0.0], [9.0, 9.0], [30.0, -30.0]], 10, axis=0) + rng.normal(0, 1, (30, 2)), 3)
    names = np.repeat(labels, 10).tolist()
    lines = [f"{x!r},{y!r},{name}" for (x, y), name in zip(values.tolist(), names, strict=True)]
    return write("rows.csv", "\n".join(["x,y,group", *lines]) + "\n"), values


def test_of_true_noise_the_share_of_the_rows_is_told_and_no_mean(write: Write) -> None:
    data, values = labelled(write, ["a", "b", "noise"])
    document = fit("gmm", data, "-k", 2, "--noise", "--truth", "group", *QUICK)
    true = document["truth"]["parameters"]
    assert (true["weights"], true["noise"]) == ([pytest.approx(1 / 3)] * 2, {"weight": pytest.approx(1 / 3)})
    found = sorted(true["means"])
    np.testing.assert_allclose(found, [values[:10].mean(axis=0), values[10:20].mean(axis=0)], rtol=1e-12)
    without = fit("gmm", data, "-k", 2, "--truth", "group", *QUICK)["truth"]["parameters"]
    assert len(without["means"]) == 3 and "noise" not in without


@pytest.mark.parametrize("model", ["kmeans", "gmm"])
def test_true_groups_with_missing_cells_have_the_parameters_of_a_fit_to_each_alone(model: str, write: Write) -> None:
    data, _ = labelled(write, ["a", "b", "c"])
    lines = data.read_text().splitlines()
    for i in (3, 12, 17, 25):  # the first column, where that of another place says nothing of them
        lines[i] = "," + lines[i].partition(",")[2]
    data.write_text("\n".join(lines) + "\n")
    words = ("--missing", "use", "--restarts", 1)
    key = "centroids" if model == "kmeans" else "means"
    true = fit(model, data, "-k", 3, "--truth", "group", *words)["truth"]["parameters"]
    for place in range(3):
        part = write("part.csv", "\n".join([lines[0], *lines[1 + 10 * place : 11 + 10 * place]]) + "\n")
        own = fit(model, part, "-k", 1, "--columns", "x,y", "--tol", "1e-13", *words)["parameters"]
        apart = np.abs(np.array(true[key]) - own[key][0]).max(axis=1)
        j = int(apart.argmin())
        assert apart[j] < 1e-4
        if model == "gmm":
            np.testing.assert_allclose(true["covariances"][j], own["covariances"][0], rtol=1e-3)
