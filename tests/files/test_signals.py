"""A signal ends the program by that signal, in every line: what is unfinished is gone, and what it says is true."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attack import signals as attack
from attack.result import Trial
from conftest import ROOT, run_here
from rules import Bad, lay

BEGIN = "import os, signal\nfrom emcli.files import signals\nsay = lambda text: os.write(1, text.encode())\n"


def script(text: str, *, before: Callable[[], Any] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a script that has the program's way with signals, `before` called in its process."""
    text = f"{BEGIN}signals.take_over()\n{text}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, env=environment, timeout=20, preexec_fn=before, check=False
    )


@pytest.mark.parametrize("number", attack.OFTEN + attack.SELDOM, ids=lambda number: number.name)
def test_what_was_asked_for_is_undone_the_last_first_and_then_the_program_is_dead(number: signal.Signals) -> None:
    done = script(f"""
signals.on_signal(lambda: say("one "))
take_back = signals.on_signal(lambda: say("never"))
take_back()
with signals.undone(lambda: say("past")):
    pass
try:
    with signals.undone(lambda: 1 / 0), signals.undone(lambda: say("two ")):
        os.kill(os.getpid(), {int(number)})
finally:
    say("not unwound")
""")
    assert (done.returncode, done.stdout) == (-number, b"two one ")
    assert done.stderr.decode() == f"emcli: {attack.SAID[number.name]}; nothing written\n"


def test_a_signal_waits_for_the_end_of_a_section() -> None:
    done = script("""
with signals.uninterrupted():
    with signals.uninterrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    say("whole")
say("too much")
""")
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, b"whole")


def test_a_second_signal_waits_until_all_is_undone_and_then_no_longer() -> None:
    done = script("""
again = lambda: os.kill(os.getpid(), signal.SIGINT)
signals.on_signal(lambda: say("last"))
signals.on_signal(again)
again()
""")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"last", b"")


def test_nobody_needs_to_hear_what_is_said_for_a_second_signal_to_end_the_program() -> None:
    done = script("""
import time
kept, full = os.pipe()
os.dup2(full, 2)
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(2, True)
signals.on_signal(lambda: say("undone"))
if not os.fork():
    time.sleep(0.3)
    os.kill(os.getppid(), signal.SIGTERM)
    os._exit(0)
os.kill(os.getpid(), signal.SIGINT)
""")
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, b"undone")


def test_an_ignored_signal_stays_ignored_and_others_get_back_what_they_did() -> None:
    done = script(
        """
os.kill(os.getpid(), signal.SIGHUP)
signals.give_back()
say("on")
os.kill(os.getpid(), signal.SIGTERM)
""",
        before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, b"on", b"")


def test_workers_are_waited_for_where_whoever_starts_the_program_ignores_ends_of_children(tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    words = ["fit", "coins", "c.csv", "-k", "1", "--restarts", "1", "--bootstrap", "20", "--jobs", "2", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "emcli", *words],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


OUTPUTS = ("fit gmm x.csv -k 1 --restarts 1 -q -o out", "predict f.json parts -o labelled")
WORKERS = ("fit coins c.csv -k 1 --restarts 1 --bootstrap 20 -q --jobs 2 -o out",)
PLACES = ("files/outputs.py", "files/signals.py", "compute/processes.py", "cli/guard.py", "contextlib.py")


@pytest.mark.parametrize(
    ("lines", "tries"),
    [
        pytest.param(OUTPUTS, 6, id="outputs"),
        pytest.param(WORKERS, 8, id="workers", marks=pytest.mark.slow),
        pytest.param(OUTPUTS + WORKERS, 600, id="each", marks=pytest.mark.slow),
    ],
)
def test_a_signal_at_any_line(lines: tuple[str, ...], tries: int, tmp_path: Path) -> None:
    """Some of what `make attack KINDS=signals` tries: each line of files, processes and guard, in a random order."""
    attack.lay(tmp_path / "here")
    for line in (attack.SAVE, *lines):  # so that its modules are there for each process that is forked from this one
        assert run_here(line.split(), tmp_path / "here").returncode == 0
    (tmp_path / "shared").mkdir()
    commands = attack.prepare(tmp_path / "shared", lines)
    for command in commands:
        command.moments[:] = [each for each in command.moments if each[0][0].endswith(PLACES)]
    assert sum(len(command.moments) for command in commands) > 200
    for number in Random(1).sample(range(0, 10_000, 10), tries):  # each tenth is a process of its own
        folder = tmp_path / str(number)
        folder.mkdir()
        attack.trial(Trial("signals", 1, number, folder, commands))


@pytest.mark.parametrize("module", ["signal", "warnings", "emcli.cli.app", "typer"])
def test_an_interrupt_after_the_first_line_is_silent(module: str) -> None:
    """It comes when that module is imported; what Python does before the program begins is out of its hands."""
    text = f"""
import os, sys
def interrupt(event, words):
    if event == "import" and words[0] == {module!r}:
        os.kill(os.getpid(), 2)
for name in ("signal", "warnings"):
    sys.modules.pop(name, None)
sys.addaudithook(interrupt)
sys.argv = ["emcli", "generate", "{ROOT}/configs/two_coins.yaml"]
from emcli.__main__ import main
main()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, env=environment, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
