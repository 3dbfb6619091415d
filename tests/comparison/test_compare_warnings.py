"""What a comparison warns of, and how it ranks fits that are artefacts: on saved fits whose numbers are made up."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLES, fit, run

Saved = Callable[..., Path]
ARTEFACT = {"slug": "few-rows", "message": "component 1 rests on 2 rows"}
NARROW = {"slug": "spurious-component", "message": "probably an artefact: component 1 rests on 2.0 rows"}
ASIDE = {"slug": "spurious-component", "message": "a higher optimum, of start 1, was set aside as an artefact: why"}


@pytest.fixture(scope="module")
def fits() -> dict[int, dict[str, Any]]:
    """Documents of fits of 1 to 4 components."""
    return {k: fit("gmm", SAMPLES / "galaxies.csv", "-k", k, "--restarts", 1) for k in (1, 2, 3, 4)}


@pytest.fixture
def saved(fits: dict[int, dict[str, Any]], tmp_path: Path) -> Saved:
    """Write a fit of k components with other numbers; log-likelihoods rise with k, so that none is below its nested."""

    def save(name: str, k: int, bic: float, *warnings: dict[str, str], **more: Any) -> Path:
        document = {**fits[k], "bic": bic, "log_likelihood": -240.0 + k, "warnings": list(warnings), **more}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
        return tmp_path / f"{name}.json"

    return save


def compared(*words: Any) -> tuple[dict[str, Any], str, str]:
    """The document of a comparison, its tables and its standard error."""
    as_json, shown = run("compare", *words, "--json", process=False), run("compare", *words, process=False)
    assert as_json.returncode == shown.returncode == 0, shown.stderr
    return json.loads(as_json.stdout), shown.stdout, shown.stderr


def names(document: dict[str, Any]) -> list[str]:
    return [row["name"] for row in document["groups"][0]["candidates"]]


def slugs(stderr: str) -> list[str]:
    return re.findall(r"^emcli: warning: .* \[([a-z-]+)\]$", stderr, re.M)


@pytest.mark.parametrize("mark", [ARTEFACT, NARROW], ids=["few rows", "as older fits say it"])
def test_an_artefact_is_ranked_after_the_others_and_marked(saved: Saved, mark: dict[str, str]) -> None:
    document, shown, _ = compared(saved("a", 1, 500.0), saved("b", 2, 400.0, mark), saved("c", 3, 450.0))
    assert names(document) == ["c", "a", "b"] and document["best"] == "c"
    rows = {row["name"]: row for row in document["groups"][0]["candidates"]}
    assert [name for name, row in rows.items() if row.get("artefact")] == ["b"]
    assert [rows[name]["delta_bic"] for name in "cab"] == [0, 50, -50]
    assert "2 *" in shown and "* A component rests on so few rows" in shown


def test_a_fit_is_no_artefact_because_one_was_set_aside(saved: Saved) -> None:
    document, shown, _ = compared(saved("a", 1, 500.0), saved("b", 2, 400.0, ASIDE), saved("c", 3, 450.0))
    assert names(document) == ["b", "c", "a"] and "2 *" not in shown and "probably" not in shown


def test_each_warning_is_one_sentence_that_names_the_best_fit_which_has_it(saved: Saved) -> None:
    once = {"slug": "found-once", "message": "only one of 10 starts found this optimum"}
    slow = {"slug": "slow", "message": "stopped at --max-iter 10"}
    *_, said = compared(saved("a", 1, 500.0, once), saved("b", 3, 450.0, once, slow), saved("c", 2, 400.0))
    assert said.splitlines() == [
        "emcli: warning: b (and 1 more): only one of 10 starts found this optimum [found-once]",
        "emcli: warning: b: stopped at --max-iter 10 [slow]",
    ]


def test_what_is_said_of_all_fits_alike_names_none(saved: Saved) -> None:
    data = {"slug": "header-guess", "message": "the first row was read as data"}
    *_, said = compared(saved("a", 1, 500.0, data), saved("b", 2, 400.0, data), saved("c", 3, 450.0, data))
    assert said == "emcli: warning: the first row was read as data [header-guess]\n"


def test_quiet_is_quiet(saved: Saved) -> None:
    done = run("compare", saved("a", 1, 500.0, ASIDE), saved("b", 2, 400.0), "-q", process=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_edge_of_the_grid_is_told_with_where_to_go_on(saved: Saved) -> None:
    document, _, said = compared(saved("a", 1, 500.0), saved("b", 2, 450.0), saved("c", 4, 400.0))
    assert slugs(said) == ["edge-of-grid"] == [warning["slug"] for warning in document["warnings"]]
    assert "the best k of c is the largest asked for" in said and "-k 4-8" in said


@pytest.mark.parametrize("ks", [(1, 2, 3), (3, 3, 3)], ids=["best within", "one k alone"])
def test_no_edge_is_told_where_there_is_none(saved: Saved, ks: tuple[int, ...]) -> None:
    bics = (500.0, 400.0, 450.0)
    document, _, said = compared(*(saved(f"f{i}", k, bic) for i, (k, bic) in enumerate(zip(ks, bics, strict=True))))
    assert slugs(said) == [] == document["warnings"]


def test_a_larger_k_that_has_no_fit_was_asked_for_too() -> None:
    rows = "x\n" + "\n".join(map(str, (1.0, 1.2, 1.1, 7.2, 7.3, 7.1)))
    done = run("compare", "gmm", "-k", "1,2,9", "--covariance", "tied", stdin=rows, process=False)
    assert done.returncode == 0 and "edge-of-grid" not in done.stderr


def test_fits_within_2_of_the_best_are_not_distinguishable(saved: Saved) -> None:
    files = saved("a", 1, 401.9), saved("b", 2, 400.0), saved("c", 3, 402.1), saved("d", 4, 400.5, ARTEFACT)
    document, _, said = compared(*files)
    assert [warning["slug"] for warning in document["warnings"]] == ["not-distinguishable"]
    assert said.count("distinguishable from") == 1
    assert "by BIC b is not distinguishable from a: less than 2 apart [not-distinguishable]\n" in said


def test_fits_of_one_model_at_one_optimum_are_one_fit_and_others_close_to_it_are_not(saved: Saved) -> None:
    files = saved("a", 2, 400.0), saved("b", 2, 400.00001), saved("c", 2, 400.5), saved("d", 3, 400.00001)
    document, _, said = compared(*files, files[0])
    assert [warning["slug"] for warning in document["warnings"]] == ["same-fit", "not-distinguishable"]
    assert "these are the same fit, one optimum of one model: a, a, b [same-fit]\n" in said
    assert "by BIC a is not distinguishable from d, c: less than 2 apart [not-distinguishable]\n" in said


def test_of_fits_further_apart_nothing_is_said(saved: Saved) -> None:
    assert "distinguishable" not in compared(saved("a", 1, 403.0), saved("b", 2, 400.0))[2]


@pytest.mark.parametrize(("smaller", "larger"), [(-1.33547, -1.35368), (1.5, 1.25)])
def test_nesting_keeps_the_sign_of_a_log_likelihood(saved: Saved, smaller: float, larger: float) -> None:
    one, two = saved("one", 1, 400.0, log_likelihood=smaller), saved("two", 2, 410.0, log_likelihood=larger)
    assert f"two: its log-likelihood {larger:g} is worse than the {smaller:g} of one" in compared(one, two)[2]


def test_nesting_is_silent_where_the_larger_is_higher(saved: Saved) -> None:
    one, two = saved("one", 1, 400.0, log_likelihood=-1.35), saved("two", 2, 410.0, log_likelihood=-1.33)
    assert "nesting" not in compared(one, two)[2]


def changed(data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**data, "sha256": "0" * 64, **more}


def test_another_file_and_a_file_that_has_changed_are_different_data(saved: Saved, fits: dict[int, Any]) -> None:
    data = fits[1]["data"]
    for other in (changed(data, source="other.csv"), changed(data)):
        document, _, said = compared(saved("a", 1, 500.0), saved("b", 1, 400.0, data=other))
        assert slugs(said) == ["different-data"] and len(document["groups"]) == 2


def test_other_columns_of_one_file_are_no_different_data(saved: Saved, fits: dict[int, Any]) -> None:
    data = changed(fits[1]["data"], columns=["another"])
    document, _, said = compared(saved("a", 1, 500.0), saved("b", 1, 400.0, data=data))
    assert said == "" and len(document["groups"]) == 2


def test_two_models_of_one_file_are_no_different_data(tmp_path: Path) -> None:
    for model in ("gmm", "kmeans"):
        words = (
            "fit",
            model,
            SAMPLES / "galaxies.csv",
            "-k",
            1,
            "--restarts",
            1,
            "-q",
            "-o",
            tmp_path / f"{model}.json",
        )
        assert run(*words, process=False).returncode == 0
    document, shown, said = compared(tmp_path / "gmm.json", tmp_path / "kmeans.json")
    assert len(document["groups"]) == 2 and "different-data" not in said
    assert "mixture models (likelihood)" in shown
