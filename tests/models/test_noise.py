"""Noise in Gaussian mixtures: against mclust, an EM of few lines, and what a user meets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, reference, run, table
from inprocess import clusters, dataset, fitted, outlier, result_of

from emcli.inference.agreement import adjusted_rand_index

MCLUST = reference("mclust_noise")
Write = Callable[[str, str], Path]


def scattered(seed: int, many: int) -> np.ndarray:
    """Two clusters of 200 rows, and so many rows scattered over a wide box: those of the reference."""
    rng = np.random.default_rng([seed, many])
    one = rng.standard_normal((200, 2)) @ [[1.0, 0.5], [0.0, 0.8]]
    two = rng.standard_normal((200, 2)) @ [[1.2, -0.3], [0.0, 0.7]] + [6.0, 2.0]
    return np.concatenate([one, two, rng.uniform([-10, -10], [16, 12], (many, 2))])


def text_of(values: np.ndarray) -> str:
    """A CSV of values (n, d)."""
    names = [f"x{j + 1}" for j in range(values.shape[1])]
    return "\n".join([",".join(names), *(",".join(map(repr, row)) for row in values.tolist())]) + "\n"


def noise_rows(file: Path, data: Path) -> list[int]:
    """Which rows `predict` calls noise, from 0."""
    found = csv.DictReader(io.StringIO(run("predict", file, data).stdout))
    return [number for number, row in enumerate(found) if row["component"] == "noise"]


@pytest.mark.parametrize("name", ["iris", "faithful", "waiting"])
def test_the_volume_is_that_of_mclust(name: str) -> None:
    values = table(SAMPLES / "faithful.csv")[:, 1:] if name == "waiting" else table(SAMPLES / f"{name}.csv")
    rows = dataset(values, {"model": "gmm", "k": 1, "noise": True})[1].rows
    assert rows.box is not None
    volume = np.exp(rows.scaling.box_to_original(rows.box).log_volume)
    assert volume == pytest.approx(MCLUST["volumes"][name], rel=1e-12)


def own_em(values: np.ndarray, rounds: int = 1000) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Log-likelihood, weight of the noise, mean and covariance of one Gaussian and noise, after plain EM."""
    turned = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)[2] @ values.T
    volume = min(float(np.ptp(values, axis=0).prod()), float(np.ptp(turned, axis=1).prod()))
    share, mean, matrix = 0.1, np.median(values, axis=0), np.eye(values.shape[1])

    def densities() -> np.ndarray:
        away = values - mean
        squares = np.einsum("ni,ij,nj->n", away, np.linalg.inv(matrix), away)
        return np.asarray((1 - share) * np.exp(-0.5 * squares) / np.sqrt(np.linalg.det(2 * np.pi * matrix)))

    for _ in range(rounds):
        each = densities()
        own = each / (each + share / volume)
        share, mean = 1 - float(own.mean()), own @ values / own.sum()
        matrix = (own[:, None] * (values - mean)).T @ (values - mean) / own.sum()
    return float(np.log(densities() + share / volume).sum()), share, mean, matrix


def test_one_gaussian_and_noise_are_those_of_an_em_of_ten_lines() -> None:
    values = scattered(1, 50)[200:]
    score, share, mean, matrix = own_em(values)
    made = fitted(values, {"model": "gmm", "k": 1, "noise": True, "tol": 1e-13, "restarts": 3})
    assert made["log_likelihood"] == pytest.approx(score, rel=1e-12)
    found = made["parameters"]
    assert found["noise"]["weight"] == pytest.approx(share, rel=1e-6)
    assert found["weights"][0] + found["noise"]["weight"] == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(found["means"][0], mean, 1e-6)
    np.testing.assert_allclose(found["covariances"][0], matrix, 1e-6)


def against_mclust(known: dict[str, Any]) -> None:
    values = scattered(known["seed"], known["scattered"])
    options = {"model": "gmm", "k": 2, "covariance": known["shape"], "noise": True}
    result = result_of(values, options)
    assert result.parameters_count == known["parameters"]
    assert result.parameters["noise"]["volume"] == pytest.approx(known["volume"], rel=1e-12)  # type: ignore[index,call-overload]
    assert result.log_likelihood is not None and result.log_likelihood >= known["log_likelihood"] - 1e-6
    true = np.repeat([0, 1, 2], [200, 200, known["scattered"]])
    assert adjusted_rand_index(true, result.assignments()) >= known["ari"] - 1e-9


FEW = [each for each in MCLUST["fits"] if (each["seed"], each["scattered"]) == (2, 20) and each["shape"] in "VVV EEE"]


@pytest.mark.parametrize("known", FEW, ids=lambda each: each["shape"])
def test_noise_is_found_from_nothing_where_mclust_is_told_which_rows_it_is(known: dict[str, Any]) -> None:
    against_mclust(known)


@pytest.mark.slow
@pytest.mark.parametrize(
    "known", MCLUST["fits"], ids=lambda each: f"{each['shape']}-{each['scattered']}-{each['seed']}"
)
def test_all_likelihoods_and_groups_of_mclust_are_reached(known: dict[str, Any]) -> None:
    against_mclust(known)


@pytest.mark.parametrize(("name", "value", "count"), [("single_outlier", 40.0, 1), ("repeated_value", 10.0, 10)])
def test_far_rows_that_no_gaussian_can_hold_are_noise(name: str, value: float, count: int, tmp_path: Path) -> None:
    data, file = Path(__file__).parent.parent / "reference" / "data" / f"{name}.csv", tmp_path / "fit.json"
    assert fit("gmm", data, "-k", 1, "--noise", "-o", file)["warnings"] == []
    far = np.flatnonzero(table(data)[:, 0] == value).tolist()
    assert len(far) == count and set(far) <= set(noise_rows(file, data))
    assert len(noise_rows(file, data)) <= count + 1


@pytest.mark.parametrize("d", [1, 2, 3])
def test_one_row_however_far_leaves_the_clusters_as_they_are(d: int, write: Write, tmp_path: Path) -> None:
    values = clusters(d=d)
    clean = fitted(values, {"model": "gmm", "k": 1})
    for far in (1e3, 1e12):
        data, file = write("far.csv", text_of(outlier(values, far))), tmp_path / "fit.json"
        found = fit("gmm", data, "-k", 1, "--noise", "-o", file)["parameters"]
        assert noise_rows(file, data) == [len(values)]
        np.testing.assert_allclose(found["means"], clean["parameters"]["means"], rtol=0, atol=1e-3)
        np.testing.assert_allclose(found["covariances"], clean["parameters"]["covariances"], rtol=0, atol=1e-2)


def test_a_fit_without_far_rows_says_that_its_noise_is_empty() -> None:
    turn, rng = np.linspace(0, 2 * np.pi, 60, endpoint=False), np.random.default_rng(1)
    ring = np.column_stack([np.cos(turn), np.sin(turn)]) + 0.05 * rng.standard_normal((60, 2))
    values = np.concatenate([ring, ring + np.array([20.0, 9.0])])  # without tails
    made = fitted(values, {"model": "gmm", "k": 2, "noise": True, "restarts": 5})
    plain = fitted(values, {"model": "gmm", "k": 2, "restarts": 5})
    assert "empty-noise" in [warning["slug"] for warning in made["warnings"]]
    assert made["log_likelihood"] == pytest.approx(plain["log_likelihood"], abs=1e-3)
