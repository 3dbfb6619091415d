"""The one error that a user can meet: what went wrong, where, and the exit code it ends with."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from shlex import quote

MAX_LINE = 400  # characters of a line that people read


class Exit(IntEnum):
    """Exit codes of the program."""

    DONE = 0
    NOT_CONVERGED = 1  # only with --require-convergence
    USAGE = 2  # command line or experiment file
    DATA = 3  # data, or a fit's JSON, unreadable or invalid
    NO_FIT = 4  # every start degenerated
    OUTPUT = 5  # output cannot be written
    BUG = 70


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and its place: physical 1-based line; column is the field number in a CSV."""

    what: str
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = "".join(f"{part}:" for part in (self.file and escaped(self.file, 200), self.line, self.column) if part)
        return f"{place} {self.what}" if place else self.what


class EmcliError(Exception):
    """Problems that end the program with one exit code; at most one hint. Shown one line each, never as a traceback."""

    def __init__(self, exit_code: Exit, *problems: Problem | str, hint: str | None = None, unsaid: int = 0):
        self.exit_code = exit_code
        self.problems = tuple(Problem(problem) if isinstance(problem, str) else problem for problem in problems)
        self.hint = hint
        self.unsaid = unsaid  # how many more problems of the same kind were found than are listed
        super().__init__("; ".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[partial[EmcliError], tuple[Exit | Problem, ...]]:
        """Pickle all fields: a worker's error is raised again in this process."""
        return partial(type(self), hint=self.hint, unsaid=self.unsaid), (self.exit_code, *self.problems)

    def lines(self) -> list[str]:
        """The lines for standard error, without newlines."""
        said = [f"emcli: error: {problem}" for problem in self.problems]
        if self.unsaid:
            said.append(f"emcli: error: and {self.unsaid} more")
        if self.hint:
            said.append(f"  hint: {self.hint}")
        return said


@dataclass(frozen=True)
class FitWarning:
    """A warning: its slug stands in the result document, its sentence is also said on standard error."""

    slug: str
    message: str


def escaped(text: str, limit: int = 40) -> str:
    """Foreign text made safe to show: control, bidirectional and undecodable characters escaped, cut to `limit`."""
    shown = [
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text[: limit + 1]
    ]
    size = sum(map(len, shown))
    if size <= limit:
        return "".join(shown)
    while size >= limit:  # an escape is left out whole
        size -= len(shown.pop())
    return "".join(shown) + "…"


def quoted(text: object, limit: int = 40) -> str:
    """Foreign text in single quotes, escaped and cut, for messages."""
    return f"'{escaped(str(text), limit)}'"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number of things in words: '1 row', '2 rows'."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names with commas between them; of very many the first and the last."""
    if len(names) > most:
        names = [*names[: most // 2], "…", names[-1]]
    return ", ".join(escaped(name) for name in names)


def with_others(parts: Sequence[str], most: int = 3) -> str:
    """Parts with commas between them; of many the first and the number of others."""
    others = f" and {counted(len(parts) - most, 'other')}" if len(parts) > most else ""
    return ", ".join(parts[:most]) + others


def to_install(package: str, extra: str | None = None) -> str:
    """What to type to install a Python package beside this program, and the extra of emcli that has it."""
    from importlib.util import find_spec

    python = quote(sys.executable or "python3")
    command = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"{command} {quote(package)}" + (f" (emcli's extra {quoted(extra)})" if extra else "")


def suggestion(word: str, choices: Iterable[str]) -> str:
    """' (did you mean 'x'?)' when one of the choices is close to the word, or alone begins with it, else nothing."""
    from difflib import get_close_matches

    known = list(choices)
    close = [each for each in known if each.casefold() == word.casefold()]
    begun = [each for each in known if word and each.startswith(word)]
    close = close or (begun if len(begun) == 1 else get_close_matches(word, known, n=1, cutoff=0.6))
    return f" (did you mean {quoted(close[0])}?)" if close else ""
