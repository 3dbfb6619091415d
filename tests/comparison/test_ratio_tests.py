"""Tests of k against k + 1 components by the parametric bootstrap of the likelihood ratio."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, reference, run
from inprocess import result_of

from emcli.comparison.likelihood_ratio import Hypothesis, Ratio
from emcli.inference.bootstrap import replicate

Write = Callable[[str, str], Path]
QUICK = ("--covariance", "tied", "--restarts", 1)


def as_csv(values: Sequence[float]) -> str:
    return "x\n" + "".join(f"{value!r}\n" for value in values)


def compared(*arguments: Any) -> dict[str, Any]:
    done = run("compare", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def hypothesis(values: Any, k: int, **options: Any) -> tuple[Hypothesis, Any]:
    """That k components are enough, and the fit of k."""
    small, large = (result_of(values, {"k": each, **options}) for each in (k, k + 1))
    statistic = 2 * (large.log_likelihood - small.log_likelihood)
    settings = small.settings
    return Hypothesis(
        small.data.rows, small.model, settings.model, large.settings.model, settings.search, statistic
    ), small


def ratio_of(of: Hypothesis, replicates: int) -> Ratio:
    drawn = of.tested(replicates, 1)
    while True:
        try:
            next(drawn)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def two_groups(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(0, 1, n) + 6 * (rng.random(n) < 0.5)


def test_it_goes_up_to_the_first_k_that_suffices(write: Write) -> None:
    file = write("two.csv", as_csv(two_groups(np.random.default_rng(3), 50).tolist()))
    document = compared("gmm", file, "-k", "1-3", *QUICK, "--test", 19)
    rejected, kept = document["tests"]
    assert (rejected["null"], rejected["alternative"]) == ("gmm-k1-tied-free", "gmm-k2-tied-free")
    assert rejected["rejected"] and rejected["p"] == 1 / 20 and rejected["exceedances"] == 0
    assert (kept["null"], kept["rejected"]) == ("gmm-k2-tied-free", False) and kept["p"] > 0.05
    rows = {row["k"]: row for row in document["groups"][0]["candidates"]}
    gained = 2 * (rows[2]["log_likelihood"] - rows[1]["log_likelihood"])
    assert rejected["statistic"] == pytest.approx(gained, abs=1e-9)
    for test in document["tests"]:
        assert test["p_error"] == pytest.approx(np.sqrt(test["p"] * (1 - test["p"]) / test["replicates"]), rel=1e-12)


def test_tables_csv_and_pages_show_the_tests_and_jobs_change_no_byte(write: Write, tmp_path: Path) -> None:
    file = write("one.csv", as_csv(np.random.default_rng(5).normal(0, 1, 20).tolist()))
    page, one, two = (tmp_path / name for name in ("page.html", "one.json", "two.json"))
    words = ("compare", "gmm", file, "-k", "1-2", *QUICK, "--test", 19)
    shown = run(*words, "--jobs", 1, "--report", page, "-o", one)
    assert shown.returncode == 0, shown.stderr
    assert "1 suffices" in shown.stdout and "(parametric bootstrap)" in shown.stdout
    assert "1 suffices" in page.read_text() and "--test 19" in page.read_text()
    lines = run(*words, "--jobs", 2, "--format", "csv", "-o", two).stdout
    assert one.read_bytes() == two.read_bytes()
    (test,) = json.loads(one.read_text())["tests"]
    rows = list(csv.DictReader(io.StringIO(lines)))
    (row,) = [row for row in rows if row["k"] == "1"]
    assert float(row["test_p"]) == test["p"] and row["test_alternative"] == test["alternative"]
    assert all(row["test_p"] == "" for row in rows if row["k"] == "2")


def test_a_shape_of_which_every_k_is_rejected_is_told_to_try_more(write: Write) -> None:
    rng = np.random.default_rng(3)
    file = write("two.csv", as_csv(two_groups(rng, 50).tolist()))
    done = run("compare", "gmm", file, "-k", "1-2", *QUICK, "--test", 19)
    assert "gmm-k2-tied-free: no smaller k suffices, and no larger one was tested; try -k 2-4" in done.stdout
    halves = write("halves.csv", "x\n" + "0\n1\n" * 5)
    done = run("compare", "gmm", halves, "-k", "1-2", *QUICK, "--test", 19)
    assert "gmm-k1-tied-free was not tested against k=2: gmm-k2-tied-free has no fit" in done.stdout


def test_p_counts_exceedances_until_ten_have_come() -> None:
    assert Ratio(3.0, 99, 3).p == 4 / 100
    assert Ratio(3.0, 25, 10).p == 10 / 25
    assert Ratio(3.0, 19, 0).is_rejected and not Ratio(3.0, 99, 5).is_rejected


def test_p_of_equally_likely_replicates_is_uniform_on_its_grid() -> None:
    rng, n, sets = np.random.default_rng(0), 39, 4000
    found = []
    for own in rng.random(sets):  # the statistic of the data is as one of the replicates
        larger = np.cumsum(rng.random(n) > own)
        ended = np.flatnonzero(larger == 10)
        found.append(Ratio(0.0, int(ended[0]) + 1, 10).p if len(ended) else Ratio(0.0, n, int(larger[-1])).p)
    for p in np.unique(found):
        assert np.mean(np.array(found) <= p) == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / sets) + 1e-12)


def test_a_replicate_is_decided_as_by_both_fits_of_it() -> None:
    options: dict[str, Any] = {"model": "coins", "mixing": "free"}
    heads = np.random.default_rng(2).binomial(4, 0.4, 25)
    of, small = hypothesis(np.column_stack([heads, np.full(25, 4)]), 1, **options)
    gained = []
    for number in range(2):
        rng = np.random.default_rng([0, 5, 1, number])
        drawn, _ = replicate(of.rows, of.small, small.model, rng)
        values = np.column_stack([drawn.values[0], drawn.values[0] + drawn.values[1]])
        seed = int(rng.integers(2**31))
        one, two = (result_of(values, {**options, "k": k, "seed": seed}, drawn.weights) for k in (1, 2))
        gained.append(2 * (two.log_likelihood - one.log_likelihood))
    for statistic in (1e-3, min(gained) + 0.01, max(gained) - 0.01, 60.0):
        changed = Hypothesis(of.rows, of.model, of.small, of.large, of.search, statistic)
        decided = [changed.is_reached_by(number) for number in range(2)]
        assert decided == [gain >= statistic for gain in gained], (statistic, gained)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("kmeans", "iris", "-k", "1-3", "--test", 99), "'--test' compares likelihoods, and kmeans has none"),
        (("gmm", "iris", "-k", 2, "--test", 99), "'--test' compares k with k + 1"),
        (("gmm", "iris", "-k", "1,3", "--test", 99), "'--test' compares k with k + 1"),
        (("gmm", "iris", "-k", "1-2", "--test", 99, "--max-iter", 0), "--max-iter 0 makes none"),
        (("gmm", "iris", "-k", "1-2", "--test", 99, "--scheduler", "local:1"), "'--test' and '--scheduler' exclude"),
        *(
            (("gmm", "iris", "-k", "1-2", "--test", n), f"'--test' must be an integer from 19 to 9999, got '{n}'")
            for n in (0, -1, 18, 10000)
        ),
        *((("gmm", "iris", "-k", "1-2", "--test", n), f"an integer, got '{n}'") for n in ("1e9", "many")),
    ],
)
def test_what_cannot_be_tested_is_refused_in_a_line(words: Sequence[object], said: str) -> None:
    done = run("compare", *words)
    assert done.returncode == 2 and said in done.stderr.splitlines()[0], done.stderr
    assert done.stdout == ""


def test_saved_fits_and_shares_of_rows_are_not_tested(write: Write, tmp_path: Path) -> None:
    saved = tmp_path / "one.json"
    assert run("fit", "coins", "two_coins", "-k", 1, "-o", saved).returncode == 0
    done = run("compare", saved, "--test", 19)
    assert done.returncode == 2 and "these are saved fits" in done.stderr
    shares = write("shares.csv", "x,w\n1,0.5\n2,1\n3,2.5\n4,1\n9,1\n10,1\n11,1\n")
    done = run("compare", "gmm", shares, "--row-weights", "w", "-k", "1-2", "--test", 19)
    assert done.returncode == 3 and "--test draws as many rows as the weights sum to" in done.stderr


@pytest.mark.slow
def test_three_and_four_components_of_faithful_differ_by_what_the_best_optima_say() -> None:
    document = compared("gmm", SAMPLES / "faithful.csv", "-k", "3-4", "--covariance", "tied", "--test", 19)
    (test,) = document["tests"]
    known = reference("gmm")["faithful"]
    of_mclust = 2 * (known["EEE,4"]["loglik"] - known["EEE,3"]["loglik"])  # its test says -0.089
    assert test["statistic"] == pytest.approx(10.98, abs=0.01) and test["statistic"] >= of_mclust - 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 2])
def test_p_is_uniform_where_k_is_true(k: int) -> None:
    sets = 40
    grid = np.array([*(10 / b for b in range(11, 40)), *((1 + e) / 40 for e in range(10))])  # all that p can be below 1
    found = []
    for number in range(sets):
        rng = np.random.default_rng([77, k, number])
        values = rng.normal(0, 1, 100) if k == 1 else two_groups(rng, 100)
        options = {"model": "gmm", "covariance": "tied", "restarts": 3, "seed": number}
        found.append(ratio_of(hypothesis(values[:, None], k, **options)[0], 39).p)
    below = np.array([np.mean(np.array(found) <= p + 1e-12) for p in grid])
    assert np.abs(below - grid).max() < 1.63 / np.sqrt(sets), below  # Kolmogorov's 1 % point


def test_replicates_without_a_fit_of_more_do_not_speak_against_k() -> None:
    """Of three rows two Gaussians have no likelihood with a bound: nothing is to be said of them."""
    words = ("compare", "gmm", "-", "-k", "1-2", "--test", 19, "--json")
    (found,) = json.loads(run(*words, stdin="x\n1\n2\n3\n", process=False).stdout)["tests"]
    assert not found["rejected"] and found["exceedances"] > 5


def test_with_a_prior_the_statistic_of_a_replicate_is_of_its_likelihoods(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replicate is made the data themselves, which reach their own statistic and nothing above it.

    Ends within 1e-6 nats of a mode lie about 1e-3 sds apart, and there the likelihood alone has a slope.
    """
    asked, small = hypothesis(
        two_groups(np.random.default_rng(3), 40)[:, None], 1, model="gmm", prior="default", restarts=2
    )
    assert asked.statistic > 10
    monkeypatch.setattr("emcli.comparison.likelihood_ratio.replicate", lambda *_: (small.data.rows, small.model))
    reached = [replace(asked, statistic=asked.statistic + more).is_reached_by(0) for more in (-5e-3, 5e-3)]
    assert reached == [True, False]
