"""Newton's steps: no lower than plain EM, never falling, in far fewer E-steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, fit, reference, run, table
from inprocess import prepared, result_of

from emcli.config.resolve import resolve
from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.data.scaling import Scaling
from emcli.inference.convergence import LikelihoodDecreased, check_monotone, converge
from emcli.inference.information import InformationCache, SampledInformation, information
from emcli.inference.newton import newton
from emcli.inference.result import read_start
from emcli.inference.runs import information_if_affordable
from emcli.inference.starts import new_run, start_model
from emcli.models import model_class
from emcli.models.base import Degenerate
from emcli.models.em import pooled_e_step
from emcli.models.gmm.mixture import GaussianMixture

SAXONY = ["coins", REFERENCE / "data" / "coins_saxony8.csv", "--tosses", "n", "--row-weights", "freq"]
WAITING = REFERENCE / "data" / "faithful_waiting.csv"


def counted(model: str, values: Any, weights: Any, **chosen: Any) -> list[Any]:
    """For each of six starts: how many passes over the rows it took, and its log-likelihood."""
    kind = model_class(model)
    settings = resolve(model, kind.options, chosen, read_start=read_start)
    data = prepared(kind, values, ["heads", "tosses"][: values.shape[1]], settings, weights)
    passes = 0

    def counting(work: Callable[..., Any], *batches: Any) -> Any:
        nonlocal passes
        passes += 1
        return map(work, *batches)

    found = []
    for number in range(1, 7):
        run = new_run(number, number - 1, kind, settings.model, settings.search)
        model_ = start_model(run, kind, data.rows, settings.model, settings.search)
        passes = 0
        known = information_if_affordable(data.rows, model_, counting)
        assert known is not None
        steps = check_monotone(newton(model_, data.rows.batches(), counting, known))
        *_, last = converge(steps, settings.search.tol, 10_000, known.decrement)
        assert passes > 2
        found.append((passes, kind.measures(last.score, data.rows, settings.model.k)[0]))
    return found


def test_saxonys_families_take_no_more_than_200_passes() -> None:
    numbers = table(SAXONY[1])
    found = counted("coins", numbers[:, :2], numbers[:, 2], k=3, mixing="free")
    assert sum(passes <= 200 for passes, _ in found) >= 5
    best = reference("binomial")["saxony8"]["fits"]["k3_free"]["loglik"]
    assert max(score for _, score in found) >= best - 1e-5


def test_three_normals_in_one_heap_take_no_more_than_200_passes() -> None:
    rng = np.random.default_rng(8)
    values = np.concatenate([rng.normal(mean, 1.0, 20_000 // 3) for mean in (0, 2, 4)])[:, None]
    found = counted("gmm", values, None, k=3)
    assert sum(passes <= 200 for passes, _ in found) >= 5


CASES = [
    *(
        ("gmm", path, k, ["--covariance", shape])
        for path in (SAMPLES / "faithful.csv", SAMPLES / "iris.csv")
        for shape in ("full", "tied", "diag", "spherical")
        for k in (2, 3, 4)
    ),
    *(("gmm", path, k, []) for path in (WAITING, SAMPLES / "galaxies.csv") for k in (2, 3, 5)),
    *(
        ("coins", SAMPLES / "thumbtacks.csv", k, ["--tosses", "n", "--row-weights", "freq", "--mixing", mixing])
        for k in (2, 3)
        for mixing in ("free", "equal")
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "path", "k", "more"), CASES)
def test_it_ends_no_lower_than_plain_em(model: str, path: Path, k: int, more: list[Any]) -> None:
    ends = [fit(model, path, "-k", k, *more, "--solver", solver)["log_likelihood"] for solver in ("newton", "em")]
    assert ends[0] >= ends[1] - 1e-5


def test_every_step_is_named_and_none_falls(tmp_path: Path) -> None:
    log = tmp_path / "trace.jsonl"
    asked = ["gmm", SAMPLES / "faithful.csv", "-k", 4, "--restarts", 2]
    done = run("fit", *asked, "--trace", log, "-o", tmp_path / "fit.json", process=False)
    document = json.loads((tmp_path / "fit.json").read_text())
    names = [line.get("step") for line in document["trace"]]
    assert names[0] is None and set(names[1:21]) == {"em"} and "newton" in names[21:]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line.get("step") for line in lines if line["type"] == "iteration"} == {None, "em", "newton", "polish"}
    for before, after in pairwise(line["log_likelihood"] for line in document["trace"]):
        assert after >= before - 1e-9 * abs(before)
    assert "newton" in done.stdout
    plain = fit(*asked, "--solver", "em")
    assert {line["step"] for line in plain["trace"][1:]} == {"em"}


def test_many_parameters_and_one_component_are_left_to_em() -> None:
    rng = np.random.default_rng(0)
    rows = ",".join(f"x{j}" for j in range(9)) + "\n"
    rows += "".join(",".join(map(str, row)) + "\n" for row in rng.normal(size=(400, 9)).tolist())
    document = fit("gmm", "-", "-k", 4, "--restarts", 1, "--max-iter", 40, stdin=rows)
    assert document["parameters_count"] > 200
    assert {line["step"] for line in document["trace"][1:]} == {"em"}


def test_a_step_that_would_fall_is_not_taken() -> None:
    """Far from any optimum as well: from starts drawn at random, each score is at least the one before."""
    kind = model_class("gmm")
    flags = {"k": 4, "init": "random"}
    settings = resolve("gmm", kind.options, flags, read_start=read_start)
    data = prepared(kind, table(SAMPLES / "iris.csv"), list("abcd"), settings)
    for number in range(1, 9):
        run = new_run(number, number - 1, kind, settings.model, settings.search)
        model = start_model(run, kind, data.rows, settings.model, settings.search)
        try:
            steps = check_monotone(newton(model, data.rows.batches()))
            scores = [step.score for _, step in zip(range(40), steps, strict=False)]
        except Degenerate:
            continue
        except LikelihoodDecreased:
            pytest.fail("it fell")
        assert all(after >= before - 1e-9 for before, after in pairwise(scores))
        assert scores[0] == pooled_e_step(model, data.rows.batches()).score


def test_from_a_sample_s_optimum_it_ends_where_it_does_with_all_rows(tmp_path: Path) -> None:
    """One superfluous component: where the slopes of all rows vanish, whatever the sample's information says."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(2, 24_000)) + 4.0 * rng.integers(2, size=24_000)
    rows = Rows(values, None, 24_000.0, ("a", "b"), Scaling(np.zeros(2), np.zeros(2, dtype=np.int64)), np.cov(values))
    sample = rows.sample(8192, rng)
    settings = ModelSettings(k=2, covariance="full", mixing="free")
    begin = GaussianMixture.initialize(sample, settings, "k-means++", np.random.default_rng(1))
    *_, there = islice(newton(begin, sample.batches()), 60)
    *_, direct = islice(newton(begin, rows.batches()), 60)
    known = InformationCache(rows.batches())
    climbed = list(islice(newton(there.model, rows.batches(), map, known, SampledInformation(sample, rows)), 20))
    scores = [step.score for step in climbed]
    assert all(after >= before - 1e-7 for before, after in pairwise(scores))
    assert max(scores[:8]) > direct.score - 1e-3 and abs(scores[-1] - direct.score) < 1e-6
    np.testing.assert_allclose(climbed[-1].model.components()[0], direct.model.components()[0], atol=1e-5)


@pytest.mark.parametrize(("model", "k"), [("gmm", 2), ("coins", 2)])
def test_what_is_known_of_the_curvatures_before_the_polish_holds_after_it(model: str, k: int) -> None:
    """A polish step of less than a thousandth of a standard error changes the slopes alone."""
    if model == "gmm":
        values = np.loadtxt(SAMPLES / "faithful.csv", delimiter=",", skiprows=1)
    else:
        rng = np.random.default_rng(3)
        values = np.column_stack([rng.binomial(30, np.array([0.3, 0.6])[rng.integers(2, size=500)]), np.full(500, 30)])
    found = result_of(values, {"model": model, "k": k, "restarts": 3})
    rows, end = found.data.rows, found.best.model
    assert found.best.steps[-1] == "polish" and found.best.known is not None
    carried, anew = found.best.known.kept(end), information(end, rows.batches())
    assert carried is not None
    np.testing.assert_allclose(carried.curvatures.values, anew.curvatures.values, rtol=1e-3)
    assert carried.curvatures.gain(1e-6) < 1e-20 and anew.curvatures.gain(1e-6) < 1e-20
