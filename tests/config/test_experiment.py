"""Experiment files and files of start values."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import SAVED_GMM

from emcli.config.experiment import Simulation, read_experiment
from emcli.errors import EmcliError, Exit
from emcli.inference.result import read_start

MODELS = ("kmeans", "coins", "gmm")
ROOT = Path(__file__).resolve().parents[2]
Write = Callable[[str, str], Path]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(read: Callable[[], Any], code: Exit = Exit.USAGE) -> list[str]:
    """The lines of an error that must come, without the program's name."""
    with pytest.raises(EmcliError) as caught:
        read()
    assert caught.value.exit_code == code
    return [line.removeprefix("emcli: error: ") for line in caught.value.lines()]


def faults(text: str) -> list[str]:
    """What is wrong with an experiment's text, written to fit.yaml in the working directory."""
    Path("fit.yaml").write_text(text)
    return said(lambda: read_experiment("fit.yaml", MODELS))


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_experiments_of_the_repository_are_good(path: Path) -> None:
    read = read_experiment(str(path), MODELS)
    if read.data is None:  # a fit of the rows that it draws
        assert read.generate is not None and read.generate.rows
    else:
        assert os.path.exists(read.data)


@pytest.mark.parametrize("folder", [".", "sub"])
def test_data_are_a_path_beside_the_experiment_or_else_an_example(folder: str, here: Path) -> None:
    Path("sub").mkdir()
    path = Path(folder) / "e.yaml"
    path.write_text("model: gmm\ndata: faithful\nfit: {k: 2}\n")
    if folder == "sub":
        Path("faithful").write_text("not beside it\n")
    read = read_experiment(str(path), MODELS)
    assert read.data == str(ROOT / "sample_data" / "faithful.csv") and read.data_source == "faithful.csv"
    (Path(folder) / "faithful").write_text("x\n1\n")
    read = read_experiment(str(path), MODELS)
    assert read.data is not None and os.path.samefile(read.data, Path(folder) / "faithful")
    assert read.data_source == "faithful"


def test_an_experiment_is_what_its_file_says(here: Path) -> None:
    Path("fit.yaml").write_text(
        "model: gmm\ngenerate:\n  rows: 10\n  seed: 7\n  columns: [a, b]\n"
        "  parameters: {weights: [0.5, 0.5], means: [[1, 2], [3, 4]]}\nfit:\n  k: 2\n"
    )
    read = read_experiment("fit.yaml", MODELS)
    parameters = {"weights": [0.5, 0.5], "means": [[1, 2], [3, 4]]}
    assert read.generate == Simulation(parameters, rows=10, seed=7, columns=("a", "b"))
    assert (read.file, read.model, read.data) == ("fit.yaml", "gmm", None)
    assert read.document.value["fit"] == {"k": 2}
    problem = read.document.problem(("generate", "parameters", "means", 1), "too long")
    assert str(problem) == "fit.yaml:6:53: too long"


def test_sizes_stand_in_for_rows_and_the_seed_is_0(here: Path) -> None:
    Path("fit.yaml").write_text("model: coins\ngenerate: {sizes: [2, 3], tosses: 10, parameters: {heads: [0.5, 1]}}")
    read = read_experiment("fit.yaml", MODELS)
    assert read.generate == Simulation({"heads": [0.5, 1]}, sizes=(2, 3), tosses=10)


@pytest.mark.parametrize(
    ("typed", "path", "source"),
    [
        ("../d/a.csv", "d/a.csv", "../d/a.csv"),
        ("/d/a.csv", "/d/a.csv", "a.csv"),
        ("-", "-", "-"),
        ("http://x/a.csv", "c/http://x/a.csv", "http://x/a.csv"),
        ("~/a.csv", "c/~/a.csv", "~/a.csv"),
    ],
)
def test_data_are_relative_to_the_experiment(here: Path, typed: str, path: str, source: str) -> None:
    Path("c").mkdir()
    Path("c/fit.yaml").write_text(f"model: gmm\ndata: '{typed}'\n")
    read = read_experiment("c/fit.yaml", MODELS)
    assert (read.data, read.data_source) == (path, source)


def test_a_json_experiment_is_accepted(here: Path) -> None:
    Path("fit.json").write_text(json.dumps({"model": "gmm", "fit": {"k": 2}}, indent="\t"))
    assert read_experiment("fit.json", MODELS).document.value["fit"] == {"k": 2}


LOW = "must be an integer from 1 to"
SOME = "parameters: {means: [[1]]}"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param(
            "fit:\n  max_itr: 9", ["3:3: unknown key 'max_itr' (did you mean 'max_iter'?)"], id="unknown in fit"
        ),
        pytest.param("modl: gmm", ["2:1: unknown key 'modl' (did you mean 'model'?)"], id="unknown at the top"),
        pytest.param(
            "generate:\n  row: 9\n  rows: 9\n  " + SOME,
            ["3:3: unknown key 'row' (did you mean 'rows'?)"],
            id="unknown in generate",
        ),
        pytest.param("fit: {components: 3}", ["2:7: unknown key 'components' (did you mean 'k'?)"], id="a flag's name"),
        pytest.param("fit: {jobs: 3}", ["2:7: unknown key 'jobs'"], id="of the command line only"),
        pytest.param("fit: {k: three}", [f"2:7: fit.k: {LOW} 10000, got 'three'"], id="k a word"),
        pytest.param("fit: 3", ["2:1: fit: must be a mapping, got '3'"], id="fit a number"),
        pytest.param("fit:", ["2:1: fit: must be a mapping, got 'nothing'"], id="fit nothing"),
        pytest.param("data: 3", ["2:1: data: must be the name of a CSV file, got '3'"], id="data a number"),
        pytest.param("generate: {rows: 9}", ["2:1: generate: missing 'parameters'"], id="no parameters"),
        pytest.param(f"generate: {{{SOME}}}", ["2:1: generate: missing 'rows' (or 'sizes')"], id="no rows"),
        pytest.param(
            f"generate: {{rows: 0, {SOME}}}", [f"2:12: generate.rows: {LOW} 1000000000, got '0'"], id="no row"
        ),
        pytest.param(
            f"generate: {{rows: 1000000000000, {SOME}}}",
            [f"2:12: generate.rows: {LOW} 1000000000, got '1000000000000'"],
            id="too many rows",
        ),
        pytest.param(
            "generate: {rows: 9, parameters: {means: [[1, x], [.inf]], weights: '1'}}",
            [
                "2:46: generate.parameters.means[0][1]: must be a finite number, got 'x'",
                "2:51: generate.parameters.means[1][0]: must be a finite number, got '.inf'",
                "2:59: generate.parameters.weights: must be a finite number, got ''1''",
            ],
            id="no numbers",
        ),
        pytest.param(
            f"generate: {{rows: 9, sizes: [9], {SOME}}}",
            ["2:21: generate: 'rows' and 'sizes' exclude each other"],
            id="rows and sizes",
        ),
        pytest.param(
            f"generate: {{sizes: [9, 0], {SOME}}}",
            [
                "2:12: generate.sizes: must be a list of integers above 0 that add up to "
                "1000000000 at most, got 'a list'"
            ],
            id="sizes",
        ),
        pytest.param(
            f"generate: {{rows: 9, tosses: 1000001, {SOME}}}",
            [f"2:21: generate.tosses: {LOW} 1000000, got '1000001'"],
            id="tosses",
        ),
        pytest.param(
            "generate: {rows: 9, parameters: {}}",
            ["2:21: generate.parameters: must be a mapping of parameters, got 'a mapping'"],
            id="empty",
        ),
    ],
)
def test_a_bad_experiment_is_refused_at_its_place(here: Path, text: str, lines: list[str]) -> None:
    assert faults(f"model: gmm\n{text}") == [f"fit.yaml:{line}" for line in lines]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(
            "model: gmn", "model: must be one of kmeans, coins, gmm; got 'gmn' (did you mean 'gmm'?)", id="mistyped"
        ),
        pytest.param("model: 3", "model: must be the name of a model, got '3'", id="k a word"),
        pytest.param("fit: {k: 2}", "missing 'model': one of kmeans, coins, gmm", id="missing"),
    ],
)
def test_a_model_that_is_none_is_refused(here: Path, text: str, line: str) -> None:
    assert faults(text) == [f"fit.yaml:1:1: {line}"]


def test_all_faults_are_said_at_once_in_the_order_of_the_file(here: Path) -> None:
    lines = faults("modl: gmm\ngenerate:\n  rows: x\n  seed: -1\nfit:\n  tol: 0\n  covarance: full\n")
    places = ("1:1", "1:1", "2:1", "3:3", "4:3", "6:3", "7:3")
    assert [line.split(" ")[0] for line in lines] == [f"fit.yaml:{place}:" for place in places]


@pytest.mark.parametrize("reader", [lambda path: read_experiment(path, MODELS), read_start])
def test_a_file_that_cannot_be_read_is_exit_2(here: Path, reader: Callable[[str], Any]) -> None:
    Path("fit.yaml").touch()
    Path("folder").mkdir()
    Path("loop.yaml").symlink_to("loop.yaml")
    assert said(lambda: reader("fti.yaml")) == ["fti.yaml: no such file (did you mean 'fit.yaml'?)"]
    assert said(lambda: reader("none/fit.yaml")) == ["none/fit.yaml: no such file"]
    assert said(lambda: reader("folder")) == ["folder: is a directory"]
    assert said(lambda: reader("fit.yaml/x")) == ["fit.yaml/x: not a directory"]
    assert said(lambda: reader("loop.yaml")) == ["loop.yaml: too many levels of symbolic links"]
    assert said(lambda: reader("x" * 300))[0].endswith(": file name too long")
    assert said(lambda: reader("a\0b")) == [r"a\x00b: not a possible file name"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_exit_2(here: Path) -> None:
    Path("fit.yaml").touch(mode=0)
    assert said(lambda: read_experiment("fit.yaml", MODELS)) == ["fit.yaml: permission denied"]


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert said(lambda: read_experiment("/dev/zero", MODELS)) == ["/dev/zero: larger than 1 MiB"]


class Stdin(io.TextIOWrapper):
    def __init__(self, text: str):
        super().__init__(io.BytesIO(text.encode()), "utf-8")


def test_a_dash_is_standard_input(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin("model: gmm\ndata: a/b.csv\n"))
    read = read_experiment("-", MODELS)
    assert (read.file, read.model, read.data) == ("<stdin>", "gmm", "a/b.csv")
    monkeypatch.setattr(sys, "stdin", Stdin("model: gmm\ndata: '-'\n"))
    assert said(lambda: read_experiment("-", MODELS)) == [
        "<stdin>:2:1: the experiment and its data cannot both be standard input"
    ]
    monkeypatch.setattr(sys, "stdin", Stdin("model: gmm" + " " * (1 << 20)))
    assert said(lambda: read_experiment("-", MODELS)) == ["<stdin>: larger than 1 MiB"]
    monkeypatch.setattr(sys, "stdin", None)
    assert said(lambda: read_experiment("-", MODELS)) == ["<stdin>: standard input is closed"]


FIT = {**SAVED_GMM, "trace": []}


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{key}: {value}\n" for key, value in FIT["parameters"].items()),
        f"parameters: {FIT['parameters']}",
        json.dumps(FIT),
        json.dumps(FIT, indent=1),
        json.dumps(FIT["parameters"]),
        "\ufeff" + json.dumps(FIT),
        json.dumps({**FIT, "trace": [{"iteration": i, "log_likelihood": -50.5} for i in range(10_000)]}),
    ],
    ids=["bare", "parameters", "fit", "indented fit", "bare JSON", "byte order mark", "a long trace"],
)
def test_start_values_are_read_from_parameters_and_from_fits(write: Write, text: str) -> None:
    assert read_start(str(write("start.json", text))) == FIT["parameters"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"schema": "emcli.compare/1"}', "start.json: schema must be emcli.fit/1, got 'emcli.compare/1'"),
        ('{"schema": "emcli.fit/2", "parameters": {}}', "schema must be emcli.fit/1, got 'emcli.fit/2'"),
        ('{"schema": "emcli.fit/1"}', "start.json: not an emcli result: missing 'model'"),
        ('{"schema": "emcli.fit/1", "parameters": {"means": [[1', ":1:54: invalid JSON: "),
        ('{"schema": "emcli.fit/1", "parameters": {"means": [[NaN]]}}', "start.json: invalid JSON: not JSON 'NaN'"),
        (
            json.dumps({**FIT, "parameters": {"means": [[1, "2"]]}}),
            "start.json: parameters.means[0][1]: must be a finite number, got '2'",
        ),
        (
            json.dumps({key: FIT[key] for key in FIT if key != "schema"}),
            "start.json: not an emcli result (no 'schema')",
        ),
        ('{"type": "iteration"}\n{"type": "end"}\n', ":2:1: not an emcli result but JSON lines"),
        (json.dumps({**FIT, "parameters": []}), "start.json: parameters: must be a mapping, got 'a list'"),
        ('{"a": ' + "[" * 100_000, "invalid JSON: nested too deeply"),
        (
            '{"schema": "emcli.fit/1", "parameters": {"means": [[1]], "means": [[2]]}}',
            "start.json: invalid JSON: duplicate key 'means'",
        ),
    ],
)
def test_a_fit_that_cannot_be_started_from_is_refused(write: Write, text: str, what: str) -> None:
    (line, *_) = said(lambda: read_start(str(write("start.json", text))), Exit.DATA)
    assert what in line


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "expected lines of `key: value`, got nothing"),
        ("means: [x]", "1:9: means[0]: must be a finite number, got 'x'"),
        ("parameters: 3", "1:1: expected a mapping of parameters, got '3'"),
        ("{}", "1:1: expected a mapping of parameters, got 'a mapping'"),
        ("{a: " + "[" * 100_000, "nested deeper than 32 levels"),
    ],
)
def test_start_values_that_cannot_be_used_are_refused(write: Write, text: str, what: str) -> None:
    (line,) = said(lambda: read_start(str(write("start.yaml", text))))
    assert what in line


def test_a_truncated_fit_is_guessed_to_be_one(write: Write) -> None:
    (line,) = said(lambda: read_start(str(write("start.json", json.dumps(FIT)[:-2]))), Exit.DATA)
    assert line.endswith("(file truncated?)")


def test_a_fit_that_is_too_long_is_refused(write: Write) -> None:
    path = write("start.json", "{}")
    os.truncate(path, (64 << 20) + 1)
    (line,) = said(lambda: read_start(str(path)))
    assert line.endswith("larger than 64 MiB")
