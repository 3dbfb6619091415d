"""The boundary of mixtures of coins: P(heads) of 0 and 1 and mixing weights of 0, judged by the slope inward."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from emcli.types import Array, BoolArray

if TYPE_CHECKING:
    from emcli.models.coins.mixture import BinomialMixture, BinomialStats

M = TypeVar("M", bound="BinomialMixture")

NEAR = 2.0**-50  # a P(heads) or a mixing weight at which the slope on the boundary is taken
INWARD = 4.0 ** np.arange(-24.0, 0.0)  # distances from the boundary that are tried where the slope points inward
REVIVED_HEADS = np.linspace(0.0, 1.0, 33)  # P(heads) tried for a coin of weight 0
MAX_CLOSED = 1e-6  # distance of a P(heads) from 0 or 1 at which it may be set to it


def inward(model: M, e_step: Callable[[M], BinomialStats]) -> Sequence[Iterator[M]]:
    """For each parameter whose slope points inward from the boundary, the mixtures with it ever farther inside.

    A coin that stands for no row goes inward too: all that it can do is to gain some.
    """
    free = _free(model)
    low, high, dead = (model.heads == 0) & free, (model.heads == 1) & free, model.weights == 0
    if not (low | high | dead).any():
        return ()
    inside = np.clip(model.heads, NEAR, 1 - NEAR)
    near = replace(model, heads=np.where(free, inside, model.heads), weights=np.maximum(model.weights, NEAR))
    stats = e_step(near)
    slopes = np.where(high, -1.0, 1.0) * (stats.heads / inside - stats.tails / (1 - inside))
    idle = np.where(high, stats.heads, stats.tails) == 0
    ways = [_inside(model, int(j), float(high[j])) for j in np.flatnonzero((low | high) & ((slopes > 0) | idle))]
    return [*ways, *(_revived(model, int(j), e_step) for j in np.flatnonzero(dead & model.free))]


def _inside(model: M, j: int, end: float) -> Iterator[M]:
    for away in INWARD:
        yield replace(model, heads=_with(model.heads, j, abs(end - away)))


def _revived(model: M, j: int, e_step: Callable[[M], BinomialStats]) -> Iterator[M]:
    """The mixture with ever more weight on a coin that has none, at the P(heads) to which the slope is steepest."""
    tried = REVIVED_HEADS if model.prior is None else REVIVED_HEADS[1:-1]  # a prior has density 0 at the ends
    slopes = [float(e_step(_with_share(model, j, heads, NEAR)).rows[j]) for heads in tried.tolist()]
    for share in INWARD:
        yield _with_share(model, j, float(tried[int(np.argmax(slopes))]), share)


def _with_share(model: M, j: int, heads: float, share: float) -> M:
    weights = _with((1 - share) * model.weights, j, share)
    return replace(model, heads=_with(model.heads, j, heads), weights=weights).held()


def closed(model: M) -> Iterator[M]:
    """The mixture with a P(heads) of less than 1e-6 set to 0, or one as near to 1 set to 1, for each of these."""
    ends = np.round(model.heads)
    away = np.abs(model.heads - ends)
    for j in np.flatnonzero((away > 0) & (away < MAX_CLOSED) & _free(model)):
        yield replace(model, heads=_with(model.heads, int(j), float(ends[j])))


def _free(model: BinomialMixture) -> BoolArray:
    """Which P(heads) (k,) are not held."""
    return np.ones(len(model.heads), dtype=bool) if model.fixed is None else np.isnan(model.fixed.values)


def _with(values: Array, j: int, value: float) -> Array:
    found = values.copy()
    found[j] = value
    return found
