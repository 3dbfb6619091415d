"""Rows with missing cells: how they are read, and what is computed of the cells that are there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import fit, run

from emcli.config.settings import DataSettings
from emcli.data.dataset import read
from emcli.data.incomplete import by_pattern
from emcli.data.points import POINTS, covariance
from emcli.data.rows import Columns, Rows
from emcli.data.scaling import ScalingRule
from emcli.models.gmm.full import Full
from emcli.models.gmm.mixture import GaussianMixture

USE = DataSettings(missing="use")
HOLES = "x,y,z\n1,2,3\n,2.5,NA\n4,,1\n,,\n7,8,nan\n2,9,5\n"


def rows_of(
    numbers: np.ndarray, weights: np.ndarray | None = None, rule: ScalingRule = ScalingRule.EACH_COLUMN
) -> Rows:
    names = [f"x{j}" for j in range(numbers.shape[1])]
    return POINTS.prepare(Columns(numbers, [], weights, names), 1, rule, USE)


def with_holes(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, d)) * 10.0 ** np.arange(d) + 5
    values[rng.random((n, d)) < 0.3] = np.nan
    values[:, 0] = np.where(np.isnan(values).all(axis=1), 1.0, values[:, 0])
    return values


def test_a_missing_cell_is_nan_and_a_row_of_nothing_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "holes.csv"
    file.write_text(HOLES)
    table = read(str(file), POINTS, USE).table
    nan = np.nan
    np.testing.assert_array_equal(table.numbers, [[1, 2, 3], [nan, 2.5, nan], [4, nan, 1], [7, 8, nan], [2, 9, 5]])
    assert table.dropped == 1
    assert [table.line(row) for row in range(5)] == [2, 3, 4, 6, 7]


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    columns = {"x": [1, None, 4, None, 7, 2], "y": [2, 2.5, None, None, 8, 9], "z": [3, None, 1, None, float("nan"), 5]}
    pyarrow.parquet.write_table(arrow.table(columns), tmp_path / "holes.parquet")
    (tmp_path / "holes.csv").write_text(HOLES)
    one, other = (read(str(tmp_path / name), POINTS, USE) for name in ("holes.parquet", "holes.csv"))
    np.testing.assert_array_equal(one.numbers, other.numbers)
    assert one.table.dropped == other.table.dropped == 1


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("x,y\n1,2\nblue,\n3,4\n", [], "t.csv:3:1: cannot read 'blue' as a number in column 'x'"),
        ("x,y\n1,2\ninf,\n3,4\n", [], "t.csv:3:1: value is not finite in column 'x', got 'inf'"),
        ("x,w\n1,2\n3,\n3,4\n", ["--row-weights", "w"], "t.csv:3:2: missing value in column 'w'"),
        ("x,y\n1,\n2,\n", [], "t.csv: column 'y': no row has a value in it"),
        ("x,y\n,\n,\n", [], "t.csv: no rows left: all 2 have missing values"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, options: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    done = run("fit", "kmeans", "t.csv", "-k", 1, "--missing", "use", *options, cwd=tmp_path)
    assert done.returncode == 3
    assert said in done.stderr


def test_coins_have_no_use_for_half_a_row() -> None:
    done = run("fit", "coins", "sample_data/two_coins.csv", "-k", 2, "--missing", "use")
    assert done.returncode == 2
    assert "coins cannot use rows with missing cells; --missing drop leaves them out" in done.stderr


def test_rows_with_the_same_missing_cells_lie_together_in_their_order() -> None:
    values = with_holes(200, 3)
    rows = rows_of(values)
    assert rows.duplicate_of is not None
    np.testing.assert_allclose(rows.scaling.to_original(rows.values.T)[rows.duplicate_of], values, rtol=1e-12)
    missing = np.isnan(rows.values).T
    runs = np.split(np.arange(rows.count), np.flatnonzero((missing[1:] != missing[:-1]).any(axis=1)) + 1)
    assert len(np.unique(missing, axis=0)) == len(runs)
    assert not missing[0].any()
    inverse = np.argsort(rows.duplicate_of)
    assert all((np.diff(inverse[run]) > 0).all() for run in runs)
    np.testing.assert_array_equal(by_pattern(rows.values), np.arange(rows.count))


def test_columns_are_scaled_by_what_is_observed() -> None:
    values, weights = with_holes(300, 3), np.random.default_rng(1).integers(1, 4, 300).astype(float)
    rows = rows_of(values, weights, ScalingRule.STANDARDIZED)
    order = np.argsort(rows.duplicate_of)
    mean = np.nansum(values * weights[:, None], axis=0) / (~np.isnan(values) * weights[:, None]).sum(axis=0)
    variance = np.nansum((values - mean) ** 2 * weights[:, None], axis=0) / rows.observed
    np.testing.assert_allclose(rows.scaling.unit * 2.0**rows.scaling.exponent, np.sqrt(variance), rtol=1e-12)
    np.testing.assert_array_equal(rows.observed, (~np.isnan(values) * weights[:, None]).sum(axis=0))
    np.testing.assert_array_equal(rows.weights, weights[order])
    found = covariance(rows)
    apart = (values[order] - mean) / np.sqrt(variance)
    both = ~np.isnan(apart[:, 0] * apart[:, 1])
    expected = np.average((apart[:, 0] * apart[:, 1])[both], weights=weights[order][both])
    assert found[0, 1] == pytest.approx(expected, rel=1e-10)


def test_the_jacobian_counts_observed_cells() -> None:
    values = with_holes(50, 2)
    rows = rows_of(values)
    expected = -np.log(2) * sum((~np.isnan(values[:, j])).sum() * rows.scaling.exponent[j] for j in range(2))
    assert rows.log_likelihood(0.0) == pytest.approx(expected, rel=1e-12)


def test_equal_rows_with_missing_cells_are_merged() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, size=(20_000, 2)).astype(float)
    values[rng.random(values.shape) < 0.2] = np.nan
    values = values[~np.isnan(values).all(axis=1)]
    rows = rows_of(values)
    assert rows.count == 4 * 4 + 4 + 4
    np.testing.assert_allclose(rows.scaling.to_original(rows.values.T)[rows.duplicate_of], values, rtol=1e-12)
    assert len(np.unique(np.isnan(rows.values), axis=1).T) == 3


def test_the_document_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "holes.csv").write_text(HOLES)
    document = fit("kmeans", tmp_path / "holes.csv", "-k", 2, "--missing", "use")
    data = document["data"]
    assert (data["rows"], data["dropped"], data["missing"], data["incomplete"]) == (5, 1, 4, 3)
    assert document["warnings"][0]["message"] == "1 row without any value left out"


@pytest.mark.parametrize("model", ["kmeans", "gmm"])
def test_without_a_missing_cell_nothing_changes(model: str) -> None:
    plain = fit(model, "sample_data/faithful.csv", "-k", 2)
    used = fit(model, "sample_data/faithful.csv", "-k", 2, "--missing", "use")
    assert used["settings"].pop("missing") == "use"
    plain["settings"].pop("missing")
    assert json.dumps(used) == json.dumps(plain)


def test_row_numbers_of_which_some_are_missing_are_still_row_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{'' if i in (0, 7, 29) else i + 1},{value:.3f}" for i, value in enumerate(rng.normal(size=30))]
    (tmp_path / "t.csv").write_text("\n".join(["n,x", *lines]) + "\n")
    document = fit("kmeans", tmp_path / "t.csv", "-k", 2, "--missing", "use")
    assert [warning["slug"] for warning in document["warnings"]].count("identifier") == 1


@pytest.mark.parametrize("columns", [2, 9, 64, 70])
def test_the_order_by_pattern_is_that_of_sorted_patterns(columns: int) -> None:
    rng = np.random.default_rng(columns)
    values = np.ones((columns, 200))
    values[rng.integers(0, columns, 150), rng.integers(0, 200, 150)] = np.nan
    missing = np.isnan(values).T.tolist()
    expected = sorted(range(200), key=lambda row: (missing[row], row))
    assert by_pattern(values, chunk_rows=16).tolist() == expected


def test_hints_name_what_the_command_takes(tmp_path: Path) -> None:
    asked = run("steps", "kmeans", "iris_gaps", "-k", 3).stderr
    assert "--missing drop leaves out 71 rows of 150" in asked and "--missing use fits what they have" in asked
    coins = run("fit", "coins", "-", stdin="heads,tosses\n1,3\n,3\n2,3\n").stderr
    assert "--missing drop leaves out 1 row of 3" in coins and "--missing use" not in coins
    (tmp_path / "marks.csv").write_text("x,y\n1,2\n3,?!\n4,5\n6,1\n")
    hint = run("fit", "kmeans", tmp_path / "marks.csv", "-k", 1, "--missing", "use").stderr
    assert "--na '?!' reads them as missing cells" in hint and "leaves out" not in hint
    (tmp_path / "empty.csv").write_text("x,y\n,\n,\n")
    assert "hint:" not in run("fit", "kmeans", tmp_path / "empty.csv", "-k", 1, "--missing", "use").stderr
    ranked = run("compare", "kmeans", "iris_gaps", "-k", "2-3", "--missing", "use", "--restarts", 2).stdout
    assert "CH (Calinski & Harabasz): larger is better." in ranked and "gap" not in ranked.split("larger is better")[1]


def test_fits_of_other_rows_are_warned_of_each_in_their_own_words(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(HOLES)
    for missing in ("use", "drop"):
        words = ("kmeans", tmp_path / "x.csv", "-k", 2, "--columns", "x,y", "--missing", missing, "--restarts", 1)
        fit(*words, "-o", tmp_path / f"{missing}.json")
    said = run("compare", tmp_path / "use.json", tmp_path / "drop.json").stderr
    assert "use: 1 row without any value left out" in said and "drop: 3 rows with missing values left out" in said


def test_a_picture_says_how_many_rows_it_cannot_draw(tmp_path: Path) -> None:
    words = ("gmm", "iris_gaps", "-k", 2, "--missing", "use", "--covariance", "diag", "--restarts", 1)
    fit(*words, "--plot", tmp_path / "p.svg")
    assert "71 rows with missing cells not drawn by principal components" in (tmp_path / "p.svg").read_text()


@pytest.mark.parametrize("often", [None, [1.0, 2.0, 3.0], [0.5, 0.25, 1.25]], ids=["rows", "whole", "shares"])
def test_rows_drawn_from_a_fit_lack_the_cells_that_its_rows_lack(often: list[float] | None) -> None:
    weights = None if often is None else np.resize(often, 90)
    rows = rows_of(with_holes(90, 3), weights)
    model = GaussianMixture(np.ones(1), np.zeros((1, 3)), Full.of(np.eye(3)[None], None))
    drawn = POINTS.redraw(rows, model, np.random.default_rng(1))
    lacking, own = (np.isnan(each.values).T.astype(int).tolist() for each in (drawn, rows))
    assert drawn.weights is None and len(lacking) == int(rows.total)
    counted = Counter(map(tuple, lacking))
    if often is not None and often[0] < 1:  # a row cannot be there half
        assert counted.keys() <= set(map(tuple, own))
    else:
        expected: Counter[tuple[int, ...]] = Counter()
        for cells, weight in zip(own, np.ones(90) if rows.weights is None else rows.weights, strict=True):
            expected[tuple(cells)] += int(weight)
        assert counted == expected
    np.testing.assert_array_equal(drawn.observed, (~np.isnan(drawn.values)).sum(axis=1))
    assert 0.7 < np.nanstd(drawn.values) < 1.3  # of the model, not of the data
