"""Killed at every system call, and refused at every one that writes: the next call repairs whatever was left."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cni_ptp.ipam.directories import ASIDE
from tests.faults.no_tmpfile import wrapped
from tests.ipam.calls import environment, host_local, leases, ours, process

# What ADD and DEL do to the disk goes through these; a kill at any other call is a kill at the one before it.
CALLS = "openat,open,link,linkat,symlink,symlinkat,unlink,unlinkat,write,pwrite64,utimensat,mkdir,mkdirat,flock,close"
CALLS += ",ftruncate,rename,renameat,renameat2"
# Opening is for both: with ENOSPC only where a file is made, with EMFILE also where a module of Python is read.
REFUSALS = [
    ("ENOSPC", "openat,write,pwrite64,linkat,symlinkat,mkdir,utimensat,ftruncate,renameat"),
    ("EIO", "write,pwrite64,linkat,unlinkat,ftruncate,renameat"),
    ("EMFILE", "openat"),
]
_MAKES = ("O_CREAT", "O_TMPFILE")
# Where a lease is written to a nameless file, and where there is none: then under a name of its own.
PLACES = {"nameless": "", "aside": "EOPNOTSUPP"}
pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def traced(
    command: str, conf: bytes, log: Path, inject: str = "", calls: str = CALLS, no_tmpfile: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """One call of ours as a process, the listed system calls logged, one of them perhaps spoilt.

    no_tmpfile: the errno that the kernel refuses a nameless file with, if it does.
    """
    argv = [str(shutil.which("strace")), "-f", "-o", str(log), "-e", f"trace={calls}"]
    if inject:
        argv += ["-e", inject]
    argv += process("host-local")
    return subprocess.run(
        wrapped(no_tmpfile, argv) if no_tmpfile else argv,
        input=conf,
        env=environment(command),
        capture_output=True,
        check=False,
    )


def calls_on_state(log: Path, data_dir: Path, number: str = "") -> dict[str, list[int]]:
    """For each system call, which of its occurrences (from 1) come after the lease directory was opened first.

    Without those that cannot fail with this errno.
    """
    seen: dict[str, int] = {}
    found: dict[str, list[int]] = {}
    begun = False
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"\d+ +([a-z0-9_]+)\(", line)
        if match is None:
            continue
        name = match[1]
        seen[name] = seen.get(name, 0) + 1
        begun = begun or str(data_dir) in line
        if begun and ((number, name) != ("ENOSPC", "openat") or any(word in line for word in _MAKES)):
            found.setdefault(name, []).append(seen[name])
    return found


@pytest.fixture
def conf(tmp_path: Path) -> bytes:
    """Two range sets of four addresses each, so that what leaks is missed soon."""
    return json.dumps(host_local(tmp_path / "d", "10.1.2.0/29", "fd00::/125")).encode()


def fresh(tmp_path: Path, conf: bytes, command: str, stale: bool = False) -> Path:
    """The state before the call: another container's leases, for DEL also its own; stale: Go has been there since."""
    data_dir = tmp_path / "d"
    shutil.rmtree(data_dir, ignore_errors=True)
    ours("host-local", "ADD", json.loads(conf), "other")
    if command == "DEL":
        ours("host-local", "ADD", json.loads(conf))
    if stale:
        os.utime(data_dir / "net1")
        (data_dir / "net1" / "10.1.2.6").touch()  # its writer was killed
    return data_dir


def rehearsed(
    tmp_path: Path, conf: bytes, command: str, stale: bool = False, no_tmpfile: str = ""
) -> tuple[Path, Path]:
    """(data directory, log) of an undisturbed call; the second one, for the first may write bytecode."""
    for _ in range(2):
        data_dir, log = fresh(tmp_path, conf, command, stale), tmp_path / "log"
        assert traced(command, conf, log, no_tmpfile=no_tmpfile).returncode == 0
    return data_dir, log


def judge(data_dir: Path, conf: bytes) -> None:
    """No lease is incomplete, a DEL leaves nothing of the container, an ADD works, and no address is lost."""
    other = {"10.1.2.2", "fd00::2"}
    assert {k for k, v in leases(data_dir).items() if v == b"other\r\neth0"} == other
    whole = {k: v for k, v in leases(data_dir).items() if k not in (ASIDE, "10.1.2.6")}
    assert set(whole.values()) <= {b"other\r\neth0", b"c1\r\neth0"}, whole
    ours("host-local", "DEL", json.loads(conf))
    assert set(leases(data_dir)) == other
    for name in ("c1", "c2", "c3", "c4"):  # .3 to .6 are free, and fd00::3 to fd00::7
        ours("host-local", "ADD", json.loads(conf), name)
    assert len(leases(data_dir)) == 10


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stale", [False, True], ids=["index current", "index rebuilt"])
@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_killed_at_any_system_call(command: str, stale: bool, place: str, conf: bytes, tmp_path: Path) -> None:
    data_dir, log = rehearsed(tmp_path, conf, command, stale, PLACES[place])
    assert ("renameat(" in log.read_text()) == (command == "ADD" and place == "aside")
    places = [(name, at) for name, all_at in calls_on_state(log, data_dir).items() for at in all_at]
    assert len(places) > 20
    for name, at in places:
        fresh(tmp_path, conf, command, stale)
        done = traced(command, conf, log, f"inject={name}:signal=KILL:when={at}", name, PLACES[place])
        assert done.returncode != 0, (name, at)
        judge(data_dir, conf)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("number", "calls"), REFUSALS)
@pytest.mark.parametrize("stale", [False, True], ids=["index current", "index rebuilt"])
@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_refused_at_any_write(
    command: str, stale: bool, number: str, calls: str, place: str, conf: bytes, tmp_path: Path
) -> None:
    data_dir, log = rehearsed(tmp_path, conf, command, stale, PLACES[place])
    found = calls_on_state(log, data_dir, number)
    places = [(name, at) for name in calls.split(",") for at in found.get(name, ())]
    assert places
    for name, at in places:
        fresh(tmp_path, conf, command, stale)
        done = traced(command, conf, log, f"inject={name}:error={number}:when={at}", name, PLACES[place])
        if done.returncode != 0 and done.stdout:
            # 50 and 100: a module of Python's, in C or not, that could not be opened.
            codes = (5, 50, 100, 104) if number == "EMFILE" else (5, 104)
            assert json.loads(done.stdout)["code"] in codes, (name, at, done.stdout)
            if command == "ADD":
                mine = [k for k, v in leases(data_dir).items() if v == b"c1\r\neth0"]
                assert mine == [] or json.loads(done.stdout)["code"] == 5 or name == "unlinkat", (name, at, mine)
        judge(data_dir, conf)


def test_an_empty_or_torn_file_is_reclaimed(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.1.2.0/29")
    (tmp_path / "net1").mkdir()
    for i, content in enumerate([b"", b" \n", b"\0\0\0\0", b"", b""]):  # what a full disk or a power failure leaves
        (tmp_path / "net1" / f"10.1.2.{2 + i}").write_bytes(content)
    for name in "abcde":
        ours("host-local", "ADD", conf, name)
    assert sorted(leases(tmp_path).values()) == [f"{name}\r\neth0".encode() for name in "abcde"]


def test_a_file_that_an_administrator_wrote_reserves_its_address(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.1.2.0/29")
    (tmp_path / "net1").mkdir()
    (tmp_path / "net1" / "10.1.2.2").write_text("kept for the printer")
    assert ours("host-local", "ADD", conf)["ips"][0]["address"] == "10.1.2.3/29"


def test_no_file_is_followed_out_of_the_directory(tmp_path: Path) -> None:
    """Links planted where state files go neither write nor read elsewhere."""
    conf = host_local(tmp_path / "d", "10.1.2.0/29")
    ours("host-local", "ADD", conf, "a")
    victim = tmp_path / "victim"
    victim.write_bytes(b"b\r\neth0")
    last = tmp_path / "d" / "net1" / "last_reserved_ip.0"
    last.unlink()
    os.symlink(victim, last)
    os.symlink(victim, tmp_path / "d" / "net1" / "10.1.2.3")
    try:
        ours("host-local", "ADD", conf, "b")
    except Exception as e:  # noqa: BLE001  refused is right as well
        assert getattr(e, "code", 0) == 104
    assert victim.read_bytes() == b"b\r\neth0"
    ours("host-local", "DEL", conf, "b")
    assert victim.exists()
