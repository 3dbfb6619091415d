"""What the error says where no mixture of Gaussians can be fitted: which row, value or column is to blame."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import run

from emcli.data.rows import Rows
from emcli.data.scaling import Scaling
from emcli.models.gmm.collapse import cause_of_collapse, far_row, place, shrinks_in_few_values
from emcli.models.gmm.full import Full
from emcli.models.gmm.mixture import GaussianMixture


def rows_of(values: np.ndarray, weights: np.ndarray | None = None, names: str = "xyzuvw") -> Rows:
    """Rows (n, d) in working coordinates, which are those of the user less 10, divided by 4."""
    d = values.shape[1]
    scaled = np.ascontiguousarray(((values - 10.0) / 4.0).T)
    total = float(len(values)) if weights is None else float(weights.sum())
    return Rows(scaled, weights, total, tuple(names[:d]), Scaling(np.full(d, 10.0), np.full(d, 2)))


def said(values: np.ndarray, k: int, *more: str, code: int = 4) -> str:
    """The error of a fit, and its hint."""
    names = ",".join("xyzuvwabcdefgh"[: values.shape[1]])
    text = names + "\n" + "".join(",".join(f"{x:.9g}" for x in row) + "\n" for row in values)
    done = run("fit", "gmm", "-", "-k", k, *more, stdin=text)
    assert done.returncode == code, done.stderr
    return done.stderr


NORMAL = np.random.default_rng(5).normal(size=(60, 1))


AUTOMATIC = pytest.param("full", 2, 200, (), id="of an automatic number of starts")


@pytest.mark.parametrize(
    ("covariance", "k", "starts", "given"),
    [AUTOMATIC, *((shape, k, 12, ("--restarts", "12")) for shape in ("full", "diag", "spherical") for k in (2, 3))],
)
def test_one_row_far_from_all_others_is_named(covariance: str, k: int, starts: int, given: tuple[str, ...]) -> None:
    values = np.column_stack([NORMAL, np.roll(NORMAL, 7)])
    values[17, 1] = 1e12
    found = said(values, k, "--covariance", covariance, *given)
    assert f"no fit: all {starts} starts collapsed" in found
    assert "y=1e+12 (1 row) is so far from all others" in found and "hint: leave it out, or correct it" in found


def test_a_row_far_in_every_column_is_not_called_a_linear_relation() -> None:
    values = np.column_stack([NORMAL, np.roll(NORMAL, 7)])
    values[3] = -1e12
    assert "x=-1e+12 (1 row) is so far from all others" in said(values, 1)
    line = np.column_stack([NORMAL, 2 * NORMAL])
    assert "one column follows from the others" in said(line, 1) and "far" not in said(line, 1)


def test_an_outlier_or_a_repeated_value_that_a_component_collapses_on_is_named() -> None:
    outlier, repeated = np.append(NORMAL, [[40.0]], axis=0), np.append(NORMAL, np.full((10, 1), 10.0), axis=0)
    for values, where in ((outlier, "x=40 (1 row)"), (repeated, "x=10 (10 rows)")):
        found = said(values, 2, "--restarts", "40")
        assert f"the likelihood has no bound at {where}\n" in found
        assert "hint: leave such rows out, use a smaller -k, --covariance tied or --prior default" in found


@pytest.mark.parametrize(
    ("covariance", "what"), [("tied", "one covariance for 3 components"), ("full", "the variance")]
)
def test_a_column_of_few_values_is_named_with_their_number(covariance: str, what: str) -> None:
    answers = np.arange(60) * 7 % 2
    found = said(np.column_stack([NORMAL, answers]), 3, "--covariance", covariance, "--restarts", "12")
    assert f"column 'y' has only {len(np.unique(answers))} different values, so {what}" in found
    assert "hint: use a smaller -k, or leave the column out with --columns\n" in found


def test_ratings_from_1_to_5_have_no_fit_with_five_components_of_one_covariance() -> None:
    ratings = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], [17, 20, 12, 20, 11])[:, None]
    found = said(ratings, 5, "--covariance", "tied")
    assert "no fit: column 'x' has only 5 different values, so one covariance for 5 components can shrink" in found
    said(ratings, 3, "--covariance", "tied", code=0)


def test_too_few_rows_for_the_covariances_are_told_with_their_number() -> None:
    values = np.random.default_rng(1).normal(size=(14, 6))
    assert "14 rows are too few for 3 covariances of 6 columns, each of which needs more than 6" in said(values, 3)


def test_the_cause_is_the_first_that_applies() -> None:
    values = np.random.default_rng(2).normal(size=(50, 2))
    plain = rows_of(values)
    assert cause_of_collapse(plain, 3, "tied", []) is None and cause_of_collapse(plain, 3, "diag", []) is None
    few = cause_of_collapse(rows_of(values[:4]), 3, "tied", [])
    assert few is not None and few[0].startswith("there are only 4 different rows, and one covariance for 3 components")
    assert few[0].endswith("needs 5")
    assert cause_of_collapse(rows_of(values[:5]), 3, "tied", []) is None
    answers = rows_of(np.column_stack([values[:, 0], np.arange(50) % 3]))
    found = shrinks_in_few_values(answers, 3, shared=True)
    assert found is not None and found.startswith("column 'y' has only 3 different values")
    assert shrinks_in_few_values(answers, 2, shared=True) is None
    assert cause_of_collapse(answers, 3, "spherical", []) is None  # its variance is that of both columns


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_value_is_far_beyond_ten_thousand_ranges_of_the_others(side: float) -> None:
    values = np.append(np.linspace(0.0, 1.0, 9), [0.0])[:, None]
    for away, far in ((0.99e4, False), (1.02e4, True)):
        values[-1] = side * away
        assert (far_row(rows_of(values)) is not None) == far
    assert far_row(rows_of(values[:1])) is None and far_row(rows_of(np.array([[0.0], [1.0]]))) is None


def test_a_place_is_the_nearest_row_in_the_users_units_with_its_frequency() -> None:
    values = np.array([[10.0, 100.0], [12.0, 300.0], [12.0, 300.0], [30.0, 200.0]])
    mean = (np.array([13.0, 290.0]) - 10.0) / 4.0
    assert place(mean, rows_of(values)) == "x=12, y=300 (2 rows)"
    assert place(mean, rows_of(values, np.array([1.0, 2.5, 4.0, 1.0]))) == "x=12, y=300 (6.5 rows)"
    wide = np.arange(12.0).reshape(2, 6)
    assert place(np.zeros(6), rows_of(wide)) == "x=6, y=7, z=8 (1 row)"


@pytest.mark.parametrize("narrow", [0, 1])
def test_the_place_to_blame_is_that_of_the_narrowest_component(narrow: int) -> None:
    values = np.append(NORMAL, [[7.0]], axis=0)
    rows = rows_of(values)
    means, variances = np.full((2, 1), (0.0 - 10.0) / 4.0), np.ones((2, 1, 1))
    means[narrow], variances[narrow] = (7.0 - 10.0) / 4.0, 1e-9
    end = GaussianMixture(np.full(2, 0.5), means, Full.of(variances, None))
    found = cause_of_collapse(rows, 2, "full", [end])
    assert found is not None and found[0] == "the likelihood has no bound at x=7 (1 row)"


def test_a_far_row_is_named_where_other_cells_of_its_column_are_missing() -> None:
    values = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, np.nan], [np.nan, 2.0], [1e9, 2.5]])
    assert far_row(rows_of(values)) == "x=1e+09 (1 row) is so far from all others that these look like one point"
