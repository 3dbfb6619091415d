"""Described Gaussian components: their table, and how far those of two fits are apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emcli.models.plain_values import Count, Parameters, Share, Titled
from emcli.types import Array


def distances(one: Parameters, other: Parameters) -> Array:
    """Wasserstein distances of the columns' marginals (Givens & Shortt 1984), in units of the mean variance."""
    means, others = (np.asarray(each["means"], dtype=np.float64) for each in (one, other))
    matrices = (np.asarray(each["covariances"], dtype=np.float64) for each in (one, other))
    sds, other_sds = (np.sqrt(np.diagonal(each, axis1=1, axis2=2)) for each in matrices)
    unit = np.concatenate([sds, other_sds]) ** 2
    away = (means[:, None] - others) ** 2 + (sds[:, None] - other_sds) ** 2
    return np.asarray(np.sqrt((away / unit.mean(axis=0)).sum(axis=2)))


def table(parameters: Parameters, names: Sequence[str], total: float) -> list[Titled]:
    """Rows and mixing weight of each component, means and sds; in one dimension the variance too."""
    weights, means, matrices = (
        np.asarray(parameters[key], dtype=np.float64) for key in ("weights", "means", "covariances")
    )
    columns: list[Titled] = [("rows", [Count(total * w) for w in weights]), ("weight", [Share(w) for w in weights])]
    sds = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
    if len(names) == 1:
        columns += [(f"mean {names[0]}", means[:, 0].tolist()), ("sd", sds[:, 0].tolist())]
        return [*columns, ("variance", matrices[:, 0, 0].tolist())]
    columns += [(f"mean {name}", means[:, j].tolist()) for j, name in enumerate(names)]
    return columns + [(f"sd {name}", sds[:, j].tolist()) for j, name in enumerate(names)]
