"""A file in the place of another: what it is, and where it goes, is told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SAMPLES, run

FAITHFUL = SAMPLES / "faithful.csv"


@pytest.mark.parametrize("command", ["fit", "steps"])
def test_a_fit_in_the_place_of_an_experiment_is_called_a_result(command: str, tmp_path: Path) -> None:
    saved = tmp_path / "fit.json"
    assert run("fit", "gmm", FAITHFUL, "-k", 1, "-q", "-o", saved).returncode == 0
    done = run(command, saved)
    assert (done.returncode, done.stdout) == (2, "")
    first, hint = done.stderr.splitlines()
    assert first.endswith(": this is a result that emcli wrote, not an experiment")
    assert hint == "  hint: a fit's JSON is for predict, compare, generate and --start"


def test_data_in_the_place_of_a_fit_are_taken_for_data(tmp_path: Path) -> None:
    for data in (FAITHFUL, "faithful"):
        done = run("predict", data, "fit.json", cwd=tmp_path)
        assert done.returncode == 3 and "the JSON of a fit comes first: emcli predict FIT" in done.stderr


@pytest.mark.parametrize("command", ["fit", "compare", "steps"])
def test_data_that_are_not_there_are_told_before_what_else_is_missing(command: str, tmp_path: Path) -> None:
    done = run(command, "gmm", "nofile.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "emcli: error: nofile.csv: no such file\n")
    hint = run(command, "gmm", "faithfull", cwd=tmp_path).stderr.splitlines()[1]
    assert "emcli examples" in hint and "did you mean 'faithful'?" in hint


def test_values_in_the_place_of_a_file_of_start_values_are_told_where_they_go(tmp_path: Path) -> None:
    done = run("fit", "coins", "two_coins", "--start", "0.8,0.3", cwd=tmp_path)
    first, hint = done.stderr.splitlines()
    assert (done.returncode, first) == (2, "emcli: error: 0.8,0.3: no such file")
    (tmp_path / "start.yaml").write_text(hint.partition("such as ")[2].partition(" or ")[0])
    assert run("fit", "coins", "two_coins", "--start", "start.yaml", cwd=tmp_path).returncode == 0
    (tmp_path / "start.csv").write_text("0.8,0.3\n")
    assert "heads: [0.8, 0.7]" in run("fit", "coins", "two_coins", "--start", "start.csv", cwd=tmp_path).stderr


def test_a_fit_or_an_experiment_in_the_place_of_data_is_told_where_it_goes(tmp_path: Path) -> None:
    assert run("fit", "gmm", FAITHFUL, "-k", 1, "-q", "-o", "fit.json", cwd=tmp_path).returncode == 0
    (tmp_path / "e.yaml").write_text("model: gmm\ndata: faithful\nfit: {k: 2}\n")
    for command in ("fit", "compare", "steps"):
        for file, where in (("fit.json", "predict, compare"), ("e.yaml", "the place of the model: emcli fit e.yaml")):
            done = run(command, "gmm", file, "-k", 2, cwd=tmp_path)
            assert done.returncode == 3 and where in done.stderr.splitlines()[-1]
    done = run("predict", "fit.json", "fit.json", cwd=tmp_path)
    assert done.returncode == 3 and "a fit's JSON is for predict" in done.stderr
    said = run("compare", "fit.json", SAMPLES.parent / "docs" / "figures" / "em.gif", cwd=tmp_path).stderr
    assert said.endswith("hint: an experiment is YAML; a fit is JSON, in a file that ends in .json\n")


def test_without_a_number_of_components_it_is_told_how_several_are_tried() -> None:
    for command, several in (("fit", "emcli compare … -k 1-6"), ("compare", "-k auto")):
        first, hint = run(command, "gmm", "faithful").stderr.splitlines()
        assert first == "emcli: error: missing '-k': how many components?" and several in hint


def test_all_columns_that_a_table_does_not_have_are_told() -> None:
    done = run("fit", "gmm", "faithful", "-k", 2, "--columns", "foo,waiting,bar")
    assert done.returncode == 2
    assert [line.split(" in ")[0] for line in done.stderr.splitlines()] == [
        "emcli: error: no column 'foo'",
        "emcli: error: no column 'bar'",
    ]


def test_words_that_are_no_data_file_are_named() -> None:
    done = run("compare", "gmm", "faithful", "-k", "1-2", "--covariance", "full", "tied")
    assert (done.returncode, done.stderr) == (2, "emcli: error: one data file expected, got 2: faithful, tied\n")
