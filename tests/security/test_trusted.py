"""A program that somebody else than root, or the user we are, can have written is never executed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cni_ptp.system import spawn
from cni_ptp.system.trusted import distrust, distrust_directory
from tests.another_user import ANOTHER_USER, give_away
from tests.namespaces import Host

ROOT = Path(__file__).resolve().parents[2]
OTHERS = "can be written by others than its owner"


def program(path: Path) -> Path:
    """A program at that path that leaves a file `executed` in the directory above its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ntouch {path.parent.parent}/executed\n")
    path.chmod(0o755)
    return path


def linked(path: Path, target: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def test_a_program_of_roots_may_run(tmp_path: Path) -> None:
    for path in (program(tmp_path / "bin" / "program"), Path("/bin/sh"), linked(tmp_path / "link", Path("/bin/sh"))):
        assert distrust(str(path)) == ""


# What somebody did to /…/a/bin/program, and which of the names is told.
HARM: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "file, group": (lambda p: p.chmod(0o775), "a/bin/program", OTHERS),
    "file, others": (lambda p: p.chmod(0o757), "a/bin/program", OTHERS),
    "file, owner": (give_away, "a/bin/program", "belongs to user 12345"),
    "directory, group": (lambda p: p.parent.chmod(0o775), "a/bin", OTHERS),
    "directory, others": (lambda p: p.parent.chmod(0o777), "a/bin", OTHERS),
    "directory, sticky": (lambda p: p.parent.chmod(0o1777), "a/bin", OTHERS),
    "directory, owner": (lambda p: give_away(p.parent), "a/bin", "belongs to user 12345"),
    "above, others": (lambda p: p.parent.parent.chmod(0o777), "a", OTHERS),
    "above, owner": (lambda p: give_away(p.parent.parent), "a", "belongs to user 12345"),
}


@ANOTHER_USER(harm="file, owner")
@ANOTHER_USER(harm="directory, owner")
@ANOTHER_USER(harm="above, owner")
@pytest.mark.parametrize("harm", list(HARM))
@pytest.mark.parametrize("through", ["itself", "a link", "a link to its directory", "a relative link", "dots"])
def test_what_others_can_write_is_refused_and_not_executed(tmp_path: Path, harm: str, through: str) -> None:
    do, name, words = HARM[harm]
    path = program(tmp_path / "a" / "bin" / "program")
    ways = {
        "itself": path,
        "a link": linked(tmp_path / "links" / "one", path),
        "a link to its directory": linked(tmp_path / "links" / "dir", path.parent) / "program",
        "a relative link": linked(tmp_path / "links" / "relative", Path("../a/./bin/program")),
        "dots": tmp_path / "a" / "bin" / ".." / "bin" / "program",
    }
    do(path)

    assert distrust(str(ways[through])).startswith(f"{tmp_path}/{name} {words}")
    with pytest.raises(PermissionError, match=words):
        spawn.run(str(ways[through]), ["program"], {}, b"")
    assert not (tmp_path / "executed").exists() and not (tmp_path / "a" / "executed").exists()


def test_a_sticky_directory_above_one_of_ours_is_no_danger(tmp_path: Path) -> None:
    path = program(tmp_path / "tmp" / "bin" / "program")
    path.parent.parent.chmod(0o1777)
    assert distrust(str(path)) == ""


@ANOTHER_USER
def test_a_link_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    link = linked(tmp_path / "links" / "sh", Path("/bin/sh"))
    give_away(link)
    assert "links/sh belongs to user" in distrust(str(link))


def test_a_link_in_a_directory_of_everybodys_is_refused(tmp_path: Path) -> None:
    link = linked(tmp_path / "links" / "sh", Path("/bin/sh"))
    link.parent.chmod(0o1777)
    assert OTHERS in distrust(str(link))


@pytest.mark.parametrize("path", ["sh", "bin/sh", "./sh", ""])
def test_a_path_that_is_not_absolute_is_refused(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert "not an absolute path" in distrust(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        assert "not a regular file" in distrust(str(path))
    with pytest.raises(FileNotFoundError):
        distrust(str(tmp_path / "none"))


def test_links_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "too many symbolic links" in distrust(str(tmp_path / "a"))


@ANOTHER_USER
def test_a_directory_for_programs_is_judged_by_the_same_rules(tmp_path: Path) -> None:
    directory = tmp_path / "bin"
    directory.mkdir(mode=0o755)
    assert distrust_directory(str(directory)) == ""
    for mode in (0o775, 0o757, 0o1777):
        directory.chmod(mode)
        assert OTHERS in distrust_directory(str(directory))
    directory.chmod(0o755)
    give_away(directory)
    assert "belongs to user" in distrust_directory(str(directory))


@ANOTHER_USER
def test_a_user_namespace_without_root_has_the_systems_programs_and_nobody_elses(host: Host) -> None:
    """There root's files and those of every other user who has no number there appear to have one owner."""
    path = program(Path("/run/theirs/bin/program"))
    give_away(path)
    # Another user cannot look into root's home, where the checkout may be.
    shutil.copytree(ROOT / "cni_ptp", "/run/ours/cni_ptp", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; sys.path.append(sys.argv[1]); from cni_ptp.system.trusted import distrust\n"
    code += "print([distrust(path) for path in sys.argv[2:]])"
    argv = ["/usr/bin/python3", "-I", "-S", "-c", code, "/run/ours", "/bin/sh", "/usr/bin/python3", str(path)]
    as_another = ["setpriv", "--reuid", "23456", "--regid", "23456", "--clear-groups", "unshare", "-Ur"]
    assert host.run(*as_another, *argv).stdout == f"['', '', '{path.parents[1]} belongs to user 65534, not to root']\n"
