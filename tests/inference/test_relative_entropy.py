"""The relative entropy of a fit, against responsibilities that scipy calculates."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import SAMPLES, fit, run
from scipy.stats import binom, multivariate_normal


def relative(log_joint: np.ndarray, counts: np.ndarray | float = 1.0) -> float:
    """1 - E / (N ln k) of log-joint densities (k, n)."""
    r = np.exp(log_joint - np.logaddexp.reduce(log_joint))
    terms = np.where(r > 0, -r * np.log(np.where(r > 0, r, 1.0)), 0.0)
    total = np.broadcast_to(counts, r.shape[1]).sum()
    return float(1 - (terms * counts).sum() / (total * np.log(len(r))))


def of_gaussians(found: dict, x: np.ndarray) -> np.ndarray:
    p = found["parameters"]
    parts = zip(p["weights"], p["means"], p["covariances"], strict=True)
    return np.array([np.log(w) + multivariate_normal(m, s).logpdf(x) for w, m, s in parts])


@pytest.mark.parametrize(("k", "shape"), [(2, "full"), (3, "spherical")])
def test_of_gaussians(k: int, shape: str) -> None:
    x = np.loadtxt(SAMPLES / "faithful.csv", delimiter=",", skiprows=1)
    found = fit("gmm", SAMPLES / "faithful.csv", "-k", k, "--covariance", shape, "--restarts", 2)
    assert found["relative_entropy"] == pytest.approx(relative(of_gaussians(found, x)), abs=1e-12)


def test_of_coins_whose_rows_have_weights() -> None:
    heads, tosses, counts = np.array([2, 5, 6, 9, 3]), np.array([10, 10, 9, 10, 12]), np.array([3, 1, 2, 4, 2])
    rows = "heads,tosses,count\n" + "".join(f"{h},{t},{c}\n" for h, t, c in zip(heads, tosses, counts, strict=True))
    found = fit("coins", "-", "-k", 2, "--row-weights", "count", stdin=rows)
    p = found["parameters"]
    log_joint = [np.log(w) + binom(tosses, h).logpmf(heads) for w, h in zip(p["weights"], p["heads"], strict=True)]
    assert found["relative_entropy"] == pytest.approx(relative(np.array(log_joint), counts), abs=1e-12)


@pytest.mark.parametrize("model", [("gmm", "-k", 1), ("kmeans", "-k", 3)])
def test_one_component_and_k_means_have_none(model: tuple) -> None:
    name, *rest = model
    found = fit(name, SAMPLES / "faithful.csv", *rest)
    assert found["relative_entropy"] is None
    shown = run("fit", name, SAMPLES / "faithful.csv", *rest, process=False).stdout
    assert "Relative entropy" not in shown


def test_known_rows_are_sure() -> None:
    rows = "x,who\n" + "".join(f"{x},{who}\n" for x, who in zip([0, 1, 2, 1, 3, 2.5], "aaabbb", strict=True))
    found = fit("gmm", "-", "-k", 2, "--known", "who", stdin=rows)
    assert found["relative_entropy"] == 1.0


def test_it_stands_in_tables_and_comparisons() -> None:
    words = ("compare", "gmm", SAMPLES / "faithful.csv", "-k", "1-2", "--restarts", 1)
    document = json.loads(run(*words, "--json", process=False).stdout)
    two, one = document["groups"][0]["candidates"]
    assert one["relative_entropy"] is None
    shown = f"{two['relative_entropy']:.3f}"
    assert shown in run(*words, "--width", 150, process=False).stdout
    assert "relative_entropy" in run(*words, "--format", "csv", process=False).stdout.split("\n")[0]
    said = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 1, process=False).stdout
    assert f"Relative entropy {two['relative_entropy']:.4f} (1: " in said
