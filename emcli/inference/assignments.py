"""Assignment of rows to components, and its uncertainty."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.compute.arrays import row_chunks
from emcli.compute.threads import thread_map, usable_cores
from emcli.data.rows import Rows, batch_chunks
from emcli.models.base import AnyModel
from emcli.types import Array, IndexArray, Mapper

Labels = npt.NDArray[np.int32]


def assignments(model: AnyModel, rows: Rows, jobs: int | None) -> Labels:
    """The likeliest component of each row of data (n,), from 0, by a model in working coordinates.

    -1 for a row without information (no tosses); an empty array for distributed rows.
    """

    def of_batch(x: Array, _: Array | None, component: int | None = None) -> IndexArray:
        if component is not None:
            return np.full(x.shape[1], component)
        if model.hard:
            return model.labels(x)
        return np.concatenate([model.labels(some) for some, _ in batch_chunks(x, None)])

    if not rows.is_local:  # labels stay where the rows are
        return np.empty(0, dtype=np.int32)
    at, labels, batches = 0, arrays.empty((rows.values.shape[1],), np.int32), rows.batches()
    with thread_map(min(usable_cores(jobs), len(batches))) as mapper:
        for found in rows.mapping(mapper)(of_batch, *zip(*batches, strict=True)):
            labels[at : at + len(found)] = found
            at += len(found)
    if rows.duplicate_of is not None:
        once, labels = labels, arrays.empty(rows.duplicate_of.shape, np.int32)
        for some in row_chunks(len(labels)):
            labels[some] = np.where(rows.duplicate_of[some] >= 0, once[rows.duplicate_of[some]], -1)
    return labels


def labels_of(model: AnyModel, rows: Rows) -> IndexArray:
    """The likeliest component of each of the rows in `values` (n,), or the one that is known, in this process."""
    return rows.with_known(model.labels(rows.values))


def soft_assignments(model: AnyModel, rows: Rows, mapper: Mapper) -> tuple[float, float, Array]:
    """The uncertainty -Σ w ln(max r) and the entropy -Σ w r ln r of responsibilities in nats, and sizes Σ w r (k,).

    ICL is BIC plus twice the uncertainty. A hard model has neither, and its sizes are in its parameters.
    """
    if model.hard:
        return 0.0, 0.0, np.empty(0)
    parts = list(mapper(partial(_of_batch, model), *zip(*rows.batches(), strict=True)))
    sizes: Array = sum((part[2] for part in parts), np.zeros(len(model.shares)))
    return sum(part[0] for part in parts), sum(part[1] for part in parts), sizes


def _of_batch(
    model: AnyModel, x: Array, weights: Array | None, component: int | None = None
) -> tuple[float, float, Array]:
    total, entropy, sizes = 0.0, 0.0, np.zeros(len(model.shares))
    if component is not None:  # it is certain
        sizes[component] = x.shape[1] if weights is None else weights.sum()
        return total, entropy, sizes
    for some, counts in batch_chunks(x, weights):
        r, _ = model.posterior(some)
        certainty = np.log(r.max(axis=0))
        total -= float(certainty.sum() if counts is None else counts @ certainty)
        sizes += r.sum(axis=1) if counts is None else r @ counts
        logs = np.log(r, out=np.zeros_like(r), where=r > 0.0)
        entropy -= float(np.vdot(r, logs) if counts is None else np.einsum("ji,ji,i", r, logs, counts))
    return total, entropy, sizes
