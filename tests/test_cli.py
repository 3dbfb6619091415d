"""The program as people and scripts meet it: streams, exit codes, one-line errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, fit, reference, run

FAITHFUL = ROOT / "sample_data" / "faithful.csv"
Write = Callable[[str, str], Path]


def refused(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """A line for each fault and one hint that say all the parts, nothing on standard output, that exit code."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("emcli: error: ")
    assert "Traceback" not in done.stderr
    assert all(line.startswith("emcli: error: ") for line in rest[:-1]), done.stderr
    assert all(line.startswith(("emcli: error: ", "  hint: ")) for line in rest[-1:]), done.stderr
    for part in parts:
        assert part in done.stderr, done.stderr


def test_data_come_through_a_pipe_and_leave_as_json() -> None:
    document = fit("gmm", "-k", 2, stdin=FAITHFUL.read_bytes())
    assert document["schema"] == "emcli.fit/1"
    assert document["data"]["source"] == "<stdin>"
    assert document["log_likelihood"] == pytest.approx(reference("gmm")["faithful"]["VVV,2"]["loglik"], rel=1e-9)


def test_standard_input_and_the_file_give_the_same_numbers() -> None:
    piped, named = fit("gmm", "-k", 2, "-", stdin=FAITHFUL.read_bytes()), fit("gmm", FAITHFUL, "-k", 2)
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


@pytest.mark.parametrize("config", ["two_coins", "blobs"])
def test_a_fit_of_any_model_can_be_generated_from(config: str, tmp_path: Path) -> None:
    saved = tmp_path / "f.json"
    assert run("fit", ROOT / "configs" / f"{config}.yaml", "-o", saved).returncode == 0
    again = run(
        "fit",
        "coins" if config == "two_coins" else "kmeans",
        "-k",
        2,
        "--json",
        stdin=run("generate", saved, "-n", 50, "--labels").stdout.replace("component", "label"),
    )
    assert again.returncode == (0 if config == "two_coins" else again.returncode), again.stderr


def test_the_document_has_what_the_contract_names_and_nothing_of_this_machine(tmp_path: Path) -> None:
    document = fit("gmm", FAITHFUL, "-k", 2)
    for key in (
        "schema",
        "version",
        "model",
        "covariance",
        "mixing",
        "k",
        "data",
        "settings",
        "status",
        "stop",
        "warnings",
        "log_likelihood",
        "parameters_count",
        "aic",
        "bic",
        "icl",
        "parameters",
        "iterations",
        "trace",
        "restarts",
    ):
        assert key in document
    assert document["data"]["source"] == "faithful.csv"
    assert str(ROOT) not in json.dumps(document)
    assert len(document["restarts"]) == 10
    assert document["parameters_count"] == 11
    assert document["bic"] == pytest.approx(reference("gmm")["faithful"]["VVV,2"]["bic"], abs=1e-5)
    assert [row["iteration"] for row in document["trace"]] == list(range(document["iterations"] + 1))
    means = document["parameters"]["means"]
    assert means == sorted(means)


def test_results_do_not_depend_on_hash_seed_or_folder_or_locale(tmp_path: Path) -> None:
    outputs = {
        run("fit", "coins", ROOT / "sample_data" / "two_coins.csv", "--json", cwd=cwd, env=env).stdout
        for cwd, env in ((ROOT, {"PYTHONHASHSEED": "0"}), (tmp_path, {"PYTHONHASHSEED": "1", "LC_ALL": "C"}))
    }
    assert len(outputs) == 1 and outputs != {""}


def test_a_trace_on_standard_output_is_seen_before_the_fit_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "emcli", "fit", "gmm", str(FAITHFUL), "-k", "3", "--restarts", "100000", "--trace", "-"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["type"] == "iteration" and first["iteration"] == 0
        assert process.poll() is None
        process.stdout.close()
        assert process.wait(10) == -13  # SIGPIPE


def test_an_interrupted_fit_dies_by_the_signal_and_writes_nothing(tmp_path: Path) -> None:
    import signal
    import time

    target = tmp_path / "f.json"
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "emcli",
            "fit",
            "gmm",
            str(FAITHFUL),
            "-k",
            "3",
            "--restarts",
            "100000",
            "-o",
            str(target),
            "--trace",
            str(tmp_path / "t.jsonl"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as process:
        while not (tmp_path / "t.jsonl").exists() or not (tmp_path / "t.jsonl").stat().st_size:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=5)
    assert process.returncode == -signal.SIGINT
    assert (out, err) == ("", "emcli: interrupted; nothing written\n")
    assert not target.exists()


def test_an_unconverged_fit_says_so_and_ends_with_1_on_request() -> None:
    arguments = ["fit", "gmm", FAITHFUL, "-k", 3, "--max-iter", 2]
    assert "[slow]" in run(*arguments).stderr
    done = run(*arguments, "--require-convergence", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "max_iter"


def test_every_degenerate_start_is_in_the_ledger_and_does_not_stop_the_others(write: Write) -> None:
    rows = "\n".join(["5"] * 30 + [f"{i * i % 47}.{i}" for i in range(60)])
    document = fit("gmm", write("spike.csv", "x\n" + rows), "-k", 3, "--init", "random", "--restarts", 20)
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
    bits = write(
        "c.csv",
        "f\n"
        + "\n".join(
            s.replace("H", "1").replace("T", "0") for s in (ROOT / "sample_data" / "flips.csv").read_text().split()[1:]
        ),
    )
    assert (
        tossed["parameters"]
        == tails["parameters"]
        == flips["parameters"]
        == fit("coins", bits, "--flips", "f")["parameters"]
    )


BAD = {
    "missing file": (["fit", "gmm", "nothing.csv", "-k", 2], None, 3, ["nothing.csv: no such file"]),
    "unknown column": (
        ["fit", "gmm", "-k", 2, "--columns", "x,z"],
        "x,y\n1,2\n3,4\n",
        2,
        ["no column 'z'", "has: x, y"],
    ),
    "text in a number column": (
        ["fit", "gmm", "-k", 1],
        "x,y\n1,2\n3,abc\n",
        3,
        ["<stdin>:3:2:", "'abc'", "column 'y'"],
    ),
    "a text column": (["fit", "gmm", "-k", 1], "x,name\n1,a\n3,a\n4,a\n", 3, ["--columns x"]),
    "ragged row": (["fit", "gmm", "-k", 1], "x,y\n1,2\n3\n", 3, ["<stdin>:3", "1 field, expected 2"]),
    "NaN": (["fit", "gmm", "-k", 1], "x\n1\nnan\n", 3, ["<stdin>:3:1:", "not finite"]),
    "missing value": (["fit", "gmm", "-k", 1], "x,y\n1,2\n,3\n", 3, ["<stdin>:3:1:", "--missing drop"]),
    "k > rows": (["fit", "gmm", "-k", 5], "x\n1\n2\n3\n", 3, ["k=5 needs at least 5 rows, got 3"]),
    "heads > tosses": (["fit", "coins"], "heads,tosses\n1,10\n11,10\n", 3, ["<stdin>:3", "heads 11 > tosses 10"]),
    "negative heads": (["fit", "coins"], "heads,tosses\n-1,10\n1,10\n", 3, ["<stdin>:2:1", "at least 0"]),
    "half a head": (["fit", "coins"], "heads,tosses\n3.5,10\n1,10\n", 3, ["<stdin>:2:1", "whole number"]),
    "no tosses column": (["fit", "coins"], "heads,n\n3,10\n1,10\n", 3, ["no column 'tosses'", "--tosses"]),
    "no tosses at all": (["fit", "coins"], "heads,tosses\n0,0\n0,0\n", 3, ["no row has any tosses"]),
    "output directory missing": (
        ["fit", "gmm", "-k", 1, "-o", "no/such/f.json"],
        "x\n1\n2\n",
        5,
        ["no such directory"],
    ),
    "constant column": (["fit", "gmm", "-k", 2], "x,z\n1,1\n2,1\n4,1\n", 4, ["column 'z' is constant"]),
    "equal rows": (["fit", "gmm", "-k", 2], "x\n1\n1\n1\n", 4, ["all 3 rows are identical"]),
    "collinear columns": (["fit", "gmm", "-k", 1], "x,y\n1,2\n2,4\n4,8\n5,10\n", 4, ["singular"]),
    "no k": (["fit", "gmm"], "x\n1\n2\n", 2, ["'-k'"]),
    "k out of range": (["fit", "gmm", "-k", 0], "x\n1\n2\n", 2, ["'-k' must be an integer from 1 to 10000, got '0'"]),
    "shape mistyped": (["fit", "gmm", "-k", 1, "--covariance", "ful"], "x\n1\n2\n", 2, ["did you mean 'full'?"]),
    "model mistyped": (["fit", "gmn", "-k", 1], "x\n1\n2\n", 2, ["no such model 'gmn' (did you mean 'gmm'?)"]),
    "command mistyped": (["fti", "gmm"], "", 2, ["no such command 'fti'. Did you mean 'fit'?"]),
    "option mistyped": (
        ["fit", "gmm", "--max-itr", 9],
        "",
        2,
        ["no such option: --max-itr", "--max-iter"],
    ),
    "option of another model": (
        ["fit", "kmeans", "-k", 1, "--covariance", "full"],
        "x\n1\n2\n",
        2,
        ["kmeans has no option"],
    ),
    "two data files": (["fit", "gmm", "-k", 1, "a.csv", "b.csv"], "", 2, ["unexpected extra argument", "b.csv"]),
    "json and trace": (["fit", "gmm", "-k", 1, "--json", "--trace", "-"], "x\n1\n2\n", 2, ["--json and --trace -"]),
    "negative weight": (
        ["fit", "gmm", "-k", 1, "--row-weights", "w"],
        "x,w\n1,1\n2,-1\n",
        3,
        ["<stdin>:3:2", "weights"],
    ),
    "no weight": (["fit", "gmm", "-k", 1, "--row-weights", "w"], "x,w\n1,0\n2,0\n", 3, ["all weights are zero"]),
    "missing experiment": (["fit", "configs/nothing.yaml"], "", 2, ["configs/nothing.yaml: no such file"]),
    "nothing to compare": (["compare"], "", 2, ["missing argument 'MODEL|FILE'"]),
    "missing source": (["generate"], "", 2, ["missing argument 'SOURCE'"]),
}


@pytest.mark.parametrize(("arguments", "stdin", "code", "parts"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(arguments: list[str], stdin: str | None, code: int, parts: list[str]) -> None:
    refused(run(*arguments, stdin=stdin), code, *parts)


EXPERIMENTS = {
    "unknown key": (
        "model: gmm\nfit:\n  k: 2\n  max_itr: 3\n",
        ["x.yaml:4:3", "unknown key 'max_itr' (did you mean 'max_iter'?)"],
    ),
    "unknown model": ("model: gmn\nfit: {k: 2}\n", ["x.yaml:1:1", "did you mean 'gmm'?"]),
    "wrong type": ("model: gmm\nfit:\n  k: three\n", ["x.yaml:3:3", "must be an integer"]),
    "duplicate key": ("model: gmm\nfit: {k: 2}\nfit: {k: 3}\n", ["x.yaml:3:1"]),
    "a grid": ("model: gmm\nfit: {k: [1, 2]}\n", ["fit takes one value"]),
    "weights that do not sum to 1": (
        "model: gmm\ngenerate:\n  rows: 9\n  parameters: {weights: [0.5, 0.6], means: [[1], [2]], sds: [[1], [1]]}\n"
        "fit: {k: 2}\n",
        ["x.yaml:4:", "weights", "sum to 1"],
    ),
    "a covariance that is none": (
        "model: gmm\ngenerate:\n  rows: 9\n  parameters:\n    means: [[1, 1]]\n    covariances: [[[1, 2], [2, 1]]]\n"
        "fit: {k: 1}\n",
        ["x.yaml:6:", "positive definite"],
    ),
    "equal coins to start": (
        "model: coins\ngenerate: {rows: 9, tosses: 5, parameters: {heads: [0.1, 0.9]}}\n"
        "fit: {start: {heads: [0.5, 0.5]}}\n",
        ["start equal"],
    ),
}


@pytest.mark.parametrize(("text", "parts"), EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_a_bad_experiment_is_refused_at_its_place(text: str, parts: list[str], write: Write) -> None:
    write("x.yaml", text)
    done = run("fit", "x.yaml", cwd=write("x.yaml", text).parent, stdin="x\n1\n2\n3\n")
    refused(done, 2, *parts)


def test_an_old_result_stays_when_a_fit_fails(write: Write) -> None:
    old = write("f.json", "old")
    assert run("fit", "gmm", "-k", 5, "-o", old, stdin="x\n1\n2\n").returncode == 3
    assert old.read_text() == "old"


@pytest.mark.parametrize("asked", [["--version"], ["--help"], ["fit", "--help"], ["compare", "-h"]])
def test_version_and_help_import_no_heavy_library(asked: list[str]) -> None:
    script = f"import sys; from emcli.cli.app import main; main({asked}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert {"numpy", "pydantic", "rich", "yaml"}.isdisjoint(done.stderr.split())
    assert asked != ["--version"] or re.fullmatch(r"emcli \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["fit", "gmm", "sample_data/faithful.csv", "-k", "2", "--tol", "1e-3", "--covariance", "tied", "--json"], 0),
        (["fit", "kmeans", "sample_data/faithful.csv", "-k", "2", "--no-header", "--missing", "drop"], 3),
        (["compare", "coins", "sample_data/two_coins.csv", "-k", "1-2", "--criterion", "aic"], 0),
        (["generate", "configs/blobs.yaml", "-n", "5", "--labels"], 0),
        (["fit", "gmm", "-k", "two"], 2),
        (["fit", "gmm", "-k", "2", "--covariance", "ful"], 2),
        (["fit", "gmm", "-k", "2", "--tol", "x"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_the_program_does_the_same_where_typer_converts_by_itself(words: list[str], code: int) -> None:
    ours = run(*words)
    script = "import sys; from emcli.cli import app; app.without_pydantic = lambda each: each; "
    script += f"sys.exit(app.main({words}))"
    theirs = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert (theirs.returncode, theirs.stdout) == (ours.returncode, ours.stdout)
    assert ours.returncode == code
    if code != 2:  # Typer has other words for a value that it cannot convert
        assert theirs.stderr == ours.stderr


def test_of_a_flag_given_twice_the_last_one_wins() -> None:
    given = ("-k", 3, "--tol", 1, "--seed", 4, "-k", 2, "--tol", 1e-6, "--seed", 0, "--no-header", "--header")
    assert fit("gmm", FAITHFUL, *given) == fit("gmm", FAITHFUL, "-k", 2, "--tol", 1e-6, "--seed", 0, "--header")


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_help_in_a_pipe_has_no_colours(env: dict[str, str]) -> None:
    assert "\x1b" not in run("fit", "--help", env={"NO_COLOR": "", **env}).stdout


def test_a_small_fit_imports_only_what_it_needs() -> None:
    script = "import sys; from emcli.cli.app import main; "
    script += "main(['fit', 'gmm', 'sample_data/faithful.csv', '-k2', '--json'])"
    script += "; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    heavy = {
        "scipy",
        "pyarrow",
        "matplotlib",
        "pydantic",
        "rich",
        "yaml",
        "numpy.ma",
        "concurrent.futures",
        "emcli.inference.truth",
    }
    assert heavy.isdisjoint(done.stderr.split())


def test_help_names_no_type_and_says_in_ascii_what_a_stream_of_ascii_can_hold() -> None:
    said = run("compare", "--help", env={"COLUMNS": "80", "PYTHONIOENCODING": "ascii"}).stdout
    assert said.isascii() and "+- Options ---" in said
    assert "<" not in said and "| --criterion bic|" in said


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "-h"], ["help", "fit"], ["generate", "--help"]])
def test_help_is_asked_for_and_shows_examples_before_options(arguments: list[str]) -> None:
    done = run(*arguments, env={"COLUMNS": "80"})
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.index("Examples:") < done.stdout.index("--help  ")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_no_arguments_give_brief_help_on_standard_error() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "--help" in done.stderr
