"""The command line: one Typer application, run inside the guard, with errors of one line."""

# Annotations stay objects here (no `from __future__ import annotations`): Typer would compile each of their texts.
import os
import shlex
import sys
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Annotated

import typer
from typer.models import CommandInfo

from emcli import __version__
from emcli.cli.compare import compare
from emcli.cli.examples import examples
from emcli.cli.explain import explain
from emcli.cli.fit import fit
from emcli.cli.framework.conversion import SeveralValues, without_pydantic
from emcli.cli.framework.help_page import Command, Group
from emcli.cli.generate import generate
from emcli.cli.guard import guarded
from emcli.cli.predict import predict
from emcli.cli.schema import schema
from emcli.cli.steps import steps
from emcli.errors import EmcliError, Exit, suggestion
from emcli.files.inputs import forget_inputs

COMPLETION = "_EMCLI_COMPLETE"  # a shell sets it to ask for completions instead of work

BRIEF = """usage: emcli COMMAND ...

  emcli fit gmm faithful -k 2     fit two Gaussians to a data set
  emcli generate two_coins        draw data from known parameters

`emcli --help` lists the commands, `emcli fit --help` the options of one.
"""

app = typer.Typer(
    name="emcli",
    cls=Group,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def emcli(
    ctx: typer.Context,
    version: Annotated[bool | None, typer.Option("--version", "-V", metavar="", help="show the version")] = None,
) -> None:
    """Expectation-maximization from the shell: K-means, coins and Gaussian mixtures.

    Examples:
      emcli fit gmm faithful -k 2
      emcli fit do_batzoglou
      emcli generate blobs

    `emcli fit --help` lists the options of one command.
    """
    if version:
        sys.stdout.write(f"emcli {__version__}\n")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        sys.stderr.write(BRIEF)
        raise typer.Exit(Exit.USAGE)


for command in (fit, generate, compare, predict, steps, explain, examples, schema):
    others = {"ignore_unknown_options": True} if command is explain else None  # `emcli explain --tol` asks for a word
    app.command(cls=Command, context_settings=others)(command)


@cache
def application(asked: str) -> typer.Typer:
    """All commands, or one alone where that is asked for: to prepare them all takes a tenth of a small fit."""
    alone = copy(app)
    alone.registered_commands = [each for each in app.registered_commands if _name(each) == asked]
    return alone if alone.registered_commands else app


def _name(command: CommandInfo) -> str:
    return command.callback.__name__ if command.callback is not None else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program on the arguments of the process and return its exit code."""
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # threads are ours
    forget_inputs()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    return guarded(lambda: run(arguments), "--debug" in arguments or os.environ.get("EMCLI_DEBUG") == "1")


def run(arguments: list[str]) -> int:
    """Parse and do what a command line asks for; its exit code. Raises EmcliError (exit 2) for one that makes no sense.

    Not by Typer's own `main`, which would swallow a broken pipe and an interrupt.
    """
    asked = arguments[0] if arguments and COMPLETION not in os.environ else ""
    command = without_pydantic(typer.main.get_command(application(asked)))
    if COMPLETION in os.environ:
        command.main([], "emcli")
    try:
        with command.make_context("emcli", arguments) as context:
            return int(command.invoke(context) or Exit.DONE)
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as wrong:
        message = " ".join(_said(wrong).split())
        where = getattr(getattr(wrong, "ctx", None), "command_path", "emcli")
        what = message[:1].lower() + message[1:].rstrip(".")
        several = isinstance(wrong, SeveralValues)
        hint = shlex.join(["emcli", "compare", *arguments[1:]]) if several else f"{where} --help"
        raise EmcliError(Exit.USAGE, what, hint=hint) from None


def _said(wrong: typer.TyperException) -> str:
    """What Typer found wrong; of an unknown option with the one that was meant, and no other."""
    option, context = getattr(wrong, "option_name", None), getattr(wrong, "ctx", None)
    if option is None or context is None or not hasattr(wrong, "possibilities"):
        return wrong.format_message()
    names = [name for each in context.command.params for name in each.opts if name.startswith("--")]
    return wrong.message + suggestion(option, names)
