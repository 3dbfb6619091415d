"""The command `generate`: simulate data from known parameters."""

# Annotations stay objects here (no `from __future__ import annotations`): Typer would compile each of their texts.
import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from emcli.cli import options
from emcli.errors import EmcliError, Exit, Problem, counted

if TYPE_CHECKING:
    from emcli.inference.simulate import SimulatedData


def generate(
    source: options.Recipe,
    rows: options.RowCount = None,
    seed: options.DrawSeed = None,
    labels: options.Labels = None,
    output: options.Csv = None,
    plot: options.RowPicture = None,
    size: options.Size = None,
    dpi: options.Dpi = None,
    quiet: options.Quiet = None,
    verbose: options.Verbose = None,
    debug: options.Debug = None,
) -> int:
    """Simulate data, as CSV, from an experiment's `generate:` or from a fit as if it were the truth.

    Examples:
      emcli generate blobs -o blobs.csv
      emcli generate heights -n 50 --seed 1
      emcli generate fit.json -n 100 --labels
      emcli generate configs/blobs.yaml -o blobs.csv --labels --plot blobs.svg

    The same seed gives the same rows.
    """
    from emcli.cli.fit import progress
    from emcli.cli.guard import note
    from emcli.cli.inputs import check_shared, experiment_in, simulated
    from emcli.config.checks import integer
    from emcli.config.experiment import MAX_ROWS
    from emcli.config.settings import CHECKS
    from emcli.config.sources import check_flags
    from emcli.data.table.csv_writer import write_csv
    from emcli.files.inputs import check_standard_output, will_read
    from emcli.files.outputs import Output
    from emcli.models import model_class
    from emcli.output.plots.target import Plot
    from emcli.output.terminal import is_terminal

    check_flags({"rows": rows, "seed": seed}, {"rows": integer(1, MAX_ROWS), "seed": CHECKS["seed"]})
    if output in (None, "-") and plot == "-":
        what = "the rows and the picture would both go to standard output"
        raise EmcliError(Exit.USAGE, what, hint="write the rows with -o FILE")
    check_shared(False, output or "-", None, plot)
    will_read(source)
    file = Output(output) if output not in (None, "-") else None
    if file is None:
        check_standard_output()
    picture = Plot(plot, size=size, dpi=dpi)
    seen = file is None and is_terminal(sys.stdout)  # then the rows tell how far it is
    with progress(None, quiet or seen) as bar:
        bar.doing("drawing rows")
        if source.endswith(".json"):
            model, drawn = _from_fit(source, rows, seed)
        else:
            experiment = experiment_in(source)
            model, drawn = experiment.model, simulated(experiment, rows, seed)
        if plot is not None:
            bar.doing(f"drawing {plot}")
        sketch = picture.drawn(model_class(model), drawn, source, bool(labels))
        bar.doing(f"writing {len(drawn.values)} rows")
        names = (*drawn.names, "component") if labels else drawn.names
        with file.opened() if file else nullcontext(sys.stdout) as stream:
            numbers = (drawn.labels + 1).tolist()
            called = [drawn.called[number - 1] for number in numbers] if drawn.called else numbers
            write_csv(stream, names, drawn.values, called if labels else None)
    sys.stdout.write(sketch)
    if verbose:
        note(f"drew {counted(len(drawn.values), 'row')} of {', '.join(drawn.names)} from {source}")
    return Exit.DONE


def _from_fit(source: str, rows: int | None, seed: int | None) -> tuple[str, "SimulatedData"]:
    """The model of a saved fit, and rows drawn from it, as many as it was fitted to unless said otherwise."""
    from emcli.inference.result import read_fit
    from emcli.inference.simulate import draw
    from emcli.models import model_class
    from emcli.models.parameters import ParameterFault

    document = read_fit(source)
    data = document["data"]
    rows = rows or int(data.get("rows", 0)) or 100
    try:
        drawn = draw(
            model_class(document["model"]),
            document["parameters"],
            rows,
            seed or 0,
            columns=data.get("columns"),
            tosses=data.get("tosses"),
        )
        return document["model"], replace(drawn, called=document.get("components") or drawn.called)
    except ParameterFault as fault:
        raise EmcliError(Exit.DATA, Problem(str(fault), source)) from None
