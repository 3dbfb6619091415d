"""A table read in two ways, which must agree: at once where there is nothing but numbers, and row by row."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

from emcli.data.table.read import read_table
from emcli.data.table.table import ColumnSelection, CsvDialect, ReadSizes
from emcli.errors import EmcliError, Exit


def outcome(content: bytes, dialect: CsvDialect, fast: bool, chunk: int) -> Any:
    def choose(header: tuple[str, ...], source: str, has_header: bool) -> ColumnSelection:
        return ColumnSelection(tuple(range(len(header))), () if fast else (0,))  # text is read row by row

    try:
        table = read_table("-", replace(dialect, sizes=ReadSizes(chunk=chunk)), choose, io.BytesIO(content))
    except EmcliError as error:
        assert error.exit_code in (Exit.DATA, Exit.USAGE)
        # How much text a damaged archive gives before it is known to be damaged depends on how much is asked for.
        return [re.sub("(gzip data after) [0-9]+ bytes", r"\1 some bytes", line) for line in error.lines()]
    lines = [table.line(row) for row in range(len(table.numbers))]
    return table.header, table.has_header, table.numbers.tobytes(), table.dropped, str(table.warnings), lines


def same_both_ways(content: bytes, dialect: CsvDialect, chunk: int) -> None:
    """The fast path and the locating path, in chunks of any size, read the same numbers or tell the same error."""
    assert outcome(content, dialect, True, chunk) == outcome(content, dialect, False, 1 << 20)
