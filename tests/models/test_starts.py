"""What a fit begins with: inside the parameters' range, and no worse than the smaller fit that it is grown from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from inprocess import clusters, dataset, settings_of

from emcli.models.coins.initialization import draw_heads
from emcli.models.coins.prior import BetaPrior
from emcli.models.em import pooled_e_step
from emcli.models.gmm.initialization import start_from_clusters
from emcli.models.kmeans.model import KMeans
from emcli.models.parameters import equal_components


@pytest.mark.parametrize("seed", range(4))
def test_coins_whose_known_rows_are_all_heads_or_all_tails_begin_inside(seed: int) -> None:
    _, data, _ = dataset([[0, 5], [0, 5], [5, 5], [7, 7], [2, 5]], {"model": "coins", "k": 2})
    rows = data.rows
    known = np.where(rows.values[0] == 0, 0, np.where(rows.values[1] == 0, 1, -1))
    heads = draw_heads(replace(rows, known=known, components=("a", "b")), 2, "k-means++", np.random.default_rng(seed))
    assert ((heads > 0) & (heads < 1)).all()
    assert heads[0] < 0.5 < heads[1]


def test_a_prior_moves_start_values_of_coins_inside_and_a_fair_coin_nowhere() -> None:
    prior = BetaPrior.of(settings_of({"model": "coins", "k": 3, "prior": 3}).model)
    assert prior is not None
    low, fair, high = prior.inside(np.array([0.0, 0.5, 1.0]), 10.0)
    assert 0 < low < 0.5 and low + high == pytest.approx(1) and fair == 0.5


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("weighted", [False, True])
def test_a_component_whose_cluster_is_empty_begins_at_the_mean_of_all_rows(kind: int, weighted: bool) -> None:
    weights = 1.0 + np.arange(120) % 3 if weighted else None
    _, data, settings = dataset(clusters(), {"model": "gmm", "k": 3}, weights)
    members = np.zeros((3, 120))
    members[np.arange(120) % 2, np.arange(120)] = 1.0
    start = start_from_clusters(data.rows, members, settings.model, kind)
    mean = np.average(data.rows.values, axis=1, weights=data.rows.weights)
    np.testing.assert_allclose(start.means[2], mean, atol=1e-12)
    assert np.isfinite(start.matrices).all() and (np.linalg.eigvalsh(start.matrices) > 0).all()
    assert start.weights.sum() == pytest.approx(1) and start.weights.min() > 0


def test_clusters_are_grown_by_the_row_that_is_farthest_from_its_centroid() -> None:
    _, data, settings = dataset(clusters(40), {"model": "kmeans", "k": 4})
    rows = data.rows
    small = KMeans(rows.values[:, :2].T.copy())
    (grown,) = small.grown(settings.model, rows, 1.0)
    centroids = list(small.centroids)
    for _ in range(2):
        apart = [min(((row - centroid) ** 2).sum() for centroid in centroids) for row in rows.values.T]
        centroids.append(rows.values[:, int(np.argmax(apart))])
    np.testing.assert_array_equal(grown.centroids, centroids)
    one, four = (pooled_e_step(model, rows.batches()).score for model in (small, grown))
    assert four > one


def test_all_pairs_of_equal_components_are_found_and_minus_zero_is_zero() -> None:
    values = np.random.default_rng(0).integers(0, 2, (12, 2)) * np.array([-1.0, 1.0])
    values[5] = [-0.0, 0.0]
    pairs = [(i, j) for j in range(12) for i in range(j) if (values[i] == values[j]).all()]
    assert equal_components(KMeans(values)) == pairs
    assert KMeans(values).identical_components() == min(pairs)
    assert KMeans(values[:1]).identical_components() is None
