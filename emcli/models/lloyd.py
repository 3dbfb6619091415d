"""Lloyd's iteration by the fastest way for the shape of the data: each reaches what em() reaches."""

from __future__ import annotations

from collections.abc import Iterator

from emcli.em import Map, Step, em
from emcli.models.family import Rows
from emcli.models.kmeans import KMeans

FEW = 4096  # rows, below which nothing is worth a detour


def steps(model: KMeans, rows: Rows, spread: Map) -> Iterator[Step]:
    """A stream of steps from a model, to the same fixed point as em()."""
    d, n = rows.values.shape
    if n <= FEW:
        return em(model, rows.batches(), spread)
    if d == 1:
        from emcli.models.lloyd_line import on_a_line

        return on_a_line(model, rows, spread)
    from emcli.models.lloyd_bounds import bounded

    return bounded(model, rows, spread)
