"""The plain values of coins: P(heads) checked, estimated from known memberships, compared and tabulated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Requirements, Rows
from emcli.data.scaling import Scaling
from emcli.models.coins.fixed import refuse_contradictions
from emcli.models.coins.prior import BetaPrior
from emcli.models.complete_data import CompleteDataModel
from emcli.models.parameters import ParameterFault, ParameterReader
from emcli.models.plain_values import Parameters
from emcli.models.statistics import S
from emcli.types import JSON, Array


class CoinValues(CompleteDataModel[S]):
    """The part of a mixture of coins that reads and writes their P(heads)."""

    titles: ClassVar = {"heads": "P(heads)"}
    heads: Array  # (k,) P(heads)
    prior: BetaPrior | None

    @classmethod
    def from_parameters(
        cls, parameters: Parameters, settings: ModelSettings | None = None, rows: Rows | None = None
    ) -> Self:
        """As of every model; with a prior no P(heads) that is estimated is 0 or 1. Raises ParameterFault."""
        found = super().from_parameters(parameters, settings, rows)
        prior = None if settings is None or rows is None else BetaPrior.of(settings)
        free = True if found.fixed is None else np.isnan(found.fixed.values)
        for i in np.flatnonzero(((found.heads == 0) | (found.heads == 1)) & free) if prior else ():
            raise ParameterFault(("heads", int(i)), f"has density 0 under the prior, got {found.heads[i]:g}")
        return replace(found, prior=prior)  # type: ignore[type-var]

    @classmethod
    def requirements(cls, settings: ModelSettings) -> Requirements:
        """As of every model; P(heads) that are held must not contradict the rows."""
        found = super().requirements(settings)
        return found if settings.fix is None else replace(found, check=lambda rows: cls._checked(rows, settings))

    @classmethod
    def _checked(cls, rows: Rows, settings: ModelSettings) -> Rows:
        """The rows. Raises RowFault where held values contradict one; what else is wrong with these is told later."""
        with suppress(ParameterFault):
            if (fixed := cls.fixed_in(settings, 1)) is not None:
                refuse_contradictions(rows, fixed)
        return rows

    @classmethod
    def check(cls, given: ParameterReader, k: int | None, d: int | None) -> dict[str, Array]:
        """P(heads) of each coin."""
        heads = given.array("heads", (k,))
        for i in np.flatnonzero(~((heads >= 0) & (heads <= 1))):
            raise ParameterFault(("heads", int(i)), f"must be a probability from 0 to 1, got {heads[i]:g}")
        return {"heads": heads}

    @classmethod
    def estimate(cls, rows: Rows, members: Array) -> dict[str, JSON]:
        """Shares of the rows and of heads in them, from known memberships (k, n)."""
        weighted = members if rows.weights is None else members * rows.weights
        heads, tails = (weighted @ rows.values[:2].T).T
        sizes = weighted.sum(axis=1)
        return {"weights": (sizes / sizes.sum()).tolist(), "heads": (heads / (heads + tails)).tolist()}

    def scaling(self, settings: ModelSettings, names: Sequence[str]) -> Scaling:
        """Counts are not scaled."""
        if len(names) > 2:
            raise ParameterFault((), f"coins have one or two columns, but data.columns names {len(names)}")
        return super().scaling(settings, names)

    @classmethod
    def distances(cls, one: Parameters, other: Parameters) -> Array:
        """Differences on the arcsine scale, on which a share of heads has constant variance (Freeman & Tukey 1950)."""
        angles, others = (np.arcsin(np.sqrt(np.asarray(each["heads"], dtype=np.float64))) for each in (one, other))
        return np.asarray(np.abs(angles[:, None] - others))
