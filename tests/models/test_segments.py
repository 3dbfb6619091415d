"""K-means on a line is exact: stored optima, brute force, and the laws of sums of squares."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, reference, table
from hypothesis import given, settings
from hypothesis import strategies as st

from emcli.models.kmeans.exact_1d import optimal_clusters

PATHS = {"galaxies": SAMPLES / "galaxies.csv", "faithful_waiting": REFERENCE / "data" / "faithful_waiting.csv"}
numbers = st.lists(st.integers(-30, 30).map(lambda i: i / 4), min_size=1, max_size=9)
counts = st.integers(1, 5)


def exact(values: np.ndarray, weights: np.ndarray, k: int) -> float:
    """The least inertia over every division of the sorted values into k segments, in rational numbers."""
    order = np.argsort(values, kind="stable")
    points = [Fraction(float(x)) for x in values[order]]
    mass = [Fraction(float(w)) for w in weights[order]]

    def spread(a: int, b: int) -> Fraction:
        total = sum(mass[a:b])
        mean = sum(w * x for w, x in zip(mass[a:b], points[a:b], strict=True)) / total
        return sum((w * (x - mean) ** 2 for w, x in zip(mass[a:b], points[a:b], strict=True)), Fraction(0))

    n = len(points)
    cuts = ((0, *inner, n) for inner in combinations(range(1, n), min(k, n) - 1))
    return float(min(sum(spread(a, b) for a, b in pairwise(cut)) for cut in cuts))


@pytest.mark.parametrize("k", range(1, 8))
@pytest.mark.parametrize("name", PATHS)
def test_the_stored_optima(name: str, k: int) -> None:
    stored = reference("kmeans")[name][f"k{k}"]
    centroids, inertia = optimal_clusters(table(PATHS[name])[:, 0], None, k)
    assert inertia == pytest.approx(stored["sse"], rel=1e-12)
    np.testing.assert_allclose(centroids, np.sort(np.ravel(stored["centers"])), rtol=1e-10)


@settings(deadline=None)
@given(numbers, counts, st.data())
def test_brute_force_finds_nothing_better(listed: list[float], k: int, data: st.DataObject) -> None:
    values = np.array(listed)
    drawn = data.draw(st.lists(st.integers(1, 9), min_size=len(listed), max_size=len(listed)))
    weights = np.array(drawn) / 8
    centroids, inertia = optimal_clusters(values, weights, k)
    assert inertia == pytest.approx(exact(values, weights, k), rel=1e-12, abs=1e-300)
    assert len(centroids) == k and np.all(np.diff(centroids) >= 0)
    nearest = ((values[:, None] - centroids) ** 2).min(axis=1)
    assert weights @ nearest == pytest.approx(inertia, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 20])
def test_the_quadratic_program_agrees(k: int) -> None:
    rng = np.random.default_rng(k)
    values = np.sort(rng.standard_normal(150))
    sums, squares = np.cumsum([0.0, *values]), np.cumsum([0.0, *values**2])
    a, b = np.meshgrid(np.arange(151), np.arange(151), indexing="ij")
    cost = squares[b] - squares[a] - (sums[b] - sums[a]) ** 2 / np.where(b > a, b - a, 1)
    cost[b <= a] = np.inf
    best = cost[0]
    for _ in range(k - 1):
        best = (best[:, None] + cost).min(axis=0)
    assert optimal_clusters(rng.permutation(values), None, k)[1] == pytest.approx(best[-1], rel=1e-11)


def test_weights_are_duplicates() -> None:
    rng = np.random.default_rng(1)
    values, weights = rng.standard_normal(60), rng.integers(0, 5, 60)
    for k in (1, 2, 5):
        weighed = optimal_clusters(values, weights.astype(float), k)
        repeated = optimal_clusters(rng.permutation(np.repeat(values, weights)), None, k)
        np.testing.assert_allclose(weighed[0], repeated[0], rtol=1e-13)
        assert weighed[1] == pytest.approx(repeated[1], rel=1e-13)


@pytest.mark.parametrize(("offset", "sd"), [(1e6, 1e-3), (-1e6, 1e-3), (1e9, 1.0), (0.0, 1e-9)])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_an_offset_costs_no_digits(offset: float, sd: float, k: int) -> None:
    values = offset + sd * np.random.default_rng(7).standard_normal(200)
    near = values - offset  # exact, by Sterbenz's lemma
    centroids, inertia = optimal_clusters(values, None, k)
    there, same = optimal_clusters(near, None, k)
    assert inertia == pytest.approx(same, rel=1e-12)
    np.testing.assert_allclose(centroids, there + offset, rtol=1e-15, atol=0)


def test_prefix_sums_would_have_lost_this_one() -> None:
    values = np.sort(1e6 + 1e-3 * np.random.default_rng(0).standard_normal(60))
    plain = float((values**2).sum() - values.sum() ** 2 / 60)
    _, inertia = optimal_clusters(values, None, 1)
    assert inertia == pytest.approx(exact(values, np.ones(60), 1), rel=1e-12)
    assert abs(plain - inertia) >= 0.5 * inertia


def test_tight_pairs_far_apart_are_told_apart() -> None:
    values = np.concatenate([place + np.array([0.0, 1e-3, 3e-3, 4e-3]) for place in (-1e6, 0.0, 1e6)])
    assert optimal_clusters(values, None, 6)[1] == pytest.approx(exact(values, np.ones(12), 6), rel=1e-12)


@pytest.mark.parametrize("scale", [2.0**-20, 1024.0, -1.0])
def test_shift_and_scale(scale: float) -> None:
    values = table(PATHS["galaxies"])[:, 0]
    centroids, inertia = optimal_clusters(values, None, 4)
    scaled, moved = optimal_clusters(scale * values + scale * 16, None, 4)
    np.testing.assert_allclose(np.sort(scaled / scale - 16), centroids, rtol=1e-12)
    assert moved == pytest.approx(inertia * scale**2, rel=1e-12)


def test_fewer_different_values_than_segments() -> None:
    centroids, inertia = optimal_clusters(np.array([3.0, 1.0, 3.0, 1.0]), None, 4)
    assert centroids.tolist() == [1, 3, 3, 3] and inertia == 0
    centroids, inertia = optimal_clusters(np.array([3.0, 1.0, 7.0]), np.array([1.0, 1.0, 0.0]), 2)
    assert centroids.tolist() == [1, 3] and inertia == 0


def test_duplicates_never_part() -> None:
    values = np.repeat([0.0, 1.0, 10.0], [50, 50, 1])
    centroids, inertia = optimal_clusters(values, None, 2)
    assert centroids.tolist() == [0.5, 10] and inertia == 25


@pytest.mark.parametrize(("values", "k"), [([], 1), ([1.0], 0)])
def test_nothing_to_divide(values: list[float], k: int) -> None:
    with pytest.raises(ValueError, match="needs k"):
        optimal_clusters(np.array(values), None, k)
