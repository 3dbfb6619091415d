"""What in the rows makes components collapse, and what a user can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emcli.config.covariances import letters
from emcli.data.rows import Rows
from emcli.data.scaling import column_range
from emcli.errors import quoted
from emcli.types import Array, BoolArray

if TYPE_CHECKING:
    from emcli.models.gmm.mixture import GaussianMixture

HEAD = 100  # rows for each component, which mostly show that a column has more values than there are components
FAR = 1e4  # ranges of all other rows, from which a row is so far that they look like one point beside it


def cause_of_collapse(rows: Rows, k: int, shape: str, ends: Sequence[GaussianMixture]) -> tuple[str, str] | None:
    """What is to blame where all starts of k components collapse, and a hint; `ends` are their last models.

    A row far from all others; a column of at most k different values; fewer different rows than keep the likelihood of
    one covariance bounded, or than full ones need; or else a place where the narrowest component of some start lies.
    """
    if far := far_row(rows):
        return far, "leave it out, or correct it"
    tied, spheres = letters(shape) in ("EEE", "EEI"), letters(shape)[1] == "I"
    if found := shrinks_in_few_values(rows, k, tied) if not spheres or len(rows.values) == 1 else None:
        return found, "use a smaller -k" + (", or leave the column out with --columns" if len(rows.values) > 1 else "")
    if tied:
        needed = k + len(rows.values)
        if not rows.is_local or rows.has_more_distinct_than(needed - 1):
            return None
        different = len(np.unique(rows.values.T, axis=0))
        what = f"there are only {different} different rows, and one covariance for {k} components needs {needed}"
        return what, "use a smaller -k"
    d = len(rows.values)
    if letters(shape) == "VVV" and rows.count < k * (d + 1):
        what = f"{rows.count} rows are too few for {k} covariances of {d} columns, each of which needs more than {d}"
        return what, "use --covariance tied or diag, or a smaller -k"
    if not ends:
        return None
    means = np.array([model.means[int(np.argmin(model.covariances.log_det()))] for model in ends])
    where = place(_blamed(means, rows), rows)
    return (
        f"the likelihood has no bound at {where}",
        "leave such rows out, use a smaller -k, --covariance tied or --prior default",
    )


def _blamed(means: Array, rows: Rows) -> Array:
    """Of the places (n, d) where starts collapsed, one of the ten most frequent: of most equal rows, then farthest out.

    Nearly any row can be such a place; what a user can mend is a value that is repeated, or lies apart.
    """
    places, counts = np.unique(means.round(6), axis=0, return_counts=True)
    places = places[np.argsort(-counts, kind="stable")[:10]]
    if not rows.is_local:
        return np.asarray(places[0])
    middle, units = np.array([np.median(observed(values)) for values in rows.values]), _ranges(rows)
    away = np.square((places - middle) / units).sum(axis=1)
    nearest = [_nearest(one, rows) for one in places]
    same = [_equal(rows.values[:, row : row + 1], rows.values) for row in nearest]
    equal = [float(rows.weights[here].sum()) if rows.weights is not None else float(here.sum()) for here in same]
    return np.asarray(places[max(range(len(places)), key=lambda i: (equal[i], away[i]))])


def far_row(rows: Rows) -> str | None:
    """What is said of a value that lies so far from all others of its column that they look like one beside it."""
    if not rows.is_local:
        return None
    for column, values in enumerate(rows.values):
        order = np.unique(observed(values))
        if len(order) < 3:
            continue
        above, below = (
            order[-1] - order[-2] > FAR * (order[-2] - order[0]),
            order[1] - order[0] > FAR * np.ptp(order[1:]),
        )
        if above or below:
            row = int(np.flatnonzero(values == (order[-1] if above else order[0]))[0])
            here = _told(rows, row, slice(column, column + 1))
            return f"{here} is so far from all others that these look like one point"
    return None


def shrinks_in_few_values(rows: Rows, k: int, shared: bool) -> str | None:
    """What is said of the first column of at most k different values: a covariance has no lower bound there."""
    if not rows.is_local:
        return None
    so = f"one covariance for {k} components can shrink" if shared else "the variance of one component can shrink"
    for name, values in zip(rows.names, rows.values, strict=True):
        if len(np.unique(observed(values[: HEAD * k]))) <= k and (count := len(np.unique(observed(values)))) <= k:
            return f"column {quoted(name)} has only {count} different values, so {so} to nothing in it"
    return None


def place(mean: Array, rows: Rows) -> str:
    """Where a component (d,) collapsed, in the user's units: the nearest row, and how many rows equal it."""
    if not rows.is_local:
        return _named(rows.names, rows.scaling.to_original(mean[None])[0])
    return _told(rows, _nearest(mean, rows))


def observed(values: Array) -> Array:
    """Values (n,) without missing ones."""
    missing = np.isnan(values)
    return values[~missing] if missing.any() else values


def _ranges(rows: Rows) -> Array:
    """The range (d,) of each column."""
    low, high = column_range(rows.values)
    return np.maximum(high - low, 1e-300)


def _nearest(mean: Array, rows: Rows) -> int:
    """The row whose observed cells are nearest to a place (d,), in units of each column's range."""
    return int(np.nansum(np.square((rows.values - mean[:, None]) / _ranges(rows)[:, None]), axis=0).argmin())


def _equal(row: Array, values: Array) -> BoolArray:
    """Which rows of values (d, n) equal one (d, 1)? A missing cell is equal to another."""
    same = row == values
    if np.isnan(row).any():
        same |= np.isnan(row) & np.isnan(values)
    return np.asarray(same.all(axis=0))


def _told(rows: Rows, row: int, columns: slice = slice(None)) -> str:
    """Values of one row in the user's units, and how many rows equal it in these columns."""
    here = rows.values[:, row : row + 1]
    same = _equal(here[columns], rows.values[columns])
    count = float(same.sum() if rows.weights is None else rows.weights[same].sum())
    original = rows.scaling.to_original(here.T)[0]
    seen = np.flatnonzero(~np.isnan(original[columns])) + (columns.start or 0)
    told = _named([rows.names[j] for j in seen.tolist()], original[seen])
    return f"{told} ({count:g} row{'s' * (count != 1)})"


def _named(names: Sequence[str], values: Array) -> str:
    return ", ".join(f"{name}={value:.6g}" for name, value in zip(names[:3], values, strict=False))
