"""What a cluster's workers are asked to do: read a part, keep its rows, and apply to them what they are sent."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emcli import __version__
from emcli.compute.memory import keep_freed
from emcli.config.settings import DataSettings
from emcli.data.dataset import FRACTIONAL, Raw, digest_of, located, read, unfit
from emcli.data.rows import Columns, DataFault, Observations, RowFault, Rows
from emcli.errors import EmcliError, FitWarning


@dataclass(frozen=True, eq=False)
class Raised:
    """An error as a value: the one who asked raises it, and no log tells of it."""

    error: Exception


@dataclass(frozen=True)
class Facts:
    """What the result document says of one part."""

    count: int
    dropped: int
    header: tuple[str, ...]
    names: tuple[str, ...]  # of the columns used
    digest: str
    cautions: tuple[FitWarning, ...]


def versions() -> dict[str, str]:
    """Of what must be the same everywhere for the same bytes."""
    return {"Python": "{}.{}".format(*sys.version_info), "numpy": np.__version__, "emcli": __version__}


def kept(function: Callable[..., Any], *arguments: Any) -> Any:
    """function(*arguments), or its error as a value; an error among the arguments is passed on."""
    for argument in arguments:
        if isinstance(argument, Raised):
            return argument
    try:
        return function(*arguments)
    except Exception as error:
        return Raised(error)


def part(path: str, shown: str, observations: Observations, settings: DataSettings) -> Raw:
    """One part read. Raises EmcliError, in which the part is called as `shown`."""
    keep_freed()
    try:
        raw = read(path, observations, settings, jobs=1)
    except EmcliError as error:
        faults = [replace(fault, file=shown) if fault.file == path else fault for fault in error.problems]
        raise EmcliError(error.exit_code, *faults, hint=error.hint, unsaid=error.unsaid) from None
    return replace(raw, table=replace(raw.table, source=shown))


def facts(raw: Raw) -> Facts:
    """What there is to say of a part."""
    table, picked, weights = raw.table, raw.picked, raw.weights
    cautions = table.cautions
    if weights is not None and (weights != np.floor(weights)).any():
        cautions = (*cautions, FitWarning("fractional-weights", FRACTIONAL))
    names = tuple(table.header[i] for i in picked.numeric + picked.text)
    count = len(raw.texts[0]) if raw.texts else len(raw.numbers)
    digest = digest_of(raw.numbers, raw.texts, weights)
    return Facts(count, table.dropped, table.header, names, digest, cautions)


def told(raw: Raw, function: Callable[..., Any]) -> Any:
    """What a function says of a part's values, texts and weights. Raises EmcliError for rows it cannot read."""
    try:
        return function(raw.numbers, raw.texts, raw.weights)
    except RowFault as fault:
        raise located(fault, raw.table, raw.picked, raw.kept) from None
    except DataFault as fault:
        raise unfit(fault, raw.table.source) from None


def placed(raw: Raw, observations: Observations, like: Rows) -> Rows:
    """A part's rows in the working coordinates of all."""
    return observations.place(Columns(raw.numbers, raw.texts, raw.weights, like.names), like)
