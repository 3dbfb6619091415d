"""The settings of one fit: of the model, of the data and of the search for the best fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from emcli.types import JSON

Covariance = Literal["full", "tied", "diag", "spherical"]
Mixing = Literal["free", "equal"]
Init = Literal["k-means++", "random"]
Solver = Literal["newton", "em"]
Missing = Literal["error", "drop"]


@dataclass(frozen=True)
class ModelSettings:
    """What is fitted. None: the model has no such option."""

    k: int  # number of components
    covariance: Covariance | None = None
    mixing: Mixing | None = None
    standardize: bool | None = None


@dataclass(frozen=True)
class DataSettings:
    """Which columns are read, and how the file is written. None: it is left to the data or the machine."""

    columns: tuple[str, ...] | None = None
    row_weights: str | None = None
    heads: str | None = None
    tosses: str | None = None
    tails: str | None = None
    flips: str | None = None
    truth: str | None = None
    missing: Missing = "error"
    delimiter: str | None = None
    header: bool | None = None
    comment: str | None = None
    memory: int | None = None  # bytes from which a table goes to disk
    scheduler: str | None = None  # address of a Dask cluster, or local:N


@dataclass(frozen=True)
class SearchSettings:
    """How the best fit is searched for."""

    init: Init = "k-means++"
    restarts: int = 10
    seed: int = 0
    tol: float = 1e-6  # nats
    max_iter: int = 10_000
    solver: Solver | None = None
    start: Mapping[str, JSON] | None = None  # start values
    bootstrap: int | None = None  # number of replicates
    jobs: int | None = None  # cores


@dataclass(frozen=True)
class Provenance:
    """Where settings come from."""

    start_source: str | None = None  # the file of the start values, as typed if relative
    origins: Mapping[str, str] = field(default_factory=dict)  # key -> '-k' or 'fit.yaml:2'; nothing for defaults
    overridden: tuple[str, ...] = ()  # sentences: 'k=4 from -k (fit.yaml:2 says 3)'


# The keys of `settings` in a document, in the order in which they are written; what does not change a result is not.
DOCUMENT_KEYS = (
    "k",
    "columns",
    "row_weights",
    "heads",
    "tosses",
    "tails",
    "flips",
    "covariance",
    "mixing",
    "standardize",
    "init",
    "restarts",
    "seed",
    "tol",
    "max_iter",
    "solver",
    "start",
    "bootstrap",
    "truth",
    "missing",
    "delimiter",
    "header",
    "comment",
)


@dataclass(frozen=True)
class Settings:
    """All settings of one fit, in three groups: each part of the program gets its own."""

    model: ModelSettings
    data: DataSettings = DataSettings()
    search: SearchSettings = SearchSettings()
    provenance: Provenance = Provenance()

    @classmethod
    def of(cls, values: Mapping[str, object], provenance: Provenance | None = None) -> Settings:
        """From one flat mapping of keys to values that have been checked."""
        model = ModelSettings(**_of_group(ModelSettings, values))  # type: ignore[arg-type]
        data = DataSettings(**_of_group(DataSettings, values))  # type: ignore[arg-type]
        search = SearchSettings(**_of_group(SearchSettings, values))  # type: ignore[arg-type]
        return cls(model, data, search, provenance or Provenance())

    def document(self) -> dict[str, JSON]:
        """What changes the result, for JSON; as the `fit:` of an experiment it gives the same settings again."""
        values = {**vars(self.model), **vars(self.data), **vars(self.search)}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return {key: plain[key] for key in DOCUMENT_KEYS if plain[key] is not None}


def _of_group(
    group: type[ModelSettings | DataSettings | SearchSettings], values: Mapping[str, object]
) -> dict[str, object]:
    """The values of one group's fields."""
    return {each.name: values[each.name] for each in fields(group) if each.name in values}
