"""Files that no table of texts can make: pipes, links, what is forbidden, and standard input that is closed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from shutil import which

import pytest
from conftest import ROOT
from forked import path_with_emcli
from rules import POINTS, Bad, Done, hold, in_process, lay


def test_zstd_is_read_where_its_package_is_there_and_else_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd garbage")
    done = in_process(["fit", "gmm", "x.csv.zst", "-k", "1"], tmp_path)
    hold(done, 3, "x.csv.zst: ", "zstd data")
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.compress(POINTS.encode())
    (tmp_path / "y.csv").write_bytes(packed)
    assert "20 rows" in in_process(["fit", "gmm", "y.csv", "-k", "1"], tmp_path).out
    for wrong in (packed[:-5], packed[:12] + b"\xff" + packed[13:]):
        (tmp_path / "z.csv").write_bytes(wrong)
        hold(in_process(["fit", "gmm", "z.csv", "-k", "1"], tmp_path), 3, "z.csv: ", "zstd data")
    (tmp_path / "bomb").write_bytes(zstandard.compress(b"x\n1\n" + b"\n" * (1 << 27)))
    hold(in_process(["fit", "gmm", "bomb", "-k", "1"], tmp_path), 3, "decompression bomb")


def test_a_fifo_is_read_once_in_one_pass(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    feeder = threading.Thread(target=(tmp_path / "pipe").write_text, args=(POINTS,))
    feeder.start()
    done = in_process(["fit", "gmm", "pipe", "-k", "1"], tmp_path)
    feeder.join()
    hold(done, 0)
    assert "20 rows" in done.out


# Root may read and write everything; without that capability even root may not.
WEAKLY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []


@pytest.mark.skipif(bool(WEAKLY) and not which("setpriv"), reason="root may read everything")
def test_what_is_forbidden_is_told(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    (tmp_path / "secret.csv").write_text(POINTS)
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "closed").mkdir()
    (tmp_path / "secret.csv").chmod(0)
    (tmp_path / "old.json").chmod(0o444)
    (tmp_path / "closed").chmod(0o555)

    def weak(*words: str) -> Done:
        done = subprocess.run(
            [*WEAKLY, sys.executable, "-m", "emcli", *words],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    hold(weak("fit", "gmm", "secret.csv", "-k", "1"), 3, "secret.csv: permission denied")
    hold(
        weak("fit", "gmm", "x.csv", "-k", "1", "--restarts", "1", "-o", "closed/f.json"),
        5,
        "closed/f.json: cannot write: permission",
    )
    hold(weak("fit", "gmm", "x.csv", "-k", "1", "-o", "old.json"), 5, "old.json: cannot write: permission denied")
    hold(weak("fit", "gmm", "x.csv", "-k", "1", "--trace", "closed/t"), 5, "closed/t: cannot write: permission denied")
    assert (tmp_path / "old.json").read_text() == "{}"


def test_closed_standard_input_is_told(tmp_path: Path) -> None:
    def closed(line: str, code: int, *parts: str) -> None:
        lay(tmp_path, Bad("fit", 0))
        done = subprocess.run(
            ["sh", "-c", f"emcli {line} <&-"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            text=True,
            env={**os.environ, "PATH": path_with_emcli()},
        )
        hold(Done(done.returncode, done.stdout, done.stderr), code, *parts)

    closed("fit gmm - -k 1", 3, "standard input is closed")
    closed("fit gmm -k 1", 2, "missing DATA")
    closed("fit -", 2, "standard input is closed")
    closed("predict - x.csv", 3, "standard input is closed")
    closed("fit kmeans x.csv -k 1", 0)
