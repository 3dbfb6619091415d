"""The settings of one fit: of the model, of the data and of the search for the best fit."""

# Annotations stay objects here (no `from __future__ import annotations`): each names the check of its field.
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from emcli.config import checks
from emcli.config.covariances import Shape
from emcli.frozen import frozen

if TYPE_CHECKING:
    from emcli.types import JSON

Covariance = Literal["full", "tied", "diag", "spherical", Shape, "E", "V"]
Mixing = Literal["free", "equal"]
Init = Literal["auto", "k-means++", "random"]
Auto = Literal["auto"]
Solver = Literal["newton", "em"]
Missing = Literal["error", "drop", "use"]
Criterion = Literal["bic", "aic", "icl", "silhouette", "ch", "gap"]  # that fits are ranked by
PRIORS = ("default", "none")  # that have a name
CHOICES: dict[str, tuple[str, ...]] = {
    "covariance": get_args(Covariance),
    "mixing": get_args(Mixing),
    "init": get_args(Init),
    "solver": get_args(Solver),
    "missing": get_args(Missing),
}


@frozen
class Narrowed:
    """An option that takes fewer values, or names, in a model than the setting has; by default it is not set."""

    check: checks.Check[str] | checks.Check[float]


@checks.takes(type="boolean")
def _noise(value: object) -> bool | None:
    """Is there noise? Perhaps as text; None where there is none, as where nothing is said."""
    if not isinstance(value, bool) and value not in ("true", "false"):
        raise ValueError("must be true or false")
    return True if value in (True, "true") else None


@frozen
class ModelSettings:
    """What is fitted. None: the model has no such option."""

    k: Annotated[int, checks.integer(1, 10**4)]  # number of components
    covariance: Annotated[Covariance | None, checks.one_of(CHOICES["covariance"])] = None
    mixing: Annotated[Mixing | None, checks.one_of(CHOICES["mixing"])] = None
    standardize: Annotated[bool | None, checks.boolean] = None
    prior: Annotated[str | float | None, checks.prior] = None  # a name, or the number of a Beta prior
    noise: Annotated[bool | None, _noise] = None  # one more component, uniform, for outliers
    fix: Annotated["Mapping[str, JSON] | None", checks.fixed] = None  # values held, null where free


@frozen
class DataSettings:
    """Which columns are read, and how the file is written. None: it is left to the data or the machine."""

    columns: Annotated[tuple[str, ...] | None, checks.column_names] = None
    exclude: Annotated[tuple[str, ...] | None, checks.column_names] = None
    row_weights: Annotated[str | None, checks.column] = None
    heads: Annotated[str | None, checks.column] = None
    tosses: Annotated[str | None, checks.column] = None
    tails: Annotated[str | None, checks.column] = None
    flips: Annotated[str | None, checks.column] = None
    truth: Annotated[str | None, checks.column] = None
    known: Annotated[str | None, checks.column] = None
    missing: Annotated[Missing, checks.one_of(CHOICES["missing"])] = "error"
    na: Annotated[tuple[str, ...] | None, checks.marks] = None  # more marks of a missing cell
    decimal: Annotated[str | None, checks.decimal] = None
    thousands: Annotated[str | None, checks.thousands] = None
    delimiter: Annotated[str | None, checks.delimiter] = None
    header: Annotated[bool | None, checks.boolean] = None
    comment: Annotated[str | None, checks.comment] = None
    skip: Annotated[int | None, checks.integer(0, 10**6)] = None  # lines before the table
    memory: Annotated[int | None, checks.size] = None  # bytes from which a table goes to disk
    scheduler: Annotated[str | None, checks.scheduler] = None  # address of a Dask cluster, or local:N


@frozen
class SearchSettings:
    """How the best fit is searched for."""

    init: Annotated[Init, checks.one_of(CHOICES["init"])] = "auto"
    restarts: Annotated[int | Auto, checks.or_auto(checks.integer(1, 10**6))] = "auto"  # auto: until enough
    seed: Annotated[int, checks.integer(0, 2**64 - 1)] = 0
    tol: Annotated[float, checks.positive_float] = 1e-6  # nats
    max_iter: Annotated[int, checks.integer(0, 10**9)] = 10_000  # 0: the start values themselves
    solver: Annotated[Solver | None, checks.one_of(CHOICES["solver"])] = None
    start: Annotated["Mapping[str, JSON] | None", checks.parameters] = None  # start values
    bootstrap: Annotated[int | None, checks.integer(20, 10**6)] = None  # number of replicates
    jobs: Annotated[int | None, checks.integer(1, 1024)] = None  # cores


GROUPS = (ModelSettings, DataSettings, SearchSettings)
CHECKS: dict[str, checks.Parser[object]] = {
    each.name: get_args(each.type)[1] for group in GROUPS for each in fields(group)
}
# Settings that a model has only if it says so.
OPTIONAL = frozenset(
    {
        "covariance",
        "mixing",
        "standardize",
        "heads",
        "tosses",
        "tails",
        "flips",
        "solver",
        "bootstrap",
        "prior",
        "noise",
        "fix",
    }
)


def flag(key: str) -> str:
    """What the command line calls a setting."""
    return "-k" if key == "k" else "--" + key.replace("_", "-")


@frozen
class Provenance:
    """Where settings come from."""

    start_source: str | None = None  # the file of the start values, as typed if relative
    overridden: tuple[str, ...] = ()  # sentences: 'k=4 from -k (fit.yaml:2 says 3)'
    auto_k: bool = False  # is k tried one after another, as many as it takes?
    all_shapes: bool = False  # are all shapes of covariances asked for, whichever there are?
    left_out: tuple[str, ...] = ()  # lines: which of these have no prior, or lack what else is asked for


# The keys of `settings` in a document, in the order in which they are written; what does not change a result is not.
DOCUMENT_KEYS = (
    "k",
    "columns",
    "exclude",
    "row_weights",
    "heads",
    "tosses",
    "tails",
    "flips",
    "covariance",
    "mixing",
    "standardize",
    "prior",
    "noise",
    "init",
    "restarts",
    "seed",
    "tol",
    "max_iter",
    "solver",
    "start",
    "fix",
    "bootstrap",
    "truth",
    "known",
    "missing",
    "na",
    "decimal",
    "thousands",
    "delimiter",
    "header",
    "comment",
    "skip",
)


@frozen
class Settings:
    """All settings of one fit, in three groups: each part of the program gets its own."""

    model: ModelSettings
    data: DataSettings = DataSettings()
    search: SearchSettings = SearchSettings()
    provenance: Provenance = Provenance()

    @classmethod
    def of(cls, values: Mapping[str, object], provenance: Provenance | None = None) -> Self:
        """From one flat mapping of keys to values that have been checked."""
        own = [{each.name: values[each.name] for each in fields(group) if each.name in values} for group in GROUPS]
        made = ModelSettings(**own[0]), DataSettings(**own[1]), SearchSettings(**own[2])  # type: ignore[arg-type]
        return cls(*made, provenance or Provenance())

    def document(self) -> "dict[str, JSON]":
        """What changes the result, for JSON; as the `fit:` of an experiment it gives the same settings again."""
        values = {**vars(self.model), **vars(self.data), **vars(self.search)}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return {key: plain[key] for key in DOCUMENT_KEYS if plain[key] is not None}
