"""Start values beside centres that are held: free ones begin where those are not (k-means++ given the held ones)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import fit

CENTRES = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10], [20, 0], [20, 10]])

SOME = "[[0, 0], null, [0, 10], null, [20, 10], null]"


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(4)
    rows = np.concatenate([centre + rng.normal(size=(30, 2)) for centre in CENTRES])
    path = tmp_path_factory.mktemp("starts") / "six.csv"
    labels = np.repeat(["a", "b", "", "", "", ""], 30)
    lines = [f"{x},{y},{label}" for (x, y), label in zip(rows.tolist(), labels.tolist(), strict=True)]
    path.write_text("\n".join(["x,y,known", *lines]) + "\n")
    return path


def held(folder: Path, model: str, key: str, values: str, more: str = "") -> Path:
    path = folder / f"{model}.yaml"
    path.write_text(f"model: {model}\nfit: {{k: 6, columns: 'x,y', restarts: 1, fix: {{{key}: {values}}}{more}}}\n")
    return path


@pytest.mark.parametrize(
    ("model", "key", "more"),
    [
        ("gmm", "means", ""),
        ("gmm", "means", ", covariance: spherical"),
        ("gmm", "means", ", covariance: tied"),
        ("kmeans", "centroids", ""),
    ],
)
@pytest.mark.parametrize("places", [SOME, "[null, null, null, null, [0, 0], null]"])
def test_one_start_finds_the_clusters_that_are_not_held(
    model: str, key: str, more: str, places: str, six: Path, tmp_path: Path
) -> None:
    path = held(tmp_path, model, key, places, f", init: k-means++{more}")
    for seed in range(5):
        found = np.array(fit(path, six, "--seed", seed)["parameters"][key])
        away = np.linalg.norm(found[:, None] - CENTRES, axis=2)
        assert sorted(away.argmin(axis=1).tolist()) == list(range(6)) and away.min(axis=1).max() < 1


def test_the_free_centres_begin_far_from_known_and_held_ones_too(six: Path, tmp_path: Path) -> None:
    places = "[null, null, [10, 10], null, null, [20, 0]]"
    path = held(tmp_path, "gmm", "means", places, ", init: k-means++, known: known")
    for seed in range(5):
        found = np.array(fit(path, six, "--seed", seed)["parameters"]["means"])
        nearest = np.linalg.norm(found[:, None] - CENTRES, axis=2).argmin(axis=1).tolist()
        assert (nearest[:3], nearest[5], {*nearest[3:5]}) == ([0, 1, 3], 4, {2, 5})


def test_a_mean_of_which_one_coordinate_is_held_begins_as_a_free_one(six: Path, tmp_path: Path) -> None:
    path = held(tmp_path, "gmm", "means", "[[0, 0], [0, null], null, null, null, null]", ", init: k-means++")
    means = np.array(fit(path, six)["parameters"]["means"])
    assert means[0].tolist() == [0, 0] and means[1, 0] == 0 and np.isfinite(means).all()


def test_where_all_centres_are_held_there_is_nothing_to_draw(six: Path, tmp_path: Path) -> None:
    places = str(CENTRES.tolist())
    assert fit(held(tmp_path, "kmeans", "centroids", places), six)["parameters"]["centroids"] == CENTRES.tolist()
    assert fit(held(tmp_path, "gmm", "means", places), six)["parameters"]["means"] == CENTRES.tolist()


def test_missing_cells_do_not_lead_to_centres_that_are_held(tmp_path: Path, six: Path) -> None:
    rows = [line.split(",") for line in six.read_text().splitlines()]
    for i in range(5, len(rows), 17):
        rows[i][i % 2] = ""
    gaps = tmp_path / "gaps.csv"
    gaps.write_text("\n".join(map(",".join, rows)) + "\n")
    for model, key in (("gmm", "means"), ("kmeans", "centroids")):
        path = held(tmp_path, model, key, SOME, ", missing: use")
        found = np.array(fit(path, gaps, "--init", "k-means++")["parameters"][key])
        assert sorted(np.linalg.norm(found[:, None] - CENTRES, axis=2).argmin(axis=1).tolist()) == list(range(6))
