"""How far centroids have come since rows were last looked at, and which of them are too fast for a common bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emcli.models.kmeans.assignment import Float32Array
from emcli.types import Array, IndexArray

FAST = 8  # of so many centroids one may be called fast
COST = 0.25  # of a look at all rows, which it costs to compare all rows with the fast centroids


Some = tuple[Float32Array, npt.NDArray[Any]]  # of some rows: until what joint travel their labels hold, and those


class CentroidDrift(NamedTuple):
    """What the clusters' centroids have travelled since the first of their models, (k,) each."""

    own: Array  # each of them
    joint: Array  # each, and in each step the farthest of the others that were not fast in it
    stride: Array  # what the last step added to that
    fast: IndexArray  # those that were, in the last step

    def on(self, drift: Array, some: Sequence[Some | None]) -> CentroidDrift:
        """After a step in which the centroids drift so far (k,); some rows tell whether it repays to call any fast.

        Nothing is known of rows where that cannot be.
        """
        stride = _joint(drift)
        together = self.joint + stride
        known = [part for part in some if part is not None]
        if not known:
            return CentroidDrift(self.own + drift, together, stride, self.fast)
        until, labels = (np.concatenate(parts) for parts in zip(*known, strict=True))
        fast = np.argsort(drift)[-max(1, len(drift) // FAST) :]
        slow = drift.copy()
        slow[fast] = 0.0
        apart = self.joint + _joint(slow)
        apart[fast] = np.inf
        due, still_due = (np.count_nonzero(until <= joint[labels]) for joint in (together, apart))
        if still_due + COST * len(until) >= due:
            return CentroidDrift(self.own + drift, together, stride, fast[:0])
        apart[fast] = together[fast]
        return CentroidDrift(self.own + drift, apart, stride, fast)


def _joint(drift: Array) -> Array:
    """How far each cluster and the farthest of the others went."""
    second, first = np.sort(drift)[-2:]
    others: Array = np.where(drift == first, second, first)
    return drift + others
