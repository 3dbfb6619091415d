"""What is said of an optimum, beside the Hessian of the log-likelihood in 40-digit arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, fit, run, table
from scipy.special import gammaln, logsumexp, xlog1py, xlogy
from scipy.stats import multivariate_normal

mp.mp.dps = 40
DATA = REFERENCE / "data"
TACKS = ["coins", SAMPLES / "thumbtacks.csv", "--tosses", "n", "--row-weights", "freq", "--mixing", "free"]
ALARMS = {"saddle", "not-identifiable"}
Vector = list[Any]  # of mpmath's numbers
Gradient = Callable[[Vector], Vector]


def slugs(document: dict[str, Any]) -> set[str]:
    return {warning["slug"] for warning in document["warnings"]}


def gaussians(path: Path, k: int, tied: bool) -> Gradient:
    """Gradient of the log-likelihood of spherical Gaussians: k - 1 log-ratios, means, log-variances (tied: one)."""
    rows = [[mp.mpf(float(x)) for x in row] for row in table(path)]
    d = len(rows[0])

    def at(v: Vector) -> Vector:
        means = [v[k - 1 + j * d : k - 1 + (j + 1) * d] for j in range(k)]
        logs = v[k - 1 + k * d :] * (k if tied else 1)
        lifted = [*map(mp.exp, v[: k - 1]), mp.mpf(1)]
        found = [[mp.mpf(0)] * k, [[mp.mpf(0)] * d for _ in range(k)], [mp.mpf(0)] * k]
        for row in rows:
            away = [[(x - m) for x, m in zip(row, mean, strict=True)] for mean in means]
            squares = [mp.fsum(y * y for y in each) / mp.exp(s) for each, s in zip(away, logs, strict=True)]
            parts = [w * mp.exp(-(q + d * s) / 2) for w, q, s in zip(lifted, squares, logs, strict=True)]
            for j, part in enumerate(parts):
                r = part / mp.fsum(parts)
                found[0][j] += r - lifted[j] / mp.fsum(lifted)
                found[1][j] = [m + r * y / mp.exp(logs[j]) for m, y in zip(found[1][j], away[j], strict=True)]
                found[2][j] += r * (squares[j] - d) / 2
        return [*found[0][:-1], *(m for mean in found[1] for m in mean), *([mp.fsum(found[2])] if tied else found[2])]

    return at


def vector(parameters: dict[str, Any], tied: bool) -> Vector:
    """Fitted Gaussians as the variables of `gaussians`."""
    w, variances = parameters["weights"], [mp.mpf(matrix[0][0]) for matrix in parameters["covariances"]]
    ratios = [mp.log(mp.mpf(each) / mp.mpf(w[-1])) for each in w[:-1]]
    means = [mp.mpf(x) for mean in parameters["means"] for x in mean]
    return [*ratios, *means, *map(mp.log, variances[: 1 if tied else None])]


def hessian(gradient: Gradient, v: Vector) -> Any:
    """The derivatives of a gradient, by central differences right to some 20 digits."""
    p, h, found = len(v), mp.mpf("1e-12"), mp.matrix(len(v), len(v))
    for i in range(p):
        up, down = (gradient([x + sign * h * (i == j) for j, x in enumerate(v)]) for sign in (1, -1))
        for j in range(p):
            found[i, j] = (up[j] - down[j]) / (2 * h)
    return (found + found.T) / 2


STRICT: list[tuple[str, int, str]] = [
    ("tied_line_outlier.csv", 4, "tied"),
    ("corners.csv", 2, "spherical"),
    ("two_far_rows.csv", 2, "full"),
]


@pytest.mark.parametrize(("name", "k", "shape"), STRICT)
def test_a_strict_maximum_raises_no_alarm_and_what_is_left_to_gain_is_right(name: str, k: int, shape: str) -> None:
    loose = ["--solver", "em", "--tol", "1e-4", "--restarts", 3]
    document = fit("gmm", DATA / name, "-k", k, "--covariance", shape, *loose)
    gradient, at = gaussians(DATA / name, k, shape == "tied"), vector(document["parameters"], shape == "tied")
    slope, bent = mp.matrix(gradient(at)), hessian(gradient, at)
    assert max(mp.eigsy(bent, eigvals_only=True)) < -0.01
    left = float((slope.T * mp.lu_solve(-bent, slope))[0] / 2)
    assert document["decrement"] == pytest.approx(left, rel=1e-2, abs=1e-12)
    assert document["decrement"] < 1e-4
    assert not slugs(document) & ALARMS


def test_newton_gets_on_where_a_component_holds_one_row() -> None:
    document = fit("gmm", DATA / "tied_line_outlier.csv", "-k", 4, "--covariance", "tied")
    assert document["log_likelihood"] == pytest.approx(-256.758723, abs=2e-6)
    assert max(start["iterations"] for start in document["restarts"]) < 500  # EM alone takes 3,800 to 5,900
    assert document["decrement"] < 1e-9


@pytest.mark.parametrize("name", ["coins_zero_8.csv", "coins_zero_286.csv"])
def test_a_coin_that_never_shows_heads_raises_no_alarm(name: str) -> None:
    document = fit("coins", DATA / name, "-k", 2, "--mixing", "free")
    known = document["certificate"]
    bound = max(0.0, known["gap"] + document["data"]["weight"] * np.log1p(known["D"] / document["data"]["weight"]))
    assert document["decrement"] <= min(1e-9, bound)
    assert document["parameters"]["heads"][0] == 0
    assert document["trace"][document["iterations"] + 1]["step"] == "boundary"
    assert not slugs(document) & ALARMS


@pytest.mark.parametrize(
    "k", [4, pytest.param(5, marks=pytest.mark.slow)]
)  # of 9 different rows, so that five coins have no empirical information
def test_a_change_that_leaves_the_likelihood_as_it_is_is_told(k: int) -> None:
    """Two tacks of four are one: mixing weight goes from one to the other, and scipy sees no difference."""
    document = fit(*TACKS, "-k", k, "--restarts", 1)
    heads, tosses, freq = table(SAMPLES / "thumbtacks.csv").T
    p, weights = (np.array(document["parameters"][key]) for key in ("heads", "weights"))
    one, other = next((i, j) for i in range(k) for j in range(i) if abs(p[i] - p[j]) < 1e-3)
    p[[one, other]] = np.average(p[[one, other]], weights=weights[[one, other]])
    found = []
    for share in (0.1, 0.5, 0.9):
        weights[[one, other]] = np.array([share, 1 - share]) * weights[[one, other]].sum()
        logs = xlogy(heads[:, None], p) + xlog1py(tosses[:, None] - heads[:, None], -p)
        found.append(freq @ logsumexp(logs, axis=1, b=weights))
    assert np.ptp(found) < 1e-9
    assert {"not-identifiable", "identical-components"} <= slugs(document)


@pytest.mark.parametrize(
    "arguments",
    [
        ["gmm", SAMPLES / "faithful.csv", "-k", 3, "--max-iter", 2],
        ["gmm", SAMPLES / "galaxies.csv", "-k", 6, "--max-iter", 12],  # it would be set aside
        [*TACKS, "-k", 4, "--max-iter", 30],  # not identifiable, with components that are the same
        ["coins", SAMPLES / "flips.csv", "--max-iter", 2],  # one coin suffices
    ],
)
def test_a_fit_that_is_cut_short_is_called_unfinished_and_nothing_else(arguments: list[Any], tmp_path: Path) -> None:
    done = run("fit", *arguments, "--restarts", 10, "-o", tmp_path / "fit.json")
    document = json.loads((tmp_path / "fit.json").read_text())
    assert document["status"] == "max_iter" and slugs(document) == {"slow"}
    assert "Not converged" in done.stdout


def coins_log_likelihood(rows: np.ndarray, p: Sequence[float], weights: Sequence[float]) -> float:
    """Of heads and tosses (n, 2), by scipy."""
    h, n = rows.T[:, :, None]
    logs = gammaln(n + 1) - gammaln(h + 1) - gammaln(n - h + 1) + xlogy(h, p) + xlog1py(n - h, -np.array(p))
    return float(logsumexp(logs, axis=1, b=weights).sum())


STUCK: dict[str, tuple[list[Any], str, float]] = {
    # two coins that start as one, in all but name; two_coins.json has the optimum
    "flips": (["coins", SAMPLES / "flips.csv"], "heads: [0.66, 0.6600000001]", -9.79692),
    # P(heads) 0, which no row has: EM never changes it, and with free mixing the coin loses all its weight
    "0": (["coins", DATA / "coins_never_zero.csv"], "heads: [0, 0.5]", -7.856604),
    "free 0": (["coins", DATA / "coins_never_zero.csv", "--mixing", "free"], "heads: [0, 0.5]", -7.853983),  # certified
    # the same of Gaussians; gmm.json has the optimum
    "faithful": (
        ["gmm", SAMPLES / "faithful.csv", "-k", 2],
        "means: [[3.487783088, 70.897058824], [3.487783089, 70.897058824]]",
        -1130.26396,
    ),
}


@pytest.mark.parametrize(("arguments", "start", "best"), STUCK.values(), ids=STUCK)
def test_a_fit_leaves_a_saddle_and_is_said_to_be_one_only_where_plain_em_stays(
    arguments: list[Any], start: str, best: float, write: Callable[[str, str], Path]
) -> None:
    command = [*arguments, "--start", write("s.yaml", start)]
    left, stayed, cut = (fit(*command, *how) for how in ([], ["--solver", "em"], ["--max-iter", 1]))
    assert left["log_likelihood"] == pytest.approx(best, abs=1e-5)
    assert "escape" in {step.get("step") for step in left["trace"]}
    assert "saddle" not in slugs(left) and left["decrement"] < 1e-6
    assert stayed["log_likelihood"] < best - 0.1 and "saddle" in slugs(stayed) and stayed["decrement"] is None
    assert not slugs(stayed) & {"identical-components", "not-identifiable"}
    assert "going on would raise" not in run("fit", *command, "--solver", "em", process=False).stdout
    assert slugs(cut) == {"slow"} and cut["iterations"] == 1


def test_the_step_off_a_boundary_is_where_scipy_sees_more() -> None:
    rows = table(DATA / "coins_never_zero.csv")
    gain = coins_log_likelihood(rows, [0.1, 0.35], [0.5, 0.5]) - coins_log_likelihood(rows, [0.0, 0.35], [0.5, 0.5])
    assert gain == pytest.approx(2.60, abs=0.01)
    zero = fit("coins", DATA / "coins_zero_8.csv", "-k", 2, "--mixing", "free")["parameters"]
    rows, (_, other) = table(DATA / "coins_zero_8.csv"), zero["heads"]
    near, at = (coins_log_likelihood(rows, [p, other], zero["weights"]) for p in (1e-6, 0.0))
    assert (near - at) / 1e-6 == pytest.approx(-30, abs=0.1)


def two_clusters(d: int, n: int) -> tuple[str, np.ndarray]:
    """Two clusters of independent columns, as a table and as values."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(n, d)) + 1.5 * (np.arange(n) % 2)[:, None]
    return ",".join(f"x{j}" for j in range(d)) + "\n" + "\n".join(
        ",".join(map(repr, row)) for row in values.tolist()
    ), values


def test_that_one_component_suffices_is_said_of_the_shape_that_was_fitted() -> None:
    """One full covariance is better than two, by scipy's likelihood of one; of diagonal ones two are better."""
    text, values = two_clusters(6, 60)
    full, diagonal = (fit("gmm", "-", "-k", 2, "--covariance", shape, stdin=text) for shape in ("full", "diag"))
    spread = np.cov(values.T, bias=True)
    for document, one, p in ((full, spread, 27), (diagonal, np.diag(np.diag(spread)), 12)):
        score = multivariate_normal.logpdf(values, values.mean(axis=0), one).sum()
        better = document["bic"] > -2 * score + p * np.log(60)
        assert better == (document is full) == ("one-component-suffices" in slugs(document))
    (message,) = (each["message"] for each in full["warnings"] if each["slug"] == "one-component-suffices")
    assert message.startswith("with a full covariance BIC") and message.endswith("; try -k 1, or --covariance diag")
    alone = fit("gmm", "-", "-k", 2, "--restarts", 1, stdin=text)
    assert alone["bic"] > -2 * multivariate_normal.logpdf(values, values.mean(axis=0), spread).sum() + 27 * np.log(60)
    assert "one-component-suffices" not in slugs(alone)


def test_a_coin_that_shows_heads_once_in_a_million_keeps_them() -> None:
    """P(heads) 1e-7 with a row of one head: at 0 that row would be the other coin's, and scipy sees less."""
    text = "heads,tosses,w\n0,1000000,9\n1,1000000,1\n500,1000,5\n480,1000,5\n"
    document = fit("coins", "-", "-k", 2, "--mixing", "free", "--row-weights", "w", stdin=text)
    assert document["parameters"]["heads"] == pytest.approx([1e-7, 0.49], rel=1e-6)
    assert {step.get("step") for step in document["trace"]} <= {None, "em", "newton", "polish"}
