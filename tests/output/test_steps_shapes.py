"""`steps` of covariances of equal volume, shape or orientation: scatters, variances along axes, and what they make."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, run
from scipy.stats import multivariate_normal
from test_steps_tables import follows, numbers, tables

LINES = (SAMPLES / "faithful.csv").read_text().splitlines()
X = np.loadtxt(LINES[1:61], delimiter=",")
SOME = "\n".join(LINES[:61])
SHAPES = ("EII", "EEI", "VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV")


def words(shape: str) -> list[Any]:
    return ["steps", "gmm", "-", "-k", 2, "--restarts", 1, "--covariance", shape, "--iterations", 0, "--rows", 1]


@cache
def start(shape: str) -> dict[str, Any]:
    """The first iteration, of rows without a component that collapses."""
    done = run(*words(shape), "--json", stdin=SOME)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["iterations"][0]
    return found


def moments(parameters: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effective rows, new means and scatters around them, by SciPy's densities."""
    components = zip(parameters["means"], parameters["covariances"], strict=True)
    r = np.array([multivariate_normal(mean, matrix).pdf(X) for mean, matrix in components]).T * parameters["weights"]
    r /= r.sum(axis=1)[:, None]
    means = r.T @ X / r.sum(axis=0)[:, None]
    away = X[:, None] - means
    return r.sum(axis=0), means, np.einsum("nk,nki,nkj->kij", r, away, away)


def volume(variances: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(np.log(variances).mean(axis=-1)))


@pytest.mark.parametrize("shape", SHAPES)
def test_new_covariances_follow_from_the_scatters_of_the_components(shape: str) -> None:
    first = start(shape)
    n, means, scatters = moments(first["parameters"])
    sums = first["sums"]
    assert np.allclose(first["next_parameters"]["means"], means, rtol=1e-9)
    kept = scatters * np.eye(2) if shape[2] == "I" else scatters
    assert np.allclose(sums["products_of_deviations"], kept, rtol=1e-7, atol=1e-9)
    axes, shapes, volumes = (np.array(sums[key]) for key in ("axes", "shapes", "volumes"))
    variances = volumes[:, None] * shapes
    made = np.einsum("kai,ki,kbi->kab", axes, variances, axes)
    assert np.allclose(made, first["next_parameters"]["covariances"], rtol=1e-9, atol=1e-12)
    assert np.allclose(axes.transpose(0, 2, 1) @ axes, np.eye(2)) and np.allclose(volume(shapes), 1)
    along = np.einsum("kai,kab,kbi->ki", axes, kept, axes)
    if shape[2] == "V":
        eigenvalues, vectors = np.linalg.eigh(scatters)
        assert np.allclose(along, eigenvalues[:, ::-1], rtol=1e-9)
        assert np.allclose(np.abs(np.einsum("kai,kai->ki", axes, vectors[:, :, ::-1])), 1)
    else:
        assert np.allclose(axes[0], axes[1] if shape[2] == "E" else np.eye(2))
    total, g = len(X), volume(along)
    expected = {
        "EI": np.full((2, 2), along.sum() / (2 * total)),
        "EE": np.tile(along.sum(axis=0) / total, (2, 1)),
        "EV": along / g[:, None] * g.sum() / total,
        "VV": along / n[:, None],
        "VE": (along / shapes).mean(axis=1)[:, None] / n[:, None] * shapes,
    }[shape[:2]]
    assert np.allclose(variances, expected, rtol=1e-9)
    if shape[:2] == "VE":
        last = volume(np.linalg.eigvalsh(first["parameters"]["covariances"]))
        pooled = (along / last[:, None]).sum(axis=0)
        assert np.allclose(shapes, pooled / volume(pooled), rtol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_new_variances_can_be_computed_again_from_the_table(shape: str) -> None:
    done = run(*words(shape), "--format", "markdown", stdin=SOME)
    assert done.returncode == 0, done.stderr
    (table,) = [table for _, table in tables(done.stdout) if any(title.startswith("new variance") for title in table)]
    title = "new variance along it" if shape[2] != "I" else "new variance"
    along = np.array([numbers(table[key])[:2] for key in table if key.startswith("W")])
    shown = [table[title], table[title + "'"]]
    n = np.array(numbers(table["Σ r"]))
    if shape[0] == "E" and shape[1] in "EI":
        expected = np.full(2, along.sum() / 120) if shape[1] == "I" else along.sum(axis=1) / 60
        assert all(follows(cells[2], value) for cells, value in zip(shown, expected, strict=True))
        return
    if shape[:2] == "EV":
        g = numbers(table["g"])
        assert all(follows(table["g"][i], np.sqrt(along[:, i].prod())) for i in range(2)) and follows(
            table["g"][2], g[0] + g[1]
        )
        expected = along / g[:2] * g[2] / 60
    elif shape[:2] == "VE":
        a, volumes = np.array([numbers(table["A"]), numbers(table["A'"])]), numbers(table["new λ"])
        assert all(follows(table["new λ"][i], (along[:, i] / a[:, i]).mean() / n[i]) for i in range(2))
        pooled = (along / numbers(table["was"])).sum(axis=1)
        assert all(
            follows(table[title][0], one / np.sqrt(pooled.prod()))
            for title, one in zip(("A", "A'"), pooled, strict=True)
        )
        expected = a * volumes
    else:
        expected = along / n
    assert all(follows(shown[j][i], expected[j, i]) for i in range(2) for j in range(2))
    angle = {"I": [], "V": [0, 1], "E": [2]}[shape[2]]
    for i in angle:
        axis = np.array(start(shape)["sums"]["axes"])[i % 2, :, 0]
        assert follows(table["degrees of axis 1"][i], float(np.degrees(np.arctan(axis[1] / axis[0]))))


def test_shapes_in_one_and_in_three_columns_are_shown() -> None:
    for data, columns in (("faithful", "waiting"), ("iris", "1-3")):
        more = ["--restarts", 1, "--iterations", 0, "--rows", 1, "--columns", columns, "--covariance"]
        for shape in ("EII", "EEV") if columns == "waiting" else ("EVI", "VVE"):
            done = run("steps", "gmm", data, "-k", 2, *more, shape)
            assert done.returncode == 0 and "new variance" in done.stdout, done.stderr
            assert max(map(len, done.stdout.splitlines()[3:-1])) <= 80
