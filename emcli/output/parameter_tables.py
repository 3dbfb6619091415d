"""The parameters of a fit as tables, beside true ones and with their errors, and its components against true labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from typing import NamedTuple

import numpy as np

from emcli.config.covariances import has_correlations, letters
from emcli.errors import escaped
from emcli.inference.fit_result import FitResult
from emcli.models.plain_values import Count, Parameters, Titled
from emcli.output.numbers import NOISE, Value, number, numbers
from emcli.output.page import ENDLESS, Block, Grid
from emcli.types import Array

MAX_MATRIX_COLUMNS = 6  # columns of the data up to which whole covariance matrices are shown
MAX_NAME = 24  # characters of a column's name in these
MAX_LINES = 100  # of parameters, or of components, in one table
MAX_TABLES = 6  # that show one table too wide for a page
MAX_LABELS, MAX_COMPONENTS = 30, 12  # of a cross-table, beyond which the rarest are shown as one
HELD = "*"  # before a value at which a parameter was held
ERRORS = ("std. error", "2.5 %", "97.5 %")


class Errors(NamedTuple):
    """What a bootstrap tells of each cell of the table of parameters; None where it tells nothing."""

    shown: list[list[list[float]]]  # of ERRORS, columns, components
    known: list[bool]  # of the columns: the rows of a component say nothing where its weight is fixed


def fitted_columns(result: FitResult) -> list[Titled]:
    """The columns of the table: rows and weight of each component, and its parameters."""
    columns = result.kind.table(result.parameters, result.data.columns, result.data.rows.total)
    if not len(result.sizes):
        return columns
    # with equal mixing they are not the weights' shares of the rows
    return [(title, [Count(n) for n in result.sizes] if title == "rows" else cells) for title, cells in columns]


def true_columns(result: FitResult) -> dict[str, list[float]]:
    """The columns of true parameters by title, empty where there are none; in the fit's order if of as many.

    Where there are as many, they have empty cells for components beside those, such as noise.
    """
    known = _true_parameters(result)
    if not known:
        return {}
    table = result.kind.table(known, result.data.columns, result.data.rows.total)
    return {title: [*cells, *[nan] * _left_open(result, len(cells))] for title, cells in table}


def _left_open(result: FitResult, of_truth: int) -> int:
    """How many of the fit's components come after those that so many true ones match, and are none of them."""
    unknown = [name for name in result.model.others if name not in _true_parameters(result)]
    return len(unknown) if of_truth == len(result.model.weights) else 0


def _are_paired(result: FitResult, of_truth: int) -> bool:
    """Is each of the fit's components beside the true one that it matches?"""
    count = len(np.asarray(next(iter(_true_parameters(result).values()), ())))
    return of_truth == len(result.called) and count == len(result.model.weights)


def _true_parameters(result: FitResult) -> Parameters:
    return (result.truth and result.truth["parameters"]) or {}


def bootstrap_errors(result: FitResult) -> Errors | None:
    """Standard errors and the ends of 95 % intervals by the bootstrap, where there is one."""
    made = result.bootstrap
    if made is None or made.refused:
        return None
    from emcli.inference.bootstrap import LEVELS

    tables = [result.kind.table(each, result.data.columns, result.data.rows.total) for each in made.parameters]
    cells = np.array([[column for _, column in each] for each in tables], dtype=np.float64)  # (replicates, columns, k)
    ends = np.quantile(cells, LEVELS, axis=0)
    fixed = result.settings.model.mixing == "equal"
    known = [not (fixed and title == "rows") for title, _ in tables[0]]
    return Errors([each.tolist() for each in (cells.std(axis=0, ddof=1), *ends)], known)


def beyond_intervals(result: FitResult) -> list[str]:
    """The cells of the table whose values are not within their 95 % intervals, in words."""
    bounds, names, fixed = bootstrap_errors(result), result.called, held_cells(result)
    if bounds is None:
        return []
    _, low, high = bounds.shown
    return [
        f"{title} of {escaped(names[i], MAX_NAME)}"
        for j, (title, cells) in enumerate(fitted_columns(result))
        for i, cell in enumerate(cells)
        if bounds.known[j] and (title, i) not in fixed and (cell < low[j][i] or cell > high[j][i])
    ]


def held_cells(result: FitResult) -> set[tuple[str, int]]:
    """Cells of the table, by title and component from 0, that hold a value at which a parameter was held."""
    fixed = result.model.fixed
    if fixed is None:
        return set()
    table = result.kind.table(fixed.to_parameters(), result.data.columns, result.data.rows.total)
    return {(title, i) for title, cells in table for i in np.flatnonzero(~np.isnan(cells)).tolist() if title != "rows"}


def held_note(is_held: object) -> list[str]:
    """What the mark of held values says, where there are any."""
    return [f"{HELD} held at this value (fix)"] if is_held else []


def parameters(result: FitResult, width: int) -> Iterator[Block]:
    """Fitted components, each followed by the true one it matches and by its errors; turned where that is too wide.

    What only noise has is shown with its errors alone: it would make all tables wider.
    """
    columns, truth = fitted_columns(result), true_columns(result)
    bounds, fixed = bootstrap_errors(result), held_cells(result)
    if bounds is None:
        count = len(result.model.weights)
        columns = [column for column in columns if not np.isnan(column[1][:count]).all()]
    k, of_truth = len(columns[0][1]), max(map(len, truth.values()), default=0)
    paired = _are_paired(result, of_truth)
    labels: list[str] = []
    for name in shown_names(result):
        labels += [name, *(["true"] if paired else []), *(ERRORS if bounds else ())]
    labels += [] if paired else ["true"] * of_truth
    rows = [[label] for label in labels]
    each_of = 1 + paired + (len(ERRORS) if bounds else 0)  # lines of a component
    for j, (title, cells) in enumerate(columns):
        known: list[Value] = [*truth.get(title, [""] * of_truth)]
        values: list[Value] = []
        for i, cell in enumerate(cells):
            values += [cell, *known[i : i + 1]] if paired else [cell]
            if bounds:
                kind = type(cell) if isinstance(cell, float) else float
                shown = bounds.known[j] and (title, i) not in fixed
                values += [kind(each[j][i]) if shown else "" for each in bounds.shown]
        values += [] if paired else known
        texts = numbers(values, cells, _spread(title, columns))
        for i in range(k):
            texts[i * each_of] = HELD * ((title, i) in fixed) + texts[i * each_of]
        for row, label, text, value in zip(rows, labels, texts, values, strict=True):
            row.append(number(value) if label == ERRORS[0] else text)
    titles = ["component", *(title for title, _ in columns)]
    if result.bootstrap is not None and result.bootstrap.jaccard is not None:
        titles.append("Jaccard")
        for i, row in enumerate(rows):
            row.append(result.bootstrap.stability(i // each_of) if i % each_of == 0 and i // each_of < k else "")
    together = len(labels) // k if paired or not of_truth else 1
    yield from within(Grid(titles, rows), width, together)


def shown_names(result: FitResult) -> list[str]:
    """What the components are called, for tables."""
    return [escaped(name, MAX_NAME) for name in result.called]


def components(columns: Sequence[Titled]) -> Grid:
    """Components with these parameters, one a row."""
    cells = [numbers(list(values), spread=_spread(title, columns)) for title, values in columns]
    rows = [[str(j + 1), *row] for j, row in enumerate(zip(*cells, strict=True))]
    return Grid(["component", *(title for title, _ in columns)], rows)


def _spread(title: str, columns: Sequence[Titled]) -> float:
    """The least sd around the means of a column of the data, 0 of other columns of the table."""
    of = title.removeprefix("mean")
    sds = dict(columns).get(f"sd{of}", dict(columns).get("sd", ())) if of != title else ()
    return min((float(sd) for sd in sds), default=0.0)


def within(grid: Grid, width: int, together: int = 1) -> Iterator[Grid | str]:
    """A table of components, turned and in parts where it is too wide, and cut where it is very large."""
    what, other = "components", "parameters"
    if (width < ENDLESS and len(grid.titles) > MAX_LINES) or grid.width > width:
        grid, what, other = grid.turned(), other, what
    left_out = []
    if len(grid.rows) > MAX_LINES and width < ENDLESS:
        left_out.append(f"{len(grid.rows) - MAX_LINES:,} of {len(grid.rows):,} {what}")
        grid = Grid(grid.titles, grid.rows[:MAX_LINES])
    tables = list(grid.within(width, together))
    if what == "parameters":
        tables = [_without_empty_lines(table) for table in tables]
    yield from tables[:MAX_TABLES]
    if len(tables) > MAX_TABLES:
        shown = sum(len(table.titles) - 1 for table in tables[:MAX_TABLES])
        left_out.append(f"{len(grid.titles) - 1 - shown:,} of {len(grid.titles) - 1:,} {other}")
    if left_out:
        yield f"Not shown: {' and '.join(left_out)}; all with --format csv or --json."


def _without_empty_lines(grid: Grid) -> Grid:
    """Without the parameters that no component of this table has, as noise has no mean."""
    return Grid(grid.titles, [row for row in grid.rows if any(row[1:])])


def true_labels(result: FitResult, width: int) -> Iterator[Block]:
    """How many rows of each true label are in each component, with sums; of many the rarest are shown as one."""
    found = result.truth.get("cross_table") if result.truth else None
    if found is None:
        return
    counts, labels = np.array(found["counts"], dtype=np.float64), found["labels"]
    total = "rows" if result.data.row_weights is None else "weight"
    names = [f"component {name}" if name.isdecimal() else name for name in shown_names(result)]
    if width == ENDLESS:
        yield _cross_table(counts, labels, names, len(counts.T), total)
        return
    counts, labels = _largest(counts, labels, MAX_LABELS)
    grid = _cross_table(counts, labels, names, MAX_COMPONENTS, total)
    for most in range(MAX_COMPONENTS, 3, -1):
        if grid.width > width:
            short = len(counts.T) <= MAX_COMPONENTS
            brief = [name.removeprefix("component ") for name in names]
            grid = _cross_table(counts, labels, brief, MAX_COMPONENTS if short else most, total)
    yield from grid.within(width)


def _cross_table(counts: Array, labels: Sequence[str], names: Sequence[str], most: int, total: str) -> Grid:
    """Counts (labels, k) of at most so many components, and their sums."""
    turned, names = _largest(counts.T, names, most)
    counts = np.vstack([turned, counts.sum(axis=1)]).T
    counts = np.vstack([counts, counts.sum(axis=0)])
    rows = [[label, *numbers(row)] for label, row in zip([*labels, total], counts.tolist(), strict=True)]
    return Grid(["true label", *names, total], rows)


def _largest(counts: Array, names: Sequence[str], most: int) -> tuple[Array, list[str]]:
    """The largest of more than so many rows, in their order, and the sum of the others."""
    if len(names) <= most:
        return counts, list(names)
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    kept, others = np.sort(order[:most]), order[most:]
    sums = counts[others].sum(axis=0, keepdims=True)
    return np.vstack([counts[kept], sums]), [*(names[i] for i in kept.tolist()), f"{len(others)} others"]


def covariances(result: FitResult, width: int) -> Iterator[Block]:
    """Whole covariance matrices where they hold more than the standard deviations in the table above."""
    names, shape = result.data.columns, result.settings.document().get("covariance")
    if (
        "covariances" not in result.parameters
        or not has_correlations(str(shape))
        or not 1 < len(names) <= MAX_MATRIX_COLUMNS
    ):
        return
    names = tuple(escaped(name, MAX_NAME) for name in names)
    matrices = np.asarray(result.parameters["covariances"], dtype=np.float64)
    one = letters(str(shape)) == "EEE"
    shown = [("all", matrices[0])] if one else list(zip(shown_names(result), matrices, strict=False))
    rows = [
        [label if j == 0 else "", name, *map(number, matrix[j].tolist())]
        for label, matrix in ((label, _without_noise(matrix)) for label, matrix in shown)
        for j, name in enumerate(names)
    ]
    yield from Grid(["component", "covariance of", *names], rows).within(width, kept=2)


def covariance_of(one: str, other: str) -> str:
    """The title of the covariance of two columns of the data."""
    return f"covariance {one} {other}"


def between_columns(parameters: Parameters, names: Sequence[str]) -> list[Titled]:
    """The covariance of each two columns of the data in each component, as columns of a table; noise has none."""
    if "covariances" not in parameters:
        return []
    matrices, unknown = np.asarray(parameters["covariances"], dtype=np.float64), [nan] * ("noise" in parameters)
    return [
        (covariance_of(names[j], name), [*matrices[:, i, j].tolist(), *unknown])
        for i, name in enumerate(names)
        for j in range(i)
    ]


def _without_noise(matrix: Array) -> Array:
    """A covariance matrix (d, d) with 0 where only rounding is left of a covariance."""
    sds = np.sqrt(np.diagonal(matrix))
    return np.where(np.abs(matrix) > NOISE * np.outer(sds, sds), matrix, 0.0)
