"""The documents of fit and compare: what is written is what their types say, and what is wrong is told by its path."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args, get_origin, is_typeddict

import pytest
from bad_inputs import SAVED_GMM as GMM
from conftest import run

from emcli.config.documents.comparison import ComparisonDocument
from emcli.config.documents.fit import FitDocument
from emcli.config.documents.problems import problems
from emcli.config.documents.types import keys

TYPES = {"emcli.fit/1": FitDocument, "emcli.compare/1": ComparisonDocument}


HEADS = "heads,n\n3,10\n5,10\n,10\n8,9\n9,9\n1,9\n8,10\n"
LABELLED = "x,y,coin\n" + "".join(f"{i % 7 + 10 * (i % 2)},{i % 5},{i % 2}\n" for i in range(40))
TIED = "x\n" + "5\n" * 30 + "".join(f"{i * i % 47}.{i}\n" for i in range(60))
LARGE = "x,y\n" + "".join(f"{i % 211 + 400 * (i % 3)},{i % 241}\n" for i in range(21_000))
COMMANDS = {
    "true parameters": ("fit configs/do_batzoglou.yaml", ""),
    "known labels": ("fit gmm - -k 2 --known coin --restarts 1", LABELLED),
    "true labels": ("fit gmm - -k 2 --truth coin --covariance diag --restarts 2", LABELLED),
    "bootstrap": ("fit gmm sample_data/galaxies.csv -k 2 --restarts 2 --bootstrap 20", ""),
    "degenerate starts": ("fit gmm - -k 3 --restarts 9 --init random", TIED),
    "starts on a sample": ("fit kmeans - -k 3 --restarts 5 --max-iter 3", LARGE),
    "exact start": ("fit kmeans sample_data/galaxies.csv -k 3 --restarts 2", ""),
    "start from a smaller fit": (  # the document that it saves under this name
        "compare gmm sample_data/iris.csv -k 1-5 --covariance diag,full --init random --restarts 1 --seed 3 "
        "--save-fits FOLDER",
        "gmm-k5-diag-free-random.json",
    ),
    "comparison of an artefact": ("compare gmm sample_data/galaxies.csv -k 6 --restarts 8", ""),
    "moves": ("fit kmeans sample_data/iris.csv -k 9", ""),
    "certificate": ("fit coins - --tosses n --missing drop --mixing free -k 2 --restarts 2", HEADS),
    "comparison": ("compare gmm sample_data/galaxies.csv -k 2,3 --covariance full,tied --restarts 2 --max-iter 5", ""),
    "missing cells": ("fit kmeans - -k 2 --missing use --restarts 1", "x,y\n1,2\n3,\n2,7\n,5\n6,1\n"),
    "prior": ("fit coins sample_data/two_coins.csv --prior 2 --restarts 1", ""),
    "comparison with a prior": ("compare coins sample_data/two_coins.csv -k 1 --prior 2", ""),
    "comparison with held parameters": ("compare configs/extra_zeros.yaml --restarts 1", ""),
    "comparison until no better": ("compare coins sample_data/two_coins.csv -k auto --restarts 1", ""),
    "comparison of experiments": ("compare configs/do_batzoglou.yaml configs/two_coins.yaml", ""),
    "a name twice": ("fit kmeans - -k 2 --restarts 2", "x,x,y\n1,2,3\n2,7,5\n6,1,8\n"),
    "comparison with noise": ("compare gmm sample_data/galaxies.csv -k 1 --noise true --restarts 1", ""),
    "k that stops by itself": ("compare coins sample_data/two_coins.csv -k auto --restarts 1", ""),
    "comparison by AIC": ("compare coins sample_data/two_coins.csv -k 1 --restarts 1 --criterion aic", ""),
    "comparison by ICL": ("compare coins sample_data/two_coins.csv -k 1 --restarts 1 --criterion icl", ""),
    "gap": ("compare kmeans sample_data/galaxies.csv -k 1-2 --restarts 1 --criterion gap", ""),
    "test of k": ("compare coins sample_data/two_coins.csv -k 1-2 --restarts 1 --test 19", ""),
    "test of k without a fit": ("compare gmm - -k 1-2 --restarts 1 --test 19", "x\n0\n1\n0\n1\n1\n"),
    "comparison of clusters": ("compare kmeans - -k 2,50 --truth coin --restarts 2", LABELLED),
}


@cache
def written(name: str) -> Any:
    """The document that a command writes."""
    command, given = COMMANDS[name]
    with TemporaryDirectory() as folder:
        words = [folder if word == "FOLDER" else word for word in command.split()]
        done = run(*words, "--json", stdin="" if folder in words else given, process=False)
        assert done.returncode == 0, done.stderr
        return json.loads((Path(folder) / given).read_text() if folder in words else done.stdout)


def unwritten(kind: Any, values: list[Any], path: str = "") -> list[str]:
    """The keys of a type, at every depth, that none of the values has."""
    arguments = [argument for argument in get_args(kind) if argument is not type(None)]
    values = [value for value in values if value is not None]
    if isinstance(kind, type) and is_typeddict(kind):
        missing = []
        for key, own in keys(kind).items():
            held = [value[key] for value in values if key in value]
            missing += unwritten(own.kind, held, f"{path}.{key}") if held else [f"{path}.{key}"]
        return missing
    if get_origin(kind) is list:
        return unwritten(arguments[0], [item for value in values for item in value], f"{path}[]")
    return unwritten(arguments[0], values, path) if arguments and get_origin(kind) is not dict else []


def known(kind: Any, value: Any) -> None:
    """Are all keys those of the type, in its order, at every depth?"""
    arguments = [argument for argument in get_args(kind) if argument is not type(None)]
    if isinstance(kind, type) and is_typeddict(kind):
        order = list(keys(kind))
        assert list(value) == [key for key in order if key in value]
        for key, item in value.items():
            known(keys(kind)[key].kind, item)
    elif get_origin(kind) is list:
        for item in value:
            known(arguments[0], item)
    elif arguments and value is not None:
        known(arguments[0], value)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_written_is_what_its_type_says(name: str) -> None:
    document = written(name)
    kind = TYPES[document["schema"]]
    assert list(problems(kind, document)) == []
    known(kind, document)


def test_every_key_of_a_type_is_written() -> None:
    documents = [written(name) for name in COMMANDS]
    assert {document["schema"] for document in documents} == set(TYPES)
    for kind in TYPES.values():
        assert unwritten(kind, [document for document in documents if TYPES[document["schema"]] is kind]) == []


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
        ("status", "fine", "status: must be one of converged, max_iter, screened, got 'fine'"),
        ("bic", [1], "bic: must be a finite number or null, got 'a list'"),
        ("warnings", [{"slug": "a b", "message": ""}], "warnings[0].slug: must be a slug, got 'a b'"),
        ("warnings", [{"slug": "a"}], "not an emcli result: missing 'warnings[0].message'"),
        ("parameters.means", [[1, 2], [None]], "parameters.means[1][0]: must be a finite number, got 'null'"),
        ("parameters.means", json.loads("[" * 40 + "]" * 40), "must be a finite number, got 'a list'"),
        ("truth", {"parameters": {"a": [True]}, "adjusted_rand_index": None}, "truth.parameters.a[0]: must be a"),
        ("trace", [{"iteration": 0}], "not an emcli result: missing 'trace[0].log_likelihood'"),
        ("restarts", 10, "restarts: must be a list, got '10'"),
    ],
)
def test_what_is_wrong_is_told_by_its_path(path: str, value: object, what: str) -> None:
    document: Any = deepcopy(GMM)
    *steps, last = path.split(".")
    holder = document
    for step in steps:
        holder = holder[step]
    holder[last] = value
    (said,) = problems(FitDocument, document)
    assert what in str(said)


def test_what_a_later_version_adds_is_left_alone() -> None:
    assert list(problems(FitDocument, {**GMM, "later": [None], "settings": {"k": 2, "new": [1]}})) == []
