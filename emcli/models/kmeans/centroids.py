"""The plain values of K-means: centroids, sizes and spread read, written, ordered and tabulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Self

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.data.scaling import Scaling, weighed
from emcli.models.base import Model
from emcli.models.fixed import Fixed, FixedReader, some_of
from emcli.models.kmeans.assignment import KMeansStats
from emcli.models.parameters import ParameterFault, ParameterReader, refuse_other_columns
from emcli.models.plain_values import Parameters, Share, Titled, whole
from emcli.types import JSON, Array, BoolArray, IndexArray

PARAMETER_KEYS = ("centroids", "sizes", "sd", "scales", "weights", "observed")
NAMES = ("centroids",)  # of parameters, and of what can be held
HELD = some_of(NAMES)


class FixedCentroids(Fixed):
    """Coordinates of centroids (k, d) that are held; their mixing weights are none."""

    name = "centroids"

    def to_scaled(self, scaling: Scaling) -> Self:
        return replace(self, values=scaling.to_scaled(self.values))

    def to_original(self, scaling: Scaling) -> Self:
        return replace(self, values=scaling.to_original(self.values))


@dataclass(frozen=True, eq=False)
class Centroids(Model[KMeansStats]):
    """k centroids in d dimensions; `sizes`, `sd` and `scales` are for drawing rows and for new rows."""

    centroids: Array  # (k, d)
    refilled: int = 0  # how often an emptied cluster took the farthest row
    sizes: Array | None = None  # (k,) weight of the rows of each cluster
    sd: float | None = None  # of rows around their centroid, in units of `scales`
    scales: Array | None = None  # (d,) by which the columns were divided; None: by nothing
    fixed: FixedCentroids | None = None  # what is held
    weights: Array = field(init=False, repr=False)  # (k,) all 1: K-means has no mixing weights

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", np.ones(len(self.centroids)))

    @property
    def parameters_count(self) -> int:
        return self.centroids.size + 1 - (0 if self.fixed is None else self.fixed.count_of(False))

    @classmethod
    def parameter_names(cls) -> tuple[str, ...]:
        return NAMES

    @property
    def shares(self) -> Array:
        """(k,) share of the rows in each cluster; equal shares where the sizes are not known."""
        sizes = self.weights if self.sizes is None else self.sizes
        shares: Array = sizes / sizes.sum()
        return shares

    def to_parameters(self) -> dict[str, JSON]:
        """The centroids."""
        return {"centroids": self.centroids.tolist()}

    def described(self, stats: KMeansStats, rows: Rows) -> dict[str, JSON]:
        """Centroids, sizes, the sd of rows around their centroid, and the scales of standardized columns."""
        inertia = self.measures(stats.score, rows, len(self.centroids)).inertia or 0.0
        found = self.to_parameters()
        found["sizes"] = [whole(size) for size in stats.sizes.tolist()]
        found["sd"] = sqrt(inertia / rows.cells)
        if rows.scaling.unit is not None:
            found["scales"] = np.ldexp(rows.scaling.unit, rows.scaling.exponent).tolist()
        return found

    @classmethod
    def from_parameters(
        cls, parameters: Parameters, settings: ModelSettings | None = None, rows: Rows | None = None
    ) -> Self:
        """The model of given centroids, with sizes or weights, sd and scales if given. Raises ParameterFault."""
        given = ParameterReader(parameters, PARAMETER_KEYS)
        centroids = given.matrix("centroids", settings.k if settings else None, len(rows.names) if rows else None)
        k, d = centroids.shape
        sizes = given.array("sizes", (k,)) if "sizes" in given else None
        if sizes is None and "weights" in given:
            sizes = given.weights(k)
        if sizes is not None and ((sizes < 0).any() or not sizes.any()):
            raise ParameterFault(("sizes",), "must not be negative, nor all 0")
        sd = float(given.array("sd", ())) if "sd" in given else None
        scales = given.positive_array("scales", (d,)) if "scales" in given else None
        if "observed" in given:
            given.array("observed", (k, d))
        found = cls(centroids, sizes=sizes, sd=sd, scales=scales)
        return found if settings is None or rows is None else found.holding(cls.fixed_in(settings, d))

    @classmethod
    def fixed_in(cls, settings: ModelSettings, columns: int) -> FixedCentroids | None:
        """Coordinates of centroids that are held. Raises FixedFault."""
        if settings.fix is None:
            return None
        centroids = FixedReader(settings.fix, NAMES).matrix("centroids", settings.k, columns)
        return FixedCentroids(np.full(settings.k, np.nan), centroids)

    def held(self) -> Self:
        """The model with the coordinates that are held at their values again."""
        return self if self.fixed is None else replace(self, centroids=self.fixed.put(self.centroids))

    @classmethod
    def estimate(cls, rows: Rows, members: Array) -> dict[str, JSON]:
        """Centroids in the user's units and sizes, from known memberships (k, n)."""
        weighted = weighed(members, rows.weights)
        centroids = rows.scaling.to_original(weighted @ rows.values.T / weighted.sum(axis=1)[:, None])
        return {"centroids": centroids.tolist(), "sizes": weighted.sum(axis=1).tolist()}

    def ordered(self, order: IndexArray) -> Self:
        sizes = None if self.sizes is None else self.sizes[order]
        return replace(
            self, centroids=self.centroids[order], sizes=sizes, fixed=self.fixed and self.fixed.ordered(order)
        )

    @classmethod
    def table(cls, parameters: Parameters, names: Sequence[str], total: float) -> list[Titled]:
        """Sizes and shares, where they are known, and centroids."""
        columns: list[Titled] = []
        if parameters.get("sizes"):
            sizes: list[float] = np.asarray(parameters["sizes"]).tolist()
            columns = [("rows", sizes), ("share", [Share(size / sum(sizes)) for size in sizes])]
        centroids = np.asarray(parameters["centroids"])
        return columns + [(name, centroids[:, j].tolist()) for j, name in enumerate(names)]

    def to_scaled(self, scaling: Scaling, covariance: Array | None = None) -> Self:
        fixed = self.fixed and self.fixed.to_scaled(scaling)
        return replace(self, centroids=scaling.to_scaled(self.centroids), fixed=fixed)

    def to_original(self, scaling: Scaling) -> Self:
        fixed = self.fixed and self.fixed.to_original(scaling)
        return replace(self, centroids=scaling.to_original(self.centroids), fixed=fixed)

    def scaling(self, settings: ModelSettings, names: Sequence[str]) -> Scaling:
        """Coordinates around the first centroid, in the scales that the columns were divided by."""
        refuse_other_columns(self.centroids, names)
        if self.scales is not None:
            exponent = np.frexp(self.scales)[1].astype(np.int64)
            return Scaling(self.centroids[0].copy(), exponent, np.ldexp(self.scales, -exponent))
        return Scaling.around(self.centroids, np.ptp(self.centroids, axis=0, keepdims=True), common=True)

    def measured(self, found: Array, scaling: Scaling, seen: BoolArray | None = None) -> Array:
        """Distances (n,) to the nearest centroid, in the user's units, or in standardized ones."""
        return np.ldexp(np.sqrt(found), 0 if scaling.unit is not None else scaling.exponent[0])
