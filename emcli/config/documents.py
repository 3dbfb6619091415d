"""The documents of fit and compare: their keys in order, with the type and range of each, for writer and reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import (
    Annotated,
    NotRequired,
    TypedDict,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from emcli.config.checks import (
    Check,
    Parser,
    are_numbers_of_tosses,
    boolean,
    integer,
    mapping,
    matching,
    not_negative,
    number,
    one_of,
    or_null,
    positive,
)
from emcli.config.checks import text as a_text
from emcli.config.places import non_numbers
from emcli.config.settings import CHECKS, CHOICES, DOCUMENT_KEYS
from emcli.types import JSON

D = TypeVar("D")
FIT, COMPARISON = "emcli.fit/1", "emcli.compare/1"

Text = Annotated[str, a_text]
TextOrNull = Annotated[str | None, or_null(a_text)]
Count = Annotated[int, integer(0, 10**15)]
Number = Annotated[float, number]
NumberOrNull = Annotated[float | None, or_null(number)]
Positive = Annotated[float, positive]
NotNegative = Annotated[float, not_negative]
Components = Annotated[int, integer(1, 10**4)]
Covariance = Annotated[str, one_of(CHOICES["covariance"])]
Mixing = Annotated[str, one_of(CHOICES["mixing"])]
Ended = Annotated[str, one_of(("converged", "max_iter"))]
Criterion = Annotated[str, one_of(("bic", "aic", "icl", "silhouette", "ch", "gap"))]
Slug = Annotated[str, matching("a slug", "[a-z][a-z-]{0,39}")]
Hash = Annotated[str, matching("64 hexadecimal digits", "[0-9a-f]{64}")]
Object = Annotated[dict[str, JSON], mapping]
Names = Annotated[
    list[Text], Check("a list of names", lambda value: isinstance(value, list) and value != [], {"minItems": 1})
]

PlaceOrNull = Annotated[int | None, or_null(integer(1, 10**9))]

numbers: Check[JSON] = Check("a finite number", lambda value: next(non_numbers(value), None) is None)
Numbers = Annotated[JSON, numbers]  # one, or lists and mappings of them to any depth
Parameters = dict[str, Numbers]  # by name, of shapes that are the model's to check


@dataclass(frozen=True, eq=False)
class Known:
    """The checks of those keys of a mapping that are known."""

    checks: Mapping[str, Parser[object]]


Settings = Annotated[
    dict[str, JSON], Known({key: CHECKS[key] for key in DOCUMENT_KEYS})
]  # the keys of an experiment's `fit:`, in the order of the options
Tosses = Annotated[
    dict[str, Positive],
    Check(
        "a mapping of numbers of tosses to weights",
        are_numbers_of_tosses,
        {"minProperties": 1, "propertyNames": {"pattern": "^[1-9][0-9]{0,15}$"}},
    ),
]

WeightsByName = Annotated[
    dict[str, Positive], Check("a mapping of names to weights", lambda value: isinstance(value, dict) and value != {})
]


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
    status: Ended
    stop: NotRequired[Text]
    decrement: NotRequired[NumberOrNull]
    warnings: NotRequired[list[WarningDocument]]
    log_likelihood: NumberOrNull
    log_posterior: NotRequired[Number]
    parameters_count: Count
    aic: NumberOrNull
    bic: NumberOrNull
    icl: NumberOrNull
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


class CandidateDocument(TypedDict):
    """A candidate of a comparison; one without a fit has a reason, and nothing else that is not required."""

    name: Text
    model: Text
    k: Components
    covariance: Annotated[str | None, or_null(one_of(CHOICES["covariance"]))]
    mixing: Annotated[str | None, or_null(one_of(CHOICES["mixing"]))]
    parameters_count: NotRequired[Count]
    log_likelihood: NotRequired[NumberOrNull]
    log_posterior: NotRequired[Number]
    aic: NotRequired[NumberOrNull]
    bic: NotRequired[NumberOrNull]
    delta_bic: NotRequired[NumberOrNull]
    icl: NotRequired[NumberOrNull]
    inertia: NotRequired[Number]
    silhouette: NotRequired[NumberOrNull]  # null where it is not defined, as for k=1
    silhouette_error: NotRequired[NumberOrNull]  # standard error; null where it is exact
    ch: NotRequired[NumberOrNull]  # the index of Caliński & Harabasz
    gap: NotRequired[NumberOrNull]
    gap_error: NotRequired[NumberOrNull]
    iterations: NotRequired[Count]
    status: Annotated[str, one_of(("converged", "max_iter", "failed"))]
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


class ComparisonDocument(TypedDict):
    """A comparison, as `emcli compare --json` writes it."""

    schema: Text
    version: Text
    criterion: Criterion  # of the first group
    warnings: list[WarningDocument]  # of the comparison; those of a fit are in its own document
    groups: list[GroupDocument]
    alignments: list[AlignmentDocument]
    best: TextOrNull


@cache
def keys(document: type) -> dict[str, tuple[object, bool]]:
    """The type of each key of a document, in order, and whether it must be there."""
    hints = get_type_hints(document, include_extras=True)
    return {
        key: (get_args(hint)[0], False) if get_origin(hint) is NotRequired else (hint, True)
        for key, hint in hints.items()
    }


def in_order(kind: type, document: D) -> D:
    """A document with its keys in the order of its type."""
    given = cast(dict[str, object], document)
    return cast(D, {key: given[key] for key in keys(kind) if key in given})
