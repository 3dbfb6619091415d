"""Each pair of columns of a fit, and how uncertain it leaves each row, drawn as data on axes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, run, table
from scipy.stats import binom, multivariate_normal, norm
from test_plot import fitted, labelled

from emcli.output.plots.figure import Panel, Picture, Series
from emcli.output.plots.fit_figure import of_fit
from emcli.output.plots.history import History
from emcli.output.plots.matplotlib_renderer import rendered
from emcli.output.plots.terminal_renderer import drawn

IRIS = SAMPLES / "iris.csv"
NAMES = ("Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width")


def cloud(rows: int, d: int, k: int = 2) -> Any:
    """Rows (n, d) in k groups that overlap a little."""
    rng = np.random.default_rng(d)
    return np.round(3 * rng.normal(size=(k, d))[np.arange(rows) % k] + rng.normal(size=(rows, d)), 4)


def panels(picture: Picture) -> list[Panel]:
    return [panel for row in picture.panels for panel in row]


def titled(picture: Picture, title: str) -> Panel:
    (found,) = [panel for panel in panels(picture) if panel.title.startswith(title)]
    return found


def parts(panel: Panel, noun: str, k: int) -> list[Series]:
    return [labelled(panel, f"{noun} {j + 1}") for j in range(k)]


@pytest.mark.parametrize(("model", "noun"), [("gmm", "component"), ("kmeans", "cluster")])
def test_each_pair_of_columns_has_every_row_in_its_component(model: str, noun: str) -> None:
    result, picture = fitted(model, IRIS, k=3, restarts=2)
    rows, labels = table(IRIS), result.assignments()
    assert [len(row) for row in picture.triangle] == [1, 2, 3, 4]
    for i, row in enumerate(picture.triangle):
        for j, panel in enumerate(row[:-1]):
            assert (panel.x_label, panel.y_label, panel.title, panel.note) == (NAMES[j], NAMES[i], "", "")
            for component, series in enumerate(parts(panel, noun, 3)):
                mine = np.unique(rows[labels == component][:, [j, i]], axis=0)  # equal rows are one dot
                np.testing.assert_allclose(np.unique(np.round([series.x, series.y], 9), axis=1).T, mine)
            assert [one.mark for one in panel.series if one.mark] == ["1", "2", "3"]
            assert (panel.x_range, panel.y_range) == (picture.triangle[j][j].x_range, picture.triangle[i][i].x_range)
            assert panel.x_range and panel.x_range[0] <= rows[:, j].min() and rows[:, j].max() <= panel.x_range[1]
        assert (row[-1].title, row[-1].x_label, row[-1].y_label) == (NAMES[i], NAMES[i], "")
    assert [panel.title for panel in panels(picture)][1:] == [f"{result.objective_name.capitalize()} of each start"]


def test_ellipses_in_a_pair_are_those_of_its_two_columns() -> None:
    result, picture = fitted("gmm", IRIS, k=2, restarts=2)
    means, matrices = (np.array(result.parameters[key]) for key in ("means", "covariances"))
    panel = picture.triangle[3][1]
    for sds, stroke in ((1.0, "bold"), (2.0, "normal")):
        outlines = [one for one in panel.series if one.kind == "line" and one.stroke == stroke]
        for one, mean, matrix in zip(outlines, means, matrices, strict=True):
            away = np.stack([one.x, one.y]) - mean[[1, 3], None]
            inverse = np.linalg.inv(matrix[np.ix_([1, 3], [1, 3])])
            np.testing.assert_allclose(np.einsum("in,ij,jn->n", away, inverse, away), sds**2, rtol=1e-9)


def test_on_the_diagonal_bars_hold_the_rows_and_curves_what_components_expect() -> None:
    result, picture = fitted("gmm", cloud(400, 3), k=2, restarts=2)
    weights, means = np.array(result.parameters["weights"]), np.array(result.parameters["means"])
    sds = np.sqrt(np.array(result.parameters["covariances"])[:, 1, 1])
    bars, *curves = picture.triangle[1][1].series
    width = bars.x[1] - bars.x[0]
    assert bars.kind == "bars" and bars.y.sum() == 400
    for j, curve in enumerate(curves):
        expected = 400 * width * weights[j] * norm.pdf(curve.x, means[j, 1], sds[j])
        np.testing.assert_allclose(curve.y, expected, rtol=1e-9, atol=1e-12)
    clusters, picture = fitted("kmeans", cloud(400, 3), k=2, restarts=2)
    heights = [one.y.sum() for one in picture.triangle[0][0].series]
    assert heights == clusters.parameters["sizes"]


@pytest.mark.parametrize(("d", "rows"), [(2, 0), (3, 3), (6, 6), (7, 0)])
def test_pairs_are_shown_of_three_to_six_columns(d: int, rows: int) -> None:
    _, picture = fitted("kmeans", cloud(60, d), k=2, restarts=1)
    assert len(picture.triangle) == rows
    discs = [one for row in picture.triangle for panel in row for one in panel.series if one.mark]
    assert {one.stroke for one in discs} <= ({"bold"} if d < 5 else {"none"})  # small panels have no room for them


def test_a_terminal_shows_the_way_in_place_of_the_pairs() -> None:
    result, _ = fitted("gmm", IRIS, k=2, restarts=1)
    picture = of_fit(result, History(1e-6), in_pairs=False)
    assert picture.triangle == () and "Sepal.Length" not in drawn(picture, io.StringIO())
    done = run("fit", "gmm", IRIS, "-k", 3, "--restarts", 1, "-q", "--plot", "-")
    assert "Start\n" in done.stdout and "Uncertainty: 1 − the largest responsibility, where above 0.05" in done.stdout


def test_a_dot_is_as_large_as_its_component_is_uncertain() -> None:
    rows = cloud(300, 2)
    result, picture = fitted("gmm", rows, k=2, restarts=2)
    parameters = {key: np.array(value) for key, value in result.parameters.items()}
    joint = np.array(
        [
            weight * multivariate_normal.pdf(rows, mean, matrix)
            for weight, mean, matrix in zip(
                *(parameters[key] for key in ("weights", "means", "covariances")), strict=True
            )
        ]
    )
    doubts = {tuple(row): 1 - r.max() / r.sum() for row, r in zip(np.round(rows, 6).tolist(), joint.T, strict=True)}
    panel = titled(picture, "Uncertainty")
    shown = parts(panel, "component", 2)
    assert sum(len(one.x) for one in shown) == 300
    for one in shown:
        assert one.sizes is not None and (np.diff(one.sizes) >= 0).all()  # the largest lie on top
        expected = [doubts[tuple(np.round([x, y], 6).tolist())] for x, y in zip(one.x, one.y, strict=True)]
        np.testing.assert_allclose(one.sizes, expected, atol=1e-9)
    assert "the less certain" in panel.note


def test_of_many_rows_the_uncertain_ones_are_counted_where_they_are() -> None:
    rows = cloud(21_000, 2)
    result, picture = fitted("gmm", rows, k=2, restarts=1, max_iter=3)
    panel = titled(picture, "Uncertainty")
    counts = [one.z.sum() for one in panel.series if one.z is not None]
    doubts = 1 - result.model.posterior(result.data.rows.values)[0].max(axis=0)
    weights = np.ones(1) if result.data.rows.weights is None else result.data.rows.weights
    assert len(counts) == 2 and sum(counts) == pytest.approx(float((doubts * weights).sum()))


def test_responsibilities_of_one_column_are_curves_that_sum_to_one() -> None:
    result, picture = fitted("gmm", SAMPLES / "galaxies.csv", k=3, covariance="tied", restarts=2)
    panel = titled(picture, "Responsibilities")
    parameters = {key: np.array(value) for key, value in result.parameters.items()}
    curves = parts(panel, "component", 3)
    x = curves[0].x[:, None]
    sds = np.sqrt(parameters["covariances"][:, 0, 0])
    joint = parameters["weights"] * norm.pdf(x, parameters["means"][:, 0], sds)
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.array([one.y for one in curves]).T, expected, atol=1e-9)
    np.testing.assert_allclose(labelled(panel, "uncertainty").y, 1 - expected.max(axis=1), atol=1e-9)
    assert (panel.x_label, panel.y_range) == ("velocity", (0.0, 1.04))


def test_responsibilities_of_coins_stand_at_each_number_of_heads() -> None:
    result, picture = fitted("coins", SAMPLES / "two_coins.csv", restarts=2)
    panel = titled(picture, "Responsibilities")
    curves, heads = parts(panel, "coin", 2), np.array(result.parameters["heads"])
    np.testing.assert_array_equal(curves[0].x, range(11))
    joint = np.array(result.parameters["weights"]) * binom.pmf(np.arange(11)[:, None], 10, heads)
    np.testing.assert_allclose(
        np.array([one.y for one in curves]).T, joint / joint.sum(axis=1, keepdims=True), atol=1e-9
    )


def test_coins_that_fall_on_one_side_alone_have_responsibilities() -> None:
    _, picture = fitted("coins", np.array([[0, 4], [4, 4], [0, 4], [4, 4]]), k=2, restarts=1)
    assert all(np.isfinite(one.y).all() for one in titled(picture, "Responsibilities").series)


def test_where_tosses_differ_each_row_has_its_uncertainty() -> None:
    rows = np.array([[1, 4], [9, 10], [2, 9], [7, 8], [3, 6], [1, 4]])
    result, picture = fitted("coins", rows, k=2, restarts=2)
    panel = titled(picture, "Uncertainty")
    shown = {round(float(x), 9): float(y) for one in parts(panel, "coin", 2) for x, y in zip(one.x, one.y, strict=True)}
    joint = np.array(result.parameters["weights"]) * binom.pmf(
        rows[:, :1], rows[:, 1:], np.array(result.parameters["heads"])
    )
    for (heads, tosses), r in zip(rows.tolist(), joint, strict=True):
        assert shown[round(heads / tosses, 9)] == pytest.approx(1 - r.max() / r.sum(), abs=1e-9)


@pytest.mark.parametrize("model", ["gmm", "coins"])
def test_one_component_leaves_no_uncertainty(model: str) -> None:
    _, picture = fitted(model, SAMPLES / {"gmm": "faithful.csv", "coins": "flips.csv"}[model], k=1, restarts=1)
    assert not [panel for panel in panels(picture) if panel.title.startswith(("Uncertainty", "Responsibilities"))]


@pytest.mark.slow
def test_pairs_of_very_many_rows_stay_small(tmp_path: Path) -> None:
    _, picture = fitted("gmm", cloud(100_000, 6, 9), k=9, covariance="diag", restarts=1, max_iter=3)
    assert len(rendered(picture, "svg")) < 2_000_000
