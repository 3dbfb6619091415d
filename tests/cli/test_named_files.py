"""Files are told by paths that can be opened, and those that an experiment names with the place where it does."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data, start values, and experiments that name them from a folder beside."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "bad.csv").write_text("x\n1\nfoo\n")
    (tmp_path / "good.csv").write_text("x\n1\n2\n4\n7\n9\n")
    (tmp_path / "start.yaml").write_text("weights: [0.5, y]\n")
    for name, data, more in (
        ("fault", "bad.csv", ""),
        ("missing", "nope.csv", ""),
        ("start", "good.csv", ", start: ../start.yaml"),
        ("good", "good.csv", ""),
    ):
        text = f"model: gmm\ndata: ../{data}\nfit: {{k: 1{more}}}\n"
        (tmp_path / "runs" / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        (
            "fault",
            3,
            "FOLDER/bad.csv:3:1: cannot read 'foo' as a number in column 'x' (named in FOLDER/runs/fault.yaml:2:1)",
        ),
        ("missing", 3, "FOLDER/runs/missing.yaml:2:1: data: FOLDER/nope.csv: no such file"),
        (
            "start",
            2,
            "FOLDER/start.yaml:1:16: weights[1]: must be a finite number, got 'y' "
            "(named in FOLDER/runs/start.yaml:3:13)",
        ),
        ("gone", 2, "FOLDER/runs/gone.yaml: no such file"),
    ],
)
def test_a_fault_in_a_file_that_an_experiment_names(folder: Path, name: str, code: int, told: str) -> None:
    for command in ("fit", "compare"):
        done = run(command, folder / "runs" / f"{name}.yaml")
        assert done.returncode == code
        assert done.stderr.splitlines()[0].startswith(f"emcli: error: {told}".replace("FOLDER", str(folder)))


def test_a_column_that_a_flag_names_is_no_fault_of_the_experiment(folder: Path) -> None:
    done = run("fit", folder / "runs" / "good.yaml", "--columns", "z")
    assert done.stderr == f"emcli: error: no column 'z' in {folder}/good.csv (has: x)\n"


def test_what_people_read_names_a_path_that_they_can_open_and_documents_none_of_a_machine(folder: Path) -> None:
    shown = run("fit", folder / "runs" / "good.yaml", "--restarts", 1).stdout
    assert f": {folder}/good.csv, 5 rows (x)" in shown.replace("\n", " ")
    said = run("fit", "gmm", folder / "good.csv", "-k", 1, "--restarts", 1, "--json").stdout
    assert '"source": "good.csv"' in said and str(folder) not in said
    (folder / "twice.csv").write_text("x\n1\n1\n1\n")
    assert f"emcli: error: {folder}/twice.csv: " in run("fit", "gmm", folder / "twice.csv", "-k", 2).stderr
