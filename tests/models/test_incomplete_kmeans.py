"""K-means of rows with missing cells, by laws, by the definition of its inertia, and through the commands."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, run, table
from inprocess import result_of

from emcli.data.rows import Rows
from emcli.data.scaling import Scaling
from emcli.models.em import em, pooled_e_step
from emcli.models.kmeans.exchange import exchanged, exchanged_incomplete
from emcli.models.kmeans.model import KMeans

USE = ("--missing", "use")


def with_holes(values: np.ndarray, share: float = 0.15, seed: int = 0) -> np.ndarray:
    """Values (n, d) without some cells, at random."""
    holes = values.copy()
    holes[np.random.default_rng(seed).random(values.shape) < share] = np.nan
    return holes


def text_of(values: np.ndarray, weights: np.ndarray | None = None) -> str:
    names = [f"x{j}" for j in range(values.shape[1])] + ["w"] * (weights is not None)
    cells = [["" if np.isnan(cell) else repr(float(cell)) for cell in row] for row in values]
    if weights is not None:
        cells = [[*row, str(int(weight))] for row, weight in zip(cells, weights, strict=True)]
    return "\n".join(",".join(row) for row in [names, *cells]) + "\n"


@pytest.fixture(scope="module")
def iris() -> np.ndarray:
    return with_holes(table(SAMPLES / "iris.csv"))


@pytest.fixture(scope="module")
def fitted(iris: np.ndarray) -> dict[str, Any]:
    return fit("kmeans", "-", "-k", 3, *USE, stdin=text_of(iris))


def squares(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Sums of squares (n, k) over the observed cells."""
    return np.nansum((values[:, None] - centroids) ** 2, axis=2)


def test_the_inertia_is_that_of_the_observed_cells(iris: np.ndarray, fitted: dict[str, Any]) -> None:
    seen = iris[~np.isnan(iris).all(axis=1)]
    centroids = np.array(fitted["parameters"]["centroids"])
    apart = squares(seen, centroids)
    labels, n, cells = apart.argmin(axis=1), len(seen), np.count_nonzero(~np.isnan(seen))
    inertia = apart.min(axis=1).sum()
    assert fitted["inertia"] == pytest.approx(inertia, rel=1e-12)
    likelihood = -n * np.log(3) - cells / 2 * (1 + np.log(2 * np.pi * inertia / cells))
    assert fitted["log_likelihood"] == pytest.approx(likelihood, rel=1e-12)
    assert fitted["bic"] == pytest.approx(-2 * likelihood + 13 * np.log(n), rel=1e-12)
    assert fitted["parameters"]["sd"] == pytest.approx(np.sqrt(inertia / cells), rel=1e-12)
    means = [np.nanmean(seen[labels == j], axis=0) for j in range(3)]
    np.testing.assert_allclose(centroids, means, rtol=1e-12)
    counts = [np.count_nonzero(~np.isnan(seen[labels == j]), axis=0).tolist() for j in range(3)]
    assert fitted["parameters"]["observed"] == counts


def test_the_fit_is_near_that_of_all_cells(fitted: dict[str, Any]) -> None:
    whole = fit("kmeans", "sample_data/iris.csv", "-k", 3)
    apart = np.array(fitted["parameters"]["centroids"]) - whole["parameters"]["centroids"]
    assert np.abs(apart).max() < 0.15


@pytest.mark.parametrize("seed", range(4))
def test_the_inertia_never_rises(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = with_holes(rng.normal(size=(60, 3)) + 4 * rng.integers(0, 3, (60, 1)), 0.4, seed)
    document = fit("kmeans", "-", "-k", 5, *USE, "--restarts", 3, "--init", "random", stdin=text_of(values))
    trace = [step["inertia"] for step in document["trace"]]
    assert len(trace) > 2
    assert all(after <= before for before, after in pairwise(trace))


def test_a_weight_is_the_row_that_often(iris: np.ndarray) -> None:
    weights = np.random.default_rng(1).integers(1, 4, len(iris))
    repeated = np.repeat(iris, weights, axis=0)
    one = fit("kmeans", "-", "-k", 3, *USE, "--row-weights", "w", "--restarts", 3, stdin=text_of(iris, weights))
    two = fit("kmeans", "-", "-k", 3, *USE, "--restarts", 3, stdin=text_of(repeated))
    np.testing.assert_allclose(one["parameters"]["centroids"], two["parameters"]["centroids"], rtol=1e-12)
    for key in ("inertia", "log_likelihood", "bic"):
        assert one[key] == pytest.approx(two[key], rel=1e-12)


def test_the_order_of_the_rows_does_not_matter(iris: np.ndarray, fitted: dict[str, Any]) -> None:
    mixed = np.random.default_rng(2).permutation(iris)
    document = fit("kmeans", "-", "-k", 3, *USE, stdin=text_of(mixed))
    assert document["inertia"] == pytest.approx(fitted["inertia"], rel=1e-12)


def test_from_disk_and_by_processes_come_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = with_holes(rng.normal(size=(9_000, 5)) + 5 * rng.integers(0, 6, (9_000, 1)))
    (tmp_path / "big.csv").write_text(text_of(np.round(values, 3)))
    options = ("-k", 25, *USE, "--restarts", 1, "--max-iter", 3, "--json", "-q")
    found = {
        run("fit", "kmeans", "big.csv", *options, *more, cwd=tmp_path).stdout
        for more in (("--jobs", 1), ("--jobs", 2), ("--jobs", 1, "--memory", "1MB"))
    }
    assert len(found) == 1
    assert '"missing": ' in found.pop()


def test_a_coordinate_that_no_row_tells_is_said() -> None:
    text = "x,y\n0,1\n0.1,1.2\n0.2,1.1\n9,\n9.1,\n9.2,\n"
    document = fit("kmeans", "-", "-k", 2, *USE, stdin=text)
    said = {warning["slug"]: warning["message"] for warning in document["warnings"]}
    assert said["not-identifiable"].startswith("no row of its cluster has a value of 'y' of component 2: ")
    assert document["parameters"]["observed"][1] == [3, 0]


def test_standardized_columns_are_divided_by_the_sd_of_what_is_observed(iris: np.ndarray) -> None:
    document = fit("kmeans", "-", "-k", 3, *USE, "--standardize", stdin=text_of(iris))
    np.testing.assert_allclose(document["parameters"]["scales"], np.nanstd(iris, axis=0), rtol=1e-12)


@pytest.fixture(scope="module")
def saved(iris: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    (folder / "iris.csv").write_text(text_of(iris))
    done = run("fit", "kmeans", "iris.csv", "-k", 3, *USE, "-o", "fit.json", cwd=folder)
    assert done.returncode == 0
    return folder


def test_predict_and_fill_use_what_a_row_has(iris: np.ndarray, saved: Path) -> None:
    centroids = np.array(json.loads((saved / "fit.json").read_text())["parameters"]["centroids"])
    values = np.concatenate([iris[:30], [[np.nan] * 4]])
    done = run("predict", "fit.json", "-", *USE, "--fill", cwd=saved, stdin=text_of(values))
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    apart = squares(values[:30], centroids)
    for row, cells, distances in zip(rows, values, apart, strict=False):
        j = int(distances.argmin())
        assert int(row["component"]) == j + 1
        assert float(row["distance"]) == pytest.approx(np.sqrt(distances[j]), abs=1e-12)
        expected = np.where(np.isnan(cells), centroids[j], cells)
        np.testing.assert_allclose([float(row[f"x{i}"]) for i in range(4)], expected, rtol=1e-12)
    assert set(rows[30].values()) == {""}
    assert run("predict", "fit.json", "-", "--fill", cwd=saved, stdin=text_of(values)).stdout == done.stdout
    left = run("predict", "fit.json", "-", *USE, cwd=saved, stdin=text_of(values))
    assert [row["component"] for row in csv.DictReader(io.StringIO(left.stdout))] == [row["component"] for row in rows]
    assert left.stdout.count(",,") > 10


def test_filled_cells_are_written_as_the_file_writes_numbers(saved: Path) -> None:
    text = "x0;x1;x2;x3\n5,1;;1,4;0,2\n"
    done = run("predict", "fit.json", "-", *USE, "--fill", "--decimal", ",", "--digits", 3, cwd=saved, stdin=text)
    assert done.stdout.splitlines()[1].startswith('"5,1","3,4')


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("predict", "fit.json", "iris.csv", "--fill", "--missing", "drop"), 2, "'--fill' is for '--missing use'"),
        (("compare", "kmeans", "iris.csv", "-k", "2,3", *USE, "--criterion", "gap"), 2, "needs complete rows, and "),
    ],
)
def test_what_has_no_sense_is_refused(args: tuple[object, ...], code: int, said: str, saved: Path) -> None:
    done = run(*args, cwd=saved)
    assert done.returncode == code
    assert said in done.stderr


def test_fits_of_other_cells_are_not_ranked_together(iris: np.ndarray, saved: Path) -> None:
    for missing in ("use", "drop"):
        done = run("fit", "kmeans", "iris.csv", "-k", 2, "--missing", missing, "-o", f"{missing}.json", cwd=saved)
        assert done.returncode == 0
    groups = json.loads(run("compare", "use.json", "drop.json", "fit.json", "--json", cwd=saved).stdout)["groups"]
    assert [{one["name"] for one in group["candidates"]} for group in groups] == [{"fit", "use"}, {"drop"}]
    missing = int(np.isnan(iris).sum())
    assert f"used with {missing} missing cells" in groups[0]["reason"]
    assert "missing" not in groups[1]["reason"]


def test_the_index_of_calinski_and_harabasz_is_of_observed_cells(iris: np.ndarray, saved: Path) -> None:
    document = json.loads(run("compare", "kmeans", "iris.csv", "-k", "2,3", *USE, "--json", cwd=saved).stdout)
    group = document["groups"][0]
    assert group["criterion"] == "ch"
    n = np.count_nonzero(~np.isnan(iris)) / 4
    total = np.nansum((iris - np.nanmean(iris, axis=0)) ** 2)
    for one in group["candidates"]:
        expected = (total - one["inertia"]) / (one["k"] - 1) * (n - one["k"]) / one["inertia"]
        assert one["ch"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.usefixtures("described")
def test_pictures_show_the_rows_that_have_both_columns(saved: Path) -> None:
    options = ("-k", 3, *USE, "-q", "--restarts", 2)
    done = run("fit", "kmeans", "iris.csv", *options, "--plot", "-", cwd=saved)
    assert done.returncode == 0, done.stderr
    done = run("fit", "kmeans", "iris.csv", *options, "--plot", "p.svg", "--columns", "1,2", cwd=saved)
    assert done.returncode == 0, done.stderr
    assert (saved / "p.svg").stat().st_size > 0
    assert "assumed missing at random" in done.stdout


@pytest.mark.parametrize("seed", range(3))
def test_of_all_partitions_none_has_a_lower_inertia(seed: int) -> None:
    values = with_holes(np.random.default_rng(seed).normal(size=(9, 3)), 0.3, seed)
    seen = values[~np.isnan(values).all(axis=1)]
    inertias = []
    for labels in product(range(2), repeat=len(seen)):
        groups = [seen[np.array(labels) == j] for j in range(2)]
        inertias.append(sum(np.nansum((group - means(group)) ** 2) for group in groups))
    found = fit("kmeans", "-", "-k", 2, *USE, stdin=text_of(values))
    assert found["inertia"] == pytest.approx(min(inertias), rel=1e-12)


def means(group: np.ndarray) -> np.ndarray:
    """Means of the observed cells of each column; 0 where there is none."""
    counts = np.count_nonzero(~np.isnan(group), axis=0)
    return np.nansum(group, axis=0) / np.maximum(counts, 1)


def test_of_complete_rows_the_same_ones_change_their_cluster() -> None:
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(2, 60)), rng.integers(1, 3, 60).astype(float)
    rows = Rows(values, weights, float(weights.sum()), ("x", "y"), Scaling(np.zeros(2), np.zeros(2, dtype=np.int64)))
    step = list(em(KMeans(values[:, :5].T.copy()), rows.batches()))[-1].model
    one = exchanged(step.centroids, rows)
    other = exchanged_incomplete(step.centroids, step.labels(values), rows)
    assert one is not None
    np.testing.assert_allclose(one, other, rtol=1e-12)
    held = replace(rows, known=step.labels(values), components=tuple("abcde"))
    assert exchanged_incomplete(step.centroids, step.labels(values), held) is None


def test_known_labels_hold_for_rows_with_missing_cells(iris: np.ndarray) -> None:
    names = np.where(np.arange(150) % 10, "", np.repeat(["a", "b", "c"], 50))
    lines = text_of(iris).splitlines()
    text = "\n".join(f"{line},{name}" for line, name in zip(lines, ["name", *names], strict=True))
    document = fit("kmeans", "-", "-k", 3, *USE, "--known", "name", "--restarts", 3, stdin=text)
    centroids, known = np.array(document["parameters"]["centroids"]), np.flatnonzero(names != "")
    apart = squares(iris, centroids)
    labels = apart.argmin(axis=1)
    labels[known] = known // 50
    assert document["inertia"] == pytest.approx(apart[np.arange(150), labels].sum(), rel=1e-12)
    np.testing.assert_allclose(centroids, [np.nanmean(iris[labels == j], axis=0) for j in range(3)], rtol=1e-12)


def test_where_em_ends_rows_that_change_their_cluster_lower_the_inertia() -> None:
    lowered = 0
    for seed in range(4):
        values = with_holes(np.random.default_rng(seed).normal(size=(80, 3)), 0.3, seed)
        values = values[~np.isnan(values).all(axis=1)]
        result = result_of(values, {"model": "kmeans", "k": 6, "restarts": 1, "seed": seed, "missing": "use"})
        rows, model = result.data.rows, result.model
        if (changed := model.exchanged(rows)) is not None:
            lowered += 1
            ends = [pooled_e_step(each, rows.batches()).score for each in (model, changed)]
            assert ends[1] > ends[0]  # minus half the inertia
    assert lowered >= 2
