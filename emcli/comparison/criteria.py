"""Criteria of clusterings: how far clusters are apart, where a likelihood would mostly ask for more of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from emcli.comparison.candidate import CLUSTERING, Candidate, Score
from emcli.comparison.gap import Gap, references
from emcli.comparison.ranking import default_criterion, scale
from emcli.comparison.silhouette import MAX_ROWS, SAMPLE_ROWS, silhouettes
from emcli.compute.threads import thread_map, usable_cores
from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.errors import EmcliError, Exit, FitWarning, Problem, counted
from emcli.inference.assignments import labels_of
from emcli.models import model_class
from emcli.models.base import AnyModel

SEED_STREAM = 3  # in the seed of the sample, to make it differ from those of starts
NEED_COMPLETE = ("silhouette", "gap")  # distances between rows, or references like them
Scoring = Callable[[Sequence[Candidate], Rows, int, int | None], list[Score]]


def check_criterion(criterion: str | None, kind: type[AnyModel]) -> None:
    """Raise EmcliError (exit 2) for a criterion of clusterings where the model has no clusters of whole rows."""
    if criterion in CLUSTERING and not kind.hard:
        what = f"'--criterion {criterion}' compares clusters of whole rows, and {kind.name} has none"
        raise EmcliError(Exit.USAGE, what, hint="a mixture is ranked by bic, aic or icl; kmeans by this one")


def with_scores(
    candidates: Sequence[Candidate], criterion: str | None, jobs: int | None
) -> tuple[list[Candidate], list[FitWarning]]:
    """The candidates with what a criterion of clusterings needs the data for; None: the default of each model.

    Raises EmcliError (exit 3) where the data of a saved fit are not at hand. By default such a fit stays without, and
    there is a warning.
    """
    done, found = list(candidates), []
    groups: dict[object, list[int]] = {}
    for i, candidate in enumerate(candidates):
        if candidate.document is not None:
            groups.setdefault(scale(candidate), []).append(i)
    for places in groups.values():
        members = [candidates[i] for i in places]
        if criterion in NEED_COMPLETE and (missing := members[0].fitted["data"].get("missing")):
            what = f"'--criterion {criterion}' needs complete rows, and {counted(missing, 'cell')} are missing"
            raise EmcliError(Exit.USAGE, what, hint="ch, bic, aic and icl are of the observed cells")
        scoring = SCORINGS.get(criterion or default_criterion(members[0]))
        if scoring is None:
            continue
        data = next((data for member in members if (data := member.data()) is not None), None)
        if data is None:
            found.append(_not_at_hand(members[0], criterion))
            continue
        seed = members[0].fitted.get("settings", {}).get("seed", 0)
        scores = scoring(members, data.rows, seed if isinstance(seed, int) else 0, jobs)
        for i, score in zip(places, scores, strict=True):
            done[i] = replace(done[i], score=score)
    return done, found


def _not_at_hand(candidate: Candidate, criterion: str | None) -> FitWarning:
    what = f"the data of {candidate.name} are not at hand, or have changed"
    source = candidate.fitted["data"].get("source")
    if criterion is not None:
        hint = "run it where they are; --criterion ch needs no data"
        raise EmcliError(Exit.DATA, Problem(f"{what}, and --criterion {criterion} needs them", source), hint=hint)
    return FitWarning("data-not-at-hand", f"{what} ({source}), so K-means is ranked by ch, which needs none")


def _silhouettes(members: Sequence[Candidate], rows: Rows, seed: int, jobs: int | None) -> list[Score]:
    """The average silhouette of each fit, exact or of a sample drawn by the seed, the same for all of them."""
    size = SAMPLE_ROWS if rows.count > MAX_ROWS else MAX_ROWS
    some = rows.sample(size, np.random.default_rng([seed, SEED_STREAM]))
    weights = some.weights
    if weights is not None and rows.size is not None:  # shares of a whole
        weights = weights * (rows.size / rows.total)
    labels = [labels_of(_model(member, rows), some) for member in members]
    with thread_map(usable_cores(jobs)) as mapper:
        found = silhouettes(some.values, weights, labels, some.count / rows.count, mapper)
    return [Score("silhouette", *(each or (None, None))) for each in found]


def _gaps(members: Sequence[Candidate], rows: Rows, seed: int, jobs: int | None) -> list[Score]:
    """The gap statistic of each fit."""
    kind, ks = model_class(members[0].fitted["model"]), sorted({member.settings["k"] for member in members})
    expected = dict(zip(ks, references(kind, rows, [ModelSettings(k) for k in ks], seed, jobs), strict=True))
    found = []
    for member in members:
        reference = expected[member.settings["k"]]
        gap = None if reference is None else Gap.of(member.fitted["inertia"], reference)
        found.append(Score("gap", *(gap or (None, None))))
    return found


SCORINGS: dict[str, Scoring] = {"silhouette": _silhouettes, "gap": _gaps}


def _model(candidate: Candidate, rows: Rows) -> AnyModel:
    """The fitted model in the working coordinates of the rows."""
    fit = candidate.fitted
    model = model_class(fit["model"]).from_parameters(fit["parameters"], candidate.model_settings, rows)
    return model.to_scaled(rows.scaling, rows.covariance)
