"""Functions that run on Dask workers: read a partition, summarize it, prepare its rows, apply a function to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from emcli import __version__
from emcli.compute.memory import keep_freed
from emcli.config.settings import DataSettings
from emcli.data.dataset import RawTable, digest_of, read
from emcli.data.incomplete import missing_cells
from emcli.data.rows import Columns, Observations, Rows
from emcli.data.weights import WeightSums
from emcli.errors import EmcliError, FitWarning

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class RemoteError:
    """An error that a worker gives as a value, so that the client raises it and Dask logs nothing."""

    error: Exception


@dataclass(frozen=True)
class PartitionSummary:
    """What the result document says about one partition."""

    count: int
    dropped: int
    header: tuple[str, ...]
    has_header: bool
    columns: tuple[int, ...]  # those used, from 0
    digest: str
    warnings: tuple[FitWarning, ...]
    weights: WeightSums | None
    missing: tuple[int, int]  # cells that are missing, and the rows that miss some


def version() -> str:
    """The version of emcli on this machine."""
    return __version__


def capture_errors(function: Callable[..., T], *arguments: object) -> T | RemoteError:
    """function(*arguments), or its error as a value; an error among the arguments is passed on."""
    for argument in arguments:
        if isinstance(argument, RemoteError):
            return argument
    try:
        return function(*arguments)
    except Exception as error:
        return RemoteError(error)


def read_partition(path: str, shown: str, observations: Observations, settings: DataSettings) -> RawTable:
    """A partition as it is read. Raises EmcliError, in which the file is called as `shown`."""
    keep_freed()
    try:
        raw = read(path, observations, settings, jobs=1)
    except EmcliError as error:
        faults = [replace(fault, file=shown) if fault.file == path else fault for fault in error.problems]
        raise EmcliError(error.exit_code, *faults, hint=error.hint, unsaid=error.unsaid) from None
    return replace(raw, table=replace(raw.table, source=shown, partitions=((0, shown),)))


def summarize(raw: RawTable) -> PartitionSummary:
    """What there is to say about a partition."""
    table, weights = raw.table, raw.weights
    count = len(raw.texts[0]) if raw.texts else len(raw.numbers)
    digest = digest_of(raw.numbers, raw.texts, weights)
    sums = None if weights is None else WeightSums.of(weights)
    missing = missing_cells(raw.numbers)
    header, has_header, dropped = table.header, table.has_header, table.dropped
    return PartitionSummary(count, dropped, header, has_header, raw.used, digest, table.warnings, sums, missing)


def evaluate(raw: RawTable, function: Callable[..., T]) -> T:
    """A function of a partition's values, texts and weights. Raises EmcliError for rows that it cannot read."""
    with raw.faults_told():
        return function(raw.numbers, raw.texts, raw.weights)


def place_rows(raw: RawTable, observations: Observations, like: Rows) -> Rows:
    """A partition's rows in the working coordinates of the whole table."""
    return observations.place(Columns(raw.numbers, raw.texts, raw.weights, like.names), like)
