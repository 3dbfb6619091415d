"""The iterations as JSON lines, written while they happen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.errors import EmcliError
from emcli.inference.fit import Observer
from emcli.inference.runs import IterationEvent, Run
from emcli.inference.search.search import Event
from emcli.models.base import AnyModel
from emcli.models.measures import Measures
from emcli.output.terminal import json_for
from emcli.types import JSON

Line = dict[str, JSON]


@contextmanager
def tracing(
    stream: IO[str], kind: type[AnyModel], rows: Rows, settings: ModelSettings, candidate: str | None = None
) -> Iterator[Observer]:
    """An observer of a fit that writes one flushed line for each event; where the fit fails, a last line says why.

    Where several are compared, each line names its candidate.
    """
    named: Line = {} if candidate is None else {"candidate": candidate}
    before: dict[int, float | None] = {}  # the last one of each start: the best one may go on after its end

    def measured(model: AnyModel, score: float) -> Measures:
        found = kind.measures(score, rows, settings.k)
        if settings.prior is None or found.log_likelihood is None:
            return found
        return found._replace(log_posterior=found.log_likelihood + model.to_original(rows.scaling).log_prior())

    def trace(event: Event) -> None:
        if isinstance(event, IterationEvent):
            measures = measured(event.step.model, event.step.likelihood_score)
            line = _iteration(event, kind, rows, measures, before.get(event.start))
            before[event.start] = measures.log_likelihood if measures.log_posterior is None else measures.log_posterior
        else:
            line = _end(event, measured(event.model, event.likelihood_score) if event.finished else None)
        _put(stream, {**named, **line})

    try:
        yield trace
    except EmcliError as error:
        _put(stream, {**named, "type": "error", "exit": int(error.exit_code), "message": str(error)})
        raise


def _iteration(
    event: IterationEvent, kind: type[AnyModel], rows: Rows, measures: Measures, before: float | None
) -> Line:
    score = measures.log_likelihood if measures.log_posterior is None else measures.log_posterior
    line: Line = {"type": "iteration", "start": event.start, "iteration": event.iteration, **measures.document()}
    if event.iteration and not kind.hard:
        line["step"] = event.step.kind
    line["gain"] = None if score is None or before is None else score - before
    line["parameters"] = event.step.model.to_original(rows.scaling).to_parameters()
    return line


def _end(start: Run, measures: Measures | None) -> Line:
    line: Line = {"type": "end", "start": start.start, "status": start.status, "iterations": start.iterations}
    if measures is None:
        line["log_likelihood"] = None
        return line if start.reason is None else line | {"reason": start.reason}
    return line | measures.document()


def _put(stream: IO[str], line: Line) -> None:
    stream.write(json_for(stream, json.dumps(line, ensure_ascii=False, allow_nan=False)) + "\n")
    stream.flush()
