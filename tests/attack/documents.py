"""Mutated documents: saved fits, experiments, start values; each is used, or one line says what is wrong."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

from conftest import run_here
from rules import POINTS, TOSSES, Done, hold

from emcli.errors import EmcliError
from emcli.inference.result import read_fit

from .commands import must
from .result import Kind, Trial

FITS = (
    "fit gmm x.csv -k 2 --restarts 2 --columns x,y",
    "fit gmm x.csv -k 2 --restarts 2 --covariance diag --mixing equal --truth label",
    "fit gmm x.csv -k 1 --covariance tied --columns x,y",
    "fit kmeans x.csv -k 3 --restarts 2 --columns x,y --standardize",
    "fit kmeans x.csv -k 1 --columns 1",
    "fit coins c.csv -k 2 --restarts 2",
    "fit coins c.csv -k 3 --mixing free --restarts 2 --bootstrap 20",
)
READERS = (
    "predict FILE x.csv",
    "predict FILE c.csv",
    "compare FILE FILE",
    "compare good.json FILE",
    "generate FILE -n 5",
    "fit gmm x.csv --columns x,y -k 2 --restarts 1 --start FILE",
)
EXPERIMENTS = {
    "e.yaml": "model: gmm\ndata: x.csv\nfit:\n  k: 2\n  columns: [x, y]\n  restarts: 2\n  tol: 1e-6\n",
    "g.yaml": "model: gmm\ngenerate:\n  rows: 9\n  seed: 3\n  columns: [u, v]\n"
    "  parameters: {weights: [0.5, 0.5], means: [[1, 2], [4, 5]], sds: [[1, 1], [2, 1]]}\nfit: {k: 2, restarts: 1}\n",
    "c.yaml": "model: coins\ndata: c.csv\ngenerate:\n  sizes: [3, 4]\n  tosses: 9\n"
    "  parameters: {heads: [0.2, 0.8]}\nfit:\n  k: 2\n  mixing: free\n  start: {heads: [0.6, 0.5]}\n",
    "k.yaml": "model: kmeans\ndata: x.csv\nfit: {k: [1, 2], columns: [x, y], restarts: 1}\n",
}
RUNS = ("fit FILE", "fit FILE x.csv", "generate FILE", "compare FILE", "compare FILE good.json")
ODD: tuple[Any, ...] = (
    None, True, False, "", "x", "\x1b[2J", "\u2028", "nan", "1e400", "../x.csv", "/dev/null", "a" * 5000, [], {}, [[]],
    [None], {"a": None}, [[1, 2], [3]], 0, -1, 1, 2, 3, 7, 0.5, -0.0, 1.5, 1e-320, 1e308, -1e308, 2**53, 2**63, 10**30,
    10**400, [0.5, 0.5], [1, 2, 3], ["x", "y"], ["x", "x"], [1e308, -1e308], {"weights": [1]}, {"means": [[1]]},
)  # fmt: skip
BYTES = (
    b"\0", b"\xff", b"{", b"}", b"[", b"]", b'"', b",", b":", b"-", b"e", b"\n", b"\t", b"&a ", b"*a", b"!!python/x ",
    b"<<: ", b"\\u0000", b"\xe2\x80\xa8", b"\x1b[31m", b"null", b"NaN", b"- ", b"? ", b"'", b"#", b"%", b"@", b"|",
)  # fmt: skip


def prepare(folder: Path) -> list[tuple[str, bytes]]:
    """Each document by its name."""
    table = "".join(f"{line},{i % 2}\n" for i, line in enumerate(POINTS.splitlines()[1:]))
    (folder / "x.csv").write_text("x,y,label\n" + table)
    (folder / "c.csv").write_text(TOSSES)
    found = [(name, text.encode()) for name, text in EXPERIMENTS.items()]
    for number, line in enumerate(FITS):
        name = f"f{number}.json"
        must(f"{line} -q -o {name}", folder)
        found.append((name, (folder / name).read_bytes()))
    return [*found, *((f"/{name}", (folder / name).read_bytes()) for name in ("x.csv", "c.csv"))]


def trial(trial: Trial) -> None:
    """Change a document once or a few times, and run a command that reads it."""
    draw = trial.random
    tables = [each for each in trial.shared if each[0].startswith("/")]
    documents = [each for each in trial.shared if not each[0].startswith("/")]
    name, content = draw.choice(documents)
    experiment = name.endswith(".yaml")
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        content = draw.choice(WAYS if name.endswith(".json") else WAYS[-3:])(content, draw, documents)
    put = {"good.json": dict(documents)["f0.json"], name: content, **{each[1:]: raw for each, raw in tables}}
    for each, raw in put.items():
        (trial.folder / each).write_bytes(raw)
    line = draw.choice(RUNS if experiment else READERS).replace("FILE", name)
    done = run_here([*shlex.split(line), "-o", "out"], trial.folder)
    kept = trial.folder / name
    saved = Path("/tmp") / f"attack-{trial.seed}-{trial.kind}-{trial.number}-{name}"
    what = (f"emcli {line}", done.returncode, done.stderr[:600], saved)
    codes = (0, 2, 3, 4) if experiment else (0, 3)
    if "--start" in line:  # a fit of another model or k, or wrong YAML, is a mistake of use
        codes = (0, 2, 4) if is_fit(kept) or not content.lstrip().startswith(b"{") else (3,)
    try:
        trial.check(done.returncode in codes, *what)
        trial.check((trial.folder / "out").exists() == (done.returncode == 0), *what, "-o")
        hold(Done(done.returncode, done.stdout, done.stderr), done.returncode)
        trial.check(kept.read_bytes() == content, *what, "the document was written to")
    except BaseException:
        saved.write_bytes(content)
        raise


def is_fit(path: Path) -> bool:
    """Is it a saved fit that the other commands accept?"""
    try:
        read_fit(str(path))
    except EmcliError:
        return False
    return True


def fields(content: bytes, draw: Random, documents: list[tuple[str, bytes]]) -> bytes:
    """One field of a JSON document is something else, is gone, comes twice, or is another's."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return changed_bytes(content, draw, documents)
    places = list(holders(value))
    if not places:
        return content
    holder, key = draw.choice(places)
    how = draw.randrange(6)
    if how == 0:
        del holder[key]
    elif how == 1:
        holder[key] = deepcopy(draw.choice(places)[0])
    elif how == 2:
        other, name = draw.choice(places)
        holder[key] = deepcopy(other[name])
    elif how == 3 and isinstance(holder[key], list) and holder[key]:
        holder[key] = draw.choice((holder[key][:-1], holder[key] * 2, holder[key] + [draw.choice(ODD)], [holder[key]]))
    elif how == 4 and isinstance(holder[key], int | float):
        factor = draw.choice((-1, 0, 1e-300, 1e300, 2, 0.999999, 1e15))
        holder[key] *= factor
    else:
        holder[key] = draw.choice(ODD)
    try:
        return json.dumps(value, allow_nan=draw.random() < 0.2, indent=draw.choice((None, 1))).encode()
    except (ValueError, RecursionError):
        return content


def holders(value: Any) -> Any:
    """Every place of a document: what holds it, and its key there."""
    for key, inner in list(value.items()) if isinstance(value, dict) else list(enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from holders(inner)


def changed_bytes(content: bytes, draw: Random, documents: list[tuple[str, bytes]]) -> bytes:
    """Some bytes are others, are gone, or are added; no digits, which could ask for years of work."""
    at = draw.randrange(len(content) + 1)
    span = draw.choice((0, 1, 1, 4, 40, 400))
    return content[:at] + draw.choice((b"", *BYTES)) + content[at + span :]


def lines(content: bytes, draw: Random, documents: list[tuple[str, bytes]]) -> bytes:
    """A line is gone, comes twice, is somewhere else, or the rest is gone."""
    parts = content.splitlines(keepends=True) or [b""]
    at, to = draw.randrange(len(parts)), draw.randrange(len(parts))
    how = draw.randrange(4)
    if how == 0:
        del parts[at]
    elif how == 1:
        parts.insert(to, parts[at])
    elif how == 2:
        parts.insert(to, parts.pop(at))
    else:
        parts = [*parts[:at], parts[at][: draw.randrange(len(parts[at]) + 1)]]
    return b"".join(parts)


def spliced(content: bytes, draw: Random, documents: list[tuple[str, bytes]]) -> bytes:
    """The beginning of one document and the end of another."""
    _, other = draw.choice(documents)
    return content[: draw.randrange(len(content) + 1)] + other[draw.randrange(len(other) + 1) :]


Way = Callable[[bytes, Random, list[tuple[str, bytes]]], bytes]
WAYS: tuple[Way, ...] = (fields, fields, fields, fields, fields, changed_bytes, lines, spliced)
KIND = Kind("documents", trial, prepare, share=2.0)
