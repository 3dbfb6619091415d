"""When a stream of steps has converged, on streams made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emcli.inference.convergence import LikelihoodDecreased, Termination, check_monotone, converge
from emcli.models.em import Step

TOL = 1e-6


def climbing(weights: Any = None) -> Iterator[Any]:
    """Steps whose gains halve, towards a log-likelihood of 0; the weights of each are constant unless given."""
    for i in count():
        yield Step(SimpleNamespace(weights=np.array([0.5, 0.5]) if weights is None else weights(i)), -(0.5**i), 1.0)


def ending(steps: Iterator[Any], decrements: list[float], most: int = 1000) -> tuple[Termination, int]:
    """How a stream ends, and after how many iterations; the last decrement holds for ever."""
    answers = iter(decrements)
    run, seen = converge(steps, TOL, most, lambda model: next(answers, decrements[-1])), -1
    while True:
        try:
            next(run)
            seen += 1
        except StopIteration as end:
            return end.value, seen


def test_a_fit_goes_on_until_less_than_tol_is_left_by_the_score_decrement() -> None:
    end, iterations = ending(climbing(), [5 * TOL, 2 * TOL, 0.5 * TOL])
    assert end == Termination("converged", "projected", 0.5 * TOL)
    assert iterations > 20  # where the first projection below tol was


def test_the_decrement_is_asked_after_one_iteration_and_at_the_first_small_projection() -> None:
    assert ending(climbing(), [0.5 * TOL]) == (Termination("converged", "projected", 0.5 * TOL), 1)
    end, iterations = ending(climbing(), [5 * TOL, 0.5 * TOL])
    assert end == Termination("converged", "projected", 0.5 * TOL)
    assert 0.5**iterations < TOL <= 0.5 ** (iterations - 1)  # each projection of halving gains is the last gain


@pytest.mark.parametrize(("scale", "expected"), [(1.0, [1, 400]), (1e-4, [1, *range(50, 401, 50), 400])])
def test_the_decrement_of_slow_steps_is_asked_where_a_step_alone_gains_less_than_tol(
    scale: float, expected: list[int]
) -> None:
    """A test may cost as much as fifty steps; at the end by --max-iter it is asked in any case."""
    asked: list[int] = []
    steps = (Step(SimpleNamespace(weights=np.ones(1), i=i), -scale * 0.999**i, 1.0) for i in count())
    for _ in converge(steps, TOL, 400, lambda model: asked.append(model.i) or 1.0):
        pass
    assert asked == expected


def test_gains_that_rounding_hides_end_a_fit_whatever_is_left() -> None:
    end, _ = ending(climbing(), [1.0])
    assert end == Termination("converged", "rounding", 1.0)


def test_a_mixing_weight_on_the_move_has_not_converged() -> None:
    def shrinking(i: int) -> Any:
        return np.array([0.95**i, 1 - 0.95**i])

    end, iterations = ending(climbing(shrinking), [0.0], most=80)
    assert end == Termination("max_iter", "max_iter", 0.0)
    assert iterations == 80


@pytest.mark.parametrize("most", [1, 7])
def test_a_fit_makes_no_more_iterations_than_asked_for(most: int) -> None:
    assert ending(islice(climbing(), 100), [1.0], most) == (Termination("max_iter", "max_iter", 1.0), most)


def test_a_run_that_cannot_become_the_best_ends() -> None:
    """A solver's projection twenty times over, or for EM the last gain in each iteration left, falls short of it."""

    def ended(kind: str, gain: float, ahead: float | None, beat: float) -> tuple[int, str]:
        model: Any = SimpleNamespace(weights=np.array([0.5, 0.5]), is_explicit=False)
        steps = (Step(model, i * gain, 1.0, kind=kind, ahead=ahead) for i in count())
        run, taken = converge(steps, TOL, 2000, None, beat), -1
        while True:
            try:
                next(run)
                taken += 1
            except StopIteration as end:
                return taken, end.value.status

    assert ended("newton", 0.5, 1.0, 30.0) == (1, "behind")
    assert ended("newton", 0.5, 1.0, 20.0) == (2000, "max_iter")
    assert ended("em", 0.01, None, 30.0) == (500, "behind")
    assert ended("em", 0.01, None, 19.0) == (2000, "max_iter")


def test_a_score_that_falls_is_a_bug_unless_rounding_explains_it() -> None:
    """Of the scores of four rows of ten thousand nats each, a double's rounding explains some 1e-11 at most."""

    def passed(*scores: float) -> int:
        model: Any = SimpleNamespace()
        return len(list(check_monotone(Step(model, score, 4.0) for score in scores)))

    assert passed(-4e4, -4e4, -3e4, -3e4 - 1e-11) == 4
    for fall in (1e-9, 1.0, 1e9):
        with pytest.raises(LikelihoodDecreased, match=r"from -30000\.0 to -"):
            passed(-4e4, -3e4, -3e4 - fall)
    with pytest.raises(LikelihoodDecreased, match="nan"):
        passed(-4e4, float("nan"))
