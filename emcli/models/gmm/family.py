"""Gaussian mixtures as the rest of the program sees them: options, starts, parameters and their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from emcli.data import points
from emcli.data.rows import DataFault, Picked, Rows, Total
from emcli.data.scaling import weighed
from emcli.errors import FitWarning
from emcli.models import nesting
from emcli.models.base import Count, ParameterFault, Predictor, Share
from emcli.models.gmm import spurious
from emcli.models.gmm.covariance import SHAPES, is_covariance
from emcli.models.gmm.initialization import cluster_moments, from_members, of_all_sizes
from emcli.models.gmm.mixture import Gaussian, Moments
from emcli.models.parameters import Given
from emcli.models.seeding import far_apart, squared_distances
from emcli.types import Array, IndexArray

COLLINEAR = 1e-12  # smallest eigenvalue of the correlations below which one column follows from the others


class GaussianFamily:
    """Gaussian mixtures of full, tied, diagonal or spherical covariance."""

    name = "gmm"
    options: Mapping[str, object] = {
        "covariance": "full",
        "mixing": "free",
        "init": "k-means++",
        "bootstrap": None,
        "solver": None,
    }
    fixed_point = "rounding"
    hard = False

    def select(self, header: Sequence[str], find: Callable[[str], int], taken: set[int], settings: Any) -> Picked:
        return points.select(header, find, taken, settings)

    def rows(
        self, numbers: Array, texts: Sequence[list[str]], weights: Array | None, names: Sequence[str], settings: Any
    ) -> Rows:
        spherical = settings.model.covariance == "spherical"
        rows = points.rows(numbers, weights, names, settings.model.k, common=spherical)
        rows = replace(rows, spread=points.spread(rows))
        flat = np.ptp(rows.values, axis=1) == 0
        _refuse_flat(rows, rows.count, flat, spherical, settings.model.covariance in ("full", "tied"))
        return rows

    def across(self, total: Total, names: Sequence[str], settings: Any) -> Rows:
        spherical = settings.model.covariance == "spherical"
        rows, flat = points.across(total, names, settings.model.k, common=spherical)
        _refuse_flat(rows, int(rows.total), flat, spherical, settings.model.covariance in ("full", "tied"))
        return rows

    def placed(self, numbers: Array, weights: Array | None, like: Rows) -> Rows:
        return points.placed(numbers, weights, like)

    def draw(self, rows: Rows, settings: Any, rng: np.random.Generator) -> Iterator[Gaussian]:
        k, d, shape = settings.model.k, len(rows.values), SHAPES[settings.model.covariance]
        assert rows.spread is not None
        free = settings.model.mixing == "free"
        if settings.search.init == "random":
            extent = np.ptp(rows.values, axis=1)
            while True:
                means = points.uniform(rows, k, rng)
                matrices = np.zeros((k, d, d))
                matrices[:, range(d), range(d)] = (rng.uniform(1 / 70, 1 / 7, size=(k, d)) * extent) ** 2
                if shape is SHAPES["tied"]:
                    matrices[:] = matrices.mean(axis=0)
                yield Gaussian(np.full(k, 1.0 / k), means, shape.of(matrices, rows.spread), free)
        unit = np.sqrt(np.diag(rows.spread))[:, None]
        unit[unit == 0] = 1.0  # a constant column, which spherical components can have
        for number in count():
            if number % 4 == 3 and shape is not SHAPES["tied"]:
                yield of_all_sizes(rows, k, shape, free, rng)
                continue
            # Spherical answers depend on the units: clusters may show in these, or where all columns count the same.
            common = shape is SHAPES["spherical"] and rng.integers(2) == 1
            seen = rows.values / (unit.max() if common else unit)
            chosen = far_apart(seen, rows.weights, k, rng)
            members = np.zeros((k, seen.shape[1]))
            members[squared_distances(seen, seen[:, chosen].T).argmin(axis=0), range(seen.shape[1])] = 1.0
            yield from_members(rows, members, shape, free, int(rng.integers(3)))

    def short_runs(self, settings: Any) -> tuple[int, int]:
        return (1, 0) if settings.search.init == "random" or settings.model.k == 1 else (8, 8)

    def read(
        self, parameters: Mapping[str, Any], settings: Mapping[str, Any], k: int | None = None, rows: Rows | None = None
    ) -> Gaussian:
        given = Given(parameters, ("weights", "means", "covariances", "sds"))
        means = given.matrix("means", k, len(rows.names) if rows else None)
        weights = given.weights(len(means))
        matrices = _given_matrices(given, means, rows)
        free = settings.get("mixing", "free") == "free"
        if not free and rows is not None and np.ptp(weights) > 1e-9:
            raise ParameterFault(("weights",), "must be equal with mixing: equal")
        shape = settings.get("covariance", "full")
        covariances = SHAPES[shape].of(matrices, None)
        sds = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
        apart = np.abs(covariances.full() - matrices) > 1e-9 * sds[:, :, None] * sds[:, None, :]
        if ("covariances" in given or "sds" in given) and apart.any():
            raise ParameterFault(("covariances" if "covariances" in given else "sds",), f"are not {shape}")
        return Gaussian(weights, means, covariances, free)

    def write(self, model: Gaussian, stats: Moments | None = None, rows: Rows | None = None) -> dict[str, Any]:
        return {
            "weights": model.weights.tolist(),
            "means": model.means.tolist(),
            "covariances": model.covariances.full().tolist(),
        }

    def sampler(self, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> Gaussian:
        return self.read(parameters, {})

    def inward(self, model: Gaussian, rows: Rows) -> Gaussian:
        covariances = model.covariances.rescaled(-rows.frame.exponent, rows.spread)
        return replace(model, means=rows.frame.inward(model.means), covariances=covariances)

    def outward(self, model: Gaussian, rows: Rows) -> Gaussian:
        covariances = model.covariances.rescaled(rows.frame.exponent, None)
        return replace(model, means=rows.frame.outward(model.means), covariances=covariances)

    def order(self, model: Gaussian) -> IndexArray:
        spreads = np.diagonal(model.covariances.full(), axis1=1, axis2=2)
        return np.lexsort(np.column_stack([model.means, spreads, model.weights]).T[::-1])

    def measures(self, score: float, rows: Rows, k: int) -> tuple[float | None, float | None]:
        return score + rows.total * rows.frame.log_density_shift(), None

    def apart(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> Array:
        """Wasserstein distances of the columns' marginals (Givens & Shortt 1984), in units of the mean variance."""
        means, others = (np.asarray(each["means"], dtype=np.float64) for each in (one, other))
        sds, other_sds = (np.sqrt(np.diagonal(each["covariances"], axis1=1, axis2=2)) for each in (one, other))
        unit = np.concatenate([sds, other_sds]) ** 2
        away = (means[:, None] - others) ** 2 + (sds[:, None] - other_sds) ** 2
        return np.asarray(np.sqrt((away / unit.mean(axis=0)).sum(axis=2)))

    def within(self, small: Mapping[str, Any], large: Mapping[str, Any]) -> bool:
        shapes = (small["covariance"], large["covariance"])
        shaped = shapes[0] == shapes[1] or shapes[1] == "full" or shapes == ("spherical", "diag")
        return nesting.within(small, large) and (shaped or (small["k"] == 1 and shapes[1] == "tied"))

    def grown(self, model: Gaussian, settings: Any, rows: Rows, step: float) -> Iterator[Gaussian]:
        matrices, free = model.covariances.full(), settings.model.mixing == "free"
        variances, vectors = np.linalg.eigh(matrices)
        axes = np.sqrt(variances[:, -1:]) * vectors[:, :, -1]
        for parents, offsets, weights in nesting.parted(model.weights, settings.model.k, free):
            means = model.means[parents] + step * offsets[:, None] * axes[parents]
            yield Gaussian(weights, means, SHAPES[settings.model.covariance].of(matrices[parents], rows.spread), free)

    def table(self, parameters: Mapping[str, Any], names: Sequence[str], total: float) -> list[tuple[str, list[Any]]]:
        means, matrices = np.asarray(parameters["means"]), np.asarray(parameters["covariances"])
        weights = parameters["weights"]
        columns: list[tuple[str, list[Any]]] = [
            ("rows", [Count(total * w) for w in weights]),
            ("weight", [Share(w) for w in weights]),
        ]
        if len(names) == 1:
            return [
                *columns,
                (f"mean {names[0]}", means[:, 0].tolist()),
                ("sd", np.sqrt(matrices[:, 0, 0]).tolist()),
                ("variance", matrices[:, 0, 0].tolist()),
            ]
        columns += [(f"mean {name}", means[:, j].tolist()) for j, name in enumerate(names)]
        return columns + [(f"sd {name}", np.sqrt(matrices[:, j, j]).tolist()) for j, name in enumerate(names)]

    def estimate(self, rows: Rows, members: Array, settings: Any) -> dict[str, Any]:
        weighted = weighed(members, rows.weights)
        sizes, means, scatter = cluster_moments(rows.values, weighted)
        matrices = np.ldexp(scatter / sizes[:, None, None], rows.frame.exponent[:, None] + rows.frame.exponent)
        weights = sizes / sizes.sum()
        outward = rows.frame.outward(means)
        return {"weights": weights.tolist(), "means": outward.tolist(), "covariances": matrices.tolist()}

    def extras(self, rows: Rows) -> dict[str, Any]:
        return {}

    def predictor(self, parameters: Mapping[str, Any], settings: Mapping[str, Any], names: Sequence[str]) -> Predictor:
        model = self.read(parameters, settings)
        spreads = np.sqrt(np.diagonal(model.covariances.full(), axis1=1, axis2=2))
        frame = points.around(model.means, spreads, settings.get("covariance") == "spherical", names)
        inward = replace(
            model,
            means=frame.inward(model.means),
            covariances=model.covariances.rescaled(-frame.exponent, None),
        )

        def apply(numbers: Array, texts: Sequence[list[str]]) -> tuple[Array, Array]:
            responsibilities, log_density = inward.posterior(np.ascontiguousarray(frame.inward(numbers).T))
            return responsibilities, log_density + frame.log_density_shift()

        return Predictor(False, apply, len(model.means), "log_density")

    def spurious(self, model: Gaussian, stats: Callable[[], Moments], rows: Rows) -> str | None:
        return spurious.spurious(model.ordered(self.order(model)), stats().rows[self.order(model)], rows)

    def identical(self, model: Gaussian) -> tuple[int, int] | None:
        return spurious.identical(model)

    def unidentified(self, rows: Rows, settings: Any) -> str | None:
        return None

    def exact(self, rows: Rows, settings: Any) -> None:
        return None

    def certificate(self, log_likelihood: float | None, rows: Rows, settings: Any) -> dict[str, float] | None:
        return None

    def cautions(self, model: Gaussian, stats: Moments) -> list[FitWarning]:
        return []


def _refuse_flat(rows: Rows, n: int, flat: npt.NDArray[np.bool_], spherical: bool, correlated: bool) -> None:
    assert rows.spread is not None
    variances = np.diag(rows.spread)
    if flat.all():
        raise DataFault(f"all {n} rows are identical; no variance to fit", unusable=False)
    if spherical:
        return
    if flat.any():
        j = int(np.argmax(flat))
        value = float(rows.frame.centre[j])
        raise DataFault(
            f"column {rows.names[j]!r} is constant ({value!r})", "leave it out with --columns", unusable=False
        )
    d = len(variances)
    if correlated and 1 < n <= d:
        raise DataFault(
            f"a covariance of {d} columns needs more than {d} rows, got {n}",
            "use --covariance diag, or fewer --columns",
            unusable=False,
        )
    if correlated and d > 1:
        scale = np.sqrt(variances)
        if np.linalg.eigvalsh(rows.spread / np.outer(scale, scale))[0] < COLLINEAR:
            raise DataFault(
                "one column follows from the others (the covariance of all rows is singular)",
                "leave a column out with --columns, or use --covariance diag",
                unusable=False,
            )


def _given_matrices(given: Given, means: Array, rows: Rows | None) -> Array:
    k, d = means.shape
    if "covariances" in given and "sds" in given:
        raise ParameterFault(("sds",), "give covariances or sds, not both")
    if "covariances" in given:
        matrices = given.array("covariances", (k, d, d))
        for i, matrix in enumerate(matrices):
            if not is_covariance(matrix):
                raise ParameterFault(("covariances", i), "must be a symmetric, positive definite matrix")
        return matrices
    if "sds" in given:
        sds = given.matrix("sds", k, d)
        for i, j in zip(*np.nonzero(~((sds > 1e-150) & (sds < 1e150))), strict=True):
            raise ParameterFault(("sds", int(i)), f"must be positive, got {sds[i, j]:g}")
        return sds[:, :, None] ** 2 * np.eye(d)
    if rows is None or rows.spread is None:
        raise ParameterFault((), "missing 'covariances' or 'sds'")
    spread = np.ldexp(rows.spread, rows.frame.exponent[:, None] + rows.frame.exponent)
    return np.broadcast_to(spread, (k, d, d)).copy()
