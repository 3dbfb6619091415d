"""Section H of the catalogue: saved fits that are damaged, foreign, newer or hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from rules import Bad, Done, as_process, bad, check, hold, in_process, lay, rows

GMM: dict[str, Any] = {
    "schema": "emcli.fit/1", "version": "0.1.0", "model": "gmm", "covariance": "full", "mixing": "free", "k": 2,
    "data": {"source": "x.csv", "rows": 20, "weight": 20, "columns": ["x", "y"], "dropped": 0, "sha256": "0" * 64},
    "settings": {"k": 2, "covariance": "full", "mixing": "free", "init": "k-means++", "restarts": 10, "seed": 0,
                 "tol": 1e-6, "max_iter": 10000, "missing": "error"},
    "status": "converged", "stop": "projected", "decrement": 1e-9, "warnings": [], "log_likelihood": -50.5,
    "parameters_count": 11, "aic": 123.0, "bic": 130.5, "icl": 131.5,
    "parameters": {"weights": [0.5, 0.5], "means": [[1.0, 2.0], [4.0, 5.0]],
                   "covariances": [[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.5], [0.5, 1.0]]]},
    "best_start": 1, "reached": 3, "iterations": 7, "trace": [{"iteration": 0, "log_likelihood": -60.0}],
    "restarts": [{"start": 1, "status": "converged", "iterations": 7, "log_likelihood": -50.5}],
}  # fmt: skip
COINS: dict[str, Any] = {
    **GMM, "model": "coins", "mixing": "equal", "parameters": {"weights": [0.5, 0.5], "heads": [0.2, 0.8]},
    "data": {**GMM["data"], "columns": ["heads", "tosses"], "tosses": {"10": 20}}, "settings": {"k": 2},
}  # fmt: skip
LINE = json.dumps({"type": "iteration", "start": 1, "iteration": 0, "log_likelihood": -3.5}) + "\n"
BOTH = ("predict f.json x.csv", "compare f.json f.json", "generate f.json -n 3")


def text(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False)


def changed(path: str, value: Any = None, base: dict[str, Any] = GMM) -> str:
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
    return text(document)


def each(content: str | bytes, *parts: str, lines: tuple[str, ...] = BOTH) -> list[Bad]:
    """The same refusal by every command that reads a fit."""
    return [bad(line, 3, *parts, f__json=content) for line in lines]


WHOLE = text(GMM)
WRONG: dict[str, tuple[str, Any]] = {
    "k": ("k", "2"), "k of 0": ("k", 0), "k a float": ("k", 2.0), "another k": ("k", 3), "k true": ("k", True),
    "columns": ("data.columns", "x"), "no columns": ("data.columns", []), "a column": ("data.columns", ["x", 3]),
    "rows": ("data.rows", -1), "rows text": ("data.rows", "20"), "rows huge": ("data.rows", 10**30),
    "sha256": ("data.sha256", "\x1b[2J"), "source": ("data.source", ["x"]), "data": ("data", [1]),
    "settings": ("settings", []), "setting": ("settings.covariance", "round"), "tol": ("settings.tol", "1e-6"),
    "status": ("status", "fine"), "bic": ("bic", "130"), "aic": ("aic", [1]), "icl": ("icl", {}),
    "log_likelihood": ("log_likelihood", "-50"), "iterations": ("iterations", None), "reached": ("reached", "3"),
    "warnings": ("warnings", "none"), "warning": ("warnings", [3]), "slug": ("warnings", [{"slug": "\x1b[2J"}]),
    "restarts": ("restarts", 10), "restart": ("restarts", ["x"]), "truth": ("truth", 3),
    "parameters": ("parameters", [1]), "weights": ("parameters.weights", [0.5, 0.6]),
    "weight": ("parameters.weights.0", "0.5"), "means": ("parameters.means", [[1.0, 2.0]]),
    "mean": ("parameters.means.1.0", None), "ragged": ("parameters.means.1", [1.0]),
    "covariances": ("parameters.covariances.1", [[1.0, 2.0], [2.0, 1.0]]), "1e400": ("parameters.means.0.0", 10**400),
    "unknown parameter": ("parameters.sigma", 1), "model": ("model", "poisson"), "no model": ("model", 3),
    "covariance": ("covariance", "ful"), "mixing": ("mixing", 1), "inertia": ("inertia", "1"),
}  # fmt: skip
CATALOGUE: dict[str, Bad | list[Bad]] = {
    "H1": [
        *each(WHOLE[:57], "f.json:4:9: invalid JSON: ", "(file truncated?)"),
        *each("", "f.json: invalid JSON: file is empty"),
        *each(" \n", "f.json: invalid JSON: file is empty"),
        *each("not JSON", "f.json:1:1: invalid JSON: expecting value"),
        *each(WHOLE + "}", "invalid JSON: extra data"),
        *each(WHOLE.replace("-50.5", "NaN", 1), "f.json: invalid JSON: not JSON 'NaN'"),
        *each(WHOLE.replace("123.0", "-Infinity"), "invalid JSON: not JSON '-Infinity'"),
        *each(WHOLE.replace('"aic"', '"bic"'), "invalid JSON: duplicate key 'bic'"),
        *each("[" * 200_000, "f.json: invalid JSON: nested too deeply"),
        *each('{"a":' * 200_000, "f.json: invalid JSON: nested too deeply"),
        *each(WHOLE.encode()[:30] + b"\xff" + WHOLE.encode()[30:], "f.json:3:3: not valid UTF-8 at byte 3 (0xff)"),
        *each(WHOLE.encode("utf-16"), "f.json:1:1: not UTF-8 (looks like UTF-16)"),
        *each(b"\x89PNG\r\n\x1a\n", "f.json:1:1: not valid UTF-8 at byte 1 (0x89)"),
        *each(WHOLE.replace("x.csv", "x\0csv"), "invalid JSON: invalid control character"),
    ],
    "H2": [
        *each("{}", "f.json: not an emcli result (no 'schema')", "-o FILE writes one"),
        *each("[1, 2]", "not an emcli result"),
        *each("3", "not an emcli result"),
        *each('"x"', "not an emcli result"),
        *each('{"schema": 3}', "f.json: schema must be emcli.fit/1, got '3'"),
        *each('{"schema": "emcli.compare/1"}', "schema must be emcli.fit/1, got 'emcli.compare/1'"),
        *each('{"schema": "emcli.fit/1"}', "missing 'model'", "missing 'parameters'"),
    ],
    "H3": [
        *each(changed("schema", "emcli.fit/2"), "f.json: schema must be emcli.fit/1, got 'emcli.fit/2'"),
        *each(changed("schema", "emcli.fit/1.x"), "schema must be"),
        *each(changed("schema", "emcli.fit/01"), "schema must be"),
    ],
    "H5": each(changed("model", "poisson"), "f.json: model: no such model 'poisson'"),
    "H17": [
        *each(LINE * 3, "f.json:2:1: not an emcli result but JSON lines", "the result document is what -o FILE"),
        *each(LINE, "not an emcli result but JSON lines", "this is a trace"),
        bad("fit gmm x.csv -k 2 --start f.json", 3, "JSON lines", "this is a trace", f__json=LINE * 2),
    ],
    "H types": [
        bad(line, 3, "f.json:", f__json=changed(path, value))
        for path, value in WRONG.values()
        for line in ("predict f.json x.csv", "compare f.json f.json")
    ] + [bad("predict f.json x.csv", 3, "missing", f__json=changed(key, ...)) for key in
         ("k", "data", "data.columns", "data.sha256", "status", "bic", "icl", "parameters", "iterations")]
      + [bad("generate f.json", 3, "f.json:", f__json=changed("data.tosses", wrong, COINS)) for wrong in
         (10, {"x": 1}, {"10": "1"}, {}, {"-1": 1}, {"10": -1}, {"9" * 30: 1}, {"10": None})],
    "H start": [
        bad("fit gmm x.csv -k 2 --start f.json", 3, "f.json:", f__json=changed(path, value))
        for path, value in (("parameters.means.0.0", "1"), ("parameters", []), ("schema", "emcli.fit/2"),
                            ("parameters.means.1.1", None), ("parameters.weights", {"a": None}))
    ] + [
        bad("fit gmm x.csv -k 2 --start f.json", 3, "invalid JSON: duplicate key 'means'",
            f__json='{"schema": "emcli.fit/1", "parameters": {"means": [[1, 2], [3, 4]], "means": [[1, 2], [3, 4]]}}'),
        bad("fit gmm x.csv -k 2 --start f.json", 3, "nested too deeply", f__json='{"a":' * 200_000),
        bad("fit gmm x.csv -k 3 --start f.json", 2, "f.json: start: means: must have 3 values", f__json=WHOLE),
        bad("fit coins c.csv --start f.json", 2, "f.json: start: ", f__json=WHOLE),
    ],
    "H17 dimensions": [
        bad("predict f.json x.csv", 3, "f.json", f__json=changed("data.columns", ["x"])),
        bad("predict f.json x.csv", 3, "f.json", f__json=changed("data.columns", ["x", "y", "x"])),
        bad("generate f.json", 3, "f.json", "columns", f__json=changed("data.columns", ["x"])),
        bad("predict f.json c.csv", 3, "f.json", f__json=changed("data.columns", ["a", "b", "c"], COINS)),
    ],
}  # fmt: skip


@rows(CATALOGUE)
def test_a_document_is_refused_in_one_line(case: Bad, process: bool, tmp_path: Path) -> None:
    check(case, tmp_path, process)


def reads(document: dict[str, Any] | str, line: str, folder: Path, run: Callable[..., Done] = in_process) -> Done:
    """Run on a document that must be accepted."""
    content = document if isinstance(document, str) else text(document)
    done = run(lay(folder, bad(line, 0, f__json=content)), folder)
    hold(done, 0)
    return done


@pytest.mark.parametrize("line", BOTH)
def test_h3_a_newer_minor_version_is_accepted_and_what_is_unknown_ignored(line: str, tmp_path: Path) -> None:
    newer = {**GMM, "schema": "emcli.fit/1.9", "later": {"a": [None]}, "settings": {**GMM["settings"], "new": [1]}}
    assert reads(newer, line, tmp_path, as_process).out == reads(GMM, line, tmp_path).out
    assert reads("\ufeff" + WHOLE.replace("\n", "\r\n"), line, tmp_path).out == reads(GMM, line, tmp_path).out
    assert reads(COINS, line.replace("x.csv", "c.csv"), tmp_path).out


def test_h15_fits_of_different_data_are_told_apart(tmp_path: Path) -> None:
    lay(tmp_path, bad("fit", 0, a__json=WHOLE, b__json=changed("data.sha256", "1" * 64)))
    done = as_process(["compare", "a.json", "b.json"], tmp_path)
    hold(done, 0, "[different-data]")


def test_h19_names_are_escaped_and_cut(tmp_path: Path) -> None:
    for hostile in ("\x1b[2J", "a\r\nb", "\u202e", "x" * (1 << 20), "=cmd()"):
        document = deepcopy(GMM)
        document["data"] |= {"source": hostile, "columns": [hostile, "y"]}
        other = {**document, "data": {**document["data"], "sha256": "1" * 64}}
        lay(tmp_path, bad("fit", 0, f__json=text(document), g__json=text(other)))
        done = in_process(["compare", "f.json", "g.json"], tmp_path)
        hold(done, 0)
        assert all(shown.isprintable() and len(shown) < 1000 for shown in done.out.splitlines()), done.out[:500]
        hold(in_process(["predict", "f.json", "x.csv"], tmp_path), 3, "no column ")
        done = in_process(["generate", "f.json", "-n", "2"], tmp_path)
        hold(done, 0)  # the header is data, and quoted as CSV
        assert done.out.startswith(('"' if set(hostile) & set('\r\n",;|') else "") + hostile[:1])


def test_h1_a_document_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emcli.config.saved_fit.MAX_BYTES", 1 << 20)
    check(bad("predict /dev/zero x.csv", 3, "/dev/zero: larger than 1 MiB"), tmp_path, False)
    check(bad("predict f.json x.csv", 3, "f.json: larger than 1 MiB", f__json=" " * (1 << 21)), tmp_path, False)
