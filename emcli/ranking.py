"""A comparison as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from emcli.errors import escaped
from emcli.report import as_text, table
from emcli.selection import Group

FOOTERS = {
    "likelihood": "{criterion}: smaller is better. reached: how many of the candidate's starts found its best optimum.",
    "inertia": "K-means: criteria are of its mixture form, equal round clusters with every row assigned whole.",
}


def print_comparison(groups: Sequence[Group], criterion: str, stream: IO[str]) -> None:
    """Print each group's ranking, best first."""
    blocks: list[Any] = []
    for group in groups:
        if group.reason:
            blocks.append(escaped(group.reason, 200))
        rows = [_shown(row) for row in group.rows()]
        titles = _titles(rows)
        blocks.append(table(list(titles.values()), [[_cell(row.get(key)) for key in titles] for row in rows]))
        blocks += [f"{row['name']}: {row['reason']}" for row in rows if row.get("reason")]
    lines = [FOOTERS["likelihood"].format(criterion=criterion.upper())]
    if any("inertia" in row for group in groups for row in group.rows()):
        lines.append(FOOTERS["inertia"])
    stream.write(as_text(blocks, lines, stream))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "reached": f"{row['reached']} of {row['starts']}"} if row.get("starts") else row


def _titles(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Which columns there is anything to show in."""
    every = {
        "model": "model", "k": "k", "covariance": "covariance", "mixing": "mixing", "parameters_count": "parameters",
        "log_likelihood": "log-likelihood", "inertia": "inertia", "aic": "AIC", "bic": "BIC", "delta_bic": "delta BIC",
        "icl": "ICL", "iterations": "iterations", "status": "status", "reached": "reached",
        "adjusted_rand_index": "ARI", "warnings": "warnings",
    }  # fmt: skip
    return {key: title for key, title in every.items() if any(row.get(key) not in (None, []) for row in rows)}


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else escaped(str(value))
