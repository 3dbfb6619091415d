"""The document of compare: its keys in order, with the type, range and meaning of each, for writer and reader."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from emcli.config.checks import boolean, integer, one_of, or_null, prior
from emcli.config.documents.fit import WarningDocument
from emcli.config.documents.types import (
    Aic,
    Bic,
    Components,
    Count,
    Criterion,
    Icl,
    Inertia,
    K,
    LogLikelihood,
    LogPosterior,
    Number,
    NumberOrNull,
    Object,
    Parameters,
    ParametersCount,
    RelativeEntropy,
    SchemaName,
    Slug,
    Text,
    TextOrNull,
    Version,
)
from emcli.config.settings import CHOICES
from emcli.types import JSON  # noqa: F401  # which the aliases above name

COMPARISON = "emcli.compare/1"


class CandidateDocument(TypedDict):
    """A candidate of a comparison; one without a fit has a reason, and nothing else that is not required."""

    name: Annotated[Text, "the candidate's name, as in the table"]
    model: Annotated[Text, "the model"]
    k: K
    covariance: Annotated[str | None, or_null(one_of(CHOICES["covariance"])), "gmm: the shape of the covariances"]
    mixing: Annotated[
        str | None, or_null(one_of(CHOICES["mixing"])), "mixing weights: estimated (free), or fixed at 1/k (equal)"
    ]
    prior: NotRequired[Annotated[str | float, prior, "the prior, where there is one"]]
    noise: NotRequired[Annotated[bool, boolean, "has it noise, one more component for outliers?"]]
    fix: NotRequired[Annotated[Object, "values at which parameters are held, null where they are free"]]
    parameters_count: NotRequired[ParametersCount]
    log_likelihood: NotRequired[LogLikelihood]
    log_posterior: NotRequired[LogPosterior]
    aic: NotRequired[Aic]
    delta_aic: NotRequired[Annotated[NumberOrNull, "AIC above the smallest of the group, where that is ranked by it"]]
    bic: NotRequired[Bic]
    delta_bic: NotRequired[Annotated[NumberOrNull, "BIC above the smallest of the group"]]
    icl: NotRequired[Icl]
    delta_icl: NotRequired[Annotated[NumberOrNull, "ICL above the smallest of the group, where that is ranked by it"]]
    relative_entropy: NotRequired[RelativeEntropy]
    inertia: NotRequired[Inertia]
    silhouette: NotRequired[
        Annotated[NumberOrNull, "K-means: mean silhouette, from -1 to 1; null where it is not defined, as for k=1"]
    ]
    silhouette_error: NotRequired[Annotated[NumberOrNull, "its standard error; null where it is exact"]]
    ch: NotRequired[Annotated[NumberOrNull, "K-means: the index of Caliński and Harabasz; larger is better"]]
    gap: NotRequired[Annotated[NumberOrNull, "K-means: the gap statistic; larger is better"]]
    gap_error: NotRequired[Annotated[NumberOrNull, "its standard error"]]
    iterations: NotRequired[Annotated[Count, "iterations of the best start"]]
    status: Annotated[
        str,
        one_of(("converged", "max_iter", "screened", "failed")),
        "how the best start ended, or failed; screened: a short search left it far behind the best",
    ]
    starts: NotRequired[Annotated[Count, "starts that were run"]]
    reached: NotRequired[Annotated[int | None, or_null(integer(0, 10**15)), "starts that reached the same optimum"]]
    warnings: NotRequired[Annotated[list[Slug], "names of the fit's warnings"]]
    artefact: NotRequired[
        Annotated[bool, boolean, "a component rests on too few rows, so the candidate is ranked after others"]
    ]
    adjusted_rand_index: NotRequired[Annotated[Number, "agreement with the true labels"]]
    truth: NotRequired[Annotated[Parameters, "the true parameters"]]
    errors: NotRequired[Annotated[Parameters | None, "fitted minus true parameters"]]
    reason: NotRequired[Annotated[TextOrNull, "why it has no fit"]]


class GroupDocument(TypedDict):
    """Candidates that can be ranked against each other, best first."""

    reason: Annotated[TextOrNull, "why the candidates of other groups are not among these"]
    criterion: Annotated[Criterion, "what they are ranked by"]
    candidates: Annotated[list[CandidateDocument], "best first"]


class AlignedFitDocument(TypedDict):
    """A fit beside the reference of its alignment."""

    name: Annotated[Text, "the candidate's name"]
    order: Annotated[list[Components], "its components, counted from 1, in the order of the reference's"]
    differences: Annotated[Parameters | None, "its parameters minus those of the reference"]
    adjusted_rand_index: Annotated[NumberOrNull, "agreement of its assignments with the reference's"]


class AlignmentDocument(TypedDict):
    """Fits of one model and k beside the first of them."""

    model: Annotated[Text, "the model"]
    k: K
    reference: Annotated[Text, "name of the fit that the others are held against"]
    fits: Annotated[list[AlignedFitDocument], "the other fits"]


class RatioTestDocument(TypedDict):
    """A fit of k components tested against that of k + 1, or why it was not."""

    null: Annotated[Text, "name of the candidate of k components"]
    alternative: Annotated[Text, "name of that of k + 1"]
    statistic: NotRequired[Annotated[Number, "2 (log-likelihood of k + 1 less that of k)"]]
    replicates: NotRequired[Annotated[Count, "data sets that were drawn from the fit of k"]]
    exceedances: NotRequired[Annotated[Count, "how many of them have a statistic as large"]]
    p: NotRequired[Annotated[Number, "how probable one as large is if k is right"]]
    p_error: NotRequired[Annotated[Number, "its standard error, as the replicates are few"]]
    rejected: NotRequired[Annotated[bool, boolean, "is p at most 0.05, so that more than k components are needed?"]]
    reason: NotRequired[Annotated[Text, "why the two were not tested"]]


class ComparisonDocument(TypedDict):
    """A comparison, as `emcli compare --json` writes it."""

    schema: SchemaName
    version: Version
    criterion: Annotated[Criterion, "what the first group is ranked by"]
    stopped: NotRequired[Annotated[list[Text], "with k: auto, at which k it stopped, and why"]]
    warnings: Annotated[
        list[WarningDocument], "what a reader should know of the comparison; those of a fit are in its own document"
    ]
    groups: Annotated[list[GroupDocument], "candidates that can be ranked against each other"]
    alignments: Annotated[list[AlignmentDocument], "fits of one model and k, component by component"]
    tests: NotRequired[
        Annotated[
            list[RatioTestDocument], "with --test: each k against k + 1 components, of fits that differ in k alone"
        ]
    ]
    best: Annotated[TextOrNull, "name of the best candidate of the first group"]
