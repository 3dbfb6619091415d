"""What is drawn from centroids: round clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emcli.types import Array


@dataclass(frozen=True, eq=False)
class Spheres:
    """What `generate` draws from centroids: round clusters of one standard deviation."""

    weights: Array  # (k,)
    centroids: Array  # (k, d)
    sd: float | Array  # in the units of the columns; (d,) where each has its own

    def sample(self, labels: Any, rng: np.random.Generator) -> Array:
        """Rows (n, d) for n labels."""
        drawn: Array = self.centroids[labels] + self.sd * rng.standard_normal((len(labels), self.centroids.shape[1]))
        return drawn
