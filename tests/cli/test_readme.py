"""What the README and the Makefile promise, run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, run
from forked import path_with_emcli

README = (ROOT / "README.md").read_text()
ONE_LINERS = re.search(r"```sh\n(.*?)```", README, re.S)
assert ONE_LINERS is not None


@pytest.mark.parametrize("line", ONE_LINERS.group(1).splitlines())
def test_a_one_liner_of_the_readme_works_as_pasted(line: str) -> None:
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": path_with_emcli()},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert all(line.startswith("emcli: warning: ") for line in done.stderr.splitlines())


def test_the_steps_in_the_readme_are_those_of_the_program() -> None:
    shown = re.search(r"^    \$ emcli (steps .*)\n    …\n((?:    .*\n)+)", README, re.M)
    assert shown is not None
    lines = "".join(line.removeprefix("    ") for line in shown[2].splitlines(keepends=True))
    assert lines.count("\n") > 5 and lines in run(*shown[1].split()).stdout


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 180


def test_every_picture_and_file_that_the_readme_names_is_there() -> None:
    named = re.findall(r"\]\(([^)]+)\)", README) + [f"configs/{name}" for name in re.findall(r"`(\w+\.yaml)`", README)]
    assert len(named) > 15
    for path in named:
        assert (ROOT / path).is_file(), path


def test_there_are_six_one_liners() -> None:
    assert len(ONE_LINERS.group(1).splitlines()) == 6  # type: ignore[union-attr]


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make"], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.M)
    assert {"demo", "test", "lint"} <= set(targets)
    for target in targets:
        assert f"make {target}" in listed


def test_a_batch_by_make_with_two_jobs_gives_the_bytes_of_its_commands(tmp_path: Path) -> None:
    out = tmp_path / "batch"
    asked = ["make", "-j2", "-C", "configs", f"OUT={out}", "SEEDS=1 2"]
    subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "PATH": path_with_emcli()})
    written = {path.name: path.read_text() for path in out.iterdir()}
    assert {"data.csv", "best.json", "compare.json", "seed-1.json", "seed-2.json"} <= set(written)
    assert run("generate", "configs/mixture_1d.yaml").stdout == written["data.csv"]
    fits = [out / f"seed-{seed}.json" for seed in (1, 2)]
    words = ("fit", "gmm", out / "data.csv", "-k", 3, "--init", "random", "--restarts", 2, "--json")
    for seed, path in enumerate(fits, 1):
        assert run(*words, "--seed", seed).stdout == written[path.name]
    assert run("compare", *fits, "--json").stdout == written["compare.json"]
    best = min(json.loads(written[path.name])["bic"] for path in fits)
    assert json.loads(written["best.json"])["bic"] == best
