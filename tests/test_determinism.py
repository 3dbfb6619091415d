"""The same bytes whatever surrounds a run: threads, hash seed, folder, locale, and the name of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SAMPLES
from rules import as_process

SURROUNDINGS: list[tuple[dict[str, str], int, str]] = [
    ({}, 1, "a.csv"), ({"PYTHONHASHSEED": "0"}, 2, "a.csv"), ({"PYTHONHASHSEED": "1"}, 4, "a.csv"),
    *(({"OPENBLAS_NUM_THREADS": str(n)}, 2, "a.csv") for n in (1, 2, 3, 4)),
    ({"LC_ALL": "C"}, 1, "a.csv"), ({"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"}, 2, "a.csv"), ({}, 2, "b\u00e9.csv"),
]  # fmt: skip


@pytest.mark.parametrize("line", ["gmm -k 3 --restarts 4", "kmeans -k 3 --restarts 4"])
def test_i28_the_same_bytes_come_out_in_any_surroundings(line: str, tmp_path: Path) -> None:
    outputs = set()
    for number, (env, jobs, name) in enumerate(SURROUNDINGS):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_bytes((SAMPLES / "faithful.csv").read_bytes())
        words = ["fit", *line.split(), "--json", "--jobs", str(jobs), name]
        done = as_process(words, folder, **env)
        assert done.code == 0, done
        outputs.add(done.out.replace(name, "NAME"))
    assert len(outputs) == 1
