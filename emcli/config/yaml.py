"""Strict YAML: plain values with the line and column of each, or every fault at its place."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from emcli.errors import EmcliError, Exit, Problem, escaped, quoted

Path = tuple[str | int, ...]  # keys and 0-based list indices, from the top

MAX_BYTES, MAX_NODES = 1 << 20, 100_000
MAX_DEPTH = 32
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
MAX_FAULTS = 10  # lines that are said; the rest is counted
# Line separators that editors do not count are refused too: lines are physical.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")

# YAML 1.2 core schema, section 10.3.2, with ASCII digits only.
WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
NUMBERS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"[-+]?[0-9]{1,400}"), int),  # more are a float: Python refuses to read very long integers
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda text: float("nan")),
)

KINDS: dict[type, str] = {type(None): "nothing", list: "a list", dict: "a mapping"}


@dataclass(frozen=True)
class Document:
    """A mapping read from a file: its plain values, and where each of them stands."""

    file: str
    value: dict[str, Any]
    places: dict[Path, tuple[int, int]] = field(default_factory=dict, repr=False)
    excerpts: dict[Path, str] = field(default_factory=dict, repr=False)

    def place(self, path: Path) -> tuple[int, int]:
        """1-based line and column of a key (its value, in a list), or of the nearest ancestor that is known."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    def get(self, path: Path) -> Any:
        """The plain value at a path, which must exist."""
        value: Any = self.value
        for step in path:
            value = value[step]
        return value

    def excerpt(self, path: Path) -> str:
        """The value at a path as it was typed, for messages."""
        return self.excerpts.get(path) or KINDS.get(type(self.get(path))) or str(self.get(path))

    def fault(self, path: Path, what: str) -> Problem:
        """A fault at the place of a path."""
        return Problem(what, self.file, *self.place(path)) if self.places else Problem(what, self.file)

    def wrong(self, path: Path, message: str) -> Problem:
        """The fault that the value at a path is not what the message says: `fit.k: must be ..., got 'three'`."""
        return self.fault(path, f"{dotted(path)}: {message}, got {quoted(self.excerpt(path))}")


def dotted(path: Path) -> str:
    """A path as people write it: `generate.parameters.means[0][1]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{escaped(step)}" for step in path).removeprefix(".")


def not_numbers(document: Document, path: Path) -> Iterator[Problem]:
    """A fault for each place at or under a path of lists and mappings that is not a finite number."""
    return (document.wrong(odd, "must be a finite number") for odd in odd_numbers(document, path))


def odd_numbers(document: Document, path: Path) -> Iterator[Path]:
    """The places at or under a path of lists and mappings that are not finite numbers."""
    ahead = [path]  # no recursion: the JSON reader nests deeper than Python calls do
    while ahead:
        path = ahead.pop()
        value = document.get(path)
        if isinstance(value, dict | list):
            ahead.extend((*path, step) for step in reversed(value if isinstance(value, dict) else range(len(value))))
        elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            yield path


def refuse(faults: Sequence[Problem], hint: str | None = None) -> NoReturn:
    """Ends with all of the faults of an experiment or command line: at most ten are said, the others counted."""
    raise EmcliError(Exit.USAGE, *faults[:MAX_FAULTS], hint=hint, unsaid=max(0, len(faults) - MAX_FAULTS))


def scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means in YAML's core schema."""
    numbers = (convert(text) for pattern, convert in NUMBERS if pattern.fullmatch(text))
    return next(numbers, WORDS.get(text, text))


def load(text: bytes, file: str) -> Document:
    """The one mapping in a text of UTF-8 YAML (or JSON); EmcliError (exit 2) lists what is wrong in it."""
    import yaml

    characters = _decoded(text, file)
    loader = _loader(characters)
    builder = _Builder(file, characters)
    try:
        while loader.check_event():
            builder.take(loader.get_event())
    except yaml.MarkedYAMLError as error:
        hint = "indent with spaces, not tabs" if "'\\t'" in str(error.problem) else None
        refuse([*builder.faults, _problem(error, file)], hint)
    except (ValueError, OverflowError):  # the scanner trusts what follows \U and %YAML to be of a sane size
        builder.note("number out of range", loader.get_mark())
    if not builder.faults and not isinstance(builder.top, dict):
        what = f"expected a mapping, got {KINDS.get(type(builder.top), 'a scalar')}"
        builder.faults.append(Problem(what, file, *builder.places.get((), ())))
    if builder.faults:
        refuse(builder.faults)
    return Document(file, builder.top, builder.places, builder.excerpts)


def _decoded(text: bytes, file: str) -> str:
    """The characters of a text that is UTF-8 without control characters and not too long."""
    if len(text) > MAX_BYTES:
        refuse([Problem(f"larger than {MAX_BYTES >> 20} MiB", file)])
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        refuse([Problem("not UTF-8 (looks like UTF-16)", file, 1, 1)])
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start + 3 * text.startswith(b"\xef\xbb\xbf")  # the error counts from behind the mark
        what = f"not valid UTF-8 at byte {at + 1} (0x{text[at]:02x})"
        refuse([Problem(what, file, *_place(text[:at].decode("utf-8-sig")))])
    if found := CONTROL.search(decoded):
        refuse([Problem(f"control character U+{ord(found[0]):04X}", file, *_place(decoded[: found.start()]))])
    return decoded


def _place(before: str) -> tuple[int, int]:
    """Line and column of what follows some text."""
    lines = re.split("\r\n|\r|\n", before)
    return len(lines), len(lines[-1]) + 1


def _loader(text: str) -> Any:
    """PyYAML's pure scanner and parser, which use no recursion (its C one dies of 200 kB of brackets)."""
    import yaml

    class Loader(yaml.SafeLoader):
        def scan_to_next_token(self) -> None:
            """PyYAML knows no tabs between tokens, YAML does inside brackets: JSON is often indented so."""
            super().scan_to_next_token()
            while self.flow_level and self.peek() == "\t":
                self.forward()
                super().scan_to_next_token()

        def fetch_flow_collection_start(self, token_class: Any) -> None:
            """The scanner reads ahead, in quadratic time: 200 kB of brackets must not get that far."""
            if self.flow_level == MAX_DEPTH:
                raise yaml.MarkedYAMLError(problem=TOO_DEEP, problem_mark=self.get_mark())
            super().fetch_flow_collection_start(token_class)

    return Loader(text)


def _spot(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _problem(error: Any, file: str) -> Problem:
    """What PyYAML found wrong, on one line."""
    said = error.problem
    if error.context and error.context_mark:
        said += f" {error.context} that begins on line {error.context_mark.line + 1}"
    return Problem(escaped(said, 200), file, *_spot(error.problem_mark))


@dataclass
class _Frame:
    """A list or mapping that is being read; without a path, only to find the faults in it."""

    value: Any
    path: Path | None
    keyed: bool = False  # a mapping's key has been read, its value comes next
    key: str | None = None  # that key, if it is a good one


@dataclass
class _Builder:
    """Turns events into values, without recursion; keeps places and faults."""

    file: str
    text: str
    top: Any = None
    faults: list[Problem] = field(default_factory=list)
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    excerpts: dict[Path, str] = field(default_factory=dict)
    stack: list[_Frame] = field(default_factory=list)
    nodes: int = 0

    def note(self, what: str, mark: Any) -> None:
        self.faults.append(Problem(what, self.file, *_spot(mark)))

    def take(self, event: Any) -> None:
        """One event of the parser; what makes going on pointless (depth, size, a second document) ends it."""
        import yaml

        if isinstance(event, yaml.DocumentStartEvent):
            if self.nodes:  # even an empty document has one
                self.stop("a second document; one is expected", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.stack.pop()
        elif isinstance(event, yaml.NodeEvent):
            self.nodes += 1
            if self.nodes > MAX_NODES:
                self.stop(f"more than {MAX_NODES} values", event.start_mark)
            self.node(event)

    def typed(self, event: Any) -> str:
        return self.text[event.start_mark.index : event.end_mark.index].strip()

    def stop(self, what: str, mark: Any) -> NoReturn:
        self.note(what, mark)
        refuse(self.faults)

    def node(self, event: Any) -> None:
        import yaml

        for what, found in (("anchors and aliases", event.anchor), ("YAML tags", getattr(event, "tag", None))):
            if found is not None:
                self.note(f"{what} are not allowed", event.start_mark)
        value: Any = None
        if isinstance(event, yaml.ScalarEvent):
            value = self.scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
        parent = self.stack[-1] if self.stack else None
        if parent and isinstance(parent.value, dict) and not parent.keyed:
            path = None
            self.key(parent, event, value)
        else:
            path = self.put(parent, event, value)
        if isinstance(value, dict | list):
            self.stack.append(_Frame(value, path))
            if len(self.stack) > MAX_DEPTH:
                self.stop(TOO_DEEP, event.start_mark)

    def scalar(self, event: Any) -> Any:
        value = event.value if event.style else scalar(event.value)
        if not isinstance(value, str):
            return value
        if "\0" in value:
            self.note("control character U+0000", event.start_mark)
        # JSON writes \ud83d\ude00 for one character.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def key(self, parent: _Frame, event: Any, key: Any) -> None:
        """Remembers a mapping's key until its value comes; that of a refused key is thrown away."""
        parent.keyed, parent.key = True, None
        if not isinstance(key, str):
            got = "" if isinstance(key, dict | list) else f", got {quoted(self.typed(event))}"
            self.note(f"keys must be text{got}", event.start_mark)
        elif key == "<<" and not event.style:
            self.note("merge keys are not allowed", event.start_mark)
        elif key in parent.value:
            first = f" (first on line {self.places[(*parent.path, key)][0]})" if parent.path is not None else ""
            self.note(f"duplicate key {quoted(key)}{first}", event.start_mark)
        else:
            parent.key = key
            if parent.path is not None:
                self.places[(*parent.path, key)] = _spot(event.start_mark)

    def put(self, parent: _Frame | None, event: Any, value: Any) -> Path | None:
        """Stores a value where it belongs; its path, if it belongs anywhere."""
        path: Path | None = ()
        if parent is None:
            self.top = value
        else:
            listed = isinstance(parent.value, list)
            step = len(parent.value) if listed else parent.key
            path = None if parent.path is None or step is None else (*parent.path, step)
            if listed:
                parent.value.append(value)
            elif step is not None:
                parent.value[step] = value
            parent.keyed = False
        if path is not None:
            self.places.setdefault(path, _spot(event.start_mark))
            if not isinstance(value, dict | list):
                self.excerpts[path] = self.typed(event)
        return path
