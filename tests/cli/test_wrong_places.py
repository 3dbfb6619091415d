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
    done = run("predict", FAITHFUL, "fit.json", cwd=tmp_path)
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


def test_words_that_are_no_data_file_are_named() -> None:
    done = run("compare", "gmm", "faithful", "-k", "1-2", "--covariance", "full", "tied")
    assert (done.returncode, done.stderr) == (2, "emcli: error: one data file expected, got 2: faithful, tied\n")
