"""A mixture of k binomials: its densities, E-step and M-step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from emcli.data import trials
from emcli.data.rows import Rows
from emcli.inference.information import Complete
from emcli.models.base import UNIT_ROUNDOFF, Degenerate, Stats
from emcli.models.posterior import normalise, tilted
from emcli.types import Array, IndexArray

MANY = 2.0**40  # tosses of a coin from which the rounding of its P(heads) can be told
IMPOSSIBLE = -1e200  # stands for ln 0: a count of 0 times it is 0, any other count leaves no likelihood


@dataclass(frozen=True)
class Tosses(Stats):
    """What is attributed to each coin."""

    rows: Array  # (k,) effective rows
    heads: Array  # (k,)
    tails: Array  # (k,)


@dataclass(frozen=True, eq=False)
class Coins:
    """k coins; rows are (3, n): heads, tails and ln of the binomial coefficient."""

    weights: Array  # (k,) mixing weights
    heads: Array  # (k,) P(heads)
    free: bool = False  # are the mixing weights estimated?
    _log_odds: Array = field(init=False, repr=False)  # (k, 3): ln p, ln (1 - p), 1
    _log_weights: Array = field(init=False, repr=False)  # (k, 1)

    def __post_init__(self) -> None:
        log_odds = np.ones((len(self.heads), 3))
        with np.errstate(divide="ignore"):
            np.log(self.heads, out=log_odds[:, 0])
            np.log1p(-self.heads, out=log_odds[:, 1])
            object.__setattr__(self, "_log_weights", np.maximum(np.log(self.weights), IMPOSSIBLE)[:, None])
        object.__setattr__(self, "_log_odds", np.maximum(log_odds, IMPOSSIBLE, out=log_odds))

    @property
    def parameters_count(self) -> int:
        k = len(self.heads)
        return 2 * k - 1 if self.free else k

    def components(self) -> tuple[Array, ...]:
        return (self.heads,)

    def e_step(self, rows: Array, weights: Array | None) -> Tosses:
        """Heads and tails attributed to each coin, and the log-likelihood with its binomial coefficients."""
        r, log_density = self.posterior(rows)
        if weights is None:
            total, score, squares = float(rows.shape[1]), float(log_density.sum()), float(rows[2] @ rows[2])
        else:
            total, score, squares = float(weights.sum()), float(weights @ log_density), float(weights @ rows[2] ** 2)
            r *= weights
        if not score > 0.1 * IMPOSSIBLE:
            raise Degenerate("a row is impossible for every coin: P(heads) of exactly 0 or 1 contradicts it")
        heads, tails = (r @ rows[:2].T).T
        squares += _rounded_away(heads + tails, self.heads)
        return Tosses(total, score, squares, r.sum(axis=1), heads, tails)

    def m_step(self, stats: Tosses) -> Self:
        """P(heads) is heads over tosses; a coin that has lost all its rows stays as it is.

        Raises Degenerate where it is nearer to 1 than numbers can tell, but a tail was seen.
        """
        tosses, heads = stats.heads + stats.tails, self.heads.copy()
        np.divide(stats.heads, tosses, out=heads, where=tosses > 0)
        if heads.max() == 1.0:
            near = (heads == 1.0) & (tosses > 0)
            heads[near] = 1.0 - stats.tails[near] / tosses[near]
            if ((heads == 1.0) & (stats.tails > 0.5)).any():
                raise Degenerate("P(heads) of a coin is nearer to 1 than double precision can tell")
        return replace(self, heads=heads, weights=stats.rows / stats.weight if self.free else self.weights)

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities (n,)."""
        log_joint = self._log_odds @ rows
        log_joint += self._log_weights
        log_density = normalise(log_joint)
        return log_joint, log_density

    def complete(self, rows: Array, weights: Array | None) -> Complete:
        """In the log-odds of each coin."""
        r, _ = self.posterior(rows)
        p, tosses = self.heads[:, None], rows[0] + rows[1]
        informed = (r * tosses) @ (np.ones(len(tosses)) if weights is None else weights) * self.heads * (1 - self.heads)
        places = np.arange(len(p))[:, None]
        return Complete(
            r, (rows[0] - p * tosses)[:, None, :], informed[:, None, None], places, self.weights if self.free else None
        )

    def moved(self, step: Array) -> Self:
        """After a step (p,) in the parameters of `complete`."""
        k = len(self.heads)
        odds = step[:k]
        tails = 1 - self.heads
        heads = (
            self.heads
            * np.exp(np.minimum(odds, 0))
            / (self.heads * np.exp(np.minimum(odds, 0)) + tails * np.exp(-np.maximum(odds, 0)))
        )
        return replace(self, heads=heads, weights=tilted(self.weights, step[k:]) if self.free else self.weights)

    def redrawn(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """As many rows as the weights of these sum to, each with as many tosses, drawn from the mixture."""
        return trials.redrawn(rows, self, rng)

    def ordered(self, order: IndexArray) -> Self:
        return replace(self, weights=self.weights[order], heads=self.heads[order])


def _rounded_away(tosses: Array, p: Array) -> float:
    """What rounding P(heads) (k,) near 1 may cost, as a square of terms that cancel.

    Half the Fisher information times u² in nats; this makes `rounding` four times as much.
    """
    if tosses.max() < MANY:
        return 0.0
    inner = p < 1.0
    return float(np.square(UNIT_ROUNDOFF / 4 * tosses[inner] / (1 - p[inner])).sum())
