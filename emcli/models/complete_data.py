"""Complete-data scores and information, from which the observed information follows (Louis 1982)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from emcli.frozen import frozen
from emcli.models.base import Model
from emcli.models.posterior import tilted
from emcli.models.statistics import S
from emcli.types import Array, BoolArray, IndexArray


@frozen
class Chart:
    """Which of the p coordinates of `complete` are free where parameters are held: q of them.

    Of mixing weights of which some are held, the log-ratios of the others to the last of these are the coordinates.
    """

    own: BoolArray  # (m,) which of the components' coordinates are free
    weights: Array | None  # (k,) mixing weights; None where none is estimated
    free: BoolArray  # (k,) which of them are

    @property
    def partial(self) -> bool:
        """Are some mixing weights held, and others estimated?"""
        return self.weights is not None and not self.free.all()

    def directions(self) -> Array:
        """How the log-ratios (k - 1,) to the last weight change with the coordinates of the weights, (k - 1, f)."""
        if self.weights is None:
            return np.zeros((0, 0))
        k = len(self.weights)
        if not self.partial:
            return np.eye(k - 1)
        among = np.flatnonzero(self.free)[:-1]
        slopes = np.eye(k)[:, among] - np.where(self.free, 1.0, 0.0)[:, None] * self.shares()[among]
        return np.asarray(slopes[:-1] - slopes[-1])

    def shares(self) -> Array:
        """The weights (k,) relative to the sum of those that are free."""
        assert self.weights is not None
        return np.asarray(self.weights / self.weights[self.free].sum())

    @property
    def count(self) -> int:
        """How many of the components' coordinates are free."""
        return int(self.own.sum())

    def into(self) -> Array:
        """How all coordinates (p,) change with those that are free, (p, q)."""
        m, free, directions = len(self.own), self.count, self.directions()
        found = np.zeros((m + directions.shape[0], free + directions.shape[1]))
        found[np.flatnonzero(self.own), np.arange(free)] = 1.0
        found[m:, free:] = directions
        return found

    def bend(self, slopes: Array) -> Array | None:
        """What the observed information (q, q) has besides, from slopes (p,), where the free coordinates are curved."""
        return None

    def gradient(self, slopes: Array) -> Array:
        """The slopes (q,) in the free coordinates, of those in all of them (p,)."""
        m = len(self.own)
        return np.concatenate([slopes[:m][self.own], slopes[m:] @ self.directions()])

    def step(self, step: Array) -> Array:
        """A step (q,) of the free coordinates as one of the components' coordinates, (m,)."""
        found = np.zeros(len(self.own))
        found[self.own] = step[: self.own.sum()]
        return found

    def tilted(self, step: Array, weights: Array) -> Array:
        """Mixing weights (k,) after a step (q,) of the free coordinates."""
        if self.weights is None:
            return weights
        moved = weights.copy()
        moved[self.free] = weights[self.free].sum() * tilted(weights[self.free], step[self.count :])
        return moved


@frozen
class CompleteData:
    """Scores and information of some rows if it were known which component each came from.

    Parameters are natural ones of an exponential family, so that the information of the complete data does not depend
    on the hidden labels. A component has m of the p parameters: its own, and those shared by all.
    """

    responsibilities: Array  # (k, n)
    scores: Array  # (k, m, n) of each row if it came from that component
    information: Array  # (k, m, m) of the complete data, summed over the rows with their weights and responsibilities
    places: IndexArray  # (k, m) indices of the m parameters among the p; mixing weights come after them
    mixing: Array | None  # (k,) mixing weights, None where they are not estimated
    # (k, m, m) covariances of the scores given the row and its component, summed likewise; None: rows are complete,
    # and these say all. Of incomplete ones `scores` are the expected ones.
    hidden: Array | None = None
    chart: Chart | None = None  # the free ones among the p parameters; None: all


class CompleteDataModel(Model[S]):
    """A model with complete-data scores, so that its information can be computed and Newton's method be used."""

    @abstractmethod
    def complete(self, x: Array, weights: Array | None) -> CompleteData:
        """Complete-data scores and information of rows (d, n) with weights (n,)."""

    @abstractmethod
    def moved(self, step: Array) -> Self:
        """The model after a step (p,) in the parameters of `complete`. Raises Degenerate for an impossible one."""

    def chart(self) -> Chart | None:
        """The free coordinates among those of `complete`, where parameters are held; None: all are free."""
        return None

    @property
    def has_information(self) -> bool:
        """Are the free parameters some of the coordinates of `complete`, so that their information is known?"""
        return True

    @property
    def has_slopes(self) -> bool:
        """Are there `slopes` and `statistics_of`, for quasi-Newton steps where the information is not known?"""
        return False

    def slopes(self, stats: S) -> tuple[Array, Array]:
        """Slopes (…, p) of the log-likelihood from an E-step, and the complete-data information (…, p) of each.

        The p coordinates are the model's own: they are 0 at the model. Several models at once have theirs each.
        """
        raise NotImplementedError

    def statistics_of(self, stats: S, step: Array) -> S:
        """The statistics of which an M-step makes a step (…, p) in these coordinates."""
        raise NotImplementedError

    def gradient(self, stats: S) -> Array | None:
        """The slopes (p,) of the log-likelihood in the parameters of `complete`, from an E-step at this model.

        None where its statistics do not say them.
        """
        return None

    def of_free(self, slopes: Array) -> Array:
        """Slopes of the log-likelihood (p,) with those of the prior, in the coordinates that are free."""
        prior, chart = self.prior_information(), self.chart()
        slopes = slopes if prior is None else slopes + prior[0]
        return slopes if chart is None else chart.gradient(slopes)

    def prior_information(self) -> tuple[Array, Array] | None:
        """Slopes (p,) of the log prior in the parameters of `complete`, and its information (p,), which is diagonal.

        None without a prior.
        """
        return None

    def inward(self, e_step: Callable[[Self], S]) -> Sequence[Iterator[Self]]:
        """Ways off the boundary of the parameters along which the likelihood rises, each from near to far.

        A parameter on its boundary has no complete-data information; its slope tells whether it belongs there.
        """
        return ()

    def closed(self) -> Iterator[Self]:
        """Models in which one more parameter, which is next to its boundary, is set to it."""
        return iter(())


AnyCompleteDataModel = CompleteDataModel[Any]  # with any kind of statistics
