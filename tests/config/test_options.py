"""Options, and what flags, experiment and defaults come to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from inspect import signature
from typing import Any

import pytest
import typer

from emcli.cli.app import app, application
from emcli.cli.compare import compare
from emcli.cli.fit import fit
from emcli.comparison.candidate import CLUSTERING, LIKELIHOOD
from emcli.config import checks
from emcli.config.resolve import resolve, resolve_grid
from emcli.config.settings import CHECKS, CHOICES, DOCUMENT_KEYS, GROUPS, Settings, flag
from emcli.config.sources import GRID
from emcli.config.yaml import load
from emcli.errors import EmcliError, Exit

FAMILIES: dict[str, dict[str, object]] = {
    "gmm": {"covariance": "full", "mixing": "free", "init": "k-means++"},
    "coins": {"k": 2, **dict.fromkeys(("heads", "tosses", "tails", "flips")), "mixing": "equal", "init": "k-means++"},
    "kmeans": {"init": "k-means++"},
}


def never(path: str) -> dict[str, Any]:
    raise AssertionError(f"{path} must not be read")


def document_of(config: str) -> Any:
    """An experiment with the text of a `fit:` mapping, one setting a line."""
    return load(("fit:\n" + "".join(f"  {line}\n" for line in config.splitlines())).encode(), "fit.yaml")


def settle(family: str = "gmm", config: str = "", **flags: Any) -> Settings:
    """Settings of flags and the text of a `fit:` mapping."""
    document = document_of(config) if config else None
    return resolve(family, FAMILIES[family], flags, document, read_start=never)


def settle_grid(family: str = "gmm", config: str = "", **flags: Any) -> list[Settings]:
    """The same for a grid, whose flags are text."""
    document = document_of(config) if config else None
    return resolve_grid(family, FAMILIES[family], flags, document, read_start=never)


def said(*args: Any, **how: Any) -> list[str]:
    """The lines of an error that must come, without the program's name."""
    with pytest.raises(EmcliError) as caught:
        (settle_grid if how.pop("grid", False) else settle)(*args, **how)
    assert caught.value.exit_code == Exit.USAGE
    return [line.removeprefix("emcli: error: ") for line in caught.value.lines()]


def declared(command: str) -> dict[str, Any]:
    """The options of a command, by name, as Typer understands them."""
    params: list[Any] = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    return {param.name: param for param in params if param.param_type_name == "option"}


@pytest.mark.parametrize("command", [fit, compare], ids=lambda command: command.__name__)
def test_every_setting_is_an_option_of_the_command_line_under_its_own_name(command: Any) -> None:
    options = declared(command.__name__)
    assert all(flag(key) in options[key].opts for key in CHECKS)
    assert all(parameter.default in (None, parameter.empty) for parameter in signature(command).parameters.values())
    assert all(option.help and "\n" not in option.help and len(option.help) < 75 for option in options.values())


def test_a_command_that_is_asked_for_is_prepared_alone_as_it_is_among_all() -> None:
    every: Any = typer.main.get_command(app)
    for name, command in every.commands.items():
        alone: Any = typer.main.get_command(application(name))
        assert list(alone.commands) == [name]
        assert [param.opts for param in alone.commands[name].params] == [param.opts for param in command.params]
    assert application("") is application("nosuch") is app


def test_every_boolean_setting_can_be_turned_off() -> None:
    for key in (key for key, check in CHECKS.items() if check is checks.boolean):
        for command in ("fit", "compare"):
            assert declared(command)[key].secondary_opts == [f"--no-{key}"], key
    options = {"standardize": False}
    made = resolve(
        "kmeans", options, {"k": 2, "standardize": False}, document_of("standardize: true"), read_start=never
    )
    assert made.model.standardize is False
    assert made.provenance.overridden == ("standardize=False from --no-standardize (fit.yaml:2 says true)",)
    assert said(standardize=False) == ["gmm has no option '--no-standardize'", "missing '-k': how many components?"]


def test_the_choices_of_an_option_are_those_of_its_setting() -> None:
    kinds = {key: option.type_descriptor.choices for key, option in declared("fit").items()}
    assert {key: choices for key, choices in kinds.items() if choices and key in CHECKS} == CHOICES
    assert declared("compare")["criterion"].type_descriptor.choices == LIKELIHOOD + CLUSTERING


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_a_default_is_a_value_that_its_check_takes_and_that_help_names(group: Any) -> None:
    options = declared("fit")
    for field in fields(group):
        if isinstance(field.default, str | int | float):
            assert CHECKS[field.name](field.default) == field.default
            assert f"({field.default})".replace("e-0", "e-") in options[field.name].help


def test_a_document_holds_each_setting_that_changes_a_result() -> None:
    assert sorted((*DOCUMENT_KEYS, "memory", "scheduler", "jobs")) == sorted(CHECKS)
    assert set(GRID) <= set(DOCUMENT_KEYS)


INTEGER = "must be an integer from"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        *(pytest.param("k", k, f"'-k' {INTEGER} 1 to 10000", id=f"k {k}") for k in (0, -1, 10001)),
        *(
            pytest.param("tol", tol, "'--tol' must be a finite number above 0", id=f"tol {tol}")
            for tol in (float("nan"), -1.0, 0.0, float("inf"))
        ),
        *(
            pytest.param("seed", seed, f"'--seed' {INTEGER} 0 to 18446744073709551615", id=f"seed {seed}")
            for seed in (-1, 2**64)
        ),
        pytest.param("restarts", 1000001, "'--restarts' must be auto or an integer from 1 to 1000000", id="restarts"),
        pytest.param("max_iter", -1, f"'--max-iter' {INTEGER} 0 to 1000000000", id="max_iter"),
        pytest.param("jobs", 1025, f"'--jobs' {INTEGER} 1 to 1024", id="jobs"),
    ],
)
def test_a_flag_out_of_range_is_refused(key: str, value: float, message: str) -> None:
    assert said(**{"k": 2, key: value}) == [f"{message}, got '{value}'"]


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "abc", "1e9", "10001", "1_0", "", "true", "9" * 5000])
def test_a_number_of_components_in_a_grid_is_a_number(text: str) -> None:
    shown = text if len(text) <= 40 else text[:39] + "…"
    assert said(grid=True, k=text) == [f"'-k' {INTEGER} 1 to 10000, got '{shown}'"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        pytest.param("k: three", "fit.k: must be an integer from 1 to 10000, got 'three'", id="k a word"),
        pytest.param("k: '3'", "fit.k: must be an integer from 1 to 10000, got ''3''", id="k quoted"),
        pytest.param("k: 3.0", "fit.k: must be an integer from 1 to 10000, got '3.0'", id="k a float"),
        pytest.param("k: true", "fit.k: must be an integer from 1 to 10000, got 'true'", id="k true"),
        pytest.param("k:", "fit.k: must be an integer from 1 to 10000, got 'nothing'", id="k nothing"),
        pytest.param("tol: .nan", "fit.tol: must be a finite number above 0, got '.nan'", id="tol NaN"),
        pytest.param("tol: .inf", "fit.tol: must be a finite number above 0, got '.inf'", id="tol infinite"),
        pytest.param("tol: 1e-400", "fit.tol: must be a finite number above 0, got '1e-400'", id="tol too small"),
        pytest.param("seed: -1", "fit.seed: must be an integer from 0 to 18446744073709551615, got '-1'", id="seed"),
        pytest.param("header: 1", "fit.header: must be true or false, got '1'", id="header"),
        pytest.param(
            "columns: [a, 1.5]",
            "fit.columns[1]: must be a column's name or number: in quotes it is a name, got '1.5'",
            id="columns",
        ),
        pytest.param(
            "columns: [a, a]",
            "fit.columns: must name at least one column, and each once, got 'a list'",
            id="columns twice",
        ),
        pytest.param(
            "covariance: ful",
            f"fit.covariance: must be one of {', '.join(CHOICES['covariance'])}; got 'ful' (did you mean 'full'?)",
            id="covariance",
        ),
        pytest.param("start: {means: [x]}", "fit.start.means[0]: must be a finite number, got 'x'", id="start"),
    ],
)
def test_a_wrong_value_in_an_experiment_is_refused_at_its_place(typed: str, message: str) -> None:
    flags = {} if typed.startswith("k") else {"k": 2}
    (line,) = said(config=f"missing: drop\n{typed}", **flags)
    place, _, what = line.partition(" ")
    assert what == message
    assert place.startswith("fit.yaml:3:")


@pytest.mark.parametrize(("text", "value"), [("1e-300", 1e-300), ("1", 1.0), (".5", 0.5), ("1e-6", 1e-6)])
def test_tol_is_a_number_in_experiments(text: str, value: float) -> None:
    tol = settle(config=f"k: 2\ntol: {text}").search.tol
    assert tol == value and isinstance(tol, float)


def test_a_mistyped_word_is_refused_with_the_choices() -> None:
    assert said(grid=True, k=2, covariance="ful") == [
        f"'--covariance' must be one of {', '.join(CHOICES['covariance'])}; got 'ful' (did you mean 'full'?)"
    ]


def test_a_flag_beats_the_experiment_and_says_so() -> None:
    settings = settle(config="k: 3\nseed: 7", k=4, seed=7)
    assert (settings.model.k, settings.search.seed) == (4, 7)
    assert settings.provenance.overridden == ("k=4 from -k (fit.yaml:2 says 3)",)


def test_the_experiment_beats_the_family_and_the_family_the_option() -> None:
    assert settle("coins").model.k == 2
    assert settle("coins", "k: 3").model.k == 3
    assert settle("coins", "k: 3", k=4).model.k == 4
    mixings = [settle(family, k=1).model.mixing for family in ("coins", "gmm", "kmeans")]
    assert mixings == ["equal", "free", None]
    assert resolve("gmm", {"seed": 5}, {"k": 1}, read_start=never).search.seed == 5


def test_k_is_required_where_the_family_has_no_default() -> None:
    line, hint = said()
    assert line == "missing '-k': how many components?" and "emcli compare" in hint


def test_a_flag_that_the_model_does_not_have_is_refused() -> None:
    assert said(k=2, heads="h") == ["gmm has no option '--heads'"]
    assert said("coins", columns="a,b") == ["coins has no option '--columns'"]
    assert said("kmeans", "k: 2\ncovariance: full") == ["fit.yaml:3:3: kmeans has no option 'covariance'"]


def test_all_faults_come_at_once() -> None:
    assert said(config="k: 0\ntol: 0\nheads: h", seed=-1) == [
        "fit.yaml:2:3: fit.k: must be an integer from 1 to 10000, got '0'",
        "fit.yaml:3:3: fit.tol: must be a finite number above 0, got '0'",
        "fit.yaml:4:3: gmm has no option 'heads'",
        "'--seed' must be an integer from 0 to 18446744073709551615, got '-1'",
    ]


@pytest.mark.parametrize(
    ("one", "other"), [("flips", "heads"), ("flips", "tosses"), ("flips", "tails"), ("tails", "tosses")]
)
def test_two_ways_to_name_the_counts_exclude_each_other(one: str, other: str) -> None:
    assert said("coins", **{one: "a", other: "b"}) == [f"'--{one}' and '--{other}' exclude each other"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("A,B", ("A", "B")), ('A,"B,C"', ("A", "B,C")), (" 1 , 2", ("1", "2")), ("01", ("01",)), ("no", ("no",))],
)
def test_columns_are_names_or_numbers_with_commas_between(text: str, value: tuple[str, ...]) -> None:
    assert settle(k=2, columns=text).data.columns == value


@pytest.mark.parametrize("text", ["", ",", "a,,b", "a,a", '"a'])
def test_columns_that_name_nothing_or_one_twice_are_refused(text: str) -> None:
    (line,) = said(k=2, columns=text)
    assert line.startswith("'--columns' must ")


def test_columns_in_an_experiment_are_one_value_not_a_grid() -> None:
    settings = settle(config="k: 1\ncolumns: [a, 'b,c', 3]")
    assert settings.data.columns == ("a", "b,c", "3")
    assert settle(config="k: 1\ncolumns: a,b").data.columns == ("a", "b")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tab", "\t"),
        (r"\t", "\t"),
        ("\t", "\t"),
        ("space", " "),
        ("comma", ","),
        ("semicolon", ";"),
        ("pipe", "|"),
        ("§", "§"),
    ],
)
def test_a_delimiter_is_a_character_or_its_name(text: str, value: str) -> None:
    assert settle(k=2, delimiter=text).data.delimiter == value


@pytest.mark.parametrize("text", ["", "tabs", ";;", "1", "e", ".", "-", '"', "\n", "\x01", "\u2028"])
def test_a_delimiter_is_no_control_character_and_no_part_of_a_number(text: str) -> None:
    (line,) = said(k=2, delimiter=text)
    assert line.startswith("'--delimiter' must be one character")


def test_a_header_is_true_or_false() -> None:
    assert [settle(k=2, header=header).data.header for header in (True, False)] == [True, False]
    assert settle(k=2).data.header is None


GRIDS = [("1-3", [1, 2, 3]), ("1,3,5", [1, 3, 5]), ("4-5,2", [4, 5, 2]), ("3", [3]), ("2-2", [2])]


@pytest.mark.parametrize(("text", "ks"), GRIDS)
def test_a_grid_of_k_is_a_range_or_a_list(text: str, ks: list[int]) -> None:
    assert [each.model.k for each in settle_grid(k=text)] == ks
    assert [each.model.k for each in settle_grid(config=f"k: {text}")] == ks
    assert [each.model.k for each in settle_grid(config=f"k: [{text}]")] == ks


def test_a_grid_is_the_cross_product_and_k_varies_fastest() -> None:
    grid = settle_grid(config="covariance: [full, tied]", k="1-2", mixing="free,equal")
    assert [(each.model.covariance, each.model.mixing, each.model.k) for each in grid] == [
        (covariance, mixing, k) for covariance in ("full", "tied") for mixing in ("free", "equal") for k in (1, 2)
    ]


@pytest.mark.parametrize("text", ["3-1", "0-2", "1-10001", "1-999999999", "1,1", "1-3,2", "1,,2", "1-", "a-b", "1.5,2"])
def test_a_grid_that_makes_no_sense_is_refused(text: str) -> None:
    assert said(k=text, grid=True)[0].startswith("'-k' must ")


def test_an_item_of_a_list_is_refused_at_its_own_place() -> None:
    assert said(config="k: [1, '2', 0]", grid=True) == [
        "fit.yaml:2:10: fit.k[1]: must be an integer from 1 to 10000, got ''2''",
        "fit.yaml:2:15: fit.k[2]: must be an integer from 1 to 10000, got '0'",
    ]
    assert len(said(config="k: []", grid=True)) == 1


def test_fit_takes_no_grid() -> None:
    assert said(k="1-6") == ["fit takes one value of -k; compare takes a grid"]
    assert said(config="k: 2\ncovariance: [full]") == [
        "fit.yaml:3:3: fit takes one value of covariance; compare takes a grid"
    ]
    assert settle(config="k: [2, 3]", k=4).model.k == 4
    assert said(config="k: 2\nseed: [1, 2]", grid=True)[0].startswith("fit.yaml:3:3: fit.seed: must be an integer")


def test_a_start_is_the_only_one_unless_restarts_are_asked_for() -> None:
    start = "start: {means: [[1], [2]]}"
    assert [settle(config=f"k: 2\n{start}").search.restarts, settle(config="k: 2").search.restarts] == [1, "auto"]
    assert settle(config=f"k: 2\n{start}\nrestarts: 10").search.restarts == 10
    assert settle(config=f"k: 2\n{start}", restarts=5).search.restarts == 5
    assert settle(config=f"k: 2\n{start}").search.start == {"means": [[1], [2]]}


def test_a_start_file_in_an_experiment_is_relative_to_it() -> None:
    asked = []

    def read(path: str) -> Mapping[str, Any]:
        asked.append(path)
        return {"means": [[1.0]]}

    document = load(b"fit: {k: 1, start: a.json}", "configs/fit.yaml")
    settings = resolve("gmm", FAMILIES["gmm"], {}, document, read_start=read)
    assert settings.search.start == {"means": [[1.0]]}
    resolve("gmm", FAMILIES["gmm"], {"start": "a.json"}, document, read_start=read)
    assert asked == ["configs/a.json", "a.json"]


def test_the_document_of_settings_is_json_and_gives_the_same_settings_again() -> None:
    config = "k: 2\ncolumns: [a, b]\nheader: false\nstart: {means: [[1, 2], [3, 4]]}\n"
    config += "tol: 1e-9\ndelimiter: tab\ncomment: '#'"
    settings = settle(config=config, jobs=3)
    said = settings.document()
    assert "jobs" not in said
    assert "heads" not in said
    assert said["columns"] == ["a", "b"]
    again = load(json.dumps({"fit": said}).encode(), "again.yaml")
    assert resolve("gmm", FAMILIES["gmm"], {}, again, read_start=never).document() == said
