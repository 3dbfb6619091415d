"""The score of the log-likelihood, its empirical information, and the observed information."""

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

CHUNK_SCORES = 1 << 19  # scores of a chunk of rows that fit in the cache of a core
MIN_CHUNK_ROWS = 4096  # from which the calls of NumPy cost little
MAX_STEP = 0.5  # of a natural parameter in one Newton step
MIN_SCORE_EIGENVALUE = 1e-9  # of the empirical information; smaller ones may be rounding error
MIN_CURVATURE = 1e-5  # of the log-likelihood; smaller ones may be rounding error
MAX_CURVATURE_RATIO = 1e300  # of a parameter's curvature to its own empirical information


@dataclass(frozen=True, eq=False)
class Information:
    """Score and information of some rows in p free parameters; `+` pools."""

    score: Array  # (p,)
    matrix: Array  # (p, p) empirical information Σ w sᵢ sᵢᵀ
    observed: Array | None  # (p, p) minus the second derivatives of the log-likelihood; None where not asked for

    @classmethod
    def of(cls, complete: CompleteData, weights: Array | None, observed: bool) -> Self:
        """Score and information of the observed data, from those of the complete data."""
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
        """Which parameters have information (a mask of p), and its square roots; the others have score 0 too."""
        sds = np.sqrt(np.diag(self.matrix))
        return sds > 0, sds[sds > 0]

    def _scaled(self) -> tuple[Array, Array, bool]:
        """Scores along eigenvectors, and eigenvalues, in units of each parameter's information; have all any?"""
        known, sds = self._known()
        values, vectors = np.linalg.eigh(self.matrix[np.ix_(known, known)] / np.outer(sds, sds))
        return (self.score[known] / sds) @ vectors, values, bool(known.all())

    def deficient(self) -> bool:
        """Is there a direction in which the likelihood is constant: neither score nor curvature?"""
        _, values, complete = self._scaled()
        if not complete:
            return True
        return bool(values[0] < MIN_SCORE_EIGENVALUE and np.abs(self._curvatures()).min() < MIN_CURVATURE)

    def decrement(self) -> float:
        """The gain of log-likelihood to expect from one more Newton step: ½ sᵀ I⁻¹ s, free of units."""
        along, values, _ = self._scaled()
        kept = values > 1e-13 * len(values)
        return float(0.5 * np.sum(along[kept] ** 2 / values[kept]))

    def ascent(self) -> tuple[Array, float]:
        """A Newton step (p,) with all curvatures made positive, and the rise that the slope predicts for it.

        No parameter moves by more than MAX_STEP, which is about half an sd of a component.
        """
        known, unit, observed = self._observed()
        values, vectors = np.linalg.eigh(observed)
        along = (self.score[known] / unit) @ vectors
        step = np.zeros(len(self.score))
        step[known] = vectors @ (along / np.maximum(np.abs(values), MIN_CURVATURE)) / unit
        step *= min(1.0, MAX_STEP / max(float(np.abs(step).max(initial=0.0)), 1e-300))
        return step, float(step @ self.score)

    def saddle(self) -> bool:
        """Is there a direction in which the log-likelihood curves upwards?"""
        return bool(self._curvatures().min(initial=0.0) < -MIN_CURVATURE)

    def _curvatures(self) -> Array:
        """Eigenvalues of the observed information in units of each parameter's own."""
        return np.asarray(np.linalg.eigvalsh(self._observed()[2]))

    def _observed(self) -> tuple[npt.NDArray[np.bool_], Array, Array]:
        """Which parameters have information, the unit of each, and their observed information in these units.

        The unit is a parameter's own empirical information, unless its curvature is MAX_CURVATURE_RATIO times as
        large: with a row far from all others their quotient can overflow.
        """
        known, sds = self._known()
        assert self.observed is not None
        observed = self.observed[np.ix_(known, known)]
        unit = np.maximum(sds, np.sqrt(np.abs(np.diag(observed)) / MAX_CURVATURE_RATIO))
        return known, unit, observed / np.outer(unit, unit)


def _hidden(complete: CompleteData, weights: Array | None, own: int) -> Array:
    """The observed information less Σ w sᵢ sᵢᵀ (Louis 1982, equation 3.2), (p, p).

    This is the information of the complete data, less the conditional second moments of their scores.
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
    """Score and information of all rows at the model; the observed information doubles the cost."""
    one = partial(_of_batch, model, observed)
    return reduce(add, map(one, *zip(*batches, strict=True)))  # type: ignore[no-any-return]


def _of_batch(model: AnyCompleteDataModel, observed: bool, rows: Array, weights: Array | None) -> Information:
    parts = batch_chunks(rows, weights, max(MIN_CHUNK_ROWS, CHUNK_SCORES // model.parameters_count))
    return reduce(add, (Information.of(model.complete(*part), part[1], observed) for part in parts))


class InformationCache:
    """The information of some rows at one model after another; the last one is cached for several callers."""

    def __init__(self, batches: Sequence[Batch], map: Mapper = map) -> None:
        self._batches, self._map = batches, map
        self._last: tuple[AnyModel, Information] | None = None

    def at(self, model: AnyModel) -> Information:
        """The information at a model; without the observed one for a single component, which has no saddle."""
        found = self.kept(model)
        if found is None:
            assert isinstance(model, CompleteDataModel)
            found = information(model, self._batches, self._map, len(model.weights) > 1)
            self._last = model, found
        return found

    def kept(self, model: object) -> Information | None:
        """The information at a model if it is cached, else None."""
        return self._last[1] if self._last is not None and self._last[0] is model else None

    def decrement(self, model: AnyModel) -> float:
        """The gain of log-likelihood to expect from one more Newton step."""
        return self.at(model).decrement()
