"""The document of `steps`: its keys in order, with the type and range of each."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from emcli.config.documents.types import (
    Components,
    Count,
    Ended,
    Names,
    NotNegative,
    Number,
    NumberOrNull,
    Parameters,
    Settings,
    Text,
    TextOrNull,
)
from emcli.types import JSON  # noqa: F401  # which the aliases above name

STEPS = "emcli.steps/1"


class StepsDataDocument(TypedDict):
    """The rows that were fitted."""

    source: Text  # as typed if relative, the base name of an absolute path
    rows: Count
    columns: Names
    dropped: Count


class ShownRowDocument(TypedDict):
    """What the E-step makes of one row; lists have an entry for each component, null for what no double holds."""

    row: Count
    weight: NotNegative
    known: NotRequired[Text]  # the component that it is known to come from
    values: NotRequired[dict[str, NumberOrNull]]  # as the others, not of a row that says nothing; null: missing
    z: NotRequired[list[list[NumberOrNull]]]
    squared_distance: NotRequired[list[NumberOrNull]]
    nearest: NotRequired[list[Number]]
    probability: NotRequired[list[NumberOrNull]]
    log_probability: NotRequired[list[NumberOrNull]]
    density: NotRequired[list[NumberOrNull]]
    log_density: NotRequired[list[NumberOrNull]]
    responsibility: NotRequired[list[Number]]
    expected_heads: NotRequired[list[Number]]
    expected_tails: NotRequired[list[Number]]
    expected_values: NotRequired[list[list[NumberOrNull]]]
    conditional_means: NotRequired[list[list[NumberOrNull]]]  # null for observed cells
    conditional_variances: NotRequired[list[list[NumberOrNull]]]


class ShownSumsDocument(TypedDict):
    """What the M-step sums over all rows, an entry for each component."""

    rows: NotRequired[list[Number]]
    heads: NotRequired[list[Number]]
    tails: NotRequired[list[Number]]
    responsibilities: NotRequired[list[Number]]
    values: NotRequired[list[list[NumberOrNull]]]
    observed: NotRequired[list[list[Number]]]
    products_of_deviations: NotRequired[list[list[list[NumberOrNull]]]]
    volumes: NotRequired[list[NumberOrNull]]
    shapes: NotRequired[list[list[NumberOrNull]]]
    axes: NotRequired[list[list[list[NumberOrNull]]]]


class ShownIterationDocument(TypedDict):
    """One iteration: its parameters, the E-step from them, and the step that follows."""

    iteration: Count
    log_likelihood: NumberOrNull
    log_posterior: NotRequired[Number]
    inertia: NotRequired[Number]
    gain: NumberOrNull
    step: TextOrNull
    parameters: Parameters
    rows: list[ShownRowDocument]
    sums: ShownSumsDocument | None
    next_step: TextOrNull
    next_parameters: Parameters | None
    collapse: NotRequired[Text]


class StepsDocument(TypedDict):
    """Iterations of the best start of a fit, as `emcli steps --json` writes them."""

    schema: Text
    version: Text
    model: Text
    k: Components
    components: NotRequired[Names]  # what each is called, where the components of some rows are known
    data: StepsDataDocument
    settings: Settings
    status: Ended
    stop: Text
    start: Count
    kind: Text
    order: list[Count]
    last_iteration: Count
    iterations: list[ShownIterationDocument]
