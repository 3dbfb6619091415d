"""The command line that repeats what was asked, quoted for a shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from emcli.config.settings import DOCUMENT_KEYS, flag
from emcli.files.inputs import name_in_results


def command_line(
    command: str,
    words: Sequence[str],
    settings: Mapping[str, object],
    criterion: str | None = None,
    test: int | None = None,
) -> str:
    """The command with its files and the settings that were given, as far as they change the result.

    Of an absolute path it has the name alone, as documents do.
    """
    parts = ["emcli", command, *map(_named, words)]
    for key in DOCUMENT_KEYS:
        value = settings.get(key)
        if isinstance(value, bool):
            parts.append(flag(key) if value else flag(key).replace("--", "--no-", 1))
        elif value is not None:
            typed = name_in_results(str(value)) if key == "start" else str(value)
            parts += [f"{flag(key)}={typed}"] if typed.startswith("-") else [flag(key), typed]
    parts += ["--criterion", criterion] if criterion else []
    parts += [] if test is None else ["--test", str(test)]
    return " ".join(map(quoted_for_shell, parts))


def quoted_for_shell(word: str) -> str:
    """A word as a shell takes it; of one with control characters each such byte is written by its number."""
    if word.isprintable():
        return shlex.quote(word)
    raw = os.fsencode(word)
    return "$'" + "".join(chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\{b:03o}" for b in raw) + "'"


def _named(word: str) -> str:
    """A file as it is named on a command line: never like an option."""
    name = name_in_results(word)
    return f"./{name}" if name.startswith("-") and name != "-" else name
