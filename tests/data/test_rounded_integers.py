"""Integers that a double cannot hold: said where it may matter, and nothing is certified of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import fit

Write = Callable[[str, str], Path]
NANOSECONDS = [1_700_000_000_000_000_000 + 100 * i for i in range(20)]  # a clock that ticks each 100 ns


def inertia(values: list[int], k: int) -> Fraction:
    """The least inertia of sorted values in two groups, in exact rational numbers."""
    assert k == 2

    def about_mean(some: list[int]) -> Fraction:
        mean = Fraction(sum(some), len(some))
        return sum(((x - mean) ** 2 for x in some), Fraction(0))

    return min(about_mean(values[:i]) + about_mean(values[i:]) for i in range(1, len(values)))


def of_column(write: Write, values: list[Any], model: str = "kmeans") -> tuple[dict[str, Any], list[str]]:
    """The document of a fit of two components to one column, and the messages of its rounding."""
    document = fit(model, write("column.csv", "\n".join(["t", *map(str, values)])), "-k", 2, "--restarts", 3)
    return document, [said["message"] for said in document["warnings"] if said["slug"] == "rounded-integers"]


def test_timestamps_in_nanoseconds_are_warned_of_and_not_certified(write: Write) -> None:
    document, said = of_column(write, NANOSECONDS)
    assert inertia(NANOSECONDS, 2) == 1_650_000 != document["inertia"]  # the values that were read are not these
    assert len(said) == 1 and "multiples of 256" in said[0]
    assert "certificate" not in document


def test_the_same_timestamps_from_a_nearer_origin_are_certified(write: Write) -> None:
    document, said = of_column(write, [t - NANOSECONDS[0] for t in NANOSECONDS])
    assert not said
    assert document["inertia"] == document["certificate"]["optimum"] == inertia(NANOSECONDS, 2)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([2**53 - 100 + i for i in range(20)], id="up to 2^53"),
        pytest.param([t + 10**15 * (i % 9) for i, t in enumerate(NANOSECONDS)], id="nanoseconds of many days"),
        pytest.param([f"{1 + i}e140" for i in range(20)], id="large numbers"),
    ],
)
def test_numbers_whose_rounding_cannot_be_seen_are_not_warned_of(write: Write, values: list[Any]) -> None:
    document, said = of_column(write, values)
    assert not said and "certificate" in document


def test_a_mixture_of_rounded_integers_is_warned_of_too(write: Write) -> None:
    assert of_column(write, NANOSECONDS, "gmm")[1]
