"""The terminal as a person meets it: a pseudo-terminal, wide, narrow, coloured, plain or dumb; and a pipe."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from conftest import ROOT, run, run_here
from forked import Forked, path_with_emcli
from inprocess import clusters, dataset

from emcli.config.settings import CHOICES
from emcli.files.examples import names
from emcli.inference.fit import fit
from emcli.models import MODELS
from emcli.output.plots.figure import Panel, Picture, Series
from emcli.output.plots.terminal_renderer import drawn
from emcli.output.progress import Progress, fit_progress, time_left
from emcli.output.terminal import curve

FAITHFUL = "sample_data/faithful.csv"
COLOUR = re.compile(r"\x1b\[[0-9;]*[mK]")
BRAILLE = re.compile("[⠁-⣿]")
ERASED = "\r\x1b[2K"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def shown(*args: object, terminal: bool = True, **env: str) -> str:
    """What the program writes here to a terminal 80 columns wide, where a look at the clock takes 0.1 s."""
    clock = SimpleNamespace(monotonic=map(float, count(0, 0.1)).__next__)
    with patch("emcli.output.progress.time", clock):
        done = run_here([str(arg) for arg in args], terminal=terminal, env={"NO_COLOR": "", "TERM": "xterm", **env})
    return done.stdout + done.stderr


def pseudo_terminal(*args: str, columns: int = 80, cut: bool = False) -> str:
    """All that a process writes to a pseudo-terminal, both streams; `cut` interrupts it once it shows progress."""
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    unset = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "MAKEFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    process = Forked(
        ["emcli", *args],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        preexec_fn=os.setsid,
        env={**kept, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    said = b""
    try:
        while more := _read(mine):
            said += more
            if cut and b"iteration" in said:
                process.send_signal(signal.SIGINT)
                cut = False
        process.wait(timeout=60)
    finally:
        process.kill()
        os.close(mine)
    return said.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def sketch(*series: Series, encoding: str = "utf-8", panels: int = 1, title: str = "t") -> list[str]:
    """A picture of the same panel so many times side by side, on a stream that is no terminal, as lines."""
    panel = Panel("panel", "x", "y", series)
    return drawn(Picture(title, [[panel] * panels]), io.TextIOWrapper(io.BytesIO(), encoding)).splitlines()


def line(x: list[float], y: list[float], **how: object) -> Series:
    return Series("line", np.array(x, dtype=float), np.array(y, dtype=float), **how)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TERM", "MAKEFLAGS"):
        monkeypatch.delenv(name, raising=False)


def frame_of(lines: list[str]) -> list[str]:
    """What is inside the frame."""
    return [text.split("│")[1] for text in COLOUR.sub("", "\n".join(lines)).splitlines() if text.startswith("│")]


def test_a_line_goes_from_corner_to_corner() -> None:
    rows = frame_of(sketch(line([0, 1], [0, 1])))
    firsts = [len(row) - len(row.lstrip()) for row in rows]
    assert firsts == sorted(firsts, reverse=True) and firsts[0] > 60 and firsts[-1] < 3


def test_bars_stand_on_zero_and_are_as_high_as_they_say() -> None:
    kept_wide = line([3, 3], [0, 0])
    rows = frame_of(sketch(Series("bars", np.array([0.0, 1, 2, 3]), np.array([2.0, 4, 0])), kept_wide))
    tops = [[i for i, row in enumerate(rows) if row[at] != " "] for at in (10, 38, 66)]
    assert tops[1][0] == 0 and not tops[2]
    assert abs(tops[0][0] - len(rows) / 2) <= 1


def test_a_density_is_shown_where_there_is_much() -> None:
    edges = np.arange(3.0)
    rows = frame_of(sketch(Series("density", edges, edges, z=np.array([[0, 3], [400, 1000]]))))
    assert sum(row.count(":") for row in rows) == 2


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_picture_is_never_wider_than_asked(columns: int, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    cloud = np.random.default_rng(0).normal(1e9, 1e-2, (2, 100))
    lines = sketch(
        Series("points", *cloud, "a rather long name of a component that never ends, and goes on and on", 0),
        Series("points", *(cloud + 0.05), "another", 1),
        line([1e9, 1e9 + 1], [1e9, 1e9 + 1], label="a line", colour=0, stroke="dashed"),
        encoding=encoding,
        panels=3,
        title="long " * 30,
    )
    assert max(map(len, lines)) <= columns


def test_components_are_told_apart_without_colour_and_by_colour_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = (np.random.default_rng(i).normal(8 * i, 1, (2, 50)) for i in (0, 1))
    series = Series("points", *left, "one", 0), Series("points", *right, "two", 1)
    lines = sketch(*series)
    plain = "".join(frame_of(lines))
    assert plain.count("1") > 10 < plain.count("2")
    assert "11 one   22 two" in lines[-1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = "\n".join(sketch(*series))
    assert "\x1b[34m" in said and "\x1b[33m" in said and BRAILLE.search(said)
    assert not re.search("[12]", "".join(frame_of(sketch(*series))))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "\n".join(sketch(*series))


def test_the_numbers_along_an_axis_are_round_and_short() -> None:
    for low, high, note in (
        (0, 10, ""),
        (1e9, 1e9 + 1e-3, " - 1000000000"),
        (-3e-12, 4e-12, ", in 1e-12"),
        (-1e308, 1e308, ", in 1e300"),
        (0, 2e7, ", in 1e6"),
    ):
        lines = sketch(line([0, 1], [low, high]))
        assert f"up: y{note}" in lines[3] + "\n", lines[3]
        names = [text.rpartition("│ ")[2] for text in lines if "│ " in text and text[-1].isdigit()]
        assert 1 < len(set(names)) == len(names) and max(map(len, names)) <= 8


def test_ascii_is_all_there_is_where_nothing_else_can_be_said() -> None:
    assert "\n".join(sketch(line([0, 1], [0, 1], label="größe"), encoding="ascii")).isascii()
    words = ("fit", "gmm", FAITHFUL, "-k", "1", "--restarts", "1", "--plot", "-")
    for said in (shown(*words, TERM="dumb"), run(*words, env=ASCII).stdout):
        picture = said[said.index("faithful.csv: 1 Gaussian, ") :]
        assert picture.isascii() and "11 component 1" in picture


@pytest.mark.parametrize(
    "series",
    [
        (),
        (Series("points", np.zeros(0), np.zeros(0)),),
        (Series("points", np.array([3.0]), np.array([4.0])),),
        (line([0, 0], [-1e308, 1e308]),),
        (line([1e9, 1e9], [1e-320, 3e-320]),),
        (Series("bars", np.array([1.0, 1.0]), np.array([0.0])),),
        (Series("density", np.arange(2.0), np.arange(2.0), z=np.zeros((1, 1))),),
    ],
)
def test_odd_data_still_make_a_picture(series: tuple[Series, ...]) -> None:
    lines = sketch(*series)
    assert len(lines) > 10
    assert max(map(len, lines)) <= 80


def test_a_curve_is_as_long_as_its_values_or_as_asked() -> None:
    assert curve([0, 7, 14, 21, 28, 35, 42, 49], 20) == "▁▂▃▄▅▆▇█"
    assert curve([3, 2, 1], 20) == "█▄▁" or curve([3, 2, 1], 20)[::2] == "█▁"
    assert len(curve(list(range(1000)), 20)) == 20
    assert curve([], 20) == "" and len(curve([1, 1], 20)) == 2
    assert curve([1, 2], 9, unicode=False).isascii()


@pytest.mark.parametrize("env", [{}, {"COLUMNS": "120", "NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_fit_and_a_comparison_fit_the_terminal(env: dict[str, str]) -> None:
    said = shown("fit", "gmm", FAITHFUL, "-k", 2, "--restarts", 2, **env)
    words = ("compare", "gmm", FAITHFUL, "-k", "1-3", "--covariance", "full,diag", "--restarts", 2, "-q")
    ranked = shown(*words, **env)
    for text in (COLOUR.sub("", text.rpartition(ERASED)[2]) for text in (said, ranked)):
        assert max(map(len, text.splitlines())) <= int(env.get("COLUMNS", 80))
        assert "…" not in text
    climbs = re.findall(r"^log-likelihood (\S+) from -\S+ to -1130.26 in \d+ iterations$", said, re.M)
    assert len(climbs) == 1
    assert climbs[0].isascii() == (env.get("TERM") == "dumb")
    assert not env or "\x1b[3" not in said + ranked
    assert "Not shown at this width: " in ranked
    assert re.search(r"^  gmm-k2-full-free +\S+ +-1130.26 in \d+ iterations$", ranked, re.M)


def test_the_width_of_a_real_terminal_is_used() -> None:
    words = ("compare", "coins", "sample_data/two_coins.csv", "-k", "1-2", "--restarts", "1", "-q")
    said = pseudo_terminal(*words, columns=50)
    widths = [len(line) for line in COLOUR.sub("", said.rpartition(ERASED)[2]).splitlines()]
    assert 40 < max(widths) <= 50


def test_only_the_best_ten_climbs_are_shown() -> None:
    done = run("compare", "kmeans", FAITHFUL, "-k", "1-12", "--restarts", 1)
    assert len(re.findall(r"^  kmeans-k\d+ ", done.stdout, re.M)) == 10
    assert "  and 2 more\n" in done.stdout


@pytest.mark.parametrize("env", [ASCII, pytest.param({"PYTHONIOENCODING": "ascii"}, marks=pytest.mark.slow)], ids=str)
def test_tables_survive_a_stream_of_ascii(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(
        "größe,b\n" + "\n".join(f"{a},{b}" for a, b in np.random.default_rng(0).normal(size=(60, 2))), encoding="utf-8"
    )
    done = run("fit", "gmm", tmp_path / "d.csv", "-k", 3, "--max-iter", 60, "--restarts", 2, "-q", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "gr\\xf6\\xdfe" in done.stdout
    assert "... " in done.stdout
    document = run("fit", "gmm", tmp_path / "d.csv", "-k", 1, "--restarts", 1, "--json", env=env).stdout
    assert document.isascii() and json.loads(document)["data"]["columns"] == ["größe", "b"]
    refused = run("predict", "-", tmp_path / "d.csv", stdin=document, env=env)
    assert refused.returncode == 5 and "has no '\\xf6'" in refused.stderr, refused.stderr


LONG = ("-k", "3", "--restarts", "4", "--max-iter", "40", "--tol", "1e-12", "--solver", "em")


def test_progress_is_one_line_that_is_erased_before_anything_else() -> None:
    said = shown("fit", "gmm", FAITHFUL, *LONG)
    drawn = re.findall(r"start \d of 4, iteration \d+, log-likelihood -\d[^\x1b\r\n]*", said)
    assert len(drawn) > 2 and max(map(len, drawn)) <= 80
    after = said.rpartition(ERASED)[2]
    assert "\r" not in after and COLOUR.sub("", after).startswith("emcli: warning: ")


def test_progress_is_erased_when_the_program_is_interrupted() -> None:
    said = pseudo_terminal("fit", "gmm", FAITHFUL, "-k", "3", "--restarts", "100000", cut=True)
    assert said.endswith(ERASED + "emcli: interrupted; nothing written\n"), said[-200:]


def test_nothing_moves_in_a_pipe_a_dumb_terminal_or_when_quiet() -> None:
    assert "\r" in shown("compare", "gmm", FAITHFUL, *LONG)
    piped = shown("compare", "gmm", FAITHFUL, *LONG, terminal=False)
    assert "\r" not in piped and "\x1b" not in piped
    assert "\r" not in shown("fit", "gmm", FAITHFUL, *LONG, TERM="dumb")
    assert "\r" not in shown("fit", "gmm", FAITHFUL, *LONG, "-q")


def test_a_line_of_progress_waits_and_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    with Progress(stream) as bar:
        for tick in range(100):
            clock[0] = tick / 50
            bar.show(f"replicate {tick} of 100 {'x' * 100}")
    shown = re.findall(r"replicate \d+ of 100 x+…", stream.getvalue())
    assert shown[0].startswith("replicate 25 ") and stream.getvalue().endswith(ERASED)
    assert 10 <= len(shown) <= 17
    assert max(map(len, shown)) == 79
    assert time_left(0, 5, 9) == "" and time_left(1, 5, 9) == ", about 36 s left"
    assert time_left(1, 3, 1e4).endswith(" h left")


def test_between_starts_it_is_told_how_many_were_tried_and_the_best_of_them() -> None:
    kind, data, settings = dataset(clusters(), {"model": "gmm", "k": 3, "restarts": 3, "seed": 2})
    told: list[str] = []
    shown: list[str] = []
    bar: Any = SimpleNamespace(doing=told.append, show=shown.append, due=True, elapsed=100.0, prefix="")
    observe, fitting = fit_progress(bar, kind, data.rows, settings), fit(kind, data, settings)
    bar.elapsed = 110.0  # ten seconds later
    while True:
        try:
            observe(next(fitting))
        except StopIteration as end:
            ends = [kind.measures(run.scores[-1], data.rows, 3).log_likelihood for run in end.value.ledger]
            break
    assert len(set(ends)) == 3
    best = [f"{n} start{'s' * (n > 1)} tried, best log-likelihood {max(ends[:n]):.8g}" for n in (1, 2, 3)]
    assert told == ["start 1", *best]
    left = [re.sub(r"iteration \d+, log-likelihood -[\d.]+", "", line) for line in shown]
    assert list(dict.fromkeys(left)) == [
        "start 1 of 3, ",
        "start 2 of 3, , about 20 s left",
        "start 3 of 3, , about 5 s left",
    ]


def test_long_work_that_says_nothing_is_told_with_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a thread that draws every half second: here every 10 ms, of a clock on which each look takes 0.3 s."""
    monkeypatch.setattr("emcli.output.progress.time", SimpleNamespace(monotonic=map(float, count(0, 0.3)).__next__))
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    with Progress(stream, beat_seconds=0.01) as bar:
        bar.doing("reading a large file")
        deadline = time.monotonic() + 20
        while "(3 s)" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    said = stream.getvalue()
    seconds = [int(each) for each in re.findall(r"reading a large file \((\d+) s\)", said)]
    assert seconds == sorted(seconds) and 3 in seconds and said.endswith(ERASED)
    with Progress(stream, quiet=True) as bar:
        bar.doing("x")
        bar.show("x")
    assert stream.getvalue() == said


def test_no_time_is_foretold_before_a_start_has_ended() -> None:
    said = shown("fit", "gmm", FAITHFUL, *LONG)
    told = re.findall(r"start (\d) of 4, iteration \d+, log-likelihood [-.\d]+([^\x1b\r\n]*)", said)
    assert {left for start, left in told if start == "1"} == {""}
    assert all(re.fullmatch(r", about \d+ (s|min) left", left) for start, left in told if start == "2")
    assert "2" in dict(told)


def test_a_message_is_wrapped_at_words_on_a_terminal_and_one_line_elsewhere(tmp_path: Path) -> None:
    words = ["fit", "gmm", "sample_data/nowhere/with_a_rather_long_name.csv", "-k", "2", "--columns", "some,others"]
    piped = run_here(words, env={"COLUMNS": "40"}).stderr
    assert piped.startswith("emcli: error: ") and piped.count("\n") == len(re.findall("emcli:|  hint:", piped))
    seen = run_here(words, terminal=True, env={"COLUMNS": "40", "TERM": "xterm"}).stdout
    assert seen.count("\n") > piped.count("\n")
    assert seen.split() == piped.split()
    assert all(len(line) <= 40 or " " not in line.strip() for line in seen.splitlines())


def test_errors_and_warnings_have_a_colour_where_there_is_colour() -> None:
    words = ["fit", "gmm", FAITHFUL, "-k", "2", "--restarts", "1", "--max-iter", "2"]
    warned = run_here(words, terminal=True, env={"NO_COLOR": "", "TERM": "xterm"}).stdout
    assert "emcli: \x1b[33mwarning:\x1b[0m stopped at --max-iter 2" in warned
    wrong = ["fit", "gmm", "nowhere.csv", "-k", "2"]
    for env, terminal, coloured in (
        ({"NO_COLOR": "", "TERM": "xterm"}, True, True),
        ({"NO_COLOR": "1", "TERM": "xterm", "FORCE_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, False, False),
        ({"NO_COLOR": "", "FORCE_COLOR": "1", "TERM": "xterm"}, False, True),
        ({"NO_COLOR": "", "TERM": "dumb"}, True, False),
    ):
        done = run_here(wrong, terminal=terminal, env=env)
        assert ("emcli: \x1b[1;31merror:\x1b[0m nowhere.csv" in done.stdout + done.stderr) == coloured, env
        assert ("\x1b" in done.stdout + done.stderr) == coloured, env


def complete(shell: str, line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What a shell is told when Tab is pressed at the end of a line."""
    words = line.split(" ")
    asked = {
        "_EMCLI_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    return run_here([], env={**asked, **more})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_options_models_and_values(shell: str) -> None:
    for typed, expected in (
        ("emcli pre", {"predict"}),
        ("emcli fit ", {*MODELS, *names()}),
        ("emcli ste", {"steps"}),
        ("emcli steps ", {*MODELS, *names()}),
        ("emcli steps gmm --it", {"--iterations"}),
        ("emcli fit gmm --co", {"--covariance", "--columns", "--comment", "--components"}),
        ("emcli fit gmm --covariance ", {*CHOICES["covariance"]}),
        ("emcli compare gmm --mixing free,e", {"free,equal"}),
    ):
        said = complete(shell, typed).stdout
        told = {text.split("\t")[0] for text in said.split("\n") if text}
        if shell == "zsh":
            told = set(re.findall(r'"([^"]*)"(?::"[^"]*")?(?=[\n)])', said))
        assert told == expected, typed


def test_files_are_left_to_the_shell() -> None:
    for typed in ("emcli fit gmm sam", "emcli fit configs/h", "emcli fit gmm --start ", "emcli compare gmm sam"):
        assert complete("bash", typed).stdout.strip() == ""
        assert complete("zsh", typed).stdout.strip() == "_files"
        assert complete("fish", typed, _TYPER_COMPLETE_FISH_ACTION="is-args").returncode == 1


def test_bash_completes_with_the_script_of_the_readme() -> None:
    script = """eval "$(_EMCLI_COMPLETE=source_bash emcli)"
    COMP_WORDS=(emcli fit gmm --covariance t) COMP_CWORD=4
    _emcli_completion emcli; echo "${COMPREPLY[@]}"; complete -p emcli"""
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": path_with_emcli()},
    )
    assert done.stdout.splitlines() == ["tied", "complete -o default -F _emcli_completion emcli"]


@pytest.mark.parametrize("command", [(), ("fit",), ("generate",), ("compare",), ("predict",), ("steps",)])
def test_help_fits_eighty_columns_and_shows_examples_before_options(command: tuple[str, ...]) -> None:
    said = run(*command, "--help").stdout
    assert max(map(len, said.splitlines())) <= 80
    assert said.index("\n   emcli ") < said.index("─ Options ─")
    if command in (("fit",), ("compare",)):
        panels = re.findall(r"^╭─ (\w+) ─", said, re.M)
        assert panels == ["Arguments", "Options", "Model", "Data", "Starts", "Output", "Messages"]
        assert re.search(r"--restarts +auto\|N +random starts: as many as it takes, or exactly", said)


def test_titles_of_help_are_bold_where_a_terminal_takes_it() -> None:
    plain, coloured = {"NO_COLOR": "1", "TERM": "xterm"}, {"NO_COLOR": "", "TERM": "xterm"}
    bold = {
        (at, terminal): "\x1b[1m" in run_here(["fit", "--help"], terminal=terminal, env=env).stdout
        for at, env in (("plain", plain), ("coloured", coloured), ("forced", {**coloured, "FORCE_COLOR": "1"}))
        for terminal in (True, False)
    }
    assert [each for each, is_bold in bold.items() if is_bold] == [("coloured", True), ("forced", True)]
