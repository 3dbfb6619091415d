"""Section B of the catalogue: files that cannot be read as text, or that only look as if they could not."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path
from shutil import which

import pytest
from conftest import ROOT
from rules import POINTS, Bad, Done, as_process, bad, check, hold, lay, rows

FIT = "fit gmm x.csv -k 1"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
BINARY = {
    "PNG": PNG, "ELF": b"\x7fELF\x02\x01\x01", "NumPy .npy": b"\x93NUMPY\x01\0v\0", "Parquet": b"PAR1\x15\x04",
    "zip or xlsx": b"PK\x03\x04\x14\0", "PDF": b"%PDF-1.7\n", "xz": b"\xfd7zXZ\0\0", "SQLite": b"SQLite format 3\0",
    "JPEG": b"\xff\xd8\xff\xe0", "bzip2": b"BZh91AY&SY",
}  # fmt: skip
ZSTD = b"\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00x\n1\n"
LATIN = ":1: not valid UTF-8 at byte 3 (0xe9)"
CATALOGUE: dict[str, Bad | list[Bad]] = {
    "B1": [
        bad("fit gmm data.csv -k 1", 3, "data.csv: no such file (did you mean 'data.tsv'?)", data__tsv="x\n1\n"),
        bad("fit gmm no/x.csv -k 1", 3, "no/x.csv: no such file"),
        bad("fit gmm '' -k 1", 3, "'': no such file"),
        bad("predict fi.json x.csv", 3, "fi.json: no such file (did you mean 'fit.json'?)", fit__json="{}"),
        bad("compare a.json b.json", 3, "a.json: no such file"),
        bad("generate e.yaml", 2, "e.yaml: no such file"),
        bad("fit gmm x.csv -k 1 --start s.yaml", 2, "s.yaml: no such file"),
        bad("compare a.yaml b.yaml", 2, "a.yaml: no such file"),
    ],
    "B2": [
        bad("fit gmm . -k 1", 3, ": not a part, by its name"),
        bad("predict . x.csv", 3, ".: is a directory"),
        bad("generate /", 2, "/: is a directory"),
        bad("fit gmm x.csv -k 1 --start .", 2, ".: is a directory"),
    ],
    "B4": [
        bad(FIT, 3, "x.csv: file is empty", x__csv=""),
        bad(FIT, 3, "x.csv: file is empty", x__csv="\ufeff"),
        bad(FIT, 3, "x.csv: file is empty", x__csv=gzip.compress(b"")),
        bad("fit gmm -k 1", 3, "<stdin>: file is empty", stdin=""),
        bad("fit gmm /dev/null -k 1", 3, "/dev/null: file is empty"),
        bad("predict f.json x.csv", 3, "f.json: invalid JSON: file is empty", f__json=""),
    ],
    "B5": [
        bad(FIT, 3, "x.csv: no data rows after the header on line 1", x__csv="x,y\n"),
        bad(FIT, 3, "after the header on line 3", x__csv="\n\nx,y"),
        bad("fit coins x.csv", 3, "after the header on line 1", x__csv="heads,tosses\r\n\r\n"),
        bad(FIT + " --missing drop", 3, "no rows left: all 2 have missing values", x__csv="x,y\nNA,1\n,2\n"),
    ],
    "B6": [
        bad(FIT, 3, "x.csv: no data rows, only blank lines or comments", x__csv="\n\n  \n"),
        bad(FIT + " --comment '#'", 3, "no data rows, only blank lines or comments", x__csv="# a\n# b\n"),
        bad(FIT, 3, "no row in the first", x__csv=gzip.compress(b"\n" * (30 << 20))),
    ],
    "B7": [bad(FIT, 3, f"x.csv: not a text file (looks like {kind})", x__csv=start) for kind, start in BINARY.items()]
    + [bad(FIT, 3, "x.csv:1: not a text file (byte 2 is NUL)", x__csv=b"x\0,y\n1,2\n")]
    + [bad(FIT, 3, "x.csv:2: not a text file (byte 2 is NUL)", x__csv=b"x\n1\0\n")],
    "B9": [
        bad(FIT, 3, "x.csv" + LATIN, "iconv", x__csv=b"ol\xe9,y\n1,2\n"),
        bad(FIT, 3, "x.csv:3: not valid UTF-8 at byte 3 (0xe9)", x__csv=b"x,y\n1,2\n3,\xe9\n"),
        bad(FIT, 3, "UTF-16 text", x__csv="x,y\n1,2\n".encode("utf-16")),
        bad(FIT, 3, "not valid UTF-8", x__csv=b"x\n1\xed\xa0\x80\n"),
        bad(FIT, 3, "not valid UTF-8", x__csv=b"x\n\xc0\xb1\n"),
        bad("predict f.json x.csv", 3, "f.json:2:5: not valid UTF-8 at byte 5 (0xe9)", f__json=b'{\n "ab\xe9": 1}'),
        bad("generate e.yaml", 2, "e.yaml:2:5: not valid UTF-8", e__yaml=b"model: gmm\na: b\xe9\n"),
    ],
    "B16": [
        bad(FIT.replace("x.csv", "x.csv.gz"), 3, "x.csv.gz: not gzip data", x__csv__gz="x\n1\n2\n"),
        bad(FIT.replace("x.csv", "x.csv.zst"), 3, "x.csv.zst: not zstd data", x__csv__zst="x\n1\n2\n"),
        bad(FIT, 3, "truncated gzip data", x__csv=gzip.compress(POINTS.encode())[:-6]),
        bad(FIT, 3, "looks like gzip in gzip", x__csv=gzip.compress(gzip.compress(POINTS.encode()))),
    ],
    "B14 bomb": [
        bad(FIT, 3, "line is longer than", x__csv=gzip.compress(bytes(1 << 26))),
        bad(FIT, 3, "line is longer than", x__csv=gzip.compress(b"x\n" + b"1" * (1 << 25))),
        bad(FIT, 3, "decompression bomb", x__csv=gzip.compress(b"x\n1\n" + b"\n" * (1 << 27))),
    ],
    "B22": [
        bad("fit gmm x.csv/y.csv -k 1", 3, "x.csv/y.csv: not a directory"),
        bad(f"fit gmm {'a' * 300}.csv -k 1", 3, "file name too long"),
        bad("generate x.csv/y.yaml", 2, "x.csv/y.yaml: not a directory"),
        bad(f"predict {'a' * 300}.json x.csv", 3, "file name too long"),
        bad(f"fit gmm x.csv -k 1 --start {'a' * 300}", 2, "file name too long"),
    ],
}  # fmt: skip


@rows(CATALOGUE)
def test_a_file_is_refused_in_one_line(case: Bad, process: bool, tmp_path: Path) -> None:
    check(case, tmp_path, process)


FINE: dict[str, tuple[str, dict[str, str | bytes]]] = {
    "B10 byte order mark": ("fit kmeans b.csv -k 1 --columns x", {"b.csv": "\ufeffx,y\n1,2\n3,4\n"}),
    "B10 without header": ("fit kmeans b.csv -k 1 --columns 1", {"b.csv": "\ufeff1,2\n3,4\n"}),
    "B12 no newline at the end": ("fit kmeans b.csv -k 1", {"b.csv": "x\n1\n2"}),
    "B14 gzip": ("fit kmeans b.csv.gz -k 1", {"b.csv.gz": gzip.compress(b"x\n1\n2\n")}),
    "B16 gzip by content": ("fit kmeans b.csv -k 1", {"b.csv": gzip.compress(b"x\n1\n2\n")}),
    "B18 /dev/stdin": ("fit kmeans /dev/stdin -k 1", {"<": "x\n1\n2\n"}),
    "B21 brackets": ("fit kmeans 'a[1].csv' -k 1", {"a[1].csv": "x\n1\n2\n", "a1.csv": "x\n7\n"}),
    "B21 star": ("fit kmeans '*?.csv' -k 1", {"*?.csv": "x\n1\n2\n"}),
    "B21 tilde": ("fit kmeans '~$HOME.csv' -k 1", {"~$HOME.csv": "x\n1\n2\n"}),
    "B21 address": ("fit kmeans http:x.csv -k 1", {"http:x.csv": "x\n1\n2\n"}),
}


@pytest.mark.parametrize(("line", "files"), FINE.values(), ids=FINE)
def test_a_file_that_only_looks_bad_works(line: str, files: dict[str, str | bytes], tmp_path: Path) -> None:
    given = files.pop("<", "")
    case = Bad(line, 0, files=files, stdin=given)
    done = as_process(lay(tmp_path, case), tmp_path, given.encode() if isinstance(given, str) else given)
    hold(done, 0)
    assert "2 rows" in done.out


def test_b21_an_address_is_a_path_that_does_not_exist(tmp_path: Path) -> None:
    check(bad("fit gmm http://localhost:1/x.csv -k 1", 3, "no such file"), tmp_path, True)
    check(bad("predict https://localhost:1/f.json x.csv", 3, "no such file"), tmp_path, False)


def test_b14_zstd_is_read_where_its_package_is_there_and_else_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd garbage")
    done = as_process(["fit", "gmm", "x.csv.zst", "-k", "1"], tmp_path)
    hold(done, 3, "x.csv.zst: ", "zstd data")
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.compress(POINTS.encode())
    (tmp_path / "y.csv").write_bytes(packed)
    assert "20 rows" in as_process(["fit", "gmm", "y.csv", "-k", "1"], tmp_path).out
    for wrong in (packed[:-5], packed[:12] + b"\xff" + packed[13:]):
        (tmp_path / "z.csv").write_bytes(wrong)
        hold(as_process(["fit", "gmm", "z.csv", "-k", "1"], tmp_path), 3, "z.csv: ", "zstd data")
    (tmp_path / "bomb").write_bytes(zstandard.compress(b"x\n1\n" + b"\n" * (1 << 27)))
    hold(as_process(["fit", "gmm", "bomb", "-k", "1"], tmp_path), 3, "decompression bomb")


def test_b18_a_fifo_is_read_once_in_one_pass(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    feeder = threading.Thread(target=(tmp_path / "pipe").write_text, args=(POINTS,))
    feeder.start()
    done = as_process(["fit", "gmm", "pipe", "-k", "1"], tmp_path)
    feeder.join()
    hold(done, 0)
    assert "20 rows" in done.out


def test_b22_a_loop_of_links_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    check(bad("fit gmm loop.csv -k 1", 3, "loop.csv: too many levels of symbolic links"), tmp_path, True)
    check(bad("fit gmm x.csv -k 1 -o loop.csv", 5, "too many levels of symbolic links"), tmp_path, False)


# Root may read and write everything; without that capability even root may not.
WEAKLY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []


@pytest.mark.skipif(bool(WEAKLY) and not which("setpriv"), reason="root may read everything")
def test_b3_g6_what_is_forbidden_is_told(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    (tmp_path / "secret.csv").write_text(POINTS)
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "closed").mkdir()
    (tmp_path / "secret.csv").chmod(0)
    (tmp_path / "old.json").chmod(0o444)
    (tmp_path / "closed").chmod(0o555)

    def weak(*words: str) -> Done:
        done = subprocess.run(
            [*WEAKLY, sys.executable, "-m", "emcli", *words], cwd=tmp_path, capture_output=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    hold(weak("fit", "gmm", "secret.csv", "-k", "1"), 3, "secret.csv: permission denied")
    hold(weak("predict", "secret.csv", "x.csv"), 3, "secret.csv: permission denied")
    hold(weak("fit", "gmm", "x.csv", "-k", "1", "-o", "closed/f.json"), 5, "closed/f.json: cannot write: permission")
    hold(weak("fit", "gmm", "x.csv", "-k", "1", "-o", "old.json"), 5, "old.json: cannot write: permission denied")
    hold(weak("fit", "gmm", "x.csv", "-k", "1", "--trace", "closed/t"), 5, "closed/t: cannot write: permission denied")
    assert (tmp_path / "old.json").read_text() == "{}"


def test_b24_closed_standard_input_is_told(tmp_path: Path) -> None:
    def closed(line: str, code: int, *parts: str) -> None:
        lay(tmp_path, Bad("fit", 0))
        done = subprocess.run(
            ["sh", "-c", f"'{sys.executable}' -m emcli {line} <&-"], cwd=tmp_path, capture_output=True, check=False,
            text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        hold(Done(done.returncode, done.stdout, done.stderr), code, *parts)

    closed("fit gmm - -k 1", 3, "standard input is closed")
    closed("fit gmm -k 1", 2, "missing DATA")
    closed("fit -", 2, "standard input is closed")
    closed("predict - x.csv", 3, "standard input is closed")
    closed("fit gmm x.csv -k 1", 0)
