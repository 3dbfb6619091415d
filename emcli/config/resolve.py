"""The settings of one fit, or of a grid of fits, from flags, an experiment's `fit:` and defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import TYPE_CHECKING, cast

from emcli.config.checks import Check
from emcli.config.covariances import CLASSIC, PRIOR_TOO, letters
from emcli.config.places import Document, beside, named_in, refuse
from emcli.config.settings import CHECKS, OPTIONAL, DataSettings, Narrowed, Provenance, Settings
from emcli.config.sources import Source, Values, check, source_in
from emcli.errors import Problem, quoted, suggestion

if TYPE_CHECKING:
    from emcli.types import JSON

ReadStart = Callable[[str], "Mapping[str, JSON]"]  # the parameters in a file

EXCLUDES = (
    ("flips", "heads"),
    ("flips", "tosses"),
    ("flips", "tails"),
    ("tails", "tosses"),
)
# Options that not all shapes of covariances have: the value of each that is meant, any for None, the shapes beside the
# classic ones that have it, and what the others lack.
OF_SOME_SHAPES: tuple[tuple[str, str | None, Sequence[str], str], ...] = (
    ("prior", "default", PRIOR_TOO, "no prior"),
    ("solver", "newton", (), "no Newton steps"),
    ("fix", None, (), "no held parameters"),
)
WHY_NOT = {"bootstrap": ": it draws from a fitted likelihood, which hard assignments do not have"}


def available(options: Mapping[str, object]) -> set[str]:
    """Keys of the settings that a model with these options has; one that names its columns leaves none to choose."""
    named = any(each.name in options for each in fields(DataSettings) if each.name in OPTIONAL)
    return {key for key in CHECKS if key not in OPTIONAL or key in options} - (
        {"columns", "exclude"} if named else set()
    )


def resolve(
    model: str,
    options: Mapping[str, object],
    flags: Mapping[str, object],
    document: Document | None = None,
    *,
    read_start: ReadStart,
) -> Settings:
    """Settings of a fit from flags, an experiment's `fit:`, a model's own options with their defaults, and others.

    A flag beats the experiment, which beats the model's default. EmcliError (exit 2) lists all that is wrong.
    """
    return resolve_grid(model, options, flags, document, read_start=read_start, is_grid=False)[0]


def resolve_grid(
    model: str,
    options: Mapping[str, object],
    flags: Mapping[str, object],
    document: Document | None = None,
    *,
    read_start: ReadStart,
    is_grid: bool = True,
) -> list[Settings]:
    """Settings of every fit of a grid, where some have several values: their cross product, k fastest.

    Unless it `is_grid`, several values are one of the problems in EmcliError (exit 2).
    """
    sources = [Source(flags), *([source_in(document)] if document else [])]
    has, problems, overridden = available(options), [], []
    narrowed = {key: value.check for key, value in options.items() if isinstance(value, Narrowed)}
    values: Values = {key: [None if key in narrowed else value] for key, value in options.items()}
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
            if key in narrowed:
                problems += _not_of(model, narrowed[key], source, key, found[key])
        values |= found
        origins |= dict.fromkeys(found, source)
    problems += _conflicts(values, origins, is_grid)
    if "use" in values.get("missing", ()) and "missing" not in options:
        what = f"{model} cannot use rows with missing cells; --missing drop leaves them out"
        problems.append(origins["missing"].problem("missing", what))
    if problems:
        alone = len(problems) == 1 and "k" not in values
        refuse(problems, _how_many(is_grid) if alone else _other_shapes(values, origins) if is_grid else None)
    start_source, start = _start(origins.get("start"), read_start)
    if start is not None:
        values |= {"start": [start], "restarts": values["restarts"] if "restarts" in origins else [1]}
    if "fix" in origins:
        values["fix"] = [_fixed(values, origins["fix"], start)]
    provenance = Provenance(start_source, tuple(overridden), "k" in origins and origins["k"].is_auto, _is_all(origins))
    keys = sorted(values, key=lambda key: (key == "k", list(CHECKS).index(key)))  # the last one varies fastest
    cells = [dict(zip(keys, each, strict=True)) for each in product(*(values[key] for key in keys))]
    if provenance.all_shapes:
        lacking = [(_lacks(cell), str(cell["covariance"])) for cell in cells]
        cells = [cell for cell, (what, _) in zip(cells, lacking, strict=True) if what is None]
        left_out = {
            what: dict.fromkeys(shape for each, shape in lacking if each == what) for what, _ in lacking if what
        }
        said = (f"{what} for covariance {', '.join(shapes)}: left out" for what, shapes in left_out.items())
        provenance = replace(provenance, left_out=tuple(said))
    return [Settings.of(cell, provenance) for cell in cells]


def _is_all(origins: Mapping[str, Source]) -> bool:
    """Are all shapes of covariances asked for, whichever there are?"""
    return "covariance" in origins and origins["covariance"].is_all


def _lacks(cell: Mapping[str, object]) -> str | None:
    """What the shape of the covariances lacks of what is asked for; None for nothing."""
    for key, value, more, what in OF_SOME_SHAPES:
        asked = cell.get(key)
        if asked is not None and value in (None, asked) and letters(str(cell["covariance"])) not in (*CLASSIC, *more):
            return what
    return None


def _not_of(
    model: str, check: Check[str] | Check[float], source: Source, key: str, values: Sequence[object]
) -> list[Problem]:
    """Values of an option that this model does not take; None, which turns it off, is taken by all."""
    if key == "fix":
        values = [name for value in values for name in _names(value)]
    wrong = [str(value) for value in values if value is not None and not check.holds(value)]
    got = f"{quoted(source.name(key))} of {model} must be {check.be}, got "
    words = [word for word in cast("list[JSON]", check.schema.get("enum", [])) if isinstance(word, str)]
    return [source.problem(key, f"{got}{quoted(value)}{suggestion(value, words)}") for value in wrong]


def _conflicts(values: Values, origins: Mapping[str, Source], is_grid: bool) -> list[Problem]:
    """Settings that are missing, or that do not go together."""
    problems = [] if "k" in values else [Problem("missing '-k': how many components?")]
    for one, other in EXCLUDES:
        if one in origins and other in origins:
            names = f"{quoted(origins[one].name(one))} and {quoted(origins[other].name(other))}"
            problems.append(origins[one].problem(one, f"{names} exclude each other"))
    for key, value, more, _ in OF_SOME_SHAPES:
        lacking = [] if _is_all(origins) else _lacking(values, more)
        if lacking and key in origins and (value is None or value in values[key]):
            name = quoted(f"{origins[key].name(key)} {value or ''}".strip())
            goes = ", ".join(("full, tied, diag, spherical", *more))
            what = f"{name} is for covariance {goes}, not {', '.join(lacking)}"
            problems.append(origins[key].problem(key, what))
    for key, value in (("known", ""), ("scheduler", ""), ("missing", "use"), ("solver", "newton")):
        if True in values.get("noise", ()) and key in origins and (not value or value in values[key]):
            name = quoted(f"{origins[key].name(key)} {value}".strip())
            what = f"{quoted(origins['noise'].name('noise'))} and {name} exclude each other"
            problems.append(origins[key].problem(key, what))
    if len(values.get("thousands", ())) == 1 and values["thousands"] == values.get("decimal"):
        source = origins["thousands"]
        names = f"{quoted(origins['decimal'].name('decimal'))} and {quoted(source.name('thousands'))}"
        problems.append(source.problem("thousands", f"{names} must differ"))
    if "bootstrap" in origins and 0 in values.get("max_iter", ()):
        source = origins["bootstrap"]
        none = f"{origins['max_iter'].name('max_iter')} 0 makes none"
        problems.append(source.problem("bootstrap", f"{quoted(source.name('bootstrap'))} draws from a fit, and {none}"))
    for key, source in origins.items():
        if not is_grid and source.is_grid(key):
            problems.append(source.problem(key, f"fit takes one value of {source.name(key)}; compare takes a grid"))
    return problems


def _lacking(values: Values, more: Sequence[str]) -> list[str]:
    """The shapes of covariances asked for that are neither classic ones nor among some more."""
    return [str(shape) for shape in values.get("covariance", ()) if letters(str(shape)) not in (*CLASSIC, *more)]


def _how_many(is_grid: bool) -> str:
    """What to ask for where no number of components is given."""
    if is_grid:
        return "-k 1-6 compares six, -k auto as many as it takes"
    return "if you do not know, emcli compare … -k 1-6 tries several"


def _other_shapes(values: Values, origins: Mapping[str, Source]) -> str | None:
    """What to ask for where a grid names shapes of covariances that lack something; None where none does."""
    options = [more for key, value, more, _ in OF_SOME_SHAPES if key in origins and value in (None, *values[key])]
    lacking = {shape for more in options for shape in _lacking(values, more)}
    if not lacking or _is_all(origins):
        return None
    name, rest = origins["covariance"].name("covariance"), [str(each) for each in values["covariance"]]
    would = ",".join(each for each in rest if each not in lacking)
    return f"{f'{name} {would} would do; ' if would else ''}{name} all leaves out the shapes that lack it"


def _fixed(values: Values, source: Source, start: Mapping[str, JSON] | None) -> Mapping[str, JSON]:
    """The values at which parameters are held; named ones at their start values. Raises EmcliError (exit 2)."""
    given = source.given["fix"]
    if isinstance(given, dict):
        return dict(given)
    names = _names(given)
    name = quoted(source.name("fix"))
    if start is None:
        hint = "--start FILE gives them, or 'start:' in an experiment, where 'fix:' may also give values itself"
        refuse([source.problem("fix", f"{name} holds parameters at their start values, and none are given")], hint)
    shares: JSON = [1.0 / cast(int, k) for k in values["k"][:1] for _ in range(cast(int, k))]
    known = {"weights": shares, **start}
    held = {each: known.get(each) for each in names}
    for each in (each for each, value in held.items() if value is None):
        refuse([source.problem("fix", f"{name}: no start values {quoted(each)}{suggestion(each, [*known])}")])
    return held


def _names(given: object) -> list[str]:
    """The names in a value of `fix`; none where it is a mapping of them to values."""
    if isinstance(given, dict):
        return []
    names = given.split(",") if isinstance(given, str) else [str(name) for name in cast(list[object], given)]
    return [name.strip() for name in names]


def _start(source: Source | None, read_start: ReadStart) -> tuple[str | None, Mapping[str, JSON] | None]:
    """The source of the start values, and the values; the path of a file in an experiment is relative to that."""
    if source is None:
        return None, None
    given, document = source.given["start"], source.document
    if isinstance(given, str):
        if document is None:
            return given, read_start(given)
        path = beside(document.file, given)
        with named_in(document, ("fit", "start")):
            return path, read_start(path)
    assert document is not None and isinstance(given, dict)
    return document.file, dict(given)
