"""What rows would tell of the parameters if their components were known: for Newton's steps (Louis 1982)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Self

from emcli.models.base import Model, S
from emcli.types import Array, IndexArray


@dataclass(frozen=True, eq=False)
class CompleteData:
    """The complete data of some rows: what each would say if it were known which component it came from.

    Parameters are natural ones of an exponential family, so that the information of the complete data does not depend
    on what is hidden. A component knows m of the p parameters: its own, and those that all share.
    """

    responsibilities: Array  # (k, n)
    scores: Array  # (k, m, n) of each row, if it came from that component
    information: Array  # (k, m, m) of the complete data, summed over the rows with their weights and responsibilities
    places: IndexArray  # (k, m) where the m stand among the p; mixing weights come after them
    mixing: Array | None  # (k,) mixing weights, None where they are not estimated


class CompleteDataModel(Model[S]):
    """A model whose complete data are known, so that its information can be computed and Newton's steps be taken."""

    @abstractmethod
    def complete(self, x: Array, weights: Array | None) -> CompleteData:
        """What some rows (d, n) of these weights (n,) would tell if their components were known."""

    @abstractmethod
    def moved(self, step: Array) -> Self:
        """After a step (p,) in the parameters of `complete`. Raises Degenerate where it goes too far."""


AnyCompleteDataModel = CompleteDataModel[Any]  # of whatever statistics
