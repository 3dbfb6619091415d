"""The page of `--help`: usage, examples, then a panel for each kind of option. Typer's own takes 0.1 s to import."""

from __future__ import annotations

import inspect
import shutil
import sys
from textwrap import wrap
from typing import Any

from typer.core import TyperCommand, TyperGroup

from emcli.output.terminal import MIN_COLUMNS, is_terminal, sayable, takes_colour

MAX_WIDTH = 100
MAX_TYPED = 28  # characters of the left column; what is longer stands in a line of its own
Entries = list[tuple[str, str]]  # what is typed, and what it does


def help_page(command: Any, ctx: Any) -> str:
    """The help of a command as text, as wide as the terminal but at most MAX_WIDTH."""
    panels: dict[str, Entries] = {"Arguments": [], "Options": []}
    for param in command.get_params(ctx):
        is_argument = param.param_type_name == "argument"
        title = param.rich_help_panel or ("Arguments" if is_argument else "Options")
        panels.setdefault(title, []).append((_typed(param), param.help))
    for name, each in getattr(command, "commands", {}).items():
        panels.setdefault("Commands", []).append((name, each.get_short_help_str(MAX_WIDTH)))
    width = max(MIN_COLUMNS, min(shutil.get_terminal_size().columns, MAX_WIDTH))
    bold = is_terminal(sys.stdout) and takes_colour(sys.stdout)
    text = [command.get_usage(ctx), "", *inspect.cleandoc(command.help).splitlines(), ""]
    lines = [f" {part}".rstrip() for line in text for part in wrap(line, width - 2) or [""]]
    for title, entries in panels.items():
        lines += _panel(title, entries, width, bold) if entries else []
    return sayable("\n".join(lines), sys.stdout)


def _typed(param: Any) -> str:
    """What is typed for a parameter: its names, and what stands for its value."""
    if param.param_type_name == "argument":
        return f"{param.metavar}"
    names = ", ".join(sorted((*param.opts, *param.secondary_opts), key=len))
    return (
        names if param.is_flag or param.count else f"{names} {param.metavar or '|'.join(param.type_descriptor.choices)}"
    )


def _panel(title: str, entries: Entries, width: int, bold: bool) -> list[str]:
    """A box of two columns, its title in the upper edge."""
    left = max((len(typed) for typed, _ in entries if len(typed) <= MAX_TYPED), default=MAX_TYPED)
    right = max(width - left - 6, 20)
    inner = left + right + 4
    lines = [f"╭─ {title} ".ljust(inner + 1, "─") + "╮"]
    for typed, what in entries:
        rows = [("", part) for part in wrap(what, right)]
        rows = [(typed, ""), *rows] if len(typed) > left else [(typed, rows[0][1]), *rows[1:]]
        for cell, part in rows:
            shown = f"\x1b[1m{cell:{left}}\x1b[0m" if bold else f"{cell:{left}}"
            lines.append(f"│ {shown}  {part.ljust(right - max(len(cell) - left, 0))} │")
    return [*lines, "╰" + "─" * inner + "╯"]


class Command(TyperCommand):
    """A command whose help is this page."""

    get_help = help_page


class Group(TyperGroup):
    """The program, whose help is this page."""

    get_help = help_page
