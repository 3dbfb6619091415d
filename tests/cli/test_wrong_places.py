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


def test_words_that_are_no_data_file_are_named() -> None:
    done = run("compare", "gmm", "faithful", "-k", "1-2", "--covariance", "full", "tied")
    assert (done.returncode, done.stderr) == (2, "emcli: error: one data file expected, got 2: faithful, tied\n")
