"""The bank is whole, its own cells are drawn again from their seeds, and fits are counted as they should be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REFERENCE, ROOT, reference, table

from . import cells as own
from .judging import BANK, Cell, Outcome, cells, counted
from .search import Coins, Gaussians, search

GMM = Cell(Path("x.csv"), ("gmm", "-k", "2"), -100.0)
KMEANS = Cell(Path("x.csv"), ("kmeans", "-k", "2"), -200.0)


@pytest.mark.parametrize(
    ("cell", "reached", "warned", "kind"),
    [
        (GMM, -100.0, False, "hit"),
        (GMM, -100.009, False, "hit"),
        (GMM, -100.009, True, "alarm"),
        (GMM, -100.011, False, "silent"),
        (GMM, -100.011, True, "warned"),
        (GMM, -99.98, False, "higher"),
        (GMM, -99.98, True, "higher"),
        (GMM, None, True, "failed"),
        (KMEANS, -200.0001, False, "hit"),
        (KMEANS, -200.0003, False, "silent"),
    ],
)
def test_a_fit_is_judged_by_how_far_it_ends_below_the_best_and_what_it_says(
    cell: Cell, reached: float | None, warned: bool, kind: str
) -> None:
    assert Outcome(cell, 0, reached, warned, 0.1).kind == kind


def test_the_count_starts_as_a_module_from_the_folder_of_the_project() -> None:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [sys.executable, "-m", "tests.bench.trust", "--help"]
    assert "--seeds" in subprocess.run(words, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout


def test_counts_add_up_to_the_fits() -> None:
    counts = counted(Outcome(GMM, 0, reached, False, 0.5) for reached in (-100.0, -100.5, -102.0, None))
    assert (counts["hit"], counts["silent"], counts["failed"], counts["far"]) == (1, 2, 1, 2)
    assert (counts["fits"], counts["seconds"]) == (4, 2.0)


def test_every_cell_has_its_table_and_every_table_its_cell() -> None:
    bank = cells()
    assert {cell.data.name for cell in bank if cell.data.parent == BANK} == {path.name for path in BANK.glob("*.csv")}
    assert all(len(table(cell.data)) >= 5 and np.isfinite(cell.best) for cell in bank)


def test_the_cells_of_our_own_are_drawn_again_from_their_seeds() -> None:
    for name, *_, columns, values in own.drawn():
        assert (BANK / f"{name}.csv").read_text() == own.text(columns, values), name


def test_the_long_search_finds_optima_that_others_computed() -> None:
    waiting, known = table(REFERENCE / "data" / "faithful_waiting.csv"), reference("gmm")["faithful_waiting"]
    for shape in ("E", "V"):
        found = search(Gaussians(waiting, shape == "E"), 2, np.random.default_rng(1), starts=2, swaps=1)
        assert found == pytest.approx(known[f"{shape},2"]["loglik"], abs=1e-5)
    flips = np.array([[5.0, 10], [9, 10], [8, 10], [4, 10], [7, 10]])
    found = search(Coins(flips, True), 2, np.random.default_rng(1), starts=3, swaps=1)
    assert found == pytest.approx(reference("binomial")["do_batzoglou"]["fits"]["k2_fixed_equal"]["loglik"], abs=1e-6)


def test_a_spike_on_two_rows_is_no_optimum() -> None:
    rng = np.random.default_rng(1)
    problem = Gaussians(np.append(rng.standard_normal(60), [3.0, 3.0001])[:, None], False)
    spike = np.array([59 / 60, 1 / 60]), np.array([[0.0], [3.00005]]), np.array([[[1.0]], [[1e-8]]])
    r = np.column_stack([np.append(np.ones(60), [0, 0]), np.append(np.zeros(60), [1, 1])])
    assert problem.chance(spike, r)
    broad = spike[0], np.array([[-0.7], [0.7]]), np.array([[[0.4]], [[0.4]]])
    assert not problem.chance(broad, np.column_stack([problem.x[:, 0] < 0, problem.x[:, 0] >= 0]).astype(float))
