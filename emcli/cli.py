"""The command line: parse with Typer, call, print."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from emcli import __version__
from emcli.shell import guarded

Plan = Callable[[], int]  # what a command line asks for, run outside Typer, which would swallow signals

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
    if not arguments:
        sys.stderr.write(BRIEF)
        return 2
    if arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    from emcli.parsing import parse

    plan = parse(build(), arguments)
    return plan() if callable(plan) else int(plan or 0)


def build() -> Any:
    """The Typer application. A command returns the work to do as a function; a fit's options come from one table."""
    import typer

    from emcli.options import OPTIONS

    app = typer.Typer(
        name="emcli",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
        no_args_is_help=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help="Expectation-maximization from the shell: K-means, coins and Gaussian mixtures.\n\n\b\n"
        "Examples:\n  emcli fit gmm sample_data/faithful.csv -k 2\n  emcli fit configs/do_batzoglou.yaml\n"
        "  emcli generate configs/blobs.yaml",
    )

    def version(asked: bool) -> None:
        if asked:
            sys.stdout.write(f"emcli {__version__}\n")
            raise typer.Exit

    def top(**given: Any) -> None:
        pass

    app.callback()(
        _declared(
            top,
            {
                "version": Annotated[
                    bool,
                    typer.Option("--version", "-V", callback=version, is_eager=True, help="show the version and stop"),
                ]
            },
        )
    )

    def fit(model: str, data: list[str] | None, **given: Any) -> Plan:
        from emcli.commands import fit

        return lambda: fit(model, data or [], given)

    def generate(source: str, **given: Any) -> Plan:
        from emcli.commands import generate

        return lambda: generate(source, given)

    flags = {
        option.key: Annotated[
            list[str] | None,
            typer.Option(
                *filter(None, (option.short, *option.flag.split("/")[:1])),
                metavar=option.metavar,
                help=option.help,
                show_default=False,
            ),
        ]
        for option in OPTIONS
        if not _is_switch(option)
    }
    switches = {
        option.key: Annotated[bool | None, typer.Option(option.flag, help=option.help, show_default=False)]
        for option in OPTIONS
        if _is_switch(option)
    }
    one: dict[str, Any] = {"metavar": "FILE", "show_default": False}
    output = Annotated[
        list[str] | None, typer.Option("-o", "--output", help="write to FILE, whole or not at all", **one)
    ]
    _declare(
        app,
        fit,
        FIT_HELP,
        {
            "model": Annotated[
                str,
                typer.Argument(
                    metavar="MODEL|EXPERIMENT",
                    show_default=False,
                    help="kmeans, coins or gmm; or an experiment file (YAML)",
                ),
            ],
            "data": Annotated[
                list[str] | None,
                typer.Argument(metavar="DATA", show_default=False, help="a CSV file, or - for standard input"),
            ],
            **flags,
            **switches,
            "json": Annotated[bool, typer.Option("--json", help="print the result document instead of tables")],
            "output": output,
            "trace": Annotated[
                list[str] | None,
                typer.Option(
                    "--trace", help="write each iteration as a JSON line while it happens; - is standard output", **one
                ),
            ],
            "require_convergence": Annotated[
                bool, typer.Option("--require-convergence", help="exit with 1 unless the best fit converged")
            ],
            **_talk(typer),
        },
    )
    _declare(
        app,
        generate,
        GENERATE_HELP,
        {
            "source": Annotated[
                str,
                typer.Argument(metavar="SOURCE", show_default=False, help="an experiment file (YAML), or a fit's JSON"),
            ],
            "rows": Annotated[
                list[str] | None,
                typer.Option(
                    "-n", "--rows", metavar="ROWS", help="how many rows, instead of SOURCE's own", show_default=False
                ),
            ],
            "seed": Annotated[
                list[str] | None,
                typer.Option(
                    "--seed", metavar="N", help="seed of the random numbers (SOURCE's own, else 0)", show_default=False
                ),
            ],
            "labels": Annotated[bool, typer.Option("--labels", help="add a column: the component each row came from")],
            "output": output,
            **_talk(typer),
        },
    )
    return app


def _is_switch(option: Any) -> bool:
    return "/" in option.flag


def _talk(typer: Any) -> dict[str, Any]:
    return {
        "quiet": Annotated[bool, typer.Option("-q", "--quiet", help="only errors on standard error")],
        "verbose": Annotated[bool, typer.Option("-v", "--verbose", help="say what was decided; show every iteration")],
        "debug": Annotated[bool, typer.Option("--debug", help="show a traceback with an error")],
    }


def _declare(app: Any, command: Any, text: str, parameters: dict[str, Any]) -> None:
    app.command(command.__name__, help=text, short_help=text.split(".")[0].split(",")[0])(
        _declared(command, parameters)
    )


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
