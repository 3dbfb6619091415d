"""The examples by name: found wherever emcli is installed, listed, copied out; a file of that name comes first."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT, SAMPLES, run, run_process

EXPERIMENTS = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
DATA_SETS = sorted(path.stem for path in SAMPLES.glob("*.csv"))


@pytest.mark.parametrize("name", ["two_coins", "do_batzoglou"])
def test_an_experiment_by_name_is_that_of_its_file(name: str, tmp_path: Path) -> None:
    by_name = run("fit", name, "--json", cwd=tmp_path)
    assert (by_name.returncode, by_name.stderr) == (0, "")
    assert by_name.stdout == run("fit", f"configs/{name}.yaml", "--json").stdout
    drawn = run("generate", name, cwd=tmp_path)
    assert drawn.stdout == (SAMPLES / f"{name}.csv").read_text()


def test_a_data_set_by_name_is_that_of_its_file(tmp_path: Path) -> None:
    found = json.loads(run("fit", "gmm", "faithful", "-k", 1, "--json", cwd=tmp_path).stdout)
    given = json.loads(run("fit", "gmm", "sample_data/faithful.csv", "-k", 1, "--json").stdout)
    assert found["data"]["source"] == "faithful.csv"
    found["data"]["source"] = given["data"]["source"]
    assert found == given
    heading = run("fit", "gmm", "faithful", "-k", 1, cwd=tmp_path).stdout.partition("\n")[0]
    assert heading == "gmm, k=1, full covariance, free mixing: faithful.csv (example), 272 rows (eruptions, waiting)"


def test_examples_are_compared_by_name(tmp_path: Path) -> None:
    done = run("compare", "two_coins", "do_batzoglou", "--json", cwd=tmp_path)
    names = [each["name"] for group in json.loads(done.stdout)["groups"] for each in group["candidates"]]
    assert names == ["two_coins:coins-k2-equal", "do_batzoglou:coins-k2-equal"]
    assert run("compare", "gmm", "galaxies", "-k", "1", cwd=tmp_path).returncode == 0


def test_a_file_of_that_name_comes_first(tmp_path: Path) -> None:
    (tmp_path / "faithful").write_text("a\n1\n2\n3\n")
    (tmp_path / "blobs").write_text("model: gmm\ngenerate: {rows: 2, parameters: {means: [[1]], sds: [[1]]}}\n")
    document = json.loads(run("fit", "gmm", "faithful", "-k", 1, "--json", cwd=tmp_path).stdout)
    assert document["data"]["columns"] == ["a"]
    assert run("generate", "blobs", cwd=tmp_path).stdout.count("\n") == 3


def test_all_are_listed_with_what_they_are() -> None:
    listed = run("examples")
    assert listed.stderr == "" and all(len(line) <= 80 for line in listed.stdout.splitlines())
    first, _, second = listed.stdout.partition("Data sets")
    for part, names in ((first, EXPERIMENTS), (second, DATA_SETS)):
        told = {line.split()[0]: line.split()[1:] for line in part.splitlines() if line[:2] == "  " and line[2] != " "}
        assert sorted(told) == names and all(told.values())


def test_they_are_copied_into_a_new_or_empty_folder_whole_or_not_at_all(tmp_path: Path) -> None:
    done = run("examples", "here", cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["here/configs", "here/sample_data"])
    for part in ("configs", "sample_data"):
        for path in (ROOT / part).iterdir():
            if path.is_file():
                assert (tmp_path / "here" / part / path.name).read_bytes() == path.read_bytes()
    (tmp_path / "here" / "mine").write_text("mine")
    again = run("examples", "here", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (5, "") and "here: directory not empty" in again.stderr
    assert again.stderr.endswith("\n  hint: name a new folder\n")
    nowhere = run("examples", "no/where", cwd=tmp_path)
    assert nowhere.returncode == 5 and "hint" not in nowhere.stderr
    assert "error: '': directory not empty" in run("examples", "", cwd=tmp_path).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here"]
    fitted = run("fit", "here/configs/do_batzoglou.yaml", cwd=tmp_path)
    assert fitted.returncode == 0


def test_saved_fits_of_an_example_are_compared_with_its_rows(tmp_path: Path) -> None:
    for k in (2, 3):
        run("fit", "kmeans", "iris", "-k", k, "--restarts", 2, "-q", "-o", f"{k}.json", cwd=tmp_path)
    compared = run("compare", "2.json", "3.json", "--json", cwd=tmp_path)
    assert "data-not-at-hand" not in compared.stderr and json.loads(compared.stdout)["criterion"] == "silhouette"
    (tmp_path / "iris.csv").write_text("x\n1\n2\n3\n")  # a file of that name is looked at, and not an example
    assert "[data-not-at-hand]" in run("compare", "2.json", cwd=tmp_path).stderr


def test_a_word_close_to_an_example_is_suggested() -> None:
    done = run("fit", "two_coin")
    assert done.returncode == 2
    assert done.stderr.startswith("emcli: error: no such model 'two_coin' (did you mean 'two_coins'?)\n")


@pytest.mark.parametrize("words", ["fit faithful -k 2", "steps faithful -k 2", "compare faithful -k 2"])
def test_a_data_set_is_no_model_and_the_hint_puts_one_before_it(words: str) -> None:
    done = run(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "'faithful' is a data set, neither a model nor an experiment\n" in done.stderr
    hint = done.stderr.rpartition(" comes first: emcli ")[2].split()
    assert run(*hint, "--max-iter", 0, "--restarts", 1).returncode == 0


@pytest.mark.parametrize("words", ["fit two_coins -k 3", "steps two_coins -k 1", "compare two_coins -k 1-3"])
def test_start_values_for_another_k_are_told_with_what_starts_at_random(words: str) -> None:
    done = run(*words.split())
    assert done.returncode == 2 and ":12:11: fit.start.heads: must have " in done.stderr
    hint = "the experiment gives start values for 2 components; `coins two_coins` in place of its name starts at random"
    assert done.stderr.endswith(f"\n  hint: {hint}\n")
    again = words.replace("two_coins", "coins two_coins").split()
    assert run(*again, "--restarts", 1, "--max-iter", 1).returncode == 0


def test_rows_and_a_picture_do_not_share_standard_output() -> None:
    done = run("generate", "heights", "--plot", "-")
    said = (
        "emcli: error: the rows and the picture would both go to standard output\n  hint: write the rows with -o FILE\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_they_are_found_in_an_installed_package(tmp_path: Path) -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "emcli", tmp_path / "site" / "emcli", ignore=skip)
    for source, target in packaged["force-include"].items():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / "site" / target, ignore=skip)
        else:
            (tmp_path / "site" / target).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, tmp_path / "site" / target)
    work = tmp_path / "work"
    work.mkdir()
    done = run_process(["examples", "d"], work, PYTHONPATH=str(tmp_path / "site"))
    assert (done.returncode, done.stderr) == (0, "")
    assert (work / "d" / "configs" / "blobs.yaml").read_bytes() == (ROOT / "configs" / "blobs.yaml").read_bytes()
    told = run_process(["explain", "found-once"], work, PYTHONPATH=str(tmp_path / "site"))
    assert (told.returncode, told.stdout) == (0, run("explain", "found-once").stdout)


def test_an_experiment_named_as_data_is_told_to_be_one(tmp_path: Path) -> None:
    for command in (("fit", "gmm", "extra_zeros", "-k", 2), ("compare", "gmm", "extra_zeros", "-k", 2)):
        done = run(*command, cwd=tmp_path)
        assert done.returncode == 3 and done.stderr.startswith("emcli: error: extra_zeros: no such file\n  hint: ")
        assert "extra_zeros is an experiment that comes with emcli" in done.stderr
    (tmp_path / "extra_zeros").write_text("x\n1\n2\n5\n")
    assert run("fit", "kmeans", "extra_zeros", "-k", 2, cwd=tmp_path).returncode == 0  # a file of that name is read
