"""Noise in Gaussian mixtures: against mclust, an EM of few lines, and what a user meets."""

from __future__ import annotations

import csv
import io
import json
import re
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


FEW = [each for each in MCLUST["fits"] if (each["seed"], each["scattered"]) == (2, 20) and each["shape"] == "VVV"]


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


@pytest.mark.parametrize("d", [1, 3])
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


@pytest.mark.usefixtures("described")
@pytest.mark.parametrize("columns", ["x1", "x1,x2"])
def test_pictures_grey_the_noise(columns: str, write: Write, tmp_path: Path) -> None:
    data, file = write("far.csv", text_of(scattered(1, 20))), tmp_path / "fit.svg"
    fit("gmm", data, "--columns", columns, "-k", 2, "--noise", "--restarts", 2, "--plot", file)
    said = file.read_text()
    assert "2 Gaussians and noise" in said and "noise" in said.split("2 Gaussians and noise")[-1]


@pytest.mark.parametrize("words", [["--format", "csv"], ["--format", "markdown"], ["--covariance", "EEE"]])
def test_tables_have_a_line_of_the_noise_without_parameters(words: list[str], write: Write) -> None:
    data = write("far.csv", text_of(scattered(1, 20)))
    done = run("fit", "gmm", data, "-k", 2, "--noise", "--restarts", 2, *words)
    line = next(each for each in done.stdout.splitlines() if each.lstrip(" |").startswith("noise"))
    numbers = 3 if "csv" in words else 2  # rows and weight, and where there is room the volume
    assert done.returncode == 0 and "nan" not in line and line.count(".") == numbers


REFUSED = [
    (["gmm", "--known", "x1"], 2, "'--noise' and '--known' exclude each other"),
    (["gmm", "--missing", "use"], 2, "'--noise' and '--missing use' exclude each other"),
    (["gmm", "--scheduler", "local:2"], 2, "'--noise' and '--scheduler' exclude each other"),
    (["gmm", "--solver", "newton"], 2, "'--noise' and '--solver newton' exclude each other"),
    (["kmeans"], 2, "kmeans has no option '--noise'"),
    (["coins"], 2, "coins has no option '--noise'"),
]


@pytest.mark.parametrize(("words", "code", "said"), REFUSED, ids=lambda each: str(each)[:30])
def test_what_does_not_go_with_noise_is_refused_in_a_line(words: list[str], code: int, said: str, write: Write) -> None:
    data = write("far.csv", text_of(scattered(1, 5)))
    done = run("fit", words[0], data, "-k", 2, "--noise", *words[1:])
    assert done.returncode == code and done.stderr.startswith(f"emcli: error: {said}")
    assert len(done.stderr.splitlines()) <= 2


def test_weights_are_not_held_beside_noise_but_means_are(write: Write) -> None:
    write("far.csv", text_of(scattered(1, 20)))
    head = "model: gmm\ndata: far.csv\nfit:\n  k: 2\n  noise: true\n  restarts: 3\n  fix: "
    weights = run("fit", write("weights.yaml", head + "{weights: [0.3, null]}\n"))
    assert weights.returncode == 2 and "cannot be held beside noise" in weights.stderr
    found = fit(write("means.yaml", head + "{means: [[0.0, 0.0], [null, null]]}\n"))
    assert found["parameters"]["means"][0] == [0.0, 0.0] and found["parameters_count"] == 13 - 2


def test_a_fit_draws_noise_from_its_box_and_recipes_say_where(write: Write, tmp_path: Path) -> None:
    recipe = write(
        "recipe.yaml",
        "model: gmm\ngenerate:\n  rows: 2000\n  parameters:\n    weights: [0.6, 0.2]\n    means: [[0, 0], [9, 9]]\n"
        "    sds: [[1, 1], [1, 1]]\n    noise: {weight: 0.2, corner: [-20, -10], edges: [[40, 40], [-10, 10]]}\n",
    )
    lines = run("generate", recipe, "--labels").stdout.splitlines()[1:]
    rows = [line.split(",") for line in lines]
    far = np.array([[float(x), float(y)] for x, y, label in rows if label == "noise"])
    shares = np.linalg.solve(np.array([[40.0, 40], [-10, 10]]).T, (far - [-20, -10]).T)
    assert {label for *_, label in rows} == {"1", "2", "noise"} and 330 < len(far) < 470
    assert shares.min() >= 0 and shares.max() <= 1 and abs(shares.mean() - 0.5) < 0.03


def test_a_bootstrap_tells_the_error_of_the_share_of_noise(write: Write) -> None:
    data = write("far.csv", text_of(scattered(1, 50)[:, :1]))
    made = fit("gmm", data, "-k", 1, "--noise", "--restarts", 2, "--bootstrap", 20)
    errors = made["bootstrap"]["standard_errors"]["noise"]
    assert errors.keys() == {"weight", "volume"} and errors["weight"] > 0 and errors["volume"] > 0
    assert made["bootstrap"]["low"]["noise"]["weight"] < made["parameters"]["noise"]["weight"]


def test_a_comparison_prefers_noise_where_there_is_some(write: Write) -> None:
    data = write("far.csv", text_of(scattered(1, 20)))
    done = run("compare", "gmm", data, "-k", "2", "--noise", "false,true", "--restarts", 3, "--json")
    first, second = json.loads(done.stdout)["groups"][0]["candidates"]
    assert (first["name"], second["name"]) == ("gmm-k2-full-free-noise", "gmm-k2-full-free")
    assert first["parameters_count"] == second["parameters_count"] + 2
    assert first["log_likelihood"] > second["log_likelihood"] + 20


def test_the_example_tells_the_truth_beside_the_fit_and_the_noise() -> None:
    found = fit("scattered", "--restarts", 3)
    assert found["truth"]["parameters"]["noise"]["weight"] == 0.125
    assert found["truth"]["cross_table"]["labels"][-1] == "noise"
    assert found["truth"]["cross_table"]["counts"][-1] == [0, 0, 26]
    assert found["truth"]["adjusted_rand_index"] > 0.95


def test_rows_with_missing_cells_are_not_predicted_beside_noise(write: Write, tmp_path: Path) -> None:
    data, file = write("far.csv", text_of(scattered(1, 5))), tmp_path / "fit.json"
    fit("gmm", data, "-k", 1, "--noise", "--restarts", 2, "-o", file)
    done = run("predict", file, data, "--missing", "use")
    assert done.returncode == 2 and "gmm with noise cannot use rows with missing cells" in done.stderr


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        ("{weight: 2}", "start: noise.weight: must be from 0 to below 1, got 2"),
        ("3", "start: noise: must be a mapping"),
        ("{weight: 0.5}", "start: weights: must sum to 1 with that of the noise, got 1.4"),
        ("{wight: 0.5}", "start: noise.wight: unknown parameter"),
    ],
)
def test_start_values_of_noise_are_checked(noise: str, said: str, write: Write) -> None:
    data = write("far.csv", text_of(scattered(1, 5)))
    start = write("start.yaml", f"weights: [0.5, 0.4]\nmeans: [[0, 0], [6, 2]]\nnoise: {noise}\n")
    done = run("fit", "gmm", data, "-k", 2, "--noise", "--start", start)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("many", [5, 20, 50, 100])
@pytest.mark.parametrize("seed", [1, 2])
def test_scattered_rows_move_clusters_by_less_than_two_bootstrap_errors(seed: int, many: int, write: Write) -> None:
    values = scattered(seed, many)
    clean = fit("gmm", write("clean.csv", text_of(values[:400])), "-k", 2, "--bootstrap", 60)
    found = fit("gmm", write("far.csv", text_of(values)), "-k", 2, "--noise")
    for key in ("means", "covariances"):
        errors = np.array(clean["bootstrap"]["standard_errors"][key])
        away = np.abs(np.array(found["parameters"][key]) - np.array(clean["parameters"][key]))
        assert (away < 2 * errors).all(), key


@pytest.mark.parametrize("shape", ["full", "tied"])
def test_noise_beside_it_does_not_make_a_spike_a_component(shape: str, write: Write) -> None:
    values = np.concatenate([scattered(1, 0), [[3.0, 7.0], [3.001, 7.0], [3.0, 7.001]]])
    data = write("spike.csv", text_of(values))
    start = write("start.yaml", "means: [[3, 7]]\nsds: [[0.001, 0.001]]\nnoise: {weight: 0.98}\nweights: [0.02]\n")
    words = ("gmm", data, "-k", 1, "--noise", "--covariance", shape)
    spike = fit(*words, "--start", start)
    assert "few-rows" in [warning["slug"] for warning in spike["warnings"]]
    assert spike["parameters"]["noise"]["weight"] > 0.9
    assert fit(*words, "--restarts", 3)["parameters"]["noise"]["weight"] < 0.7


def test_the_schema_takes_noise_alone_and_as_a_grid() -> None:
    fields = json.loads(run("schema", "experiment").stdout)["properties"]["fit"]["properties"]
    text = next(each["pattern"] for each in fields["noise"]["anyOf"] if each.get("type") == "string")
    assert re.search(text, "false,true") and not re.search(text, "false,maybe") and not re.search(text, " , ")


def test_a_comparison_calls_the_noise_by_its_name(write: Write) -> None:
    path = write("n.csv", text_of(scattered(2, 20)))
    words = ("compare", "gmm", path, "-k", 2, "--noise", "false,true", "--restarts", 2, "--covariance", "diag")
    lines = run(*words, process=False).stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.strip().startswith("noise ")] == [
        ["noise", "weight"],
        ["noise", "volume"],
    ]


def test_noise_without_a_value_in_a_grid_and_held_weights_are_refused_in_their_own_words(write: Write) -> None:
    path = write("n.csv", text_of(scattered(2, 5)))
    done = run("compare", "gmm", path, "-k", "1-2", "--noise", "--columns", "x1,x2", process=False)
    assert done.returncode == 2
    assert "'--noise' needs a value, got the option '--columns'" in done.stderr
    start = write("start.yaml", "means: [[0, 0], [6, 2]]\nweights: [0.5, 0.4]\nnoise: {weight: 0.1}\n")
    done = run("fit", "gmm", path, "-k", 2, "--noise", "--fix", "weights", "--start", start, process=False)
    assert done.returncode == 2
    assert "weights: cannot be held beside noise" in done.stderr


def test_where_starts_beside_noise_collapse_the_hint_is_one_that_helps() -> None:
    done = run("fit", "gmm", "-", "-k", 1, "--noise", stdin="x\n1\n2\n3\n", process=False)
    assert done.returncode == 4
    assert "use --prior default, or leave --noise out" in done.stderr
    helped = run("fit", "gmm", "-", "-k", 1, "--noise", "--prior", "default", stdin="x\n1\n2\n3\n", process=False)
    assert helped.returncode == 0


def test_saved_fits_are_told_apart_by_their_noise(write: Write, tmp_path: Path) -> None:
    path = write("n.csv", text_of(scattered(2, 20)))
    for name, more in (("with", ["--noise"]), ("without", [])):
        run("fit", "gmm", path, "-k", 2, "--restarts", 2, "-o", tmp_path / f"{name}.json", *more, process=False)
    files = [tmp_path / "with.json", tmp_path / "without.json"]
    found = json.loads(run("compare", *files, "--json", process=False).stdout)["groups"][0]["candidates"]
    assert {each["name"]: each.get("noise") for each in found} == {"with": True, "without": None}
    header, *rows = run("compare", *files, "--format", "csv", process=False).stdout.splitlines()
    at = header.split(",").index("noise")
    assert sorted(row.split(",")[at] for row in rows) == ["", "True"]
    shown = run("compare", *files, "--width", 200, process=False).stdout
    assert "noise" in shown.splitlines()[1].split()


def test_noise_beside_a_mixture_takes_its_share_and_leaves_the_gaussians_as_they_are() -> None:
    result = result_of(clusters(), {"model": "gmm", "k": 3, "restarts": 2})
    _, data, _ = dataset(clusters(), {"model": "gmm", "k": 3, "noise": True})
    rows = data.rows
    plain = result.model.to_original(result.data.rows.scaling).to_scaled(rows.scaling)
    beside = plain.with_noise(rows, 0.1)
    np.testing.assert_allclose(beside.shares, [*(0.9 * plain.weights), 0.1], rtol=1e-12)
    density, uniform = (model.posterior(rows.values)[1] for model in (plain, beside.alone(3)))
    assert rows.box is not None
    np.testing.assert_allclose(uniform, -rows.box.log_volume, rtol=1e-12)
    expected = np.logaddexp(np.log(0.9) + density, np.log(0.1) + uniform)
    np.testing.assert_allclose(beside.posterior(rows.values)[1], expected, rtol=1e-12)
    moved = beside.with_shares(np.array([0.2, 0.1, 0.1, 0.6]))
    np.testing.assert_allclose(moved.shares, [0.2, 0.1, 0.1, 0.6], rtol=1e-12)
    assert beside.with_noise(rows, 0.5) is beside
