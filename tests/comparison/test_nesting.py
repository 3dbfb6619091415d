"""The nesting check: which models hold which, and that none ends lower than one that it holds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, run, table
from conftest import fit as fit_document
from inprocess import prepared, scaled

from emcli.config.resolve import resolve
from emcli.config.settings import ModelSettings, Settings
from emcli.inference.fit import fit
from emcli.inference.result import read_start
from emcli.models import model_class
from emcli.models.em import em, pooled_e_step

TACKS = [SAMPLES / "thumbtacks.csv", "--tosses", "n", "--row-weights", "freq"]


def compared(*arguments: Any) -> list[dict[str, Any]]:
    done = run("compare", *arguments, "--json", process=False)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["groups"][0]["candidates"]
    return rows


def model_settings(said: Any) -> ModelSettings:
    return Settings.of(said).model


def settings_of(kind: Any, **chosen: Any) -> Any:
    flags = {key: value for key, value in chosen.items() if value is not None}
    return resolve(kind.name, kind.options, flags, read_start=read_start)


def kinds(model: str, largest: int) -> list[dict[str, Any]]:
    shapes = ("full", "tied", "diag", "spherical") if model == "gmm" else (None,)
    mixings = ("free", "equal") if model != "kmeans" else (None,)
    return [
        {"k": k, "covariance": shape, "mixing": mixing}
        for k, shape, mixing in product(range(1, largest + 1), shapes, mixings)
    ]


def ended(events: Any) -> Any:
    """The result of a fit, when all its events have been seen."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("model", [pytest.param("gmm", marks=pytest.mark.slow), "coins"])
def test_a_model_that_holds_another_begins_where_that_one_ends(model: str) -> None:
    """Split by no step at all, the larger model has the same score as the smaller: so it really holds it."""
    kind = model_class(model)
    tosses = np.array([[5, 10], [9, 10], [8, 10], [4, 10], [7, 10], [12, 20], [1, 6]], dtype=float)
    numbers = table(SAMPLES / "faithful.csv")[:50] if model == "gmm" else tosses
    ends = []
    for small in kinds(model, 3):
        chosen = settings_of(kind, **small, restarts=1)
        data = prepared(kind, numbers, ["heads", "tosses"], chosen)
        ends.append((small, ended(fit(kind, data, replace(chosen, search=replace(chosen.search, tol=1e-3))))))
    held = 0
    for (small, result), large in product(ends, kinds(model, 4)):
        if small == large or not kind.contains(model_settings(small), model_settings(large)):
            continue
        wanted = settings_of(kind, **large)
        rows = prepared(kind, numbers, ["heads", "tosses"], wanted).rows
        begun = scaled(kind, result.parameters, settings_of(kind, **{**large, "k": small["k"]}), rows)
        score = pooled_e_step(next(begun.grown(wanted.model, rows, 0.0)), rows.batches()).score
        log_likelihood, *_ = kind.measures(score, rows, large["k"])
        assert log_likelihood == pytest.approx(result.log_likelihood, rel=1e-11), (small, large)
        wide = max(
            list(zip(range(20), em(grown, rows.batches()), strict=False))[-1][1].score
            for grown in begun.grown(wanted.model, rows, 0.1)
        )
        assert wide >= score - 0.05 * abs(score)
        held += 1
    assert held > 20


@pytest.mark.parametrize(
    ("model", "small", "large", "held"),
    [
        ("gmm", (2, "full", "free"), (3, "full", "free"), True),
        ("gmm", (2, "full", "equal"), (3, "full", "equal"), False),
        ("gmm", (2, "full", "equal"), (4, "full", "equal"), True),
        ("gmm", (1, "full", "equal"), (3, "tied", "equal"), True),
        ("gmm", (2, "tied", "free"), (2, "full", "free"), True),
        ("gmm", (2, "diag", "free"), (2, "tied", "free"), False),
        ("gmm", (2, "spherical", "equal"), (2, "diag", "free"), True),
        ("gmm", (2, "diag", "free"), (2, "spherical", "free"), False),
        ("gmm", (2, "full", "free"), (4, "full", "equal"), False),
        ("coins", (2, None, "equal"), (3, None, "free"), True),
        ("coins", (2, None, "free"), (2, None, "equal"), False),
        ("kmeans", (2, None, None), (3, None, None), True),
        ("kmeans", (3, None, None), (2, None, None), False),
    ],
)
def test_which_model_holds_which(model: str, small: Any, large: Any, held: bool) -> None:
    keys = ("k", "covariance", "mixing")
    one, other = (dict(zip(keys, values, strict=True)) for values in (small, large))
    assert model_class(model).contains(model_settings(one), model_settings(other)) is held


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize(
    "arguments",
    [
        ["gmm", SAMPLES / "iris.csv", "-k", "1-5", "--covariance", "diag,full"],
        ["coins", *TACKS, "-k", "1-4", "--mixing", "free,equal"],
        ["kmeans", SAMPLES / "iris.csv", "-k", "1-9"],
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_no_fit_ends_below_one_that_it_holds(arguments: list[Any], seed: int) -> None:
    found = compared(*arguments, "--init", "random", "--restarts", 1, "--seed", seed)
    rows = [row for row in found if row["status"] != "failed"]
    kind = model_class(arguments[0])
    for small, large in product(rows, rows):
        held = small is not large and kind.contains(model_settings(small), model_settings(large))
        if held and "nesting" not in large["warnings"]:
            if arguments[0] == "kmeans":
                assert large["inertia"] <= small["inertia"] * (1 + 1e-9)
            else:
                assert large["log_likelihood"] >= small["log_likelihood"] - 1e-5


def test_a_violation_restarts_the_larger_from_the_smaller(tmp_path: Path) -> None:
    candidates = ["gmm", SAMPLES / "iris.csv", "-k", "1-5", "--covariance", "diag,full"]
    search = ["--init", "random", "--restarts", 1, "--seed", 3]
    compared(*candidates, *search, "--save-fits", tmp_path, "--trace", tmp_path / "trace.jsonl")
    ledger = json.loads((tmp_path / "gmm-k5-diag-free-random.json").read_text())["restarts"]
    assert [start.get("origin") for start in ledger] == [None, "gmm-k4-diag-free-random"]
    assert ledger[1]["log_likelihood"] > ledger[0]["log_likelihood"] + 1
    ends = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines() if '"end"' in line]
    assert ("gmm-k5-diag-free-random", 2) in {(line["candidate"], line["start"]) for line in ends}


def test_saved_fits_that_violate_it_are_flagged(tmp_path: Path) -> None:
    good, poor = tmp_path / "good.json", tmp_path / "poor.json"
    data = SAMPLES / "faithful.csv"
    fit_document("gmm", data, "-k", 3, "-o", good)
    fit_document("gmm", data, "-k", 4, "--init", "random", "--restarts", 1, "--max-iter", 1, "-o", poor)
    done = run("compare", good, poor, process=False)
    assert done.returncode == 0 and "nesting" in done.stdout
    assert "emcli: warning: poor: its log-likelihood" in done.stderr and "[nesting]" in done.stderr
    assert "nesting" not in run("compare", good, good, process=False).stdout
    lower = json.loads(good.read_text())["log_likelihood"] - 1e-5  # which six digits do not show
    poor.write_text(json.dumps({**json.loads(poor.read_text()), "log_likelihood": lower}))
    said = run("compare", good, poor, process=False).stderr
    told = re.search(r"poor: its log-likelihood (\S+) is worse than the (\S+) of good", said)
    assert told and float(told[1]) < float(told[2])
