"""Typer's complaints about a command line, said in our own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emcli.errors import EmcliError, Exit, quoted, suggestion


def parse(app: Any, arguments: Sequence[str]) -> Any:
    """What the command returns, or Typer's exit code. Raises EmcliError (exit 2) for a line that makes no sense."""
    import typer

    command = typer.main.get_command(app)
    try:
        return command.main(args=list(arguments), prog_name="emcli", standalone_mode=False)
    except typer.TyperException as wrong:
        raise _in_our_words(wrong, command) from None


def _in_our_words(wrong: Any, top: Any) -> EmcliError:
    command = getattr(getattr(wrong, "ctx", None), "command", None) or top
    path = getattr(getattr(wrong, "ctx", None), "command_path", "emcli")
    hint = f"{path} --help"
    if hasattr(wrong, "possibilities"):
        known = [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]
        return EmcliError(
            Exit.USAGE, f"no such option {quoted(wrong.option_name)}{suggestion(wrong.option_name, known)}", hint=hint
        )
    message = wrong.format_message().strip()
    if message.startswith("No such command"):
        name = message.split("'")[1] if "'" in message else ""
        return EmcliError(
            Exit.USAGE, f"no such command {quoted(name)}{suggestion(name, getattr(command, 'commands', {}))}", hint=hint
        )
    if getattr(wrong, "param", None) is not None and type(wrong).__name__ == "MissingParameter":
        return EmcliError(Exit.USAGE, f"missing {wrong.param.metavar or wrong.param.name}", hint=hint)
    return EmcliError(Exit.USAGE, message[:1].lower() + message[1:].rstrip(".").replace("\n", " "), hint=hint)
