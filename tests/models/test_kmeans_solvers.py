"""The fast ways through K-means reach, step by step, what plain em() reaches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fit
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inprocess import half

from emcli.compute.processes import process_map
from emcli.compute.threads import thread_map
from emcli.config.settings import DataSettings
from emcli.data.points import POINTS
from emcli.data.rows import Columns, Rows
from emcli.data.scaling import ScalingRule
from emcli.inference.convergence import check_monotone
from emcli.models.em import Step, em
from emcli.models.kmeans import bounded_rows
from emcli.models.kmeans.assignment import ScreenedDistances
from emcli.models.kmeans.bounded_rows import BoundedRows
from emcli.models.kmeans.centroid_drift import CentroidDrift
from emcli.models.kmeans.lloyd_1d import steps_1d
from emcli.models.kmeans.lloyd_bounds import steps_with_bounds
from emcli.models.kmeans.model import KMeans
from emcli.models.seeding import squared_distances
from emcli.types import Array

MOST = 60  # iterations


def rows_of(x: Array, weights: Array | None, k: int) -> Rows:
    columns = Columns(x, [], weights, [f"x{j}" for j in range(x.shape[1])])
    return POINTS.prepare(columns, k, ScalingRule.ALL_COLUMNS, DataSettings())


def fast(model: KMeans, rows: Rows, mapper: Any = map, slice_products: int = 1) -> Iterator[Step]:
    """Steps of the solver; in several slices however few the rows, so that what is put together is tested too."""
    if len(rows.values) == 1:
        return steps_1d(model, rows, mapper)
    return steps_with_bounds(model, rows, mapper, slice_products)


def both(x: Array, weights: Array | None, start: Array, slice_products: int = 1) -> tuple[list[Step], list[Step], Rows]:
    """All steps of plain EM and of the solver, from one start."""
    rows = rows_of(x, weights, len(start))
    model = KMeans(rows.scaling.to_scaled(start))
    plain = list(islice(em(model, rows.batches()), MOST))
    return plain, list(islice(check_monotone(fast(model, rows, map, slice_products)), MOST)), rows


def agree(x: Array, weights: Array | None, start: Array, slice_products: int = 1) -> None:
    """Hold every step of the solver against that of plain EM."""
    plain, solved, rows = both(x, weights, start, slice_products)
    assert len(plain) == len(solved)
    scale = (rows.values**2).sum() if weights is None else ((rows.values**2) @ weights).sum()
    for one, other in zip(plain, solved, strict=True):
        np.testing.assert_allclose(other.model.centroids, one.model.centroids, rtol=1e-12, atol=1e-12)
        assert other.score == pytest.approx(one.score, rel=1e-12, abs=1e-14 * float(scale))
        assert other.weight == one.weight
        assert other.model.refilled == one.model.refilled
    if len(plain) < MOST:
        assert solved[-1].score == pytest.approx(plain[-1].score, rel=1e-12, abs=1e-25)


def drawn(seed: int, n: int, d: int, k: int, kind: str) -> tuple[Array, Array]:
    rng = np.random.default_rng([seed, n, d, k])
    if kind == "uniform":
        x = rng.random((n, d))
    else:
        middles = rng.normal(size=(k, d)) * {"blobs": 2.0, "apart": 1e5, "offset": 3.0, "outlier": 2.0}[kind]
        x = middles[rng.integers(k, size=n)] + rng.normal(size=(n, d))
    if kind == "offset":
        x += 1e7
    if kind == "outlier":
        x[0] = 1e4 * n
    return x, x[rng.choice(n, k, replace=False)].copy()


@half(kind=["blobs", "uniform", "apart", "offset", "outlier"], slice_products=[1, 1 << 30])
@pytest.mark.parametrize(
    ("n", "d", "k"),
    [
        (5000, 1, 5),
        pytest.param(900, 1, 30, marks=pytest.mark.slow),
        (5000, 2, 1),
        (9000, 2, 8),
        (4000, 3, 20),
        pytest.param(3000, 9, 7, marks=pytest.mark.slow),
        (2000, 16, 40),
        pytest.param(500, 5, 300, marks=pytest.mark.slow),
    ],
)
def test_every_step_is_that_of_plain_em(n: int, d: int, k: int, kind: str, slice_products: int) -> None:
    """In several slices, or in one."""
    x, start = drawn(0, n, d, k, kind)
    agree(x, None, start, slice_products)


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_that_are_assigned_in_several_chunks_add_up_as_in_plain_em(weighted: bool) -> None:
    """One slice of three chunks, in which all rows, and later few, are assigned."""
    x, start = drawn(5, 40_000, 2, 40, "blobs")
    agree(x, np.random.default_rng(5).integers(0, 3, len(x)) + 0.5 if weighted else None, start, 1 << 30)


@pytest.mark.parametrize("noted", [(bounded_rows.MAX_NOTED_SHARE, bounded_rows.NOTED_STEPS), (1.0, 1.0), (1.0, 2.0)])
@pytest.mark.parametrize("weighted", [False, True])
def test_fast_centroids_are_looked_at_alone_and_every_step_is_that_of_plain_em(
    monkeypatch: pytest.MonkeyPatch, weighted: bool, noted: tuple[float, float]
) -> None:
    """Most centroids have come to rest while a few still move far. No row that is due is missed among those noted."""
    looks: list[int] = []
    original, from_notes = bounded_rows.compare_fast, BoundedRows.due

    def counting(part: BoundedRows, screen: ScreenedDistances, drift: CentroidDrift) -> None:
        looks.append(len(drift.fast))
        original(part, screen, drift)

    def due(part: BoundedRows, drift: CentroidDrift) -> Any:
        found, at = from_notes(part, drift)
        upper = np.nextafter(drift.shrunk.astype(np.float32), np.float32(np.inf))
        assert np.array_equal(found, np.flatnonzero(part.valid_until <= np.take(upper, part.labels, mode="clip")))
        return found, at

    monkeypatch.setattr(bounded_rows, "compare_fast", counting)
    monkeypatch.setattr(BoundedRows, "due", due)
    monkeypatch.setattr(bounded_rows, "MAX_NOTED_SHARE", noted[0])
    monkeypatch.setattr(bounded_rows, "NOTED_STEPS", noted[1])
    rng = np.random.default_rng(3)
    middles = rng.normal(size=(60, 32)) * 0.7
    x = middles[rng.integers(60, size=6000)] + rng.normal(size=(6000, 32))
    agree(x, rng.integers(0, 3, 6000) + 0.5 if weighted else None, x[rng.choice(6000, 60, replace=False)])
    assert len(looks) > 8 and set(looks) == {7}


@pytest.mark.parametrize("d", [1, 2, 9])
def test_weights_of_all_sizes_count_as_in_plain_em(d: int) -> None:
    x, start = drawn(1, 3000, d, 6, "blobs")
    rng = np.random.default_rng(d)
    agree(x, rng.integers(0, 4, len(x)).astype(float), start)
    agree(x, 10.0 ** rng.uniform(-6, 6, len(x)), start)


@pytest.mark.parametrize("d", [1, 2, 9])
def test_emptied_clusters_are_refilled_as_in_plain_em(d: int) -> None:
    x, start = drawn(2, 2000, d, 6, "blobs")
    start[2:4] += 1e3
    start[5] = start[0]
    plain, solved, _ = both(x, None, start)
    assert solved[-1].model.refilled == plain[-1].model.refilled > 1
    agree(x, None, start)


def test_a_cluster_is_empty_although_the_weights_are_rounded_on_the_way() -> None:
    """All values but few lie at -1 and just short of the first tie, where their weights are added up in two ways."""
    rng = np.random.default_rng(5)
    x = np.concatenate([1.0 - 1e-6 * rng.random(150_000), rng.normal(10, 1, 1000)])
    x[:75_000] -= 2.0
    rng.shuffle(x)
    agree(x[:, None], rng.random(len(x)) + 0.1, np.array([[0.0], [2.0 + 1e-9], [10.0]]))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_few_small_whole_numbers_end_where_plain_em_may_end(data: st.DataObject) -> None:
    """Ties and duplicates abound: rounding may part the ways at a tie, else each ends in a fixed point of plain EM."""
    d = data.draw(st.sampled_from([1, 2, 3, 8]))
    n = data.draw(st.integers(1, 60))
    k = data.draw(st.integers(1, min(n, 6)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x = rng.integers(0, data.draw(st.integers(1, 9)), (n, d)).astype(float) * data.draw(st.sampled_from([1.0, 0.1]))
    weights = rng.integers(0, 3, n).astype(float) if data.draw(st.booleans()) else None
    if weights is not None:
        assume(weights.any() and (np.ptp(x[weights > 0], axis=0) > 0).all())
    start = x[rng.integers(n, size=k)]
    plain, solved, rows = both(x, weights, start)
    assert solved[0].score == pytest.approx(plain[0].score, rel=1e-12, abs=1e-13)
    last = solved[-1]
    again = list(islice(em(last.model, rows.batches()), MOST))
    assert again[0].score == pytest.approx(last.score, rel=1e-12, abs=1e-25)
    if len(solved) < MOST and not np.allclose(again[-1].model.centroids, last.model.centroids, 1e-12, 1e-12):
        assert explained_by_ties(rows, last.model.centroids)


def explained_by_ties(rows: Rows, centroids: Array) -> bool:
    """Are the centroids the means of their rows, whichever of their nearest centroids the tied rows belong to?"""
    distances = squared_distances(rows.values, centroids)
    near = distances <= distances.min(axis=0) + 1e-14
    weights = np.ones(near.shape[1]) if rows.weights is None else rows.weights
    tied = np.flatnonzero((near.sum(axis=0) > 1) & (weights > 0))
    assume(np.prod(near[:, tied].sum(axis=0), dtype=float) <= 4096)
    labels = near.argmax(axis=0)
    for chosen in product(*(np.flatnonzero(near[:, row]) for row in tied)):
        labels[tied] = chosen
        members = (labels == np.arange(len(centroids))[:, None]) * weights
        shifts = members @ rows.values.T - members.sum(axis=1)[:, None] * centroids
        if tied.size and np.abs(shifts).max() <= 1e-12 * max(1.0, weights.sum()):
            return True
    return False


@pytest.mark.parametrize("d", [1, 2, 8])
def test_exact_ties_go_to_the_lowest_label(d: int) -> None:
    x = np.zeros((4100, d))
    x[:, 0] = np.arange(4100) % 5 - 2.0
    for start in ([-2.0, 2.0], [2.0, -2.0], [0.0, 0.0, 1.0], [1.0, -1.0, 0.0]):
        centroids = np.zeros((len(start), d))
        centroids[:, 0] = start
        agree(x, None, centroids)


@pytest.mark.parametrize("shared_out", [thread_map, process_map])
@pytest.mark.parametrize(("d", "k"), [(1, 7), (2, 7), (10, 7), (40, 40)])
def test_neither_threads_nor_processes_change_a_bit(d: int, k: int, shared_out: Any) -> None:
    x, start = drawn(3, 70_000 if d < 40 else 10_000, d, k, "blobs")
    rows = rows_of(x, None, k)
    model = KMeans(rows.scaling.to_scaled(start))
    alone = list(islice(fast(model, rows, map), 10))
    with shared_out(3) as mapper:
        for one, other in zip(alone, islice(fast(model, rows, mapper), 10), strict=True):
            assert one.score == other.score
            assert np.array_equal(one.model.centroids, other.model.centroids)


def test_the_trace_has_every_iteration(tmp_path: Path) -> None:
    x, start = drawn(4, 6000, 2, 5, "blobs")
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="a,b", comments="", fmt="%.17g")
    (tmp_path / "start.yaml").write_text(json.dumps({"centroids": start.tolist()}))
    trace = tmp_path / "trace.jsonl"
    document = fit("kmeans", tmp_path / "x.csv", "-k", 5, "--start", tmp_path / "start.yaml", "--trace", trace)
    told = [json.loads(line) for line in trace.read_text().splitlines()]
    told = [line for line in told if "iteration" in line and line.get("type") != "end"]
    plain, _, _ = both(x, None, start)
    assert [line["iteration"] for line in told] == list(range(len(plain)))
    assert document["iterations"] == len(plain) - 1
