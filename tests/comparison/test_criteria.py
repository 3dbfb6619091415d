"""Choosing k for K-means: silhouette, Calinski & Harabasz, and the gap statistic."""

from __future__ import annotations

import json
from math import log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, run
from scipy.spatial.distance import cdist
from sklearn.metrics import calinski_harabasz_score, silhouette_score

from emcli.comparison import criteria, silhouette
from emcli.comparison.candidate import Candidate, Kind, Score
from emcli.comparison.gap import Gap, chosen, references
from emcli.comparison.ranking import grouped
from emcli.comparison.silhouette import Room, silhouettes
from emcli.config.settings import ModelSettings
from emcli.data.points import POINTS
from emcli.data.rows import Columns, Rows
from emcli.data.scaling import ScalingRule
from emcli.models.kmeans.model import KMeans

IRIS = np.loadtxt(SAMPLES / "iris.csv", delimiter=",", skiprows=1, usecols=range(4))


def compared(*words: Any, code: int = 0, **how: Any) -> Any:
    """The document of a comparison, and what it says on standard error; where it must fail, only that."""
    done = run("compare", *words, "--json", process=False, **how)
    assert done.returncode == code, done.stderr
    return (json.loads(done.stdout), done.stderr) if code == 0 else done.stderr


def written(path: Path, header: str, rows: Any) -> Path:
    np.savetxt(path, rows, delimiter=",", header=header, comments="", fmt="%.17g")
    return path


def nearest(values: np.ndarray, centroids: Any) -> np.ndarray:
    """The number of the nearest centroid of each row (n, d)."""
    away = values[:, None, :] - np.asarray(centroids)
    return np.asarray((away**2).sum(axis=2).argmin(axis=1))


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, dict[str, Any]], dict[int, dict[str, Any]], Path]:
    """Rows of the comparison of K-means on iris, the fits' documents, and the folder of these; all by k."""
    folder = tmp_path_factory.mktemp("fits")
    words = ("kmeans", "sample_data/iris.csv", "--columns", "1-4", "-k", "1-6", "--restarts", 4, "--save-fits", folder)
    document, _ = compared(*["1,2,3,4" if word == "1-4" else word for word in words])
    rows = {row["k"]: row for row in document["groups"][0]["candidates"]}
    assert document["criterion"] == document["groups"][0]["criterion"] == "silhouette"
    return rows, {k: json.loads((folder / f"kmeans-k{k}.json").read_text()) for k in rows}, folder


def test_iris_has_two_clusters_and_not_the_most_that_were_asked_for(fits: Any) -> None:
    rows, *_ = fits
    assert next(iter(rows)) == 2 and list(rows)[-1] == 1
    assert rows[1]["silhouette"] is rows[1]["ch"] is None


@pytest.mark.parametrize("k", range(2, 7))
def test_silhouette_and_ch_are_those_of_scikit_learn(fits: Any, k: int) -> None:
    rows, documents, _ = fits
    labels = nearest(IRIS, documents[k]["parameters"]["centroids"])
    assert rows[k]["silhouette"] == pytest.approx(silhouette_score(IRIS, labels), rel=0, abs=1e-10)
    assert rows[k]["silhouette_error"] is None
    assert rows[k]["ch"] == pytest.approx(calinski_harabasz_score(IRIS, labels), rel=1e-10)


def test_of_standardized_columns_they_are_those_of_scikit_learn_too(tmp_path: Path) -> None:
    document, _ = compared("kmeans", "sample_data/iris.csv", "--columns", "1,2,3,4", "-k", 3, "--standardize",
                           "--restarts", 2, "--save-fits", tmp_path)  # fmt: skip
    (row,) = document["groups"][0]["candidates"]
    parameters = json.loads((tmp_path / "kmeans-k3.json").read_text())["parameters"]
    values = IRIS / IRIS.std(axis=0)
    labels = nearest(values, np.array(parameters["centroids"]) / IRIS.std(axis=0))
    assert row["silhouette"] == pytest.approx(silhouette_score(values, labels), abs=1e-10)
    assert row["ch"] == pytest.approx(calinski_harabasz_score(values, labels), rel=1e-10)


def test_a_weight_of_3_is_the_row_three_times(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    often = rng.integers(1, 4, len(IRIS))
    path = written(tmp_path / "weighted.csv", "a,b,c,d,w", np.column_stack([IRIS, often]))
    document, _ = compared("kmeans", path, "-k", 3, "--row-weights", "w", "--restarts", 2, "--save-fits", tmp_path)
    (row,) = document["groups"][0]["candidates"]
    centroids = json.loads((tmp_path / "kmeans-k3.json").read_text())["parameters"]["centroids"]
    values = np.repeat(IRIS, often, axis=0)
    labels = nearest(values, centroids)
    exact = silhouette_score(cdist(values, values), labels, metric="precomputed")  # its own make equal rows 1e-8 apart
    assert row["silhouette"] == pytest.approx(exact, abs=1e-10)
    assert row["ch"] == pytest.approx(calinski_harabasz_score(values, labels), rel=1e-10)


def test_shares_are_scaled_to_the_rows(tmp_path: Path, fits: Any) -> None:
    path = written(tmp_path / "shares.csv", "a,b,c,d,w", np.column_stack([IRIS, np.full(150, 1 / 150)]))
    document, said = compared("kmeans", path, "-k", 3, "--row-weights", "w", "--restarts", 4)
    (row,) = document["groups"][0]["candidates"]
    assert "[weights-are-shares]" in said
    assert (row["silhouette"], row["ch"]) == pytest.approx((fits[0][3]["silhouette"], fits[0][3]["ch"]), rel=1e-10)


@pytest.mark.parametrize("dense", [1, 128], ids=["sums by order", "sums by product"])
@pytest.mark.parametrize("clusters", ["pairs", "one row alone", "many"])
def test_any_clustering_has_the_silhouette_of_scikit_learn(clusters: str, dense: int) -> None:
    labels = {
        "pairs": np.arange(150) // 2,
        "one row alone": (np.arange(150) == 7).astype(int),
        "many": np.arange(150) % 149,
    }
    (found,) = silhouettes(np.ascontiguousarray(IRIS.T), None, [labels[clusters]], room=Room(7 * 150, dense))
    assert found is not None and found.error is None
    assert found.mean == pytest.approx(silhouette_score(IRIS, labels[clusters]), abs=1e-10)


@pytest.mark.parametrize("shift", [0.0, 1e6], ids=["centred", "far from zero"])
@pytest.mark.parametrize("tight", [1.0, 1e-5, 1e-9], ids=["plain", "close", "closer"])
def test_distances_keep_their_digits_however_close_rows_are(tight: float, shift: float) -> None:
    rng = np.random.default_rng(9)
    values = np.concatenate([rng.normal(0, tight, (40, 3)), rng.normal(5, tight, (3, 3)), rng.normal(9, 1, (300, 3))])
    values = np.concatenate([values, values[:5]]) + shift
    exact = cdist(values, values)
    found = silhouette._Distances(np.ascontiguousarray(values.T))(slice(2, 300))
    assert np.abs(found - exact[2:300]).max() < 1e-11
    np.testing.assert_allclose(found[:30, :38], exact[2:32, :38], rtol=1e-9)


def test_clusterings_at_once_are_as_one_by_one() -> None:
    rng, x = np.random.default_rng(5), np.ascontiguousarray(IRIS.T)
    labels = [rng.integers(0, k, 150) for k in (3, 4, 1, 5, 20)]
    together = silhouettes(x, None, labels, room=Room(clusters=7))
    assert together[2] is None
    for one, each in zip(together, labels, strict=True):
        (alone,) = silhouettes(x, None, [each])
        assert one == alone or (one and alone and one.mean == pytest.approx(alone.mean, abs=1e-14))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_error_of_a_sampled_silhouette_is_how_much_samples_differ(weighted: bool) -> None:
    rng, size, count = np.random.default_rng(1), 4000, 300
    values = np.concatenate([rng.normal(0, 1, (size // 2, 2)), rng.normal([3, 0], 1.5, (size // 2, 2))])
    labels = nearest(values, [[-1, 0], [2, 0], [4, 1]])
    weights = rng.integers(1, 5, size).astype(float) if weighted else None
    means, errors = [], []
    for _ in range(150):
        some = rng.choice(size, count, replace=False)
        mass = None if weights is None else weights[some]
        (found,) = silhouettes(np.ascontiguousarray(values[some].T), mass, [labels[some]], count / size)
        assert found is not None and found.error is not None
        means.append(found.mean)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.2)  # of 150, an sd has an error of 6 %


def test_of_a_large_table_the_silhouette_is_a_sample_s_with_its_error(
    fits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(criteria, "MAX_ROWS", 149)
    monkeypatch.setattr(criteria, "SAMPLE_ROWS", 100)
    words = ("kmeans", "sample_data/iris.csv", "--columns", "1,2,3,4", "-k", "1-3", "--restarts", 4)
    document, _ = compared(*words, "--jobs", 2)
    for row in document["groups"][0]["candidates"]:
        if row["k"] > 1:
            exact = fits[0][row["k"]]["silhouette"]
            assert row["silhouette_error"] > 0 and row["silhouette"] != exact
            assert abs(row["silhouette"] - exact) < 4 * row["silhouette_error"]
    assert compared(*words, "--jobs", 1)[0] == document
    shown = run("compare", *words, process=False).stdout
    assert "In brackets the standard error of the silhouette" in shown


# The rule of Tibshirani, Walther & Hastie (2001), section 3, step 3: gaps and s by k, and the k that it chooses.
TABLES = [
    pytest.param({1: (0.5, 0.1), 2: (0.4, 0.1), 3: (0.9, 0.1)}, 1, id="1 is not below 2"),
    pytest.param({1: (0.1, 0.05), 2: (0.6, 0.05), 3: (0.62, 0.05), 4: (0.9, 0.05)}, 2, id="2 is within s of 3"),
    pytest.param(
        {1: (0.1, 0.05), 2: (0.6, 0.05), 3: (0.66, 0.05), 4: (0.5, 0.05)}, 3, id="3 is above 2 by more than s"
    ),
    pytest.param({1: (0.1, 9.0), 2: (0.6, 0.01), 3: (0.7, 0.01)}, 3, id="the s is that of the next k"),
    pytest.param({1: (0.25, 0.0), 2: (0.25, 0.0)}, 1, id="equal"),
    pytest.param({1: (0.1, 0.01), 2: (0.2, 0.01), 3: (0.3, 0.01)}, 3, id="none, so the largest"),
    pytest.param({2: (0.3, 0.1), 5: (0.35, 0.1)}, 2, id="the next of those asked for"),
    pytest.param({4: (0.3, 0.1)}, 4, id="one alone"),
    pytest.param({}, None, id="no gap"),
]


@pytest.mark.parametrize(("table", "k"), TABLES)
def test_the_gap_chooses_the_smallest_k_within_an_s_of_the_next(table: dict[int, tuple[float, float]], k: int) -> None:
    assert chosen({each: Gap(*pair) for each, pair in table.items()}) == k


def prepared(values: np.ndarray) -> Rows:
    columns = Columns(values, [], None, [f"x{j}" for j in range(values.shape[1])])
    return POINTS.prepare(columns, 1, ScalingRule.ALL_COLUMNS, None)  # type: ignore[arg-type]


def test_references_of_one_cluster_have_the_inertia_of_uniform_rows() -> None:
    values = np.random.default_rng(2).normal(100, [1, 8], (60, 2))
    (found,) = references(KMeans, prepared(values), [ModelSettings(1)], 7, 1)
    assert found is not None
    rng = np.random.default_rng(3)
    low, high = values.min(axis=0), values.max(axis=0)
    logs = [log(60 * rng.uniform(low, high, (60, 2)).var(axis=0).sum()) for _ in range(4000)]
    sd = float(np.std(logs))
    assert found.expected == pytest.approx(np.mean(logs), abs=4 * sd / sqrt(20))
    assert found.error == pytest.approx(sd * sqrt(1 + 1 / 20), rel=0.5)  # of 20, an sd has an error of 16 %


def test_references_of_a_large_table_are_smaller_and_say_the_same() -> None:
    values = np.random.default_rng(2).uniform(0, 1, (3000, 1))
    exact = references(KMeans, prepared(values), [ModelSettings(3)], 7, 1)[0]
    fewer = references(KMeans, prepared(values), [ModelSettings(3)], 7, 1, max_rows=1000)[0]
    assert exact is not None and fewer is not None
    assert exact.expected == pytest.approx(log(3000 / 12 / 9), abs=4 * exact.error)  # three intervals of a third
    assert fewer.expected == pytest.approx(exact.expected, abs=4 * fewer.error)


@pytest.mark.parametrize("k", [1, 3])
def test_the_gap_finds_clusters_that_there_are_and_none_in_one_heap(k: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    centres = np.array([[0, 0], [9, 1], [2, 9]])[:k]
    path = written(tmp_path / "heaps.csv", "x,y", centres[rng.integers(k, size=90)] + rng.normal(size=(90, 2)))
    words = ("kmeans", path, "-k", "1-4", "--restarts", 3, "--criterion", "gap")
    document, said = compared(*words, "--jobs", 1)
    candidates = document["groups"][0]["candidates"]
    assert document["best"] == f"kmeans-k{k}" and "edge-of-grid" not in said
    assert [row["gap"] for row in candidates[1:]] == sorted((row["gap"] for row in candidates[1:]), reverse=True)
    assert all(row["gap_error"] > 0 for row in candidates)
    assert compared(*words, "--jobs", 2)[0] == document


def test_a_gap_does_not_depend_on_what_else_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", "x,y", np.random.default_rng(8).normal(size=(50, 2)))
    words = ("kmeans", path, "--restarts", 2, "--criterion", "gap")
    (alone,) = compared(*words, "-k", 3)[0]["groups"][0]["candidates"]
    among = [row for row in compared(*words, "-k", "2-3")[0]["groups"][0]["candidates"] if row["k"] == 3]
    assert [(row["gap"], row["gap_error"]) for row in among] == [(alone["gap"], alone["gap_error"])]


def test_an_inertia_of_0_has_no_gap_and_no_ch_and_is_ranked_last(tmp_path: Path) -> None:
    path = written(tmp_path / "three.csv", "x", np.repeat([[1.0], [2.0], [9.0]], 5, axis=0))
    document, _ = compared("kmeans", path, "-k", "1-3", "--restarts", 2, "--criterion", "gap")
    last = document["groups"][0]["candidates"][-1]
    assert (last["k"], last["gap"], last["ch"]) == (3, None, None)
    document, _ = compared("kmeans", path, "-k", "1-3", "--restarts", 2)
    assert document["best"] == "kmeans-k3" and document["groups"][0]["candidates"][0]["silhouette"] == 1.0


@pytest.mark.parametrize("criterion", ["silhouette", "ch"])
def test_it_is_said_that_only_the_gap_can_prefer_one_cluster(criterion: str) -> None:
    words = ("kmeans", SAMPLES / "galaxies.csv", "-k", "1-3", "--restarts", 2, "--criterion")
    shown = run("compare", *words, criterion, process=False).stdout
    assert "only --criterion gap can prefer" in shown and "BIC" not in shown
    assert "only --criterion gap" not in run("compare", *words, "bic", process=False).stdout


@pytest.mark.parametrize("criterion", ["silhouette", "ch", "gap"])
def test_a_mixture_has_no_clusters_of_whole_rows(criterion: str) -> None:
    said = compared("gmm", SAMPLES / "galaxies.csv", "-k", "1-3", "--criterion", criterion, code=2)
    assert f"'--criterion {criterion}' compares clusters of whole rows, and gmm has none" in said and "hint:" in said


def test_saved_fits_are_scored_where_their_data_are(fits: Any) -> None:
    rows, _, folder = fits
    document, said = compared(*sorted(folder.iterdir()))
    found = {row["k"]: row["silhouette"] for row in document["groups"][0]["candidates"]}
    assert found == {k: row["silhouette"] for k, row in rows.items()} and "data-not-at-hand" not in said


def test_saved_fits_without_their_data_are_ranked_by_ch_and_it_is_said(fits: Any, tmp_path: Path) -> None:
    rows, documents, _ = fits
    files = [tmp_path / f"kmeans-k{k}.json" for k in sorted(documents)]
    for file, (_, document) in zip(files, sorted(documents.items()), strict=True):
        data = {**document["data"], "source": "gone.csv"}  # an example's own rows are found by its name
        file.write_text(json.dumps({**document, "data": data}))
    document, said = compared(*files, cwd=tmp_path)
    assert said.count("[data-not-at-hand]") == 1 and document["criterion"] == "ch"
    assert document["best"] == "kmeans-k3" == max(rows.values(), key=lambda row: row["ch"] or 0)["name"]
    assert "data-not-at-hand" not in compared(*files, "--criterion", "ch", cwd=tmp_path)[1]
    for criterion in ("silhouette", "gap"):
        refused = compared(*files, "--criterion", criterion, cwd=tmp_path, code=3)
        assert "are not at hand" in refused and "--criterion ch needs no data" in refused


def test_each_group_has_its_own_criterion(fits: Any, tmp_path: Path) -> None:
    path = tmp_path / "gmm.json"
    words = ("fit", "gmm", "sample_data/iris.csv", "--columns", "1,2,3,4", "-k", 1, "--restarts", 1, "-q", "-o", path)
    assert run(*words, process=False).returncode == 0
    document, _ = compared(path, fits[2] / "kmeans-k2.json")
    assert [group["criterion"] for group in document["groups"]] == ["bic", "silhouette"]
    assert "compares clusters" in compared(path, fits[2] / "kmeans-k2.json", "--criterion", "gap", code=2)


@pytest.mark.parametrize("criterion", ["silhouette", "gap"])
def test_of_fits_of_one_k_the_lower_inertia_is_better(criterion: str) -> None:
    def candidate(name: str, k: int, inertia: float, value: float) -> Candidate:
        document: Any = {"inertia": inertia, "data": {"sha256": "0" * 64, "source": "x.csv"}, "bic": 0.0}
        kind: Kind = {"model": "kmeans", "k": k, "covariance": None, "mixing": None}
        return Candidate(name, kind, document, score=Score(criterion, value, 0.01))

    fits = [candidate("poor", 3, 9.0, 0.8), candidate("good", 3, 8.0, 0.7), candidate("other", 2, 20.0, 0.5)]
    (group,) = grouped(fits, criterion)
    assert [one.name for one in group.candidates] == ["good", "poor", "other"]
