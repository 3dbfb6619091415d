"""Complete-data scores and information, from which the observed information follows (Louis 1982)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from emcli.models.base import Model, S
from emcli.types import Array, IndexArray


@dataclass(frozen=True, eq=False)
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


class CompleteDataModel(Model[S]):
    """A model with complete-data scores, so that its information can be computed and Newton's method be used."""

    @abstractmethod
    def complete(self, x: Array, weights: Array | None) -> CompleteData:
        """Complete-data scores and information of rows (d, n) with weights (n,)."""

    @abstractmethod
    def moved(self, step: Array) -> Self:
        """The model after a step (p,) in the parameters of `complete`. Raises Degenerate for an impossible one."""

    def gradient(self, stats: S) -> Array | None:
        """The slopes (p,) of the log-likelihood in the parameters of `complete`, from an E-step at this model.

        None where its statistics do not say them.
        """
        return None

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
