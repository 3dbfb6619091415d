"""Choosing between fits."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REFERENCE, ROOT, SAMPLES, fit, reference, run

from emcli.comparison import candidates

WAITING = REFERENCE / "data" / "faithful_waiting.csv"


def compared(*arguments: Any, **how: Any) -> dict[str, Any]:
    done = run("compare", *arguments, "--json", **how)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_faithful_is_ranked_as_by_the_best_known_log_likelihoods_and_no_lower() -> None:
    document = compared("gmm", SAMPLES / "faithful.csv", "-k", "1-3", "--covariance", "full,tied")
    (group,) = document["groups"]
    families = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}
    stored = reference("gmm")["faithful"]
    found = group["candidates"]
    for row in found:
        best = stored[f"{families[row['covariance']]},{row['k']}"]
        assert row["log_likelihood"] >= best["loglik"] - 1e-6 * abs(best["loglik"])
        assert row["bic"] <= best["bic"] + 1e-2

    def key(row: dict[str, Any]) -> tuple[float, float]:
        return round(stored[f"{families[row['covariance']]},{row['k']}"]["bic"], 3), 0.0

    assert [key(row) for row in found] == sorted(map(key, found))
    assert (found[0]["covariance"], found[0]["k"]) == ("tied", 3)
    assert document["best"] == found[0]["name"]
    assert [row["delta_bic"] for row in found] == [row["bic"] - found[0]["bic"] for row in found]
    assert all(row["starts"] >= (10 if row["k"] > 1 else 1) for row in found)


def test_waiting_has_two_components_of_one_variance_and_no_twin_rows() -> None:
    document = compared("gmm", WAITING, "-k", "1-3", "--covariance", "full,tied,diag,spherical", "--restarts", 3)
    found = document["groups"][0]["candidates"]
    assert (found[0]["k"], found[0]["covariance"]) == (2, "tied")
    assert {row["covariance"] for row in found} == {"full", "tied"}


@pytest.mark.parametrize(
    "words",
    [
        ("gmm", SAMPLES / "faithful.csv", "-k", "1-3,300", "--covariance", "full,diag", "--restarts", 2),
        ("blobs", "-k", "2-3", "--restarts", 2),
        ("coins", SAMPLES / "thumbtacks.csv", "--tosses", "n", "--row-weights", "freq", "-k", "1-3", "--restarts", 3),
    ],
    ids=lambda words: str(words[0]),
)
def test_fits_side_by_side_are_the_same_as_one_after_another(words: tuple[Any, ...]) -> None:
    one, *others = (run("compare", *words, "--json", "-v", "--jobs", jobs, process=False) for jobs in (1, 2, 5))
    assert one.returncode == 0
    for other in others:
        assert (other.stdout, other.stderr) == (one.stdout, one.stderr)


@pytest.mark.parametrize(
    ("fits", "size", "jobs", "expected"),
    [
        (5, 1 << 20, 4, 4),
        (5, 1 << 22, 4, 4),
        (2, 1 << 20, 4, 2),
        (2, 1 << 22, 4, 1),  # each of the two by four processes
        (5, 1 << 24, 4, 1),  # four copies would take much memory
        (5, None, 4, 1),  # on a cluster
        (5, 1 << 20, 1, 1),
    ],
)
def test_several_are_fitted_at_a_time_where_that_pays(fits: int, size: int | None, jobs: int, expected: int) -> None:
    each = candidates.CandidateFit("", None, None, None, None, None)  # type: ignore[arg-type]
    assert candidates.processes([each] * fits, size, jobs) == expected


def test_of_wrong_candidates_the_first_asked_for_is_named_however_many_are_fitted_at_a_time(tmp_path: Path) -> None:
    start = tmp_path / "start.yaml"
    start.write_text("centroids: [[1, 60], [2, 70], [4, 80]]\n")
    words = ("compare", "kmeans", SAMPLES / "faithful.csv", "-k", "3,2,4", "--start", start)
    one, two = (run(*words, "--jobs", jobs, process=False) for jobs in (1, 2))
    assert one.returncode == two.returncode == 2 and "2" in one.stderr
    assert one.stderr == two.stderr


def test_a_worker_that_is_killed_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, settled = os.getpid(), candidates.CandidateFit.run

    def killed(self: candidates.CandidateFit, jobs: int | None) -> candidates.Fitted:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return settled(self, jobs)

    monkeypatch.setattr(candidates.CandidateFit, "run", killed)
    done = run("compare", "gmm", SAMPLES / "faithful.csv", "-k", "1-9", "--restarts", 1, "--jobs", 2, process=False)
    assert done.returncode == 3 and done.stdout == ""
    assert "ended from outside" in done.stderr and "--jobs 1" in done.stderr


def test_thumbtacks_have_two_coins() -> None:
    document = compared(
        "coins", SAMPLES / "thumbtacks.csv", "--tosses", "n", "--row-weights", "freq", "-k", "1-3", "--mixing", "free"
    )
    assert [row["k"] for row in document["groups"][0]["candidates"]] == [2, 3, 1]


@pytest.mark.parametrize("criterion", ["aic", "bic", "icl"])
def test_the_criterion_decides_the_order(criterion: str) -> None:
    document = compared("gmm", WAITING, "-k", "1-4", "--restarts", 2, "--criterion", criterion)
    rows = document["groups"][0]["candidates"]
    values = [row[criterion] for row in rows]
    assert values == sorted(values)
    assert [row[f"delta_{criterion}"] for row in rows] == [value - values[0] for value in values]
    assert {key for row in rows for key in row if key.startswith("delta")} == {"delta_bic", f"delta_{criterion}"}


@pytest.mark.parametrize("criterion", ["aic", "bic", "icl"])
def test_the_table_shows_how_far_fits_are_above_the_best_by_what_ranks_them(criterion: str) -> None:
    done = run("compare", "gmm", WAITING, "-k", "1-3", "--restarts", 1, "--criterion", criterion, "--width", 200)
    lines = done.stdout.splitlines()
    rule = next(i for i, line in enumerate(lines) if line.startswith("─"))
    heading, _, *rows = [re.split(" {2,}", line.strip()) for line in lines[rule - 1 : rule + 4]]
    assert [title for title in heading if title.startswith("delta")] == [f"delta {criterion.upper()}"]
    at = heading.index(f"delta {criterion.upper()}")
    values = [float(row[at - 1]) for row in rows]
    assert heading[at - 1] == criterion.upper()
    assert [float(row[at]) for row in rows] == pytest.approx([value - min(values) for value in values], abs=2e-3)


def test_fits_that_cannot_be_compared_stand_in_groups_with_the_reason() -> None:
    files = [ROOT / "configs" / f"{name}.yaml" for name in ("do_batzoglou", "two_coins", "blobs")]
    done = run("compare", *files, "--json")
    groups = json.loads(done.stdout)["groups"]
    assert done.returncode == 0 and [len(group["candidates"]) for group in groups] == [1, 1, 1]
    assert all(group["reason"] for group in groups)
    assert "[different-data]" in done.stderr


def test_saved_fits_are_compared_as_the_grid_that_saved_them(tmp_path: Path) -> None:
    folder = tmp_path / "fits"
    folder.mkdir()
    grid = compared("gmm", SAMPLES / "faithful.csv", "-k", "1-2", "--restarts", 2, "--save-fits", folder)
    saved = sorted(folder.iterdir())
    assert [path.name for path in saved] == [f"gmm-k{k}-full-free.json" for k in (1, 2)]
    assert compared(*saved) == grid
    assert json.loads(saved[0].read_text())["schema"] == "emcli.fit/1"


def test_a_grid_in_an_experiment_is_fitted(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(
        "model: gmm\ngenerate:\n  rows: 300\n  parameters: {means: [[0], [9]], sds: [[1], [1]]}\n"
        "fit: {k: [1, 2], covariance: [full, tied], restarts: 2}\n"
    )
    found = compared(path)["groups"][0]["candidates"]
    assert [row["k"] for row in found] == [2, 2, 1]  # one Gaussian has one covariance
    assert found[0]["adjusted_rand_index"] == 1.0


def test_a_candidate_that_fails_is_a_row_and_only_all_of_them_an_error() -> None:
    rows = "x\n" + "\n".join(map(str, (1.0, 2.5, 3.1, 7.2)))
    document = compared("gmm", "-k", "1,9", stdin=rows)
    (good, bad) = document["groups"][0]["candidates"]
    assert good["k"] == 1 and bad["status"] == "failed" and "at least 9 rows" in bad["reason"]
    done = run("compare", "gmm", "-k", "8,9", stdin=rows)
    assert (done.returncode, done.stdout) == (4, "")


def test_each_kind_of_start_gives_a_candidate_a_name_of_its_own() -> None:
    words = ("coins", SAMPLES / "flips.csv", "-k", 1, "--init", "auto,random,k-means++", "--restarts", 1)
    names = [row["name"] for row in compared(*words)["groups"][0]["candidates"]]
    assert names == ["coins-k1-equal", "coins-k1-equal-random", "coins-k1-equal-k-means++"]


def test_every_line_of_the_trace_names_its_candidate(tmp_path: Path) -> None:
    log = tmp_path / "trace.jsonl"
    compared("kmeans", SAMPLES / "iris.csv", "-k", "2-3", "--trace", log)
    names = [json.loads(line)["candidate"] for line in log.read_text().splitlines()]
    assert set(names) == {"kmeans-k2", "kmeans-k3"}


def test_a_table_is_printed_and_says_which_way_is_better() -> None:
    done = run("compare", "kmeans", SAMPLES / "iris.csv", "-k", "1-3")
    assert done.returncode == 0 and done.stderr == ""
    assert "silhouette: from -1 to 1, larger is better" in done.stdout
    assert "10 of 10" in done.stdout
    done = run("compare", "kmeans", SAMPLES / "iris.csv", "-k", "1-3", "--criterion", "bic")
    assert done.stderr.count("\n") == 1 and "[edge-of-grid]" in done.stderr
    assert "BIC: smaller is better" in done.stdout and "classification likelihood" in done.stdout


def test_fits_of_one_k_are_matched_and_shown_side_by_side(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    for path, covariance in ((one, "full"), (two, "tied")):
        command = [
            "fit",
            "gmm",
            SAMPLES / "faithful.csv",
            "-k",
            2,
            "--covariance",
            covariance,
            "--restarts",
            2,
            "-o",
            path,
        ]
        assert run(*command).returncode == 0
    document = json.loads(two.read_text())
    parameters = {key: value[::-1] for key, value in document["parameters"].items()}  # components in another order
    two.write_text(json.dumps({**document, "parameters": parameters}))
    (alignment,) = compared(one, two)["alignments"]
    (beside,) = alignment["fits"]
    assert (alignment["model"], alignment["k"], alignment["reference"]) == ("gmm", 2, "one")
    assert beside["name"] == "two" and beside["order"] == [2, 1]
    first = json.loads(one.read_text())["parameters"]
    expected = np.array(document["parameters"]["means"]) - np.array(first["means"])
    np.testing.assert_allclose(beside["differences"]["means"], expected, rtol=1e-12)
    shown = run("compare", one, two).stdout
    assert "gmm with k=2 side by side, components matched to those of one" in shown


def test_agreement_of_assignments_is_told_where_the_data_are_at_hand(tmp_path: Path) -> None:
    from sklearn.metrics import adjusted_rand_score

    data = "flowers.csv"  # as typed, so that it is found again
    (tmp_path / data).write_text((SAMPLES / "iris.csv").read_text())
    for name, covariance in (("a", "full"), ("b", "spherical")):
        command = ["fit", "gmm", data, "-k", 2, "--restarts", 2, "--covariance", covariance]
        assert run(*command, "-o", f"{name}.json", cwd=tmp_path).returncode == 0
    here = run("compare", "a.json", "b.json", "--json", cwd=tmp_path)
    (alignment,) = json.loads(here.stdout)["alignments"]
    labels = []
    for name in "ab":
        lines = run("predict", f"{name}.json", data, cwd=tmp_path).stdout.splitlines()
        place = lines[0].split(",").index("component")
        labels.append([line.split(",")[place] for line in lines[1:]])
    assert alignment["fits"][0]["adjusted_rand_index"] == pytest.approx(adjusted_rand_score(*labels), abs=1e-12)
    elsewhere = run("compare", tmp_path / "a.json", tmp_path / "b.json", "--json")
    assert json.loads(elsewhere.stdout)["alignments"][0]["fits"][0]["adjusted_rand_index"] is None


def test_with_known_truth_each_row_has_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "coins.yaml"
    path.write_text(
        "model: coins\ngenerate: {rows: 300, seed: 4, tosses: 10, parameters: {heads: [0.2, 0.6]}}\n"
        "fit: {k: [1, 2, 3], restarts: 3}\n"
    )
    for row in compared(path)["groups"][0]["candidates"]:
        assert row["truth"]["heads"] == [0.2, 0.6] and "adjusted_rand_index" in row
        if row["k"] == 2:
            fitted = fit(path, "-k", 2)["parameters"]["heads"]
            np.testing.assert_allclose(row["errors"]["heads"], np.subtract(fitted, [0.2, 0.6]), atol=1e-12)
    assert "True parameters, and the fits with as many components and their errors" in run("compare", path).stdout


@pytest.mark.parametrize("name", ["faithful", "faithful_waiting", "iris", "galaxies"])
def test_no_log_likelihood_is_lower_than_the_tight_one_of_mclust(name: str) -> None:
    stored = reference("mclust")[name]
    shape = {"E": "tied", "V": "full"}.get(stored["chosen_model"], stored["chosen_model"])
    path = WAITING if name == "faithful_waiting" else SAMPLES / f"{name}.csv"
    document = fit("gmm", path, "-k", stored["chosen_G"], "--covariance", shape)
    assert document["log_likelihood"] >= stored["loglik_tight"] - 1e-6
    assert document["parameters_count"] == stored["df"]
