"""Fits inside this process, and the tables that try them: what the laws of test_invariants* share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emcli.config.resolve import resolve
from emcli.data.dataset import Dataset, prepare, read
from emcli.data.rows import Columns
from emcli.inference.fit import fit
from emcli.inference.fit_result import FitResult
from emcli.inference.result import document
from emcli.models import model_class
from emcli.models.base import Degenerate
from emcli.models.em import em, pooled_e_step

Options = dict[str, Any]
SHAPES = ("full", "tied", "diag", "spherical")
GMM: dict[str, Options] = {
    f"gmm {shape} {mixing}": {"model": "gmm", "covariance": shape, "mixing": mixing}
    for shape in SHAPES
    for mixing in ("free", "equal")
}
COINS: dict[str, Options] = {f"coins {mixing}": {"model": "coins", "mixing": mixing} for mixing in ("equal", "free")}
POINTS: dict[str, Options] = {"kmeans": {"model": "kmeans"}, **GMM}
MODELS = {**POINTS, **COINS}


def half(**axes: Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrize by every combination of values, of which `make test-slow` alone tries every second.

    Each value of an axis is still tried with every second one of each other axis.
    """
    places = product(*(enumerate(values) for values in axes.values()))
    made = [
        pytest.param(*(value for _, value in each), marks=[pytest.mark.slow] * (sum(i for i, _ in each) % 2))
        for each in places
    ]
    return pytest.mark.parametrize(tuple(axes), made)


def settings_of(options: Options) -> Any:
    """Settings as the command line would make them; `start` are parameters."""
    kind = model_class(options["model"])
    flags = {key: value for key, value in options.items() if key not in ("model", "start")}
    flags.setdefault("k", 2)
    made = resolve(kind.name, kind.options, flags, read_start=dict)
    if "start" in options:
        search = replace(made.search, start=options["start"], restarts=int(options.get("restarts", 1)))
        made = replace(made, search=search)
    return made


def prepared(kind: Any, values: Any, names: Any, settings: Any, weights: Any = None, source: str = "") -> Dataset:
    """Values (n, d) as a fit works on them. Raises EmcliError where they are refused."""
    columns = Columns(values, [], weights, names)
    return prepare(columns, kind.requirements(settings.model), settings.data, settings.search.jobs, source=source)


def loaded(kind: Any, path: Path, settings: Any) -> Dataset:
    """A file as a fit works on it."""
    raw = read(str(path), kind.observations, settings.data, settings.search.jobs)
    return raw.dataset(kind.requirements(settings.model), settings.data, settings.search.jobs)


def scaled(kind: Any, parameters: Any, settings: Any, rows: Any) -> Any:
    """The model of given parameters in working coordinates."""
    return kind.from_parameters(parameters, settings.model, rows).to_scaled(rows.scaling, rows.covariance)


def drawn_start(kind: Any, rows: Any, settings: Any, seed: int) -> Any:
    """A model drawn to start from, the first of some that EM does not collapse."""
    for attempt in range(20):
        drawn = kind.initialize(rows, settings.model, "k-means++", np.random.default_rng([seed, attempt]))
        with suppress(Degenerate):
            for _ in islice(em(drawn, rows.batches()), 60):
                pass
            return drawn
    raise AssertionError("every start collapsed")


def dataset(values: Any, options: Options, weights: Any = None) -> tuple[Any, Dataset, Any]:
    """Model class, data and settings. Raises EmcliError where the data are refused."""
    kind, settings = model_class(options["model"]), settings_of(options)
    values = np.array(values, dtype=np.float64, ndmin=2)
    mass = None if weights is None else np.array(weights, dtype=np.float64)
    if mass is not None:  # as a reader leaves them out
        values, mass = values[mass > 0], mass[mass > 0]
    names = ["heads", "tosses"] if kind.name == "coins" else [f"x{j}" for j in range(values.shape[1])]
    return kind, prepared(kind, values, names, settings, mass), settings


def result_of(values: Any, options: Options, weights: Any = None) -> FitResult:
    """A fit run to its end. Raises EmcliError as the program would."""
    running = fit(*dataset(values, options, weights))
    while True:
        try:
            next(running)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def fitted(values: Any, options: Options, weights: Any = None) -> dict[str, Any]:
    """The document of a fit."""
    return document(result_of(values, options, weights))


def drawn(values: Any, options: Options, seed: int = 1, weights: Any = None) -> tuple[Any, Any]:
    """A model drawn to start from, and the rows, both in working coordinates."""
    kind, data, settings = dataset(values, options, weights)
    return drawn_start(kind, data.rows, settings, seed), data.rows


def stepped(values: Any, options: Options, steps: int, seed: int = 1, weights: Any = None) -> Iterator[tuple[Any, Any]]:
    """Each model of the first steps from a drawn start, with the rows."""
    model, rows = drawn(values, options, seed, weights)
    for number, step in enumerate(em(model, rows.batches())):
        yield step.model, rows
        if number == steps:
            return


def statistics(model: Any, rows: Any) -> Any:
    """The E-step of all rows."""
    return pooled_e_step(model, rows.batches())


def clusters(n: int = 120, d: int = 2, seed: int = 1) -> np.ndarray:
    """Three overlapping clusters, (n, d), which every model can fit."""
    rng = np.random.default_rng(seed)
    centres = 4.0 * np.array([[-1.0, 0.2, 0.5, -0.3], [0.3, 1.0, -1.0, 0.8], [1.0, -0.6, 0.7, 0.1]])[:, :d]
    mix = np.eye(d) + 0.4 * np.tri(d, k=-1)
    return centres[rng.integers(3, size=n)] + rng.standard_normal((n, d)) @ mix.T


def tosses(n: int = 60, seed: int = 1) -> np.ndarray:
    """Heads and tosses (n, 2) of two coins, with ties, sure tosses and one of a thousand."""
    rng = np.random.default_rng(seed)
    thrown = rng.integers(3, 25, n)
    thrown[0] = 1000
    return np.column_stack([rng.binomial(thrown, rng.choice([0.15, 0.7], n)), thrown]).astype(float)


def millions(n: int = 40) -> np.ndarray:
    """Heads and tosses (n, 2) of two coins that differ by two standard errors of a row's millions of tosses."""
    rng = np.random.default_rng(1)
    thrown = np.floor(1e7 * rng.uniform(0.5, 1.0, n))
    rates = 0.5 + rng.choice([0.0, 1.0], n) / 1e7**0.5 + 0.5 * rng.standard_normal(n) / np.sqrt(thrown)
    return np.column_stack([np.floor(thrown * rates), thrown])


def outlier(values: np.ndarray, far: float) -> np.ndarray:
    """With one row as far away as that."""
    return np.vstack([values, np.full((1, values.shape[1]), far)])


def nearly_collinear(values: np.ndarray) -> np.ndarray:
    """With a last column that the others give but for a part in ten thousand."""
    rest = np.random.default_rng(7).standard_normal(len(values))
    return np.column_stack([values[:, :-1], values[:, :-1].sum(axis=1) + 1e-4 * rest])


# What data written by others look like; all can be fitted with two components.
TABLES: dict[str, Callable[[], np.ndarray]] = {
    "plain": clusters,
    "line": lambda: clusters(d=1),
    "offset 1e9": lambda: clusters() + 1e9,
    "offset 1e9, sd 1e-3": lambda: clusters() * 1e-3 + 1e9,
    "scale 1e-140": lambda: clusters() * 1e-140,
    "scale 1e140": lambda: clusters() * 1e140,
    "mixed scales": lambda: clusters() * [1e-90, 1e60],
    "ties": lambda: np.round(clusters()),
    "repeated rows": lambda: np.repeat(clusters(40), 4, axis=0),
    "nearly collinear": lambda: nearly_collinear(clusters(d=3)),
    "outliers": lambda: np.vstack([clusters(), clusters(8, seed=9) + 1e4]),
    "heavy tails": lambda: np.random.default_rng(3).standard_t(2, (120, 2)),
}
COUNTS: dict[str, Callable[[], np.ndarray]] = {
    "tosses": tosses,
    "one toss": lambda: np.tile([[0.0, 1], [1, 1]], (20, 1)),
    "sure": lambda: np.array([[0.0, 5], [5, 5], [0, 9], [9, 9], [0, 1]] * 4),  # P(heads) goes to 0 and 1 exactly
    "millions": millions,
}
CASES = [(name, table) for name in MODELS for table in (COUNTS if name in COINS else TABLES)]
OFTEN = ("kmeans", "gmm full free")  # tried on every second table by `make test`


def often(number: int) -> bool:
    """Does `make test` try a case? Coins on all tables, the other Gaussian mixtures on a third of theirs, in turn."""
    name, table = CASES[number]
    every = 2 if name in OFTEN else 3
    return name in COINS or (list(MODELS).index(name) + list(TABLES).index(table)) % every == 0


every_case = pytest.mark.parametrize(
    ("name", "table"),
    [
        pytest.param(*case, id=", ".join(case), marks=() if often(number) else pytest.mark.slow)
        for number, case in enumerate(CASES)
    ],
)


def case(name: str, table: str, **more: Any) -> tuple[Options, np.ndarray]:
    """Options and values of a case; two components, ten thousand iterations at most."""
    return {**MODELS[name], "restarts": 1, **more}, (COUNTS if name in COINS else TABLES)[table]()


def start_of(values: Any, options: Options, seed: int = 1) -> dict[str, Any]:
    """Parameters drawn to start from, in the user's units."""
    model, rows = drawn(values, options, seed)
    written: dict[str, Any] = model.to_original(rows.scaling).to_parameters()
    return written


def gap(one: dict[str, Any], other: dict[str, Any], values: Any, options: Options) -> float:
    """How far two sets of parameters are apart, in standard deviations of the columns of values (n, d)."""
    sds = spreads(values)
    if common(options):
        sds = np.full_like(sds, sds.max())
    units = {"means": sds, "centroids": sds, "covariances": np.outer(sds, sds)}
    keys = ("weights", "heads", *units)
    apart = [np.abs(np.subtract(one[key], other[key])) / units.get(key, 1.0) for key in keys if key in one]
    return max(float(part.max()) for part in apart)


def rounding(parameters: dict[str, Any]) -> float:
    """What rounding may change of a log-likelihood, relatively: the condition of a correlation matrix enlarges it."""
    matrices = np.array(parameters.get("covariances", 1.0))
    if matrices.ndim < 3:
        return 1e-10
    roots = [np.sqrt(np.diag(matrix)) for matrix in matrices]
    conditions = [np.linalg.cond(matrix / sds[:, None] / sds) for matrix, sds in zip(matrices, roots, strict=True)]
    return max(1e-10, 2.0**-52 * max(conditions))


def common(options: Options) -> bool:
    """Do all columns count in one unit?"""
    return options["model"] == "kmeans" or options.get("covariance") in ("spherical", "EII")


def spreads(values: Any) -> np.ndarray:
    """Standard deviations of the columns, whatever their scale."""
    scale = np.abs(values).max(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return np.asarray(np.std(values / scale, axis=0) * scale)


def measure(said: dict[str, Any]) -> float:
    """What a fit climbs: the log-likelihood; for K-means the inertia, downwards."""
    return -float(said["inertia"]) if "inertia" in said else float(said["log_likelihood"])
