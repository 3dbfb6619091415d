"""What is refused, in one table: a command line with the files around it, its exit code, and words of the message."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from copy import deepcopy
from typing import Any

import numpy as np
from rules import POINTS, Bad, bad

FIT = "fit gmm x.csv -k 1"
rng = np.random.default_rng(0)


def csv(text: str | bytes, *parts: str, options: str = "", code: int = 3) -> Bad:
    """A fit of one Gaussian to a file that must be refused."""
    return bad(f"{FIT} {options}".strip(), code, *parts, x__csv=text)


def cell(text: str, what: str, *parts: str) -> Bad:
    return csv(f"x,y\n1,2\n3,{text}\n4,4\n", f"x.csv:3:2: {what}", *parts)


def unreadable(text: str) -> Bad:
    return cell(text, "cannot read ")


def repeated(byte: bytes, times: int, first: bytes = b"") -> bytes:
    """A gzip of `first` and of one byte very often, made of the deflated form of a mebibyte of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    begin = packer.compress(first) + packer.flush(zlib.Z_FULL_FLUSH)
    block = byte * (1 << 20)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(first)
    for _ in range(times >> 20):
        checksum = zlib.crc32(block, checksum)
    ends = packer.flush() + struct.pack("<II", checksum, len(first) + times)
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + begin + packed * (times >> 20) + ends


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
BINARY = {
    "PNG": PNG,
    "ELF": b"\x7fELF\x02\x01\x01",
    "NumPy .npy": b"\x93NUMPY\x01\0v\0",
    "Parquet": b"PAR1\x15\x04",
    "zip or xlsx": b"PK\x03\x04\x14\0",
    "PDF": b"%PDF-1.7\n",
    "xz": b"\xfd7zXZ\0\0",
    "SQLite": b"SQLite format 3\0",
    "JPEG": b"\xff\xd8\xff\xe0",
    "bzip2": b"BZh91AY&SY",
}
ZSTD = b"\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00x\n1\n"
LATIN = ":1: not valid UTF-8 at byte 3 (0xe9)"
# a saved fit
SAVED_GMM: dict[str, Any] = {
    "schema": "emcli.fit/1",
    "version": "0.1.0",
    "model": "gmm",
    "covariance": "full",
    "mixing": "free",
    "k": 2,
    "data": {"source": "x.csv", "rows": 20, "weight": 20, "columns": ["x", "y"], "dropped": 0, "sha256": "0" * 64},
    "settings": {
        "k": 2,
        "covariance": "full",
        "mixing": "free",
        "init": "k-means++",
        "restarts": 10,
        "seed": 0,
        "tol": 1e-6,
        "max_iter": 10000,
        "missing": "error",
    },
    "status": "converged",
    "stop": "projected",
    "decrement": 1e-9,
    "warnings": [],
    "log_likelihood": -50.5,
    "parameters_count": 11,
    "aic": 123.0,
    "bic": 130.5,
    "icl": 131.5,
    "parameters": {
        "weights": [0.5, 0.5],
        "means": [[1.0, 2.0], [4.0, 5.0]],
        "covariances": [[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.5], [0.5, 1.0]]],
    },
    "best_start": 1,
    "reached": 3,
    "iterations": 7,
    "trace": [{"iteration": 0, "log_likelihood": -60.0}],
    "restarts": [{"start": 1, "status": "converged", "iterations": 7, "log_likelihood": -50.5}],
}
SAVED_COINS: dict[str, Any] = {
    **SAVED_GMM,
    "model": "coins",
    "mixing": "equal",
    "parameters": {"weights": [0.5, 0.5], "heads": [0.2, 0.8]},
    "data": {**SAVED_GMM["data"], "columns": ["heads", "tosses"], "tosses": {"10": 20}},
    "settings": {"k": 2},
}
TRACE_LINE = json.dumps({"type": "iteration", "start": 1, "iteration": 0, "log_likelihood": -3.5}) + "\n"
FLAT = [[[5e-324, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]]
READERS = ("predict f.json x.csv", "compare f.json f.json", "generate f.json -n 3")


def as_json(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False)


def changed(path: str, value: Any = None, base: dict[str, Any] = SAVED_GMM) -> str:
    """A document where one value is another, or is missing (...)."""
    document = deepcopy(base)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    holder: Any = document
    for step in steps:
        holder = holder[step]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return as_json(document)


def each(content: str | bytes, *parts: str, lines: tuple[str, ...] = READERS) -> list[Bad]:
    """The same refusal by every command that reads a fit."""
    return [bad(line, 3, *parts, f__json=content) for line in lines]


SAVED = as_json(SAVED_GMM)
WRONG_TYPES: dict[str, tuple[str, Any]] = {
    "k": ("k", "2"),
    "k of 0": ("k", 0),
    "k a float": ("k", 2.0),
    "another k": ("k", 3),
    "k true": ("k", True),
    "columns": ("data.columns", "x"),
    "no columns": ("data.columns", []),
    "a column": ("data.columns", ["x", 3]),
    "rows": ("data.rows", -1),
    "rows text": ("data.rows", "20"),
    "rows huge": ("data.rows", 10**30),
    "sha256": ("data.sha256", "\x1b[2J"),
    "source": ("data.source", ["x"]),
    "data": ("data", [1]),
    "settings": ("settings", []),
    "setting": ("settings.covariance", "round"),
    "tol": ("settings.tol", "1e-6"),
    "status": ("status", "fine"),
    "bic": ("bic", "130"),
    "aic": ("aic", [1]),
    "icl": ("icl", {}),
    "log_likelihood": ("log_likelihood", "-50"),
    "iterations": ("iterations", None),
    "reached": ("reached", "3"),
    "warnings": ("warnings", "none"),
    "warning": ("warnings", [3]),
    "slug": ("warnings", [{"slug": "\x1b[2J"}]),
    "restarts": ("restarts", 10),
    "restart": ("restarts", ["x"]),
    "truth": ("truth", 3),
    "parameters": ("parameters", [1]),
    "weights": ("parameters.weights", [0.5, 0.6]),
    "weight": ("parameters.weights.0", "0.5"),
    "means": ("parameters.means", [[1.0, 2.0]]),
    "mean": ("parameters.means.1.0", None),
    "ragged": ("parameters.means.1", [1.0]),
    "covariances": ("parameters.covariances.1", [[1.0, 2.0], [2.0, 1.0]]),
    "1e400": ("parameters.means.0.0", 10**400),
    "unknown parameter": ("parameters.sigma", 1),
    "model": ("model", "weibull"),
    "no model": ("model", 3),
    "covariance": ("covariance", "ful"),
    "mixing": ("mixing", 1),
    "inertia": ("inertia", "1"),
}
EXPERIMENT = "model: gmm\nfit:\n  k: 2\n"


def yaml(text: str | bytes, *parts: str, command: str = "fit fit.yaml x.csv") -> Bad:
    return bad(command, 2, *parts, fit__yaml=text)


def generate(parameters: str, *parts: str, rows: str = "rows: 5", model: str = "gmm") -> Bad:
    text = f"model: {model}\ngenerate:\n  {rows}\n  parameters: {parameters}\n"
    return bad("generate g.yaml", 2, "g.yaml:", *parts, g__yaml=text)


TWO = "weights: [0.5, 0.5], means: [[1], [2]]"
BOX = "weights: [0.8], means: [[1, 1]], sds: [[1, 1]], noise: {weight: 0.2, corner: [0, 0]"


def as_csv(values: Any, header: str = "x,y") -> str:
    values = np.asarray(values)
    names = ",".join(header.split(",")[: values.shape[1]]) if values.ndim > 1 else header.split(",")[0]
    return names + "\n" + "\n".join(",".join(map(repr, np.atleast_1d(row).tolist())) for row in values) + "\n"


def fit_of(values: Any, code: int, *parts: str, options: str = "-k 2", model: str = "gmm") -> Bad:
    return bad(
        f"fit {model} x.csv {options}", code, *parts, x__csv=values if isinstance(values, str) else as_csv(values)
    )


def coins_of(rows: str, code: int, *parts: str, options: str = "", header: str = "heads,tosses") -> Bad:
    return bad(f"fit coins rolls.csv {options}".strip(), code, *parts, rolls__csv=f"{header}\n{rows}\n")


TWO_MEANS = "means: [[1, 1], [5, 5]]\n"
WEIGHTS = "weights must be finite, >= 0 and not all zero"
ONE_SPIKE = "x\n" + "5\n" * 30 + "\n".join(f"{5 + i / 1e3}" for i in range(1, 4)) + "\n"
CATALOGUE: dict[str, Bad | list[Bad]] = {
    # files
    "no such file": [
        bad("fit gmm data.csv -k 1", 3, "data.csv: no such file (did you mean 'data.tsv'?)", data__tsv="x\n1\n"),
        bad("fit gmm no/x.csv -k 1", 3, "no/x.csv: no such file"),
        bad("fit gmm '' -k 1", 3, "'': no such file"),
        bad("predict fi.json x.csv", 3, "fi.json: no such file (did you mean 'fit.json'?)", fit__json="{}"),
        bad("compare a.json b.json", 3, "a.json: no such file"),
        bad("fit e.yaml", 2, "e.yaml: no such file"),
        bad("generate e.yaml", 2, "e.yaml: no such file"),
        bad("fit gmm x.csv -k 1 --start s.yaml", 2, "s.yaml: no such file"),
        bad("compare a.yaml b.yaml", 2, "a.yaml: no such file"),
    ],
    "a directory": [
        bad("fit gmm . -k 1", 3, ": not a part, by its name"),
        bad("predict . x.csv", 3, ".: is a directory"),
        bad("generate /", 2, "/: is a directory"),
        bad("fit gmm x.csv -k 1 --start .", 2, ".: is a directory"),
    ],
    "an empty file": [
        bad(FIT, 3, "x.csv: file is empty", x__csv=""),
        bad(FIT, 3, "x.csv: file is empty", x__csv="\ufeff"),
        bad(FIT, 3, "x.csv: file is empty", x__csv=gzip.compress(b"")),
        bad("fit gmm -k 1", 3, "<stdin>: file is empty", stdin=""),
        bad("fit gmm /dev/null -k 1", 3, "/dev/null: file is empty"),
        bad("predict f.json x.csv", 3, "f.json: invalid JSON: file is empty", f__json=""),
    ],
    "a header and nothing after it": [
        bad(FIT, 3, "x.csv: no data rows after the header on line 1", x__csv="x,y\n"),
        bad(FIT, 3, "after the header on line 3", x__csv="\n\nx,y"),
        bad("fit coins x.csv", 3, "after the header on line 1", x__csv="heads,tosses\r\n\r\n"),
        bad(FIT + " --missing drop", 3, "no rows left: all 2 have missing values", x__csv="x,y\nNA,1\n,2\n"),
    ],
    "blank lines and comments alone": [
        bad(FIT, 3, "x.csv: no data rows, only blank lines or comments", x__csv="\n\n  \n"),
        bad(FIT + " --comment '#'", 3, "no data rows, only blank lines or comments", x__csv="# a\n# b\n"),
    ],
    "a binary file": [
        bad(FIT, 3, f"x.csv: not a text file (looks like {kind})", x__csv=start) for kind, start in BINARY.items()
    ]
    + [bad(FIT, 3, "x.csv:1: not a text file (byte 2 is NUL)", x__csv=b"x\0,y\n1,2\n")]
    + [bad(FIT, 3, "x.csv:2: not a text file (byte 2 is NUL)", x__csv=b"x\n1\0\n")],
    "no UTF-8": [
        bad(FIT, 3, "x.csv" + LATIN, "iconv", x__csv=b"ol\xe9,y\n1,2\n"),
        bad(FIT, 3, "x.csv:3: not valid UTF-8 at byte 3 (0xe9)", x__csv=b"x,y\n1,2\n3,\xe9\n"),
        bad(FIT, 3, "UTF-16 text", x__csv="x,y\n1,2\n".encode("utf-16")),
        bad(FIT, 3, "not valid UTF-8", x__csv=b"x\n1\xed\xa0\x80\n"),
        bad(FIT, 3, "not valid UTF-8", x__csv=b"x\n\xc0\xb1\n"),
        bad("predict f.json x.csv", 3, "f.json:2:5: not valid UTF-8 at byte 5 (0xe9)", f__json=b'{\n "ab\xe9": 1}'),
        bad("generate e.yaml", 2, "e.yaml:2:5: not valid UTF-8", e__yaml=b"model: gmm\na: b\xe9\n"),
    ],
    "damaged compression": [
        bad(FIT.replace("x.csv", "x.csv.gz"), 3, "x.csv.gz: not gzip data", x__csv__gz="x\n1\n2\n"),
        bad(FIT.replace("x.csv", "x.csv.zst"), 3, "x.csv.zst: not zstd data", x__csv__zst="x\n1\n2\n"),
        bad(FIT, 3, "truncated gzip data", x__csv=gzip.compress(POINTS.encode())[:-6]),
        bad(FIT, 3, "looks like gzip in gzip", x__csv=gzip.compress(gzip.compress(POINTS.encode()))),
    ],
    "a decompression bomb": [
        bad(FIT, 3, "line is longer than", x__csv=repeated(b"\0", 1 << 26)),
        bad(FIT, 3, "line is longer than", x__csv=repeated(b"1", 1 << 25, b"x\n")),
        bad(FIT, 3, "decompression bomb", x__csv=repeated(b"\n", 1 << 27, b"x\n1\n")),
    ],
    "a path that cannot be": [
        bad("fit gmm x.csv/y.csv -k 1", 3, "x.csv/y.csv: not a directory"),
        bad(f"fit gmm {'a' * 300}.csv -k 1", 3, "file name too long"),
        bad("generate x.csv/y.yaml", 2, "x.csv/y.yaml: not a directory"),
        bad(f"predict {'a' * 300}.json x.csv", 3, "file name too long"),
        bad(f"fit gmm x.csv -k 1 --start {'a' * 300}", 2, "file name too long"),
    ],
    # tables
    "a column that the table has not": [
        csv("x,y\n1,2\n3,5\n", "no column 'z' in x.csv (has: x, y)", options="--columns x,z", code=2),
        csv("alpha,y\n1,2\n3,5\n", "did you mean 'alpha'?", options="--columns alhpa", code=2),
        csv("x,\x1b[2J\n1,2\n3,5\n", "has: x, \\x1b[2J", options="--columns z", code=2),
        csv("x,y\n1,2\n3,5\n", "no column 'w'", options="--row-weights w", code=2),
        csv("x,y\n1,2\n3,5\n", "no column 'w'", options="--truth w", code=2),
        csv("x,x\n1,2\n3,5\n", "not unique", options="--columns x"),
        bad("fit coins x.csv --heads h", 2, "no column 'h'", x__csv="heads,tosses\n1,2\n"),
        bad("fit coins x.csv", 3, "no column 'tosses'", "--tosses", x__csv="heads,of\n3,10\n1,10\n"),
    ],
    "a number of a column that the table has not": [
        csv("x,y\n1,2\n3,5\n", "columns count from 1", options="--columns 0", code=2),
        csv(
            "x,y\n1,2\n3,5\n",
            "no column '5': columns count from 1 and x.csv has 2 columns",
            options="--columns 5",
            code=2,
        ),
        csv("x,y\n1,2\n3,5\n", "no column '-1'", options="--columns=-1", code=2),
        csv("x,y\n1,2\n3,5\n", "no column '999", options="--columns " + "9" * 5000, code=2),
        csv("x,y\n1,2\n3,5\n", "must name at least one column, and each once", options="--columns x,x", code=2),
        csv("x,y\n1,2\n3,5\n", "--columns", options="--columns ,", code=2),
    ],
    "too few fields in a row": [
        csv("x,y\n1,2\n3\n4,5\n", "x.csv:3: 1 field, expected 2"),
        csv("x;y\r\n1;2\r\n\r\n3\r\n", "x.csv:4: 1 field, expected 2"),
        csv("x,y,z\n" + "1,2,3\n" * 9999 + "1,2\n", "x.csv:10001: 2 fields, expected 3"),
    ],
    "too many fields in a row": [
        csv("x,y\n1,2\n3,4,5\n", "x.csv:3: 3 fields, expected 2"),
        csv("x,y\n1,2\n3,4,\n", "x.csv:3: 3 fields, expected 2"),
        csv("x y\n1 2\n3 4 5\n", "x.csv:3: 3 fields, expected 2"),
    ],
    "comments that nobody announced": [
        csv("# made by\nx,y\n1,2\n3,4\n", "--comment"),
        csv("x,y\n1,2\n# a note\n3,4\n", "x.csv:3: 1 field, expected 2", "--comment '#'"),
        csv("#\n1\n2\n", "--comment", options="--no-header"),
    ],
    "a delimiter in doubt, or none": [
        csv("a,b;c\n1,2;3\n4,5;6\n", "the delimiter could be ',' or ';'", "--delimiter"),
        csv("a|b\tc\n1|2\t3\n", "the delimiter could be"),
        csv("1|5;2|5\n3|5;4|5\n", "x.csv"),
        csv("x\n1\n", "one character that is no part of a number", options="--delimiter ab", code=2),
        csv("x\n1\n", "one character", options="--delimiter 1", code=2),
        csv("x\n1\n", "one character", options="--delimiter é", code=2),
    ],
    "quotes that do not end where the field does": [
        csv('x\n"1"2\n', "x.csv:2:1: text after closing quote, got '2'"),
        csv('x,y\n1,"2" 3\n', "x.csv:2:2: text after closing quote"),
        csv('x\n"1\n2\n', "x.csv:2:1: quote is never closed"),
        csv('"x\n', "x.csv:1:1: quote is never closed"),
    ],
    "words among numbers": [
        cell("abc", "cannot read 'abc' as a number in column 'y'"),
        csv("x,y,\n1,2,\nabc,3,\n4,5,\n", "x.csv:3:1: cannot read 'abc' as a number in column 'x'"),
        cell("\x1b[2J", "cannot read '\\x1b[2J' as a number"),
        cell("\u202e1", "cannot read '\\u202e1'"),
        cell("a" * 10**6, "cannot read 'aaaaaaaaaa"),
        csv("x\n" + "a\n1\n" * 9, "x.csv:2:1:", "x.csv:10:1:", "and 4 more", "--na a --missing drop"),
    ],
    "a word in the row of a hundred thousand": csv(
        "x\n" + "1.5\n" * 99_998 + "oops\n", "x.csv:100000:1: cannot read 'oops' as a number in column 'x'"
    ),
    "a missing value": [
        cell(text, "missing value in column 'y'", "--missing drop")
        for text in ("NA", "", "null", "-", "?", "n/a", '""', "None", "nan", "NaN", "#N/A", ".", r"\N")
    ],
    "no finite number": [
        cell(text, "value is not finite") for text in ("inf", "-Infinity", "1e309", "+INF", "9" * 400)
    ],
    "what only Python or people read as a number": [
        unreadable(text)
        for text in (
            "0x10",
            "١٢",
            "1d5",
            "True",
            "1e",
            "e5",
            "1\u00a0",
            "--1",
            "+-1",
            "1.2.3",
            "０",
            "1e5.0",
            "2024-01-01",
            "½",
        )
    ],
    "numbers with marks and signs": [
        cell("1_000", "column 'y' has thousands separators ('1_000' on line 3)", "--thousands _"),
        cell("12%", "column 'y' has per cent signs ('12%' on line 3)", "sed 's/% *//g' x.csv"),
        bad(
            FIT.replace("x.csv", "x.csv.gz"),
            3,
            "make a copy with zcat x.csv.gz | sed 's/% *//g' > x-clean.csv and fit that",
            x__csv__gz=gzip.compress(b"x,y\n1,2\n3,12%\n4,5\n"),
        ),
        cell("$5", "column 'y' has currency signs ('$5' on line 3)", r"sed 's/\$ *//g' x.csv"),
        cell('"1,000"', "column 'y' has thousands separators ('1,000' on line 3)", "--thousands ,"),
        cell("1 000", "column 'y' has thousands separators ('1 000' on line 3)", "--thousands space"),
        *(cell(f'"{digits}"', f"cannot read '{digits}' as a number") for digits in ("1,2,345", "1,2345,678", "1,00,0")),
        *(
            cell(f"1{mark}000", f"column 'y' has thousands separators ('1{mark}000' on line 3)", 'try --thousands "\'"')
            for mark in "'’"
        ),
    ],
    "a column of words": [
        csv("x,day\n1,2024-01-01\n2,2024-01-02\n", "x.csv:2:2: column 'day' is text ('2024-01-01'", "--columns x"),
        csv("kind,x\na,1\nb,2\n", "x.csv:2:1: column 'kind' is text ('a' on line 2 and 1 more)", "--columns x"),
        bad("fit coins x.csv", 3, "x.csv:2:2: cannot read 'many'", x__csv="heads,tosses\n1,many\n"),
    ],
    "a formula for a spreadsheet": csv('x,label\n1,"=cmd()\x1b[2J"\n2,3\n', "cannot read '=cmd()\\x1b[2J'"),
    # saved fits
    "a fit that is no JSON": [
        *each(SAVED[:57], "f.json:4:9: invalid JSON: ", "(file truncated?)"),
        *each("", "f.json: invalid JSON: file is empty"),
        *each(" \n", "f.json: invalid JSON: file is empty"),
        *each("not JSON", "f.json:1:1: invalid JSON: expecting value"),
        *each(SAVED + "}", "invalid JSON: extra data"),
        *each(SAVED.replace("-50.5", "NaN", 1), "f.json: invalid JSON: not JSON 'NaN'"),
        *each(SAVED.replace("123.0", "-Infinity"), "invalid JSON: not JSON '-Infinity'"),
        *each(SAVED.replace('"aic"', '"bic"'), "invalid JSON: duplicate key 'bic'"),
        *each("[" * 200_000, "f.json: invalid JSON: nested too deeply"),
        *each('{"a":' * 200_000, "f.json: invalid JSON: nested too deeply"),
        *each(SAVED.encode()[:30] + b"\xff" + SAVED.encode()[30:], "f.json:3:3: not valid UTF-8 at byte 3 (0xff)"),
        *each(SAVED.encode("utf-16"), "f.json:1:1: not UTF-8 (looks like UTF-16)"),
        *each(b"\x89PNG\r\n\x1a\n", "f.json:1:1: not valid UTF-8 at byte 1 (0x89)"),
        *each(SAVED.replace("x.csv", "x\0csv"), "invalid JSON: invalid control character"),
        bad("predict /dev/zero x.csv", 3, "/dev/zero: larger than 256 MiB"),
    ],
    "JSON that is no fit": [
        *each("{}", "f.json: not an emcli result (no 'schema')", "-o FILE writes one"),
        *each("[1, 2]", "not an emcli result"),
        *each("3", "not an emcli result"),
        *each('"x"', "not an emcli result"),
        *each('{"schema": 3}', "f.json: schema must be emcli.fit/1, got '3'"),
        *each('{"schema": "emcli.compare/1"}', "schema must be emcli.fit/1, got 'emcli.compare/1'"),
        *each('{"schema": "emcli.fit/1"}', "missing 'model'", "missing 'parameters'"),
    ],
    "a fit of another version": [
        *each(changed("schema", "emcli.fit/2"), "f.json: schema must be emcli.fit/1, got 'emcli.fit/2'"),
        *each(changed("schema", "emcli.fit/1.x"), "schema must be"),
        *each(changed("schema", "emcli.fit/01"), "schema must be"),
    ],
    "a fit of another model": each(changed("model", "weibull"), "f.json: model: no such model 'weibull'"),
    "a trace in place of a fit": [
        *each(TRACE_LINE * 3, "f.json:2:1: not an emcli result but JSON lines", "the result document is what -o FILE"),
        *each(TRACE_LINE, "not an emcli result but JSON lines", "this is a trace"),
        bad("fit gmm x.csv -k 2 --start f.json", 3, "JSON lines", "this is a trace", f__json=TRACE_LINE * 2),
    ],
    "a fit with values of a wrong type": [
        bad(line, 3, "f.json:", f__json=changed(path, value))
        for path, value in WRONG_TYPES.values()
        for line in ("predict f.json x.csv", "compare f.json f.json")
    ]
    + [
        bad("predict f.json x.csv", 3, "missing", f__json=changed(key, ...))
        for key in ("k", "data", "data.columns", "data.sha256", "status", "bic", "icl", "parameters", "iterations")
    ]
    + [
        bad("generate f.json", 3, "f.json:", f__json=changed("data.tosses", wrong, SAVED_COINS))
        for wrong in (10, {"x": 1}, {"10": "1"}, {}, {"-1": 1}, {"10": -1}, {"9" * 30: 1}, {"10": None})
    ],
    "a fit that cannot be a start": [
        bad("fit gmm x.csv -k 2 --start f.json", 3, "f.json:", f__json=changed(path, value))
        for path, value in (
            ("parameters.means.0.0", "1"),
            ("parameters", []),
            ("schema", "emcli.fit/2"),
            ("parameters.means.1.1", None),
            ("parameters.weights", {"a": None}),
        )
    ]
    + [
        bad(
            "fit gmm x.csv -k 2 --start f.json",
            3,
            "invalid JSON: duplicate key 'means'",
            f__json='{"schema": "emcli.fit/1", "parameters": {"means": [[1, 2], [3, 4]], "means": [[1, 2], [3, 4]]}}',
        ),
        bad("fit gmm x.csv -k 2 --start f.json", 3, "nested too deeply", f__json='{"a":' * 200_000),
        bad("fit gmm x.csv -k 3 --start f.json", 2, "f.json: start: means: must have 3 values", f__json=SAVED),
        bad("fit coins c.csv --start f.json", 2, "f.json: start: ", f__json=SAVED),
    ],
    "a fit without one of its parameters": [
        *each(
            changed("parameters.weights", ..., SAVED_COINS), "f.json: not an emcli result: missing 'parameters.weights'"
        ),
        bad("predict f.json x.csv", 3, "missing 'parameters.weights'", f__json=changed("parameters.weights", ...)),
    ],
    "a fit of other dimensions than its columns": [
        *each(changed("data.columns", ["x"]), "f.json: parameters: they are of 2 columns, but data.columns names 1"),
        *each(changed("data.columns", ["x", "y", "z"]), "f.json: parameters: they are of 2 columns, but data.columns"),
        bad("predict f.json x.csv", 3, "f.json", f__json=changed("data.columns", ["x", "y", "x"])),
        bad("predict f.json c.csv", 3, "f.json", f__json=changed("data.columns", ["a", "b", "c"], SAVED_COINS)),
    ],
    "a fit with a component that is flat": [
        bad(line, 3, "f.json: parameters: component 1 became flat", f__json=changed("parameters.covariances", FLAT))
        for line in READERS[::2]
    ]
    + [
        bad(
            "generate f.json",
            3,
            "f.json: component 1 became flat",
            f__json=changed("settings.covariance", "diag", json.loads(changed("parameters.covariances", FLAT))),
        ),
        bad(
            "fit gmm x.csv -k 2 --start f.json",
            3,
            "f.json: parameters: component 1 became flat",
            f__json=changed("parameters.covariances", FLAT),
        ),
    ],
    # experiments
    "an unknown key": [
        yaml("model: gmm\nfit:\n  max_itr: 9\n", "fit.yaml:3:3: unknown key 'max_itr' (did you mean 'max_iter'?)"),
        yaml("modle: gmm\nmodel: gmm\n", "fit.yaml:1:1: unknown key 'modle' (did you mean 'model'?)"),
        yaml("model: gmm\ngenerate: {row: 3}\n", "fit.yaml:2:12: unknown key 'row' (did you mean 'rows'?)"),
        yaml('model: gmm\nfit: {k: 2, "\\e[2J": 1}\n', "unknown key '\\x1b[2J'"),
        yaml("model: gmm\nfit: {jobs: 2}\n", "fit.yaml:2:7: unknown key 'jobs'"),
        yaml("model: kmeans\nfit: {k: 2, covariance: full}\n", "fit.yaml:2:13: kmeans has no option 'covariance'"),
    ],
    "a value of a wrong type": [
        yaml("model: gmm\nfit:\n  k: three\n", "fit.yaml:3:3: fit.k: must be an integer from 1 to 10000, got 'three'"),
        yaml("model: gmm\nfit:\n  k: '3'\n", "fit.yaml:3:3: fit.k: must be an integer"),
        yaml("model: gmm\nfit: {k: 2, tol: '1'}\n", "fit.yaml:2:13: fit.tol: must be a finite number above 0"),
        yaml("model: gmm\nfit: {k: 2, header: yes}\n", "fit.header: must be true or false, got 'yes'"),
        yaml("model: gmm\nfit: {k: true}\n", "must be an integer"),
        yaml("model: gmm\nfit: 3\n", "fit.yaml:2:1: fit: must be a mapping"),
        yaml("model: gmm\nfit: {k: 2, start: 7}\n", "must be a mapping of parameters, or the name of a file"),
        yaml("model: 3\nfit: {k: 2}\n", "model: must be the name of a model"),
    ],
    "a float for an integer": yaml(
        "model: gmm\nfit:\n  k: 3.0\n", "fit.yaml:3:3: fit.k: must be an integer from 1 to 10000, got '3.0'"
    ),
    "a number out of range": [
        yaml(f"model: gmm\nfit: {{k: 2, tol: {tol}}}\n", "fit.yaml:2:13: fit.tol: must be a finite number above 0")
        for tol in ("0", "-1", ".nan", ".inf", "1e-400", "1e999")
    ]
    + [
        yaml("model: gmm\nfit: {k: 2, seed: -1}\n", "must be an integer from 0"),
        yaml("model: gmm\nfit: {k: 10001}\n", "must be an integer from 1 to 10000"),
    ],
    "a word that is no choice": [
        yaml(
            EXPERIMENT + "  covariance: ful\n",
            "fit.yaml:4:3: fit.covariance: must be one of full, tied, diag, spherical, EII, VII, ",
            "EVV, VVV, E, V; got 'ful' (did you mean 'full'?)",
        ),
        yaml("model: gmn\nfit: {k: 2}\n", "fit.yaml:1:1: model: must be one of", "did you mean 'gmm'?"),
        yaml(EXPERIMENT + "  missing: skip\n", "must be one of error, drop"),
    ],
    "a key that is missing": [
        yaml("fit: {k: 2}\n", "missing 'model'"),
        yaml("model: gmm\n", "missing '-k'"),
        bad("generate g.yaml", 2, "generate: missing 'parameters'", g__yaml="model: gmm\ngenerate: {rows: 3}\n"),
        generate("{means: [[1]], sds: [[1]]}", "generate: missing 'rows' (or 'sizes')", rows="seed: 1"),
        bad("generate g.yaml", 2, "nothing to draw from: no 'generate:'", g__yaml="model: gmm\nfit: {k: 2}\n"),
    ],
    "anchors, aliases and merge keys": [
        yaml("model: &m gmm\nfit: {k: 2}\n", "fit.yaml:1:8: anchors and aliases are not allowed"),
        yaml("model: gmm\nfit: &f {k: 2}\ngenerate: *f\n", "fit.yaml:2:6: anchors and aliases are not allowed"),
        yaml("model: gmm\nfit: {<<: {k: 2}}\n", "fit.yaml:2:7: merge keys are not allowed"),
        yaml("model: *m\n", "anchors and aliases are not allowed"),
    ],
    "a billion laughs": yaml(
        "a: &a [x, x]\n"
        + "".join(f"{c}: &{c} [{', '.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
        "anchors and aliases",
    ),
    "YAML tags": [
        yaml("model: !!python/object/apply:os.system ['touch owned']\n", "fit.yaml:1:8: YAML tags are not allowed"),
        yaml("model: !!str gmm\n", "YAML tags are not allowed"),
        yaml("!mine\nmodel: gmm\n", "YAML tags are not allowed"),
        yaml("%TAG ! tag:x,2000:\n---\nmodel: !a gmm\n", "YAML tags are not allowed"),
    ],
    "an experiment too large or too deep": [
        yaml("#" * (1 << 20) + "\nmodel: gmm\n", "fit.yaml: larger than 1 MiB"),
        yaml("model: gmm\nfit: " + "[" * 200_000, "nested deeper than 32 levels"),
        bad("fit /dev/zero x.csv", 2, "/dev/zero: larger than 1 MiB"),
    ],
    "YAML that is no mapping": [
        yaml(text, "fit.yaml", "expected lines of `key: value`, got " + got)
        for text, got in (
            ("", "nothing"),
            ("null\n", "nothing"),
            ("- 1\n", "a list"),
            ("gmm\n", "a single value"),
            ("# only\n", "nothing"),
            ("3", "a single value"),
        )
    ],
    "a second document": [
        yaml(EXPERIMENT + "---\nmodel: gmm\n", "fit.yaml:4:1: a second document"),
        yaml(EXPERIMENT + "...\n---\nx\n", "a second"),
    ],
    "broken YAML": [
        yaml("model: gmm\nfit:\n\tk: 2\n", "fit.yaml:3:1: ", "indent with spaces, not tabs"),
        yaml("model: gmm\nfit: {k: 2\n", "fit.yaml:3:1: "),
        yaml("model: 'gmm\n", "fit.yaml:2:1: "),
        yaml("model: gmm\n fit: 3\n", "fit.yaml:2:"),
        yaml("model: gmm\nfit: ]\n", "fit.yaml:2:6: "),
        yaml("model: gmm\nmodel: gmm\n", "fit.yaml:2:1: duplicate key 'model' (first on line 1)"),
    ],
    "an experiment in other characters": [
        yaml(EXPERIMENT.encode("utf-16"), "fit.yaml:1:1: not UTF-8 (looks like UTF-16)"),
        yaml(b"model: gm\xe9\n", "fit.yaml:1:10: not valid UTF-8"),
        yaml("model: g\0mm\n", "fit.yaml:1:9: control character U+0000"),
        yaml("model: gmm # \x1b[2J\n", "fit.yaml:1:14: control character U+001B"),
        yaml("model: gmm\u2028fit: {k: 2}\n", "control character U+2028"),
    ],
    "an alias within itself": [
        yaml("a: &x [*x]\n", "fit.yaml:1:4: anchors and aliases"),
        yaml("&x [*x]\n", "anchors and aliases"),
    ],
    "parameters to generate from that are none": [
        generate(
            "{weights: [0.5, 0.6], means: [[1], [2]], sds: [[1], [1]]}",
            "4:16: generate.parameters.weights: must sum to 1, got 1.1",
        ),
        generate(
            "{means: [[1, 2]], covariances: [[[1, 2], [2, 1]]]}",
            "generate.parameters.covariances[0]: must be a symmetric, positive definite matrix",
        ),
        generate(f"{{{TWO}, covariances: [[[1]], [[-1]]]}}", "4:", "generate.parameters.covariances[1]: must be"),
        generate(f"{{{TWO}, sds: [[1], [1]]}}", "generate.rows: must be an integer", rows="rows: 0"),
        generate(f"{{{TWO}, sds: [[1], [1]]}}", "generate.rows: must be an integer", rows="rows: 1000000000000"),
        generate(
            "{heads: [0.5, 1.5]}",
            "generate.parameters.heads[1]: must be a probability",
            model="coins",
            rows="rows: 5\n  tosses: 10",
        ),
        generate("{heads: [0.5, 0.6]}", "tosses", model="coins"),
        generate("{means: [[1, 2], [3]], sds: [[1, 1], [1, 1]]}", "generate.parameters.means[1]: must have 2 values"),
        generate("{means: [[1]], sds: [[.nan]]}", "generate.parameters.sds[0][0]: must be a finite number"),
        generate("{means: [[1, 2]], covariances: [[[5.0e-324, 0], [0, 1]]]}", "parameters: component 1 became flat"),
        generate("{means: [[1]], sds: [[0]]}", "generate.parameters.sds[0]: must be positive"),
        generate("{means: [[1]], sds: [[1]], covariances: [[[1]]]}", ".sds: give covariances or sds, not both"),
        generate("{means: [[1]]}", "generate.parameters: missing 'covariances' or 'sds'"),
        generate(f"{{{BOX}, edges: [0, 1]}}}}", "noise.edges: must span a box with a volume"),
        generate(f"{{{BOX}, edges: [2, 3], volume: 5}}}}", "noise.volume: must be 6, that of the edges"),
        generate(f"{{{BOX}, edges: [2, 3], volume: -5}}}}", "noise.volume: must be above 0, got -5"),
        generate("{means: [[x]], sds: [[1]]}", "generate.parameters.means[0][0]: must be a finite number, got 'x'"),
        generate("{weights: [-0.5, 1.5], means: [[1], [2]], sds: [[1], [1]]}", "weights[0]: must not be negative"),
        generate(f"{{{TWO}, sds: [[1], [1]]}}", "3:3: generate.sizes: must have 2 values", rows="sizes: [3]"),
        generate(f"{{{TWO}, sds: [[1], [1]]}}", "columns: must have 1 name", rows="rows: 3\n  columns: [a, b]"),
        generate("{means: [], sds: []}", "generate.parameters.means: must have at least one value"),
        generate("{centroids: [[1]]}", "sd", model="kmeans"),
        generate("{centroids: [[1]], sd: -1}", "generate.parameters.sd: must be above 0", model="kmeans"),
        generate("{centroids: [[1], [2]], sd: 1, sizes: [0, 0]}", "generate.parameters.sizes", model="kmeans"),
        generate("{centroids: [[1], [2]], sd: 1, sizes: [-1, 2]}", "generate.parameters.sizes", model="kmeans"),
    ],
    "standard input for two things": [
        bad("fit - -", 2, "standard input (-) can be only one of the inputs", stdin=EXPERIMENT),
        bad("fit -", 2, "cannot both be standard input", stdin="model: gmm\ndata: '-'\nfit: {k: 2}\n"),
        bad("predict - -", 2, "standard input (-) can be only one", stdin="{}"),
        bad("compare - -", 2, "standard input", stdin=EXPERIMENT),
        bad("fit gmm - -k 2 --start -", 2, "standard input", stdin="x\n1\n2\n"),
        bad("fit gmm -k 2 --start -", 2, "standard input", stdin="x\n1\n2\n"),
    ],
    # numbers
    "fewer rows than components": [
        fit_of("x\n1\n2\n3\n", 3, "k=5 needs at least 5 rows, got 3", options="-k 5"),
        fit_of("x\n1\n2\n3\n", 3, "k=5 needs at least 5 rows, got 3", options="-k 5", model="kmeans"),
        fit_of("x,w\n1,1\n2,0\n3,0\n", 3, "k=2 needs at least 2 rows, got 1", options="-k 2 --row-weights w"),
        coins_of("1,2\n0,0\n", 3, "k=2 needs at least 2 rows with tosses, got 1"),
    ],
    "identical rows": [
        fit_of(np.ones((20, 2)), 4, "all 20 rows are identical; no variance to fit"),
        fit_of(np.full((5, 1), 1e9 + 0.1), 4, "all 5 rows are identical"),
        fit_of(np.zeros((5, 1)), 4, "all 5 rows are identical", options="-k 1 --covariance spherical"),
        fit_of(np.full((5, 2), -0.0), 4, "all 5 rows are identical", options="-k 1 --covariance diag"),
        fit_of("x\n7\n", 4, "identical", options="-k 1"),
    ],
    "columns whose units are too far apart for common axes": [
        fit_of(
            "a,b\n1e-60,1e60\n2e-60,3e60\n5e-60,2e60\n3e-60,7e60\n",
            4,
            "column 'a' varies by less than 1e-100 of",
            "--exclude a",
            options="-k 1 --covariance VVE",
        ),
    ],
    "a constant column": [
        fit_of("x,z\n1,1\n2,1\n4,1\n8,1\n", 4, "column 'z' is constant (1.0)", "--exclude z"),
        fit_of("x,z\n1,5\n2,5\n4,5\n8,5\n", 4, "column 'z' is constant (5.0)", options="-k 2 --covariance diag"),
        fit_of("z\x1b[2J,x\n1,1\n1,2\n1,4\n", 4, "z\\x1b[2J' is constant", "--exclude NAME"),
        fit_of("x,w\n1,1\n1,1\n9,0\n", 4, "identical", options="-k 1 --row-weights w"),
    ],
    "too few rows for a covariance": [
        fit_of(rng.normal(size=(2, 2)), 4, "a covariance of 2 columns needs more than 2 rows, got 2", options="-k 1"),
        fit_of("a,b,c\n1,2,3\n3,1,5\n", 4, "a covariance of 3 columns needs more than 3 rows", options="-k 1"),
        fit_of("x,y\n1,2\n2,4\n4,8\n5,10\n", 4, "singular", options="-k 1"),
        fit_of("x,y\n1,2\n2,4\n4,8\n5,10\n", 4, "singular", options="-k 1 --covariance tied"),
    ],
    "numbers too small or too large to square": [
        fit_of("x\n5e-324\n1e-323\n2e-323\n", 3, "standard deviation", "outside 1e-150 to 1e150", options="-k 1"),
        fit_of("x\n1e200\n-1e200\n3e200\n", 3, "standard deviation", options="-k 1"),
        fit_of(
            as_csv(rng.normal(size=(9, 3)) * 1e-120, "x,y,z"),
            3,
            "noise is uniform over the box around all rows, which has no volume that a double holds",
            options="-k 1 --noise",
        ),
        fit_of("x\n1e308\n-1e308\n1.7e308\n", 3, "standard deviation", options="-k 1", model="kmeans"),
        fit_of("x\n1e-200\n2e-200\n4e-200\n", 3, "standard deviation", options="-k 1", model="kmeans"),
        fit_of("x,y\n8e307,1\n8e307,2\n", 3, "column 'x': value 8e+307 is beyond", options="-k 1", model="kmeans"),
    ],
    "weights that weigh nothing": [
        fit_of(
            "x,w\n1,1\n2,-1\n", 3, "x.csv:3:2: weights must be at least 0, got '-1'", options="-k 1 --row-weights w"
        ),
        fit_of("x,w\n1,inf\n2,1\n", 3, "x.csv:2:2: value is not finite", options="-k 1 --row-weights w"),
        fit_of("x,w\n1,0\n2,0\n", 3, "all weights are zero", WEIGHTS, options="-k 1 --row-weights w"),
        fit_of("x,w\n1,1e300\n2,1\n3,0\n", 3, "sum to 1e+300", WEIGHTS, options="-k 1 --row-weights w"),
        fit_of("x,w\n1,\n2,1\n", 3, "missing value", options="-k 1 --row-weights w"),
        fit_of("x,w\n1,1e308\n2,1e308\n", 3, WEIGHTS, options="-k 1 --row-weights w"),
    ],
    "more heads than tosses": [
        coins_of("5,10\n9,10\n11,10", 3, "rolls.csv:4:1: heads 11 > tosses 10"),
        coins_of("1,0\n1,2", 3, "rolls.csv:2:1: heads 1 > tosses 0"),
    ],
    "fewer than no tosses": [
        coins_of("-1,10\n1,2", 3, "rolls.csv:2:1: heads must be at least 0, got '-1'"),
        coins_of("0,-10\n1,2", 3, "rolls.csv:2:2: tosses must be at least 0"),
        coins_of("1,-1\n1,2", 3, "rolls.csv:2:2: tails must be at least 0", header="heads,tails"),
    ],
    "half a toss": [
        coins_of("3.5,10\n1,2", 3, "rolls.csv:2:1: heads must be a whole number, got '3.5'"),
        coins_of("1,2\n\n3,10.25", 3, "rolls.csv:4:2: tosses must be a whole number"),
        coins_of("1,1e300\n1,2", 3, "rolls.csv:2:2: tosses must be at most 2^53"),
        coins_of("HTX\nHH", 3, "rolls.csv:2:1: flips must be H and T, or 1 and 0, got 'HTX'", header="flips"),
    ],
    "no tosses at all": [
        coins_of("0,0\n0,0", 3, "no row has any tosses"),
        coins_of("0,0\n0,0", 3, "no row has any tosses", header="heads,tails"),
        coins_of('""\n""', 3, "rolls.csv", header="flips", options="--flips flips"),
    ],
    "start values that cannot be": [
        bad(
            "fit e.yaml c.csv",
            2,
            "e.yaml:2:7: fit.start: components 1 and 2 start equal",
            e__yaml="model: coins\nfit: {start: {heads: [0.5, 0.5]}}\n",
        ),
        bad(
            "fit e.yaml c.csv",
            2,
            "e.yaml:2:42: fit.start.weights[1]: ",
            "weight 0",
            e__yaml="model: coins\nfit: {mixing: free, start: {weights: [1, 0], heads: [0.4, 0.5]}}\n",
        ),
        bad(
            "fit gmm x.csv -k 2 --start s.yaml",
            2,
            "s.yaml: start: components 1 and 2 start equal",
            s__yaml="means: [[1, 2], [1, 2]]\n",
        ),
        bad("fit gmm x.csv -k 2 --start s.yaml", 2, "s.yaml: start: means", s__yaml="means: [[1, 2]]\n"),
        bad("fit gmm x.csv -k 2 --start s.yaml", 2, "s.yaml: start: means[0]", s__yaml="means: [[1], [2]]\n"),
        bad(
            "fit gmm x.csv -k 2 --start s.yaml", 2, "noise: is for fits with noise", s__yaml=f"{TWO_MEANS}noise: {{}}\n"
        ),
        bad("fit coins c.csv --start s.yaml", 2, "s.yaml: start: heads[1]", s__yaml="heads: [0.5, 1.5]\n"),
        bad("fit coins c.csv --start s.yaml", 2, "unknown parameter 'head'", s__yaml="head: [0.5, 0.6]\n"),
        bad("fit coins c.csv --prior 2 --start s.yaml", 2, "heads[0]: has density 0", s__yaml="heads: [0, 0.5]\n"),
        *(
            bad(
                f"fit gmm x.csv -k 2 {option} --start s.yaml", 2, f"s.yaml: start: {what}", s__yaml=f"{TWO_MEANS}{text}"
            )
            for option, text, what in (
                ("--mixing equal", "weights: [0.3, 0.7]\n", "weights: must be equal with mixing: equal"),
                ("--covariance tied", "sds: [[1, 2], [1, 1]]\n", "sds: are not tied"),
                (
                    "--covariance diag",
                    "covariances: [[[2, 1], [1, 2]], [[1, 0], [0, 1]]]\n",
                    "covariances: are not diag",
                ),
            )
        ),
    ],
}
