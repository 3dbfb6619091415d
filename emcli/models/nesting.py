"""Nested mixtures: which settings contain which, and how components are split to grow a mixture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.types import Array, IndexArray


class Parts(NamedTuple):
    """The parts into which the components of a smaller mixture are split, k in all."""

    parents: IndexArray  # (k,) the component that each part comes from
    offsets: Array  # (k,) in [-1, 1] along the parent's longest axis; 0 for a component that is not split
    weights: Array  # (k,) mixing weights


def contains(small: ModelSettings, large: ModelSettings) -> bool:
    """Is every mixture with the small k and mixing also one with the large k and mixing?

    Free mixing contains any mixture of fewer components; equal mixing those whose k divides the larger k. What holds
    parameters at given values contains only what holds the same.
    """
    if large.fix is not None and (small.fix != large.fix or small.k != large.k):
        return False
    if large.mixing == "free":
        return small.k <= large.k
    return small.k == 1 or (small.mixing == "equal" and large.k % small.k == 0)


def split_weights(weights: Array, k: int, free: bool) -> Iterator[Parts]:
    """The ways to split m components into k parts: with free mixing each component in turn is split first."""
    m = len(weights)
    if k % m == 0 and (not free or k == m):
        yield _parts(weights, np.full(m, k // m), free)
        return
    for i in range(m):
        counts = np.ones(m, dtype=np.intp)
        counts[i] += 1
        while counts.sum() < k:
            counts[np.argmax(weights / counts)] += 1
        yield _parts(weights, counts, free)


def _parts(weights: Array, counts: IndexArray, free: bool) -> Parts:
    parents = np.repeat(np.arange(len(weights)), counts)
    offsets = np.concatenate([np.linspace(-1, 1, count) if count > 1 else np.zeros(1) for count in counts])
    return Parts(parents, offsets, (weights / counts)[parents] if free else np.full(len(parents), 1.0 / len(parents)))


def split_in_two(weights: Array, i: int, free: bool) -> Parts:
    """All components, and component i in two parts."""
    counts = np.ones(len(weights), dtype=np.intp)
    counts[i] = 2
    return _parts(weights, counts, free)


def firsts_first(parents: IndexArray) -> IndexArray:
    """An order of parts (k,) in which the first part of each parent comes before all second ones."""
    return np.argsort(np.diff(parents, prepend=-1) == 0, kind="stable")


def grafted_weights(weights: Array, i: int, free: bool, share: float) -> Array:
    """Mixing weights (k,) where component i gets a share and the others keep their proportions; equal ones stay."""
    others = np.delete(weights, i).sum()
    if not free or not others > 0:
        return weights
    found: Array = weights * ((1 - share) / others)
    found[i] = share
    return found
