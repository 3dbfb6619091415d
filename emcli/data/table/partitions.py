"""A table in parts: the files of a folder, in the order of their names, that all have one header."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from emcli.data.table.source import refused
from emcli.errors import EmcliError, quoted
from emcli.files import reason, shown_name

_HIDDEN = (".", "_")  # what other programs leave in a folder of parts: _SUCCESS, .crc
_PACKED = (".gz", ".zst")
_KINDS = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".pq")


def is_folder(path: str | None) -> bool:
    """Is that a folder of parts?"""
    return path is not None and path != "-" and os.path.isdir(path)


def parts(path: str) -> list[str]:
    """The files that a table stands in: those of a folder by name, or the path itself. Raises EmcliError, exit 3.

    Subfolders do not count, nor do names that begin with a dot or an underscore; what else is no part is refused, as
    leaving out rows quietly would be wrong.
    """
    if not is_folder(path):
        return [path]
    try:
        names = sorted(name for name in os.listdir(path) if not name.startswith(_HIDDEN))
    except OSError as wrong:
        raise refused(reason(wrong), shown_name(path)) from None
    found = [os.path.join(path, name) for name in names]
    found = [name for name in found if not os.path.isdir(name)]
    if not found:
        raise refused("no parts in this folder", path, hint="DATA is a file, or a folder of CSV or Parquet files")
    for name in found:
        if _kind(name) not in _KINDS:
            hint = "parts are .csv, .csv.gz or .parquet files; names that begin with . or _ are left out"
            raise refused("not a part, by its name", name, hint=hint)
    return found


def _kind(name: str) -> str:
    stem, ending = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] if ending in _PACKED else ending


def is_parquet(path: str) -> bool:
    """Does a file begin and end as Parquet does?"""
    with suppress(OSError, ValueError):
        if path == "-" or not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            if file.read(4) == b"PAR1" and file.seek(0, os.SEEK_END) > 11:
                file.seek(-4, os.SEEK_END)
                return file.read(4) == b"PAR1"
    return False


def size(names: Sequence[str]) -> int:
    """Bytes of all files together; 0 where that is not known of one of them."""
    total = 0
    for name in names:
        try:
            there = os.stat(name)
        except (OSError, ValueError):
            return 0
        if not stat.S_ISREG(there.st_mode):
            return 0
        total += there.st_size
    return total


def first_difference(name: str, header: Sequence[str], first: Sequence[str], line: int | None) -> EmcliError | None:
    """The error for a part whose header is not that of the first part; None where it is."""
    if tuple(header) == tuple(first):
        return None
    place = (line,) if line else ()
    for column, (one, other) in enumerate(zip(header, first, strict=False), 1):
        if one != other:
            what = f"header differs from the first part's: column {column} is {quoted(one)}, not {quoted(other)}"
            return refused(what, name, *place, *((column,) if place else ()))
    what = f"header differs from the first part's: {len(header)} columns, not {len(first)}"
    return refused(what, name, *place)


def csv_name(part: str) -> str:
    """What the CSV made of a part is called."""
    stem, ending = os.path.splitext(os.path.basename(part))
    if ending.lower() in _PACKED:
        stem = os.path.splitext(stem)[0]
    return f"{stem}.csv"
