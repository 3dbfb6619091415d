"""M-steps of covariances of volume λ, shape A and orientation D (Celeux & Govaert 1995): Σ = λ D A Dᵀ."""

from __future__ import annotations

from functools import cache

import numpy as np

from emcli.types import Array

SETTLED = 1e-12  # relative change of all variances, after which it ends
WIDE = 1e4  # ratio of columns' sds from which rotations find the axes; of others an SVD loses no digit that counts
MAX_ROTATIONS = 40  # of all pairs of axes, of which a few are enough


def variances_along(letters: str, spectra: Array, rows: Array, volumes: Array, rounds: int) -> Array:
    """λA (…, k, d), the variances along the axes, from scatters along them (…, k, d) and effective rows (…, k).

    volumes: the last λ (…, k), from which varying ones with an equal shape are iterated, so many rounds at most.
    """
    if letters[1] == "I":
        spectra = np.broadcast_to(spectra.mean(axis=-1, keepdims=True), spectra.shape)
    total = rows.sum(axis=-1)[..., None, None]
    match letters[:2]:
        case "VV" | "VI":
            return np.asarray(spectra / rows[..., None])
        case "EV":
            sizes = geometric_mean(spectra)[..., None]
            return np.asarray(spectra * (sizes.sum(axis=-2, keepdims=True) / (total * sizes)))
        case "EE" | "EI":
            return np.broadcast_to(spectra.sum(axis=-2, keepdims=True) / total, spectra.shape).copy()
    found = np.zeros(spectra.shape)
    for _ in range(rounds):
        found, last = _in_turn(spectra, rows, volumes), found
        if _settled(found, last):
            break
        volumes = geometric_mean(found)
    return found


def _in_turn(spectra: Array, rows: Array, volumes: Array) -> Array:
    """One shape A for all from the last volumes, then each component's volume from it.

    Variances count in units of the largest along each axis: columns may differ by more than a double's range.
    """
    units = spectra.max(axis=-2, keepdims=True)
    spectra = spectra / units
    pooled = (spectra / (volumes / volumes.max(axis=-1, keepdims=True))[..., None]).sum(axis=-2, keepdims=True)
    shape = pooled / geometric_mean(pooled)[..., None]
    sizes = (spectra / shape).mean(axis=-1) / rows
    return np.asarray(sizes[..., None] * shape * units)


def own_axes(letters: str, halves: Array, rows: Array, volumes: Array, rounds: int) -> tuple[Array, Array]:
    """Each component's axes D (…, k, d, d) and variances along them (…, k, d).

    halves: H (…, k, d, d) of the scatters H Hᵀ within components; so small variances keep their digits.
    """
    axes, spectra = principal_axes(halves)
    return axes, variances_along(letters, spectra, rows, volumes, rounds)


def axes_of_one_shape(halves: Array, rows: Array, volumes: Array, rounds: int) -> tuple[Array, Array]:
    """Common axes (…, d, d) and variances along them of covariances that differ in volume alone, as in `own_axes`.

    Axes and shape in turn with the volumes, so many rounds, each of which brings the likelihood higher.
    """
    variances = np.broadcast_to(volumes[..., None], halves.shape[:-1])
    axes = halves[..., 0, :, :]
    for _ in range(rounds):
        axes, before = pooled_axes(halves, geometric_mean(variances)), variances
        variances = _in_turn(_along(axes, halves), rows, geometric_mean(variances))
        if _settled(variances, before):
            break
    return axes, variances


def common_axes(
    letters: str, halves: Array, rows: Array, last: tuple[Array, Array], rounds: int
) -> tuple[Array, Array]:
    """Common axes (…, d, d) and variances along them whose shapes differ, from the last ones, as in `own_axes`.

    Axes are turned in turn with the variances, so many rounds, each of which brings the likelihood higher.
    """
    axes, variances = last
    for _ in range(rounds):
        axes, before = rotated(axes, halves, variances), variances
        variances = variances_along(letters, _along(axes, halves), rows, geometric_mean(before), rounds)
        if _settled(variances, before):
            break
    return axes, variances


def rotated(axes: Array, halves: Array, variances: Array) -> Array:
    """Axes (…, d, d), turned two at a time to where Σ tr(D A⁻¹ Dᵀ W) is least in their plane.

    variances A (…, k, d); halves as in `own_axes`. Flury & Gautschi (1986) turn pairs so; the minimum is that which
    Browne & McNicholas (2014) approach by majorization, and no turn raises the sum.
    """
    d, precisions = axes.shape[-1], 1.0 / variances
    seen = axes.swapaxes(-2, -1)[..., None, :, :] @ halves
    for i, j in _pairs(d):
        weight, one, other = precisions[..., i] - precisions[..., j], seen[..., i, :], seen[..., j, :]
        even = (weight * np.vecdot(one - other, one + other)).sum(axis=-2)
        odd = 2.0 * (weight * np.vecdot(one, other)).sum(axis=-2)
        turn = np.zeros(axes.shape)
        turn[..., range(d), range(d)] = 1.0
        cos, sin = _halved(even, odd)
        turn[..., i, i] = turn[..., j, j] = cos
        turn[..., j, i] = sin
        turn[..., i, j] = -turn[..., j, i]
        axes, seen = axes @ turn, turn.swapaxes(-2, -1)[..., None, :, :] @ seen
    return axes


def _halved(even: Array, odd: Array) -> tuple[Array, Array]:
    """Cosine and sine of half the angle of (-even, -odd), each with all its digits however small it is."""
    length = np.hypot(even, odd)
    still = length == 0
    large = np.sqrt(0.5 + 0.5 * np.abs(even) / np.where(still, np.inf, length))
    small = 0.5 * np.abs(odd) / np.where(still, 1.0, length * large)
    ahead = even < 0
    cos, sin = np.where(ahead, large, small), np.where(ahead, small, large)
    return np.where(still, 1.0, cos), np.where(still, 0.0, np.copysign(sin, -odd))


def principal_axes(halves: Array) -> tuple[Array, Array]:
    """Axes (…, d, d) of scatters H Hᵀ, and these along them (…, d), the largest first; halves: H (…, d, m).

    Where columns differ by decades an SVD finds the small ones only to the digits of the largest; rotations of pairs
    find each to its own (Demmel & Veselić 1992).
    """
    lengths = np.linalg.norm(halves, axis=-1)
    if not (lengths.max(axis=-1) > WIDE * lengths.min(axis=-1)).any():
        axes, sizes, _ = np.linalg.svd(halves, full_matrices=False)
        return axes, sizes**2
    d = halves.shape[-2]
    order = np.argsort(-lengths, axis=-1, kind="stable")
    axes = np.swapaxes(np.eye(d)[order], -2, -1)
    each, falling = halves[..., None, :, :], np.arange(d, 0.0, -1.0)[None]
    spectra = np.zeros(lengths.shape)
    for _ in range(MAX_ROTATIONS):
        axes = rotated(axes, each, falling)
        spectra, before = _along(axes, each)[..., 0, :], spectra
        if _settled(spectra, before):
            break
    return axes, spectra


@cache
def _pairs(d: int) -> list[tuple[list[int], list[int]]]:
    """All pairs of d axes in turns: in each of them no axis is in two pairs."""
    places = [*range(d), *([-1] if d % 2 else [])]
    turns = []
    for _ in range(len(places) - 1):
        half = len(places) // 2
        pairs = [(a, b) for a, b in zip(places[:half], places[: half - 1 : -1], strict=True) if min(a, b) >= 0]
        turns.append(([a for a, _ in pairs], [b for _, b in pairs]))
        places = [places[0], places[-1], *places[1:-1]]
    return turns


def geometric_mean(variances: Array) -> Array:
    """Geometric means over columns (…, k); 0 where one is 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(np.log(variances).mean(axis=-1)))


def pooled_axes(halves: Array, volumes: Array) -> Array:
    """Axes (…, d, d) of the sum of W / λ, from which common ones are iterated."""
    scaled = halves / np.sqrt(volumes)[..., None, None]
    side_by_side = np.moveaxis(scaled, -3, -2).reshape(*scaled.shape[:-3], scaled.shape[-1], -1)
    return principal_axes(side_by_side)[0]


def _along(axes: Array, halves: Array) -> Array:
    """Scatters (…, k, d) along common axes."""
    return np.asarray(np.square(axes.swapaxes(-2, -1)[..., None, :, :] @ halves).sum(axis=-1))


def _settled(found: Array, last: Array) -> bool:
    """Have variances come to rest? Those that are not numbers will never move."""
    return not bool((np.abs(found - last) > SETTLED * found).any())
