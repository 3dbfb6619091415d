"""The same fits on a Dask cluster: a scheduler and workers as processes on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import LONG, Processes, begun, cluster, in_the_middle, put, until
from conftest import ROOT
from conftest import run as run_anywhere

pytestmark = [
    pytest.mark.slow,  # a dozen processes each, and deadlines that a busy machine misses
    pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed"),
]
run = partial(run_anywhere, process=True)  # a client in this process would outlive its cluster


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(1)
    clusters = rng.normal([0, 0], [1, 2], (12_000, 2)), rng.normal([5, 3], [1.5, 0.7], (8_000, 2))
    put(folder, "points", rng.permutation(np.concatenate(clusters)), "x,y", 5)
    tosses = rng.integers(5, 30, 5000)
    heads = rng.binomial(tosses, np.where(rng.random(5000) < 0.5, 0.3, 0.7))
    put(folder, "tosses", np.column_stack([heads, tosses]), "heads,tosses", 3)
    heights = np.round(np.concatenate([rng.normal(163, 6, 15_000), rng.normal(176, 7, 15_000)]))
    put(folder, "heights", heights[:, None], "cm", 3)
    put(folder, "line", np.round(rng.normal(0, 1, 3000), 3)[:, None], "x", 3)
    weighted = np.column_stack([rng.normal(size=(2000, 2)), rng.integers(0, 4, 2000)])
    put(folder, "weighted", weighted, "x,y,w", 4)
    put(folder, "numbered", np.column_stack([rng.permutation(900), rng.normal(size=900)]), "nr,x", 3)
    gaps = np.concatenate([rng.normal(4 * j, 1, (1500, 3)) for j in range(3)])
    gaps[rng.random(gaps.shape) < 0.2] = np.nan
    put(folder, "gaps", rng.permutation(gaps), "x,y,z", 4)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with cluster(tmp_path_factory.mktemp("cluster"), 2) as processes:
        yield processes


def fitted(*args: Any, **how: Any) -> dict[str, Any]:
    done = run("fit", *args, "--json", **how)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def flat(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    return [number for each in value for number in flat(each)] if isinstance(value, list) else [value]


CASES = [
    ("points", "gmm", "-k", "2"),
    ("points", "gmm", "-k", "2", "--covariance", "spherical"),
    ("points", "gmm", "-k", "2", "--covariance", "tied", "--mixing", "equal"),
    ("points", "gmm", "-k", "2", "--covariance", "VEV"),
    ("points", "gmm", "-k", "2", "--covariance", "VVE"),
    ("points", "gmm", "-k", "2", "--covariance", "EEV", "--prior", "default"),
    ("points", "kmeans", "-k", "3"),
    ("points", "kmeans", "-k", "2", "--standardize"),
    ("tosses", "coins", "--mixing", "free"),
    ("heights", "gmm", "-k", "2"),
    ("heights", "kmeans", "-k", "3"),
    ("line", "kmeans", "-k", "3"),
    ("tosses", "coins", "--tosses", "30"),
    ("numbered", "kmeans", "-k", "2"),  # with a warning of the identifier
    ("gaps", "kmeans", "-k", "3", "--missing", "use"),
    ("gaps", "gmm", "-k", "3", "--missing", "use"),
    ("gaps", "gmm", "-k", "3", "--missing", "use", "--covariance", "tied"),
    ("gaps", "gmm", "-k", "3", "--missing", "use", "--covariance", "diag", "--prior", "default"),
    ("gaps", "gmm", "-k", "3", "--missing", "use", "--covariance", "VEV"),
    ("weighted", "gmm", "-k", "1", "--columns", "x,y", "--row-weights", "w"),
]


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_cluster_gives_what_one_file_at_hand_gives(case: tuple[str, ...], data: Path, two: Processes) -> None:
    name, *args = (*case, "--restarts", "2")
    here = fitted(*args[:1], data / f"{name}.csv", *args[1:])
    there = fitted(*args[:1], data / name, *args[1:], "--scheduler", two.address)
    np.testing.assert_allclose(flat(there["parameters"]), flat(here["parameters"]), rtol=1e-10, atol=1e-10)
    assert there["log_likelihood"] == pytest.approx(here["log_likelihood"], rel=1e-12)
    entropies = (np.array(each["relative_entropy"], dtype=float) for each in (there, here))  # not a number of K-means
    np.testing.assert_allclose(*entropies, rtol=1e-10)
    assert there["icl"] == pytest.approx(here["icl"], rel=1e-12)
    for key in ("status", "iterations", "warnings", "reached", "settings"):
        assert there[key] == here[key]
    assert there["data"]["rows"] == here["data"]["rows"]
    assert there["data"]["weight"] == here["data"]["weight"]


def test_any_number_of_workers_gives_the_same_bytes(data: Path, two: Processes) -> None:
    args = ("gmm", data / "points", "-k", "2", "--restarts", "2", "--json", "--scheduler")
    one, four = (run("fit", *args, f"local:{n}") for n in (1, 4))
    running = run("fit", *args, two.address)
    assert one.returncode == 0, one.stderr
    assert one.stdout == four.stdout == running.stdout
    assert one.stderr == four.stderr == running.stderr == ""


def test_a_trace_is_the_same_as_for_a_file(data: Path, two: Processes) -> None:
    here = run("fit", "gmm", data / "points.csv", "-k", "2", "--trace", "-")
    there = run("fit", "gmm", data / "points", "-k", "2", "--trace", "-", "--scheduler", two.address)
    lines = [[json.loads(line) for line in done.stdout.splitlines()] for done in (here, there)]
    assert [(line["type"], line["start"]) for line in lines[0]] == [(line["type"], line["start"]) for line in lines[1]]


def test_compare_and_bootstrap_use_the_cluster_too(data: Path, two: Processes) -> None:
    args = ("gmm", "-k", "1-2", "--covariance", "full,diag", "--restarts", "2", "--json")
    here = run("compare", args[0], data / "points.csv", *args[1:])
    there = run("compare", args[0], data / "points", *args[1:], "--scheduler", two.address)
    assert there.returncode == 0, there.stderr
    ranked = [json.loads(done.stdout)["groups"][0]["candidates"] for done in (here, there)]
    for one, other in zip(*ranked, strict=True):
        assert other["name"] == one["name"]
        assert other["bic"] == pytest.approx(one["bic"], rel=1e-12)
    grid = ("-k", "1-4", "--covariance", "full,tied,diag", "--json")  # so many that most are screened, by a sample
    there = run("compare", "gmm", data / "points", *grid, "--scheduler", two.address)
    assert there.returncode == 0, there.stderr
    found = json.loads(there.stdout)["groups"][0]["candidates"]
    assert {row["status"] for row in found} == {"converged", "screened"}
    assert (found[0]["name"], found[0]["bic"]) == ("gmm-k2-diag-free", pytest.approx(ranked[0][0]["bic"], rel=1e-12))
    few = ("gmm", data / "weighted", "-k", "1", "--columns", "x,y", "--row-weights", "w", "--bootstrap", "20")
    errors = fitted(*few, "--scheduler", two.address)["bootstrap"]["standard_errors"]
    np.testing.assert_allclose(errors["means"], [[0.0183, 0.0183]], rtol=0.6)


def test_a_worker_killed_in_mid_fit_changes_no_byte(data: Path, tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", 2) as processes:
        args = (*LONG[:1], data / "points", *LONG[1:], "--scheduler", processes.address)
        whole = run("fit", *args)
        trace = tmp_path / "trace.jsonl"
        process = begun(*args, "--trace", trace)
        in_the_middle(trace)
        processes.workers[0].kill()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out.decode() == whole.stdout
        assert err.decode() == whole.stderr


@pytest.mark.parametrize("victims", ["scheduler", "workers"])
def test_a_cluster_that_dies_is_one_line(victims: str, data: Path, tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", 1) as processes:
        trace, out = tmp_path / "trace.jsonl", tmp_path / "fit.json"
        args = (*LONG[:1], data / "points", *LONG[1:], "--scheduler", processes.address)
        process = begun(*args, "--trace", trace, "-o", out)
        in_the_middle(trace)
        assert processes.scheduler is not None
        (processes.scheduler if victims == "scheduler" else processes.workers[0]).kill()
        said, err = process.communicate(timeout=15)
        assert process.returncode == 3
        what = "the scheduler is gone" if victims == "scheduler" else "all workers are gone"
        assert err.decode().splitlines()[0] == f"emcli: error: {processes.address}: {what}"
        assert len(err.decode().splitlines()) == 2
        assert said == b""
        assert not out.exists()


def test_an_interrupt_leaves_no_task_behind(data: Path, tmp_path: Path, two: Processes) -> None:
    from distributed import Client

    trace = tmp_path / "trace.jsonl"
    process = begun(*LONG[:1], data / "points", *LONG[1:], "--scheduler", two.address, "--trace", trace)
    in_the_middle(trace)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert process.returncode == -signal.SIGINT
    assert out == b""
    assert err == b"emcli: interrupted\n"  # the trace was written
    with Client(two.address, set_as_default=False) as client:
        until(lambda: client.run_on_scheduler(lambda dask_scheduler: not dask_scheduler.tasks))


def test_a_part_that_cannot_be_read_is_named_with_its_line(data: Path, tmp_path: Path, two: Processes) -> None:
    shutil.copytree(data / "points", tmp_path / "points")
    bad = tmp_path / "points" / "3.csv"
    lines = bad.read_text().splitlines()
    for i, line, place in (
        (100, "1.0,abc", ":101:2: cannot read 'abc'"),
        (0, "x,z", ":1:2: header differs from the first part's: column 2 is 'z', not 'y'"),
    ):
        bad.write_text("\n".join([*lines[:i], line, *lines[i + 1 :]]))
        done = run("fit", "gmm", "points", "-k", "2", "--scheduler", two.address, cwd=tmp_path)
        assert done.returncode == 3
        assert done.stderr.startswith(f"emcli: error: points/3.csv{place}"), done.stderr
        assert done.stdout == ""


def test_rows_that_a_model_cannot_read_are_named_too(data: Path, tmp_path: Path, two: Processes) -> None:
    shutil.copytree(data / "tosses", tmp_path / "tosses")
    with (tmp_path / "tosses" / "2.csv").open("a") as part:
        part.write("7,5\n")
    done = run("fit", "coins", "tosses", "--scheduler", two.address, cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("emcli: error: tosses/2.csv:1668:1: heads 7 > tosses 5"), done.stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("nowhere",), 3, "nowhere: no such file"),
        (("empty",), 3, "empty: no parts in this folder"),
        (("points", "--columns", "x,q"), 2, "no column 'q'"),
        (("points", "--plot", "-"), 2, "'--plot' and '--scheduler' exclude each other"),
        (("-",), 2, "'--scheduler' needs DATA that its workers can read"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    args: tuple[str, ...], code: int, said: str, data: Path, two: Processes
) -> None:
    (data / "empty").mkdir(exist_ok=True)
    done = run("fit", "gmm", *args, "-k", "2", "--scheduler", two.address, cwd=data)
    assert done.returncode == code
    assert said in done.stderr.splitlines()[0]
    assert done.stdout == ""


def test_a_scheduler_that_cannot_be_used_is_a_usage_error(data: Path, tmp_path: Path) -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        for mute in (False, True):
            if mute:
                silent.listen()
            done = run("fit", "gmm", data / "points", "-k", "2", "--scheduler", nobody, timeout=15)
            assert done.returncode == 2
            assert done.stderr.splitlines()[0] == f"emcli: error: no scheduler answers at {nobody}"
            assert len(done.stderr.splitlines()) == 2
    done = run("fit", "gmm", data / "points", "-k", "2", "--scheduler", "127.0.0.1")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_workers_of_another_version_are_refused(data: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "emcli", tmp_path / "other" / "emcli", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "other" / "emcli" / "__init__.py").open("a") as module:
        module.write('\n__version__ = "9.9"\n')
    with cluster(tmp_path / "cluster", 0) as processes:
        processes.add(path=tmp_path / "other")
        processes.ready()
        done = run("fit", "gmm", data / "points", "-k", "2", "--scheduler", processes.address)
        assert done.returncode == 2
        assert "has emcli 9.9, but here it is" in done.stderr


def test_without_the_extra_the_error_names_it(data: Path, tmp_path: Path) -> None:
    (tmp_path / "dask.py").write_text("raise ImportError\n")
    env = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = run("fit", "gmm", data / "points", "-k", "2", "--scheduler", "local:1", env=env)
    assert done.returncode == 2
    assert f"needs the Python package dask\n  hint: {sys.executable} -m pip install 'dask[distributed]'" in done.stderr
