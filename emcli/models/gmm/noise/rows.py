"""What a mixture with noise takes from the rows: their box, their spread without outliers, and which are far."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from emcli.compute.arrays import row_chunks
from emcli.data.extent import REACH, Box, is_near, middle_half
from emcli.data.points import covariance
from emcli.data.rows import DataFault, Rows
from emcli.data.scaling import column_range, mean_of
from emcli.models.gmm.noise.uniform import MAX_LOG_VOLUME
from emcli.types import Array, BoolArray

NEIGHBOUR = 5  # to which the distance tells rows in clusters from others (Byers & Raftery 1998)
MIN_INSIDE = 0.5  # of the rows, below which cells beyond it are moved to its end instead of left out
ROUNDING = 2.0**-46  # of the largest coordinate, up to which an edge of a box is nothing but rounding

_far: WeakKeyDictionary[Rows, Array] = WeakKeyDictionary()  # distances that were found


def with_box(rows: Rows) -> Rows:
    """The rows with their box, mean and covariance, the last two without outliers. Raises DataFault."""
    found = box(rows)
    if not abs(rows.scaling.box_to_original(found).log_volume) < MAX_LOG_VOLUME:
        what = "noise is uniform over the box around all rows, which has no volume that a double holds"
        raise DataFault(what, "leave --noise out, or rescale the columns")
    values, weights = _middle(rows)
    total = float(values.shape[1]) if weights is None else float(weights.sum())
    kept = replace(rows, values=values, weights=weights, total=total)
    return replace(rows, box=found, covariance=covariance(kept), mean=mean_of(values, weights))


def box(rows: Rows) -> Box:
    """The smaller of the box of the columns and that of the principal components, as mclust's `hypvol` takes it.

    The components are those of the user's units; the box is in working coordinates.
    """
    low, high = column_range(rows.values)
    lift = (rows.scaling.exponent - rows.scaling.exponent.max())[:, None]
    spread = np.ldexp(covariance(rows), lift + lift.T)
    axes = np.asarray(np.linalg.eigh(spread)[1]).T
    least, most = np.full(len(low), np.inf), np.full(len(low), -np.inf)
    for some in row_chunks(rows.values.shape[1]):
        turned = axes @ np.ldexp(rows.values[:, some], lift)
        least, most = np.minimum(least, turned.min(axis=1)), np.maximum(most, turned.max(axis=1))
    lengths = most - least
    largest = float(np.ldexp(np.maximum(np.abs(low), np.abs(high)), lift[:, 0]).max())
    columns = Box(low, high - low)
    if len(low) == 1 or not (lengths > ROUNDING * largest).all():
        return columns
    turned_box = Box(np.ldexp(least @ axes, -lift[:, 0]), np.ldexp(lengths[:, None] * axes, -lift[:, 0]))
    volume = float(np.log(lengths).sum()) - float(lift.sum()) * float(np.log(2.0))
    return turned_box if volume < columns.log_volume else columns


def _middle(rows: Rows) -> tuple[Array, Array | None]:
    """Rows (d, n) that lie near the middle half of each column, and their weights (n,)."""
    x, weights = rows.values, rows.weights
    inside = np.all([is_near(column, weights) for column in x], axis=0)
    share = float(inside.mean() if weights is None else weights[inside].sum() / weights.sum())
    if share < MIN_INSIDE:
        centre, spread = np.array([middle_half(column, weights) for column in x]).T[:, :, None]
        reach = np.where(spread > 0, REACH * spread, np.inf)
        return np.clip(x, centre - reach, centre + reach), weights
    return x[:, inside], None if weights is None else weights[inside]


def farthest(rows: Rows, share: float) -> BoolArray:
    """Which rows (n,) have the largest distances to their 5th neighbour: this share of them, at least one."""
    far = _distances(rows)
    order = np.argsort(-far, kind="stable")
    reach = np.arange(1.0, len(far) + 1) if rows.weights is None else np.cumsum(rows.weights[order])
    found = np.zeros(len(far), dtype=np.bool_)
    found[order[: max(1, int(np.searchsorted(reach, share * reach[-1], side="right")))]] = True
    return found


def _distances(rows: Rows) -> Array:
    """The distance (n,) of each row to its 5th neighbour, in units of the middle halves; a row of weight 3 is three."""
    if rows not in _far:
        from scipy.spatial import cKDTree

        x, n = rows.values, rows.values.shape[1]
        spread = np.array([middle_half(column, rows.weights)[1] for column in x])
        places = np.ascontiguousarray((x / np.where(spread > 0, spread, 1.0)[:, None]).T)
        nearest = cKDTree(places).query(places, k=min(NEIGHBOUR + 1, n))
        away, who = np.asarray(nearest[0]).reshape(n, -1), np.asarray(nearest[1]).reshape(n, -1)
        counts = np.cumsum(np.ones(who.shape) if rows.weights is None else rows.weights[who], axis=1)
        place = np.minimum((counts <= NEIGHBOUR).sum(axis=1), who.shape[1] - 1)
        _far[rows] = away[np.arange(n), place]
    return _far[rows]
