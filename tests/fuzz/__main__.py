"""`python -m tests.fuzz [READER ...]`: inputs that coverage guides for the readers of tables, experiments and fits.

Needs atheris (Linux): each reader runs in a process of its own, and all that is neither taken nor refused is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import traceback
import warnings
from importlib.util import find_spec
from pathlib import Path

NAMES = ("csv", "yaml", "fit")
LIBFUZZER = ("-max_len=4096", "-rss_limit_mb=2048", "-timeout=60", "-print_final_stats=1", "-verbosity=0")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--minutes", type=float, default=30, help="for all readers, which run at once (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="of libFuzzer (default: 0, another each time)")
    parser.add_argument("--folder", type=Path, help="keeps inputs and findings (default: a new one)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.readers) - set(NAMES):
        parser.error(f"no such reader: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return given


class Findings:
    """The inputs that a reader neither took nor refused, one for each place in emcli where that was seen."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._places = folder, set[tuple[str, str, int]]()
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, data: bytes, error: BaseException) -> None:
        """Keep an input and how it ended, unless that is known."""
        frames = traceback.extract_tb(error.__traceback__)
        last = next((frame for frame in reversed(frames) if "/emcli/" in frame.filename), frames[-1])
        place = type(error).__name__, last.filename, last.lineno or 0
        if place in self._places:
            return
        self._places.add(place)
        name = hashlib.sha256(data).hexdigest()[:12]
        (self._folder / name).write_bytes(data)
        told = "".join(traceback.format_exception(error))
        (self._folder / f"{name}.txt").write_text(told, errors="backslashreplace")


def follow(reader: str, folder: Path, seconds: float, seed: int) -> None:
    """Let libFuzzer try inputs on a reader until the time is over; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["emcli", "yaml"]):
        import emcli

        for module in pkgutil.walk_packages(emcli.__path__, "emcli."):
            if not module.name.startswith(("emcli.data.distributed", "emcli.output", "emcli.__main__")):
                importlib.import_module(module.name)
        readers = importlib.import_module("tests.fuzz.readers")
    read, findings = readers.READERS[reader], Findings(folder / "findings")
    corpus = folder / "inputs"
    corpus.mkdir(parents=True, exist_ok=True)
    for data in readers.seeds(reader):
        if len(data) <= 4096:
            (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    warnings.simplefilter("error")

    def one(data: bytes) -> None:
        try:
            read(data)
        except Exception as error:
            findings.add(data, error)

    options = [f"-max_total_time={seconds:.0f}", f"-seed={seed}", f"-artifact_prefix={folder}/findings/"]
    atheris.Setup([sys.argv[0], *LIBFUZZER, *options, str(corpus)], one)
    atheris.Fuzz()


def main() -> int:
    """Run the readers at once; 1 where anything was found."""
    given = arguments()
    if find_spec("atheris") is None:
        print("atheris is not installed: python -m pip install atheris", file=sys.stderr)
        return 2
    folder: Path = given.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    readers: list[str] = given.readers or list(NAMES)
    if given.child:
        follow(readers[0], folder, 60 * given.minutes, given.seed)
    running = {}
    for reader in readers:
        words = [sys.executable, "-m", "tests.fuzz", "--child", reader, "--minutes", str(given.minutes)]
        words += ["--seed", str(given.seed), "--folder", str(folder / reader)]
        (folder / reader).mkdir(parents=True, exist_ok=True)
        with (folder / reader / "log").open("wb") as log:
            running[reader] = subprocess.Popen(words, stdout=log, stderr=log, env=os.environ)
    found = 0
    for reader, process in running.items():
        code = process.wait()
        log_text = (folder / reader / "log").read_text(errors="replace")
        tried = re.search(r"number_of_executed_units: *([0-9]+)", log_text)
        kept = sorted((folder / reader / "findings").glob("*"))
        new = [path for path in kept if path.suffix != ".txt"]
        found += len(new) + (code != 0 and not new)
        print(f"{reader}: {tried[1] if tried else 'an unknown number of'} inputs, {len(new)} findings, exit {code}")
        for path in new:
            print(f"  {path}")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
