"""Mixtures of Gaussians of rows with missing cells: the likelihood of the cells that are observed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emcli.data.rows import batch_chunks
from emcli.models.base import Degenerate
from emcli.models.complete_data import CompleteData
from emcli.models.gmm.conditional import ConditionalRows, conditional
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.gmm.values import GaussianStats
from emcli.models.posterior import normalise
from emcli.types import Array

CHUNK_NUMBERS = 98_304  # coordinates in all components that fit in the cache of a core


@dataclass(frozen=True, eq=False)
class IncompleteGaussianMixture(GaussianMixture):
    """A mixture of Gaussians of rows (d, n) in which a missing cell is NaN, taken to be missing at random.

    A row has the density of its observed cells. The E-step completes each row, given each component, with the mean and
    covariance of the missing cells given the observed ones (Little & Rubin 2002, section 11.2; Ghahramani & Jordan
    1994), so that its statistics mean what they mean for complete rows, and the M-step is the same.
    """

    def e_step(self, rows: Array, weights: Array | None) -> GaussianStats:
        """Expected moments around the current means, and the log-likelihood of the observed cells."""
        with np.errstate(over="ignore", invalid="ignore"):  # what is so large is found below
            parts = [self._moments(*part) for part in batch_chunks(rows, weights, self._chunk())]
        score, sizes, first, second = (sum(part[1:], part[0]) for part in zip(*parts, strict=True))
        one = self.weights.ndim == 1
        if one and not np.isfinite(score):
            raise Degenerate("a row is so far from every component that it has no density")
        total = float(rows.shape[1]) if weights is None else float(weights.sum())
        known = np.nan_to_num(rows, nan=0.0)
        # The coordinates of some columns are no longer than those of all, which have these bounds for complete rows.
        cancelled = self.covariances.cancelled(known, weights) + total * (2.0 * len(rows)) ** 2
        return GaussianStats(total, float(score) if one else score, cancelled, sizes, first, second)

    def _moments(self, rows: Array, weights: Array | None) -> tuple[Array, Array, Array, Array]:
        given = conditional(self.covariances, self.means, rows)
        r, log_density = self._responsibilities(given)
        if weights is not None:
            r *= weights
        score = log_density.sum(axis=-1) if weights is None else np.vecdot(log_density, weights)
        first = np.matmul(given.y, r[..., None])[..., 0]
        return score, r.sum(axis=-1), first, given.second(r)

    def _chunk(self) -> int:
        return max(1, CHUNK_NUMBERS // self.means.size)

    def _responsibilities(self, given: ConditionalRows) -> tuple[Array, Array]:
        with np.errstate(divide="ignore"):  # a component with weight 0 has density 0
            log_joint = given.log_density + np.log(self.weights)[..., None]
        log_density = normalise(log_joint)
        return log_joint, log_density

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities (n,) of the observed cells, by which these change units."""
        return self._responsibilities(conditional(self.covariances, self.means, rows))

    def complete(self, rows: Array, weights: Array | None) -> CompleteData:
        """Expected complete-data scores, and their covariance given what is observed (Louis 1982)."""
        given = conditional(self.covariances, self.means, rows)
        r, _ = self._responsibilities(given)
        found = self._complete_data(given.y, r, weights)
        d = self.means.shape[1]
        given.scores(found.scores[:, d:])
        hidden = given.hidden(r if weights is None else r * weights, found.scores.shape[1] - d)
        return CompleteData(r, found.scores, found.information, found.places, found.mixing, hidden, found.chart)

    def expected(self, rows: Array) -> Array:
        """Rows (d, n) with each missing cell as the mixture expects it, given the observed ones."""
        given = conditional(self.covariances, self.means, rows)
        r, _ = self._responsibilities(given)
        roots = self.covariances.roots()
        each = self.means[:, :, None] + np.matmul(roots, given.y)
        return np.where(np.isnan(rows), np.einsum("kn,kdn->dn", r, each), rows)
