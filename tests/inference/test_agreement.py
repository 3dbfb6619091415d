"""Agreement of groupings against scikit-learn, and the matching of components against every permutation."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from emcli.inference.agreement import adjusted_rand_index, match_components


@pytest.mark.parametrize("seed", range(5))
def test_the_adjusted_rand_index_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 2 + seed, 60)
    other = np.where(rng.random(60) < 0.6, one, rng.integers(0, 4, 60))
    expected = adjusted_rand_score(one, other)
    assert 0 < expected < 1
    assert adjusted_rand_index(one, other) == pytest.approx(expected, abs=1e-14)
    assert adjusted_rand_index(other, one) == pytest.approx(expected, abs=1e-14)
    assert adjusted_rand_index([f"group {i}" for i in one], 1000 - 7 * other) == pytest.approx(expected, abs=1e-14)


def test_a_row_of_some_weight_counts_as_that_many_rows() -> None:
    rng = np.random.default_rng(8)
    one, other, times = rng.integers(0, 3, (3, 40))
    expected = adjusted_rand_score(np.repeat(one, times), np.repeat(other, times))
    assert adjusted_rand_index(one, other, times.astype(float)) == pytest.approx(expected, abs=1e-14)


def test_single_groups_and_equal_groupings_agree() -> None:
    assert adjusted_rand_index([1, 1, 1], ["a", "a", "a"]) == 1.0
    assert adjusted_rand_index([0, 0, 1, 2], [5, 5, 3, 9]) == 1.0
    assert adjusted_rand_index([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(-0.5)  # by hand: (0 - 2/3) / (2 - 2/3)


@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_no_permutation_of_components_is_closer_than_the_matching(k: int) -> None:
    for seed in range(20):
        distances = np.random.default_rng([k, seed]).random((k, k))
        order = match_components(distances)
        assert sorted(order) == list(range(k))
        least = min(distances[range(k), list(each)].sum() for each in permutations(range(k)))
        assert distances[range(k), order].sum() == pytest.approx(least, rel=1e-14)


@pytest.mark.parametrize("k", [2, 6, 17, 40, 41])
def test_the_matching_is_as_close_as_that_of_scipy_also_of_equal_and_forbidden_pairs(k: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng([k, seed])
        distances = rng.integers(0, 4, (k, k)).astype(float) if seed % 2 else rng.random((k, k)) ** 3
        if seed % 4 > 1:  # components of one name, which no others may have
            distances[1, :] = distances[:, 0] = 1e200
            distances[1, 0] = 0.0
        order = match_components(distances)
        assert sorted(order) == list(range(k))
        least = distances[linear_sum_assignment(distances)].sum()
        assert distances[range(k), order].sum() == pytest.approx(least, rel=1e-12)
