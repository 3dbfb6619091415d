"""Hostile sizes under `ulimit -v 1500000` and 40 s of processor time: a fit, or one line; never a foreign abort."""

from __future__ import annotations

import gzip
import json
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
from rules import POINTS, TOSSES, Done, hold

from .commands import SAVE, must
from .programs import begin
from .result import Kind, Trial

MEMORY = 1_500_000 << 10  # bytes of address space
SECONDS = 40  # of the processor
Shape = Callable[[Path, Random], str]  # lays an input and gives a command line for it


def size(draw: Random, least: float, most: float) -> int:
    """A size, as likely small as large."""
    return int(least * (most / least) ** draw.random())


def put(folder: Path, name: str, content: bytes, draw: Random) -> str:
    """Write a file, plain or compressed; its name."""
    if draw.random() < 0.5:
        (folder / name).write_bytes(content)
        return name
    (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
    return f"{name}.gz"


def fit(draw: Random, source: str) -> str:
    """Some fit or comparison of a table."""
    covariance = draw.choice(("full", "tied", "diag", "spherical"))
    return draw.choice(
        (
            f"fit gmm {source} -k {draw.choice((1, 2, 5))} --covariance {covariance} --restarts 1",
            f"fit kmeans {source} -k {draw.choice((1, 3, 50))} --restarts 1",
            f"fit coins {source} -k 2 --restarts 1",
            f"fit gmm {source} -k 2 --restarts 1 --no-header --missing drop",
            f"fit gmm {source} -k 1 --columns 1",
            f"fit gmm {source} -k 1 --memory 100M --missing use",
            f"compare gmm {source} -k 1-2 --restarts 1 --covariance full,diag",
            f"compare kmeans {source} -k 1-3 --restarts 1",
            f"predict f.json {source}",
        )
    )


def commas(folder: Path, draw: Random) -> str:
    """Lines of hardly anything but delimiters."""
    line = draw.choice((b",", b";", b"\t", b"1,", b" ", b"|", b'"",', b"NA,", b"x,")) * size(draw, 1e3, 1e7)
    content = (line + draw.choice((b"1", b"")) + b"\n") * draw.choice((1, 2, 3, 40))
    return fit(draw, put(folder, "x.csv", content[: 40 << 20], draw))


def wide(folder: Path, draw: Random) -> str:
    """Rows of many numbers."""
    d, n = size(draw, 100, 1e6), draw.choice((1, 2, 3, 60, 300))
    n = max(1, min(n, 10_000_000 // d))
    cell = draw.choice((b"0", b"1.5", b"1e300", b"-2"))
    header = b",".join(b"c%d" % j for j in range(d)) + b"\n" if draw.random() < 0.5 else b""
    rows = [b",".join([b"%d" % i, *[cell] * (d - 2), b"%d" % (i * i % 7)]) + b"\n" for i in range(n)]
    return fit(draw, put(folder, "x.csv", header + b"".join(rows), draw))


def long(folder: Path, draw: Random) -> str:
    """Many short rows, or one row again and again."""
    row = draw.choice((b"1\n", b"1,2\n", b"\n", b"0,0,0\n", b'"1"\n', b"NA\n", b"#\n", b"1,2,x\n", b"\r"))
    return fit(draw, put(folder, "x.csv", b"x,y\n"[: 2 * row.count(b",") + 2] + row * size(draw, 1e4, 8e6), draw))


def cells(folder: Path, draw: Random) -> str:
    """A cell, a name or a number that does not end."""
    inner = draw.choice((b"9", b"x", b"a b", b"0", b"\xc3\xa9", b"\n", b'""', b".", b"HT")) * size(draw, 1e4, 4e7)
    table = draw.choice((b'a,b\n1,"%b"\n', b'"%b",b\n1,2\n3,4\n', b"a,b\n1,%b\n2,3\n", b"a\n%b", b'a,b\n1,2\n"%b'))
    return fit(draw, put(folder, "x.csv", table % inner[: 60 << 20], draw))


def parquet(folder: Path, draw: Random) -> str:
    """A small Parquet file that expands."""
    with suppress(ImportError):
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = draw.choice(
            (
                lambda: {"x": ["a" * size(draw, 1e5, 2e8)], "y": [1.0]},
                lambda: {"x": np.full(size(draw, 1e4, 2e7), 1.5)},
                lambda: {f"c{j}": [1.0, 2.0, 4.0] for j in range(size(draw, 100, 2e4))},
                lambda: {"x": ["b" * 1000] * size(draw, 1e3, 1e5)},
            )
        )()
        pq.write_table(pa.table(columns), folder / "x.parquet", compression=draw.choice(("zstd", "gzip", "none")))
    return fit(draw, "x.parquet")


def parts(folder: Path, draw: Random) -> str:
    """A folder of many parts."""
    (folder / "parts").mkdir()
    for i in range(size(draw, 10, 3000)):
        (folder / "parts" / f"{i}.csv").write_text(f"x,y\n{i},{i * i % 11}\n")
    return fit(draw, "parts")


def nested(folder: Path, draw: Random) -> str:
    """A document that is deep, long, or says everything twice."""
    n = size(draw, 1e3, 4e6)
    content = draw.choice(
        (
            lambda: b"[" * n,
            lambda: b'{"a":' * n,
            lambda: b'{"a":' * (n // 50) + b"1" + b"}" * (n // 50),
            lambda: b"{" + b",".join(b'"%d":1' % (i // 2) for i in range(n // 10)) + b"}",
            lambda: b"{" + b",".join(b'"%d":{"%d":[]}' % (i, i) for i in range(n // 10)) + b"}",
            lambda: b'{"schema": "emcli.fit/1", "trace": [' + b"{}," * n + b"{}]}",
            lambda: b'{"schema": "emcli.fit/1", "k": ' + b"9" * n + b"}",
            lambda: b'{"schema": "' + b"a\\u0000" * n + b'"}',
            lambda: b"[" + b"1," * n + b"1]",
            lambda: b"[" + b"null," * n + b"null]",
            lambda: b'"' + b"\\" * n,
        )
    )()
    (folder / "d.json").write_bytes(content)
    return draw.choice(
        ("predict d.json x.csv", "compare d.json f.json", "generate d.json", "fit gmm x.csv -k 2 --start d.json")
    )


def grown(folder: Path, draw: Random) -> str:
    """A saved fit with a part that is very long."""
    fit = json.loads((folder / "f.json").read_text())
    n = size(draw, 1e3, 1e6)
    how = draw.randrange(7)
    if how == 0:
        fit["trace"] = fit["trace"][:1] * n
    elif how == 1:
        fit["restarts"] = fit["restarts"][:1] * n
    elif how == 2:
        fit["warnings"] = [{"slug": "slow", "message": "m"}] * n
    elif how == 3:
        fit["data"]["columns"] = [f"c{j}" for j in range(n)]
    elif how == 4:
        fit["k"] = n
        fit["parameters"]["weights"] = [1 / n] * n
    elif how == 5:
        fit["parameters"]["means"] = [[1.0] * (n // 10)] * 2
    else:
        fit["later"] = {str(i): None for i in range(n)}
    (folder / "d.json").write_text(json.dumps(fit))
    return draw.choice(("predict d.json x.csv", "compare d.json f.json", "generate d.json -n 5"))


def yaml(folder: Path, draw: Random) -> str:
    """An experiment that is deep, long, or asks for much."""
    n = size(draw, 10, 4e5)
    content = draw.choice(
        (
            lambda: "[" * n,
            lambda: "{a: " * n,
            lambda: "\n".join(" " * i + "a:" for i in range(min(n, 1400))),
            lambda: "- " * n,
            lambda: "".join(f"a{i}: 1\n" for i in range(n // 10)),
            lambda: "a: 1\n" * (n // 5),
            lambda: "model: gmm\nfit: {k: [" + "1, " * (n // 4) + "1]}\n",
            lambda: "model: gmm\ngenerate:\n  rows: 3\n  parameters: {means: [[" + "1, " * (n // 4) + "1]]}\n",
            lambda: f"model: gmm\ngenerate: {{rows: {10 * n}, parameters: {{means: [[1]], sds: [[1]]}}}}\n",
            lambda: "model: coins\ngenerate:\n  sizes: [" + "1, " * (n // 4) + "1]\n  parameters: {heads: [0.5]}\n",
            lambda: "model: '" + "x" * n + "'\n",
            lambda: "---\n" * n,
            lambda: "a: |\n" + " x\n" * n,
            lambda: "&a [" + "*a, " * n + "]",
        )
    )()
    (folder / "e.yaml").write_text(content[: 2 << 20])
    return draw.choice(("fit e.yaml x.csv", "generate e.yaml", "compare e.yaml", "fit gmm x.csv -k 2 --start e.yaml"))


def asked(folder: Path, draw: Random) -> str:
    """Options that ask for much."""
    n = size(draw, 10, 1e12)
    return draw.choice(
        (
            f"fit gmm x.csv -k {n}",
            f"fit kmeans x.csv -k {n}",
            f"fit coins c.csv -k {n}",
            f"compare gmm x.csv -k 1-{n} --restarts 1",
            f"compare gmm x.csv -k {n}-{n + 10**6}",
            f"fit gmm x.csv -k 2 --columns 1-{n}",
            f"fit gmm x.csv -k 2 --exclude {n}-{n + 10**7}",
            f"fit gmm x.csv -k 2 --restarts 1 --max-iter {n}",
            f"fit gmm x.csv -k 2 --restarts 1 --seed {n}",
            f"fit gmm x.csv -k 2 --restarts 1 --jobs {n}",
            f"fit gmm x.csv -k 2 --restarts 1 --memory {n}",
            f"fit gmm x.csv -k 2 --restarts 1 --skip {n}",
            f"fit gmm x.csv -k 2 --restarts 1 --plot x.svg --iterations 0,{n}",
            "fit gmm /dev/zero -k 2",
            "fit gmm x.csv -k 2 --start /dev/zero",
            "predict /dev/urandom x.csv",
            "compare /dev/zero f.json",
            "generate /dev/zero",
        )
    )


SHAPES: tuple[Shape, ...] = (
    commas,
    commas,
    wide,
    wide,
    long,
    cells,
    parquet,
    parquet,
    parts,
    nested,
    grown,
    yaml,
    asked,
)


def prepare(folder: Path) -> dict[str, bytes]:
    """Small inputs, and a saved fit."""
    for name, text in {"x.csv": POINTS, "c.csv": TOSSES}.items():
        (folder / name).write_text(text)
    must(SAVE, folder)
    return {name: (folder / name).read_bytes() for name in ("x.csv", "c.csv", "f.json")}


def trial(trial: Trial) -> None:
    """One command with an input of a hostile size, as a process of its own."""
    for name, content in trial.shared.items():
        (trial.folder / name).write_bytes(content)
    shape = trial.random.choice(SHAPES)
    line = shape(trial.folder, trial.random)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = begin([*line.split(), "-q", "-o", "out"], trial.folder, fork=False, prelude=limit).end(patience=200)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = spent.ru_utime + spent.ru_stime - began.ru_utime - began.ru_stime
    inputs = {path.name: path.stat().st_size for path in trial.folder.iterdir()} if shape is not parts else {}
    what = (
        f"{shape.__name__}: emcli {line}",
        inputs,
        f"{seconds:.1f} s, {spent.ru_maxrss >> 10} MiB",
        done.code,
        done.err[-400:],
    )
    trial.check(done.code in (0, 2, 3, 4), *what)
    trial.check(not list(trial.folder.glob(".*.tmp")), *what, "a temporary file is left")
    hold(Done(done.code, done.out, done.err), done.code)


KIND = Kind("sizes", trial, prepare, share=3.0, seconds=240)
