"""The tables of fit and compare as CSV: one header line, numbers in full precision, nothing left out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import IO

from emcli.comparison.ranking import Comparison
from emcli.config.covariances import has_correlations
from emcli.inference.fit_result import FitResult
from emcli.output.parameter_tables import (
    ERRORS,
    between_columns,
    bootstrap_errors,
    fitted_columns,
    held_cells,
    true_columns,
)
from emcli.output.terminal import sayable

NOT_IN_CSV = ("truth", "errors")  # of a candidate: whole parameters


def write_fit(result: FitResult, stream: IO[str]) -> None:
    """One line for each component: its parameters, and where they are known the true ones and the errors of each."""
    columns, truth = fitted_columns(result), true_columns(result)
    bounds, fixed = bootstrap_errors(result), held_cells(result)
    k = len(columns[0][1])
    table: dict[str, Sequence[object]] = {"component": result.called, **dict(columns)}
    if has_correlations(result.settings.model.covariance):
        table |= between_columns(result.parameters, result.data.columns)
    table |= {f"true {title}": cells for title, cells in truth.items() if len(cells) == k}
    for j, (title, _) in enumerate(columns):
        if bounds is not None and bounds.known[j]:
            for name, each in zip(ERRORS, bounds.shown, strict=True):
                table[f"{title} {name}"] = [None if (title, i) in fixed else each[j][i] for i in range(k)]
    if result.bootstrap is not None and result.bootstrap.jaccard is not None:
        table["Jaccard"] = result.bootstrap.jaccard
    _write(stream, list(table), list(zip(*table.values(), strict=True)))


def write_comparison(comparison: Comparison, stream: IO[str]) -> None:
    """One line for each candidate, those of a group best first; the keys are those of the JSON document.

    Where its k was tested against k + 1, the test's keys follow, each with `test_` before it.
    """
    tested = {
        each.small.name: {f"test_{key}": value for key, value in each.document().items()} for each in comparison.tests
    }
    rows: list[Mapping[str, object]] = [
        {
            "group": number,
            **{key: value for key, value in row.items() if key not in NOT_IN_CSV},
            **tested.get(row["name"], {}),
        }
        for number, group in enumerate(comparison.groups, 1)
        for row in group.rows()
    ]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    _write(stream, keys, [[row.get(key) for key in keys] for row in rows])


def _write(stream: IO[str], header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *([_cell(value) for value in row] for row in rows)])
    stream.write(sayable(text.getvalue(), stream))


def _cell(value: object) -> object:
    """A number as it is, nothing for none, the words of a list with spaces between them, and a mapping as JSON."""
    if isinstance(value, float):
        return repr(float(value)) if value == value else ""
    if isinstance(value, Mapping):
        return json.dumps(value)
    return " ".join(map(str, value)) if isinstance(value, list) else value
