"""Gaussian components that rest on chance or on too few rows, and components that are identical."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial, reduce
from math import lgamma, log, pi
from operator import add
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from emcli.data.extent import is_near
from emcli.data.rows import Rows, batch_chunks, pairs
from emcli.errors import quoted
from emcli.models.em import pooled_e_step
from emcli.models.gmm.collapse import observed
from emcli.models.gmm.covariance import Covariances
from emcli.models.measures import Artefact
from emcli.types import Array, BoolArray, IndexArray, Mapper

if TYPE_CHECKING:
    from emcli.models.gmm.mixture import GaussianMixture

MIN_EIGENVALUE = 0.02  # of a covariance relative to the pooled one, below which a component is narrow
MIN_EVIDENCE = 0.75  # of q ln N, below which the count of rows in a component is what chance gives
MIN_UNIT_SHARE = 0.25  # of a column's unit, below which an sd says only that the column is rounded
RING_VOLUME = 3.0  # of the ellipsoid with its ring, relative to the ellipsoid
PROBES = 512  # points at which the density of the other components is averaged
FIRST_ROWS = 1 << 16  # rows that show the unit of a column
ON_GRID, DISTINCT_ON_GRID = 0.95, 0.5  # shares of values, and of different values, that lie on the grid of a unit
GRID_STEPS = (5.0, 2.5, 2.0, 1.0)  # times powers of ten: steps of grids that people round to
FINEST_GRID = 1e-6  # of the range of the values

MAX_PATTERNS = 32  # of missing cells, in whose rows those of a narrow component are counted

_patterns: WeakKeyDictionary[Rows, list[tuple[BoolArray, float]]] = WeakKeyDictionary()  # the most frequent ones
_units: WeakKeyDictionary[Rows, dict[int, float | None]] = WeakKeyDictionary()  # that were found, by column


def artefact(model: GaussianMixture, rows: Rows, mapper: Mapper) -> Artefact | None:
    """The first component that rests on chance, else the first that rests on too few different rows.

    A component that has known rows is there, whatever chance would give.

    Where each component has a covariance of its own the likelihood is unbounded, and some of its maxima are slivers
    of a few rows that happen to lie close to a line, or on one rounded value (McLachlan & Peel 2000, section 3.10).
    By chance: an sd below a quarter of the column's unit; or an eigenvalue below 0.02 of the pooled within covariance
    in a component of fewer than half of the rows whose count m in its 95 % ellipsoid does not stand out: the gain
    m ln(m / e) - m + e of a count over the e that is expected of the others there is less than 0.75 q ln N, one and a
    half times what the criterion BIC asks for q parameters: a mean and a variance in each column.

    Simulated with 2, 3, 5 and 10 columns, full and diag: of 112 samples of one Gaussian (60 to 200 rows, k = 2 to 4)
    the highest of 30 to 40 optima is set aside in 95. Of fits begun at true clusters of d + 2 to 90 rows 1 of 432 that
    lie apart is, 10 of 432 flat ones, and 40 of 430 that overlap, in half of which EM had left a cluster for a sliver.
    """
    k, d = model.means.shape
    if k == 1 and model.unique_alone:
        return None
    model, named = model.ordered(model.order_in(rows)), len(rows.components)
    sizes = pooled_e_step(model, rows.batches(), mapper).rows
    variances = model.covariances.diagonals()
    free = np.arange(k) >= named
    if model.fixed is not None:  # a covariance that is held is no work of chance
        free &= ~model.fixed.whole()
    for j in np.flatnonzero(free).tolist():
        if said := _rounded(np.sqrt(variances[j]), j, rows):
            return Artefact(True, said)
    smallest = _smallest(*model.spreads(sizes, rows))[:k]
    # A full covariance counts as its variances: chance shapes it freely, but a flat cluster of many rows stands out.
    count = type(model.covariances).parameters_count
    own = d + min(d, count(2, d) - count(1, d))
    for j in np.flatnonzero(free & (smallest < MIN_EIGENVALUE) & (sizes < 0.5 * rows.total)).tolist():
        m, expected = _counted(model, j, rows, mapper)
        if m <= expected or m * log(m / expected) - m + expected < MIN_EVIDENCE * own * log(rows.total):
            width = f"{smallest[j] ** 0.5:.2g} times as wide as the clusters"
            what = f"component {j + 1} is a sliver of about {m:.3g} rows, {width}, no more than chance puts there"
            return Artefact(True, what)
    fewest = type(model.covariances).fewest_rows or d + 2
    for j in np.flatnonzero(free & (sizes < 4 * fewest)).tolist():
        different = _different(model, j, rows, mapper)
        if different < fewest:
            what = f"component {j + 1} rests on {different} different row{'s' * (different != 1)}"
            return Artefact(False, what)
    return None


def _smallest(matrices: Array, shares: Array) -> Array:
    """The smallest eigenvalue (k,) of each covariance, (k, d, d) or variances (k, d), relative to the pooled one."""
    if matrices.ndim == 2:
        return np.asarray((matrices / (shares @ matrices)).min(axis=1))
    root = np.linalg.inv(np.linalg.cholesky(np.einsum("k,kij->ij", shares, matrices)))
    return np.asarray(np.linalg.eigvalsh(root @ matrices @ root.T)[:, 0])


def _rounded(sds: Array, j: int, rows: Rows) -> str | None:
    """What is said of a component whose sd in some column (d,) is less than a quarter of the column's unit."""
    for column, sd in enumerate(sds.tolist()):
        if rows.box is None and sd > MIN_UNIT_SHARE * np.ptp(observed(rows.head(FIRST_ROWS)[column])):
            continue
        step, told = _column_unit(rows, column), np.ldexp(sd, int(rows.scaling.exponent[column]))
        if step is not None and told < MIN_UNIT_SHARE * step:
            name = quoted(rows.names[column])
            return f"component {j + 1} has an sd of {told:.3g} in {name}, whose values are rounded to {step:g}"
    return None


def _column_unit(rows: Rows, column: int) -> float | None:
    """The unit of a column's values, kept while the rows are in use."""
    known = _units.setdefault(rows, {})
    if column not in known:
        values, weights = rows.head(FIRST_ROWS)[column], rows.weights
        weights = None if weights is None else weights[: len(values)]
        if (missing := np.isnan(values)).any():
            values, weights = values[~missing], None if weights is None else weights[~missing]
        if rows.box is not None:  # beside noise a far row says nothing of the unit of the others
            near = is_near(values, weights)
            values, weights = values[near], None if weights is None else weights[near]
        original = rows.scaling.centre[column] + np.ldexp(values, int(rows.scaling.exponent[column]))
        known[column] = unit(original, weights)
    return known[column]


def unit(values: Array, weights: Array | None) -> float | None:
    """The step of the widest decimal grid on which 95 % of some values (n,) lie, None where there is none."""
    span = float(np.ptp(values))
    if not span > 0:
        return None
    counts = np.ones(len(values)) if weights is None else weights
    different, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, counts) / counts.sum()
    top = int(np.floor(np.log10(span)))
    for exponent in range(top, top - 7, -1):
        for factor in GRID_STEPS:
            step = factor * 10.0**exponent
            if not FINEST_GRID * span < step <= span:
                continue
            steps = different / step
            on = np.abs(steps - np.round(steps)) < 1e-6
            if mass[on].sum() >= ON_GRID and on.mean() >= DISTINCT_ON_GRID and on.sum() > 1:
                return step
    return None


def _counted(model: GaussianMixture, j: int, rows: Rows, mapper: Mapper) -> tuple[float, float]:
    """Rows in the 95 % ellipsoid of component j, and how many are expected there without it.

    Of rows with missing cells, those of each pattern in the ellipsoid of what they observe; of many patterns, the most
    frequent ones.
    """
    if rows.observed is None:
        return _counted_in(model, j, rows.total, partial(_in_ellipsoids, columns=None), rows, mapper)
    inside = expected = 0.0
    frequent = _frequent_patterns(rows, mapper)
    if sum(weight for _, weight in frequent) < 0.5 * rows.total:
        return rows.total, 1.0  # too many patterns to tell
    for seen, weight in frequent:
        columns = np.flatnonzero(seen)
        some = partial(_in_ellipsoids, columns=columns)
        found = _counted_in(_marginal(model, columns), j, weight, some, rows, mapper)
        inside, expected = inside + found[0], expected + found[1]
    return inside, expected


def _counted_in(
    model: GaussianMixture, j: int, total: float, count: Callable[..., Array], rows: Rows, mapper: Mapper
) -> tuple[float, float]:
    """The same of rows of weight `total` that `count` finds. Expected is the larger of what the other components
    expect, and of half the rows in the ring around the ellipsoid, of twice its volume.
    """
    d = model.means.shape[1]
    # Wilson & Hilferty (1931): the 95 % point of chi-square with d degrees of freedom, to 3 %
    radius = d * (1 - 2 / (9 * d) + 1.6449 * (2 / (9 * d)) ** 0.5) ** 3
    one = model.ordered(np.array([j]))
    counts = partial(count, one, (radius, radius * RING_VOLUME ** (2 / d)))
    inside, both = np.sum(list(mapper(counts, *zip(*pairs(rows.batches()), strict=True))), axis=0).tolist()
    rng = np.random.default_rng(0)
    toward = rng.standard_normal((d, PROBES))
    toward *= (radius**0.5) * rng.random(PROBES) ** (1 / d) / np.linalg.norm(toward, axis=0)
    points = one.means[0][:, None] + one.covariances.roots()[0] @ toward
    others = model.without(j)
    log_volume = 0.5 * d * log(pi * radius) - lgamma(0.5 * d + 1) + 0.5 * float(one.covariances.log_det()[0])
    log_density = others.posterior(points)[1]
    peak = float(log_density.max())
    share = np.exp(min(0.0, log_volume + peak + float(np.log(np.mean(np.exp(log_density - peak))))))
    return inside, max(float(total * share), (both - inside) / (RING_VOLUME - 1), 1e-300)


def _in_ellipsoids(
    one: GaussianMixture, radii: tuple[float, ...], x: Array, weights: Array | None, columns: IndexArray | None
) -> Array:
    """Weights of the rows (d, n) within these squared radii of a single component; of those that observe `columns`
    and no others, where these are given.
    """
    found = np.zeros(len(radii))
    for some, counts in batch_chunks(x, weights):
        if columns is not None:
            seen = ~np.isnan(some)
            own = np.flatnonzero((seen.sum(axis=0) == len(columns)) & seen[columns].all(axis=0))
            some, counts = some[np.ix_(columns, own)], None if counts is None else counts[own]
        far = np.square(one.covariances.whiten(some, one.means)[0]).sum(axis=0)
        each = np.ones(len(far)) if counts is None else counts
        found += [float(each[far <= radius].sum()) for radius in radii]
    return found


def _marginal(model: GaussianMixture, columns: IndexArray) -> GaussianMixture:
    """The mixture of some of the columns."""
    parts = model.covariances.parts()
    own = parts[:, columns] if parts.ndim == 2 else parts[np.ix_(np.arange(len(parts)), columns, columns)]
    covariances = type(model.covariances).of(own, None)
    return type(model)(model.weights, model.means[:, columns], covariances, model.free)


def _frequent_patterns(rows: Rows, mapper: Mapper) -> list[tuple[BoolArray, float]]:
    """Which columns (d,) the rows of the most frequent patterns observe, and how many rows each has."""
    if rows not in _patterns:
        found = reduce(add, mapper(_tally, *zip(*pairs(rows.batches()), strict=True)))
        d = len(rows.names)
        frequent = sorted(found.items(), key=lambda each: (-each[1], each[0]))[:MAX_PATTERNS]
        _patterns[rows] = [
            (np.unpackbits(np.frombuffer(key, np.uint8), count=d).astype(bool), weight) for key, weight in frequent
        ]
    return _patterns[rows]


def _tally(x: Array, weights: Array | None) -> Counter[bytes]:
    """The weight of the rows (d, n) with each pattern of observed cells, as bits."""
    from emcli.models.gmm.missing.conditional import patterns

    found: Counter[bytes] = Counter()
    for some, counts in batch_chunks(x, weights):
        own = patterns(np.isnan(some))
        sums = own.summed(np.ones(some.shape[1]) if counts is None else counts)
        for missing, weight in zip(own.missing, sums.tolist(), strict=True):
            found[np.packbits(~missing).tobytes()] += weight
    return found


def _different(model: GaussianMixture, j: int, rows: Rows, mapper: Mapper) -> int:
    """How many different rows carry component j: those with at least half of its largest responsibility."""
    batches = list(zip(*pairs(rows.batches(), hidden=True), strict=True))
    largest = max(mapper(partial(_largest_share, model, j), *batches))
    parts = list(mapper(partial(_own_rows, model, j, 0.5 * largest), *batches))
    own = np.concatenate(parts, axis=1)
    return len(np.unique(np.where(np.isnan(own), np.inf, own), axis=1).T)  # a missing cell is equal to another


def _largest_share(model: GaussianMixture, j: int, x: Array, weights: Array | None) -> float:
    return max(float(model.posterior(some)[0][j].max()) for some, _ in batch_chunks(x, weights))


def _own_rows(model: GaussianMixture, j: int, least: float, x: Array, weights: Array | None) -> Array:
    parts = [some[:, model.posterior(some)[0][j] >= least] for some, _ in batch_chunks(x, weights)]
    return np.concatenate(parts, axis=1)


def identical(means: Array, covariances: Covariances) -> tuple[int, int] | None:
    """Two components whose means and covariances differ by less than a thousandth of their sds."""
    sds = np.sqrt(covariances.diagonals())
    first, sd = means[:, 0], sds[:, 0]
    near = np.argwhere(np.triu(np.abs(first[:, None] - first) < 1e-3 * np.maximum(sd[:, None], sd), 1)).tolist()
    parts = covariances.parts() if near else sds

    def alike(i: int, j: int) -> bool:
        scale = np.maximum(sds[i], sds[j])
        apart = np.abs(means[i] - means[j]) / scale
        unit = scale * scale if parts.ndim == 2 else np.outer(scale, scale)
        return bool(apart.max() < 1e-3 and np.all(np.abs(parts[i] - parts[j]) < 1e-3 * unit))

    return next(((i, j) for i, j in near if alike(i, j)), None)
