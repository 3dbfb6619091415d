"""Columns named by a list of names, numbers and ranges of either."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emcli.errors import EmcliError, Exit, quoted


def columns_named(specs: Sequence[str], header: Sequence[str], find: Callable[[str], int]) -> tuple[int, ...]:
    """The columns, from 0 and each once, that names, numbers from 1 and ranges such as `4-8` or `a-f` mean.

    `find` gives the column of one name or number, and raises EmcliError where there is none. A column of exactly that
    name comes before a range.
    """
    found: dict[int, None] = {}
    for spec in specs:
        ends = _ends(spec.strip(), header)
        if ends is None:
            found[find(spec)] = None
            continue
        first, last = map(find, ends)
        if first > last:
            what = f"{quoted(spec)} goes backwards: {quoted(ends[1])} stands before {quoted(ends[0])}"
            raise EmcliError(Exit.USAGE, what, hint=f"write {ends[1]}-{ends[0]}")
        found.update(dict.fromkeys(range(first, last + 1)))
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
