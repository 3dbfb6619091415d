"""The same bytes whatever surrounds a run: threads, hash seed, folder, locale, and the name of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SAMPLES
from rules import as_process

SURROUNDINGS: list[tuple[dict[str, str], int, str]] = [
    ({}, 1, "a.csv"),
    ({"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C"}, 2, "a.csv"),
    (
        {"PYTHONHASHSEED": "4242", "OPENBLAS_NUM_THREADS": "4", "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"},
        4,
        "b\u00e9.csv",
    ),
    ({"PYTHONHASHSEED": "1", "OPENBLAS_NUM_THREADS": "3", "LC_ALL": "de_DE.UTF-8"}, 2, "some folder/a.csv"),
]
LINES = {
    "gmm": ("faithful.csv", "gmm -k 3 --restarts 4"),
    "kmeans": ("faithful.csv", "kmeans -k 3 --restarts 4"),
    "coins": ("two_coins.csv", "coins -k 2 --restarts 4"),
}


@pytest.mark.parametrize("model", LINES)
def test_the_same_bytes_come_out_in_any_surroundings(model: str, tmp_path: Path) -> None:
    data, line = LINES[model]
    outputs = set()
    for number, (env, jobs, name) in enumerate(SURROUNDINGS):
        folder = tmp_path / str(number)
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes((SAMPLES / data).read_bytes())
        done = as_process(["fit", *line.split(), "--json", "--jobs", str(jobs), name], folder, **env)
        assert done.code == 0, done
        outputs.add(done.out.replace(name, "NAME"))
    assert len(outputs) == 1
