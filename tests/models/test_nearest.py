"""The nearest centroid by screening is the nearest by exact distances, ties and hard cases included."""

from __future__ import annotations

import numpy as np
import pytest

from emcli.models.kmeans.assignment import cluster_sums, memberships, nearest, nearest_exact
from emcli.models.seeding import MAX_DIFFERENCES_AT_ONCE, squared_distances


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("d", "k"), [(2, 40), (8, 20), (16, 32), (64, 100), (3, 300)])
@pytest.mark.parametrize("kind", ["normal", "grid", "far", "tiny"])
def test_labels_and_distances_are_those_of_exact_distances(d: int, k: int, seed: int, kind: str) -> None:
    rng = np.random.default_rng([seed, d, k])
    rows, centroids = rng.normal(size=(d, 3000)), rng.normal(size=(k, d))
    if kind == "grid":  # ties between many centroids
        rows, centroids = np.round(rows), np.round(centroids)
    elif kind == "far":  # single precision cannot tell these apart
        rows, centroids = rows * 1e-3 + 300, centroids * 1e-3 + 300
    elif kind == "tiny":
        rows, centroids = rows * 1e-30, centroids * 1e-30
    distances = squared_distances(rows, centroids)
    labels, squares = nearest(rows, centroids)
    assert np.array_equal(labels, distances.argmin(axis=0))
    assert np.array_equal(squares, distances.min(axis=0))
    members, again = memberships(rows, centroids)
    assert np.array_equal(members.argmax(axis=0), labels) and np.array_equal(members.sum(axis=0), np.ones(3000))
    assert np.array_equal(again, squares)
    weights = rng.integers(0, 3, 3000).astype(float)
    sizes, sums, _ = cluster_sums(rows, weights, centroids)
    assert np.array_equal(sizes, (members * weights).sum(axis=1))
    np.testing.assert_allclose(sums, (members * weights) @ rows.T, rtol=1e-12, atol=1e-10 * np.abs(rows).max())


@pytest.mark.parametrize("kind", ["normal", "grid", "far"])
@pytest.mark.parametrize(("d", "k"), [(1, 2), (3, 5), (64, 100)])
@pytest.mark.parametrize("n", [1, 2, 300])
def test_gaps_and_distances_that_are_called_sure_are(n: int, d: int, k: int, kind: str) -> None:
    rng = np.random.default_rng([n, d, k])
    rows, centroids = rng.normal(size=(d, n)), rng.normal(size=(k, d))
    if kind == "grid":
        rows, centroids = np.round(rows), np.round(centroids)
    elif kind == "far":
        rows, centroids = rows * 1e-3 + 300, centroids * 1e-3 + 300
    one, two = np.sqrt(np.sort(squared_distances(rows, centroids), axis=0)[:2])
    seen = nearest_exact(rows, centroids)
    assert np.array_equal(seen.labels, squared_distances(rows, centroids).argmin(axis=0))
    assert (seen.gaps >= 0).all() and (seen.gaps <= two - one).all()
    assert (seen.distances >= one).all()
    if kind == "normal":  # and hardly less or more than they are
        np.testing.assert_allclose(seen.gaps, two - one, rtol=1e-5, atol=1e-10)
        np.testing.assert_allclose(seen.distances, one, rtol=1e-5)


def test_few_differences_taken_at_once_are_bit_for_bit_the_same() -> None:
    rng = np.random.default_rng(0)
    for n, d, k in [(1, 64, 100), (2, 1, 3), (7, 3, 5), (33, 17, 8), (400, 2, 8)]:
        rows, centroids = rng.normal(size=(d, n)) * 10.0 ** rng.normal(size=(d, 1)), rng.normal(size=(k, d))
        assert n * d * k <= MAX_DIFFERENCES_AT_ONCE
        one_by_one = squared_distances(rows, centroids, at_once=0)
        assert np.array_equal(squared_distances(rows, centroids), one_by_one)


def test_coordinates_too_large_for_single_precision_are_compared_exactly() -> None:
    rng = np.random.default_rng(0)
    rows, centroids = rng.normal(size=(8, 500)) * 1e200, rng.normal(size=(20, 8)) * 1e200
    with np.errstate(over="ignore"):
        labels, _ = nearest(rows, centroids)
        assert np.array_equal(labels, squared_distances(rows, centroids).argmin(axis=0))
