"""Score and observed information against numerical derivatives of the log-likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from inprocess import Options, clusters, result_of, tosses

from emcli.data.trials import with_densities
from emcli.inference.information import Curvatures, information
from emcli.models.coins.mixture import BinomialMixture
from emcli.models.em import pooled_e_step
from emcli.models.gmm.covariance import SHAPES
from emcli.models.gmm.incomplete import IncompleteGaussianMixture
from emcli.models.gmm.mixture import GaussianMixture


def gaussian(shape: str, free: bool, d: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(4)
    roots = rng.normal(size=(3, d, d)) + 2 * np.eye(d)
    matrices = roots @ roots.transpose(0, 2, 1)
    weights = np.array([0.2, 0.5, 0.3]) if free else np.full(3, 1 / 3)
    model = GaussianMixture(weights, rng.normal(size=(3, d)) * 3, SHAPES[shape].of(matrices, None), free)
    return model, rng.normal(size=(d, 60)) * 3, rng.integers(1, 4, 60).astype(float)


def coins(free: bool) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(5)
    tosses = rng.integers(1, 12, 30)
    pairs = np.stack([rng.binomial(tosses, 0.4), tosses]).astype(float)
    pairs[1] -= pairs[0]
    weights = np.array([0.2, 0.5, 0.3]) if free else np.full(3, 1 / 3)
    return (
        BinomialMixture(weights, np.array([0.2, 0.5, 0.6]), free),
        with_densities(pairs),
        rng.integers(1, 4, 30).astype(float),
    )


def with_holes(shape: str) -> tuple[Any, Any, Any]:
    model, rows, weights = gaussian(shape, True, 2)
    rows = rows.copy()
    rows[np.random.default_rng(6).integers(2, size=60), np.arange(60)] = np.where(np.arange(60) % 3 == 0, np.nan, 1.0)
    return IncompleteGaussianMixture(model.weights, model.means, model.covariances, True), rows, weights


CASES = [
    (f"{s} {'free' if f else 'equal'} {d}", gaussian(s, f, d)) for s in SHAPES for f in (True, False) for d in (1, 2)
]
CASES += [(f"coins {'free' if f else 'equal'}", coins(f)) for f in (True, False)]
LABELLED = [("full free", gaussian("full", True, 1)), ("tied free, missing cells", with_holes("tied"))]
LABELLED += [("diag equal", gaussian("diag", False, 2)), ("coins free", coins(True))]
SELDOM = ("free 1", "equal 2")  # as weights and columns do not meet in a derivative
TRIED = [pytest.param(case, (), id=name, marks=[pytest.mark.slow] * name.endswith(SELDOM)) for name, case in CASES]
TRIED += [pytest.param(case, (None, 0, 2), id=f"{name}, some rows known") for name, case in LABELLED]


@pytest.mark.parametrize(("case", "labels"), TRIED)
def test_score_and_observed_information_are_the_derivatives_of_the_log_likelihood(case: Any, labels: Any) -> None:
    model, rows, weights = case
    cuts = [slice(0, 17), slice(17, None)] if not labels else [slice(0, 15), slice(15, 21), slice(21, None)]
    batches: list[Any] = [(rows[:, cut], weights[cut]) for cut in cuts]
    if labels:
        batches = [(*batch, label) for batch, label in zip(batches, labels, strict=True)]
    seen = information(model, batches)
    p, h = model.parameters_count, 1e-3
    assert seen.score.shape == (p,)
    np.testing.assert_allclose(model.gradient(pooled_e_step(model, batches)), seen.score, rtol=1e-9, atol=1e-9)

    def at(*steps: tuple[int, float]) -> float:
        step = np.zeros(p)
        for i, size in steps:
            step[i] += size
        return float(pooled_e_step(model.moved(step), batches).score)

    slope = [(8 * (at((i, h)) - at((i, -h))) - at((i, 2 * h)) + at((i, -2 * h))) / (12 * h) for i in range(p)]
    np.testing.assert_allclose(seen.score, slope, rtol=1e-6, atol=1e-6)
    bent = np.empty((p, p))
    for i in range(p):
        for j in range(i + 1):
            bent[i, j] = bent[j, i] = (
                at((i, h), (j, h)) - at((i, h), (j, -h)) - at((i, -h), (j, h)) + at((i, -h), (j, -h))
            )
    bent /= -4 * h * h
    np.testing.assert_allclose(seen.observed, bent, rtol=1e-4, atol=1e-4 * np.abs(bent).max())


APART: dict[str, tuple[Options, np.ndarray]] = {
    "full": ({"model": "gmm", "covariance": "full", "k": 3}, clusters(d=1)),
    "tied": ({"model": "gmm", "covariance": "tied", "k": 3}, clusters()),
    "diag equal": ({"model": "gmm", "covariance": "diag", "mixing": "equal", "k": 3}, clusters()),
    "coins": ({"model": "coins", "mixing": "free"}, tosses()),
}


@pytest.mark.parametrize(("options", "values"), APART.values(), ids=APART)
def test_a_curvature_is_one_less_the_rate_at_which_em_converges(options: Options, values: np.ndarray) -> None:
    """At a fixed point the derivative of the EM step has the eigenvalues 1 - λ (Dempster, Laird & Rubin 1977)."""
    result = result_of(values, {**options, "restarts": 2})
    model, rows, weights = result.best.model, result.data.rows.values, result.data.rows.weights
    shares = information(model, [(rows, weights)]).curvatures.values
    p, h = model.parameters_count, 1e-5

    def improved(step: np.ndarray) -> np.ndarray:
        moved = model.moved(step)
        return coordinates(moved.m_step(moved.e_step(rows, weights)))

    def coordinates(of: Any) -> np.ndarray:
        return np.concatenate([np.ravel(part) for part in (of.weights, *of.components())])

    steps = np.eye(p) * h
    after = np.array([(improved(step) - improved(-step)) / (2 * h) for step in steps])
    before = np.array([(coordinates(model.moved(step)) - coordinates(model.moved(-step))) / (2 * h) for step in steps])
    rates = np.linalg.eigvals(after @ np.linalg.pinv(before))
    np.testing.assert_allclose(np.sort(1 - rates.real), shares, atol=1e-6)
    assert abs(rates.imag).max() < 1e-6


def test_what_is_left_to_gain_is_not_known_where_a_flat_direction_has_a_slope() -> None:
    curvatures = Curvatures(np.array([1e-8, 0.5, 1.0]), np.eye(3), np.array([1e-12, 1e-3, 2e-3]))
    assert curvatures.gain(1e-6) == pytest.approx(1e-6 + 2e-6)
    assert curvatures._replace(slopes=np.array([1e-3, 0.0, 0.0])).gain(1e-6) is None
    assert curvatures._replace(values=np.array([-0.5, 0.5, 1.0]), slopes=np.full(3, 1e-2)).gain(1e-6) is None
