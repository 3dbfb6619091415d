"""The Beta(A, A) prior of each coin's P(heads)."""

from __future__ import annotations

from math import lgamma

import numpy as np

from emcli.config.checks import Check, is_number
from emcli.config.settings import ModelSettings
from emcli.frozen import frozen
from emcli.types import Array

TAKEN: Check[float] = Check("a number A of at least 1, for Beta(A, A)", is_number)


@frozen
class BetaPrior:
    """Independent Beta(A, A) priors of k P(heads): in an M-step like A - 1 pseudo heads and as many pseudo tails."""

    count: float  # A - 1

    @classmethod
    def of(cls, settings: ModelSettings) -> BetaPrior | None:
        """What the settings ask for; None too for A = 1, which is flat."""
        shape = settings.prior
        return cls(shape - 1.0) if isinstance(shape, int | float) and shape > 1 else None

    def log_density(self, log_odds: Array) -> float:
        """ln of the density of the P(heads) p of k coins, from ln p and ln (1 - p) (k, 2)."""
        return sum(self._terms(log_odds))

    def cancelling(self, log_odds: Array) -> float:
        """Sum of the squares of the terms that cancel in `log_density`."""
        return sum(term * term for term in self._terms(log_odds))

    def _terms(self, log_odds: Array) -> tuple[float, float]:
        shape = self.count + 1
        constant = lgamma(2 * shape) - 2 * lgamma(shape)
        return float(self.count * log_odds.sum()), len(log_odds) * constant

    def information(self, heads: Array) -> tuple[Array, Array]:
        """Slopes of the log prior in the log-odds of P(heads) (k,), and its information (k,)."""
        return self.count * (1 - 2 * heads), 2 * self.count * heads * (1 - heads)

    def inside(self, heads: Array, tosses: float) -> Array:
        """Start values (k,) off 0 and 1, where the density is 0: as if so many tosses had shown them."""
        return np.asarray((heads * tosses + self.count) / (tosses + 2 * self.count))
