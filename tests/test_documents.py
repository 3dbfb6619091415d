"""The documents of fit and compare: what is written is what their types say, and what is wrong is told by its path."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any, get_args, get_origin, is_typeddict

import pytest
from bad_inputs import SAVED_GMM as GMM
from conftest import ROOT

from emcli.config.documents import ComparisonDocument, FitDocument, keys, problems

TYPES = {"emcli.fit/1": FitDocument, "emcli.compare/1": ComparisonDocument}


def recorded() -> list[Any]:
    """Every document in the recorded output of the program."""
    found = []
    for path in sorted((ROOT / "tests" / "frozen").iterdir()):
        text = path.read_text()
        at = text.find('{\n  "schema"')
        while at >= 0:
            document, length = json.JSONDecoder().raw_decode(text[at:])
            found.append(pytest.param(document, id=path.name))
            at = text.find('{\n  "schema"', at + length)
    return found


def known(kind: Any, value: Any) -> None:
    """Are all keys those of the type, in its order, at every depth?"""
    arguments = [argument for argument in get_args(kind) if argument is not type(None)]
    if isinstance(kind, type) and is_typeddict(kind):
        order = list(keys(kind))
        assert list(value) == [key for key in order if key in value]
        for key, item in value.items():
            known(keys(kind)[key][0], item)
    elif get_origin(kind) is list:
        for item in value:
            known(arguments[0], item)
    elif arguments and value is not None:
        known(arguments[0], value)


@pytest.mark.parametrize("document", recorded())
def test_what_is_written_is_what_its_type_says(document: Any) -> None:
    kind = TYPES[document["schema"]]
    assert list(problems(kind, document)) == []
    known(kind, document)


def test_both_documents_are_recorded() -> None:
    assert {parameter.values[0]["schema"] for parameter in recorded()} == set(TYPES)


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("k", 0, "k: must be an integer from 1 to 10000, got '0'"),
        ("data.weight", None, "data.weight: must be a finite number above 0, got 'null'"),
        ("data.columns", ["x", 3], "data.columns[1]: must be a text, got '3'"),
        ("data.tosses", {"x": 1}, "data.tosses: must be a mapping of numbers of tosses to weights, got 'a mapping'"),
        ("data.tosses", {"9": -1}, "data.tosses.9: must be a finite number above 0, got '-1'"),
        ("settings.tol", "1", "settings.tol: must be a finite number above 0, got '1'"),
        ("settings", [], "settings: must be a mapping, got 'a list'"),
        ("status", "fine", "status: must be one of converged, max_iter, got 'fine'"),
        ("bic", [1], "bic: must be a finite number or null, got 'a list'"),
        ("warnings", [{"slug": "a b", "message": ""}], "warnings[0].slug: must be a slug, got 'a b'"),
        ("warnings", [{"slug": "a"}], "not an emcli result: missing 'warnings[0].message'"),
        ("parameters.means", [[1, 2], [None]], "parameters.means[1][0]: must be a finite number, got 'null'"),
        ("parameters.means", json.loads("[" * 40 + "]" * 40), "must be a finite number, got 'a list'"),
        ("truth", {"parameters": {"a": [True]}, "adjusted_rand_index": None}, "truth.parameters.a[0]: must be a"),
        ("trace", [{"iteration": 0}], "not an emcli result: missing 'trace[0].log_likelihood'"),
        ("restarts", 10, "restarts: must be a list, got '10'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_its_path(path: str, value: object, what: str) -> None:
    document: Any = deepcopy(GMM)
    *steps, last = path.split(".")
    holder = document
    for step in steps:
        holder = holder[step]
    holder[last] = value
    (said,) = problems(FitDocument, document)
    assert what in said


def test_what_a_later_version_adds_is_left_alone() -> None:
    assert list(problems(FitDocument, {**GMM, "later": [None], "settings": {"k": 2, "new": [1]}})) == []
