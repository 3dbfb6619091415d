"""CSV text from columns of numbers and strings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import numpy as np
import numpy.typing as npt

_CHUNK_ROWS, _CHUNK_CELLS = 1 << 16, 1 << 20  # that are written at a time
_must_be_quoted = re.compile(r'[,;|\t"\r\n]').search
Column = npt.NDArray[np.generic] | Sequence[float | str]


def format_csv(header: Sequence[str], columns: Sequence[Column]) -> Iterator[str]:
    """CSV text in pieces of many whole lines.

    columns: arrays or lists of n values each. Floats are written as the shortest decimal that reads back the same,
    integers as integers. An empty header writes none.
    """
    if header:
        yield ",".join(_quoted(name, len(header) == 1) for name in header) + "\n"
    alone = len(columns) == 1
    size = max(1, min(_CHUNK_ROWS, _CHUNK_CELLS // max(len(columns), 1)))
    for start in range(0, len(columns[0]) if columns else 0, size):
        parts = [_texts(column[start : start + size], alone) for column in columns]
        yield "\n".join(map(",".join, zip(*parts, strict=True))) + "\n"


def write_csv(
    stream: IO[str],
    header: Sequence[str],
    numbers: npt.NDArray[np.generic],
    labels: Sequence[float | str] | None = None,
) -> None:
    """Write numbers (n, d), and labels (n,) as one more column that the header names too."""
    columns: list[Column] = list(numbers.T)
    for text in format_csv(header, columns if labels is None else [*columns, labels]):
        stream.write(text)


def _texts(column: Column, alone: bool) -> Iterable[str]:
    values = column.tolist() if isinstance(column, np.ndarray) else column
    return (_quoted(value, alone) if isinstance(value, str) else repr(value) for value in values)


def _quoted(text: str, alone: bool) -> str:
    """The text of a cell, quoted where it must be: an empty one too where it is alone in its row."""
    # Delimiters other than the comma are quoted as well, so that none of them can be taken for the delimiter.
    if _must_be_quoted(text) or (alone and not text):
        return '"' + text.replace('"', '""') + '"'
    return text
