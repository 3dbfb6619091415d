"""The same bytes whatever surrounds a run: threads, hash seed, folder, locale, and the name of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SAMPLES
from rules import as_process, in_process

SURROUNDINGS: list[tuple[dict[str, str], int, str]] = [
    ({}, 1, "a.csv"),
    (
        {"PYTHONHASHSEED": "4242", "OPENBLAS_NUM_THREADS": "4", "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"},
        4,
        "b\u00e9.csv",
    ),
    ({"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C"}, 2, "a.csv"),
    ({"PYTHONHASHSEED": "1", "OPENBLAS_NUM_THREADS": "3", "LC_ALL": "de_DE.UTF-8"}, 2, "some folder/a.csv"),
]
LINES = {
    "gmm": ("faithful.csv", "gmm -k 3 --restarts 4"),
    "kmeans": ("faithful.csv", "kmeans -k 3 --restarts 4"),
    "coins": ("two_coins.csv", "coins -k 2 --restarts 4"),
}


@pytest.mark.parametrize("model", LINES)
def test_the_same_bytes_come_out_in_any_surroundings(model: str, tmp_path: Path) -> None:
    """Of this process, and of others: for the Gaussians of all surroundings, for the others of the oddest."""
    data, line = LINES[model]
    outputs = set()
    for number, (env, jobs, name) in enumerate(SURROUNDINGS if model == "gmm" else SURROUNDINGS[:2]):
        folder = tmp_path / str(number)
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes((SAMPLES / data).read_bytes())
        words = ["fit", *line.split(), "--json", "--jobs", str(jobs), name]
        done = as_process(words, folder, **env) if env else in_process(words, folder)
        assert done.code == 0, done
        outputs.add(done.out.replace(name, "NAME"))
    assert len(outputs) == 1
