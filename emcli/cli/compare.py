"""The command `compare`: choose between the fits of a grid, or of experiments and saved fits."""

# Annotations stay objects here (no `from __future__ import annotations`): Typer would compile each of their texts.
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from emcli.cli import options
from emcli.errors import EmcliError, Exit, Problem
from emcli.models import MODELS

if TYPE_CHECKING:
    from emcli.comparison.candidate import Candidate


def compare(
    ctx: typer.Context,
    words: options.Words,
    k: options.ComponentsGrid = None,
    covariance: options.CovarianceGrid = None,
    mixing: options.MixingGrid = None,
    standardize: options.Standardize = None,
    prior: options.PriorGrid = None,
    noise: options.NoiseGrid = None,
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
    init: options.StartsGrid = None,
    restarts: options.Restarts = None,
    seed: options.Seed = None,
    tol: options.Tolerance = None,
    max_iter: options.Iterations = None,
    solver: options.Steps = None,
    start: options.StartFile = None,
    fix: options.Fix = None,
    bootstrap: options.Bootstrap = None,
    jobs: options.Jobs = None,
    criterion: options.Ranking = None,
    test: options.RatioTest = None,
    json: options.Json = None,
    format: options.TableFormat = None,
    width: options.Width = None,
    output: options.Document = None,
    trace: options.Trace = None,
    plot: options.Picture = None,
    size: options.Size = None,
    dpi: options.Dpi = None,
    report: options.Report = None,
    save_fits: options.SaveFits = None,
    quiet: options.Quiet = None,
    verbose: options.Verbose = None,
    debug: options.Debug = None,
) -> int:
    """Compare models and choose k: a grid of fits, or experiments and saved fits together.

    Examples:
      emcli compare gmm faithful -k 1-6 --covariance full,tied
      emcli compare coins tacks.csv -k 1-4 --mixing free,equal --criterion aic
      emcli compare kmeans iris -k 1-9 --criterion gap
      emcli compare heights mixture_1d
      emcli compare fits/*.json --json

    Each candidate is a full fit with its own starts; of more than ten mixtures, or with -k auto,
    those far behind the best after a short search are only screened. Fits of
    different data, and K-means against others, are never ranked together.
    """
    from emcli.cli.candidates import Candidates, asked, names
    from emcli.cli.fit import progress
    from emcli.cli.guard import note, warn
    from emcli.cli.inputs import check_shared, check_tables, settings_in
    from emcli.cli.ratio_test import carried_out, check_test
    from emcli.comparison.alignment import alignments
    from emcli.comparison.candidate import no_fit
    from emcli.comparison.criteria import with_scores
    from emcli.comparison.nesting import refit_from_nested
    from emcli.comparison.ranking import Comparison, grouped
    from emcli.comparison.warnings import comparison_warnings, fit_warnings
    from emcli.files.inputs import check_standard_output
    from emcli.files.outputs import Output, open_log
    from emcli.inference.result import dumps
    from emcli.output.html.target import ReportFile
    from emcli.output.plots.target import Plot
    from emcli.output.terminal import json_for

    check_shared(bool(json), output, trace, plot, report)
    check_tables(format, width, bool(json), output, trace, plot)
    flags = settings_in(ctx.params)
    named = asked(words, flags, criterion)
    check_test(test, named)
    check_standard_output()
    file = Output(output) if output not in (None, "-") else None
    picture, page = Plot(plot, size=size, dpi=dpi), ReportFile(report)
    if save_fits is not None and not os.path.isdir(save_fits):
        raise EmcliError(Exit.OUTPUT, Problem("no such directory", save_fits), hint=f"mkdir -p {save_fits}")
    if save_fits is not None:
        for name in names(named):
            Output(_place(save_fits, name))
    with ExitStack() as held:
        log = None
        if trace is not None:
            log = sys.stdout if trace == "-" else held.enter_context(open_log(trace))
        bar = held.enter_context(progress(trace, quiet))
        made = Candidates(log, bar, held, bool(verbose), criterion, tested=test is not None)
        fitted = list(made.of(named))
        bar.prefix = "once more, from a smaller fit: "
        fitted = refit_from_nested(fitted)
        bar.prefix = ""
        tests = carried_out(test, fitted, jobs, bar)
        bar.doing(f"scoring the fits{f' by {criterion}' if criterion else ''}")
        candidates, warnings = with_scores(fitted, criterion, jobs)
        bar.doing("matching the components of the fits")
        groups = grouped(candidates, criterion)
        aligned = alignments(candidate for group in groups for candidate in group.candidates)
        bar.doing(f"drawing {plot}")
        drawn = ""
        if any(each.document for each in candidates):
            warnings += comparison_warnings(groups, chosen=bool(made.stopped))
            said = *fit_warnings(groups), *warnings
            whole = Comparison(groups, aligned, warnings, made.stopped, tests)
            best = {group.candidates[0].name for group in groups}
            all_of_them = verbose or words[0] not in MODELS  # a grid has very many
            shown = replace(whole, aligned=[each for each in aligned if all_of_them or each.reference.name in best])
            drawn = picture.comparison(groups)
            bar.doing(f"writing {report}")
            reported = replace(shown, warnings=said, stopped=[*made.notes, *made.stopped])
            page.comparison(reported, _repetition(words, flags, criterion, test))
    if all(candidate.document is None for candidate in candidates):
        raise no_fit(candidates)
    if save_fits is not None:
        _save(candidates, save_fits)
    if not quiet:
        note(*made.notes)
        warn(*said)
    text = dumps(whole.document())
    with file.staged(text) if file else nullcontext():
        if json or output == "-":
            sys.stdout.write(json_for(sys.stdout, text))
        elif format == "csv":
            from emcli.output.csv_tables import write_comparison

            write_comparison(whole, sys.stdout)
        elif trace != "-":
            from emcli.output.comparison_tables import print_comparison
            from emcli.output.page import Page

            print_comparison(shown, Page.of(sys.stdout, width, format == "markdown"))
        sys.stdout.write(drawn)
        sys.stdout.flush()
    return Exit.DONE


def _repetition(words: Sequence[str], flags: Mapping[str, object], criterion: str | None, test: int | None) -> str:
    """The command line that repeats it: with the seed of a grid of fits."""
    from emcli.cli.framework.repetition import command_line

    piped = ["-"] if len(words) == 1 and words[0] in MODELS else []
    seed = {"seed": 0} if words[0] in MODELS else {}
    return command_line("compare", [*words, *piped], {**seed, **flags}, criterion, test)


def _save(candidates: Sequence["Candidate"], folder: str) -> None:
    """Write each candidate's own document into a folder, by its name."""
    from emcli.files.outputs import Output
    from emcli.inference.result import dumps

    places = {}
    for each in candidates:
        if each.document is not None:
            places[_place(folder, each.name)] = dumps(each.document)
    for file, text in [(Output(path), text) for path, text in places.items()]:  # all are checked before one is written
        file.write(text)


def _place(folder: str, name: str) -> str:
    """The file in a folder for the candidate of this name."""
    return os.path.join(folder, name.replace(":", "-") + ".json")
