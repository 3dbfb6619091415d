"""Rows that a P(heads) held at 0 or 1 rules out are told by their line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import run

ROWS = "heads,tails,coin\n0,10,a\n0,9,a\n6,4,b\n\n1,9,a\n5,5,\n2,8,a\n"
SAID = "P(heads) of 'a' is held at 0, and this row has 1 head and 9 tails, labelled so (and 1 more row like it)"
CASES = {
    "a label": ({"known": "coin", "fix": {"heads": [0, None]}}, ROWS, f"rows.csv:6: {SAID}"),
    "a label, with a prior": ({"known": "coin", "fix": {"heads": [0, None]}, "prior": 2}, ROWS, f"rows.csv:6: {SAID}"),
    "all of tails": (
        {"fix": {"heads": [0, 1]}},
        "heads,tails\n0,3\n3,0\n2,1\n",
        "rows.csv:4: every P(heads) is held at 0 or 1, and this row has 2 heads and 1 tail\n",
    ),
    "weights of 0 before it": (
        {"known": "coin", "fix": {"heads": [None, 1]}, "row_weights": "n"},
        "heads,tails,coin,n\n5,5,a,2\n1,9,b,0\n9,1,b,3\n8,0,b,1\n",
        "rows.csv:4: P(heads) of 'b' is held at 1, and this row has 9 heads and 1 tail, labelled so\n",
    ),
}


def written(folder: Path, settings: object, rows: str) -> None:
    (folder / "held.yaml").write_text(json.dumps({"model": "coins", "fit": settings}))
    (folder / "rows.csv").write_text(rows)


@pytest.mark.parametrize("case", CASES)
def test_what_contradicts_what_is_told_with_its_line(tmp_path: Path, case: str) -> None:
    settings, rows, said = CASES[case]
    written(tmp_path, {"k": 2, "mixing": "free", **settings}, rows)
    done = run("fit", "held.yaml", "rows.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"emcli: error: {said}") and "hint: " in done.stderr
    compared = run("compare", "held.yaml", "rows.csv", cwd=tmp_path)  # as all its candidates are refused for this
    assert (compared.returncode, compared.stdout, compared.stderr) == (3, "", done.stderr)


def test_rows_that_held_values_allow_are_fitted(tmp_path: Path) -> None:
    """Unlabelled rows may come from the free coin, and labelled ones without heads from that held at 0."""
    written(
        tmp_path,
        {"k": 2, "mixing": "free", "known": "coin", "fix": {"heads": [0, None]}},
        ROWS.replace("1,9,a", "1,9,"),
    )
    (tmp_path / "rows.csv").write_text((tmp_path / "rows.csv").read_text().replace("2,8,a", "2,8,b"))
    done = run("fit", "held.yaml", "rows.csv", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parameters"]["heads"][0] == 0


def test_drawn_rows_that_held_values_rule_out_are_told_by_number(tmp_path: Path) -> None:
    drawn = {"rows": 9, "seed": 1, "tosses": 10, "parameters": {"weights": [0.5, 0.5], "heads": [0.4, 0.5]}}
    text = {"model": "coins", "fit": {"k": 2, "mixing": "free", "fix": {"heads": [0, 1]}}, "generate": drawn}
    (tmp_path / "drawn.yaml").write_text(json.dumps(text))
    done = run("fit", "drawn.yaml", cwd=tmp_path)
    assert done.returncode == 3 and "drawn.yaml: row 1: every P(heads) is held at 0 or 1, and this row" in done.stderr
