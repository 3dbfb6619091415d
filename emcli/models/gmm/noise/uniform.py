"""The noise of a mixture: a uniform density over a box, and its share of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from math import exp
from typing import Self

import numpy as np

from emcli.data.extent import Box
from emcli.data.scaling import Scaling
from emcli.frozen import frozen
from emcli.models.parameters import ParameterFault, ParameterReader
from emcli.types import JSON, Array

FIRST_SHARE = 0.05  # of a start that says nothing of the noise
SAME_VOLUME = 1e-6  # relative difference of a volume that is given to that of its box
MAX_LOG_VOLUME = 690.0  # beyond which it, or one over it, is no double


@frozen
class Uniform:
    """A uniform density over a box, in some coordinates; `weight` of several mixtures at once is an array (t,)."""

    weight: float | Array  # the share of the rows
    box: Box
    log_density: float = field(init=False)  # ln of 1 / its volume

    def __post_init__(self) -> None:
        object.__setattr__(self, "log_density", -self.box.log_volume)

    def log_joint(self) -> Array:
        """ln of weight times density, (); of several mixtures (t,)."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.weight) + self.log_density)

    def log_rest(self) -> Array:
        """ln of the share that is left to the Gaussians, likewise."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log1p(-np.asarray(self.weight)))

    def at(self, weight: float | Array) -> Self:
        """The same box with another share."""
        return type(self)(weight, self.box)

    def to_scaled(self, scaling: Scaling) -> Self:
        """The same in working coordinates, from the user's units."""
        return type(self)(self.weight, scaling.box_to_scaled(self.box))

    def to_original(self, scaling: Scaling) -> Self:
        """The same in the user's units, from working coordinates."""
        return type(self)(self.weight, scaling.box_to_original(self.box))

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """So many rows (count, d), drawn uniformly."""
        return self.box.points(rng.random((count, len(self.box.corner))))

    def to_parameters(self) -> dict[str, JSON]:
        """Its share, its volume, and its box: a corner, and the edges from there."""
        volume = exp(min(self.box.log_volume, MAX_LOG_VOLUME))
        corner, edges = self.box.corner.tolist(), self.box.edges.tolist()
        return {"weight": float(self.weight), "volume": volume, "corner": corner, "edges": edges}

    @classmethod
    def of_parameters(cls, given: JSON, d: int, box: Box | None) -> Self:
        """From what a document says; the box is that of the rows, where there are some. Raises ParameterFault."""
        if given is None and box is not None:
            return cls(FIRST_SHARE, box)
        if not isinstance(given, Mapping):
            raise ParameterFault(("noise",), "must be a mapping with the keys weight, corner and edges")
        return cls(*_weight_and_box(given, d, box))


def _weight_and_box(given: Mapping[str, JSON], d: int, box: Box | None) -> tuple[float, Box]:
    """Both, from what is given or from the rows; the paths of faults begin with `noise`."""
    try:
        reader = ParameterReader(given, ("weight", "volume", "corner", "edges"))
        weight = float(reader.array("weight", ()))
        if not 0 <= weight < 1:
            raise ParameterFault(("weight",), f"must be from 0 to below 1, got {weight:g}")
        if box is not None:
            return weight, box
        edges = given.get("edges")  # lengths (d,) along the columns, or vectors (d, d)
        along = isinstance(edges, list) and bool(edges) and not isinstance(edges[0], list)
        found = Box(reader.array("corner", (d,)), reader.array("edges", (d,) if along else (d, d)))
        if (found.edges.ndim == 1 and not (found.edges > 0).all()) or not abs(found.log_volume) < MAX_LOG_VOLUME:
            raise ParameterFault(("edges",), "must span a box with a volume")
        if "volume" in reader and abs(reader.positive("volume") / exp(found.log_volume) - 1) > SAME_VOLUME:
            raise ParameterFault(("volume",), f"must be {exp(found.log_volume):g}, that of the edges")
    except ParameterFault as fault:
        raise ParameterFault(("noise", *fault.path), fault.what) from None
    return weight, found
