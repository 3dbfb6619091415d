"""K-means: hard EM, each row with its nearest centroid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import ldexp, log, pi, sqrt
from operator import add
from typing import Any, Self

import numpy as np

from emcli.data import points
from emcli.data.rows import Picked, Rows, Total, pieces
from emcli.errors import FitWarning
from emcli.models.base import ParameterFault, Predictor, Share, Stats, Step, first_pair, pooled_e_step
from emcli.models.kmeans.assignment import assigned, clustered, nearest
from emcli.models.kmeans.spheres import Spheres
from emcli.models.parameters import Given
from emcli.models.seeding import far_apart
from emcli.types import Array, IndexArray, Mapper

KEYS = ("centroids", "sizes", "sd", "scales", "weights")  # scales: what columns were divided by, (d,)
EXACT = 100_000  # different values on a line up to which the best clusters of all are found


@dataclass(frozen=True)
class Assignment(Stats):
    """Sums over the rows of each cluster, and the row that lies farthest from its centroid."""

    sizes: Array  # (k,) weight of the rows assigned
    sums: Array  # (k, d)
    farthest: Array  # (d,)
    farthest_distance: float  # squared

    @classmethod
    def of(cls, rows: Array, weights: Array | None, sizes: Array, sums: Array, squares: Array) -> Self:
        """From what was summed over rows (d, n) by cluster, and their squared distances (n,)."""
        if weights is None:
            total, inertia = float(rows.shape[1]), float(squares.sum())
        else:
            total, inertia = float(weights.sum()), float(weights @ squares)
        far = int(np.argmax(squares))
        return cls(total, -0.5 * inertia, 0.0, sizes, sums, rows[:, far].copy(), float(squares[far]))

    def __add__(self, other: Self) -> Self:
        far = self if self.farthest_distance >= other.farthest_distance else other
        return type(self)(
            self.weight + other.weight,
            self.score + other.score,
            0.0,
            self.sizes + other.sizes,
            self.sums + other.sums,
            far.farthest,
            far.farthest_distance,
        )


@dataclass(frozen=True, eq=False)
class KMeans:
    """k centroids; rows are (d, n)."""

    centroids: Array  # (k, d)
    refilled: int = 0  # how often an emptied cluster took the farthest row

    @property
    def weights(self) -> Array:
        return np.ones(len(self.centroids))

    @property
    def parameters_count(self) -> int:
        return self.centroids.size + 1

    def components(self) -> tuple[Array, ...]:
        return (self.centroids,)

    def e_step(self, rows: Array, weights: Array | None) -> Assignment:
        """Assign each row to its nearest centroid, ties to the lowest index; the score is -inertia / 2."""
        return reduce(add, (self._assignment(*piece) for piece in pieces(rows, weights)))

    def _assignment(self, rows: Array, weights: Array | None) -> Assignment:
        sizes, sums, squares = clustered(rows, weights, self.centroids)
        return Assignment.of(rows, weights, sizes, sums, squares)

    def m_step(self, stats: Assignment) -> Self:
        """Centroids are the means of their rows; an emptied cluster takes the row farthest from its centroid."""
        empty = stats.sizes == 0
        centroids = np.where(empty[:, None], self.centroids, stats.sums / np.where(empty, 1.0, stats.sizes)[:, None])
        if not empty.any() or stats.farthest_distance == 0:
            return replace(self, centroids=centroids)
        centroids[int(np.argmax(empty))] = stats.farthest
        return replace(self, centroids=centroids, refilled=self.refilled + 1)

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Assignments (k, n), one 1 in each column, and squared distances to the nearest centroid (n,)."""
        return assigned(rows, self.centroids)

    def labels(self, rows: Array) -> IndexArray:
        """The nearest centroid of each row (n,)."""
        return nearest(rows, self.centroids)[0]

    def ordered(self, order: Any) -> Self:
        return replace(self, centroids=self.centroids[order])


class KMeansFamily:
    """K-means as the rest of the program sees it."""

    name = "kmeans"
    options: Mapping[str, object] = {"init": "k-means++", "standardize": False}
    fixed_point = "assignments"
    hard = True

    def select(self, header: Sequence[str], find: Callable[[str], int], taken: set[int], settings: Any) -> Picked:
        return points.select(header, find, taken, settings)

    def rows(
        self, numbers: Array, texts: Sequence[list[str]], weights: Array | None, names: Sequence[str], settings: Any
    ) -> Rows:
        rows = points.rows(
            numbers, weights, names, settings.model.k, not settings.model.standardize, settings.model.standardize
        )
        return rows if settings.model.standardize else replace(rows, cautions=points.lopsided(rows))

    def across(self, total: Total, names: Sequence[str], settings: Any) -> Rows:
        rows, _ = points.across(
            total, names, settings.model.k, not settings.model.standardize, settings.model.standardize
        )
        return replace(rows, cautions=() if settings.model.standardize else points.lopsided(rows))

    def placed(self, numbers: Array, weights: Array | None, like: Rows) -> Rows:
        return points.placed(numbers, weights, like)

    def draw(self, rows: Rows, settings: Any, rng: np.random.Generator) -> Iterator[KMeans]:
        while True:
            if settings.search.init == "random":
                yield KMeans(points.uniform(rows, settings.model.k, rng))
            else:
                chosen = far_apart(rows.values, rows.weights, settings.model.k, rng)
                yield KMeans(rows.values[:, chosen].T.copy())

    def short_runs(self, settings: Any) -> tuple[int, int]:
        return (1, 0) if settings.search.init == "random" else (8, 3)

    def steps(self, model: KMeans, rows: Rows, spread: Mapper) -> Iterator[Step]:
        """em() by the fastest way for rows of this shape."""
        from emcli.models.kmeans import lloyd

        return lloyd.steps(model, rows, spread)

    def read(
        self, parameters: Mapping[str, Any], settings: Mapping[str, Any], k: int | None = None, rows: Rows | None = None
    ) -> KMeans:
        given = Given(parameters, KEYS)
        return KMeans(given.matrix("centroids", k, len(rows.names) if rows else None))

    def sampler(self, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> Spheres:
        """What draws rows from given parameters. Raises ParameterFault."""
        given = Given(parameters, KEYS)
        centroids = given.matrix("centroids", None, None)
        sizes = given.array("sizes", (len(centroids),)) if "sizes" in parameters else None
        if sizes is not None and ((sizes < 0).any() or not sizes.any()):
            raise ParameterFault(("sizes",), "must not be negative, nor all 0")
        weights = given.weights(len(centroids)) if sizes is None else sizes / sizes.sum()
        return Spheres(weights, centroids, given.positive("sd") * _scales(given, centroids.shape[1]))

    def write(self, model: KMeans, stats: Assignment | None = None, rows: Rows | None = None) -> dict[str, Any]:
        written: dict[str, Any] = {"centroids": model.centroids.tolist()}
        if stats is not None and rows is not None:
            inertia = self.measures(stats.score, rows, len(model.centroids))[1]
            written["sizes"] = [int(size) if size == int(size) else size for size in stats.sizes.tolist()]
            written["sd"] = sqrt((inertia or 0.0) / (stats.weight * model.centroids.shape[1]))
            if rows.frame.unit is not None:
                written["scales"] = np.ldexp(rows.frame.unit, rows.frame.exponent).tolist()
        return written

    def inward(self, model: KMeans, rows: Rows) -> KMeans:
        return replace(model, centroids=rows.frame.inward(model.centroids))

    def outward(self, model: KMeans, rows: Rows) -> KMeans:
        return replace(model, centroids=rows.frame.outward(model.centroids))

    def order(self, model: KMeans) -> IndexArray:
        return np.lexsort(model.centroids.T[::-1])

    def measures(self, score: float, rows: Rows, k: int) -> tuple[float | None, float | None]:
        """Classification log-likelihood -N ln k - (N d / 2)(1 + ln(2π inertia / (N d))), None at inertia 0; inertia."""
        inertia = ldexp(-2.0 * score, 0 if rows.frame.unit is not None else 2 * int(rows.frame.exponent[0]))
        if not inertia > 0:
            return None, 0.0
        cells = rows.total * len(rows.values)
        return -rows.total * log(k) - 0.5 * cells * (1 + log(2 * pi) + log(inertia / cells)), inertia

    def apart(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> Array:
        centroids, others = (np.asarray(each["centroids"], dtype=np.float64) for each in (one, other))
        unit = np.maximum(np.ptp(np.concatenate([centroids, others]), axis=0), 1e-300)
        return np.asarray(np.sqrt((((centroids[:, None] - others) / unit) ** 2).sum(axis=2)))

    def within(self, small: Mapping[str, Any], large: Mapping[str, Any]) -> bool:
        return bool(small["k"] < large["k"])

    def grown(self, model: KMeans, settings: Any, rows: Rows, step: float) -> Iterator[KMeans]:
        """The row farthest from its centroid becomes one of its own, until there are enough: the inertia only falls."""
        centroids = model.centroids
        while len(centroids) < settings.model.k:
            stats = pooled_e_step(KMeans(centroids), rows.batches(), rows.mapping(map))
            centroids = np.concatenate([centroids, stats.farthest[None, :]])
        yield KMeans(centroids)

    def table(self, parameters: Mapping[str, Any], names: Sequence[str], total: float) -> list[tuple[str, list[Any]]]:
        sizes = parameters.get("sizes")
        columns: list[tuple[str, list[Any]]] = []
        if sizes:
            columns = [("rows", list(sizes)), ("share", [Share(size / sum(sizes)) for size in sizes])]
        centroids = np.asarray(parameters["centroids"])
        return columns + [(name, centroids[:, j].tolist()) for j, name in enumerate(names)]

    def estimate(self, rows: Rows, members: Array, settings: Any) -> dict[str, Any]:
        """Parameters in the user's units from known memberships (k, n)."""
        weighted = points.weighed(members, rows.weights)
        centroids = rows.frame.outward(weighted @ rows.values.T / weighted.sum(axis=1)[:, None])
        return {"centroids": centroids.tolist(), "sizes": weighted.sum(axis=1).tolist()}

    def extras(self, rows: Rows) -> dict[str, Any]:
        return {}

    def predictor(self, parameters: Mapping[str, Any], settings: Mapping[str, Any], names: Sequence[str]) -> Predictor:
        centroids = self.read(parameters, settings).centroids
        if "scales" in parameters:
            frame = points.in_units(centroids, _scales(Given(parameters, KEYS), centroids.shape[1]), names)
        else:
            frame = points.around(centroids, np.ptp(centroids, axis=0, keepdims=True), True, names)
        inward = KMeans(frame.inward(centroids))

        def apply(numbers: Array, texts: Sequence[list[str]]) -> tuple[Array, Array]:
            members, nearest = inward.posterior(np.ascontiguousarray(frame.inward(numbers).T))
            return members, np.ldexp(np.sqrt(nearest), 0 if frame.unit is not None else frame.exponent[0])

        return Predictor(False, apply, 0, "distance")

    def spurious(self, model: KMeans, stats: Callable[[], Assignment], rows: Rows) -> str | None:
        return None

    def identical(self, model: KMeans) -> tuple[int, int] | None:
        return first_pair(lambda i, j: np.array_equal(model.centroids[i], model.centroids[j]), len(model.centroids))

    def unidentified(self, rows: Rows, settings: Any) -> str | None:
        return None

    def exact(self, rows: Rows, settings: Any) -> KMeans | None:
        if len(rows.values) > 1 or rows.has_more_distinct_than(EXACT):
            return None
        from emcli.models.kmeans.exact_1d import best_segments

        seen = rows.at_hand()
        return (
            None if seen is None else KMeans(best_segments(seen.values[0], seen.weights, settings.model.k)[0][:, None])
        )

    def certificate(self, log_likelihood: float | None, rows: Rows, settings: Any) -> dict[str, float] | None:
        return None

    def cautions(self, model: KMeans, stats: Assignment) -> list[FitWarning]:
        """What to say about the best fit."""
        said = []
        if model.refilled:
            said.append(
                FitWarning(
                    "empty-cluster",
                    f"a cluster lost all its rows {model.refilled} times on the way, and "
                    "took the row farthest from its centroid each time",
                )
            )
        if stats.score == 0:
            said.append(
                FitWarning(
                    "zero-inertia",
                    "every row lies exactly on its centroid: as many clusters as different "
                    "rows, so there is nothing left to explain; use a smaller k",
                )
            )
        return said


def _scales(given: Given, d: int) -> Array:
    """What each column (d,) was divided by, 1 where nothing is said. Raises ParameterFault."""
    scales = given.array("scales", (d,)) if "scales" in given else np.ones(d)
    for j in np.flatnonzero(~(scales > 0)):
        raise ParameterFault(("scales", int(j)), f"must be above 0, got {scales[j]:g}")
    return scales
