"""A saved fit read back: JSON that is believed only as far as it has been checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from emcli.config.options import BY_KEY, Parse, integer, must
from emcli.config.yaml import MAX_FAULTS, Path, dotted
from emcli.errors import EmcliError, Exit, Problem, escaped, quoted
from emcli.files import read_bytes, shown_name

SCHEMA = "emcli.fit/1"
LARGEST = 256 << 20  # bytes of a document: its trace and its ledger may be long
_ONE_OF_OURS = "emcli fit … -o FILE writes one"
_TRACE = "this is a trace; the result document is what -o FILE or --json writes"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def _is_list(holds: Any) -> Any:
    return lambda value: isinstance(value, list) and all(map(holds, value))


_text = must("a text", lambda value: isinstance(value, str))
_mapping = must("a mapping", lambda value: isinstance(value, dict))
_number = must("a finite number or null", lambda value: value is None or _finite(value))
_count = integer(0, 10**15)
_slug = re.compile("[a-z][a-z-]{0,39}").fullmatch
REQUIRED: dict[Path, Parse] = {
    ("model",): _text,
    ("k",): integer(1, 10**4),
    ("data",): _mapping,
    ("data", "rows"): _count,
    ("data", "columns"): must(
        "a list of at least one name",
        lambda value: value != [] and _is_list(lambda name: isinstance(name, str))(value),
    ),
    ("data", "sha256"): must(
        "64 hexadecimal digits", lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value))
    ),
    ("status",): must("'converged' or 'max_iter'", lambda value: value in ("converged", "max_iter")),
    ("log_likelihood",): _number,
    ("aic",): _number,
    ("bic",): _number,
    ("icl",): _number,
    ("parameters_count",): _count,
    ("parameters",): _mapping,
    ("iterations",): _count,
}
OPTIONAL: dict[Path, Parse] = {
    ("covariance",): BY_KEY["covariance"].parse,
    ("mixing",): BY_KEY["mixing"].parse,
    ("inertia",): _number,
    ("reached",): _count,
    ("data", "source"): _text,
    ("data", "tosses"): must(
        "a mapping of numbers of tosses to weights above 0",
        lambda value: (
            isinstance(value, dict)
            and bool(value)
            and all(key.isascii() and key.isdigit() and len(key) < 16 and int(key) > 0 for key in value)
            and all(_finite(weight) and weight > 0 for weight in value.values())
        ),
    ),
    ("settings",): _mapping,
    **{("settings", key): option.parse for key, option in BY_KEY.items() if option.in_yaml},
    ("warnings",): must(
        "a list of mappings with a 'slug'",
        _is_list(lambda each: isinstance(each, dict) and bool(_slug(str(each.get("slug"))))),
    ),
    ("restarts",): must("a list of mappings", _is_list(lambda each: isinstance(each, dict))),
    ("truth",): _mapping,
    ("truth", "adjusted_rand_index"): _number,
}


def read_fit(path: str) -> dict[str, Any]:
    """A fit's document from a file, `-` for standard input; what this program uses of it has been checked.

    Raises EmcliError (exit 3) with the place of each fault. Fields that this version does not know are left alone.
    """
    from emcli.models import MODELS, family_of
    from emcli.models.base import ParameterFault

    file = shown_name(path)
    text, said = parse(read_bytes(path, Exit.DATA, LARGEST), file)
    check_schema(text, said, file)
    wrong = list(_wrong(said))
    if not wrong and said["model"] not in MODELS:
        wrong = [(("model",), f"no such model {quoted(said['model'])}")]
    if not wrong:
        try:
            family_of(said["model"]).read(said["parameters"], said.get("settings", {}), said["k"])
        except ParameterFault as fault:
            path_ = ("parameters", *fault.path)
            wrong = [(path_, f"{dotted(path_)}: {fault.what}")]
    if wrong:
        refuse(text, file, wrong)
    if "source" in said["data"]:
        said["data"]["source"] = escaped(said["data"]["source"], 400)
    document: dict[str, Any] = said
    return document


def parse(text: bytes, file: str) -> tuple[str, Any]:
    """The characters of a JSON text and the value they mean. Raises EmcliError (exit 3) with line and column."""
    characters = _decoded(text, file)
    odd: list[tuple[str, str]] = []  # duplicate keys and NaN, which Python lets pass

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(items)
        if len(value) < len(items):
            keys = [key for key, _ in items]
            odd.append((next(key for i, key in enumerate(keys) if key in keys[:i]), "duplicate key"))
        return value

    def constant(name: str) -> float:
        odd.append((name, "not JSON"))
        return float("nan")

    def whole(digits: str) -> int | float:
        return int(digits) if len(digits) < 400 else float(digits)

    try:
        value = json.loads(characters, object_pairs_hook=pairs, parse_constant=constant, parse_int=whole)
    except json.JSONDecodeError as error:
        raise _not_json(characters, file, error) from None
    except RecursionError:
        raise EmcliError(Exit.DATA, Problem("invalid JSON: nested too deeply", file)) from None
    if odd:
        name, what = odd[0]
        raise EmcliError(
            Exit.DATA, Problem(f"invalid JSON: {what} {quoted(name)}", file, *_odd_place(characters, name))
        )
    return characters, value


def check_schema(text: str, said: Any, file: str) -> None:
    """Refuse what is no fit's document, or one of a later major version."""
    schema = said.get("schema") if isinstance(said, dict) else None
    if isinstance(said, dict) and schema is None and isinstance(said.get("type"), str):
        raise EmcliError(Exit.DATA, Problem("not an emcli result but JSON lines", file), hint=_TRACE)
    if schema is None:
        raise EmcliError(Exit.DATA, Problem("not an emcli result (no 'schema')", file), hint=_ONE_OF_OURS)
    if not isinstance(schema, str) or not re.fullmatch(r"emcli\.fit/1(\.[0-9]{1,9})?", schema):
        refuse(text, file, [(("schema",), f"schema must be {SCHEMA}, got {quoted(schema)}")])


def refuse(text: str, file: str, wrong: list[tuple[Path, str]]) -> None:
    """Raise EmcliError (exit 3) for faults at paths of a document."""
    places = _places(text, [path for path, _ in wrong[:MAX_FAULTS]])
    faults = [Problem(what, file, *places[path]) for path, what in wrong[:MAX_FAULTS]]
    raise EmcliError(Exit.DATA, *faults, unsaid=len(wrong) - len(faults))


def _wrong(said: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """What is wrong with the fields that are used, and where; what stands in no mapping is told once."""
    missing = object()
    for path, check in (REQUIRED | OPTIONAL).items():
        holder: Any = said
        for step in path[:-1]:
            holder = holder.get(step) if isinstance(holder, dict) else None
        if not isinstance(holder, dict):
            continue
        value = holder.get(path[-1], missing)
        if value is missing:
            if path in REQUIRED:
                yield path, f"not an emcli result: missing {quoted(dotted(path))}"
            continue
        try:
            check(value)
        except ValueError as error:
            shown = quoted(json.dumps(value, ensure_ascii=False)) if not isinstance(value, str) else quoted(value)
            yield path, f"{dotted(path)}: {error}, got {shown}"


def _decoded(text: bytes, file: str) -> str:
    if not text.strip():
        raise EmcliError(Exit.DATA, Problem("invalid JSON: file is empty", file))
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start + 3 * text.startswith(b"\xef\xbb\xbf")
        line, byte = text.count(b"\n", 0, at) + 1, at - text.rfind(b"\n", 0, at)
        what = f"not valid UTF-8 at byte {byte} (0x{text[at]:02x})"
        raise EmcliError(Exit.DATA, Problem(what, file, line)) from None


def _not_json(text: str, file: str, error: json.JSONDecodeError) -> EmcliError:
    line, column = error.lineno, error.colno
    if error.msg == "Extra data" and '"type"' in text.lstrip().partition("\n")[0]:
        return EmcliError(Exit.DATA, Problem("not an emcli result but JSON lines", file, line, column), hint=_TRACE)
    # An unclosed text is told where it begins, however much follows.
    cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
    said = error.msg[:1].lower() + error.msg[1:]
    truncated = " (file truncated?)" if cut else ""
    return EmcliError(Exit.DATA, Problem(f"invalid JSON: {said}{truncated}", file, line, column))


def _place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _odd_place(text: str, name: str) -> tuple[int, int]:
    """Where a constant stands, or a key for the second time in its mapping."""
    seen: set[Path] = set()
    for path, offset, token in _located(text):
        if token == name or (path and path[-1] == name and path in seen):
            return _place(text, offset)
        if token.startswith('"'):
            seen.add(path)
    return 1, 1


def _places(text: str, wanted: list[Path]) -> dict[Path, tuple[int, int]]:
    """Line and column of each path's key (its value, in a list), or of the nearest ancestor that is there."""
    near: set[Path] = {path[:end] for path in wanted for end in range(1, len(path) + 1)}
    found: dict[Path, tuple[int, int]] = {}
    for path, offset, _ in _located(text):
        if path in near:
            found.setdefault(path, _place(text, offset))
            near.discard(path)
            if not near:
                break
    return {
        path: next((found[path[:end]] for end in range(len(path), 0, -1) if path[:end] in found), (1, 1))
        for path in wanted
    }


def _located(text: str) -> Iterator[tuple[Path, int, str]]:
    """Each token of a valid text that is a key or a value, with its path and offset, in order; no recursion."""
    steps: list[Any] = []
    listed: list[bool] = []
    key_next = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "]}":
            steps.pop()
            listed.pop()
        elif token == ",":
            key_next = not listed[-1]
            if listed[-1]:
                steps[-1] += 1
        elif token == ":":
            key_next = False
        elif key_next:
            steps[-1] = json.loads(token)
            yield tuple(steps), match.start(), token
        else:
            if (listed and listed[-1]) or token not in ("[", "{"):
                yield tuple(steps), match.start(), token
            if token in "[{":
                listed.append(token == "[")
                steps.append(0 if token == "[" else "")
                key_next = token == "{"
