"""The rules that the tests themselves follow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.sources import ROOT

FILES = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a file's path below the project's directory."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_imported_from_a_module_of_tests(path: Path) -> None:
    froms = [node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    assert [module for module in froms if module.rpartition(".")[2].startswith("test_")] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.name.startswith("test_")], ids=name_of)
def test_the_name_of_a_test_is_a_sentence(path: Path) -> None:
    functions = [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    assert [name for name in functions if name.startswith("test_") and name.count("_") < 3] == []
