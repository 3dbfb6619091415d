"""Experiment files: what to fit, where its data come from, and how to draw them again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emcli.config.checks import Check, Parser, column_names, integer, mapping, takes, text
from emcli.config.places import Document, Path, beside, refuse
from emcli.config.settings import CHECKS
from emcli.config.sources import fit_problems
from emcli.errors import EmcliError, Exit, Problem, quoted, suggestion
from emcli.files.examples import data_set
from emcli.files.inputs import name_in_results, read_bytes, shown_name
from emcli.frozen import frozen
from emcli.types import JSON

if TYPE_CHECKING:
    from emcli.config.documents.fit import FitDocument

MAX_ROWS = 10**9
MAX_YAML = 1 << 20  # bytes
MAX_FIT = 64 << 20  # bytes of a fit's JSON, whose trace may be long


@takes(type="array", items={"type": "integer", "minimum": 1}, minItems=1)
def _sizes(value: object) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(size) is int and size > 0 for size in value)
    if not isinstance(value, list) or not value or not whole or sum(value) > MAX_ROWS:
        raise ValueError(f"must be a list of integers above 0 that add up to {MAX_ROWS} at most")
    return tuple(value)


PARAMETERS: Check[dict[str, JSON]] = Check(
    "a mapping of parameters", lambda value: isinstance(value, dict) and bool(value), {"type": "object"}
)
NOT_EMPTY: dict[str, JSON] = {"type": "string", "minLength": 1}
TOP: dict[str, Parser[object]] = {
    "model": Check("the name of a model", text.holds, text.schema),
    "data": Check("the name of a CSV file", lambda value: isinstance(value, str) and value != "", NOT_EMPTY),
    "generate": mapping,
    "fit": mapping,
}
GENERATE: dict[str, Parser[object]] = {
    "rows": integer(1, MAX_ROWS),
    "seed": CHECKS["seed"],
    "parameters": PARAMETERS,
    "sizes": _sizes,
    "columns": column_names,
    "tosses": integer(1, 10**6),
}


@dataclass(frozen=True)
class Simulation:
    """Rows to draw from given parameters: `rows` of them, or `sizes` of each component."""

    parameters: dict[str, JSON]  # finite numbers and lists of them; the rest is the model's to check
    rows: int | None = None
    seed: int = 0
    sizes: tuple[int, ...] | None = None
    columns: tuple[str, ...] | None = None
    tosses: int | None = None


@frozen
class Experiment:
    """An experiment file, checked as far as that goes without its model."""

    file: str
    model: str
    document: Document
    data: str | None = None  # a path that is good from the working directory, or '-'
    data_source: str | None = None  # as typed, or the base name of an absolute path: the same wherever it is run
    generate: Simulation | None = None


def read_experiment(path: str, models: Iterable[str]) -> Experiment:
    """The experiment in a YAML file, or in standard input (`-`); EmcliError (exit 2) lists all that is wrong in it."""
    from emcli.config.yaml import load

    document = load(read_bytes(path, Exit.USAGE, MAX_YAML), shown_name(path))
    if "schema" in document.value and "fit" not in document.value:
        what = "this is a result that emcli wrote, not an experiment"
        refuse([document.problem(("schema",), what)], "a fit's JSON is for predict, compare, generate and --start")
    known = tuple(models)
    top, problems = _fields(document, (), TOP)
    model, data = top.get("model"), top.get("data")
    if "model" not in document.value:
        problems.append(document.problem((), f"missing 'model': one of {', '.join(known)}"))
    elif isinstance(model, str) and model not in known:
        got = f"got {quoted(document.excerpt(('model',)))}{suggestion(model, known)}"
        problems.append(document.problem(("model",), f"model: must be one of {', '.join(known)}; {got}"))
    if path == "-" and data == "-":
        problems.append(document.problem(("data",), "the experiment and its data cannot both be standard input"))
    simulation = None
    if "generate" in top:
        simulation, wrong = _simulation(document)
        problems += wrong
    if "fit" in top:
        problems += fit_problems(document)
    if problems:
        refuse(sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
    assert isinstance(model, str)
    source = data if isinstance(data, str) else None
    if source not in (None, "-") and not os.path.exists(_beside(path, source)):
        source = data_set(source)
    return Experiment(
        document.file,
        model,
        document,
        data=source if source in (None, "-") else _beside(path, source),
        data_source=source and name_in_results(source),
        generate=simulation,
    )


def _beside(path: str, source: str) -> str:
    """The path of data that an experiment names, in a file or in standard input, as it can be opened from here."""
    return source if path == "-" else beside(path, source)


def start_values(path: str, fit_in: Callable[[JSON, str], FitDocument]) -> Mapping[str, JSON]:
    """The parameters in a file: YAML of them, bare or under `parameters`, or a fit's JSON, which `fit_in` checks.

    Raises EmcliError: exit 3 for a fit's JSON, which may be too long for YAML, and 2 for YAML.
    """
    from emcli.config.saved_fit import parsed
    from emcli.config.yaml import load

    content, file = read_bytes(path, Exit.USAGE, MAX_FIT), shown_name(path)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        try:
            fit = parsed(content, file)
        except EmcliError:  # where it may be YAML, that can say what is wrong with it
            if len(content) > MAX_YAML or path.endswith(".json"):
                raise
        else:
            if isinstance(fit, dict) and (fit.keys() & {"schema", "type", "model"} or fit.keys() > {"parameters"}):
                return fit_in(fit, file)["parameters"]
    document = load(content, file)
    inner: Path = ("parameters",) if "parameters" in document.value else ()
    value = document.get(inner)
    if not isinstance(value, dict) or not PARAMETERS.holds(value):
        what = f"expected {PARAMETERS.be}, got {quoted(document.excerpt(inner))}"
        refuse([document.problem(inner, what)])
    if problems := document.not_numbers(inner):
        refuse(problems)
    return value


def _fields(
    document: Document, path: Path, table: Mapping[str, Parser[object]]
) -> tuple[dict[str, object], list[Problem]]:
    """The good values of a mapping that has these keys and no others, and what is wrong with the others."""
    values: dict[str, object] = {}
    problems: list[Problem] = []
    section = document.get(path)
    assert isinstance(section, dict)
    for key, raw in section.items():
        here = (*path, key)
        if key not in table:
            problems.append(document.problem(here, f"unknown key {quoted(key)}{suggestion(key, table)}"))
            continue
        try:
            values[key] = table[key](raw)
        except ValueError as error:
            problems.append(document.wrong(here, str(error)))
    return values, problems


def _simulation(document: Document) -> tuple[Simulation | None, list[Problem]]:
    """The simulation of `generate:`, and what is wrong with it."""
    here = ("generate",)
    given = document.section("generate")
    values, problems = _fields(document, here, GENERATE)
    if "parameters" not in given:
        problems.append(document.problem(here, "generate: missing 'parameters'"))
    elif "parameters" in values:
        problems += document.not_numbers((*here, "parameters"))
    if "rows" in given and "sizes" in given:
        problems.append(document.problem((*here, "sizes"), "generate: 'rows' and 'sizes' exclude each other"))
    elif "rows" not in given and "sizes" not in given:
        problems.append(document.problem(here, "generate: missing 'rows' (or 'sizes')"))
    return (None if problems else Simulation(**values)), problems  # type: ignore[arg-type]
