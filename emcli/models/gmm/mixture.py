"""A mixture of Gaussians as a model: its E-step, M-step, information and draws."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import log, pi
from typing import Any, Self

import numpy as np

from emcli.data.rows import Rows
from emcli.inference.information import Complete
from emcli.models.base import Degenerate, Stats
from emcli.models.gmm.covariance import Covariances
from emcli.models.gmm.e_step import moments
from emcli.models.posterior import normalise, tilted
from emcli.types import Array, IndexArray

LOST = 1e-30  # effective rows below which a component has none


@dataclass(frozen=True)
class Moments(Stats):
    """Responsibility-weighted sums over rows, in each component's whitened coordinates y."""

    rows: Array  # (k,) effective rows
    first: Array  # (k, d) Σ r y
    second: Array  # (k, d, d) Σ r y yᵀ, or its diagonals (k, d)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A mixture of k Gaussians in d dimensions; rows are (d, n), one column of numbers a row of data."""

    weights: Array  # (k,) mixing weights
    means: Array  # (k, d)
    covariances: Covariances
    free: bool = True  # are the mixing weights estimated?
    _log_scale: Array = field(init=False, repr=False)  # (k, 1) ln of weight and normalising constant

    def __post_init__(self) -> None:
        d = self.means.shape[1]
        with np.errstate(divide="ignore"):  # a weight of zero is legal, and has no density
            log_scale = np.log(self.weights) - 0.5 * (d * log(2 * pi) + self.covariances.log_det())
        object.__setattr__(self, "_log_scale", log_scale[:, None])

    @property
    def parameters_count(self) -> int:
        k, d = self.means.shape
        return (k - 1 if self.free else 0) + int(k * d) + self.covariances.parameters_count(k, d)

    def components(self) -> tuple[Array, ...]:
        return self.means, self.covariances.full()

    def e_step(self, rows: Array, weights: Array | None) -> Moments:
        """Moments around the current means, and the log-likelihood."""
        score, *sums = moments(self.covariances, self.means, self._log_scale, rows, weights)
        if not np.isfinite(score):
            raise Degenerate("a row is so far from every component that it has no density")
        total = float(rows.shape[1]) if weights is None else float(weights.sum())
        return Moments(total, score, self.covariances.cancelled(rows, weights), *sums)

    def m_step(self, stats: Moments) -> Self:
        """The maximum likelihood model of the completed rows. Raises Degenerate where a component has sunk."""
        kept = stats.rows > LOST
        if not kept.all():
            raise Degenerate(f"component {int(np.argmin(kept)) + 1} lost all its rows")
        shift = stats.first / stats.rows[:, None]
        return replace(
            self,
            weights=stats.rows / stats.weight if self.free else self.weights,
            means=self.means + self.covariances.unwhiten(shift),
            covariances=self.covariances.updated(stats.rows, shift, stats.second),
        )

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities (n,)."""
        return self._posterior(self.covariances.whiten(rows, self.means))

    def _posterior(self, y: Array) -> tuple[Array, Array]:
        log_joint = (y * y).sum(axis=1)
        log_joint *= -0.5
        log_joint += self._log_scale
        log_density = normalise(log_joint)
        return log_joint, log_density

    def complete(self, rows: Array, weights: Array | None) -> Complete:
        """In the natural parameters of each component, in its own whitened coordinates."""
        y = self.covariances.whiten(rows, self.means)
        r, _ = self._posterior(y)
        k, d = self.means.shape
        scores, informed = self.covariances.scores(y)
        m = scores.shape[1]
        places = np.arange(k * d).reshape(k, d)
        more = k * d + np.arange(m if self.covariances.shared else k * m)
        places = np.concatenate([places, np.broadcast_to(more.reshape(-1, m), (k, m))], axis=1)
        sizes = r.sum(axis=1) if weights is None else r @ weights
        information = sizes[:, None, None] * np.diag(np.concatenate([np.ones(d), informed]))
        return Complete(
            r, np.concatenate([y, scores], axis=1), information, places, self.weights if self.free else None
        )

    def moved(self, step: Array) -> Self:
        """After a step (p,) in the parameters of `complete`. Raises Degenerate where it goes too far."""
        k, d = self.means.shape
        first, rest = step[: k * d].reshape(k, d), step[k * d : len(step) - (k - 1 if self.free else 0)]
        second = np.broadcast_to(rest, (k, len(rest))) if self.covariances.shared else rest.reshape(k, -1)
        shift, covariances = self.covariances.moved(first, second)
        weights = tilted(self.weights, step[len(step) - k + 1 :]) if self.free else self.weights
        return replace(self, weights=weights, means=self.means + shift, covariances=covariances)

    def sample(self, labels: Any, rng: np.random.Generator) -> Array:
        """Rows (n, d) for n component labels; plain sums and products, so that the bits do not depend on a BLAS."""
        noise = rng.standard_normal((len(labels), self.means.shape[1]))
        roots = self.covariances.roots()
        out: Array = self.means[labels]
        for column in range(out.shape[1]):
            for j in range(column + 1):
                if np.any(roots[:, column, j]):
                    out[:, column] += roots[labels, column, j] * noise[:, j]
        return out

    def redrawn(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """As many rows as the weights of these sum to, drawn from the mixture."""
        if not rows.here:
            return rows.redrawn(self, rng)
        labels = rng.choice(len(self.weights), int(rows.total), p=self.weights)
        values = np.ascontiguousarray(self.sample(labels, rng).T)
        return replace(rows, values=values, weights=None, merged=None)

    def ordered(self, order: IndexArray) -> Self:
        """The components in another order."""
        return replace(
            self, weights=self.weights[order], means=self.means[order], covariances=self.covariances.ordered(order)
        )
