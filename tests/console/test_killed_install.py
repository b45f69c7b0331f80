"""ptp install killed at any point: the next one, though it has the same process number, succeeds and leaves nothing."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.another_user import ANOTHER_USER, give_away
from tests.namespaces import Host

FOREIGN = b"#!/bin/sh\necho foreign\n"
# The calls that change something on disk, under the names that C libraries use.
CALLS = [
    "flock",
    "fchmod",
    "fsync",
    "write",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
]
CALLS += ["unlink", "unlinkat", "mkdir", "mkdirat"]
_MOST_WRITES = 3


def install(host: Host, to: Path, *strace: str) -> int:
    """The exit status of an install in a process number namespace of its own, where its number is always the same."""
    argv = [str(host.plugin_file), "install", "--to", f"{to}/bin", "--with-ipam", "--force"]
    argv += ["--conflist", "mynet", "--conf-dir", f"{to}/net.d"]
    as_always = ["unshare", "--pid", "--fork", "strace", "-qq", "-o", f"{to}/trace", *strace]
    return host.run(*as_always, *argv, check=False).returncode


def left(to: Path) -> list[str]:
    """What lies in the two directories."""
    return sorted(str(path.relative_to(to)) for name in ("bin", "net.d") for path in (to / name).iterdir())


def fresh(to: Path) -> None:
    """A directory with another plugin of the name, which is to be kept, and a configuration."""
    for name in ("bin", "net.d"):
        (to / name).mkdir(parents=True, mode=0o755)
    (to / "bin" / "ptp").write_bytes(FOREIGN)
    (to / "net.d" / "10-mynet.conflist").write_bytes(b"{}")


WHOLE = ["bin/.ptp.cni-ptp-backup", "bin/host-local", "bin/ptp", "bin/static"]
WHOLE += ["net.d/.10-mynet.conflist.cni-ptp-backup", "net.d/10-mynet.conflist"]


def test_installed_over_another_plugin_and_configuration_it_leaves_these_names(host: Host, tmp_path: Path) -> None:
    fresh(tmp_path)
    assert install(host, tmp_path) == 0
    assert left(tmp_path) == WHOLE


@pytest.mark.parametrize("call", CALLS)
def test_after_a_kill_at_any_call_the_next_install_succeeds_and_leaves_nothing_else(
    host: Host, tmp_path: Path, call: str
) -> None:
    fresh(tmp_path / "counted")
    install(host, tmp_path / "counted", "-e", f"trace={call}")
    lines = (tmp_path / "counted" / "trace").read_text().splitlines()
    times = len([line for line in lines if re.match(call + r"\(", line)])
    for when in range(1, min(times, _MOST_WRITES if call == "write" else times) + 1):
        to = tmp_path / str(when)
        fresh(to)
        assert install(host, to, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={when}") != 0
        assert "SIGKILL" in (to / "trace").read_text()
        assert install(host, to) == 0
        assert left(to) == WHOLE
        assert (to / "bin" / "ptp").read_bytes() == host.plugin_file.read_bytes()
        assert (to / "bin" / ".ptp.cni-ptp-backup").read_bytes() == FOREIGN


def test_an_uninstall_removes_what_a_killed_install_left(host: Host, tmp_path: Path) -> None:
    fresh(tmp_path)
    assert install(host, tmp_path, "-e", "trace=rename", "-e", "inject=rename:signal=SIGKILL:when=2") != 0
    assert host.run(str(host.plugin_file), "uninstall", "--to", f"{tmp_path}/bin").returncode == 0
    assert [name for name in left(tmp_path) if name.startswith("bin/.") and name.endswith("new")] == []


def test_what_version_1_0_0_left_is_removed_too(host: Host, tmp_path: Path) -> None:
    fresh(tmp_path)
    for name in ("bin/.ptp.1.new", "bin/.ptp.4711.new", "net.d/.10-mynet.conflist.1.new"):
        (tmp_path / name).write_bytes(b"half a file")
    os.symlink("ptp", tmp_path / "bin" / ".host-local.1.new")
    os.link(tmp_path / "bin" / "ptp", tmp_path / "bin" / ".ptp.cni-ptp-backup.1")
    assert install(host, tmp_path) == 0
    assert left(tmp_path) == WHOLE


def test_files_of_others_are_not_swept(host: Host, tmp_path: Path) -> None:
    fresh(tmp_path)
    theirs = ["bin/.hidden", "bin/.ptp.new", "bin/.other.1.new", "bin/ptp.0123456789abcdef.cni-ptp-new"]
    for name in theirs:
        (tmp_path / name).write_bytes(b"theirs")
    assert install(host, tmp_path) == 0
    assert left(tmp_path) == sorted(WHOLE + theirs)


def test_two_installs_at_once_do_not_take_each_others_files(host: Host, tmp_path: Path) -> None:
    fresh(tmp_path)
    argv = [str(host.plugin_file), "install", "--to", f"{tmp_path}/bin", "--force"]
    started = [host.start(*argv) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4
    assert [name for name in left(tmp_path) if name.startswith("bin/")] == ["bin/.ptp.cni-ptp-backup", "bin/ptp"]
    assert (tmp_path / "bin" / ".ptp.cni-ptp-backup").read_bytes() == FOREIGN


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_a_directory_that_others_can_write_is_refused(host: Host, tmp_path: Path, mode: int) -> None:
    fresh(tmp_path)
    (tmp_path / "bin").chmod(mode)
    done = host.run(str(host.plugin_file), "install", "--to", f"{tmp_path}/bin", "--force", check=False)
    assert done.returncode == 3 and "can be written by others" in done.stderr and "chmod go-w" in done.stderr
    assert (tmp_path / "bin" / "ptp").read_bytes() == FOREIGN


def test_a_python_that_others_can_write_is_refused_and_not_executed(host: Host, tmp_path: Path) -> None:
    fresh(tmp_path)
    python = tmp_path / "python" / "python3"
    python.parent.mkdir(mode=0o755)
    python.write_text(f'#!/bin/sh\ntouch {tmp_path}/executed\nexec /usr/bin/python3 "$@"\n')
    python.chmod(0o757)
    argv = [str(host.plugin_file), "install", "--to", f"{tmp_path}/bin", "--force", "--python", str(python)]
    done = host.run(*argv, check=False)
    assert done.returncode == 3 and "can be written by others" in done.stderr
    assert not (tmp_path / "executed").exists()


@ANOTHER_USER
@pytest.mark.parametrize("command", ["install", "demo"])
def test_root_may_use_what_a_user_built(host: Host, tmp_path: Path, command: str) -> None:
    """Root has chosen to run that file; what it makes and executes is root's."""
    file = tmp_path / "ptp"
    shutil.copy(host.plugin_file, file)
    give_away(file)
    fresh(tmp_path)
    options = ["--to", f"{tmp_path}/bin", "--force"] if command == "install" else []
    done = host.run(str(file), command, *options)
    if command == "install":
        assert (tmp_path / "bin" / "ptp").read_bytes() == file.read_bytes()
        assert (tmp_path / "bin" / "ptp").stat().st_uid == os.geteuid()
    else:
        assert "Everything worked" in done.stdout
