"""The program as people and scripts meet it: streams, exit codes, one-line errors."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, fit, reference, run, run_here

FAITHFUL = ROOT / "sample_data" / "faithful.csv"
Write = Callable[[str, str], Path]


def test_data_come_through_a_pipe_and_leave_as_json() -> None:
    document = fit("gmm", "-k", 2, stdin=FAITHFUL.read_bytes())
    assert document["schema"] == "emcli.fit/1"
    assert document["data"]["source"] == "<stdin>"
    assert document["log_likelihood"] == pytest.approx(reference("gmm")["faithful"]["VVV,2"]["loglik"], rel=1e-9)


def test_standard_input_and_the_file_give_the_same_numbers() -> None:
    piped, named = (fit("gmm", "-k", 2, data, "--restarts", 2, stdin=FAITHFUL.read_bytes()) for data in ("-", FAITHFUL))
    piped["data"].pop("source"), named["data"].pop("source")
    assert piped == named


def test_a_fit_can_be_generated_from(tmp_path: Path) -> None:
    saved = tmp_path / "f.json"
    assert run("fit", "gmm", FAITHFUL, "-k", 2, "-o", saved).returncode == 0
    drawn = run("generate", saved, "-n", 100)
    assert drawn.stdout.splitlines()[0] == "eruptions,waiting"
    assert len(drawn.stdout.splitlines()) == 101
    assert drawn.stdout == run("generate", saved, "-n", 100, "--seed", 0).stdout
    assert drawn.stdout != run("generate", saved, "-n", 100, "--seed", 1).stdout


@pytest.mark.parametrize(
    ("config", "model", "columns"), [("two_coins", "coins", "heads,tosses"), ("blobs", "kmeans", "x,y")]
)
def test_a_fit_of_any_model_can_be_generated_from(config: str, model: str, columns: str, tmp_path: Path) -> None:
    saved = tmp_path / "f.json"
    assert run("fit", ROOT / "configs" / f"{config}.yaml", "--restarts", 1, "-o", saved).returncode == 0
    drawn = run("generate", saved, "-n", 50, "--labels").stdout
    assert drawn.splitlines()[0] == f"{columns},component"
    assert fit(model, "-k", 2, "--restarts", 1, "--truth", "component", stdin=drawn)["data"]["rows"] == 50


def test_the_document_has_what_the_contract_names_and_nothing_of_this_machine(tmp_path: Path) -> None:
    document = fit("gmm", FAITHFUL, "-k", 2)
    keys = "schema version model covariance mixing k data settings status stop warnings log_likelihood parameters_count"
    keys += " aic bic icl parameters iterations trace restarts"
    assert set(keys.split()) <= set(document)
    assert document["data"]["source"] == "faithful.csv"
    assert str(ROOT) not in json.dumps(document)
    assert len(document["restarts"]) == 10
    assert document["parameters_count"] == 11
    assert document["bic"] == pytest.approx(reference("gmm")["faithful"]["VVV,2"]["bic"], abs=1e-5)
    polished = sum(row.get("step") == "polish" for row in document["trace"])
    assert [row["iteration"] for row in document["trace"]] == list(range(document["iterations"] + 1 + polished))
    means = document["parameters"]["means"]
    assert means == sorted(means)


def test_a_trace_on_standard_output_is_seen_before_the_fit_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "emcli", "fit", "gmm", str(FAITHFUL), "-k", "3", "--restarts", "100000", "--trace", "-"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        try:
            assert process.stdout is not None
            first = json.loads(process.stdout.readline())
            assert first["type"] == "iteration" and first["iteration"] == 0
            assert process.poll() is None
            process.stdout.close()
            assert process.wait(20) == -signal.SIGPIPE
        finally:
            process.kill()


def test_an_unconverged_fit_says_so_and_ends_with_1_on_request() -> None:
    arguments = ["fit", "gmm", FAITHFUL, "-k", 3, "--max-iter", 2, "--restarts", 4]
    assert "[slow]" in run(*arguments).stderr
    done = run(*arguments, "--require-convergence", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "max_iter"


def test_every_degenerate_start_is_in_the_ledger_and_does_not_stop_the_others(write: Write) -> None:
    rows = "\n".join(["5"] * 30 + [f"{i * i % 47}.{i}" for i in range(60)])
    document = fit("gmm", write("spike.csv", "x\n" + rows), "-k", 3, "--init", "random", "--restarts", 8)
    failed = [start for start in document["restarts"] if start["status"] == "degenerate"]
    assert failed, "these data make some starts degenerate"
    assert all(start["log_likelihood"] is None and start["reason"] for start in failed)
    assert document["status"] in ("converged", "max_iter")


def test_labels_are_kept_out_of_the_fit_and_compared_with_it(write: Write) -> None:
    data = run("generate", ROOT / "configs" / "blobs.yaml", "--labels").stdout
    document = fit("kmeans", write("b.csv", data), "-k", 3, "--truth", "component")
    assert document["data"]["columns"] == ["x", "y"]
    assert document["truth"]["adjusted_rand_index"] > 0.95


def test_flips_heads_and_tails_and_heads_and_tosses_are_the_same_data(write: Write) -> None:
    tossed = fit("coins", write("a.csv", "heads,tosses\n5,10\n9,10\n8,10\n4,10\n7,10\n"))
    tails = fit("coins", write("b.csv", "heads,tails\n5,5\n9,1\n8,2\n4,6\n7,3\n"), "--tails", "tails")
    flips = fit("coins", ROOT / "sample_data" / "flips.csv", "--flips", "flips")
    letters = (ROOT / "sample_data" / "flips.csv").read_text().split()[1:]
    bits = write("c.csv", "f\n" + "\n".join(row.translate(str.maketrans("HT", "10")) for row in letters))
    found = [tossed, tails, flips, fit("coins", bits, "--flips", "f")]
    assert all(document["parameters"] == tossed["parameters"] for document in found)


@pytest.mark.parametrize("asked", [["--version"], ["fit", "--help"]])
def test_version_and_help_import_no_heavy_library(asked: list[str]) -> None:
    script = f"import sys; from emcli.cli.app import main; main({asked}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert {"numpy", "pydantic", "rich", "yaml"}.isdisjoint(done.stderr.split())
    assert asked != ["--version"] or re.fullmatch(r"emcli \d+\.\d+\.\d+\n", done.stdout)


LINES = {
    "fit gmm sample_data/faithful.csv -k 2 --restarts 1 --tol 1e-3 --covariance tied --json": 0,
    "fit kmeans sample_data/faithful.csv -k 2 --no-header --missing drop": 3,
    "compare coins sample_data/two_coins.csv -k 1-2 --restarts 1 --criterion aic": 0,
    "generate configs/blobs.yaml -n 5 --labels": 0,
    "fit gmm -k two": 2,
    "fit gmm -k 2 --covariance ful": 2,
    "fit gmm -k 2 --tol x": 2,
}
CONVERTED_BY_TYPER = f"""
import contextlib, io, json, sys
from emcli.cli import app
app.without_pydantic = lambda each: each
for line in {list(LINES)}:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = app.main(line.split())
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


def test_the_program_does_the_same_where_typer_converts_by_itself() -> None:
    said = subprocess.run([sys.executable, "-c", CONVERTED_BY_TYPER], cwd=ROOT, check=True, capture_output=True)
    for (line, code), told in zip(LINES.items(), said.stdout.splitlines(), strict=True):
        ours = run(*line.split())
        returned, out, err = json.loads(told)
        assert (returned, out) == (ours.returncode, ours.stdout)
        assert ours.returncode == code
        if code != 2:  # Typer has other words for a value that it cannot convert
            assert err == ours.stderr


def test_of_a_flag_given_twice_the_last_one_wins() -> None:
    once = ("gmm", FAITHFUL, *["-k", "2", "--restarts", "2", "--tol", "1e-6", "--seed", "0", "--header"])
    twice = ("gmm", FAITHFUL, *["-k", "3", "--restarts", "9", "--tol", "1", "--seed", "4", "--no-header"], *once[2:])
    assert fit(*twice) == fit(*once)


def test_help_in_a_pipe_has_no_colours() -> None:
    assert "\x1b" not in run_here(["fit", "--help"], env={"NO_COLOR": ""}).stdout


@pytest.mark.parametrize("shown", ["'--json'", "'--width', '80'"])
def test_a_small_fit_imports_only_what_it_needs(shown: str) -> None:
    script = "import sys; from emcli.cli.app import main; "
    script += f"main(['fit', 'gmm', 'sample_data/faithful.csv', '-k2', '--restarts', '1', {shown}])"
    script += "; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    heavy = {"scipy", "pyarrow", "matplotlib", "pydantic", "rich", "yaml", "numpy.ma", "concurrent.futures"}
    heavy |= {"emcli.inference.truth", "emcli.inference.bootstrap"}
    assert heavy.isdisjoint(done.stderr.split())


def test_garbage_is_collected_while_the_program_works_but_not_while_it_starts() -> None:
    script = """
import gc
from emcli import __main__
collected = []
gc.callbacks.append(lambda phase, info: collected.append(gc.get_freeze_count()))
import emcli.cli.app
assert not collected and not gc.isenabled()
emcli.cli.app.main = lambda: gc.collect() * 0 + 7 if gc.isenabled() else 1
assert __main__.main() == 7 and min(collected) > 1000, collected
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_help_names_no_type_and_says_in_ascii_what_a_stream_of_ascii_can_hold() -> None:
    said = run("compare", "--help", env={"COLUMNS": "80", "PYTHONIOENCODING": "ascii"}).stdout
    assert said.isascii() and "+- Options ---" in said
    assert "<" not in said and "| --criterion bic|" in said


def test_help_is_as_narrow_as_a_terminal_and_puts_a_long_option_in_a_line_of_its_own() -> None:
    said = run("compare", "--help", env={"COLUMNS": "60"}).stdout.splitlines()
    assert max(map(len, said)) == 60
    own = next(i for i, line in enumerate(said) if "--criterion bic|" in line)
    assert "what to rank by" in said[own + 1] and {len(line) for line in said[own : own + 2]} == {60}
    assert run("compare", "--help", env={"COLUMNS": "10"}).returncode == 0
