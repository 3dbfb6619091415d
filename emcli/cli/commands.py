"""What each command does, once its words are known."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emcli.cli.guard import note, warn
from emcli.cli.running import as_dataset, bar_for, check, drawn_from, finished
from emcli.config.experiment import Experiment, read_experiment, start_values
from emcli.config.options import OPTIONS
from emcli.config.resolve import reading, resolve
from emcli.config.settings import Settings
from emcli.errors import EmcliError, Exit, FitWarning, Problem, quoted, suggestion
from emcli.files import Output, open_log, refuse_endless, refuse_shared, refuse_twice
from emcli.models import MODELS, family_of
from emcli.output.plots.target import Plot
from emcli.output.terminal import json_for

if TYPE_CHECKING:
    from emcli.data.dataset import Dataset
    from emcli.inference.fit import Result
    from emcli.inference.simulate import Drawn

PLAIN = tuple(key for key in ("json", "require_convergence", "labels", "quiet", "verbose", "debug"))
DATA = (".csv", ".tsv", ".txt", ".gz", ".zst", ".parquet")
MOST_ROWS = 10**9


def fit(target: str, data: Sequence[str], given: Mapping[str, Any]) -> int:
    """Fit one model and print it; returns the exit code. Raises EmcliError."""
    if len(data) > 1:
        raise EmcliError(Exit.USAGE, f"one data file expected, got {len(data)}", hint="cat them, or compare their fits")
    output, trace = given_once(given, "output", "-o"), given_once(given, "trace", "--trace")
    refuse_shared(given["json"], output, trace)
    experiment = None if target in MODELS else experiment_in(target)
    model = family_of(experiment.model if experiment else target)
    flags = {option.key: listed(given[option.key]) for option in OPTIONS if given[option.key] is not None}
    document = experiment.document if experiment else None
    source = source_of(data[0] if data else None, experiment)
    refuse_twice(target, source, *flags.get("start", ()))
    settings = resolve(model.name, model.options, flags, document, read_start=start_values)[0]
    refuse_on_cluster(settings, source, bool(given["plot"]))
    _say_decisions(given, settings)
    inputs = tuple(path for path in (source, target if experiment else None, settings.provenance.start_source) if path)
    sink = Output(output, inputs) if output is not None and output != "-" else None
    plot = Plot(given_once(given, "plot", "--plot"), given, inputs)
    with ExitStack() as held:
        dataset = _dataset(source, experiment, model, settings, held)
        if given["verbose"]:
            note(f"read {dataset.count} rows of {', '.join(dataset.columns)} from {dataset.source}")
        result = _fitted(model, dataset, settings, experiment, trace, given["quiet"], plot, inputs)
    drawn = plot.fit(result)
    _deliver(result, given, sink, tables=trace != "-", document=output == "-", drawn=drawn)
    if given["require_convergence"] and result.best.status != "converged":
        return Exit.NOT_CONVERGED
    return Exit.DONE


def generate(source: str, given: Mapping[str, Any]) -> int:
    """Draw rows and print them as CSV; returns the exit code. Raises EmcliError."""
    from emcli.data.table.csv_writer import write_csv

    output = given_once(given, "output", "-o")
    rows = _whole(given_once(given, "rows", "-n"), "-n", 1, MOST_ROWS)
    seed = _whole(given_once(given, "seed", "--seed"), "--seed", 0, 2**64 - 1)
    sink = Output(output, (source,)) if output is not None and output != "-" else None
    drawn = (
        _drawn_from_fit(source, rows, seed)
        if source.endswith(".json")
        else drawn_from(experiment_in(source), rows, seed)
    )
    names = (*drawn.names, "component") if given["labels"] else drawn.names
    labels = (drawn.labels + 1).tolist() if given["labels"] else None
    if sink is None:
        write_csv(sys.stdout, names, drawn.values, labels)
        return Exit.DONE
    with sink.opened() as stream:
        write_csv(stream, names, drawn.values, labels)
    return Exit.DONE


def predict(saved: str, data: Sequence[str], given: Mapping[str, Any]) -> int:
    """Apply a saved fit to new rows and print them as CSV; returns the exit code. Raises EmcliError."""
    from emcli.data.table.partitions import csv_name, is_folder, partition_files
    from emcli.data.table.table import CsvDialect
    from emcli.files import OutputFolder
    from emcli.inference.predict import predictions
    from emcli.inference.result import read_fit

    if len(data) > 1:
        raise EmcliError(Exit.USAGE, f"one data file expected, got {len(data)}")
    output = given_once(given, "output", "-o")
    flags = {key: listed(given[key]) for key in ("delimiter", "header", "comment", "missing") if given[key] is not None}
    dialect = CsvDialect(**reading(flags))
    source = source_of(data[0] if data else None, None)
    refuse_twice(saved, source)
    source = source or "-"
    apart = is_folder(source) and output is not None and output != "-"
    whole, many = None, None
    if output is None or output == "-":
        refuse_endless(partition_files(source))
    elif apart:
        many = OutputFolder(output)
    else:
        whole = Output(output, (saved, *partition_files(source)))
    pieces = predictions(read_fit(saved), saved, source, dialect, apart)
    with ExitStack() as opened:
        folder = opened.enter_context(many.opened()) if many else None
        stream = opened.enter_context(whole.opened()) if whole else sys.stdout
        for piece in pieces:
            if isinstance(piece, str):
                stream.write(piece)
            elif isinstance(piece, FitWarning):
                if not given["quiet"]:
                    warn(piece.slug, piece.message)
            elif folder is not None:
                stream = folder.next(csv_name(piece.name))
    return Exit.DONE


def experiment_in(path: str) -> Experiment:
    """The experiment in a file; a word that names neither a model nor a file is a model mistyped."""
    if path in MODELS:
        what = f"expected an experiment (YAML) or a fit (JSON), got the model {quoted(path)}"
        raise EmcliError(Exit.USAGE, what, hint="a fit's JSON can be generated from: emcli fit … -o FILE")
    if "." not in path and "/" not in path and path != "-" and not os.path.exists(path):
        raise EmcliError(
            Exit.USAGE,
            f"no such model {quoted(path)}{suggestion(path, MODELS)}",
            hint=f"models are {', '.join(MODELS)}; an experiment is a .yaml file",
        )
    try:
        return read_experiment(path, MODELS)
    except EmcliError as error:
        if error.hint is None and path.endswith(DATA):
            error.hint = f"if these are data, the model comes first: emcli fit gmm {path}"
        raise


def source_of(named: str | None, experiment: Experiment | None) -> str | None:
    """Where the data come from; None: they are drawn from the experiment's `generate:`."""
    if named is not None:
        if named == "-" and sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty():
            note("reading CSV from the terminal, end with Ctrl-D")
        return named
    if experiment is not None and (experiment.data or experiment.generate):
        return experiment.data
    if sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty():
        return "-"
    raise EmcliError(Exit.USAGE, "missing DATA; give a CSV file or '-' for standard input")


def raw_of(source: str, model: Any, settings: Settings, held: ExitStack) -> Any:
    """What was read, here or on a cluster that is let go when `held` ends; its `dataset` serves any settings."""
    from emcli.data.dataset import read

    if settings.data.scheduler is None:
        return read(source, model, settings)
    from emcli.data.distributed.cluster import Elsewhere, connected

    return Elsewhere(held.enter_context(connected(settings.data.scheduler)), source, model, settings)


def refuse_on_cluster(settings: Settings, source: str | None, plot: bool = False) -> None:
    """Raise EmcliError (exit 2) for what needs all rows here."""
    if settings.data.scheduler is None:
        return
    if source is None or source == "-":
        raise EmcliError(Exit.USAGE, "'--scheduler' needs DATA that its workers can read: a file, or a folder of parts")
    for asked, name in ((plot, "--plot"), (settings.data.truth, "--truth")):
        if asked:
            raise EmcliError(Exit.USAGE, f"'{name}' and '--scheduler' exclude each other")


def _dataset(
    source: str | None, experiment: Experiment | None, model: Any, settings: Settings, held: ExitStack
) -> Dataset:
    if source is not None:
        loaded: Dataset = raw_of(source, model, settings, held).dataset(model, settings)
        named = experiment.data_source if experiment and source == experiment.data else None
        return replace(loaded, source=named) if named else loaded
    assert experiment is not None
    drawn = drawn_from(experiment, None, None)
    return as_dataset(drawn, experiment, model, settings)


def _drawn_from_fit(source: str, rows: int | None, seed: int | None) -> Drawn:
    from emcli.inference.result import read_fit
    from emcli.inference.simulate import draw
    from emcli.models.base import ParameterFault

    said = read_fit(source)
    try:
        return draw(
            family_of(said["model"]),
            said["parameters"],
            rows or int(said["data"].get("rows", 0)) or 100,
            seed or 0,
            columns=said["data"].get("columns"),
            options=said["data"],
        )
    except ParameterFault as fault:
        raise EmcliError(Exit.DATA, Problem(str(fault), source)) from None


def _fitted(
    model: Any,
    dataset: Dataset,
    settings: Settings,
    experiment: Experiment | None,
    trace: str | None,
    quiet: bool,
    plot: Plot,
    inputs: Sequence[str],
) -> Result:
    from emcli.inference.fit import fit as start_all
    from emcli.output.progress import fit_progress

    check(dataset, settings)
    with ExitStack() as opened:
        observers = plot.observers()
        if trace is not None:
            from emcli.output.trace import tracing

            stream = sys.stdout if trace == "-" else opened.enter_context(open_log(trace, inputs))
            observers.append(opened.enter_context(tracing(stream, model, dataset.rows, settings.model.k)))
        bar = opened.enter_context(bar_for(trace, quiet))
        observers.append(fit_progress(bar, model, dataset.rows, settings.model.k, settings.search.restarts))
        return finished(start_all(model, dataset, settings), observers, experiment, settings, bar)


def _deliver(
    result: Result, given: Mapping[str, Any], sink: Output | None, tables: bool, document: bool, drawn: str
) -> None:
    """Warnings on standard error, tables or the document on standard output, and the document in a file, last."""
    from emcli.inference.result import document as as_document
    from emcli.inference.result import dumps

    if not given["quiet"]:
        for caution in result.cautions:
            warn(caution.slug, caution.message)
    said = dumps(as_document(result)) if sink or given["json"] or document else ""
    with sink.staged(said) if sink is not None else nullcontext():
        if given["json"] or document:
            sys.stdout.write(json_for(sys.stdout, said))
        elif tables:
            from emcli.output.fit_tables import print_fit

            print_fit(result, sys.stdout, given["verbose"])
        sys.stdout.write(drawn)
        sys.stdout.flush()


def _say_decisions(given: Mapping[str, Any], settings: Settings) -> None:
    if given["verbose"]:
        for line in settings.provenance.overridden:
            note(line)


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [str(value).lower()]


def given_once(given: Mapping[str, Any], key: str, flag: str) -> str | None:
    values = given[key] or []
    if len(values) > 1:
        raise EmcliError(Exit.USAGE, f"'{flag}' given twice ({', '.join(map(quoted, values))})")
    return values[0] if values else None


def _whole(text: str | None, flag: str, low: int, high: int) -> int | None:
    if text is None:
        return None
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 25 else -1
    if not low <= value <= high:
        raise EmcliError(Exit.USAGE, f"'{flag}' must be an integer from {low} to {high}, got {quoted(text)}")
    return value
