"""The document of fit: its keys in order, with the type and range of each, for writer and reader."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from emcli.config.checks import one_of
from emcli.config.documents.types import (
    Components,
    Count,
    Covariance,
    Hash,
    Mixing,
    Names,
    NotNegative,
    Number,
    NumberOrNull,
    Object,
    Parameters,
    PlaceOrNull,
    Positive,
    Settings,
    Slug,
    Text,
    Tosses,
    WeightsByName,
)
from emcli.types import JSON  # noqa: F401  # which the aliases above name

FIT = "emcli.fit/1"


# NotRequired: only some fits have it, or all do and nothing that reads a fit needs it.
class DataDocument(TypedDict):
    """The rows that were fitted."""

    source: NotRequired[Text]  # as typed if relative, the base name of an absolute path
    rows: Count
    weight: Positive  # sum of the row weights
    columns: Names
    column_numbers: NotRequired[list[PlaceOrNull]]  # of columns whose name is not unique in the file, from 1
    dropped: NotRequired[Count]  # rows with missing values, left out
    missing: NotRequired[Count]  # cells that are missing, of rows that are used nevertheless
    incomplete: NotRequired[Count]  # rows that miss some cells and are used
    sha256: Hash  # of the values, not of the file
    known: NotRequired[WeightsByName]  # weight of the rows that are known to come from each named component
    tosses: NotRequired[Tosses]  # coins: weight of the rows of each number of tosses


class WarningDocument(TypedDict):
    """One warning."""

    slug: Slug
    message: Text


class CrossTableDocument(TypedDict):
    """How many rows, or what weight of them, each true label has in each component."""

    labels: list[Text]
    counts: list[list[NotNegative]]  # a list of k for each label


class TruthDocument(TypedDict):
    """What is known of the data, beside the fit; true components in the fit's order where they match one to one."""

    parameters: Parameters | None
    adjusted_rand_index: NumberOrNull
    cross_table: NotRequired[CrossTableDocument]  # where labels are known


class StepDocument(TypedDict):
    """One iteration of the best start; 0 is the start itself, and those after the fit's `iterations` polish it."""

    iteration: Count
    log_likelihood: NumberOrNull
    log_posterior: NotRequired[Number]
    inertia: NotRequired[Number]
    step: NotRequired[Text]


class SampleDocument(TypedDict):
    """The sample that a start was screened on, and its score there."""

    rows: Count
    log_likelihood: NumberOrNull
    inertia: NotRequired[Number]


# One start, or one move from the optimum of an earlier entry, `from`; its log-likelihood is null without a fit.
RunDocument = TypedDict(
    "RunDocument",
    {
        "start": Count,
        "kind": NotRequired[Text],
        "from": NotRequired[Count],
        "status": Annotated[str, one_of(("converged", "max_iter", "degenerate", "screened", "behind"))],
        "iterations": Count,
        "origin": NotRequired[Text],
        "sample": NotRequired[SampleDocument],
        "log_likelihood": NumberOrNull,
        "log_posterior": NotRequired[Number],
        "inertia": NotRequired[Number],
        "reason": NotRequired[Text],
    },
)


class FitDocument(TypedDict):
    """A fit, as `emcli fit --json` writes it."""

    schema: Text
    version: NotRequired[Text]
    model: Text
    covariance: NotRequired[Covariance]
    mixing: NotRequired[Mixing]
    k: Components
    components: NotRequired[Names]  # what each is called, where the components of some rows are known
    data: DataDocument
    settings: NotRequired[Settings]
    status: Annotated[str, one_of(("converged", "max_iter", "screened"))]
    stop: NotRequired[Text]
    decrement: NotRequired[NumberOrNull]
    warnings: NotRequired[list[WarningDocument]]
    log_likelihood: NumberOrNull
    log_posterior: NotRequired[Number]
    parameters_count: Count
    aic: NumberOrNull
    bic: NumberOrNull
    icl: NumberOrNull
    relative_entropy: NotRequired[NumberOrNull]
    inertia: NotRequired[Number]
    parameters: Parameters
    certificate: NotRequired[Object]
    bootstrap: NotRequired[Object]
    truth: NotRequired[TruthDocument]
    best_start: NotRequired[Count]
    reached: NotRequired[Count]
    moves: NotRequired[Count]
    iterations: Count
    trace: NotRequired[list[StepDocument]]
    restarts: NotRequired[list[RunDocument]]
