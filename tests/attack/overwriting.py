"""Outputs that name an input in a way of their own: what is read stays as it is, and the command says so."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from conftest import run_here
from rules import POINTS, TOSSES, Done, hold

from .commands import must
from .result import Kind, Trial

QUICK = "-k 2 --restarts 1 -q"
# A command line, and the file that it reads; {in} and {out} are two names of it.
COMMANDS = (
    (f"fit gmm {{in}} {QUICK} -o {{out}}", "x.csv"),
    (f"fit gmm {{in}} {QUICK} --trace {{out}}", "x.csv"),
    (f"fit kmeans {{in}} {QUICK} --plot {{out}}", "x.csv"),
    ("fit coins {in} -q -o {out}", "c.csv"),
    (f"fit gmm parts {QUICK} -o {{out}}", "parts/b.csv"),
    (f"fit gmm parts {QUICK} --trace {{out}}", "parts/a.csv"),
    (f"fit gmm linked {QUICK} -o {{out}}", "x.csv"),
    ("fit e.yaml -q -o {out}", "x.csv"),
    ("fit sub/e.yaml -q --trace {out}", "x.csv"),
    ("fit {in} -q -o {out}", "e.yaml"),
    ("fit started.yaml -q -o {out}", "s.yaml"),
    ("fit folder.yaml -q -o {out}", "parts/b.csv"),
    (f"fit gmm x.csv {QUICK} --start {{in}} -o {{out}}", "s.yaml"),
    (f"fit gmm x.csv {QUICK} --start {{in}} -o {{out}}", "f.json"),
    ("compare gmm {in} -k 1-2 --restarts 1 -q -o {out}", "x.csv"),
    ("compare gmm parts -k 1-2 --restarts 1 -q --trace {out}", "parts/b.csv"),
    ("compare e.yaml folder.yaml -q -o {out}", "parts/a.csv"),
    ("compare e.yaml {in} -q -o {out}", "f.json"),
    ("compare e.yaml started.yaml -q --plot {out}", "s.yaml"),
    ("compare {in} f.json -q -o {out}", "g.json"),
    ("compare gmm x.csv -k 2 --restarts 1 -q --start {in} --trace {out}", "s.yaml"),
    ("predict {in} x.csv -o {out}", "f.json"),
    ("predict f.json {in} -o {out}", "x.csv"),
    ("generate {in} -o {out}", "g.yaml"),
    ("generate {in} -n 4 -o {out}", "f.json"),
)
FOLDERS = (  # the name of a file that a command makes in a folder
    ("compare gmm {in} -k 1-2 --restarts 1 -q --save-fits saved", "saved/gmm-k1-full-free.json", "x.csv"),
    ("compare gmm x.csv -k 2 --restarts 1 -q --start {in} --save-fits saved", "saved/gmm-k2-full-free.json", "f.json"),
    ("compare e.yaml {in} -q --save-fits saved", "saved/e-gmm-k2-full-free.json", "f.json"),
    ("predict f.json parts -o parts", "", "parts/a.csv"),
    ("predict f.json parts -o alias", "", "parts/b.csv"),
    ("predict f.json parts -o parts/../parts/", "", "parts/b.csv"),
)


def prepare(folder: Path) -> bytes:
    """A saved fit."""
    (folder / "x.csv").write_text(POINTS)
    must(f"fit gmm x.csv {QUICK} -o f.json", folder)
    return (folder / "f.json").read_bytes()


def lay(folder: Path, fit: bytes) -> None:
    """Inputs of every kind, beside this saved fit of x.csv."""
    for sub in ("sub", "parts", "linked", "saved"):
        (folder / sub).mkdir()
    model = "model: gmm\ndata: {}\nfit: {{k: 2, restarts: 1{}}}\n"
    texts = {
        "x.csv": POINTS,
        "c.csv": TOSSES,
        "parts/a.csv": POINTS,
        "parts/b.csv": POINTS,
        "s.yaml": "means: [[1, 2], [4, 5]]\nsds: [[1, 1], [1, 1]]\n",
        "e.yaml": model.format("x.csv", ""),
        "sub/e.yaml": model.format("../x.csv", ""),
        "folder.yaml": model.format("parts", ""),
        "coins.yaml": "model: coins\ndata: c.csv\nfit: {k: 1}\n",
        "started.yaml": model.format("x.csv", ", start: s.yaml"),
        "g.yaml": "model: gmm\ngenerate: {rows: 9, parameters: {means: [[1]], sds: [[1]]}}\n",
        "f.json": fit.decode(),
        "g.json": fit.decode(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "linked" / "a.csv").symlink_to("../x.csv")
    (folder / "alias").symlink_to("parts")


def another_name(folder: Path, name: str, draw: Random, end: str) -> str:
    """A name by which that file can be reached, some with the end that a command asks for."""
    path = folder / name
    ways = ["absolute", "dots", "up", "slashes", "process", "link", "chain", "hard", "folder"]
    way = draw.choice(ways if not end else ["link", "chain", "hard"])
    new = f"n{draw.randrange(10**6)}{end}"
    if way == "absolute":
        return str(path)
    if way == "dots":
        return f"./{name}"
    if way == "up":
        return f"sub/../{name}"
    if way == "slashes":
        return name.replace("/", "//") if "/" in name else f".//{name}"
    if way == "process":
        return f"/proc/self/cwd/{name}"
    if way == "link":
        (folder / new).symlink_to(draw.choice((name, path)))
    elif way == "chain":
        (folder / "sub" / new).symlink_to(path)
        (folder / new).symlink_to(f"sub/{new}")
    elif way == "hard":
        os.link(path, folder / new)
    else:
        (folder / f"d{new}").symlink_to(".")
        return f"d{new}/{name}"
    return new


def trial(trial: Trial) -> None:
    """A command whose output is an input, by names drawn for both."""
    draw, folder = trial.random, trial.folder
    lay(folder, trial.shared)
    if draw.random() < 0.8:
        line, name = draw.choice(COMMANDS)
        read = name if draw.random() < 0.5 else another_name(folder, name, draw, Path(name).suffix)
        end = ".svg" if "--plot" in line else ""
        line = line.replace("{in}", read).replace("{out}", another_name(folder, name, draw, end))
    else:
        line, made, name = draw.choice(FOLDERS)
        line = line.replace("{in}", name)
        if made:
            os.link(folder / name, folder / made) if draw.random() < 0.5 else (folder / made).symlink_to(folder / name)
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in folder.rglob("*") if path.is_file()}
    done = run_here(line.split(), folder)
    what = (f"emcli {line}", done.returncode, done.stderr)
    for path, (content, inode) in before.items():
        trial.check(path.exists() and path.read_bytes() == content, *what, f"{path.name} is another")
        trial.check(path.stat().st_ino == inode, *what, f"{path.name} is another file")
    trial.check(done.returncode in (2, 5), *what, "not refused")
    hold(Done(done.returncode, done.stdout, done.stderr), done.returncode)


KIND = Kind("overwriting", trial, prepare)
