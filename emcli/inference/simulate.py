"""Simulation of data from given parameters: those of an experiment's recipe or of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from emcli.compute.memory import require
from emcli.errors import counted
from emcli.frozen import frozen
from emcli.models.base import AnyModel, Degenerate
from emcli.models.parameters import ParameterFault
from emcli.models.plain_values import called
from emcli.types import JSON, Array, IndexArray


@frozen
class SimulatedData:
    """Simulated rows, the component of each, and the true parameters."""

    names: tuple[str, ...]
    values: Array  # (n, d) float64, or int64 for counts
    labels: IndexArray  # (n,) 0-based
    parameters: dict[str, JSON]  # the true ones, with all mixing weights
    called: Sequence[str] = ()  # what the components are called, where that is not their number


def draw(
    kind: type[AnyModel],
    parameters: Mapping[str, JSON],
    rows: int | None,
    seed: int,
    sizes: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
    tosses: int | Mapping[str, float] | None = None,
) -> SimulatedData:
    """Draw rows; `sizes` fixes how many come from each component, in shuffled order. Raises ParameterFault.

    tosses: the same number for every row, or relative frequencies of numbers of tosses.
    """
    try:
        model = kind.from_parameters(parameters)
    except Degenerate as reason:
        raise ParameterFault((), str(reason)) from None
    k, rng = len(model.shares), np.random.default_rng(seed)
    count = rows or sum(sizes or ())
    one = None if tosses is None else np.ones(1, dtype=np.intp)
    width = model.sample(np.zeros(1, dtype=np.intp), np.random.default_rng(0), one).shape[1]
    require(8 * count * (2 * width + 3), f"{count} rows")
    if sizes is not None:
        if len(sizes) != k:
            raise ParameterFault(
                ("sizes",), f"must have {counted(k, 'value')}, one for each component, got {len(sizes)}"
            )
        labels = rng.permutation(np.repeat(np.arange(k), sizes))
    else:
        assert rows is not None
        labels = rng.choice(k, rows, p=model.shares)
    values = model.sample(labels, rng, None if tosses is None else _trials(tosses, len(labels), rng))
    names = _named(values, columns, kind.observations.names)
    own = len(model.weights)
    known = {**parameters, "weights": model.shares[:own].tolist()}
    return SimulatedData(names, values, labels, known, [*called(own), *model.others] if model.others else ())


def _trials(tosses: int | Mapping[str, float], count: int, rng: np.random.Generator) -> IndexArray:
    """The number of tosses of each of `count` rows."""
    if isinstance(tosses, int):
        return np.full(count, tosses, dtype=np.int64)
    numbers = np.array([int(number) for number in tosses], dtype=np.int64)
    if len(numbers) == 1:
        return np.full(count, numbers[0], dtype=np.int64)
    often = np.array(list(tosses.values()), dtype=np.float64)
    return numbers[rng.choice(len(numbers), count, p=often / often.sum())]


def _named(values: Array, columns: Sequence[str] | None, fixed: Sequence[str] | None) -> tuple[str, ...]:
    d = values.shape[1]
    names = tuple(fixed or columns or (("x", "y")[:d] if d <= 2 else [f"x{j + 1}" for j in range(d)]))
    if len(names) != d:
        raise ParameterFault(("columns",), f"must have {counted(d, 'name')}, got {len(names)}")
    return names
