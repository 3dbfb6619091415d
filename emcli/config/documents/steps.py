"""The document of `steps`: its keys in order, with the type, range and meaning of each."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from emcli.config.documents.types import (
    ComponentNames,
    Count,
    Ended,
    FitSettings,
    FittedParameters,
    Inertia,
    K,
    Names,
    NotNegative,
    Number,
    NumberOrNull,
    Parameters,
    SchemaName,
    Text,
    TextOrNull,
    Version,
)
from emcli.types import JSON  # noqa: F401  # which the aliases above name

STEPS = "emcli.steps/1"


class StepsDataDocument(TypedDict):
    """The rows that were fitted."""

    source: Annotated[Text, "the file, as typed if relative, else its base name"]
    rows: Annotated[Count, "number of rows"]
    columns: Annotated[Names, "the columns that were used, in order"]
    dropped: Annotated[Count, "rows with missing cells, left out"]


class ShownRowDocument(TypedDict):
    """What the E-step makes of one row; lists have an entry for each component, null for what no double holds."""

    row: Annotated[Count, "number of the row, from 1"]
    weight: Annotated[NotNegative, "its weight"]
    known: NotRequired[Annotated[Text, "the component that it is known to come from"]]
    values: NotRequired[
        Annotated[dict[str, NumberOrNull], "its values by column, null where one is missing; heads and tails"]
    ]
    z: NotRequired[Annotated[list[list[NumberOrNull]], "gmm: (value - mean) / sd, in each column"]]
    squared_distance: NotRequired[
        Annotated[
            list[NumberOrNull], "squared distance from the centroid; gmm: squared Mahalanobis distance from the mean"
        ]
    ]
    nearest: NotRequired[Annotated[list[Number], "K-means: 1 for the cluster that it belongs to, 0 for the others"]]
    probability: NotRequired[Annotated[list[NumberOrNull], "coins: binomial probability of its heads and tails"]]
    log_probability: NotRequired[Annotated[list[NumberOrNull], "coins: the natural logarithm of that"]]
    density: NotRequired[Annotated[list[NumberOrNull], "density of its values"]]
    log_density: NotRequired[Annotated[list[NumberOrNull], "the natural logarithm of that"]]
    responsibility: NotRequired[
        Annotated[
            list[Number], "density times weight, as a share of the sum over the components; 1 or 0 where it is known"
        ]
    ]
    expected_heads: NotRequired[Annotated[list[Number], "coins: responsibility times heads"]]
    expected_tails: NotRequired[Annotated[list[Number], "coins: responsibility times tails"]]
    expected_values: NotRequired[
        Annotated[
            list[list[NumberOrNull]],
            "gmm: responsibility times the value of each column, the expected one where it is missing",
        ]
    ]
    conditional_means: NotRequired[
        Annotated[list[list[NumberOrNull]], "gmm: what is expected in missing cells given the others and the component"]
    ]
    conditional_variances: NotRequired[Annotated[list[list[NumberOrNull]], "gmm: the variance that is left of these"]]


class ShownSumsDocument(TypedDict):
    """What the M-step sums over all rows, an entry for each component."""

    rows: NotRequired[Annotated[list[Number], "of responsibilities times weights; K-means: the weight of the rows"]]
    heads: NotRequired[Annotated[list[Number], "coins: of expected heads"]]
    tails: NotRequired[Annotated[list[Number], "coins: of expected tails"]]
    responsibilities: NotRequired[Annotated[list[Number], "gmm: of responsibilities times weights"]]
    values: NotRequired[Annotated[list[list[NumberOrNull]], "of each column's values times responsibilities"]]
    observed: NotRequired[
        Annotated[
            list[list[Number]], "K-means of missing cells: the weight of the rows that have a value, in each column"
        ]
    ]
    products_of_deviations: NotRequired[
        Annotated[
            list[list[list[NumberOrNull]]], "gmm: of products of deviations from the new means times responsibilities"
        ]
    ]
    volumes: NotRequired[
        Annotated[list[NumberOrNull], "gmm of the ten other shapes: λ of each new covariance λ D A Dᵀ"]
    ]
    shapes: NotRequired[Annotated[list[list[NumberOrNull]], "the same: the diagonal of A, whose product is 1"]]
    axes: NotRequired[
        Annotated[list[list[list[NumberOrNull]]], "the same: D, each row a column of the data, each column an axis"]
    ]


class ShownIterationDocument(TypedDict):
    """One iteration: its parameters, the E-step from them, and the step that follows."""

    iteration: Annotated[Count, "0 is the start"]
    log_likelihood: Annotated[NumberOrNull, "log-likelihood of the parameters"]
    log_posterior: NotRequired[
        Annotated[Number, "the same and ln of the prior density of the parameters, where there is a prior"]
    ]
    inertia: NotRequired[Inertia]
    gain: Annotated[
        NumberOrNull,
        "what the step to here has changed of the log-likelihood (or posterior, or inertia); null at the start",
    ]
    step: Annotated[
        TextOrNull, "the step that led here: em, newton, quasi-newton, escape, boundary or polish; null at the start"
    ]
    parameters: FittedParameters
    rows: Annotated[list[ShownRowDocument], "the rows that were asked for"]
    sums: Annotated[ShownSumsDocument | None, "what an M-step sums over all rows; null before a step of another kind"]
    next_step: Annotated[TextOrNull, "the step that leads on from here; null at the last iteration"]
    next_parameters: Annotated[
        Parameters | None, "the parameters after it; at the last iteration those that one more M-step would find"
    ]
    collapse: NotRequired[Annotated[Text, "why a further M-step would find none"]]


class StepsDocument(TypedDict):
    """Iterations of the best start of a fit, as `emcli steps --json` writes them."""

    schema: SchemaName
    version: Version
    model: Annotated[Text, "the model that was fitted"]
    k: K
    components: NotRequired[ComponentNames]
    data: Annotated[StepsDataDocument, "the rows that were fitted"]
    settings: FitSettings
    status: Annotated[Ended, "how the start ended: converged, or stopped by max_iter"]
    stop: Annotated[Text, "what ended it in detail"]
    start: Annotated[Count, "number of the start that is shown"]
    kind: Annotated[Text, "how it was drawn, or given"]
    order: Annotated[list[Count], "for each component, which one of the start values it was, from 1"]
    last_iteration: Annotated[Count, "number of the last iteration of the start"]
    iterations: Annotated[list[ShownIterationDocument], "the iterations that were asked for, as far as there are any"]
