"""Exact K-means in one dimension: the best division of sorted values into k segments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emcli.types import Array, IndexArray


class IntervalCosts:
    """Within-segment sums of squares of sorted values, any of them in constant time.

    Each segment of two values or more contains the middle of exactly one dyadic block, the smallest that covers it.
    Sums about the value in that middle are stored at every level. As the middle belongs to the segment, the sum of
    squares about the mean loses few digits, whatever the offset of the values and however far apart their clusters;
    differences of prefix sums (Wang & Song 2011) lose all of them. Memory is 2 n log2 n doubles.
    """

    def __init__(self, values: Array, weights: Array) -> None:
        n = len(values)
        self._n = n
        self._mass = np.concatenate([[0.0], np.cumsum(weights)])
        levels = max(n - 1, 1).bit_length()
        self._level = np.frexp(np.arange(1 << levels, dtype=np.float64))[1].astype(np.intp) - 1  # -1 for 0
        self._first = np.empty((levels, n))
        self._second = np.empty((levels, n))
        size = 1 << levels
        padded, mass = np.full(size, values[-1]), np.zeros(size)
        padded[:n], mass[:n] = values, weights
        for level in range(levels):
            blocks = padded.reshape(-1, 2 << level)
            half = 1 << level
            away = blocks - blocks[:, half, None]
            for table, terms in (
                (self._first, mass.reshape(away.shape) * away),
                (self._second, mass.reshape(away.shape) * away**2),
            ):
                right = np.cumsum(terms[:, half:], axis=1)
                left = np.cumsum(terms[:, half - 1 :: -1], axis=1)[:, ::-1]
                table[level] = np.concatenate([left, right], axis=1).ravel()[:n]

    def __call__(self, first: IndexArray, last: IndexArray) -> Array:
        """Sums of squares (m,) of the segments from `first` to `last`, both (m,) and inclusive."""
        row = np.maximum(self._level[first ^ last], 0) * self._n
        one, two = row + first, row + last
        sums = self._first.ravel()[one] + self._first.ravel()[two]
        squares = self._second.ravel()[one] + self._second.ravel()[two]
        found = squares - sums**2 / (self._mass[last + 1] - self._mass[first])
        return np.where(first == last, 0.0, np.maximum(found, 0.0))


def optimal_clusters(values: Array, weights: Array | None, k: int) -> tuple[Array, float]:
    """Global optimum of K-means in one dimension: centroids (k,), ascending, and inertia.

    Dynamic programming over the ends of segments, O(k n log n) by divide and conquer (Grønlund et al. 2017; Song &
    Zhong 2020). `values` (n,) come in any order, `weights` (n,) count them, None for 1 each; rows of weight 0 are left
    out. With fewer than k different values the last centroid is repeated and the inertia is 0. Raises ValueError if k
    is below 1 or no value has weight.
    """
    if weights is not None:
        values, weights = values[weights > 0], weights[weights > 0]
    if k < 1 or not len(values):
        raise ValueError("needs k of at least 1 and a value with weight")
    points, place = np.unique(values, return_inverse=True)
    if len(points) <= k:
        return np.concatenate([points, np.full(k - len(points), points[-1])]), 0.0
    mass = np.bincount(place.ravel(), weights).astype(np.float64)
    starts = _starts(IntervalCosts(points, mass), len(points), k)
    fitted = [_summary(points[a:b], mass[a:b]) for a, b in zip(starts, [*starts[1:], len(points)], strict=True)]
    return np.array([mean for mean, _ in fitted]), float(sum(inertia for _, inertia in fitted))


def _starts(costs: IntervalCosts, n: int, k: int) -> list[int]:
    """First value of each of the k best segments."""
    last = np.arange(n)
    cost = costs(np.zeros(n, dtype=np.intp), last)
    choices = []  # per number of segments and last value, where the last segment starts
    for segments in range(1, k - 1):
        cost, chosen = _extended(costs, cost, segments)
        choices.append(chosen)
    starts: list[int] = []
    end = n
    if k > 1:  # the last layer is needed at its last value only
        first = np.arange(k - 1, n)
        total = cost[first - 1] + costs(first, np.full(len(first), n - 1))
        end = k - 1 + int(np.argmin(total))
        starts.append(end)
    for chosen in reversed(choices):
        end = int(chosen[end - 1])
        starts.append(end)
    return [0, *reversed(starts)]


def _extended(costs: IntervalCosts, cost: Array, segments: int) -> tuple[Array, npt.NDArray[np.int32]]:
    """Cost (n,) of one segment more than `segments`, and where that segment starts.

    The best start never falls as the end grows, so the ends in the middle of a stretch are bounded by those at its
    sides; all middles of one depth are solved at once.
    """
    n = len(cost)
    ends = n - segments
    chosen = np.full(ends + 2, n - 1, dtype=np.intp)  # place a is the end segments + a - 1; the sides are sentinels
    chosen[0] = segments
    extended = np.zeros(n)
    step = 1 << (ends.bit_length() - 1)
    while step:
        places = np.arange(step, ends + 1, 2 * step)
        last = places + (segments - 1)
        low = chosen[places - step]
        high = np.minimum(chosen[np.minimum(places + step, ends + 1)], last)
        lengths = high - low + 1
        offsets = np.cumsum(lengths) - lengths
        first = np.arange(int(lengths.sum())) - np.repeat(offsets - low, lengths)
        total = cost[first - 1] + costs(first, np.repeat(last, lengths))
        best = np.minimum.reduceat(total, offsets)
        least = np.flatnonzero(total == np.repeat(best, lengths))
        chosen[places] = first[least[np.searchsorted(least, offsets)]]
        extended[last] = best
        step //= 2
    starts = np.zeros(n, dtype=np.int32)
    starts[segments:] = chosen[1:-1]
    return extended, starts


def _summary(values: Array, weights: Array) -> tuple[float, float]:
    """Mean and sum of squares about it, in two passes corrected for the rounded mean (Chan et al. 1983)."""
    total = float(weights.sum())
    middle = values[len(values) // 2]
    mean = float(middle + weights @ (values - middle) / total)
    away = values - mean
    return mean, max(float(weights @ away**2) - float(weights @ away) ** 2 / total, 0.0)
