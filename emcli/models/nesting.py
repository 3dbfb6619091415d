"""How a mixture of k components holds a smaller one: which hold which, and how components are split to grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.types import Array, IndexArray


class Parts(NamedTuple):
    """What each of k components is a part of."""

    parents: IndexArray  # (k,) component of the smaller mixture
    offsets: Array  # (k,) in [-1, 1] along the parent's longest axis; 0 for one that stays whole
    weights: Array  # (k,) mixing weights


def contains(small: ModelSettings, large: ModelSettings) -> bool:
    """Is every mixture of the small k and mixing also one of the large k and mixing?

    Free mixing holds fewer components; equal mixing only those that each split into equally many.
    """
    if large.mixing == "free":
        return small.k <= large.k
    return small.k == 1 or (small.mixing == "equal" and large.k % small.k == 0)


def split_weights(weights: Array, k: int, free: bool) -> Iterator[Parts]:
    """The ways to split mixing weights (m,) into k parts: with free mixing each component in turn is split first."""
    m = len(weights)
    if not free or k == m:
        yield _parts(weights, np.full(m, k // m))
        return
    for i in range(m):
        counts = np.ones(m, dtype=np.intp)
        counts[i] += 1
        while counts.sum() < k:
            counts[np.argmax(weights / counts)] += 1
        yield _parts(weights, counts)


def _parts(weights: Array, counts: IndexArray) -> Parts:
    parents = np.repeat(np.arange(len(weights)), counts)
    offsets = np.concatenate([np.linspace(-1, 1, count) if count > 1 else np.zeros(1) for count in counts])
    return Parts(parents, offsets, (weights / counts)[parents])
