"""What the program writes, byte for byte as recorded in tests/frozen; EMCLI_FREEZE=1 records it anew.

Left out on purpose: help, errors of usage, pictures in the terminal, and the places named in errors of a fit's JSON.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from unittest.mock import patch

import pytest
from conftest import ROOT, run_here

FROZEN = ROOT / "tests" / "frozen"
RECORD = os.environ.get("EMCLI_FREEZE") == "1"
KEPT = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "MPLCONFIGDIR")

# The lines of each case run one after another in the root of the repository, separated by new lines; TMP is a folder of
# the case's own, and every file left there is compared too. A name that ends in @N shares its recording with the others
# of that name, and JOBS is N in it.
CASES: dict[str, str] = {
    # fit: experiments
    "fit-blobs": "fit configs/blobs.yaml --json",
    "fit-do-batzoglou": "fit configs/do_batzoglou.yaml --json",
    "fit-heights": "fit configs/heights.yaml --restarts 2 --json --max-iter 100",
    "fit-mixture-1d": "fit configs/mixture_1d.yaml --restarts 2 --max-iter 20 --json --plot TMP/x.svg",
    "fit-two-coins": "fit configs/two_coins.yaml -v --plot TMP/x.svg",
    # fit: Gaussian mixtures
    "fit-gmm-full": "fit gmm sample_data/faithful.csv -k 2 --json",
    "fit-gmm-tied": "fit gmm sample_data/faithful.csv -k 3 --covariance tied --restarts 4 -v --columns waiting,1",
    "fit-gmm-diag": "fit gmm sample_data/iris.csv -k 3 --covariance diag --mixing equal --restarts 4 --json",
    "fit-gmm-spherical": """
        fit gmm sample_data/iris.csv -k 2 --covariance spherical --init random --restarts 3 --trace -
        """,
    "fit-gmm-line": "fit gmm sample_data/galaxies.csv -k 4 --seed 7 --json",
    "fit-gmm-em": "fit gmm sample_data/faithful.csv -k 2 --solver em --restarts 2 --bootstrap 40 --plot TMP/x.svg",
    "fit-gmm-one": "fit gmm sample_data/galaxies.csv -k 1 --tol 1e-9 --json",
    "fit-gmm-truth": """
        generate configs/heights.yaml -n 150 --seed 4 --labels -o TMP/rows.csv
        fit gmm TMP/rows.csv -k 2 --truth component --restarts 4
        """,
    "fit-gmm-start": """
        fit gmm sample_data/faithful.csv -k 2 --restarts 2 -q -o TMP/fit.json
        fit gmm sample_data/faithful.csv -k 2 --start TMP/fit.json --json
        predict TMP/fit.json sample_data/faithful.csv
        generate TMP/fit.json -n 20 --seed 3 --labels
        """,
    # fit: K-means
    "fit-kmeans": "fit kmeans sample_data/iris.csv -k 3 --columns Petal.Length,Petal.Width --standardize -v",
    "fit-kmeans-line": "fit kmeans sample_data/galaxies.csv -k 3 --restarts 3 --init random --json --plot TMP/x.svg",
    "fit-kmeans-saved": """
        fit kmeans sample_data/blobs.csv -k 3 --restarts 3 -o TMP/fit.json --trace TMP/trace.jsonl
        predict TMP/fit.json sample_data/blobs.csv -o TMP/rows.csv
        generate TMP/fit.json -n 10 --labels
        """,
    # fit: coins
    "fit-coins-free": """
        fit coins sample_data/thumbtacks.csv -k 2 --tosses n --row-weights freq --mixing free -v --bootstrap 40
        """,
    "fit-coins-flips": "fit coins sample_data/flips.csv --flips flips --mixing equal --json",
    "fit-coins-saved": """
        fit coins sample_data/two_coins.csv -k 2 --mixing free --restarts 3 --json -o TMP/fit.json
        predict TMP/fit.json sample_data/do_batzoglou.csv
        generate TMP/fit.json -n 10 --seed 8 --labels
        """,
    # any number of processes
    "fit-jobs@1": "fit gmm sample_data/faithful.csv -k 3 --restarts 5 --bootstrap 20 --trace - --jobs JOBS",
    "fit-jobs@2": "fit gmm sample_data/faithful.csv -k 3 --restarts 5 --bootstrap 20 --trace - --jobs JOBS",
    # compare
    "compare-gmm": """
        compare gmm sample_data/faithful.csv -k 1-3 --covariance full,tied --restarts 2 --plot TMP/x.svg -v
        """,
    "compare-gmm-json": "compare gmm sample_data/galaxies.csv -k 1-3 --covariance full,tied --restarts 3 --json",
    "compare-coins": """
        compare coins sample_data/thumbtacks.csv --tosses n --row-weights freq -k 1-3 --mixing free,equal \\
            --restarts 3 --criterion aic
        """,
    "compare-kmeans": "compare kmeans sample_data/blobs.csv -k 2-4 --restarts 3 --trace -",
    "compare-experiments": "compare configs/do_batzoglou.yaml configs/two_coins.yaml --json -o TMP/compare.json",
    "compare-saved": """
        compare gmm sample_data/galaxies.csv -k 2 --mixing free,equal --restarts 2 -q --save-fits TMP
        compare TMP/gmm-k2-full-free.json TMP/gmm-k2-full-equal.json configs/do_batzoglou.yaml --criterion icl
        """,
    # generate
    "generate-configs": """
        generate configs/blobs.yaml --seed 1 --labels
        generate configs/do_batzoglou.yaml
        """,
    "generate-mixture": "generate configs/mixture_1d.yaml -n 30 --seed 9",
}


def outputs(name: str, folder: Path) -> dict[str, bytes]:
    """What a case writes: the lines with both streams of each as `txt`, and its files by their names."""
    jobs = name.partition("@")[2]
    env = {key: os.environ[key] for key in KEPT if key in os.environ}
    env |= {"COLUMNS": "80", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    said = b""
    for line in CASES[name].replace("\\\n", "").strip().splitlines():
        words = [word.replace("TMP", str(folder)).replace("JOBS", jobs) for word in shlex.split(line)]
        with patch.dict(os.environ, env, clear=True):
            done = run_here(words, ROOT)
        assert done.returncode == 0, done.stderr
        said += f"$ emcli {shlex.join(shlex.split(line))}\n".encode()
        said += b"--- stdout\n" + done.stdout.encode() + b"--- stderr\n" + done.stderr.encode()
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return {key: value.replace(str(folder).encode(), b"TMP") for key, value in {"txt": said, **files}.items()}


def difference(was: bytes, now: bytes) -> str:
    """The first line that differs, and the one before it."""
    old, new = was.splitlines(keepends=True), now.splitlines(keepends=True)
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return f"line {at + 1}, after {old[max(at - 1, 0) : at]!r}:\n  was {old[at : at + 1]!r}\n  now {new[at : at + 1]!r}"


@pytest.mark.parametrize("name", CASES)
def test_the_same_bytes_as_recorded(name: str, tmp_path: Path) -> None:
    kept = name.partition("@")[0]
    now = outputs(name, tmp_path)
    if RECORD:
        FROZEN.mkdir(exist_ok=True)
        for path in FROZEN.glob(f"{kept}.*"):
            if path.name.removeprefix(f"{kept}.") not in now:
                path.unlink()
        for ending, text in now.items():
            (FROZEN / f"{kept}.{ending}").write_bytes(text)
    was = {path.name.removeprefix(f"{kept}."): path.read_bytes() for path in FROZEN.glob(f"{kept}.*")}
    assert sorted(now) == sorted(was)
    wrong = [f"{kept}.{key}, {difference(was[key], now[key])}" for key in now if now[key] != was[key]]
    assert not wrong, "\n".join(wrong)


def test_every_recording_is_of_a_case() -> None:
    assert {path.name.partition(".")[0] for path in FROZEN.iterdir()} == {name.partition("@")[0] for name in CASES}
