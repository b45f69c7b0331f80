"""What was planted where the lock of all attachments, its directory or the log should be is refused, and stays."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.another_user import ANOTHER_USER, give_away
from tests.namespaces import Host

DIRECTORY, LOCK, LOG = Path("/run/cni-ptp"), Path("/run/cni-ptp/lock"), Path("/run/ptp.log")
VICTIM = Path("/run/victim")
CONF: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "mynet",
    "type": "ptp",
    "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"},
}
KINDS = ["FIFO", "device", "socket", "directory", "symbolic link", "hard link", "foreign"]


def plant(host: Host, path: Path, kind: str) -> None:
    """Something that is no file of ours lies at the path."""
    VICTIM.write_bytes(b"precious")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device":
        path.touch()
        host.run("mount", "--bind", "/dev/zero", str(path))
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    elif kind == "directory":
        path.mkdir()
    elif kind == "symbolic link":
        path.symlink_to(VICTIM)
    elif kind == "hard link":
        os.link(VICTIM, path)
    else:
        path.touch()
        give_away(path)


def taken_away(host: Host, path: Path, kind: str) -> None:
    """The fixture can take /run away."""
    if kind == "device":
        host.run("umount", str(path))


@ANOTHER_USER(kind="foreign")
@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_that_is_no_file_of_ours_stops_the_call_before_any_effect(host: Host, kind: str) -> None:
    host.container()
    before = host.snapshot()
    plant(host, LOCK, kind)
    for command in ("ADD", "DEL"):
        error = host.plugin(command, CONF).error(104)
        assert str(LOCK) in error["msg"]
    assert host.snapshot() == before
    assert VICTIM.read_bytes() == b"precious"
    taken_away(host, LOCK, kind)


@ANOTHER_USER(kind="foreign")
@pytest.mark.parametrize("kind", ["link", "file", "0777", "1777", "0775", "foreign"])
def test_a_directory_of_the_lock_that_others_could_have_made_stops_it_too(host: Host, kind: str) -> None:
    host.container()
    before = host.snapshot()
    if kind == "link":
        os.mkdir("/run/theirs")
        DIRECTORY.symlink_to("/run/theirs")
    elif kind == "file":
        DIRECTORY.touch()
    else:
        DIRECTORY.mkdir()
        if kind == "foreign":
            give_away(DIRECTORY)
        else:
            DIRECTORY.chmod(int(kind, 8))
    for command in ("ADD", "DEL"):
        error = host.plugin(command, CONF).error(104)
        assert str(DIRECTORY) in error["msg"]
    assert host.snapshot() == before


@ANOTHER_USER(kind="foreign")
@pytest.mark.parametrize("kind", KINDS)
def test_a_log_that_is_no_file_of_ours_is_not_written_and_fails_nothing(host: Host, kind: str) -> None:
    host.container()
    plant(host, LOG, kind)
    for command in ("ADD", "DEL"):
        host.plugin(command, {**CONF, "logFile": str(LOG), "logLevel": "debug"}).ok()
    assert VICTIM.read_bytes() == b"precious"
    assert kind != "foreign" or LOG.read_bytes() == b""
    taken_away(host, LOG, kind)
