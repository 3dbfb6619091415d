"""A table on disk gives the bytes of the table in memory, in little memory, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SAMPLES, run
from forked import Forked

from emcli.compute import arrays
from emcli.compute.processes import can_fork
from emcli.config.checks import size
from emcli.errors import EmcliError

ROWS = 20_000  # several batches, and enough for equal rows to be merged


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of points, rounded points, points on nine columns, counts and flips."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, ROWS)
    x, y = rng.normal(size=ROWS) + 4 * group, rng.normal(size=ROWS) - 3 * group
    often, share = rng.integers(0, 4, ROWS), np.round(3 * rng.random(ROWS), 2) * (rng.random(ROWS) > 0.1)
    tosses = rng.integers(0, 12, ROWS)
    heads = rng.binomial(tosses, np.where(group == 0, 0.2, 0.8))
    flips = ["".join("HT"[bit] for bit in rng.integers(0, 2, n)) or "H" for n in tosses]
    beside = {"w": often, "f": share, "t": ["abc"[i] for i in group]}
    for name, columns in {
        "points": {"x": x, "y": y, **beside},
        "round": {"x": np.round(x), "y": np.round(y), **beside},
        "wide": {f"c{j}": rng.normal(size=ROWS) + group for j in range(9)},
        "counts": {"heads": heads, "tosses": tosses, **beside},
        "flips": {"flips": flips, "t": beside["t"]},
    }.items():
        cells = zip(*([str(cell) for cell in column] for column in columns.values()), strict=True)
        (folder / f"{name}.csv").write_text("\n".join([",".join(columns), *map(",".join, cells)]) + "\n")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        "gmm points.csv -k 3 --columns x,y --row-weights w --truth t",
        "gmm points.csv -k 2 --columns x --row-weights f --covariance tied",
        pytest.param("gmm round.csv -k 3 --columns x,y --row-weights w --truth t", marks=pytest.mark.slow),
        "gmm points.csv -k 3 --columns x,y --covariance spherical --jobs 2",
        pytest.param("gmm points.csv -k 3 --columns x,y --covariance diag --init random", marks=pytest.mark.slow),
        "gmm points.csv -k 2 --columns x,y --covariance VEV --prior default",
        pytest.param("gmm points.csv -k 2 --columns x,y --covariance VVE", marks=pytest.mark.slow),
        "kmeans points.csv -k 3 --columns x,y --row-weights f --truth t",
        "kmeans points.csv -k 3 --columns x,y --standardize",
        pytest.param("kmeans round.csv -k 3 --columns x,y", marks=pytest.mark.slow),
        pytest.param("kmeans points.csv -k 3 --columns x --row-weights w", marks=pytest.mark.slow),
        "kmeans wide.csv -k 3",
        "coins counts.csv -k 2 --truth t --row-weights f --mixing free",
        pytest.param("coins flips.csv -k 2 --truth t", marks=pytest.mark.slow),
    ],
)
def test_the_result_is_that_of_the_table_in_memory(tables: Path, words: str) -> None:
    asked = ("fit", *words.split(), "--restarts", 2, "--max-iter", 12, "--json")
    here, there = (run(*asked, *limit, cwd=tables) for limit in ((), ("--memory", "1kB")))
    assert here.returncode == 0, here.stderr
    assert (there.stdout, there.stderr) == (here.stdout, here.stderr)


def test_standard_input_and_a_comparison_go_to_disk_too(tables: Path) -> None:
    text = (tables / "points.csv").read_bytes()
    words = ("fit", "kmeans", "-", "-k", 2, "--columns", "x,y", "--restarts", 2, "--json")
    assert run(*words, "--memory", "1kB", stdin=text).stdout == run(*words, stdin=text).stdout
    words = ("compare", "gmm", tables / "round.csv", "-k", "1-2", "--columns", "x,y", "--restarts", 2, "--json")
    assert run(*words, "--memory", "1kB").stdout == run(*words).stdout


def test_the_limit_is_no_part_of_the_result_nor_of_an_experiment(tmp_path: Path) -> None:
    done = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, "--memory", "1kB", "--json")
    assert "memory" not in json.loads(done.stdout)["settings"]
    (tmp_path / "e.yaml").write_text("model: gmm\nfit: {k: 2, memory: 1GB}\n")
    assert run("fit", tmp_path / "e.yaml", SAMPLES / "faithful.csv").returncode == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [("500MB", 5 * 10**8), ("2GB", 2 * 10**9), ("1.5k", 1500), ("1GiB", 2**30), ("64", 64), ("3 mb", 3 * 10**6)],
)
def test_a_size_is_bytes_with_a_unit(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "0", "1e9", "1XB", "9999999999TB"])
def test_what_is_no_size_is_refused_in_one_line(text: str) -> None:
    done = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2, f"--memory={text}")
    assert done.returncode == 2
    assert "--memory" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def on_disk() -> Iterator[None]:
    """Every array belongs on disk."""
    arrays.keep_within(1)
    yield
    arrays.keep_within(None)


@pytest.mark.usefixtures("on_disk")
def test_a_folder_that_cannot_be_used_is_one_line() -> None:
    with pytest.raises(EmcliError) as caught:
        arrays.empty((2**50,))
    assert caught.value.exit_code == 5
    said = caught.value.lines()
    assert "cannot keep the table on disk: it takes" in said[0]
    assert "TMPDIR" in said[1]


@pytest.mark.usefixtures("on_disk")
def test_no_other_folder_is_taken_for_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("/no/such", "/dev/null", "/proc"):
        monkeypatch.setenv("TMPDIR", folder)
        with pytest.raises(EmcliError) as caught:
            arrays.empty((9000, 9))
        assert caught.value.exit_code == 5 and caught.value.lines()[0].startswith(f"emcli: error: {folder}: cannot")


@pytest.mark.usefixtures("on_disk")
def test_a_map_whose_pages_are_given_back_keeps_what_was_written() -> None:
    made = arrays.empty((7, 9000))
    made[:] = np.arange(made.size).reshape(made.shape)
    arrays.release()
    assert np.array_equal(made, np.arange(made.size).reshape(made.shape))
    places = np.arange(0, 9000, 7)
    assert np.array_equal(arrays.take_columns(made, places), made[:, places])


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("moment", ["read", "fit"])
def test_a_signal_leaves_nothing_in_the_temporary_folder(
    tables: Path, tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    reading = moment == "read"
    source = "-" if reading else str(tables / "points.csv")
    words = ["fit", "gmm", source, "-k", "3", "--columns", "x,y", "--memory", "1kB", "--solver", "em", "--trace", "-"]
    running = Forked(
        ["emcli", *words, "--tol", "1e-300", "--restarts", "1"],
        stdin=subprocess.PIPE if reading else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    with running:
        if reading:
            assert running.stdin is not None
            line = b"1.25,2.5\n" * 600_000
            running.stdin.write(b"x,y\n" + line)
            running.stdin.flush()
            _wait(lambda: "(deleted)" in _open_files(running.pid))
        else:
            assert running.stdout is not None
            running.stdout.readline()
        running.send_signal(number)
        if running.stdin is not None:
            running.stdin.close()
        try:
            assert running.wait(20) == -number
        finally:
            running.kill()
    assert list(tmp_path.iterdir()) == []


def _open_files(pid: int) -> str:
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue
    return " ".join(found)


def _wait(until: Any) -> None:
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


HELD = """
import subprocess, sys, time
from contextlib import suppress
held, resident = [], []  # kB that nobody can take from the program, and those with the pages of files that it maps
with subprocess.Popen([sys.executable, "-m", "emcli", *sys.argv[1:]], stdout=subprocess.DEVNULL) as program:
    with open(f"/proc/{program.pid}/status") as status, suppress(ProcessLookupError, KeyError):
        while program.poll() is None:
            status.seek(0)
            told = dict(line.split(":", 1) for line in status.read().splitlines())
            held.append(int(told["RssAnon"].split()[0]))
            resident.append(int(told["VmRSS"].split()[0]))
            time.sleep(0.005)
print(program.returncode, max(held), sorted(resident)[len(resident) * 9 // 10])
"""


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gmm", "kmeans"])
def test_memory_stays_within_the_limit_and_200_mb(tmp_path: Path, model: str) -> None:
    """What the program holds always does; with the pages of its files, which the system takes back as it needs them,
    nine of ten looks do: the peak of all tells how busy the machine is, on which these pages are given back.
    """
    import pyarrow
    import pyarrow.csv

    rng = np.random.default_rng(1)
    group = rng.integers(0, 3, 12_500_000)
    columns = {f"x{j}": rng.normal(size=len(group)) + group * (3.0 + j) for j in range(5)}
    pyarrow.csv.write_csv(pyarrow.table(columns), tmp_path / "large.csv")
    del columns, group
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            HELD,
            "fit",
            model,
            str(tmp_path / "large.csv"),
            "-k",
            "3",
            "--memory",
            "200MB",
            "--restarts",
            "4",
            "--max-iter",
            "30",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    code, held, resident = map(int, done.stdout.split())
    assert code == 0
    assert held * 1024 < 200e6
    assert resident * 1024 < 400e6


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("shape", [(9000,), (9000, 3)])
@pytest.mark.parametrize("taken_bytes", [1, 1 << 14, 1 << 26])
def test_rows_here_and_there_are_those_of_the_table_however_few_are_taken_at_a_time(
    shape: tuple[int, ...], taken_bytes: int
) -> None:
    values = arrays.empty(shape)
    values[:] = np.random.default_rng(0).random(shape)
    here_and_there = np.arange(0, 9000, 100)
    for places in (here_and_there, here_and_there[::-1], here_and_there[:1], here_and_there[:0], np.arange(4000)):
        np.testing.assert_array_equal(arrays.take_rows(values, places, taken_bytes), values[places])


@pytest.mark.usefixtures("on_disk")
def test_arrays_are_in_memory_again_once_none_is_on_disk() -> None:
    made = arrays.empty((9000,))
    assert arrays.on_disk()
    assert not can_fork()
    del made
    assert not arrays.on_disk()
