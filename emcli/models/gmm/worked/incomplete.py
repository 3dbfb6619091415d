"""The E-step for a row with missing cells: the density of the observed ones, and what is expected in the others."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi
from typing import Self

import numpy as np

from emcli.data.rows import Rows
from emcli.models.gmm.missing.conditional import conditional
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.gmm.worked.moments import correlates
from emcli.types import Array, BoolArray

ROOT = "2.506628"  # √(2π)


@dataclass(frozen=True, eq=False)
class Expected:
    """What a row (d, 1) says of its missing cells, given each component; in the user's units but for the density."""

    seen: BoolArray  # (d,) which cells are observed
    log_density: Array  # (k,) of these, in working coordinates
    squared: Array  # (k,) D² of these
    values: Array  # (k, d) expected ones; NaN where a cell is observed
    variances: Array  # (k, d) that are left of them; NaN where a cell is observed

    @classmethod
    def of(cls, model: GaussianMixture, x: Array, rows: Rows) -> Self:
        """Of a row in working coordinates."""
        given, seen = conditional(model.covariances, model.means, x), ~np.isnan(x[:, 0])
        y, k = given.y[:, :, 0], len(model.weights)
        means = rows.scaling.to_original(model.means + model.covariances.unwhiten(y))
        left = model.covariances.scatter(np.ones(k), y, given.second(np.ones((k, 1))))
        left = np.diagonal(left, axis1=1, axis2=2)
        left = np.ldexp(left, 2 * rows.scaling.exponent)
        squared = np.square(y).sum(axis=1)
        return cls(seen, given.log_density[:, 0], squared, *(np.where(seen, np.nan, each) for each in (means, left)))


def formulas(model: GaussianMixture) -> list[str]:
    """What the E-step makes of rows with missing cells."""
    d = model.means.shape[1]
    if d == 1:
        return []
    if not correlates(model):
        return [
            "of a row with missing cells: the same of its other columns alone",
            "  a missing value is expected at its mean, where the variance left is its own",
        ]
    if d == 2:
        return [
            "of a row with a missing cell, from z of the other column:",
            f"  density = exp(-z² / 2) / ({ROOT} · sd), sd of the other column",
            "  expected value = mean + c · sd · z,  variance left = sd² · (1 - c²)",
        ]
    return [
        "of a row with missing cells (m), from the others (o):",
        f"  D² and density with o alone, and {ROOT} to the power of their number",
        "  expected = mean(m) + S(m,o) · inverse of S(o,o) · (x(o) - mean(o))",
        "  left = S(m,m) - S(m,o) · inverse of S(o,o) · S(o,m)",
    ]


def log_density(model: GaussianMixture, x: Array) -> Array:
    """ln of the density (k,) of the observed cells of a row (d, 1)."""
    if np.isnan(x).any():
        return np.asarray(conditional(model.covariances, model.means, x).log_density[:, 0])
    y = model.covariances.whiten(x, model.means)[:, :, 0]
    return np.asarray(-0.5 * ((y * y).sum(axis=1) + len(x) * log(2 * pi) + model.covariances.log_det()))
