"""Fits side by side show what the table of one fit shows: covariances between columns, and noise that one alone has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, run

FAITHFUL = SAMPLES / "faithful.csv"


def saved(path: Path, *words: Any) -> dict[str, Any]:
    assert run("fit", "gmm", *words, "-k", 2, "--restarts", 2, "-q", "-o", path).returncode == 0
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def lines_of(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_covariances_between_columns_stand_below_the_other_parameters(tmp_path: Path) -> None:
    full = saved(tmp_path / "full.json", FAITHFUL)
    saved(tmp_path / "diag.json", FAITHFUL, "--covariance", "diag")
    shown = run("compare", tmp_path / "full.json", tmp_path / "diag.json", "-q").stdout.split("side by side")[1]
    assert max(map(len, shown.splitlines()[1:])) <= 80
    rows = [words for words in lines_of(shown.split("covariance of")[1]) if words[1:3] == ["eruptions,", "waiting"]]
    expected = np.array(full["parameters"]["covariances"])[:, 0, 1]
    for number, (words, value) in enumerate(zip(rows, expected, strict=True), 1):
        assert words[0] == str(number) and words[4] == "0"  # none with diag
        assert [float(words[3]), -float(words[5])] == pytest.approx([value, value], rel=1e-5)


def test_fits_without_correlations_or_of_many_columns_show_no_covariances(tmp_path: Path) -> None:
    grid = ("--restarts", 1, "-q", "-k", 2, "--covariance")
    assert "covariance of" not in run("compare", "gmm", FAITHFUL, *grid, "diag,spherical").stdout
    assert "covariance of" not in run("compare", "gmm", "galaxies", *grid, "full,tied").stdout
    wide = tmp_path / "wide.csv"
    rows = np.random.default_rng(1).normal(size=(60, 7))
    wide.write_text("\n".join(",".join(map(str, row)) for row in rows.tolist()))
    assert "covariance of" not in run("compare", "gmm", wide, *grid, "full,tied").stdout


def test_held_covariances_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "held.yaml"
    matrix = "[[0.1, 0.5], [0.5, 36]]"
    path.write_text(f"model: gmm\nfit: {{k: 2, restarts: 1, fix: {{covariances: [{matrix}, null]}}}}\n")
    done = run("compare", path, FAITHFUL, "--covariance", "full", "--init", "auto,random", "-q", "--width", 200)
    rows = [words for words in lines_of(done.stdout) if words[1:3] == ["eruptions,", "waiting"]]
    assert rows[0][3] == "*0.5" and [cell for words in rows for cell in words if "*" in cell] == ["*0.5"] * 2


def test_many_fits_summarize_covariances_too(tmp_path: Path) -> None:
    made = [saved(tmp_path / f"s{seed}.json", FAITHFUL, "--seed", seed) for seed in range(4)]
    shown = run("compare", *sorted(tmp_path.glob("*.json")), "-q").stdout
    each, summary = shown.split("Their mean and sd")
    expected = np.mean([document["parameters"]["covariances"] for document in made], axis=0)[:, 0, 1]
    rows = [words for words in lines_of(summary) if words[1:3] == ["eruptions,", "waiting"]]
    assert [float(words[3]) for words in rows] == pytest.approx(expected, rel=1e-5)
    assert "covariance of" in each


def test_noise_of_another_fit_is_shown_beside_one_without(tmp_path: Path) -> None:
    noisy = saved(tmp_path / "noisy.json", "scattered", "--noise")
    plain = saved(tmp_path / "plain.json", "scattered")
    (tmp_path / "plain.json").write_text(json.dumps({**plain, "bic": noisy["bic"] - 1}))  # so that it stands first
    shown = run("compare", tmp_path / "plain.json", tmp_path / "noisy.json", "-q").stdout.split("side by side")[1]
    found = {words[1]: words[2:] for words in lines_of(shown) if words[:1] == ["noise"]}
    assert [*found] == ["weight", "volume"]
    assert [float(found["weight"][0]), float(found["volume"][0])] == pytest.approx(
        [100 * noisy["parameters"]["noise"]["weight"], noisy["parameters"]["noise"]["volume"]], abs=0.06
    )


def test_many_fits_with_noise_call_it_so_and_are_measured_by_the_truth(tmp_path: Path) -> None:
    for seed in range(4):
        words = ("fit", "scattered", "--restarts", 1, "--seed", seed, "-q", "-o", tmp_path / f"s{seed}.json")
        assert run(*words).returncode == 0
    shown = run("compare", *sorted(tmp_path.glob("*.json")), "-q", "--width", 200).stdout.split("Their mean and sd")[1]
    (weight,) = [words for words in lines_of(shown) if words[:2] == ["noise", "weight"]]
    assert "RMSE" in shown and "12.5" in weight  # the true share
