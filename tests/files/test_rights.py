"""Who may do what with an output that is there stays as it was, or nobody gains a right."""

from __future__ import annotations

import json
import os
import stat
import struct
from pathlib import Path

import pytest
from rules import OLD, Bad, hold, in_process, lay

from emcli.files.outputs import Output

LINES = {
    "fit": "fit gmm x.csv -k 1 --restarts 1 -q -o out.json",
    "predict": "predict f.json x.csv -q -o out.json",
    "plot": "fit gmm x.csv -k 1 --restarts 1 -q --plot out.svg",
    "report": "fit kmeans x.csv -k 1 --restarts 1 -q --report out.html",
}
SOMEBODY = 12345
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def put(path: Path, mode: int, owner: int = -1, group: int = -1) -> Path:
    path.write_text(OLD)
    os.chown(path, owner, group)
    path.chmod(mode)
    return path


def rights(path: Path) -> tuple[int, int, str]:
    there = path.stat()
    return there.st_uid, there.st_gid, oct(stat.S_IMODE(there.st_mode))


@only_root
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_owner_group_and_mode_are_kept(line: str, tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    hold(in_process(["fit", "kmeans", "x.csv", "-k", "1", "-q", "-o", "f.json"], tmp_path), 0)
    path = put(tmp_path / line.split()[-1], 0o2640, SOMEBODY, SOMEBODY + 1)
    hold(in_process(line.split(), tmp_path), 0)
    assert rights(path) == (SOMEBODY, SOMEBODY + 1, "0o2640") and path.read_text() != OLD
    assert not list(tmp_path.glob(".*"))


@only_root
@pytest.mark.parametrize(
    ("mode", "kept"), [(0o640, 0o600), (0o664, 0o644), (0o676, 0o666), (0o6755, 0o755), (0o604, 0o604)]
)
def test_where_owner_and_group_cannot_be_kept_nobody_gains_a_right(
    mode: int, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    path = put(tmp_path / "out", mode, SOMEBODY, SOMEBODY)
    monkeypatch.setattr(os, "fchown", refuse)
    Output(str(path)).write("new")
    assert rights(path) == (os.geteuid(), os.getegid(), oct(kept))


def test_access_lists_and_other_attributes_are_kept(tmp_path: Path) -> None:
    path = put(tmp_path / "out", 0o640)
    entries = [(1, 6, -1), (2, 4, SOMEBODY), (4, 0, -1), (16, 4, -1), (32, 0, -1)]  # acl(5): one more reader
    access = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *each) for each in entries)
    try:
        os.setxattr(path, "user.note", b"mine")
        os.setxattr(path, "system.posix_acl_access", access)
    except OSError:
        pytest.skip("the file system has no such attributes")
    Output(str(path)).write("new")
    assert path.read_text() == "new"
    assert os.getxattr(path, "user.note") == b"mine"
    assert os.getxattr(path, "system.posix_acl_access") == access


def test_another_hard_link_keeps_the_old_content_and_that_only(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    path = tmp_path / "out.json"
    os.link(path, tmp_path / "other")
    hold(in_process(LINES["fit"].split(), tmp_path), 0)
    assert (tmp_path / "other").read_text() == OLD and json.loads(path.read_text())["k"] == 1
    assert path.stat().st_nlink == (tmp_path / "other").stat().st_nlink == 1


def test_nobody_else_can_read_what_comes_before_it_has_the_rights_of_what_was_there(tmp_path: Path) -> None:
    path = put(tmp_path / "out", 0o600)
    seen = []
    opened = os.open

    def watching(name: str, flags: int, mode: int = 0o777, **how: int) -> int:
        descriptor = opened(name, flags, mode, **how)
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    output = Output(str(path))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "open", watching)
        output.write("new")
    assert seen == [0o600] and rights(path)[2] == "0o600"
