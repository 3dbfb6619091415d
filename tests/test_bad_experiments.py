"""Section F of the catalogue: experiment files that are wrong, hostile or only strange."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rules import Bad, as_process, bad, check, hold, in_process, lay, rows

GMM = "model: gmm\nfit:\n  k: 2\n"


def yaml(text: str | bytes, *parts: str, command: str = "fit fit.yaml x.csv") -> Bad:
    return bad(command, 2, *parts, fit__yaml=text)


def generate(parameters: str, *parts: str, rows: str = "rows: 5", model: str = "gmm") -> Bad:
    text = f"model: {model}\ngenerate:\n  {rows}\n  parameters: {parameters}\n"
    return bad("generate g.yaml", 2, "g.yaml:", *parts, g__yaml=text)


TWO = "weights: [0.5, 0.5], means: [[1], [2]]"
CATALOGUE: dict[str, Bad | list[Bad]] = {
    "F1": [
        yaml("model: gmm\nfit:\n  max_itr: 9\n", "fit.yaml:3:3: unknown key 'max_itr' (did you mean 'max_iter'?)"),
        yaml("modle: gmm\nmodel: gmm\n", "fit.yaml:1:1: unknown key 'modle' (did you mean 'model'?)"),
        yaml("model: gmm\ngenerate: {row: 3}\n", "fit.yaml:2:12: unknown key 'row' (did you mean 'rows'?)"),
        yaml('model: gmm\nfit: {k: 2, "\\e[2J": 1}\n', "unknown key '\\x1b[2J'"),
        yaml("model: gmm\nfit: {jobs: 2}\n", "fit.yaml:2:7: unknown key 'jobs'"),
        yaml("model: kmeans\nfit: {k: 2, covariance: full}\n", "fit.yaml:2:13: kmeans has no option 'covariance'"),
    ],
    "F2": [
        yaml("model: gmm\nfit:\n  k: three\n", "fit.yaml:3:3: fit.k: must be an integer from 1 to 10000, got 'three'"),
        yaml("model: gmm\nfit:\n  k: '3'\n", "fit.yaml:3:3: fit.k: must be an integer"),
        yaml("model: gmm\nfit: {k: 2, tol: '1'}\n", "fit.yaml:2:13: fit.tol: must be a finite number above 0"),
        yaml("model: gmm\nfit: {k: 2, header: yes}\n", "fit.header: must be true or false, got 'yes'"),
        yaml("model: gmm\nfit: {k: true}\n", "must be an integer"),
        yaml("model: gmm\nfit: 3\n", "fit.yaml:2:1: fit: must be a mapping"),
        yaml("model: gmm\nfit: {k: 2, start: 7}\n", "must be a mapping of parameters, or the name of a file"),
        yaml("model: 3\nfit: {k: 2}\n", "model: must be the name of a model"),
    ],
    "F3": yaml("model: gmm\nfit:\n  k: 3.0\n", "fit.yaml:3:3: fit.k: must be an integer from 1 to 10000, got '3.0'"),
    "F5": [
        yaml(f"model: gmm\nfit: {{k: 2, tol: {tol}}}\n", "fit.yaml:2:13: fit.tol: must be a finite number above 0")
        for tol in ("0", "-1", ".nan", ".inf", "1e-400", "1e999")
    ] + [yaml("model: gmm\nfit: {k: 2, seed: -1}\n", "must be an integer from 0"),
         yaml("model: gmm\nfit: {k: 10001}\n", "must be an integer from 1 to 10000")],
    "F6": [
        yaml(GMM + "  covariance: ful\n", "fit.yaml:4:3: fit.covariance: must be one of full, tied, diag, spherical; "
             "got 'ful' (did you mean 'full'?)"),
        yaml("model: gmn\nfit: {k: 2}\n", "fit.yaml:1:1: model: must be one of", "did you mean 'gmm'?"),
        yaml(GMM + "  missing: skip\n", "must be one of error, drop"),
    ],
    "F7": [
        yaml("fit: {k: 2}\n", "missing 'model'"),
        yaml("model: gmm\n", "missing '-k'"),
        bad("generate g.yaml", 2, "generate: missing 'parameters'", g__yaml="model: gmm\ngenerate: {rows: 3}\n"),
        generate("{means: [[1]], sds: [[1]]}", "generate: missing 'rows' (or 'sizes')", rows="seed: 1"),
        bad("generate g.yaml", 2, "nothing to draw from: no 'generate:'", g__yaml="model: gmm\nfit: {k: 2}\n"),
    ],
    "F11": [
        yaml("model: &m gmm\nfit: {k: 2}\n", "fit.yaml:1:8: anchors and aliases are not allowed"),
        yaml("model: gmm\nfit: &f {k: 2}\ngenerate: *f\n", "fit.yaml:2:6: anchors and aliases are not allowed"),
        yaml("model: gmm\nfit: {<<: {k: 2}}\n", "fit.yaml:2:7: merge keys are not allowed"),
        yaml("model: *m\n", "anchors and aliases are not allowed"),
    ],
    "F12": yaml("a: &a [x, x]\n" + "".join(f"{c}: &{c} [{', '.join(['*' + p] * 9)}]\n" for p, c in
                                          zip("abcdefgh", "bcdefghi", strict=True)), "anchors and aliases"),
    "F13": [
        yaml("model: !!python/object/apply:os.system ['touch owned']\n", "fit.yaml:1:8: YAML tags are not allowed"),
        yaml("model: !!str gmm\n", "YAML tags are not allowed"),
        yaml("!mine\nmodel: gmm\n", "YAML tags are not allowed"),
        yaml("%TAG ! tag:x,2000:\n---\nmodel: !a gmm\n", "YAML tags are not allowed"),
    ],
    "F15": [
        yaml("#" * (1 << 20) + "\nmodel: gmm\n", "fit.yaml: larger than 1 MiB"),
        yaml("model: gmm\nfit: {k: [" + "1," * 100_001 + "1]}\n", "more than 100000 values"),
        yaml("model: gmm\nfit: " + "[" * 200_000, "nested deeper than 32 levels"),
        bad("fit /dev/zero x.csv", 2, "/dev/zero: larger than 1 MiB"),
    ],
    "F17": [
        yaml(text, "fit.yaml", "expected a mapping, got " + got)
        for text, got in (("", "nothing"), ("null\n", "nothing"), ("- 1\n", "a list"), ("gmm\n", "a scalar"),
                          ("# only\n", "nothing"), ("3", "a scalar"))
    ],
    "F18": [yaml(GMM + "---\nmodel: gmm\n", "fit.yaml:4:1: a second document"),
            yaml(GMM + "...\n---\nx\n", "a second")],
    "F19": [
        yaml("model: gmm\nfit:\n\tk: 2\n", "fit.yaml:3:1: ", "indent with spaces, not tabs"),
        yaml("model: gmm\nfit: {k: 2\n", "fit.yaml:3:1: "),
        yaml("model: 'gmm\n", "fit.yaml:2:1: "),
        yaml("model: gmm\n fit: 3\n", "fit.yaml:2:"),
        yaml("model: gmm\nfit: ]\n", "fit.yaml:2:6: "),
        yaml("model: gmm\nmodel: gmm\n", "fit.yaml:2:1: duplicate key 'model' (first on line 1)"),
    ],
    "F20": [
        yaml(GMM.encode("utf-16"), "fit.yaml:1:1: not UTF-8 (looks like UTF-16)"),
        yaml(b"model: gm\xe9\n", "fit.yaml:1:10: not valid UTF-8"),
        yaml("model: g\0mm\n", "fit.yaml:1:9: control character U+0000"),
        yaml("model: gmm # \x1b[2J\n", "fit.yaml:1:14: control character U+001B"),
        yaml("model: gmm\u2028fit: {k: 2}\n", "control character U+2028"),
    ],
    "F21": [yaml("a: &x [*x]\n", "fit.yaml:1:4: anchors and aliases"), yaml("&x [*x]\n", "anchors and aliases")],
    "F26": [
        generate("{weights: [0.5, 0.6], means: [[1], [2]], sds: [[1], [1]]}",
                 "4:16: generate.parameters.weights: must sum to 1, got 1.1"),
        generate("{means: [[1, 2]], covariances: [[[1, 2], [2, 1]]]}",
                 "generate.parameters.covariances[0]: must be a symmetric, positive definite matrix"),
        generate(f"{{{TWO}, covariances: [[[1]], [[-1]]]}}", "4:", "generate.parameters.covariances[1]: must be"),
        generate(f"{{{TWO}, sds: [[1], [1]]}}", "generate.rows: must be an integer", rows="rows: 0"),
        generate(f"{{{TWO}, sds: [[1], [1]]}}", "generate.rows: must be an integer", rows="rows: 1000000000000"),
        generate("{heads: [0.5, 1.5]}", "generate.parameters.heads[1]: must be a probability", model="coins",
                 rows="rows: 5\n  tosses: 10"),
        generate("{heads: [0.5, 0.6]}", "tosses", model="coins"),
        generate("{means: [[1, 2], [3]], sds: [[1, 1], [1, 1]]}", "generate.parameters.means[1]: must have 2 values"),
        generate("{means: [[1]], sds: [[.nan]]}", "generate.parameters.sds[0][0]: must be a finite number"),
        generate("{means: [[1]], sds: [[0]]}", "generate.parameters.sds[0]: must be positive"),
        generate("{means: [[x]], sds: [[1]]}", "generate.parameters.means[0][0]: must be a finite number, got 'x'"),
        generate("{weights: [-0.5, 1.5], means: [[1], [2]], sds: [[1], [1]]}", "weights[0]: must not be negative"),
        generate(f"{{{TWO}, sds: [[1], [1]]}}", "3:3: generate.sizes: must have 2 values", rows="sizes: [3]"),
        generate(f"{{{TWO}, sds: [[1], [1]]}}", "columns: must have 1 names", rows="rows: 3\n  columns: [a, b]"),
        generate("{means: [], sds: []}", "generate.parameters.means: must have at least one value"),
        generate("{centroids: [[1]]}", "sd", model="kmeans"),
        generate("{centroids: [[1]], sd: -1}", "generate.parameters.sd: must be above 0", model="kmeans"),
        generate("{centroids: [[1], [2]], sd: 1, sizes: [0, 0]}", "generate.parameters.sizes", model="kmeans"),
        generate("{centroids: [[1], [2]], sd: 1, sizes: [-1, 2]}", "generate.parameters.sizes", model="kmeans"),
    ],
    "F27": [
        bad("fit - -", 2, "standard input (-) can be only one of the inputs", stdin=GMM),
        bad("fit -", 2, "cannot both be standard input", stdin="model: gmm\ndata: '-'\nfit: {k: 2}\n"),
        bad("predict - -", 2, "standard input (-) can be only one", stdin="{}"),
        bad("compare - -", 2, "standard input", stdin=GMM),
        bad("fit gmm - -k 2 --start -", 2, "standard input", stdin="x\n1\n2\n"),
        bad("fit gmm -k 2 --start -", 2, "standard input", stdin="x\n1\n2\n"),
    ],
}  # fmt: skip


def processor_seconds() -> float:
    """Of this process and those that it waited for: what a busy machine leaves as it is."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


@rows(CATALOGUE)
def test_an_experiment_is_refused_in_one_line_for_each_fault(case: Bad, process: bool, tmp_path: Path) -> None:
    began = processor_seconds()
    check(case, tmp_path, process)
    assert processor_seconds() - began < 5
    assert not (tmp_path / "owned").exists()


def test_r8_all_faults_are_told_at_once_and_at_most_ten(tmp_path: Path) -> None:
    keys = "".join(f"  key{i}: 1\n" for i in range(14))
    done = check(yaml(GMM + keys, "and 4 more"), tmp_path, False)
    assert done.err.count("unknown key") == 10


FINE = {
    "F4": "model: gmm\nfit: {k: 2, tol: 1e-6}\n",
    "F20 byte order mark": "\ufeffmodel: gmm\nfit: {k: 2}\n",
    "F20 CRLF": "model: gmm\r\nfit:\r\n  k: 2\r\n",
    "F23 relative": "model: gmm\ndata: ../x.csv\nfit: {k: 2}\n",
    "F24 JSON": json.dumps({"model": "gmm", "fit": {"k": 2, "tol": 1e-3}}, indent="\t"),
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_an_experiment_that_only_looks_bad_works(text: str, tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "fit.yaml").write_bytes(text.encode())
    hold(as_process(["fit", "in/fit.yaml", *([] if "data:" in text else ["x.csv"])], tmp_path), 0)


@pytest.mark.parametrize("data", ["http://localhost:1/x.csv", "~/x.csv", "$HOME/x.csv", "*.csv"])
def test_f23_the_data_of_an_experiment_are_a_path(data: str, tmp_path: Path) -> None:
    lay(tmp_path, Bad("fit", 0))
    (tmp_path / "fit.yaml").write_text(f"model: gmm\ndata: '{data}'\nfit: {{k: 2}}\n")
    hold(in_process(["fit", "fit.yaml"], tmp_path), 3, f"{data}: no such file")
