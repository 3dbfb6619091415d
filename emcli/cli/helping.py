"""Help pages: a usage line, examples, then the options in sections."""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

from emcli.config.options import BY_KEY

SECTIONS = ("model", "data", "starts", "output", "messages")
SPOKEN = ("quiet", "verbose", "debug", "help")
FEW = 10  # options up to which a page needs no sections
# Options that Typer brings, said as the others are.
OURS = {
    "help": "show this message and stop",
    "install_completion": "set up completion in this shell (bash, zsh, fish)",
    "show_completion": "print the script that --install-completion sets up",
}


class AsTyped:
    """What Typer asks to convert the words of one parameter."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        return value if value is None or isinstance(value, str | bool) else list(value)


def as_typed(params: list[Any]) -> list[Any]:
    """Have words and switches stay what they are: to make the same of them, Typer would import pydantic (100 ms).

    Where Typer is made otherwise, nothing changes.
    """
    for param in params:
        kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)
        if getattr(param, "_runtime_param", param) is None and kind in (str, bool, list[str]):
            param._runtime_param = AsTyped()
    return params


class Command(TyperCommand):
    """A command whose help is in sections."""

    def get_params(self, ctx: Any) -> list[Any]:
        return as_typed(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        words = [param for param in self.params if isinstance(param, TyperArgument)]
        return [*(_word(param) for param in words), "[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _sections(self, ctx, formatter)


class Group(TyperGroup):
    """The program itself: its commands, then its options."""

    def get_params(self, ctx: Any) -> list[Any]:
        return as_typed(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["COMMAND", "..."]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        _sections(self, ctx, formatter)


def _word(param: Any) -> str:
    name = str(param.metavar)
    return name if param.required or " " in name else f"[{name}]"


def _sections(command: Any, ctx: Any, formatter: Any) -> None:
    """Write arguments, then options by what they are about, with all descriptions in one column."""
    params = command.get_params(ctx)
    words = [(str(param.metavar), param.help or "") for param in params if isinstance(param, TyperArgument)]
    options = [param for param in params if not isinstance(param, TyperArgument) and not param.hidden]
    blocks = {"Arguments": words} if words else {}
    for section in SECTIONS if len(options) > FEW else ("options",):
        rows = [_row(param, ctx) for param in options if section in ("options", _section(param.name))]
        if rows:
            blocks[section.capitalize()] = rows
    widest = max((len(name) for rows in blocks.values() for name, _ in rows if len(name) <= 30), default=0)
    for title, rows in blocks.items():
        with formatter.section(title):
            formatter.write_dl([(name.ljust(widest), text) for name, text in rows], col_max=widest)


def _section(key: str) -> str:
    return BY_KEY[key].group if key in BY_KEY else "messages" if key in SPOKEN else "output"


def _row(param: Any, ctx: Any) -> tuple[str, str]:
    """How an option is given, and what for; the default in brackets."""
    name, said = param.get_help_record(ctx)
    option = BY_KEY.get(param.name)
    if option is not None and option.help == said and option.default not in (None, False):
        said += f" ({option.default})".replace("e-0", "e-")
    return name, OURS.get(param.name, said)
