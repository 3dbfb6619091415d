"""Hostile text in names of files and columns, cells, labels and documents: nothing of it reaches a reader raw."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

from conftest import run_here

from .commands import SAVE, must
from .result import Kind, Trial

EVIL = (
    "\x1b[2J", "\x1b]0;title\x07", "\x1b[8m", "\x9b2J", "\x07", "\x08\x08", "\r", "\n", "\t", "\x0b", "\x0c", "\x85",
    "\x7f", "\u2028", "\u2029", "\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\u00ad", "\U000e0041", "\ud800",
    "e\u0301" * 40, "[red]x[/red]", "[/]", "[link=file:///etc]x[/link]", "{0}", "{x!r}", "%s%n", "$HOME", "`id`",
    "$(id)", "~", "*", "\\", "=cmd()", "'", '"', ",", ";", "#", "-o", "--", "é" * 300, "n" * 10_000, "漢" * 200,
    "😀" * 90, " ", "\u3000", "NA", "1e5",
)  # fmt: skip
OURS = re.compile(r"\x1b\[[0-9;]*[mK]|\r")  # colours, and the line of progress that is drawn anew
LINES = (
    "fit gmm FILE -k 2 --restarts 1 --columns A,B --truth C -v --plot -",
    "fit gmm FILE -k 2 --restarts 1 --truth C -v",
    "fit kmeans FILE -k 2 --columns A --restarts 1 --plot - -v",
    "fit kmeans FILE -k 2 --columns C",
    "fit kmeans FILE -k 2 --exclude TEXT",
    "fit kmeans FILE -k 2 --columns TEXT",
    "fit coins FILE -k 1 --heads A --tosses B -v --plot -",
    "fit coins FILE --heads TEXT",
    "fit EXPERIMENT -v --plot -",
    "fit TEXT FILE -k 2",
    "fit gmm TEXT -k 2",
    "fit gmm FILE -k TEXT",
    "fit gmm FILE -k 2 --start TEXT",
    "fit gmm FILE -k 2 --trace TEXT/TEXT",
    "fit gmm FILE -k 2 --covariance TEXT",
    "fit gmm FILE -k 2 --na TEXT --missing drop",
    "fit gmm FILE -k 2 --scheduler TEXT",
    "compare gmm FILE -k 1-2 --columns A,B --restarts 1 --plot - -v",
    "compare EXPERIMENT EXPERIMENT --plot - -v",
    "compare SAVED SAVED --plot - -v",
    "compare SAVED EXPERIMENT -v",
    "predict SAVED FILE -o labelled.csv -v",
    "predict SAVED TEXT",
    "generate SAVED -v -o drawn.csv",
    "generate EXPERIMENT -o drawn.csv -v",
    "TEXT",
    "fit --TEXT",
)


def text(draw: Random, most: int) -> str:
    """Some hostile text, of no more characters than that."""
    return "".join(draw.choice(EVIL) for _ in range(draw.randint(1, 4)))[:most]


def file_name(draw: Random, end: str) -> str:
    """A name of a file that a file system takes."""
    name = text(draw, 60).replace("/", "_").replace("\0", "").replace("\ud800", "\udcff")
    while len(name.encode(errors="surrogateescape")) > 180:
        name = name[:-1]
    return f"{'' if draw.random() < 0.3 else 'x'}{name}{end}"


def prepare(folder: Path) -> dict[str, Any]:
    """The document of a fit."""
    (folder / "x.csv").write_text("a,b\n1,2\n3,5\n2,2\n4,1\n5,5\n6,1\n")
    must(SAVE, folder)
    document: dict[str, Any] = json.loads((folder / "f.json").read_text())
    return document


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def yaml(word: str) -> str:
    """A text in double quotes of YAML."""
    return json.dumps(word.encode("utf-8", "backslashreplace").decode())


def lay(trial: Trial) -> dict[str, str]:
    """Files with hostile names and contents; what the words in capitals stand for."""
    draw, folder = trial.random, trial.folder
    a, b, c = (f"{letter}{text(draw, 10_000)}" for letter in "abc")
    names = {key: file_name(draw, end) for key, end in (("FILE", ".csv"), ("EXPERIMENT", ".yaml"), ("SAVED", ".json"))}
    rows = "".join(
        f"{i * 3 % 7},{i % 5 + 8},{quoted(text(draw, 500) if draw.random() < 0.2 else 'u')}\n" for i in range(24)
    )
    table = ",".join(map(quoted, (a, b, c))) + "\n" + rows
    (folder / names["FILE"]).write_bytes(table.encode("utf-8", "replace"))
    experiment = (
        f"model: gmm\ndata: {yaml(names['FILE'])}\nfit:\n  k: 2\n  restarts: 1\n  columns: [{yaml(a)}, {yaml(b)}]\n"
    )
    experiment += f"generate:\n  rows: 9\n  columns: [{yaml(a)}]\n  parameters: {{means: [[1]], sds: [[1]]}}\n"
    if draw.random() < 0.3:
        experiment += f"{yaml(text(draw, 400))}: {yaml(text(draw, 400))}\n"
    (folder / names["EXPERIMENT"]).write_bytes(experiment.encode("utf-8", "replace"))
    saved = json.loads(json.dumps(trial.shared))
    saved["data"] |= {"columns": [a, b], "source": text(draw, 10_000)}
    saved["warnings"] = [{"slug": text(draw, 40), "message": text(draw, 500)}] if draw.random() < 0.3 else []
    for key in draw.sample(sorted(saved), 1) if draw.random() < 0.3 else []:
        saved[key] = text(draw, 10_000)
    (folder / names["SAVED"]).write_text(json.dumps(saved))
    return {**names, "A": a, "B": b, "C": c}


def trial(trial: Trial) -> None:
    """A command that meets hostile text, in a pipe or on a terminal with or without colours."""
    draw = trial.random
    stands = lay(trial)
    line = draw.choice(LINES)

    def word(found: re.Match[str]) -> str:
        return text(draw, 10_000) if found[0] == "TEXT" else stands[found[0]]

    words = [re.sub(r"FILE|EXPERIMENT|SAVED|TEXT|\b[ABC]\b", word, each) for each in line.split(" ")]
    how = draw.choice(("pipe", "terminal", "colour"))
    env = {"COLUMNS": draw.choice(("80", "120", "20")), "LINES": "24"}
    if how == "colour":
        env |= {"NO_COLOR": "", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = run_here(words, trial.folder, terminal=how != "pipe", env=env)
    what = (f"{how}: emcli {words!a}"[:1500], done.returncode)
    trial.check(done.returncode in (0, 2, 3, 4, 5), *what, ascii(done.stderr[:500]))
    for said in (done.stdout + done.stderr).split("\n"):
        shown = OURS.sub("", said)
        trial.check(shown.isprintable(), *what, f"raw: {shown[:300]!a}")
        trial.check(len(shown) <= 400, *what, f"a line of {len(shown)} characters: {shown[:100]!a}")


KIND = Kind("names", trial, prepare)
