"""The score of the log-likelihood, its empirical, complete-data and observed information, and its curvatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cached_property, partial, reduce
from operator import add
from typing import NamedTuple, Self

import numpy as np

from emcli.data.rows import Rows, batch_chunks
from emcli.frozen import frozen
from emcli.models.base import AnyModel
from emcli.models.complete_data import AnyCompleteDataModel, Chart, CompleteData, CompleteDataModel
from emcli.models.em import pooled_e_step
from emcli.types import Array, Batch, Mapper

CHUNK_SCORES = 1 << 18  # scores of a chunk of rows that fit in the cache of a core
MIN_CHUNK_ROWS = 4096  # from which the calls of NumPy cost little
MAX_STEP = 0.5  # of a natural parameter in one Newton step: about half an sd of a component
RISE = 3.0  # of the least curvature, where a step would be longer
FLAT = 1e-7  # share of the complete-data information; a curvature below it may be rounding error
MIN_COMPLETE_EIGENVALUE = 1e-12  # of the complete-data information in units of each parameter's own
MIN_EMPIRICAL_SHARE = 1e-6  # of a parameter's complete-data information, below which the empirical one says nothing


class Curvatures(NamedTuple):
    """Solutions of J v = λ C v, J the observed and C the complete-data information, and the slope along each v.

    vᵀ C v = 1. λ is the share of the information that is observed: 1 where nothing is hidden, and 1 less the rate at
    which plain EM converges along v. Parameters without complete-data information, on their boundary, have no part.
    """

    values: Array  # (m,) λ, ascending
    directions: Array  # (p, m)
    slopes: Array  # (m,)

    def gain(self, tol: float) -> float | None:
        """The gain of log-likelihood still to come, Σ (vᵀs)² / 2λ; None where flat directions may bring `tol` more."""
        flat = self.values <= FLAT
        if np.sum(self.slopes[flat] ** 2) / (2 * FLAT) >= tol:
            return None
        return float(np.sum(self.slopes[~flat] ** 2 / (2 * self.values[~flat])))


@frozen
class Information:
    """Score and information of some rows in p free parameters; `+` pools."""

    score: Array  # (p,)
    matrix: Array  # (p, p) the empirical information Σ w sᵢ sᵢᵀ
    complete: Array  # (p, p) of the complete data
    observed: Array  # (p, p) minus the second derivatives of the log-likelihood

    @classmethod
    def of(cls, complete: CompleteData, weights: Array | None) -> Self:
        """Score and information of the observed data, from those of the complete data."""
        r, places, mixing = complete.responsibilities, complete.places, complete.mixing
        k, n = r.shape
        own = int(places.max()) + 1
        scores = np.zeros((own + (0 if mixing is None else k - 1), n))
        for place, share, each in zip(places, r, complete.scores, strict=True):
            scores[place] += share * each
        if mixing is not None:
            np.subtract(r[:-1], mixing[:-1, None], out=scores[own:])
        counted = scores if weights is None else scores * weights
        matrix = counted @ scores.T
        total = float(n if weights is None else weights.sum())
        whole = _complete(complete, total, own)
        observed = (
            whole if k == 1 and complete.hidden is None else matrix + whole - _second_moments(complete, weights, own)
        )
        found = cls(counted.sum(axis=1), matrix, whole, observed)
        return found if complete.chart is None else found.within(complete.chart, total)

    def within(self, chart: Chart, total: float) -> Self:
        """Score and information of rows of this total weight in the coordinates that are free.

        Of mixing weights of which some are held, the complete-data information is that of the free ones among the rows
        of their components: of the whole observed one that of all weights is taken away, and this is added.
        """
        m, free, into = len(chart.own), chart.count, chart.into()
        score, matrix, whole, observed = self.score, self.matrix, self.complete, self.observed
        if chart.partial:
            assert chart.weights is not None
            observed = observed.copy()
            observed[m:, m:] -= whole[m:, m:]
        found = [into.T @ score, *(into.T @ each @ into for each in (matrix, whole, observed))]
        if chart.partial:
            assert chart.weights is not None
            w = chart.shares()[chart.free][:-1]
            sizes = np.append(score[m:], -score[m:].sum()) + total * chart.weights
            among = float(sizes[chart.free].sum()) * (np.diag(w) - np.outer(w, w))
            found[2][free:, free:] = among
            found[3][free:, free:] += among
        if (bend := chart.bend(score)) is not None:
            found[3] += bend
        return type(self)(*found)

    def __add__(self, other: Information) -> Information:
        return Information(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def times(self, factor: float) -> Information:
        """Of so many times as many rows alike."""
        return Information(*(getattr(self, f.name) * factor for f in fields(self)))

    def decrement(self) -> float:
        """The gain of log-likelihood to expect from one more Newton step: ½ sᵀ I⁻¹ s, free of units.

        I is the empirical information; where that vanishes, as in a component whose rows lie exactly at its mean, the
        observed one, no curvature taken to be below FLAT.
        """
        variances = np.diag(self.matrix)
        if (variances < MIN_EMPIRICAL_SHARE * np.diag(self.complete)).any():
            values, _, along = self.curvatures
            return float(np.sum(along**2 / (2 * np.maximum(values, FLAT))))
        known = variances > 0
        sds = np.sqrt(variances[known])
        values, vectors = np.linalg.eigh(self.matrix[np.ix_(known, known)] / np.outer(sds, sds))
        along = (self.score[known] / sds) @ vectors
        kept = values > 1e-13 * len(values)
        return float(0.5 * np.sum(along[kept] ** 2 / values[kept]))

    def inverse(self, gradient: Array, floor: float) -> Array:
        """The inverse of the observed information (p, p) with its curvatures made positive, and no less than a floor.

        The floor, a share of the complete-data information, rises until no parameter would move by more than MAX_STEP.
        """
        values, directions, _ = self.curvatures
        slopes = gradient @ directions
        while True:
            curbed = np.maximum(np.abs(values), floor)
            step = directions @ (slopes / curbed)
            if floor >= 1.0 or np.abs(step).max(initial=0.0) <= MAX_STEP:
                return (directions / curbed) @ directions.T
            floor *= RISE

    @cached_property
    def curvatures(self) -> Curvatures:
        """The curvatures of the log-likelihood, in units of the complete-data information."""
        known = np.diag(self.complete) > 0
        unit = np.sqrt(np.diag(self.complete)[known])
        units = np.outer(unit, unit)
        shares, vectors = np.linalg.eigh(self.complete[np.ix_(known, known)] / units)
        kept = shares > MIN_COMPLETE_EIGENVALUE
        whitener = vectors[:, kept] / np.sqrt(shares[kept])
        values, turned = np.linalg.eigh(whitener.T @ (self.observed[np.ix_(known, known)] / units) @ whitener)
        directions = np.zeros((len(known), len(values)))
        directions[known] = whitener @ turned / unit[:, None]
        return Curvatures(values, directions, self.score @ directions)


def _complete(complete: CompleteData, total: float, own: int) -> Array:
    """The information of the complete data (p, p); `total` is the weight of the rows."""
    places, mixing = complete.places, complete.mixing
    p = own + (0 if mixing is None else len(places) - 1)
    found = np.zeros((p, p))
    np.add.at(found, (places[:, :, None], places[:, None, :]), complete.information)
    if mixing is not None:
        w = mixing[:-1]
        found[own:, own:] = total * (np.diag(w) - np.outer(w, w))
    return found


def _second_moments(complete: CompleteData, weights: Array | None, own: int) -> Array:
    """The conditional second moments of the complete-data scores (p, p) (Louis 1982, equation 3.2)."""
    places, mixing = complete.places, complete.mixing
    k, m = places.shape
    weighted = complete.responsibilities if weights is None else complete.responsibilities * weights
    p = own + (0 if mixing is None else k - 1)
    found, blocks, sums = np.zeros((p, p)), np.empty((k, m, m)), np.empty((k, m))
    for j, scores in enumerate(complete.scores):
        known = weighted[j] * scores
        sums[j] = known.sum(axis=1)
        blocks[j] = known @ scores.T
    if complete.hidden is not None:
        blocks += complete.hidden
    np.add.at(found, (places[:, :, None], places[:, None, :]), blocks)
    if mixing is None:
        return found
    w, sizes = mixing[:-1], weighted.sum(axis=1)
    np.add.at(found[:, own:], places, sums[:, :, None] * (np.eye(k, k - 1)[:, None, :] - w))
    found[own:, :own] = found[:own, own:].T
    rest = sizes[:-1]
    found[own:, own:] = np.diag(rest) - np.outer(rest, w) - np.outer(w, rest) + sizes.sum() * np.outer(w, w)
    return found


def information(
    model: AnyCompleteDataModel, batches: Sequence[Batch], map: Mapper = map, factor: float = 1.0
) -> Information:
    """Score and information at the model of so many times the rows, and of a prior where there is one."""
    found: Information = reduce(add, map(partial(_of_batch, model), *zip(*batches, strict=True)))
    found = found if factor == 1.0 else found.times(factor)
    prior, chart = model.prior_information(), model.chart()
    if prior is None:
        return found
    known = np.diag(prior[1])
    own = Information(prior[0], known, known, known)
    return found + (own if chart is None else own.within(chart, 0.0))


def _of_batch(
    model: AnyCompleteDataModel, rows: Array, weights: Array | None, component: int | None = None
) -> Information:
    parts = batch_chunks(rows, weights, max(MIN_CHUNK_ROWS, CHUNK_SCORES // max(1, model.parameters_count)))
    if component is None:
        return reduce(add, (Information.of(model.complete(*part), part[1]) for part in parts))
    return reduce(add, (Information.of(_known(model, component, *part), part[1]) for part in parts))


def _known(model: AnyCompleteDataModel, component: int, rows: Array, weights: Array | None) -> CompleteData:
    """The complete data of rows that come from a known component: no label of them is hidden."""
    own, whole = model.ordered(np.array([component])).complete(rows, weights), model.complete(rows[:, :1], None)
    k, m = whole.places.shape
    found = replace(
        whole,
        responsibilities=np.zeros((k, rows.shape[1])),
        scores=np.zeros((k, m, rows.shape[1])),
        information=np.zeros((k, m, m)),
        hidden=None if own.hidden is None else np.zeros((k, m, m)),
    )
    if found.hidden is not None and own.hidden is not None:
        found.hidden[component] = own.hidden[0]
    found.responsibilities[component] = 1.0
    found.scores[component] = own.scores[0]
    found.information[component] = own.information[0]
    return found


class InformationCache:
    """The information of some rows at one model after another; the last one is cached for several callers."""

    def __init__(self, batches: Sequence[Batch], map: Mapper = map) -> None:
        self._batches, self._map = batches, map
        self._last: tuple[AnyModel, Information] | None = None

    def at(self, model: AnyModel) -> Information:
        """The information at a model."""
        found = self.kept(model)
        if found is None:
            assert isinstance(model, CompleteDataModel)
            found = information(model, self._batches, self._map)
            self._last = model, found
        return found

    def kept(self, model: object) -> Information | None:
        """The information at a model if it is cached, else None."""
        return self._last[1] if self._last is not None and self._last[0] is model else None

    def carry(self, model: AnyModel, moved: AnyModel, slopes: Array) -> None:
        """Cache the matrices at a model, where they are, for one so near that only the slopes differ."""
        if (found := self.kept(model)) is not None:
            self._last = moved, replace(found, score=slopes)

    def decrement(self, model: AnyModel) -> float:
        """The gain of log-likelihood to expect from one more Newton step."""
        return self.at(model).decrement()


class SampledInformation(InformationCache):
    """What a sample of the rows says of the information of them all; the slopes are those of all rows."""

    def __init__(self, sample: Rows, rows: Rows, map: Mapper = map) -> None:
        super().__init__(rows.batches(), map)
        self._sample, self._factor = sample.batches(), rows.total / sample.total

    def at(self, model: AnyModel) -> Information:
        """The information at a model, and the slopes where its E-step says them."""
        found = self.kept(model)
        if found is None:
            assert isinstance(model, CompleteDataModel)
            slopes = model.gradient(pooled_e_step(model, self._batches, self._map))
            found = replace(self.matrices(model), **({} if slopes is None else {"score": slopes}))
            self._last = model, found
        return found

    def matrices(self, model: AnyCompleteDataModel) -> Information:
        """The information at a model; its slopes are the sample's."""
        return information(model, self._sample, factor=self._factor)
