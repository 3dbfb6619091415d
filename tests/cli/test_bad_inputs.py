"""Everything in the table of bad inputs is refused by the rules, and some that need more than a line of it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from bad_inputs import CATALOGUE, EXPERIMENT, yaml
from rules import Bad, bad, check, hold, in_process, lay, rows
from yaml import SafeLoader, YAMLError, scan

# As a process too, which in_process stands for everywhere else: one of each command, and of each kind of file.
PROCESSES = (
    "no such file",
    "a decompression bomb",
    "words among numbers",
    "a fit that is no JSON",
    "an unknown key",
    "parameters to generate from that are none",
    "identical rows",
    "half a toss",
)


def processor_seconds() -> float:
    """Of this process and those that it waited for: what a busy machine leaves as it is."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


@rows(CATALOGUE, PROCESSES)
def test_a_bad_input_is_refused_in_a_few_lines(case: Bad, process: bool, tmp_path: Path) -> None:
    began = processor_seconds()
    check(case, tmp_path, process)
    assert processor_seconds() - began < 5
    assert not (tmp_path / "owned").exists()


@pytest.mark.slow
def test_an_experiment_of_too_many_values_takes_little_longer_than_its_scan(tmp_path: Path) -> None:
    text = "model: gmm\nfit: {k: [" + "1," * 100_001 + "1]}\n"
    before = processor_seconds()
    with suppress(YAMLError):
        for _ in scan(text, Loader=SafeLoader):
            pass
    between = processor_seconds()
    check(yaml(text, "more than 100000 values"), tmp_path, False)
    assert processor_seconds() - between < 3 * (between - before)


def test_all_faults_are_told_at_once_and_at_most_ten(tmp_path: Path) -> None:
    keys = "".join(f"  key{i}: 1\n" for i in range(14))
    done = check(yaml(EXPERIMENT + keys, "and 4 more"), tmp_path, False)
    assert done.err.count("unknown key") == 10


@pytest.mark.parametrize("data", ["http://localhost:1/x.csv", "~/x.csv", "$HOME/x.csv", "*.csv"])
def test_the_data_of_an_experiment_are_a_path(data: str, tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    (tmp_path / "fit.yaml").write_text(f"model: gmm\ndata: '{data}'\nfit: {{k: 2}}\n")
    hold(in_process(["fit", "fit.yaml"], tmp_path), 3, f"{data}: no such file")


def test_data_without_a_column_of_the_fit_are_told(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    hold(in_process(["fit", "kmeans", "x.csv", "-k", "2", "-o", "f.json"], tmp_path), 0)
    check(bad("predict f.json z.csv", 3, "no column 'y' in z.csv (has: x, z)", z__csv="x,z\n1,2\n"), tmp_path, False)
    check(bad("predict f.json z.csv", 3, "has 2 columns, these data 1", z__csv="1\n2\n"), tmp_path, False)
    check(bad("predict f.json z.csv", 3, "'component' already", z__csv="x,y,component\n1,2,3\n"), tmp_path, False)


def test_an_address_is_a_path_that_does_not_exist(tmp_path: Path) -> None:
    check(bad("fit gmm http://localhost:1/x.csv -k 1", 3, "no such file"), tmp_path, False)
    check(bad("predict https://localhost:1/f.json x.csv", 3, "no such file"), tmp_path, False)


def test_a_loop_of_links_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    check(bad("fit gmm loop.csv -k 1", 3, "loop.csv: too many levels of symbolic links"), tmp_path, False)
    check(bad("fit gmm x.csv -k 1 -o loop.csv", 5, "too many levels of symbolic links"), tmp_path, False)
