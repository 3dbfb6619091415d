"""Settings as they are given, by flags or by the `fit:` of an experiment, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from emcli.config.checks import Parser, check_values
from emcli.config.covariances import ALL
from emcli.config.places import Document, Path, dotted, refuse
from emcli.config.settings import CHECKS, CHOICES, DOCUMENT_KEYS, flag
from emcli.errors import Problem, quoted, suggestion
from emcli.frozen import frozen

Values = dict[str, list[object]]  # key -> the values of a setting; several in a grid

RANGE = "([0-9]{1,9})-([0-9]{1,9})"
AUTO = "auto"  # one number of components after another, as many as it takes …
MOST_COMPONENTS = 20  # … up to this
EVERY = "all"  # shape of covariances that there is
WORDS = {"k": AUTO, "covariance": EVERY}  # that stand for a whole grid


def components(value: object) -> list[object]:
    """The numbers of components that one entry of a grid stands for: 3, or 1-6, or auto."""
    if value == AUTO:
        return list(range(1, MOST_COMPONENTS + 1))
    ends = re.fullmatch(RANGE, value) if isinstance(value, str) else None
    if ends is None:
        return [CHECKS["k"](value)]
    low, high = int(ends[1]), int(ends[2])
    CHECKS["k"](low), CHECKS["k"](high)
    if low > high:
        raise ValueError("must go from the smaller number to the larger")
    return list(range(low, high + 1))


def shapes(value: object) -> list[object]:
    """The shapes of covariances that one entry of a grid stands for: one, or all that mclust knows."""
    return list(ALL) if value == EVERY else [CHECKS["covariance"](value)]


GRID: dict[str, Parser[object]] = {
    "k": components,
    "covariance": shapes,
    **{key: CHECKS[key] for key in ("mixing", "prior", "noise", "init")},
}


def is_list(key: str, text: str) -> bool:
    """Does a text stand for several values of a setting: 1,3 or 1-6 or auto or all?"""
    many = text == WORDS.get(key) or (key == "k" and re.fullmatch(RANGE, text) is not None)
    return key in GRID and ("," in text or many)


@frozen
class Source:
    """Settings as they are given, by flags or, where there is a document, by the `fit:` of an experiment."""

    given: Mapping[str, object]
    document: Document | None = None

    def name(self, key: str) -> str:
        """What this source calls a setting."""
        if self.document:
            return key
        return flag(key).replace("--", "--no-", 1) if self.given.get(key) is False else flag(key)

    def origin(self, key: str) -> str:
        """Where a setting is given: `-k` or `fit.yaml:2`."""
        return f"{self.document.file}:{self.document.place(('fit', key))[0]}" if self.document else self.name(key)

    def shown(self, key: str) -> str:
        """A setting as it was typed."""
        return self.document.excerpt(("fit", key)) if self.document else str(self.given[key])

    def is_grid(self, key: str) -> bool:
        """Is it a list in YAML, or text such as 1,3 or 1-6?"""
        value = self.given[key]
        if isinstance(value, str):
            return is_list(key, value) or (key == "k" and not self.document)
        return key in GRID and isinstance(value, list)

    @property
    def is_auto(self) -> bool:
        """Is the number of components to be chosen?"""
        return self.given.get("k") in (AUTO, [AUTO])

    @property
    def is_all(self) -> bool:
        """Are all shapes of covariances asked for?"""
        return EVERY in [entry for path, entry in self.entries().items() if path[0] == "covariance"]

    def entries(self) -> dict[Path, object]:
        """Each value that is given, by its path; those of a grid one by one."""
        found: dict[Path, object] = {}
        for key, value in self.given.items():
            if not self.is_grid(key):
                found[(key,)] = whole(value) if key == "restarts" and not self.document else value
            elif isinstance(value, list):
                found |= {(key, number): entry for number, entry in enumerate(value)}
            else:
                parts = [part.strip() for part in str(value).split(",")]
                found |= {(key, number): whole(part) if key == "k" else part for number, part in enumerate(parts)}
        return found

    def words(self, key: str) -> tuple[str, ...]:
        """The words that a setting may be, of a grid too."""
        return (*CHOICES.get(key, ()), *([WORDS[key]] if key in WORDS else []))

    def problem(self, key: str, what: str) -> Problem:
        """Something wrong with a setting, at its place in the file."""
        return self.document.problem(("fit", key), what) if self.document else Problem(what)

    def wrong(self, path: Path, entry: object, must: str) -> Problem:
        """The problem that a value is not what it must be."""
        key = str(path[0])
        place = ("fit", *path) if isinstance(self.given[key], list) else ("fit", key)
        shown = self.document.excerpt(place) if self.document and place[1:] == path else str(entry)
        got = f"{';' if key in CHOICES else ','} got {quoted(shown)}{suggestion(shown, self.words(key))}"
        if self.document:
            return self.document.problem(place, f"{dotted(place)}: {must}{got}")
        return Problem(f"{quoted(flag(key))} {must}{got}")


def whole(text: object) -> object:
    """A whole number where a text is one, else the value as it is."""
    return int(text) if isinstance(text, str) and re.fullmatch("[0-9]{1,9}", text) else text


def check(source: Source) -> tuple[Values, list[Problem]]:
    """The values of each setting that a source gives, and all that is wrong with it."""
    entries = source.entries()
    good, wrong = check_values(entries, CHECKS | GRID)
    problems = [source.wrong(path, entries.get(path), must) for path, must in wrong.items()]
    values: Values = {key: [] for key in source.given}
    for path, value in good.items():
        values[str(path[0])] += value if isinstance(value, list) else [value]
    for key in source.given:
        entered = [entry for path, entry in entries.items() if path[0] == key]
        if key in WORDS and WORDS[key] in entered and len(entered) > 1:
            what = f"{quoted(source.name(key))} is either {WORDS[key]} or a list, not both"
            problems.append(source.problem(key, what))
        elif source.is_grid(key) and (source.given[key] == [] or len(set(values[key])) < len(values[key])):
            problems.append(
                source.problem(key, f"{quoted(source.name(key))} must list at least one value, and each once")
            )
        if source.document and isinstance(source.given[key], dict):
            problems += source.document.not_numbers(("fit", key), or_null=key == "fix")
    return values, problems


def fit_problems(document: Document) -> list[Problem]:
    """What is wrong in the `fit:` of an experiment whatever the model: unknown keys, types and ranges."""
    given = document.section("fit")
    known = {"components": "k"}  # the flag's name for it
    problems = [
        document.problem(("fit", key), f"unknown key {quoted(key)}{suggestion(known.get(key, key), DOCUMENT_KEYS)}")
        for key in given
        if key not in DOCUMENT_KEYS
    ]
    return problems + check(source_in(document))[1]


def source_in(document: Document) -> Source:
    """The settings that an experiment gives."""
    given = document.section("fit")
    return Source({key: value for key, value in given.items() if key in DOCUMENT_KEYS}, document)


def check_flags(flags: Mapping[str, object], checks: Mapping[str, Parser[object]]) -> dict[str, object]:
    """The values of flags, where there is no experiment. EmcliError (exit 2) lists all that is wrong."""
    good, wrong = check_values({(key,): value for key, value in flags.items() if value is not None}, checks)
    if wrong:
        refuse(
            [
                Problem(f"{quoted(flag(str(key)))} {must}, got {quoted(flags[str(key)])}")
                for (key,), must in wrong.items()
            ]
        )
    return {str(key): value for (key,), value in good.items()}
