"""A fit applied to new rows: their columns as they are, then the component, its probabilities and the log-density."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from emcli.config.settings import DataSettings, Settings
from emcli.data.rows import Columns, RowFault
from emcli.data.scaling import Scaling
from emcli.data.table.csv_writer import format_csv
from emcli.data.table.read import find_column, read_chunks
from emcli.data.table.table import ColumnSelection, CsvDialect, Table
from emcli.errors import EmcliError, Exit, FitWarning, Problem, quoted
from emcli.models import model_class
from emcli.models.base import AnyModel
from emcli.models.parameters import ParameterFault
from emcli.types import Array

PIECE = 16384  # rows held at a time


class Part(NamedTuple):
    """What comes next is of this file."""

    name: str


@dataclass(frozen=True, eq=False)
class Predictor:
    """A fit applied to new rows."""

    model: AnyModel  # in working coordinates
    scaling: Scaling
    settings: DataSettings  # those of the fit
    names: Sequence[str]  # of the fit's columns

    @classmethod
    def of(cls, said: Mapping[str, Any], names: Sequence[str]) -> Self:
        """From a fit's document and the names of its columns. Raises ParameterFault."""
        settings = Settings.of({**(said.get("settings") or {}), "k": said["k"]})
        model = model_class(said["model"]).from_parameters(said["parameters"], settings.model)
        scaling = model.scaling(settings.model, names)
        return cls(model.to_scaled(scaling), scaling, settings.data, names)

    @property
    def textual(self) -> bool:
        """Is the column that the fit reads one of strings?"""
        return self.model.observations.textual(self.names)

    @property
    def probabilities(self) -> int:
        """How many components have a probability of their own: none where rows are assigned whole."""
        return 0 if self.model.hard else len(self.model.weights)

    def apply(self, numbers: Array, texts: Sequence[Sequence[str]]) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities or distances (n,) of rows. Raises RowFault."""
        columns = Columns(numbers, texts, None, self.names)
        x, place = self.model.observations.encode(columns, self.scaling, self.settings)
        responsibilities, found = self.model.posterior(x)
        measured = self.model.measured(found, self.scaling)
        return (responsibilities, measured) if place is None else (responsibilities[:, place], measured[place])


def predictions(
    said: Mapping[str, Any], fit: str, source: str, dialect: CsvDialect, apart: bool = False
) -> Iterator[str | FitWarning | Part]:
    """CSV text, a header and then some whole lines at a time, and what there is to warn of. Raises EmcliError.

    `said` is a fit's document, `fit` what its file is called. Each part of a table is announced; with `apart` each has
    a header of its own.
    """
    names = _names(said, fit)
    try:
        predictor = Predictor.of(said, names)
    except ParameterFault as fault:
        raise EmcliError(Exit.DATA, Problem(f"parameters: {fault}", fit)) from None
    titles = ["component", *(f"p_{j + 1}" for j in range(predictor.probabilities)), predictor.model.measure]
    used: tuple[int, ...] = ()

    def choose(header: tuple[str, ...], shown: str, has_header: bool) -> ColumnSelection:
        nonlocal used
        used = _used(names, header, shown, has_header)
        for name in header:
            if name in titles:
                raise EmcliError(Exit.DATA, Problem(f"there is a column {quoted(name)} already", shown))
        everything = tuple(range(len(header)))
        return ColumnSelection(() if predictor.textual else used, everything)

    before = None
    cautions: dict[str, FitWarning] = {}
    for table in read_chunks(source, dialect, choose, PIECE):
        cautions |= {caution.slug: caution for caution in table.cautions if caution.slug != "dropped-rows"}
        if table.dropped:
            yield FitWarning("dropped-rows", f"{table.dropped} rows with missing values left out")
        if table.source != before:
            yield Part(table.source)
        if before is None or (apart and table.source != before):
            yield from format_csv([*table.header, *titles], [])
        if table.texts[0]:
            yield from format_csv([], [*table.texts, *_found(table, used, predictor)])
        before = table.source
    yield from cautions.values()


def _names(said: Mapping[str, Any], fit: str) -> list[str]:
    names = said["data"].get("columns")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise EmcliError(Exit.DATA, Problem("not an emcli result (no names in 'data.columns')", fit))
    return names


def _used(names: Sequence[str], header: tuple[str, ...], shown: str, has_header: bool) -> tuple[int, ...]:
    """The fit's columns in new data: by name, or by position where there are no names."""
    if has_header:
        return tuple(find_column(header, name, shown, Exit.DATA) for name in names)
    if len(header) < len(names):
        raise EmcliError(Exit.DATA, Problem(f"the fit has {len(names)} columns, these data {len(header)}", shown))
    return tuple(range(len(names)))


def _found(table: Table, used: tuple[int, ...], predictor: Predictor) -> list[Any]:
    """The new columns of some rows."""
    texts = [list(table.texts[used[0]])] if predictor.textual else []
    try:
        responsibilities, measure = predictor.apply(table.numbers, texts)
    except RowFault as fault:
        column = None if fault.column is None else used[fault.column]
        raise EmcliError(Exit.DATA, table.problem(fault.row, column, fault.what), hint=fault.hint) from None
    component = responsibilities.argmax(axis=0) + 1
    probabilities = list(responsibilities[: predictor.probabilities])
    return [component, *probabilities, measure]
