"""What a model is: an immutable value with an E-step and an M-step, and what the rest of the program asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np

from emcli.config.settings import Init, ModelSettings
from emcli.data.rows import Observations, Requirements, Rows
from emcli.data.scaling import Scaling, ScalingRule
from emcli.errors import FitWarning
from emcli.models.plain_values import PlainValues
from emcli.types import JSON, Array, IndexArray, Mapper

if TYPE_CHECKING:
    from emcli.models.em import Step

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


S = TypeVar("S", bound=Stats)


class Measures(NamedTuple):
    """How well a model fits, in the user's units."""

    log_likelihood: float | None  # nats, with all constants; None where it is infinite
    inertia: float | None = None  # sum of squared distances, where the model has one


class Model(PlainValues, ABC, Generic[S]):
    """A latent-variable model of k components.

    A subclass is a frozen dataclass whose fields are `weights` (k,) and the parameters of its components, (k, ...), and
    writes the abstract methods; the others are right as they are, or say that there is nothing to say. A mixture has it
    easier: see `Mixture`. `x` are rows as the observations lay them out, (d, n), in working coordinates.
    """

    name: ClassVar[str]  # what the command line calls it
    observations: ClassVar[Observations]  # how its rows are read
    options: ClassVar[Mapping[str, JSON]] = {}  # options that it adds to the common ones, with their defaults
    hard: ClassVar[bool] = False  # are rows assigned whole, so that the only end is a fixed point?
    trial_runs: ClassVar[tuple[int, int]] = (8, 8)  # candidates tried for each start, and EM steps each of them gets
    grows: ClassVar[bool] = False  # can `grown` make a larger model of a smaller one?
    measure: ClassVar[str] = "log_density"  # what `predict` says of each row beside its component

    # EM

    @abstractmethod
    def e_step(self, x: Array, weights: Array | None) -> S:
        """Statistics of some rows of these weights (n,), None for all 1. Raises Degenerate."""

    @abstractmethod
    def m_step(self, stats: S) -> Self:
        """The best model of the completed rows. Raises Degenerate."""

    @abstractmethod
    def posterior(self, x: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n), and log-densities or squared distances (n,)."""

    def labels(self, x: Array) -> IndexArray:
        """The likeliest component of each row (n,)."""
        found: IndexArray = self.posterior(x)[0].argmax(axis=0)
        return found

    def steps(self, rows: Rows, mapper: Mapper) -> Iterator[Step] | None:
        """A stream of steps of its own that reaches what EM reaches; None: EM, and Newton's where they serve."""
        return None

    @classmethod
    def measures(cls, score: float, rows: Rows, k: int) -> Measures:
        """How well a model of this score fits the rows."""
        return Measures(rows.log_likelihood(score))

    # start values and simulation

    @classmethod
    def requirements(cls, settings: ModelSettings) -> Requirements:
        """What a fit asks of its rows."""
        return Requirements(cls.observations, settings.k, ScalingRule.EACH_COLUMN)

    @classmethod
    @abstractmethod
    def initialize(
        cls, rows: Rows, settings: ModelSettings, init: Init, rng: np.random.Generator, candidate: int
    ) -> Self:
        """A start, drawn from the rows; `candidate` counts those of one start from 0: they may be of several kinds."""

    @classmethod
    @abstractmethod
    def estimate(cls, rows: Rows, members: Array) -> dict[str, JSON]:
        """Parameters in the user's units from known memberships (k, n)."""

    @property
    def shares(self) -> Array:
        """(k,) how many of the rows each component has."""
        return self.weights

    @abstractmethod
    def sample(self, labels: IndexArray, rng: np.random.Generator, trials: IndexArray | None = None) -> Array:
        """Rows (n, columns) drawn from the components with these labels (n,), of so many trials each where there are.

        Raises ParameterFault where a parameter that drawing needs is not there.
        """

    # units, and new rows

    def described(self, stats: S, rows: Rows) -> dict[str, JSON]:
        """The parameters in the user's units with what the statistics of the rows tell beside them, for a document."""
        return self.to_parameters()

    def to_scaled(self, scaling: Scaling, covariance: Array | None = None) -> Self:
        """The same in working coordinates, in which all rows have this covariance (d, d)."""
        return self

    def to_original(self, scaling: Scaling) -> Self:
        """The same in the user's units."""
        return self

    def scaling(self, settings: ModelSettings, names: Sequence[str]) -> Scaling:
        """Working coordinates for new rows of these columns that the model, in the user's units, is to be applied to.

        Raises ParameterFault where it is not one of that many columns.
        """
        return Scaling(np.zeros(1), np.zeros(1, dtype=np.int64))

    def measured(self, found: Array, scaling: Scaling) -> Array:
        """What `predict` says of each row (n,), in the user's units, from what `posterior` found."""
        return found + scaling.log_density_shift()

    # models within models

    @classmethod
    def contains(cls, small: ModelSettings, large: ModelSettings) -> bool:
        """Is every model of the small settings also one of the large ones?"""
        return False

    def grown(self, settings: ModelSettings, rows: Rows, step: float) -> Iterator[Self]:
        """Models of the settings from this smaller one, its components split by `step` sds either way.

        The smaller the step, the closer to the score of this one.
        """
        return iter(())

    # what can be said of a fit

    def spurious(self, stats: Callable[[], S], rows: Rows) -> str | None:
        """What makes it an artefact of a few rows; stats() are those of its E-step."""
        return None

    def identical_components(self) -> tuple[int, int] | None:
        """Two components that are the same for all purposes, if any are."""
        return None

    @classmethod
    def unidentifiable(cls, rows: Rows, settings: ModelSettings) -> str | None:
        """Why no data of this kind can tell that many components apart, where that is so."""
        return None

    @classmethod
    def global_optimum(cls, rows: Rows, settings: ModelSettings) -> Self | None:
        """The best model of all in working coordinates, where it can be had directly."""
        return None

    @classmethod
    def likelihood_bound(
        cls, log_likelihood: float | None, rows: Rows, settings: ModelSettings
    ) -> Mapping[str, float | None] | None:
        """What is known for certain of the best fit there can be, against a fit's log-likelihood."""
        return None

    def warnings(self, stats: S) -> Sequence[FitWarning]:
        """What else there is to say about the best fit."""
        return ()


AnyModel = Model[Any]  # a model of whatever statistics


def first_pair(alike: Callable[[int, int], bool], k: int) -> tuple[int, int] | None:
    """The first two of k components that are alike, if any are."""
    return next(((i, j) for i in range(k) for j in range(i + 1, k) if alike(i, j)), None)
