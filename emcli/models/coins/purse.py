"""What is drawn from coins: heads of so many tosses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emcli.types import Array


@dataclass(frozen=True, eq=False)
class Purse:
    """What `generate` draws from: coins, and how often each trial tosses."""

    weights: Array  # (k,)
    heads: Array  # (k,)
    tosses: Array  # (t,) possible numbers of tosses
    shares: Array  # (t,) how often each comes

    columns = ("heads", "tosses")

    def sample(self, labels: Any, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Heads and tosses (n, 2) for n coin labels."""
        tosses = np.full(len(labels), self.tosses[0], dtype=np.int64)
        if len(self.tosses) > 1:
            tosses = self.tosses[rng.choice(len(self.tosses), len(labels), p=self.shares)].astype(np.int64)
        return np.column_stack([rng.binomial(tosses, self.heads[labels]), tosses])
