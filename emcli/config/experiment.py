"""Experiment files: what to fit, where its data come from, and how to draw them again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from emcli.config.options import BY_KEY, Parse, columns, integer, must
from emcli.config.resolve import config_faults
from emcli.config.saved_fit import check_schema, parse
from emcli.config.saved_fit import refuse as refuse_document
from emcli.config.yaml import MAX_BYTES, Document, Path, load, not_numbers, odd_numbers, refuse
from emcli.errors import EmcliError, Exit, Problem, quoted, suggestion
from emcli.files import read_bytes, shown_name

MAX_ROWS = 10**9
MAX_FIT = 64 << 20  # bytes of a fit's JSON, whose trace may be long

MODEL = must("the name of a model", lambda value: isinstance(value, str))
DATA = must("the name of a CSV file", lambda value: isinstance(value, str) and value != "")
MAPPING = must("a mapping", lambda value: isinstance(value, dict))
PARAMETERS = must("a mapping of parameters", lambda value: isinstance(value, dict) and bool(value))
SIZES = must(
    f"a list of integers above 0 that add up to {MAX_ROWS} at most",
    lambda value: (
        isinstance(value, list)
        and bool(value)
        and all(type(size) is int and size > 0 for size in value)
        and sum(value) <= MAX_ROWS
    ),
    tuple,
)
TOP: dict[str, Parse] = {"model": MODEL, "data": DATA, "generate": MAPPING, "fit": MAPPING}
GENERATE: dict[str, Parse] = {
    "rows": integer(1, MAX_ROWS),
    "seed": BY_KEY["seed"].parse,
    "parameters": PARAMETERS,
    "sizes": SIZES,
    "columns": columns,
    "tosses": integer(1, 10**6),
}


@dataclass(frozen=True)
class Recipe:
    """What `generate:` draws: some rows, or as many of each component as `sizes` says."""

    parameters: dict[str, Any]  # finite numbers and lists of them; the rest is the model's to check
    rows: int | None = None
    seed: int = 0
    sizes: tuple[int, ...] | None = None
    columns: tuple[str, ...] | None = None
    tosses: int | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment file, checked as far as that goes without its model."""

    file: str
    model: str
    document: Document
    data: str | None = None  # a path that is good from the working directory, or '-'
    data_source: str | None = None  # as typed, or the base name of an absolute path: the same wherever it is run
    generate: Recipe | None = None

    @property
    def fit(self) -> Mapping[str, Any]:
        """The `fit:` mapping as it stands in the file."""
        return self.document.value.get("fit", {})  # type: ignore[no-any-return]

    def fault(self, path: Path, what: str) -> Problem:
        """A fault at the line and column of a path such as ("generate", "parameters", "means", 0)."""
        return self.document.fault(path, what)


def read_experiment(path: str, models: Iterable[str]) -> Experiment:
    """The experiment in a YAML file, or in standard input (`-`); EmcliError (exit 2) lists all that is wrong in it."""
    document = load(read_bytes(path, Exit.USAGE, MAX_BYTES), shown_name(path))
    known = tuple(models)
    top, faults = _fields(document, (), TOP)
    if "model" not in document.value:
        faults.append(document.fault((), f"missing 'model': one of {', '.join(known)}"))
    elif "model" in top and top["model"] not in known:
        shown = document.excerpt(("model",))
        got = f"got {quoted(shown)}{suggestion(top['model'], known)}"
        faults.append(document.fault(("model",), f"model: must be one of {', '.join(known)}; {got}"))
    if path == "-" and top.get("data") == "-":
        faults.append(document.fault(("data",), "the experiment and its data cannot both be standard input"))
    recipe = None
    if "generate" in top:
        recipe, wrong = _recipe(document)
        faults += wrong
    if "fit" in top:
        faults += config_faults(document)
    if faults:
        refuse(sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0)))
    data = top.get("data")
    folder = "" if path == "-" else os.path.dirname(path)
    return Experiment(
        document.file, top["model"], document,
        data=data if data in (None, "-") else os.path.join(folder, data),
        data_source=os.path.basename(data) if data and os.path.isabs(data) else data,
        generate=recipe,
    )  # fmt: skip


def read_start(path: str) -> dict[str, Any]:
    """The parameters in a file: YAML of them, bare or under `parameters`, or a fit's JSON. EmcliError (exit 2)."""
    text, file = read_bytes(path, Exit.USAGE, MAX_FIT), shown_name(path)
    if (parameters := _fit_json(text, file)) is not None:
        return parameters
    document = load(text, file)
    inner: Path = ("parameters",) if "parameters" in document.value else ()
    value = document.get(inner)
    if not isinstance(value, dict) or not value:
        refuse([document.fault(inner, f"expected a mapping of parameters, got {quoted(document.excerpt(inner))}")])
    if faults := list(not_numbers(document, inner)):
        refuse(faults)
    return value


def _fit_json(text: bytes, path: str) -> dict[str, Any] | None:
    """The parameters of a fit's JSON, which may be too long for YAML; None where the text is none.

    Text that may be YAML is left to that, which can say what is wrong with it. EmcliError (exit 3).
    """
    if not text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    try:
        characters, said = parse(text, path)
    except EmcliError:
        if len(text) > MAX_BYTES or path.endswith(".json"):
            raise
        return None
    if not isinstance(said, dict) or not {"schema", "type"} & said.keys():
        return None
    check_schema(characters, said, path)
    parameters = said.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        refuse_document(characters, path, [(("parameters",), "no mapping of parameters in this fit")])
    document = Document(path, {"parameters": parameters})
    if odd := list(odd_numbers(document, ("parameters",))):
        wrong = [(each, document.wrong(each, "must be a finite number").what) for each in odd]
        refuse_document(characters, path, wrong)
    return dict(said["parameters"])


def _fields(document: Document, path: Path, table: Mapping[str, Parse]) -> tuple[dict[str, Any], list[Problem]]:
    """The good values of a mapping that has these keys and no others, and what is wrong with the others."""
    values: dict[str, Any] = {}
    faults: list[Problem] = []
    for key, raw in document.get(path).items():
        here = (*path, key)
        if key not in table:
            faults.append(document.fault(here, f"unknown key {quoted(key)}{suggestion(key, table)}"))
            continue
        try:
            values[key] = table[key](raw)
        except ValueError as error:
            faults.append(document.wrong(here, str(error)))
    return values, faults


def _recipe(document: Document) -> tuple[Recipe | None, list[Problem]]:
    """What `generate:` says, and what is wrong with it."""
    here = ("generate",)
    given = document.value["generate"]
    values, faults = _fields(document, here, GENERATE)
    if "parameters" not in given:
        faults.append(document.fault(here, "generate: missing 'parameters'"))
    elif "parameters" in values:
        faults += not_numbers(document, (*here, "parameters"))
    if "rows" in given and "sizes" in given:
        faults.append(document.fault((*here, "sizes"), "generate: 'rows' and 'sizes' exclude each other"))
    elif "rows" not in given and "sizes" not in given:
        faults.append(document.fault(here, "generate: missing 'rows' (or 'sizes')"))
    return (None if faults else Recipe(**values)), faults
