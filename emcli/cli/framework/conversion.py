"""Conversion of command line arguments without pydantic, whose import by Typer 0.29 takes 60 ms of every start."""

from __future__ import annotations

from typing import Any

import typer

from emcli.errors import quoted, suggestion


class SeveralValues(typer.BadParameter):
    """A range or a list, such as `-k 1-6`, where a command takes one value."""


class Conversion:
    """Converts a parameter's text in place of Typer; there is no public hook for that, hence `_runtime_param`."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> object:
        """Text as the type of the parameter. Raises BadParameter."""
        kind, choices = param.type_descriptor.annotation, param.type_descriptor.choices
        if kind == list[str]:
            return list(value or ())
        if isinstance(value, int) or value is None or kind in (str, bool) or (choices and value in choices):
            return value
        try:
            return kind(value if value.isascii() and "_" not in value else "")
        except (TypeError, ValueError):
            from emcli.config.sources import is_list

            if ctx.info_name in ("fit", "steps") and is_list(param.name, value):
                what = f"{ctx.info_name} takes one value, compare takes several; got {quoted(value)}"
                raise SeveralValues(what, ctx=ctx, param=param) from None
            must = f"one of {', '.join(choices)};" if choices else "a number," if kind is float else "an integer,"
            what = f"must be {must} got {quoted(value)}{suggestion(value, choices or ())}"
            raise typer.BadParameter(what, ctx=ctx, param=param) from None


def without_pydantic(app: Any) -> Any:
    """The application with this conversion; with Typer's own it starts later and words errors otherwise."""
    for command in (app, *app.commands.values()):
        for param in command.get_params(typer.Context(command, **app.context_settings)):  # with that of --help
            param._runtime_param = Conversion()
    return app
