"""Signals at every step, memory that is not there, and a process that is sealed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT
from forked import Forked
from rules import OLD, Bad, Done, as_process, bad, hold, in_process, lay, limited, snapshot

SITE = f"{ROOT / 'tests' / 'site'}:{ROOT}"
SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
RECIPE = "model: gmm\ngenerate: {rows: 9, parameters: {means: [[1]], sds: [[1]]}}\n"
each_signal = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
one_signal = pytest.mark.parametrize(  # the others, which end a fit by the same way, with `make test-slow`
    "number",
    [pytest.param(number, marks=[pytest.mark.slow] * (number != signal.SIGINT), id=number.name) for number in SIGNALS],
)


@contextmanager
def started(line: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    lay(folder, bad("fit", 0, g__yaml=RECIPE))
    os.mkfifo(folder / "pipe")
    with Forked(
        ["emcli", *line.split()],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_sleep(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has slept for a tenth of a second, however long its start took on a busy machine."""
    seen: list[tuple[str, ...]] = []
    while len(seen) < 5 or len(set(seen[-5:])) > 1 or seen[-1][0] != "S":
        assert process.poll() is None
        time.sleep(0.02)
        words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
        seen.append((words[0], *words[11:13]))  # its state, and the clock ticks that it used


def dies(process: subprocess.Popen[bytes], number: signal.Signals, written: bool = False) -> tuple[str, str]:
    """Send the signal: within a second the program dies by it, and says one line, which is true."""
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.communicate(timeout=5)
    assert time.monotonic() - began < 1
    assert process.returncode == -number
    assert err.decode() == f"emcli: {SIGNALS[number]}{'' if written else '; nothing written'}\n"
    return out.decode(), err.decode()


@one_signal
def test_a_signal_in_reading(number: signal.Signals, tmp_path: Path) -> None:
    with started("fit gmm pipe -k 1 -o out.json", tmp_path) as process, open(tmp_path / "pipe", "wb", 0) as feed:
        feed.write(b"x\n1\n2\n")
        time.sleep(0.2)
        assert dies(process, number)[0] == ""
    assert (tmp_path / "out.json").read_text() == OLD and not list(tmp_path.glob(".*"))


@one_signal
def test_a_signal_while_a_file_waits_to_be_opened(number: signal.Signals, tmp_path: Path) -> None:
    with started("fit pipe x.csv", tmp_path) as process:
        wait_for_sleep(process)
        dies(process, number)


@each_signal
def test_a_signal_in_fitting(number: signal.Signals, tmp_path: Path) -> None:
    line = "fit gmm x.csv -k 2 --restarts 50000 --trace t.jsonl -o out.json"
    with started(line, tmp_path) as process:
        trace = tmp_path / "t.jsonl"
        while not trace.exists() or not trace.stat().st_size:
            time.sleep(0.02)
        assert dies(process, number, written=True)[0] == ""
    assert trace.read_text().endswith("}\n")
    assert (tmp_path / "out.json").read_text() == OLD and not list(tmp_path.glob(".*"))


@one_signal
def test_a_signal_in_writing(number: signal.Signals, tmp_path: Path) -> None:
    with started("generate g.yaml -n 300000 -o pipe", tmp_path) as process, open(tmp_path / "pipe", "rb", 0) as sink:
        sink.read(10)
        time.sleep(0.2)
        dies(process, number, written=True)


def half_written(folder: Path) -> tuple[subprocess.Popen[bytes], list[Path]]:
    lay(folder, Bad("fit", 0))
    hold(in_process(["fit", "kmeans", "x.csv", "-k", "2", "-o", "f.json"], folder), 0)
    process = Forked(
        ["emcli", "predict", "f.json", "-", "-o", "out.json"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    row = b"1," + b" " * 60 + b"2\n"
    process.stdin.write(b"x,y\n" + row * (4_232_000 // len(row)))  # a block to be read, and what a pipe holds
    process.stdin.flush()
    while not (there := [path for path in folder.glob(".out.json.*.tmp") if path.stat().st_size]):
        time.sleep(0.02)
    return process, there


@one_signal
def test_a_signal_removes_the_temporary_file(number: signal.Signals, tmp_path: Path) -> None:
    process, _ = half_written(tmp_path)
    dies(process, number)
    assert (tmp_path / "out.json").read_text() == OLD and not list(tmp_path.glob(".*"))


def test_a_kill_leaves_the_old_file_and_a_temporary_one_that_shows_what_it_is(tmp_path: Path) -> None:
    process, there = half_written(tmp_path)
    process.kill()
    process.communicate()
    assert (tmp_path / "out.json").read_text() == OLD and list(tmp_path.glob(".*")) == there


EARLY = ["emcli", "emcli.cli.app", "emcli.cli.guard", "typer"]  # before the guard stands: without a word


@pytest.mark.parametrize("module", [*EARLY, "numpy", "emcli.inference.fit"])
@one_signal
def test_a_signal_in_starting_shows_no_traceback(module: str, number: signal.Signals, tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    before = snapshot(tmp_path)
    done = as_process(
        ["fit", "gmm", "x.csv", "-k", "1", "-o", "out.json"],
        tmp_path,
        PYTHONPATH=SITE,
        EMCLI_TEST_SIGNAL=f"{module}={int(number)}",
    )
    early = module in EARLY
    if not (module == "emcli" and number == signal.SIGINT):  # Python itself is not ready for it
        assert done.err == ("" if early else f"emcli: {SIGNALS[number]}; nothing written\n")
        assert (done.code, done.out) == (-number, "")
    assert snapshot(tmp_path) == before


def test_a_second_interrupt_is_immediate(tmp_path: Path) -> None:
    with started("fit gmm pipe -k 1", tmp_path) as process, open(tmp_path / "pipe", "wb", 0):
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.wait(1) == -signal.SIGINT


WIDE = ",".join(f"c{i}" for i in range(3000)) + "\n" + "\n".join(",".join([f"{r}.5"] * 3000) for r in range(5)) + "\n"


@pytest.mark.parametrize(
    "line",
    [
        "generate g.yaml -n 1000000000",
        "fit gmm wide.csv -k 3 --covariance full",
    ],
)
def test_what_does_not_fit_in_memory_is_refused_before_it_is_tried(line: str, tmp_path: Path) -> None:
    lay(tmp_path, bad("fit", 0, g__yaml=RECIPE, wide__csv=WIDE))
    before = snapshot(tmp_path)
    done = limited(f"{line} -o out.json", tmp_path, 400)
    hold(done, 3, "not enough memory for ")
    assert "it takes" in done.err and snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("fit kmeans - -k 1", marks=pytest.mark.slow),
        pytest.param("fit kmeans long.csv -k 1", marks=pytest.mark.slow),
        pytest.param("fit gmm long.csv -k 1 --covariance diag", marks=pytest.mark.slow),
    ],
)
def test_a_table_that_does_not_fit_in_memory_is_fitted_from_disk(line: str, tmp_path: Path) -> None:
    rows = b"x,y\n" + b"1,2\n2,4\n3,3\n" * 1_700_000
    if "long" in line:
        (tmp_path / "long.csv").write_bytes(rows)
    done = limited(line, tmp_path, 400, rows if " - " in line else b"")
    assert done.code == 0 and "5100000" in done.out, done.err


def test_an_endless_line_is_refused_in_little_memory(tmp_path: Path) -> None:
    command = f"yes 1234567 | tr -d '\\n' | head -c 1000000000 | {sys.executable} -m emcli fit gmm -k 1"
    done = subprocess.run(
        ["sh", "-c", f"ulimit -v 600000; {command}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    hold(Done(done.returncode, done.stdout, done.stderr), 3, "<stdin>:1: line is longer than 16777216 bytes")


LINES = {
    "fit gmm x.csv -k 2 --restarts 2 --json -o o.json --trace t": 0,
    "fit coins c.csv": 0,
    "fit kmeans http://localhost:1/x.csv -k 1": 3,
    "compare gmm x.csv -k 1-2 --restarts 1 --jobs 1": 0,
    "predict f.json x.csv": 0,
    "generate g.yaml": 0,
    "fit e.yaml x.csv": 2,
    "--help": 0,
    "fit -h": 0,
}


def test_no_network_no_subprocess_no_pickle_no_code_from_data(tmp_path: Path) -> None:
    hostile = "model: !!python/object/apply:os.system ['touch owned']\n"
    lay(tmp_path, bad("fit", 0, g__yaml=RECIPE, e__yaml=hostile))
    hold(in_process(["fit", "kmeans", "x.csv", "-k", "2", "-o", "f.json"], tmp_path), 0)
    script = "import sys\nfrom emcli.cli.app import main\n"
    script += f"print([int(main(line.split())) for line in {list(LINES)}], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": SITE, "EMCLI_TEST_SEALED": "1"},
    )
    assert "FORBIDDEN" not in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1] == str(list(LINES.values()))
    assert not (tmp_path / "owned").exists()
