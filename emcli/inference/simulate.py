"""Drawing data: from an experiment's recipe, or from a fit as if it were the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emcli.compute.memory import require
from emcli.models.base import Family, ParameterFault
from emcli.types import Array, IndexArray


@dataclass(frozen=True, eq=False)
class Drawn:
    """Generated rows, the component that each came from, and the parameters they came from."""

    names: tuple[str, ...]
    values: Any  # (n, d) float64, or int64 for counts
    labels: IndexArray  # (n,) 0-based
    parameters: dict[str, Any]  # what they were drawn from, with every weight


def draw(
    family: Family,
    parameters: Mapping[str, Any],
    rows: int | None,
    seed: int,
    sizes: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Drawn:
    """Draw rows; `sizes` fixes how many come from each component, in shuffled order. Raises ParameterFault."""
    sampler = family.sampler(parameters, options or {})
    k, rng = len(sampler.weights), np.random.default_rng(seed)
    count = rows or sum(sizes or ())
    width = sampler.sample(np.zeros(1, dtype=np.intp), np.random.default_rng(0)).shape[1]
    require(8 * count * (2 * width + 3), f"{count} rows")
    if sizes is not None:
        if len(sizes) != k:
            raise ParameterFault(("sizes",), f"must have {k} values, one for each component, got {len(sizes)}")
        labels = rng.permutation(np.repeat(np.arange(k), sizes))
    else:
        assert rows is not None
        labels = rng.choice(k, rows, p=sampler.weights)
    values = sampler.sample(labels, rng)
    return Drawn(
        _named(values, columns, getattr(sampler, "columns", None)),
        values,
        labels,
        {**parameters, "weights": sampler.weights.tolist()},
    )


def _named(values: Array, columns: Sequence[str] | None, fixed: Sequence[str] | None) -> tuple[str, ...]:
    d = values.shape[1]
    names = tuple(fixed or columns or (("x", "y")[:d] if d <= 2 else [f"x{j + 1}" for j in range(d)]))
    if len(names) != d:
        raise ParameterFault(("columns",), f"must have {d} names, got {len(names)}")
    return names
