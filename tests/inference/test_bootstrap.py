"""The parametric bootstrap: standard errors against their formulas, and where there can be none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, fit, run, table
from inprocess import result_of

from emcli.inference.bootstrap import Bootstrap, best_jaccard, replicate

OVERLAPPING = REFERENCE / "data" / "overlapping_normals.csv"
Write = Callable[[str, str], Path]


def form(value: Any) -> Any:
    """A nested list without its numbers."""
    if isinstance(value, dict):
        return {key: form(inner) for key, inner in value.items()}
    return [form(inner) for inner in value] if isinstance(value, list) else None


def test_errors_of_one_gaussian_are_those_of_the_formulas() -> None:
    document = fit("gmm", SAMPLES / "faithful.csv", "-k", 1, "--restarts", 1, "--bootstrap", 400)
    errors, n = document["bootstrap"]["standard_errors"], 272
    covariance = np.array(document["parameters"]["covariances"][0])
    np.testing.assert_allclose(errors["means"][0], np.sqrt(np.diag(covariance) / n), rtol=0.05)
    variances = np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2
    np.testing.assert_allclose(errors["covariances"][0], np.sqrt(variances / n), rtol=0.06)
    assert errors["weights"] == [0.0]


@pytest.mark.slow
def test_errors_of_one_coin_count_every_toss(write: Write) -> None:
    data = write("c.csv", "heads,tosses,w\n7,10,30\n12,20,20\n1,1,50\n")
    document = fit("coins", data, "-k", 1, "--row-weights", "w", "--bootstrap", 400, "--seed", 1)
    (p,), tosses = document["parameters"]["heads"], 30 * 10 + 20 * 20 + 50
    assert document["bootstrap"]["standard_errors"]["heads"][0] == pytest.approx(
        np.sqrt(p * (1 - p) / tosses), rel=0.05
    )
    low, high = (document["bootstrap"][end]["heads"][0] for end in ("low", "high"))
    assert low == pytest.approx(p - 1.96 * np.sqrt(p * (1 - p) / tosses), abs=2e-3)
    assert high == pytest.approx(p + 1.96 * np.sqrt(p * (1 - p) / tosses), abs=2e-3)


@pytest.mark.parametrize(
    "covariance", ["full", *(pytest.param(shape, marks=pytest.mark.slow) for shape in ("tied", "diag", "spherical"))]
)
def test_everything_has_the_form_of_the_parameters_and_the_bytes_of_any_number_of_threads(covariance: str) -> None:
    command = ["fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--covariance", covariance, "--bootstrap", 20, "--json"]
    one, four = (run(*command, "--restarts", 2, "--jobs", jobs, process=False).stdout for jobs in (1, 4))
    assert one == four
    document = json.loads(one)
    made = document["bootstrap"]
    assert made["replicates"] == 20 and made["failed"] == 0 and made["reordered"] == 0
    assert all(form(made[key]) == form(document["parameters"]) for key in ("standard_errors", "low", "high"))
    assert all(low <= high for low, high in zip(made["low"]["weights"], made["high"]["weights"], strict=True))


@pytest.mark.slow
def test_intervals_cover_what_they_should() -> None:
    """Of 60 samples of known parameters, about 95 % have the true P(heads) in their interval."""
    inside = 0
    for seed in range(60):
        rows = run("generate", "configs/two_coins.yaml", "-n", 150, "--seed", 1000 + seed, process=False).stdout
        made = fit("coins", "-", "--restarts", 1, "--bootstrap", 100, stdin=rows)["bootstrap"]
        inside += sum(
            low <= p <= high
            for p, low, high in zip((0.2, 0.6), made["low"]["heads"], made["high"]["heads"], strict=True)
        )
    assert 103 <= inside <= 120


def test_there_are_no_errors_where_too_many_replicates_have_no_fit_or_another_order() -> None:
    rows = np.random.default_rng(1).normal(size=10) + 6 * (np.arange(10) % 3)
    text = "x\n" + "".join(f"{x:.3f}\n" for x in rows)
    done = run("fit", "gmm", "-", "-k", 3, "--restarts", 2, "--bootstrap", 20, "--json", stdin=text)
    made = json.loads(done.stdout)["bootstrap"]
    assert made["failed"] > 1 and "bootstrap fits failed" in made["refused"] and "standard_errors" not in made
    assert "[bootstrap-refused]" in done.stderr
    several = [{"heads": [0.1, 0.2]}] * 40
    assert Bootstrap(40, 0, 2, several).refused is None
    assert "3 of 40 bootstrap fits match the components in another order" in str(Bootstrap(40, 0, 3, several).refused)


def test_it_is_refused_where_nothing_can_be_drawn(write: Write) -> None:
    done = run("fit", "kmeans", SAMPLES / "faithful.csv", "-k", 2, "--bootstrap", 20, process=False)
    assert done.returncode == 2 and "hard assignments" in done.stderr
    data = write("w.csv", "x,w\n1,0.5\n2,1.5\n3,1\n4,2\n5,1\n")
    done = run("fit", "gmm", data, "-k", 1, "--row-weights", "w", "--bootstrap", 20, process=False)
    assert (done.returncode, done.stdout) == (3, "") and "whole numbers" in done.stderr


def test_the_rows_drawn_are_as_many_as_the_weights_sum_to() -> None:
    numbers = table(SAMPLES / "faithful.csv")[:40]
    doubled = "x\n" + "".join(f"{x}\n{x}\n" for x in numbers[:, 0])
    weighted = "x,w\n" + "".join(f"{x},2\n" for x in numbers[:, 0])
    one = fit("gmm", "-", "-k", 1, "--bootstrap", 30, stdin=doubled)["bootstrap"]
    two = fit("gmm", "-", "-k", 1, "--bootstrap", 30, "--row-weights", "w", stdin=weighted)["bootstrap"]
    np.testing.assert_allclose(one["standard_errors"]["means"], two["standard_errors"]["means"], rtol=1e-9)


def test_overlapping_components_get_no_small_errors(tmp_path: Path) -> None:
    """A bootstrap with global searches gives an error of 0.35 for the weight; refits from the fit alone gave 0.07."""
    saved = tmp_path / "fit.json"
    done = run("fit", "gmm", OVERLAPPING, "-k", 2, "--restarts", 3, "--bootstrap", 20, "-o", saved, process=False)
    made = json.loads(saved.read_text())["bootstrap"]
    if "refused" in made:
        assert "[bootstrap-refused]" in done.stderr and made["reordered"] > 2
    else:
        assert made["standard_errors"]["weights"][0] > 0.2
    assert made["jaccard"][1] < 0.6  # of the small component: near dissolved
    assert f"{made['jaccard'][1]:.2f}" in done.stdout and f"{made['jaccard'][0]:.2f} stable" in done.stdout


def test_a_component_is_dissolved_below_a_half_and_stable_above_three_quarters() -> None:
    made = Bootstrap(40, 0, 0, [], [0.499, 0.5, 0.75, 0.751])
    assert [made.stability(j) for j in range(4)] == ["0.50 dissolved", "0.50", "0.75", "0.75 stable"]


def test_the_jaccard_coefficients_are_those_of_plain_sets() -> None:
    """Hennig (2007): of each component's rows with those of the component of the refit that is most like it."""
    values, weights = table(SAMPLES / "faithful.csv"), 1.0 + np.arange(272) % 3
    result = result_of(values, {"model": "gmm", "k": 3, "restarts": 3}, weights)
    refit = result_of(values[:90], {"model": "gmm", "k": 3, "restarts": 3})
    model = refit.model.to_original(refit.data.rows.scaling).to_scaled(result.data.rows.scaling)
    own, others = result.assignments(), model.labels(result.data.rows.values)
    sets = [[{i for i, label in enumerate(labels) if label == j} for j in range(3)] for labels in (own, others)]
    size = lambda rows: sum(weights[i] for i in rows)  # noqa: E731
    expected = [max(size(a & b) / size(a | b) for b in sets[1]) for a in sets[0]]
    np.testing.assert_allclose(best_jaccard(result, model), expected, rtol=1e-12)
    assert 0.1 < min(expected) < 0.95


def test_separate_components_are_stable_and_the_errors_in_table_and_document_are_those_of_refits_from_the_fit(
    tmp_path: Path,
) -> None:
    saved = tmp_path / "fit.json"
    shown = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 1, "--bootstrap", 40, "-o", saved).stdout
    document = json.loads(saved.read_text())
    made, share = document["bootstrap"], document["parameters"]["weights"][0]
    assert made["reordered"] == 0 and min(made["jaccard"]) > 0.95
    assert made["standard_errors"]["weights"][0] == pytest.approx((share * (1 - share) / 272) ** 0.5, rel=0.3)
    assert len(re.findall(r"1\.00 stable", shown)) == 2
    assert shown.count("std. error ") == 2 and shown.count("97.5 %") == 2
    assert "from 40 refits of data drawn from this fit" in shown


@pytest.mark.parametrize("tosses", [3, 1000])
def test_each_drawn_row_of_coins_has_as_many_tosses_as_one_of_the_data(tosses: int) -> None:
    values = np.array([[1, 3], [2, tosses], [tosses // 2, tosses]] * 6, float)
    result = result_of(values, {"model": "coins", "k": 2, "restarts": 1})
    rows, _ = replicate(result.data.rows, result.settings.model, result.model, np.random.default_rng(1))
    assert rows.weights is not None
    thrown = np.repeat(rows.values[0] + rows.values[1], rows.weights.astype(int))
    assert sorted(thrown) == sorted(values[:, 1])
    share = (rows.weights * rows.values[0]).sum() / thrown.sum()  # within five standard errors of the fit's own
    own = values[:, 0].sum() / values[:, 1].sum()
    assert abs(share - own) < 5 * (0.25 / len(values)) ** 0.5
