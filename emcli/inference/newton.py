"""Newton's method with the observed information, after some EM steps: far fewer steps where EM is slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emcli.inference.convergence import rounding_error
from emcli.inference.information import InformationCache
from emcli.models.base import Degenerate, Stats
from emcli.models.complete_data import AnyCompleteDataModel
from emcli.models.em import Step, pooled_e_step, same_parameters
from emcli.types import Batch, Mapper

WARM_UP_STEPS = 20  # EM steps first: they come near an optimum, and suffice where EM is fast
STEP_LENGTHS = (1.0, 0.5, 0.1)  # shares of a Newton step that are tried before an EM step
MIN_RISE_SHARE = 1e-4  # of the rise that the slope predicts, which a step must bring


def newton(
    model: AnyCompleteDataModel, batches: Sequence[Batch], map: Mapper = map, known: InformationCache | None = None
) -> Iterator[Step]:
    """Yield the model, then each improvement: EM steps first, then steps with the observed information (Louis 1982).

    A step that would not raise the log-likelihood is shortened, and replaced by an EM step if that does not help. Ends
    only where an EM step changes nothing any more. known: a cache of the information, shared with others.
    """
    known = known or InformationCache(batches, map)
    stats = pooled_e_step(model, batches, map)
    yield Step(model, stats.score, stats.weight, stats.squares)
    taken = 0
    while True:
        better = _newton_step(model, stats, known, batches, map) if taken >= WARM_UP_STEPS else None
        kind = "em" if better is None else "newton"
        if better is None:
            improved = model.m_step(stats)
            if same_parameters(model, improved):
                return
            better = improved, pooled_e_step(improved, batches, map)
        model, stats = better
        taken += 1
        yield Step(model, stats.score, stats.weight, stats.squares, kind)


def _newton_step(
    model: AnyCompleteDataModel, stats: Stats, known: InformationCache, batches: Sequence[Batch], map: Mapper
) -> tuple[AnyCompleteDataModel, Stats] | None:
    """A better model by a Newton step, and the statistics of its E-step; None where no step length improves."""
    step, slope = known.at(model).ascent()
    if slope <= rounding_error(Step(model, stats.score, stats.weight, stats.squares)):
        return None
    for length in STEP_LENGTHS:
        try:
            moved = model.moved(length * step)
            moved_stats = pooled_e_step(moved, batches, map)
        except Degenerate:
            continue
        if moved_stats.score >= stats.score + MIN_RISE_SHARE * length * slope:
            return moved, moved_stats
    return None
