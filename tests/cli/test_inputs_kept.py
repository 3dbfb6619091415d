"""A file that is read is never written, whatever name or link it goes by."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from attack.overwriting import QUICK, lay
from forked import path_with_emcli
from rules import POINTS, hold, in_process

NAMES = ["x.csv", "./x.csv", "sub/../x.csv", "link.csv", "hard.csv", "chain.csv"]
LINES = [
    *(f"fit gmm x.csv {QUICK} {option} {name}" for name in NAMES for option in ("-o", "--trace")),
    *(f"fit gmm link.csv {QUICK} {option} x.csv" for option in ("-o", "--trace")),
    f"fit gmm x.csv {QUICK} --plot drawn.svg",
    f"fit gmm x.csv {QUICK} --report page.html",
    f"fit gmm x.csv {QUICK} -o /proc/self/cwd/x.csv",
    *(f"fit gmm parts {QUICK} {option} parts/b.csv" for option in ("-o", "--trace")),
    f"fit gmm parts {QUICK} -o part_of_it.csv",
    f"fit gmm linked {QUICK} -o x.csv",
    f"fit gmm x.csv {QUICK} --start s.yaml --trace s.yaml",
    *(f"fit {name} {option} x.csv" for name in ("e.yaml", "sub/e.yaml") for option in ("-o", "--trace")),
    *(f"fit {name} {option} s.yaml" for name in ("started.yaml",) for option in ("-o", "--trace")),
    *(f"fit folder.yaml {option} parts/b.csv" for option in ("-o", "--trace")),
    "fit e.yaml -o e.yaml",
    *(
        f"compare gmm {data} -k 1-2 {option}"
        for data, option in (("parts", "-o parts/b.csv"), ("x.csv", "-o hard.csv"))
    ),
    *(f"compare e.yaml coins.yaml {option} {name}" for option in ("-o", "--trace") for name in ("x.csv", "c.csv")),
    *(f"compare e.yaml f.json {option} f.json" for option in ("-o", "--trace")),
    *(f"compare e.yaml started.yaml {option} s.yaml" for option in ("-o", "--trace")),
    *(f"compare f.json f.json {option} x.csv" for option in ("-o", "--trace")),
    "compare e.yaml folder.yaml -o parts/b.csv",
    "compare e.yaml -q --plot drawn.svg",
    *(f"compare gmm saved/gmm-k1-full-free.json -k 1-2 --restarts 1 {rest}" for rest in ("--save-fits saved",)),
    "compare gmm x.csv -k 2 --start saved/gmm-k2-full-free.json --save-fits saved",
    "compare saved/good.json f.json --save-fits saved",
    *(f"predict f.json x.csv -o {name}" for name in (*NAMES, "f.json")),
    "predict f.json linked/a.csv -o x.csv",
    "generate g.yaml -o g.yaml",
    "generate f.json -o f.json",
]


@pytest.fixture(scope="module")
def saved_fit(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The document of a fit to x.csv, made once."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "x.csv").write_text(POINTS)
    hold(in_process(["fit", "gmm", "x.csv", *QUICK.split(), "-o", "f.json"], folder), 0)
    return (folder / "f.json").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, saved_fit: bytes) -> Path:
    """Inputs of all kinds, and other names for them."""
    lay(tmp_path, saved_fit)
    (tmp_path / "saved" / "gmm-k1-full-free.json").write_text(POINTS)
    for link, target in {
        "link.csv": "x.csv",
        "chain.csv": "link.csv",
        "part_of_it.csv": "parts/a.csv",
        "drawn.svg": "x.csv",
        "page.html": "x.csv",
    }.items():
        (tmp_path / link).symlink_to(target)
    os.link(tmp_path / "x.csv", tmp_path / "hard.csv")
    for name in ("saved/gmm-k2-full-free.json", "saved/good.json"):
        (tmp_path / name).write_bytes(saved_fit)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("line", LINES)
def test_no_output_is_an_input(line: str, folder: Path) -> None:
    before = contents(folder)
    done = in_process(line.split(), folder)
    assert done.code == 2 and "output would overwrite the input" in done.err, done
    assert done.out == "" and contents(folder) == before


@pytest.mark.parametrize(
    "line",
    [
        f"fit gmm x.csv {QUICK} >> x.csv",
        pytest.param(f"fit gmm - {QUICK} -o out.json < x.csv >> x.csv", marks=pytest.mark.slow),
        f"fit gmm - {QUICK} -o x.csv < x.csv",
        pytest.param(f"fit gmm x.csv {QUICK} -o /dev/stdout >> x.csv", marks=pytest.mark.slow),
        "compare e.yaml >> x.csv",
        "generate g.yaml >> g.yaml",
        "predict f.json parts >> parts/b.csv",
    ],
)
def test_standard_output_is_no_input_either(line: str, folder: Path) -> None:
    before = contents(folder)
    done = subprocess.run(
        ["bash", "-c", f"emcli {line}"],
        cwd=folder,
        capture_output=True,
        env={**os.environ, "PATH": path_with_emcli()},
        check=False,
    )
    assert done.returncode == 2 and b"output would overwrite the input" in done.stderr
    assert contents(folder) == before


def test_other_files_beside_inputs_may_be_written(folder: Path) -> None:
    for line in (
        f"fit gmm parts {QUICK} -o parts/_fit.json",
        "compare kmeans x.csv -k 1-2 --save-fits saved",
        "predict f.json x.csv -o sub/x.csv",
        f"fit gmm x.csv {QUICK} -o f.json",  # what an earlier run has read is no input of this one
    ):
        assert in_process(line.split(), folder).code == 0, line


@pytest.mark.parametrize(
    "line",
    [
        "compare gmm saved/gmm-k1-full-free.json -k 1-2 --save-fits saved",
        "compare gmm x.csv -k 3,2 --start saved/gmm-k2-full-free.json --save-fits saved",
        "compare e.yaml saved/good.json --save-fits saved",
    ],
)
def test_a_saved_fit_that_would_replace_an_input_is_found_before_any_fit(line: str, folder: Path) -> None:
    done = in_process([*line.split(), "--trace", "trace.jsonl"], folder)
    assert (done.code, "output would overwrite the input" in done.err) == (2, True), done
    assert not (folder / "trace.jsonl").exists()
