"""Lloyd's iteration by the fastest way for the shape of the data: each reaches what em() reaches."""

from __future__ import annotations

from collections.abc import Iterator

from emcli.data.rows import Rows
from emcli.inference.em import em
from emcli.models.base import Step
from emcli.models.kmeans.model import KMeans
from emcli.types import Mapper

FEW = 4096  # rows, below which nothing is worth a detour


def steps(model: KMeans, rows: Rows, spread: Mapper) -> Iterator[Step]:
    """A stream of steps from a model, to the same fixed point as em()."""
    d, n = rows.values.shape
    if n <= FEW:
        return em(model, rows.batches(), spread)
    if d == 1:
        from emcli.models.kmeans.lloyd_1d import on_a_line

        return on_a_line(model, rows, spread)
    from emcli.models.kmeans.lloyd_bounds import bounded

    return bounded(model, rows, spread)
