"""A container that makes what there is to read of it as long as the kernel lets it: names, addresses, routes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.adversary.many import add_addresses, add_routes, batch, name_often
from tests.configurations import conf
from tests.namespaces import Container, Host

DUAL = conf("1.1.0", ["v4", "v6"])
MANY = 20_000

# The peak counts from the fork on, so the caller must be small itself: pytest is not.
_MEASURE = """
import os, sys
status = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
sys.stderr.write(f"{status[1]} {status[2].ru_maxrss}")
"""
_RESTLESS = """
import subprocess
print(flush=True)
while True:
    subprocess.run(["ip", "-batch", "-"], input=BATCH, text=True)
"""


@pytest.fixture
def attached(host: Host) -> tuple[Container, dict[str, Any]]:
    """An attached container, and what its CHECK and DEL are given."""
    container = host.container()
    return container, {**DUAL, "prevResult": host.plugin("ADD", DUAL).ok()}


# --- alternative names ----------------------------------------------------------------------------------------------


def test_check_reads_a_link_of_any_length(host: Host, attached: tuple[Container, dict[str, Any]]) -> None:
    container, checked = attached
    name_often(container)
    assert host.plugin("CHECK", checked).ok() is None
    container.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")
    assert "MAC" in host.plugin("CHECK", checked).error(105)["details"]


def test_del_succeeds_whatever_the_container_calls_its_link(
    host: Host, attached: tuple[Container, dict[str, Any]]
) -> None:
    container, checked = attached
    name_often(container)
    host.plugin("DEL", checked).ok()
    assert container.ip("link", "show", "type", "veth") == []


def test_del_of_an_interface_of_that_name_that_is_not_ours_succeeds(host: Host) -> None:
    container = host.container()
    container.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
    name_often(container)
    for _ in range(2):
        host.plugin("DEL", DUAL).ok()
    assert container.ip("link", "show", "eth0")


def test_del_finds_what_the_go_plugin_attached(host: Host, go_plugins: str) -> None:
    container = host.container()
    go = {**conf("1.0.0", ["v4"]), "ipMasq": False}
    result = host.plugin("ADD", go, path=go_plugins, exe=f"{go_plugins}/ptp").ok()
    name_often(container)
    host.plugin("DEL", {**go, "prevResult": result}).ok()
    assert host.ip("link", "show", "type", "veth") == []


def test_add_says_that_the_name_is_taken(host: Host) -> None:
    container = host.container()
    container.run("ip", "link", "add", "eth0", "type", "bridge")
    name_often(container)
    assert "already exists" in host.plugin("ADD", DUAL).error(100)["msg"]


def test_a_link_longer_than_twice_64_kib_is_read_as_well(host: Host) -> None:
    """Of a macvlan the kernel lists the MACs of its sources: another attribute of 64 KiB."""
    container = host.container()
    container.run("ip", "link", "add", "lower", "type", "veth", "peer", "name", "upper")
    container.run("ip", "link", "add", "eth0", "link", "lower", "type", "macvlan", "mode", "source")
    macs = [f"02:00:00:00:{i >> 8:02x}:{i & 255:02x}" for i in range(5000)]
    for start in range(0, len(macs), 500):
        chosen = macs[start : start + 500]
        container.run("ip", "link", "set", "eth0", "type", "macvlan", "macaddr", "add", chosen[0])
        batch(container, *[f"link set eth0 type macvlan macaddr add {mac}" for mac in chosen[1:]])
    name_often(container)
    assert len(container.run("ip", "-d", "link", "show", "eth0").stdout) > 2 * 64 * 1024
    assert "already exists" in host.plugin("ADD", DUAL).error(100)["msg"]
    host.plugin("DEL", DUAL).ok()


# --- routes and addresses -------------------------------------------------------------------------------------------


def kib_of_check(host: Host, checked: dict[str, Any], status: int = 0) -> int:
    """How much memory a CHECK needs at most, KiB; it ends with this exit status."""
    environment = host.environment("CHECK", "c1", "/run/netns/c1", "eth0", "", "")
    argv = [sys.executable, "-I", "-S", "-c", _MEASURE, str(host.plugin_file)]
    done = host.run(*argv, input=json.dumps(checked), env=environment)
    ended, kib = map(int, done.stderr.split())
    assert ended >> 8 == status, done.stdout
    return kib


def test_check_needs_no_more_memory_for_a_long_list_of_routes(
    host: Host, attached: tuple[Container, dict[str, Any]]
) -> None:
    container, checked = attached
    least = kib_of_check(host, checked)
    add_routes(container, MANY)
    assert kib_of_check(host, checked) < least + 1024
    container.run("ip", "route", "del", "192.168.0.0/16")
    assert kib_of_check(host, checked, status=1) < least + 3 * 1024


def test_check_says_where_it_stopped_to_read_routes(host: Host, attached: tuple[Container, dict[str, Any]]) -> None:
    container, checked = attached
    add_routes(container, MANY)
    container.run("ip", "route", "del", "192.168.0.0/16")
    details = host.plugin("CHECK", checked).error(105)["details"]
    assert "no route 192.168.0.0/16" in details and "16384 routes" in details and details.count("no route") == 1


def test_a_route_that_another_hides_is_found_in_the_list(
    host: Host, attached: tuple[Container, dict[str, Any]]
) -> None:
    container, checked = attached
    container.run("ip", "route", "add", "192.0.2.0/24", "via", "10.1.2.1", "dev", "eth0")
    container.run("ip", "route", "add", "192.168.0.0/24", "via", "10.1.2.1", "dev", "eth0")
    container.run("ip", "-6", "route", "add", "2001:db8::/64", "via", "2001:db8:1::1", "dev", "eth0")
    assert host.plugin("CHECK", checked).ok() is None
    container.run("ip", "route", "del", "default")
    container.run("ip", "-6", "route", "del", "default")
    details = host.plugin("CHECK", checked).error(105)["details"]
    assert "no route 0.0.0.0/0" in details and "no route ::/0" in details and "are not read" not in details


def test_check_needs_no_more_memory_for_a_long_list_of_addresses(
    host: Host, attached: tuple[Container, dict[str, Any]]
) -> None:
    container, checked = attached
    least = kib_of_check(host, checked)
    add_addresses(container, 6000)
    assert kib_of_check(host, checked) < least + 1024


def test_check_says_where_it_stopped_to_read_addresses(host: Host, attached: tuple[Container, dict[str, Any]]) -> None:
    container, checked = attached
    add_addresses(container, 5000)
    container.run("ip", "addr", "del", "10.1.2.2/24", "dev", "eth0")
    details = host.plugin("CHECK", checked).error(105)["details"]
    assert "no address 10.1.2.2/24 among the first 4096 addresses" in details


def test_check_looks_up_an_ipv6_address_among_thousands(host: Host, attached: tuple[Container, dict[str, Any]]) -> None:
    container, checked = attached
    batch(container, *[f"addr add 2001:db8:2::{i:x}/128 dev eth0 nodad" for i in range(1, 5000)])
    assert host.plugin("CHECK", checked).ok() is None
    container.run("ip", "addr", "del", "2001:db8:1::2/66", "dev", "eth0")
    assert "no address 2001:db8:1::2/66" in host.plugin("CHECK", checked).error(105)["details"]


def test_a_list_that_always_changes_stops_neither_check_for_ever_nor_del(
    host: Host, attached: tuple[Container, dict[str, Any]]
) -> None:
    container, checked = attached
    add_routes(container, 5000)
    container.run("ip", "route", "del", "192.168.0.0/16")
    change = "".join([f"route add 2.0.0.{i} dev eth0\nroute del 2.0.0.{i} dev eth0\n" for i in range(200)])
    program = _RESTLESS.replace("BATCH", repr(change))
    restless = container.start(sys.executable, "-c", program, stderr=subprocess.DEVNULL)
    try:
        assert restless.stdout is not None
        restless.stdout.readline()
        reply = host.plugin("CHECK", checked)
        assert (reply.status, reply.json["code"] in (11, 105)) == (1, True), reply.json
        host.plugin("DEL", checked).ok()
    finally:
        restless.kill()
        restless.wait()
    assert host.ip("link", "show", "type", "veth") == []
