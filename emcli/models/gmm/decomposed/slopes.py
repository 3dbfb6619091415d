"""Slopes of the log-likelihood where volume, shape or orientation is equal, and steps that keep what is equal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emcli.models.gmm.decomposed.shapes import AlongAxes, AlongColumns
from emcli.types import Array

if TYPE_CHECKING:
    from emcli.models.gmm.values import Gaussians, GaussianStats


def slopes(mixture: Gaussians, stats: GaussianStats) -> tuple[Array, Array]:
    """Slopes (…, p) of the log-likelihood, from an E-step, and the complete-data information (…, p) of each.

    Coordinates of each component are ln of its weight, a shift of its mean, and a symmetric change X of its covariance
    R R to R (1 + X/2)² R, in units of its symmetric root R, which varies smoothly where axes turn.
    """
    rows, first, d, covariances = stats.rows, stats.first, mixture.means.shape[-1], mixture.covariances
    assert isinstance(covariances, AlongAxes | AlongColumns)
    sds = np.sqrt(covariances.variances)
    if isinstance(covariances, AlongColumns):
        informed = np.full(d, 0.5)
        along = 0.5 * rows[..., None] * projected(covariances.letters, stats.second / rows[..., None] - 1.0, rows, sds)
    else:
        each, axes = rows[..., None, None], _own(covariances)
        change = each * projected(covariances.letters, stats.second / each - np.eye(d), rows, sds)
        first = np.matmul(axes, first[..., None])[..., 0]
        i, j = np.triu_indices(d)
        informed = np.where(i == j, 0.5, 1.0)
        along = informed * (axes @ change @ axes.swapaxes(-2, -1))[..., i, j]
    shares = stats.weight * mixture.weights
    mixing = rows - shares if mixture.free else np.zeros(rows.shape)
    found = np.concatenate([mixing[..., None], first, along], axis=-1)
    known = shares[..., None] * np.concatenate([np.ones(1 + d), informed])
    return found.reshape(*rows.shape[:-1], -1), known.reshape(*rows.shape[:-1], -1)


def statistics_of(mixture: Gaussians, stats: GaussianStats, step: Array) -> GaussianStats:
    """The statistics of which an M-step makes a step (…, p)."""
    rows, d, covariances = stats.rows, mixture.means.shape[-1], mixture.covariances
    step = step.reshape(*rows.shape, -1)
    if mixture.free:
        rows = mixture.weights * np.exp(step[..., 0])
        rows *= stats.weight / rows.sum(axis=-1, keepdims=True)
    shift, change = step[..., 1 : 1 + d], 0.5 * step[..., 1 + d :]
    if not isinstance(covariances, AlongAxes):
        second = rows[..., None] * (np.square(1.0 + change) + shift * shift)
        return replace(stats, rows=rows, first=rows[..., None] * shift, second=second)
    half, axes = np.zeros((*rows.shape, d, d)), _own(covariances)
    i, j = np.triu_indices(d)
    half[..., i, j] = half[..., j, i] = change
    half = (half + np.eye(d)) @ axes
    shift = np.matmul(shift[..., None, :], axes)[..., 0, :]
    second = half.swapaxes(-2, -1) @ half + shift[..., :, None] * shift[..., None, :]
    return replace(stats, rows=rows, first=rows[..., None] * shift, second=rows[..., None, None] * second)


def _own(covariances: AlongAxes) -> Array:
    """Axes (…, k, d, d), or (…, 1, d, d) that all have."""
    axes = covariances.axes
    return axes if axes.ndim > covariances.variances.ndim else axes[..., None, :, :]


def projected(letters: str, excess: Array, rows: Array, sds: Array) -> Array:
    """The part of changes X (…, k, d, d), or (…, k, d) of variances, that keeps what is equal in all components.

    rows: (…, k) effective rows, by which components count. sds: (…, k, d) along the axes.
    """
    along = excess if excess.ndim == sds.ndim else np.diagonal(excess, axis1=-2, axis2=-1)
    volumes = along.mean(axis=-1, keepdims=True)
    forms = along - volumes
    if letters[0] == "E":
        volumes = _pooled(volumes, rows)
    if letters[1] != "V":
        forms = _pooled(forms, rows) if letters[1] == "E" else np.zeros(1)
    along = np.broadcast_to(volumes + forms, along.shape)
    if excess.ndim == sds.ndim:
        return along
    turns = excess.copy() if letters[2] == "V" else _turned(excess, rows, sds)
    i = np.arange(sds.shape[-1])
    turns[..., i, i] = along
    return turns


def _turned(excess: Array, rows: Array, sds: Array) -> Array:
    """The part that common axes, turned in each of their planes, have of changes X (…, k, d, d)."""
    ratio = sds[..., None, :] / sds[..., :, None]
    stretch = ratio - 1.0 / ratio
    counted = rows[..., None, None] * stretch
    angles = (counted * excess).sum(axis=-3) / np.maximum((counted * stretch).sum(axis=-3), 1e-300)
    return np.asarray(stretch * angles[..., None, :, :])


def _pooled(values: Array, rows: Array) -> Array:
    """Means over components of values (…, k, m), which count by their rows."""
    return np.asarray((rows[..., None] * values).sum(axis=-2, keepdims=True) / rows.sum(axis=-1)[..., None, None])
