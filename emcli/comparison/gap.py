"""The gap statistic of hard clusterings, and the k that it chooses (Tibshirani, Walther & Hastie 2001)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import pairwise
from math import log, sqrt
from operator import add
from typing import NamedTuple

import numpy as np

from emcli.compute.processes import call, process_map
from emcli.compute.threads import usable_cores
from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.data.scaling import ColumnRange
from emcli.inference.convergence import until_fixed_point
from emcli.models.base import AnyModel
from emcli.models.em import em
from emcli.types import Array

REFERENCES = 20  # data sets without clusters
MAX_REFERENCE_ROWS = 5_000  # of each; the logarithm of an inertia a row hardly changes with more
REFERENCE_STARTS = 5  # of which the best counts
MAX_ITERATIONS = 300  # of each start; what is left to gain then is far below the error of a gap
SEED_STREAM = 4  # in the seeds of references, to make them differ from those of other draws


class Reference(NamedTuple):
    """ln of the inertia of data without clusters: its expectation, and the error s of a gap that is taken from it."""

    expected: float
    error: float


class Gap(NamedTuple):
    """How far ln of an inertia is below that of data without clusters, and its error s."""

    gap: float
    error: float

    @classmethod
    def of(cls, inertia: float, reference: Reference) -> Gap | None:
        """That of an inertia; None where it is 0, so that no gap exists."""
        return cls(reference.expected - log(inertia), reference.error) if inertia > 0 else None


def chosen(gaps: Mapping[int, Gap]) -> int | None:
    """The smallest k with Gap(k) >= Gap(k') - s(k'), k' the next k; where none is, the largest. None without gaps."""
    ks = sorted(gaps)
    for k, after in pairwise(ks):
        if gaps[k].gap >= gaps[after].gap - gaps[after].error:
            return k
    return ks[-1] if ks else None


def references(
    kind: type[AnyModel],
    rows: Rows,
    settings: Sequence[ModelSettings],
    seed: int,
    jobs: int | None,
    max_rows: int = MAX_REFERENCE_ROWS,
) -> list[Reference | None]:
    """What to expect of each of some settings, from data uniform in the ranges of the columns.

    s = sd √(1 + 1/B), where sd is that of ln W over B references; for a table of more than `max_rows` it is
    brought to the table's own number of rows. None where a reference has an inertia of 0.
    """
    batches = rows.batches()
    extent = reduce(add, rows.mapping(map)(_range, *zip(*batches, strict=True)))
    n = max(1, round(rows.sample_size))
    count = max(min(n, max_rows), max(each.k for each in settings))
    like = replace(
        rows.sample(1, np.random.default_rng(0)), weights=None, total=float(count), size=None, duplicate_of=None
    )
    fitted = partial(_log_inertias, kind, like, extent, count, settings, seed)
    with process_map(usable_cores(jobs)) as mapper:
        found = np.array(list(mapper(call, [fitted] * REFERENCES, range(REFERENCES))))  # (B, settings)
    known: list[Reference | None] = []
    for values in found.T:
        if not np.isfinite(values).all():
            known.append(None)
            continue
        sd = float(values.std())
        error = sqrt(sd**2 * count / max(n, count) + sd**2 / REFERENCES)
        known.append(Reference(float(values.mean()) + log(n / count), error))
    return known


def _range(x: Array, weights: Array | None) -> ColumnRange:
    return ColumnRange.of(x.T, weights)


def _log_inertias(
    kind: type[AnyModel],
    like: Rows,
    extent: ColumnRange,
    count: int,
    settings: Sequence[ModelSettings],
    seed: int,
    number: int,
) -> Array:
    """ln of the lowest inertia of each settings (settings,) on one reference, in the user's units."""
    rng = np.random.default_rng([seed, SEED_STREAM, number])
    drawn = rng.uniform(extent.low, extent.high, (count, len(extent.low)))
    rows = replace(like, values=np.ascontiguousarray(drawn.T))
    inertias = []
    for each in settings:
        starts = np.random.default_rng([seed, SEED_STREAM, number, each.k])  # the same whatever other k are asked for
        inertias.append(kind.measures(_best_score(kind, rows, each, starts), rows, each.k).inertia)
    with np.errstate(divide="ignore"):
        return np.log(np.array(inertias, dtype=np.float64))


def _best_score(kind: type[AnyModel], rows: Rows, settings: ModelSettings, rng: np.random.Generator) -> float:
    """The score of the global optimum where that is known, else of the best of some starts."""
    exact = kind.global_optimum(rows, settings)
    if exact is not None:
        return _score(exact, rows)
    starts = (kind.initialize(rows, settings, "k-means++", rng) for _ in range(REFERENCE_STARTS))
    return max(_score(start, rows) for start in starts)


def _score(model: AnyModel, rows: Rows) -> float:
    """The score where hard EM ends from a model."""
    score = -np.inf
    steps = model.steps(rows, map)
    for step in until_fixed_point(em(model, rows.batches()) if steps is None else steps, MAX_ITERATIONS):
        score = step.score
    return float(score)
