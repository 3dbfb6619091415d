"""The nearest centroid by screening is the nearest by exact distances, ties and hard cases included."""

from __future__ import annotations

import numpy as np
import pytest

from emcli.models.nearest import assigned, clustered, nearest
from emcli.models.seeding import squared_distances


@pytest.mark.parametrize("seed", range(6))
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
    members, again = assigned(rows, centroids)
    assert np.array_equal(members.argmax(axis=0), labels) and np.array_equal(members.sum(axis=0), np.ones(3000))
    assert np.array_equal(again, squares)
    weights = rng.integers(0, 3, 3000).astype(float)
    sizes, sums, _ = clustered(rows, weights, centroids)
    assert np.array_equal(sizes, (members * weights).sum(axis=1))
    np.testing.assert_allclose(sums, (members * weights) @ rows.T, rtol=1e-12, atol=1e-10 * np.abs(rows).max())


def test_coordinates_too_large_for_single_precision_are_compared_exactly() -> None:
    rng = np.random.default_rng(0)
    rows, centroids = rng.normal(size=(8, 500)) * 1e200, rng.normal(size=(20, 8)) * 1e200
    with np.errstate(over="ignore"):
        labels, _ = nearest(rows, centroids)
        assert np.array_equal(labels, squared_distances(rows, centroids).argmin(axis=0))
