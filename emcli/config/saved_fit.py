"""A saved fit read back: JSON that is believed only as far as it has been checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import cast

from emcli.compute.memory import require, shown
from emcli.config.documents.fit import FIT, FitDocument
from emcli.config.documents.problems import Fault, problems
from emcli.config.places import MAX_PROBLEMS, decoded
from emcli.errors import EmcliError, Exit, Problem, escaped, quoted
from emcli.files.inputs import read_bytes, shown_name
from emcli.types import JSON

MAX_BYTES = 256 << 20  # of a document: its trace and its ledger may be long
_TRACE = "this is a trace; the result document is what -o FILE or --json writes"


def read_json(path: str) -> JSON:
    """The value in a JSON file, `-` for standard input. Raises EmcliError (exit 3)."""
    return parsed(read_bytes(path, Exit.DATA, MAX_BYTES), shown_name(path))


def document_in(value: JSON, file: str) -> FitDocument:
    """The fit's document that a JSON value is; its parameters are still to be checked with the model.

    Raises EmcliError (exit 3) with the path of each fault. Keys that this version does not know are left alone.
    """
    fit = _of_this_version(value, file)
    refuse_wrong(problems(FitDocument, fit), file)
    document = cast(FitDocument, fit)
    if "source" in document["data"]:
        document["data"]["source"] = escaped(document["data"]["source"], 400)
    return document


def parsed(content: bytes, file: str) -> JSON:
    """The value of a JSON text. Raises EmcliError (exit 3), with line and column of an error of syntax."""
    require(bytes_needed(content), f"a document of {shown(len(content))}", file)
    text = decoded(content, file, Exit.DATA)

    def invalid(what: str, *place: int) -> EmcliError:
        return EmcliError(Exit.DATA, Problem(f"invalid JSON: {what}", file, *place))

    def refuse_constant(name: str) -> float:
        raise invalid(f"not JSON {quoted(name)}")

    def mapping(items: list[tuple[str, JSON]]) -> dict[str, JSON]:
        value: dict[str, JSON] = {}
        for key, item in items:
            if key in value:
                raise invalid(f"duplicate key {quoted(key)}")
            value[key] = item
        return value

    def integer(digits: str) -> int | float:
        return int(digits) if len(digits) < 400 else float(digits)  # Python refuses to read very long integers

    if not text or text.isspace():
        raise invalid("file is empty")
    try:
        value: JSON = json.loads(text, object_pairs_hook=mapping, parse_constant=refuse_constant, parse_int=integer)
    except RecursionError:
        raise invalid("nested too deeply") from None
    except json.JSONDecodeError as error:
        place = (error.lineno, error.colno)
        if error.msg == "Extra data" and '"type"' in text.lstrip().partition("\n")[0]:
            lines = Problem("not an emcli result but JSON lines", file, *place)
            raise EmcliError(Exit.DATA, lines, hint=_TRACE) from None
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        what = error.msg[:1].lower() + error.msg[1:] + " (file truncated?)" * cut
        raise invalid(what, *place) from None
    return value


def bytes_needed(content: bytes) -> int:
    """An upper bound, from its bytes, of the memory that it takes to parse a JSON text.

    Each bracket, colon, comma and quote stands for at most one object of Python: an empty list or mapping with the
    place that holds it, an entry with its pair, a place and a number, half a text.
    """
    width = 1 if content.isascii() and b"\\u" not in content else 4  # bytes of a character
    costs = {b"[": 72, b"{": 72, b":": 120, b",": 44, b'"': 32}
    return (1 << 16) + len(content) * (1 + 2 * width) + sum(size * content.count(mark) for mark, size in costs.items())


def _of_this_version(value: JSON, file: str) -> dict[str, JSON]:
    """The fit's document of this major version that a value is. Raises EmcliError (exit 3) for any other value."""
    if not isinstance(value, dict) or "schema" not in value:
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            raise EmcliError(Exit.DATA, Problem("not an emcli result but JSON lines", file), hint=_TRACE)
        hint = "emcli fit … -o FILE writes one"
        raise EmcliError(Exit.DATA, Problem("not an emcli result (no 'schema')", file), hint=hint)
    schema = value["schema"]
    if not isinstance(schema, str) or not re.fullmatch(rf"{re.escape(FIT)}(\.[0-9]{{1,9}})?", schema):
        raise EmcliError(Exit.DATA, Problem(f"schema must be {FIT}, got {quoted(schema)}", file))
    return value


def refuse_wrong(wrong: Iterator[Fault], file: str) -> None:
    """Raise EmcliError (exit 3) where anything is wrong with a document."""
    if found := [Problem(str(fault), file) for fault in islice(wrong, MAX_PROBLEMS)]:
        raise EmcliError(Exit.DATA, *found, unsaid=sum(1 for _ in wrong))
