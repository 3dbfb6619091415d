"""The command `fit`: fit one model, show it, and write its document."""

# Annotations stay objects here (no `from __future__ import annotations`): Typer would compile each of their texts.
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from shlex import quote
from typing import TYPE_CHECKING, cast

import typer

from emcli.cli import options
from emcli.errors import EmcliError, Exit, FitWarning, Problem, counted

if TYPE_CHECKING:
    from emcli.config.experiment import Experiment
    from emcli.config.settings import Settings
    from emcli.data.dataset import Dataset
    from emcli.inference.fit import Events, Observer
    from emcli.inference.fit_result import FitResult
    from emcli.models.base import AnyModel
    from emcli.models.parameters import ParameterFault
    from emcli.output.progress import Progress


def fit(
    ctx: typer.Context,
    target: options.Target,
    data: options.Rows = None,
    k: options.Components = None,
    covariance: options.CovarianceShape = None,
    mixing: options.MixingWeights = None,
    standardize: options.Standardize = None,
    prior: options.Prior = None,
    noise: options.Noise = None,
    columns: options.Columns = None,
    exclude: options.Exclude = None,
    row_weights: options.RowWeights = None,
    heads: options.Heads = None,
    tosses: options.Tosses = None,
    tails: options.Tails = None,
    flips: options.Flips = None,
    truth: options.Truth = None,
    known: options.Known = None,
    missing: options.MissingCells = None,
    na: options.MissingMarks = None,
    decimal: options.Decimal = None,
    thousands: options.Thousands = None,
    delimiter: options.Delimiter = None,
    comment: options.Comment = None,
    header: options.Header = None,
    skip: options.SkippedLines = None,
    memory: options.Memory = None,
    scheduler: options.Scheduler = None,
    init: options.Starts = None,
    restarts: options.Restarts = None,
    seed: options.Seed = None,
    tol: options.Tolerance = None,
    max_iter: options.Iterations = None,
    solver: options.Steps = None,
    start: options.StartFile = None,
    fix: options.Fix = None,
    bootstrap: options.Bootstrap = None,
    jobs: options.Jobs = None,
    json: options.Json = None,
    format: options.TableFormat = None,
    width: options.Width = None,
    output: options.Document = None,
    trace: options.Trace = None,
    plot: options.MovingPicture = None,
    iterations: options.Frames = None,
    size: options.Size = None,
    dpi: options.Dpi = None,
    report: options.Report = None,
    require_convergence: options.RequireConvergence = None,
    quiet: options.Quiet = None,
    verbose: options.Details = None,
    debug: options.Debug = None,
) -> int:
    """Fit a model by expectation-maximization, from many starts, and show how good the best of them is.

    Examples:
      emcli fit gmm faithful -k 2
      emcli fit two_coins
      emcli fit kmeans points.csv -k 3 --columns x,y --json
      zcat big.csv.gz | emcli fit gmm -k 4 --covariance diag -o fit.json

    Without DATA the rows are those of the experiment, or of standard input.
    `emcli explain WORD` tells what a warning or a word of the tables means.
    """
    from emcli.cli.framework.repetition import command_line
    from emcli.cli.guard import note, warn
    from emcli.cli.inputs import check_cluster, check_shared, check_tables, open_data, settings_in
    from emcli.files.inputs import check_standard_output
    from emcli.files.outputs import Output, open_log
    from emcli.inference.fit import fit as run
    from emcli.output.decisions import decisions
    from emcli.output.html.target import ReportFile
    from emcli.output.plots.target import Plot
    from emcli.output.progress import fit_progress
    from emcli.output.terminal import json_for

    check_shared(bool(json), output, trace, plot, report)
    check_tables(format, width, bool(json), output, trace, plot)
    flags = settings_in(ctx.params)
    experiment, kind, source, settings = asked_of(target, data, flags)
    piped = data is None and source == "-" and not (experiment and experiment.data)
    words = [target, *(["-"] if piped else [data] if data is not None else [])]
    check_cluster(settings, source, plot is not None, report is not None)
    if verbose:
        note(*settings.provenance.overridden)
    check_standard_output()
    file = Output(output) if output not in (None, "-") else None
    picture, page = Plot(plot, iterations, size, dpi, moves=True), ReportFile(report)
    with ExitStack() as held:
        bar = held.enter_context(progress(trace, quiet, source))
        bar.doing(f"reading {source or target}")
        dataset = open_data(source, experiment, kind, settings, held, bool(verbose)).dataset(settings)
        check_bootstrap(dataset, settings)
        rows = dataset.rows
        path = None
        tol = settings.search.tol
        observers = [*picture.observers(tol), *page.observers(tol), fit_progress(bar, kind, rows, settings)]
        if trace is not None:
            from emcli.output.trace import tracing

            log = sys.stdout if trace == "-" else held.enter_context(open_log(trace))
            observers.append(held.enter_context(tracing(log, kind, rows, settings.model)))
        if verbose and verbose > 1:
            from emcli.output.steps.path_tables import parameter_path

            path = parameter_path(kind, dataset, tol)
            observers.append(path)
        result = finish(run(kind, dataset, settings), observers, experiment, settings, bar)
        bar.doing(f"drawing {plot}")
        drawn = picture.fit(result)
        bar.doing(f"writing {report}")
        page.fit(result, command_line("fit", words, {**flags, "seed": settings.search.seed}))
    if verbose:
        note(*decisions(result))
    if not quiet:
        warn(*result.warnings)
    if (beyond := picture.unreached(result)) and not quiet:
        from emcli.config.iterations import not_reached

        warn(FitWarning("iterations", not_reached(result.best.iterations, beyond)))
    as_json = bool(json) or output == "-"
    text = ""
    if file or as_json:
        from emcli.inference.result import document, dumps

        text = dumps(document(result))
    with file.staged(text) if file else nullcontext():
        if as_json:
            sys.stdout.write(json_for(sys.stdout, text))
        elif format == "csv":
            from emcli.output.csv_tables import write_fit

            write_fit(result, sys.stdout)
        elif trace != "-":
            from emcli.output.fit_tables import print_fit
            from emcli.output.page import Page

            print_fit(result, Page.of(sys.stdout, width, format == "markdown"), bool(verbose), path)
        sys.stdout.write(drawn)
        sys.stdout.flush()
    if require_convergence and result.best.status != "converged":
        return Exit.NOT_CONVERGED
    return Exit.DONE


def asked_of(
    target: str, data: str | None, flags: Mapping[str, object], solver: str | None = None
) -> "tuple[Experiment | None, type[AnyModel], str | None, Settings]":
    """What to fit: experiment, model, source of the data (None: drawn) and settings, by default with this solver."""
    from emcli.cli.inputs import check_twice, experiment_in, read_start, source_of
    from emcli.config.resolve import resolve
    from emcli.models import MODELS, model_class

    experiment = None if target in MODELS else experiment_in(target, data)
    kind = model_class(experiment.model if experiment else target)
    source = source_of(data, experiment, at_once=flags.get("scheduler") is None)
    check_twice(target, source, cast("str | None", flags.get("start")))
    options = {key: solver if solver and key == "solver" else value for key, value in kind.options.items()}
    said = experiment.document if experiment else None
    return experiment, kind, source, resolve(kind.name, options, flags, said, read_start=read_start)


def progress(trace: str | None, quiet: bool | None, source: str | None = None) -> "Progress":
    """The line of progress on standard error; none where the same terminal shows a trace, or takes the rows."""
    from emcli.output.progress import Progress
    from emcli.output.terminal import is_terminal

    taken = (trace == "-" and is_terminal(sys.stdout)) or (source == "-" and is_terminal(sys.stdin))
    return Progress(sys.stderr, bool(quiet) or taken)


def check_bootstrap(dataset: "Dataset", settings: "Settings") -> None:
    """Raise EmcliError (exit 3), before the fit, for data that a bootstrap cannot draw again."""
    if settings.search.bootstrap is not None:
        from emcli.inference.bootstrap import refuse

        refuse(dataset)


def finish(
    events: "Events",
    observers: Sequence["Observer"],
    experiment: "Experiment | None",
    settings: "Settings",
    bar: "Progress",
) -> "FitResult":
    """The result of a fit's events, compared with the truth where that is known, and with its bootstrap."""
    from emcli.inference.fit import observe
    from emcli.models.parameters import ParameterFault

    try:
        result = observe(events, *observers)
    except ParameterFault as fault:
        raise start_error(fault, settings, experiment) from None
    result = _with_truth(result, experiment, settings)
    if settings.search.bootstrap is None:
        return result
    from emcli.inference.bootstrap import bootstrapped
    from emcli.output.progress import replicate_progress

    replicates = settings.search.bootstrap
    return observe(bootstrapped(result, replicates), replicate_progress(bar, replicates))


def start_error(fault: "ParameterFault", settings: "Settings", experiment: "Experiment | None") -> EmcliError:
    """What is wrong with given start values, at its place where they stand in the experiment."""
    from emcli.config.places import dotted

    key = fault.setting
    if experiment is None or (key == "start" and settings.provenance.start_source != experiment.file):
        return EmcliError(Exit.USAGE, Problem(f"{key}: {fault}", settings.provenance.start_source))
    path = ("fit", key, *fault.path)
    problem = experiment.document.problem(path, f"{dotted(path)}: {fault.what}")
    return EmcliError(Exit.USAGE, problem, hint=_other_start(key, settings, experiment))


def _other_start(key: str, settings: "Settings", experiment: "Experiment") -> str | None:
    """What to do where an experiment starts, or holds, another number of components than is asked for."""
    from emcli.files.examples import word_of

    values = settings.search.start if key == "start" else settings.model.fix
    given = next((len(each) for each in (values or {}).values() if isinstance(each, list)), None)
    if given in (None, settings.model.k):
        return None
    what = "gives start values for" if key == "start" else "holds values of"
    hint = f"the experiment {what} {counted(given or 0, 'component')}"
    if experiment.data in (None, "-") or key == "fix":
        return f"{hint}: leave out -k, or its '{key}:'"
    instead = f"{experiment.model} {quote(word_of(str(experiment.data)))}"
    return f"{hint}; `{instead}` in place of its name starts at random"


def _with_truth(result: "FitResult", experiment: "Experiment | None", settings: "Settings") -> "FitResult":
    """The result with the truth, where an experiment or a column of labels tells it."""
    if result.data.labels is None and (experiment is None or experiment.generate is None):
        return result
    from emcli.inference.truth import matched, with_truth

    if result.data.labels is not None:
        return with_truth(result, None, *result.data.labels.ranked())
    from emcli.cli.inputs import as_dataset, simulated

    assert experiment is not None
    drawn = simulated(experiment)
    try:
        same = as_dataset(drawn, experiment, result.kind, settings).digest() == result.data.digest()
    except EmcliError:  # the data have columns that are not drawn
        same = False
    parameters = None
    if result.kind.observations.names is not None or _same_columns(drawn.names, result.data.columns):
        parameters = result.kind.from_parameters(drawn.parameters).to_parameters()
    if not same:
        return with_truth(result, parameters) if parameters else result
    true = result.kind.from_parameters(drawn.parameters)
    names = [*(f"component {i + 1} as drawn" for i in range(len(true.weights))), *true.others]
    order = matched(result, parameters) if parameters else None
    if order is None:
        return with_truth(result, parameters, names, drawn.labels)
    import numpy as np

    places = [*np.argsort(order).tolist(), *range(len(order), len(names))]  # numbered as the fit is
    return with_truth(result, parameters, names, np.array(places)[drawn.labels])


def _same_columns(drawn: Sequence[str], fitted: Sequence[str]) -> bool:
    """May parameters of drawn columns be those of fitted ones: as many, and not the same in another order?"""
    return len(drawn) == len(fitted) and (list(drawn) == list(fitted) or set(drawn) != set(fitted))
