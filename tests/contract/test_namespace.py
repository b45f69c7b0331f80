"""What may stand in CNI_NETNS: it is verified before anything is done.  Source: cni.md sections 1.4, 2.5, 6."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.configurations import conf
from tests.namespaces import Host

CONF = conf("1.0.0", ["v4", "v6"], ipMasq=True)


def make(kind: str) -> str:
    """A path with something in it that is no network namespace."""
    path = f"/run/{kind}"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "file":
        open(path, "w").close()
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(path)
    elif kind == "loop":
        os.symlink(path, path)
    elif kind == "uts":
        return "/proc/self/ns/uts"
    elif kind == "device":
        return "/dev/full"
    elif kind == "below-a-file":
        open("/run/x", "w").close()
        return "/run/x/net"
    elif kind == "nul":
        return "/run/ä"
    return path


KINDS = ["fifo", "directory", "file", "socket", "loop", "uts", "device", "missing", "below-a-file", "nul"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", ["ADD", "CHECK"])
def test_what_is_no_network_namespace_is_error_8_at_once_and_nothing_is_done(
    host: Host, kind: str, command: str
) -> None:
    path = make(kind)
    before = host.snapshot()
    configuration = {**CONF, "prevResult": {"ips": []}} if command == "CHECK" else CONF
    error = host.plugin(command, configuration, netns=path).error(8)
    assert error["msg"] == f'failed to open netns "{path}"'
    assert host.snapshot() == before
    assert not os.path.exists("/var/lib/cni/networks")


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "loop"])
def test_del_takes_what_is_no_namespace_any_more_for_gone(host: Host, kind: str) -> None:
    assert host.plugin("DEL", CONF, netns=make(kind)).ok() is None


@pytest.mark.parametrize("command", ["ADD", "CHECK", "DEL"])
@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/proc/thread-self/ns/net"])
def test_the_hosts_own_namespace_is_error_8_before_anything_is_touched(host: Host, command: str, path: str) -> None:
    host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "vethother")
    before = host.snapshot()
    configuration = {**CONF, "prevResult": {"ips": []}}
    error = host.plugin(command, configuration, netns=path).error(8)
    assert error["msg"] == "plugin's netns and netns from CNI_NETNS should not be the same"
    assert host.snapshot() == before


@pytest.mark.parametrize("netns", ["/run/netns/c1", ""])
def test_del_works_with_the_namespace_alive_or_unnamed(host: Host, netns: str) -> None:
    host.container()
    before = host.snapshot()
    host.plugin("ADD", CONF).ok()
    assert host.plugin("DEL", CONF, netns=netns).ok() is None
    assert host.snapshot() == before


def test_del_works_with_the_namespace_gone(host: Host) -> None:
    before = host.snapshot()
    host.container()
    host.plugin("ADD", CONF).ok()
    host.run("ip", "netns", "del", "c1")
    assert host.plugin("DEL", CONF).ok() is None
    assert host.snapshot() == before


def test_del_works_with_the_interface_gone(host: Host) -> None:
    container = host.container()
    before = host.snapshot()
    host.plugin("ADD", CONF).ok()
    container.run("ip", "link", "del", "eth0")
    assert host.plugin("DEL", CONF).ok() is None
    assert host.snapshot() == before


def test_a_namespace_may_be_named_by_a_process(host: Host) -> None:
    sleeper = subprocess.Popen(["unshare", "-n", sys.executable, "-c", "print(flush=True); input()"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert sleeper.stdout is not None
        sleeper.stdout.readline()
        path = f"/proc/{sleeper.pid}/ns/net"
        result = host.plugin("ADD", CONF, netns=path).ok()
        assert result["interfaces"][1]["sandbox"] == path
        assert host.plugin("DEL", CONF, netns=path).ok() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_twenty_dels_are_twenty_successes(host: Host) -> None:
    host.container()
    host.plugin("ADD", CONF).ok()
    for _ in range(20):
        assert host.plugin("DEL", CONF).ok() is None


FOREIGN = {
    # Its IFLA_INFO_DATA has attributes of the numbers of a veth's.
    "bridge": ["ip", "link", "add", "eth0", "type", "bridge"],
    "veth inside": ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "inner"],
}


@pytest.mark.parametrize("kind", list(FOREIGN))
def test_del_leaves_a_link_that_is_not_of_ptp(host: Host, kind: str) -> None:
    container = host.container()
    container.run(*FOREIGN[kind])
    before = host.snapshot()
    assert host.plugin("DEL", CONF).ok() is None
    assert host.snapshot() == before


def test_del_leaves_a_bridges_port(host: Host) -> None:
    host.container()
    host.run("ip", "link", "add", "br0", "type", "bridge")
    host.run("ip", "link", "add", "veth0", "master", "br0", "type", "veth", "peer", "name", "eth0", "netns", "c1")
    before = host.snapshot()
    assert host.plugin("DEL", CONF).ok() is None
    assert host.snapshot() == before


def test_del_leaves_the_interface_of_the_same_container_on_another_network(host: Host) -> None:
    host.container()
    host.plugin("ADD", CONF).ok()
    before = host.snapshot()
    assert host.plugin("DEL", {**CONF, "name": "othernet"}).ok() is None
    assert host.snapshot() == before


def test_add_refuses_an_interface_name_that_is_there_before_anything_is_done(host: Host) -> None:
    container = host.container()
    container.run(*FOREIGN["bridge"])
    before = host.snapshot()
    assert "already exists" in host.plugin("ADD", CONF).error(100)["msg"]
    assert host.snapshot() == before


def test_a_second_add_harms_nothing_of_the_first(host: Host) -> None:
    host.container()
    result = host.plugin("ADD", CONF).ok()
    before = host.snapshot()
    assert "already exists" in host.plugin("ADD", CONF).error(100)["msg"]
    assert host.snapshot() == before
    assert host.plugin("CHECK", {**CONF, "prevResult": result}).ok() is None
