"""Quasi-Newton steps: slopes of the log-likelihood, steps that keep the shape, and the optimum that EM reaches."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from conftest import SAMPLES
from inprocess import loaded, settings_of

from emcli.config.covariances import ALL
from emcli.data.rows import Rows
from emcli.models.em import em, pooled_e_step
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.quasi_newton import quasi_newton

SHAPES = [shape for shape in ALL if shape not in ("VVV", "EEE", "VVI", "VII")]


def begun(shape: str, steps: int, seed: int = 1) -> tuple[Rows, GaussianMixture]:
    """The rows of iris, and a mixture of three after some steps of EM."""
    settings = settings_of({"model": "gmm", "k": 3, "covariance": shape, "jobs": 1})
    rows = loaded(GaussianMixture, SAMPLES / "iris.csv", settings).rows
    model = GaussianMixture.initialize(rows, settings.model, "k-means++", np.random.default_rng(seed))
    *_, last = islice(em(model, rows.batches()), steps)
    return rows, last.model


@pytest.mark.parametrize("shape", SHAPES)
def test_slopes_are_those_of_differences_along_directions_that_keep_the_shape(shape: str) -> None:
    """The complete-data Newton step is such a direction."""
    rows, model = begun(shape, 4)
    stats = pooled_e_step(model, rows.batches())
    slopes, informed = model.slopes(stats)

    def score(length: float) -> float:
        moved = model.m_step(model.statistics_of(stats, length * slopes / informed))
        return pooled_e_step(moved, rows.batches()).score

    assert score(0.0) == pytest.approx(stats.score, rel=1e-9)
    assert (score(1e-4) - score(-1e-4)) / 2e-4 == pytest.approx(slopes @ (slopes / informed), rel=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_they_rise_to_the_optimum_of_em(shape: str) -> None:
    rows, model = begun(shape, 4)
    ours = [step.score for step in islice(quasi_newton(model, rows.batches()), 80)]
    alone = [step.score for step in islice(em(model, rows.batches()), 600)]
    assert all(after >= before - 1e-9 for before, after in pairwise(ours))
    assert max(ours) > alone[-1] - 1e-6


def test_one_step_of_the_complete_data_is_nearly_one_of_em() -> None:
    rows, model = begun("EVV", 30)
    stats = pooled_e_step(model, rows.batches())
    slopes, informed = model.slopes(stats)
    ours, alone = model.m_step(model.statistics_of(stats, slopes / informed)), model.m_step(stats)
    for one, other, before in zip(ours.components(), alone.components(), model.components(), strict=True):
        assert np.abs(one - other).max() < 0.1 * np.abs(other - before).max()
