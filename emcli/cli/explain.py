"""The command `explain`: what a warning or a word of the tables means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emcli.cli import options
from emcli.errors import EmcliError, Exit, quoted, suggestion

if TYPE_CHECKING:
    from emcli.files.manual import Section

MAX_WIDTH = 100
GAP = 2  # characters between two columns of the list


def explain(words: options.Explained = None, debug: options.Debug = None) -> int:
    """Explain a warning, by the name in brackets at its end, or a word of the tables, options and documents.

    Examples:
      emcli explain found-once
      emcli explain log-likelihood
      emcli explain

    Without a word all are listed. Capitals, spaces, hyphens and underscores make no difference.
    """
    from emcli.files.manual import key, names
    from emcli.output.terminal import columns, sayable

    width = min(columns(sys.stdout), MAX_WIDTH)
    known, asked = names(), words or []
    found = [known.get(key(" ".join(asked)))]
    if found == [None]:
        found = [known.get(key(word)) for word in asked]
    if missing := [word for word, section in zip(asked, found, strict=False) if section is None]:
        word = missing[0] if len(missing) < len(asked) else " ".join(asked)
        what = f"nothing is said of {quoted(word)}{suggestion(key(word), known)}"
        raise EmcliError(Exit.USAGE, what, hint="`emcli explain` lists all words, `emcli fit --help` all options")
    lines = _listed(width)
    if asked:
        lines = [line for section in found if section is not None for line in [*as_text(section, width), ""]][:-1]
    sys.stdout.write(sayable("\n".join(lines), sys.stdout) + "\n")
    return Exit.DONE


def as_text(section: Section, width: int) -> list[str]:
    """A section as plain text of a width; what is typed and printed is not wrapped."""
    from textwrap import wrap

    from emcli.files.manual import plain

    lines = [section.name]
    for block in section.blocks:
        first, *inside = block.split("\n")
        if first.startswith("```"):
            signs = ["$ " if first == "```sh" and not line.endswith("\\") else "" for line in ("", *inside[:-2])]
            lines += ["", *(f"    {sign}{line}" for sign, line in zip(signs, inside[:-1], strict=True))]
        elif first.startswith("- "):
            entries = plain(block.replace("\n- ", "\n\0")).split("\0")
            for entry in entries:
                lines += wrap(entry.removeprefix("- "), width, initial_indent="- ", subsequent_indent="  ")
        else:
            lines += ["", *wrap(plain(block), width, break_on_hyphens=False, break_long_words=False)]
    return lines


def _listed(width: int) -> list[str]:
    """All names by group, in columns that are read downwards."""
    from emcli.files.manual import sections

    groups: dict[str, list[str]] = {}
    for each in sections():
        groups.setdefault(each.group, []).append(each.name)
    widest = max(len(name) for named in groups.values() for name in named) + GAP
    across = max(1, (width - 2 + GAP) // widest)
    lines = []
    for group, named in groups.items():
        down = -(-len(named) // across)
        lines.append(group)
        lines += ["  " + "".join(f"{name:{widest}}" for name in named[row::down]).rstrip() for row in range(down)]
        lines.append("")
    return [*lines, "`emcli explain WORD` says what one of them means."]
