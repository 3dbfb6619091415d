"""Every warning about a fit: data that cause it, and data that must not."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import REFERENCE, SAMPLES, fit, reference, run
from inprocess import result_of

from emcli.inference.diagnostics import judge
from emcli.inference.information import InformationCache

Write = Callable[[str, str], Path]
WAITING = REFERENCE / "data" / "faithful_waiting.csv"
TACKS = ["coins", SAMPLES / "thumbtacks.csv", "--tosses", "n", "--row-weights", "freq"]


class Told(NamedTuple):
    """What one fit wrote."""

    document: dict[str, Any]
    table: str
    warnings: str


@cache
def told(*arguments: Any) -> Told:
    """A fit of files of the repository, made once."""
    with TemporaryDirectory() as folder:
        saved = Path(folder) / "fit.json"
        done = run("fit", *arguments, "-o", saved, process=False)
        assert done.returncode == 0, done.stderr
        return Told(json.loads(saved.read_text()), done.stdout, done.stderr)


def slugs(*arguments: Any, **how: Any) -> set[str]:
    return {warning["slug"] for warning in fit(*arguments, **how)["warnings"]}


CAUSED: dict[str, tuple[str, list[Any]]] = {
    "iris k=9 by k-means": ("found-once", ["kmeans", SAMPLES / "iris.csv", "-k", 9, "--restarts", 10]),
    "galaxies k=6": ("few-rows", ["gmm", SAMPLES / "galaxies.csv", "-k", 6]),
    "waiting k=4": ("optimum-set-aside", ["gmm", WAITING, "-k", 4, "--restarts", 40]),
    "thumbtacks k=4 twins": ("identical-components", [*TACKS, "-k", 4, "--mixing", "free"]),
    "thumbtacks k=4": ("not-identifiable", [*TACKS, "-k", 4, "--mixing", "free"]),
    "five rows of flips": ("one-component-suffices", ["coins", SAMPLES / "flips.csv"]),
    "faithful of equal parts": ("unequal-mixing", ["gmm", SAMPLES / "faithful.csv", "-k", 2, "--mixing", "equal"]),
    "two iterations": ("slow", ["gmm", SAMPLES / "faithful.csv", "-k", 3, "--max-iter", 2, "--restarts", 4]),
}
NOT_CAUSED: dict[str, tuple[str, list[Any]]] = {
    "galaxies k=3": ("few-rows", ["gmm", SAMPLES / "galaxies.csv", "-k", 3, "--restarts", 8]),
    "galaxies k=4": ("few-rows", ["gmm", SAMPLES / "galaxies.csv", "-k", 4]),
    "faithful k=3": ("optimum-set-aside", ["gmm", SAMPLES / "faithful.csv", "-k", 3]),
    "iris k=3 tied": (
        "optimum-set-aside",
        ["gmm", SAMPLES / "iris.csv", "-k", 3, "--covariance", "tied", "--restarts", 8],
    ),
    "faithful k=2": ("found-once", ["gmm", SAMPLES / "faithful.csv", "-k", 2]),
    "one start": ("found-once", ["gmm", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 1]),
    "coins of equal parts": ("unequal-mixing", ["coins", SAMPLES / "two_coins.csv"]),
    "faithful k=2 twins": ("identical-components", ["gmm", SAMPLES / "faithful.csv", "-k", 2]),
    "thumbtacks k=2": ("not-identifiable", [*TACKS, "-k", 2, "--mixing", "free"]),
    "thumbtacks k=2 has two": ("one-component-suffices", [*TACKS, "-k", 2, "--mixing", "free"]),
    "converged": ("slow", ["gmm", SAMPLES / "faithful.csv", "-k", 2]),
    "drawn apart": ("symmetric-start", [*TACKS, "-k", 2]),
}


@pytest.mark.parametrize(("slug", "arguments"), CAUSED.values(), ids=CAUSED)
def test_a_warning_is_raised_where_it_is_true(slug: str, arguments: list[Any]) -> None:
    _, _, said = told(*arguments)
    assert f"[{slug}]" in said
    assert all(line.startswith("emcli: warning: ") for line in said.splitlines())


@pytest.mark.parametrize(("slug", "arguments"), NOT_CAUSED.values(), ids=NOT_CAUSED)
def test_a_warning_is_not_raised_where_it_is_not(slug: str, arguments: list[Any]) -> None:
    assert slug not in {warning["slug"] for warning in told(*arguments).document["warnings"]}


def test_a_start_at_a_saddle_is_told_where_plain_em_stays(write: Write) -> None:
    start = write("s.yaml", "means: [[3.48778, 70.897], [3.4878, 70.897]]")
    assert "saddle" not in slugs("gmm", SAMPLES / "faithful.csv", "-k", 2, "--start", start)  # EM leaves it in time
    start = write("s.yaml", "heads: [0.66, 0.6600000001]")
    plain = told("coins", SAMPLES / "flips.csv", "--start", start, "--solver", "em").document["warnings"]
    assert [each["slug"] for each in plain if "or --solver newton" in each["message"]] == ["saddle"]
    assert "saddle" not in slugs("coins", SAMPLES / "flips.csv", "--start", start)  # the fit steps off it
    for arguments in (TACKS, ["gmm", SAMPLES / "iris.csv"], ["gmm", SAMPLES / "faithful.csv", "--covariance", "diag"]):
        assert "saddle" not in slugs(*arguments, "-k", 3, "--restarts", 3)


def test_columns_of_very_different_spread_are_told_and_can_be_standardized(write: Write) -> None:
    rng = np.random.default_rng(3)
    near = np.where(rng.random(60) < 0.5, 0.0, 5.0) + rng.normal(size=60)
    data = write(
        "x.csv",
        "a,b,label\n" + "".join(f"{x},{500 * y},{x > 2.5}\n" for x, y in zip(near, rng.normal(size=60), strict=True)),
    )
    command = ["kmeans", data, "-k", 2, "--truth", "label"]
    raw, standardized = fit(*command), fit(*command, "--standardize")
    assert {w["slug"] for w in raw["warnings"]} == {"scale"} and not standardized["warnings"]
    assert raw["truth"]["adjusted_rand_index"] < 0.2 and standardized["truth"]["adjusted_rand_index"] > 0.9
    assert "scale" not in slugs("kmeans", SAMPLES / "faithful.csv", "-k", 2)
    values = np.loadtxt(data, delimiter=",", skiprows=1, usecols=(0, 1))
    scaled = values / values.std(axis=0)
    text = "a,b\n" + "".join(f"{x!r},{y!r}\n" for x, y in scaled.tolist())
    plain = fit("kmeans", "-", "-k", 2, stdin=text)
    assert standardized["inertia"] == pytest.approx(plain["inertia"], rel=1e-12)
    np.testing.assert_allclose(standardized["parameters"]["scales"], values.std(axis=0), rtol=1e-12)
    centroids = np.array(plain["parameters"]["centroids"]) * values.std(axis=0)
    np.testing.assert_allclose(standardized["parameters"]["centroids"], centroids, rtol=1e-9)
    assert standardized["parameters"]["sd"] == pytest.approx(plain["parameters"]["sd"])


def test_a_spurious_optimum_is_set_aside_for_a_lower_one_that_is_not() -> None:
    document = told("gmm", WAITING, "-k", 4, "--restarts", 40).document
    (warning,) = (w for w in document["warnings"] if w["slug"] == "optimum-set-aside")
    assert "set aside" in warning["message"]
    highest = max(start["log_likelihood"] for start in document["restarts"] if start["log_likelihood"] is not None)
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
    found = fit("coins", data, "-k", k, "--mixing", mixing, "--row-weights", "w", "--restarts", 3)["warnings"]
    said = [w["message"] for w in found if w["slug"] == "not-identifiable" and "to be told apart" in w["message"]]
    assert bool(said) == raised
    if raised:
        assert "0 of" in said[0]


def test_coins_that_start_equal_are_said_to_stay_so(write: Write) -> None:
    data = write("c.csv", "heads,tosses\n" + "5,10\n" * 10)
    found = slugs("coins", data)
    assert {"symmetric-start", "identical-components", "one-component-suffices"} <= found


def test_the_ledger_bounds_the_chance_of_a_better_optimum_only_where_the_number_of_starts_was_fixed() -> None:
    """1 - 0.05^(1/n): 26 % for ten starts, 11 % for twenty-five; else that of a new one is estimated (Good 1953)."""
    bound = "a further start finds one with a probability below {} % (95 % confidence)"
    assert bound.format(26) in told("kmeans", SAMPLES / "iris.csv", "-k", 9, "--restarts", 10).table
    assert bound.format(11) in told("gmm", SAMPLES / "faithful.csv", "-k", 2, "--restarts", 25).table
    searched = told("kmeans", SAMPLES / "iris.csv", "-k", 5).table
    assert "probability" not in searched
    document, shown, _ = told("gmm", SAMPLES / "faithful.csv", "-k", 3)
    starts = [each for each in document["restarts"] if "from" not in each and each["kind"] != "nested"]
    ends = Counter(round(each["log_likelihood"], 3) for each in starts if each["status"] == "converged")
    alone, of = sum(count == 1 for count in ends.values()), ends.total()
    assert f"{alone} of {of} starts ended at an optimum of their own: about {100 * alone / of:.0f} % of" in shown
    assert "chance" not in told("gmm", SAMPLES / "faithful.csv", "-k", 1, "--restarts", 10).table


def test_of_starts_that_a_column_of_few_values_makes_collapse_the_column_is_told(write: Write) -> None:
    rng = np.random.default_rng(5)
    rows = [f"{i % 2},{x:.3f},{y:.3f}" for i, (x, y) in enumerate(rng.normal([[0, 0], [4, 4]] * 60, 1.0))]
    data = write("x.csv", "sex,x,y\n" + "\n".join(rows) + "\n")
    found = {w["slug"]: w["message"] for w in fit("gmm", data, "-k", 2)["warnings"]}
    assert "starts collapsed onto too few rows: column 'sex' has only 2 different values" in found["collapsed-starts"]
    assert "collapsed-starts" not in slugs("gmm", data, "-k", 2, "--exclude", "sex")


def test_beside_noise_starts_that_collapse_are_told_where_most_do_or_the_rows_show_why(write: Write) -> None:
    """Beside noise any component may shrink, so that half of the starts do is usual and says nothing of the rows."""
    rng = np.random.default_rng(0)
    far = rng.uniform(-20, 25, (15, 2))
    rows = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(5, 1, (60, 2)), far]).round(3).tolist()
    data = write("x.csv", "x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
    found = fit("gmm", data, "-k", 5, "--noise", "--restarts", 40)
    collapsed = sum(each["status"] == "degenerate" for each in found["restarts"])
    assert 10 <= collapsed < 30
    assert "collapsed-starts" not in {warning["slug"] for warning in found["warnings"]}


def test_bic_of_free_mixing_is_lower_by_no_less_than_is_said_of_equal_mixing(write: Write) -> None:
    rng = np.random.default_rng(4)
    for share, others in ((0.9, 1), (0.7, 2)):
        coin = np.where(rng.random(500) < share, 0, rng.integers(1, 1 + others, 500))
        heads = rng.binomial(20, np.array([0.3, 0.8, 0.55])[coin])
        data = write("c.csv", "heads,tosses\n" + "".join(f"{h},20\n" for h in heads))
        equal, free = (fit("coins", data, "-k", 1 + others, "--mixing", mixing) for mixing in ("equal", "free"))
        (told,) = (w["message"] for w in equal["warnings"] if w["slug"] == "unequal-mixing")
        lower = float(re.search(r"lower by ([\d.]+) or more", told)[1])  # type: ignore[index]
        assert 10 < lower <= equal["bic"] - free["bic"]
        assert not any(w["slug"] == "unequal-mixing" for w in free["warnings"])


@pytest.mark.parametrize("k", [1, 2, 7])  # test_segments tries those between
def test_k_means_on_a_line_returns_the_best_clusters_of_all(k: int) -> None:
    stored = reference("kmeans")
    for name, path in (("galaxies", SAMPLES / "galaxies.csv"), ("faithful_waiting", WAITING)):
        document = fit("kmeans", path, "-k", k, "--seed", 3)
        best = stored[name][f"k{k}"]["sse"]
        assert document["inertia"] == pytest.approx(best, rel=1e-12)
        assert document["certificate"]["reached"] is True
        assert document["certificate"]["optimum"] == pytest.approx(best, rel=1e-12)
        assert len(document["restarts"]) == 11 and document["restarts"][-1]["kind"] == "exact"


def test_a_given_start_is_measured_against_the_best_of_all(write: Write) -> None:
    start = write("s.yaml", "centroids: [9.172, 9.35, 9.483, 9.558, 9.775, 10.227, 10.406]")
    document, shown, _ = told("kmeans", SAMPLES / "galaxies.csv", "-k", 7, "--start", start)
    assert document["certificate"]["reached"] is False
    assert document["inertia"] > document["certificate"]["optimum"]
    assert "Not the best" in shown


def test_thumbtacks_k_3_is_certified_and_k_2_is_not() -> None:
    two, three = (told(*TACKS, "-k", k, "--mixing", "free") for k in (2, 3))
    assert two.document["certificate"]["gap"] == pytest.approx(0.2051410, abs=1e-5)
    best = three.document["certificate"]
    assert best["gap"] + 320 * math.log1p(best["D"] / 320) < 1e-4
    assert "No mixture of any number of coins has a log-likelihood more than 0.205 higher." in two.table
    assert "Proven optimal" in three.table


def test_the_table_counts_the_starts_that_the_document_counts() -> None:
    """The exact clusters of a line are an entry of their own: never 11 of 10."""
    for k in (1, 2):
        document, shown, _ = told("kmeans", WAITING, "-k", k)
        starts = sum("from" not in entry for entry in document["restarts"])
        assert f"{document['reached']} of {starts} starts reached" in shown and document["reached"] <= starts


@pytest.mark.parametrize("heads", [0.1, 0.5])
def test_a_component_without_rows_has_values_that_are_one_choice_of_many(heads: float) -> None:
    """Of these counts no third coin is more likely than two."""
    result = result_of([[2, 9]] * 9 + [[7, 9]] * 6, {"model": "coins", "k": 2, "mixing": "free", "restarts": 2})
    batches, model = result.data.rows.batches(), result.model
    found = judge(model, InformationCache(batches, map), 1e-6, batches, map)
    assert found.identifiable and not found.saddle
    more = replace(model, weights=np.append(model.weights, 0.0), heads=np.append(model.heads, heads))
    told = judge(more, InformationCache(batches, map), 1e-6, batches, map)
    assert not told.identifiable and not told.saddle
