"""The JSON Schemas that emcli prints agree with what it writes and with what it accepts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, is_typeddict

import pytest
import yaml
from conftest import ROOT, run
from jsonschema import Draft202012Validator
from test_documents import COMMANDS, TYPES, written

from emcli.config.documents import comparison, fit, steps
from emcli.config.documents.comparison import COMPARISON
from emcli.config.documents.fit import FIT
from emcli.config.documents.types import keys
from emcli.config.experiment import GENERATE, TOP
from emcli.config.settings import DOCUMENT_KEYS

NAMES = {FIT: "fit", COMPARISON: "compare"}


@cache
def schema(name: str) -> Any:
    """A schema as the program prints it, itself held to the schema of schemas."""
    done = run("schema", name)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    Draft202012Validator.check_schema(found)
    return found


def wrong(name: str, value: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema(name)).iter_errors(value)]


def test_its_help_names_what_it_can_describe() -> None:
    shown = run("schema", "--help").stdout
    assert "emcli schema [OPTIONS] {fit|compare|steps|experiment}\n" in shown and "None" not in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_written_is_what_its_schema_says(name: str) -> None:
    document = written(name)
    assert wrong(NAMES[document["schema"]], document) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("k", 0),
        ("k", 2.5),
        ("schema", "emcli.fit/9"),
        ("status", "fine"),
        ("data.sha256", "a"),
        ("data.columns", []),
        ("data.tosses", {"x": 1}),
        ("bic", "1"),
        ("settings.tol", 0),
        ("warnings", [{"slug": "a b", "message": ""}]),
        ("parameters.means", [["1"]]),
        ("restarts", [{"start": 1}]),
    ],
)
def test_what_a_reader_refuses_is_against_the_schema(path: str, value: object) -> None:
    document = json.loads(json.dumps(written("true parameters")))
    holder = document
    *steps, last = path.split(".")
    for step in steps:
        holder = holder[step]
    holder[last] = value
    assert wrong("fit", document) != []


def test_every_key_has_a_meaning_and_stands_in_its_schema() -> None:
    for document, kind in TYPES.items():
        assert list(schema(NAMES[document])["properties"]) == list(keys(kind))
    kinds = [kind for module in (comparison, fit, steps) for kind in vars(module).values() if is_typeddict(kind)]
    assert all(isinstance(key.meaning, str) for kind in kinds for key in keys(kind).values())
    shown = schema("experiment")["properties"]
    assert list(shown) == list(TOP) and set(shown["generate"]["properties"]) == set(GENERATE)
    assert list(shown["fit"]["properties"]) == list(DOCUMENT_KEYS)
    assert all(shown["fit"]["properties"][key]["description"] for key in DOCUMENT_KEYS)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_experiments_that_come_with_emcli_are_valid(path: Path) -> None:
    assert wrong("experiment", yaml.safe_load(path.read_text())) == []


EXPERIMENTS = {  # the lines after `model: gmm`, and whether emcli takes them
    "fit: {k: 3}": True,
    "fit: {k: 1-6, covariance: [full, tied]}": True,
    "fit: {k: '1,3-4', init: 'random,k-means++'}": True,
    "fit: {k: [1, 2-3]}": True,
    "fit: {k: '3'}": False,
    "fit: {k: 0}": False,
    "fit: {k: []}": False,
    "fit: {k: [2, 2]}": False,
    "fit: {covariance: round, k: 1}": False,
    "fit: {covariance: 'full, tied', k: 1}": True,
    "fit: {covarianc: full}": False,
    "fit: {tol: 0, k: 1}": False,
    "fit: {tol: 1e-9, k: 1, restarts: auto, header: false}": True,
    "fit: {restarts: some, k: 1}": False,
    "fit: {columns: [a, 3], delimiter: tab, decimal: comma, k: 1}": True,
    "fit: {columns: [], k: 1}": False,
    "fit: {columns: [a, a], k: 1}": False,
    "fit: {na: [999, gone], thousands: ' ', k: 1}": True,
    "fit: {decimal: x, k: 1}": False,
    "fit: {header: 1, k: 1}": False,
    "fit: {start: {means: [[1]]}, k: 1}": True,
    "fit: {start: start.yaml, k: 1}": True,
    "fit: {start: [], k: 1}": False,
    "generate: {rows: 5, parameters: {means: [[1]], sds: [[2]]}}": True,
    "generate: {sizes: [5], parameters: {means: [[1]], sds: [[2]]}, columns: x}": True,
    "generate: {sizes: [5], rows: 5, parameters: {means: [[1]], sds: [[2]]}}": False,
    "generate: {parameters: {means: [[1]], sds: [[2]]}}": False,
    "generate: {rows: 5}": False,
    "generate: {sizes: [0], parameters: {means: [[1]], sds: [[2]]}}": False,
    "generate: {rows: 5, parameters: {means: [[a]], sds: [[2]]}}": False,
    "data: ''": False,
    "date: x.csv": False,
    "model: gmn": False,
}


@pytest.mark.parametrize("lines", EXPERIMENTS)
def test_an_experiment_is_valid_where_emcli_takes_it(lines: str, tmp_path: Path) -> None:
    from emcli.config.experiment import read_experiment
    from emcli.errors import EmcliError
    from emcli.models import MODELS

    text = lines if lines.startswith("model") else f"model: gmm\n{lines}\n"
    path = tmp_path / "e.yaml"
    path.write_text(text)
    try:
        read_experiment(str(path), MODELS)
        taken = True
    except EmcliError:
        taken = False
    found = wrong("experiment", yaml.safe_load(text.replace("1e-9", "0.000000001")))
    assert (taken, found == []) == (EXPERIMENTS[lines], EXPERIMENTS[lines]), found


def test_another_word_is_refused() -> None:
    done = run("schema", "fits")
    assert done.returncode == 2 and "fit" in done.stderr
