"""The house: imports only go down, the core knows no screen and no file, and a model is named in the registry alone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from conftest import ROOT

LAYERS = [
    ["cli", "__main__"],
    ["parsing", "comparing", "helping", "completing"],
    ["candidates"],
    ["commands"],
    ["running"],
    ["plotting"],
    ["shell"],
    ["ranking", "history", "pictures"],
    ["beside"],
    ["alignment"],
    ["nesting"],
    ["report", "trace", "generating", "predicting", "selection", "progress", "plot"],
    ["experiment"],
    ["result"],
    ["saved"],
    ["truth", "bootstrap"],
    ["fitting"],
    ["screening"],
    ["agreement"],
    ["verdict"],
    ["starts"],
    ["cluster"],
    ["workers"],
    ["loading"],
    ["models"],
    ["sketch"],
    ["certificate", "figure", "newton", "canvas"],
    ["information"],
    ["processes"],
    ["threads"],
    ["em"],
    ["data"],
    ["cells"],
    ["csvtext"],
    ["fastcsv", "words", "growing"],
    ["parts", "parquet"],
    ["source"],
    ["spill"],
    ["ahead"],
    ["files", "memory"],
    ["settings"],
    ["options"],
    ["yaml"],
    ["errors", "terminal", "ticks"],
]
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}
FILES = sorted((ROOT / "emcli").rglob("*.py"))


def room(path: Path) -> str:
    """The layer's name of a file: its module, or `models`."""
    return "models" if path.parent.name == "models" else path.stem


def imported(path: Path) -> set[str]:
    """Rooms of emcli that a file imports, outside of type checking."""
    tree = ast.parse(path.read_text())
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    skipped = {id(inner) for node in typing for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped and (node.module or "").startswith("emcli"):
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names} - {"__version__"}
    return found


def test_imports_only_go_down() -> None:
    wrong = [
        f"{path.name} imports {other}"
        for path in FILES
        if path.stem != "__init__" or path.parent.name == "models"
        for other in imported(path)
        if other != room(path) and DEPTH[other] <= DEPTH[room(path)] and not (room(path) == "cli" and other == "cli")
    ]
    assert not [line for line in wrong if line != "__main__.py imports cli"]


def test_every_file_has_a_layer_and_fits_the_house() -> None:
    for path in FILES:
        assert room(path) in DEPTH or path.stem == "__init__", path
        assert len(path.read_text().splitlines()) <= 300, path
        doc = ast.get_docstring(ast.parse(path.read_text()))
        assert doc and len(doc.splitlines()) == 1, path


def test_the_core_imports_numpy_alone() -> None:
    for path in FILES:
        if room(path) in ("em", "models"):
            text = path.read_text()
            assert not re.search(r"^\s*(import|from) (rich|yaml|typer|pydantic|json|io|os|sys)\b", text, re.M), path


def test_no_model_is_named_outside_the_registry() -> None:
    for path in FILES:
        if room(path) != "models":
            assert not re.search(r"""(==|in|!=) *[\[({]?["'](kmeans|coins|gmm)["']""", path.read_text()), path
