"""Outputs that cannot be written: refused before the work, or left as they were."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from forked import path_with_emcli
from rules import OLD, Bad, Done, bad, check, hold, in_process, lay, rows, snapshot

from emcli.files.outputs import Output

FIT = "fit gmm x.csv -k 1 --restarts 1"
CATALOGUE: dict[str, Bad | list[Bad]] = {
    "a folder that is not there": [
        bad(f"{FIT} -o out/f.json", 5, "out/f.json: cannot write: no such directory 'out'"),
        bad(f"{FIT} --trace out/t.jsonl", 5, "out/t.jsonl: cannot write: no such directory 'out'"),
        bad("generate g.yaml -o out/x.csv", 5, "no such directory 'out'", g__yaml="model: gmm"),
        bad("predict f.json x.csv -o out/x.csv", 5, "no such directory 'out'", f__json="{}"),
        bad("compare gmm x.csv -k 1-2 -o out/x.json", 5, "no such directory 'out'"),
        bad("compare gmm x.csv -k 1-2 --save-fits out", 5, "no such directory"),
        bad(f"{FIT} -o ''", 5, "cannot write: no such directory"),
        bad(f"{FIT} -o x.csv/f.json", 5, "x.csv/f.json: cannot write: not a directory"),
        bad(f"{FIT} -o {'a' * 300}", 5, "cannot write: file name too long"),
        bad(f"{FIT} -o 'no\x1b[2J/f'", 5, "no\\x1b[2J/f: cannot write"),
    ],
    "a folder that takes no files": [
        bad(f"{FIT} -o /proc/f.json", 5, "/proc/f.json: cannot write: "),
        bad(f"{FIT} -o /sys/f.json", 5, "/sys/f.json: cannot write: "),
        bad(f"{FIT} --trace /proc/t", 5, "/proc/t: cannot write: "),
    ],
    "a folder in place of a file": [
        bad(f"{FIT} -o .", 5, ".: cannot write: is a directory"),
        bad(f"{FIT} -o ./", 5, "./: cannot write: is a directory"),
        bad(f"{FIT} -o new/", 5, "cannot write: "),
        bad(f"{FIT} --trace /", 5, "/: cannot write: is a directory"),
    ],
    "a device that is full": [
        bad(f"{FIT} -o /dev/full", 5, "/dev/full: cannot write: no space left on device"),
        bad(f"{FIT} --trace /dev/full", 5, "/dev/full: cannot write: no space left on device"),
        bad("compare gmm x.csv -k 1-2 --restarts 1 -o /dev/full", 5, "/dev/full: cannot write: no space left"),
    ],
}


@rows(CATALOGUE, ("a folder that is not there",))
def test_an_output_is_refused_in_one_line(case: Bad, process: bool, tmp_path: Path) -> None:
    words = case.line.split()
    if "/dev/full" in words:  # known only when it is written: standard output came before
        hold(in_process(lay(tmp_path, case), tmp_path)._replace(out=""), case.code, *case.parts)
    else:
        check(case, tmp_path, process)


def test_an_output_is_checked_before_the_data_are_read(tmp_path: Path) -> None:
    (tmp_path / "text.csv").write_text("x\na\nb\n")
    check(bad("fit gmm text.csv -k 1 -o out/f.json", 5, "no such directory 'out'"), tmp_path, False)
    check(bad("fit gmm text.csv -k 1 -o /proc/f.json", 5, "/proc/f.json: cannot write"), tmp_path, False)


def test_a_link_is_followed_and_the_mode_kept(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    (tmp_path / "in").mkdir()
    target = tmp_path / "in" / "target.json"
    target.write_text(OLD)
    target.chmod(0o640)
    (tmp_path / "link.json").symlink_to("in/target.json")
    before = target.stat().st_ino
    hold(in_process([*FIT.split(), "-o", "link.json"], tmp_path), 0)
    assert (tmp_path / "link.json").is_symlink() and json.loads(target.read_text())["k"] == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o640 and target.stat().st_ino != before
    (tmp_path / "dangling").symlink_to("in/new.json")
    hold(in_process([*FIT.split(), "-o", "dangling"], tmp_path), 0)
    assert (tmp_path / "in" / "new.json").exists()
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_new_file_has_the_mode_of_the_umask_and_a_long_name_works(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    before = os.umask(0o027)
    try:
        for name in ("new.json", "é" * 120 + ".json"):
            hold(in_process([*FIT.split(), "-o", name], tmp_path), 0)
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
    finally:
        os.umask(before)


def shell(line: str, folder: Path) -> Done:
    """Run a line of shell, where `emcli` is the program."""
    environment = {**os.environ, "PATH": path_with_emcli()}
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, check=False, timeout=60, env=environment
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    "line",
    [
        f"{FIT} -o /dev/stdout | cat",
        f"{FIT} -o >(cat) | cat",
        f"{FIT} -o pipe & cat pipe",
        f"{FIT} -o /dev/fd/3 3>> x.json; cat x.json",
        f"{FIT} -o x.json > x.json; cat x.json",
    ],
)
def test_pipes_and_devices_are_written_as_streams(line: str, tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    os.mkfifo(tmp_path / "pipe")
    done = shell(f"emcli {line}; wait", tmp_path)
    hold(done, 0)
    assert '"schema": "emcli.fit/1"' in done.out
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode) and not list(tmp_path.glob(".*"))


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no folder of files below /dev")
def test_a_file_below_dev_is_a_file(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        (tmp_path / "link.json").symlink_to(f"{folder}/f.json")
        for place in (f"{folder}/f.json", f"{folder}/f.json", "link.json"):
            hold(in_process([*FIT.split(), "-o", place], tmp_path), 0)
            assert json.loads(Path(folder, "f.json").read_text())["k"] == 1
        assert os.listdir(folder) == ["f.json"]


def test_a_redirected_standard_output_keeps_tables_and_document(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    hold(shell(f"emcli {FIT} -o /dev/stdout > both", tmp_path), 0)
    text = (tmp_path / "both").read_text()
    assert text.startswith("gmm, k=1") and text.rstrip().endswith("}")


def test_a_result_is_not_lost_because_nobody_hears(tmp_path: Path) -> None:
    lay(tmp_path, bad("fit", 0, w__csv="x\n2019\nNA\n1\n"))
    for redirect in ("2>&-", "2>/dev/full"):
        done = shell(f"emcli fit kmeans w.csv -k 1 --missing drop -o f.json {redirect}", tmp_path)
        assert done.code == 0 and "kmeans" in done.out
        assert json.loads((tmp_path / "f.json").read_text())["warnings"]
        assert shell(f"emcli fit gmm no.csv -k 1 {redirect}", tmp_path)[:2] == (3, "")


FULL = {
    "tables": "fit gmm x.csv -k 1 -o out.json",
    "a document": "fit gmm x.csv -k 1 --json -o out.json",
    "a trace": "fit gmm x.csv -k 1 --trace -",
    "a comparison": "compare gmm x.csv -k 1-2 --restarts 1 -o out.json",
    "rows": "generate g.yaml",
    "the version": "--version",
    "help": "--help",
}
each_full = pytest.mark.parametrize(
    "command",
    [
        pytest.param(line, marks=[pytest.mark.slow] * (name in ("a document", "a comparison", "help")), id=name)
        for name, line in FULL.items()
    ],
)


@each_full
def test_a_full_standard_output_is_5_and_leaves_the_file(command: str, tmp_path: Path) -> None:
    text = "model: gmm\ngenerate: {rows: 9, parameters: {means: [[1]], sds: [[1]]}}\n"
    lay(tmp_path, bad("fit", 0, g__yaml=text))
    before = snapshot(tmp_path)
    hold(shell(f"emcli {command} > /dev/full", tmp_path), 5, "cannot write the result: no space left on device")
    assert snapshot(tmp_path) == before


def test_a_new_file_is_gone_where_the_result_cannot_be_said(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    before = snapshot(tmp_path)
    for end in ("> /dev/full", "| true; exit ${PIPESTATUS[0]}"):
        done = shell(f"emcli {FIT} --trace - -o new.json {end}", tmp_path)
        assert done.code in (5, 141) and snapshot(tmp_path) == before


@pytest.mark.parametrize("line", [FIT, f"{FIT} --json", "compare gmm x.csv -k 1-2 --restarts 1"])
@pytest.mark.parametrize("name", ["out.json", "new.json"])
def test_nothing_is_said_of_a_result_that_cannot_be_put_in_place(
    line: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, Bad("fit", 0))
    before, replace = snapshot(tmp_path), os.replace

    def refuse(source: str, target: str) -> None:
        if str(target).endswith(name):
            raise PermissionError(1, "Operation not permitted")  # as in a sticky folder, or of a mounted file
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    hold(in_process([*line.split(), "-o", name], tmp_path), 5, f"{name}: cannot write: operation not permitted")
    assert snapshot(tmp_path) == before


def test_the_old_file_is_put_back_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, name: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    output = Output(str(tmp_path / "out.json"))
    output.write(OLD)
    with pytest.raises(KeyboardInterrupt), Output(output.path).staged("new"):
        assert Path(output.path).read_text() == "new"
        raise KeyboardInterrupt
    assert Path(output.path).read_text() == OLD and os.listdir(tmp_path) == ["out.json"]
    with Output(output.path).staged("new"):
        pass
    assert Path(output.path).read_text() == "new" and os.listdir(tmp_path) == ["out.json"]


@pytest.mark.parametrize("command", [FULL["tables"], FULL["the version"]], ids=["tables", "the version"])
def test_a_closed_standard_output_is_5_and_leaves_the_file(command: str, tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    before = snapshot(tmp_path)
    hold(shell(f"emcli {command} >&-", tmp_path), 5, "standard output is closed")
    assert snapshot(tmp_path) == before


def limited(line: str, folder: Path, most: int) -> Done:
    """Run a command that can write no more than so many bytes to any file.

    Python would leave the bytecode of a module that it imports first here cut short, and trip over it ever after.
    """
    before, sys.dont_write_bytecode = resource.getrlimit(resource.RLIMIT_FSIZE), True
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        return in_process(line.split(), folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = False


def test_a_broken_pipe_ends_quietly_by_its_signal(tmp_path: Path) -> None:
    text = "model: gmm\ngenerate: {rows: 20000, parameters: {means: [[1]], sds: [[1]]}}\n"
    lay(tmp_path, bad("fit", 0, g__yaml=text))
    done = shell("emcli generate g.yaml | head -1; echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.out.split(), done.err) == (["x", "141"], "")
    done = shell(f"emcli {FIT} -o >(true); echo $?", tmp_path)
    assert done.err == "" and done.out.split()[-1] in ("0", "141")


COMMANDS = {
    "fit": "fit gmm x.csv -k 2 --restarts 2 -o out.json",
    "fit --json": "fit coins c.csv --restarts 2 --json -o out.json",
    "fit --trace": "fit kmeans x.csv -k 2 --restarts 1 -o t.json --trace out.json",
    "fit --plot": "fit kmeans x.csv -k 2 --restarts 1 --plot out.svg",
    "fit an experiment": "fit fit.yaml -o out.json",
    "compare": "compare gmm x.csv -k 1-2 --restarts 1 -o out.json",
    "compare --save-fits": "compare gmm x.csv -k 1-2 --restarts 1 --save-fits fits",
    "predict": "predict f.json x.csv -o out.json",
    "predict a folder": "predict f.json parts -o labelled",
    "generate": "generate g.yaml -o out.json",
}


@pytest.mark.parametrize("line", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("most", [pytest.param(0, marks=pytest.mark.slow), 40])
def test_a_file_too_large_is_5_and_leaves_the_old_one(line: str, most: int, tmp_path: Path) -> None:
    draw = "generate: {rows: 99, parameters: {means: [[1]], sds: [[1]]}}\n"
    files = {"fit__yaml": "model: gmm\ndata: x.csv\nfit: {k: 2, restarts: 2}\n", "g__yaml": "model: gmm\n" + draw}
    lay(tmp_path, bad("fit", 0, **files))
    hold(in_process(["fit", "kmeans", "x.csv", "-k", "2", "-o", "f.json"], tmp_path), 0)
    for folder in ("parts", "fits"):
        (tmp_path / folder).mkdir()
    for name in ("one.csv", "two.csv"):
        (tmp_path / "parts" / name).write_bytes((tmp_path / "x.csv").read_bytes())
    before = contents(tmp_path)
    done = limited(line, tmp_path, most)
    assert done.code == 5 and "cannot write: file too large" in done.err and "Traceback" not in done.err, done
    after = contents(tmp_path)
    if "--trace" in line:  # a log is written while it happens
        assert len(after.pop("out.json")) <= most
        del before["out.json"]
    assert after == before


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
