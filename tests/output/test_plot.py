"""Pictures hold the data they claim to hold, and are files of the right kind, the same bytes every time."""

from __future__ import annotations

import html
import json
import os
import re
import sys
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import ROOT, SAMPLES, fit, run
from inprocess import loaded, prepared
from rules import Done, hold

from emcli.config.experiment import read_experiment
from emcli.config.resolve import resolve
from emcli.data.rows import Rows
from emcli.data.scaling import Scaling
from emcli.inference.fit import fit as start_all
from emcli.inference.fit import observe
from emcli.inference.fit_result import FitResult
from emcli.inference.result import read_start
from emcli.inference.search.optima import set_aside
from emcli.inference.truth import with_truth
from emcli.models import MODELS, model_class
from emcli.output.plots.figure import Panel, Picture, Series, described
from emcli.output.plots.fit_figure import of_fit
from emcli.output.plots.form import Form
from emcli.output.plots.history import MAX_WHOLE, MIN_WHOLE, History
from emcli.output.plots.matplotlib_renderer import rendered
from emcli.output.plots.projection import Projection, bin_counts, bin_edges
from emcli.output.plots.scenes.line import Line, top_mark
from emcli.output.plots.scenes.plane import Plane
from emcli.output.plots.scenes.scene import Snapshot

FIGURES = ROOT / "docs" / "figures"
FAITHFUL = SAMPLES / "faithful.csv"
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
CASES = {
    "kmeans-1": ("kmeans", SAMPLES / "galaxies.csv", "-k", 3),
    "kmeans-2": ("kmeans", SAMPLES / "blobs.csv", "-k", 3),
    "kmeans-4": ("kmeans", SAMPLES / "iris.csv", "-k", 3),
    "coins": ("coins", SAMPLES / "two_coins.csv"),
    "coins-weights": ("coins", SAMPLES / "thumbtacks.csv", "--tosses", "n", "--row-weights", "freq"),
    "coins-flips": ("coins", SAMPLES / "flips.csv"),
    "gmm-1": ("gmm", SAMPLES / "heights.csv", "-k", 2),
    "gmm-2": ("gmm", FAITHFUL, "-k", 2),
    "gmm-4": ("gmm", SAMPLES / "iris.csv", "-k", 3, "--covariance", "diag"),
    "gmm-spherical": ("gmm", SAMPLES / "iris.csv", "-k", 2, "--covariance", "spherical"),
}


def refused(done: Any, code: int, *parts: str) -> None:
    """Held to the rules of every bad input."""
    hold(Done(done.returncode, done.stdout, done.stderr), code, *parts)


def fitted(model: str, data: Any, **flags: Any) -> tuple[FitResult, Picture]:
    """A fit of a file, or of values (n, d) under the names a, b, ..., and its picture."""
    kind = model_class(model)
    settings = resolve(kind.name, kind.options, flags, None, read_start=read_start)
    if isinstance(data, Path):
        dataset = loaded(kind, data, settings)
    else:
        names = ["heads", "tosses"] if "tosses" in kind.options else list("abcdefgh"[: data.shape[1]])
        dataset = prepared(kind, data, names, settings, source="drawn.csv")
    history = History(settings.search.tol)
    result = observe(start_all(kind, dataset, settings), history)
    return result, of_fit(result, history)


def panels(picture: Picture) -> list[Panel]:
    return [panel for row in picture.panels for panel in row]


def labelled(panel: Panel, label: str) -> Series:
    return next(series for series in panel.series if series.label and series.label.startswith(label))


def of_kind(panel: Panel, kind: str, stroke: str = "normal") -> list[Series]:
    return [series for series in panel.series if series.kind == kind and series.stroke == stroke]


def discs(panel: Panel) -> list[tuple[float, float]]:
    """The places of the numbered discs, in the order of their numbers, which are 1, 2, …."""
    found = of_kind(panel, "points", "bold")
    assert [one.mark for one in found] == [str(j + 1) for j in range(len(found))]
    assert [one.colour for one in found] == [*range(len(found))]
    return [(float(one.x[0]), float(one.y[0])) for one in found]


def description(svg: str) -> Any:
    found = re.search(r"<dc:description>(.*?)</dc:description>", svg, re.S)
    assert found is not None
    return json.loads(html.unescape(found.group(1)))


def area(series: Series) -> float:
    return float(np.trapezoid(series.y, series.x))


def test_clusters_show_every_row_and_the_way_of_every_centroid() -> None:
    result, picture = fitted("kmeans", SAMPLES / "blobs.csv", k=3, init="random")
    start, *_, panel, climb = panels(picture)
    assert (panel.x_label, panel.y_label) == ("x", "y") and climb.y_label == "inertia"
    dots = [labelled(panel, f"cluster {j + 1}") for j in range(3)]
    assert [len(series.x) for series in dots] == result.parameters["sizes"]
    shown = np.sort(np.column_stack([np.concatenate([s.x for s in dots]), np.concatenate([s.y for s in dots])]), axis=0)
    written = np.sort(np.loadtxt(SAMPLES / "blobs.csv", delimiter=",", skiprows=1), axis=0)
    assert np.allclose(shown, written, rtol=0, atol=1e-12)
    ways = of_kind(panel, "line")
    assert len(ways) == 3 and all(len(way.x) == result.best.iterations + 1 for way in ways)
    assert np.allclose([(way.x[-1], way.y[-1]) for way in ways], result.parameters["centroids"])
    assert np.allclose([(way.x[0], way.y[0]) for way in ways], discs(start)) and start.title == "Start"
    assert np.allclose([(way.x[-1], way.y[-1]) for way in ways], discs(panel))
    for way, series in zip(ways, dots, strict=True):
        assert np.hypot(series.x - way.x[-1], series.y - way.y[-1]).max() < 6 and way.colour == series.colour


def test_more_columns_are_shown_on_their_principal_axes() -> None:
    result, picture = fitted("kmeans", SAMPLES / "iris.csv", k=3)
    panel = panels(picture)[-2]
    values = np.loadtxt(SAMPLES / "iris.csv", delimiter=",", skiprows=1)
    away = values - values.mean(axis=0)
    variances = np.sort(np.linalg.eigvalsh(away.T @ away / len(values)))[::-1]
    x = np.concatenate([labelled(panel, f"cluster {j + 1}").x for j in range(3)])
    y = np.concatenate([labelled(panel, f"cluster {j + 1}").y for j in range(3)])
    assert np.allclose([x.var(), y.var()], variances[:2]) and abs(float(np.mean(x * y))) < 1e-12
    assert panel.x_label == f"PC 1 ({100 * variances[0] / variances.sum():.0f} % of variance)"
    assert "Petal.Length" in panel.note
    assert np.allclose(discs(panel)[0][0], x[: result.parameters["sizes"][0]].mean())


def test_a_line_break_in_the_name_of_a_column_is_escaped_in_the_words_for_an_axis() -> None:
    values = np.random.default_rng(0).standard_normal((3, 40))
    note = Projection.of(
        Rows(values, None, 40.0, ("a", "line\nbreak", "b"), Scaling(np.zeros(3), np.zeros(3, np.int64))), True
    ).note
    assert len(note.splitlines()) == 2 and "line\\nbreak" in note


def test_the_likelihood_of_every_start_is_that_of_the_document() -> None:
    for name, config in (("gmm-2", CASES["gmm-2"]), ("kmeans-2", CASES["kmeans-2"])):
        model, data, *_, k = config
        document = fit(*config)
        _, picture = fitted(str(model), data, k=k)
        climb = panels(picture)[-1]
        key = "inertia" if name.startswith("kmeans") else "log_likelihood"
        best, iterations = labelled(climb, "best: start"), document["trace"][: document["iterations"] + 1]
        assert best.y.tolist() == [step[key] for step in iterations]
        assert best.x.tolist() == [step["iteration"] for step in iterations] and best.stroke == "bold"
        others = of_kind(climb, "line", "thin")
        assert [series.y[-1] for series in others] == [
            start[key] for start in document["restarts"] if start["start"] != document["best_start"]
        ]


def test_an_optimum_that_was_set_aside_is_told_from_other_starts() -> None:
    """Of sixty rows in three columns the highest optima of four Gaussians rest on a component of a few rows."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((60, 3)) + 4.0 * np.arange(60)[:, None] % 3
    result, picture = fitted("gmm", rows, k=4, restarts=10)
    aside = [run for run in result.ledger if run.finished and set_aside(run)]
    assert aside
    climb = panels(picture)[-1]
    dashed = of_kind(climb, "line", "dashed")
    assert [one.label for one in dashed] == ["set aside: rests on chance", *[None] * (len(dashed) - 1)]
    assert [one.y[-1] for one in dashed] == [result.measures(run)[run.iterations].objective for run in aside]
    best = labelled(climb, "best").y[-1]
    assert max(one.y[-1] for one in dashed) > best + 1
    assert all(one.y[-1] <= best + 1e-6 for one in of_kind(climb, "line", "thin"))


@pytest.mark.parametrize("size", [(9.0, 3.6), (4.0, 3.0)])
def test_numbers_of_close_components_stand_beside_each_other(size: tuple[float, float]) -> None:
    x = np.linspace(0, 2, 201)
    heights = [np.exp(-800 * (x - place) ** 2) for place in (0.5, 0.5, 0.51)]
    panel = Panel("", "x", "y", [top_mark(x, y, j) for j, y in enumerate(heights)], y_range=(0, 1.5))
    drawn = rendered(Picture("", [[panel]]), "svg", Form(size)).decode()
    found = re.findall(r"<!-- \d -->\s*<g [^>]*translate\(([\d.]+) ([\d.]+)\)", drawn)
    marked = [np.array([*map(float, place)]) for place in found[-3:]]
    for one, other in combinations(marked, 2):
        assert np.abs(one - other).max() > 6  # points


def test_the_uncertainty_hides_no_responsibility() -> None:
    """Of two components it is the same as the smaller one: the dashes leave that to be seen."""
    _, picture = fitted("gmm", SAMPLES / "heights.csv", k=2)
    panel = next(panel for panel in panels(picture) if panel.title.startswith("Responsibilities"))
    assert [one.label for one in panel.series] == ["component 1", "component 2", "uncertainty"]
    assert panel.series[-1].stroke == "dashed"


def test_coins_go_from_their_start_to_the_fit_with_the_truth_beside() -> None:
    experiment = read_experiment(str(ROOT / "configs" / "two_coins.yaml"), MODELS)
    result, _ = fitted("coins", SAMPLES / "two_coins.csv")
    assert experiment.generate is not None
    result = with_truth(result, {"weights": [0.5, 0.5], "heads": [0.6, 0.2]})
    panel = panels(of_fit(result, History(1e-6)))[0]
    assert [series.y[0] for series in of_kind(panel, "line", "dashed")] == [0.2, 0.6]
    result, picture = fitted("coins", SAMPLES / "two_coins.csv")
    panel, rows, *_ = panels(picture)
    assert [labelled(panel, f"coin {j + 1}").y[-1] for j in (0, 1)] == pytest.approx(result.parameters["heads"], 1e-12)
    heads = np.loadtxt(SAMPLES / "two_coins.csv", delimiter=",", skiprows=1)[:, 0].astype(int)
    assert labelled(rows, "observed").y.tolist() == np.bincount(heads, minlength=11).tolist()
    total = labelled(rows, "mixture")
    assert total.x.tolist() == list(range(11)) and total.y.sum() == pytest.approx(500, rel=1e-12)


def test_where_tosses_differ_shares_of_heads_are_counted_and_expected_alike() -> None:
    rng = np.random.default_rng(1)
    tosses = rng.integers(1, 40, 5000)
    heads = rng.binomial(tosses, np.array([0.3, 0.8])[rng.integers(0, 2, 5000)])
    _, picture = fitted("coins", np.column_stack([heads, tosses]).astype(float))
    panel = panels(picture)[1]
    counted, expected = labelled(panel, "observed").y, labelled(panel, "mixture").y
    assert counted.sum() == 5000 and expected.sum() == pytest.approx(5000, rel=1e-9)
    assert np.abs(counted - expected).max() < 5 * np.sqrt(expected.max())


def test_gaussians_are_shown_at_three_moments_and_their_curves_hold_the_rows() -> None:
    result, picture = fitted("gmm", SAMPLES / "mixture_1d.csv", k=3, init="random", restarts=2)
    *moments, doubts, climb = panels(picture)
    assert doubts.title.startswith("Responsibilities")
    last = result.best.iterations
    assert [panel.title for panel in moments] == ["Start", "After 5 iterations", f"End, after {last} iterations"]
    assert climb.title.startswith("Log-likelihood")
    for panel in moments:
        bars = labelled(panel, "observed")
        width = float(bars.x[1] - bars.x[0])
        assert bars.y.sum() == 3000 and panel.x_label == "x"
        assert area(labelled(panel, "mixture")) / width == pytest.approx(3000, rel=0.02)
        assert panel.y_range == moments[0].y_range
    end = moments[-1]
    width = float(np.diff(labelled(end, "observed").x)[0])
    for j, (weight, mean) in enumerate(zip(result.parameters["weights"], result.parameters["means"], strict=True)):
        curve = labelled(end, f"component {j + 1}")
        assert area(curve) / width == pytest.approx(3000 * weight, rel=0.02)
        assert curve.x[np.argmax(curve.y)] == pytest.approx(mean[0], abs=0.5)


def test_ellipses_lie_one_and_two_standard_deviations_from_the_mean() -> None:
    result, picture = fitted("gmm", FAITHFUL, k=2)
    end = panels(picture)[2]
    assert end.title.startswith("End")
    for stroke, sds in (("bold", 1.0), ("normal", 2.0)):
        for j, line in enumerate(of_kind(end, "line", stroke)):
            away = np.column_stack([line.x, line.y]) - result.parameters["means"][j]
            inverse = np.linalg.inv(result.parameters["covariances"][j])
            assert np.allclose(np.einsum("ij,jk,ik->i", away, inverse, away), sds**2)
    assert sum(len(labelled(end, f"component {j + 1}").x) for j in (0, 1)) == 272


@pytest.mark.parametrize("name", ["galaxies.csv", "blobs.csv"])
def test_a_model_without_panels_of_its_own_shows_its_rows_by_component(name: str) -> None:
    result, _ = fitted("kmeans", SAMPLES / name, k=3)
    model = SimpleNamespace(weights=np.full(3, 1 / 3), others=())
    drawn = (Line if name == "galaxies.csv" else Plane)(
        result.data.rows, [Snapshot(4, model, model)], result.assignments()
    )
    [[panel]] = drawn.overview()
    assert panel.title == "End, after 4 iterations"
    counts = [len(one.x) if one.kind == "points" else one.y.sum() for one in panel.series]
    assert counts == result.parameters["sizes"]


def test_many_rows_become_a_density_that_counts_each_of_them() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((30_000, 2)) + 6.0 * rng.integers(0, 2, 30_000)[:, None]
    result, picture = fitted("kmeans", values, k=2, restarts=1)
    density = of_kind(panels(picture)[0], "density")
    assert [series.z.sum() for series in density if series.z is not None] == result.parameters["sizes"]
    svg = rendered(picture, "svg")
    assert len(svg) < 300_000
    dots = fitted("kmeans", values[:15_000], k=2, restarts=1)[1]
    assert len(rendered(dots, "svg")) < 1_000_000


@pytest.mark.slow
def test_a_million_rows_are_a_small_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((1_000_000, 2)) + 6.0 * rng.integers(0, 2, 1_000_000)[:, None]
    np.savetxt(tmp_path / "many.csv", values, delimiter=",", header="a,b", comments="", fmt="%.4f")
    done = run("fit", "gmm", "many.csv", "-k", 2, "--restarts", 1, "--plot", "p.svg", cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.svg").stat().st_size < 1_000_000


@pytest.mark.parametrize(("parameters", "whole"), [(3, MAX_WHOLE), (10_000, 26), (10**7, MIN_WHOLE)])
def test_a_history_keeps_the_first_iterations_ever_fewer_later_ones_and_those_wanted(
    parameters: int, whole: int
) -> None:
    class Model:
        parameters_count = parameters

    history = History(1e-6, wanted=(7777, 99_999))
    kept = [i for i in range(100_000) if history.of(i, Model()) is not None]  # type: ignore[arg-type]
    assert kept[:whole] == [*range(whole)] and {7777, 99_999} <= set(kept)
    kept = [i for i in kept if i not in (7777, 99_999)]
    steps = np.diff(kept)
    assert (np.diff(steps) >= 0).all() and steps[-1] < 2 * 100_000 / whole
    assert len(kept) <= whole * (2 + np.log2(100_000 / whole) / 2)


def test_bins_are_round_and_hold_every_row_however_far_from_zero() -> None:
    rng = np.random.default_rng(2)
    for values in (
        rng.standard_normal(500),
        1e9 + 1e-3 * rng.standard_normal(500),
        np.array([3.0, 3.0]),
        np.r_[rng.standard_normal(50), 1e6],
        np.arange(12.0),
    ):
        edges = bin_edges(values, None)
        assert bin_counts(values, None, edges).sum() == len(values)
        assert 2 <= len(edges) < 300


@pytest.mark.parametrize(
    ("values", "step"),
    [
        (np.repeat(np.arange(12.0), [3, 9, 20, 30, 40, 30, 20, 9, 5, 3, 2, 1]), 1.0),
        (np.array([0.0, 2.0, 5.0, 5.0, 7.0, 12.0]), 1.0),  # no two of them are next to each other
        (1e9 + np.repeat(np.arange(10.0), 6), 1.0),
        (np.repeat(np.arange(30), 5) * 0.1, 0.1),
        (np.array([0.1 + 0.2, 0.3, 0.4, 0.9, 1.1]), 0.1),  # the first two differ by rounding
        (0.25 + np.arange(9.0) / 2, 0.5),
        (np.round(np.random.default_rng(5).normal(60, 12, 4000)), 1.0),
        (np.round(np.random.default_rng(5).normal(0, 90, 400)), 1.0),  # several values in a bin
    ],
)
def test_bins_of_values_that_are_multiples_of_a_step_are_centred_on_them(values: np.ndarray, step: float) -> None:
    edges = bin_edges(values, None)
    width = (edges[1] - edges[0]) / step
    assert width == pytest.approx(round(width), abs=1e-6) and round(width) >= 1
    away = (edges[:, None] - values) / step  # in steps, from each edge to each value
    assert np.allclose(np.abs(away - np.round(away)), 0.5, atol=1e-6)
    assert bin_counts(values, None, edges).sum() == len(values)
    assert bin_counts(values, None, edges)[[0, -1]].min() > 0


def test_bins_of_other_values_know_no_step() -> None:
    assert 0.0 in bin_edges(np.random.default_rng(1).standard_normal(300), None)  # they are round
    assert len(bin_edges(np.r_[np.arange(50.0), 1e9], None)) < 300


SELDOM = (
    "coins-flips",
    "coins-weights",
    "kmeans-2",
    "kmeans-4",
    "gmm-1",
    "gmm-4",
    "gmm-spherical",
    "heights",
    "mixture_1d",
    "two_coins",
    "compare",
    "blobs_data",
    "mixture_1d_data",
)  # drawn as others are


def often_and_seldom(cases: Iterable[Any]) -> list[Any]:
    """Cases by their first value, some of which only `make test-slow` draws."""
    named = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*case, marks=[pytest.mark.slow] * (case[0] in SELDOM)) for case in named]


@pytest.mark.parametrize(("case", "kind"), often_and_seldom(zip(CASES, ["png", "svg", "pdf", "svg"] * 3, strict=False)))
def test_every_model_and_dimension_is_drawn(case: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{kind}"
    done = run("fit", *CASES[case], "--plot", path, "-q", "--restarts", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert path.read_bytes().startswith(MAGIC[kind])
    assert list(tmp_path.iterdir()) == [path]


def test_a_picture_changes_nothing_else(tmp_path: Path) -> None:
    words, written = ("fit", *CASES["coins"], "--restarts", 2), tmp_path / "fit.json"
    said = []
    for plot in ((), ("--plot", tmp_path / "p.svg")):
        done = run(*words, "-o", written, *plot)
        said.append((done.stdout, done.stderr, written.read_text()))
    assert said[0] == said[1]
    assert run(*words, "--json").stdout == said[0][2]


@pytest.mark.usefixtures("described")
def test_a_comparison_is_drawn_a_line_for_each_family(tmp_path: Path) -> None:
    path = tmp_path / "c.svg"
    command = ("compare", "gmm", FAITHFUL, "-k", "1-3", "--covariance", "full,tied", "--restarts", 1, "--json", "-q")
    done = run(*command, "--plot", path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["groups"][0]["candidates"]
    shown = description(path.read_text())["panels"]
    kept = description((FIGURES / "compare.svg").read_text())["panels"]  # of the same shapes, up to k = 5
    assert [panel["title"] for panel in kept] == [panel["title"] for panel in shown]
    assert [(panel["x"], panel["y"]) for panel in kept] == [(panel["x"], panel["y"]) for panel in shown]
    assert [{series["label"] for series in panel["series"]} for panel in kept[-1:]] == [{"full", "tied", None}]
    ranking, _, climbs, *_ = shown
    assert (ranking["x"], ranking["y"]) == ("k", "BIC (smaller is better)")
    lines = {series["label"]: series for series in ranking["series"][1:] if series["kind"] == "line"}
    assert set(lines) == {"full", "tied"}
    for shape, line in lines.items():
        bics = [row["bic"] for row in rows if row["covariance"] == shape or row["k"] == 1]  # which is of both
        assert line["count"] == 3 and line["y"][:2] == pytest.approx([min(bics), max(bics)], rel=1e-5)
    curves = climbs["series"][1:]  # before them the frame of a part
    assert len(curves) == len(rows)
    ends = sorted(series["y"][2] for series in curves)
    assert ends == pytest.approx(sorted(row["log_likelihood"] for row in rows), rel=1e-5)


@pytest.mark.slow
def test_the_same_picture_is_the_same_bytes_whatever_surrounds_the_program(tmp_path: Path) -> None:
    """A pipe that nobody ever writes to is where matplotlib would look for settings, were it asked to."""
    os.mkfifo(tmp_path / "matplotlibrc")
    (tmp_path / "own").write_text("text.usetex: True\nfont.size: 30\nbackend: tkagg\naxes.grid: maybe\nnothing\n")
    env = {"MATPLOTLIBRC": str(tmp_path / "own"), "MPLBACKEND": "no-such", "PYTHONHASHSEED": "1", "TZ": "UTC+5"}
    compared = ("compare", "gmm", FAITHFUL, "-k", "1-2", "--covariance", "full,diag")
    for words in (("fit", *CASES["gmm-2"]), ("fit", *CASES["kmeans-4"]), ("fit", *CASES["coins"]), compared):
        words = (*words, "--restarts", 2, "-q", "--plot")
        for done in (
            run(*words, "here.svg", "--jobs", 1, cwd=tmp_path),
            run(*words, "process.svg", "--jobs", 2, cwd=tmp_path, env=env, timeout=60),
        ):
            assert (done.returncode, done.stderr) == (0, "")
        assert b"<clipPath" in (tmp_path / "here.svg").read_bytes()
        assert (tmp_path / "here.svg").read_bytes() == (tmp_path / "process.svg").read_bytes()
    series = Series("line", np.arange(3.0), np.arange(3.0), "a"), Series("points", np.arange(3.0), np.ones(3), "b")
    picture = Picture("title", [[Panel("panel", "x", "y", series)]])
    for kind in ("png", "pdf", "svg"):
        assert rendered(picture, kind) == rendered(picture, kind)


def test_a_dash_sketches_the_picture_after_the_tables() -> None:
    plain, sketched = (run("fit", *CASES["gmm-2"], "-q", "--restarts", 2, *plot) for plot in ((), ("--plot", "-")))
    assert sketched.returncode == 0 and sketched.stdout.startswith(plain.stdout)
    assert "faithful.csv: 2 Gaussians" in sketched.stdout[len(plain.stdout) :]
    compared = run("compare", "kmeans", SAMPLES / "blobs.csv", "-k", "2,3", "--restarts", 2, "-q", "--plot", "-")
    assert compared.returncode == 0 and "silhouette (larger is better)" in compared.stdout


@pytest.mark.parametrize("rows", ["x\n1\n2\n3\n8\n9\n10\n", "x,y\n1,2\n2,1\n3,3\n8,7\n9,9\n10,8\n"])
def test_a_path_has_another_mark_than_the_rows_of_few(rows: str) -> None:
    sketched = run("fit", "kmeans", "-", "-k", 2, "--restarts", 1, "-q", "--plot", "-", stdin=rows).stdout
    legends = [line.split() for line in sketched.splitlines() if "cluster 1" in line and "path" in line]
    assert legends and all(
        line[line.index("cluster") - 1] != line[line.index("path") - 1] for line in legends if "path" in line
    )


def test_a_plot_that_cannot_be_is_refused_before_the_fit(tmp_path: Path) -> None:
    slow = ("fit", "gmm", FAITHFUL, "-k", 9, "--restarts", 100000)  # would run for minutes
    refused(run(*slow, "--plot", "p.jpg"), 2, "'--plot' must end in .png, .svg or .pdf", "p.jpg")
    refused(run(*slow, "--plot", tmp_path / "none" / "p.png"), 5, "no such directory")
    refused(run(*slow, "--json", "--plot", "-"), 2, "--json and --plot -")
    refused(run(*slow, "--trace", "-", "--plot", "-"), 2, "--trace - and --plot -")
    refused(run(*slow, "-o", "p.svg", "--plot", "./p.svg", cwd=tmp_path), 2, "both be written to './p.svg'")
    data = tmp_path / "data.svg"
    data.write_bytes(FAITHFUL.read_bytes())
    refused(run("fit", "gmm", data, "-k", 9, "--restarts", 100000, "--plot", data), 2, "overwrite the input")
    refused(run("compare", "gmm", FAITHFUL, "-k", "1-9", "--restarts", 100000, "--plot", "p.gif"), 2, "must end in")
    assert data.read_bytes() == FAITHFUL.read_bytes()


@pytest.mark.parametrize(
    ("library", "target", "what", "has_pip"),
    [
        ("matplotlib", "p.png", "'p.png'", True),
        ("uniplot", "-", "in the terminal", True),
        ("uniplot", "-", "in the terminal", False),
    ],
)
def test_without_its_library_the_hint_is_what_installs_it_beside_this_program(
    library: str, target: str, what: str, has_pip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    installs = f"{sys.executable} -m pip install"
    if not has_pip:  # as where `uv tool` installs
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        installs = f"uv pip install --python {sys.executable}"
    done = run("fit", "gmm", FAITHFUL, "-k", 9, "--restarts", 100000, "--plot", target)
    refused(
        done,
        2,
        f"drawing {what} needs the Python package {library}\n  hint: {installs} {library} (emcli's extra 'plot')\n",
    )
    assert len(done.stderr.splitlines()) == 2
    assert run("fit", "kmeans", FAITHFUL, "-k", 2).returncode == 0


ODD = ["_x", "$x^{$", "<b>&amp; \\frac", "\x1b[31m_%\u202e", "身長 😀 cm", "\udcff", "long " * 60]


@pytest.mark.parametrize(
    "kind", [pytest.param("png", marks=pytest.mark.slow), pytest.param("pdf", marks=pytest.mark.slow), "svg"]
)
def test_any_column_name_can_be_drawn(kind: str) -> None:
    x = np.array([1.0, 2.0])
    panels = [Panel(name, name, name, [Series("line", x, x, name)], note=name) for name in ODD[:3]]
    rest = [Panel(name, name, name, [Series("points", x, x, name, mark=name)], note=name) for name in ODD[3:]]
    drawn = rendered(Picture(" ".join(ODD), [panels, rest]), kind)
    assert drawn.startswith(MAGIC[kind])
    if kind == "svg":
        assert b"\x1b" not in drawn
        assert ElementTree.fromstring(drawn).tag.endswith("svg")
        assert drawn.count(b"<!--  _x -->") == 1  # in the legend too


def test_a_column_with_dollars_is_drawn_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "$d$.csv").write_text("$x^{$,b\n" + FAITHFUL.read_text().partition("\n")[2])
    done = run("fit", "kmeans", "$d$.csv", "-k", 2, "-q", "--restarts", 2, "--plot", "p.svg", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "<!-- $x^{$ -->" in (tmp_path / "p.svg").read_text()


def _commands() -> dict[str, list[str]]:
    """What `make figures` runs for each figure."""
    recipe = re.search(r"^figures:.*?\n\n", (ROOT / "Makefile").read_text(), re.M | re.S)
    assert recipe is not None
    text = recipe.group(0).replace("\\\n", " ")
    names = re.search(r"for name in ([\w ]+);", text)
    assert names is not None
    found = {}
    for words in re.findall(r"\$\(BIN\)/emcli (.*?) --plot docs/figures/(\S+)\.svg", text):
        for name in names.group(1).split() if words[1] == "$$name" else [words[1]]:
            found[name] = words[0].replace("$$name", name).split()
    return found


def test_every_figure_of_the_documentation_is_made() -> None:
    assert set(_commands()) == {path.stem for path in FIGURES.glob("*.svg")}
    of_the_article = {"blobs_data", "blobs", "two_coins", "mixture_1d_data", "mixture_1d", "heights_data"}
    assert {*of_the_article, "do_batzoglou", "compare"} <= set(_commands())


@pytest.mark.usefixtures("described")
@pytest.mark.parametrize("name", often_and_seldom(_commands()))
def test_a_figure_of_the_documentation_shows_what_the_program_draws(name: str, tmp_path: Path) -> None:
    path = tmp_path / "again.svg"
    assert run(*_commands()[name], "--plot", path).returncode == 0
    drawn, kept = description(path.read_text()), description((FIGURES / f"{name}.svg").read_text())
    assert drawn["title"] == kept["title"] and len(drawn["panels"]) == len(kept["panels"])
    for one, other in zip(drawn["panels"], kept["panels"], strict=True):
        assert [one[key] for key in ("title", "x", "y")] == [other[key] for key in ("title", "x", "y")]
        for series, same in zip(one["series"], other["series"], strict=True):
            assert (series["kind"], series["label"], series["count"]) == (same["kind"], same["label"], same["count"])
            assert series["x"] == pytest.approx(same["x"], rel=1e-4, abs=1e-6)
            assert series["y"] == pytest.approx(same["y"], rel=1e-4, abs=1e-4)
    assert (FIGURES / f"{name}.svg").stat().st_size < 400_000


def test_a_picture_describes_itself() -> None:
    _, picture = fitted("gmm", FAITHFUL, k=2)
    said = json.loads(described(picture))
    assert said["title"] == "faithful.csv: 2 Gaussians, full covariances"
    assert said["panels"][0]["series"][0]["label"] == "component 1"


@pytest.mark.slow  # one process meets a pipe and wrong settings at once above
@pytest.mark.parametrize("kind", ["binary", "pipe", "wrong"])
def test_no_settings_of_the_current_folder_are_read(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x\n1\n2\n4\n8\n")
    settings = tmp_path / "matplotlibrc"
    if kind == "pipe":
        os.mkfifo(settings)  # which nobody ever writes to
    else:
        settings.write_bytes(b"\xff\xfe\x00" if kind == "binary" else b"axes.grid: maybe\nnothing\n")
    words = ("fit", "gmm", "x.csv", "-k", "1", "--restarts", "1", "-q", "--plot", "x.svg")
    env = {"MATPLOTLIBRC": str(settings)} if kind == "wrong" else {}
    done = run(*words, cwd=tmp_path, env=env, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done
    assert (tmp_path / "x.svg").read_text().startswith("<?xml")
