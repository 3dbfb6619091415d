"""What a model brings besides its E-step and M-step: the columns it reads, its starts, how it is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from emcli.data.rows import Picked, Rows, Total
from emcli.errors import FitWarning
from emcli.types import Array, Batch, IndexArray, Mapper

UNIT_ROUNDOFF = 2.0**-53


class Degenerate(Exception):
    """The likelihood has no maximum here: a component sank onto too few points, or lost all of them."""


@dataclass(frozen=True)
class Stats:
    """What the E-step learned from some rows; `+` pools it with what it learned from others."""

    weight: float
    score: float  # what EM climbs: the log-likelihood, or minus half the inertia
    squares: float  # Σ w t², where terms as large as t cancel in a row's part of the score; 0 where none do

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class Step(NamedTuple):
    """One iteration: a model, the score that this very model has, and the total weight of the rows."""

    model: Any
    score: float
    weight: float
    squares: float = 0.0  # of the terms that cancel in the score
    how: str = "em"  # em | newton


def pooled_e_step(model: Any, batches: Sequence[Batch], map: Mapper = map) -> Any:
    """The E-step of all rows, added up in order."""
    return reduce(add, map(model.e_step, *zip(*batches, strict=True)))


def same_parameters(one: Any, other: Any) -> bool:
    """Have two models exactly the same parameters?"""
    if not np.array_equal(one.weights, other.weights):
        return False
    return all(np.array_equal(a, b) for a, b in zip(one.components(), other.components(), strict=True))


class Share(float):
    """A fraction of the whole, shown to people in per cent."""


class Count(float):
    """A number of rows, perhaps of parts of rows, shown to people with one decimal."""


class ParameterFault(ValueError):
    """Given parameters that cannot be used; `path` leads to the one that is wrong, such as ("covariances", 1)."""

    def __init__(self, path: tuple[str | int, ...], what: str):
        self.path = path
        self.what = what
        self.place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
        super().__init__(f"{self.place}: {what}" if path else what)


@dataclass(frozen=True)
class Predictor:
    """A fit applied to new rows."""

    textual: bool  # are the columns strings?
    # numbers (n, d) or texts to responsibilities (k, n) and, for each row, the measure below (n,)
    apply: Callable[[Array, Sequence[list[str]]], tuple[Array, Array]]
    components: int  # how many have a probability of their own; 0 where rows are assigned whole
    measure: str  # what stands in the last column: log_density, or the distance to the nearest centroid


class Family(Protocol):
    """One model as the rest of the program sees it. Parameters are plain dicts in the user's units."""

    name: str
    options: Mapping[str, object]  # the options that this model adds to the common ones, with their defaults
    fixed_point: str  # what it means that an iteration changed nothing
    hard: bool  # are rows assigned whole, so that the only end is a fixed point?

    def select(self, header: Sequence[str], find: Callable[[str], int], taken: set[int], settings: Any) -> Picked:
        """The columns to read; `find` resolves a name that the user gave, `taken` are columns with another role."""

    def rows(
        self, numbers: Array, texts: Sequence[list[str]], weights: Array | None, names: Sequence[str], settings: Any
    ) -> Rows:
        """Check and prepare the data. Raises RowFault, DataFault."""

    def across(self, total: Total, names: Sequence[str], settings: Any) -> Rows:
        """The same for data that lie in parts elsewhere: `total` adds up what a function says of each part's values,
        texts and weights. All but `values`, unless the rows that differ are few enough to be had here."""

    def placed(self, numbers: Array, weights: Array | None, like: Rows) -> Rows:
        """One part of the data as rows in the working coordinates that `across` found, where it left them scattered."""

    def draw(self, rows: Rows, settings: Any, rng: np.random.Generator) -> Iterator[Any]:
        """Endless candidates for a start in working coordinates; the best of some short runs is taken."""

    def steps(self, model: Any, rows: Rows, spread: Mapper) -> Iterator[Step]:
        """A stream of steps as em() gives, where rows are assigned whole."""

    def short_runs(self, settings: Any) -> tuple[int, int]:
        """How many candidates to try for each start, and for how many iterations."""

    def read(
        self, parameters: Mapping[str, Any], settings: Mapping[str, Any], k: int | None = None, rows: Rows | None = None
    ) -> Any:
        """A model in the user's units from given parameters, which must be of `k` components and fit the rows.

        With rows, missing weights are 1/k and missing spreads the data's. Raises ParameterFault.
        """

    def write(self, model: Any, stats: Any | None = None, rows: Rows | None = None) -> dict[str, Any]:
        """The parameters of a model in the user's units, as plain lists; with its E-step's stats, all of them."""

    def sampler(self, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """What draws rows from given parameters: has `weights` (k,) and `sample(labels, rng)`."""

    def inward(self, model: Any, rows: Rows) -> Any:
        """The model in working coordinates."""

    def outward(self, model: Any, rows: Rows) -> Any:
        """The model in the user's units."""

    def order(self, model: Any) -> IndexArray:
        """The canonical order of the components of a model in the user's units."""

    def measures(self, score: float, rows: Rows, k: int) -> tuple[float | None, float | None]:
        """Log-likelihood in nats with all constants, and inertia where the model has one, of a score."""

    def apart(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> Array:
        """Distances (k, m) between the components of two sets of parameters, free of units: to match them."""

    def within(self, small: Mapping[str, Any], large: Mapping[str, Any]) -> bool:
        """Is every model of the small k, covariance and mixing also one of the large ones?"""

    def grown(self, model: Any, settings: Any, rows: Rows, step: float) -> Iterator[Any]:
        """Models of the settings' kind from a smaller one in working coordinates, its components split by `step` sds
        either way along their longest axes: the smaller the step, the closer to the score of the smaller model."""

    def table(self, parameters: Mapping[str, Any], names: Sequence[str], total: float) -> list[tuple[str, list[Any]]]:
        """The parameters as titled columns of k cells, for people; `total` is the weight of all rows."""

    def estimate(self, rows: Rows, members: Array, settings: Any) -> dict[str, Any]:
        """Parameters in the user's units from known memberships (k, n)."""

    def extras(self, rows: Rows) -> dict[str, Any]:
        """What else the document's `data` keeps."""

    def predictor(self, parameters: Mapping[str, Any], settings: Mapping[str, Any], names: Sequence[str]) -> Predictor:
        """What tells new rows' components, from a fit's parameters and the names of its columns."""

    def spurious(self, model: Any, stats: Callable[[], Any], rows: Rows) -> str | None:
        """What makes a fitted model an artefact of a few rows; stats() are those of its E-step."""

    def identical(self, model: Any) -> tuple[int, int] | None:
        """Two components that are the same for all purposes, if any are."""

    def unidentified(self, rows: Rows, settings: Any) -> str | None:
        """Why no data of this kind can tell that many components apart, where that is so."""

    def exact(self, rows: Rows, settings: Any) -> Any | None:
        """The best model of all in working coordinates, where it can be had directly."""

    def certificate(self, log_likelihood: float | None, rows: Rows, settings: Any) -> dict[str, float] | None:
        """What is known for certain of the best fit there can be, against a fit's log-likelihood."""

    def cautions(self, model: Any, stats: Any) -> list[FitWarning]:
        """What to say about the best fit."""


def first_pair(alike: Callable[[int, int], Any], k: int) -> tuple[int, int] | None:
    """The first two of k components that are alike, if any are."""
    return next(((i, j) for i in range(k) for j in range(i + 1, k) if alike(i, j)), None)
