"""What an E-step collects from rows."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self, TypeVar

import numpy as np

from emcli.types import Array, IndexArray


@dataclass(frozen=True, eq=False)
class Stats:
    """Sufficient statistics that the E-step collects from some rows; `+` pools those of several batches."""

    weight: float
    score: float  # the objective of EM: the log-likelihood, with a prior log posterior; or minus half the inertia
    squares: float  # Σ w t² over terms t that cancel in each row's score, for its rounding error; 0 where none cancel

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def chosen(self, which: int | IndexArray) -> Self:
        """Those of one, or of some, of several models that are stacked."""
        arrays = {f.name: part[which] for f in fields(self) if np.ndim(part := getattr(self, f.name))}
        return replace(self, **arrays)

    def as_one_of(self, component: int, k: int) -> Self:
        """Those of a single component as the statistics of one of k components; the others have none of the rows."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}
        return replace(self, **{name: _padded(part, component, k) for name, part in arrays.items()})  # type: ignore[arg-type]


def _padded(part: Array, component: int, k: int) -> Array:
    """An array (1, ...) of one component as that of k components, (k, ...), with 0 for the others."""
    whole = np.zeros((k, *part.shape[1:]))
    whole[component] = part[0]
    return whole


S = TypeVar("S", bound=Stats)
