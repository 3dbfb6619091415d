"""Strict YAML: the values of one mapping with the line and column of each, or every problem at its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from emcli.config.places import MAX_DEPTH, Document, Path, Place, decoded, line_and_column, refuse
from emcli.errors import EmcliError, Exit, Problem, escaped, quoted
from emcli.types import JSON

MAX_BYTES, MAX_NODES = 1 << 20, 100_000
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
# Line separators that editors do not count are refused too: lines are physical.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
# Numbers and words of YAML 1.2's core schema (section 10.3.2), with ASCII digits only.
WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]{1,400}"), int),  # more are a float: Python refuses to read very long integers
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda text: float("nan")),
)


def load(content: bytes, file: str, max_nodes: int = MAX_NODES) -> Document:
    """The one mapping in UTF-8 YAML (or JSON). Raises EmcliError (exit 2) with all that is wrong in it."""
    if len(content) > MAX_BYTES:
        raise EmcliError(Exit.USAGE, Problem(f"larger than {MAX_BYTES >> 20} MiB", file))
    text = decoded(content, file, Exit.USAGE)
    if found := CONTROL.search(text):
        place = line_and_column(text[: found.start()])
        raise EmcliError(Exit.USAGE, Problem(f"control character U+{ord(found[0]):04X}", file, *place))
    loader, hint, value = _Loader(text, file, max_nodes), None, None
    try:
        node = loader.get_node() if loader.check_node() else None
        if loader.check_node():
            begin: Any = loader.peek_event()  # type: ignore[no-untyped-call]
            loader.note("a second document; one is expected", begin.start_mark)
        value = loader.value(node, ()) if node else None
        if not loader.problems and not isinstance(value, dict):
            kind = "nothing" if value is None else "a list" if isinstance(value, list) else "a single value"
            loader.problems.append(
                Problem(f"expected lines of `key: value`, got {kind}", file, *loader.places.get((), ())[:2])
            )
    except yaml.MarkedYAMLError as error:
        hint = "indent with spaces, not tabs" if "'\\t'" in str(error.problem) else None
        context = f" {error.context} that begins on line {error.context_mark.line + 1}" if error.context_mark else ""
        loader.note(escaped(f"{error.problem}{context}", 200), error.problem_mark)
    except (ValueError, OverflowError):  # the scanner trusts what follows \U and %YAML to be of a sane size
        loader.note("number out of range", loader.get_mark())
    if loader.problems:
        refuse(sorted(loader.problems, key=lambda problem: (problem.line or 0, problem.column or 0)), hint)
    assert isinstance(value, dict)
    return Document(file, value, loader.places)


class _Loader(yaml.BaseLoader):
    """PyYAML's composer of nodes in Python (its C one dies of 200 kB of brackets), and the plain values of nodes."""

    def __init__(self, text: str, file: str, max_nodes: int):
        super().__init__(text)
        self.text, self.file, self.max_nodes = text, file, max_nodes
        self.problems: list[Problem] = []
        self.places: dict[Path, Place] = {}
        self.nodes = self.depth = 0

    def note(self, what: str, mark: yaml.Mark | None) -> None:
        """Record a problem at its place."""
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        self.problems.append(Problem(what, self.file, *place))

    def scan_to_next_token(self) -> None:
        """PyYAML knows no tabs between tokens, YAML does inside brackets: JSON is often indented so."""
        super().scan_to_next_token()
        while self.flow_level and self.peek() == "\t":
            self.forward()
            super().scan_to_next_token()

    def fetch_flow_collection_start(self, token_class: type[yaml.Token]) -> None:
        """The scanner reads ahead, in quadratic time: 200 kB of brackets must not get that far."""
        if self.flow_level == MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=TOO_DEEP, problem_mark=self.get_mark())
        super().fetch_flow_collection_start(token_class)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node, without anchor or tag. Too many nodes end the text, and a depth that recursion cannot bear."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        begin, end = event.start_mark, event.end_mark
        self.nodes += 1
        if self.nodes > self.max_nodes:
            raise yaml.MarkedYAMLError(problem=f"more than {self.max_nodes} values", problem_mark=begin)
        if self.depth == MAX_DEPTH and isinstance(event, yaml.CollectionStartEvent):
            raise yaml.MarkedYAMLError(problem=TOO_DEEP, problem_mark=begin)
        if event.anchor is not None:
            self.note("anchors and aliases are not allowed", begin)
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            return yaml.ScalarNode("", "", begin, end)
        if event.tag is not None:
            self.note("YAML tags are not allowed", begin)
        event.anchor = event.tag = None
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def value(self, node: yaml.Node, path: Path) -> JSON:
        """The plain value of a node. Keeps the places of it and its items, and the problems of keys and texts."""
        self.places.setdefault(path, self.place(node, node))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        values: dict[str, JSON] = {}
        for key_node, item in node.value:
            key = self.scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            inner = (*path, key if isinstance(key, str) else self.typed(key_node))
            if not isinstance(key, str):
                self.note(f"keys must be text, got {quoted(self.typed(key_node))}", key_node.start_mark)
            elif key == "<<" and not key_node.style:
                self.note("merge keys are not allowed", key_node.start_mark)
            elif key in values:
                first = f"duplicate key {quoted(key)} (first on line {self.places[inner].line})"
                self.note(first, key_node.start_mark)
            self.places.setdefault(inner, self.place(key_node, item))
            values[str(inner[-1])] = self.value(item, inner)
        return values

    def scalar(self, node: yaml.ScalarNode) -> JSON:
        """What an unquoted scalar means, or a quoted text without halves of JSON's `\\ud83d\\ude00`."""
        value = node.value if node.style else scalar(node.value)
        if not isinstance(value, str):
            return value
        if "\0" in value:
            self.note("control character U+0000", node.start_mark)
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def place(self, key: yaml.Node, value: yaml.Node) -> Place:
        """A key's line and column, with what was typed as its value."""
        kind = "a list" if isinstance(value, yaml.SequenceNode) else "a mapping"
        typed = self.typed(value) or "nothing" if isinstance(value, yaml.ScalarNode) else kind
        return Place(key.start_mark.line + 1, key.start_mark.column + 1, typed)

    def typed(self, node: yaml.Node) -> str:
        """The text of a node, as it was typed."""
        return self.text[node.start_mark.index : node.end_mark.index].strip()


def scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar: `1e-6` is a number, `yes` is text."""
    numbers = (convert(text) for pattern, convert in NUMBERS if pattern.fullmatch(text))
    return next(numbers, WORDS.get(text, text))
