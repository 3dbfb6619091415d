"""The house: a package imports only those before it, files are short, and a model is named in the registry alone."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from conftest import ROOT

ORDER = [
    "frozen",
    "errors",
    "types",
    "files",
    "compute",
    "config",
    "data",
    "models",
    "inference",
    "comparison",
    "output",
    "cli",
]
FILES = sorted((ROOT / "emcli").rglob("*.py"))


def package(path: Path) -> str:
    return path.relative_to(ROOT / "emcli").parts[0].removesuffix(".py")


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All that the text of a file is made of."""
    return list(ast.walk(parsed(path)))


@cache
def imported(path: Path) -> set[str]:
    """Modules of emcli that a file imports, anywhere in it but for type checking."""
    typing = [
        node for node in nodes(path) if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    ]
    skipped = {id(inner) for node in typing for inner in ast.walk(node)}
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped and (node.module or "").startswith("emcli"):
            named = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES
            found |= named or {str(node.module)}
    return found


MODULES = {module(path) for path in FILES}


def test_a_package_imports_only_those_before_it() -> None:
    up = {
        (module(path), other)
        for path in FILES
        if package(path) in ORDER
        for other in imported(path)
        if other.count(".") and ORDER.index(other.split(".")[1]) > ORDER.index(package(path))
    }
    assert not up


def test_no_module_leads_back_to_itself() -> None:
    left = {module(path): imported(path) - {"emcli"} for path in FILES if path.stem != "__init__"}
    while ends := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in ends}
    assert not left


def test_no_signature_of_the_core_says_any() -> None:
    for path in FILES:
        if package(path) in ("config", "models", "inference"):
            for node in nodes(path):
                if isinstance(node, ast.FunctionDef):
                    hints = [
                        ast.dump(each.annotation) for each in ast.walk(node.args) if getattr(each, "annotation", None)
                    ]
                    assert not any("'Any'" in hint for hint in [*hints, ast.dump(node.returns or ast.Pass())]), (
                        f"{path}:{node.lineno}"
                    )


def test_every_file_is_short_and_says_in_one_line_what_it_is() -> None:
    for path in FILES:
        assert package(path) in [*ORDER, "__init__", "__main__"], path
        assert len(path.read_text().splitlines()) <= 300, path
        doc = ast.get_docstring(parsed(path))
        assert doc and len(doc.splitlines()) == 1, path


def test_no_folder_holds_more_than_fifteen_modules() -> None:
    for folder in {path.parent for path in FILES}:
        assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= 15, folder


def test_models_and_inference_know_no_screen_and_no_file() -> None:
    for path in FILES:
        if package(path) in ("models", "inference"):
            text = path.read_text()
            assert not re.search(r"^\s*(import|from) (rich|yaml|typer|pydantic|sys)\b", text, re.M), path


def test_no_model_is_named_outside_the_registry() -> None:
    for path in FILES:
        if package(path) != "models":
            assert not re.search(r"""(==|in|!=) *[\[({]?["'](kmeans|coins|gmm)["']""", path.read_text()), path
