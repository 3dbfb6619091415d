"""The nesting check: no fit may end lower than one that it holds as a special case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import cast

from emcli.comparison.candidate import Candidate
from emcli.comparison.ranking import same_scale
from emcli.config.documents.fit import FitDocument, WarningDocument
from emcli.config.settings import ModelSettings, Settings
from emcli.data.rows import Rows
from emcli.inference.search.search import SMALLEST_SPLIT_SDS
from emcli.inference.starts import best_of_trial_runs
from emcli.models import model_class
from emcli.models.base import AnyModel
from emcli.models.em import em
from emcli.types import Mapper

SPLIT_SDS = (0.5, 0.1)  # by which a component is split either way, to find the most promising split
TRIAL_ITERATIONS = 8  # of EM from each split, after which the highest is chosen
INERTIA_TOLERANCE = 1e-9  # relative difference below which two inertias count as equal


def refit_from_nested(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates; each that ended below a nested smaller one is fitted once more, started from that fit.

    The larger model starts from the smaller fit, one component split along its longest axis: the most promising of some
    wide splits first, then one so small that EM cannot end lower. Where that does not help either, because the data are
    not at hand or the optimum is an artefact, the candidate gets the warning `nesting`.
    """
    done = list(candidates)
    fitted = [i for i, candidate in enumerate(done) if candidate.document is not None]
    for i in sorted(fitted, key=lambda i: _size(done[i])):
        for closest in (False, True):
            small, again = _above(done, i), done[i].again
            wanted = done[i].fit_settings
            grows = model_class(done[i].fitted["model"]).grows
            if small is not None and again is not None and wanted is not None and grows:
                begin = partial(_grown, small.fitted, wanted.model, closest)
                done[i] = again(small.name, begin)
        if (small := _above(done, i)) is not None:
            done[i] = _flagged(done[i], small)
    return done


def _size(candidate: Candidate) -> tuple[int, int]:
    return candidate.fitted["parameters_count"], candidate.fitted["k"]


def _above(candidates: Sequence[Candidate], i: int) -> Candidate | None:
    """The highest of the candidates nested in this one, if it is higher than this one."""
    large = candidates[i]
    own = _score(large)
    if own == -inf or large.is_start:
        return None
    kind, settings = model_class(large.fitted["model"]), large.model_settings
    held = [
        small
        for j, small in enumerate(candidates)
        if j != i
        and small.document is not None
        and _score(small) > own  # first: it is the quickest to see, and mostly enough
        and same_scale(small, large)
        and small.fitted["model"] == large.fitted["model"]
        and vars(small.model_settings) != vars(settings)
        and kind.contains(small.model_settings, settings)
    ]
    best = max(held, key=_score, default=None)
    return best if best is not None and _score(best) > own + _margin(best, large) else None


def _score(candidate: Candidate) -> float:
    """The log-likelihood, or minus the inertia; a saved fit may have neither, and is then below all others."""
    fit = candidate.fitted
    score = -fit["inertia"] if "inertia" in fit else fit["log_likelihood"]
    return -inf if score is None else float(score)


def _margin(small: Candidate, large: Candidate) -> float:
    """The difference of score below which two fits count as equal: what each may have left to gain."""
    if "inertia" in large.fitted:
        return INERTIA_TOLERANCE * float(small.fitted["inertia"])
    tolerances = [cast(float, each.fitted.get("settings", {}).get("tol", 0.0)) for each in (small, large)]
    return 2 * sum(tolerances) + 1e-13 * abs(_score(small))


def all_grown(small: FitDocument, settings: ModelSettings, rows: Rows) -> list[AnyModel]:
    """A smaller fit in the shape of a larger one; with fewer components one model for each that may be split."""
    return list(_in_shape_of(small, settings, rows).grown(settings, rows, SPLIT_SDS[0]))


def _in_shape_of(small: FitDocument, settings: ModelSettings, rows: Rows) -> AnyModel:
    """A smaller fit in the larger one's shape, in working coordinates."""
    noise = Settings.of({**small.get("settings", {}), "k": small["k"]}).model.noise
    own = replace(settings, k=small["k"], noise=noise)
    kind = model_class(small["model"]).for_rows(rows, own)
    return kind.from_parameters(small["parameters"], own, rows).to_scaled(rows.scaling, rows.covariance)


def _grown(small: FitDocument, settings: ModelSettings, closest: bool, rows: Rows, mapper: Mapper) -> AnyModel:
    model = _in_shape_of(small, settings, rows)
    if closest:
        return next(iter(model.grown(settings, rows, SMALLEST_SPLIT_SDS)))
    candidates = (grown for step in SPLIT_SDS for grown in model.grown(settings, rows, step))
    batches = rows.batches()
    return best_of_trial_runs(candidates, lambda each: em(each, batches, mapper), TRIAL_ITERATIONS)


def _flagged(large: Candidate, small: Candidate) -> Candidate:
    sign, what = (-1, "inertia") if "inertia" in large.fitted else (1, "log-likelihood")
    own, other = sign * _score(large), sign * _score(small)
    digits = next((n for n in range(6, 17) if f"{own:.{n}g}" != f"{other:.{n}g}"), 17)
    message = (
        f"its {what} {own:.{digits}g} is worse than the {other:.{digits}g} of {small.name}, a special case of it: "
        "its best optimum was not found, or was set aside as an artefact; try more --restarts"
    )
    said: WarningDocument = {"slug": "nesting", "message": message}
    document = large.fitted.copy()
    document["warnings"] = [*document.get("warnings", []), said]
    return replace(large, document=document)
