"""Equal rows merged are the rows themselves: same fit, same assignments, at the cost of the different ones."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fit
from inprocess import prepared, scaled

from emcli.config.resolve import resolve
from emcli.data import trial_counts
from emcli.data.duplicates import keys, merged, more_different
from emcli.models import model_class
from emcli.models.em import em

N = 20_000


def heights(d: int = 1, n: int = N) -> Any:
    """Rows (n, d) in whole centimetres."""
    rng = np.random.default_rng(3)
    return np.round(rng.normal(np.where(rng.random((n, 1)) < 0.5, 163, 178), [6, 7][:d])) + 0.0


def write(path: Path, values: Any, *more: tuple[str, Any]) -> Path:
    names = ["x", "y"][: values.shape[1]] + [name for name, _ in more]
    table = np.column_stack([values, *(column for _, column in more)]).tolist()
    path.write_text("\n".join([",".join(names), *(",".join(map(repr, row)) for row in table)]) + "\n")
    return path


def settings_of(model: str, k: int) -> Any:
    return resolve(model, model_class(model).options, {"k": k}, None, read_start=dict)


@pytest.mark.parametrize("d", [1, 2])
def test_merged_rows_are_the_rows(d: int) -> None:
    values = np.ascontiguousarray(heights(d).T)
    values[:, 0] = -0.0
    values[:, 1] = 0.0
    found = merged(values, None)
    assert found is not None
    np.testing.assert_array_equal(found.values[:, found.place], values)
    assert found.values.shape[1] == len(np.unique(values, axis=1).T)
    assert found.weights.sum() == N
    weights = np.random.default_rng(1).uniform(0.1, 3, N)
    again = merged(values, weights)
    assert again is not None
    np.testing.assert_array_equal(again.weights, np.bincount(found.place, weights))
    turned = merged(values[:, ::-1], None)
    assert turned is not None
    np.testing.assert_array_equal(turned.values, found.values)


def test_rows_that_differ_are_left_alone() -> None:
    rng = np.random.default_rng(2)
    assert merged(rng.normal(size=(1, 100_000)), None) is None
    pairs = np.repeat(rng.normal(size=(2, 20_000)), 2, axis=1)
    assert merged(np.concatenate([pairs, rng.normal(size=(2, 10_000))], axis=1), None) is None  # not worth it
    assert merged(heights(1, 1000).T.copy(), None) is None
    assert merged(np.zeros((1, N)), None) is None
    two, three = (np.arange(N)[None] % float(n) for n in (2, 3))  # no fewer than the columns and two
    assert merged(two, None) is None and merged(three, None) is not None


def test_rows_with_the_same_key_by_chance_are_not_taken_for_equal() -> None:
    """A second column that undoes what the first one changes in the key."""
    values = heights(2).T.copy()
    one, other = np.array([[163.0]]), np.array([[178.0]])
    undone = (np.array([170.0]).view(np.uint64) ^ keys(one) ^ keys(other)).view(np.float64)
    assert np.isfinite(undone).all()
    assert merged(values, None) is not None
    values[:, 0], values[:, 1] = [163.0, 170.0], [178.0, undone[0]]
    assert keys(values[:, :1]) == keys(values[:, 1:2])
    assert merged(values, None) is None


@pytest.mark.parametrize("d", [1, 2])
def test_whether_there_are_more_different_rows_than_a_limit(d: int) -> None:
    data = prepared(model_class("gmm"), heights(d), ["x", "y"][:d], settings_of("gmm", 2))
    distinct = len(np.unique(heights(d), axis=0))
    assert data.rows.values.shape[1] == distinct and data.count == N and data.rows.total == N
    assert data.rows.has_more_distinct_than(distinct - 1)
    assert not data.rows.has_more_distinct_than(distinct)


@pytest.mark.parametrize("model", ["gmm", "kmeans"])
@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_fit_to_merged_rows_is_the_fit_to_the_rows(model: str, d: int, weighted: bool) -> None:
    values, names = heights(d), ["x", "y"][:d]
    weights = np.random.default_rng(4).integers(1, 9, N) / 4 if weighted else None
    kind, settings = model_class(model), settings_of(model, 2)
    means = [[160.0, 160.0][:d], [180.0, 181.0][:d]]
    rows = prepared(kind, values, names, settings, weights).rows
    assert rows.duplicate_of is not None
    z = rows.scaling.to_scaled(values)
    if rows.covariance is not None:
        np.testing.assert_allclose(rows.covariance, np.cov(z.T, bias=True, aweights=weights).reshape(d, d), rtol=1e-12)
    start = scaled(kind, {"centroids": means} if model == "kmeans" else {"means": means}, settings, rows)
    apart = (np.ascontiguousarray(z.T), weights)
    one, other = (list(islice(em(start, batches), 9)) for batches in (rows.batches(), [apart]))
    assert len(one) == len(other) > 1
    for step, beside in zip(one, other, strict=True):
        assert step.score == pytest.approx(beside.score, rel=1e-12)
        assert step.weight == pytest.approx(beside.weight, rel=1e-14)
        for a, b in zip(step.model.components(), beside.model.components(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("model", [pytest.param("gmm", marks=pytest.mark.slow), "kmeans"])
@pytest.mark.usefixtures("described")
def test_a_document_and_its_pictures_say_nothing_of_the_merging(model: str, tmp_path: Path) -> None:
    values = heights(2)
    labels = (values[:, 0] > 170).astype(int)
    path = write(tmp_path / "a.csv", values, ("label", labels))
    arguments = [model, path, "-k", 2, "--restarts", 1, "--truth", "label"]
    found = fit(*arguments, "--plot", tmp_path / "a.svg", "--jobs", 1)
    assert found["data"]["rows"] == found["data"]["weight"] == N
    assert not [warning for warning in found["warnings"] if "weight" in warning["slug"]]
    assert found["truth"]["adjusted_rand_index"] > 0.5
    if model == "kmeans":
        assert sum(found["parameters"]["sizes"]) == N
    assert fit(*arguments, "--jobs", 2) == found


@pytest.mark.parametrize("counts", [(10, 5000), (10**6, 3000), (9 * 10**7, 3000), (3, 3)])
def test_pairs_of_heads_and_tails_are_found_by_table_or_by_search(counts: tuple[int, int]) -> None:
    most, n = counts
    heads, tails = np.random.default_rng(6).integers(0, most, (2, n)).astype(float)
    pairs, place = trial_counts.distinct(heads, tails)
    np.testing.assert_array_equal(pairs[:, place], [heads, tails])
    np.testing.assert_array_equal(pairs, np.unique(np.stack([heads, tails]), axis=1))


def test_rows_that_come_often_count_once_among_the_different_ones() -> None:
    values = np.repeat(np.arange(4.0), 5)[None, ::-1].copy()
    assert [more_different(values, limit) for limit in (2, 3, 4, 5, 18)] == [True, True, False, False, False]
