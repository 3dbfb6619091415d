"""Mixtures of Gaussians of rows with missing cells: the likelihood of the cells that are observed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Self

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.incomplete import complete_rows, without_missing
from emcli.data.rows import Rows, batch_chunks
from emcli.data.scaling import weighed
from emcli.errors import quoted, with_others
from emcli.models.base import Degenerate
from emcli.models.complete_data import CompleteData
from emcli.models.gmm.full import Full
from emcli.models.gmm.missing import regression
from emcli.models.gmm.missing.conditional import ConditionalRows, chunk_rows, conditional
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.gmm.values import GaussianStats
from emcli.models.nesting import Parts
from emcli.models.posterior import logarithms, normalise
from emcli.types import JSON, Array

MIN_COMPLETE = 1024  # rows at the beginning of a batch, from which they are worth an E-step of their own
MIN_SEEN = 1e-6  # rows of a component, below which it has none that observes a column


@dataclass(frozen=True, eq=False)
class IncompleteGaussianMixture(GaussianMixture):
    """A mixture of Gaussians of rows (d, n) in which a missing cell is NaN, taken to be missing at random.

    A row has the density of its observed cells. The E-step completes each row, given each component, with the mean and
    covariance of the missing cells given the observed ones (Little & Rubin 2002, section 11.2; Ghahramani & Jordan
    1994), so that its statistics mean what they mean for complete rows, and the M-step is the same.
    """

    def e_step(self, rows: Array, weights: Array | None) -> GaussianStats:
        """Expected moments around the current means, and the log-likelihood of the observed cells."""
        whole = complete_rows(rows)
        if whole < MIN_COMPLETE:
            return self._incomplete_e_step(rows, weights)
        first = super().e_step(rows[:, :whole], None if weights is None else weights[:whole])
        if whole == rows.shape[1]:
            return first
        rest = None if weights is None else weights[whole:]
        return first + self._incomplete_e_step(rows[:, whole:], rest)

    def _incomplete_e_step(self, rows: Array, weights: Array | None) -> GaussianStats:
        with np.errstate(over="ignore", invalid="ignore"):  # what is so large is found below
            parts = [self._moments(*part) for part in batch_chunks(rows, weights, chunk_rows(self.means))]
        score, sizes, first, second = (sum(part[1:], part[0]) for part in zip(*parts, strict=True))
        # The coordinates of some columns are no longer than those of all, which have these bounds for complete rows.
        return GaussianStats(*self._totals(score, without_missing(rows), weights), sizes, first, second)

    def _moments(self, rows: Array, weights: Array | None) -> tuple[Array, Array, Array, Array]:
        given = conditional(self.covariances, self.means, rows)
        r, log_density = self._responsibilities(given)
        if weights is not None:
            r *= weights
        score = log_density.sum(axis=-1) if weights is None else np.vecdot(log_density, weights)
        first = np.matmul(given.y, r[..., None])[..., 0]
        return score, r.sum(axis=-1), first, given.second(r)

    def _responsibilities(self, given: ConditionalRows) -> tuple[Array, Array]:
        log_joint = given.log_density + logarithms(self.weights)[..., None]
        log_density = normalise(log_joint)
        return log_joint, log_density

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities (n,) of the observed cells, by which these change units."""
        parts = [
            self._responsibilities(conditional(self.covariances, self.means, some))
            for some, _ in batch_chunks(rows, None, chunk_rows(self.means))
        ]
        return np.concatenate([r for r, _ in parts], axis=1), np.concatenate([found for _, found in parts])

    def complete(self, rows: Array, weights: Array | None) -> CompleteData:
        """Expected complete-data scores, and their covariance given what is observed (Louis 1982)."""
        given = conditional(self.covariances, self.means, rows)
        r, _ = self._responsibilities(given)
        found = self._complete_data(given.y, r, weights)
        d = self.means.shape[1]
        given.complete_scores(found.scores[:, d:])
        hidden = given.hidden(r if weights is None else r * weights, found.scores.shape[1] - d)
        return CompleteData(r, found.scores, found.information, found.places, found.mixing, hidden, found.chart)

    def expected(self, rows: Array) -> Array:
        """Rows (d, n) with each missing cell as the mixture expects it, given the observed ones."""
        found = np.empty(rows.shape)
        for start in range(0, rows.shape[1], size := chunk_rows(self.means)):
            some = slice(start, start + size)
            given = conditional(self.covariances, self.means, rows[:, some])
            r, _ = self._responsibilities(given)
            each = self.means[:, :, None] + np.moveaxis(self.covariances.unwhiten(np.moveaxis(given.y, 2, 0)), 0, 2)
            found[:, some] = np.where(np.isnan(rows[:, some]), np.einsum("kn,kdn->dn", r, each), rows[:, some])
        return found

    @property
    def is_explicit(self) -> bool:
        """Never: of one component too it is unknown what the missing cells hold."""
        return False

    @classmethod
    def with_covariance(cls, rows: Rows, settings: ModelSettings) -> Rows:
        """The rows with the covariance of one Gaussian of what is observed. Raises DataFault."""
        return regression.with_covariance(rows, settings)

    @classmethod
    def initialize(cls, rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator) -> Self:
        """Start values of complete rows, from rows completed by regression on one Gaussian."""
        return super().initialize(regression.completed(rows, settings), settings, kind, rng)

    def split(
        self, parts: Parts, step: float, rows: Rows, settings: ModelSettings, rng: np.random.Generator | None = None
    ) -> Self:
        """The same of rows completed by regression, where an axis goes through two of them."""
        some = rows if rng is None else regression.completed(rows, settings)
        return super().split(parts, step, some, settings, rng)

    @classmethod
    def estimate(cls, rows: Rows, members: Array) -> dict[str, JSON]:
        """Weights, means and covariances in the user's units from known memberships (k, n), by EM for each component.

        Where its covariance is singular, it is that of the rows completed by regression.
        """
        weighted = weighed(members, rows.weights)
        found = super().estimate(regression.completed(rows, ModelSettings(k=1, covariance="full")), members)
        unit = rows.scaling.exponent[:, None] + rows.scaling.exponent
        for j, own in enumerate(weighted):
            some = own > 0
            try:
                means, covariances = regression.one_gaussian(rows.values[:, some], own[some])
            except Degenerate:
                continue
            found["means"][j] = rows.scaling.to_original(means)[0].tolist()  # type: ignore[index]
            found["covariances"][j] = np.ldexp(covariances.full()[0], unit).tolist()  # type: ignore[index]
        return found

    def unobserved(self, stats: GaussianStats, rows: Rows) -> str | None:
        """Which means and covariances no observed cell tells of: fewer than a millionth of a row observes them."""
        batches = list(zip(*rows.batches(), strict=True))
        seen: Array = reduce(add, rows.mapping(map)(partial(_observing, self), *batches))
        names, k = [quoted(name) for name in rows.names], len(seen)
        own = np.diagonal(seen, axis1=1, axis2=2)
        if places := np.argwhere(own < MIN_SEEN).tolist():
            what = with_others([f"of {names[column]} in component {j + 1}" for j, column in places])
            return f"no row tells the mean and variance {what}, which stay as they were; use a smaller -k"
        if not isinstance(self.covariances, Full):
            return None
        pairs = seen.sum(axis=0, keepdims=True) if self.covariances.shared or k == 1 else seen
        if places := np.argwhere(np.triu(pairs < MIN_SEEN)).tolist():
            within = " in component {}" if len(pairs) > 1 else ""
            what = with_others([f"{names[a]} and {names[b]}{within.format(j + 1)}" for j, a, b in places])
            return f"no row has values of both {what}, so their covariance is not known; use --covariance diag"
        return None


def _observing(
    model: IncompleteGaussianMixture, x: Array, weights: Array | None, component: int | None = None
) -> Array:
    """Rows of each component that observe two columns, (k, d, d); `component` is that of all, where it is known."""
    k, d = model.means.shape
    found = np.zeros((k, d, d))
    for some, counts in batch_chunks(x, weights, chunk_rows(model.means)):
        seen = (~np.isnan(some)).astype(np.float64)
        r = model.posterior(some)[0] if component is None else np.eye(k)[:, [component] * some.shape[1]]
        for j, own in enumerate(weighed(r, counts)):
            found[j] += (own * seen) @ seen.T
    return found
