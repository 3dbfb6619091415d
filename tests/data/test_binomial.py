"""Binomial densities of up to 2^53 tosses a row, beside 50-digit arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from conftest import fit, run

from emcli.data.binomial import excess, log_densities, log_greatest
from emcli.data.trials import with_densities
from emcli.models.coins.mixture import BinomialMixture

Write = Callable[[str, str], Path]
MOST = 2**53
BILLION = "heads,tosses\n300000000,1000000000\n300015811,1000000000\n900000000,1000000000\n"
LARGEST = f"heads,tosses\n300000000000000,1000000000000000\n900000000000000,1000000000000000\n{MOST // 3},{MOST}\n"


def exact(heads: int, tosses: int, p: float) -> Any:
    """ln of the binomial density in 50 digits, of the double p as it is."""
    coefficient = mp.loggamma(tosses + 1) - mp.loggamma(heads + 1) - mp.loggamma(tosses - heads + 1)
    rate, tails = mp.mpf(p), tosses - heads
    return coefficient + (heads * mp.log(rate) if heads else 0) + (tails * mp.log1p(-rate) if tails else 0)


def mixture_of(document: dict[str, Any], rows: Sequence[tuple[int, int]]) -> Any:
    """The log-likelihood of a document's parameters in 50 digits."""
    pairs = list(zip(document["parameters"]["weights"], document["parameters"]["heads"], strict=True))
    return mp.fsum(mp.log(mp.fsum(mp.mpf(w) * mp.exp(exact(h, n, p)) for w, p in pairs)) for h, n in rows)


def rows_of(text: str) -> list[tuple[int, int]]:
    return [tuple(map(int, line.split(","))) for line in text.split()[1:]]  # type: ignore[misc]


def cases() -> list[tuple[int, int, float]]:
    """Heads, tosses and P(heads): counts of all sizes, near the expected number and far from it."""
    rng, found = np.random.default_rng(1), []
    for tosses in (1, 2, 7, 15, 16, 60, 61, 1000, 12345, 10**6, 10**9, 10**12, 10**15, MOST - 1, MOST):
        for p in (0.5, 0.3, 0.9999, 1e-3, 1e-12, 1 - 2.0**-40, float(rng.random())):
            sd = max(1.0, (tosses * p * (1 - p)) ** 0.5)
            for away in (0.0, 0.7, -3.0, 30.0):
                heads = round(min(max(tosses * p + away * sd, 0), tosses))
                found.append((heads, tosses, p))
        found += [(0, tosses, 0.3), (tosses, tosses, 0.3), (tosses // 2, tosses, 0.01), (1, tosses, 0.7)]
    return found


@pytest.mark.parametrize("side", ["heads", "tails"])
def test_the_log_density_of_any_count_has_twelve_digits(side: str) -> None:
    for heads, tosses, p in cases():
        counts = np.array([[heads], [tosses - heads]], dtype=float)
        coin = BinomialMixture(np.ones(1), np.array([p]))
        if side == "tails":
            counts, coin = counts[::-1], BinomialMixture(np.ones(1), np.array([1 - p]))
            if 1 - (1 - p) != p:  # 1 - p is another number in double precision
                continue
        found = float(coin.posterior(with_densities(counts))[1][0])
        with mp.workdps(50):
            right = exact(int(counts[0, 0]), tosses, float(coin.heads[0]))
        assert abs(found - right) <= 1e-12 * abs(right), (heads, tosses, p)


def test_the_saddle_point_form_has_fifteen_digits() -> None:
    for heads, tosses, p in cases():
        h, n = np.array([float(heads)]), np.array([float(tosses)])
        with mp.workdps(50):
            right, away = exact(heads, tosses, p), heads - tosses * mp.mpf(p)
        assert abs(float(excess(h, n, np.array([[p]]))[0, 0]) - away) <= 2e-16 * abs(away)
        if 0 < heads < tosses:
            found = float(log_densities(h, n - h, log_greatest(h, n - h), np.array([[p]]))[0, 0])
            assert abs(found - right) <= 4e-15 * abs(right), (heads, tosses, p)


@pytest.mark.parametrize("text", [BILLION, LARGEST, "heads,tosses\n3,10\n9,10\n300,1000\n90,100\n0,60\n61,61\n"])
@pytest.mark.parametrize("mixing", ["equal", "free"])
def test_the_log_likelihood_is_that_of_the_parameters_beside_it(text: str, mixing: str, write: Write) -> None:
    document = fit("coins", write("c.csv", text), "-k", 2, "--mixing", mixing)
    with mp.workdps(50):
        right = mixture_of(document, rows_of(text))
    assert abs(document["log_likelihood"] - right) <= 1e-12 * abs(right)


def test_a_billion_tosses_have_the_value_of_the_field_report(write: Write) -> None:
    """-33.45415035145 by mpmath; sums of logarithms of a billion gave -33.45415388966."""
    assert fit("coins", write("c.csv", BILLION), "-k", 2)["log_likelihood"] == pytest.approx(-33.45415035145, abs=1e-10)


def test_what_fit_accepts_predict_accepts(write: Write, tmp_path: Path) -> None:
    data, saved = write("c.csv", LARGEST), tmp_path / "fit.json"
    document = fit("coins", data, "-k", 2, "-o", saved)
    assert document["data"]["tosses"] == {"1000000000000000": 2, str(MOST): 1}
    done = run("predict", saved, data, process=False)
    assert done.returncode == 0, done.stderr
    densities = [float(line.split(",")[-1]) for line in done.stdout.split()[1:]]
    assert sum(densities) == pytest.approx(document["log_likelihood"], rel=1e-14)
    drawn = run("generate", saved, "-n", 3, process=False)
    assert drawn.returncode == 0 and len(drawn.stdout.split()) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"heads,tosses\n1,{MOST + 2}\n2,3\n", "c.csv:2:2: tosses must be at most 2^53"),
        (f"heads,tails\n{MOST},1\n2,3\n", "c.csv:2:1: more than 2^53 tosses"),
    ],
)
def test_more_tosses_than_a_double_counts_are_refused(text: str, said: str, write: Write) -> None:
    done = run("fit", "coins", write("c.csv", text), process=False)
    assert done.returncode == 3 and said in done.stderr


def test_a_document_with_more_tosses_is_refused(write: Write, tmp_path: Path) -> None:
    saved = tmp_path / "fit.json"
    fit("coins", write("c.csv", BILLION), "-o", saved)
    document = json.loads(saved.read_text())
    document["data"]["tosses"] = {str(MOST + 1): 3}
    saved.write_text(json.dumps(document))
    done = run("predict", saved, write("n.csv", BILLION), process=False)
    assert done.returncode == 3 and "data.tosses" in done.stderr
