"""Upper bounds on centroid movement for Hamerly's test, and which centroids are too fast for a common bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.models.kmeans.assignment import Float32Array
from emcli.types import Array, IndexArray

CENTROIDS_PER_FAST = 8  # at most one centroid in 8 is called fast
COMPARISON_COST = 0.25  # cost of comparing all rows with the fast centroids, as a share of assigning them all anew

Labels = npt.NDArray[np.uint8 | np.uint16]  # (n,) the smallest type that holds k
BoundSample = tuple[Float32Array, Labels]  # of a sample of rows: at what shrinkage each label expires, and the labels


class CentroidDrift(NamedTuple):
    """Movement of the centroids since the first step, (k,) each.

    The gap of a row is how much farther its second nearest centroid is than its nearest. Over a step it shrinks by at
    most the movement of its own centroid plus the largest movement of another one (Hamerly 2010).
    """

    moved: Array  # path length of each centroid
    shrunk: Array  # by how much the gaps of each cluster's rows have shrunk at most, fast centroids left out
    shrunk_last: Array  # by how much in the last step, fast centroids included
    fast: IndexArray  # the fast centroids of the last step: they are compared with all rows instead

    def after_step(self, moved: Array, samples: Sequence[BoundSample | None]) -> CentroidDrift:
        """The drift after a step in which the centroids moved by `moved` (k,).

        Samples of rows tell whether it pays to call some centroids fast; without samples none is called fast.
        """
        shrunk_last = _shrinkage(moved)
        with_all = self.shrunk + shrunk_last
        known = [sample for sample in samples if sample is not None]
        if not known:
            return CentroidDrift(self.moved + moved, with_all, shrunk_last, self.fast)
        valid_until, labels = (np.concatenate(parts) for parts in zip(*known, strict=True))
        fast = np.argsort(moved)[-max(1, len(moved) // CENTROIDS_PER_FAST) :]
        slow = moved.copy()
        slow[fast] = 0.0
        without_fast = self.shrunk + _shrinkage(slow)
        without_fast[fast] = np.inf
        due, still_due = (np.count_nonzero(valid_until <= shrunk[labels]) for shrunk in (with_all, without_fast))
        if still_due + COMPARISON_COST * len(valid_until) >= due:
            return CentroidDrift(self.moved + moved, with_all, shrunk_last, fast[:0])
        without_fast[fast] = with_all[fast]
        return CentroidDrift(self.moved + moved, without_fast, shrunk_last, fast)


def _shrinkage(moved: Array) -> Array:
    """For each centroid its own movement plus the largest of the others, (k,)."""
    second, first = np.sort(moved)[-2:]
    others: Array = np.where(moved == first, second, first)
    return moved + others
