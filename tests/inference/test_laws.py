"""Laws that every model inherits: a new model adds a line to CASES, and its module here if it is not registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from itertools import islice
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import poisson
import pytest
from conftest import ROOT, fit, run
from inprocess import drawn_start, loaded

from emcli.compute.processes import process_map
from emcli.compute.threads import thread_map
from emcli.config.resolve import resolve
from emcli.data.rows import batch_chunks
from emcli.inference.information import information
from emcli.models import model_class
from emcli.models.complete_data import CompleteDataModel
from emcli.models.em import em

CASES: dict[str, tuple[str, list[Any]]] = {
    "kmeans": ("blobs", ["kmeans", "-k", 3]),
    "kmeans, missing cells": ("iris_gaps", ["kmeans", "-k", 3, "--missing", "use"]),
    "coins, equal": ("two_coins", ["coins"]),
    "coins, free": ("two_coins", ["coins", "--mixing", "free"]),
    "gmm, full": ("mixture_1d", ["gmm", "-k", 3]),
    "gmm, full, 2-D": ("blobs", ["gmm", "-k", 3]),
    "gmm, tied": ("blobs", ["gmm", "-k", 3, "--covariance", "tied"]),
    "gmm, diag": ("blobs", ["gmm", "-k", 3, "--covariance", "diag"]),
    "gmm, spherical": ("blobs", ["gmm", "-k", 3, "--covariance", "spherical"]),
    "gmm, EVE": ("blobs", ["gmm", "-k", 3, "--covariance", "EVE"]),
    "gmm, VEV": ("blobs", ["gmm", "-k", 3, "--covariance", "VEV"]),
    "gmm, equal": ("heights", ["gmm", "-k", 2, "--mixing", "equal"]),
    "gmm, prior": ("blobs", ["gmm", "-k", 3, "--prior", "default"]),
    "coins, prior": ("two_coins", ["coins", "--prior", 3]),
    "gmm, missing cells": ("iris_gaps", ["gmm", "-k", 3, "--covariance", "tied", "--missing", "use"]),
    "gmm, noise": ("blobs", ["gmm", "-k", 3, "--noise"]),
    "gmm, noise, EVE": ("blobs", ["gmm", "-k", 3, "--noise", "--covariance", "EVE"]),
    "poisson": ("events", ["poisson", "-k", 2]),
}
STARTS = {
    "blobs": {"means": [[-5, -5], [0, 5], [6, 1]]},
    "iris_gaps": {"means": [[5, 3.4, 1.5, 0.2], [6, 2.7, 4.3, 1.3], [6.7, 3, 5.5, 2]]},
    "two_coins": {"heads": [0.3, 0.5]},
    "mixture_1d": {"means": [[-10], [30], [3]]},
    "heights": {"means": [[160], [180]]},
    "events": {"rates": [3, 7]},
}
every_model = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def source(name: str) -> Path:
    """A file of data: of the samples, or for a model of the tests one beside it."""
    own = ROOT / "tests" / f"{name}.csv"
    return own if own.exists() else ROOT / "sample_data" / f"{name}.csv"


def lines(name: str) -> list[str]:
    return source(name).read_text().splitlines()


def started(case: tuple[str, list[Any]], tmp_path: Path) -> list[Any]:
    """Arguments that fit from fixed start values."""
    values: dict[str, Any] = STARTS[case[0]]
    if case[1][0] == "kmeans":
        values = {"centroids": values["means"]}
    path = tmp_path / "start.yaml"
    path.write_text(json.dumps(values))
    return [*case[1], "--start", path]


def close(one: Any, other: Any, tolerance: float = 1e-10) -> None:
    assert one.keys() == other.keys()
    for key in one:
        if isinstance(one[key], dict):
            close(one[key], other[key], tolerance)
        else:
            np.testing.assert_allclose(one[key], other[key], rtol=tolerance, atol=tolerance * 100, err_msg=key)


@every_model
def test_the_log_likelihood_of_every_start_never_falls(case: tuple[str, list[Any]], tmp_path: Path) -> None:
    log = tmp_path / "trace.jsonl"
    fit(*case[1], source(case[0]), "--trace", log, "--init", "random", "--restarts", 3)
    ends = 0
    before = None
    for line in map(json.loads, log.read_text().splitlines()):
        if line["type"] == "end":
            ends, before = ends + 1, None
            continue
        score = line.get("log_posterior", line["log_likelihood"])  # with a prior
        if before is not None and score is not None:
            rows = len(lines(case[0])) - 1
            assert score >= before - 8 * 2.0**-53 * rows**0.5 * abs(before)
        before = score
    assert ends == 3


@every_model
def test_a_row_weight_is_the_row_that_often(case: tuple[str, list[Any]], tmp_path: Path) -> None:
    header, *rows = lines(case[0])
    times = [1 + i % 3 for i in range(len(rows))]
    times[5] = 0
    (tmp_path / "weighted.csv").write_text(
        "\n".join([header + ",w", *(f"{row},{w}" for row, w in zip(rows, times, strict=True))]) + "\n"
    )
    (tmp_path / "repeated.csv").write_text(
        "\n".join([header, *(row for row, w in zip(rows, times, strict=True) for _ in range(w))]) + "\n"
    )
    arguments = started(case, tmp_path)
    weighted = fit(*arguments, tmp_path / "weighted.csv", "--row-weights", "w")
    repeated = fit(*arguments, tmp_path / "repeated.csv")
    close(weighted["parameters"], repeated["parameters"])
    assert weighted["iterations"] == repeated["iterations"]
    assert weighted["data"]["weight"] == repeated["data"]["weight"]
    assert weighted["log_likelihood"] == pytest.approx(repeated["log_likelihood"], rel=1e-12)


@every_model
def test_the_order_of_the_rows_does_not_matter(case: tuple[str, list[Any]], tmp_path: Path) -> None:
    header, *rows = lines(case[0])
    (tmp_path / "turned.csv").write_text("\n".join([header, *rows[::-1]]) + "\n")
    arguments = started(case, tmp_path)
    close(
        fit(*arguments, source(case[0]))["parameters"],
        fit(*arguments, tmp_path / "turned.csv")["parameters"],
    )


@every_model
def test_a_fit_started_at_its_own_document_stays_there(case: tuple[str, list[Any]], tmp_path: Path) -> None:
    data = source(case[0])
    first = fit(*case[1], data, "--restarts", 3, "-o", tmp_path / "fit.json")
    assert json.loads((tmp_path / "fit.json").read_text()) == first
    again = fit(*case[1], data, "--start", tmp_path / "fit.json")
    assert again["iterations"] <= (
        5 if {"EVE", "VEV", "--noise"} & {*case[1]} else 2
    )  # EM without slopes confirms an end five times
    assert again["log_likelihood"] == pytest.approx(first["log_likelihood"], abs=2e-6)
    assert again["trace"][0]["log_likelihood"] == pytest.approx(first["log_likelihood"], rel=1e-13)


def prepared_case(case: tuple[str, list[Any]]) -> tuple[Any, Any]:
    """A model drawn to start from, and the rows of a case."""
    assert model_class("poisson") is poisson.PoissonMixture  # importing it has registered it
    kind = model_class(case[1][0])
    flags: dict[str, object] = {"k": int(case[1][case[1].index("-k") + 1]) if "-k" in case[1] else 3}
    for key in ("covariance", "mixing", "prior", "missing"):
        if f"--{key}" in case[1]:
            flags[key] = case[1][case[1].index(f"--{key}") + 1]
    flags |= {"noise": True} if "--noise" in case[1] else {}
    settings = resolve(kind.name, kind.options, flags, None, read_start=dict)
    rows = loaded(kind, source(case[0]), settings).rows
    return drawn_start(kind.for_rows(rows, settings.model), rows, settings, 5), rows


@every_model
def test_neither_threads_nor_processes_change_a_bit_of_em_or_of_the_information(case: tuple[str, list[Any]]) -> None:
    model, rows = prepared_case(case)
    batches = list(batch_chunks(rows.values, rows.weights, max(1, rows.values.shape[1] // 7)))
    found = []
    for mapping, jobs in ((thread_map, 1), (thread_map, 3), (process_map, 3)):
        with mapping(jobs) as mapper:
            steps = list(islice(em(model, batches, mapper), 6))
            seen = information(steps[-1].model, batches, mapper) if isinstance(model, CompleteDataModel) else None
        bits = [np.asarray(part).tobytes() for step in steps for part in (step.score, *step.model.components())]
        found.append((bits, seen and (seen.score.tobytes(), seen.observed.tobytes())))
    assert len(batches) > 3 and all(each == found[0] for each in found)


@pytest.mark.parametrize("model", ["gmm", "kmeans"])
def test_the_number_of_jobs_changes_no_byte(model: str, tmp_path: Path) -> None:
    """So many numbers that a fit shares them out over processes."""
    rng = np.random.default_rng(6)
    values = rng.normal(size=(90_000, 2)) + 4.0 * rng.integers(0, 2, size=(90_000, 2))
    np.savetxt(tmp_path / "many.csv", values, delimiter=",", header="x,y", comments="", fmt="%.6g")
    words = ["fit", model, tmp_path / "many.csv", "-k", 6, "--restarts", 2, "--max-iter", 5, "--json"]
    one, four = (run(*words, "--jobs", jobs, process=False).stdout for jobs in (1, 4))
    assert one and one == four


@every_model
def test_the_statistics_of_parts_add_up_to_those_of_the_whole(case: tuple[str, list[Any]]) -> None:
    drawn, rows = prepared_case(case)
    whole = drawn.e_step(rows.values, rows.weights)
    for size in (1, 7, 100):
        parts = [drawn.e_step(values, weights) for values, weights in batch_chunks(rows.values, rows.weights, size)]
        total = reduce(add, parts)
        for name in vars(whole):
            np.testing.assert_allclose(getattr(total, name), getattr(whole, name), rtol=1e-11, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["heights", "blobs", "two_coins", "mixture_1d"])
def test_the_truth_is_found_within_five_standard_errors_and_no_warning_is_raised(name: str) -> None:
    found = fit(ROOT / "configs" / f"{name}.yaml", "--init", "k-means++", "--restarts", 6)
    assert found["warnings"] == []
    true, ours = found["truth"]["parameters"], found["parameters"]
    n = found["data"]["weight"]
    if "heads" in true:
        for i, p in enumerate(true["heads"]):
            assert abs(ours["heads"][i] - p) < 5 * (p * (1 - p) / (10 * n * 0.5)) ** 0.5 * 2
    elif "centroids" in true:
        np.testing.assert_allclose(ours["centroids"], true["centroids"], atol=5 * 1.5 / 200**0.5)
        assert found["truth"]["adjusted_rand_index"] > 0.95
    else:
        k = len(true["means"])
        for i in range(k):
            sd = true["covariances"][i][0][0] ** 0.5
            # neighbours overlap, so the standard error is a few times that of the labelled sample
            assert abs(ours["means"][i][0] - true["means"][i][0]) < 5 * 3 * sd / (n / k) ** 0.5


def test_five_rows_of_ten_flips_warn_that_one_coin_would_do() -> None:
    found = fit(ROOT / "configs" / "do_batzoglou.yaml", "--restarts", 3)  # one start alone does not show it
    assert [warning["slug"] for warning in found["warnings"]] == ["one-component-suffices"]
    assert fit(ROOT / "configs" / "do_batzoglou.yaml")["warnings"] == []


@pytest.mark.parametrize("name", ["heights", "blobs", "two_coins", "mixture_1d", "do_batzoglou", "scattered"])
def test_generate_writes_the_sample_data_again_bit_for_bit(name: str) -> None:
    drawn = run("generate", ROOT / "configs" / f"{name}.yaml", process=False)
    assert drawn.returncode == 0
    assert drawn.stdout == (ROOT / "sample_data" / f"{name}.csv").read_text()


def test_scaling_by_a_power_of_two_scales_every_bit(write: Callable[[str, str], Path]) -> None:
    values = [float(line) for line in lines("heights")[1:]]
    plain = fit("gmm", write("a.csv", "x\n" + "\n".join(map(repr, values))), "-k", 2)
    scaled = fit("gmm", write("b.csv", "x\n" + "\n".join(repr(v * 1024) for v in values)), "-k", 2)
    assert (np.array(plain["parameters"]["means"]) * 1024).tolist() == scaled["parameters"]["means"]
    assert (np.array(plain["parameters"]["covariances"]) * 1024**2).tolist() == scaled["parameters"]["covariances"]
    assert scaled["log_likelihood"] == pytest.approx(plain["log_likelihood"] - len(values) * np.log(1024), rel=1e-12)
