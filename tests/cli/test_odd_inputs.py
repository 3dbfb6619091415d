"""Inputs that only look bad: they are read, fitted and warned of as they should be."""

from __future__ import annotations

import gzip
import json
import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_inputs import READERS, SAVED, SAVED_COINS, SAVED_GMM, as_csv, as_json, changed
from rules import POINTS, Bad, Done, as_process, bad, hold, in_process, lay

NORMAL = np.random.default_rng(0).normal(size=(60, 2))
FILES: dict[str, tuple[str, dict[str, str | bytes]]] = {
    "byte order mark": ("fit kmeans b.csv -k 1 --columns x", {"b.csv": "\ufeffx,y\n1,2\n3,4\n"}),
    "without header": ("fit kmeans b.csv -k 1 --columns 1", {"b.csv": "\ufeff1,2\n3,4\n"}),
    "no newline at the end": ("fit kmeans b.csv -k 1", {"b.csv": "x\n1\n2"}),
    "gzip": ("fit kmeans b.csv.gz -k 1", {"b.csv.gz": gzip.compress(b"x\n1\n2\n")}),
    "gzip by content": ("fit kmeans b.csv -k 1", {"b.csv": gzip.compress(b"x\n1\n2\n")}),
    "/dev/stdin": ("fit kmeans /dev/stdin -k 1", {"<": "x\n1\n2\n"}),
    "brackets": ("fit kmeans 'a[1].csv' -k 1", {"a[1].csv": "x\n1\n2\n", "a1.csv": "x\n7\n"}),
    "star": ("fit kmeans '*?.csv' -k 1", {"*?.csv": "x\n1\n2\n"}),
    "tilde": ("fit kmeans '~$HOME.csv' -k 1", {"~$HOME.csv": "x\n1\n2\n"}),
    "address": ("fit kmeans http:x.csv -k 1", {"http:x.csv": "x\n1\n2\n"}),
}


@pytest.mark.parametrize(("line", "files"), FILES.values(), ids=FILES)
def test_a_file_that_only_looks_bad_works(line: str, files: dict[str, str | bytes], tmp_path: Path) -> None:
    given = files.pop("<", "")
    case = Bad(line, 0, files=files, stdin=given)
    run = as_process if "/dev/stdin" in line else in_process
    done = run(lay(tmp_path, case), tmp_path, given.encode() if isinstance(given, str) else given)
    hold(done, 0)
    assert "2 rows" in done.out


def document_of(text: str, options: str, folder: Path) -> tuple[dict[str, Any], str]:
    """The document of a fit that must succeed, and what was said."""
    (folder / "x.csv").write_text(text)
    done = in_process(["fit", "kmeans", "x.csv", "-k", "1", "--json", *options.split()], folder)
    hold(done, 0)
    return json.loads(done.out), done.err


# text, options, columns, sum of the centroid's coordinates, slugs of warnings
TABLES: dict[str, tuple[str, str, list[str], float, list[str]]] = {
    "all numeric": ("1,2\n3,4\n", "", ["1", "2"], 5.0, []),
    "header by hand": ("1,2\n3,4\n", "--header", ["1", "2"], 7.0, ["zero-inertia"]),
    "no header by hand": ("1\n3\n", "--no-header", ["1"], 2.0, []),
    "years": ("2019,2020\n3,4\n5,6\n", "", ["1", "2"], 4057 / 3, ["header-guess"]),
    "no name": ("x,\n1,2\n3,4\n", "", ["x", "2"], 5.0, ["identifier"]),
    "blank lines": ("x\n1\n\n3\n\n\n", "", ["x"], 2.0, []),
    "blank to the eye": ("x,y\n1,2\n \t\n3,4\n", "", ["x", "y"], 5.0, []),
    "comments": ("# a\nx,y\n# b\n1,2\n3,4\n", "--comment #", ["x", "y"], 5.0, []),
    "semicolon": ("x;y\n1;2\n3;4\n", "", ["x", "y"], 5.0, []),
    "tab": ("x\ty\n1\t2\n3\t4\n", "", ["x", "y"], 5.0, []),
    "pipe": ("x|y\n1|2\n3|4\n", "", ["x", "y"], 5.0, []),
    "space": ("x y\n1  2\n3 4\n", "", ["x", "y"], 5.0, []),
    "quoted": ('x\n"1.5"\n"2.5"\n', "", ["x"], 2.0, []),
    "header of two lines": ('"x\ny","a,b"\n1,2\n3,4\n', "", ["x\ny", "a,b"], 5.0, []),
    "padded": (" x , y \n 1 ,2\n3,  4\n", "", ["x", "y"], 5.0, []),
    "dropped": ("x\n1\nNA\n3\n", "--missing drop", ["x"], 2.0, ["dropped-rows"]),
    "numbers": ("x\n.5\n5.\n+1\n1e1\n-2E-1\n", "", ["x"], 3.26, []),
    "underflow": ("x\n1e-400\n2\n", "", ["x"], 1.0, ["underflow"]),
}


@pytest.mark.parametrize(("text", "options", "columns", "total", "slugs"), TABLES.values(), ids=TABLES)
def test_a_table_that_only_looks_bad_is_read(
    text: str, options: str, columns: list[str], total: float, slugs: list[str], tmp_path: Path
) -> None:
    said, heard = document_of(text, options, tmp_path)
    assert said["data"]["columns"] == columns
    assert sum(said["parameters"]["centroids"][0]) == pytest.approx(total, abs=1e-12)
    found = [warning["slug"] for warning in said["warnings"]]
    assert [slug for slug in found if slug in (*slugs, "header-guess", "dropped-rows", "underflow")] == slugs
    assert all(f"[{slug}]" in heard for slug in slugs)
    assert said["data"]["dropped"] == text.count("NA")


def test_quiet_hides_a_warning_on_standard_error_alone(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x\n1\nNA\n3\n")
    words = ["fit", "kmeans", "x.csv", "-k", "1", "--missing", "drop", "--json"]
    loud, quiet = in_process(words, tmp_path), in_process([*words, "-q"], tmp_path)
    assert loud.out == quiet.out and "dropped-rows" in quiet.out
    assert "[dropped-rows]" in loud.err and quiet.err == ""


def test_long_decimals_are_rounded_correctly(tmp_path: Path) -> None:
    text = "0.1000000000000000055511151231257827021181583404541015625000000001"
    said, _ = document_of(f"x\n{text}\n{text}\n", "", tmp_path)
    assert said["parameters"]["centroids"] == [[float(text)]]


def test_text_passes_through_predict_as_data_and_is_quoted_where_it_must_be(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    assert POINTS.startswith("x,y")
    hold(in_process(["fit", "kmeans", "x.csv", "-k", "2", "-o", "f.json"], tmp_path), 0)
    (tmp_path / "z.csv").write_text('x,y,label\n1,2,"a,""b"\n3,4,=cmd()\n')
    done = in_process(["predict", "f.json", "z.csv"], tmp_path)
    hold(done, 0)
    assert '1,2,"a,""b",' in done.out and "3,4,=cmd()," in done.out


EXPERIMENTS = {
    "a float with an exponent": "model: gmm\nfit: {k: 2, tol: 1e-6}\n",
    "byte order mark": "\ufeffmodel: gmm\nfit: {k: 2}\n",
    "CRLF": "model: gmm\r\nfit:\r\n  k: 2\r\n",
    "relative": "model: gmm\ndata: ../x.csv\nfit: {k: 2}\n",
    "JSON": json.dumps({"model": "gmm", "fit": {"k": 2, "tol": 1e-3}}, indent="\t"),
}


@pytest.mark.parametrize("text", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_an_experiment_that_only_looks_bad_works(text: str, tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "fit.yaml").write_bytes(text.encode())
    data = [] if "data:" in text else ["x.csv"]
    hold(in_process(["fit", "in/fit.yaml", *data, "--restarts", "4"], tmp_path), 0)


def reads(document: dict[str, Any] | str, line: str, folder: Path) -> Done:
    """Run on a document that must be accepted."""
    content = document if isinstance(document, str) else as_json(document)
    done = in_process(lay(folder, bad(line, 0, f__json=content)), folder)
    hold(done, 0)
    return done


@pytest.mark.parametrize("line", READERS)
def test_a_newer_minor_version_is_accepted_and_what_is_unknown_ignored(line: str, tmp_path: Path) -> None:
    newer = {
        **SAVED_GMM,
        "schema": "emcli.fit/1.9",
        "later": {"a": [None]},
        "settings": {**SAVED_GMM["settings"], "new": [1]},
    }
    assert reads(newer, line, tmp_path).out == reads(SAVED_GMM, line, tmp_path).out
    assert reads("\ufeff" + SAVED.replace("\n", "\r\n"), line, tmp_path).out == reads(SAVED_GMM, line, tmp_path).out
    assert reads(SAVED_COINS, line.replace("x.csv", "c.csv"), tmp_path).out


def test_fits_of_different_data_are_told_apart(tmp_path: Path) -> None:
    lay(tmp_path, bad("fit", 0, a__json=SAVED, b__json=changed("data.sha256", "1" * 64)))
    done = in_process(["compare", "a.json", "b.json"], tmp_path)
    hold(done, 0, "[different-data]")


def test_names_are_escaped_and_cut(tmp_path: Path) -> None:
    for hostile in ("\x1b[2J", "a\r\nb", "\u202e", "x" * (1 << 20), "=cmd()"):
        document = deepcopy(SAVED_GMM)
        document["data"] |= {"source": hostile, "columns": [hostile, "y"]}
        other = {**document, "data": {**document["data"], "sha256": "1" * 64}}
        lay(tmp_path, bad("fit", 0, f__json=as_json(document), g__json=as_json(other)))
        done = in_process(["compare", "f.json", "g.json"], tmp_path)
        hold(done, 0)
        assert all(shown.isprintable() and len(shown) < 1000 for shown in done.out.splitlines()), done.out[:500]
        hold(in_process(["predict", "f.json", "x.csv"], tmp_path), 3, "no column ")
        done = in_process(["generate", "f.json", "-n", "2"], tmp_path)
        hold(done, 0)  # the header is data, and quoted as CSV
        assert done.out.startswith(('"' if set(hostile) & set('\r\n",;|') else "") + hostile[:1])


def fitted(model: str, table: str, options: str, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The document of a fit that must succeed, and the slugs of its warnings."""
    (folder / "x.csv").write_text(table)
    done = in_process(["fit", model, "x.csv", "--json", *options.split()], folder)
    hold(done, 0)
    assert "NaN" not in done.out and "Infinity" not in done.out
    said = json.loads(done.out)
    return said, [warning["slug"] for warning in said["warnings"]]


def test_equal_rows_are_one_cluster_of_inertia_zero(tmp_path: Path) -> None:
    said, slugs = fitted("kmeans", as_csv(np.ones((20, 2))), "-k 1", tmp_path)
    assert said["inertia"] == 0 and said["log_likelihood"] is None and "zero-inertia" in slugs


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_a_spike_never_wins(covariance: str, tmp_path: Path) -> None:
    values = np.concatenate([NORMAL[:50, 0], [0.3, 0.3, 0.3]])
    said, _ = fitted("gmm", as_csv(values), f"-k 3 --covariance {covariance} --restarts 5", tmp_path)
    variances = [matrix[0][0] for matrix in said["parameters"]["covariances"]]
    assert math.isfinite(said["log_likelihood"]) and min(variances) > 1e-12


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_an_offset_costs_nothing_but_what_the_data_lost(covariance: str, tmp_path: Path) -> None:
    far = np.round((1e9 + 1e-3 * NORMAL) * 2**23) / 2**23
    here, _ = fitted("gmm", as_csv(far - 1e9), f"-k 1 --covariance {covariance}", tmp_path)
    there, _ = fitted("gmm", as_csv(far), f"-k 1 --covariance {covariance}", tmp_path)
    one, other = (np.array(said["parameters"]["covariances"]) for said in (here, there))
    assert np.allclose(one, other, rtol=1e-6, atol=1e-6 * one.max())
    assert there["log_likelihood"] == pytest.approx(here["log_likelihood"], rel=1e-6)


def test_no_variance_is_added(tmp_path: Path) -> None:
    values = 1e-3 * NORMAL[:, :1]
    said, _ = fitted("gmm", as_csv(values), "-k 1", tmp_path)
    assert said["parameters"]["covariances"][0][0][0] == pytest.approx(values.var(), rel=1e-12)


def test_a_row_far_from_everything_keeps_its_responsibilities(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(as_csv(np.concatenate([NORMAL[:, 0], [0.1]])))
    hold(in_process(["fit", "gmm", "x.csv", "-k", "2", "-o", "f.json"], tmp_path), 0)
    (tmp_path / "z.csv").write_text("x\n1e6\n-1e9\n1e150\n")
    done = in_process(["predict", "f.json", "z.csv"], tmp_path)
    hold(done, 0)
    found = np.array([line.split(",") for line in done.out.splitlines()[1:]], dtype=float)
    assert np.allclose(found[:, 2:4].sum(axis=1), 1) and not np.isnan(found).any()


def test_a_fit_ends_and_says_how(tmp_path: Path) -> None:
    table = as_csv(NORMAL)
    said, slugs = fitted("gmm", table, "-k 3 --max-iter 2 --restarts 4", tmp_path)
    assert said["status"] == "max_iter" and "slow" in slugs
    words = ["fit", "gmm", "x.csv", "-k", "3", "--max-iter", "2", "--restarts", "4"]
    assert in_process([*words, "--require-convergence"], tmp_path).code == 1
    said, _ = fitted("gmm", table, "-k 1 --tol 1e-300", tmp_path)
    assert said["status"] == "converged" and said["stop"] == "rounding"
    said, _ = fitted("gmm", table, "-k 1", tmp_path)
    assert said["iterations"] <= 2
    said, _ = fitted("gmm", table, "-k 5 --restarts 3 --max-iter 200", tmp_path)
    assert min(said["parameters"]["weights"]) > 0


def test_rows_without_tosses_are_counted(tmp_path: Path) -> None:
    said, slugs = fitted("coins", "heads,tosses\n5,10\n9,10\n0,0\n8,10\n", "", tmp_path)
    assert "no-tosses" in slugs and said["data"]["rows"] == 4


def test_one_rate_is_not_two_coins(tmp_path: Path) -> None:
    said, slugs = fitted("coins", "heads,tosses\n" + "5,10\n" * 6, "", tmp_path)
    low, high = said["parameters"]["heads"]
    assert low == pytest.approx(high, abs=1e-3) and slugs


def test_whole_numbers_may_be_written_as_floats(tmp_path: Path) -> None:
    said, _ = fitted("coins", "heads,tosses\n3.0,1e1\n7e0,10.00\n", "", tmp_path)
    low, high = said["parameters"]["heads"]
    assert low <= high  # in the order of P(heads)


def test_the_textbook_example(tmp_path: Path) -> None:
    table = "heads,tosses\n5,10\n9,10\n8,10\n4,10\n7,10\n"
    (tmp_path / "s.yaml").write_text("heads: [0.6, 0.5]\n")
    for count, right in ((1, (0.5813393083, 0.7130122354)), (10, (0.5196586622, 0.7967441495))):
        said, _ = fitted("coins", table, f"--start s.yaml --solver em --max-iter {count}", tmp_path)
        assert said["parameters"]["heads"] == pytest.approx(right, abs=1e-9)
    said, _ = fitted("coins", table, "--start s.yaml --tol 1e-12", tmp_path)
    assert said["parameters"]["heads"] == pytest.approx((0.5195831201451, 0.7967890669226), abs=1e-12)
    assert said["log_likelihood"] == pytest.approx(-9.796924292221608, abs=1e-10)
