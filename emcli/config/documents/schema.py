"""JSON Schemas (2020-12) of documents and experiments, made from the types and checks that write and read them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Union, get_args, get_origin, is_typeddict

from emcli.config.checks import Check, Conversion, mapping
from emcli.config.documents.comparison import COMPARISON, ComparisonDocument
from emcli.config.documents.fit import FIT, FitDocument
from emcli.config.documents.steps import STEPS, StepsDocument
from emcli.config.documents.types import Known, keys, numbers
from emcli.config.experiment import GENERATE, TOP
from emcli.config.settings import CHECKS, CHOICES, DOCUMENT_KEYS
from emcli.config.sources import GRID
from emcli.types import JSON

Schema = dict[str, JSON]
Parts = dict[str, JSON]  # the schemas that others refer to, by name

DRAFT = "https://json-schema.org/draft/2020-12/schema"
NUMBERS = "Numbers"
WHOLE: dict[str, tuple[type, str]] = {
    "fit": (FitDocument, FIT),
    "compare": (ComparisonDocument, COMPARISON),
    "steps": (StepsDocument, STEPS),
}
EXPERIMENT_MEANINGS = {
    "model": "the model to fit",
    "data": "file with the rows, relative to the experiment; without it, `fit` draws the rows of `generate:`",
    "generate": "how to draw rows from known parameters",
    "fit": "how to fit: the options of `emcli fit`, with _ in place of -",
}
GENERATE_MEANINGS = {
    "rows": "how many rows, each from a component drawn by the weights",
    "sizes": "how many rows of each component, in place of `rows`",
    "seed": "seed of the random numbers",
    "parameters": "the true parameters: weights, and the model's own",
    "columns": "names of the columns",
    "tosses": "coins: tosses of each row",
}


def document_schema(name: str) -> Schema:
    """The schema of the JSON that a command writes: 'fit', 'compare' or 'steps'.

    Keys that it does not name are allowed: a later minor version may add some.
    """
    kind, version = WHOLE[name]
    parts: Parts = {}
    whole = _mapping(kind, parts)
    properties = whole["properties"]
    assert isinstance(properties, dict)
    properties["schema"] = {"const": version, "description": keys(kind)["schema"].meaning}
    return {"$schema": DRAFT, "title": version, **whole, "$defs": dict(sorted(parts.items()))}


def experiment_schema(models: Sequence[str], meanings: Mapping[str, str]) -> Schema:
    """The schema of an experiment file, of which `meanings` tells the keys of `fit:`; no other keys are allowed."""
    parts: Parts = {}
    generate = {key: _described(_of_check(check), GENERATE_MEANINGS[key]) for key, check in GENERATE.items()}
    fit = {key: _described(_setting(key), meanings[key]) for key in DOCUMENT_KEYS}
    generate["parameters"] = _described(_parameters(parts), GENERATE_MEANINGS["parameters"])
    top = {key: _of_check(check) for key, check in TOP.items()} | {
        "model": {"enum": [*models]},
        "generate": _closed(generate) | {"required": ["parameters"], "oneOf": [_needs("rows"), _needs("sizes")]},
        "fit": _closed(fit),
    }
    whole = _closed({key: _described(schema, EXPERIMENT_MEANINGS[key]) for key, schema in top.items()})
    return {"$schema": DRAFT, "title": "An experiment of emcli", **whole, "required": ["model"], "$defs": parts}


def _needs(key: str) -> Schema:
    return {"required": [key]}


def _closed(properties: Mapping[str, JSON]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _described(schema: Schema, meaning: str) -> Schema:
    return {"description": meaning, **schema}


def _setting(key: str) -> Schema:
    """The schema of a setting; several values in a list, or in a text with commas, where a grid may have them."""
    one = _of_check(CHECKS[key])
    if key not in GRID:
        return one
    word = "|".join(choice.replace("+", "[+]") for choice in CHOICES.get(key, ()))
    if key == "prior":
        word = r"default|none|[0-9]+([.][0-9]+)?"
    if key == "noise":
        word = "true|false"
    if key == "k":
        word = "[0-9]{1,9}(-[0-9]{1,9})?"
        one = {"anyOf": [one, {"type": "string", "pattern": "^([0-9]{1,9}-[0-9]{1,9}|auto)$"}]}
    several: Schema = {"type": "string", "pattern": f"^ *({word}) *(, *({word}) *)+$"}
    return {"anyOf": [one, several, {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}]}


def _schema(kind: object, parts: Parts) -> Schema:
    """The schema of a type of emcli.config.documents."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1], parts)
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(arguments[0], parts), {"type": "null"}]}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], parts)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], parts)}
    assert isinstance(kind, type) and is_typeddict(kind)
    if kind.__name__ not in parts:
        parts[kind.__name__] = {}  # so that a type may hold itself
        parts[kind.__name__] = _mapping(kind, parts)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _annotated(base: object, check: object, parts: Parts) -> Schema:
    """The schema of a type with a check."""
    if check is numbers:
        return _numbers(parts)
    if isinstance(check, Known):
        known: Schema = {key: _of_check(each) for key, each in check.checks.items()}
        return {"type": "object", "properties": known}
    items = _schema(base, parts) if get_origin(base) in (list, dict) and check is not mapping else {}
    return items | _of_check(check)


def _mapping(kind: type, parts: Parts) -> Schema:
    """The schema of a document's type, key by key."""
    properties: Schema = {name: _described(_schema(key.kind, parts), key.meaning) for name, key in keys(kind).items()}
    required: list[JSON] = [name for name, key in keys(kind).items() if key.needed]
    said = {"description": inspect.getdoc(kind)} if kind.__doc__ else {}
    return {**said, "type": "object", "properties": properties, "required": required}


def _numbers(parts: Parts) -> Schema:
    """A number, or lists and mappings of them to any depth."""
    this: Schema = {"$ref": f"#/$defs/{NUMBERS}"}
    lists: Schema = {"type": "array", "items": this}
    parts[NUMBERS] = {"anyOf": [{"type": "number"}, lists, {"type": "object", "additionalProperties": this}]}
    return this


def _parameters(parts: Parts) -> Schema:
    return {"type": "object", "minProperties": 1, "additionalProperties": _numbers(parts)}


def _of_check(check: object) -> Schema:
    """What a check or a conversion takes."""
    assert isinstance(check, Check | Conversion)
    return dict(check.schema)
