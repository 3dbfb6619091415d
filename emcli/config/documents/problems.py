"""What is wrong in a document, held against its type: every fault with its path, in time linear in the document."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, NamedTuple, Union, cast, get_args, get_origin, is_typeddict

from emcli.config.checks import Check, Parser, mapping, sequence
from emcli.config.documents.types import Known, keys, numbers
from emcli.config.places import Path, dotted, non_numbers, shown
from emcli.errors import quoted
from emcli.types import JSON


class Fault(NamedTuple):
    """Something wrong in a document; its sentence is written only where it is shown."""

    path: Path
    must: str | None  # what the value must be; None: there is none
    value: object = None

    def __str__(self) -> str:
        if self.must is None:
            return f"not an emcli result: missing {quoted(dotted(self.path))}"
        return f"{dotted(self.path)}: {self.must}, got {quoted(shown(self.value))}"


def problems(kind: object, value: JSON, path: Path = ()) -> Iterator[Fault]:
    """What is wrong in a value of one of the types above, each fault with its path.

    Keys that a document does not have are left alone: a later minor version may have added them.
    """
    origin, arguments = _parts(kind)
    if origin is Annotated:
        check = cast(Parser[object] | Known, arguments[1])
        if isinstance(check, Check) and _is_scalar(arguments[0]) and check.holds(value):
            return
        is_right = True
        for fault in _failures(check, value, path):
            is_right = False
            yield fault
        if is_right:
            yield from problems(arguments[0], value, path)
    elif origin in (Union, UnionType):
        if value is not None:
            yield from problems(arguments[0], value, path)
    elif origin is list:
        yield from _failures(sequence, value, path)
        if isinstance(value, list):
            for i, item in enumerate(value):
                yield from problems(arguments[0], item, (*path, i))
    elif origin is dict:
        yield from _failures(mapping, value, path)
        if isinstance(value, dict):
            for key, item in value.items():
                yield from problems(arguments[1], item, (*path, key))
    elif isinstance(kind, type) and is_typeddict(kind):
        yield from _failures(mapping, value, path)
        if isinstance(value, dict):
            for key, own in keys(kind).items():
                if key in value:
                    yield from problems(own.kind, value[key], (*path, key))
                elif own.needed:
                    yield Fault((*path, key), None)


@cache
def _parts(kind: object) -> tuple[object, tuple[object, ...]]:
    """What a generic type is made of: get_origin and get_args, which are slow."""
    return get_origin(kind), get_args(kind)


@cache
def _is_scalar(kind: object) -> bool:
    """Has a value of this type none in it?"""
    return all(each in (str, int, float, bool, NoneType) for each in get_args(kind) or (kind,))


def _failures(check: Parser[object] | Known, value: object, path: Path) -> Iterator[Fault]:
    """What a check refuses in a value, or the checks of some keys in a mapping."""
    if check is numbers:
        for inner, odd in non_numbers(value):
            yield Fault((*path, *inner), f"must be {numbers.be}", odd)
    elif isinstance(check, Known):
        yield from _failures(mapping, value, path)
        for key, item in value.items() if isinstance(value, dict) else ():
            if key in check.checks:
                yield from _failures(check.checks[key], item, (*path, key))
    else:
        try:
            check(value)
        except ValueError as error:
            yield Fault(path, str(error), value)
