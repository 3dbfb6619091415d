"""Comparing fits of which some have a prior or held parameters."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLES, run

FAITHFUL = SAMPLES / "faithful.csv"
FIX = {"means": [[2.0, 55], None]}


def ran(*arguments: Any) -> Any:
    done = run(*arguments, process=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fits")
    fixed = folder / "fixed.yaml"
    fixed.write_text(json.dumps({"model": "gmm", "fit": {"k": 2, "restarts": 2, "fix": FIX}}))
    ran("fit", fixed, FAITHFUL, "-o", folder / "fixed.json", "-q")
    for name, more in (("plain", []), ("prior", ["--prior", "default"])):
        ran("fit", "gmm", FAITHFUL, "-k", 2, "--restarts", 2, *more, "-o", folder / f"{name}.json", "-q")
    return folder


def test_saved_fits_tell_what_is_held_and_which_prior_they_have(saved: Path) -> None:
    files = [saved / f"{name}.json" for name in ("fixed", "plain", "prior")]
    said = ran("compare", *files, "--width", 400).stdout
    lines = [line.split() for line in said.split("Log-likelihood by")[0].splitlines() if line]
    rows = {words[0]: words for words in lines}
    head = rows["name"]
    assert head[:7] == ["name", "model", "k", "covariance", "mixing", "prior", "held"]
    assert rows["fixed"][1:7] == ["gmm", "2", "full", "free", "none", "means"]
    assert rows["plain"][1:6] == ["gmm", "2", "full", "free", "none"] and rows["plain"][6] != "means"
    assert rows["prior"][1:6] == ["gmm", "2", "full", "free", "default"]
    assert "With a prior, AIC, BIC and ICL take the log-likelihood at the highest posterior." in said
    beside = {line[:30].strip(): line for line in said.split("side by side")[1].splitlines()}
    assert "*2 " in beside["1   mean eruptions"] and "*55 " in beside["1     mean waiting"]
    assert said.count("*2 ") == 1 and "*" not in beside["2   mean eruptions"]
    assert said.count("* held at this value (fix)") == 1


def test_documents_and_csv_of_a_comparison_have_the_prior_and_the_held_values(saved: Path) -> None:
    files = [saved / f"{name}.json" for name in ("fixed", "plain", "prior")]
    group = json.loads(ran("compare", *files, "--json").stdout)["groups"][0]
    rows = {row["name"]: row for row in group["candidates"]}
    assert {name: (row.get("prior"), row.get("fix")) for name, row in rows.items()} == {
        "fixed": (None, FIX),
        "plain": (None, None),
        "prior": ("default", None),
    }
    table = {row["name"]: row for row in csv.DictReader(io.StringIO(ran("compare", *files, "--format", "csv").stdout))}
    assert json.loads(table["fixed"]["fix"]) == FIX and table["prior"]["prior"] == "default"
    assert (table["plain"]["fix"], table["plain"]["prior"]) == ("", "")


def test_held_values_of_a_fit_are_marked_in_the_places_of_the_components_they_are_matched_to(saved: Path) -> None:
    turned = json.loads((saved / "fixed.json").read_text())
    turned["settings"]["fix"] = {"means": [None, [2.0, 55]]}
    for key, value in turned["parameters"].items():
        turned["parameters"][key] = value[::-1]
    (saved / "turned.json").write_text(json.dumps(turned))
    said = ran("compare", saved / "fixed.json", saved / "turned.json", "--width", 400).stdout
    beside = {line[:30].strip(): line for line in said.split("side by side")[1].splitlines()}
    assert beside["1   mean eruptions"].split()[3:5] == ["*2", "*2"] and "*" not in beside["2   mean eruptions"]


def test_names_of_candidates_and_a_grid_tell_what_is_held(tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "model: coins\nfit: {k: 2, mixing: [free], prior: [none, 2], fix: {heads: [0.5, null]}, restarts: 2}"
    )
    rows = json.loads(ran("compare", grid, SAMPLES / "do_batzoglou.csv", "--json").stdout)["groups"][0]["candidates"]
    assert sorted(row["name"] for row in rows) == ["coins-k2-free-fix-heads", "coins-k2-free-prior-2-fix-heads"]


def test_a_fit_without_prior_and_held_values_shows_neither() -> None:
    done = ran("compare", "gmm", FAITHFUL, "-k", "1,2", "--restarts", 2, "--width", 400)
    assert "prior" not in done.stdout and "held" not in done.stdout


def test_held_values_that_fit_badly_are_no_special_case_of_which_better_fits_would_be(tmp_path: Path) -> None:
    """Three components of which one mean is far off may well end below two free ones; and the free hold the fixed."""
    far = tmp_path / "far.yaml"
    far.write_text("model: gmm\nfit: {k: 3, restarts: 1, fix: {means: [[3.5, 70], [3.4, 70], [3.6, 70]]}}\n")
    ran("fit", far, FAITHFUL, "-o", tmp_path / "far.json", "-q")
    ran("fit", "gmm", FAITHFUL, "-k", 2, "--restarts", 2, "-o", tmp_path / "free.json", "-q")
    done = ran("compare", tmp_path / "far.json", tmp_path / "free.json", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)["groups"][0]["candidates"]}
    assert rows["far"]["log_likelihood"] < rows["free"]["log_likelihood"]
    assert "nesting" not in rows["far"]["warnings"]


def test_the_csv_of_a_fit_has_no_standard_errors_of_what_is_held(saved: Path) -> None:
    given = ("fit", saved / "fixed.yaml", FAITHFUL, "--restarts", 1, "--bootstrap", 20, "--format", "csv", "-q")
    one, other = csv.DictReader(io.StringIO(ran(*given).stdout))
    for name in ("std. error", "2.5 %", "97.5 %"):
        assert one[f"mean eruptions {name}"] == "" and float(other[f"mean eruptions {name}"]) > 0
        assert float(one[f"sd eruptions {name}"]) > 0
