"""Names for the types that every package shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
# Rows as the model lays them out, (d, n); their weights (n,), None when all are 1; and where some rows have a known
# component, which one all these have, None if it is hidden.
Batch = tuple[Array, Array | None] | tuple[Array, Array | None, int | None]
Mapper = Callable[..., Iterable[Any]]  # map(), or a parallel map that gives results in order
JSON = str | int | float | bool | None | list["JSON"] | dict[str, "JSON"]
