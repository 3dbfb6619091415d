"""EM from several models side by side: the steps of each alone, and the end of those that collapse."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES
from inprocess import loaded, settings_of

from emcli.data.rows import Rows
from emcli.inference.search.together import Together, may_climb_together
from emcli.models.base import Degenerate
from emcli.models.em import em
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.quasi_newton import WARM_UP_STEPS, quasi_newton

STEPS = 40


def drawn(shape: str) -> tuple[Rows, list[GaussianMixture]]:
    """The rows of iris, and nine starts of five components."""
    settings = settings_of({"model": "gmm", "k": 5, "covariance": shape, "jobs": 1})
    rows = loaded(GaussianMixture, SAMPLES / "iris.csv", settings).rows
    kinds = ("k-means++", "uniform", "subsample")
    rngs = [np.random.default_rng(seed) for seed in range(9)]
    return rows, [GaussianMixture.initialize(rows, settings.model, kinds[i % 3], rng) for i, rng in enumerate(rngs)]


def climbed(steps: Any) -> list[Any]:
    """Scores, and why they end."""
    scores: list[Any] = []
    try:
        scores += [step.score for step in islice(steps, STEPS)]
    except Degenerate as reason:
        scores.append(str(reason))
    return scores


@pytest.mark.parametrize("accelerated", [False, True])
@pytest.mark.parametrize("shape", ["EII", "VEI", "VVE", "VEV", "EVV"])
def test_each_takes_the_steps_that_it_takes_alone(shape: str, accelerated: bool) -> None:
    rows, models = drawn(shape)
    assert may_climb_together(models[0], rows, len(models))
    together = Together(models, rows, map, 1e-6, accelerated)
    for i in (3, *(i for i in range(9) if i != 3)):
        own = quasi_newton if accelerated else em
        ours, alone = climbed(together.steps(i)), climbed(own(models[i], rows.batches()))
        assert [each for each in ours if isinstance(each, str)] == [each for each in alone if isinstance(each, str)]
        few = 1 + WARM_UP_STEPS if accelerated else STEPS  # what is learnt from rounding differs
        pairs = ([each for each in many if not isinstance(each, str)][:few] for many in (ours, alone))
        np.testing.assert_allclose(*pairs, 1e-12)
        if accelerated and not isinstance(alone[-1], str):
            assert ours[-1] == pytest.approx(alone[-1], abs=1e-3)


def test_where_newton_goes_on_or_the_table_is_large_each_climbs_alone() -> None:
    settings = settings_of({"model": "gmm", "k": 3, "covariance": "full", "jobs": 1})
    rows = loaded(GaussianMixture, SAMPLES / "iris.csv", settings).rows
    model = GaussianMixture.initialize(rows, settings.model, "k-means++", np.random.default_rng(1))
    assert not may_climb_together(model, rows, 9)
    settings = settings_of({"model": "gmm", "k": 3, "covariance": "VEV", "jobs": 1})
    model = GaussianMixture.initialize(rows, settings.model, "k-means++", np.random.default_rng(1))
    assert may_climb_together(model, rows, 9)
    assert not may_climb_together(model, rows, 900)
