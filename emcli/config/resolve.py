"""From flags, an experiment's `fit:` and defaults to the settings of one fit, or of a grid of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import product
from os import path as paths
from typing import TYPE_CHECKING

from emcli.config.checks import Parser, check_values
from emcli.config.places import Document, Path, dotted, refuse
from emcli.config.settings import CHECKS, CHOICES, DOCUMENT_KEYS, OPTIONAL, DataSettings, Provenance, Settings, flag
from emcli.errors import Problem, quoted, suggestion

if TYPE_CHECKING:
    from emcli.types import JSON

Values = dict[str, list[object]]  # key -> the values of a setting; several in a grid
ReadStart = Callable[[str], "Mapping[str, JSON]"]  # the parameters in a file

EXCLUDES = (("flips", "heads"), ("flips", "tosses"), ("flips", "tails"), ("tails", "tosses"))
WHY_NOT = {"bootstrap": ": it draws from a fitted likelihood, which hard assignments do not have"}
RANGE = re.compile("([0-9]{1,9})-([0-9]{1,9})")


def components(value: object) -> list[object]:
    """The numbers of components that one entry of a grid stands for: 3, or 1-6."""
    ends = RANGE.fullmatch(value) if isinstance(value, str) else None
    if ends is None:
        return [CHECKS["k"](value)]
    low, high = int(ends[1]), int(ends[2])
    CHECKS["k"](low), CHECKS["k"](high)
    if low > high:
        raise ValueError("must go from the smaller number to the larger")
    return list(range(low, high + 1))


GRID: dict[str, Parser[object]] = {"k": components, **{key: CHECKS[key] for key in ("covariance", "mixing", "init")}}


@dataclass(frozen=True)
class Source:
    """Settings as they are given, by flags or, where there is a document, by the `fit:` of an experiment."""

    given: Mapping[str, object]
    document: Document | None = None

    def name(self, key: str) -> str:
        """What this source calls a setting."""
        return key if self.document else flag(key)

    def origin(self, key: str) -> str:
        """Where a setting is given: `-k` or `fit.yaml:2`."""
        return f"{self.document.file}:{self.document.place(('fit', key))[0]}" if self.document else flag(key)

    def shown(self, key: str) -> str:
        """A setting as it was typed."""
        return self.document.excerpt(("fit", key)) if self.document else str(self.given[key])

    def is_grid(self, key: str) -> bool:
        """Is it a list in YAML, or text such as 1,3 or 1-6?"""
        value = self.given[key]
        numbers = key == "k" and isinstance(value, str) and (not self.document or RANGE.fullmatch(value))
        return key in GRID and (isinstance(value, list) or bool(numbers) or (isinstance(value, str) and "," in value))

    def entries(self) -> dict[Path, object]:
        """Each value that is given, by its path; those of a grid one by one."""
        found: dict[Path, object] = {}
        for key, value in self.given.items():
            if not self.is_grid(key):
                found[(key,)] = value
            elif isinstance(value, list):
                found |= {(key, number): entry for number, entry in enumerate(value)}
            else:
                parts = [part.strip() for part in str(value).split(",")]
                found |= {(key, number): whole(part) if key == "k" else part for number, part in enumerate(parts)}
        return found

    def problem(self, key: str, what: str) -> Problem:
        """Something wrong with a setting, at its place in the file."""
        return self.document.problem(("fit", key), what) if self.document else Problem(what)

    def wrong(self, path: Path, entry: object, must: str) -> Problem:
        """A value is not what it must be."""
        key = str(path[0])
        place = ("fit", *path) if isinstance(self.given[key], list) else ("fit", key)
        shown = self.document.excerpt(place) if self.document and place[1:] == path else str(entry)
        got = f"{';' if key in CHOICES else ','} got {quoted(shown)}{suggestion(shown, CHOICES.get(key, ()))}"
        if self.document:
            return self.document.problem(place, f"{dotted(place)}: {must}{got}")
        return Problem(f"{quoted(flag(key))} {must}{got}")


def whole(text: str) -> int | str:
    """A whole number where a text is one, else the text."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else text


def check(source: Source) -> tuple[Values, list[Problem]]:
    """The values of each setting that a source gives, and all that is wrong with it."""
    entries = source.entries()
    good, wrong = check_values(entries, CHECKS | GRID)
    problems = [source.wrong(path, entries[path], must) for path, must in wrong.items()]
    values: Values = {key: [] for key in source.given}
    for path, value in good.items():
        values[str(path[0])] += value if isinstance(value, list) else [value]
    for key in source.given:
        if source.is_grid(key) and (source.given[key] == [] or len(set(values[key])) < len(values[key])):
            problems.append(
                source.problem(key, f"{quoted(source.name(key))} must list at least one value, and each once")
            )
        if source.document and isinstance(source.given[key], dict):
            problems += source.document.not_numbers(("fit", key))
    return values, problems


def fit_problems(document: Document) -> list[Problem]:
    """What is wrong in the `fit:` of an experiment whatever the model: unknown keys, types and ranges."""
    given = document.value.get("fit") or {}
    known = {"components": "k"}  # the flag's name for it
    problems = [
        document.problem(("fit", key), f"unknown key {quoted(key)}{suggestion(known.get(key, key), DOCUMENT_KEYS)}")
        for key in given
        if key not in DOCUMENT_KEYS
    ]
    return problems + check(_source(document))[1]


def available(options: Mapping[str, object]) -> set[str]:
    """Keys of the settings that a model with these options has; one that names each of its columns has no `columns`."""
    named = any(each.name in options for each in fields(DataSettings))
    return {key for key in CHECKS if key not in OPTIONAL or key in options} - ({"columns"} if named else set())


def resolve(
    model: str,
    options: Mapping[str, object],
    flags: Mapping[str, object],
    document: Document | None = None,
    *,
    read_start: ReadStart,
) -> Settings:
    """Settings from flags, an experiment's `fit:`, a model's own options with their defaults, and defaults for all.

    A flag beats the experiment, which beats the model's default. EmcliError (exit 2) lists all that is wrong.
    """
    return _resolve(model, options, flags, document, read_start, grid=False)[0]


def resolve_grid(
    model: str,
    options: Mapping[str, object],
    flags: Mapping[str, object],
    document: Document | None = None,
    *,
    read_start: ReadStart,
) -> list[Settings]:
    """The same, where some settings may have several values: the cross product, k fastest."""
    return _resolve(model, options, flags, document, read_start, grid=True)


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


def _source(document: Document) -> Source:
    given = document.value.get("fit") or {}
    return Source({key: value for key, value in given.items() if key in DOCUMENT_KEYS}, document)


def _resolve(
    model: str,
    options: Mapping[str, object],
    flags: Mapping[str, object],
    document: Document | None,
    read_start: ReadStart,
    grid: bool,
) -> list[Settings]:
    sources = [Source(flags), *([_source(document)] if document else [])]
    has, problems, overridden = available(options), [], []
    values: Values = {key: [value] for key, value in options.items()}
    origins: dict[str, Source] = {}
    for source in reversed(sources):  # what comes later wins
        found, wrong = check(source)
        problems += wrong
        for key in found:
            if key not in has:
                what = f"{model} has no option {quoted(source.name(key))}{WHY_NOT.get(key, '')}"
                problems.append(source.problem(key, what))
            elif key in origins and found[key] != values[key]:
                before = origins[key]
                says = f"{source.origin(key)} ({before.origin(key)} says {before.shown(key)})"
                overridden.append(f"{key}={source.shown(key)} from {says}")
        values |= found
        origins |= dict.fromkeys(found, source)
    problems += _conflicts(values, origins, grid)
    if problems:
        refuse(problems)
    start_source, start = _start(origins.get("start"), read_start)
    if start is not None:
        values |= {"start": [start], "restarts": values["restarts"] if "restarts" in origins else [1]}
    provenance = Provenance(start_source, {key: each.origin(key) for key, each in origins.items()}, tuple(overridden))
    keys = sorted(values, key=lambda key: (key == "k", list(CHECKS).index(key)))  # the last one varies fastest
    return [
        Settings.of(dict(zip(keys, each, strict=True)), provenance) for each in product(*(values[key] for key in keys))
    ]


def _conflicts(values: Values, origins: Mapping[str, Source], grid: bool) -> list[Problem]:
    """Settings that are missing, or that do not go together."""
    problems = [] if "k" in values else [Problem("missing '-k': how many components?")]
    for one, other in EXCLUDES:
        if one in origins and other in origins:
            names = f"{quoted(origins[one].name(one))} and {quoted(origins[other].name(other))}"
            problems.append(origins[one].problem(one, f"{names} exclude each other"))
    for key, source in origins.items():
        if not grid and source.is_grid(key):
            problems.append(source.problem(key, f"fit takes one value of {source.name(key)}; compare takes a grid"))
    return problems


def _start(source: Source | None, read_start: ReadStart) -> tuple[str | None, Mapping[str, JSON] | None]:
    """Where start values come from, and they themselves; a file that an experiment names is relative to it."""
    if source is None:
        return None, None
    given, document = source.given["start"], source.document
    if isinstance(given, str):
        path = paths.join(paths.dirname(document.file), given) if document else given
        return path, read_start(path)
    assert document is not None and isinstance(given, dict)
    return document.file, dict(given)
