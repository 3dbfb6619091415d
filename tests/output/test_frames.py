"""Films of fits: each frame shows its own iteration, and all have the same axes."""

from __future__ import annotations

import html
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SAMPLES, fit, run
from inprocess import loaded, prepared
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from rules import Done, hold
from scipy.stats import binom

from emcli.config.iterations import moments, reached
from emcli.config.resolve import resolve
from emcli.errors import escaped
from emcli.inference.fit import fit as start_all
from emcli.inference.fit import observe
from emcli.inference.fit_result import FitResult
from emcli.inference.result import read_start
from emcli.inference.truth import with_truth
from emcli.models import model_class
from emcli.output.plots.figure import GREY, Series
from emcli.output.plots.frames import Film, film
from emcli.output.plots.history import History
from emcli.output.plots.matplotlib_axes import DASHES, MARKERS, PALETTE, fitted, ink_of

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "kmeans-1": ("kmeans", "galaxies.csv", {"k": 3}),
    "kmeans-2": ("kmeans", "blobs.csv", {"k": 3, "init": "random"}),
    "coins": ("coins", "two_coins.csv", {}),
    "gmm-1": ("gmm", "mixture_1d.csv", {"k": 3, "init": "random"}),
    "gmm-2": ("gmm", "faithful.csv", {"k": 2}),
    "gmm-4": ("gmm", "iris.csv", {"k": 3}),
    "gmm-9": ("gmm", "galaxies.csv", {"k": 9}),
}


def filmed(case: str, wanted: str | None = None) -> tuple[FitResult, Film]:
    """A fit and its film."""
    model, data, flags = CASES[case]
    kind = model_class(model)
    settings = resolve(kind.name, kind.options, {"restarts": 2, **flags}, None, read_start=read_start)
    dataset = loaded(kind, Path(SAMPLES / data), settings)
    listed = None if wanted is None else moments(wanted)
    history = History(settings.search.tol, [each for each in listed or () if isinstance(each, int)])
    result = observe(start_all(kind, dataset, settings), history)
    return result, film(result, history, listed)


@pytest.mark.parametrize("case", [*CASES][:-1])
def test_frames_have_the_same_axes_and_hold_every_row(case: str) -> None:
    result, made = filmed(case, "data,0,1,last,999999999")
    last = result.best.iterations
    shown = {last} if case == "kmeans-1" else {0, 1, last}  # on a line the best clusters are found directly
    assert [frame.iteration for frame in made.frames] == [None, *sorted(shown)]
    first = made.frames[0].panel
    rows = result.data.rows.total
    for frame in made.frames:
        panel = frame.panel
        assert (panel.x_label, panel.y_label) == (first.x_label, first.y_label)
        assert (panel.x_range, panel.y_range) == (first.x_range, first.y_range)
        crowd = [one.y.sum() if one.kind == "bars" else len(one.x) for one in panel.series if one.kind == "bars"]
        if not crowd:
            crowd = [len(one.x) for one in panel.series if one.kind == "points" and one.stroke == "normal"]
        assert sum(crowd) == rows
    climb = made.climb.series[0]
    assert climb.y.tolist() == [step.objective for step in result.measures(result.best)[: last + 1]]
    assert climb.x.tolist() == list(range(last + 1))


def test_each_frame_assigns_the_rows_by_its_own_centroids() -> None:
    result, made = filmed("kmeans-2")
    last = result.best.iterations
    assert [frame.iteration for frame in made.frames] == [None, *range(last + 1)]
    counts = []
    for frame in made.frames[1:]:
        clusters = [one for one in frame.panel.series if one.kind == "points" and one.stroke == "normal"]
        centroids = [one for one in frame.panel.series if one.stroke == "bold"]
        assert [one.mark for one in centroids] == ["1", "2", "3"] and [one.colour for one in centroids] == [0, 1, 2]
        places = np.array([(one.x[0], one.y[0]) for one in centroids])
        for j, one in enumerate(clusters):
            apart = np.linalg.norm(np.column_stack([one.x, one.y])[:, None] - places, axis=2)
            assert (apart.argmin(axis=1) == j).all() and one.colour == j
        counts.append([len(one.x) for one in clusters])
    assert counts[-1] == result.parameters["sizes"] and counts[0] != counts[-1]


def test_moments_are_listed_in_words_numbers_and_ranges() -> None:
    assert moments("data,0,2-4,last") == ("data", 0, 2, 3, 4, "last")
    assert reached(moments("last,7,5,data,3,40"), 5) == ["data", 3, 5]
    assert reached(moments("data"), 5) == ["data"]
    assert reached(moments("0-5"), 2) == [0, 1, 2]
    for wrong in ("", "x", "-1", "3-1", "1,,2", "1.5", "data last", "0-999", "²"):
        with pytest.raises(ValueError, match="must"):
            moments(wrong)
    with pytest.raises(ValueError, match="must"):
        moments("data,1", data=False)


def described_in(svg: Path) -> Any:
    found = re.search(r"<dc:description>(.*?)</dc:description>", svg.read_text(), re.S)
    assert found is not None
    return json.loads(html.unescape(found.group(1)))


@pytest.mark.usefixtures("described")
def test_iterations_stand_side_by_side_with_the_inertia_beside(tmp_path: Path) -> None:
    path = tmp_path / "p.svg"
    words = ("fit", "kmeans", SAMPLES / "blobs.csv", "-k", 3, "--init", "random", "--seed", 4, "--restarts", 1)
    words = (*words, "--plot", path)
    document = fit(*words[1:], "--iterations", "data,0-2,last", "-q")
    last = document["iterations"]
    *frames, climb = described_in(path)["panels"]
    titles = ["The data", "Start", "After 1 iteration", "After 2 iterations", f"End, after {last} iterations"]
    assert [panel["title"] for panel in frames] == titles
    dots = climb["series"][-1]
    assert dots["count"] == 4 and dots["x"] == [0, last, last]
    inertias = [document["trace"][i]["inertia"] for i in (0, last)]
    assert dots["y"] == pytest.approx([inertias[1], inertias[0], inertias[1]], rel=1e-5)
    done = run(*words, "--iterations", "data,1,2,500")
    said = f"the fit ended after {last} iterations: there is no iteration 500; its last is shown [iterations]"
    assert done.returncode == 0 and said in done.stderr
    titles = [panel["title"] for panel in described_in(path)["panels"]]
    assert titles == ["The data", "After 1 iteration", "After 2 iterations", f"End, after {last} iterations", "Inertia"]
    assert run(*words, "--iterations", "data", "-q").returncode == 0
    [alone] = described_in(path)["panels"]  # without the inertia: nothing is fitted yet
    assert alone["title"] == "The data" and [one["count"] for one in alone["series"]] == [600]


def test_what_lies_below_the_frame_is_written_at_its_edge_and_no_dot(tmp_path: Path) -> None:
    """A start from random responsibilities is as likely as one Gaussian, so far below that the climb would be flat."""
    path, rng = tmp_path / "p.svg", np.random.default_rng(3)
    rows = rng.standard_normal((200, 2)) * 0.05 + 1e3 * rng.integers(0, 3, 200)[:, None]
    np.savetxt(tmp_path / "far.csv", rows, fmt="%.3f", delimiter=",")
    words = (
        "gmm",
        tmp_path / "far.csv",
        "-k",
        3,
        "--init",
        "random",
        "--restarts",
        20,
        "-q",
        "--iterations",
        "0-3,last",
    )
    document = fit(*words, "--plot", path)
    climb = described_in(path)["panels"][-1]
    curve, below, dots = climb["series"]
    likelihoods = [step["log_likelihood"] for step in document["trace"]]
    low = below["y"][0]
    assert curve["y"][0] == pytest.approx(likelihoods[0], rel=1e-5) and likelihoods[0] < low < likelihoods[-1]
    assert below["x"] == [0, 0, 0] and dots["y"][0] >= low and dots["x"][0] == 1
    said = f"{likelihoods[0]:.3f}, below"
    assert said in path.read_text()
    assert f"v {said}" in run("fit", *words, "--plot", "-").stdout


@pytest.mark.usefixtures("described")
def test_what_is_found_directly_is_one_frame_whatever_the_iterations(tmp_path: Path) -> None:
    path = tmp_path / "p.svg"
    words = ("fit", "kmeans", SAMPLES / "galaxies.csv", "-k", 3, "-q", "--iterations", "0,1,last", "--plot", path)
    assert run(*words).returncode == 0
    assert [panel["title"] for panel in described_in(path)["panels"]] == ["Found directly", "Inertia"]


def test_frames_stand_below_each_other_in_the_terminal() -> None:
    words = ("fit", "kmeans", SAMPLES / "faithful.csv", "-k", 2, "--init", "random", "--restarts", 1, "-q")
    said = run(*words, "--plot", "-", "--iterations", "data,0,last").stdout
    places = [said.index(title) for title in ("The data", "Start\n", "End, after", "Inertia\n")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--iterations", "1"), "'--iterations' needs --plot FILE"),
        (("--size", "9x6"), "'--size' needs --plot FILE"),
        (("--dpi", "90"), "'--dpi' needs --plot FILE"),
        (("--plot", "p.svg", "--iterations", "1,x"), "'--iterations' must list iterations such as 0,1,5-8"),
        (("--plot", "p.svg", "--iterations", "0-100000"), "at most 100 iterations"),
        (("--plot", "p.svg", "--iterations", "0-39"), "room for 36 side by side, got 40\n  hint: --plot FILE.gif"),
        (("--plot", "p.svg", "--size", "9"), "'--size' must be WIDTHxHEIGHT in inches"),
        (("--plot", "p.svg", "--size", "0.1x9"), "'--size' must be from 1.5 to 60 inches"),
        (("--plot", "p.svg", "--size", "60x60", "--dpi", "1200"), "at most 50 million pixels, got 5184"),
        (("--plot", "p.svg", "--dpi", "1"), "'--dpi' must be an integer from 20 to 1200, got '1'"),
        (("--plot", "-", "--size", "9x6"), "'--size' is of a picture in a file"),
    ],
)
def test_a_picture_that_cannot_be_as_asked_is_refused_before_the_fit(more: tuple[str, ...], what: str) -> None:
    done = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 9, "--restarts", 100000, *more)
    hold(Done(done.returncode, done.stdout, done.stderr), 2, what)


def test_a_picture_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    for more, size in ((("--size", "800x500px"), (800, 500)), (("--size", "4x3", "--dpi", "50"), (200, 150))):
        words = ("generate", ROOT / "configs" / "do_batzoglou.yaml", *more)
        assert run(*words, "--plot", tmp_path / "p.png").returncode == 0
        header = (tmp_path / "p.png").read_bytes()[16:24]
        assert struct.unpack(">II", header) == size


@pytest.mark.parametrize(
    ("size", "dpi", "kinds"),
    [pytest.param("4x3", 120, ("png", "svg"), marks=pytest.mark.slow), ("12x3", 80, ("png",)), ("3x3", 100, ("svg",))],
)
def test_words_do_not_lie_on_each_other_in_a_small_picture(
    size: str, dpi: int, kinds: tuple[str, ...], tmp_path: Path
) -> None:
    """All is drawn smaller where the panels have no room, in a picture of the size that was asked for."""
    words = ("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 1, "-q", "--size", size, "--dpi", dpi)
    for kind in kinds:
        assert run(*words, "--plot", tmp_path / f"p.{kind}").returncode == 0
    width, height = map(int, size.split("x"))
    if "png" in kinds:
        assert struct.unpack(">II", (tmp_path / "p.png").read_bytes()[16:24]) == (width * dpi, height * dpi)
    if "svg" not in kinds:
        return
    found = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt" viewBox="0 0 ([\d.]+)', (tmp_path / "p.svg").read_text())
    assert found is not None
    assert [float(found[1]), float(found[2])] == pytest.approx([width * 72, height * 72], abs=0.5)
    assert float(found[3]) > 1.05 * float(found[1])  # drawn smaller


def true_film(model: str, data: str, names: Any = (), labels: Any = None, parameters: Any = None, **flags: Any) -> Film:
    """The data and the end of a fit whose truth is known; by a column of labels, or as given."""
    kind = model_class(model)
    settings = resolve(kind.name, kind.options, {"restarts": 5, **flags}, None, read_start=read_start)
    dataset, history = loaded(kind, SAMPLES / data, settings), History(settings.search.tol)
    result = observe(start_all(kind, dataset, settings), history)
    if dataset.labels is not None:
        names, labels = dataset.labels.ranked()
    return film(with_truth(result, parameters, names, labels), history, ("data", "last"))


def dashed(film: Film) -> list[Series]:
    return [one for one in film.frames[-1].panel.series if one.stroke == "dashed"]


def test_true_groups_have_the_colours_of_the_components_that_found_them() -> None:
    made = true_film("gmm", "iris_species.csv", k=3, truth="species")
    data, end = (frame.panel.series for frame in made.frames)
    assert [(one.label, one.colour, len(one.x)) for one in data] == [
        ("setosa", 0, 50), ("versicolor", 1, 50), ("virginica", 2, 50)
    ]  # fmt: skip
    for group, component in zip(data, end[:3], strict=True):
        assert len(set(group.x) & set(component.x)) > 40 and group.colour == component.colour
    backwards = [2, 1, 0]
    made = true_film("kmeans", "iris.csv", list("cba"), np.repeat(backwards, 50), {"centroids": [[1, 2, 3, 4]]}, k=3)
    assert [one.label for one in made.frames[0].panel.series] == ["true 1", "true 2", "true 3"]
    assert [one.colour for one in made.frames[0].panel.series] == [0, 1, 2]
    labels = np.arange(500) % 2  # of rows of which equal ones are merged
    made = true_film("coins", "two_coins.csv", ["even", "odd"], labels)
    assert [one.y.sum() for one in made.frames[0].panel.series] == [250, 250]
    two = true_film("gmm", "iris_species.csv", k=2, truth="species")  # one group more than components
    found = {one.label: one.colour for one in two.frames[0].panel.series}
    assert found["setosa"] == 0 and sorted(found.values()) == [0, 1, 2]


def test_rows_without_a_label_are_grey_and_said_to_be() -> None:
    labels = np.repeat([0, -1, 1, -1, 2], [40, 10, 50, 3, 47])
    made = true_film("gmm", "iris.csv", ["a", "b", "c"], labels, k=3)
    assert [(one.label, one.colour, len(one.x)) for one in made.frames[0].panel.series] == [
        ("true 1", 0, 40), ("true 2", 1, 50), ("true 3", 2, 47), ("no label", GREY, 13)
    ]  # fmt: skip
    assert ink_of(GREY) not in PALETTE and ink_of(GREY) != ink_of(None)


def test_true_groups_of_another_number_have_their_names_and_too_many_are_left_out() -> None:
    two = true_film("gmm", "iris_species.csv", k=2, truth="species", columns="Petal.Length,Petal.Width")
    panel = two.frames[-1].panel
    assert {"setosa", "versicolor", "virginica"} <= {one.mark for one in panel.series} and len(dashed(two)) == 3
    line = true_film("gmm", "iris_species.csv", k=2, truth="species", columns="Petal.Length").frames[-1].panel
    assert {"setosa", "versicolor", "virginica"} <= {one.mark for one in line.series}
    many = true_film("gmm", "iris.csv", list("abcdefghijklmno"), np.arange(150) % 15, k=3)
    assert not dashed(many) and "the 15 true groups are too many to be drawn" in many.frames[-1].panel.note


def test_the_truth_is_drawn_beside_the_fit() -> None:
    means = [[-10.0], [3.0], [30.0]]
    true = {"weights": [1 / 3] * 3, "means": means, "covariances": [[[9.0]], [[25.0]], [[49.0]]]}
    made = true_film("gmm", "mixture_1d.csv", parameters=true, k=3)
    curves, bars = dashed(made), made.frames[0].panel.series[0]
    assert [one.colour for one in curves] == [0, 1, 2] and [one.label for one in curves] == ["true", None, None]
    for one, (mean,) in zip(curves, means, strict=True):
        assert one.x[np.argmax(one.y)] == pytest.approx(mean, abs=0.3)
        assert np.trapezoid(one.y, one.x) / (bars.x[1] - bars.x[0]) == pytest.approx(1000, rel=0.01)

    made = true_film("gmm", "iris_species.csv", k=3, truth="species", columns="Petal.Length,Petal.Width")
    values = np.loadtxt(SAMPLES / "iris.csv", delimiter=",", skiprows=1)[:, 2:].reshape(3, 50, 2)
    for line, group in zip(dashed(made), values, strict=True):
        away = np.column_stack([line.x, line.y]) - group.mean(axis=0)
        inverse = np.linalg.inv(np.cov(group.T, bias=True))
        assert np.allclose(np.einsum("ij,jk,ik->i", away, inverse, away), 4.0)

    [cross] = dashed(true_film("kmeans", "blobs.csv", parameters={"centroids": [[-7, -5], [-1, 6], [5, 0]]}, k=3))
    assert (cross.x.tolist(), cross.y.tolist()) == ([-7, -1, 5], [-5, 6, 0])
    lines = dashed(true_film("kmeans", "galaxies.csv", parameters={"centroids": [[10], [20]]}, k=3))
    assert [line.x.tolist() for line in lines] == [[10, 10], [20, 20]] and lines[0].colour is None

    true = {"weights": [0.5, 0.5], "heads": [0.2, 0.6]}
    curves = dashed(true_film("coins", "two_coins.csv", parameters=true))
    for one, p in zip(curves, (0.2, 0.6), strict=True):
        assert one.y == pytest.approx(250 * binom.pmf(np.arange(11), 10, p), rel=1e-9)


def test_a_density_is_shown_whole_but_not_absurdly_far() -> None:
    rng = np.random.default_rng(1)
    kind = model_class("gmm")
    for half, low, high in ((1.0, -3.3, 3.3), (0.01, -3.3, 3.3)):
        values = rng.uniform(-half, half, (400, 1))  # whose sd is half / √3: the bell is wider than the bins
        settings = resolve(kind.name, kind.options, {"k": 1}, None, read_start=read_start)
        history = History(settings.search.tol)
        result = observe(start_all(kind, prepared(kind, values, ["x"], settings), settings), history)
        [*_, frame] = film(result, history).frames
        assert frame.panel.x_range is not None
        assert low * half < frame.panel.x_range[0] < -1.9 * half and 1.9 * half < frame.panel.x_range[1] < high * half
        mixture = next(one for one in frame.panel.series if one.label == "mixture")
        assert mixture.y[[0, -1]].max() < 0.01 * mixture.y.max()


def test_every_component_of_many_has_its_number_and_a_look_of_its_own() -> None:
    result, made = filmed("gmm-9", "0,last")
    assert len(result.parameters["means"]) == 9
    for frame in made.frames:
        curves = [one for one in frame.panel.series if (one.label or "").startswith("component")]
        marks = [one for one in frame.panel.series if one.stroke == "none"]
        assert [one.mark for one in marks] == [str(j + 1) for j in range(9)]
        for curve, mark in zip(curves, marks, strict=True):
            assert (mark.x[0], mark.y[0]) == (curve.x[curve.y.argmax()], curve.y.max())
    looks = {(j % len(PALETTE), DASHES[j // len(PALETTE)], MARKERS[j // len(PALETTE)]) for j in range(28)}
    assert len(looks) == 28


@pytest.mark.usefixtures("described")
def test_drawn_rows_are_drawn_beside_their_file(tmp_path: Path) -> None:
    blobs, mixture = (ROOT / "configs" / f"{name}.yaml" for name in ("blobs", "mixture_1d"))
    plain = run("generate", blobs, "--labels").stdout
    done = run("generate", blobs, "--labels", "--plot", tmp_path / "p.svg")
    assert (done.returncode, done.stdout, done.stderr) == (0, plain, "")
    [panel] = described_in(tmp_path / "p.svg")["panels"]
    assert [(one["label"], one["count"]) for one in panel["series"]] == [(f"component {j}", 200) for j in (1, 2, 3)]
    assert panel["series"][0]["x"][1] < 0 < panel["series"][2]["x"][1]
    assert run("generate", mixture, "-o", tmp_path / "x.csv", "--plot", tmp_path / "p.svg").returncode == 0
    written = np.loadtxt(tmp_path / "x.csv", skiprows=1)
    picture = described_in(tmp_path / "p.svg")
    [[bars]] = [panel["series"] for panel in picture["panels"]]
    counts = np.histogram(written, np.arange(*bars["x"][:2], 2.0))[0]
    assert picture["title"] == "mixture_1d.yaml: 3000 rows drawn" and bars["y"][1] == counts.max()
    said = run("generate", ROOT / "configs" / "two_coins.yaml", "-n", 1, "-o", tmp_path / "x.csv", "--plot", "-")
    assert said.returncode == 0 and "1 row drawn" in said.stdout and "heads in 10 tosses" in said.stdout
    for more, what in ((("--plot", "-"), "standard output"), (("--size", "9x6"), "needs --plot FILE")):
        refused = run("generate", blobs, *more)
        hold(Done(refused.returncode, refused.stdout, refused.stderr), 2, what)


@pytest.mark.usefixtures("described")
def test_a_saved_fit_can_be_drawn_from_too(tmp_path: Path) -> None:
    fitted = ("fit", "gmm", SAMPLES / "iris.csv", "-k", 2, "--restarts", 1, "-q", "-o", tmp_path / "fit.json")
    assert run(*fitted).returncode == 0
    done = run("generate", tmp_path / "fit.json", "-n", 9, "--labels", "--plot", tmp_path / "p.svg")
    assert done.returncode == 0, done.stderr
    [panel] = described_in(tmp_path / "p.svg")["panels"]
    assert panel["x"].startswith("PC 1 (") and sum(one["count"] for one in panel["series"]) == 9


@pytest.mark.filterwarnings("ignore:Glyph")  # which the font has not
def test_a_long_text_loses_its_middle_until_it_fits() -> None:
    font = FontProperties(family="DejaVu Sans", size=11)
    for text in ("short", "a name that never ends " * 20, "\u202e$x^{$ " * 50, "身長" * 200):
        said = fitted(text, 3.0, 11, " - 1000")
        assert text_to_path.get_text_width_height_descent(said, font, ismath=False)[0] <= 3 * 72
        assert said.endswith(" - 1000") and said.startswith(escaped(text[:3]))
        assert ("…" in said) == (text != "short") and said.isprintable()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("faithful.csv", "-k", 5),
        ("mixture_1d.csv", "-k", 20, "--max-iter", 60),
        ("iris.csv", "-k", 3, "--covariance", "tied"),
    ],
)
def test_very_many_iterations_are_no_large_file(words: tuple[Any, ...], tmp_path: Path) -> None:
    data, *more = words
    command = ("fit", "gmm", SAMPLES / data, *more, "--init", "random", "--restarts", 1, "--seed", 3, "-q")
    done = run(*command, "--iterations", "0-35", "--plot", tmp_path / "p.svg")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "p.svg").stat().st_size < 2_000_000
