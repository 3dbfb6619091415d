"""A fit applied to new rows: their columns, then the component, its probabilities and the log-density."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from emcli.config.documents.fit import FitDocument
from emcli.config.settings import DataSettings, Settings
from emcli.data.rows import Columns
from emcli.data.scaling import Scaling
from emcli.data.table.cells import NumberFormat
from emcli.data.table.csv_writer import format_csv
from emcli.data.table.faults import RowFault, Unreadable, located
from emcli.data.table.read import column_finder, no_columns, read_chunks
from emcli.data.table.row_problems import dropped_rows
from emcli.data.table.table import ColumnSelection, CsvDialect, Table
from emcli.errors import EmcliError, Exit, FitWarning, Problem, quoted
from emcli.models import incomplete_class, model_class
from emcli.models.base import AnyModel
from emcli.models.parameters import ParameterFault
from emcli.models.plain_values import called
from emcli.types import JSON, Array, IndexArray

CHUNK_ROWS = 16384  # rows read and written at a time, or fewer that take
CHUNK_NUMBERS = 1 << 24  # coordinates in all components
SMALLEST = 1e-300  # probability that is written; what is below, where doubles lose digits, is 0


@dataclass(frozen=True)
class Form:
    """How predictions are written."""

    prefix: str = ""  # before the name of each new column
    digits: int | None = None  # significant ones; None: as many as read back to the same double
    apart: bool = False  # has each file of the table a header of its own?
    fill: bool = False  # are the expected values written into missing cells?


class FileStart(NamedTuple):
    """Announces that the text that follows belongs to this file of the table."""

    name: str


@dataclass(frozen=True, eq=False)
class Predictor:
    """A fit applied to new rows."""

    model: AnyModel  # in working coordinates
    incomplete: AnyModel | None  # the same for rows with missing cells; None: the model has no use for them
    scaling: Scaling
    settings: DataSettings  # those of the fit
    names: Sequence[str]  # of the fit's columns
    components: Sequence[str] | None  # what the components are called; None: by number

    @classmethod
    def of(cls, fit: FitDocument, names: Sequence[str]) -> Self:
        """From a fit's document and the names of its columns. Raises ParameterFault."""
        settings = Settings.of({**(fit.get("settings") or {}), "k": fit["k"]})
        model = model_class(fit["model"]).from_parameters(fit["parameters"], settings.model)
        scaling = model.scaling(settings.model, names)
        kind, incomplete = None if model.others else incomplete_class(fit["model"]), None
        if kind is not None:
            incomplete = kind.from_parameters(fit["parameters"], settings.model).to_scaled(scaling)
        components = fit.get("components") or ([*called(fit["k"]), *model.others] if model.others else None)
        return cls(model.to_scaled(scaling), incomplete, scaling, settings.data, names, components)

    @property
    def textual(self) -> bool:
        """Does the fit read a column of text?"""
        return self.model.observations.textual(self.names, self.settings)

    @property
    def probabilities(self) -> int:
        """The number of columns of probabilities: one for each component, none for hard assignments."""
        return 0 if self.model.hard else len(self.model.shares)

    def apply(self, numbers: Array, texts: Sequence[Sequence[str]]) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities or distances (n,) of rows. Raises RowFault."""
        columns = Columns(numbers, texts, None, self.names)
        x, place = self.model.observations.encode(columns, self.scaling, self.settings)
        model, seen = self.model, None
        if self.incomplete is not None and np.isnan(x).any():
            model, seen = self.incomplete, ~np.isnan(x)
        with np.errstate(over="ignore", invalid="ignore"):  # squares of what is 1e154 sds away
            responsibilities, found = model.posterior(x)
            measured = model.measured(found, self.scaling, seen)
        if place is not None:
            responsibilities, measured = responsibilities[:, place], measured[place]
        if not np.isfinite(measured).all():
            row = int(np.argmin(np.isfinite(measured)))
            what = "too far from every component: the square of its distance is beyond all numbers"
            raise RowFault(Unreadable(row, None, what))
        return responsibilities, measured

    def expected(self, numbers: Array) -> Array:
        """Rows (n, d) with the expected values of their missing cells in place; each has a cell that is observed."""
        assert self.incomplete is not None
        x, place = self.incomplete.observations.encode(
            Columns(numbers, [], None, self.names), self.scaling, self.settings
        )
        filled = self.scaling.to_original(self.incomplete.expected(x).T)
        return filled if place is None else filled[place]


def with_format_of(settings: Mapping[str, JSON], dialect: CsvDialect) -> CsvDialect:
    """The dialect with the marks of missing cells and the format of numbers of a fit, where it has none of its own."""
    fitted = Settings.of({"k": 1, **settings}).data
    if dialect.na is None and fitted.na:
        dialect = replace(dialect, na=tuple(fitted.na))
    if dialect.decimal or dialect.thousands or not (fitted.decimal or fitted.thousands):
        return dialect
    return replace(dialect, decimal=fitted.decimal, thousands=fitted.thousands, assumed=True)


def predictions(
    fit: FitDocument, name: str, source: str, dialect: CsvDialect, form: Form
) -> Iterator[str | FitWarning | FileStart]:
    """CSV text, a header and then some whole lines at a time, and warnings. Raises EmcliError.

    `name` is that of the fit's file. Each file of a table is announced.
    """
    names = fit["data"]["columns"]
    try:
        predictor = Predictor.of(fit, names)
    except ParameterFault as fault:
        raise EmcliError(Exit.DATA, Problem(f"parameters: {fault}", name)) from None
    added = (
        "component",
        *(f"p_{name}" for name in (predictor.components or called(fit["k"]))[: predictor.probabilities]),
        predictor.model.measure,
    )
    titles = dict.fromkeys(form.prefix + title for title in added)
    used: tuple[int, ...] = ()

    def choose(header: tuple[str, ...], shown: str, has_header: bool) -> ColumnSelection:
        nonlocal used
        used = _used(fit, header, shown, has_header)
        for title in header:
            if title in titles:
                hint = "--prefix NAME calls the new ones NAMEcomponent and so on"
                raise EmcliError(Exit.DATA, Problem(f"there is a column {quoted(title)} already", shown), hint=hint)
        everything = tuple(range(len(header)))
        return ColumnSelection((), everything, used) if predictor.textual else ColumnSelection(used, everything)

    before, dropped = None, 0
    warnings: dict[str, FitWarning] = {}
    coordinates = fit["k"] * (len(names) + 2)  # of a row
    rows = max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // coordinates))
    for table in _with_hint(read_chunks(source, dialect, choose, rows)):
        warnings |= {warning.slug: warning for warning in table.warnings if warning.slug != "dropped-rows"}
        dropped += table.dropped
        if table.source != before:
            yield FileStart(table.source)
        if before is None or (form.apart and table.source != before):
            yield from format_csv([*table.header, *titles], [])
        if table.texts[0]:
            found = _found(table, used, predictor, form.digits)
            if form.fill:
                _fill(table, used, predictor, form.digits, NumberFormat.of(dialect.decimal, dialect.thousands))
            yield from format_csv([], [*table.texts, *found])
        before = table.source
    if dropped:
        yield dropped_rows(dropped)
    yield from warnings.values()


def _with_hint(tables: Iterator[Table]) -> Iterator[Table]:
    """The tables; an error of missing cells also tells what keeps their rows."""
    try:
        yield from tables
    except EmcliError as error:
        if error.hint and "--missing drop" in error.hint:
            error.hint += "; --missing keep keeps them, their new cells empty"
        raise


def _used(fit: FitDocument, header: tuple[str, ...], shown: str, has_header: bool) -> tuple[int, ...]:
    """The fit's columns in new data, from 0: by name, or by number where a name does not tell the column."""
    names = fit["data"]["columns"]
    numbers = fit["data"].get("column_numbers") or [None] * len(names)
    find = column_finder(header, shown, Exit.DATA)
    if not has_header:
        if all(number or name in header for name, number in zip(names, numbers, strict=False)):
            numbers = [number or find(name) + 1 for name, number in zip(names, numbers, strict=False)]
        else:
            numbers = list(range(1, len(names) + 1))
        if max(filter(None, numbers), default=0) > len(header):
            raise EmcliError(Exit.DATA, Problem(f"the fit has {len(names)} columns, these data {len(header)}", shown))
    sought = [name for name, number in zip(names, numbers, strict=False) if number is None]
    missing = [name for name in sought if name not in header and not name.isdigit()]
    if len(missing) > 1:
        raise EmcliError(Exit.DATA, no_columns(missing, header, shown))
    used: list[int] = []
    for name, number in zip(names, numbers, strict=False):
        if number is None:
            used.append(find(name))
        elif not has_header or header[number - 1 : number] == (name,):
            used.append(number - 1)
        else:
            what = f"the fit's column {quoted(name)} is number {number} of several, and here it is not"
            raise EmcliError(Exit.DATA, Problem(what, shown), hint="name each column differently, and fit again")
    return tuple(used)


def _found(
    table: Table, used: tuple[int, ...], predictor: Predictor, digits: int | None
) -> list[Sequence[int | float | str]]:
    """The new columns of some rows; empty cells where a row has no cell of a column that the fit reads."""
    n = len(table.texts[0])
    kept = np.delete(np.arange(n), np.array(table.incomplete, dtype=np.intp))
    columns: list[Sequence[int | float | str]] = [[""] * n for _ in range(predictor.probabilities + 2)]
    if not len(kept):
        return columns
    texts = [[table.texts[used[0]][row] for row in kept.tolist()]] if predictor.textual else []
    try:
        responsibilities, measure = predictor.apply(table.numbers if len(kept) == n else table.numbers[kept], texts)
    except RowFault as fault:
        raise located(fault, table, used, kept) from None
    probabilities = np.where(responsibilities < SMALLEST, 0.0, responsibilities)[: predictor.probabilities]
    measured: list[Sequence[int | float | str]] = [column.tolist() for column in (*probabilities, measure)]
    if digits is not None:
        measured = [[f"{value:.{digits}g}" for value in column] for column in measured]
    numbers, names = (responsibilities.argmax(axis=0) + 1).tolist(), predictor.components
    found = [numbers if names is None else [names[number - 1] for number in numbers], *measured]
    return [_spread(column, kept, n) for column in found] if len(kept) < n else found


def _fill(
    table: Table, used: tuple[int, ...], predictor: Predictor, digits: int | None, written: NumberFormat | None
) -> None:
    """Write the expected values into the missing cells of rows with some value, as the file writes numbers."""
    missing = np.isnan(table.numbers)
    missing[table.incomplete] = False
    rows = np.flatnonzero(missing.any(axis=1))
    if not len(rows):
        return
    filled = predictor.expected(table.numbers[rows])
    for row, values, gone in zip(rows.tolist(), filled.tolist(), missing[rows].tolist(), strict=True):
        for column, value, is_missing in zip(used, values, gone, strict=True):
            if is_missing:
                cell = repr(value) if digits is None else f"{value:.{digits}g}"
                table.texts[column][row] = cell if written is None else cell.replace(".", written.decimal)  # type: ignore[index]


def _spread(cells: Sequence[int | float | str], rows: IndexArray, n: int) -> Sequence[int | float | str]:
    """Cells of some of n rows in their places, and empty ones in the others."""
    spread: list[int | float | str] = [""] * n
    for row, cell in zip(rows.tolist(), cells, strict=True):
        spread[row] = cell
    return spread
