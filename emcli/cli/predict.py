"""The command `predict`: apply a saved fit to new rows."""

# Annotations stay objects here (no `from __future__ import annotations`): Typer would compile each of their texts.
import sys
from contextlib import ExitStack

import typer

from emcli.cli import options
from emcli.errors import EmcliError, Exit


def predict(
    ctx: typer.Context,
    fit: options.SavedFit,
    data: options.Rows = None,
    missing: options.MissingNewCells = None,
    na: options.MissingMarks = None,
    decimal: options.Decimal = None,
    thousands: options.Thousands = None,
    delimiter: options.Delimiter = None,
    comment: options.Comment = None,
    header: options.Header = None,
    fill: options.Fill = None,
    prefix: options.Prefix = None,
    digits: options.Digits = None,
    skip: options.SkippedLines = None,
    output: options.Csv = None,
    quiet: options.Quiet = None,
    verbose: options.Verbose = None,
    debug: options.Debug = None,
) -> int:
    """Apply a saved fit to new rows: which component each belongs to, and how surely.

    Examples:
      emcli fit gmm train.csv -k 3 -o fit.json && emcli predict fit.json new.csv
      zcat new.csv.gz | emcli predict fit.json - > labelled.csv

    The columns of DATA come first, as they are; then `component`, one `p_1` to
    `p_k` each and `log_density`; for K-means `component` and `distance`.
    """
    from emcli.cli.fit import progress
    from emcli.cli.guard import note, warn
    from emcli.cli.inputs import DATA_FILES, check_twice, settings_in, source_of, told_what_is_no_table
    from emcli.config.checks import integer
    from emcli.config.settings import CHECKS
    from emcli.config.sources import check_flags
    from emcli.data.table.partitions import csv_name, is_folder
    from emcli.data.table.table import CsvDialect
    from emcli.errors import FitWarning
    from emcli.files.examples import data_path
    from emcli.files.inputs import check_standard_output, will_read
    from emcli.files.outputs import Output, OutputFolder
    from emcli.inference.predict import Form, predictions, with_format_of
    from emcli.inference.result import read_fit
    from emcli.models import incomplete_class
    from emcli.output.terminal import is_terminal

    given = {key: value for key, value in settings_in(ctx.params).items() if key != "missing"}
    missing = missing or ("use" if fill else "error")
    csv = CsvDialect(**check_flags(given, CHECKS), missing=missing, empty_rows=True)  # type: ignore[arg-type]
    check_flags({"digits": digits}, {"digits": integer(1, 17)})
    if csv.decimal is not None and csv.decimal == csv.thousands:
        raise EmcliError(Exit.USAGE, "'--decimal' and '--thousands' must differ")
    if fill and missing != "use":
        raise EmcliError(Exit.USAGE, f"'--fill' is for '--missing use', got '{missing}'")
    source = source_of(data, None, at_once=False) or "-"
    check_twice(fit, source)
    will_read(fit)
    file, folder = None, None
    if output is None or output == "-":
        check_standard_output()
    elif is_folder(source):
        folder = OutputFolder(output)
    else:
        file = Output(output)
    try:
        saved = read_fit(fit)
    except EmcliError as error:
        if error.hint is None and (fit.endswith(DATA_FILES) or data_path(fit) != fit):
            error.hint = f"if these are data, the JSON of a fit comes first: emcli predict FIT {fit}"
        raise
    noisy = saved.get("settings", {}).get("noise")
    if missing == "use" and (incomplete_class(saved["model"]) is None or noisy):
        hint = "--missing keep keeps them, their new cells empty"
        what = f"{saved['model']} with noise" if noisy else saved["model"]
        raise EmcliError(Exit.USAGE, f"{what} cannot use rows with missing cells", hint=hint)
    if verbose:
        standardized = "; distances are in standardized columns" if saved["settings"].get("standardize") else ""
        columns = ", ".join(saved["data"]["columns"])
        note(f"applying {saved['model']}, k={saved['k']}, to columns {columns}{standardized}")
    csv = with_format_of(saved.get("settings") or {}, csv)
    if verbose and csv.assumed:
        note(f"numbers are read as for the fit: decimal {csv.decimal or '.'}, thousands {csv.thousands or 'none'}")
    pieces = predictions(saved, fit, source, csv, Form(prefix or "", digits, folder is not None, bool(fill)))
    with ExitStack() as opened:
        opened.enter_context(told_what_is_no_table(source))
        written = opened.enter_context(folder.opened()) if folder else None
        stream = opened.enter_context(file.opened()) if file else sys.stdout
        seen = stream is sys.stdout and is_terminal(sys.stdout)  # then the rows tell how far it is
        bar, rows = opened.enter_context(progress(None, quiet or seen, source)), -1  # a header
        bar.doing(f"reading {source}")
        for piece in pieces:
            if isinstance(piece, str):
                stream.write(piece)
                rows += piece.count("\n")
                bar.show(f"{rows} rows")
            elif isinstance(piece, FitWarning):
                if not quiet:
                    bar.clear()
                    warn(piece)
            elif written is not None:
                stream = written.next(csv_name(piece.name))
    return Exit.DONE
