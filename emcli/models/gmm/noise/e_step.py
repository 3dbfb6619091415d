"""The E-step of a Gaussian mixture with noise, in chunks of rows whose temporaries fit in a core's cache."""

from __future__ import annotations

import numpy as np

from emcli.models.gmm.covariance import Covariances
from emcli.models.gmm.e_step import CHUNK_NUMBERS
from emcli.models.posterior import normalise
from emcli.types import Array

MIN_ROWS = 256  # of a chunk


def moments(
    covariances: Covariances, means: Array, log_scale: Array, log_noise: Array, rows: Array, weights: Array | None
) -> tuple[Array, Array, Array, Array, Array]:
    """Log-likelihood, Σ r (k,), Σ r y (k, d), Σ r y yᵀ (k, d, d) as without noise, and Σ r of the noise ().

    `log_scale` (k, 1) is ln of mixing weight and normalising constant, `log_noise` () ln of weight and density of the
    noise. Of several mixtures at once all arrays but the rows have a first axis more.
    """
    slopes, found = covariances.slopes, None
    size = max(MIN_ROWS, CHUNK_NUMBERS // means.size)
    for start in range(0, rows.shape[1], size):
        some = rows[:, start : start + size]
        n = some.shape[1]
        y, squares = np.empty((*means.shape, n)), np.empty((*means.shape, n))
        covariances.project(some, means, y, squares)
        joint = np.empty((*means.shape[:-2], means.shape[-2] + 1, n))
        r, others = joint[..., :-1, :], joint[..., -1, :]
        r[:] = np.matmul(slopes[..., None, :], squares)[..., 0, :]
        r += log_scale
        others[:] = log_noise[..., None]
        log_density = normalise(joint)
        if weights is not None:
            counts = weights[start : start + size]
            joint *= counts
            log_density *= counts
        first, second = covariances.moments(y, squares, r)
        sums = (log_density.sum(axis=-1), r.sum(axis=-1), first, second, others.sum(axis=-1))
        found = sums if found is None else tuple(a + b for a, b in zip(found, sums, strict=True))
    assert found is not None
    return found
