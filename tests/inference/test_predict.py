"""A fit applied to rows."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, fit, run

Write = Callable[[str, str], Path]
CASES: dict[str, tuple[str, list[Any]]] = {
    "gmm": ("faithful.csv", ["gmm", "-k", 2]),
    "gmm, tied": ("iris.csv", ["gmm", "-k", 3, "--covariance", "tied", "--restarts", 2]),
    "gmm, spherical": ("iris.csv", ["gmm", "-k", 2, "--covariance", "spherical", "--restarts", 2]),
    "coins": ("two_coins.csv", ["coins", "--mixing", "free"]),
    "flips": ("flips.csv", ["coins"]),
}


@pytest.fixture(scope="module")
def faithful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved fit of two Gaussians to the sample's two columns, eruptions and waiting."""
    return saved(["gmm", "-k", 2], SAMPLES / "faithful.csv", tmp_path_factory.mktemp("faithful"))[0]


def saved(arguments: list[Any], data: Path, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    path = tmp_path / "fit.json"
    return path, fit(*arguments, data, "-o", path)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(("name", "arguments"), CASES.values(), ids=CASES)
def test_log_densities_add_up_to_the_log_likelihood_and_probabilities_to_one(
    name: str, arguments: list[Any], tmp_path: Path
) -> None:
    path, document = saved(arguments, SAMPLES / name, tmp_path)
    done = run("predict", path, SAMPLES / name)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert sum(float(row["log_density"]) for row in found) == pytest.approx(document["log_likelihood"], rel=1e-12)
    k = document["k"]
    for row in found:
        p = [float(row[f"p_{j + 1}"]) for j in range(k)]
        assert abs(sum(p) - 1) <= 4 * k * 2.0**-53
        assert int(row["component"]) == 1 + int(np.argmax(p))
    assert [",".join(list(row.values())[: -k - 2]) for row in found] == (SAMPLES / name).read_text().splitlines()[1:]


def test_k_means_gives_the_nearest_centroid_and_its_distance(tmp_path: Path) -> None:
    path, document = saved(["kmeans", "-k", 3], SAMPLES / "iris.csv", tmp_path)
    found = rows(run("predict", path, "-", stdin=(SAMPLES / "iris.csv").read_bytes()).stdout)
    assert sum(float(row["distance"]) ** 2 for row in found) == pytest.approx(document["inertia"], rel=1e-12)
    centroids = np.array(document["parameters"]["centroids"])
    for row in found[:20]:
        x = np.array([float(value) for value in list(row.values())[:4]])
        away = np.sqrt(((centroids - x) ** 2).sum(axis=1))
        assert (int(row["component"]), float(row["distance"])) == (1 + away.argmin(), pytest.approx(away.min()))


def test_columns_are_found_by_name_and_others_pass_through_as_they_are(faithful: Path, write: Write) -> None:
    new = write("new.csv", 'waiting,name,eruptions\n79,"a, b",3.60\n54,é,1.8\n')
    done = run("predict", faithful, new)
    assert done.stdout.splitlines()[0] == "waiting,name,eruptions,component,p_1,p_2,log_density"
    assert done.stdout.splitlines()[1].startswith('79,"a, b",3.60,2,')
    swapped = run("predict", faithful, write("other.csv", "eruptions,waiting\n3.6,79\n1.8,54\n"))
    assert [row["log_density"] for row in rows(done.stdout)] == [row["log_density"] for row in rows(swapped.stdout)]


def test_rows_without_a_header_are_taken_by_position(faithful: Path) -> None:
    done = run("predict", faithful, stdin="3.6,79\n1.8,54\n")
    assert [row["component"] for row in rows(done.stdout)] == ["2", "1"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("eruptions,wait\n1,2\n", ["no column 'waiting'", "did you mean 'wait'?"]),
        ("a,Waiting\n1,2\n", ["no columns 'eruptions', 'waiting' in", "(has: a, Waiting)"]),
        ("eruptions,waiting,component\n1,2,3\n", ["a column 'component' already"]),
        ("eruptions,waiting\n1,x\n", ["<stdin>:2:2", "'x'"]),
        ("1\n2\n", ["the fit has 2 columns"]),
    ],
)
def test_rows_that_do_not_fit_are_refused(text: str, parts: list[str], faithful: Path) -> None:
    done = run("predict", faithful, stdin=text)
    assert done.returncode == 3
    for part in parts:
        assert part in done.stderr


def test_a_fault_far_down_leaves_whole_lines_on_standard_output_and_no_file(
    faithful: Path, tmp_path: Path, write: Write
) -> None:
    long = write("long.csv", "eruptions,waiting\n" + "3.6,79\n" * 20_000 + "1,x\n")
    done = run("predict", faithful, long)
    assert done.returncode == 3 and "long.csv:20002:2" in done.stderr
    assert done.stdout.endswith("\n") and len(rows(done.stdout)) == 16384
    out = tmp_path / "out.csv"
    assert run("predict", faithful, long, "-o", out).returncode == 3
    assert sorted(file.name for file in tmp_path.iterdir()) == ["long.csv"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "invalid JSON"),
        ("{}", "no 'schema'"),
        ('{"schema": "emcli.fit/2"}', "schema must be"),
        ("{\n", "truncated?"),
    ],
)
def test_what_is_no_fit_is_refused(text: str, part: str, write: Write) -> None:
    done = run("predict", write("f.json", text), stdin="x\n1\n")
    assert (done.returncode, done.stdout) == (3, "")
    assert part in done.stderr


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(faithful: Path, tmp_path: Path) -> None:
    peak = []
    for count in (20_000, 200_000):
        (tmp_path / "long.csv").write_text("eruptions,waiting\n" + "3.6,79\n" * count)
        words = ["predict", str(faithful), "long.csv", "-o", "o.csv"]
        process = subprocess.Popen([sys.executable, "-m", "emcli", *words], cwd=tmp_path)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peak.append(used.ru_maxrss)
    assert peak[1] < peak[0] + 10_000  # kB


def test_standardized_clusters_apply_to_new_rows_in_their_own_units(tmp_path: Path) -> None:
    rows = "a,b\n" + "".join(f"{i % 2 * 5 + i / 50},{i * 37 % 101 * 100}\n" for i in range(40))
    path = tmp_path / "fit.json"
    assert run("fit", "kmeans", "-", "-k", 2, "--standardize", "-o", path, stdin=rows).returncode == 0
    document = json.loads(path.read_text())
    lines = run("predict", path, stdin=rows).stdout.splitlines()[1:]
    centroids, scales = (np.array(document["parameters"][key]) for key in ("centroids", "scales"))
    inertia = 0.0
    for line in lines:
        a, b, component, distance = map(float, line.split(","))
        away = np.linalg.norm((np.array([a, b]) - centroids) / scales, axis=1)
        assert int(component) == int(away.argmin()) + 1 and distance == pytest.approx(away.min(), rel=1e-12)
        inertia += distance**2
    assert inertia == pytest.approx(document["inertia"], rel=1e-12)
    drawn = np.loadtxt(run("generate", path, "-n", 4000).stdout.splitlines()[1:], delimiter=",")
    assert np.mean((drawn.std(axis=0) / scales) ** 2) == pytest.approx(1.0, rel=0.1)


TWICE = "id,x,x\n" + "".join(f"{i},{i % 3}.5,{i % 2 * 9 + i % 5}\n" for i in range(20))
SINGLE = "id,x,z\n" + TWICE.partition("\n")[2]


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (TWICE, None),
        (TWICE.partition("\n")[2], None),  # without a header
        ("id,x\n1,2\n", "<stdin>: the fit's column 'x' is number 3"),
        ("x,x,id\n1,2,3\n", "<stdin>: the fit's column 'x' is number 3"),
    ],
)
def test_a_column_whose_name_is_not_unique_is_told_by_its_number(new: str, message: str | None, tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    data = fit("kmeans", "-", "-k", 2, "--columns", 3, "-o", path, stdin=TWICE)["data"]
    assert (data["columns"], data["column_numbers"]) == (["x"], [3])
    done = run("predict", path, stdin=new)
    if message:
        assert done.returncode == 3 and message in done.stderr
        return
    fit("kmeans", "-", "-k", 2, "--columns", "z", "-o", path, stdin=SINGLE)
    expected = rows(run("predict", path, stdin=SINGLE).stdout)
    assert [row["distance"] for row in rows(done.stdout)] == [row["distance"] for row in expected]


def test_all_columns_of_a_table_with_a_name_twice_are_used_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    data = fit("kmeans", "-", "-k", 2, "-o", path, stdin=TWICE)["data"]
    assert (data["columns"], data["column_numbers"]) == (["id", "x", "x"], [None, 2, 3])
    assert run("predict", path, stdin=TWICE).returncode == 0


def test_columns_without_names_are_told_by_their_numbers(tmp_path: Path) -> None:
    path, plain = tmp_path / "f.json", TWICE.partition("\n")[2]
    assert "column_numbers" not in fit("kmeans", "-", "-k", 2, "--columns", 3, "-o", path, stdin=plain)["data"]
    found = rows(run("predict", path, "--header", stdin=TWICE.replace("id,x,x", "1,2,3")).stdout)
    without = rows(run("predict", path, stdin=plain).stdout)
    assert [row["distance"] for row in found] == [row["distance"] for row in without]


def test_new_columns_get_names_that_are_free(faithful: Path) -> None:
    text = "eruptions,waiting,component,p_1\n3.6,79,a,b\n"
    done = run("predict", faithful, stdin=text)
    assert (done.returncode, done.stdout) == (3, "")
    assert "there is a column 'component' already" in done.stderr and "--prefix NAME" in done.stderr
    done = run("predict", faithful, "--prefix", "new_", stdin=text)
    head = "eruptions,waiting,component,p_1,new_component,new_p_1,new_p_2,new_log_density"
    assert done.stdout.startswith(head + "\n3.6,79,a,b,2,")
    assert "'new_component' already" in run("predict", faithful, "--prefix", "new_", stdin=done.stdout).stderr


def test_probabilities_are_printed_with_as_many_digits_as_asked_for(faithful: Path) -> None:
    text = "eruptions,waiting\n3.6,79\n300,79\n1.8,5000\n3.01,67\n"
    full, short = (rows(run("predict", faithful, *more, stdin=text).stdout) for more in ([], ["--digits", 3]))
    for one, other in zip(full, short, strict=True):
        assert one["component"] == other["component"]
        for name in ("p_1", "p_2", "log_density"):
            assert other[name] == f"{float(one[name]):.3g}"
    assert run("predict", faithful, "--digits", 0, stdin=text).returncode == 2
    assert float(full[1]["p_1"]) == 0 and short[1]["p_1"] == "0"


def test_no_probability_below_1e_300_is_printed(faithful: Path) -> None:
    lines = "".join(f"{3 + i / 10},{60 + i}\n" for i in range(300))
    found = [float(row["p_1"]) for row in rows(run("predict", faithful, stdin="eruptions,waiting\n" + lines).stdout)]
    assert min(p for p in found if p) >= 1e-300 and 0 in found
    assert any(p < 1e-200 for p in found if p)


def test_rows_with_missing_cells_are_kept_without_a_component_if_told_so(faithful: Path, write: Write) -> None:
    text = 'waiting,name,eruptions\n79,"a, b",3.60\nNA,,1.8\n54,é,\n54,é,1.8\n'
    whole, kept = (run("predict", faithful, *more, stdin=text) for more in ([], ["--missing", "keep"]))
    assert whole.returncode == 3 and "--missing drop" in whole.stderr and "--missing keep" in whole.stderr
    lines = kept.stdout.splitlines()
    assert (kept.returncode, len(lines), kept.stderr) == (0, len(text.splitlines()), "")
    assert lines[2:4] == ["NA,,1.8,,,,", "54,é,,,,,"]
    dropped = run("predict", faithful, "--missing", "drop", stdin=text).stdout.splitlines()
    assert dropped == [*lines[:2], lines[4]]
    assert run("predict", faithful, "--missing", "keep", stdin="waiting,eruptions\n,1\n").stdout.endswith("\n,1,,,,\n")
    bad = run("predict", faithful, "--missing", "keep", stdin=text + "x,,1\n")
    assert bad.returncode == 3 and "<stdin>:6:1" in bad.stderr
    assert run("fit", "gmm", "-", "-k", 1, "--missing", "keep", stdin=text).returncode == 2


def test_a_fault_below_rows_that_are_kept_is_told_on_its_line(tmp_path: Path) -> None:
    path, text = tmp_path / "f.json", "flips\nHHT\nNA\nTTTT\nHHHH\n"
    fit("coins", "-", "--missing", "drop", "-o", path, stdin=text)
    found = run("predict", path, "--missing", "keep", "--digits", 2, stdin=text).stdout.splitlines()
    assert found[2] == "NA,,,," and len(found) == 5 and found[4].startswith("HHHH,")
    done = run("predict", path, "--missing", "keep", stdin=text + "HX\n")
    assert done.returncode == 3 and "<stdin>:6:1: flips must be H and T" in done.stderr


@pytest.mark.parametrize(
    "model", [("kmeans",), ("gmm",), ("gmm", "--covariance", "tied"), ("gmm", "--covariance", "diag")]
)
def test_a_row_too_far_away_for_a_square_is_refused(model: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    fit(*model, "-", "-k", 1, "-o", path, stdin="x,y\n1,2\n3,4\n5,9\n7,7\n8,1\n")
    for far in ("1e300,1", "1e200,1e200", "-1e160,3"):
        done = run("predict", path, stdin=f"x,y\n1,2\n{far}\n")
        assert done.returncode == 3 and "<stdin>:3: too far from every component" in done.stderr, done
    assert run("predict", path, stdin="x,y\n1e140,1\n").returncode == 0


def test_rows_left_out_are_told_once(faithful: Path, write: Write) -> None:
    long = write("gaps.csv", "eruptions,waiting\n" + "3.6,79\n,79\n" * 20_000)
    done = run("predict", faithful, long, "--missing", "drop")
    assert done.stderr == "emcli: warning: 20000 rows with missing values left out [dropped-rows]\n"
