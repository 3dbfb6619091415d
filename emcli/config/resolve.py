"""From flags, an experiment's `fit:` and defaults to the settings of one fit, or of a grid of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from os import path as paths
from typing import Any

from emcli.config.options import BY_KEY, EXCLUDES, OPTIONS, Option
from emcli.config.places import Document, Path, dotted, refuse
from emcli.config.scalars import scalar
from emcli.config.settings import Provenance, Settings
from emcli.errors import Problem, escaped, quoted, suggestion

RANGE = re.compile("([0-9]{1,9})-([0-9]{1,9})")


@dataclass(frozen=True)
class Asked:
    """What the command line (as text), or the `fit:` of an experiment, asks of one option."""

    option: Option
    raw: Any
    document: Document | None = None

    @property
    def path(self) -> Path:
        return ("fit", self.option.key)

    @property
    def name(self) -> str:
        return self.option.key if self.document else self.option.name

    @property
    def origin(self) -> str:
        return f"{self.document.file}:{self.document.place(self.path)[0]}" if self.document else self.name

    @property
    def shown(self) -> str:
        return self.document.excerpt(self.path) if self.document else str(self.raw)

    @property
    def listed(self) -> bool:
        """Is it a list in YAML, or text such as 1,3 or 1-6?"""
        text = isinstance(self.raw, str) and ("," in self.raw or RANGE.fullmatch(self.raw))
        return self.option.listable and (bool(text) or isinstance(self.raw, list))

    def fault(self, what: str) -> Problem:
        return self.document.problem(self.path, what) if self.document else Problem(what)

    def items(self) -> list[tuple[Path, str, Any]]:
        """Each of the values: its path, what was typed, what that means."""
        meaning = scalar if self.option.typed else str
        if self.document and self.listed and isinstance(self.raw, list):
            inner = [(*self.path, number) for number in range(len(self.raw))]
            return [(path, self.document.excerpt(path), self.document.get(path)) for path in inner]
        if self.listed:
            return [(self.path, part, meaning(part.strip())) for part in self.raw.split(",")]
        return [(self.path, self.shown, self.raw if self.document else meaning(self.raw))]

    def values(self, faults: list[Problem]) -> list[Any]:
        """What is asked for, in order; what is wrong with it joins the faults."""
        values: list[Any] = []
        choices = self.option.choices
        for path, shown, value in self.items():
            try:
                values += _parsed(self.option, value)
            except ValueError as error:
                got = f"{';' if choices else ','} got {quoted(shown)}{suggestion(shown, choices)}"
                faults.append(
                    self.document.problem(path, f"{dotted(path)}: {error}{got}")
                    if self.document
                    else Problem(f"{quoted(self.name)} {error}{got}")
                )
        if self.document and isinstance(self.raw, dict):
            faults += self.document.not_numbers(self.path)
        if self.raw == [] or (self.listed and len(set(values)) < len(values)):
            faults.append(self.fault(f"{quoted(self.name)} must list at least one value, and each once"))
        return values


def _parsed(option: Option, value: Any) -> list[Any]:
    """One value, or the several of a range."""
    ends = RANGE.fullmatch(value) if option.listable and isinstance(value, str) else None
    if not ends:
        return [option.parse(value)]
    low, high = (option.parse(int(end)) for end in ends.groups())
    if low > high:
        raise ValueError("must go from the smaller number to the larger")
    return list(range(low, high + 1))


def available(family_options: Mapping[str, object]) -> set[str]:
    """Keys of the options that a model family has; one that names its columns one by one has no `columns`."""
    own = [BY_KEY[key] for key in family_options]
    less = {"columns"} if any(option.group == "data" for option in own) else set()
    return {option.key for option in OPTIONS if option.common or option in own} - less


def config_faults(document: Document) -> list[Problem]:
    """What is wrong in the `fit:` of an experiment whatever the model: unknown keys, types and ranges."""
    known = {option.key: option for option in OPTIONS if option.in_yaml}
    called = {option.flag.removeprefix("--"): option.key for option in known.values()}  # components is k
    faults: list[Problem] = []
    for key, raw in (document.value.get("fit") or {}).items():
        if key in known:
            Asked(known[key], raw, document).values(faults)
        else:
            close = suggestion(called.get(key, key), known)
            faults.append(document.problem(("fit", key), f"unknown key {quoted(key)}{close}"))
    return faults


def resolve(
    family: str,
    family_options: Mapping[str, object],
    flags: Mapping[str, Sequence[str]],
    document: Document | None = None,
    *,
    read_start: Callable[[str], Mapping[str, Any]],
    grid: bool = False,
) -> list[Settings]:
    """Settings from flags (key -> the texts given; header: 'true' or 'false'), an experiment's `fit:` and defaults.

    A flag beats the experiment, which beats the family's default, which beats the option's. One Settings, or with
    `grid` the cross product, k fastest. EmcliError (exit 2) lists all that is wrong.
    """
    faults: list[Problem] = []
    chosen: dict[str, Asked] = {}
    values: dict[str, list[Any]] = {}
    overridden = []
    has = available(family_options)
    for option in OPTIONS:
        asked = _asked(option, flags.get(option.key, ()), document, faults)
        if option.key not in has:
            why = f": {option.absence}" if option.absence else ""
            faults += [each.fault(f"{family} has no option {quoted(each.name)}{why}") for each in asked]
            continue
        read = [each.values(faults) for each in asked]
        values[option.key] = read[0] if read else [family_options.get(option.key, option.default)]
        if asked:
            chosen[option.key] = asked[0]
        if len(read) > 1 and read[0] != read[1]:
            flag, entry = asked
            overridden.append(f"{option.key}={flag.shown} from {flag.origin} ({entry.origin} says {entry.shown})")
    faults += _conflicts(chosen, values, grid)
    if faults:
        refuse(faults)
    source, parameters = _start(chosen.get("start"), read_start)
    if parameters is not None and "restarts" not in chosen:
        values["restarts"] = [1]
    origins = {key: each.origin for key, each in chosen.items()}
    provenance = Provenance(source, origins, tuple(overridden))
    keys = sorted(values, key=lambda key: key == "k")  # the last one varies fastest
    return [
        Settings.of({**dict(zip(keys, each, strict=True)), "start": parameters}, provenance)
        for each in product(*(values[key] for key in keys))
    ]


def reading(flags: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """How to read a CSV, from flags alone: delimiter, header, comment and missing."""
    faults: list[Problem] = []
    chosen: dict[str, Any] = {}
    for key in ("delimiter", "header", "comment", "missing"):
        asked = _asked(BY_KEY[key], flags.get(key, ()), None, faults)
        chosen[key] = asked[0].values(faults)[:1] if asked else [BY_KEY[key].default]
    if faults:
        refuse(faults)
    return {key: values[0] for key, values in chosen.items()}


def _asked(option: Option, texts: Sequence[str], document: Document | None, faults: list[Problem]) -> list[Asked]:
    """What the command line asks of an option, then what the experiment does."""
    if len(texts) > 1:
        faults.append(Problem(f"{quoted(option.name)} given twice ({', '.join(map(escaped, texts))})"))
    asked = [Asked(option, text) for text in texts[:1]]
    config = (document.value.get("fit") or {}) if document else {}
    if option.in_yaml and option.key in config:
        asked.append(Asked(option, config[option.key], document))
    return asked


def _conflicts(chosen: Mapping[str, Asked], values: Mapping[str, list[Any]], grid: bool) -> list[Problem]:
    faults = [] if values["k"] != [None] else [Problem("missing '-k': how many components?")]
    for one, other in EXCLUDES:
        if one in chosen and other in chosen:
            faults.append(
                chosen[one].fault(f"{quoted(chosen[one].name)} and {quoted(chosen[other].name)} exclude each other")
            )
    if not grid:
        listed = [asked for asked in chosen.values() if asked.listed]
        faults += [each.fault(f"fit takes one value of {each.name}; compare takes a grid") for each in listed]
    return faults


def _start(
    asked: Asked | None, read_start: Callable[[str], Mapping[str, Any]]
) -> tuple[str | None, Mapping[str, Any] | None]:
    """Where start values come from, and they themselves; a file that an experiment names is relative to it."""
    if asked is None:
        return None, None
    if isinstance(asked.raw, str):
        source = asked.raw if asked.document is None else paths.join(paths.dirname(asked.document.file), asked.raw)
        return source, read_start(source)
    assert asked.document is not None
    return asked.document.file, dict(asked.raw)
