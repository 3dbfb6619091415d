"""The types of keys in documents, each with its check; the keys of a document in their order, and what each means."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import (
    Annotated,
    NotRequired,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from emcli.config import settings
from emcli.config.checks import (
    Check,
    Parser,
    are_numbers_of_tosses,
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
from emcli.frozen import frozen
from emcli.types import JSON

D = TypeVar("D")

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
Criterion = Annotated[str, one_of(get_args(settings.Criterion))]
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


@frozen
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


# Keys that several documents have, each with what it means.
SchemaName = Annotated[Text, "the kind of document and its version"]
Version = Annotated[Text, "the version of emcli that wrote it"]
K = Annotated[Components, "number of components"]
ComponentNames = Annotated[
    Names, "what each is called, where the component of some rows is known: its name, or its number"
]
FitSettings = Annotated[Settings, "what was asked for and what was taken by default, as an experiment's `fit:`"]
ParametersCount = Annotated[Count, "number of free parameters"]
FittedParameters = Annotated[Parameters, "the parameters of all components, in the user's units"]
LogLikelihood = Annotated[NumberOrNull, "natural logarithm of the likelihood, with every constant"]
LogPosterior = Annotated[Number, "with a prior: log-likelihood plus ln of the prior density of the parameters"]
Aic = Annotated[NumberOrNull, "-2 log-likelihood + 2 parameters; smaller is better"]
Bic = Annotated[NumberOrNull, "-2 log-likelihood + parameters times the logarithm of the rows; smaller is better"]
Icl = Annotated[
    NumberOrNull, "BIC - 2 times the sum of the logarithms of each row's largest responsibility; smaller is better"
]
RelativeEntropy = Annotated[
    NumberOrNull, "1: each row surely of one component, 0: of all alike; null for k=1 and K-means"
]
Inertia = Annotated[Number, "K-means: the sum of squared distances to the nearest centroid"]


@frozen
class Key:
    """A key of a document."""

    kind: object  # its type, with a check
    needed: bool  # must it be there?
    meaning: str  # in a phrase, for JSON Schemas and the documentation


@cache
def keys(document: type) -> dict[str, Key]:
    """The keys of a document, in order: each is annotated with its type, its check and its meaning."""
    found: dict[str, Key] = {}
    for key, hint in get_type_hints(document, include_extras=True).items():
        needed = get_origin(hint) is not NotRequired
        kind, *checks, meaning = get_args(hint if needed else get_args(hint)[0])
        found[key] = Key(Annotated[(kind, *checks)] if checks else kind, needed, meaning)
    return found


def in_order(kind: type, document: D) -> D:
    """A document with its keys in the order of its type."""
    given = cast(dict[str, object], document)
    return cast(D, {key: given[key] for key in keys(kind) if key in given})
