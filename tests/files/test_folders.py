"""A folder of outputs is put in place whole, or leaves nothing behind."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from emcli.files.outputs import OutputFolder


def test_a_folder_that_cannot_be_opened_any_more_leaves_nothing_beside_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where no more files may be open: it is emptied by the names in it."""

    def refused(path: str) -> None:
        raise OSError(errno.EMFILE, "too many open files", path)

    monkeypatch.setattr(shutil, "rmtree", refused)
    folder = OutputFolder(str(tmp_path / "parts"))
    with pytest.raises(KeyError), folder.opened():
        folder.next("a.csv").write("x\n1\n")
        folder.next("b.csv").write("x\n2\n")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
