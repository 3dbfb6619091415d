"""Moves that are tried together come to what each comes to alone."""

from __future__ import annotations

from functools import reduce
from itertools import islice
from operator import add

import numpy as np
import pytest
from conftest import SAMPLES
from inprocess import GMM, loaded, settings_of

from emcli.data.rows import batch_chunks
from emcli.inference.search.moves import Proposals
from emcli.inference.search.trials import tried, tried_together
from emcli.models.base import Degenerate
from emcli.models.em import em
from emcli.models.gmm.mixture import GaussianMixture
from emcli.types import Array

TABLES = {"galaxies": 5, "faithful": 6}
LAWS = [law for law in GMM if law.endswith("free")] + ["gmm tied equal"]


def drawn(table: str, law: str, count: int = 9) -> tuple:
    """Rows, settings and starts of all kinds, of which some collapse."""
    settings = settings_of({**GMM[law], "k": TABLES[table], "jobs": 1})
    rows = loaded(GaussianMixture, SAMPLES / f"{table}.csv", settings).rows
    rng = np.random.default_rng(5)
    kinds = [kind for kind in GaussianMixture.start_kinds(settings.model) if kind != "split"]
    starts = [GaussianMixture.initialize(rows, settings.model, kinds[i % len(kinds)], rng) for i in range(count)]
    return rows, settings, starts


def alike(one: GaussianMixture, other: GaussianMixture) -> bool:
    """Are the parameters of two models the same but for rounding?"""
    pairs = zip((one.weights, *one.components()), (other.weights, *other.components()), strict=True)
    return all(np.allclose(a, b, rtol=1e-9, atol=1e-9) for a, b in pairs)


def after(model: GaussianMixture, rows: object, steps: int) -> float:
    """The log-likelihood after some steps of EM, minus infinity where it degenerates."""
    score = -np.inf
    try:
        for step in islice(em(model, rows.batches()), steps):
            score = step.score
    except Degenerate:
        return -np.inf
    return score


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("table", TABLES)
def test_trials_together_end_as_each_alone_up_to_the_first_that_may_lead_higher(table: str, law: str) -> None:
    rows, _, models = drawn(table, law)
    reached = sorted(after(model, rows, 40) for model in models)
    found = []
    for best in (-1e6, reached[3], reached[-2], reached[-1] + 0.5, reached[-1] + 50.0):
        alone = [tried(model, best, 1e-4, rows, map) for model in models]
        first = next((i for i, trial in enumerate(alone) if trial.found is not None), len(models) - 1)
        together = tried_together(models, best, 1e-4, rows, map)
        assert [trial.steps for trial in together] == [trial.steps for trial in alone[: first + 1]]
        assert all(trial.found is None for trial in together[:-1])
        one, other = together[-1].found, alone[first].found
        assert (one is None) == (other is None)
        assert one is None or alike(one, other)
        found.append(first if one is not None else None)
    assert found[0] == 0 and len(set(found)) > 1  # not all alike


@pytest.mark.parametrize("law", GMM)
def test_stacked_mixtures_take_the_steps_that_each_takes_also_in_batches_and_of_weighted_rows(law: str) -> None:
    rows, _, models = drawn("faithful", law, 3)
    weights = np.random.default_rng(1).integers(1, 4, rows.count).astype(float)
    stack = GaussianMixture.stacked(models)

    def step(model: GaussianMixture, own: Array | None) -> tuple:
        stats = reduce(add, (model.e_step(*piece) for piece in batch_chunks(rows.values, own, 100)))
        return stats.score, model.m_step(stats)

    for own in (None, weights):
        scores, improved = step(stack, own)
        for i, model in enumerate(models):
            score, alone = step(model, own)
            assert scores[i] == pytest.approx(score, rel=1e-12) and alike(improved.member(i), alone)


def test_the_moves_are_the_same_however_many_are_tried_together() -> None:
    rows, settings, models = drawn("faithful", "gmm full free", 1)
    *_, last = islice(em(models[0], rows.batches()), 30)
    seen = []
    for most in (1, 5):
        proposals = Proposals(rows, settings.model, ["k-means++", "sizes"], np.random.default_rng(2), most)
        trials: list = []
        while len(trials) < 25:
            trials += proposals.tried(last.model, last.score, 1e-4, rows, map, 25 - len(trials), len(trials))
        seen.append(trials)
    one, five = seen
    assert [(kind, trial.steps, trial.found is None) for kind, trial in one] == [
        (kind, trial.steps, trial.found is None) for kind, trial in five
    ]
    assert {trial.found is None for _, trial in one} == {True, False}
