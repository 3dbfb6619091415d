"""Where values stand in a file, for messages: paths of keys, lines and columns."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from typing import NamedTuple, NoReturn

from emcli.config.checks import is_number
from emcli.errors import EmcliError, Exit, Problem, escaped, quoted
from emcli.frozen import frozen
from emcli.types import JSON

Path = tuple[str | int, ...]  # keys and 0-based list indices, from the top
MAX_DEPTH = 32  # of lists and mappings in each other, where they are walked through
MAX_PROBLEMS = 10  # lines that are printed; the rest is counted


class Place(NamedTuple):
    """1-based line and column of a key (of the item, in a list), and its value as it was typed."""

    line: int
    column: int
    typed: str


@frozen
class Document:
    """A mapping read from a file: its plain values, and where each of them stands."""

    file: str
    value: dict[str, JSON]
    places: Mapping[Path, Place] = field(default_factory=dict, repr=False)

    def place(self, path: Path) -> tuple[int, int]:
        """1-based line and column of a path, or of its nearest ancestor that is known."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path][:2] if path in self.places else (1, 1)

    def get(self, path: Path) -> JSON:
        """The plain value at a path, which must exist."""
        value: JSON = self.value
        for step in path:
            if isinstance(value, list):
                value = value[int(step)]
            else:
                assert isinstance(value, dict)
                value = value[str(step)]
        return value

    def section(self, key: str) -> dict[str, JSON]:
        """The mapping under a key such as `fit`; empty where there is none."""
        value = self.value.get(key)
        return value if isinstance(value, dict) else {}

    def excerpt(self, path: Path) -> str:
        """The value at a path as it was typed, for messages."""
        return self.places[path].typed if path in self.places else shown(self.get(path))

    def problem(self, path: Path, what: str) -> Problem:
        """A problem at the place of a path."""
        return Problem(what, self.file, *self.place(path)) if self.places else Problem(what, self.file)

    def wrong(self, path: Path, message: str) -> Problem:
        """The problem that the value at a path is not what the message says: `fit.k: must be ..., got 'three'`."""
        return self.problem(path, f"{dotted(path)}: {message}, got {quoted(self.excerpt(path))}")

    def not_numbers(self, path: Path, or_null: bool = False) -> list[Problem]:
        """A problem for each place at or under a path of lists and mappings that is not a finite number, or null."""
        must = f"must be a finite number{' or null' * or_null}"
        wrong = [inner for inner, value in non_numbers(self.get(path)) if not (or_null and value is None)]
        return [self.wrong((*path, *inner), must) for inner in wrong]


def beside(file: str, name: str) -> str:
    """A path relative to a file as it can be opened from here, without `..` where that leads to the same."""
    joined = os.path.join(os.path.dirname(file), name)
    short = os.path.normpath(joined)
    return short if name.startswith("..") and os.path.realpath(short) == os.path.realpath(joined) else joined


@contextmanager
def named_in(document: Document, path: Path) -> Iterator[None]:
    """What is wrong with a file that an experiment names, told with the place where it names it.

    A file that cannot be found or read is a fault at that place, one inside the file is told as there.
    """
    try:
        yield
    except EmcliError as error:
        if error.exit_code == Exit.USAGE and not any(problem.line for problem in error.problems):
            raise  # a flag is to blame, such as a column that it names
        at = document.problem(path, "")
        where = ":".join(str(part) for part in (document.file, at.line, at.column) if part)
        told = [
            document.problem(path, f"{dotted(path)}: {problem}")
            if problem.line is None
            else replace(problem, what=f"{problem.what} (named in {escaped(where, 200)})")
            for problem in error.problems
        ]
        raise EmcliError(error.exit_code, *told, hint=error.hint, unsaid=error.unsaid) from None


def dotted(path: Path) -> str:
    """A path as people write it: `generate.parameters.means[0][1]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{escaped(step)}" for step in path).removeprefix(".")


def shown(value: object) -> str:
    """A value for messages: a text as it is, of a list or mapping only the kind."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value)


def non_numbers(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """All that is no finite number in a number, or in lists and mappings of numbers, with the path of each."""
    if isinstance(value, dict | list) and len(path) < MAX_DEPTH:
        items: Iterable[tuple[str | int, object]] = value.items() if isinstance(value, dict) else enumerate(value)
        for step, item in items:
            if not is_number(item):
                yield from non_numbers(item, (*path, step))
    elif not is_number(value):
        yield path, value


def refuse(problems: Sequence[Problem], hint: str | None = None, exit_code: Exit = Exit.USAGE) -> NoReturn:
    """Ends with all problems of a file or command line: at most ten are printed, the others counted."""
    raise EmcliError(exit_code, *problems[:MAX_PROBLEMS], hint=hint, unsaid=max(0, len(problems) - MAX_PROBLEMS))


def line_and_column(before: str) -> tuple[int, int]:
    """1-based line and column of what follows a text."""
    lines = re.split("\r\n|\r|\n", before)
    return len(lines), len(lines[-1]) + 1


def decoded(content: bytes, file: str, exit_code: Exit) -> str:
    """A file's bytes as UTF-8 text, without its byte order mark. Raises EmcliError with that code and the place."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        refuse([Problem("not UTF-8 (looks like UTF-16)", file, 1, 1)], exit_code=exit_code)
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        at = error.start
        byte = at - max(content.rfind(b"\n", 0, at), content.rfind(b"\r", 0, at))
        what = f"not valid UTF-8 at byte {byte} (0x{content[at]:02x})"
        refuse([Problem(what, file, *line_and_column(content[:at].decode()))], exit_code=exit_code)
