"""Command lines that make no sense, or only seem to make none."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from forked import Forked
from rules import POINTS, Bad, as_process, bad, check, hold, in_process, lay, rows

K = "'-k' must be an integer from 1 to 10000, got "
TOL = "'--tol' must be a finite number above 0, got "
SEED = "'--seed' must be an integer from 0 to 18446744073709551615, got "
CATALOGUE: dict[str, Bad | list[Bad]] = {
    "a mistyped command": [
        bad("fti x.csv", 2, "no such command 'fti'. Did you mean 'fit'?"),
        bad("'\x1b[2J'", 2, "no such command '\\x1b[2J'"),
        bad("predcit f.json x.csv", 2, "Did you mean 'predict'?"),
        bad("help fti", 2, "no such command 'fti'"),
        bad("fit gmn x.csv -k 1", 2, "no such model 'gmn' (did you mean 'gmm'?)"),
        bad("''", 2, "no such command ''"),
    ],
    "a mistyped option": [
        bad("fit gmm x.csv --max-itr 9", 2, "no such option: --max-itr (did you mean '--max-iter'?)"),
        bad("fit gmm x.csv --cov full", 2, "no such option: --cov (did you mean '--covariance'?)"),
        bad("fit gmm x.csv --'\r\x1b[1m'", 2, "no such option: --\\x0d\\x1b[1m"),
        bad("fit gmm x.csv -Z", 2, "no such option: -Z"),
        bad("--nonsense", 2, "no such option: --nonsense"),
        bad("predict f.json x.csv --covariance full", 2, "no such option: --covariance"),
    ],
    "what must be said": [
        bad("fit gmm x.csv", 2, "missing '-k': how many components?"),
        bad("compare", 2, "missing argument 'MODEL|FILE'"),
        bad("generate", 2, "missing argument 'SOURCE'"),
    ],
    "what does not go together": [
        bad("fit kmeans x.csv -k 1 --covariance full", 2, "kmeans has no option '--covariance'"),
        bad("fit gmm x.csv -k 1 --json --trace -", 2, "--json and --trace -"),
        bad("compare kmeans x.csv -k 1-3 --criterion gap --known y", 2, "'--criterion gap' and '--known' exclude each"),
        bad(
            "fit gmm - -k 1 --scheduler local:2",
            2,
            "'--scheduler' needs DATA that its workers can read",
            stdin="x\n1\n",
        ),
        bad("predict f.json x.csv --decimal , --thousands ,", 2, "'--decimal' and '--thousands' must differ"),
        bad("steps e.yaml x.csv", 2, "no steps of a fit with 'noise'", e__yaml="model: gmm\nfit: {k: 2, noise: true}"),
        bad(
            "fit e.yaml -k 3",
            2,
            "hint: the experiment gives start values for 2 components: leave out -k, or its 'start:'",
            e__yaml="model: gmm\nfit: {start: {means: [[1], [2]]}}\n",
            stdin="x\n1\n2\n4\n8\n",
        ),
    ],
    "data, or a model, in place of what is made of data": [
        bad("generate gmm", 2, "expected an experiment (YAML) or a fit (JSON), got the model 'gmm'"),
        bad("compare x.csv y.csv", 2, "hint: if these are data, the model comes first: emcli fit gmm x.csv"),
    ],
    "a number of components that is none": [
        *(bad(f"fit gmm x.csv -k {k}", 2, K + f"'{k}'") for k in ("0", "-1", "10001")),
        *(
            bad(f"fit gmm x.csv -k {k}", 2, f"'-k' / '--components': must be an integer, got '{k}'")
            for k in ("2.5", "abc", "1e9", "0x", "1_0", "٢")
        ),
        bad("fit gmm x.csv -k ''", 2, "must be an integer, got ''"),
        bad("fit gmm x.csv -k " + "9" * 5000, 2, "must be an integer, got '999"),
        bad("fit gmm x.csv -o o.json -k", 2, "requires an argument"),
        *(
            bad(
                f"fit gmm x.csv -k {k}",
                2,
                "'-k' / '--components': fit takes one value, compare takes several",
                f"got '{k}'",
                f"hint: emcli compare gmm x.csv -k {k}",
            )
            for k in ("1-6", "2,3")
        ),
        bad(
            "fit gmm x.csv -k 2 --covariance full,tied",
            2,
            "'--covariance': fit takes one value",
            "hint: emcli compare gmm x.csv -k 2 --covariance full,tied",
        ),
        bad("fit gmm x.csv -k 1- --tol 1-6", 2, "'-k' / '--components': must be an integer, got '1-'"),
    ],
    "a number out of range": [
        *(bad(f"fit gmm x.csv -k 2 --tol {tol}", 2, TOL) for tol in ("nan", "-1", "0", "inf", "1e-400", "1e999")),
        *(
            bad(f"fit gmm x.csv -k 2 --tol {tol}", 2, "'--tol': must be a number, got ")
            for tol in (".nan", ".inf", "abc", "''", "1_0")
        ),
        *(bad(f"fit gmm x.csv -k 2 --max-iter {n}", 2, "'--max-iter' must be an integer") for n in ("-1", "-3")),
        *(
            bad(f"fit gmm x.csv -k 2 --restarts {n}", 2, "'--restarts' must be auto or an")
            for n in ("0", "9999999", "1e3", "many")
        ),
        *(bad(f"fit gmm x.csv -k 2 --jobs {n}", 2, "'--jobs' must be an integer") for n in ("0", "-1", "1025")),
        *(
            bad(f"fit gmm x.csv -k 2 {words}", 2, "must be an integer, got ")
            for words in ("--max-iter 1.5", "--jobs x", "--seed 1.5")
        ),
    ],
    "a seed or a number of rows that is none": [
        bad("fit gmm x.csv -k 2 --seed -1", 2, SEED + "'-1'"),
        bad("fit gmm x.csv -k 2 --seed 18446744073709551616", 2, SEED),
        bad("generate e.yaml --seed 1.5", 2, "'--seed': must be an integer, got '1.5'"),
        bad("generate e.yaml --seed -1", 2, SEED + "'-1'"),
        bad("generate e.yaml -n 0", 2, "'--rows' must be an integer from 1 to 1000000000, got '0'"),
        bad("generate e.yaml -n 1e12", 2, "must be an integer, got '1e12'"),
    ],
    "a word that is no choice": [
        bad(
            "fit gmm x.csv -k 2 --covariance ful",
            2,
            "EEV, VEV, EVV, VVV, E, V; got 'ful' (did you mean 'full'?)",
        ),
        bad("fit gmm x.csv -k 2 --mixing fre", 2, "did you mean 'free'?"),
        bad("fit gmm x.csv -k 2 --init kmeans", 2, "must be one of auto, k-means++, random"),
        bad("fit gmm x.csv -k 2 --missing skip", 2, "must be one of error, drop"),
        bad("fit gmm x.csv -k 2 --covariance ''", 2, "must be one of"),
        bad("compare gmm x.csv -k 2 --criterion bci", 2, "must be one of bic, aic, icl, silhouette, ch, gap"),
    ],
    "an output that is an input": [
        bad("fit gmm x.csv -k 2 -o x.csv", 2, "output would overwrite the input 'x.csv'"),
        bad("fit gmm x.csv -k 2 -o ./x.csv", 2, "output would overwrite the input"),
        bad("fit gmm x.csv -k 2 --trace x.csv", 2, "output would overwrite the input"),
        bad(
            "fit gmm x.csv -k 2 --start s.yaml -o s.yaml",
            2,
            "output would overwrite the input",
            s__yaml="means: [[1, 2], [4, 5]]\n",
        ),
        bad("compare gmm x.csv -k 1-2 -o x.csv", 2, "output would overwrite the input"),
        bad("compare gmm x.csv -k 1-2 --trace x.csv", 2, "output would overwrite the input"),
        bad("predict f.json x.csv -o f.json", 2, "output would overwrite the input", f__json="{}"),
        bad("generate e.yaml -o e.yaml", 2, "output would overwrite the input", e__yaml="model: gmm"),
        bad("fit gmm x.csv -k 2 -o t --trace t", 2, "-o and --trace"),
    ],
    "more files than expected": [
        bad("fit gmm a.csv b.csv", 2, "unexpected extra argument", "b.csv"),
        bad("predict f.json a.csv b.csv", 2, "unexpected extra argument", "b.csv"),
        bad("compare gmm a.csv b.csv c.csv", 2, "one data file expected, got 3"),
        bad("generate a.yaml b.yaml", 2, "unexpected"),
    ],
    "an option cut short": [
        bad("fit gmm x.csv --max 3", 2, "no such option: --max", "--max-iter"),
        bad("fit gmm x.csv -k 2 --cov full", 2, "no such option: --cov"),
        bad("fit gmm x.csv -k 2 --res 3", 2, "no such option: --res"),
        bad("fit gmm x.csv -k 2 --max-ite 3", 2, "no such option: --max-ite"),
        bad("fit gmm x.csv -k 2 --trac -", 2, "no such option: --trac"),
    ],
}


@rows(CATALOGUE, ("a mistyped command",))
def test_a_command_line_is_refused_in_one_line(case: Bad, process: bool, tmp_path: Path) -> None:
    check(case, tmp_path, process)


def test_no_arguments_give_brief_help_on_standard_error(tmp_path: Path) -> None:
    done = in_process([], tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("emcli fit") >= 1 and "--help" in done.err


@pytest.mark.parametrize("line", ["--help", "-h", "fit -h", "help fit", "predict --help", "help", "compare -h"])
def test_help_is_on_standard_output_with_examples_first(line: str, tmp_path: Path) -> None:
    done = in_process(line.split(), tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "Examples:" in done.out


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_one_line(flag: str, tmp_path: Path) -> None:
    done = in_process([flag], tmp_path)
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)


def terminal(words: list[str], folder: Path, typed: bytes) -> tuple[int, bytes, bytes]:
    """Run with a terminal as standard input, and type."""
    (folder / "x.csv").write_text(POINTS)
    mine, theirs = pty.openpty()
    try:
        with Forked(
            ["emcli", *words],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
        ) as process:
            os.write(mine, typed)
            out, err = process.communicate(timeout=30)
    finally:
        os.close(mine)
        os.close(theirs)
    return process.returncode, out, err


def test_a_terminal_is_not_waited_for_without_being_asked(tmp_path: Path) -> None:
    code, out, err = terminal(["fit", "gmm", "-k", "2"], tmp_path, b"")
    assert (code, out) == (2, b"")
    assert b"missing DATA; give a CSV file or '-' for standard input" in err


@pytest.mark.parametrize("command", ["fit", "predict"])
def test_a_terminal_is_read_when_asked_for_and_that_is_said(command: str, tmp_path: Path) -> None:
    lay(tmp_path, bad("fit", 0))
    assert in_process(["fit", "kmeans", "x.csv", "-k", "1", "--columns", "x", "-o", "f.json"], tmp_path).code == 0
    words = ["fit", "kmeans", "-", "-k", "1"] if command == "fit" else ["predict", "f.json", "-"]
    code, out, err = terminal(words, tmp_path, b"x\n1\n2\n4\n\x04")
    assert code == 0 and out
    assert b"emcli: reading CSV from the terminal, end with Ctrl-D\n" in err


def test_a_flag_beats_the_experiment_and_v_says_so(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    (tmp_path / "fit.yaml").write_text("model: kmeans\nfit:\n  k: 3\n")
    done = in_process(["fit", "fit.yaml", "x.csv", "-k", "4", "-v"], tmp_path)
    hold(done, 0, "k=4 from -k (fit.yaml:3 says 3)")


def test_v_says_of_each_command_what_it_works_on(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    hold(in_process(["fit", "kmeans", "x.csv", "-k", "2", "-v", "-o", "f.json"], tmp_path), 0, "emcli: read ")
    hold(in_process(["predict", "f.json", "x.csv", "-v"], tmp_path), 0, "emcli: applying kmeans, k=2, to columns x, y")
    hold(in_process(["generate", "f.json", "-n", "3", "-v"], tmp_path), 0, "emcli: drew 3 rows of x, y from f.json")


def test_v_says_what_was_decided(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 7}.5;{i * i % 11}\n".replace(",", ";") for i in range(40))
    (tmp_path / "x.csv").write_text("id;a;b\n" + rows)
    words = ["gmm", "x.csv", "--exclude", "id", "-v", "--covariance", "spherical", "--restarts", "2"]
    done = in_process(["fit", *words, "-k", "2"], tmp_path)
    read, starts, sample, solver = [line for line in done.err.splitlines() if not line.startswith("emcli: warning")]
    assert read.startswith(
        "emcli: read 40 rows from x.csv; delimiter ';' (detected); a header (detected); columns used: "
    )
    assert read.endswith(" a, b; not used: id")
    assert re.match(r"emcli: starts: 2 \(1 k-means\+\+, 1 \w+\) from seed 0, --restarts 2; the best is entry", starts)
    assert sample == "emcli: sample: none, every start climbed on all rows"
    assert re.match(r"emcli: solver: newton, where em grows slow; steps of the best start: \d+ em", solver)
    (tmp_path / "w.csv").write_text("h,n,w\n1,9,2\n8,9,1\n4,9,3\n")
    wide = ",".join(f"x{j}" for j in range(20)) + "\n"
    wide += "".join(",".join(str((i * j * j + 7 * i * i + j) % 101) for j in range(20)) + "\n" for i in range(60))
    (tmp_path / "wide.csv").write_text(wide)
    many = in_process(["fit", "gmm", "wide.csv", "-k", "1", "-v", "--json"], tmp_path).err
    assert "emcli: solver: em (230 parameters are more than 200, up to which it is newton)" in many
    coins = ["fit", "coins", "w.csv", "--heads", "h", "--tosses", "n", "--row-weights", "w", "-v"]
    assert "columns used: h, n; row weights: w\n" in in_process(coins, tmp_path).err
    told = in_process(["compare", *words, "-k", "1-2", "--solver", "em", "--delimiter", ";"], tmp_path).err
    assert "delimiter ';' (given)" in told and told.count("emcli: read ") == 1
    assert "emcli: gmm-k2-spherical-free: solver: em, as asked; steps" in told


def test_debug_shows_where_an_error_comes_from_and_nothing_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,secret\n5,6\n")
    plain = in_process(["fit", "gmm", "x.csv", "-k", "1"], tmp_path).err
    told = in_process(["fit", "gmm", "x.csv", "-k", "1", "--debug"], tmp_path).err
    assert told.endswith(plain) and plain.count("secret") == 2  # in the error and its hint
    trace = told.removesuffix(plain)
    assert "secret" not in trace and trace.startswith("Traceback (most recent call last):\n")
    assert "emcli/data/dataset.py" in trace and trace.endswith("emcli.errors.EmcliError\n")


@pytest.mark.parametrize("words", [["./-x.csv"], ["--", "-x.csv"]])
def test_a_name_may_begin_with_a_dash(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "-x.csv").write_text(POINTS)
    hold(in_process(["fit", "kmeans", "-k", "2", *words], tmp_path), 0)


NAMES = [b"a\nb.csv", b"a\x1b[2J.csv", b"a\xff\xfe.csv", "\u202egnp.csv".encode(), b"a\r.csv", b" .csv"]


@pytest.mark.parametrize("name", NAMES, ids=map(repr, NAMES))
def test_a_strange_name_works_and_is_shown_escaped(name: bytes, tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    path = tmp_path / os.fsdecode(name)
    path.write_text(POINTS)
    fit = ["fit", "kmeans", path.name, "-k", "2"]
    done = in_process([*fit, "-v"], tmp_path)
    hold(done, 0)
    assert all(line.isprintable() for line in done.out.splitlines()), done.out
    done = in_process([*fit, "--json", "-o", f"{path.name}.json"], tmp_path)
    hold(done, 0)
    assert (tmp_path / f"{path.name}.json").read_text() == done.out
    with path.open("a") as file:
        file.write("1,x\n")
    hold(in_process(fit, tmp_path), 3, "csv:22:2: cannot read 'x' as a number")


def test_a_name_that_is_no_text_comes_through_the_arguments_of_a_process(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(NAMES[2])).write_text(POINTS)
    hold(as_process([b"fit", b"kmeans", NAMES[2], b"-k", b"2"], tmp_path), 0)
