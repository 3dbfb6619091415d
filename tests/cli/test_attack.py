"""The attack that `make attack` repeats: it finds faults that are planted, and repeats them from what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

# Faults, each as code that is run before the attack, and the kinds that must find it within so many trials.
FAULTS = {
    "kills": """
        from emcli.files.outputs import Output
        def write(self, content):
            with open(self.path, "wb") as file:
                file.write(content[:9] if isinstance(content, bytes) else content[:9].encode())
                file.flush()
                for _ in range(8):  # 16 moments of about 40: about one trial in six dies there
                    import os; os.link(self.path, self.path + ".second"); os.unlink(self.path + ".second")
                file.write(content[9:] if isinstance(content, bytes) else content[9:].encode())
        from contextlib import contextmanager
        @contextmanager
        def staged(self, content):
            write(self, content)
            yield
        Output.write, Output.staged = write, staged""",
    "writers": """
        import os
        rename = os.replace
        def replace(source, target):
            with open(source, "rb") as file, open(target, "wb") as other:
                content = file.read()
                other.write(content[:100]); other.flush()
                import time; time.sleep(0.02)
                other.write(content[100:])
            os.unlink(source)
        os.replace = replace""",
    "documents": """
        import emcli.config.saved_fit as module
        module.refuse_wrong = lambda wrong, file: None""",
    "overwriting": """
        import emcli.files.outputs as module
        module.refuse_input = lambda there: None""",
    "names": """
        import emcli.errors, emcli.output.plots.terminal_renderer as module, emcli.cli.guard as guard
        guard.escaped = lambda text, most=0: text""",
    "disks": """
        import emcli.files.outputs as module
        module._remove = lambda temporary: None""",
    "signals": """
        import emcli.files.signals as module
        module.will_write = lambda: None""",
    "environments": """
        import emcli.cli.guard as guard
        guard._say = lambda *lines: None""",
}


def attack(*words: str, planted: str = "") -> subprocess.CompletedProcess[str]:
    """Run the attack with a fault in what its trials inherit."""
    lines = "\n".join(line[8:] for line in planted.splitlines())
    code = f"import sys, tests.attack\n{lines}\nsys.argv = ['attack', *{words!r}]\nimport runpy\n"
    code += "runpy.run_module('tests.attack.__main__', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_a_planted_fault_is_found_and_repeated(kind: str) -> None:
    found = attack(kind, "--seed", "1", "--trials", "60", "--seconds", "60", planted=FAULTS[kind])
    assert found.returncode == 1, found
    [line, *_] = [line for line in found.stdout.splitlines() if line.startswith("make attack")]
    assert f"KINDS={kind} SEED=1" in line
    number = line.rpartition("=")[2]
    again = attack(kind, "--seed", "1", "--trial", number, planted=FAULTS[kind])
    assert again.returncode == 1 and line in again.stdout, again


@pytest.mark.slow
def test_an_attack_counts_its_trials_and_ends_well() -> None:
    done = attack("overwriting", "--seed", "1", "--trials", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split()[:3] for line in done.stdout.splitlines()[2:]]
    assert rows == [["overwriting", "3", "0"], ["all", "3", "0"]]


def test_a_trial_that_dies_or_does_not_end_is_a_violation(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT))
    from tests.attack.result import Kind, Trial
    from tests.attack.running import Attack

    def trial(trial: Trial) -> None:
        ends = (lambda: os.kill(os.getpid(), 9), lambda: time.sleep(60), lambda: None, lambda: 1 / 0)
        ends[trial.number]()

    counts = Attack([Kind("odd", trial, size=lambda shared: 4, seconds=1)], 1, tmp_path, 2).run(30)
    said = dict(counts["odd"].violations)
    assert counts["odd"].trials == 4 and sorted(said) == [0, 1, 3]
    assert "ended by -9" in said[0] and "not ended after" in said[1] and "ZeroDivisionError" in said[3]
