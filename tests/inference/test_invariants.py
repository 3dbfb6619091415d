"""Laws of one iteration and of one fit, over adversarial tables; test_laws.py holds some of them on the sample data."""

from __future__ import annotations

import json
from itertools import islice, pairwise

import numpy as np
import pytest
from inprocess import (
    CASES,
    COINS,
    GMM,
    TABLES,
    case,
    clusters,
    dataset,
    drawn,
    every_case,
    fitted,
    gap,
    half,
    measure,
    scaled,
    start_of,
    statistics,
    stepped,
    tosses,
)

from emcli.data.rows import batch_chunks
from emcli.inference.convergence import rounding_error
from emcli.inference.result import dumps
from emcli.models.base import UNIT_ROUNDOFF
from emcli.models.em import em

FREE = [name for name in GMM if name.endswith("free")]


@every_case
def test_the_score_never_falls_by_more_than_rounding(name: str, table: str) -> None:
    model, rows = drawn(*reversed(case(name, table)))
    steps = [step for step, _ in zip(em(model, rows.batches()), range(80), strict=False)]
    for before, after in pairwise(steps):
        allowed = 8 * UNIT_ROUNDOFF * rows.total**0.5 * abs(before.score)
        if table == "nearly collinear":  # large terms cancel there, in data as given
            allowed = max(allowed, rounding_error(after))
        assert after.score >= before.score - allowed


@every_case
def test_responsibilities_and_weights_sum_to_one(name: str, table: str) -> None:
    for model, rows in stepped(*reversed(case(name, table, k=3)), steps=6):
        r, _ = model.posterior(rows.values)
        k = len(r)
        assert np.all(np.abs(r.sum(axis=0) - 1.0) <= 4 * k * UNIT_ROUNDOFF)
        assert np.all((r >= 0) & (r <= 1))
        if name != "kmeans":
            assert abs(model.weights.sum() - 1.0) <= 4 * k * UNIT_ROUNDOFF
            assert np.all(model.weights >= 0)


def test_a_row_far_from_every_component_still_has_responsibilities_that_sum_to_one() -> None:
    for name in (*GMM, *COINS):
        options, values = case(name, "millions" if name in COINS else "plain")
        model, _ = drawn(values, options)
        far = np.array([[0.0], [1e15], [0.0]]) if name in COINS else np.full((2, 1), 1e8)
        r, log_density = model.posterior(far)
        assert abs(r.sum() - 1.0) <= 1e-15
        assert np.isfinite(log_density).all()


@half(name=FREE, table=TABLES)
def test_every_m_step_keeps_the_moments_of_the_sample(name: str, table: str) -> None:
    options, values = case(name, table, k=3)
    models = [model for model, _ in stepped(values, options, steps=5)][1:]
    _, data, _ = dataset(values, options)
    z = data.rows.values
    mean, scale = z.mean(axis=1), np.sqrt(np.diag(data.rows.covariance))
    for model in models:
        away = model.means - mean
        assert np.all(np.abs(model.weights @ away) <= 1e-12 * scale)
        found = np.einsum("k,kij->ij", model.weights, model.covariances.full())
        found += np.einsum("k,ki,kj->ij", model.weights, away, away)
        excess = (found - data.rows.covariance) / np.outer(scale, scale)
        if options["covariance"] == "spherical":
            assert abs(np.trace(found) - np.trace(data.rows.covariance)) <= 1e-12 * np.trace(data.rows.covariance)
        else:
            part = np.diag(excess) if options["covariance"] == "diag" else excess
            assert np.abs(part).max() <= 1e-12


@pytest.mark.parametrize("table", ["tosses", "one toss", "sure"])
def test_every_m_step_keeps_the_share_of_heads(table: str) -> None:
    options, values = case("coins free", table)
    for model, rows in stepped(values, options, steps=5):
        stats = statistics(model, rows)
        thrown = stats.heads + stats.tails
        assert model.m_step(stats).heads @ thrown == pytest.approx(values[:, 0].sum(), rel=1e-13)


@every_case
def test_the_size_of_a_batch_changes_nothing(name: str, table: str) -> None:
    options, values = case(name, table)
    model, rows = drawn(values, options)
    ends = []
    for size in (rows.count, 1, 7):
        *_, last = islice(em(model, list(batch_chunks(rows.values, rows.weights, size))), 4)
        ends.append((last.score, last.model.to_parameters()))
    for score, parameters in ends[1:]:
        assert score == pytest.approx(ends[0][0], rel=1e-12)
        tolerance = 1e-11 if table == "nearly collinear" else 1e-12  # its condition number enlarges rounding
        assert gap(ends[0][1], parameters, rows.values.T, options) <= tolerance


@every_case
def test_a_fit_started_at_its_own_parameters_stays_there(name: str, table: str) -> None:
    options, values = case(name, table)
    first = fitted(values, options)
    start = {key: value for key, value in first["parameters"].items() if key not in ("sizes", "sd")}
    again = fitted(values, {**options, "start": start})
    assert again["iterations"] <= 2
    assert measure(again) == pytest.approx(measure(first), abs=2e-6, rel=1e-10)


@pytest.mark.parametrize("name", [*COINS, *GMM])
def test_fifty_and_fifty_iterations_are_a_hundred(name: str) -> None:
    rng = np.random.default_rng(1)  # one population, which two or three components follow very slowly
    values = rng.standard_normal((300, 2))
    if name in COINS:
        values = np.column_stack([rng.binomial(10, 0.4, 300), np.full(300, 10)])
    options, _ = case(name, "tosses" if name in COINS else "plain", k=3, max_iter=50, tol=1e-300, solver="em")
    start = start_of(values, options)
    half = fitted(values, {**options, "start": start})
    rest = fitted(values, {**options, "start": half["parameters"]})
    whole = fitted(values, {**options, "start": start, "max_iter": 100})
    assert [each["iterations"] for each in (half, rest, whole)] == [50, 50, 100]
    assert gap(rest["parameters"], whole["parameters"], values, options) <= 1e-10


@every_case
def test_the_stored_log_likelihood_is_that_of_the_stored_parameters(name: str, table: str) -> None:
    options, values = case(name, table, max_iter=40)
    said = fitted(values, options)
    kind, data, settings = dataset(values, options)
    assert dumps(said) == dumps(json.loads(dumps(said)))
    score = statistics(scaled(kind, said["parameters"], settings, data.rows), data.rows).score
    log_likelihood, inertia, _ = kind.measures(score, data.rows, settings.model.k)
    assert (log_likelihood, inertia) == (said["log_likelihood"], said.get("inertia"))


@pytest.mark.parametrize("table", TABLES)
def test_k_means_ends_with_every_row_at_its_nearest_centroid_and_every_centroid_the_mean(table: str) -> None:
    options, values = case("kmeans", table, k=4, restarts=3)
    said = fitted(values, options)
    inertias = [line["inertia"] for line in said["trace"]]
    assert all(after <= before * (1 + 1e-15) for before, after in pairwise(inertias))
    centroids = np.array(said["parameters"]["centroids"])
    scale = spread_of(values)
    squared = (((values[:, None] - centroids) / scale) ** 2).sum(axis=2)
    nearest = squared.argmin(axis=1)
    for j, centroid in enumerate(centroids):
        rows = values[nearest == j]
        assert len(rows) == said["parameters"]["sizes"][j]
        middle = rows[0] + ((rows - rows[0]) / scale).mean(axis=0) * scale
        assert np.abs((centroid - middle) / scale).max() <= 1e-12 + 2 * UNIT_ROUNDOFF * np.abs(values / scale).max()
    assert squared.min(axis=1).sum() * scale**2 == pytest.approx(said["inertia"], rel=1e-6 if "1e9" in table else 1e-12)


def spread_of(values: np.ndarray) -> float:
    """One scale for all columns."""
    return float(np.ptp(values, axis=0).max())


def test_the_cases_are_many() -> None:
    assert len(CASES) > 100
    assert clusters().shape == (120, 2)
    assert tosses().shape == (60, 2)


@pytest.mark.slow
@half(name=[*GMM, "kmeans"], seed=range(3))
def test_the_laws_hold_on_many_rows_far_from_zero(name: str, seed: int) -> None:
    values = clusters(60_000, 3, seed) * [1e-3, 1.0, 1e3] + [1e6, -1e9, 0.0]
    options, _ = case(name, "plain", k=4)
    model, rows = drawn(values, options, seed)
    steps = [step for step, _ in zip(em(model, rows.batches()), range(15), strict=False)]
    for before, after in pairwise(steps):
        assert after.score >= before.score - 8 * UNIT_ROUNDOFF * rows.total**0.5 * abs(before.score)
    last = steps[-1].model
    r, _ = last.posterior(rows.values)
    assert np.abs(r.sum(axis=0) - 1.0).max() <= 16 * UNIT_ROUNDOFF
    if "free" in name:
        off = last.weights @ (last.means - rows.values.mean(axis=1))
        sds = np.sqrt(np.diag(rows.covariance))
        assert np.all(np.abs(off) <= 1e-12 * (sds.max() if "spherical" in name else sds))
