"""Lloyd's iteration with bounds: a row is assigned again only when the centroids have moved as far as its gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from emcli.compute import arrays
from emcli.compute.processes import sticky_workers
from emcli.data.rows import Rows
from emcli.models.em import Step, em, same_parameters
from emcli.models.kmeans.assignment import ScreenedDistances, screenable
from emcli.models.kmeans.bounded_rows import (
    MIN_COPY_DIMENSIONS,
    BoundedRows,
    residuals,
    statistics,
    sum_of_squares,
    update_labels,
)
from emcli.models.kmeans.centroid_drift import CentroidDrift
from emcli.types import Array, Mapper

if TYPE_CHECKING:
    from emcli.models.kmeans.model import KMeans

MIN_SLICES, MAX_SLICE_ROWS = 8, 1 << 19  # of the rows, each worked on by one process or thread
MIN_SLICE_PRODUCTS = 1 << 23  # rows times coordinates of a slice below which two threads wait for each other
MIN_FAST_COORDINATES = 1500  # coordinates of all centroids from which it may pay to call some centroids fast
MIN_INERTIA_SHARE = 1e-6  # of the sum of squares, below which a difference of sums has too few digits for the inertia
MIN_WEIGHT_SHARE = 1e-3  # of a cluster's largest weight, below which its sums are recomputed from all rows

T = TypeVar("T")


class SliceMap(Protocol):
    """A map over the slices of the rows, in order."""

    def __call__(self, function: Callable[[BoundedRows], T], /) -> list[T]: ...


def steps_with_bounds(
    model: KMeans, rows: Rows, mapper: Mapper, slice_products: int = MIN_SLICE_PRODUCTS
) -> Iterator[Step]:
    """The steps of em(), up to rounding (Hamerly 2010; the bounds are those of float32 distances)."""
    d, n = rows.values.shape
    k = len(model.centroids)
    if not screenable(rows.values, model.centroids):
        yield from em(model, rows.batches(), mapper)
        return
    labels = arrays.empty((n,), np.uint8 if k < 256 else np.uint16)
    valid_until = arrays.empty((n,), np.float32)
    labels[:], valid_until[:] = k, -np.inf
    distances = arrays.empty((n,), np.float32) if k * d >= MIN_FAST_COORDINATES else None
    copy = arrays.empty((n, d + 2), np.float32) if d >= MIN_COPY_DIMENSIONS else None
    size = min(MAX_SLICE_ROWS, max(-(-n // MIN_SLICES), slice_products // model.centroids.size))
    whole = BoundedRows(rows.values, rows.weights, labels, valid_until, distances, copy)
    with sticky_workers(mapper, [whole.cut_out(slice(i, i + size)) for i in range(0, n, size)]) as slice_map:
        yield from _lloyd(model, rows, mapper, slice_map)


def _lloyd(model: KMeans, rows: Rows, mapper: Mapper, slice_map: SliceMap) -> Iterator[Step]:
    k, d = model.centroids.shape
    squares = float(sum(slice_map(sum_of_squares)))
    slice_map(BoundedRows.write_copy)
    drift = CentroidDrift(np.zeros(k), np.zeros(k), np.zeros(k), np.empty(0, np.intp))
    sums = np.zeros((d + 2, k))  # by label: of w x, of w, and of the rows with w > 0
    largest = np.zeros(k)  # weight of each cluster since its sums were last computed from all rows
    while True:
        updates = slice_map(partial(update_labels, screen=ScreenedDistances(model.centroids), drift=drift))
        sums += reduce(np.add, (update.change for update in updates))
        if (sums[d] < MIN_WEIGHT_SHARE * largest).any():  # most of what is left is the rounding error of former sums
            sums, largest = reduce(np.add, slice_map(partial(BoundedRows.total_sums, k=k))), np.zeros(k)
        largest = np.maximum(largest, sums[d])
        inertia = squares + float(
            (sums[d] * (model.centroids**2).sum(axis=1)).sum() - 2 * (model.centroids.T * sums[:d]).sum()
        )
        if inertia <= MIN_INERTIA_SHARE * squares:
            yield from em(model, rows.batches(), mapper)
            return
        if (sums[d + 1] == 0).any():
            stats = reduce(add, slice_map(partial(statistics, centroids=model.centroids)))
            improved = model.m_step(stats)
            yield Step(model, stats.score, rows.total)
            if same_parameters(model, improved):
                return
        elif not any(update.changed for update in updates):
            yield _last_step(model, sums[d], rows.total, slice_map)
            return
        else:
            improved = replace(model, centroids=(sums[:d] / sums[d]).T)
            yield Step(model, -0.5 * inertia, rows.total)
        moved = np.sqrt(((improved.centroids - model.centroids) ** 2).sum(axis=1)) * (1 + 1e-12)
        drift = drift.after_step(moved, [update.sample for update in updates])
        model = improved


def _last_step(model: KMeans, sizes: Array, total: float, slice_map: SliceMap) -> Step:
    """The last step: means and inertia by differences from the centroids, in one pass over the rows."""
    found = slice_map(partial(residuals, centroids=model.centroids))
    inertia = float(sum(own for own, _ in found))
    shifts = reduce(np.add, (shift for _, shift in found)) / sizes
    return Step(replace(model, centroids=model.centroids + shifts.T), -0.5 * inertia, total)
