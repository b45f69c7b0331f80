"""Where no nameless file can be made, or none can be given a name, a lease is made all the same, and as safely."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.faults.no_tmpfile import wrapped
from tests.ipam.calls import (
    GO,
    Config,
    addresses,
    environment,
    files,
    go,
    host_local,
    leases,
    ours,
    process,
    refused,
)  # fmt: skip

ASIDE = ".cni-ptp-new"  # docs/security.md
# overlayfs and NFS; kernels before 3.11; file systems that look at the flags; FUSE; seccomp profiles.
OPENAT = ["EOPNOTSUPP", "EISDIR", "EINVAL", "ENOENT", "ENOSYS", "EPERM", "EACCES"]
LINKAT = ["EPERM", "ENOENT", "EXDEV", "EOPNOTSUPP", "EACCES", "ENOSYS", "EMLINK"]


@pytest.fixture
def conf(tmp_path: Path) -> Config:
    """A network of each family."""
    return {**host_local(tmp_path / "d", "10.1.2.0/29", "fd00::/125", version="1.1.0")}


def called(argv: list[str], command: str, conf: Config, container: str = "c1") -> Any:
    """The answer of a call as a process of its own: a document, or None for no output."""
    done = subprocess.run(
        argv, input=json.dumps(conf).encode(), env=environment(command, container), capture_output=True, check=False
    )
    assert done.stderr == b""
    return json.loads(done.stdout) if done.stdout else None


def refusing_link(number: str) -> list[str]:
    """The command line of ours, which the kernel refuses every linkat."""
    strace = str(shutil.which("strace"))
    return [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"inject=linkat:error={number}", *process("host-local")]


def without_proc() -> list[str]:
    """The command line of ours, on a host without /proc."""
    script = 'mount -t tmpfs none /proc && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, "sh", *process("host-local")]


WAYS = [
    *[pytest.param(wrapped(number, process("host-local")), id=f"openat {number}") for number in OPENAT],
    *[pytest.param(refusing_link(number), id=f"linkat {number}") for number in LINKAT],
    pytest.param(without_proc(), id="no /proc"),
]


@pytest.mark.parametrize("argv", WAYS)
def test_an_add_leases_its_addresses(argv: list[str], conf: Config, tmp_path: Path) -> None:
    assert addresses(called(argv, "ADD", conf)) == ["10.1.2.2/29", "fd00::2/125"]
    assert leases(tmp_path / "d") == {"10.1.2.2": b"c1\r\neth0", "fd00::2": b"c1\r\neth0"}
    assert {(tmp_path / "d" / "net1" / name).stat().st_mode & 0o7777 for name in leases(tmp_path / "d")} == {0o600}
    assert addresses(called(argv, "ADD", conf, "c2")) == ["10.1.2.3/29", "fd00::3/125"]
    assert called(argv, "DEL", conf) is None
    assert set(leases(tmp_path / "d")) == {"10.1.2.3", "fd00::3"}


@pytest.mark.parametrize("argv", WAYS)
def test_status_says_that_an_add_would_work_and_leaves_nothing(argv: list[str], conf: Config, tmp_path: Path) -> None:
    called(argv, "ADD", conf)
    before = files(tmp_path / "d")
    assert called(argv, "STATUS", conf) is None
    assert files(tmp_path / "d") == before


@pytest.mark.parametrize("argv", [wrapped("EOPNOTSUPP", process("host-local"))])
def test_an_address_that_somebody_else_took_meanwhile_is_not_overwritten(
    argv: list[str], conf: Config, tmp_path: Path
) -> None:
    """The index is current and does not know of the file: its maker put the directory's time back."""
    import os

    called(argv, "ADD", conf)
    network = tmp_path / "d" / "net1"
    times = network.stat()
    (network / "10.1.2.3").write_bytes(b"printer\r\neth0")
    os.utime(network, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert addresses(called(argv, "ADD", conf, "c2"))[0] == "10.1.2.4/29"
    assert leases(tmp_path / "d")["10.1.2.3"] == b"printer\r\neth0"
    assert ASIDE not in leases(tmp_path / "d")


@pytest.mark.parametrize("argv", [wrapped("EOPNOTSUPP", process("host-local"))])
def test_the_index_stays_current(argv: list[str], conf: Config, tmp_path: Path) -> None:
    """Else each call would read every lease."""
    called(argv, "ADD", conf)
    before = stamps(tmp_path)
    assert before[0] == before[1]
    called(argv, "STATUS", conf)
    after = stamps(tmp_path)
    assert after[0] == after[1] != before[0]


def stamps(tmp_path: Path) -> tuple[int, int]:
    """The fractions of the times of both directories, equal while the index is current: ipam/lease_index.py."""
    index = next((tmp_path / "d" / ".cni-ptp").glob("net1@*"))
    return (tmp_path / "d" / "net1").stat().st_mtime_ns % 10**9, (index.stat().st_mtime_ns + (1 << 58)) % 10**9


LEFT = {"nothing yet": b"", "a lease": b"gone\r\neth0", "a lease that exists": b"other\r\neth0", "half": b"gon"}


def left(tmp_path: Path, conf: Config, content: bytes) -> Path:
    """What a call leaves that was killed before it named the lease, beside a lease of "other"."""
    ours("host-local", "ADD", conf, "other")
    path = tmp_path / "d" / "net1" / ASIDE
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("what", LEFT)
@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
def test_what_a_killed_call_left_is_deleted_by_the_next(command: str, what: str, conf: Config, tmp_path: Path) -> None:
    path = left(tmp_path, conf, LEFT[what])
    conf["cni.dev/valid-attachments"] = [{"containerID": "other", "ifname": "eth0"}]
    conf["prevResult"] = {"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.2/29"}, {"address": "fd00::2/125"}]}
    ours("host-local", command, conf, "other" if command == "CHECK" else "c1")
    assert not path.exists()
    assert leases(tmp_path / "d")["10.1.2.2"] == b"other\r\neth0"


@pytest.mark.parametrize("what", LEFT)
def test_a_call_without_nameless_files_is_not_hindered_by_what_was_left(
    what: str, conf: Config, tmp_path: Path
) -> None:
    path = left(tmp_path, conf, LEFT[what])
    answer = called(wrapped("EOPNOTSUPP", process("host-local")), "ADD", conf)
    assert addresses(answer) == ["10.1.2.3/29", "fd00::3/125"]
    assert not path.exists()


@pytest.mark.skipif(not (GO / "host-local").exists(), reason="needs the Go host-local")
@pytest.mark.parametrize("what", LEFT)
def test_the_go_plugin_works_on_beside_what_was_left(what: str, conf: Config, tmp_path: Path) -> None:
    conf["cniVersion"] = "1.0.0"
    left(tmp_path, conf, LEFT[what])
    succeeded, document = go("host-local", "ADD", conf)
    assert succeeded, document
    assert addresses(document) == ["10.1.2.3/29", "fd00::3/125"]
    assert go("host-local", "DEL", conf)[0]
    assert go("host-local", "DEL", conf, "other")[0]
    ours("host-local", "ADD", conf)
    assert set(leases(tmp_path / "d").values()) == {b"c1\r\neth0"}


def test_a_directory_under_the_name_is_an_error_and_stays(conf: Config, tmp_path: Path) -> None:
    ours("host-local", "ADD", conf, "other")
    (tmp_path / "d" / "net1" / ASIDE).mkdir()
    assert addresses(ours("host-local", "ADD", conf)) == ["10.1.2.3/29", "fd00::3/125"]
    answer = called(wrapped("EOPNOTSUPP", process("host-local")), "ADD", conf, "c2")
    assert (answer["code"], ASIDE in answer["details"]) == (104, True), answer
    assert (tmp_path / "d" / "net1" / ASIDE).is_dir()
    assert b"c2\r\neth0" not in leases(tmp_path / "d").values()
    assert refused("host-local", "ADD", conf).code == 103
