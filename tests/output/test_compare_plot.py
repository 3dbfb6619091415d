"""The picture of a comparison: criteria against k, the ranking by name, and every candidate's whole curve."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, run

from emcli.comparison.candidate import Candidate, Score
from emcli.comparison.ranking import grouped
from emcli.config.covariances import ALL
from emcli.errors import EmcliError, Exit
from emcli.output.plots.comparison.figure import of_comparison
from emcli.output.plots.comparison.kinds import families
from emcli.output.plots.figure import Panel, Series, described
from emcli.output.plots.matplotlib_renderer import rendered
from emcli.output.plots.terminal_renderer import drawn

LONG = "a_fit_with_a_rather_long_name_of_the_seed_{}"


@cache
def document(model: str, data: str, *words: object) -> Any:
    return fit(model, SAMPLES / data, "--restarts", 2, *words)


def candidate(name: str, found: Any) -> Candidate:
    kind: Any = {key: found.get(key) for key in ("model", "k", "covariance", "mixing")}
    kind |= {key: found["settings"][key] for key in ("prior", "noise") if key in found["settings"]}
    return Candidate(name, kind, found)


def panels(candidates: Sequence[Candidate], criterion: str | None = None) -> list[Panel]:
    return [panel for row in of_comparison(grouped(candidates, criterion)).panels for panel in row]


def curves(panel: Panel) -> list[Series]:
    """What is neither the frame around a part nor the ring of the best."""
    return [one for one in panel.series if one.colour is not None]


def frame(panel: Panel) -> Series:
    (found,) = [one for one in panel.series if one.kind == "line" and one.colour is None]
    return found


def numbers(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def test_clusters_show_the_elbow_of_the_inertia_beside_the_criterion() -> None:
    found = [document("kmeans", "iris.csv", "-k", k) for k in range(1, 6)]
    elbow, index, *ways = panels([candidate(f"k{one['k']}", one) for one in found])
    line = next(one for one in elbow.series if one.kind == "line")
    assert elbow.title == "Inertia against k: look for an elbow" and index.title.startswith("CH against k: the highest")
    np.testing.assert_array_equal(line.x, range(1, 6))
    np.testing.assert_array_equal(line.y, [one["inertia"] for one in found])
    assert elbow.y_range and elbow.y_range[0] <= 0 and elbow.y_range[1] >= found[0]["inertia"]
    assert ways[0].y_label == "inertia"
    for one, series in zip(found, curves(ways[0]), strict=True):
        np.testing.assert_array_equal(series.y, [step["inertia"] for step in one["trace"]])
        assert (series.label, series.mark) == (f"k = {one['k']}", str(one["k"]))


@pytest.mark.parametrize(("shape", "ks"), [("full", (1, 2, 3)), ("full,tied", (1, 2, 3)), ("full,tied", (2,))])
def test_every_curve_is_seen_but_for_a_low_start_and_a_part_that_is_larger_is_framed(
    shape: str, ks: Sequence[int]
) -> None:
    found = [
        document("gmm", "faithful.csv", "-k", k, "--covariance", one, "--init", "random")
        for one in shape.split(",")
        for k in ks
    ]
    shown = panels([candidate(f"{one['covariance']}-{one['k']}", one) for one in found])
    whole, *larger = [panel for panel in shown if panel.title.startswith("Log-likelihood")]
    assert whole.x_range is None
    if whole.y_range:
        for series in curves(whole):
            assert float(np.interp(max(1.0, 0.1 * series.x[-1]), series.x, series.y)) > whole.y_range[0]
    traces = sorted(
        [numbers([step["log_likelihood"] for step in one["trace"]])[: one["iterations"] + 1] for one in found]
    )
    assert sorted(series.y.tolist() for series in curves(whole)) == traces
    for part in larger:
        x, y = frame(whole).x, frame(whole).y
        assert ((x.min(), x.max()), (y.min(), y.max())) == (part.x_range, part.y_range)
        assert [one.y.tolist() for one in curves(part)] == [one.y.tolist() for one in curves(whole)]
        tops = [max(trace) for trace in traces]
        assert y.min() < max(tops) < y.max() and sum(top > y.min() for top in tops) >= len(tops) / 2
    for panel, part in pairwise(panel for panel in shown if panel.title.startswith("BIC")):
        assert panel.y_range is None and part.title == "BIC: the framed part"
        assert part.y_range and part.y_range[0] < min(one["bic"] for one in found) < part.y_range[1]


def test_what_begins_far_below_all_ends_is_cut_and_a_mark_and_a_line_say_how_far() -> None:
    one = document("gmm", "faithful.csv", "-k", 2)
    first, second, *rest = one["trace"]
    end = rest[-1]["log_likelihood"]

    def begun(at: float) -> Any:
        return {**one, "trace": [{**first, "log_likelihood": at}, second, *rest]}

    usual, low = begun(second["log_likelihood"] - 1), begun(end - 1e6)
    for several, said in (([low], "1 start below"), ([low, low], "2 starts below")):
        found = [candidate(f"low {i}", each) for i, each in enumerate(several)] + [candidate("usual", usual)]
        shown = panels(found)
        whole, *larger = [panel for panel in shown if panel.title.startswith("Log-likelihood")]
        assert whole.y_range and end - 1e3 < whole.y_range[0] < second["log_likelihood"] < end < whole.y_range[1]
        (mark,) = [series for series in whole.series if series.stroke == "below"]
        assert (mark.mark, mark.x.tolist(), mark.y.tolist()) == (said, [0.0], [whole.y_range[0]])
        lowest = "the lowest " * (len(several) > 1)
        assert whole.note == f"log-likelihood: {said} the frame, {lowest}at {end - 1e6:.3f}"
        assert not [series for panel in larger for series in panel.series if series.stroke == "below"]
        assert said in drawn(of_comparison(grouped(found, None)), io.StringIO())
    both = panels([candidate("a", usual), candidate("b", usual)])
    assert [panel.y_range for panel in both if "iteration by" in panel.title] == [None]


def test_a_gap_has_its_standard_error() -> None:
    found = [document("kmeans", "iris.csv", "-k", k) for k in (1, 2, 3)]
    scored = [
        replace(candidate(f"k{one['k']}", one), score=Score("gap", 0.1 * one["k"], 0.02 * one["k"])) for one in found
    ]
    panel = panels(scored, "gap")[1]
    assert panel.y_label == "gap statistic" and "smallest k" in panel.title
    errors = [one for one in panel.series if one.kind == "line" and one.colour is None]
    for k, one in zip((1, 2, 3), errors, strict=True):
        assert one.x.tolist() == [k, k] and one.y.tolist() == pytest.approx([0.08 * k, 0.12 * k])


def test_a_family_is_named_by_what_tells_it_from_others() -> None:
    one: Any = document("gmm", "faithful.csv", "-k", 2)
    several = [
        candidate(f"{shape}-{mixing}", {**one, "covariance": shape, "mixing": mixing})
        for shape in ("full", "tied")
        for mixing in ("free", "equal")
    ]
    assert list(families(several)) == ["full equal mixing", "full free mixing", "tied equal mixing", "tied free mixing"]
    assert list(families(several[:2])) == ["equal mixing", "free mixing"]
    assert list(families(several[::2])) == ["full", "tied"] and list(families(several[:1])) == ["full"]
    known = candidate("p", {**one, "settings": {**one["settings"], "prior": "default"}})
    assert list(families([candidate("f", one), known])) == ["default prior", "no prior"]
    beside = candidate("n", {**one, "settings": {**one["settings"], "noise": True}})
    assert list(families([candidate("f", one), beside])) == ["no noise", "noise"]
    other = candidate("k", document("kmeans", "iris.csv", "-k", 2))
    assert list(families([other])) == ["kmeans"]


def test_fits_of_one_k_are_ranked_by_name_with_the_colour_of_their_optimum() -> None:
    seeds = (1, 3, 4, 5, 6, 7, 8, 9)  # the only start of the second collapses
    random = ("--restarts", 1, "--init", "random", "--seed")
    found = {i: document("gmm", "galaxies.csv", "-k", 3, *random, i) for i in seeds}
    candidates = [candidate(LONG.format(i), one) for i, one in found.items()]
    ranking, whole, *_ = panels(candidates)
    order = [one.name for one in grouped(candidates, None)[0].candidates]
    assert ranking.x_label == "BIC (smaller is better)" and "k" not in (ranking.y_label, ranking.title)
    assert len(ranking.names) == 8
    for i, (name, shown) in enumerate(zip(order, ranking.names, strict=True)):
        bic = found[int(name[-1])]["bic"]
        head, tail = name[:15], name[-15:]
        assert re.fullmatch(rf"{i + 1}\.  {head}.*….*{tail}( \*)?   {bic:.3f}", shown), shown
    places = {int(y): (x, one.colour) for one in curves(ranking) for x, y in zip(one.x, one.y, strict=True)}
    for i, name in enumerate(order):
        one = found[int(name[-1])]
        assert places[i][0] == one["bic"]
        same = [
            j
            for j, other in enumerate(order)
            if abs(found[int(other[-1])]["log_likelihood"] - one["log_likelihood"]) < 1e-4
        ]
        assert {places[j][1] for j in same} == {places[i][1]}
    of_curve = {round(float(one.y[-1]), 3): one.colour for one in curves(whole)}
    assert all(
        of_curve[round(found[int(name[-1])]["log_likelihood"], 3)] == places[i][1] for i, name in enumerate(order)
    )
    counts = [re.fullmatch(r"log-likelihood (\S+) \((\d) fits?\)", one.label or "") for one in curves(ranking)]
    assert sum(int(each[2]) for each in counts if each) == 8


def test_clusters_of_one_k_are_ranked_by_their_inertia() -> None:
    found = [document("kmeans", "iris.csv", "-k", 4, "--restarts", 1, "--seed", i) for i in range(3)]
    ranking, *_ = panels([candidate(f"seed {i}", one) for i, one in enumerate(found)])
    assert ranking.x_label == "inertia (smaller is better)"
    values = [float(name.split()[-1]) for name in ranking.names]
    assert values == sorted(values) == pytest.approx(sorted(one["inertia"] for one in found), abs=1e-3)


def test_many_candidates_have_a_line_each_and_very_many_the_first() -> None:
    one = document("gmm", "faithful.csv", "-k", 2)
    many = [
        candidate(
            f"gmm-k{k}-{shape}-free", {**one, "k": k, "covariance": shape, "bic": one["bic"] + 7 * k + len(shape)}
        )
        for k in range(1, 10)
        for shape in ("full", "tied", "diag", "spherical")
    ]
    failed = [replace(many[0], name="failed", document=None, error=EmcliError(Exit.NO_FIT, "collapsed"))]
    ranking = panels([*many, *failed])[-1]
    assert len(ranking.names) == 36 and ranking.note == "1 candidate without a fit"
    assert [name.split()[1] for name in ranking.names] == [each.name for each in grouped(many, None)[0].candidates]
    assert {one.label for one in curves(ranking)} == {"full", "tied", "diag", "spherical"}
    more = [replace(each, name=f"{each.name}-{i}") for i in range(2) for each in many]
    ranking = panels(more)[-1]
    assert len(ranking.names) == 40 and ranking.note == "the first 40 of 72 fits"


def test_fits_of_other_data_have_rows_of_their_own_that_say_whose_they_are() -> None:
    found = [
        document("gmm", "faithful.csv", "-k", 2),
        document("gmm", "galaxies.csv", "-k", 2),
        document("kmeans", "iris.csv", "-k", 2),
    ]
    shown = panels([candidate(str(i), one) for i, one in enumerate(found)])
    assert {panel.title.partition(":")[0] for panel in shown} == {"faithful.csv", "galaxies.csv", "iris.csv"}


def test_documents_without_iterations_are_drawn_without_curves() -> None:
    bare = {key: value for key, value in document("gmm", "faithful.csv", "-k", 2).items() if key != "trace"}
    ranking, ways = panels([candidate("a", bare), candidate("b", bare)])
    assert not ways.series and "no iterations" in ways.note and len(ranking.names) == 2


def test_a_picture_names_its_candidates_where_it_describes_itself() -> None:
    one = document("gmm", "faithful.csv", "-k", 2)
    picture = of_comparison(grouped([candidate("first", one), candidate("second", one)], None))
    assert '"names": ["1.  first' in described(picture)
    assert rendered(picture, "png").startswith(b"\x89PNG")
    text = drawn(picture, io.StringIO())
    assert all(panel.title in text for row in picture.panels for panel in row)


def test_names_stand_beside_their_dots_in_the_terminal() -> None:
    done = run("compare", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--covariance", "full,tied", "-q", "--plot", "-")
    lines = done.stdout[done.stdout.index("Ranking by BIC") :].splitlines()
    assert lines[2].split() == ["1.", "gmm-k2-full-free", "2322.192", "1"]
    assert re.fullmatch(r"2\.  gmm-k2-tied-free   2325\.220  \.+2", lines[3]) and max(map(len, lines[:4])) <= 80


@pytest.mark.parametrize("ks", [(1, 2), (2,)])
def test_of_all_shapes_the_best_have_a_colour_and_all_others_are_faint(ks: Sequence[int]) -> None:
    found = []
    for i, shape in enumerate(ALL):
        for k in ks:
            own = document("gmm", "faithful.csv", "-k", k)
            found.append(candidate(f"k{k}-{shape}", {**own, "covariance": shape, "bic": own["bic"] + (5 * i) % 14}))
    picture = of_comparison(grouped(found, None))
    best = [one.settings["covariance"] for one in grouped(found, None)[0].candidates]
    told = set(list(dict.fromkeys(best))[:6])
    for panel in (panel for row in picture.panels for panel in row):
        labels = [one.label for one in panel.series if one.label]
        assert len(labels) <= 8 and len(labels) == len({*labels})
        named = {label.split(",")[0] for label in labels if not label.startswith("best: ")}
        assert named == {*told, "others"}, panel.title
        assert all(one.colour is None for one in panel.series if one.label == "others")
    if len(ks) > 1:  # what is below a panel has the room of a whole row
        assert len(picture.panels[0]) == 1
        assert len([one for one in picture.panels[0][0].series if one.kind == "line"]) == 14
    ways = next(panel for row in picture.panels for panel in row if panel.title.startswith("Log-likelihood, it"))
    long = [one for one in found if one.fitted["iterations"] > 5]
    assert len([one for one in ways.series if len(one.x) > 5]) == len(long) >= 14
    text = drawn(picture, io.StringIO())
    assert text.count(" others") == sum(len(row) for row in picture.panels)
