"""Foreign text is escaped wherever people read it: names of files, columns and labels, in tables and pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import run_here

EVIL = "\x1b[2J\x07\u202e\u2028\x85\x9bm"
LONG = "n" * 180
OURS = re.compile(r"\x1b\[[0-9;]*[mK]")  # colours, and the end of a line of progress
POINTS = "".join(f"{i * 37 % 41}.{i},{i * i * 13 % 53},{EVIL}{i % 2}\n" for i in range(40))
LINES = {
    "fit": "fit gmm FILE -k 2 --restarts 1 --truth LABEL -v --plot -",
    "fit of one column": "fit gmm FILE -k 2 --restarts 1 --columns FIRST -v --plot -",
    "fit with warnings": "fit kmeans FILE -k 2 --columns FIRST,SECOND --max-iter 1 --restarts 1",
    "fit of an experiment": "fit EXPERIMENT -v -k 3 --plot -",
    "coins": "fit coins COINS -k 1 --heads FIRST --tosses SECOND -v --plot -",
    "compare": "compare gmm FILE -k 1-2 --columns FIRST,SECOND --restarts 1 --plot - -v",
    "compare experiments": "compare EXPERIMENT EXPERIMENT --plot - -v",
    "compare fits": "compare SAVED SAVED --plot - -v",
    "predict": "predict SAVED FILE -o labelled.csv -v",
    "generate": "generate SAVED -v -o drawn.csv",
    "no such column": "fit gmm FILE -k 2 --columns nothing",
    "no number": "fit gmm FILE -k 2 --columns LABEL",
    "no such file": "fit gmm MISSING -k 2",
    "many columns": "fit kmeans wide.csv -k 1 -v",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files with hostile names and columns."""
    header = f'"{EVIL}a{LONG}","{EVIL}b","{EVIL}c"\n'
    (tmp_path / f"{EVIL}{LONG[:90]}.csv").write_text(header + POINTS)
    (tmp_path / f"{EVIL}coins.csv").write_text(header + "1,2,x\n1,3,x\n2,3,x\n0,1,x\n")
    fit = f'{{k: 2, restarts: 1, columns: ["{quoted("a" + LONG)}", "{quoted("b")}"]}}'
    data = f"{EVIL}{LONG[:90]}.csv"
    (tmp_path / f"{EVIL}e.yaml").write_text(f'model: gmm\ndata: "{quoted_all(data)}"\nfit: {fit}\n')
    wide = ",".join(f'"{EVIL}{i}{LONG}"' for i in range(60))
    (tmp_path / "wide.csv").write_text(wide + "\n" + "1," * 59 + "1\n" + "2," * 59 + "3\n")
    done = run(tmp_path, f"fit kmeans FILE -k 2 --restarts 1 --columns FIRST,SECOND -q -o {EVIL}f.json")
    assert done == 0
    return tmp_path


def quoted(name: str) -> str:
    return quoted_all(EVIL + name)


def quoted_all(text: str) -> str:
    """A text for double quotes of YAML."""
    return text.encode("unicode_escape").decode()


def words(line: str) -> list[str]:
    """The words of a line, with hostile names for those in capitals."""
    names = {
        "FILE": f"{EVIL}{LONG[:90]}.csv",
        "COINS": f"{EVIL}coins.csv",
        "EXPERIMENT": f"{EVIL}e.yaml",
        "SAVED": f"{EVIL}f.json",
        "MISSING": f"{EVIL}{LONG}/no.csv",
        "FIRST": f"{EVIL}a{LONG}",
        "SECOND": f"{EVIL}b",
        "LABEL": f"{EVIL}c",
    }
    return [re.sub("[A-Z]{4,}", lambda found: names.get(found[0], found[0]), word) for word in line.split(" ")]


def run(folder: Path, line: str) -> int:
    return run_here(words(line), folder).returncode


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize("how", ["pipe", "terminal", "colour"])
def test_nothing_foreign_reaches_a_reader_raw(line: str, how: str, folder: Path) -> None:
    env = {"COLUMNS": "120", **({"NO_COLOR": "", "FORCE_COLOR": "1", "TERM": "xterm"} if how == "colour" else {})}
    done = run_here(words(line), folder, terminal=how != "pipe", env=env)
    assert done.returncode == {LINES["no such column"]: 2, LINES["no number"]: 3, LINES["no such file"]: 3}.get(line, 0)
    for said in re.split("[\r\n]", done.stdout + done.stderr):
        shown = OURS.sub("", said)
        assert shown.isprintable() or not shown, ascii(shown)
        assert len(shown) <= 400, shown


def test_a_shell_completes_no_name_that_it_would_show_raw(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "good.yaml").write_text("model: gmm\n")
    monkeypatch.chdir(folder)
    from emcli.cli.framework.declare import model_or_experiment

    assert [name for name in model_or_experiment("") if name.endswith(".yaml")] == ["good.yaml"]
