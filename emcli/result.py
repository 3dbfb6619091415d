"""The result document: what a fit is as JSON, written and read back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emcli import __version__
from emcli.errors import EmcliError, Exit, Fault, escaped, quoted

if TYPE_CHECKING:
    from emcli.fitting import Result
    from emcli.starts import Start

SCHEMA = "emcli.fit/1"


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
        "sha256": data.digest,
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
        measures = result.family.measures(start.scores[-1], result.data.rows, result.settings.k)
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


def read_fit(path: str) -> dict[str, Any]:
    """A fit's document from a file. Raises EmcliError (exit 3) where it is none."""
    from emcli.files import read_text
    from emcli.models import MODELS

    text = read_text(path, Exit.DATA)
    shown = "<stdin>" if path == "-" else path
    try:
        said = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as wrong:
        raise _not_json(text, shown, wrong) from None
    if not isinstance(said, dict) or not isinstance(said.get("schema"), str):
        raise EmcliError(
            Exit.DATA, Fault("not an emcli result (no 'schema')", shown), hint="emcli fit … -o FILE writes one"
        )
    if not re.fullmatch(r"emcli\.fit/1(\.\d+)?", said["schema"]):
        raise EmcliError(Exit.DATA, Fault(f"schema must be {SCHEMA}, got {quoted(said['schema'])}", shown))
    if said.get("model") not in MODELS:
        raise EmcliError(Exit.DATA, Fault(f"no such model {quoted(said.get('model'))}", shown))
    if not isinstance(said.get("parameters"), dict) or not isinstance(said.get("data"), dict):
        raise EmcliError(Exit.DATA, Fault("not an emcli result (no 'parameters' or no 'data')", shown))
    return said


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _not_json(text: str, shown: str, wrong: Exception) -> EmcliError:
    line = column = None
    if isinstance(wrong, json.JSONDecodeError):
        line, column = wrong.lineno, wrong.colno
        if wrong.msg == "Extra data" and '"type"' in text.splitlines()[0]:
            hint = "this is a trace; the result document is what -o FILE or --json writes"
            return EmcliError(Exit.DATA, Fault("not an emcli result but JSON lines", shown, line, column), hint=hint)
    truncated = " (file truncated?)" if column and wrong.pos >= len(text.rstrip()) else ""  # type: ignore[attr-defined]
    return EmcliError(Exit.DATA, Fault(f"invalid JSON{truncated}", shown, line, column))
