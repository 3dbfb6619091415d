"""The document of `steps`: every number in full."""

from __future__ import annotations

from math import isfinite
from typing import cast

from emcli import __version__
from emcli.config.documents.steps import STEPS, ShownIterationDocument, ShownRowDocument
from emcli.config.documents.types import in_order
from emcli.errors import escaped
from emcli.inference.steps.worked import ShownIteration, ShownRow, Steps
from emcli.types import JSON, Array


def document(steps: Steps) -> dict[str, JSON]:
    """The iterations that are shown of the best start, and of what fit that is."""
    result, run = steps.result, steps.run
    return {
        "schema": STEPS,
        "version": __version__,
        "model": result.kind.name,
        "k": result.settings.model.k,
        **({} if result.data.rows.known is None else {"components": list[JSON](result.called)}),
        "data": {
            "source": escaped(result.data.source, 400),
            "rows": result.data.count,
            "columns": list(result.data.columns),
            "dropped": result.data.dropped,
        },
        "settings": result.settings.document(),
        "status": run.status,
        "stop": run.stop,
        "start": run.start,
        "kind": run.kind,
        "order": [i + 1 for i in steps.order],
        "last_iteration": len(run.scores) - 1,
        "iterations": [_iteration(each) for each in steps.iterations],
    }


def _iteration(shown: ShownIteration) -> JSON:
    sums = None if shown.sums is None else {key: _listed(array) for key, array in shown.sums.numbers.items()}
    found: dict[str, JSON] = {
        "iteration": shown.number,
        **shown.measures.document(),
        "gain": shown.gain,
        "step": shown.step,
        "parameters": dict(shown.parameters),
        "rows": [_row(row) for row in shown.rows],
        "sums": cast(JSON, sums),
        "next_step": shown.next_step,
        "next_parameters": None if shown.following is None else dict(shown.following),
    }
    whole = found if shown.collapse is None else {**found, "collapse": shown.collapse}
    return cast(JSON, in_order(ShownIterationDocument, whole))


def _row(row: ShownRow) -> JSON:
    found: dict[str, JSON] = {"row": row.number, "weight": row.weight}
    if row.known is not None:
        found["known"] = row.known
    if row.worked is None:
        return found
    numbers = {key: _listed(array) for key, array in row.worked.numbers.items()}
    values = cast(JSON, {name: _finite(value) for name, value in row.worked.values.items()})
    return cast(JSON, in_order(ShownRowDocument, {**found, "values": values, **numbers}))


def _listed(array: Array) -> JSON:
    """Numbers as nested lists, None where one is not finite."""
    return cast(JSON, _finite(array.tolist()))


def _finite(value: object) -> object:
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if isinstance(value, int) or isfinite(cast(float, value)) else None
