"""Newton's method where EM grows slow: the same stream of ever better models, in far fewer steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emcli.inference.convergence import rounding_error
from emcli.inference.information import InformationCache
from emcli.models.base import Degenerate, Stats
from emcli.models.complete_data import AnyCompleteDataModel
from emcli.models.em import Step, pooled_e_step, same_parameters
from emcli.types import Batch, Mapper

WARM_UP = 20  # plain EM steps first: they find the neighbourhood of an optimum, and are enough where EM is fast
SHRINK = (1.0, 0.5, 0.1)  # parts of a step that are tried before EM steps in
RISE = 1e-4  # part of the rise that the slope promises which a step must bring


def newton(
    model: AnyCompleteDataModel, batches: Sequence[Batch], map: Mapper = map, known: InformationCache | None = None
) -> Iterator[Step]:
    """Yield the model, then each improvement: EM steps first, then steps with the observed information (Louis 1982).

    A step that would not raise the log-likelihood is shortened, and replaced by an EM step if that does not help. Ends
    only where an EM step changes nothing any more. known: the information that others ask for too.
    """
    known = known or InformationCache(batches, map)
    stats = pooled_e_step(model, batches, map)
    yield Step(model, stats.score, stats.weight, stats.squares)
    taken = 0
    while True:
        ahead = _ahead(model, stats, known, batches, map) if taken >= WARM_UP else None
        how = "em" if ahead is None else "newton"
        if ahead is None:
            improved = model.m_step(stats)
            if same_parameters(model, improved):
                return
            ahead = improved, pooled_e_step(improved, batches, map)
        model, stats = ahead
        taken += 1
        yield Step(model, stats.score, stats.weight, stats.squares, how)


def _ahead(
    model: AnyCompleteDataModel, stats: Stats, known: InformationCache, batches: Sequence[Batch], map: Mapper
) -> tuple[AnyCompleteDataModel, Stats] | None:
    """A better model and its E-step's statistics by a Newton step; None where there is none to be had."""
    step, slope = known.at(model).ascent()
    if slope <= rounding_error(Step(model, stats.score, stats.weight, stats.squares)):
        return None
    for part in SHRINK:
        try:
            moved = model.moved(part * step)
            seen = pooled_e_step(moved, batches, map)
        except Degenerate:
            continue
        if seen.score >= stats.score + RISE * part * slope:
            return moved, seen
    return None
