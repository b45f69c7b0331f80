"""Every program is started by cni_ptp/system/spawn.py: what else could start one is in no other module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "cni_ptp"
STARTER = "system/spawn.py"
_OF_OS = ("exec", "spawn", "posix_spawn", "popen", "system", "fork", "startfile")
_MODULES = {"subprocess", "multiprocessing", "pty", "concurrent.futures", "_posixsubprocess", "commands", "popen2"}
_BY_NAME = {"create_subprocess_exec", "create_subprocess_shell", "fork_exec", "forkpty"}
# What is started otherwise, and why that is no program: a copy of ourselves, and functions of the C library.
EXCEPTIONS = {
    ("veth/deletion.py", "os.fork"),
    ("system/netns.py", "ctypes"),  # setns(2)
    ("console/sandbox.py", "ctypes"),  # unshare(2), setns(2), mount(2)
}


def starts(path: Path) -> Iterator[str]:
    """What in a module could start a program or make a process, by whatever name it was imported."""
    tree = ast.parse(path.read_text())
    of_os = {"os", "posix", "nt"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in of_os:
                    of_os.add(alias.asname or alias.name)
                yield from _module(alias.name)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from _module(node.module or "")
            for alias in node.names:
                yield from _module(f"{node.module}.{alias.name}")
                if node.module in ("os", "posix") and alias.name.startswith(_OF_OS):
                    yield f"os.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            by_os = isinstance(node.value, ast.Name) and node.value.id in of_os
            if by_os and node.attr.startswith(_OF_OS):
                yield f"os.{node.attr}"
            elif node.attr in _BY_NAME:
                yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "__import__"):
            yield node.func.id


def _module(name: str) -> Iterator[str]:
    if name in _MODULES or name.partition(".")[0] in _MODULES:
        yield name
    elif name.partition(".")[0] in ("ctypes", "_ctypes", "cffi"):
        yield "ctypes"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_but_spawn_starts_a_program(path: Path) -> None:
    name = str(path.relative_to(PACKAGE))
    if name != STARTER:
        assert {(name, start) for start in starts(path)} <= EXCEPTIONS


def test_each_exception_is_needed() -> None:
    assert {(name, start) for name, _ in EXCEPTIONS for start in starts(PACKAGE / name)} == EXCEPTIONS


def test_the_one_that_does_so_is_found() -> None:
    assert "os.posix_spawn" in set(starts(PACKAGE / STARTER))


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess", "from subprocess import run", "import os\nos.system('x')", "from os import execv",
        "import posix as os\nos.posix_spawnp()", "import os as o\no.popen('x')", "import os\nf = os.spawnv",
        "from ctypes import CDLL", "import ctypes.util", "import _posixsubprocess", "from concurrent import futures",
        "import asyncio\nasyncio.create_subprocess_exec()", "__import__('x')",
    ],
)  # fmt: skip
def test_every_way_to_start_one_is_found(tmp_path: Path, source: str) -> None:
    (tmp_path / "module.py").write_text(source)
    assert list(starts(tmp_path / "module.py")) != []


def test_every_python_that_spawn_starts_is_isolated() -> None:
    tree = ast.parse((PACKAGE / STARTER).read_text())
    options = [node.value for node in tree.body if isinstance(node, ast.Assign) and "ISOLATED" in ast.dump(node)]
    assert [ast.literal_eval(value) for value in options] == [("-I", "-S")]


@pytest.mark.parametrize("path", sorted((ROOT / "tools").glob("*.py")), ids=lambda path: path.name)
def test_a_tool_looks_for_its_own_modules_last(path: Path) -> None:
    """The checkout never comes before the standard library."""
    assert "sys.path.insert" not in path.read_text()
