"""The last digits of a fit: parameters beside the root of the likelihood equations in 40-digit arithmetic."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from conftest import REFERENCE, ROOT, SAMPLES, fit, run, table

WAITING = REFERENCE / "data" / "faithful_waiting.csv"
DO_BATZOGLOU = SAMPLES / "do_batzoglou.csv"
Vector = list[Any]  # of mpmath's numbers


def fixed_point(em_step: Callable[[Vector], Vector], near: Sequence[float]) -> Vector:
    """The fixed point of an EM step near given parameters, to 30 digits: Newton's method with differences of 1e-20."""
    at = [mp.mpf(float(value)) for value in near]
    h = mp.mpf("1e-20")
    for _ in range(2):
        left = mp.matrix([a - b for a, b in zip(em_step(at), at, strict=True)])
        slopes = mp.matrix(len(at), len(at))
        for j in range(len(at)):
            beside = [value + h * (i == j) for i, value in enumerate(at)]
            for i, (a, b) in enumerate(zip(em_step(beside), beside, strict=True)):
                slopes[i, j] = (a - b - left[i]) / h
        at = [value - step for value, step in zip(at, mp.lu_solve(slopes, left), strict=True)]
    assert max(abs(a - b) for a, b in zip(em_step(at), at, strict=True)) < mp.mpf("1e-30")
    return at


def shares(joint: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Responsibilities [row][component] from joint densities."""
    return [[part / mp.fsum(row) for part in row] for row in joint]


def coins_step(rows: np.ndarray, weights: np.ndarray, free: bool) -> Callable[[Vector], Vector]:
    """An EM step of coins: their P(heads), then with free mixing all weights but the last."""
    counts = [(int(h), int(n), mp.mpf(float(w))) for (h, n), w in zip(rows, weights, strict=True)]

    def step(at: Vector) -> Vector:
        k = (len(at) + 1) // 2 if free else len(at)
        p, mix = at[:k], [*at[k:], 1 - mp.fsum(at[k:])] if free else [mp.mpf(1)] * k
        r = shares([[mix[j] * p[j] ** h * (1 - p[j]) ** (n - h) for j in range(k)] for h, n, _ in counts])
        heads = [mp.fsum(w * r[i][j] * h for i, (h, _, w) in enumerate(counts)) for j in range(k)]
        tosses = [mp.fsum(w * r[i][j] * n for i, (_, n, w) in enumerate(counts)) for j in range(k)]
        total = mp.fsum(w for *_, w in counts)
        sizes = [mp.fsum(w * r[i][j] for i, (*_, w) in enumerate(counts)) / total for j in range(k - 1)]
        return [h / n for h, n in zip(heads, tosses, strict=True)] + (sizes if free else [])

    return step


def gaussian_step(rows: np.ndarray, k: int) -> Callable[[Vector], Vector]:
    """An EM step of Gaussians with full covariance: weights but the last, means, lower triangles."""
    exact, d = [[mp.mpf(float(x)) for x in row] for row in rows], rows.shape[1]
    lower = [(a, b) for a in range(d) for b in range(a + 1)]

    def step(at: Vector) -> Vector:
        mix = [*at[: k - 1], 1 - mp.fsum(at[: k - 1])]
        means = [at[k - 1 + j * d : k - 1 + (j + 1) * d] for j in range(k)]
        rest, inverses, scales = at[k - 1 + k * d :], [], []
        for j in range(k):
            matrix = mp.matrix(d, d)
            for (a, b), value in zip(lower, rest[j * len(lower) :], strict=False):
                matrix[a, b] = matrix[b, a] = value
            inverses.append(matrix**-1)
            scales.append(mix[j] / mp.sqrt(mp.det(matrix)))
        joint = []
        for row in exact:
            away = [[x - m for x, m in zip(row, mean, strict=True)] for mean in means]
            squares = [
                mp.fsum(away[j][a] * inverses[j][a, b] * away[j][b] for a in range(d) for b in range(d))
                for j in range(k)
            ]
            joint.append([scales[j] * mp.exp(-squares[j] / 2) for j in range(k)])
        r = shares(joint)
        sizes = [mp.fsum(each[j] for each in r) for j in range(k)]
        centres = [
            [mp.fsum(r[i][j] * row[a] for i, row in enumerate(exact)) / sizes[j] for a in range(d)] for j in range(k)
        ]
        spread = [
            mp.fsum(r[i][j] * (row[a] - centres[j][a]) * (row[b] - centres[j][b]) for i, row in enumerate(exact))
            / sizes[j]
            for j in range(k)
            for a, b in lower
        ]
        return [size / len(exact) for size in sizes[:-1]] + [m for mean in centres for m in mean] + spread

    return step


@pytest.mark.parametrize("mixing", ["equal", "free"])
@pytest.mark.parametrize("name", ["do_batzoglou", "thumbtacks"])
def test_coins_have_ten_digits_of_the_40_digit_optimum(name: str, mixing: str) -> None:
    numbers = table(SAMPLES / f"{name}.csv")
    more = ["--tosses", "n", "--row-weights", "freq"] if name == "thumbtacks" else []
    found = fit("coins", SAMPLES / f"{name}.csv", "-k", 2, "--mixing", mixing, *more)["parameters"]
    weights = numbers[:, 2] if name == "thumbtacks" else np.ones(len(numbers))
    ours = found["heads"] + (found["weights"][:-1] if mixing == "free" else [])
    with mp.workdps(50):
        right = fixed_point(coins_step(numbers[:, :2], weights, mixing == "free"), ours)
    np.testing.assert_allclose(ours, [float(value) for value in right], rtol=1e-10)
    if (name, mixing) == ("do_batzoglou", "equal"):
        np.testing.assert_allclose(ours, [0.519583120145, 0.796789066923], atol=1e-12)  # where tol alone ends: 0.51966


@pytest.mark.parametrize(
    ("path", "k"),
    [(WAITING, 2), (SAMPLES / "galaxies.csv", 3), pytest.param(SAMPLES / "faithful.csv", 2, marks=pytest.mark.slow)],
)
def test_gaussians_have_ten_digits_of_the_40_digit_optimum(path: Path, k: int) -> None:
    rows = table(path)
    d = rows.shape[1]
    found = fit("gmm", path, "-k", k)["parameters"]
    triangles = np.array([[m[a][b] for a in range(d) for b in range(a + 1)] for m in found["covariances"]])
    ours = np.concatenate([found["weights"][:-1], np.ravel(found["means"]), triangles.ravel()])
    with mp.workdps(50):
        right = fixed_point(gaussian_step(rows, k), ours)
    np.testing.assert_allclose(ours, [float(value) for value in right], rtol=1e-10)


def test_the_trace_ends_with_the_parameters_of_the_document(tmp_path: Path) -> None:
    log = tmp_path / "trace.jsonl"
    document = fit("gmm", SAMPLES / "faithful.csv", "-k", 2, "--trace", log)
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["step"] == "polish" and last["start"] == document["best_start"]
    order = np.lexsort(np.array(last["parameters"]["means"]).T[::-1])
    for key, values in document["parameters"].items():
        assert np.array_equal(values, np.array(last["parameters"][key])[order])
    steps = [line.get("step") for line in document["trace"]]
    polished = steps.count("polish")
    assert 1 <= polished <= 5 and "polish" not in steps[: document["iterations"] + 1]
    assert last["iteration"] == document["trace"][-1]["iteration"] == document["iterations"] + polished
    assert document["log_likelihood"] == pytest.approx(last["log_likelihood"], rel=1e-15)
    assert document["decrement"] < 1e-20


def test_polishing_loses_no_more_than_rounding_and_gains_what_was_left() -> None:
    plain, document = (
        fit("gmm", SAMPLES / "iris.csv", "-k", 3, "--restarts", 2, *more) for more in (["--solver", "em"], [])
    )
    climbed = [line["log_likelihood"] for line in document["trace"]][document["iterations"] :]
    assert min(np.diff(climbed)) > -1e-15 * 8 * abs(climbed[0])
    assert 0 <= document["log_likelihood"] - plain["log_likelihood"] < 1e-5


@pytest.mark.parametrize(
    "arguments",
    [
        ["coins", DO_BATZOGLOU, "--solver", "em"],  # plain EM is what was asked for
        ["coins", DO_BATZOGLOU, "--max-iter", 2],  # not converged
        ["gmm", SAMPLES / "galaxies.csv", "-k", 1],  # has no hidden labels
        ["kmeans", SAMPLES / "iris.csv", "-k", 2],
    ],
)
def test_some_fits_are_left_as_they_are(arguments: list[Any]) -> None:
    document = fit(*arguments)
    assert len(document["trace"]) == document["iterations"] + 1
    assert "polish" not in [line.get("step") for line in document["trace"]]


def test_a_singular_information_is_no_ground_to_step_from(write: Callable[[str, str], Path]) -> None:
    """Single tosses cannot tell two coins apart: any pair with the same mean is as likely."""
    data = write("single.csv", "heads,tosses\n" + "1,1\n0,1\n" * 20)
    document = fit("coins", data, "-k", 2, "--mixing", "free")
    assert "not-identifiable" in [warning["slug"] for warning in document["warnings"]]
    assert "polish" not in [line.get("step") for line in document["trace"]]


@pytest.mark.parametrize(("options", "name"), [((), ""), (("-vv",), "polish"), (("--width", 36), "polish")])
def test_the_last_iteration_in_a_table_is_as_many_as_are_counted(options: tuple[Any, ...], name: str) -> None:
    shown = run("fit", "coins", DO_BATZOGLOU, *options, process=False).stdout
    counted = int(re.findall(r" in (\d+) iterations\n", shown)[0])
    *_, table = re.findall(r"iteration .*?\n[─-]+\n(.*?)\n\n", shown, re.DOTALL)
    cells = [line[:9].strip() for line in table.splitlines()]
    assert [cell for cell in cells if cell.isdigit()][-1] == str(counted) and cells[-1] == name


def test_the_table_names_the_steps_and_counts_iterations_without_them() -> None:
    shown = run("fit", "coins", DO_BATZOGLOU, process=False).stdout
    document = fit("coins", DO_BATZOGLOU)
    assert f"in {document['iterations']} iterations\n" in shown and "polish" in shown
    assert "polish" not in run("fit", ROOT / "configs" / "do_batzoglou.yaml", process=False).stdout
    compared = run("compare", "coins", DO_BATZOGLOU, "-k", 2).stdout
    assert f"in {document['iterations']} iterations\n" in compared
