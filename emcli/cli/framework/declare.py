"""How options are declared: in a panel of the help, with what completes them."""

from __future__ import annotations

from collections.abc import Callable

import typer

from emcli.config.settings import CHOICES, flag
from emcli.models import MODELS

MODEL, DATA, STARTS, OUTPUT, MESSAGES = "Model", "Data", "Starts", "Output", "Messages"
Complete = Callable[[str], list[str]]


def option(panel: str, *names: str, help: str, metavar: str | None = None, complete: Complete | None = None) -> object:
    """An option in a panel of the help page; without `metavar` it is a switch, or shows the choices of its type."""
    declared: object = typer.Option(*names, rich_help_panel=panel, help=help, metavar=metavar, autocompletion=complete)
    return declared


def model_or_experiment(incomplete: str) -> list[str]:
    """Complete a word that is a model or an experiment in this folder; a shell would show a name as it is."""
    from glob import glob

    from emcli.files.examples import names

    files = [] if incomplete else [name for name in sorted(glob("*.yaml")) if name.isprintable()]
    return [*(name for name in (*MODELS, *names()) if name.startswith(incomplete)), *files]


def first_word(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the first word of `compare`, a model or experiment; the others are files, left to the shell."""
    return [] if ctx.params.get("words") else model_or_experiment(incomplete)


def explained(incomplete: str) -> list[str]:
    """Complete a warning or a word that the manual explains."""
    from emcli.files.manual import key, names, sections

    headings = [key(each.name) for each in sections()]
    fitting = [sorted(name for name in some if name.startswith(key(incomplete))) for some in (headings, names())]
    return fitting[0] or fitting[1]  # of another name, such as `ari`, only where no heading begins so


def several(key: str) -> Complete:
    """Complete a list with commas: after `full,` the choices that are not in it yet."""

    def complete(incomplete: str) -> list[str]:
        given, comma, _ = incomplete.rpartition(",")
        return [given + comma + word for word in CHOICES[key] if word not in given.split(",")]

    return complete


def choice(panel: str, key: str, help: str) -> object:
    """An option whose value is one of its choices."""
    return option(panel, flag(key), help=help)


def choices(panel: str, key: str, help: str) -> object:
    """An option of a grid, whose value is a list of its choices."""
    return option(panel, flag(key), metavar="A,B", help=f"{help}: {', '.join(CHOICES[key])}", complete=several(key))
