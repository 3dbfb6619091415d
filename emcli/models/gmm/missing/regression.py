"""One Gaussian of rows with missing cells, and rows completed by regression on it, on which start values are drawn."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from emcli.config.covariances import letters
from emcli.config.settings import ModelSettings
from emcli.data.incomplete import column_means, mean_filled, observed_weights, without_missing
from emcli.data.points import covariance
from emcli.data.rows import Rows, batch_chunks
from emcli.models.base import Degenerate
from emcli.models.gmm.checks import singular
from emcli.models.gmm.full import Full
from emcli.models.gmm.missing.conditional import chunk_rows, conditional
from emcli.types import Array

SAMPLE_ROWS = 16_384  # on which the covariance of all rows is estimated
MAX_STEPS = 200  # of EM
CONVERGED = 1e-9  # gain of log-likelihood for each row, below which it ends
MAX_UNCORRELATED = 30  # columns, beyond which components without correlations are not worth a regression

_completed: WeakKeyDictionary[Rows, dict[bool, Rows]] = WeakKeyDictionary()  # by whether it was by regression


def one_gaussian(rows: Array, weights: Array | None, begin: Array | None = None) -> tuple[Array, Full]:
    """Mean (1, d) and covariance of a single Gaussian of rows (d, n) by EM (Little & Rubin 2002, section 11.2.1).

    It begins with the observed variances, or with a covariance (d, d). Raises Degenerate where that of the rows is
    singular.
    """
    means = column_means(rows, weights)[None]
    if begin is None:
        squares = np.square(without_missing(rows - means.T))
        sums = squares.sum(axis=1) if weights is None else squares @ weights
        begin = np.diag(sums / np.maximum(observed_weights(rows, weights), 1e-300))
    covariances, before = Full.of(begin[None], None), -np.inf
    total = np.array([float(rows.shape[1]) if weights is None else float(weights.sum())])
    for _ in range(MAX_STEPS):
        score, first, second = 0.0, np.zeros_like(means), np.zeros_like(covariances.root)
        for some, counts in batch_chunks(rows, weights, chunk_rows(means)):
            given = conditional(covariances, means, some)
            each = np.ones((1, some.shape[1])) if counts is None else counts[None]
            score += float((given.log_density * each).sum())
            first += np.matmul(given.y, each[..., None])[..., 0]
            second += given.second(each)
        if not score - before > CONVERGED * total[0]:
            break
        before, shift = score, first / total[:, None]
        means = means + covariances.unwhiten(shift)
        covariances = covariances.updated(total, shift, second)
    return means, covariances


def with_covariance(rows: Rows, settings: ModelSettings) -> Rows:
    """The rows with the maximum likelihood covariance of a single Gaussian. Raises DataFault where it is singular."""
    sample = rows.sample(SAMPLE_ROWS, np.random.default_rng(0))
    if _by_regression(rows, settings):
        try:
            return replace(rows, covariance=one_gaussian(sample.values, sample.weights)[1].full()[0])
        except Degenerate:
            if letters(settings.covariance) in ("VVV", "EEE") and rows.count > len(rows.names):
                raise singular() from None
    return replace(rows, covariance=covariance(sample))


def completed(rows: Rows, settings: ModelSettings) -> Rows:
    """The rows with missing cells filled in: by regression on the observed ones, or with the mean of the column."""
    if rows.observed is None:
        return rows
    known, regressed = _completed.setdefault(rows, {}), _by_regression(rows, settings)
    if regressed not in known:
        values = _regressed(rows) if regressed else None
        if values is None:
            values = mean_filled(rows.values, rows.weights)
        known[regressed] = replace(rows, values=values, observed=None)
    return known[regressed]


def _regressed(rows: Rows) -> Array | None:
    try:
        means, covariances = one_gaussian(rows.values, rows.weights, rows.covariance)
        found = np.empty(rows.values.shape)
        for some in range(0, rows.count, size := chunk_rows(means)):
            values = rows.values[:, some : some + size]
            y = conditional(covariances, means, values).y
            expected = (means[:, :, None] + np.matmul(covariances.root, y))[0]
            found[:, some : some + size] = np.where(np.isnan(values), expected, values)
    except Degenerate:
        return None
    return found


def _by_regression(rows: Rows, settings: ModelSettings) -> bool:
    return letters(settings.covariance) in ("VVV", "EEE") or len(rows.names) <= MAX_UNCORRELATED
