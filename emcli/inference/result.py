"""The result document: what a fit is as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emcli import __version__
from emcli.config.saved_fit import SCHEMA
from emcli.errors import escaped

if TYPE_CHECKING:
    from emcli.inference.fit import Result
    from emcli.inference.starts import Start


def document(result: Result) -> dict[str, Any]:
    """The result as plain values, in the order in which they are written. No NaN, no time, no name of a machine."""
    settings = result.settings.document()
    data, best = result.data, result.best
    said: dict[str, Any] = {"schema": SCHEMA, "version": __version__, "model": result.family.name}
    said |= {key: settings[key] for key in ("covariance", "mixing") if key in settings}
    said["k"] = settings["k"]
    said["data"] = {
        "source": escaped(data.source, 400),
        "rows": data.count,
        "weight": _whole(data.rows.total),
        "columns": list(data.columns),
        "dropped": data.dropped,
        "sha256": data.digest(),
        **result.family.extras(data.rows),
    }
    said["settings"] = settings
    said |= {"status": best.status, "stop": best.stop, "decrement": best.decrement}
    said["warnings"] = [{"slug": caution.slug, "message": caution.message} for caution in result.cautions]
    said |= {"log_likelihood": result.log_likelihood, "parameters_count": result.parameters_count, **result.criteria()}
    if result.inertia is not None:
        said["inertia"] = result.inertia
    said["parameters"] = result.parameters
    if result.certificate is not None:
        said["certificate"] = result.certificate
    if result.bootstrap is not None:
        said["bootstrap"] = result.bootstrap.document()
    if result.truth is not None:
        said["truth"] = result.truth
    said |= {"best_start": best.start, "reached": result.reached(), "iterations": best.iterations}
    said["trace"] = [
        {"iteration": i, **_measured(*pair), **_named(result, best, i)}
        for i, pair in enumerate(result.log_likelihoods(best))
    ]
    said["restarts"] = [ledger_line(result, start) for start in result.ledger]
    return said


def ledger_line(result: Result, start: Start) -> dict[str, Any]:
    """One start of the ledger; a degenerate one has no log-likelihood, but a reason."""
    line: dict[str, Any] = {"start": start.start, "status": start.status, "iterations": start.iterations}
    if start.origin is not None:
        line["origin"] = start.origin
    if start.sample is not None:
        line["sample"] = {"rows": start.sample[0], **_measured(*start.sample[1:])}
    if start.finished:
        measures = result.family.measures(start.scores[-1], result.data.rows, result.settings.model.k)
        return line | _measured(*measures)
    line["log_likelihood"] = None
    return line if start.status == "screened" else line | {"reason": start.reason}


def _named(result: Result, start: Start, iteration: int) -> dict[str, str]:
    """What kind of step led to an iteration."""
    return {"step": start.steps[iteration]} if iteration and not result.family.hard else {}


def _measured(log_likelihood: float | None, inertia: float | None) -> dict[str, float | None]:
    return {"log_likelihood": log_likelihood} | ({} if inertia is None else {"inertia": inertia})


def _whole(number: float) -> int | float:
    return int(number) if number == int(number) else number


def dumps(said: Mapping[str, Any]) -> str:
    """A document as JSON: a line for each key, and for each entry of a list of objects. Ends with a newline."""
    lines = []
    for key, value in said.items():
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            entries = ",\n    ".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in value)
            text = f"[\n    {entries}\n  ]"
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
