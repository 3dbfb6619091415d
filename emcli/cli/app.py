"""The command line: parse with Typer, call, print."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from emcli import __version__
from emcli.cli.completing import VARIABLE, models, values
from emcli.cli.guard import guarded

Plan = Callable[[], int]  # what a command line asks for, run outside Typer, which would swallow signals

TOP_HELP = """Expectation-maximization from the shell: K-means, coins and Gaussian mixtures.

\b
Examples:
  emcli fit gmm sample_data/faithful.csv -k 2
  emcli fit configs/do_batzoglou.yaml
  emcli generate configs/blobs.yaml
"""

FIT_HELP = """Fit a model by expectation-maximization, from many starts, and show how good the best of them is.

\b
Examples:
  emcli fit gmm sample_data/faithful.csv -k 2
  emcli fit configs/two_coins.yaml
  emcli fit kmeans points.csv -k 3 --columns x,y --json
  zcat big.csv.gz | emcli fit gmm -k 4 --covariance diag -o fit.json
"""

GENERATE_HELP = """Draw data, as CSV, from an experiment's `generate:` or from a fit as if it were the truth.

\b
Examples:
  emcli generate configs/blobs.yaml -o blobs.csv
  emcli generate configs/heights.yaml -n 50 --seed 1
  emcli generate fit.json -n 100 --labels
"""

COMPARE_HELP = """Choose between fits: a grid of them, or experiments and saved fits together.

\b
Examples:
  emcli compare gmm sample_data/faithful.csv -k 1-6 --covariance full,tied
  emcli compare coins tacks.csv -k 1-4 --mixing free,equal --criterion aic
  emcli compare configs/heights.yaml configs/mixture_1d.yaml
  emcli compare fits/*.json --json

Each candidate is a full fit with its own starts. Fits of different data, and
K-means against the others, stand in groups that are never ranked together.
"""

PREDICT_HELP = """Apply a saved fit to new rows: which component each belongs to, and how surely.

\b
Examples:
  emcli fit gmm train.csv -k 3 -o fit.json && emcli predict fit.json new.csv
  zcat new.csv.gz | emcli predict fit.json - > labelled.csv

The columns of DATA come first, as they are; then `component`, one `p_1` to
`p_k` each and `log_density`; for K-means `component` and `distance`.
"""

BRIEF = """usage: emcli COMMAND ...

  emcli fit gmm sample_data/faithful.csv -k 2     fit two Gaussians to a CSV file
  emcli generate configs/two_coins.yaml           draw data from known parameters

`emcli --help` lists the commands, `emcli fit --help` the options of one.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program on the arguments of the process and return its exit code."""
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # threads are ours
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _run(arguments), "--debug" in arguments or os.environ.get("EMCLI_DEBUG") == "1")


def _run(arguments: list[str]) -> int:
    if arguments in (["--version"], ["-V"]):
        sys.stdout.write(f"emcli {__version__}\n")
        return 0
    if not arguments and VARIABLE not in os.environ:
        sys.stderr.write(BRIEF)
        return 2
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    from emcli.cli.parsing import parse

    plan = parse(build(), arguments)
    return plan() if callable(plan) else int(plan or 0)


def build() -> Any:
    """The Typer application. A command returns the work to do as a function; a fit's options come from one table."""
    import typer

    from emcli.cli.helping import Command, Group

    app = typer.Typer(
        name="emcli",
        cls=Group,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help=TOP_HELP,
    )

    def version(asked: bool) -> None:
        if asked:
            sys.stdout.write(f"emcli {__version__}\n")
            raise typer.Exit

    def top(**given: Any) -> None:
        pass

    def fit(model: str, data: list[str] | None, **given: Any) -> Plan:
        from emcli.cli.commands import fit

        return lambda: fit(model, data or [], given)

    def generate(source: str, **given: Any) -> Plan:
        from emcli.cli.commands import generate

        return lambda: generate(source, given)

    def compare(words: list[str], **given: Any) -> Plan:
        from emcli.cli.compare import compare

        return lambda: compare(words, given)

    def predict(fit: str, data: list[str] | None, **given: Any) -> Plan:
        from emcli.cli.commands import predict

        return lambda: predict(fit, data or [], given)

    asked = _switch("--version", "-V", help="show the version and stop", callback=version, is_eager=True)
    app.callback()(_declared(top, {"version": asked}))
    for command, text, parameters in (
        (fit, FIT_HELP, _fit_parameters()),
        (generate, GENERATE_HELP, _generate_parameters()),
        (compare, COMPARE_HELP, _compare_parameters()),
        (predict, PREDICT_HELP, _predict_parameters()),
    ):
        brief = text.split(".")[0].split(",")[0].split(":")[0]
        app.command(command.__name__, cls=Command, help=text, short_help=brief)(
            _declared(command, {**parameters, **_talk()})
        )
    return app


def _fit_parameters() -> dict[str, Any]:
    from emcli.config.options import OPTIONS

    options = {option.key: _from_table(option) for option in sorted(OPTIONS, key=lambda option: option.switch)}
    return {
        "model": _word("MODEL|EXPERIMENT", "kmeans, coins or gmm; or an experiment file (YAML)"),
        "data": _words("DATA", "a CSV or Parquet file, a folder of them, or - for standard input"),
        **options,
        "json": _switch("--json", help="print the result document instead of tables"),
        "output": _option("-o", "--output", metavar="FILE", help="write the document to FILE, whole or not at all"),
        "trace": _option("--trace", metavar="FILE", help="each iteration as a JSON line at once; - is stdout"),
        "plot": _option("--plot", metavar="FILE", help="a picture: .png, .svg or .pdf; - draws in the terminal"),
        "require_convergence": _switch("--require-convergence", help="exit with 1 unless the best fit converged"),
    }


def _compare_parameters() -> dict[str, Any]:
    kept = _fit_parameters()
    del kept["model"], kept["data"], kept["require_convergence"]
    return {
        "words": _words("MODEL [DATA] | FILE...", "a model and its data, or experiments (YAML) and saved fits (JSON)"),
        **kept,
        "criterion": _option("--criterion", metavar="bic|aic|icl", help="what to rank by (bic); smaller is better"),
        "save_fits": _option("--save-fits", metavar="DIR", help="write each candidate's own document into DIR"),
    }


def _generate_parameters() -> dict[str, Any]:
    return {
        "source": _word("SOURCE", "an experiment file (YAML), or a fit's JSON"),
        "rows": _option("-n", "--rows", metavar="ROWS", help="how many rows, instead of SOURCE's own"),
        "seed": _option("--seed", metavar="N", help="seed of the random numbers (SOURCE's own, else 0)"),
        "labels": _switch("--labels", help="add a column: the component each row came from"),
        "output": _option("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all"),
    }


def _predict_parameters() -> dict[str, Any]:
    from emcli.config.options import BY_KEY

    return {
        "fit": _word("FIT", "a fit's JSON"),
        "data": _words("DATA", "a CSV or Parquet file, a folder of them, or - for standard input"),
        **{key: _from_table(BY_KEY[key]) for key in ("missing", "delimiter", "comment", "header")},
        "output": _option("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all"),
    }


def _talk() -> dict[str, Any]:
    return {
        "quiet": _switch("-q", "--quiet", help="only errors on standard error"),
        "verbose": _switch("-v", "--verbose", help="say what was decided; show every iteration"),
        "debug": _switch("--debug", help="show a traceback with an error"),
    }


def _word(metavar: str, help: str) -> Any:
    import typer

    return Annotated[
        str, typer.Argument(metavar=metavar, show_default=False, help=help, autocompletion=models(metavar))
    ]


def _words(metavar: str, help: str) -> Any:
    """Any number of words, so that one too many is counted and not misread."""
    import typer

    return Annotated[
        list[str] | None,
        typer.Argument(metavar=metavar, show_default=False, help=help, autocompletion=models(metavar)),
    ]


def _option(*names: str, metavar: str, help: str) -> Any:
    """An option with a value, taken as often as it is given, so that giving it twice is seen."""
    import typer

    return Annotated[
        list[str] | None,
        typer.Option(*names, metavar=metavar, show_default=False, help=help, autocompletion=values(metavar)),
    ]


def _switch(*names: str, **more: Any) -> Any:
    import typer

    return Annotated[bool, typer.Option(*names, **more)]


def _from_table(option: Any) -> Any:
    import typer

    if option.switch:
        return Annotated[bool | None, typer.Option(option.flag, show_default=False, help=option.help)]
    return _option(*filter(None, (option.short, option.flag)), metavar=option.metavar, help=option.help)


def _declared(command: Any, parameters: dict[str, Any]) -> Any:
    """The function with parameters that are data: Typer reads them from its signature."""
    kinds = {
        key: inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=_default(kind))
        for key, kind in parameters.items()
    }
    command.__signature__ = inspect.Signature(list(kinds.values()))
    command.__annotations__ = dict(parameters)
    return command


def _default(kind: Any) -> Any:
    declared = kind.__origin__
    return inspect.Parameter.empty if declared is str else False if declared is bool else None


if __name__ == "__main__":
    sys.exit(main())
