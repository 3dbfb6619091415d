"""The command `steps`: EM at work on chosen rows, one iteration after another, in numbers that can be followed."""

# Annotations stay objects here (no `from __future__ import annotations`): Typer would compile each of their texts.
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from emcli.cli import options
from emcli.errors import EmcliError, Exit, FitWarning, Problem, counted

if TYPE_CHECKING:
    from emcli.inference.fit import Observer

DEFAULT_ROWS, DEFAULT_ITERATIONS = 3, "0,1,last"


def steps(
    ctx: typer.Context,
    target: options.Target,
    data: options.Rows = None,
    rows: options.ChosenRows = None,
    iterations: options.ChosenIterations = None,
    k: options.Components = None,
    covariance: options.CovarianceShape = None,
    mixing: options.MixingWeights = None,
    prior: options.Prior = None,
    standardize: options.Standardize = None,
    columns: options.Columns = None,
    exclude: options.Exclude = None,
    row_weights: options.RowWeights = None,
    heads: options.Heads = None,
    tosses: options.Tosses = None,
    tails: options.Tails = None,
    flips: options.Flips = None,
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
    init: options.Starts = None,
    restarts: options.Restarts = None,
    seed: options.Seed = None,
    tol: options.Tolerance = None,
    max_iter: options.Iterations = None,
    solver: options.PlainSteps = None,
    start: options.StartFile = None,
    fix: options.Fix = None,
    jobs: options.Jobs = None,
    json: options.Json = None,
    format: options.PageFormat = None,
    width: options.Width = None,
    quiet: options.Quiet = None,
    verbose: options.Verbose = None,
    debug: options.Debug = None,
) -> int:
    """Show EM at work: densities, responsibilities, sums and new parameters.

    Examples:
      emcli steps do_batzoglou --rows 1-5
      emcli steps two_coins --rows 1,2,8 --iterations 0,1,2,last
      emcli steps gmm faithful -k 2 --columns waiting
      emcli steps kmeans points.csv -k 3 --start centroids.yaml --json

    The run shown is that of the best start of `emcli fit` with the same options,
    by plain EM. Numbers can be computed again with a pocket calculator.
    """
    from emcli.cli.fit import asked_of, progress, start_error
    from emcli.cli.guard import note, warn
    from emcli.cli.inputs import check_tables, open_data, settings_in
    from emcli.config.covariances import CLASSIC, letters
    from emcli.config.iterations import chosen_iterations, chosen_rows, not_reached
    from emcli.files.inputs import check_standard_output
    from emcli.inference.fit import fit, observe
    from emcli.inference.steps.path import Path
    from emcli.inference.steps.worked import shown_run
    from emcli.inference.steps.worked import steps as worked
    from emcli.models.base import AnyModel
    from emcli.models.parameters import ParameterFault
    from emcli.output.decisions import decisions
    from emcli.output.progress import fit_progress
    from emcli.output.terminal import json_for

    check_tables(format, width, bool(json), None, None, None)
    asked_rows = None if rows is None else chosen_rows(rows)
    asked = chosen_iterations(DEFAULT_ITERATIONS if iterations is None else iterations)
    experiment, kind, source, settings = asked_of(target, data, settings_in(ctx.params), solver="em")
    if settings.data.scheduler is not None:
        raise EmcliError(Exit.USAGE, "steps shows single rows, and those of a cluster ('scheduler') are not here")
    if settings.model.noise:
        raise EmcliError(Exit.USAGE, "steps shows no steps of a fit with 'noise'")
    if letters(shape := settings.model.covariance) not in CLASSIC and settings.model.prior is not None:
        raise EmcliError(Exit.USAGE, f"steps shows no M-steps of covariance {shape} with a 'prior'")
    if verbose:
        note(*settings.provenance.overridden)
    check_standard_output()
    wanted = asked.numbers | {i + 1 for i in asked.numbers}
    path = Path[AnyModel](settings.search.tol, lambda iteration, model: model if iteration in wanted else None)
    with ExitStack() as held:
        bar = held.enter_context(progress(None, quiet, source))
        bar.doing(f"reading {source or target}")
        dataset = open_data(source, experiment, kind, settings, held, bool(verbose)).dataset(settings)
        count = dataset.count + dataset.weightless
        chosen = asked_rows or range(1, min(DEFAULT_ROWS, count) + 1)
        if max(chosen) > count:
            gone = f", without {dataset.dropped} with missing cells" if dataset.dropped else ""
            what = f"'--rows' names row {max(chosen)}, but there are {counted(count, 'row')}{gone}"
            raise EmcliError(Exit.USAGE, Problem(what, dataset.path))
        observers: list[Observer] = [path, fit_progress(bar, kind, dataset.rows, settings)]
        try:
            result = observe(fit(kind, dataset, settings), *observers)
        except ParameterFault as fault:
            raise start_error(fault, settings, experiment) from None
        run = shown_run(result).best
        numbers, none = asked.among(len(run.scores) - 1)
        solver_asked = bool(solver) or (experiment is not None and "solver" in experiment.document.section("fit"))
        shown = worked(result, path.iterations(run), numbers, list(chosen), solver_asked)
    if verbose:
        note(*decisions(result))
    if not quiet:
        warn(*result.warnings)
    if none and iterations and not quiet:
        what = not_reached(len(run.scores) - 1, none, set(numbers).isdisjoint(asked.numbers))
        warn(FitWarning("iterations", what))
    if json:
        from emcli.inference.result import dumps
        from emcli.inference.steps.document import document

        sys.stdout.write(json_for(sys.stdout, dumps(document(shown))))
    else:
        from emcli.output.page import Page
        from emcli.output.steps.tables import print_steps

        print_steps(shown, Page.of(sys.stdout, width, format == "markdown"))
    sys.stdout.flush()
    return Exit.DONE
