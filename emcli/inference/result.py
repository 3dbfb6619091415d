"""The document of a fit, as it is written to JSON and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np

from emcli import __version__
from emcli.config.documents.fit import FIT, DataDocument, FitDocument, RunDocument, StepDocument, TruthDocument
from emcli.config.documents.problems import Fault
from emcli.config.documents.types import in_order
from emcli.config.experiment import start_values
from emcli.config.places import dotted
from emcli.config.saved_fit import document_in, read_json, refuse_wrong
from emcli.config.settings import Settings
from emcli.data.known import known_weights
from emcli.errors import EmcliError, Exit, Problem, counted, escaped, quoted
from emcli.files.inputs import shown_name
from emcli.models import MODELS, model_class
from emcli.models.base import Degenerate
from emcli.models.measures import Measures
from emcli.models.parameters import ParameterFault
from emcli.models.plain_values import whole
from emcli.types import JSON

if TYPE_CHECKING:
    from emcli.inference.fit_result import FitResult
    from emcli.inference.runs import Run


def document(result: FitResult) -> FitDocument:
    """The document of a fit. It holds no NaN, no time and no name of a machine: the same fit gives the same bytes."""
    data, best, criteria = result.data, result.best, result.criteria()
    assert best.stop is not None
    rows = {
        "source": escaped(data.source, 400),
        "rows": data.count,
        "weight": whole(data.rows.total),
        "columns": list(data.columns),
        **({"column_numbers": list(data.column_numbers)} if data.column_numbers else {}),
        "dropped": data.dropped,
        **({"missing": data.missing[0], "incomplete": data.missing[1]} if data.missing[0] else {}),
        "sha256": data.digest(),
        **({} if data.rows.known is None else {"known": known_weights(data.rows)}),
        **result.kind.observations.document(data.rows),
    }
    fit: FitDocument = {
        "schema": FIT,
        "version": __version__,
        "model": result.kind.name,
        "k": result.settings.model.k,
        "data": cast(DataDocument, rows),
        "settings": result.settings.document(),
        "status": best.status,
        "stop": best.stop,
        "decrement": best.decrement,
        "warnings": [{"slug": warning.slug, "message": warning.message} for warning in result.warnings],
        "log_likelihood": result.log_likelihood,
        "parameters_count": result.parameters_count,
        "aic": criteria["aic"],
        "bic": criteria["bic"],
        "icl": criteria["icl"],
        "relative_entropy": result.relative_entropy,
        "parameters": result.parameters,
        "best_start": best.start,
        "reached": result.reached(),
        "moves": result.moves,
        "iterations": best.iterations,
        "trace": [_step(result, best, i, each) for i, each in enumerate(result.measures(best))],
        "restarts": [_run(result, run) for run in result.ledger],
    }
    more = {
        "components": None if data.rows.known is None else result.called,
        "covariance": result.settings.model.covariance,
        "mixing": result.settings.model.mixing,
        "log_posterior": result.log_posterior,
        "inertia": result.inertia,
        "certificate": result.certificate and dict(result.certificate),
        "bootstrap": result.bootstrap and result.bootstrap.document(),
        "truth": result.truth,
    }
    whole_fit = {**fit, **{key: value for key, value in more.items() if value is not None}}
    return in_order(FitDocument, cast(FitDocument, whole_fit))


def _step(result: FitResult, run: Run, i: int, measures: Measures) -> StepDocument:
    """Iteration i of a run."""
    kind = {"step": run.steps[i]} if i and not result.kind.hard else {}
    return cast(StepDocument, {"iteration": i, **measures.document(), **kind})


def _run(result: FitResult, run: Run) -> RunDocument:
    """One entry of the ledger."""
    found: dict[str, JSON] = {
        "start": run.start,
        "kind": run.kind,
        "status": run.status,
        "iterations": run.iterations,
        "log_likelihood": None,
    }
    if run.source is not None:
        found["from"] = run.source
    if run.origin is not None:
        found["origin"] = run.origin
    if run.sample is not None:
        rows, *measured = run.sample
        found["sample"] = {"rows": rows, **Measures(*measured).document()}
    if run.finished:
        found |= result.measures(run)[-1].document()
    elif run.reason is not None:
        found["reason"] = run.reason
    return cast(RunDocument, in_order(RunDocument, found))


def dumps(document: Mapping[str, object]) -> str:
    """A document as JSON: a line for each key, and for each entry of a list of objects. Ends with a newline."""
    lines = []
    for key, value in document.items():
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            entries = ",\n    ".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in value)
            text = f"[\n    {entries}\n  ]"
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_fit(path: str) -> FitDocument:
    """A fit's document from a file, `-` for standard input. Raises EmcliError (exit 3) with the path of each fault."""
    return checked_fit(read_json(path), shown_name(path))


def read_start(path: str) -> Mapping[str, JSON]:
    """The parameters in a file of start values; a fit's JSON among them is checked whole, as by `read_fit`.

    Raises EmcliError: exit 3 for a fit's JSON, 2 for YAML.
    """
    return start_values(path, checked_fit)


def checked_fit(value: JSON, file: str) -> FitDocument:
    """The fit's document that a JSON value is, with parameters that its model accepts.

    Raises EmcliError (exit 3) with the path of each fault.
    """
    fit = document_in(value, file)
    if fit["model"] not in MODELS:
        raise EmcliError(Exit.DATA, Problem(f"model: no such model {quoted(fit['model'])}", file))
    try:
        settings = Settings.of({**fit.get("settings", {}), "k": fit["k"]}).model
        model = model_class(fit["model"]).from_parameters(fit["parameters"], settings)
        model.scaling(settings, fit["data"]["columns"])
        written = model.to_parameters()
    except ParameterFault as fault:
        what = f"{dotted(('parameters', *fault.path))}: {fault.what}"
        raise EmcliError(Exit.DATA, Problem(what, file)) from None
    except Degenerate as reason:
        raise EmcliError(Exit.DATA, Problem(f"parameters: {reason}", file)) from None
    refuse_wrong((Fault(("parameters", key), None) for key in written if key not in fit["parameters"]), file)
    names = fit.get("components")
    if names is not None and not (len(names) == len(set(names)) == fit["k"]):
        raise EmcliError(Exit.DATA, Problem(f"components: not {counted(fit['k'], 'different name')}", file))
    if "truth" in fit:
        _check_truth(fit["truth"], fit, len(model.shares), file)
    return fit


def _check_truth(truth: TruthDocument, fit: FitDocument, k: int, file: str) -> None:
    """Raise EmcliError (exit 3) for what cannot be the truth beside a fit, whose rows are in k components."""
    what = None
    if truth["parameters"] and not _can_be_shown(truth["parameters"], fit):
        what = f"truth.parameters: not those of components of {fit['model']} in the columns of data.columns"
    elif (table := truth.get("cross_table")) is not None:
        labels = len(table["labels"])
        if [len(row) for row in table["counts"]] != [k] * labels:
            what = f"truth.cross_table.counts: not {counted(k, 'number')} for each of {counted(labels, 'label')}"
    if what is not None:
        raise EmcliError(Exit.DATA, Problem(what, file))


def _can_be_shown(parameters: Mapping[str, JSON], fit: FitDocument) -> bool:
    """Has the fit's model a table for them, finite in each cell that has a number? There may be more or fewer."""
    names, weight = fit["data"]["columns"], fit["data"]["weight"]
    try:
        with np.errstate(all="ignore", invalid="raise"):
            columns = [values for _, values in model_class(fit["model"]).table(parameters, names, weight)]
        return len({len(values) for values in columns}) == 1 and not np.isinf(columns).any()
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError):
        return False
