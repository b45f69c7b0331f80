"""The sources of the package as the tests of the house see them: modules, what each imports, what it says of itself."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cni_ptp"
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a module's name below the package, such as "veth/find"."""
    return str(path.relative_to(PACKAGE).with_suffix(""))


MODULES = {name_of(path): path for path in FILES}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def says_pure(name: str) -> bool:
    """Return whether the module's docstring promises that it does no input or output."""
    return "Pure." in (ast.get_docstring(TREES[name]) or "")


def imports(name: str, typed: bool) -> set[str]:
    """Return what a module imports, within functions too: ours as "veth/find", others by their dotted names.

    typed: whether what only a type checker imports counts.
    """
    tree = TREES[name]
    skipped: set[ast.AST] = set()
    if not typed:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                skipped.update(ast.walk(node))
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found |= _targets(MODULES[name], node)
    return found - {name}


def ours(name: str, typed: bool) -> set[str]:
    """Return the modules of this package that a module imports, packages as "veth/__init__"."""
    return {other for other in imports(name, typed) if other in MODULES}


def _targets(path: Path, node: ast.ImportFrom) -> set[str]:
    if not node.level:
        return {node.module or ""}
    base = path.parents[node.level - 1]
    if node.module:
        base = base.joinpath(*node.module.split("."))
    if base.with_suffix(".py").exists():
        return {name_of(base.with_suffix(".py"))}
    found = set()
    for alias in node.names:
        inner = (base / alias.name).with_suffix(".py")
        found.add(name_of(inner) if inner.exists() else name_of(base / "__init__.py"))
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected parts of a graph that have more than one member (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            members = stack[at:]
            del stack[at:]
            if len(members) > 1:
                found.append(sorted(members))

    for name in graph:
        if name not in index:
            visit(name)
    return found
