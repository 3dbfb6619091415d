"""The base class of models: an immutable value with an E-step, an M-step, and defaults for the rest of the program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, cast

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Observations, Requirements, Rows
from emcli.data.scaling import Scaling, ScalingRule
from emcli.errors import FitWarning
from emcli.models import incomplete_class, noisy_class
from emcli.models.measures import Artefact, Measures
from emcli.models.nesting import Parts, firsts_first, grafted_weights, split_weights
from emcli.models.plain_values import PlainValues
from emcli.models.statistics import S
from emcli.types import JSON, Array, BoolArray, IndexArray, Mapper

if TYPE_CHECKING:
    from emcli.models.em import Step

UNIT_ROUNDOFF = 2.0**-53
MIN_EFFECTIVE_ROWS = 1e-30  # below which a component of a mixture has lost its rows


class Degenerate(Exception):
    """The likelihood has no maximum here: a component collapsed onto too few rows, or lost all of them."""


class Model(PlainValues, ABC, Generic[S]):
    """A latent-variable model of k components.

    A subclass is a frozen dataclass whose fields are `weights` (k,) and the parameters of its components, (k, ...). It
    implements the abstract methods; the other methods have defaults that hold for any model. A mixture needs fewer
    methods: see `Mixture`. `x` are rows as the observations lay them out, (d, n), in working coordinates.
    """

    name: ClassVar[str]  # its name on the command line
    observations: ClassVar[Observations]  # how its rows are read
    options: ClassVar[Mapping[str, object]] = {}  # options beside the common ones, with their defaults
    hard: ClassVar[bool] = False  # is each row assigned to one component only, so that EM ends at a fixed point?
    grows: ClassVar[bool] = False  # does it implement `split`?
    stacks: ClassVar[bool] = False  # does it implement `stacked`?
    unique_alone: ClassVar[bool] = True  # do all starts of a single component lead to the same optimum?
    others: ClassVar[tuple[str, ...]] = ()  # what components beside the k are called, which come after them
    measure: ClassVar[str] = "log_density"  # the column that `predict` adds beside the component

    @classmethod
    def for_rows(cls, rows: Rows, settings: ModelSettings) -> type[Self]:
        """The class that fits these rows: with noise, or where cells are missing, one that knows these."""
        if settings.noise:
            return cast("type[Self]", noisy_class(cls.name))
        return cls if rows.observed is None else cast("type[Self]", incomplete_class(cls.name) or cls)

    # EM

    @abstractmethod
    def e_step(self, x: Array, weights: Array | None) -> S:
        """Statistics of rows (d, n) with weights (n,), None for all 1. Raises Degenerate."""

    @abstractmethod
    def m_step(self, stats: S) -> Self:
        """The model that maximizes the expected complete-data score. Raises Degenerate."""

    @abstractmethod
    def posterior(self, x: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n), and log-densities or squared distances (n,)."""

    def penalised(self, stats: S) -> S:
        """Statistics of all rows whose score is the log posterior, where the model has a prior. Raises Degenerate."""
        return stats

    def adapted(self, rows: Rows, settings: ModelSettings) -> Self:
        """The same parameters with what is taken from other rows: a prior from their moments."""
        return self

    def log_prior(self) -> float:
        """ln of the prior density of the parameters; 0 without a prior."""
        return 0.0

    def labels(self, x: Array) -> IndexArray:
        """The likeliest component of each row (n,)."""
        found: IndexArray = self.posterior(x)[0].argmax(axis=0)
        return found

    def steps(self, rows: Rows, mapper: Mapper) -> Iterator[Step] | None:
        """The steps of a solver of its own with the fixed points of EM; None: EM, with Newton's method if possible."""
        return None

    @classmethod
    def measures(cls, score: float, rows: Rows, k: int) -> Measures:
        """Log-likelihood and inertia of a model of k components with this score."""
        return Measures(rows.log_likelihood(score))

    @property
    def is_explicit(self) -> bool:
        """Does one M-step lead to the optimum from anywhere? As with one component, whose rows are known to be its."""
        return len(self.weights) == 1

    # start values and simulation

    @classmethod
    def requirements(cls, settings: ModelSettings) -> Requirements:
        """The reading, scaling and checks of the rows that a fit needs."""
        return Requirements(cls.observations, settings.k, ScalingRule.EACH_COLUMN)

    @classmethod
    def start_kinds(cls, settings: ModelSettings) -> tuple[str, ...]:
        """The kinds of starts that `initialize` draws, in the order in which a search takes them in turn."""
        return ("k-means++", "uniform")

    @classmethod
    @abstractmethod
    def initialize(cls, rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator) -> Self:
        """Random start values of one of the kinds of `start_kinds`, drawn from the rows."""

    @classmethod
    @abstractmethod
    def estimate(cls, rows: Rows, members: Array) -> dict[str, JSON]:
        """Parameters in the user's units from known memberships (k, n)."""

    @property
    def shares(self) -> Array:
        """(k,) share of the rows in each component, and after them in others."""
        return self.weights

    @abstractmethod
    def sample(self, labels: IndexArray, rng: np.random.Generator, trials: IndexArray | None = None) -> Array:
        """Rows (n, columns) drawn from the components with these labels (n,); `trials` (n,) are those of binomials.

        Raises ParameterFault where a parameter that drawing needs is missing.
        """

    # units, and new rows

    def expected(self, x: Array) -> Array:
        """Rows (d, n) with the expected values of their missing cells in place."""
        raise NotImplementedError

    def described(self, stats: S, rows: Rows) -> dict[str, JSON]:
        """Parameters in the user's units for a document, with what follows from the statistics of the rows."""
        return self.to_parameters()

    def to_scaled(self, scaling: Scaling, covariance: Array | None = None) -> Self:
        """The model in working coordinates, in which all rows have this covariance (d, d)."""
        return self

    def to_original(self, scaling: Scaling) -> Self:
        """The model in the user's units."""
        return self

    def scaling(self, settings: ModelSettings, names: Sequence[str]) -> Scaling:
        """Working coordinates for applying this model, in the user's units, to new rows with these columns.

        Raises ParameterFault where the model has another number of columns.
        """
        return Scaling(np.zeros(1), np.zeros(1, dtype=np.int64))

    def measured(self, found: Array, scaling: Scaling, seen: BoolArray | None = None) -> Array:
        """Log-densities or distances (n,) in the user's units, from those that `posterior` gives.

        seen: (d, n) which cells of the rows are observed; None: all.
        """
        if seen is not None:
            return np.asarray(found - np.log(2.0) * (scaling.exponent @ seen))
        return found + scaling.log_density_shift()

    # models within models

    @classmethod
    def contains(cls, small: ModelSettings, large: ModelSettings) -> bool:
        """Is every model with the small settings also a model with the large ones?"""
        return False

    def grown(self, settings: ModelSettings, rows: Rows, step: float) -> Iterator[Self]:
        """Models with these settings, made from this smaller one by splitting components by `step` sds either way.

        The smaller the step, the closer their score is to that of this model.
        """
        free = settings.mixing == "free"
        return (
            self.split_keeping_names(parts, step, rows, settings)
            for parts in split_weights(self.weights, settings.k, free)
        )

    def split_keeping_names(
        self, parts: Parts, step: float, rows: Rows, settings: ModelSettings, rng: np.random.Generator | None = None
    ) -> Self:
        """As `split`; where components have names, second parts come last, so that each name keeps its place."""
        found = self.split(parts, step, rows, settings, rng)
        return found.ordered(firsts_first(parts.parents)) if rows.components else found

    def split(
        self, parts: Parts, step: float, rows: Rows, settings: ModelSettings, rng: np.random.Generator | None = None
    ) -> Self:
        """The model whose components are these parts of this one's, moved apart by `step` sds either way.

        With `rng` along a random axis, else along the longest.
        """
        raise NotImplementedError

    # moves from one optimum to another

    def grafted(self, i: int, other: Self, j: int, share: float) -> Self:
        """The model with component i replaced by component j of another, whose mixing weight becomes `share`."""
        parts = {name: getattr(self, name).copy() for name in self.parameter_names()}
        for name, part in parts.items():
            part[i] = getattr(other, name)[j]
        return replace(self, weights=grafted_weights(self.weights, i, getattr(self, "free", False), share), **parts)  # type: ignore[type-var]

    def alone(self, i: int) -> Self:
        """Component i, from which all rows come."""
        return replace(self.ordered(np.array([i])), weights=np.ones(1))  # type: ignore[type-var]

    def with_shares(self, shares: Array) -> Self:
        """The same components, of which each has this share (k,) of the rows."""
        return replace(self, weights=shares)  # type: ignore[type-var]

    def without(self, i: int) -> Self:
        """The model without component i."""
        left = self.ordered(np.delete(np.arange(len(self.weights)), i))
        return replace(left, weights=left.weights / left.weights.sum())  # type: ignore[type-var]

    def exchanged(self, rows: Rows) -> Self | None:
        """A better model close to this fixed point that EM cannot step to; None where there is none."""
        return None

    @classmethod
    def stacked(cls, models: Sequence[Self]) -> Self:
        """Several models along a new first axis of their arrays, of which E- and M-steps are made at once.

        Their statistics have a score each (t,); `ordered` chooses some; the M-step raises Degenerate where one does.
        """
        raise NotImplementedError

    def member(self, i: int) -> Self:
        """One of several models that are stacked."""
        raise NotImplementedError

    # diagnostics of a fit

    def artefact(self, rows: Rows, mapper: Mapper) -> Artefact | None:
        """Which component rests on chance or on too few rows; None where none does, or no likelihood is unbounded."""
        return None

    @classmethod
    def cause_of_collapse(cls, rows: Rows, settings: ModelSettings, ends: Sequence[Self]) -> tuple[str, str] | None:
        """What in the rows is to blame where starts collapse, and a hint; `ends` are the last models of such starts.

        Without these, only what the rows show by themselves.
        """
        return None

    def identical_components(self) -> tuple[int, int] | None:
        """Two components with equal parameters, None where all differ."""
        return None

    @classmethod
    def unidentifiable(cls, rows: Rows, settings: ModelSettings) -> str | None:
        """Why rows of this kind cannot identify k components; None where they can."""
        return None

    def unobserved(self, stats: S, rows: Rows) -> str | None:
        """Which parameters no observed cell tells of, for all the missing ones; None where cells tell of all."""
        return None

    @classmethod
    def global_optimum(cls, rows: Rows, settings: ModelSettings) -> Self | None:
        """The global optimum in working coordinates; None where it cannot be computed directly."""
        return None

    @classmethod
    def likelihood_bound(
        cls, log_likelihood: float | None, rows: Rows, settings: ModelSettings
    ) -> Mapping[str, float | None] | None:
        """A proven bound on the best possible log-likelihood, beside a fit's; None where there is no such bound."""
        return None

    def warnings(self, stats: S) -> Sequence[FitWarning]:
        """Further warnings about the best fit."""
        return ()


AnyModel = Model[Any]  # a model with any kind of statistics


def first_pair(alike: Callable[[int, int], bool], k: int) -> tuple[int, int] | None:
    """The first two of k components that are alike, None where none are."""
    return next(((i, j) for i in range(k) for j in range(i + 1, k) if alike(i, j)), None)
