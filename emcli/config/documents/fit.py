"""The document of fit: its keys in order, with the type, range and meaning of each, for writer and reader."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from emcli.config.checks import one_of
from emcli.config.documents.types import (
    Aic,
    Bic,
    ComponentNames,
    Count,
    Covariance,
    FitSettings,
    FittedParameters,
    Hash,
    Icl,
    Inertia,
    K,
    LogLikelihood,
    LogPosterior,
    Mixing,
    Names,
    NotNegative,
    Number,
    NumberOrNull,
    Object,
    Parameters,
    ParametersCount,
    PlaceOrNull,
    Positive,
    RelativeEntropy,
    SchemaName,
    Slug,
    Text,
    Tosses,
    Version,
    WeightsByName,
)
from emcli.types import JSON  # noqa: F401  # which the aliases above name

FIT = "emcli.fit/1"


# NotRequired: only some fits have it, or all do and nothing that reads a fit needs it.
class DataDocument(TypedDict):
    """The rows that were fitted."""

    source: NotRequired[Annotated[Text, "the file, as typed if relative, else its base name"]]
    rows: Annotated[Count, "number of rows"]
    weight: Annotated[Positive, "sum of the row weights"]
    columns: Annotated[Names, "the columns that were used, in order"]
    column_numbers: NotRequired[
        Annotated[list[PlaceOrNull], "numbers, from 1, of columns whose name is not unique in the file"]
    ]
    dropped: NotRequired[Annotated[Count, "rows left out because of missing cells"]]
    missing: NotRequired[Annotated[Count, "cells that are missing, of rows that are used"]]
    incomplete: NotRequired[Annotated[Count, "rows that are used though cells are missing"]]
    sha256: Annotated[Hash, "digest of the values, not of the file"]
    known: NotRequired[
        Annotated[WeightsByName, "weight of the rows that are known to come from each component that has a name"]
    ]
    tosses: NotRequired[Annotated[Tosses, "coins: weight of the rows of each number of tosses"]]


class WarningDocument(TypedDict):
    """One warning."""

    slug: Annotated[Slug, "the warning's name"]
    message: Annotated[Text, "what it says of this fit"]


class CrossTableDocument(TypedDict):
    """How many rows, or what weight of them, each true label has in each component."""

    labels: Annotated[list[Text], "the true labels, a row of the table each"]
    counts: Annotated[list[list[NotNegative]], "rows, or their weight: a list of k for each label"]


class TruthDocument(TypedDict):
    """What is known of the data, beside the fit; true components in the fit's order where they match one to one."""

    parameters: Annotated[
        Parameters | None, "the true parameters, in the order of the fit's components where they match one to one"
    ]
    adjusted_rand_index: Annotated[
        NumberOrNull, "agreement of the assignments with the true labels: 1 is perfect, 0 what chance gives"
    ]
    cross_table: NotRequired[
        Annotated[CrossTableDocument, "rows of each true label in each component, where labels are known"]
    ]


class StepDocument(TypedDict):
    """One iteration of the best start; 0 is the start itself, and those after the fit's `iterations` polish it."""

    iteration: Annotated[Count, "0 is the start; those after the fit's `iterations` polish it"]
    log_likelihood: Annotated[NumberOrNull, "log-likelihood of the parameters at this iteration"]
    log_posterior: NotRequired[
        Annotated[Number, "with a prior: log posterior of the parameters at this iteration, which never falls"]
    ]
    inertia: NotRequired[Annotated[Number, "K-means: inertia at this iteration"]]
    step: NotRequired[
        Annotated[
            Text, "the kind of step that led here: em, newton, quasi-newton, escape (from a saddle), boundary or polish"
        ]
    ]


class SampleDocument(TypedDict):
    """The sample that a start was screened on, and its score there."""

    rows: Annotated[Count, "rows of the sample that the start was judged on"]
    log_likelihood: Annotated[NumberOrNull, "log-likelihood there"]
    inertia: NotRequired[Annotated[Number, "K-means: inertia there"]]


# One start, or one move from the optimum of an earlier entry, `from`; its log-likelihood is null without a fit.
RunDocument = TypedDict(
    "RunDocument",
    {
        "start": Annotated[Count, "number of the entry, from 1"],
        "kind": NotRequired[Annotated[Text, "how its start values were drawn, or which move it is"]],
        "from": NotRequired[Annotated[Count, "a move: number of the entry whose optimum it left"]],
        "status": Annotated[
            str,
            one_of(("converged", "max_iter", "degenerate", "screened", "behind")),
            "how it ended; screened: not taken beyond a sample; behind: given up, it could not become the best",
        ],
        "iterations": Annotated[Count, "how many it took"],
        "origin": NotRequired[Annotated[Text, "name of the fit of fewer components that it began at"]],
        "sample": NotRequired[Annotated[SampleDocument, "what it was judged by, where it was screened"]],
        "log_likelihood": Annotated[NumberOrNull, "where it ended; null without a fit"],
        "log_posterior": NotRequired[Annotated[Number, "with a prior: log posterior where it ended"]],
        "inertia": NotRequired[Annotated[Number, "K-means: inertia where it ended"]],
        "reason": NotRequired[Annotated[Text, "why it has no fit"]],
    },
)


class FitDocument(TypedDict):
    """A fit, as `emcli fit --json` writes it."""

    schema: SchemaName
    version: NotRequired[Version]
    model: Annotated[Text, "the model that was fitted"]
    covariance: NotRequired[Annotated[Covariance, "gmm: the shape of the covariances"]]
    mixing: NotRequired[Annotated[Mixing, "mixing weights: estimated (free), or fixed at 1/k (equal)"]]
    k: K
    components: NotRequired[ComponentNames]
    data: Annotated[DataDocument, "the rows that were fitted"]
    settings: NotRequired[FitSettings]
    status: Annotated[
        str,
        one_of(("converged", "max_iter", "screened")),
        "how the best start ended: converged, or stopped by max_iter; screened: a short search, by compare",
    ]
    stop: NotRequired[Annotated[Text, "what ended it in detail"]]
    decrement: NotRequired[
        Annotated[
            NumberOrNull,
            "log-likelihood that further iterations would still gain, estimated; null where nobody can tell",
        ]
    ]
    warnings: NotRequired[Annotated[list[WarningDocument], "what a reader should know before trusting the fit"]]
    log_likelihood: LogLikelihood
    log_posterior: NotRequired[LogPosterior]
    parameters_count: ParametersCount
    aic: Aic
    bic: Bic
    icl: Icl
    relative_entropy: NotRequired[RelativeEntropy]
    inertia: NotRequired[Inertia]
    parameters: FittedParameters
    certificate: NotRequired[Annotated[Object, "proof of, or a bound on, the best possible fit, where there is one"]]
    bootstrap: NotRequired[Annotated[Object, "standard errors and intervals from simulated data sets"]]
    truth: NotRequired[Annotated[TruthDocument, "the known truth beside the fit"]]
    best_start: NotRequired[Annotated[Count, "number of the start that led to the fit"]]
    reached: NotRequired[Annotated[Count, "starts that reached the same optimum"]]
    moves: NotRequired[Annotated[Count, "moves from optima that were tried"]]
    iterations: Annotated[Count, "iterations of the best start, without the polish"]
    trace: NotRequired[Annotated[list[StepDocument], "each iteration of the best start"]]
    restarts: NotRequired[Annotated[list[RunDocument], "every start and move, in order"]]
