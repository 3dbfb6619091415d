"""Sections D and E of the catalogue: tables of good numbers that no model, or not this one, can be fitted to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rules import Bad, bad, check, hold, in_process, rows

rng = np.random.default_rng(0)
NORMAL = rng.normal(size=(60, 2))


def text(values: Any, header: str = "x,y") -> str:
    values = np.asarray(values)
    names = ",".join(header.split(",")[: values.shape[1]]) if values.ndim > 1 else header.split(",")[0]
    return names + "\n" + "\n".join(",".join(map(repr, np.atleast_1d(row).tolist())) for row in values) + "\n"


def gmm(values: Any, code: int, *parts: str, options: str = "-k 2", model: str = "gmm") -> Bad:
    return bad(f"fit {model} x.csv {options}", code, *parts, x__csv=values if isinstance(values, str) else text(values))


def coins(rows: str, code: int, *parts: str, options: str = "", header: str = "heads,tosses") -> Bad:
    return bad(f"fit coins rolls.csv {options}".strip(), code, *parts, rolls__csv=f"{header}\n{rows}\n")


WEIGHTS = "weights must be finite, >= 0 and not all zero"
ONE_SPIKE = "x\n" + "5\n" * 30 + "\n".join(f"{5 + i / 1e3}" for i in range(1, 4)) + "\n"
CATALOGUE: dict[str, Bad | list[Bad]] = {
    "D1": [
        gmm("x\n1\n2\n3\n", 3, "k=5 needs at least 5 rows, got 3", options="-k 5"),
        gmm("x\n1\n2\n3\n", 3, "k=5 needs at least 5 rows, got 3", options="-k 5", model="kmeans"),
        gmm("x,w\n1,1\n2,0\n3,0\n", 3, "k=2 needs at least 2 rows, got 1", options="-k 2 --row-weights w"),
        coins("1,2\n0,0\n", 3, "k=2 needs at least 2 rows with tosses, got 1"),
    ],
    "D3": [
        gmm(np.ones((20, 2)), 4, "all 20 rows are identical; no variance to fit"),
        gmm(np.full((5, 1), 1e9 + 0.1), 4, "all 5 rows are identical"),
        gmm(np.zeros((5, 1)), 4, "all 5 rows are identical", options="-k 1 --covariance spherical"),
        gmm(np.full((5, 2), -0.0), 4, "all 5 rows are identical", options="-k 1 --covariance diag"),
        gmm("x\n7\n", 4, "identical", options="-k 1"),
    ],
    "D4": [
        gmm("x,z\n1,1\n2,1\n4,1\n8,1\n", 4, "column 'z' is constant (1.0)", "--columns"),
        gmm("x,z\n1,5\n2,5\n4,5\n8,5\n", 4, "column 'z' is constant (5.0)", options="-k 2 --covariance diag"),
        gmm("z\x1b[2J,x\n1,1\n1,2\n1,4\n", 4, "z\\x1b[2J' is constant"),
        gmm("x,w\n1,1\n1,1\n9,0\n", 4, "identical", options="-k 1 --row-weights w"),
    ],
    "D6": [
        gmm(rng.normal(size=(2, 2)), 4, "a covariance of 2 columns needs more than 2 rows, got 2", options="-k 1"),
        gmm(
            "a,b,c\n1,2,3\n3,1,5\n", 4, "a covariance of 3 columns needs more than 3 rows", options="-k 1"),
        gmm("x,y\n1,2\n2,4\n4,8\n5,10\n", 4, "singular", options="-k 1"),
        gmm("x,y\n1,2\n2,4\n4,8\n5,10\n", 4, "singular", options="-k 1 --covariance tied"),
    ],
    "D11": [
        gmm("x\n5e-324\n1e-323\n2e-323\n", 3, "standard deviation", "outside 1e-150 to 1e150", options="-k 1"),
        gmm("x\n1e200\n-1e200\n3e200\n", 3, "standard deviation", options="-k 1"),
        gmm("x\n1e308\n-1e308\n1.7e308\n", 3, "standard deviation", options="-k 1", model="kmeans"),
        gmm("x\n1e-200\n2e-200\n4e-200\n", 3, "standard deviation", options="-k 1", model="kmeans"),
    ],
    "D25": [
        gmm("x,w\n1,1\n2,-1\n", 3, "x.csv:3:2: weights must be at least 0, got '-1'",
            options="-k 1 --row-weights w"),
        gmm("x,w\n1,nan\n2,1\n", 3, "x.csv:2:2: value is not finite", options="-k 1 --row-weights w"),
        gmm("x,w\n1,0\n2,0\n", 3, "all weights are zero", WEIGHTS, options="-k 1 --row-weights w"),
        gmm("x,w\n1,1e300\n2,1\n", 3, "sum to 1e+300", WEIGHTS, options="-k 1 --row-weights w"),
        gmm("x,w\n1,\n2,1\n", 3, "missing value", options="-k 1 --row-weights w"),
        gmm("x,w\n1,1e308\n2,1e308\n", 3, WEIGHTS, options="-k 1 --row-weights w"),
    ],
    "E1": [
        coins("5,10\n9,10\n11,10", 3, "rolls.csv:4: heads 11 > tosses 10"),
        coins("1,0\n1,2", 3, "rolls.csv:2: heads 1 > tosses 0"),
    ],
    "E2": [
        coins("-1,10\n1,2", 3, "rolls.csv:2:1: heads must be at least 0, got '-1'"),
        coins("0,-10\n1,2", 3, "rolls.csv:2:2: tosses must be at least 0"),
        coins("1,-1\n1,2", 3, "rolls.csv:2:2: tails must be at least 0", header="heads,tails"),
    ],
    "E3": [
        coins("3.5,10\n1,2", 3, "rolls.csv:2:1: heads must be a whole number, got '3.5'"),
        coins("1,2\n\n3,10.25", 3, "rolls.csv:4:2: tosses must be a whole number"),
        coins("1,1e300\n1,2", 3, "rolls.csv:2:2: tosses must be below 2^53"),
        coins("HTX\nHH", 3, "rolls.csv:2:1: flips must be H and T, or 1 and 0, got 'HTX'", header="flips"),
    ],
    "E5": [
        coins("0,0\n0,0", 3, "no row has any tosses"),
        coins("0,0\n0,0", 3, "no row has any tosses", header="heads,tails"),
        coins('""\n""', 3, "rolls.csv", header="flips", options="--flips flips"),
    ],
    "E9": [
        bad("fit e.yaml c.csv", 2, "e.yaml:2:7: fit.start: components 1 and 2 start equal",
            e__yaml="model: coins\nfit: {start: {heads: [0.5, 0.5]}}\n"),
        bad("fit e.yaml c.csv", 2, "e.yaml:2:42: fit.start.weights[1]: ", "weight 0",
            e__yaml="model: coins\nfit: {mixing: free, start: {weights: [1, 0], heads: [0.4, 0.5]}}\n"),
        bad("fit gmm x.csv -k 2 --start s.yaml", 2, "s.yaml: start: components 1 and 2 start equal",
            s__yaml="means: [[1, 2], [1, 2]]\n"),
        bad("fit gmm x.csv -k 2 --start s.yaml", 2, "s.yaml: start: means", s__yaml="means: [[1, 2]]\n"),
        bad("fit gmm x.csv -k 2 --start s.yaml", 2, "s.yaml: start: means[0]", s__yaml="means: [[1], [2]]\n"),
        bad("fit coins c.csv --start s.yaml", 2, "s.yaml: start: heads[1]", s__yaml="heads: [0.5, 1.5]\n"),
        bad("fit coins c.csv --start s.yaml", 2, "unknown parameter 'head'", s__yaml="head: [0.5, 0.6]\n"),
    ],
}  # fmt: skip


@rows(CATALOGUE)
def test_numbers_are_refused_in_one_line(case: Bad, process: bool, tmp_path: Path) -> None:
    check(case, tmp_path, process)


def fitted(model: str, table: str, options: str, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The document of a fit that must succeed, and the slugs of its warnings."""
    (folder / "x.csv").write_text(table)
    done = in_process(["fit", model, "x.csv", "--json", *options.split()], folder)
    hold(done, 0)
    assert "NaN" not in done.out and "Infinity" not in done.out
    said = json.loads(done.out)
    return said, [warning["slug"] for warning in said["warnings"]]


def test_d3_equal_rows_are_one_cluster_of_inertia_zero(tmp_path: Path) -> None:
    said, slugs = fitted("kmeans", text(np.ones((20, 2))), "-k 1", tmp_path)
    assert said["inertia"] == 0 and said["log_likelihood"] is None and "zero-inertia" in slugs


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_d7_a_spike_never_wins(covariance: str, tmp_path: Path) -> None:
    values = np.concatenate([rng.normal(size=50), [0.3, 0.3, 0.3]])
    said, _ = fitted("gmm", text(values), f"-k 3 --covariance {covariance} --restarts 5", tmp_path)
    variances = [matrix[0][0] for matrix in said["parameters"]["covariances"]]
    assert math.isfinite(said["log_likelihood"]) and min(variances) > 1e-12


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_d13_an_offset_costs_nothing_but_what_the_data_lost(covariance: str, tmp_path: Path) -> None:
    far = np.round((1e9 + 1e-3 * NORMAL) * 2**23) / 2**23
    here, _ = fitted("gmm", text(far - 1e9), f"-k 1 --covariance {covariance}", tmp_path)
    there, _ = fitted("gmm", text(far), f"-k 1 --covariance {covariance}", tmp_path)
    one, other = (np.array(said["parameters"]["covariances"]) for said in (here, there))
    assert np.allclose(one, other, rtol=1e-6, atol=1e-6 * one.max())
    assert there["log_likelihood"] == pytest.approx(here["log_likelihood"], rel=1e-6)


def test_d14_no_variance_is_added(tmp_path: Path) -> None:
    values = 1e-3 * NORMAL[:, :1]
    said, _ = fitted("gmm", text(values), "-k 1", tmp_path)
    assert said["parameters"]["covariances"][0][0][0] == pytest.approx(values.var(), rel=1e-12)


def test_d18_a_row_far_from_everything_keeps_its_responsibilities(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text(np.concatenate([NORMAL[:, 0], [0.1]])))
    hold(in_process(["fit", "gmm", "x.csv", "-k", "2", "-o", "f.json"], tmp_path), 0)
    (tmp_path / "z.csv").write_text("x\n1e6\n-1e9\n1e150\n")
    done = in_process(["predict", "f.json", "z.csv"], tmp_path)
    hold(done, 0)
    found = np.array([line.split(",") for line in done.out.splitlines()[1:]], dtype=float)
    assert np.allclose(found[:, 2:4].sum(axis=1), 1) and not np.isnan(found).any()


def test_d19_d20_d21_d23_a_fit_ends_and_says_how(tmp_path: Path) -> None:
    table = text(NORMAL)
    said, slugs = fitted("gmm", table, "-k 3 --max-iter 2", tmp_path)
    assert said["status"] == "max_iter" and "slow" in slugs  # D20
    words = ["fit", "gmm", "x.csv", "-k", "3", "--max-iter", "2"]
    assert in_process([*words, "--require-convergence"], tmp_path).code == 1
    said, _ = fitted("gmm", table, "-k 1 --tol 1e-300", tmp_path)
    assert said["status"] == "converged" and said["stop"] == "rounding"  # D21
    said, _ = fitted("gmm", table, "-k 1", tmp_path)
    assert said["iterations"] <= 2  # D23
    said, _ = fitted("gmm", table, "-k 5 --restarts 5 --max-iter 200", tmp_path)
    assert min(said["parameters"]["weights"]) > 0  # D19


def test_e4_rows_without_tosses_are_counted(tmp_path: Path) -> None:
    said, slugs = fitted("coins", "heads,tosses\n5,10\n9,10\n0,0\n8,10\n", "", tmp_path)
    assert "no-tosses" in slugs and said["data"]["rows"] == 4


def test_e8_one_rate_is_not_two_coins(tmp_path: Path) -> None:
    said, slugs = fitted("coins", "heads,tosses\n" + "5,10\n" * 6, "", tmp_path)
    low, high = said["parameters"]["heads"]
    assert low == pytest.approx(high, abs=1e-3) and slugs


def test_e3_whole_numbers_may_be_written_as_floats(tmp_path: Path) -> None:
    said, _ = fitted("coins", "heads,tosses\n3.0,1e1\n7e0,10.00\n", "", tmp_path)
    low, high = said["parameters"]["heads"]
    assert low <= high  # E14: in the order of P(heads)


def test_e15_the_textbook_example(tmp_path: Path) -> None:
    table = "heads,tosses\n5,10\n9,10\n8,10\n4,10\n7,10\n"
    (tmp_path / "s.yaml").write_text("heads: [0.6, 0.5]\n")
    for count, right in ((1, (0.5813393083, 0.7130122354)), (10, (0.5196586622, 0.7967441495))):
        said, _ = fitted("coins", table, f"--start s.yaml --max-iter {count}", tmp_path)
        assert said["parameters"]["heads"] == pytest.approx(right, abs=1e-9)
    said, _ = fitted("coins", table, "--start s.yaml --tol 1e-12", tmp_path)
    assert said["parameters"]["heads"] == pytest.approx((0.5195831201451, 0.7967890669226), abs=1e-7)
    assert said["log_likelihood"] == pytest.approx(-9.796924292221608, abs=1e-10)
