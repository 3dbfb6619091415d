"""What of a grid compare fits: each shape of covariances once, those that can hold what is held, enough components."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLES, run

FAITHFUL = SAMPLES / "faithful.csv"
CLASSIC = {"EEE", "VVV", "VVI", "VII"}


def held(folder: Path, what: str) -> Path:
    path = folder / "held.yaml"
    path.write_text(f"model: gmm\nfit: {{k: 2, restarts: 1, fix: {what}}}\n")
    return path


def shapes_of(*words: object) -> tuple[set[str], list[str]]:
    """The shapes of the candidates, and the lines on standard error that are no warnings."""
    done = run("compare", *words, "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = csv.DictReader(io.StringIO(done.stdout))
    return {row["covariance"] for row in rows}, [line for line in done.stderr.splitlines() if "warning" not in line]


def refusal(*words: object, code: int = 2) -> str:
    done = run("compare", *words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    return done.stderr


def test_of_all_shapes_those_are_compared_that_can_hold_what_is_held(tmp_path: Path) -> None:
    shapes, said = shapes_of(held(tmp_path, "{means: [[2.0, 55], null]}"), FAITHFUL, "--covariance", "all")
    assert shapes == CLASSIC
    others = "EII, EEI, VEI, EVI, VEE, EVE, VVE, EEV, VEV, EVV"
    assert said == [f"emcli: no held parameters for covariance {others}: left out"]
    shapes, said = shapes_of(held(tmp_path, "{sds: [[0.3, 6], null]}"), FAITHFUL, "--covariance", "all")
    assert shapes == {"VVV", "VVI"}  # one covariance for all is held for all or none, and spheres have one sd
    assert said[1:] == ["emcli: these values cannot be held with covariance VII, EEE: left out"]


def test_of_all_shapes_those_are_compared_that_have_newton_steps() -> None:
    grid = ("-k", 2, "--restarts", 1, "--covariance", "all")
    assert shapes_of("gmm", FAITHFUL, *grid, "--solver", "newton")[0] == CLASSIC


@pytest.mark.parametrize(
    ("option", "has", "lacking"),
    [
        ("--prior default", ["EEI"], ["VEE"]),
        ("--prior default", ["VVV", "EII"], ["VEE", "EVE"]),
        ("--solver newton", ["full"], ["EEI"]),
        ("--solver newton", [], ["EEI"]),
    ],
)
def test_named_shapes_that_lack_what_is_asked_for_are_refused_and_the_others_are_named(
    option: str, has: list[str], lacking: list[str]
) -> None:
    said = refusal("gmm", FAITHFUL, "-k", "1-2", "--covariance", ",".join([*has, *lacking]), *option.split())
    first, hint = said.splitlines()
    assert first.startswith(f"emcli: error: '{option}' is for covariance full, tied, diag, spherical")
    assert first.endswith(f", not {', '.join(lacking)}")
    some = f"--covariance {','.join(has)} would do; " if has else ""
    assert hint == f"  hint: {some}--covariance all leaves out the shapes that lack it"


def test_named_shapes_that_cannot_hold_are_refused(tmp_path: Path) -> None:
    said = refusal(held(tmp_path, "{means: [[2.0, 55], null]}"), FAITHFUL, "--covariance", "full,EEI")
    assert "'fix' is for covariance full, tied, diag, spherical, not EEI" in said and "full would do" in said


def test_more_components_than_are_held_are_refused_with_what_to_leave_out(tmp_path: Path) -> None:
    said = refusal(held(tmp_path, "{means: [[2.0, 55], null]}"), FAITHFUL, "-k", "1-4", "--covariance", "all")
    assert "fit.fix.means: must have 1 value, got 2" in said
    assert "the experiment holds values of 2 components: leave out -k, or its 'fix:'" in said


def test_names_of_one_shape_are_compared_once_and_a_line_says_so() -> None:
    grid = ("-k", 2, "--restarts", 1, "--covariance")
    shapes, said = shapes_of("gmm", FAITHFUL, *grid, "full,EEE,VVV,tied,diag")
    assert shapes == {"full", "EEE", "diag"}
    assert said == ["emcli: the same covariance, compared once: full = VVV; EEE = tied"]
    assert shapes_of("gmm", FAITHFUL, *grid, "full,tied") == ({"full", "tied"}, [])
    shapes, said = shapes_of("gmm", "galaxies", *grid, "diag,full,tied")
    assert shapes == {"diag", "tied"}
    assert said == ["emcli: of one column the same covariance, compared once: diag = full"]
    assert run("compare", "gmm", FAITHFUL, *grid, "full,VVV", "-q").stderr == ""


@pytest.mark.parametrize("more", [(), ("--restarts", "auto")])
def test_one_gaussian_is_a_sphere_along_the_axes_or_any_and_fitted_whole_and_once(more: tuple[str, ...]) -> None:
    """Three covariances of one Gaussian, whose log-likelihoods are those of its moments."""
    done = run("compare", "gmm", FAITHFUL, "-k", "1-2", "--covariance", "all", "--json", *more)
    (group,) = json.loads(done.stdout)["groups"]
    ones = {row["parameters_count"]: row for row in group["candidates"] if row["k"] == 1}
    assert sorted(ones) == [3, 4, 5] and len(group["candidates"]) == 17
    values = np.loadtxt(FAITHFUL, delimiter=",", skiprows=1)
    matrix = np.cov(values.T, bias=True)
    axes = np.diag(np.diag(matrix))
    for count, each in {3: np.eye(2) * np.trace(matrix) / 2, 4: axes, 5: matrix}.items():
        expected = -0.5 * len(values) * (np.linalg.slogdet(2 * np.pi * each)[1] + 2)
        assert ones[count]["log_likelihood"] == pytest.approx(expected, rel=1e-12)
        assert (ones[count]["status"], ones[count]["reached"]) == ("converged", 1)
    equal = "EII = VII; EEI = VEI = EVI = VVI; EEE = VEE = EVE = VVE = EEV = VEV = EVV = VVV"
    assert f"emcli: with k=1 the same covariance, compared once: {equal}\n" in done.stderr


def test_one_component_is_compared_once_for_all_mixings_and_coins_too() -> None:
    done = run("compare", "coins", "two_coins", "-k", "1-2", "--mixing", "equal,free", "--format", "csv")
    rows = [(row["k"], row["mixing"]) for row in csv.DictReader(io.StringIO(done.stdout))]
    assert sorted(rows) == [("1", "equal"), ("2", "equal"), ("2", "free")]
    assert "emcli: with k=1 the same mixing, compared once: equal = free\n" in done.stderr


def test_priors_of_one_component_differ_between_shapes_and_tests_go_up_in_each(tmp_path: Path) -> None:
    grid = ("gmm", FAITHFUL, "-k", "1-2", "--covariance", "full,tied", "--restarts", 1)
    for more in (("--prior", "default"), ("--test", 19)):
        rows = json.loads(run("compare", *grid, *more, "--json").stdout)["groups"][0]["candidates"]
        assert sorted((row["k"], row["covariance"]) for row in rows)[:2] == [(1, "full"), (1, "tied")]


def test_rows_that_are_drawn_have_as_many_columns_as_a_file_of_them() -> None:
    shapes, said = shapes_of("mixture_1d", "--covariance", "full,diag", "--restarts", 1)
    assert shapes == {"full"} and "diag" in said[0]


@pytest.mark.parametrize("shapes", ["E", "E,V", "full,E"])
def test_a_shape_of_one_column_is_refused_of_two_as_by_a_fit(shapes: str) -> None:
    grid = ("gmm", FAITHFUL, "-k", "2-3", "--covariance")
    one = run("fit", "gmm", FAITHFUL, "-k", 2, "--covariance", "E").stderr
    assert refusal(*grid, shapes, code=3) == one
    assert one.splitlines()[1:] == ["  hint: of several columns that is EEE"]


def test_one_reason_for_which_no_candidate_has_a_fit_is_one_error_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "flat.csv").write_text("x,y\n1,1\n2,1\n4,1\n7,1\n")
    done = run("fit", "gmm", "flat.csv", "-k", 1, cwd=tmp_path)
    both = run("compare", "gmm", "flat.csv", "-k", "1-2", cwd=tmp_path)
    assert (both.returncode, both.stderr) == (done.returncode, done.stderr)
    assert "hint: leave it out with --exclude y" in both.stderr


def test_all_is_no_item_of_a_list() -> None:
    for shapes in ("all,EEI", "full,all"):
        said = refusal("gmm", FAITHFUL, "-k", 1, "--covariance", shapes)
        assert said == "emcli: error: '--covariance' is either all or a list, not both\n"


@pytest.mark.parametrize(
    ("option", "typed", "meant"),
    [("-k", "Auto", "auto"), ("-k", "AUTO", "auto"), ("-k", "2,aut", "auto"), ("--covariance", "ALL", "all")],
)
def test_a_word_for_a_whole_grid_is_suggested(option: str, typed: str, meant: str) -> None:
    said = refusal("gmm", FAITHFUL, *([] if option == "-k" else ["-k", 1]), option, typed)
    assert said.endswith(f"got '{typed.rpartition(',')[2]}' (did you mean '{meant}'?)\n")


def test_fewer_components_than_labels_name_are_left_out() -> None:
    words = ("compare", "iris_labelled", "--restarts", 2)
    done = run(*words, "-k", "1-3", "--json")
    (group,) = json.loads(done.stdout)["groups"]
    assert sorted((row["k"], row["status"]) for row in group["candidates"]) == [(2, "converged"), (3, "converged")]
    assert "emcli: column 'species' names 2 components: k=1 left out\n" in done.stderr
    assert "left out" not in run(*words, "-k", "2-3", "--json").stderr
    refused = refusal(*words[1:], "-k", 1, code=3)
    assert "more than k=1" in refused and "hint: use -k 2 or more" in refused


def test_components_are_tried_from_as_many_as_labels_name() -> None:
    done = run("compare", "kmeans", SAMPLES / "iris_labelled.csv", "--known", "species", "-k", "auto", "--json")
    (group,) = json.loads(done.stdout)["groups"]
    assert min(row["k"] for row in group["candidates"]) == 2 and all("reason" not in row for row in group["candidates"])


def test_an_example_in_the_place_of_data_is_told_from_them(tmp_path: Path) -> None:
    path = tmp_path / "pots.yaml"
    path.write_text("model: coins\nfit: {k: 2}\n")
    one, other = (run(command, path, "extra_zeros") for command in ("fit", "compare"))
    assert (one.returncode, one.stderr) == (other.returncode, other.stderr)
    assert "extra_zeros is an experiment that comes with emcli" in one.stderr
