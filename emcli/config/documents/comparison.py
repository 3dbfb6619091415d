"""The document of compare: its keys in order, with the type and range of each, for writer and reader."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from emcli.config.checks import boolean, integer, one_of, or_null, prior
from emcli.config.documents.fit import WarningDocument
from emcli.config.documents.types import (
    Components,
    Count,
    Criterion,
    Number,
    NumberOrNull,
    Object,
    Parameters,
    Slug,
    Text,
    TextOrNull,
)
from emcli.config.settings import CHOICES
from emcli.types import JSON  # noqa: F401  # which the aliases above name

COMPARISON = "emcli.compare/1"


class CandidateDocument(TypedDict):
    """A candidate of a comparison; one without a fit has a reason, and nothing else that is not required."""

    name: Text
    model: Text
    k: Components
    covariance: Annotated[str | None, or_null(one_of(CHOICES["covariance"]))]
    mixing: Annotated[str | None, or_null(one_of(CHOICES["mixing"]))]
    prior: NotRequired[Annotated[str | float, prior]]
    noise: NotRequired[Annotated[bool, boolean]]
    fix: NotRequired[Object]
    parameters_count: NotRequired[Count]
    log_likelihood: NotRequired[NumberOrNull]
    log_posterior: NotRequired[Number]
    aic: NotRequired[NumberOrNull]
    delta_aic: NotRequired[NumberOrNull]  # where fits are ranked by AIC
    bic: NotRequired[NumberOrNull]
    delta_bic: NotRequired[NumberOrNull]
    icl: NotRequired[NumberOrNull]
    delta_icl: NotRequired[NumberOrNull]  # where fits are ranked by ICL
    relative_entropy: NotRequired[NumberOrNull]
    inertia: NotRequired[Number]
    silhouette: NotRequired[NumberOrNull]  # null where it is not defined, as for k=1
    silhouette_error: NotRequired[NumberOrNull]  # standard error; null where it is exact
    ch: NotRequired[NumberOrNull]  # the index of Caliński & Harabasz
    gap: NotRequired[NumberOrNull]
    gap_error: NotRequired[NumberOrNull]
    iterations: NotRequired[Count]
    status: Annotated[str, one_of(("converged", "max_iter", "screened", "failed"))]
    starts: NotRequired[Count]
    reached: NotRequired[Annotated[int | None, or_null(integer(0, 10**15))]]
    warnings: NotRequired[list[Slug]]
    artefact: NotRequired[Annotated[bool, boolean]]  # a component rests on too few rows, so it is ranked after others
    adjusted_rand_index: NotRequired[Number]
    truth: NotRequired[Parameters]
    errors: NotRequired[Parameters | None]
    reason: NotRequired[TextOrNull]


class GroupDocument(TypedDict):
    """Candidates that can be ranked against each other, best first."""

    reason: TextOrNull  # why the candidates of other groups are not among them
    criterion: Criterion  # what they are ranked by
    candidates: list[CandidateDocument]


class AlignedFitDocument(TypedDict):
    """A fit beside the reference of its alignment."""

    name: Text
    order: list[Components]  # its components, counted from 1, in the order of the reference's
    differences: Parameters | None
    adjusted_rand_index: NumberOrNull


class AlignmentDocument(TypedDict):
    """Fits of one model and k beside the first of them."""

    model: Text
    k: Components
    reference: Text
    fits: list[AlignedFitDocument]


class RatioTestDocument(TypedDict):
    """A fit of k components tested against that of k + 1, or why it was not."""

    null: Text
    alternative: Text
    statistic: NotRequired[Number]
    replicates: NotRequired[Count]
    exceedances: NotRequired[Count]
    p: NotRequired[Number]
    p_error: NotRequired[Number]
    rejected: NotRequired[Annotated[bool, boolean]]
    reason: NotRequired[Text]


class ComparisonDocument(TypedDict):
    """A comparison, as `emcli compare --json` writes it."""

    schema: Text
    version: Text
    criterion: Criterion  # of the first group
    stopped: NotRequired[list[Text]]  # where k was left to the program: at which it stopped, and why
    warnings: list[WarningDocument]  # of the comparison; those of a fit are in its own document
    groups: list[GroupDocument]
    alignments: list[AlignmentDocument]
    tests: NotRequired[list[RatioTestDocument]]  # where --test asked for them
    best: TextOrNull
