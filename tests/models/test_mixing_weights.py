"""Mixing weights of components that are split or put elsewhere: they sum to one, and nobody else's share changes."""

from __future__ import annotations

import numpy as np
import pytest

from emcli.models.nesting import grafted_weights, split_in_two, split_weights

WEIGHTS = np.array([0.5, 0.3, 0.2])


def test_a_grafted_component_gets_its_share_and_the_others_keep_their_proportions() -> None:
    found = grafted_weights(WEIGHTS, 1, True, 0.1)
    np.testing.assert_allclose(found, [0.9 * 5 / 7, 0.1, 0.9 * 2 / 7], rtol=1e-15)
    equal = np.full(3, 1 / 3)
    assert np.array_equal(grafted_weights(equal, 1, False, 0.1), equal)
    alone = np.array([0.0, 1.0, 0.0])  # nothing is left that could be shared out
    assert np.array_equal(grafted_weights(alone, 1, True, 0.1), alone)


@pytest.mark.parametrize("k", [3, 4, 5, 7])
def test_the_parts_of_a_component_have_its_weight_together(k: int) -> None:
    ways = list(split_weights(WEIGHTS, k, True))
    assert len(ways) == (1 if k == 3 else 3)
    for parts in ways:
        assert len(parts.weights) == k
        np.testing.assert_allclose(np.bincount(parts.parents, parts.weights), WEIGHTS, rtol=1e-15)
        for j in range(3):
            offsets = parts.offsets[parts.parents == j]
            assert offsets.sum() == pytest.approx(0.0, abs=1e-15) and np.ptp(offsets) == (
                2.0 if len(offsets) > 1 else 0.0
            )
    assert {tuple(np.bincount(parts.parents)) for parts in split_weights(WEIGHTS, 4, True)} == {
        (2, 1, 1),
        (1, 2, 1),
        (1, 1, 2),
    }


def test_equal_components_are_split_alike_where_their_number_allows_it_and_weigh_the_same() -> None:
    equal = np.full(2, 0.5)
    (doubled,) = split_weights(equal, 4, False)
    assert doubled.parents.tolist() == [0, 0, 1, 1] and doubled.weights.tolist() == [0.25] * 4
    for parts in split_weights(equal, 3, False):
        assert parts.weights.tolist() == [1 / 3] * 3
    two = split_in_two(WEIGHTS, 2, True)
    assert two.parents.tolist() == [0, 1, 2, 2]
    np.testing.assert_allclose(two.weights, [0.5, 0.3, 0.1, 0.1], rtol=1e-15)
