"""The files that a table is kept in: one file, or those of a folder in the order of their names, with one header."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from emcli.data.table.source import data_error
from emcli.errors import quoted
from emcli.files.inputs import reason, shown_name

_HIDDEN_PREFIXES = (".", "_")  # names of what other programs leave in such a folder: _SUCCESS, .crc
_COMPRESSED_ENDINGS = (".gz", ".zst")
_TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".pq")


def is_folder(path: str | None) -> bool:
    """Is the path a folder?"""
    return path is not None and path != "-" and os.path.isdir(path)


def partition_files(path: str) -> list[str]:
    """The files of a table: those of a folder by name, or the path itself. Raises EmcliError, exit 3.

    Subfolders do not count, nor do names that begin with a dot or an underscore. Any other file that is no partition is
    refused, as leaving out rows quietly would be wrong.
    """
    if not is_folder(path):
        return [path]
    try:
        names = sorted(name for name in os.listdir(path) if not name.startswith(_HIDDEN_PREFIXES))
    except OSError as error:
        raise data_error(reason(error), shown_name(path)) from None
    files = [file for file in (os.path.join(path, name) for name in names) if not os.path.isdir(file)]
    if not files:
        raise data_error("no parts in this folder", path, hint="DATA is a file, or a folder of CSV or Parquet files")
    for file in files:
        if _kind(file) not in _TABLE_ENDINGS:
            hint = "parts are .csv, .csv.gz or .parquet files; names that begin with . or _ are left out"
            raise data_error("not a part, by its name", file, hint=hint)
    return files


def _kind(name: str) -> str:
    stem, ending = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] if ending in _COMPRESSED_ENDINGS else ending


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


def total_size(files: Sequence[str]) -> int:
    """Bytes of all files together; 0 where that is not known of one of them."""
    total = 0
    for file in files:
        try:
            status = os.stat(file)
        except (OSError, ValueError):
            return 0
        if not stat.S_ISREG(status.st_mode):
            return 0
        total += status.st_size
    return total


def check_header(name: str, header: Sequence[str], first: Sequence[str], line: int | None) -> None:
    """Raise EmcliError, exit 3, where a partition's header is not that of the first partition."""
    if tuple(header) == tuple(first):
        return
    place = (line,) if line else ()
    for column, (one, other) in enumerate(zip(header, first, strict=False), 1):
        if one != other:
            what = f"header differs from the first part's: column {column} is {quoted(one)}, not {quoted(other)}"
            raise data_error(what, name, *place, *((column,) if place else ()))
    what = f"header differs from the first part's: {len(header)} columns, not {len(first)}"
    raise data_error(what, name, *place)


def csv_name(partition: str) -> str:
    """The name of the CSV that is made of a partition."""
    stem, ending = os.path.splitext(os.path.basename(partition))
    if ending.lower() in _COMPRESSED_ENDINGS:
        stem = os.path.splitext(stem)[0]
    return f"{stem}.csv"
