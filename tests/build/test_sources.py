"""The build packs the files that somebody listed: git, or where there is no repository the manifest."""

from __future__ import annotations

import os
import subprocess
import types
import zipfile
from pathlib import Path

import pytest

from cni_ptp.bundle import manifest, pack
from tests.build.checkouts import ROOT, checkout, interpreters

STRAY = {
    "cni_ptp/evil.py": "a module",
    "cni_ptp/commands/evil.py": "one in a package",
    "cni_ptp/evil/__init__.py": "a package",
    "cni_ptp/evil/ast.py": "one in that",
    "cni_ptp/__pycache__/evil.cpython-311.pyc": "bytecode",
    "cni_ptp/add.so": "a library",
    "cni_ptp/commands/add.py.orig": "an editor's copy",
    "evil.py": "a module beside the package",
    "ast.py": "one named as the standard library's",
    "tools/json.py": "one beside the tools",
}
NAMED = ["cni_ptp/evil.py", "cni_ptp/commands/evil.py", "cni_ptp/evil/", "__pycache__/", "cni_ptp/add.so"]


def tool(root: Path, verb: str) -> subprocess.CompletedProcess[str]:
    """The build tool, finished, as make runs it."""
    python = next(interpreters())
    argv = [python, "-I", "-S", str(root / "tools/build_ptp.py"), verb]
    argv += ["--interpreter", python] if verb != "manifest" else []
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def git(root: Path, *words: str) -> None:
    """One git command there."""
    identity = ["-c", "user.name=t", "-c", "user.email=t", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, "-C", str(root), *words], check=True, capture_output=True)


def names(root: Path) -> set[str]:
    """What the built file holds."""
    with zipfile.ZipFile(root / "dist" / "ptp") as archive:
        return set(archive.namelist())


@pytest.fixture(params=["a repository", "no repository"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A checkout, or what a tarball holds."""
    made = checkout(tmp_path / "checkout")
    if request.param == "a repository":
        git(made, "init")
        git(made, "add", "-A")
    return made


def test_what_nobody_listed_is_neither_packed_nor_verified_and_the_build_says_so(root: Path) -> None:
    assert tool(root, "build").returncode == 0
    before = (root / "dist" / "ptp").read_bytes()
    for name, about in STRAY.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"raise SystemExit({about!r})\n")

    done = tool(root, "build")

    assert done.returncode == 0, done.stderr
    assert (root / "dist" / "ptp").read_bytes() == before
    assert not names(root) & set(STRAY)
    assert [name for name in NAMED if name not in done.stdout] == [], done.stdout
    verified = tool(root, "verify")
    assert verified.returncode == 0 and "evil" not in verified.stdout, verified.stdout


def test_a_build_without_strays_says_nothing_of_them(root: Path) -> None:
    assert "left out" not in tool(root, "build").stdout


def test_a_file_with_a_stray_module_in_it_is_not_verified(root: Path) -> None:
    tool(root, "build")
    with zipfile.ZipFile(root / "dist" / "ptp", "a") as archive:
        archive.writestr("cni_ptp/evil.py", "")
    (root / "cni_ptp" / "evil.py").write_text("")
    done = tool(root, "verify")
    assert done.returncode == 1 and "cni_ptp/evil.py: not ours" in done.stdout


def test_a_module_that_git_knows_is_packed_before_the_manifest_lists_it(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    git(root, "init")
    (root / "cni_ptp" / "new.py").write_text('"""New."""\n')
    git(root, "add", "-A")
    assert tool(root, "build").returncode == 0 and "cni_ptp/new.py" in names(root)
    assert tool(root, "manifest").returncode == 0
    assert '"cni_ptp/new.py",\n' in (root / "cni_ptp/bundle/manifest.py").read_text()


def test_a_repository_does_not_choose_a_program_for_the_build(tmp_path: Path) -> None:
    """core.fsmonitor names one that git executes when it lists files."""
    root = checkout(tmp_path / "checkout")
    git(root, "init")
    git(root, "add", "-A")
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
    monitor.chmod(0o755)
    git(root, "config", "core.fsmonitor", str(monitor))
    assert tool(root, "build").returncode == 0
    assert not (tmp_path / "executed").exists()


def test_a_build_leaves_no_other_file_and_replaces_what_a_killed_one_left(root: Path) -> None:
    (root / "dist").mkdir()
    (root / "dist" / ".ptp.0123456789abcdef.cni-ptp-new").write_bytes(b"half a file")
    assert tool(root, "build").returncode == 0
    assert sorted(os.listdir(root / "dist")) == ["SHA256SUMS", "ptp", "ptp.spdx.json"]


def test_the_manifest_is_gits_list() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs the repository")
    argv = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "cni_ptp", "LICENSE"]
    listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert list(manifest.FILES) == sorted(filter(pack.is_source, listed)), "make manifest"


def test_no_module_has_a_constant_whose_order_differs_from_process_to_process() -> None:
    """A set of strings, which before 3.11 is marshalled in the order of their hashes: each build would differ."""

    def sets(code: types.CodeType) -> list[object]:
        inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        own = [constant for constant in code.co_consts if isinstance(constant, frozenset)]
        return [*own, *[found for one in inner for found in sets(one)]]

    sources = pack.sources_in(str(ROOT), manifest.FILES)
    found = {path: sets(pack.compiled(content, path)) for path, content in sources.items() if path.endswith(".py")}
    assert {path: constants for path, constants in found.items() if constants} == {}
