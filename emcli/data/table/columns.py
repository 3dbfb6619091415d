"""Columns named by a list of names, numbers and ranges of either."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from emcli.data.table.faults import MAX_SHOWN
from emcli.errors import EmcliError, Exit, quoted

_MIN_RUN = 3  # columns beside each other that are named as a range
_MAX_NAME = 30  # characters of a name to type


def columns_named(specs: Sequence[str], header: Sequence[str], find: Callable[[str], int]) -> tuple[int, ...]:
    """The columns, from 0 and each once, that names, numbers from 1 and ranges such as `4-8` or `a-f` mean.

    `find` gives the column of one name or number, and raises EmcliError where there is none; all that are missing are
    told. A column of exactly that name comes before a range.
    """
    found: dict[int, None] = {}
    missing: list[EmcliError] = []
    for spec in specs:
        ends = _ends(spec.strip(), header)
        if ends is None:
            try:
                found[find(spec)] = None
            except EmcliError as error:
                missing.append(error)
            continue
        first, last = map(find, ends)
        if first > last:
            what = f"{quoted(spec)} goes backwards: {quoted(ends[1])} stands before {quoted(ends[0])}"
            raise EmcliError(Exit.USAGE, what, hint=f"write {ends[1]}-{ends[0]}")
        found.update(dict.fromkeys(range(first, last + 1)))
    if missing:
        problems = [problem for error in missing for problem in error.problems]
        first_error, unsaid = missing[0], max(0, len(problems) - MAX_SHOWN)
        raise EmcliError(first_error.exit_code, *problems[:MAX_SHOWN], hint=first_error.hint, unsaid=unsaid)
    return tuple(found)


def _ends(spec: str, header: Sequence[str]) -> tuple[str, str] | None:
    """The two ends of a range; None where it is one column, or none. Raises EmcliError where it may be two ranges."""
    if spec in header:
        return None
    cuts = [at for at, mark in enumerate(spec) if mark == "-"]
    splits = [(spec[:at].strip(), spec[at + 1 :].strip()) for at in cuts]
    likely = [ends for ends in splits if all(end in header or (end.isascii() and end.isdigit()) for end in ends)]
    if len(likely) > 1:
        ranges = " or ".join(f"from {quoted(a)} to {quoted(b)}" for a, b in likely[:3])
        raise EmcliError(Exit.USAGE, f"{quoted(spec)} could be the columns {ranges}", hint="give their numbers")
    return likely[0] if likely else None


def columns_to_type(columns: Sequence[int], header: Sequence[str]) -> str:
    """What to write on a command line for columns, from 0 in ascending order: names and ranges, or numbers."""
    return shlex.quote(",".join(_written(columns, header)))


def _written(columns: Sequence[int], header: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(columns):
        run = 1
        while at + run < len(columns) and columns[at + run] == columns[at] + run:
            run += 1
        first, last = columns[at], columns[at + run - 1]
        if run >= _MIN_RUN:
            yield _range(first, last, header)
        else:
            yield from (name_to_type(column, header) for column in range(first, last + 1))
        at += run


def name_to_type(column: int, header: Sequence[str]) -> str:
    """The name of a column; its number where the name is not unique, or hard to type."""
    name = header[column]
    plain = name.isprintable() and re.fullmatch("[^-,\"'][^,\"']*", name) and name == name.strip()
    return name if plain and len(name) <= _MAX_NAME and header.count(name) == 1 else str(column + 1)


def _range(first: int, last: int, header: Sequence[str]) -> str:
    ends = [name_to_type(column, header) for column in (first, last)]
    if not all(re.fullmatch(r"\w[\w.]*", end) for end in ends):
        ends = [str(first + 1), str(last + 1)]
    return "-".join(ends)
