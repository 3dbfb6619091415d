"""P(heads) and mixing weights of coins that are held at given values, and rows that these rule out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.data.table.faults import RowFault, Unreadable
from emcli.errors import counted, quoted
from emcli.models.fixed import Fixed, FixedFault, FixedReader, some_of
from emcli.types import JSON, BoolArray

NAMES = ("weights", "heads")  # of what can be held
HELD = some_of(NAMES)


class FixedHeads(Fixed):
    """Values at which mixing weights and P(heads) are held."""

    name = "heads"


def read(given: Mapping[str, JSON], settings: ModelSettings) -> FixedHeads:
    """What `fix` holds, such as `{"heads": [0, null]}`. Raises FixedFault."""
    reader = FixedReader(given, NAMES)
    heads = reader.array("heads", (settings.k,))
    for i in np.flatnonzero((heads < 0) | (heads > 1)).tolist():
        raise FixedFault(("heads", i), f"must be a probability from 0 to 1, got {heads[i]:g}")
    return FixedHeads(reader.held_weights(settings), heads)


def refuse_contradictions(rows: Rows, fixed: Fixed) -> None:
    """Raise RowFault where no coin that a row may come from can have its heads and tails; labels leave one coin."""
    heads, tails = rows.values[:2]
    at_end = np.isin(fixed.values, (0.0, 1.0))
    if rows.duplicate_of is None or not (at_end.all() or (rows.known is not None and at_end.any())):
        return
    possible = ~at_end[:, None] | np.where(fixed.values[:, None] == 0.0, heads == 0, tails == 0)  # (k, n)
    labelled = np.zeros(len(heads), dtype=bool) if rows.known is None else rows.known >= 0
    wrong = ~possible.any(axis=0)
    if rows.known is not None:
        wrong[labelled] = ~possible[rows.known[labelled], np.flatnonzero(labelled)]
    if not wrong.any():
        return
    row, others = _first(wrong, rows)
    place = int(rows.duplicate_of[row])
    seen = f"this row has {counted(int(heads[place]), 'head')} and {counted(int(tails[place]), 'tail')}"
    more = f" (and {counted(others, 'more row')} like it)" if others else ""
    if rows.known is not None and labelled[place]:
        coin = int(rows.known[place])
        what = f"P(heads) of {quoted(rows.components[coin])} is held at {fixed.values[coin]:g}, and {seen}, labelled so"
        raise RowFault(Unreadable(row, None, f"{what}{more}"), hint="correct the label, or hold another value")
    what = f"every P(heads) is held at 0 or 1, and {seen}{more}"
    raise RowFault(Unreadable(row, None, what), hint="leave a P(heads) free: null")


def _first(wrong: BoolArray, rows: Rows) -> tuple[int, int]:
    """The first row of data, from 0, whose merged row is wrong, and how many more there are."""
    assert rows.duplicate_of is not None
    places = np.flatnonzero((rows.duplicate_of >= 0) & wrong[rows.duplicate_of])
    return int(places[0]), len(places) - 1
