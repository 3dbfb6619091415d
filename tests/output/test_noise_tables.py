"""What tables show of noise: its weight and volume with their errors, and no lines of what it has not."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from conftest import run

WORDS = ("fit", "scattered", "--restarts", 1, "--bootstrap", 20, "-q")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("noise") / "fit.json"
    assert run(*WORDS, "-o", path).returncode == 0
    return json.loads(path.read_text())


def test_the_volume_stands_with_its_errors_and_no_component_has_an_empty_line(document: dict) -> None:
    lines = run(*WORDS).stdout.splitlines()
    tables = lines[: next(i for i, line in enumerate(lines) if "covariance of" in line)]
    of = [line.split() for line in tables if line.strip()]
    begins = [i for i, words in enumerate(of) if words[0] == "component"]
    titles = [[words[0] for words in of[i + 2 : end]] for i, end in zip(begins, [*begins[1:], len(of)], strict=True)]
    assert titles == [["rows", "weight", "mean", "mean", "sd", "sd", "Jaccard"]] * 2 + [
        ["rows", "weight", "volume", "Jaccard"]
    ]
    (volume,) = [words for words in of if words[0] == "volume"]
    made = document["bootstrap"]
    noise = [each["noise"]["volume"] for each in (made["standard_errors"], made["low"], made["high"])]
    known = [document["parameters"]["noise"]["volume"], document["truth"]["parameters"]["noise"]["volume"], *noise]
    assert [float(word) for word in volume[1:]] == pytest.approx(known, rel=1e-5)


def test_an_estimate_beyond_its_interval_is_named(document: dict) -> None:
    """The box of drawn rows is narrower than that of the rows they are like, as any range (Bickel & Freedman 1981)."""
    volume = document["parameters"]["noise"]["volume"]
    assert document["bootstrap"]["high"]["noise"]["volume"] < volume
    assert "\nNot within its interval: volume of noise; the refits are biased there" in run(*WORDS).stdout
    assert "Not within" not in run("fit", "two_coins", "--restarts", 1, "--bootstrap", 20, "-q").stdout


def test_the_csv_has_the_volume_of_the_noise_alone(document: dict) -> None:
    *gaussians, noise = csv.DictReader(io.StringIO(run(*WORDS, "--format", "csv").stdout))
    made = document["bootstrap"]
    assert float(noise["volume"]) == document["parameters"]["noise"]["volume"]
    assert float(noise["volume std. error"]) == pytest.approx(made["standard_errors"]["noise"]["volume"], rel=1e-12)
    assert {each[key] for each in gaussians for key in ("volume", "volume std. error", "true volume")} == {""}


def test_without_errors_the_table_is_as_narrow_as_that_of_the_gaussians() -> None:
    shown = run("fit", "scattered", "--restarts", 1, "-q").stdout.splitlines()
    assert "volume" not in shown[2] and [line.split()[0] for line in shown[4:10:2]] == ["1", "2", "noise"]


def test_the_iterations_show_the_weight_of_the_noise_too() -> None:
    shown = run("fit", "scattered", "--restarts", 1, "-vv", "--width", 300).stdout.splitlines()
    at = next(i for i, line in enumerate(shown) if "of noise" in line)
    titles = [word for word in shown[at].replace("of noise", "of_noise").split() if word != "of"]
    noise = titles.index("of_noise")
    weights = [float(word) for word in shown[at + 2].split()[2 : 2 + 3]]
    assert noise == 4 and sum(weights) == pytest.approx(1.0, abs=2e-5)


def test_fits_side_by_side_show_the_volume_once(tmp_path: Path) -> None:
    done = run("compare", "scattered", "--covariance", "full,tied", "--restarts", 1, "-q")
    beside = done.stdout.split("side by side")[1].split("True parameters")[0].splitlines()
    assert len([line for line in beside if line.split()[:2] == ["noise", "volume"]]) == 1
    assert not [line for line in beside if line.split()[:1] == ["1"] and "volume" in line]
