"""Every warning about a fit: data that cause it, and data that must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import REFERENCE, SAMPLES, fit, run

Write = Callable[[str, str], Path]
WAITING = REFERENCE / "data" / "faithful_waiting.csv"
TACKS = ["coins", SAMPLES / "thumbtacks.csv", "--tosses", "n", "--row-weights", "freq"]


def slugs(*arguments: Any, **how: Any) -> set[str]:
    return {warning["slug"] for warning in fit(*arguments, **how)["warnings"]}


CAUSED: dict[str, tuple[str, list[Any]]] = {
    "galaxies k=7 by k-means": ("found-once", ["kmeans", SAMPLES / "galaxies.csv", "-k", 7]),
    "galaxies k=6": ("spurious-component", ["gmm", SAMPLES / "galaxies.csv", "-k", 6]),
    "waiting k=4": ("spurious-component", ["gmm", WAITING, "-k", 4]),
    "thumbtacks k=4 twins": ("identical-components", [*TACKS, "-k", 4, "--mixing", "free"]),
    "thumbtacks k=4": ("not-identifiable", [*TACKS, "-k", 4, "--mixing", "free"]),
    "five rows of flips": ("one-component-suffices", ["coins", SAMPLES / "flips.csv"]),
    "two iterations": ("slow", ["gmm", SAMPLES / "faithful.csv", "-k", 3, "--max-iter", 2]),
}
NOT_CAUSED: dict[str, tuple[str, list[Any]]] = {
    "galaxies k=3": ("spurious-component", ["gmm", SAMPLES / "galaxies.csv", "-k", 3]),
    "galaxies k=4": ("spurious-component", ["gmm", SAMPLES / "galaxies.csv", "-k", 4]),
    "faithful k=3": ("spurious-component", ["gmm", SAMPLES / "faithful.csv", "-k", 3]),
    "iris k=3 tied": ("spurious-component", ["gmm", SAMPLES / "iris.csv", "-k", 3, "--covariance", "tied"]),
    "faithful k=2": ("found-once", ["gmm", SAMPLES / "faithful.csv", "-k", 2]),
    "one start": ("found-once", ["gmm", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 1]),
    "faithful k=2 twins": ("identical-components", ["gmm", SAMPLES / "faithful.csv", "-k", 2]),
    "thumbtacks k=2": ("not-identifiable", [*TACKS, "-k", 2, "--mixing", "free"]),
    "thumbtacks k=2 has two": ("one-component-suffices", [*TACKS, "-k", 2, "--mixing", "free"]),
    "converged": ("slow", ["gmm", SAMPLES / "faithful.csv", "-k", 2]),
    "drawn apart": ("symmetric-start", [*TACKS, "-k", 2]),
}


@pytest.mark.parametrize(("slug", "arguments"), CAUSED.values(), ids=CAUSED)
def test_a_warning_is_raised_where_it_is_true(slug: str, arguments: list[Any]) -> None:
    done = run("fit", *arguments)
    assert done.returncode == 0
    assert f"[{slug}]" in done.stderr
    assert all(line.startswith("emcli: warning: ") for line in done.stderr.splitlines())


@pytest.mark.parametrize(("slug", "arguments"), NOT_CAUSED.values(), ids=NOT_CAUSED)
def test_a_warning_is_not_raised_where_it_is_not(slug: str, arguments: list[Any]) -> None:
    assert slug not in slugs(*arguments)


def test_a_spurious_optimum_is_set_aside_for_a_lower_one_that_is_not() -> None:
    document = fit("gmm", WAITING, "-k", 4)
    (warning,) = (w for w in document["warnings"] if w["slug"] == "spurious-component")
    assert "set aside" in warning["message"] and "0.723" in warning["message"]
    highest = max(start["log_likelihood"] for start in document["restarts"])
    assert highest > document["log_likelihood"] + 0.1
    assert min(c[0][0] for c in document["parameters"]["covariances"]) > 1


@pytest.mark.parametrize(
    ("mixing", "k", "tosses", "raised"),
    [("free", 2, 2, True), ("free", 2, 3, False), ("equal", 2, 1, True), ("equal", 2, 2, False), ("free", 3, 4, True)],
)
def test_too_few_tosses_a_row_cannot_tell_coins_apart(
    mixing: str, k: int, tosses: int, raised: bool, write: Write
) -> None:
    rows = "".join(f"{h},{tosses},{20 + 7 * (h % 2)}\n" for h in range(tosses + 1))
    data = write("c.csv", "heads,tosses,w\n" + rows)
    found = fit("coins", data, "-k", k, "--mixing", mixing, "--row-weights", "w")["warnings"]
    said = [w["message"] for w in found if w["slug"] == "not-identifiable" and "to be told apart" in w["message"]]
    assert bool(said) == raised
    if raised:
        assert "0 of" in said[0]


def test_coins_that_start_equal_are_said_to_stay_so(write: Write) -> None:
    data = write("c.csv", "heads,tosses\n" + "5,10\n" * 10)
    found = slugs("coins", data)
    assert {"symmetric-start", "identical-components", "one-component-suffices"} <= found


def test_the_textbook_examples_warn_of_nothing_but_what_is_true() -> None:
    from conftest import ROOT

    expected = {name: set() for name in ("heights", "blobs", "two_coins", "mixture_1d")}
    expected["do_batzoglou"] = {"one-component-suffices"}
    assert {name: slugs(ROOT / "configs" / f"{name}.yaml") for name in expected} == expected


def test_the_ledger_says_how_likely_a_new_optimum_is() -> None:
    lines = run("fit", "kmeans", SAMPLES / "galaxies.csv", "-k", 7).stdout
    assert "Chance that one more start finds a new optimum: about 60 % (6 found once, in 10 starts)" in lines
    assert "below 10 % (0 found once" in run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 2).stdout
