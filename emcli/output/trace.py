"""The iterations as JSON lines, written while they happen."""

from __future__ import annotations

import json
from typing import IO, Any

from emcli.data.dataset import Dataset
from emcli.errors import EmcliError
from emcli.inference.fit import Events, Result
from emcli.inference.starts import Iteration, Start
from emcli.models.base import Family
from emcli.output.terminal import json_for


def written(
    events: Events, stream: IO[str], family: Family, data: Dataset, k: int, candidate: str | None = None
) -> Events:
    """Pass a fit's events through, writing one flushed line for each; the last one says why a fit failed.

    Where several are compared, each line names its candidate.
    """
    named = {} if candidate is None else {"candidate": candidate}
    before: float | None = None
    try:
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                result: Result = end.value
                return result
            if isinstance(event, Iteration):
                line = _iteration(event, family, data, k, before)
                before = line["log_likelihood"]
            else:
                line, before = _end(event, family, data, k), None
            _put(stream, {**named, **line})
            yield event
    except EmcliError as error:
        _put(stream, {**named, "type": "error", "exit": int(error.exit_code), "message": str(error)})
        raise


def _iteration(event: Iteration, family: Family, data: Dataset, k: int, before: float | None) -> dict[str, Any]:
    log_likelihood, inertia = family.measures(event.step.score, data.rows, k)
    line: dict[str, Any] = {
        "type": "iteration",
        "start": event.start,
        "iteration": event.iteration,
        "log_likelihood": log_likelihood,
    }
    if inertia is not None:
        line["inertia"] = inertia
    if event.iteration and not family.hard:
        line["step"] = event.step.how
    line["gain"] = None if log_likelihood is None or before is None else log_likelihood - before
    line["parameters"] = family.write(family.outward(event.step.model, data.rows))
    return line


def _end(start: Start, family: Family, data: Dataset, k: int) -> dict[str, Any]:
    line: dict[str, Any] = {"type": "end", "start": start.start, "status": start.status, "iterations": start.iterations}
    if not start.finished:
        line["log_likelihood"] = None
        return line if start.status == "screened" else line | {"reason": start.reason}
    log_likelihood, inertia = family.measures(start.scores[-1], data.rows, k)
    return line | {"log_likelihood": log_likelihood} | ({} if inertia is None else {"inertia": inertia})


def _put(stream: IO[str], line: dict[str, Any]) -> None:
    stream.write(json_for(stream, json.dumps(line, ensure_ascii=False, allow_nan=False)) + "\n")
    stream.flush()
