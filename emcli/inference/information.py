"""What rows tell of the parameters: the score, its empirical information, and the observed information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Self

import numpy as np
import numpy.typing as npt

from emcli.data.rows import batch_chunks
from emcli.models.base import AnyModel
from emcli.models.complete_data import AnyCompleteDataModel, CompleteData, CompleteDataModel
from emcli.types import Array, Batch, Mapper

ROOM, FEWEST = 1 << 19, 4096  # scores that a core keeps close by, and rows from which NumPy's calls repay themselves
LONGEST = 0.5
STEEPEST = 1e300  # curvature of a parameter in units of its own empirical information
NO_SCORE, NO_CURVE = 1e-9, 1e-5  # eigenvalues below which there is none that rounding does not explain


@dataclass(frozen=True, eq=False)
class Information:
    """The score of some rows and what they tell of p free parameters; `+` pools."""

    score: Array  # (p,)
    matrix: Array  # (p, p) empirical information Σ w sᵢ sᵢᵀ
    observed: Array | None  # (p, p) minus the second derivatives of the log-likelihood; None where nobody asked

    @classmethod
    def of(cls, complete: CompleteData, weights: Array | None, observed: bool) -> Self:
        """Of the incomplete data, from what their complete data would tell."""
        r, places, mixing = complete.responsibilities, complete.places, complete.mixing
        k, n = r.shape
        own = int(places.max()) + 1
        scores = np.zeros((own + (0 if mixing is None else k - 1), n))
        for j, place in enumerate(places):
            scores[place] += r[j] * complete.scores[j]
        if mixing is not None:
            np.subtract(r[:-1], mixing[:-1, None], out=scores[own:])
        counted = scores if weights is None else scores * weights
        matrix = counted @ scores.T
        return cls(counted.sum(axis=1), matrix, matrix + _hidden(complete, weights, own) if observed else None)

    def __add__(self, other: Information) -> Information:
        both = None if self.observed is None or other.observed is None else self.observed + other.observed
        return Information(self.score + other.score, self.matrix + other.matrix, both)

    def _known(self) -> tuple[npt.NDArray[np.bool_], Array]:
        """Which parameters any row informs, and the scale of each; the others have no score either."""
        spread = np.sqrt(np.diag(self.matrix))
        return spread > 0, spread[spread > 0]

    def _scaled(self) -> tuple[Array, Array, bool]:
        """Score along each eigenvector, eigenvalues, in units of each parameter's own information; are all known?"""
        known, spread = self._known()
        values, vectors = np.linalg.eigh(self.matrix[np.ix_(known, known)] / np.outer(spread, spread))
        return (self.score[known] / spread) @ vectors, values, bool(known.all())

    def deficient(self) -> bool:
        """Is there a direction that leaves the likelihood as it is: no row has a score in it, and nothing curves?"""
        _, values, complete = self._scaled()
        if not complete:
            return True
        return bool(values[0] < NO_SCORE and np.abs(self._curvatures()).min() < NO_CURVE)

    def decrement(self) -> float:
        """The gain of log-likelihood to expect from one more Newton step: ½ sᵀ I⁻¹ s, free of units."""
        along, values, _ = self._scaled()
        kept = values > 1e-13 * len(values)
        return float(0.5 * np.sum(along[kept] ** 2 / values[kept]))

    def ascent(self) -> tuple[Array, float]:
        """A step (p,) uphill and the rise that the slope promises for it: Newton's, of curvatures made positive.

        No parameter moves by more than LONGEST, which is about half an sd of a component.
        """
        known, unit, observed = self._observed()
        values, vectors = np.linalg.eigh(observed)
        along = (self.score[known] / unit) @ vectors
        step = np.zeros(len(self.score))
        step[known] = vectors @ (along / np.maximum(np.abs(values), NO_CURVE)) / unit
        step *= min(1.0, LONGEST / max(float(np.abs(step).max(initial=0.0)), 1e-300))
        return step, float(step @ self.score)

    def saddle(self) -> bool:
        """Is there a direction in which the log-likelihood curves upwards?"""
        return bool(self._curvatures().min(initial=0.0) < -NO_CURVE)

    def _curvatures(self) -> Array:
        """Eigenvalues of the observed information in units of each parameter's own."""
        return np.asarray(np.linalg.eigvalsh(self._observed()[2]))

    def _observed(self) -> tuple[npt.NDArray[np.bool_], Array, Array]:
        """Which parameters any row informs, the unit of each, and their observed information in these units.

        The unit is a parameter's own empirical information, unless its curvature is STEEPEST times as large: with a row
        far from all others their quotient can overflow.
        """
        known, spread = self._known()
        assert self.observed is not None
        observed = self.observed[np.ix_(known, known)]
        unit = np.maximum(spread, np.sqrt(np.abs(np.diag(observed)) / STEEPEST))
        return known, unit, observed / np.outer(unit, unit)


def _hidden(complete: CompleteData, weights: Array | None, own: int) -> Array:
    """What is added to Σ w sᵢ sᵢᵀ to have the observed information (Louis 1982, equation 3.2), (p, p).

    The information of the complete data, less the conditional second moments of their scores.
    """
    places, mixing = complete.places, complete.mixing
    k = len(places)
    weighted = complete.responsibilities if weights is None else complete.responsibilities * weights
    p = own + (0 if mixing is None else k - 1)
    found, sums = np.zeros((p, p)), np.empty(places.shape)
    for j, place in enumerate(places):
        known = weighted[j] * complete.scores[j]
        sums[j] = known.sum(axis=1)
        found[np.ix_(place, place)] += complete.information[j] - known @ complete.scores[j].T
    if mixing is None:
        return found
    w, sizes = mixing[:-1], weighted.sum(axis=1)
    total, rest = sizes.sum(), sizes[:-1]
    for j, place in enumerate(places):
        found[place, own:] += np.outer(sums[j], w)
        if j < k - 1:
            found[place, own + j] -= sums[j]
    found[own:, :own] = found[:own, own:].T
    found[own:, own:] = np.diag(total * w - rest) + np.outer(rest, w) + np.outer(w, rest) - 2 * total * np.outer(w, w)
    return found


def information(
    model: AnyCompleteDataModel, batches: Sequence[Batch], map: Mapper = map, observed: bool = True
) -> Information:
    """Score and information of all rows at the model; the observed one costs as much again."""
    one = partial(_of_batch, model, observed)
    return reduce(add, map(one, *zip(*batches, strict=True)))  # type: ignore[no-any-return]


def _of_batch(model: AnyCompleteDataModel, observed: bool, rows: Array, weights: Array | None) -> Information:
    parts = batch_chunks(rows, weights, max(FEWEST, ROOM // model.parameters_count))
    return reduce(add, (Information.of(model.complete(*part), part[1], observed) for part in parts))


class InformationCache:
    """The information of some rows at one model after another; that at the last one is kept, as several ask for it."""

    def __init__(self, batches: Sequence[Batch], map: Mapper = map) -> None:
        self._batches, self._map = batches, map
        self._last: tuple[AnyModel, Information] | None = None

    def at(self, model: AnyModel) -> Information:
        """The information at a model; of a single component, which has no other optimum, not the observed one."""
        found = self.kept(model)
        if found is None:
            assert isinstance(model, CompleteDataModel)
            found = information(model, self._batches, self._map, len(model.weights) > 1)
            self._last = model, found
        return found

    def kept(self, model: object) -> Information | None:
        """The information at a model if it is the last one that was asked for."""
        return self._last[1] if self._last is not None and self._last[0] is model else None

    def decrement(self, model: AnyModel) -> float:
        """The gain of log-likelihood to expect from one more Newton step."""
        return self.at(model).decrement()
