"""What the README and the Makefile promise, run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text()
ONE_LINERS = re.search(r"```sh\n(.*?)```", README, re.S)
assert ONE_LINERS is not None


@pytest.fixture(scope="module")
def path_with_emcli(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which `emcli` is this checkout's."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "emcli"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m emcli "$@"\n')
    command.chmod(0o755)
    return f"{folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("line", ONE_LINERS.group(1).splitlines())
def test_a_one_liner_of_the_readme_works_as_pasted(line: str, path_with_emcli: str) -> None:
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": path_with_emcli},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert all(line.startswith("emcli: warning: ") for line in done.stderr.splitlines())


def test_the_help_in_the_readme_is_the_programs(path_with_emcli: str) -> None:
    shown = re.search(r"```text\n(.*?)```", README, re.S)
    assert shown is not None
    done = subprocess.run(
        ["emcli", "fit", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": path_with_emcli, "COLUMNS": "80"},
    )
    printed = "\n".join(line.rstrip() for line in done.stdout.splitlines())  # rich fills lines with spaces
    assert shown.group(1).strip() == printed.strip()


def test_every_picture_and_file_that_the_readme_names_is_there() -> None:
    named = re.findall(r"\]\(([^)]+)\)", README) + [f"configs/{name}" for name in re.findall(r"`(\w+\.yaml)`", README)]
    assert len(named) > 8
    for path in named:
        assert (ROOT / path).is_file(), path


def test_there_are_six_one_liners() -> None:
    assert len(ONE_LINERS.group(1).splitlines()) == 6  # type: ignore[union-attr]


def test_the_experiment_in_the_readme_is_fitted(tmp_path: Path, path_with_emcli: str) -> None:
    text = re.search(r"```yaml\n(.*?)```", README, re.S)
    assert text is not None
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "h.yaml").write_text(text.group(1))
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    done = subprocess.run(
        ["emcli", "fit", "configs/h.yaml"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={**os.environ, "PATH": path_with_emcli},
    )
    assert done.returncode == 0, done.stderr
    assert "of 20 starts reached" in done.stdout


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make"], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.M)
    assert {"demo", "test", "lint"} <= set(targets)
    for target in targets:
        assert f"make {target}" in listed


def test_a_batch_by_make_gives_the_same_bytes_with_two_jobs(tmp_path: Path, path_with_emcli: str) -> None:
    written = []
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        subprocess.run(
            ["make", f"-j{jobs}", "-C", "configs", f"OUT={out}", "SEEDS=1 2"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            env={**os.environ, "PATH": path_with_emcli},
        )
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert written[0] == written[1]
    assert {"data.csv", "best.json", "compare.json", "seed-1.json"} <= set(written[0])
    fits = [json.loads(written[0][f"seed-{seed}.json"]) for seed in (1, 2)]
    assert json.loads(written[0]["best.json"])["bic"] == min(fit["bic"] for fit in fits)
